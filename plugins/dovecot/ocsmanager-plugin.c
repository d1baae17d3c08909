/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Entry points of the Dovecot plugin: loads, attaches the settings to each user, unloads.
 * Nothing in the plugin may end the process or fail a user: what is wrong is logged once and
 * switches the plugin off.
 */
#include "lib.h"
#include "module-context.h"
#include "module-dir.h"
#include "mail-user.h"
#include "mail-storage-hooks.h"

#include "ocsmanager-plugin.h"
#include "own.h"
#include "report.h"

struct ocs_mail_user {
	union mail_user_module_context module_ctx;
	struct ocs_user *settings;
	bool settings_read;
};

static MODULE_CONTEXT_DEFINE_INIT(ocs_user_module, &mail_user_module_register);

const char *ocsmanager_plugin_version = DOVECOT_ABI_VERSION;
const char *ocsmanager_plugin_dependencies[] = {"notify", NULL};

static bool bad_settings_logged;

static void read_settings(struct mail_user *user, struct ocs_mail_user *ctx)
{
	const char *error;

	ctx->settings_read = TRUE;
	if (ocs_settings_read(user, &ctx->settings, &error) < 0) {
		if (!bad_settings_logged)
			i_error("ocsmanager: %s; nothing is reported", error);
		bad_settings_logged = TRUE;
	}
}

struct ocs_user *ocs_user_get(struct mail_user *user)
{
	struct ocs_mail_user *ctx = MODULE_CONTEXT(user, ocs_user_module);

	if (ctx == NULL)
		return NULL;
	/* The owner of a shared folder has a creator, the "raw mail user" of a delivery has none;
	   2.4 tells only after it has created either. */
	if (!ctx->settings_read && user->creator != NULL)
		read_settings(user, ctx);
	return ctx->settings;
}

static void ocs_mail_user_deinit(struct mail_user *user)
{
	struct ocs_mail_user *ctx = MODULE_CONTEXT_REQUIRE(user, ocs_user_module);

	ocs_own_user_remove(user);
	ctx->module_ctx.super.deinit(user);
}

static void ocs_mail_user_created(struct mail_user *user)
{
	struct ocs_mail_user *ctx = p_new(user->pool, struct ocs_mail_user, 1);

	if (!user->autocreated) {
		ctx->module_ctx.super = *user->vlast;
		user->vlast->deinit = ocs_mail_user_deinit;
		user->vlast = &ctx->module_ctx.super;
		ocs_own_user_add(user);
	}
	MODULE_CONTEXT_SET(user, ocs_user_module, ctx);
	if (!user->autocreated)
		read_settings(user, ctx);
}

static struct mail_storage_hooks ocs_hooks = {
        .mail_user_created = ocs_mail_user_created,
        .mailbox_allocated = ocs_events_mailbox_allocated,
};

void ocsmanager_plugin_init(struct module *module)
{
	ocs_events_register();
	mail_storage_hooks_add(module, &ocs_hooks);
}

void ocsmanager_plugin_deinit(void)
{
	mail_storage_hooks_remove(&ocs_hooks);
	ocs_events_unregister();
	ocs_report_deinit();
}

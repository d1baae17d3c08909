/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the parts of the Dovecot plugin share. One process, one thread, Dovecot's ioloop; nothing
 * here may wait, except ocs_report_deinit(), which waits for a bounded time.
 *
 * Who calls whom:
 *   ocsmanager-plugin.c (settings of a user) -> events.c, folders.c
 *   events.c, folders.c                      -> order.c -> report.c; place.c -> own.c
 *   report.c                                 -> waiting.c, keep.c, login.c, exchange.c, answer.c
 *   login.c                                  -> scram.c
 *   exchange.c (lib-http)                    -> local.c
 */
#ifndef OCSMANAGER_PLUGIN_H
#define OCSMANAGER_PLUGIN_H

struct mail_user;
struct mailbox;
struct module;

/* Each kind can be switched in ocsmanager_events; the order is that of the names in settings.c. */
enum ocs_kind {
	OCS_NEWMAIL,
	OCS_CREATED,
	OCS_COPIED,
	OCS_MOVED,
	OCS_MODIFIED,
	OCS_DELETED,
	OCS_FOLDER_CREATED,
	OCS_FOLDER_MOVED,
	OCS_FOLDER_DELETED,
	OCS_KINDS
};

/* Settings of one user; strings live as long as the user. */
struct ocs_user {
	unsigned int kinds;      /* bit of each enum ocs_kind that is reported */
	const char *backend;     /* [backend:NAME] of the daemon */
	const char *username;    /* the backend's user, as ocsmanager_user_format made it */
	const char *public_user; /* whose name public folders go by; "": they are not reported */
	bool counts;             /* send total and unread */
	bool delivering;         /* the process is an LMTP or LDA delivery: saves are new mail */
};

/* The user's settings, or NULL where the plugin is off for it. Owners of shared folders, whom
   Dovecot makes up for the user who opens them, have some too: their name is in it. */
struct ocs_user *ocs_user_get(struct mail_user *user);

static inline bool ocs_user_wants(const struct ocs_user *user, enum ocs_kind kind)
{
	return (user->kinds & (1U << kind)) != 0;
}

/* Reads the settings of plugin { }; *ctx_r is allocated from the user's pool, NULL where it is off.
   The first user of a process also sets the process's connection (ocs_report_init). Returns -1
   with *error_r (no secret in it) for a setting that cannot be used. */
int ocs_settings_read(struct mail_user *user, struct ocs_user **ctx_r, const char **error_r);

/* Notify plugin callbacks (events.c). */
void ocs_events_register(void);
void ocs_events_unregister(void);
/* The hook of that name. */
void ocs_events_mailbox_allocated(struct mailbox *box);

/* What Dovecot looks up when it loads the plugin; all other symbols are hidden. */
#define OCS_EXPORT __attribute__((visibility("default")))

extern OCS_EXPORT const char *ocsmanager_plugin_version;
extern OCS_EXPORT const char *ocsmanager_plugin_dependencies[];
OCS_EXPORT void ocsmanager_plugin_init(struct module *module);
OCS_EXPORT void ocsmanager_plugin_deinit(void);

#endif

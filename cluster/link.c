/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The parts in their order, and what each is told of the others. */
#include "cluster/link.h"

#include <string.h>

#include <talloc.h>

#include "cluster/bindings.h"
#include "cluster/inbox.h"
#include "cluster/outbox.h"
#include "cluster/relay.h"
#include "cluster/spool.h"
#include "base/plural.h"

#include <syslog.h>

struct ocs_link {
	const struct ocs_link_settings *settings;
	struct ocs_link_status status;
	struct ocs_link_host host;
	struct ocs_dispatch *dispatch;
	ocs_log_fn *log;
	struct ocs_spool *spool; /* NULL: none */
	struct ocs_outbox *outbox;
	struct ocs_bindings *bindings; /* NULL: a relay */
	struct ocs_inbox *inbox;       /* NULL: a relay */
	struct ocs_relay relay;
};

static void submit(void *arg, struct ocs_request *request)
{
	ocs_link_submit(arg, request);
}

static void deliver(void *arg, struct ocs_request *request)
{
	const struct ocs_link *link = arg;

	ocs_dispatch_submit(link->dispatch, request);
}

static bool allowed(void *arg, const char *account, const char *backend, const char *backend_user)
{
	const struct ocs_link *link = arg;

	return link->host.allowed(link->host.arg, account, backend, backend_user);
}

static bool saw(void *arg, const char *key)
{
	const struct ocs_link *link = arg;

	return ocs_bindings_saw(link->bindings, key);
}

static bool has(void *arg, const char *key)
{
	const struct ocs_link *link = arg;

	return ocs_bindings_has(link->bindings, key);
}

static void tell(void *arg, struct ocs_message *message)
{
	struct ocs_link *link = arg;

	ocs_relay_tell(&link->relay, message);
}

static int health(void *arg, struct ocs_error *reason)
{
	struct ocs_link *link = arg;

	return ocs_dispatch_health(link->dispatch, reason);
}

static int check(void *arg, struct ocs_error *reason)
{
	return ocs_link_health(arg, reason);
}

static int open_spool(struct ocs_link *link, struct ocs_error *error)
{
	uint64_t damaged = 0;
	struct ocs_spool_state state;

	if (link->settings->spool_max == 0)
		return 0;
	if (ocs_spool_open(link->settings->spool_folder,
	                   (uint64_t)link->settings->spool_max * 1024 * 1024, &link->spool,
	                   &damaged, error) != 0)
		return -1;
	ocs_spool_state(link->spool, &state);
	if (damaged > 0)
		ocs_log_to(link->log, LOG_ERR, "%s: %llu %s for other nodes lost by damage",
		           link->settings->spool_folder, (unsigned long long)damaged,
		           ocs_plural(damaged, "message", "messages"));
	if (state.messages > 0)
		ocs_log_to(link->log, LOG_NOTICE, "%s: %llu %s to be sent to other nodes",
		           link->settings->spool_folder, (unsigned long long)state.messages,
		           ocs_plural(state.messages, "message waits", "messages wait"));
	return 0;
}

static int start_parts(struct ocs_link *link, const char *registry_folder, struct ocs_error *error)
{
	const struct ocs_link_settings *settings = link->settings;
	const struct ocs_inbox_host inbox = {
	        .arg = link,
	        .submit = submit,
	        .deliver = deliver,
	        .allowed = allowed,
	        .saw = saw,
	        .has = has,
	        .tell = tell,
	        .health = health,
	};

	if (open_spool(link, error) != 0 || ocs_outbox_start(settings, link->spool, &link->status,
	                                                     link->log, &link->outbox, error) != 0)
		return -1;
	link->relay.outbox = link->outbox;
	if (settings->relay)
		return 0;
	if (ocs_bindings_start(settings, registry_folder, &link->status, link->log, &link->bindings,
	                       error) != 0)
		return -1;
	if (ocs_dispatch_set_visit(link->dispatch, ocs_bindings_visit, link->bindings) != 0)
		return ocs_error_set(error, "the registry is locked by another process");
	return ocs_inbox_start(settings, &inbox, &link->status, link->log, &link->inbox, error);
}

int ocs_link_start(const struct ocs_link_settings *settings, const char *registry_folder,
                   struct ocs_dispatch *dispatch, const struct ocs_link_host *host, ocs_log_fn *log,
                   struct ocs_link **link_r, bool *hangs_r, struct ocs_error *error)
{
	struct ocs_link *link = talloc_zero(NULL, struct ocs_link);

	*link_r = NULL;
	*hangs_r = false;
	if (link == NULL)
		return ocs_error_memory(error);
	ocs_link_status_init(&link->status);
	link->settings = settings;
	link->host = *host;
	link->dispatch = dispatch;
	link->log = log;
	link->relay.settings = settings;
	link->relay.status = &link->status;
	link->relay.dispatch = dispatch;
	if (ocs_relay_init(&link->relay) != 0) {
		ocs_link_status_destroy(&link->status);
		talloc_free(link);
		return ocs_error_memory(error);
	}
	if (start_parts(link, registry_folder, error) != 0) {
		*hangs_r = ocs_link_stop(link) != 0;
		return -1;
	}
	ocs_health_watch(ocs_dispatch_health_of(dispatch), OCS_HEALTH_LINK, check, link);
	*link_r = link;
	return 0;
}

int ocs_link_stop(struct ocs_link *link)
{
	bool hangs = false;

	ocs_health_watch(ocs_dispatch_health_of(link->dispatch), OCS_HEALTH_LINK, NULL, NULL);
	/* What comes in goes out, so that stops first. */
	if (link->inbox != NULL)
		hangs = ocs_inbox_stop(link->inbox) != 0 || hangs;
	if (link->bindings != NULL) {
		if (ocs_dispatch_set_visit(link->dispatch, NULL, NULL) != 0)
			hangs = true;
		else
			hangs = ocs_bindings_stop(link->bindings) != 0 || hangs;
	}
	ocs_relay_end(&link->relay);
	if (link->outbox != NULL)
		hangs = ocs_outbox_stop(link->outbox) != 0 || hangs;
	if (hangs)
		return -1;
	ocs_relay_free(&link->relay);
	ocs_spool_close(link->spool);
	ocs_link_status_destroy(&link->status);
	talloc_free(link);
	return 0;
}

void ocs_link_watch(struct ocs_link *link)
{
	ocs_outbox_watch(link->outbox);
	if (link->bindings != NULL)
		ocs_bindings_watch(link->bindings);
	if (link->inbox != NULL)
		ocs_inbox_watch(link->inbox);
}

void ocs_link_submit(struct ocs_link *link, struct ocs_request *request)
{
	ocs_relay_submit(&link->relay, request);
}

struct ocs_link_status *ocs_link_status_of(struct ocs_link *link)
{
	return &link->status;
}

int ocs_link_health(struct ocs_link *link, struct ocs_error *reason)
{
	if (atomic_load(&link->status.name_taken))
		return ocs_error_set(reason, "%s", OCS_LINK_NAME_TAKEN);
	return ocs_outbox_health(link->outbox, reason);
}

bool ocs_link_spools(const struct ocs_link *link)
{
	return link->spool != NULL;
}

int ocs_link_look(struct ocs_link *link, struct ocs_error *error)
{
	return ocs_spool_look(link->spool, error);
}

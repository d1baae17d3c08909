/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The entries that the kernel queues did not take: into the registry's spill lists, in one
 * transaction for a group; then the libraries that own the queues are woken. Store thread.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/fault_point.h"

/* Whether the queue is registered still, in the open transaction: 1, 0 or -1. What is put on the
 * spill list of one that its owner or the janitor has removed stays there for ever. */
static int is_registered(struct ocs_dispatch *dispatch, const struct pending_entry *pending,
                         struct ocs_error *error)
{
	struct dispatch_snapshot *now;
	int found = 0;

	if (pending->snapshot->seqnum == ocs_registry_seqnum(dispatch->registry))
		return 1;
	now = ocs_dispatch_snapshot_read(dispatch, pending->snapshot->user, error);
	if (now == NULL)
		return -1;
	for (size_t i = 0; i < now->n_queues && found == 0; i++)
		found = now->queues[i].queue == pending->queue;
	ocs_dispatch_snapshot_put(dispatch, now);
	return found;
}

/* What a group's entries came to in the spill lists; counted once it is committed. */
struct spill_tally {
	uint64_t spilled, collapsed;
	size_t n_dropped;
	const char **dropped; /* talloc array: whose, for each */
};

static int note_drop(struct spill_tally *tally, const char *user, struct ocs_error *error)
{
	const char **grown =
	        talloc_realloc(NULL, tally->dropped, const char *, tally->n_dropped + 1);

	if (grown == NULL)
		return ocs_error_set(error, "out of memory");
	tally->dropped = grown;
	grown[tally->n_dropped++] = user;
	return 0;
}

static void count_spilled(struct ocs_dispatch *dispatch, const struct spill_tally *tally)
{
	OCS_COUNT(dispatch, entries_spilled, tally->spilled);
	OCS_COUNT(dispatch, entries_collapsed, tally->collapsed);
	OCS_COUNT(dispatch, entries_dropped, tally->n_dropped);
	for (size_t i = 0; i < tally->n_dropped; i++)
		ocs_dispatch_dropped(dispatch, tally->dropped[i]);
}

static int append_pending(struct ocs_dispatch *dispatch,
                          const struct ocs_dispatch_settings *settings, const struct item *item,
                          struct spill_tally *tally, struct ocs_error *error)
{
	for (size_t i = 0; i < item->n_pending; i++) {
		const struct pending_entry *pending = &item->pending[i];
		enum ocs_spill_outcome outcome;
		int registered = is_registered(dispatch, pending, error);

		if (registered < 0)
			return -1;
		if (registered == 0)
			continue;
		if (ocs_registry_spill_append(dispatch->registry, pending->queue->id,
		                              pending->queue->table, pending->entry, pending->len,
		                              settings->spill_max, settings->spill_total, &outcome,
		                              error) != OCS_STORE_OK)
			return -1;
		tally->spilled++;
		if (outcome == OCS_SPILL_DROPPED_OLDEST &&
		    note_drop(tally, pending->snapshot->user, error) != 0)
			return -1;
		tally->collapsed += outcome == OCS_SPILL_COLLAPSED;
	}
	return 0;
}

static bool send_wake(int fd, const struct sockaddr_un *address, uint64_t queue)
{
	uint8_t data[8];

	ocs_put64(data, queue);
	return sendto(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL,
	              (const struct sockaddr *)address, sizeof(*address)) == sizeof(data);
}

static void wake(struct ocs_dispatch *dispatch, const struct dispatch_queue *queue)
{
	struct sockaddr_un address;
	bool sent;
	int fd;

	if (ocs_registry_wake_address(dispatch->registry, queue->context, &address) != 0)
		return;
	sent = send_wake(dispatch->wake_socket, &address, queue->id);
	if (!sent && errno == EAGAIN) {
		/* Either its queue is full, and then it is being woken; or ours is, by datagrams
		 * that a stopped process has not read: those are charged to the socket that sent
		 * them. */
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd >= 0) {
			sent = send_wake(fd, &address, queue->id);
			close(fd);
		}
	}
	if (sent)
		OCS_COUNT(dispatch, wakeups, 1);
}

/* Everything in one transaction. */
static int append_all(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings,
                      struct item *const *items, size_t n, struct spill_tally *tally,
                      struct ocs_error *error)
{
	int ret = ocs_registry_begin(dispatch->registry, error);

	for (size_t i = 0; i < n && ret == 0; i++)
		if (items[i]->state == ITEM_SENT)
			ret = append_pending(dispatch, settings, items[i], tally, error);
	if (ret == 0) {
		OCS_COUNT(dispatch, commits, 1);
		ret = ocs_registry_commit(dispatch->registry, settings->sync == OCS_SYNC_ALWAYS,
		                          error);
		dispatch->unsynced = true;
	}
	return ret;
}

int ocs_dispatch_spill(struct ocs_dispatch *dispatch, const struct dispatch_config *config,
                       struct item *const *items, size_t n, struct ocs_error *error)
{
	const struct dispatch_queue *woken = NULL;
	struct spill_tally tally = {0};
	size_t pending = 0;
	int ret;

	for (size_t i = 0; i < n; i++)
		pending += items[i]->state == ITEM_SENT ? items[i]->n_pending : 0;
	if (pending == 0)
		return 0;
	ret = append_all(dispatch, &config->settings, items, n, &tally, error);
	for (size_t i = 0; i < n; i++)
		ocs_dispatch_pending_end(items[i]);
	if (ret == 0)
		count_spilled(dispatch, &tally);
	talloc_free(tally.dropped);
	if (ret != 0)
		return -1;
	ocs_fault_point("spill-committed");
	for (size_t i = 0; i < n; i++) {
		const struct item *item = items[i];

		for (size_t p = 0; item->state == ITEM_SENT && p < item->n_pending; p++) {
			if (item->pending[p].queue == woken)
				continue;
			woken = item->pending[p].queue;
			wake(dispatch, woken);
		}
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The link to other machines: RabbitMQ. What a node accepts it delivers itself and hands on to the
 * nodes where the users have sessions; what others hand on, and what is published to the ingest
 * queue, it delivers.
 *
 *   link.c       start, stop, health: the parts in their order
 *   relay.c      submit: local delivery and handing on, joined into one answer
 *   message.c    a notification as it travels
 *   outbox*.c    publishing with confirms; deadlines
 *   spool.c      messages on disk while the broker is away
 *   inbox*.c     consuming; acknowledging; dead letters
 *   bindings*.c  who is heard about here
 *   bind_socket.c   the socket at which the library asks to be bound
 *   broker*.c    one connection, of which there are three
 *   broker_loop.c   the thread of each
 *   status.c     counters and states
 */
#ifndef OCS_CLUSTER_LINK_H
#define OCS_CLUSTER_LINK_H

#include "cluster/settings.h"
#include "cluster/status.h"
#include "notify/dispatch.h"

struct ocs_link;

struct ocs_link_host {
	void *arg;
	/* As in the web service: may the account report about this? Any thread. */
	bool (*allowed)(void *arg, const char *account, const char *backend,
	                const char *backend_user);
};

/* Comes up without a broker too. settings and its strings are kept by reference. dispatch outlives
 * the link. On -1 *hangs_r says whether a thread of it hangs in the network: what it uses, settings
 * too, must stay then. */
int ocs_link_start(const struct ocs_link_settings *settings, const char *registry_folder,
                   struct ocs_dispatch *dispatch, const struct ocs_link_host *host, ocs_log_fn *log,
                   struct ocs_link **link_r, bool *hangs_r, struct ocs_error *error);
/* After the web service, before dispatch. -1: a thread hangs in the network; what it uses must
 * stay. */
int ocs_link_stop(struct ocs_link *link);
/* Every second or so: cuts a connection that hangs, see broker_loop.h. */
void ocs_link_watch(struct ocs_link *link);

/* As ocs_dispatch_submit(), and hands on: done() is called when both is done, with `queued` (0
 * queues here) for what another node or the spool has, 503 BROKER_UNAVAILABLE where the broker did
 * not answer for it in time. Never blocks. */
void ocs_link_submit(struct ocs_link *link, struct ocs_request *request);

struct ocs_link_status *ocs_link_status_of(struct ocs_link *link);
/* 0 while notifications for other nodes are taken; -1 with the reason. */
int ocs_link_health(struct ocs_link *link, struct ocs_error *reason);
/* Of one that spools, as ocs_spool_look(). */
int ocs_link_look(struct ocs_link *link, struct ocs_error *error);
bool ocs_link_spools(const struct ocs_link *link);

#endif

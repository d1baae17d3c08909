/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which users this node hears about: the bindings of its queue to the exchange of users. One thread
 * with a connection of its own, so that a storm of logins cannot hold up what is delivered; binds
 * and unbinds go out many at a time.
 *
 * A user is bound when the library asks (bind_request.h), when the registry shows them at start,
 * and unbound after unbind_after seconds without a session; the registry is looked at again after
 * the unbind. Every 5 s it asks the broker how many messages wait in the three queues, and sends
 * itself one (to a key of its own, dropped on arrival) by which it sees whether queue and exchange
 * still have their bindings; when they have not, all are made again.
 */
#ifndef OCS_CLUSTER_BINDINGS_H
#define OCS_CLUSTER_BINDINGS_H

#include "cluster/settings.h"
#include "cluster/status.h"

struct ocs_bindings;
struct ocs_registry;

/* registry_folder: where the socket is made. */
int ocs_bindings_start(const struct ocs_link_settings *settings, const char *registry_folder,
                       struct ocs_link_status *status, ocs_log_fn *log,
                       struct ocs_bindings **bindings_r, struct ocs_error *error);
int ocs_bindings_stop(struct ocs_bindings *bindings);   /* -1: it hangs; nothing is freed */
void ocs_bindings_watch(struct ocs_bindings *bindings); /* as ocs_broker_loop_watch() */

/* Called by dispatch's store thread between its batches, some times a second: looks at a few users
 * of the registry (at the first call at all of them) and returns soon. */
void ocs_bindings_visit(void *bindings, struct ocs_registry *registry);

/* A message for this key arrived. A key that is not known becomes known as bound and without a
 * session, and so is unbound in due time. Whether the user has a session here. Any thread. */
bool ocs_bindings_saw(struct ocs_bindings *bindings, const char *key);
/* Whether a routing key is bound, or about to be. Any thread. */
bool ocs_bindings_has(struct ocs_bindings *bindings, const char *key);

#endif

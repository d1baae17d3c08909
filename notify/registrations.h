/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Registrations of messages on their way to the index: what was assigned, announced or deleted
 * lately, in memory and in a journal of the daemon's own (private/messages.log). A group of
 * notifications costs one write and one sync of a few hundred bytes instead of a transaction that
 * touches a page for each; the index gets them in large transactions a few seconds later.
 *
 * The way in is the only truth about messages in the daemon: it looks here first, then in the
 * index.
 *
 * Threads: the store thread alone.
 */
#ifndef OCS_NOTIFY_REGISTRATIONS_H
#define OCS_NOTIFY_REGISTRATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "mapistore/index.h"
#include "base/error.h"
#include "store/journal.h"

struct ocs_registrations;

/* folder: the private one. What an earlier process left is applied to the index. damage as
 * of ocs_journal_open(). */
int ocs_registrations_open(const char *folder, struct ocs_index *index,
                           struct ocs_registrations **out, struct ocs_journal_damage *damage,
                           struct ocs_error *error);
/* Applies what is left, unless the index is not to be had; frees. */
void ocs_registrations_close(struct ocs_registrations *registrations);

/* A message's registration: an ocs_store_result. */
int ocs_registrations_get(struct ocs_registrations *registrations, uint64_t series,
                          const char *message_id, struct ocs_index_message *out,
                          struct ocs_error *error);
/* The identifier that was assigned to a message not yet registered, 0 if none. content: which mail
 * is meant (0: any); one assigned to another mail does not count. */
uint64_t ocs_registrations_assigned(struct ocs_registrations *registrations, uint64_t series,
                                    const char *message_id, uint64_t content);

/* Changes are seen at once and on the disk after flush. message->announced does not count.
 * registered: another mail of that name is, and is so no more. */
int ocs_registrations_assign(struct ocs_registrations *registrations, uint64_t series,
                             const char *message_id, const struct ocs_index_message *message,
                             bool registered, struct ocs_error *error);
int ocs_registrations_put(struct ocs_registrations *registrations, uint64_t series,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error);
int ocs_registrations_delete(struct ocs_registrations *registrations, uint64_t series,
                             const char *message_id, struct ocs_error *error);
int ocs_registrations_flush(struct ocs_registrations *registrations, bool sync,
                            struct ocs_error *error);
/* Back to what is in the file: after a failure. */
void ocs_registrations_revert(struct ocs_registrations *registrations);

/* How many wait for the index. */
unsigned ocs_registrations_waiting(const struct ocs_registrations *registrations);
/* Puts them into the index (a synced transaction) and starts the journal anew. The index must not
 * be in a transaction. */
int ocs_registrations_apply(struct ocs_registrations *registrations, struct ocs_error *error);

/* Where its file is gone, or another one: what waits goes into the index, the rest into a new file;
 * 1 with the error saying what was; 0: it is there; -1: it cannot be, and nothing is forgotten.
 * Nothing may be collected that is not flushed, and the index not be in a transaction. */
int ocs_registrations_look(struct ocs_registrations *registrations, struct ocs_error *error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The message log: which messages were given an identifier, announced or deleted lately and are not
 * in the index yet; in memory and in a journal (private/messages.log). A group of notifications
 * costs one write and one sync of a few hundred bytes instead of an index transaction that touches
 * a page for each; the index gets them in large transactions a few seconds later.
 *
 * The daemon asks for messages here only: the log is looked up first, then the index.
 *
 * Threads: the store thread alone.
 */
#ifndef OCS_NOTIFY_MESSAGE_LOG_H
#define OCS_NOTIFY_MESSAGE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mapistore/index.h"
#include "base/error.h"
#include "store/journal.h"

struct ocs_message_log;

/* folder: the private one. What an earlier process left is applied to the index. damage as
 * of ocs_journal_open(). */
int ocs_message_log_open(const char *folder, struct ocs_index *index, struct ocs_message_log **out,
                         struct ocs_journal_damage *damage, struct ocs_error *error);
/* What was left out of that since the index does not know its folder: it is an older copy. */
unsigned ocs_message_log_homeless(const struct ocs_message_log *log);
/* Applies what is left, if the index can be written; frees. */
void ocs_message_log_close(struct ocs_message_log *log);

/* From here on the registry's group can read the log, see mapistore/pending.h. May be repeated. */
int ocs_message_log_share(struct ocs_message_log *log, const char *registry_folder, gid_t gid,
                          struct ocs_error *error);
/* Whether it reads an older one there: share again before any message gets a name. */
bool ocs_message_log_unshared(const struct ocs_message_log *log);

/* What is recorded of a message, here or in the index: an ocs_store_result. */
int ocs_message_log_get(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        struct ocs_index_message *out, struct ocs_error *error);
/* The identifier that was assigned to a message not yet recorded, 0 if none. content: which mail
 * is meant (0: any); one assigned to another mail does not count. */
uint64_t ocs_message_log_assigned(struct ocs_message_log *log, uint64_t series,
                                  const char *message_id, uint64_t content);

/* Changes are seen at once and on the disk after flush. message->announced does not count.
 * recorded: another mail of that name was, and counts no more. */
int ocs_message_log_assign(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           const struct ocs_index_message *message, bool recorded,
                           struct ocs_error *error);
int ocs_message_log_put(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        const struct ocs_index_message *message, struct ocs_error *error);
/* The message of that MID is gone: what it was stays known, also if nothing was before. */
int ocs_message_log_delete(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           uint64_t mid, struct ocs_error *error);
int ocs_message_log_flush(struct ocs_message_log *log, bool sync, struct ocs_error *error);
/* Back to what is in the file: after a failure. */
void ocs_message_log_revert(struct ocs_message_log *log);

/* How many wait for the index. */
unsigned ocs_message_log_waiting(const struct ocs_message_log *log);
/* Puts them into the index (a synced transaction) and starts the journal anew. The index must not
 * be in a transaction. */
int ocs_message_log_apply(struct ocs_message_log *log, struct ocs_error *error);

/* Whether its file is still there: 0. If it is gone or another one, what waits goes into the index
 * and the rest into a new file: 1, with the error saying what was wrong; -1: that failed, and
 * nothing is forgotten. Not in an index transaction, nor with changes that are not flushed. */
int ocs_message_log_look(struct ocs_message_log *log, struct ocs_error *error);

#endif

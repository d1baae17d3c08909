/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Messages on their way to the index: the daemon has given them identifiers and tells clients of
 * them, and the index gets them a moment later, many at once. Meanwhile they stand in the daemon's
 * message log (notify/message_log.c), which it lets the registry's group read as messages/log: who
 * looks an identifier up looks here too. The format of its records is here.
 *
 * Threads: whoever owns the index.
 */
#ifndef OCS_MAPISTORE_PENDING_H
#define OCS_MAPISTORE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "mapistore/names.h"

/* ---- records ---- */

enum ocs_pending_state {
	OCS_PENDING_ASSIGNED = 1, /* an identifier, nothing announced yet */
	OCS_PENDING_RECORDED,
	OCS_PENDING_DELETED,
};

struct ocs_pending_message {
	enum ocs_pending_state state;
	bool announced;
	bool stale;   /* ASSIGNED, DELETED: over what the index must not know any more */
	uint64_t mid; /* DELETED: the one that is, 0 in records of before */
	uint64_t content;
};

/* A message's name in bytes: series 64, message id. */
#define OCS_PENDING_KEY_MAX    (8 + OCS_NAME_MAX)
#define OCS_PENDING_RECORD_MAX (10 + 8 + OCS_PENDING_KEY_MAX)
size_t ocs_pending_key(uint8_t key[OCS_PENDING_KEY_MAX], uint64_t series, const char *message_id);
/* The length of the record. */
size_t ocs_pending_encode(uint8_t record[OCS_PENDING_RECORD_MAX],
                          const struct ocs_pending_message *what, const uint8_t *key,
                          size_t key_len);
/* -1: it is none. key_r is in the data. */
int ocs_pending_decode(const uint8_t *data, size_t len, struct ocs_pending_message *what,
                       const uint8_t **key_r, size_t *key_len_r);

/* ---- reading along ---- */

#define OCS_PENDING_FOLDER "messages"     /* in the registry folder */
#define OCS_PENDING_FILE   "messages/log" /* a link to the daemon's */

struct ocs_pending;

/* NULL: out of memory. A talloc object on mem_ctx. */
struct ocs_pending *ocs_pending_new(const void *mem_ctx, const char *registry_folder);
/* Takes in what was added. What it knows then and the index afterwards is everything. */
int ocs_pending_refresh(struct ocs_pending *pending, struct ocs_error *error);
/* What is pending of a message, NULL: nothing. Valid until the next refresh. */
const struct ocs_pending_message *ocs_pending_find(struct ocs_pending *pending, uint64_t series,
                                                   const char *message_id);
/* The message that has, or had, that MID: its name, NUL-terminated; false: not pending. Valid until
 * the next refresh. */
bool ocs_pending_name(struct ocs_pending *pending, uint64_t mid, uint64_t *series_r,
                      const char **message_id_r);
/* All of them, until each() returns something else than 0, which is returned. */
typedef int ocs_pending_each_fn(uint64_t mid, uint64_t series, const char *message_id, void *arg);
int ocs_pending_each(struct ocs_pending *pending, ocs_pending_each_fn *each, void *arg);

#endif

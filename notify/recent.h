/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The ids of notifications that were accepted within the dedupe window, so that a repetition is
 * recognised: in memory, and in two journals of the daemon alone (private/recent.log and
 * recent.old.log, which change places when the newer one spans a window). Soft state.
 *
 * Threads: the store thread alone.
 */
#ifndef OCS_NOTIFY_RECENT_H
#define OCS_NOTIFY_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "store/journal.h"

struct ocs_recent;

/* folder: the private one. damage as of ocs_journal_open(). */
int ocs_recent_open(const char *folder, struct ocs_recent **recent_r,
                    struct ocs_journal_damage *damage, struct ocs_error *error);
void ocs_recent_close(struct ocs_recent *recent);

/* Whether an id was done within the last `window` seconds. now in seconds since 1970. */
bool ocs_recent_done(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                     unsigned window);

/* Adding is seen at once and in the file after flush, which also forgets what has left the window.
 * It is not synced: a power cut also loses the queues. */
int ocs_recent_add(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                   struct ocs_error *error);
int ocs_recent_flush(struct ocs_recent *recent, uint64_t now, unsigned window,
                     struct ocs_error *error);
/* What was added since the last flush is forgotten: after a failure. */
void ocs_recent_revert(struct ocs_recent *recent);

/* If one of its files is missing or was replaced, all ids are written again: 1 with the error
 * saying what was; 0: they are there; -1: they cannot be. Nothing may be added that is not flushed.
 */
int ocs_recent_look(struct ocs_recent *recent, struct ocs_error *error);

#endif

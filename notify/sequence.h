/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The order of acceptance: numbers that grow with each notification, across restarts too, whatever
 * the clock does meanwhile. Entries that wait in queues and spill lists are put in order by them.
 *
 * The mark, beyond which no number was ever given, is kept in the daemon's own folder
 * (private/sequence.log), synced, and raised in large steps, so that it costs nothing per number.
 */
#ifndef OCS_NOTIFY_SEQUENCE_H
#define OCS_NOTIFY_SEQUENCE_H

#include <stdint.h>

#include "base/error.h"

struct ocs_sequence;

/* folder: the private one. Starts at the larger of the mark and `at_least`. 0 or -1. */
int ocs_sequence_open(const char *folder, uint64_t at_least, struct ocs_sequence **sequence_r,
                      struct ocs_error *error);
void ocs_sequence_close(struct ocs_sequence *sequence); /* NULL is allowed */

/* The first of n numbers. Any thread; no lock, no file. */
uint64_t ocs_sequence_take(struct ocs_sequence *sequence, uint64_t n);

/* Raises the mark where half of the step is used up: called by one thread from time to time, long
 * before 2^31 numbers are taken. 0 or -1; then it is tried again with the next call. */
int ocs_sequence_reserve(struct ocs_sequence *sequence, struct ocs_error *error);

/* If its file is missing or was replaced, it is written again: 1 with the error saying what was; 0:
 * it is there; -1: it cannot be. The same thread. */
int ocs_sequence_look(struct ocs_sequence *sequence, struct ocs_error *error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A bounded semaphore with a bounded queue: how many threads may do something expensive at once,
 * and how many may wait for it. Any thread.
 */
#ifndef OCS_AUTH_SLOTS_H
#define OCS_AUTH_SLOTS_H

#include <stdbool.h>

struct ocs_slots;

/* slots at once, at most `waiting` in the queue, each for at most wait_ms. NULL: out of memory. */
struct ocs_slots *ocs_slots_new(unsigned slots, unsigned waiting, unsigned wait_ms);
void ocs_slots_free(struct ocs_slots *slots);

/* Waits for a slot. false: queue full, or waited too long. */
bool ocs_slots_take(struct ocs_slots *slots);
void ocs_slots_give(struct ocs_slots *slots);

#endif

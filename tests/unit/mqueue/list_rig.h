/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* For the tests of spill lists: one list in a temporary folder, its writer and its reader. */
#ifndef OCS_UNIT_LIST_RIG_H
#define OCS_UNIT_LIST_RIG_H

#include "tests/unit/spill_rig.h"

#define LIST_CONTEXT 0x10
#define LIST_QUEUE   0x20

extern const struct ocs_spill_name list_name;
extern struct ocs_spill list_spill;
extern struct ocs_spill_reader list_reader;
extern char list_got[4096]; /* numbers of entries, each with a blank; with a ! a TableChanged */
extern bool list_woken;     /* by the last append */

void list_setup(void);
void list_teardown(void);
void list_open(void);
/* As another daemon. */
void list_start_again(void);
const char *list_path(void);

enum ocs_spill_outcome list_append_full(enum ocs_table table, uint32_t n, uint32_t max, bool full);
enum ocs_spill_outcome list_append(uint32_t n, uint32_t max);
/* Adds to list_got. */
int list_note(const uint8_t *data, size_t len, void *arg);
const char *list_waiting(void);
const char *list_take(void);
struct ocs_spill_state list_state(void);

#endif

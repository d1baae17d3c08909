/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of an index of several files share: one whose files are small. */
#ifndef OCS_UNIT_FILES_RIG_H
#define OCS_UNIT_FILES_RIG_H

#include "mapistore/index.h"
#include "tests/unit/rig.h"

#define FILES_SMALL (13 << 19) /* 6.5 MiB; a fresh file has five */

extern struct ocs_index *files_idx; /* the owner's */
extern uint64_t files_highest;      /* counter given so far */

void files_setup(void);
void files_teardown(void);
struct ocs_index *files_open(bool owner);
void files_reopen(void);

uint64_t files_counter(uint64_t id);
struct ocs_index_folder files_folder(struct ocs_index *index, const char *user, const char *name,
                                     bool create);
bool files_is_known(struct ocs_index *index, const char *user, const char *name);
/* Messages a to b - 1 of a folder, in one transaction. */
void files_add_messages(const struct ocs_index_folder *folder, unsigned a, unsigned b);
/* The MID of message i, 0: there is none. */
uint64_t files_message(struct ocs_index *index, const struct ocs_index_folder *folder, unsigned i);
/* Adds messages until there are so many files; the number of the next message. */
unsigned files_fill_until(const struct ocs_index_folder *folder, unsigned from, unsigned files);
void files_ck_names(struct ocs_index *index, uint64_t id, const char *user, const char *folder);

#endif

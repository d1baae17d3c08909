/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the mark share: an index in a folder of the temporary one, with a clock, a
 * machine and a boot of their own; and all identifiers that were given. */
#ifndef OCS_UNIT_MARK_RIG_H
#define OCS_UNIT_MARK_RIG_H

#include "mapistore/index.h"
#include "mapistore/index_mark.h"
#include "tests/unit/rig.h"

#define MARK_COUNT 4000
#define MARK_MANY  200000

extern struct ocs_index *mark_index;
extern int64_t mark_now; /* milliseconds since 1970 */
/* The registry, another place for it, and one to keep something in. */
extern char mark_here[128], mark_there[128], mark_saved[128];

struct mark_given {
	uint64_t counter, n;
};
extern struct mark_given mark_given[MARK_MANY];
extern size_t mark_n_given;

void mark_setup(void);
void mark_teardown(void);
void mark_set_machine(const char *text);
void mark_set_boot(const char *id);
/* As the daemon does; what was open is closed. */
int mark_open(const char *folder, uint16_t replica_id);
void mark_stop(void);

/* A path; valid until the next but one. */
const char *mark_in(const char *folder, const char *name);
/* Into the file that is there, or a new one. */
void mark_copy_file(const char *from, const char *to);
/* to NULL: removes them. */
void mark_each_file(const char *from, const char *to);
void mark_copy_folder(const char *from, const char *to);

void mark_note(uint64_t id, uint64_t n);
/* In a transaction of its own; one after the other, a hundred a transaction. */
int mark_take(struct ocs_index *index, unsigned n, uint64_t *first);
int mark_take_singly(struct ocs_index *index, unsigned n, uint64_t *out);
/* The same from mark_index, and noted. */
void mark_give(unsigned n);
void mark_give_ranges(unsigned n);
void ck_mark_distinct(void);

/* What the start said, "" for nothing. */
struct mark_said {
	int priority;
	char text[4096];
};
const struct mark_said *mark_said(void);

struct ocs_index_mark mark_read(void);
void mark_write(struct ocs_index_mark *mark); /* into both slots */

#endif

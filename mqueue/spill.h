/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Spill lists: what a full or missing kernel queue could not take, in order; a file a queue,
 * <folder>/spill/<context>.<queue>, each 16 hex digits.
 *
 * Written by the daemon alone, read by the one consumer, who writes down how far: no lock, no
 * transaction, and nothing is synced, since a list is of no use to anybody once the machine has
 * stopped, as a kernel queue is not. The file is a ring of slots, so that no list outgrows its
 * bound; it starts from its beginning whenever all is read. Each slot tells whether it is whole and
 * which number its entry has, so a reader never takes half of one, nor an old one.
 *
 * Two orders make it safe without a lock. The writer writes the entry, then looks how far the
 * consumer is: who had read all before it is to be woken. The consumer writes how far it is, then
 * looks for more. One of the two sees the other.
 *
 * Functions return 0 or a negative errno unless said. No locking of their own: a list has one
 * writer and one reader at a time; those that take a path may be called by anybody.
 */
#ifndef OCS_MQUEUE_SPILL_H
#define OCS_MQUEUE_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mqueue/name.h"

#define OCS_SPILL_FOLDER "spill"

/* Which list: the registry folder it is below, and whose it is. */
struct ocs_spill_name {
	const char *folder;
	uint64_t context, queue;
};

/* The context and queue of a file's name in the folder. -1: it is not one of a list. */
int ocs_spill_parse(const char *file, uint64_t *context_r, uint64_t *queue_r);

/* Makes <folder>/spill for the group if it is not there, as open as the registry folder. What has
 * the name and is not ours goes, or aside: members of the group can make files there. */
int ocs_spill_folder(const char *folder, gid_t gid);

/* ---- the writer ---- */

struct ocs_spill {
	int fd;                     /* -1: not open */
	bool known;                 /* what follows is so, also while it is not open */
	uint64_t id;                /* of the file */
	uint64_t base, first, tail; /* numbers of entries: in the first slot, the oldest kept, the
	                               next one */
	uint64_t read; /* the consumer has had those before it, when it was last seen */
	uint64_t dropped;
	uint32_t slots;
	bool collapsed; /* what waits is one TableChanged */
	bool untold;    /* its reader may not know that this file has something */
};

enum ocs_spill_outcome { OCS_SPILL_APPENDED, OCS_SPILL_DROPPED_OLDEST, OCS_SPILL_COLLAPSED };

void ocs_spill_init(struct ocs_spill *spill);
/* Opens the list; with create makes it where there is none, or where what has the name is none.
 * -ENOENT: there is none. */
int ocs_spill_open(struct ocs_spill *spill, const struct ocs_spill_name *name, bool create,
                   gid_t gid);
/* Keeps what is known of it. */
void ocs_spill_close(struct ocs_spill *spill);
/* Looks how far the consumer is. */
int ocs_spill_look(struct ocs_spill *spill);
/* Entries that wait, as of the last look. */
uint64_t ocs_spill_count(const struct ocs_spill *spill);
/* Whether the file has lost its name; what waits in it is then moved by the next opening. */
bool ocs_spill_unlinked(const struct ocs_spill *spill, const struct ocs_spill_name *name);

/* Appends to an open list. max: entries that may wait; full: no more may be, whatever max says, but
 * the first. Past that a table's list becomes one TableChanged, any other loses its oldest entry.
 * *wake_r: the consumer may have seen the list empty. */
int ocs_spill_append(struct ocs_spill *spill, enum ocs_table table, const uint8_t *entry,
                     size_t len, uint32_t max, bool full, enum ocs_spill_outcome *outcome_r,
                     bool *wake_r);

/* ---- the consumer ---- */

struct ocs_spill_reader {
	int fd;           /* -1: not open */
	uint64_t id;      /* of the file that number is of; 0: none yet */
	uint64_t number;  /* of the entry that is read next */
	uint64_t damaged; /* slots that were no entry's and were passed over */
};

/* Returns 0 to go on; else the entry was not taken, and that is what is returned. */
typedef int ocs_spill_each_fn(const uint8_t *entry, size_t len, void *arg);

void ocs_spill_reader_init(struct ocs_spill_reader *reader);
/* Takes what there is, the oldest first: those that each() has had do not come again. Opens the
 * list, and leaves it open. 1: there is more by now; from the moment that all is marked as read the
 * daemon may have sent to the kernel's queue again, so that one is read before. Where something was
 * taken from a file that was open before, there may be another one in its place by now. */
int ocs_spill_take(struct ocs_spill_reader *reader, const struct ocs_spill_name *name,
                   ocs_spill_each_fn *each, void *arg);
/* Whether there is something to take: 1 or 0. */
int ocs_spill_waiting(struct ocs_spill_reader *reader, const struct ocs_spill_name *name);
/* Whether another file may have the list's name by now; it is closed then. For now and then: while
 * nothing is found in an open file this is looked up anyway. */
bool ocs_spill_reader_is_old(struct ocs_spill_reader *reader, const struct ocs_spill_name *name);
void ocs_spill_reader_close(struct ocs_spill_reader *reader);

/* ---- anybody ---- */

struct ocs_spill_state {
	uint64_t count;   /* that wait */
	uint64_t dropped; /* the oldest, past spill_max or spill_total */
	bool collapsed;   /* what waits is one TableChanged */
};

/* All zero if there is no list. */
int ocs_spill_state(const struct ocs_spill_name *name, struct ocs_spill_state *out);
/* Gives what waits, and leaves it there. */
int ocs_spill_each(const struct ocs_spill_name *name, ocs_spill_each_fn *each, void *arg);
/* What waits counts as read. */
int ocs_spill_clear(const struct ocs_spill_name *name);
void ocs_spill_remove(const struct ocs_spill_name *name);

#endif

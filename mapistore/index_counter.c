/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The counter of the identifiers: the record H of the newest file, the mark beside the files
 * (index_mark.h) and the clock; none is given that any of them says was given. Transactions are
 * here since the counter is what they must not lose. Touches index*.tdb and id_mark.*; the owner's
 * thread.
 */
#include "mapistore/index_layer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "mapistore/index_mark.h"

uint64_t ocs_index_id_next(uint64_t id)
{
	return ocs_index_id_make((uint16_t)id, ocs_index_counter_of(id) + 1);
}

/* ---- transactions ---- */

/* The mark is told what the index has now, so that a copy from before this transaction is known for
 * one. Where it cannot be, only that is lost. */
static void settle(const struct ocs_index *index)
{
	struct ocs_index_mark mark;
	char path[PATH_MAX];
	int fd;

	if (ocs_index_mark_path(index->folder, index->replica_id, path, NULL) != 0 ||
	    ocs_index_mark_lock(path, index->replica_id, &fd, &mark, NULL) != OCS_STORE_OK)
		return;
	if (mark.counted && mark.seen < index->next_mark && index->next_mark <= mark.next) {
		mark.seen = index->next_mark;
		(void)ocs_index_mark_write(fd, path, &mark, false, NULL);
	}
	close(fd);
}

int ocs_index_commit(struct ocs_index *index, struct ocs_error *error)
{
	int ret = ocs_layer_commit(index, error);

	if (ret == OCS_STORE_OK)
		ret = ocs_store_commit(index->store, true, error);
	else
		ocs_store_cancel(index->store);
	if (ret == OCS_STORE_OK && index->next_mark != 0) {
		ocs_index_raise_to(&index->mark, index->next_mark);
		settle(index);
	}
	index->next_mark = 0;
	return ret;
}

void ocs_index_cancel(struct ocs_index *index)
{
	ocs_store_cancel(index->store);
	ocs_layer_cancel(index);
	index->next_mark = index->import_next = 0;
}

/* ---- giving identifiers ---- */

/* The mark lets n go from *counter on, or from a later one, which it notes. Where it is gone or
 * damaged the owner makes it again within a second; until then the index counts. */
static int take(struct ocs_index *index, unsigned n, uint64_t seen, uint64_t *counter,
                struct ocs_error *error)
{
	struct ocs_index_mark mark;
	char path[PATH_MAX];
	bool sync;
	int fd, ret;

	if (ocs_index_mark_path(index->folder, index->replica_id, path, error) != 0)
		return OCS_STORE_ERROR;
	ret = ocs_index_mark_lock(path, index->replica_id, &fd, &mark, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (mark.counted) {
		/* The second time in a transaction the index has what is not committed. */
		if (index->next_mark == 0 && seen < mark.seen)
			atomic_store(&index->behind, true);
		if (index->next_mark == 0)
			mark.seen = seen;
		ocs_index_raise_to(counter, ocs_index_mark_free(&mark, index->boot));
		if (*counter <= OCS_COUNTER_MAX - n) {
			sync = ocs_index_mark_raise(&mark, *counter + n, index->boot);
			ret = ocs_index_mark_write(fd, path, &mark, sync, error);
		}
	}
	close(fd);
	return ret;
}

int ocs_index_reserve(struct ocs_index *index, unsigned n, uint64_t *first_r,
                      struct ocs_error *error)
{
	uint64_t counter, high_water;
	int ret;

	if (index->import_next != 0) {
		*first_r = ocs_index_id_make(index->replica_id, index->import_next);
		index->import_next += n;
		return OCS_STORE_OK;
	}
	ret = ocs_index_high_water(index->store, &high_water, error);
	if (ret == OCS_STORE_ERROR)
		return ret;
	if (ret != OCS_STORE_OK) {
		ocs_error_set(
		        error,
		        "%s: the high-water mark of the identifiers is damaged, so none can be "
		        "given: put a backup in place with `ocsctl index restore`, or move it away "
		        "and set [main] replica_id to a number never used here",
		        ocs_store_path(index->store));
		return OCS_STORE_CORRUPT;
	}
	/* An older copy of the file in its place: what was given since is not given again. */
	if (high_water < index->mark)
		atomic_store(&index->behind, true);
	counter = high_water;
	ocs_index_raise_to(&counter, index->mark);
	ocs_index_raise_to(&counter, index->floor);
	ret = take(index, n, high_water, &counter, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (counter == 0 || counter > OCS_COUNTER_MAX - n)
		return ocs_error_set(error, "%s: all identifiers of this replica id are given",
		                     ocs_store_path(index->store));
	ret = ocs_index_put_high_water(index->store, counter + n, error);
	if (ret == OCS_STORE_OK)
		*first_r = ocs_index_id_make(index->replica_id, counter);
	if (ret == OCS_STORE_OK)
		index->next_mark = counter + n;
	return ret;
}

/* ---- an import: identifiers are given from a number of its own, which the mark learns at the
 * end ---- */

/* With what the mark says: OK only if it can be believed. */
static int lock_mark(const struct ocs_index *index, char path[PATH_MAX], int *fd_r,
                     struct ocs_index_mark *mark, struct ocs_error *error)
{
	int ret;

	if (ocs_index_mark_path(index->folder, index->replica_id, path, error) != 0)
		return OCS_STORE_ERROR;
	ret = ocs_index_mark_lock(path, index->replica_id, fd_r, mark, error);
	if (ret == OCS_STORE_OK && !mark->counted) {
		close(*fd_r);
		ret = OCS_STORE_MISSING;
	}
	if (ret == OCS_STORE_MISSING)
		ocs_error_set(error,
		              "%s: is not there or damaged: start ocsmanager once, which makes it, "
		              "and stop it",
		              path);
	return ret;
}

int ocs_index_import_count(struct ocs_index *index, uint64_t least, struct ocs_error *error)
{
	struct ocs_index_mark mark;
	char path[PATH_MAX];
	int fd, ret = lock_mark(index, path, &fd, &mark, error);

	if (ret != OCS_STORE_OK)
		return ret;
	close(fd);
	ret = ocs_index_high_water(index->store, &index->import_next, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_ERROR
		               ? ret
		               : ocs_error_set(error, "%s: its high-water mark is lost",
		                               ocs_store_path(index->store));
	ocs_index_raise_to(&index->import_next, ocs_index_mark_free(&mark, index->boot));
	ocs_index_raise_to(&index->import_next, least);
	return OCS_STORE_OK;
}

int ocs_index_import_fits(const struct ocs_index *index, struct ocs_error *error)
{
	return index->import_next <= OCS_COUNTER_MAX - OCS_MARK_BLOCK
	               ? OCS_STORE_OK
	               : ocs_error_set(error, "%s: no identifiers of this replica id would be left",
	                               ocs_store_path(index->store));
}

int ocs_index_import_commit(struct ocs_index *index, struct ocs_error *error)
{
	uint64_t next = index->import_next;
	struct ocs_index_mark mark;
	char path[PATH_MAX];
	int fd, ret;

	index->import_next = 0;
	ret = lock_mark(index, path, &fd, &mark, error);
	if (ret != OCS_STORE_OK)
		return ret;
	(void)ocs_index_mark_raise(&mark, next, index->boot);
	ret = ocs_index_mark_write(fd, path, &mark, true, error);
	close(fd);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_put_high_water(index->store, next, error);
	if (ret != OCS_STORE_OK)
		return ret;
	index->next_mark = next;
	return ocs_index_commit(index, error);
}

/* ---- the owner's start ---- */

static void note(struct ocs_index *index, int priority, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void note(struct ocs_index *index, int priority, const char *format, ...)
{
	struct ocs_index_note *out = &index->notes[index->n_notes];
	va_list args;

	if (index->n_notes == OCS_INDEX_NOTES)
		return;
	va_start(args, format);
	out->priority = priority;
	if (vsnprintf(out->text.text, sizeof(out->text.text), format, args) >= 0)
		index->n_notes++;
	va_end(args);
}

void ocs_index_notes(const struct ocs_index *index, ocs_report_fn *report, void *arg)
{
	for (unsigned i = 0; i < index->n_notes; i++)
		report(index->notes[i].priority, index->notes[i].text.text, arg);
}

int ocs_index_counter_set(struct ocs_index *index, uint64_t counter, struct ocs_error *error)
{
	int ret = ocs_index_begin(index, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_index_put_high_water(index->store, counter, error);
	/* Where its high-water mark was lost, nobody knows what else was. */
	if (ret == OCS_STORE_OK)
		ret = counter == 1 ? ocs_layer_begin(index, counter, error)
		                   : ocs_layer_drop(index, error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, error);
	ocs_index_cancel(index);
	return ret;
}

bool ocs_index_behind(const struct ocs_index_mark *mark, const char *path, uint64_t high_water,
                      struct ocs_error *error)
{
	if (!mark->counted || high_water >= mark->seen)
		return false;
	ocs_error_set(error,
	              "%.250s is an older copy: it knows of identifiers up to counter %llu, %llu "
	              "were given; those are not given again, and what they named is forgotten",
	              path, (unsigned long long)(high_water - 1),
	              (unsigned long long)(mark->next - 1));
	return true;
}

/* Says what the start found. read: what became of the mark; high_water 0: it is lost. */
static void tell(struct ocs_index *index, const char *path, int read,
                 const struct ocs_index_mark *mark, uint64_t high_water)
{
	unsigned long long goes_on = index->floor;
	const char *file = ocs_store_path(index->store);
	struct ocs_error why;

	if (high_water == 0)
		note(index, LOG_WARNING,
		     "%.250s: its high-water mark was lost; by that in %.100s identifiers go on at "
		     "counter %llu",
		     file, path, goes_on);
	else if (ocs_index_behind(mark, file, high_water, &why))
		note(index, LOG_WARNING, "%s", why.text);
	if (read == OCS_STORE_MISSING && high_water > 1)
		note(index, LOG_NOTICE,
		     "%.250s was not there (earlier versions made none): made; identifiers go on "
		     "at counter %llu",
		     path, goes_on);
	else if (read == OCS_STORE_OK && !(mark->counted && mark->placed))
		note(index, LOG_WARNING,
		     "%.250s was damaged: made again; identifiers go on at counter %llu", path,
		     goes_on);
}

/* Makes the file where it must be: the owner. */
static int make(struct ocs_index *index, const char *path, struct ocs_index_mark *mark,
                struct ocs_error *error)
{
	mark->written++;
	if (ocs_index_place_take(index->folder, mark, error) != 0)
		return OCS_STORE_ERROR;
	return ocs_index_mark_replace(index->folder, path, mark, error);
}

/* So that whoever has only the index to go by, a library while the mark is gone, gives none from
 * below. Not where a library has it locked: the first identifier that is given does it too. */
static int raise_index(struct ocs_index *index, struct ocs_error *error)
{
	uint64_t high_water;
	int ret = ocs_store_try_begin(index->store, error);

	if (ret == OCS_STORE_BUSY)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_index_high_water(index->store, &high_water, error);
	if (ret == OCS_STORE_OK && high_water < index->floor)
		ret = ocs_index_put_high_water(index->store, index->floor, error);
	/* A program of before the search layer may have been here, or a copy of one file only. */
	if (ret == OCS_STORE_OK)
		ret = index->salvaged ? ocs_layer_drop(index, error)
		                      : ocs_layer_follow(index, high_water,
		                                         high_water < index->floor ? index->floor
		                                                                   : high_water,
		                                         error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, error);
	ocs_index_cancel(index);
	return ret;
}

int ocs_index_counter_open(struct ocs_index *index, int place, struct ocs_error *error)
{
	struct ocs_index_mark mark;
	struct ocs_error why = {.text = ""};
	uint64_t high_water = 0;
	char path[PATH_MAX];
	int fd = -1, ret, read;

	ret = ocs_index_high_water(index->store, &high_water, error);
	if (ret == OCS_STORE_ERROR ||
	    ocs_index_mark_path(index->folder, index->replica_id, path, error) != 0)
		return OCS_STORE_ERROR;
	/* Nothing can be given from one of another version: reserve explains. */
	if (ret == OCS_STORE_DAMAGED && !ocs_index_readable(index->store))
		return OCS_STORE_OK;
	read = ocs_index_mark_lock(path, index->replica_id, &fd, &mark, error);
	if (read == OCS_STORE_ERROR || read == OCS_STORE_BUSY)
		return read;
	if (high_water != 0 || mark.counted) {
		index->floor = ocs_index_clock_floor(&why);
		if (why.text[0] != '\0')
			note(index, LOG_WARNING, "%s", why.text);
		ocs_index_raise_to(&index->floor, high_water);
		ocs_index_raise_to(&index->floor, ocs_index_mark_free(&mark, index->boot));
		tell(index, path, read, &mark, high_water);
		if (!mark.counted || high_water < mark.seen)
			mark.seen = high_water;
		(void)ocs_index_mark_raise(&mark, index->floor, index->boot);
		ret = mark.counted && mark.placed && place == OCS_PLACE_SAME
		              ? ocs_index_mark_write(fd, path, &mark, true, error)
		              : make(index, path, &mark, error);
		if (ret == OCS_STORE_OK)
			ret = high_water == 0 ? ocs_index_counter_set(index, index->floor, error)
			                      : raise_index(index, error);
	} else {
		ret = OCS_STORE_OK; /* reserve explains */
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

void ocs_index_note_move(struct ocs_index *index, const struct ocs_error *text)
{
	note(index, LOG_NOTICE, "%s", text->text);
}

/* ---- while the owner runs ---- */

int ocs_index_look_mark(struct ocs_index *index, struct ocs_error *error)
{
	struct ocs_index_mark mark;
	struct ocs_error why = {.text = ""};
	uint64_t high_water = 0;
	char path[PATH_MAX];
	int fd = -1, ret;

	if (ocs_index_mark_path(index->folder, index->replica_id, path, error) != 0)
		return -1;
	ret = ocs_index_mark_read(path, index->replica_id, &mark, error);
	if ((ret == OCS_STORE_OK && mark.counted && mark.placed) || index->floor == 0)
		return 0;
	ret = ocs_index_mark_lock(path, index->replica_id, &fd, &mark, &why);
	if (ret != OCS_STORE_ERROR && ret != OCS_STORE_BUSY) {
		ocs_error_set(error, "%.300s: %s", path,
		              ret == OCS_STORE_MISSING ? "is gone" : "damaged");
		(void)ocs_index_high_water(index->store, &high_water, NULL);
		ocs_index_raise_to(&high_water, index->next_mark);
		ocs_index_raise_to(&high_water, index->mark);
		ocs_index_raise_to(&high_water, index->floor);
		(void)ocs_index_mark_raise(&mark, high_water, index->boot);
		ret = make(index, path, &mark, &why);
	}
	if (fd >= 0)
		close(fd);
	if (ret != OCS_STORE_OK)
		ocs_error_set(error, "%s", why.text);
	return ret == OCS_STORE_OK ? 1 : -1;
}

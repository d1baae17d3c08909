/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether an index says the same in both directions: see index_tools.h. Each record is looked at by
 * itself and with the one that it leads to; numbers that were used twice are found at the end, when
 * all were seen. Reads a snapshot.
 */
#include "mapistore/index_tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "mapistore/index_internal.h"

#define FOLDER_SIZE 29 /* as of index_folder.c */
#define DEPTH_MAX   512
#define EVERY       4096 /* records from one word of the progress to the next */

/* A number that is used, and for what: 'I' an identifier, 'n' a folder's node, 's' a series. */
struct used {
	uint64_t id;
	char what;
};

struct check {
	struct ocs_index *index;
	const struct ocs_index_watch *watch;
	struct ocs_index_checked *out;
	struct ocs_error *error;
	uint64_t limit; /* counter that no identifier has reached; 0: not known */
	struct used *used;
	size_t n_used, room;
	/* The record that is looked at. */
	const uint8_t *key, *data;
	size_t key_len, len;
	/* Of the folder that was climbed to last. */
	uint64_t parent, parent_node;
};

/* ---- words ---- */

static void fault(struct check *check, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void fault(struct check *check, const char *format, ...)
{
	char where[OCS_INDEX_KEY_SHOWN], what[OCS_INDEX_KEY_SHOWN];
	va_list args;

	va_start(args, format);
	if (vsnprintf(what, sizeof(what), format, args) < 0)
		what[0] = '\0';
	va_end(args);
	check->out->faults++;
	check->watch->fault(check->watch->arg,
	                    ocs_index_key_show(check->key, check->key_len, where), what);
}

/* ---- numbers ---- */

static int use(struct check *check, uint64_t id, char what)
{
	if (check->n_used == check->room) {
		size_t room = check->room != 0 ? 2 * check->room : 1024;
		struct used *grown = talloc_realloc(NULL, check->used, struct used, room);

		if (grown == NULL)
			return ocs_error_memory(check->error);
		check->used = grown;
		check->room = room;
	}
	check->used[check->n_used++] = (struct used){id, what};
	if (check->limit != 0 && (uint16_t)id == check->index->replica_id &&
	    ocs_index_counter_of(id) >= check->limit)
		fault(check,
		      "the counter of %016llx is %llu, and the mark says that none from %llu on "
		      "was given: it could be given again",
		      (unsigned long long)id, (unsigned long long)ocs_index_counter_of(id),
		      (unsigned long long)check->limit);
	return 0;
}

static int used_before(const void *a, const void *b)
{
	const struct used *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id ? 1 : left->what - right->what;
}

static const char *use_of(char what)
{
	return what == 'n' ? "a folder's node" : what == 's' ? "a series" : "an identifier";
}

static void find_doubles(struct check *check)
{
	if (check->n_used != 0)
		qsort(check->used, check->n_used, sizeof(*check->used), used_before);
	for (size_t i = 1; i < check->n_used; i++) {
		const struct used *a = &check->used[i - 1], *b = &check->used[i];
		uint8_t key[10] = "I";

		if (a->id != b->id)
			continue;
		ocs_put64(key + 1, a->id);
		check->key = key;
		check->key_len = 9;
		fault(check, "the number is used twice: as %s and as %s", use_of(a->what),
		      use_of(b->what));
	}
}

/* ---- ways ---- */

/* The 64-bit number of a record R or N; 0: there is none. -1 on error. */
static int number_of(struct check *check, char prefix, const char *const *names, size_t n,
                     uint64_t *number_r)
{
	char *key = talloc_asprintf(NULL, "%c", prefix);
	size_t len = 1, data_len = 0;
	uint8_t *data = NULL;
	int ret;

	*number_r = 0;
	for (size_t i = 0; i < n && key != NULL; i++) {
		size_t add = strlen(names[i]) + (prefix == 'N');

		key = talloc_realloc(NULL, key, char, len + add + 1);
		if (key != NULL)
			memcpy(key + len, names[i], strlen(names[i]) + 1);
		len += add;
	}
	if (key == NULL)
		return ocs_error_memory(check->error);
	ret = ocs_index_fetch(check->index, NULL, key, len, &data, &data_len, check->error);
	if (ret == OCS_STORE_OK && data_len == 8)
		*number_r = ocs_get64(data);
	talloc_free(data);
	talloc_free(key);
	return ret == OCS_STORE_OK || ret == OCS_STORE_MISSING ? 0 : -1;
}

/* What F<node><name> says: its FID and node; 0: nothing. Names were folded, or not. */
static int folder_at(struct check *check, uint64_t node, const char *name, uint64_t *fid_r,
                     uint64_t *node_r)
{
	static const struct ocs_name_rule fold = {.fold = true};
	char folded[OCS_NAME_MAX + 1];
	const char *ways[2] = {name, NULL};
	int ret = OCS_STORE_MISSING;

	*fid_r = *node_r = 0;
	if (strlen(name) > OCS_NAME_MAX)
		return 0;
	ways[1] = ocs_name_folder_key(&fold, name, folded);
	for (int i = 0; i < 2 && ret == OCS_STORE_MISSING; i++) {
		uint8_t key[9 + OCS_NAME_MAX], *data;
		size_t len;

		key[0] = 'F';
		ocs_put64(key + 1, node);
		memcpy(key + 9, ways[i], strlen(ways[i]));
		ret = ocs_index_fetch(check->index, NULL, key, 9 + strlen(ways[i]), &data, &len,
		                      check->error);
		if (ret == OCS_STORE_OK && len == FOLDER_SIZE) {
			*fid_r = ocs_get64(data);
			*node_r = ocs_get64(data + 8);
		}
		talloc_free(data);
	}
	return ret == OCS_STORE_OK || ret == OCS_STORE_MISSING ? 0 : -1;
}

/* The node under which a folder stands that is not deleted itself: 1; 0: one above it is deleted,
 * so that it cannot be found any more; -2: it leads to what is not known; -1. */
static int node_above(struct check *check, const struct ocs_index_known *known, uint64_t *node_r,
                      int depth)
{
	struct ocs_index_known above;
	uint64_t node, fid;
	uint8_t *data;
	int ret;

	if (known->parent == 0 && known->kind == OCS_KIND_PLACE) {
		*node_r = known->top;
		return 1;
	}
	if (known->parent == 0) {
		const char *names[] = {known->user, known->backend, known->backend_user};

		ret = number_of(check, 'N', names, 3, node_r);
		return ret != 0 ? -1 : *node_r != 0 ? 1 : -2;
	}
	if (known->parent == check->parent) {
		*node_r = check->parent_node;
		return 1;
	}
	ret = ocs_index_known(check->index, known->parent, &data, &above, check->error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? -2 : -1;
	if (above.gone)
		ret = 0;
	else if (depth == 0 || (above.kind != OCS_KIND_PLACE && above.kind != OCS_KIND_FOLDER))
		ret = -2;
	else
		ret = node_above(check, &above, &node, depth - 1);
	if (ret == 1 && folder_at(check, node, above.name, &fid, node_r) != 0)
		ret = -1;
	else if (ret == 1 && *node_r == 0)
		ret = -2;
	talloc_free(data);
	if (ret == 1) {
		check->parent = known->parent;
		check->parent_node = *node_r;
	}
	return ret;
}

/* ---- identifiers: I ---- */

/* 1: it is that of another one, of the same place: a FID of the user map. */
static int same_place(struct check *check, const struct ocs_index_known *known, uint64_t fid)
{
	struct ocs_index_known other;
	uint8_t *data;
	int ret = ocs_index_known(check->index, fid, &data, &other, check->error);
	int same = ret == OCS_STORE_OK && !other.gone && other.kind == known->kind &&
	           ocs_index_follow(check->index, other.parent) ==
	                   ocs_index_follow(check->index, known->parent) &&
	           other.top == known->top && strcmp(other.name, known->name) == 0;

	talloc_free(data);
	return ret == OCS_STORE_OK || ret == OCS_STORE_MISSING ? same : -1;
}

static int check_folder_known(struct check *check, uint64_t id, const struct ocs_index_known *known)
{
	struct ocs_index_known top;
	uint64_t node, fid, own;
	uint8_t *data;
	int ret;

	check->out->folders++;
	if (known->kind == OCS_KIND_PLACE) {
		ret = ocs_index_known(check->index, known->top, &data, &top, check->error);
		talloc_free(data);
		if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
			return -1;
		if (ret == OCS_STORE_MISSING || top.kind != OCS_KIND_TOP)
			fault(check, "the store that it is in (I %016llx) is not known",
			      (unsigned long long)known->top);
	}
	if (known->gone)
		return 0;
	ret = node_above(check, known, &node, DEPTH_MAX);
	if (ret == -2)
		fault(check, "the folder above it (I %016llx) is not known",
		      (unsigned long long)known->parent);
	if (ret != 1)
		return ret == -1 ? -1 : 0;
	if (folder_at(check, node, known->name, &fid, &own) != 0)
		return -1;
	if (fid == id)
		return 0;
	ret = fid != 0 ? same_place(check, known, fid) : 0;
	if (ret == 0 && fid == 0)
		fault(check, "it is a folder, but no folder of that name is there");
	else if (ret == 0)
		fault(check, "it is a folder, but that name leads to %016llx",
		      (unsigned long long)fid);
	return ret < 0 ? -1 : 0;
}

static int check_series(struct check *check, uint64_t series)
{
	uint64_t fid;
	bool retired;
	int ret = ocs_index_series_get(check->index, series, &fid, &retired, check->error);

	if (ret == OCS_STORE_MISSING)
		fault(check, "the folder of series %016llx is not known",
		      (unsigned long long)series);
	return ret == OCS_STORE_OK || ret == OCS_STORE_MISSING ? 0 : -1;
}

/* Whether an identifier is of that kind; it is said if not. data_r as of ocs_index_known(). */
static int leads_to(struct check *check, uint64_t id, const char *kinds, uint8_t **data_r,
                    struct ocs_index_known *known)
{
	int ret = ocs_index_known(check->index, id, data_r, known, check->error);

	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	if (ret == OCS_STORE_OK && strchr(kinds, known->kind) != NULL)
		return 1;
	fault(check, "it leads to %016llx, which is %s", (unsigned long long)id,
	      ret == OCS_STORE_MISSING ? "not known" : "something else");
	TALLOC_FREE(*data_r);
	return 0;
}

/* What another node calls it, or this one called it once. */
static int check_alias(struct check *check, uint64_t id)
{
	static const char kinds[] = {OCS_KIND_ROOT, OCS_KIND_PLACE, OCS_KIND_FOLDER,
	                             OCS_KIND_MESSAGE, 0};
	struct ocs_index_known known;
	uint8_t *data;
	int ret = leads_to(check, id, kinds, &data, &known);

	talloc_free(data);
	return ret < 0 ? -1 : 0;
}

static int check_known(struct check *check)
{
	uint64_t id = check->key_len == 9 ? ocs_get64(check->key + 1) : 0, back;
	struct ocs_index_known known;
	const char *names[3];

	if (id == 0) {
		fault(check, "it is no identifier");
		return 0;
	}
	if (use(check, id, 'I') != 0)
		return -1;
	if (ocs_index_known_parse(check->data, check->len, &known) != 0) {
		fault(check, "it cannot be read (kind %02x, %zu bytes)",
		      check->len > 0 ? check->data[0] : 0, check->len);
		return 0;
	}
	names[0] = known.user;
	names[1] = known.backend;
	names[2] = known.backend_user;
	switch (known.kind) {
	case OCS_KIND_MESSAGE:
		check->out->messages++;
		return check_series(check, known.series);
	case OCS_KIND_PLACE:
	case OCS_KIND_FOLDER:
		return check_folder_known(check, id, &known);
	case OCS_KIND_ALIAS:
		return check_alias(check, known.parent);
	default:
		if (number_of(check, known.kind == OCS_KIND_ROOT ? 'R' : 'N', names,
		              known.kind == OCS_KIND_ROOT ? 1 : 3, &back) != 0)
			return -1;
		if (back != id)
			fault(check, "it is a %s, but its names lead to %016llx",
			      known.kind == OCS_KIND_ROOT ? "root" : "store",
			      (unsigned long long)back);
		return 0;
	}
}

/* ---- names: R, N, F, S, M ---- */

static int check_root(struct check *check)
{
	struct ocs_index_known known;
	uint8_t *data = NULL;
	int ret;

	check->out->users++;
	if (check->len != 8 || check->key_len < 2) {
		fault(check, "it cannot be read");
		return 0;
	}
	ret = leads_to(check, ocs_get64(check->data), (const char[]){OCS_KIND_ROOT, '\0'}, &data,
	               &known);
	if (ret == 1 && strcmp(known.user, (const char *)check->key + 1) != 0)
		fault(check, "it leads to another user's root");
	talloc_free(data);
	return ret < 0 ? -1 : 0;
}

static int check_store(struct check *check)
{
	const char *user = (const char *)check->key + 1;
	struct ocs_index_known known;
	uint64_t root;
	uint8_t *data;
	int ret;

	if (check->len != 8 || check->key_len < 4) {
		fault(check, "it cannot be read");
		return 0;
	}
	ret = ocs_index_known(check->index, ocs_get64(check->data), &data, &known, check->error);
	if (ret == OCS_STORE_OK && (known.kind != OCS_KIND_TOP || strcmp(known.user, user) != 0 ||
	                            strcmp(known.backend, user + strlen(user) + 1) != 0))
		fault(check, "it leads to %016llx, which is something else",
		      (unsigned long long)ocs_get64(check->data));
	talloc_free(data);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	/* Earlier versions gave it no way back. */
	if (ret == OCS_STORE_MISSING && use(check, ocs_get64(check->data), 'n') != 0)
		return -1;
	if (number_of(check, 'R', &user, 1, &root) != 0)
		return -1;
	if (root == 0)
		fault(check, "its user has no root");
	return 0;
}

static int check_folder(struct check *check)
{
	struct ocs_index_known known;
	uint64_t fid, series_fid, node, at, own;
	uint8_t *data = NULL;
	bool retired = false;
	int ret;

	if (check->len != FOLDER_SIZE || check->key_len < 10) {
		fault(check, "it cannot be read");
		return 0;
	}
	fid = ocs_get64(check->data);
	if (use(check, ocs_get64(check->data + 8), 'n') != 0)
		return -1;
	ret = leads_to(check, fid, (const char[]){OCS_KIND_PLACE, OCS_KIND_FOLDER, '\0'}, &data,
	               &known);
	if (ret == 1 && known.gone)
		fault(check, "it leads to %016llx, which is deleted", (unsigned long long)fid);
	else if (ret == 1)
		ret = node_above(check, &known, &node, DEPTH_MAX);
	if (ret == 1 && !known.gone &&
	    (node != ocs_get64(check->key + 1) ||
	     folder_at(check, node, known.name, &at, &own) != 0 || at != fid))
		fault(check, "it leads to %016llx, which has another name",
		      (unsigned long long)fid);
	talloc_free(data);
	if (ret == -1)
		return -1;
	ret = ocs_index_series_get(check->index, ocs_get64(check->data + 16), &series_fid, &retired,
	                           check->error);
	if (ret == OCS_STORE_MISSING)
		fault(check, "its series %016llx is not known",
		      (unsigned long long)ocs_get64(check->data + 16));
	else if (ret == OCS_STORE_OK && (series_fid != fid || retired))
		fault(check, "its series %016llx is %s",
		      (unsigned long long)ocs_get64(check->data + 16),
		      retired ? "one that ended" : "another folder's");
	return ret == OCS_STORE_OK || ret == OCS_STORE_MISSING ? 0 : -1;
}

static int check_series_record(struct check *check)
{
	struct ocs_index_known known;
	uint8_t *data = NULL;
	int ret;

	if (check->key_len != 9 || (check->len != 8 && check->len != 9)) {
		fault(check, "it cannot be read");
		return 0;
	}
	if (use(check, ocs_get64(check->key + 1), 's') != 0)
		return -1;
	ret = leads_to(check, ocs_get64(check->data),
	               (const char[]){OCS_KIND_PLACE, OCS_KIND_FOLDER, '\0'}, &data, &known);
	talloc_free(data);
	return ret < 0 ? -1 : 0;
}

static int check_message(struct check *check)
{
	struct ocs_index_known known;
	uint8_t *data = NULL;
	int ret;

	if (check->key_len < 10 || (check->len != 9 && check->len != 17)) {
		fault(check, "it cannot be read");
		return 0;
	}
	ret = leads_to(check, ocs_get64(check->data), (const char[]){OCS_KIND_MESSAGE, '\0'}, &data,
	               &known);
	if (ret == 1 && (known.series != ocs_get64(check->key + 1) ||
	                 strcmp(known.name, (const char *)check->key + 9) != 0))
		fault(check, "it leads to %016llx, which is another message",
		      (unsigned long long)ocs_get64(check->data));
	talloc_free(data);
	return ret < 0 ? -1 : check_series(check, ocs_get64(check->key + 1));
}

/* ---- all ---- */

static int check_number(struct check *check)
{
	if (check->key_len == 1 && check->len < 8)
		fault(check, "it cannot be read");
	else if (check->key_len != 1)
		fault(check, "nothing here has that key");
	return 0;
}

/* 'Q' and a key: a damaged record that was set aside. */
static bool is_aside(const struct check *check)
{
	return check->key[0] == 'Q' && check->key_len > 1;
}

static int check_record(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	static const struct {
		char prefix;
		int (*look)(struct check *check);
	} kinds[] = {
	        {'I', check_known},         {'F', check_folder}, {'M', check_message},
	        {'S', check_series_record}, {'R', check_root},   {'N', check_store},
	        {'H', check_number},        {'Q', check_number},
	};
	struct check *check = arg;

	check->key = key;
	check->key_len = key_len;
	check->data = data;
	check->len = len;
	if (++check->out->records % EVERY == 0)
		check->watch->progress(check->watch->arg, check->out->records);
	if (is_aside(check)) {
		check->out->aside++;
		return 0;
	}
	if (ocs_index_beside(check->key, check->key_len))
		return 0;
	if (data == NULL) {
		fault(check, "it is damaged");
		return 0;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].prefix == (char)check->key[0])
			return kinds[i].look(check);
	fault(check, "nothing here has that key");
	return 0;
}

/* The mark is read after the snapshot was made, so that it is never behind it. */
static int read_mark(struct check *check)
{
	struct ocs_index_mark mark;
	uint64_t high_water;
	char path[PATH_MAX];
	int ret = ocs_index_high_water(check->index->store, &high_water, check->error);

	if (ret == OCS_STORE_ERROR ||
	    ocs_index_mark_path(check->index->folder, check->index->replica_id, path,
	                        check->error) != 0)
		return -1;
	check->key = (const uint8_t *)"H";
	check->key_len = 1;
	if (ret != OCS_STORE_OK)
		fault(check, "the high-water mark of the identifiers is lost");
	ret = ocs_index_mark_read(path, check->index->replica_id, &mark, check->error);
	if (ret == OCS_STORE_ERROR)
		return -1;
	check->limit = mark.counted ? mark.next : high_water;
	if (ret == OCS_STORE_MISSING || !mark.counted) {
		check->out->faults++;
		check->watch->fault(check->watch->arg, path,
		                    ret == OCS_STORE_MISSING ? "is not there" : "is damaged");
	} else if (high_water > mark.next) {
		fault(check, "the index counts to %llu and the mark beside it only to %llu",
		      (unsigned long long)high_water, (unsigned long long)mark.next);
	}
	return 0;
}

int ocs_index_check(struct ocs_index *snapshot, const struct ocs_index_watch *watch,
                    struct ocs_index_checked *out, struct ocs_error *error)
{
	struct check check = {.index = snapshot, .watch = watch, .out = out, .error = error};
	int ret = 0;

	*out = (struct ocs_index_checked){.records = 0};
	for (unsigned n = 0; n <= snapshot->n_sealed; n++) {
		struct ocs_store *store =
		        n < snapshot->n_sealed ? snapshot->sealed[n] : snapshot->store;
		char path[PATH_MAX];
		struct ocs_error why;

		if (ocs_index_file_path(snapshot->folder, n, path) == 0 &&
		    ocs_store_whole(store, &why) != OCS_STORE_OK) {
			out->faults = ++out->files;
			watch->fault(watch->arg, path, why.text);
		}
	}
	if (read_mark(&check) != 0 ||
	    ocs_index_each(snapshot, -1, check_record, &check, error) != 0)
		ret = -1;
	else
		find_doubles(&check);
	talloc_free(check.used);
	return ret;
}

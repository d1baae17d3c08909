/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The user map as it is made: see usermap.h; looks are in usermap_look.c. Memory only.
 *
 * Every name stands once in it and has a number. Lines with the same first three names form a
 * group; of the eight ways in which these can be open (`*`), a look tries those that occur, each by
 * one hash. A second hash has the users of the groups, so that whether a user was named already,
 * and under which FID, is one look for each group and not a search.
 */
#include "mapistore/usermap_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <talloc.h>

#define BLOCK   65536 /* of names */
#define FIRST_N 64

/* ---- names ---- */

static int usermap_free(struct ocs_usermap *map)
{
	HASH_CLEAR(hh, map->table);
	return 0;
}

struct ocs_usermap_name *ocs_usermap_name_find(const struct ocs_usermap *map, const char *text)
{
	struct ocs_usermap_name *found;

	HASH_FIND_STR(map->table, text, found);
	return found;
}

static void *usermap_room(struct ocs_usermap *map, size_t size)
{
	void *room;

	size = (size + 7) & ~(size_t)7;
	if (size > map->block_left) {
		map->block = talloc_size(map, size > BLOCK ? size : BLOCK);
		map->block_left = map->block != NULL ? (size > BLOCK ? size : BLOCK) : 0;
	}
	if (map->block == NULL)
		return NULL;
	room = map->block;
	map->block += size;
	map->block_left -= size;
	return room;
}

/* An array that has room for one more; NULL: out of memory. */
static void *grown(struct ocs_usermap *map, void *array, size_t size, size_t n)
{
	if (n != 0 && (n < FIRST_N || (n & (n - 1)) != 0))
		return array;
	return talloc_realloc_size(map, array, size * (n < FIRST_N ? FIRST_N : 2 * n));
}

static struct ocs_usermap_name *name_add(struct ocs_usermap *map, const char *text)
{
	struct ocs_usermap_name *name = ocs_usermap_name_find(map, text), **names;
	size_t len = strlen(text) + 1;

	if (name != NULL)
		return name;
	name = map->n_names < NOBODY ? usermap_room(map, sizeof(*name) + len) : NULL;
	names = name != NULL
	                ? grown(map, map->names, sizeof(struct ocs_usermap_name *), map->n_names)
	                : NULL;
	if (names == NULL)
		return NULL;
	map->names = names;
	memset(name, 0, sizeof(*name));
	memcpy(name->text, text, len);
	name->number = name->means = (uint32_t)map->n_names;
	name->owner = name->claimant = NOBODY;
	HASH_ADD_KEYPTR(hh, map->table, name->text, len - 1, name);
	if (name->hh.tbl == NULL)
		return NULL;
	names[map->n_names++] = name;
	return name;
}

struct ocs_usermap *ocs_usermap_new(const void *mem_ctx, const struct ocs_name_rule *rule)
{
	struct ocs_usermap *map = talloc_zero(mem_ctx, struct ocs_usermap);

	if (map == NULL)
		return NULL;
	map->rule = *rule;
	talloc_set_destructor(map, usermap_free);
	return map;
}

int ocs_usermap_add(struct ocs_usermap *map, const struct ocs_usermap_line *line)
{
	const char *const texts[] = {line->backend, line->backend_user, line->folder, line->user};
	struct map_line *lines = grown(map, map->lines, sizeof(*lines), map->n), *added;

	if (lines == NULL)
		return -1;
	map->lines = lines;
	added = &lines[map->n];
	*added = (struct map_line){.fid = line->fid, .file = line->file, .number = line->number};
	for (size_t i = 0; i < 4; i++) {
		if (texts[i] == NULL)
			continue;
		added->names[i] = name_add(map, texts[i]);
		if (added->names[i] == NULL)
			return -1;
	}
	map->n++;
	return 0;
}

int ocs_usermap_add_alias(struct ocs_usermap *map, const char *alias, const char *user,
                          const char *file, unsigned number)
{
	struct map_alias *aliases = grown(map, map->aliases, sizeof(*aliases), map->n_aliases);

	if (aliases == NULL)
		return -1;
	map->aliases = aliases;
	aliases[map->n_aliases] =
	        (struct map_alias){name_add(map, alias), name_add(map, user), file, number};
	if (aliases[map->n_aliases].alias == NULL || aliases[map->n_aliases].user == NULL)
		return -1;
	map->n_aliases++;
	return 0;
}

/* ---- the hashes ---- */

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
	uint64_t h = a * 0x9e3779b97f4a7c15ULL + b;

	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL + c;
	h = (h ^ h >> 32) * 0x94d049bb133111ebULL;
	return (uint32_t)(h >> 32);
}

static int slots_make(struct ocs_usermap *map, struct slots *slots, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	slots->at = talloc_array(map, uint32_t, size);
	if (slots->at == NULL)
		return -1;
	memset(slots->at, 0xff, size * sizeof(uint32_t));
	slots->mask = (uint32_t)(size - 1);
	return 0;
}

uint32_t *ocs_usermap_group_slot(const struct ocs_usermap *map, const uint32_t names[3])
{
	uint32_t i = mix(names[0], names[1], names[2]);

	for (;; i++) {
		uint32_t *at = &map->group_slots.at[i & map->group_slots.mask];

		if (*at == NOBODY ||
		    memcmp(map->groups[*at].names, names, sizeof(map->groups[*at].names)) == 0)
			return at;
	}
}

uint32_t *ocs_usermap_viewer_slot(const struct ocs_usermap *map, uint32_t group, uint32_t user)
{
	uint32_t i = mix(group, user, 0);

	for (;; i++) {
		uint32_t *at = &map->viewer_slots.at[i & map->viewer_slots.mask];

		if (*at == NOBODY ||
		    (map->viewers[*at].group == group && map->viewers[*at].user == user))
			return at;
	}
}

static void viewer_add(struct ocs_usermap *map, uint32_t group, uint32_t user, uint32_t line)
{
	uint32_t *slot = ocs_usermap_viewer_slot(map, group, user);
	struct group *place = &map->groups[group];
	struct viewer *viewer;

	if (*slot == NOBODY) {
		*slot = map->n_viewers++;
		map->viewers[*slot] =
		        (struct viewer){.group = group, .user = user, .next = NOBODY, .line = line};
		if (place->first == NOBODY)
			place->first = *slot;
		else
			map->viewers[place->last].next = *slot;
		place->last = *slot;
	}
	viewer = &map->viewers[*slot];
	if (viewer->fid == 0 && map->lines[line].fid != 0) {
		viewer->fid = map->lines[line].fid;
		viewer->fid_line = line;
	}
}

/* ---- finish ---- */

struct ocs_usermap_name *ocs_usermap_name_key(struct ocs_usermap *map,
                                              const struct ocs_usermap_name *name, bool folder)
{
	char key[OCS_NAME_MAX + 1];

	return name_add(map, folder ? ocs_name_folder_key(&map->rule, name->text, key)
	                            : ocs_name_user_key(&map->rule, name->text, key));
}

static bool report_alias(const struct map_alias *alias, const char *what, ocs_report_fn *report,
                         void *arg)
{
	char *message = talloc_asprintf(NULL, "%s:%u: %s", alias->file, alias->number, what);

	if (message != NULL && report != NULL)
		report(LOG_ERR, message, arg);
	talloc_free(message);
	return true;
}

/* Returns how many contradict others; -1: out of memory. */
static int resolve_aliases(struct ocs_usermap *map, ocs_report_fn *report, void *arg)
{
	int bad = 0;

	for (size_t i = 0; i < map->n_aliases; i++) {
		struct ocs_usermap_name *alias =
		        ocs_usermap_name_key(map, map->aliases[i].alias, false);
		struct ocs_usermap_name *user =
		        ocs_usermap_name_key(map, map->aliases[i].user, false);

		if (alias == NULL || user == NULL)
			return -1;
		if (alias->means != alias->number && alias->means != user->number)
			bad += report_alias(&map->aliases[i], "the alias is another user's already",
			                    report, arg);
		else
			alias->means = user->number;
	}
	for (size_t i = 0; i < map->n_aliases; i++) {
		struct ocs_usermap_name *user =
		        ocs_usermap_name_key(map, map->aliases[i].user, false);

		if (user == NULL)
			return -1;
		if (user->means != user->number)
			bad += report_alias(&map->aliases[i],
			                    "the user is an alias of another one: name that one",
			                    report, arg);
	}
	return bad;
}

/* One line into its group. -1: out of memory. */
static int place_line(struct ocs_usermap *map, uint32_t line)
{
	const struct ocs_usermap_name *const *names = map->lines[line].names;
	uint32_t numbers[4] = {NOBODY, NOBODY, NOBODY, NOBODY}, *slot;
	unsigned shape = 0;

	for (unsigned i = 0; i < 4; i++) {
		const struct ocs_usermap_name *key;

		if (names[i] == NULL)
			continue;
		/* The backend is canonical already. */
		key = i == 0 ? names[i] : ocs_usermap_name_key(map, names[i], i == 2);
		if (key == NULL)
			return -1;
		numbers[i] = i == 1 || i == 3 ? key->means : key->number;
		if (i < 3)
			shape |= 1U << i;
	}
	slot = ocs_usermap_group_slot(map, numbers);
	if (*slot == NOBODY) {
		*slot = map->n_groups++;
		memcpy(map->groups[*slot].names, numbers, sizeof(map->groups[*slot].names));
		map->groups[*slot].first = map->groups[*slot].last = NOBODY;
	}
	map->shapes[shape] = true;
	viewer_add(map, *slot, numbers[3], line);
	return 0;
}

/* ---- FIDs of two ---- */

#define TWICE_TOLD 10

static int by_fid(const void *a, const void *b)
{
	const struct viewer *x = *(const struct viewer *const *)a,
	                    *y = *(const struct viewer *const *)b;

	if (x->fid != y->fid)
		return x->fid < y->fid ? -1 : 1;
	return x->fid_line < y->fid_line ? -1 : x->fid_line > y->fid_line;
}

static const char *where_is(const struct map_line *line, char out[PATH_MAX + 16])
{
	snprintf(out, PATH_MAX + 16, line->number != 0 ? "%s:%u" : "%s", line->file, line->number);
	return out;
}

/* Nobody can tell what such an identifier means: told, and left as it is, since clients may know it
 * by now. 0, or -1: out of memory. */
static int report_twice(const struct ocs_usermap *map, ocs_report_fn *report, void *arg)
{
	const struct viewer **fixed = talloc_array(map, const struct viewer *, map->n_viewers + 1);
	char text[2 * PATH_MAX + 256], first[PATH_MAX + 16], again[PATH_MAX + 16];
	size_t n = 0, twice = 0;

	if (fixed == NULL)
		return -1;
	for (uint32_t i = 0; i < map->n_viewers; i++)
		if (map->viewers[i].fid != 0)
			fixed[n++] = &map->viewers[i];
	if (n > 0)
		qsort(fixed, n, sizeof(struct viewer *), by_fid);
	for (size_t i = 1; i < n; i++) {
		if (fixed[i]->fid != fixed[i - 1]->fid || ++twice > TWICE_TOLD)
			continue;
		snprintf(
		        text, sizeof(text),
		        "%s: FID %016llx is another folder's or user's already (%s): what it means "
		        "cannot be told from it, and MAPI servers are told the one that was heard "
		        "of "
		        "first",
		        where_is(&map->lines[fixed[i]->fid_line], again),
		        (unsigned long long)fixed[i]->fid,
		        where_is(&map->lines[fixed[i - 1]->fid_line], first));
		report(LOG_WARNING, text, arg);
	}
	if (twice > TWICE_TOLD) {
		snprintf(text, sizeof(text), "%zu more FIDs of the user map are there twice",
		         twice - TWICE_TOLD);
		report(LOG_WARNING, text, arg);
	}
	talloc_free(fixed);
	return 0;
}

int ocs_usermap_finish(struct ocs_usermap *map, ocs_report_fn *report, void *arg,
                       struct ocs_error *error)
{
	int bad = resolve_aliases(map, report, arg);

	if (bad > 0)
		return bad;
	map->groups = talloc_array(map, struct group, map->n + 1);
	map->viewers = talloc_array(map, struct viewer, map->n + 1);
	if (bad < 0 || map->groups == NULL || map->viewers == NULL || map->n >= NOBODY / 2 ||
	    slots_make(map, &map->group_slots, map->n) != 0 ||
	    slots_make(map, &map->viewer_slots, map->n) != 0)
		return ocs_error_memory(error);
	for (size_t i = 0; i < map->n; i++)
		if (place_line(map, (uint32_t)i) != 0)
			return ocs_error_memory(error);
	return report != NULL && report_twice(map, report, arg) != 0 ? ocs_error_memory(error) : 0;
}

/* ---- what is odd ---- */

static void report_line(const struct map_line *line, int priority, ocs_report_fn *report, void *arg,
                        const char *text)
{
	char *message = line->number != 0
	                        ? talloc_asprintf(NULL, "%s:%u: %s", line->file, line->number, text)
	                        : talloc_asprintf(NULL, "%s: %s", line->file, text);

	if (message != NULL)
		report(priority, message, arg);
	talloc_free(message);
}

void ocs_usermap_check_backends(const struct ocs_usermap *map, char *const *backends,
                                ocs_report_fn *report, void *arg)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct ocs_usermap_name *backend = map->lines[i].names[0];
		char *const *known = backends;
		char *text;

		while (backend != NULL && *known != NULL && strcmp(*known, backend->text) != 0)
			known++;
		if (backend == NULL || *known != NULL)
			continue;
		text = talloc_asprintf(NULL,
		                       "there is no section [backend:%s]: the line has no effect",
		                       backend->text);
		if (text != NULL)
			report_line(&map->lines[i], LOG_WARNING, report, arg, text);
		talloc_free(text);
	}
}

/* What nobody sees in an editor, though a name may hold it. */
static const char *unseen_character(const char *name)
{
	size_t len = strlen(name);

	if (name[0] == ' ' || name[len - 1] == ' ')
		return "white space at an end of";
	for (const char *p = name; *p != '\0'; p++)
		if (*p == 0x7f || ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0))
			return "a control character in";
	return NULL;
}

void ocs_usermap_doubt(const struct ocs_usermap *map, ocs_report_fn *report, void *arg)
{
	static const char *const names[] = {"the backend", "the backend user", "the folder",
	                                    "the groupware user"};

	for (size_t i = 0; i < map->n; i++) {
		for (size_t f = 0; f < sizeof(names) / sizeof(names[0]); f++) {
			const struct ocs_usermap_name *name = map->lines[i].names[f];
			const char *what = name != NULL ? unseen_character(name->text) : NULL;
			char text[80];

			if (what == NULL)
				continue;
			snprintf(text, sizeof(text), "%s %s: is that intended?", what, names[f]);
			report_line(&map->lines[i], LOG_WARNING, report, arg, text);
		}
	}
}

int ocs_usermap_write_fixed(const struct ocs_usermap *map, FILE *out)
{
	for (size_t i = 0; i < map->n_aliases; i++)
		if (fprintf(out, "alias\t%s\t%s\n", map->aliases[i].alias->text,
		            map->aliases[i].user->text) < 0)
			return -1;
	for (size_t i = 0; i < map->n; i++) {
		const struct map_line *line = &map->lines[i];
		const char *const texts[] = {line->names[0] != NULL ? line->names[0]->text : "*",
		                             line->names[3] != NULL ? line->names[3]->text : "="};

		/* It names a backend user and a folder: see usermap_text.c. */
		if (line->fid != 0 &&
		    fprintf(out, "%s\t%s\t%s\t%s\t%016llx\n", texts[0], line->names[1]->text,
		            line->names[2]->text, texts[1], (unsigned long long)line->fid) < 0)
			return -1;
	}
	return 0;
}

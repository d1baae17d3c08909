/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Looks into the user map: see usermap.h. Memory only. */
#include "mapistore/usermap_internal.h"

#include <stdio.h>
#include <string.h>

bool ocs_usermap_decides(const struct ocs_usermap *map)
{
	return map != NULL && (map->n > 0 || map->n_aliases == 0 || map->decides);
}

void ocs_usermap_set_decides(struct ocs_usermap *map)
{
	map->decides = true;
}

bool ocs_usermap_names(const struct ocs_usermap *map, const char *user)
{
	return map != NULL && map->n_aliases > 0 && ocs_usermap_name_find(map, user) != NULL;
}

char *ocs_usermap_user(const struct ocs_usermap *map, const struct ocs_name_rule *rule,
                       const char *user, char out[OCS_NAME_MAX + 1])
{
	const struct ocs_usermap_name *name;

	ocs_name_user_key(rule, user, out);
	name = map != NULL && map->n_aliases > 0 ? ocs_usermap_name_find(map, out) : NULL;
	if (name != NULL && name->means != name->number)
		snprintf(out, OCS_NAME_MAX + 1, "%s", map->names[name->means]->text);
	return out;
}

/* The groups that a folder belongs to. */
struct look {
	uint32_t group[SHAPES];
	size_t n;
	const struct ocs_usermap *map;
	const char *backend_user;
	uint32_t backend_user_number; /* NOBODY: in no line */
};

static uint32_t number_of(const struct ocs_usermap *map, const char *text)
{
	const struct ocs_usermap_name *name = ocs_usermap_name_find(map, text);

	return name != NULL ? name->number : NOBODY;
}

static void look_begin(struct look *look, const struct ocs_usermap *map, const char *backend,
                       const char *backend_user, const char *folder)
{
	char key[OCS_NAME_MAX + 1];
	uint32_t names[3];

	*look = (struct look){.map = map, .backend_user = backend_user};
	names[0] = number_of(map, backend);
	names[1] = look->backend_user_number = number_of(map, backend_user);
	names[2] = number_of(map, ocs_name_folder_key(&map->rule, folder, key));
	for (unsigned shape = 0; shape < SHAPES; shape++) {
		uint32_t key_names[3], group;
		bool unknown = !map->shapes[shape];

		for (unsigned i = 0; i < 3; i++) {
			key_names[i] = shape & 1U << i ? names[i] : NOBODY;
			unknown |= (shape & 1U << i) != 0 && names[i] == NOBODY;
		}
		if (unknown)
			continue;
		group = *ocs_usermap_group_slot(map, key_names);
		if (group != NOBODY)
			look->group[look->n++] = group;
	}
}

/* Looks at every place where a user stands in the groups: *line_r is the first one, *fid_r of the
 * first one that has a FID. user NOBODY: the backend user, who may be meant by name as well. */
static bool look_at_user(const struct look *look, uint32_t user, uint32_t *line_r, uint64_t *fid_r)
{
	const struct ocs_usermap *map = look->map;
	uint32_t fid_line = NOBODY, ways[2] = {user, NOBODY};
	size_t n_ways = 1;

	if (user == NOBODY || user == look->backend_user_number) {
		ways[0] = look->backend_user_number;
		n_ways = ways[0] != NOBODY ? 2 : 1;
	}
	*line_r = NOBODY;
	*fid_r = 0;
	for (size_t i = 0; i < look->n; i++) {
		for (size_t way = 0; way < n_ways; way++) {
			uint32_t at = *ocs_usermap_viewer_slot(map, look->group[i], ways[way]);
			const struct viewer *viewer;

			if (at == NOBODY)
				continue;
			viewer = &map->viewers[at];
			if (viewer->line < *line_r)
				*line_r = viewer->line;
			if (viewer->fid != 0 && viewer->fid_line < fid_line) {
				fid_line = viewer->fid_line;
				*fid_r = viewer->fid;
			}
		}
	}
	return *line_r != NOBODY;
}

size_t ocs_usermap_match(const struct ocs_usermap *map, const char *backend,
                         const char *backend_user, const char *folder, ocs_usermap_each_fn *each,
                         void *arg)
{
	uint32_t next[SHAPES];
	size_t found = 0;
	struct look look;
	bool alone;

	if (!ocs_usermap_decides(map)) {
		each(arg, backend_user, 0);
		return 1;
	}
	look_begin(&look, map, backend, backend_user, folder);
	for (size_t i = 0; i < look.n; i++)
		next[i] = map->groups[look.group[i]].first;
	/* Most often one user sees it, by lines of one group: nothing to compare. */
	alone = look.n == 1 && next[0] == map->groups[look.group[0]].last;
	for (;;) {
		const struct viewer *viewer = NULL;
		size_t from = 0;
		uint32_t line;
		uint64_t fid;

		for (size_t i = 0; i < look.n; i++) {
			if (next[i] == NOBODY ||
			    (viewer != NULL && map->viewers[next[i]].line > viewer->line))
				continue;
			viewer = &map->viewers[next[i]];
			from = i;
		}
		if (viewer == NULL)
			return found;
		next[from] = viewer->next;
		line = viewer->line;
		fid = viewer->fid;
		if (!alone)
			look_at_user(&look, viewer->user, &line, &fid);
		if (line < viewer->line)
			continue; /* named by an earlier line as well */
		each(arg, viewer->user != NOBODY ? map->names[viewer->user]->text : backend_user,
		     fid);
		found++;
	}
}

bool ocs_usermap_sees(const struct ocs_usermap *map, const struct ocs_folder_name *name,
                      uint64_t *fid_r)
{
	bool own = strcmp(name->user, name->backend_user) == 0;
	struct look look;
	uint32_t user, line;

	*fid_r = 0;
	if (!ocs_usermap_decides(map))
		return own;
	user = number_of(map, name->user);
	if (user == NOBODY && !own)
		return false;
	look_begin(&look, map, name->backend, name->backend_user, name->folder);
	return look_at_user(&look, user, &line, fid_r);
}

uint64_t ocs_usermap_fid(const struct ocs_usermap *map, const struct ocs_folder_name *name)
{
	uint64_t fid;

	return map != NULL && map->n > 0 && ocs_usermap_sees(map, name, &fid) ? fid : 0;
}

void ocs_usermap_each_of(const struct ocs_usermap *map, const char *user, ocs_usermap_line_fn *each,
                         void *arg)
{
	char key[OCS_NAME_MAX + 1];

	for (size_t i = 0; map != NULL && i < map->n; i++) {
		const struct map_line *line = &map->lines[i];
		const struct ocs_usermap_name *const *names = line->names;
		/* Without one it is the backend user, who may be any. */
		const struct ocs_usermap_name *name = names[3] != NULL ? names[3] : names[1];

		if (name != NULL &&
		    strcmp(ocs_usermap_user(map, &map->rule, name->text, key), user) != 0)
			continue;
		each(arg, &(struct ocs_usermap_line){
		                  .backend = names[0] != NULL ? names[0]->text : NULL,
		                  .backend_user = names[1] != NULL   ? names[1]->text
		                                  : names[3] == NULL ? user
		                                                     : NULL,
		                  .folder = names[2] != NULL ? names[2]->text : NULL,
		                  .user = user,
		                  .fid = line->fid,
		                  .file = line->file,
		                  .number = line->number,
		          });
	}
}

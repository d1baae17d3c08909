/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A map that is added to another one, and whose aliases give way: see usermap.h. Memory only.
 *
 * A name that the first map knows has an owner: an alias and a backend user belong to whom they
 * lead to, a groupware user to itself. An alias of the second map may name what nobody owns and
 * nobody else claims, or what its own user owns already.
 */
#include "mapistore/usermap_internal.h"

#include <stdio.h>
#include <syslog.h>

#include <talloc.h>

#define SEVERAL (NOBODY - 1)
#define TOLD    10
#define SHOWN   200 /* bytes of a name in a message */

struct merging {
	struct ocs_usermap *map;
	const char *file, *kept; /* the last one, and our copy */
	ocs_report_fn *report;
	void *arg;
	int left_out;
};

static struct ocs_usermap_name *user_key(struct ocs_usermap *map,
                                         const struct ocs_usermap_name *name)
{
	return ocs_usermap_name_key(map, name, false);
}

static void give(uint32_t *owner, const struct ocs_usermap_name *user)
{
	*owner = *owner == NOBODY || *owner == user->number ? user->number : SEVERAL;
}

static int own_aliases(struct ocs_usermap *map)
{
	for (size_t i = 0; i < map->n_aliases; i++) {
		struct ocs_usermap_name *alias = user_key(map, map->aliases[i].alias);
		struct ocs_usermap_name *user = user_key(map, map->aliases[i].user);

		if (alias == NULL || user == NULL)
			return -1;
		if (alias->means == alias->number) /* else finish() decides */
			alias->means = user->number;
		give(&alias->owner, user);
		give(&user->owner, user);
	}
	return 0;
}

static int own_lines(struct ocs_usermap *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct ocs_usermap_name *const *names = map->lines[i].names;
		struct ocs_usermap_name *seen = names[1] != NULL ? user_key(map, names[1]) : NULL;
		struct ocs_usermap_name *user = names[3] != NULL ? user_key(map, names[3]) : seen;

		if ((seen == NULL && names[1] != NULL) || (user == NULL && names[3] != NULL))
			return -1;
		if (user != NULL)
			give(&user->owner, map->names[user->means]);
		if (seen != NULL)
			give(&seen->owner, map->names[user->means]);
	}
	return 0;
}

/* The alias, and whom it leads to; -1: out of memory. */
static int alias_ends(struct ocs_usermap *map, const struct map_alias *alias,
                      struct ocs_usermap_name **name_r, struct ocs_usermap_name **user_r)
{
	*name_r = user_key(map, alias->alias);
	*user_r = user_key(map, alias->user);
	if (*name_r == NULL || *user_r == NULL)
		return -1;
	*user_r = map->names[(*user_r)->means];
	return 0;
}

static int claim_aliases(struct ocs_usermap *map, const struct ocs_usermap *other)
{
	struct ocs_usermap_name *name, *user;

	for (size_t i = 0; i < other->n_aliases; i++) {
		if (alias_ends(map, &other->aliases[i], &name, &user) != 0)
			return -1;
		give(&name->claimant, user);
	}
	return 0;
}

static void leave_out(struct merging *merging, const struct map_alias *alias, const char *why)
{
	char name[SHOWN], user[SHOWN], *text;

	if (++merging->left_out > TOLD || merging->report == NULL)
		return;
	ocs_name_show(alias->alias->text, name, sizeof(name));
	ocs_name_show(alias->user->text, user, sizeof(user));
	text = alias->number != 0
	               ? talloc_asprintf(NULL, "%s:%u: the alias %s of %s %s: left out",
	                                 alias->file, alias->number, name, user, why)
	               : talloc_asprintf(NULL, "the alias %s of %s %s: left out", name, user, why);
	if (text != NULL)
		merging->report(LOG_WARNING, text, merging->arg);
	talloc_free(text);
}

/* The name of the file, which lives as long as the map. NULL: out of memory. */
static const char *keep_file(struct merging *merging, const char *file)
{
	if (merging->kept == NULL || merging->file != file) {
		merging->kept = talloc_strdup(merging->map, file);
		merging->file = file;
	}
	return merging->kept;
}

static int merge_alias(struct merging *merging, const struct map_alias *alias)
{
	struct ocs_usermap_name *name, *user;
	const char *file = keep_file(merging, alias->file);

	if (file == NULL || alias_ends(merging->map, alias, &name, &user) != 0)
		return -1;
	if (name->means == user->number) /* as it is */
		return 0;
	if (name->owner != NOBODY && name->owner != user->number)
		leave_out(merging, alias, "is another user's name");
	else if (name->owner == NOBODY && name->claimant == SEVERAL)
		leave_out(merging, alias, "is claimed by two users");
	else
		return ocs_usermap_add_alias(merging->map, alias->alias->text, user->text, file,
		                             alias->number);
	return 0;
}

static int merge_line(struct merging *merging, const struct map_line *line)
{
	const char *texts[4], *file = keep_file(merging, line->file);

	for (size_t i = 0; i < 4; i++)
		texts[i] = line->names[i] != NULL ? line->names[i]->text : NULL;
	if (file == NULL)
		return -1;
	return ocs_usermap_add(merging->map, &(const struct ocs_usermap_line){
	                                             .backend = texts[0],
	                                             .backend_user = texts[1],
	                                             .folder = texts[2],
	                                             .user = texts[3],
	                                             .fid = line->fid,
	                                             .file = file,
	                                             .number = line->number,
	                                     });
}

int ocs_usermap_merge(struct ocs_usermap *map, const struct ocs_usermap *other,
                      ocs_report_fn *report, void *arg)
{
	struct merging merging = {.map = map, .report = report, .arg = arg};

	if (own_aliases(map) != 0 || own_lines(map) != 0 || claim_aliases(map, other) != 0)
		return -1;
	for (size_t i = 0; i < other->n_aliases; i++)
		if (merge_alias(&merging, &other->aliases[i]) != 0)
			return -1;
	for (size_t i = 0; i < other->n; i++)
		if (merge_line(&merging, &other->lines[i]) != 0)
			return -1;
	if (merging.left_out > TOLD && report != NULL) {
		char text[80];

		snprintf(text, sizeof(text), "%d more aliases are left out",
		         merging.left_out - TOLD);
		report(LOG_WARNING, text, arg);
	}
	return merging.left_out;
}

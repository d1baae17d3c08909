/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Sources of users to one map: see users.h. Touches what the sources touch. */
#include "users/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <talloc.h>

#include "base/plural.h"

static const struct ocs_users_source *const sources[] = {&ocs_users_text, &ocs_users_openchangedb,
                                                         &ocs_users_from_directory};

#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

static const char *text_where(const struct ocs_users_settings *settings)
{
	return settings->map;
}

static int text_read(struct ocs_usermap *map, const struct ocs_users_settings *settings,
                     ocs_report_fn *report, void *arg, struct ocs_error *error)
{
	return ocs_usermap_read(map, settings->map, report, arg, error);
}

const struct ocs_users_source ocs_users_text = {text_where, text_read};

/* As long as they were never read, they say nothing; their thread tells why. */
static const char *directory_where(const struct ocs_users_settings *settings)
{
	return settings->directory != NULL && access(settings->directory, F_OK) == 0
	               ? settings->directory
	               : NULL;
}

/* Whatever a directory says, the other sources stand, and the daemon starts: what is wrong with the
 * file as a whole is for its writer, who makes it anew, and aliases give way to the others' names.
 */
static int directory_read(struct ocs_usermap *map, const struct ocs_users_settings *settings,
                          ocs_report_fn *report, void *arg, struct ocs_error *error)
{
	struct ocs_usermap *alone = NULL;
	struct ocs_error why, text;
	int left_out;

	if (ocs_usermap_load(settings->directory, &settings->names, NULL, NULL, NULL, &alone,
	                     &why) != 0) {
		ocs_error_set(&text,
		              "the users of the directory as they were read last are of no use: "
		              "%.400s",
		              why.text);
		if (report != NULL)
			report(LOG_WARNING, text.text, arg);
		*settings->directory_fault = text;
		return 0;
	}
	left_out = ocs_usermap_merge(map, alone, report, arg);
	talloc_free(alone);
	if (left_out < 0)
		return ocs_error_memory(error);
	ocs_usermap_set_decides(map);
	return 0;
}

const struct ocs_users_source ocs_users_from_directory = {directory_where, directory_read};

/* libldb loads its backends with dlopen(), and all that Samba has put beside them; bound deeply
 * they cannot be loaded under a sanitizer. */
void ocs_users_begin(void)
{
	(void)setenv("LDB_MODULES_DISABLE_DEEPBIND", "1", 0);
}

bool ocs_users_wanted(const struct ocs_users_settings *settings)
{
	for (size_t i = 0; i < N_SOURCES; i++)
		if (sources[i]->where(settings) != NULL)
			return true;
	return false;
}

static int load_sources(struct ocs_usermap *map, const struct ocs_users_settings *settings,
                        ocs_report_fn *report, void *arg, struct ocs_error *error)
{
	int bad;

	for (size_t i = 0; i < N_SOURCES; i++)
		if (sources[i]->where(settings) != NULL &&
		    sources[i]->read(map, settings, report, arg, error) != 0)
			return -1;
	bad = ocs_usermap_finish(map, report, arg, error);
	if (bad > 0) /* only the text has what can contradict itself */
		ocs_error_set(error, "%s: %d bad %s", settings->map, bad,
		              ocs_plural((unsigned)bad, "line", "lines"));
	return bad == 0 ? 0 : -1;
}

int ocs_users_load(const struct ocs_users_settings *settings, const void *mem_ctx,
                   ocs_report_fn *report, void *arg, struct ocs_usermap **map_r,
                   struct ocs_error *error)
{
	const bool others =
	        text_where(settings) != NULL || ocs_users_openchangedb.where(settings) != NULL;
	struct ocs_users_settings used = *settings;
	struct ocs_error fault = {.text = ""};
	struct ocs_usermap *map;

	*map_r = NULL;
	used.directory_fault =
	        settings->directory_fault != NULL ? settings->directory_fault : &fault;
	used.directory_fault->text[0] = '\0';
	if (!ocs_users_wanted(settings))
		return 0;
	map = ocs_usermap_new(mem_ctx, &settings->names);
	if (map == NULL)
		return ocs_error_memory(error);
	if (load_sources(map, &used, report, arg, error) != 0) {
		talloc_free(map);
		return -1;
	}
	/* as before the directory was read for the first time: an empty map would refuse all */
	if (used.directory_fault->text[0] != '\0' && !others)
		TALLOC_FREE(map);
	*map_r = map;
	return 0;
}

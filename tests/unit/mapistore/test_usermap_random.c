/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The user map against a plain search through its lines, with maps and names drawn at random. */
#include "tests/unit/rig.h"

#include <ctype.h>

#include "mapistore/usermap.h"

#define MAPS    400
#define LINES   24
#define ALIASES 3
#define LOOKS   60

static uint32_t state;

static uint32_t draw(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

/* NULL is any. Few, so that lines often meet; in both cases and with a domain. */
static const char *const backends[] = {"sogo", "imap", NULL};
static const char *const folders[] = {"INBOX", "INBOX/Sub", "Work", "work", "WORK/x", NULL};
static const char *const users[] = {"ann",  "Ann", "bob", "ann@Example.org", "cy@other", "=",
                                    "dora", "eve", NULL};
static const char *const aliases[][2] = {{"dora", "bob"}, {"Eve", "Ann"}, {"fay", "cy@other"}};

#define DRAW(list) list[draw(sizeof(list) / sizeof(list[0]))]

struct line {
	const char *backend, *backend_user, *folder, *user; /* user "=": the backend user */
	uint64_t fid;
};

static struct line lines[LINES];
static size_t n_lines, n_aliases;
static struct ocs_name_rule rule;
static struct ocs_usermap *map;

/* ---- the plain way ---- */

static void plain_fold(char *name)
{
	for (; rule.fold && *name != '\0'; name++)
		*name = (char)tolower((unsigned char)*name);
}

static void plain_user(const char *user, char out[64])
{
	char alias[64], *at;

	strcpy(out, user);
	plain_fold(out);
	at = strchr(out, '@');
	if (at != NULL && rule.domains[0] != '\0' && strcasecmp(at + 1, "example.org") == 0)
		*at = '\0';
	for (size_t i = 0; i < n_aliases; i++) {
		strcpy(alias, aliases[i][0]);
		plain_fold(alias);
		if (strcmp(alias, out) != 0)
			continue;
		strcpy(out, aliases[i][1]);
		plain_fold(out);
		return;
	}
}

static bool plain_same_folder(const char *a, const char *b)
{
	return (rule.fold ? strcasecmp(a, b) : strcmp(a, b)) == 0;
}

static bool plain_matches(const struct line *line, const char *backend, const char *user,
                          const char *folder)
{
	char own[64];

	if (line->backend_user != NULL)
		plain_user(line->backend_user, own);
	return (line->backend == NULL || strcmp(line->backend, backend) == 0) &&
	       (line->backend_user == NULL || strcmp(own, user) == 0) &&
	       (line->folder == NULL || plain_same_folder(line->folder, folder));
}

/* "user:fid " for each, in the order of lines */
static size_t plain_match(const char *backend, const char *user, const char *folder, char *out)
{
	char found[LINES][64];
	size_t n = 0;

	for (size_t i = 0; i < n_lines; i++) {
		uint64_t fid = 0;
		size_t k;

		if (!plain_matches(&lines[i], backend, user, folder))
			continue;
		plain_user(strcmp(lines[i].user, "=") == 0 ? user : lines[i].user, found[n]);
		for (k = 0; k < n && strcmp(found[k], found[n]) != 0; k++)
			;
		if (k < n)
			continue;
		for (k = 0; k < n_lines && fid == 0; k++) {
			char who[64];

			plain_user(strcmp(lines[k].user, "=") == 0 ? user : lines[k].user, who);
			if (plain_matches(&lines[k], backend, user, folder) &&
			    strcmp(who, found[n]) == 0)
				fid = lines[k].fid;
		}
		out += sprintf(out, "%s:%llx ", found[n++], (unsigned long long)fid);
	}
	*out = '\0';
	return n;
}

/* ---- the map ---- */

static void make(void)
{
	rule = (struct ocs_name_rule){.fold = draw(2)};
	if (draw(2))
		strcpy(rule.domains, "nowhere, example.ORG");
	n_lines = 1 + draw(LINES);
	n_aliases = draw(ALIASES + 1);
	TALLOC_FREE(map);
	map = ocs_usermap_new(NULL, &rule);
	for (size_t i = 0; i < n_lines; i++) {
		struct line *line = &lines[i];
		struct ocs_usermap_line added = {.file = "map", .number = (unsigned)i + 1};

		*line = (struct line){DRAW(backends), DRAW(users), DRAW(folders), DRAW(users), 0};
		if (line->user == NULL)
			line->user = "=";
		if (line->backend_user != NULL && strcmp(line->backend_user, "=") == 0)
			line->backend_user = NULL;
		if (line->backend_user != NULL && line->folder != NULL && draw(2))
			line->fid = 1 + draw(9);
		added.backend = line->backend;
		added.backend_user = line->backend_user;
		added.folder = line->folder;
		added.user = strcmp(line->user, "=") != 0 ? line->user : NULL;
		added.fid = line->fid;
		ck_assert_int_eq(ocs_usermap_add(map, &added), 0);
	}
	for (size_t i = 0; i < n_aliases; i++)
		ck_assert_int_eq(
		        ocs_usermap_add_alias(map, aliases[i][0], aliases[i][1], "map", 99), 0);
	ck_assert_ok(ocs_usermap_finish(map, NULL, NULL, &rig_error));
}

static void each(void *arg, const char *user, uint64_t fid)
{
	sprintf(strchr(arg, '\0'), "%s:%llx ", user, (unsigned long long)fid);
}

static void look(void)
{
	const char *backend = DRAW(backends), *folder = DRAW(folders), *user = DRAW(users);
	char expected[4096], found[4096] = "", by[OCS_NAME_MAX + 1], plain[64], *word, *rest;
	size_t n;

	if (backend == NULL || folder == NULL || user == NULL || strcmp(user, "=") == 0)
		return;
	ocs_usermap_user(map, &rule, user, by);
	plain_user(user, plain);
	ck_assert_str_eq(by, plain);
	n = plain_match(backend, plain, folder, expected);
	ck_assert_uint_eq(ocs_usermap_match(map, backend, by, folder, each, found), n);
	ck_assert_str_eq(found, expected);
	for (word = strtok_r(expected, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		struct ocs_folder_name name = {word, backend, by, folder};
		char *colon = strchr(word, ':');
		uint64_t fid;

		*colon = '\0';
		ck_assert(ocs_usermap_sees(map, &name, &fid));
		ck_assert_uint_eq(fid, strtoull(colon + 1, NULL, 16));
		ck_assert_uint_eq(ocs_usermap_fid(map, &name), fid);
	}
	ck_assert(!ocs_usermap_sees(map, &(struct ocs_folder_name){"zoe", backend, by, folder},
	                            &(uint64_t){0}));
}

static void teardown(void)
{
	TALLOC_FREE(map);
}

TESTS_HAVE(.teardown = teardown);

TEST(a_map_finds_what_a_search_through_its_lines_finds)
{
	for (state = 1; state <= MAPS; state++) {
		uint32_t seed = state;

		make();
		for (int i = 0; i < LOOKS; i++)
			look();
		state = seed;
	}
}

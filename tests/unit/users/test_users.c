/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The users of a directory beside a text map: whatever they say, the text map stands. */
#include "tests/unit/rig.h"

#include "users/users.h"

static struct ocs_users_settings settings;
static struct ocs_usermap *map;
static struct ocs_error fault;
static char reports[8192], seen[1024], map_path[300], directory_path[300];

static void setup(void)
{
	rig_make_folder();
	snprintf(map_path, sizeof(map_path), "%s", rig_path("map"));
	snprintf(directory_path, sizeof(directory_path), "%s", rig_path("users.ldap"));
	settings = (struct ocs_users_settings){.map = map_path,
	                                       .directory = directory_path,
	                                       .directory_fault = &fault,
	                                       .names = {.fold = true}};
	reports[0] = '\0';
}

static void teardown(void)
{
	TALLOC_FREE(map);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

static void report(int priority, const char *text, void *arg)
{
	(void)arg;
	ck_assert_int_eq(priority, LOG_WARNING);
	snprintf(strchr(reports, '\0'), sizeof(reports) - strlen(reports), "%s\n", text);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void load(const char *text, const char *directory)
{
	write_file(map_path, text);
	write_file(directory_path, directory);
	ck_assert_ok(ocs_users_load(&settings, NULL, report, NULL, &map, &rig_error));
}

static void each(void *arg, const char *user, uint64_t fid)
{
	(void)arg;
	(void)fid;
	snprintf(strchr(seen, '\0'), sizeof(seen) - strlen(seen), "%s ", user);
}

/* Who is told of what is reported under the name. */
static const char *told(const char *name)
{
	char user[OCS_NAME_MAX + 1];

	seen[0] = '\0';
	ocs_usermap_user(map, &settings.names, name, user);
	(void)ocs_usermap_match(map, "sogo", user, "INBOX", each, NULL);
	return seen;
}

TEST(an_alias_of_the_map_wins)
{
	load("alias\tinfo\tcarl\n*\tcarl\t*\tcarl\t-\n",
	     "*\tanna\t*\tanna\t-\nalias\tINFO\tanna\nalias\tann\tanna\n");
	ck_assert_str_eq(told("info"), "carl ");
	ck_assert_str_eq(told("Ann"), "anna ");
	ck_assert_pstr_eq(strstr(reports, "users.ldap:2: the alias INFO of anna is another user's "
	                                  "name: left out\n"),
	                  strstr(reports, "users.ldap"));
	ck_assert_str_eq(fault.text, "");
}

TEST(names_of_the_map_are_nobodys_alias)
{
	load("sogo\tstore\t*\tcarl\t-\nsogo\tother\t*\t=\t-\n",
	     "*\teve\t*\teve\t-\nalias\tstore\teve\nalias\tcarl\teve\nalias\tother\teve\n");
	ck_assert_str_eq(told("store"), "carl ");
	ck_assert_str_eq(told("carl"), "");
	ck_assert_str_eq(told("other"), "other ");
	ck_assert_str_eq(told("eve"), "eve ");
	ck_assert_ptr_nonnull(strstr(reports, "the alias store of eve"));
	ck_assert_ptr_nonnull(strstr(reports, "the alias carl of eve"));
	ck_assert_ptr_nonnull(strstr(reports, "the alias other of eve"));
}

TEST(an_alias_follows_one_of_the_map)
{
	load("alias\tanna\tcarl\n", "*\tanna\t*\tanna\t-\nalias\tann\tanna\n");
	ck_assert_str_eq(told("ann"), "carl ");
	ck_assert_str_eq(reports, "");
}

TEST(one_that_both_have_is_no_contradiction)
{
	load("alias\tann\tanna\nsogo\tann\t*\tcarl\t-\n",
	     "*\tanna\t*\tanna\t-\nalias\tAnn\tanna\n");
	ck_assert_str_eq(told("ann"), "carl anna ");
	ck_assert_str_eq(reports, "");
}

TEST(an_own_backend_user_may_be_an_alias)
{
	load("sogo\tann\t*\tanna\t-\n", "*\tanna\t*\tanna\t-\nalias\tann\tanna\n");
	ck_assert_str_eq(told("ann"), "anna ");
	ck_assert_str_eq(reports, "");
}

TEST(many_that_are_left_out_are_few_lines)
{
	static char text[4000], directory[4000];

	for (int i = 0; i < 30; i++) {
		snprintf(strchr(text, '\0'), 100, "sogo\tb%d\t*\tu%d\t-\n", i, i);
		snprintf(strchr(directory, '\0'), 100, "alias\tu%d\teve\n", i);
	}
	load(text, directory);
	ck_assert_ptr_nonnull(strstr(reports, "the alias u9 of eve"));
	ck_assert_ptr_null(strstr(reports, "u10"));
	ck_assert_ptr_nonnull(strstr(reports, "20 more aliases are left out\n"));
}

TEST(what_is_of_no_use_is_left_out_and_told)
{
	load("sogo\tstore\t*\tcarl\t-\n", "*\tanna\t*\tanna\n");
	ck_assert_str_eq(told("store"), "carl ");
	ck_assert_str_eq(told("anna"), "");
	ck_assert_ptr_nonnull(strstr(reports, "are of no use: "));
	ck_assert_ptr_nonnull(strstr(fault.text, "are of no use: "));
	TALLOC_FREE(map);
	/* alone it is as none, not a map that refuses everybody */
	settings.map = NULL;
	load("", "alias\ta\tb\nalias\tb\tc\n");
	ck_assert_ptr_null(map);
	ck_assert_ptr_nonnull(strstr(fault.text, "are of no use: "));
	load("", "*\tanna\t*\tanna\t-\n");
	ck_assert_str_eq(told("anna"), "anna ");
	ck_assert_str_eq(fault.text, "");
}

/* getenv() of another thread does not bear a change. */
TEST(a_reading_leaves_the_environment_alone)
{
	ck_assert_int_eq(unsetenv("LDB_MODULES_DISABLE_DEEPBIND"), 0);
	load("sogo\tstore\t*\tcarl\t-\n", "*\tanna\t*\tanna\t-\n");
	ck_assert_ptr_null(getenv("LDB_MODULES_DISABLE_DEEPBIND"));
	ocs_users_begin();
	ck_assert_str_eq(getenv("LDB_MODULES_DISABLE_DEEPBIND"), "1");
}

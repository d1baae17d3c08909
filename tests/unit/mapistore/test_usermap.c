/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The user map: who sees which folder, under which FID. */
#include "tests/unit/rig.h"

#include "mapistore/usermap.h"

static struct ocs_usermap *map;
static char seen[1024], reports[4096];

static void setup(void)
{
	rig_make_folder();
	seen[0] = reports[0] = '\0';
}

static void teardown(void)
{
	TALLOC_FREE(map);
	rig_remove_folder();
}

static void report(int priority, const char *text, void *arg)
{
	(void)priority;
	(void)arg;
	strcat(reports, text);
	strcat(reports, "\n");
}

static int load_bytes(const char *text, size_t len)
{
	FILE *file = fopen(rig_path("map"), "w");

	fwrite(text, 1, len, file);
	fclose(file);
	TALLOC_FREE(map);
	return ocs_usermap_load(rig_path("map"), NULL, NULL, report, NULL, &map, &rig_error);
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

static void each(void *arg, const char *user, uint64_t fid)
{
	size_t len = strlen(seen);

	(void)arg;
	snprintf(seen + len, sizeof(seen) - len, "%s:%llx ", user, (unsigned long long)fid);
}

/* "user:fid " for each who sees the folder */
static const char *users(const char *backend, const char *backend_user, const char *folder)
{
	size_t n, spaces = 0;

	seen[0] = '\0';
	n = ocs_usermap_match(map, backend, backend_user, folder, each, NULL);
	for (const char *p = seen; *p != '\0'; p++)
		spaces += *p == ' ';
	ck_assert_uint_eq(n, spaces);
	return seen;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(without_a_map_the_backend_user_is_the_groupware_user)
{
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "john:0 ");
	ck_assert_uint_eq(
	        ocs_usermap_fid(NULL, &(struct ocs_folder_name){"john", "sogo", "john", "INBOX"}),
	        0);
}

TEST(a_star_in_the_first_three_fields_is_any)
{
	ck_assert_ok(load("*\tjohn\tINBOX\ta\t-\n"
	                  "sogo\t*\tINBOX\tb\t-\n"
	                  "sogo\tjohn\t*\tc\t-\n"
	                  "*\t*\t*\td\t-\n"));
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "a:0 b:0 c:0 d:0 ");
	ck_assert_str_eq(users("other", "john", "INBOX"), "a:0 d:0 ");
	ck_assert_str_eq(users("sogo", "mary", "INBOX"), "b:0 d:0 ");
	ck_assert_str_eq(users("sogo", "john", "x"), "c:0 d:0 ");
}

TEST(an_equals_sign_is_the_backend_user)
{
	ck_assert_ok(load("sogo\t*\t*\t=\t-\nsogo\tteam\tINBOX\tmary\t-\n"));
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "john:0 ");
	ck_assert_str_eq(users("sogo", "team", "INBOX"), "team:0 mary:0 ");
}

TEST(every_line_that_matches_counts_and_each_user_once)
{
	ck_assert_ok(load("sogo\tteam\tINBOX\tmary\t-\n"
	                  "sogo\tteam\t*\tmary\t-\n"
	                  "sogo\tteam\tINBOX\tmary\t00ab000000000001\n"
	                  "sogo\tteam\tINBOX\tmary\t00ff000000000001\n"
	                  "sogo\tteam\tINBOX\tjohn\t-\n"));
	ck_assert_str_eq(users("sogo", "team", "INBOX"), "mary:ab000000000001 john:0 ");
	ck_assert_uint_eq(
	        ocs_usermap_fid(map, &(struct ocs_folder_name){"mary", "sogo", "team", "INBOX"}),
	        0x00ab000000000001);
	ck_assert_uint_eq(
	        ocs_usermap_fid(map, &(struct ocs_folder_name){"john", "sogo", "team", "INBOX"}),
	        0);
	ck_assert_uint_eq(
	        ocs_usermap_fid(map, &(struct ocs_folder_name){"mary", "sogo", "team", "x"}), 0);
	ck_assert_str_eq(users("sogo", "team", "x"), "mary:0 ");
}

TEST(who_is_in_no_line_is_nobody)
{
	ck_assert_ok(load("sogo\tjohn\tINBOX\tjohn\t-\n"));
	ck_assert_str_eq(users("sogo", "mary", "INBOX"), "");
	ck_assert_str_eq(users("sogo", "john", "INBOX/x"), "");
	ck_assert_str_eq(users("sogo", "john", "inbox2"), "");
	ck_assert_ok(load(""));
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "");
}

TEST(comments_empty_lines_and_carriage_returns_are_fine)
{
	ck_assert_ok(load("# a comment\tof\tsome\tfields\n\nsogo\tjohn\tINBOX\tj\t-\r\n#end"));
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "j:0 ");
	ck_assert_ok(load("sogo\tjohn\tINBOX\tlast\t-"));
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "last:0 ");
}

TEST(backend_and_folder_are_made_canonical)
{
	ck_assert_ok(load("SoGo\tJohn\tinbox/Sub\tj\t-\n"));
	ck_assert_str_eq(users("sogo", "John", "INBOX/Sub"), "j:0 ");
	ck_assert_str_eq(users("sogo", "john", "INBOX/Sub"), "");
}

TEST(a_field_is_exact_between_its_tabs)
{
	ck_assert_ok(load("sogo\tjohn\tWork \tmary\t-\n"
	                  "sogo\tjohn\t Work\tanna\t-\r\n"
	                  "sogo\tjohn \tINBOX\tbert\t-\n"));
	ck_assert_str_eq(users("sogo", "john", "Work "), "mary:0 ");
	ck_assert_str_eq(users("sogo", "john", " Work"), "anna:0 ");
	ck_assert_str_eq(users("sogo", "john", "Work"), "");
	ck_assert_str_eq(users("sogo", "john ", "INBOX"), "bert:0 ");
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "");
}

TEST(a_fid_of_two_folders_is_told_of_and_stays)
{
	ck_assert_ok(load("sogo\tj\tINBOX\ta\t7700000000000002\n"
	                  "sogo\tj\tINBOX\ta\t7700000000000002\n"
	                  "sogo\tj\tWork\ta\t7800000000000002\n"));
	ck_assert_str_eq(reports, "");
	ck_assert_ok(load("sogo\tj\tINBOX\ta\t7700000000000002\n"
	                  "sogo\tj\tWork\ta\t7700000000000002\n"
	                  "sogo\tj\tINBOX\tb\t7700000000000002\n"));
	ck_assert_ptr_nonnull(strstr(reports, "map:2: FID 7700000000000002"));
	ck_assert_ptr_nonnull(strstr(reports, "map:3: FID 7700000000000002"));
	ck_assert_ptr_nonnull(strstr(reports, "map:1)"));
	ck_assert_str_eq(users("sogo", "j", "INBOX"), "a:7700000000000002 b:7700000000000002 ");
}

TEST(what_can_be_no_name_is_a_bad_line)
{
	static const char *const bad[] = {"sogo\tj\tINBOX\tu\tffffffffffffffff\n",
	                                  "sogo\tj\t/INBOX\tu\t-\n",
	                                  "sogo\tj\ta//b\tu\t-\n",
	                                  "sogo\tj\ta/\tu\t-\n",
	                                  "sogo\tj\tEntw\xfcrfe\tu\t-\n",
	                                  "sogo\tj\xe9\t*\t=\t-\n",
	                                  "s\x01\tj\t*\t=\t-\n",
	                                  "sogo\tj\t*\tu\x1f\t-\n"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(load(bad[i]) != 0, "%s", bad[i]);
}

TEST(a_fid_is_16_hex_digits_also_with_0x)
{
	ck_assert_ok(load("s\tj\tf\tu\t0x00AB000000000001\n"));
	ck_assert_str_eq(users("s", "j", "f"), "u:ab000000000001 ");
}

TEST(every_bad_line_is_reported_with_file_and_line)
{
	static const char *const bad[] = {
	        "one",
	        "sogo\tjohn\tINBOX\tj",
	        "sogo\tjohn\tINBOX\tj\t-\textra",
	        "sogo\t\tINBOX\tj\t-",
	        "sogo\tjohn\tINBOX\tj\t",
	        "sogo\tjohn\tINBOX\t\t-",
	        "sogo\tjohn\tINBOX\tj\t12",
	        "sogo\tjohn\tINBOX\tj\txyz",
	        "sogo\tjohn\tINBOX\tj\tstore",
	        "sogo\tjohn\tINBOX\tj\t0000000000000000",
	        "sogo\tjohn\t*\tj\t00ab000000000001",
	        "sogo\t*\tINBOX\tj\t00ab000000000001",
	        "sogo john INBOX j -",
	        " # no comment",
	};
	char text[2048] = "# first\n", where[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcat(text, bad[i]);
		strcat(text, "\nsogo\tjohn\tINBOX\tj\t-\n");
	}
	ck_assert_int_eq(load(text), -1);
	ck_assert_ptr_null(map);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(where, sizeof(where), "%s:%zu: ", rig_path("map"), 2 + 2 * i);
		ck_assert_msg(strstr(reports, where) != NULL, "'%s' was taken: %s", bad[i],
		              reports);
		snprintf(where, sizeof(where), "%s:%zu: ", rig_path("map"), 3 + 2 * i);
		ck_assert_ptr_null(strstr(reports, where));
	}
	ck_assert_ptr_nonnull(strstr(rig_error.text, "14 bad lines"));
}

TEST(long_fields_and_lines_are_bad_and_the_next_line_keeps_its_number)
{
	static char text[20000];
	char where[300];

	strcpy(text, "sogo\t");
	memset(text + 5, 'x', 1025);
	strcat(text, "\tf\tu\t-\n");
	memset(text + strlen(text), 'y', 9000);
	strcat(text, "\nbad\n");
	ck_assert_int_eq(load(text), -1);
	for (int i = 1; i <= 3; i++) {
		snprintf(where, sizeof(where), "%s:%d: ", rig_path("map"), i);
		ck_assert_ptr_nonnull(strstr(reports, where));
	}
}

TEST(a_line_with_a_nul_byte_is_bad)
{
	static const char text[] = "sogo\tjohn\tINBOX\tj\t-\0\tmore\n";

	ck_assert_int_eq(load_bytes(text, sizeof(text) - 1), -1);
}

TEST(a_missing_file_is_an_error_that_names_it)
{
	ck_assert_int_eq(
	        ocs_usermap_load(rig_path("none"), NULL, NULL, report, NULL, &map, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, rig_path("none")));
}

/* ---- names that are one ---- */

static int load_by(const char *text, bool fold, const char *domains)
{
	struct ocs_name_rule rule = {.fold = fold};
	FILE *file = fopen(rig_path("map"), "w");

	snprintf(rule.domains, sizeof(rule.domains), "%s", domains);
	fwrite(text, 1, strlen(text), file);
	fclose(file);
	TALLOC_FREE(map);
	return ocs_usermap_load(rig_path("map"), &rule, NULL, report, NULL, &map, &rig_error);
}

/* Of a name as somebody says it. */
static const char *one_name(const char *user, bool fold, const char *domains)
{
	static char out[OCS_NAME_MAX + 1];
	struct ocs_name_rule rule = {.fold = fold};

	snprintf(rule.domains, sizeof(rule.domains), "%s", domains);
	return ocs_usermap_user(map, &rule, user, out);
}

TEST(an_alias_is_its_user_wherever_it_is_named)
{
	ck_assert_ok(load("alias\tjohn.doe\tjdoe\n"
	                  "sogo\tjohn.doe\tINBOX\tjdoe\t-\n"
	                  "sogo\tjdoe\tINBOX\tjohn.doe\t00ab000000000001\n"
	                  "sogo\tteam\t*\tjohn.doe\t-\n"));
	ck_assert_str_eq(one_name("john.doe", false, ""), "jdoe");
	ck_assert_str_eq(one_name("jdoe", false, ""), "jdoe");
	ck_assert_str_eq(one_name("John.Doe", false, ""), "John.Doe");
	ck_assert_str_eq(users("sogo", "jdoe", "INBOX"), "jdoe:ab000000000001 ");
	ck_assert_str_eq(users("sogo", "team", "x"), "jdoe:0 ");
}

TEST(aliases_alone_leave_everybody_the_user_they_are)
{
	ck_assert_ok(load("alias\tjohn.doe\tjdoe\n"));
	ck_assert(!ocs_usermap_decides(map));
	ck_assert_str_eq(users("sogo", "mary", "INBOX"), "mary:0 ");
	ck_assert_ok(load(""));
	ck_assert(ocs_usermap_decides(map));
}

TEST(aliases_that_contradict_each_other_are_bad_lines)
{
	ck_assert_int_eq(load("alias\ta\tb\nalias\ta\tc\n"), -1);
	ck_assert_ptr_nonnull(strstr(reports, "map:2: "));
	reports[0] = '\0';
	ck_assert_int_eq(load("alias\ta\tb\nalias\tb\tc\n"), -1);
	ck_assert_ptr_nonnull(strstr(reports, "map:1: "));
	ck_assert_ok(load("alias\ta\tb\nalias\ta\tb\nalias\tb\tb\n"));
	ck_assert_int_eq(load("alias\t*\tb\n"), -1);
	ck_assert_int_eq(load("alias\ta\t=\n"), -1);
	ck_assert_int_eq(load("alias\ta\n"), -1);
	/* Five fields are of a backend of that name. */
	ck_assert_ok(load("alias\ta\tINBOX\tb\t-\n"));
	ck_assert_str_eq(users("alias", "a", "INBOX"), "b:0 ");
}

TEST(with_fold_case_does_not_matter)
{
	ck_assert_ok(load_by("sogo\tJdoe\tEntw\xc3\xbcrfe\tJdoe\t-\n"
	                     "sogo\tjdoe\tINBOX\tMary\t-\n"
	                     "alias\tJohn.Doe\tJDOE\n",
	                     true, ""));
	ck_assert_str_eq(one_name("JDoe", true, ""), "jdoe");
	ck_assert_str_eq(one_name("john.DOE", true, ""), "jdoe");
	ck_assert_str_eq(users("sogo", "jdoe", "ENTW\xc3\x9cRFE"), "jdoe:0 ");
	ck_assert_str_eq(users("sogo", "jdoe", "inbox"), "mary:0 ");
	ck_assert_ok(load("sogo\tJdoe\tINBOX\tJdoe\t-\n"));
	ck_assert_str_eq(users("sogo", "jdoe", "INBOX"), "");
}

TEST(a_domain_that_is_ours_says_nothing)
{
	ck_assert_ok(load_by("sogo\tjdoe@example.org\tINBOX\t=\t-\n", false,
	                     "example.org, example.net"));
	ck_assert_str_eq(users("sogo", "jdoe", "INBOX"), "jdoe:0 ");
	ck_assert_str_eq(one_name("jdoe@Example.NET", false, "example.org, example.net"), "jdoe");
	ck_assert_str_eq(one_name("jdoe@other", false, "example.org, example.net"), "jdoe@other");
	ck_assert_str_eq(one_name("jdoe@other", false, "*"), "jdoe");
	ck_assert_str_eq(one_name("@other", false, "*"), "@other");
	ck_assert_str_eq(one_name("a@b@c", false, "*"), "a");
	ck_assert_str_eq(one_name("jdoe@example.org", false, ""), "jdoe@example.org");
}

TEST(what_libraries_need_can_be_read_again)
{
	FILE *file = fopen(rig_path("copy"), "w");
	struct ocs_usermap *copy;

	ck_assert_ok(load("sogo\tjohn\tINBOX\tmary\t00ab000000000001\n"
	                  "*\tjohn\tWork\t=\t00ab000000000002\n"
	                  "sogo\t*\tINBOX\teve\t-\nalias\tjd\tjohn\n"));
	ck_assert_int_eq(ocs_usermap_write_fixed(map, file), 0);
	fclose(file);
	ck_assert_ok(
	        ocs_usermap_load(rig_path("copy"), NULL, NULL, report, NULL, &copy, &rig_error));
	talloc_free(map);
	map = copy;
	ck_assert_str_eq(users("sogo", "john", "INBOX"), "mary:ab000000000001 ");
	ck_assert_str_eq(users("sogo", "john", "Work"), "john:ab000000000002 ");
	ck_assert_str_eq(one_name("jd", false, ""), "john");
}

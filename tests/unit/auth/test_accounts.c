/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Account files and their rewriting, secrecy of files, account limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "auth/account_file.h"
#include "auth/limits.h"
#include "base/private_file.h"
#include "tests/unit/rig.h"

#define GOOD "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME"

static char path[128];
static struct ocs_auth_secret secret;
static struct ocs_accounts *accounts;
static struct ocs_error error;

static void setup(void)
{
	uint8_t key[OCS_AUTH_SECRET_BYTES] = {7};

	rig_make_folder();
	snprintf(path, sizeof(path), "%s/accounts", rig_folder);
	ocs_auth_secret_set(&secret, key);
	accounts = ocs_accounts_new(NULL);
	error.text[0] = '\0';
}

static void teardown(void)
{
	talloc_free(accounts);
	rig_remove_folder();
}

static void write_file(const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static int load(const char *text)
{
	talloc_free(accounts);
	accounts = ocs_accounts_new(NULL);
	write_file(text, strlen(text), 0600);
	return ocs_account_file_load(accounts, path, &secret, &error);
}

static void refused(const char *text, unsigned line, const char *why)
{
	char where[200];

	snprintf(where, sizeof(where), "%s:%u: ", path, line);
	ck_assert_int_eq(load(text), -1);
	ck_assert_msg(strncmp(error.text, where, strlen(where)) == 0 && strstr(error.text, why),
	              "%s", error.text);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_file_has_accounts_comments_and_empty_lines)
{
	ck_assert_msg(load("# people\n\n  \na:" GOOD "\r\n b.c@d-e_F:" GOOD "  \n#x:y\nz:" GOOD) ==
	                      0,
	              "%s", error.text);
	ck_assert_uint_eq(accounts->count, 3);
	ck_assert_ptr_nonnull(ocs_accounts_find(accounts, "a"));
	ck_assert_ptr_nonnull(ocs_accounts_find(accounts, "b.c@d-e_F"));
	ck_assert_ptr_nonnull(ocs_accounts_find(accounts, "z"));
	ck_assert_ptr_null(ocs_accounts_find(accounts, "A"));
	ck_assert_int_eq(load(""), 0);
	ck_assert_uint_eq(accounts->count, 0);
}

TEST(what_is_wrong_with_a_line_is_told_with_its_number)
{
	char big[3000];

	refused("a:" GOOD "\n\nnocolon\n", 3, "NAME:HASH");
	refused("a:" GOOD "\nb:" GOOD "\na:" GOOD "\n", 3, "'a' exists already");
	refused("#\na b:" GOOD "\n", 2, "account name");
	refused(":" GOOD "\n", 1, "account name");
	refused("a:\n", 1, "empty");
	refused("a:secret\n", 1, "not a hash");
	ck_assert_ptr_null(strstr(error.text, "secret"));
	refused("a:{SSHA}!!\n", 1, "{SSHA}");
	refused("a:{SCRAM-SHA-256}100,AAAA,AAAA,AAAA\n", 1, "ITERATIONS");
	refused("a:{PLAIN}x\n", 1, "unknown scheme {PLAIN}");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	refused(big, 1, "NAME:HASH");
	big[2] = ':';
	refused(big, 1, "longer");
	big[2] = 'x';
	big[1000] = ':';
	refused(big, 1, "account name");
}

TEST(a_nul_byte_is_refused)
{
	static const char text[] = "a:" GOOD "\0hidden\n";

	write_file(text, sizeof(text) - 1, 0600);
	ck_assert_int_eq(ocs_account_file_load(accounts, path, &secret, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, ":1: a NUL byte"));
}

TEST(a_file_that_others_can_touch_is_not_read)
{
	static const struct {
		mode_t mode;
		int rc;
	} modes[] = {{0600, 0},  {0400, 0},  {0640, 0}, {0644, -1},
	             {0660, -1}, {0602, -1}, {0601, -1}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		talloc_free(accounts);
		accounts = ocs_accounts_new(NULL);
		write_file("a:" GOOD "\n", strlen(GOOD) + 3, modes[i].mode);
		ck_assert_msg(ocs_account_file_load(accounts, path, &secret, &error) == modes[i].rc,
		              "mode %o", (unsigned)modes[i].mode);
		unlink(path);
	}
	if (geteuid() == 0) {
		write_file("", 0, 0600);
		ck_assert_int_eq(chown(path, 12345, (gid_t)-1), 0);
		ck_assert_int_eq(ocs_account_file_load(accounts, path, &secret, &error), -1);
		ck_assert_ptr_nonnull(strstr(error.text, "belongs to uid 12345"));
		unlink(path);
	}
	ck_assert_int_eq(ocs_account_file_load(accounts, path, &secret, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "No such file"));
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(ocs_account_file_load(accounts, path, &secret, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
}

TEST(too_many_costs_of_hashes_are_refused)
{
	char text[4096] = "";

	for (int i = 0; i < 9; i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len,
		         "u%d:{SCRAM-SHA-256}%d,AQIDBA==,"
		         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		         ",AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		         i, 4096 + i);
	}
	refused(text, 9, "different costs");
}

static char *content(void)
{
	static char text[4096];
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(stat(name, &st), 0);
	return st.st_mode & 07777;
}

TEST(setting_an_account_keeps_everything_else)
{
	ck_assert_msg(ocs_auth_file_set(path, "new", GOOD, &error) == 0, "%s", error.text);
	ck_assert_str_eq(content(), "new:" GOOD "\n");
	ck_assert_uint_eq(mode_of(path), 0600);

	write_file("# top\na:" GOOD "\n\n#a:old\nab:" GOOD, 2 * strlen(GOOD) + 20, 0640);
	ck_assert_msg(ocs_auth_file_set(path, "a", GOOD "AAAA", &error) == 0, "%s", error.text);
	ck_assert_str_eq(content(), "# top\na:" GOOD "AAAA\n\n#a:old\nab:" GOOD);
	ck_assert_uint_eq(mode_of(path), 0640);
	ck_assert_int_eq(ocs_auth_file_set(path, "c", GOOD, &error), 0);
	ck_assert_str_eq(content(), "# top\na:" GOOD "AAAA\n\n#a:old\nab:" GOOD "\nc:" GOOD "\n");
	ck_assert_int_eq(ocs_account_file_load(accounts, path, &secret, &error), 0);
}

TEST(setting_refuses_what_the_daemon_would_refuse_and_leaves_the_file)
{
	write_file("a:" GOOD "\n", strlen(GOOD) + 3, 0600);
	ck_assert_int_eq(ocs_auth_file_set(path, "b", "plain", &error), -1);
	ck_assert_int_eq(ocs_auth_file_set(path, "b c", GOOD, &error), -1);
	ck_assert_int_eq(ocs_auth_file_set(path, "b", GOOD "\nroot:" GOOD, &error), -1);
	ck_assert_str_eq(content(), "a:" GOOD "\n");
	write_file("broken\n", 7, 0600);
	ck_assert_int_eq(ocs_auth_file_set(path, "b", GOOD, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, ":1: not NAME:HASH"));
	ck_assert_str_eq(content(), "broken\n");
	write_file("", 0, 0644);
	ck_assert_int_eq(ocs_auth_file_set(path, "b", GOOD, &error), -1);
	ck_assert_int_eq(ocs_auth_file_set("/nonexistent/x", "b", GOOD, &error), -1);
	/* no temporary file stays behind */
	unlink(path);
	ck_assert_int_eq(rmdir(rig_folder), 0);
}

TEST(a_link_to_the_file_stays_a_link)
{
	char link_path[200];
	struct stat st;

	snprintf(link_path, sizeof(link_path), "%s/link", rig_folder);
	write_file("", 0, 0600);
	ck_assert_int_eq(symlink(path, link_path), 0);
	ck_assert_int_eq(ocs_auth_file_set(link_path, "b", GOOD, &error), 0);
	ck_assert_int_eq(lstat(link_path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_str_eq(content(), "b:" GOOD "\n");
}

TEST(create_never_replaces_and_replace_is_exact)
{
	char *data;
	size_t len;

	ck_assert_int_eq(ocs_privfile_create(path, "one", 3, 0600, &error), 0);
	ck_assert_int_eq(ocs_privfile_create(path, "two", 3, 0600, &error), -1);
	ck_assert_int_eq(ocs_privfile_read(path, false, 3, &data, &len, &error), 0);
	ck_assert_str_eq(data, "one");
	ocs_privfile_wipe(data, len);
	ck_assert_int_eq(ocs_privfile_read(path, false, 2, &data, &len, &error), -1);
	ck_assert_int_eq(ocs_privfile_replace(path, "three", 5, 0640, (uid_t)-1, (gid_t)-1, &error),
	                 0);
	ck_assert_uint_eq(mode_of(path), 0640);
	ck_assert_int_eq(ocs_privfile_read(path, false, 99, &data, &len, &error), -1);
	ck_assert_int_eq(ocs_privfile_read("/nonexistent", false, 9, &data, &len, &error),
	                 OCS_PRIVFILE_MISSING);
}

TEST(an_account_without_limits_may_all)
{
	struct ocs_auth_limits *l = ocs_auth_limits_new(NULL);

	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "jdoe"));
	ck_assert_int_eq(ocs_auth_limits_add(l, "a", NULL, NULL, &error), 0);
	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "jdoe"));
	talloc_free(l);
}

TEST(limits_match_backends_without_case_and_users_exactly_with_stars)
{
	struct ocs_auth_limits *l = ocs_auth_limits_new(NULL);

	ck_assert_int_eq(
	        ocs_auth_limits_add(l, "a", "sogo , Mail*", "jd*e, *@example.org,x", &error), 0);
	ck_assert(ocs_auth_limits_allow(l, "a", "SOGo", "jdoe"));
	ck_assert(ocs_auth_limits_allow(l, "a", "mailbox", "jde"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo2", "jdoe"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sog", "jdoe"));
	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "any@example.org"));
	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "@example.org@example.org"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo", "any@example.orga"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo", "JDOE"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo", "xx"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo", ""));
	ck_assert(ocs_auth_limits_allow(l, "b", "any", "any"));
	ck_assert_int_eq(ocs_auth_limits_add(l, "c", "", NULL, &error), 0);
	ck_assert(!ocs_auth_limits_allow(l, "c", "sogo", "jdoe"));
	ck_assert_int_eq(ocs_auth_limits_add(l, "d", NULL, "*", &error), 0);
	ck_assert(ocs_auth_limits_allow(l, "d", "sogo", "a*b"));
	talloc_free(l);
}

TEST(with_fold_users_match_without_case)
{
	struct ocs_auth_limits *l = ocs_auth_limits_new(NULL);

	ocs_auth_limits_set_fold(l, true);
	ck_assert_int_eq(ocs_auth_limits_add(l, "a", NULL, "Jd*e, \xc3\x9c*@Example.org", &error),
	                 0);
	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "JDOE"));
	ck_assert(ocs_auth_limits_allow(l, "a", "sogo", "\xc3\xbcmit@EXAMPLE.ORG"));
	ck_assert(!ocs_auth_limits_allow(l, "a", "sogo", "jdo"));
	ck_assert_int_eq(ocs_auth_limits_add(l, "b", NULL, NULL, &error), 0);
	ck_assert(ocs_auth_limits_allow(l, "b", "sogo", "JDOE"));
	talloc_free(l);
}

TEST(bad_limits_are_refused)
{
	struct ocs_auth_limits *l = ocs_auth_limits_new(NULL);

	ck_assert_int_eq(ocs_auth_limits_add(l, "a", "x", NULL, &error), 0);
	ck_assert_int_eq(ocs_auth_limits_add(l, "a", "x", NULL, &error), -1);
	ck_assert_int_eq(ocs_auth_limits_add(l, "b c", "x", NULL, &error), -1);
	ck_assert_int_eq(ocs_auth_limits_add(l, "b", "x,,y", NULL, &error), -1);
	ck_assert_int_eq(ocs_auth_limits_add(l, "b", "x, ", NULL, &error), -1);
	ck_assert_int_eq(ocs_auth_limits_add(l, "b", NULL, ",x", &error), -1);
	ck_assert_int_eq(ocs_auth_limits_add(l, "b", "x", "y", &error), 0);
	talloc_free(l);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Folder identifiers as the library gives them: the daemon's, and the user map's. */
#include "tests/unit/libocsnotify/host_rig.h"

#define USER "t-ids"

static struct ocsnotify *context;
static char map_path[128];

static void write_map(const char *text, time_t time)
{
	struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
	FILE *file = fopen(map_path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(utimensat(AT_FDCWD, map_path, times, 0), 0);
}

static void setup(void)
{
	host_setup();
	daemon_make_index();
	context = host_open();
}

static void setup_with_map(void)
{
	host_setup();
	snprintf(map_path, sizeof(map_path), "%s/users.map", rig_folder);
	snprintf(daemon_settings.usermap, sizeof(daemon_settings.usermap), "%s", map_path);
	write_map("sogo\tjdoe\tINBOX\t" USER "\t00000000abcd0001\n", 1000);
	daemon_make_registry();
	daemon_make_index();
	context = host_open();
}

static void teardown(void)
{
	ocsnotify_close(context);
	rig_remove_folder();
}

static uint64_t fid(struct ocsnotify *of, const char *backend, const char *folder)
{
	uint64_t found = 0;
	int ret = ocsnotify_folder_fid(of, USER, backend, "jdoe", folder, &found);

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(of));
	ck_assert_uint_ne(found, 0);
	ck_assert_uint_eq(found & 0xffff, 1); /* the replica id */
	return found;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_folder_keeps_its_fid_and_shares_it_with_nobody)
{
	uint64_t inbox = fid(context, "sogo", "INBOX");

	ck_assert_uint_eq(fid(context, "sogo", "INBOX"), inbox);
	ck_assert_uint_eq(fid(context, "SOGo", "inbox"), inbox);
	ck_assert_uint_ne(fid(context, "sogo", "Sent"), inbox);
	ck_assert_uint_ne(fid(context, "sogo", "sent"), fid(context, "sogo", "Sent"));
	ck_assert_uint_ne(fid(context, "sogo", "INBOX/deep/deeper"), inbox);
	ck_assert_uint_ne(fid(context, "sogo", ""), inbox);
	ck_assert_uint_eq(fid(context, "other", ""), fid(context, "sogo", ""));
}

TEST(a_fid_outlives_the_context)
{
	uint64_t inbox = fid(context, "sogo", "INBOX");

	ocsnotify_close(context);
	context = host_open();
	ck_assert_uint_eq(fid(context, "sogo", "INBOX"), inbox);
}

TEST(names_out_of_range_are_refused)
{
	char name[1026];
	uint64_t found = 1;

	memset(name, 'x', sizeof(name));
	name[1025] = '\0';
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "b", "u", name, &found),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_uint_eq(found, 0);
	ck_assert_int_eq(ocsnotify_folder_fid(context, "", "b", "u", "f", &found),
	                 OCSNOTIFY_E_INVALID);
	static const char *const bad[] = {"/", "/INBOX", "a//b", "a/", "a\n", "\xff"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "b", "u", bad[i], &found),
		                 OCSNOTIFY_E_INVALID);
		ck_assert(ocsnotify_last_error(context)[0] != '\0');
	}
	ck_assert_int_eq(ocsnotify_folder_fid(context, "\t", "b", "u", "f", &found),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "", "u", "f", &found),
	                 OCSNOTIFY_E_INVALID);
}

TEST(a_name_is_exact)
{
	ck_assert_uint_ne(fid(context, "sogo", "Work "), fid(context, "sogo", "Work"));
	ck_assert_uint_ne(fid(context, "sogo", " Work"), fid(context, "sogo", "Work"));
	ck_assert_uint_ne(fid(context, "sogo", "Work /a"), fid(context, "sogo", "Work/a"));
	ck_assert_uint_eq(fid(context, "sogo", " "), fid(context, "sogo", " "));
}

TESTS_HAVE(.setup = setup_with_map, .teardown = teardown);

TEST(a_fid_of_the_user_map_wins_and_follows_the_file)
{
	uint64_t sent = fid(context, "sogo", "Sent");

	ck_assert_uint_eq(fid(context, "sogo", "INBOX"), 0xabcd0001);
	write_map("sogo\tjdoe\tINBOX\t" USER "\t00000000abce0001\n", 2000);
	ck_assert_uint_eq(fid(context, "sogo", "INBOX"), 0xabce0001);
	ck_assert_uint_eq(fid(context, "sogo", "Sent"), sent);
}

TEST(a_user_map_with_a_mistake_is_an_error_that_names_it)
{
	uint64_t found;

	write_map("sogo\tjdoe\n", 3000);
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "sogo", "jdoe", "INBOX", &found),
	                 OCSNOTIFY_E_REGISTRY);
	ck_assert_ptr_nonnull(strstr(ocsnotify_last_error(context), "users.map:1"));
}

static void setup_with_names(void)
{
	host_setup();
	snprintf(map_path, sizeof(map_path), "%s/users.map", rig_folder);
	snprintf(daemon_settings.usermap, sizeof(daemon_settings.usermap), "%s", map_path);
	daemon_settings.names = (struct ocs_name_rule){true, "example.org"};
	write_map("alias\tjd\tjdoe\n", 1000);
	daemon_make_registry();
	daemon_make_index();
	context = host_open();
}

static uint64_t fid_of(const char *user, const char *backend_user, const char *folder)
{
	uint64_t found = 0;

	ck_assert_int_eq(ocsnotify_folder_fid(context, user, "sogo", backend_user, folder, &found),
	                 0);
	return found;
}

static const char *user_of_session(const char *user)
{
	static char name[OCS_USER_MAX + 1];
	struct ocsnotify_session *session;

	ck_assert_int_eq(ocsnotify_session_open(context, user, NULL, &session), 0);
	strcpy(name, session->r.user);
	ocsnotify_session_close(session);
	return name;
}

TESTS_HAVE(.setup = setup_with_names, .teardown = teardown);

TEST(a_user_has_one_name_however_a_host_says_it)
{
	uint64_t work = fid_of("jdoe", "jdoe", "Work");

	ck_assert_uint_eq(fid_of("JDoe", "jd", "work"), work);
	ck_assert_uint_eq(fid_of("jdoe@Example.org", "JD@example.org", "WORK"), work);
	ck_assert_uint_ne(fid_of("mary", "jdoe", "Work"), work);
	ck_assert_str_eq(user_of_session("Jdoe"), "jdoe");
	ck_assert_str_eq(user_of_session("JD@example.org"), "jdoe");
	ck_assert_str_eq(user_of_session("jdoe@elsewhere"), "jdoe@elsewhere");
	/* The map cannot be read: what was read before holds. */
	write_map("nonsense\n", 2000);
	ck_assert_str_eq(user_of_session("JD"), "jdoe");
}

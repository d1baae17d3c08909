/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What one user and one session may have, so that the others have theirs. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#define USER  "t-em-limit"
#define OTHER "t-em-other"

static struct ocsnotify *context;
static struct ocsemsmdb *server;
static struct ocsemsmdb_stats stats;

static void begin(unsigned all, unsigned each, unsigned subscriptions)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);

	context = host_open();
	settings.sessions_max = all;
	settings.sessions_per_user = each;
	settings.subscriptions_max = subscriptions;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
}

static void end(void)
{
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

static uint32_t try_connect(const char *user, struct ocsemsmdb_session **session)
{
	struct ocsemsmdb_caller caller = {.user = user, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=y", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;

	emsmdb_clock_ms++;
	return ocsemsmdb_connect(server, &caller, &connect, &connected, session);
}

/* A session as its cookie names it: after its end there is no pointer to look at. */
struct named {
	uint8_t handle[OCSEMSMDB_HANDLE_SIZE];
};

static struct named make(const char *user)
{
	struct ocsemsmdb_session *session;
	struct named named;

	ck_assert_uint_eq(try_connect(user, &session), 0);
	memcpy(named.handle, ocsemsmdb_session_handle(session), sizeof(named.handle));
	return named;
}

static struct ocsemsmdb_session *use(const struct named *named, const char *user)
{
	emsmdb_clock_ms++;
	return ocsemsmdb_session_find(server, named->handle, user);
}

static bool lives(const struct named *named)
{
	return ocsemsmdb_session_owner(server, named->handle) != NULL;
}

TESTS_HAVE(.setup = emsmdb_setup, .teardown = rig_remove_folder);

TEST(a_user_with_too_many_sessions_loses_the_one_not_used_for_longest)
{
	struct named s[5];

	begin(100, 3, 0);
	for (int i = 0; i < 3; i++)
		s[i] = make(USER);
	ck_assert_ptr_nonnull(use(&s[0], USER));
	s[3] = make(USER);
	ck_assert(lives(&s[0]) && !lives(&s[1]) && lives(&s[2]) && lives(&s[3]));
	s[4] = make(USER);
	ck_assert(lives(&s[0]) && !lives(&s[2]) && lives(&s[3]) && lives(&s[4]));
	ck_assert_uint_eq(emsmdb_ended, 2); /* the host was told */
	ocsemsmdb_get_stats(server, &stats);
	ck_assert_uint_eq(stats.sessions, 3);
	ck_assert_uint_eq(stats.ended_for_user, 2);
	ck_assert_uint_eq(stats.refused_for_user, 0);
	end();
}

TEST(one_user_takes_nothing_of_the_others)
{
	struct named other;
	struct ocsemsmdb_session *session;

	begin(5, 3, 0);
	other = make(OTHER);
	for (int i = 0; i < 200; i++)
		(void)make(USER);
	ck_assert(lives(&other));
	ocsemsmdb_get_stats(server, &stats);
	ck_assert_uint_eq(stats.sessions, 4);
	(void)make(OTHER);
	ck_assert_uint_eq(try_connect(OTHER, &session), OCSEMSMDB_EC_SERVER_OOM);
	ck_assert_ptr_null(session);
	/* Who is at the limit of one user still changes one for another. */
	ck_assert_uint_eq(try_connect(USER, &session), 0);
	ocsemsmdb_get_stats(server, &stats);
	ck_assert_uint_eq(stats.sessions, 5);
	ck_assert_uint_eq(stats.refused_for_all, 1);
	end();
}

TEST(a_session_that_waits_is_not_ended_for_another)
{
	static int calls[2];
	struct ocsemsmdb_session *session;
	struct named s[3];
	uint32_t flags, result;

	begin(100, 2, 0);
	for (int i = 0; i < 2; i++) {
		s[i] = make(USER);
		ck_assert(ocsemsmdb_wait_park(use(&s[i], USER), OCSEMSMDB_WAIT_HTTP, NULL,
		                              &calls[i], &flags, &result));
	}
	ck_assert_uint_eq(try_connect(USER, &session), OCSEMSMDB_EC_SERVER_OOM);
	ck_assert_ptr_null(session);
	ck_assert(lives(&s[0]) && lives(&s[1]));
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ocsemsmdb_get_stats(server, &stats);
	ck_assert_uint_eq(stats.refused_for_user, 1);
	/* Another one is not concerned; and once one waits no more, it makes room. */
	(void)make(OTHER);
	ck_assert(ocsemsmdb_wait_cancel(server, &calls[1]));
	s[2] = make(USER);
	ck_assert(lives(&s[0]) && !lives(&s[1]) && lives(&s[2]));
	end();
}

TEST(without_a_limit_a_user_may_have_them_all)
{
	struct named first;

	begin(50, 0, 0);
	first = make(USER);
	for (int i = 0; i < 49; i++)
		(void)make(USER);
	ck_assert(lives(&first));
	end();
}

TEST(who_may_not_connect_ends_no_session)
{
	struct ocsemsmdb_caller caller = {.user = USER, .privacy = false};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=y", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;
	struct named s;

	begin(100, 1, 0);
	s = make(USER);
	ck_assert_uint_eq(ocsemsmdb_connect(server, &caller, &connect, &connected, &session),
	                  OCSEMSMDB_EC_NOT_ENCRYPTED);
	ck_assert(lives(&s));
	end();
}

TEST(subscriptions_of_a_session_are_bounded)
{
	uint8_t request[32], response[6];
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);
	struct ocsemsmdb_session *session;

	begin(100, 32, 3);
	session = emsmdb_connect(server, USER);
	for (uint32_t handle = 1; handle <= 3; handle++)
		ck_assert_uint_eq(
		        ocsemsmdb_rop_register(session, request, n, handle, &used, response), 0);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 4, &used, response),
	                  OCSEMSMDB_EC_SERVER_OOM);
	ck_assert_uint_eq(used, n);
	ck_assert_uint_eq(
	        ocsemsmdb_table_opened(session, 4, 0, OCSNOTIFY_CONTENTS_TABLE, EMSMDB_FOLDER, 0),
	        OCSEMSMDB_EC_SERVER_OOM);
	ocsemsmdb_rop_release(session, 2);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 4, &used, response), 0);
	/* Another session has its own. */
	session = emsmdb_connect(server, USER);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 1, &used, response), 0);
	end();
}

TEST(the_defaults_are_those_of_the_documents)
{
	struct ocsemsmdb_settings settings;

	ocsemsmdb_settings_init(&settings, OCSEMSMDB_2016);
	ck_assert_uint_eq(settings.sessions_max, 10000);
	ck_assert_uint_eq(settings.sessions_per_user, 128);
	ck_assert_uint_eq(settings.subscriptions_max, 500);
}

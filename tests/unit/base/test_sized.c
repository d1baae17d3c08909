/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Hosts that were compiled with another header: an older one, whose structs are smaller, and a
 * newer one, whose structs are larger. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#include "base/sized.h"

#define UNTOUCHED 0xa5

/* The size of a struct that ends before a field. */
#define UP_TO(type, field) offsetof(struct type, field)

static void ck_untouched(const void *object, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		ck_assert_uint_eq(((const uint8_t *)object)[i], UNTOUCHED);
}

TESTS_HAVE(.setup = emsmdb_setup, .teardown = rig_remove_folder);

TEST(what_one_side_does_not_know_is_zero_and_is_not_touched)
{
	uint32_t ours[2] = {1, 2}, theirs[4];

	memset(theirs, UNTOUCHED, sizeof(theirs));
	ocs_sized_give(theirs, 4, ours, sizeof(ours));
	ck_assert_uint_eq(theirs[0], 1);
	ck_untouched(theirs, 4, sizeof(theirs));
	ocs_sized_give(theirs, 12, ours, sizeof(ours));
	ck_assert(theirs[1] == 2 && theirs[2] == 0);
	ck_untouched(theirs, 12, sizeof(theirs));

	theirs[0] = 7;
	ck_assert(ocs_sized_take(ours, sizeof(ours), theirs, 4));
	ck_assert(ours[0] == 7 && ours[1] == 0);
	ck_assert(ocs_sized_take(ours, sizeof(ours), theirs, 12));
	ck_assert_uint_eq(ours[1], 2);
	ck_assert(!ocs_sized_take(ours, sizeof(ours), theirs, 16));
}

TEST(an_older_host_of_libocsnotify_works_and_nothing_is_written_past_its_event)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocs_entry mail = entry_newmail(EMSMDB_FOLDER, EMSMDB_MESSAGE);
	struct ocsnotify_event event;
	size_t older = UP_TO(ocsnotify_event, accepted_at);
	uint8_t of_older[64], of_newer[64];
	size_t len;

	ck_assert_int_eq(ocsnotify_subscribe(session, 7, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &mail), 1);
	memset(&event, UNTOUCHED, sizeof(event));
	ck_assert_int_eq(ocsnotify_next_event_sized(session, &event, older), 1);
	ck_assert_uint_eq(event.handle, 7);
	ck_assert_uint_eq(event.message_id, EMSMDB_MESSAGE);
	ck_assert_str_eq(event.message_class, "IPM.Note");
	ck_untouched(&event, older, sizeof(event));

	len = ocsnotify_encode_sized(session, &event, older, of_older, sizeof(of_older));
	ck_assert_uint_gt(len, 0);
	ck_assert_uint_eq(ocsnotify_encode(session, &event, of_newer, sizeof(of_newer)), len);
	ck_assert_mem_eq(of_older, of_newer, len);
	ocsnotify_close(context);
}

TEST(a_newer_host_of_libocsnotify_gets_zeros)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocs_entry mail = entry_newmail(EMSMDB_FOLDER, EMSMDB_MESSAGE);
	struct {
		struct ocsnotify_event known;
		uint64_t unknown;
	} event = {.unknown = 1};
	uint8_t out[64];

	ck_assert_int_eq(ocsnotify_subscribe(session, 7, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &mail), 1);
	ck_assert_int_eq(ocsnotify_next_event_sized(session, &event.known, sizeof(event)), 1);
	ck_assert_uint_eq(event.unknown, 0);
	ck_assert_uint_gt(
	        ocsnotify_encode_sized(session, &event.known, sizeof(event), out, sizeof(out)), 0);
	event.unknown = 1; /* asks for something that this library cannot */
	ck_assert_uint_eq(
	        ocsnotify_encode_sized(session, &event.known, sizeof(event), out, sizeof(out)), 0);
	ocsnotify_close(context);
}

TEST(an_older_host_of_libocsemsmdb_works_and_nothing_is_written_past_its_structs)
{
	struct ocsnotify *context = host_open();
	struct ocsemsmdb_settings settings;
	struct ocsemsmdb_caller caller = {.user = host_user, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = "/cn=x", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_stats stats;
	struct ocsemsmdb_session *session;
	struct ocsemsmdb *server;
	size_t older = UP_TO(ocsemsmdb_settings, processor);

	memset(&settings, UNTOUCHED, sizeof(settings));
	ocsemsmdb_settings_init_sized(&settings, older, OCSEMSMDB_2010);
	ck_assert_uint_eq(settings.subscriptions_max, 500);
	ck_untouched(&settings, older, sizeof(settings));
	ck_assert_int_eq(ocsemsmdb_open_sized(context, &settings, older, &server), OCSNOTIFY_OK);

	memset(&connected, UNTOUCHED, sizeof(connected));
	ck_assert_uint_eq(
	        ocsemsmdb_connect_sized(server, &caller, sizeof(caller), &connect,
	                                UP_TO(ocsemsmdb_connect, client_version), &connected,
	                                UP_TO(ocsemsmdb_connected, display_name), &session),
	        0);
	ck_assert_uint_eq(connected.index, ocsemsmdb_session_index(session));
	ck_untouched(&connected, UP_TO(ocsemsmdb_connected, display_name), sizeof(connected));

	memset(&stats, UNTOUCHED, sizeof(stats));
	ocsemsmdb_get_stats_sized(server, &stats, UP_TO(ocsemsmdb_stats, refused_for_all));
	ck_assert_uint_eq(stats.sessions, 1);
	ck_untouched(&stats, UP_TO(ocsemsmdb_stats, refused_for_all), sizeof(stats));
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

TEST(what_a_newer_host_asks_for_and_libocsemsmdb_does_not_know_is_refused)
{
	struct ocsnotify *context = host_open();
	struct {
		struct ocsemsmdb_settings known;
		uint64_t unknown;
	} settings = {.unknown = 1};
	struct {
		struct ocsemsmdb_caller known;
		uint64_t unknown;
	} caller = {.known = {.user = host_user, .privacy = true}, .unknown = 1};
	struct ocsemsmdb_connect connect = {.user_dn = "/cn=x", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;
	struct ocsemsmdb *server;
	uint8_t out[64];
	uint32_t fault;
	size_t len;

	ocsemsmdb_settings_init_sized(&settings.known, sizeof(settings), OCSEMSMDB_2010);
	ck_assert_uint_eq(settings.unknown, 0);
	settings.unknown = 1;
	ck_assert_int_eq(ocsemsmdb_open_sized(context, &settings.known, sizeof(settings), &server),
	                 OCSNOTIFY_E_INVALID);
	settings.unknown = 0;
	ck_assert_int_eq(ocsemsmdb_open_sized(context, &settings.known, sizeof(settings), &server),
	                 OCSNOTIFY_OK);
	ck_assert_uint_eq(ocsemsmdb_connect_sized(server, &caller.known, sizeof(caller), &connect,
	                                          sizeof(connect), &connected, sizeof(connected),
	                                          &session),
	                  OCSEMSMDB_EC_INVALID_PARAM);
	ck_assert_int_eq(ocsemsmdb_rpc_sized(server, &caller.known, sizeof(caller),
	                                     OCSEMSMDB_IF_EMSMDB, 6, NULL, 0, NULL, out,
	                                     sizeof(out), &len, &fault),
	                 OCSEMSMDB_RPC_FAULT);
	ck_assert_uint_eq(fault, OCSEMSMDB_FAULT_ACCESS_DENIED);
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

TEST(the_version_is_that_of_the_header)
{
	ck_assert_uint_eq(ocsnotify_library_version(), OCSNOTIFY_VERSION);
	ck_assert_uint_eq(ocsemsmdb_library_version(), OCSEMSMDB_VERSION);
}

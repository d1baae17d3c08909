/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Users whom nobody knows: accepted for nothing, remembered up to a bound, or refused. */
#include "tests/unit/notify/dispatch_rig.h"

#include "mapistore/usermap.h"

static char *backends[] = {(char *)"sogo", NULL};
static struct ocs_dispatch_settings settings;

static void start(bool refuse, unsigned most)
{
	settings = (struct ocs_dispatch_settings){
	        .sync = OCS_SYNC_NEVER,
	        .dedupe_window = 600,
	        .request_deadline = 10,
	        .spill_max = 1000,
	        .spill_total = 1000,
	        .descriptors = 64,
	        .backends = backends,
	        .refuse_unknown = refuse,
	        .unknown_users = most,
	        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
	};
	dispatch_open();
	ck_assert_ok(ocs_dispatch_start(rig_folder, dispatch_registry, dispatch_index, NULL,
	                                &settings, NULL, &dispatch, &rig_error));
}

static struct ocs_result report(const char *user, enum ocs_category category, const char *id)
{
	struct ocs_notification item = dispatch_event(category, "Work", id);

	item.backend_user = user;
	if (category == OCS_MOVED || category == OCS_COPIED) {
		item.old_folder = "Old";
		item.old_message_id = id;
	}
	return dispatch_report(&item);
}

/* Between two daemons: the index is the store thread's while one runs. */
static bool has_identifier(const char *user)
{
	struct ocs_folder_name root = {user, "", "", ""};
	struct ocs_index_folder folder;
	bool found;

	dispatch_stop();
	dispatch_open();
	found = ocs_index_folder(dispatch_index, &root, false, &folder, &rig_error) == OCS_STORE_OK;
	dispatch_close();
	start(settings.refuse_unknown, settings.unknown_users);
	return found;
}

/* Opens it as a MAPI server would, from outside. */
static void open_session(const char *user)
{
	const struct ocs_registry_context context = {
	        .id = 1, .pid = getpid(), .uid = getuid(), .started = 1};
	struct ocs_registry_session session = {.id = ocs_random_id(), .context = 1, .opened = 1};

	strcpy(session.user, user);
	dispatch_open();
	dispatch_own(1);
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	ck_assert_ok(ocs_registry_context_add(dispatch_registry, &context, &rig_error));
	ck_assert_ok(ocs_registry_session_put(dispatch_registry, &session, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	dispatch_close();
}

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(an_unknown_user_costs_nothing_unless_a_message_is_to_be_remembered)
{
	static const enum ocs_category nothing[] = {OCS_MODIFIED, OCS_DELETED,
	                                            OCS_SEARCH_COMPLETED};
	static const enum ocs_category folder[] = {OCS_CREATED, OCS_MOVED, OCS_COPIED, OCS_DELETED};
	static const enum ocs_category kept[] = {OCS_NEWMAIL, OCS_CREATED, OCS_MOVED, OCS_COPIED};
	char name[16];
	uint64_t n;

	start(false, 100);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		ck_assert_int_eq(report("nobody", nothing[i], "1").status, OCS_STATUS_NOSUBSCRIBER);
	for (size_t i = 0; i < sizeof(folder) / sizeof(folder[0]); i++)
		ck_assert_int_eq(report("nobody", folder[i], NULL).status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert(!has_identifier("nobody"));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		snprintf(name, sizeof(name), "new%zu", i);
		ck_assert_int_eq(report(name, kept[i], "1").status, OCS_STATUS_NOSUBSCRIBER);
		ck_assert(has_identifier(name));
	}
	ck_assert_int_eq(report("new0", OCS_NEWMAIL, "1").status, OCS_STATUS_DUPLICATE);
	/* Each counts once. */
	dispatch_stop();
	dispatch_open();
	ck_assert_ok(ocs_index_unknown(dispatch_index, &n, &rig_error));
	ck_assert_uint_eq(n, 4);
	dispatch_close();
}

TEST(so_many_unknown_users_are_remembered_and_no_more_also_after_a_restart)
{
	char name[16];

	start(false, 3);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 8; i++) {
			snprintf(name, sizeof(name), "u%d", i);
			ck_assert_int_eq(report(name, OCS_NEWMAIL, "1").status,
			                 i < 3 && round > 0 ? OCS_STATUS_DUPLICATE
			                                    : OCS_STATUS_NOSUBSCRIBER);
			ck_assert_int_eq(has_identifier(name), i < 3);
		}
		dispatch_stop();
		start(false, 3);
	}
}

TEST(who_has_a_session_is_known)
{
	open_session("jdoe");
	start(true, 0);
	ck_assert_int_eq(report("jdoe", OCS_NEWMAIL, "1").status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert(has_identifier("jdoe"));
	ck_assert_int_eq(report("jdoe", OCS_NEWMAIL, "1").status, OCS_STATUS_DUPLICATE);
	ck_assert_str_eq(report("other", OCS_NEWMAIL, "1").refusal.name, "UNKNOWN_USER");
}

TEST(who_subscribed_is_known)
{
	struct ocs_registry_queue queue =
	        dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x14, 0, NULL);

	dispatch_subscribe(&queue, 1);
	start(true, 0);
	ck_assert_int_eq(report("jdoe", OCS_NEWMAIL, "1").status, OCS_STATUS_QUEUED);
}

TEST(refuse_answers_422_for_all_but_who_has_an_identifier_or_an_alias)
{
	struct ocs_usermap *map = ocs_usermap_new(NULL, &settings.published.names);
	struct ocs_result result;

	start(false, 100);
	ck_assert_int_eq(report("old", OCS_NEWMAIL, "1").status, OCS_STATUS_NOSUBSCRIBER);
	settings.refuse_unknown = true;
	ck_assert_int_eq(ocs_usermap_add_alias(map, "jd", "named", "map", 1), 0);
	ck_assert_ok(ocs_usermap_finish(map, NULL, NULL, &rig_error));
	ocs_dispatch_reload(dispatch, &settings, map);
	for (int i = 0; i < 2; i++) {
		result = report("invented", i == 0 ? OCS_NEWMAIL : OCS_MODIFIED, "1");
		ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
		ck_assert_int_eq(result.refusal.code, 422);
		ck_assert_str_eq(result.refusal.name, "UNKNOWN_USER");
	}
	ck_assert_int_eq(report("old", OCS_NEWMAIL, "2").status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report("named", OCS_NEWMAIL, "1").status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report("jd", OCS_NEWMAIL, "1").status, OCS_STATUS_DUPLICATE);
	ck_assert(!has_identifier("invented"));
}

/* ---- an index that was cut short and has grown again: nothing of it is missing ---- */

static void punch(const char *file)
{
	struct stat st;

	ck_assert_int_eq(stat(rig_path(file), &st), 0);
	ck_assert_int_eq(truncate(rig_path(file), 168), 0);
	ck_assert_int_eq(truncate(rig_path(file), st.st_size), 0);
}

TEST(whom_a_hole_in_the_index_hides_is_not_refused_for_good)
{
	const struct ocs_folder_name root = {"known", "", "", ""};
	struct ocs_index_folder folder;
	struct ocs_result result;

	dispatch_open();
	ck_assert_ok(ocs_index_begin(dispatch_index, &rig_error));
	ck_assert_ok(ocs_index_folder(dispatch_index, &root, true, &folder, &rig_error));
	ck_assert_ok(ocs_index_commit(dispatch_index, &rig_error));
	dispatch_close();
	start(true, 0);
	ck_assert_int_eq(report("known", OCS_MODIFIED, NULL).status, OCS_STATUS_NOSUBSCRIBER);
	punch("index.tdb");
	result = report("known", OCS_NEWMAIL, "1");
	ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(result.refusal.name, "REGISTRY_UNAVAILABLE");
	ck_assert_int_eq(result.refusal.code, 503);
}

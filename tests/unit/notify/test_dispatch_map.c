/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Dispatch with a user map: who sees a backend user's folder hears of it, under the FID that the
 * map gives it there; and a new map or new settings while the daemon runs. */
#include "tests/unit/notify/dispatch_rig.h"

#include "mapistore/usermap.h"

#define ALICES 0x00000000a11ce001ULL
#define BOBS   0x0000000000b0b001ULL

static char *backends[] = {(char *)"sogo", NULL};
static struct ocs_dispatch_settings settings = {
        .sync = OCS_SYNC_NEVER,
        .dedupe_window = 600,
        .request_deadline = 10,
        .spill_max = 1000,
        .spill_total = 1000,
        .descriptors = 64,
        .backends = backends,
        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
};

enum { ALICE, BOB, USERS };
static const char *const users[USERS] = {"alice", "bob"};
static struct ocs_registry_queue queues[USERS];
static mqd_t mq[USERS];

static struct ocs_usermap *make_map(const char *text)
{
	struct ocs_usermap *map;
	FILE *file = fopen(rig_path("map"), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_ok(ocs_usermap_load(rig_path("map"), NULL, NULL, NULL, &map, &rig_error));
	return map;
}

static void start_with(const char *map)
{
	struct ocs_usermap *made = make_map(map);

	dispatch_open();
	ck_assert_ok(ocs_dispatch_start(rig_folder, dispatch_registry, dispatch_index, made,
	                                &settings, NULL, &dispatch, &rig_error));
}

/* Each hears of all that is new or changes. */
static void setup(void)
{
	dispatch_setup();
	dispatch_open();
	dispatch_own(1);
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	for (int i = 0; i < USERS; i++) {
		struct ocs_registry_user user = {
		        .user = (char *)(uintptr_t)users[i], .n_queues = 1, .queues = &queues[i]};

		queues[i] = dispatch_queue((uint64_t)i + 1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE,
		                           0x14, 0, &mq[i]);
		ck_assert_ok(ocs_registry_user_put(dispatch_registry, &user, &rig_error));
	}
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	dispatch_close();
}

static void teardown(void)
{
	for (int i = 0; i < USERS; i++)
		dispatch_drop(&queues[i], mq[i]);
	dispatch_teardown();
}

static struct ocs_result report(enum ocs_category category, const char *folder, const char *id)
{
	struct ocs_notification item = dispatch_event(category, folder, id);

	return dispatch_report(&item);
}

/* How many entries of the kind a user has got; the last one in *entry. */
static int heard(int who, uint16_t flags, struct ocs_entry *last)
{
	struct ocs_entry entry;
	int n = 0;

	while (dispatch_receive(mq[who], &entry) == 1) {
		if (entry.flags != flags)
			continue;
		*last = entry;
		n++;
	}
	return n;
}

static const char both[] = "sogo\tjdoe\tTeam\talice\t00000000a11ce001\n"
                           "sogo\tjdoe\tTeam\tbob\t0000000000b0b001\n"
                           "sogo\tjdoe\tOwn\talice\t-\n"
                           "sogo\tjdoe\tOwn\talice\t-\n";

TESTS_HAVE(.setup = setup, .teardown = teardown, .timeout = 60);

TEST(everyone_who_sees_the_folder_hears_under_the_fid_it_has_there)
{
	struct ocs_entry entry;

	start_with(both);
	ck_assert_uint_eq(report(OCS_NEWMAIL, "Team", "1").queues, 2);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	ck_assert_uint_eq(entry.fid, ALICES);
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 1);
	ck_assert_uint_eq(entry.fid, BOBS);
	ck_assert_uint_eq(report(OCS_NEWMAIL, "Own", "1").queues, 1);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 0);
	ck_assert_int_eq(report(OCS_NEWMAIL, "Team", "1").status, OCS_STATUS_DUPLICATE);
	/* The second time from memory. */
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(report(OCS_MODIFIED, "Team", "1").queues, 2);
		ck_assert_int_eq(heard(ALICE, 0x8010, &entry), 1);
		ck_assert_uint_eq(entry.fid, ALICES);
		ck_assert_int_eq(heard(BOB, 0x8010, &entry), 1);
		ck_assert_uint_eq(entry.fid, BOBS);
	}
}

TEST(whom_no_line_names_is_unknown)
{
	struct ocs_result result;

	start_with(both);
	for (int i = 0; i < 2; i++) {
		result = report(i == 0 ? OCS_NEWMAIL : OCS_MODIFIED, "Other", "1");
		ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
		ck_assert_int_eq(result.refusal.code, 422);
		ck_assert_str_eq(result.refusal.name, "UNKNOWN_USER");
	}
}

TEST(a_user_who_sees_the_folder_later_hears_what_is_a_duplicate_for_the_other)
{
	struct ocs_entry entry;
	struct ocs_result result;

	start_with("sogo\tjdoe\tTeam\talice\t-\n");
	ck_assert_uint_eq(report(OCS_NEWMAIL, "Team", "1").queues, 1);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	ocs_dispatch_reload(dispatch, &settings,
	                    make_map("sogo\tjdoe\tTeam\t=\t-\n"
	                             "sogo\tjdoe\tTeam\talice\t-\n"
	                             "sogo\tjdoe\tTeam\tbob\t-\n"));
	result = report(OCS_NEWMAIL, "Team", "1");
	ck_assert_int_eq(result.status, OCS_STATUS_QUEUED);
	ck_assert_uint_eq(result.queues, 1);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 0);
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 1);
	ck_assert_int_eq(report(OCS_NEWMAIL, "Team", "1").status, OCS_STATUS_DUPLICATE);
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 0);
}

TEST(a_reload_takes_over_the_map_the_backends_and_what_is_published)
{
	static char *others[] = {(char *)"sogo", (char *)"Other", NULL};
	struct ocs_notification other = dispatch_event(OCS_MODIFIED, "Team", NULL);
	struct ocs_dispatch_settings changed = settings;
	struct ocs_registry_settings published;
	struct ocs_entry entry;

	other.backend = "other";
	start_with(both);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(report(OCS_MODIFIED, "Team", NULL).queues, 2);
	ck_assert_int_eq(heard(ALICE, 0x0010, &entry), 2);
	ck_assert_int_eq(heard(BOB, 0x0010, &entry), 2);
	ck_assert_str_eq(dispatch_report(&other).refusal.name, "UNKNOWN_BACKEND");

	changed.backends = others;
	changed.published.push_interval = 17;
	strcpy(changed.published.usermap, "/a/new/map");
	ocs_dispatch_reload(dispatch, &changed,
	                    make_map("*\tjdoe\tTeam\tbob\t-\n"
	                             "sogo\tjdoe\tTeam\tbob\t0000000000b0b002\n"));
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(report(OCS_MODIFIED, "Team", NULL).queues, 1);
		ck_assert_int_eq(heard(ALICE, 0x0010, &entry), 0);
		ck_assert_int_eq(heard(BOB, 0x0010, &entry), 1);
		ck_assert_uint_eq(entry.fid, 0xb0b002);
		ck_assert_uint_eq(dispatch_report(&other).queues, 1);
		ck_assert_int_eq(heard(BOB, 0x0010, &entry), 1);
		ck_assert_uint_ne(entry.fid, 0xb0b002);
	}
	ck_assert_int_eq(ocs_dispatch_stop(dispatch), 0);
	dispatch = NULL;
	ck_assert_ok(ocs_registry_settings_get(dispatch_registry, &published, &rig_error));
	ck_assert_uint_eq(published.push_interval, 17);
	ck_assert_str_eq(published.usermap, "/a/new/map");
	ck_assert_uint_eq(published.max_messages, 10);
}

TEST(without_the_map_again_the_backend_user_is_the_user)
{
	start_with(both);
	ck_assert_uint_eq(report(OCS_MODIFIED, "Team", NULL).queues, 2);
	ocs_dispatch_reload(dispatch, &settings, NULL);
	ck_assert_int_eq(report(OCS_MODIFIED, "Team", NULL).status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report(OCS_MODIFIED, "Other", NULL).status, OCS_STATUS_NOSUBSCRIBER);
}

TEST(a_folder_with_a_fixed_fid_goes_and_comes_back)
{
	struct ocs_entry entry;

	start_with("sogo\tjdoe\tTeam\talice\t-\n");
	report(OCS_NEWMAIL, "Team", "1");
	heard(ALICE, 0x8004, &entry);
	ocs_dispatch_reload(dispatch, &settings, make_map(both));
	ck_assert_int_eq(report(OCS_DELETED, "Team", NULL).status, OCS_STATUS_NOSUBSCRIBER);
	/* What was in it is new now. */
	ck_assert_uint_eq(report(OCS_NEWMAIL, "Team", "1").queues, 2);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	ck_assert_uint_eq(entry.fid, ALICES);
}

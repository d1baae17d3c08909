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
        .unknown_users = 1000,
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
	ck_assert_ok(ocs_usermap_load(rig_path("map"), NULL, NULL, NULL, NULL, &map, &rig_error));
	return map;
}

static struct ocs_usermap *make_map_by(const char *text, const struct ocs_name_rule *rule)
{
	struct ocs_usermap *map;

	talloc_free(make_map(text)); /* the file */
	ck_assert_ok(ocs_usermap_load(rig_path("map"), rule, NULL, NULL, NULL, &map, &rig_error));
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

TESTS_HAVE(.setup = setup, .teardown = teardown);

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
	static char *uris[] = {(char *)"a://{user}", (char *)"b://{folder}", NULL};
	struct ocs_notification other = dispatch_event(OCS_MODIFIED, "Team", NULL);
	struct ocs_dispatch_settings changed = settings;
	struct ocs_registry_settings published;
	struct ocs_entry entry;
	char *template;

	other.backend = "other";
	start_with(both);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(report(OCS_MODIFIED, "Team", NULL).queues, 2);
	ck_assert_int_eq(heard(ALICE, 0x0010, &entry), 2);
	ck_assert_int_eq(heard(BOB, 0x0010, &entry), 2);
	ck_assert_str_eq(dispatch_report(&other).refusal.name, "UNKNOWN_BACKEND");

	changed.backends = others;
	changed.uris = uris;
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
	ck_assert_ok(
	        ocs_registry_template_get(dispatch_registry, NULL, "other", &template, &rig_error));
	ck_assert_str_eq(template, "b://{folder}");
	talloc_free(template);
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

/* ---- one user of several names ---- */

static struct ocs_result report_as(const char *user, enum ocs_category category, const char *folder,
                                   const char *id)
{
	struct ocs_notification item = dispatch_event(category, folder, id);

	item.backend_user = user;
	return dispatch_report(&item);
}

TEST(a_mail_reported_under_two_names_of_a_user_is_told_once)
{
	static const char *const names[] = {"Alice", "ALICE", "alice@example.org", "Al", "alice"};
	struct ocs_dispatch_settings changed = settings;
	struct ocs_entry entry;

	changed.published.names = (struct ocs_name_rule){true, "example.org"};
	start_with("");
	ocs_dispatch_reload(dispatch, &changed,
	                    make_map_by("alias\tal\talice\n", &changed.published.names));
	ck_assert_uint_eq(report_as("aLice", OCS_NEWMAIL, "Work/Plans", "1").queues, 1);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(report_as(names[i], OCS_NEWMAIL, "work/plans", "1").status,
		                 OCS_STATUS_DUPLICATE);
		/* By the store thread, and from memory. */
		for (int again = 0; again < 2; again++) {
			struct ocs_entry other;

			ck_assert_uint_eq(
			        report_as(names[i], OCS_MODIFIED, "WORK/Plans", "1").queues, 1);
			ck_assert_int_eq(heard(ALICE, 0x8010, &other), 1);
			ck_assert_uint_eq(other.fid, entry.fid);
			ck_assert_uint_eq(other.mid, entry.mid);
		}
	}
	ck_assert_int_eq(report_as("bob", OCS_NEWMAIL, "work/plans", "1").status,
	                 OCS_STATUS_QUEUED);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 0);
}

TEST(a_folder_does_not_move_below_itself_in_another_case)
{
	struct ocs_dispatch_settings changed = settings;
	struct ocs_notification item = dispatch_event(OCS_MOVED, "work/plans", NULL);

	changed.published.names.fold = true;
	item.old_folder = "Work";
	start_with("sogo\t*\t*\t=\t-\n");
	ck_assert_int_ne(dispatch_report(&item).status, OCS_STATUS_REFUSED);
	ocs_dispatch_reload(dispatch, &changed, NULL);
	ck_assert_int_eq(dispatch_report(&item).status, OCS_STATUS_REFUSED);
}

TEST(recipients_have_their_one_name)
{
	struct ocs_dispatch_settings changed = settings;
	struct ocs_notification item = dispatch_event(OCS_MODIFIED, "Work", NULL);
	char **found;
	size_t n;

	changed.published.names.fold = true;
	item.backend_user = "Alice";
	start_with("");
	ocs_dispatch_reload(dispatch, &changed, NULL);
	found = ocs_dispatch_recipients(dispatch, NULL, &item, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(found[0], "alice");
	/* A session of another node may see the store. */
	ck_assert_str_eq(found[1], "\002sogo\002alice");
	talloc_free(found);
}

/* The store thread waits in it. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool inside, go_on;
} visit = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void wait_in_visit(void *arg, struct ocs_registry *registry)
{
	(void)arg;
	(void)registry;
	pthread_mutex_lock(&visit.lock);
	visit.inside = true;
	pthread_cond_broadcast(&visit.cond);
	while (!visit.go_on)
		pthread_cond_wait(&visit.cond, &visit.lock);
	pthread_mutex_unlock(&visit.lock);
}

TEST(what_waits_over_a_reload_that_brings_an_alias_is_recorded_under_the_new_name)
{
	struct ocs_notification item = dispatch_event(OCS_CREATED, "INBOX", "1");
	struct dispatch_waiter waiter = DISPATCH_WAITER;
	struct ocs_entry entry;

	start_with("");
	item.backend_user = "al";
	ck_assert_int_eq(ocs_dispatch_set_visit(dispatch, wait_in_visit, NULL), 0);
	pthread_mutex_lock(&visit.lock);
	while (!visit.inside)
		pthread_cond_wait(&visit.cond, &visit.lock);
	pthread_mutex_unlock(&visit.lock);
	dispatch_submit(&waiter, &item);
	ocs_dispatch_reload(dispatch, &settings, make_map("alias\tal\talice\n"));
	pthread_mutex_lock(&visit.lock);
	visit.go_on = true;
	pthread_cond_broadcast(&visit.cond);
	pthread_mutex_unlock(&visit.lock);
	ck_assert_int_eq(dispatch_wait(&waiter).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	/* It is known by that name, whoever reports it again. */
	item.category = OCS_NEWMAIL;
	(void)dispatch_report(&item);
	item.backend_user = "alice";
	ck_assert_int_eq(dispatch_report(&item).status, OCS_STATUS_DUPLICATE);
	ck_assert_int_eq(ocs_dispatch_set_visit(dispatch, NULL, NULL), 0);
}

/* ---- from one store to another ---- */

static char *stores[] = {(char *)"sogo", (char *)"imap", NULL};

static void start_with_stores(const char *map)
{
	struct ocs_dispatch_settings changed = settings;

	changed.backends = stores;
	start_with(map);
	ocs_dispatch_reload(dispatch, &changed, make_map(map));
}

static struct ocs_result report_across(enum ocs_category category, const char *folder,
                                       const char *id)
{
	struct ocs_notification item = dispatch_event(category, folder, id);

	item.old_backend = "imap";
	item.old_folder = "Box";
	item.old_message_id = id != NULL ? "old" : NULL;
	return dispatch_report(&item);
}

static struct ocs_result report_there(enum ocs_category category, const char *folder,
                                      const char *id)
{
	struct ocs_notification item = dispatch_event(category, folder, id);

	item.backend = "imap";
	return dispatch_report(&item);
}

TEST(a_message_moves_from_one_store_to_another)
{
	struct ocs_entry there, here;

	start_with_stores("*\tjdoe\t*\talice\t-\n");
	report_there(OCS_NEWMAIL, "Box", "old");
	report(OCS_NEWMAIL, "Box", "old"); /* of that name, and not meant */
	ck_assert_int_eq(heard(ALICE, 0x8004, &there), 2);
	report_there(OCS_MODIFIED, "Box", "old");
	ck_assert_int_eq(heard(ALICE, 0x8010, &there), 1);
	ck_assert_uint_eq(report_across(OCS_MOVED, "Work", "new").queues, 1);
	ck_assert_uint_eq(report(OCS_MODIFIED, "Work", "new").queues, 1);
	ck_assert_int_eq(heard(ALICE, 0x8010, &here), 1);
	ck_assert_uint_ne(here.fid, there.fid);
	/* It is gone there, and a mail of that name is another one. */
	ck_assert_uint_eq(report_there(OCS_NEWMAIL, "Box", "old").queues, 1);
	ck_assert_int_eq(report(OCS_NEWMAIL, "Box", "old").status, OCS_STATUS_DUPLICATE);
	ck_assert_int_eq(report(OCS_NEWMAIL, "Work", "new").status, OCS_STATUS_DUPLICATE);
}

TEST(a_folder_that_moves_to_another_store_is_gone_in_the_first)
{
	struct ocs_folder_name name = {"alice", "imap", "jdoe", "Box"};
	struct ocs_index_folder folder;

	start_with_stores("*\tjdoe\t*\talice\t-\n");
	report_there(OCS_NEWMAIL, "Box", "old");
	report(OCS_NEWMAIL, "Box", "old");
	ck_assert_int_eq(report_across(OCS_MOVED, "Box", NULL).status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(ocs_index_folder(dispatch_index, &name, false, &folder, &rig_error),
	                 OCS_STORE_MISSING);
	name.backend = "sogo";
	ck_assert_ok(ocs_index_folder(dispatch_index, &name, false, &folder, &rig_error));
}

TEST(who_sees_one_of_the_stores_hears_of_a_coming_or_a_going)
{
	struct ocs_notification item = dispatch_event(OCS_MOVED, "Work", "new");
	struct ocs_entry entry;

	item.old_backend = "imap";
	item.old_folder = "Box";
	item.old_message_id = "old";
	start_with_stores("sogo\tjdoe\tWork\talice\t-\nimap\tjdoe\tBox\tbob\t-\n"
	                  "sogo\tjdoe\tBox\tbob\t-\n");
	report_there(OCS_NEWMAIL, "Box", "old");
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 1);
	/* To the other one the folder has changed: a mail is gone. */
	ck_assert_uint_eq(dispatch_report(&item).queues, 2);
	ck_assert_int_eq(heard(ALICE, 0x8004, &entry), 1);
	/* Gone for the other: of the same name it is a new mail. */
	ck_assert_uint_eq(report_there(OCS_NEWMAIL, "Box", "old").queues, 1);
	ck_assert_int_eq(heard(BOB, 0x8004, &entry), 1);
}

TEST(an_old_store_that_is_not_configured_is_named)
{
	struct ocs_result result;

	start_with("*\tjdoe\t*\talice\t-\n");
	result = report_across(OCS_MOVED, "Work", "new");
	ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(result.refusal.name, "UNKNOWN_BACKEND");
	ck_assert_ptr_nonnull(strstr(result.refusal.text, "imap"));
}

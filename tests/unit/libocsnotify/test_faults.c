/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A MAPI server of which any call to the system fails: what it asked for is done or an error, what
 * was sent to it arrives, once, and nothing is left. */
#include "tests/unit/libocsnotify/host_rig.h"
#include "tests/unit/faults.h"

#include <dirent.h>

#include "registry/reap.h"

#define INBOX 0x0000000000010001ULL
#define MAIL  0x0000000001010001ULL

#define ENTRIES 14 /* four more than a queue takes */

static struct ocsnotify *context;
static struct ocsnotify_session *session;

/* 0.0.0.0:1, of IPv4 on loopback. */
static const uint8_t address[16] = {2, 0, 0, 9, 127, 0, 0, 1};

static int open_context(void)
{
	char text[256] = "";

	return ocsnotify_open(rig_folder, &context, text, sizeof(text));
}

static int subscribe(void)
{
	int code = ocsnotify_session_open(context, host_user, NULL, &session);

	if (code == OCSNOTIFY_OK)
		code = ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0);
	if (code == OCSNOTIFY_OK)
		code = ocsnotify_subscribe(session, 2, 0, OCSNOTIFY_OBJECT_MODIFIED, false, INBOX,
		                           0);
	if (code == OCSNOTIFY_OK)
		code = ocsnotify_subscribe_table(session, 3, 0, OCSNOTIFY_CONTENTS_TABLE, INBOX);
	if (code == OCSNOTIFY_OK &&
	    ocsnotify_set_push(session, (const uint8_t *)"push", 4, address, 16) != 0)
		code = OCSNOTIFY_E_SYSTEM;
	if (code == OCSNOTIFY_OK)
		code = ocsnotify_unsubscribe(session, 2);
	return code;
}

static int live(void)
{
	int code = open_context();

	session = NULL;
	if (code == OCSNOTIFY_OK)
		code = subscribe();
	ocsnotify_session_close(session);
	ocsnotify_close(context);
	return code;
}

/* So that they are not of a context that is just being made. */
static void age_files(void)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	DIR *folder = opendir(rig_path("wake"));
	struct dirent *entry;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			ck_assert_int_eq(utimensat(dirfd(folder), entry->d_name, old, 0), 0);
	closedir(folder);
}

/* What the last one could not remove the next one does: it is dead by then. */
static void nothing_is_left(int result, bool failed)
{
	(void)result;
	if (failed) {
		age_files();
		ck_assert_int_eq(live(), OCSNOTIFY_OK);
	}
	ck_assert_msg(host_count_queues(host_user) == 0, "%s: a queue is left", faults_last());
	ck_assert_msg(host_count_wake_files() == 0, "%s: a file is left", faults_last());
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(a_context_and_its_subscriptions_leave_nothing_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "a context from open to close",
	        .after = nothing_is_left,
	        .run = live,
	};

	ocs_reap_grace_ms = 0;
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(200));
}

/* ---- events ---- */

static unsigned seen[ENTRIES], told;

static void send_entries(void)
{
	told = 0;
	memset(seen, 0, sizeof(seen));
	for (unsigned n = 0; n < ENTRIES; n++) {
		struct ocs_entry entry = entry_newmail(INBOX, MAIL + n * 0x10000);

		ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
	}
}

static int drain(void)
{
	struct ocsnotify_event event;
	int ret;

	while ((ret = ocsnotify_next_event(session, &event)) == 1) {
		uint64_t n = (event.message_id - MAIL) / 0x10000;

		if (n < ENTRIES)
			seen[n]++;
	}
	return ret;
}

static void tell(struct ocsnotify_session *of, void *arg)
{
	(void)of;
	(void)arg;
	told++;
}

static int take_events(void)
{
	int ret = ocsnotify_process(context, tell, NULL);

	return ret < 0 ? ret : drain();
}

static unsigned count_seen(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		n += seen[i] == 1;
	return n;
}

/* The host was told of them, or is when it looks. */
static void all_have_come(int result, bool failed)
{
	(void)result;
	if (failed && told == 0 && count_seen() < ENTRIES)
		ck_assert_int_ge(ocsnotify_process(context, tell, NULL), 0);
	ck_assert_msg(told > 0 || count_seen() == ENTRIES, "%s: nobody was told", faults_last());
	if (failed)
		ck_assert_int_eq(drain(), 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		ck_assert_msg(seen[i] == 1, "%s: event %u came %u times", faults_last(), i,
		              seen[i]);
	ck_assert_int_eq(ocsnotify_pending(session), 0);
}

static void setup_session(void)
{
	host_setup();
	context = host_open();
	session = host_session(context, host_user);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	ck_assert_int_eq(
	        ocsnotify_set_push(session, (const uint8_t *)"push", 4, address, sizeof(address)),
	        0);
}

static void teardown_session(void)
{
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_int_eq(host_count_wake_files(), 0);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup_session, .teardown = teardown_session);

TEST(each_event_comes_once_whatever_fails_while_it_is_taken)
{
	static const struct faults_operation operation = {
	        .name = "events are taken",
	        .before = send_entries,
	        .after = all_have_come,
	        .run = take_events,
	};

	send_entries();
	ck_assert_int_eq(take_events(), 0);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(20));
}

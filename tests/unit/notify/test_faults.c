/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A notification on its way of which any call fails: what is answered as queued is in the queue or
 * its spill list, once and in order, and its owner is woken; the rest is refused and comes through
 * when it is repeated; a message keeps its identifier. */
#include "tests/unit/notify/dispatch_rig.h"
#include "tests/unit/notify/message_log_rig.h"
#include "tests/unit/faults.h"
#include "ocsnotify.h"

#include <poll.h>
#include <sys/socket.h>

#define BATCH     14 /* four more than a queue takes */
#define MAILS_MAX 65536

/* ---- a MAPI server that reads when the test does ---- */

enum { NEW_MAILS, OBJECTS, QUEUES };

static struct ocs_registry_queue queues[QUEUES];
static mqd_t kernel_queues[QUEUES];
static struct ocs_spill_reader readers[QUEUES];
static int owner, descriptors;

static struct ocs_entry heard[64];
static unsigned n_heard, n_spilled;

static void hear(const struct ocs_entry *entry)
{
	/* Of a new mail those who look at the folder are told too. */
	if (entry->flags == OCSNOTIFY_OBJECT_MODIFIED)
		return;
	ck_assert_uint_lt(n_heard, 64);
	heard[n_heard++] = *entry;
}

static int hear_spilled(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry = {0};

	(void)arg;
	ck_assert_int_eq(ocs_entry_decode(data, len, &entry), 0);
	hear(&entry);
	n_spilled++;
	return 0;
}

/* As the library does: the kernel's queue, then the list. */
static void listen_to(int which)
{
	const struct ocs_spill_name name = {rig_folder, 1, queues[which].id};
	struct ocs_entry entry;
	int more = 1;

	while (more == 1) {
		while (dispatch_receive(kernel_queues[which], &entry) == 1)
			hear(&entry);
		more = ocs_spill_take(&readers[which], &name, hear_spilled, NULL);
		ck_assert_int_ge(more, 0);
	}
	ocs_spill_reader_close(&readers[which]);
	ocs_spill_reader_init(&readers[which]);
}

/* Whoever reads a spill list was told that there is something in it. */
static void is_woken(void)
{
	struct pollfd ready = {.fd = owner, .events = POLLIN};
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];

	ck_assert_msg(poll(&ready, 1, 60000) == 1, "%s: nobody was woken", faults_last());
	while (recv(owner, data, sizeof(data), MSG_DONTWAIT) >= 0)
		;
}

static void listen_to_all(void)
{
	n_heard = n_spilled = 0;
	for (int i = 0; i < QUEUES; i++)
		listen_to(i);
	if (n_spilled > 0)
		is_woken();
}

/* ---- requests, made before anything fails ---- */

static struct ocs_notification items[BATCH];
static char names[BATCH][32], ids[BATCH][32];
static unsigned n_items, round_of;
static struct ocs_request *request;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered_cond = PTHREAD_COND_INITIALIZER;
static struct ocs_result results[BATCH];
static bool answered;

static void take_answer(void *unused, const struct ocs_result *got, size_t n)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_items; i++)
		if (i < n)
			results[i] = got[i];
		else
			ocs_result_refuse_memory(&results[i]);
	answered = true;
	pthread_cond_signal(&answered_cond);
	pthread_mutex_unlock(&lock);
}

static void make_request(void)
{
	request = talloc_zero(NULL, struct ocs_request);
	request->account = "tester";
	request->count = n_items;
	request->items = talloc_memdup(request, items, n_items * sizeof(items[0]));
	request->results = talloc_zero_array(request, struct ocs_result, n_items);
	request->done = take_answer;
}

/* Whether all of it is done. */
static int report(void)
{
	int ret = 0;

	answered = false;
	ocs_dispatch_submit(dispatch, request);
	pthread_mutex_lock(&lock);
	while (!answered)
		pthread_cond_wait(&answered_cond, &lock);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < n_items; i++)
		ret |= results[i].status == OCS_STATUS_REFUSED;
	return ret;
}

static bool is_taken(void *unused)
{
	(void)unused;
	make_request();
	return report() == 0;
}

/* What was refused comes through when it is sent again, what was not is known. */
static void repeat(const struct ocs_result *first, bool known)
{
	ck_assert_msg(rig_wait_for(is_taken, NULL), "%s: still refused: %s", faults_last(),
	              results[0].refusal.text);
	for (unsigned i = 0; i < n_items; i++)
		ck_assert_msg(results[i].status == OCS_STATUS_DUPLICATE ||
		                      (results[i].status == OCS_STATUS_QUEUED &&
		                       (first[i].status == OCS_STATUS_REFUSED || !known)),
		              "%s: %u, then %u", faults_last(), first[i].status, results[i].status);
}

static void check_refusals(void)
{
	for (unsigned i = 0; i < n_items; i++) {
		if (results[i].status == OCS_STATUS_QUEUED)
			continue;
		ck_assert_msg(results[i].status == OCS_STATUS_REFUSED, "%s: answered %u",
		              faults_last(), results[i].status);
		ck_assert_int_ge(results[i].refusal.code, 500);
		ck_assert(results[i].refusal.text[0] != '\0');
	}
}

static void setup(void)
{
	struct sockaddr_un address;

	dispatch_setup();
	queues[NEW_MAILS] = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE,
	                                   OCSNOTIFY_NEWMAIL, 0, &kernel_queues[NEW_MAILS]);
	queues[OBJECTS] = dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE,
	                                 OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_OBJECT_MOVED |
	                                         OCSNOTIFY_OBJECT_DELETED,
	                                 0, &kernel_queues[OBJECTS]);
	for (int i = 0; i < QUEUES; i++)
		ocs_spill_reader_init(&readers[i]);
	dispatch_subscribe(queues, QUEUES);
	dispatch_start();
	owner = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	ck_assert_int_eq(bind(owner, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Of both queues their descriptors and spill lists stay open, and a socket; nothing else. */
#define CACHED (2 * QUEUES + 1)

static void teardown(void)
{
	ck_assert_int_le(faults_descriptors(), descriptors + CACHED);
	close(owner);
	for (int i = 0; i < QUEUES; i++)
		dispatch_drop(&queues[i], kernel_queues[i]);
	dispatch_teardown();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

/* ---- new mails: more than a queue takes ---- */

static uint64_t mids[MAILS_MAX]; /* 0: nobody has heard of it */

static void new_mails(void)
{
	n_items = BATCH;
	for (unsigned i = 0; i < BATCH; i++) {
		unsigned n = ++round_of;

		ck_assert_uint_lt(n, MAILS_MAX);
		snprintf(names[i], sizeof(names[i]), "%u.eml", n);
		snprintf(ids[i], sizeof(ids[i]), "id %u", n);
		items[i] = dispatch_event(OCS_NEWMAIL, "INBOX", names[i]);
		/* Known by their names, or by what the sender calls them as well. */
		items[i].id = i % 2 == 0 ? ids[i] : NULL;
		items[i].message_flags = n;
	}
	make_request();
}

static void note_mids(void)
{
	for (unsigned i = 0; i < n_heard; i++) {
		unsigned n = heard[i].message_flags;

		ck_assert_uint_lt(n, MAILS_MAX);
		ck_assert_uint_ne(heard[i].mid, 0);
		ck_assert_msg(mids[n] == 0 || mids[n] == heard[i].mid,
		              "%s: mail %u has two identifiers", faults_last(), n);
		mids[n] = heard[i].mid;
		for (unsigned other = n - 1; other > 0 && other + 3 * BATCH > n; other--)
			ck_assert_uint_ne(mids[other], mids[n]);
	}
}

static unsigned times_heard(unsigned n)
{
	unsigned times = 0;

	for (unsigned i = 0; i < n_heard; i++)
		times += heard[i].message_flags == n;
	return times;
}

static void mails_are_heard(int result, bool failed)
{
	struct ocs_result first[BATCH];
	unsigned last = 0;

	(void)result;
	(void)failed;
	check_refusals();
	memcpy(first, results, sizeof(first));
	listen_to_all();
	note_mids();
	for (unsigned i = 0; i < BATCH; i++) {
		unsigned times = times_heard(items[i].message_flags);

		ck_assert_msg(times == 1 || (times == 0 && first[i].status == OCS_STATUS_REFUSED),
		              "%s: answered %u, mail %u of %u came %u times", faults_last(),
		              first[i].status, i, BATCH, times);
	}
	for (unsigned i = 0; i < n_heard; i++) {
		ck_assert_uint_gt(heard[i].message_flags, last);
		last = heard[i].message_flags;
	}
	repeat(first, true);
	listen_to_all();
	note_mids();
	for (unsigned i = 0; i < BATCH; i++) {
		ck_assert_msg(mids[items[i].message_flags] != 0, "%s: mail %u is lost",
		              faults_last(), i);
		ck_assert_uint_eq(times_heard(items[i].message_flags),
		                  first[i].status == OCS_STATUS_REFUSED &&
		                          results[i].status == OCS_STATUS_QUEUED);
	}
}

static void make_known(void)
{
	new_mails();
	ck_assert_int_eq(report(), 0);
	mails_are_heard(0, false);
	descriptors = faults_descriptors();
}

TEST(new_mails_are_in_the_queue_or_refused_whatever_fails)
{
	static const struct faults_operation operation = {.name = "new mails",
	                                                  .before = new_mails,
	                                                  .after = mails_are_heard,
	                                                  .run = report,
	                                                  .cached = CACHED,
	                                                  .points = 6};

	make_known();
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(60));
}

/* ---- what is known: nothing is written ---- */

static void a_change(void)
{
	n_items = 1;
	items[0] = dispatch_event(OCS_MODIFIED, "INBOX", "1.eml");
	make_request();
}

static void change_is_heard(int result, bool failed)
{
	(void)failed;
	check_refusals();
	listen_to_all();
	ck_assert_msg(n_heard == 1 || (n_heard == 0 && result != 0), "%s: came %u times",
	              faults_last(), n_heard);
	ck_assert(n_heard == 0 || heard[0].mid == mids[1]);
	if (result == 0)
		return;
	ck_assert(rig_wait_for(is_taken, NULL));
	listen_to_all();
	ck_assert_uint_eq(n_heard, 1);
	ck_assert_uint_eq(heard[0].mid, mids[1]);
}

TEST(a_change_is_in_the_queue_or_refused_whatever_fails)
{
	static const struct faults_operation operation = {.name = "a change",
	                                                  .before = a_change,
	                                                  .after = change_is_heard,
	                                                  .run = report,
	                                                  .cached = CACHED};

	make_known();
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(5));
}

/* ---- folders ---- */

static char moved_from[32], moved_to[32], deleted[32];
static uint64_t moved_mid;

/* One with a mail is to be moved, another one deleted. */
static void two_folders(void)
{
	struct ocs_notification mail;

	round_of++;
	snprintf(moved_from, sizeof(moved_from), "from %u", round_of);
	snprintf(moved_to, sizeof(moved_to), "to %u", round_of);
	snprintf(deleted, sizeof(deleted), "deleted %u", round_of);
	mail = dispatch_event(OCS_NEWMAIL, deleted, "1");
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	mail.folder = moved_from;
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	listen_to_all();
	ck_assert_uint_eq(n_heard, 2);
	moved_mid = heard[1].mid;
	n_items = 2;
	for (unsigned i = 0; i < n_items; i++)
		snprintf(ids[i], sizeof(ids[i]), "folder %u.%u", round_of, i);
	items[0] = dispatch_event(OCS_MOVED, moved_to, NULL);
	items[0].old_folder = moved_from;
	items[0].id = ids[0];
	items[1] = dispatch_event(OCS_DELETED, deleted, NULL);
	items[1].id = ids[1];
	make_request();
}

static unsigned count_flags(uint16_t flags)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_heard; i++)
		n += heard[i].flags == flags;
	return n;
}

static void folders_have_changed(int result, bool failed)
{
	static const uint16_t flags[] = {OCSNOTIFY_OBJECT_MOVED, OCSNOTIFY_OBJECT_DELETED};
	struct ocs_notification mail = dispatch_event(OCS_NEWMAIL, moved_to, "1");
	/* What was an hour ago has left the window. */
	bool clock = strncmp(faults_last(), "CLOCK", 5) == 0;
	struct ocs_result first[2];

	(void)failed;
	check_refusals();
	memcpy(first, results, sizeof(first));
	listen_to_all();
	for (unsigned i = 0; i < 2; i++)
		ck_assert_msg(count_flags(flags[i]) == 1 || (count_flags(flags[i]) == 0 &&
		                                             first[i].status == OCS_STATUS_REFUSED),
		              "%s: answered %u, came %u times", faults_last(), first[i].status,
		              count_flags(flags[i]));
	ck_assert(result != 0 || (heard[0].flags == flags[0] && heard[1].flags == flags[1]));
	repeat(first, !clock);
	listen_to_all();
	for (unsigned i = 0; i < 2; i++)
		ck_assert(clock ||
		          count_flags(flags[i]) == (first[i].status == OCS_STATUS_REFUSED &&
		                                    results[i].status == OCS_STATUS_QUEUED));
	/* The mail in it is known, by the identifier that it had. */
	ck_assert_msg(dispatch_report(&mail).status == OCS_STATUS_DUPLICATE,
	              "%s: the mail is not known", faults_last());
	mail.category = OCS_MODIFIED;
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	listen_to_all();
	ck_assert_uint_eq(n_heard, 1);
	ck_assert_uint_eq(heard[0].mid, moved_mid);
}

TEST(folders_are_moved_and_deleted_once_whatever_fails)
{
	static const struct faults_operation operation = {.name = "a move and a deletion",
	                                                  .before = two_folders,
	                                                  .after = folders_have_changed,
	                                                  .run = report,
	                                                  .cached = CACHED,
	                                                  .points = 6};

	make_known();
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(60));
}

/* ---- the message log on its way into the index ---- */

static unsigned n_logged;

/* More than one identifier a round would need more of them: their names are new. */
static void a_message_waits(void)
{
	char name[32];

	snprintf(name, sizeof(name), "%u", ++n_logged);
	log_put(name, n_logged % 100, true);
	log_flush();
}

static int apply(void)
{
	return ocs_message_log_apply(message_log, &rig_error);
}

static void messages_are_in_the_index(int result, bool failed)
{
	char name[32], expected[32];

	(void)failed;
	ck_assert_msg(result == 0 || rig_error.text[0] != '\0', "%s says nothing", faults_last());
	for (int again = 0; again < 2; again++) {
		for (unsigned n = n_logged > 5 ? n_logged - 5 : 1; n <= n_logged; n++) {
			snprintf(name, sizeof(name), "%u", n);
			snprintf(expected, sizeof(expected), "%u!", n % 100);
			ck_assert_str_eq(log_known(name), expected);
			if (again == 1)
				ck_assert_str_eq(log_indexed(name), expected);
		}
		log_apply();
		ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	}
}

TESTS_HAVE(.setup = log_setup, .teardown = log_teardown);

TEST(what_was_logged_reaches_the_index_whatever_fails)
{
	static const struct faults_operation operation = {.name = "the message log is applied",
	                                                  .before = a_message_waits,
	                                                  .after = messages_are_in_the_index,
	                                                  .run = apply};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(30));
	log_close_all();
	log_open_all();
	ck_assert_uint_eq(log_damage.skipped, 0);
	ck_assert_uint_eq(log_damage.cut, 0);
	messages_are_in_the_index(0, false);
}

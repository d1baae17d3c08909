/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Many submitters and a consumer at once: nothing is lost, nothing comes twice, order holds. */
#include "tests/unit/notify/dispatch_rig.h"

#include <poll.h>

#define SUBMITTERS 4
#define EACH       500

static struct ocs_registry_queue queue;

struct consumer {
	int to_parent;
	bool failed;
};

static int give(const uint8_t *data, size_t len, void *arg)
{
	struct consumer *consumer = arg;
	struct ocs_entry entry;

	if (ocs_entry_decode(data, len, &entry) != 0 ||
	    write(consumer->to_parent, &entry.message_flags, 4) != 4)
		consumer->failed = true;
	return 0;
}

static size_t drain(struct consumer *consumer, mqd_t mq)
{
	uint8_t buffer[256];
	size_t len, n = 0;

	for (; ocs_queue_receive(mq, buffer, sizeof(buffer), &len) == 0; n++)
		give(buffer, len, consumer);
	return n;
}

/* What the library does: drain, and if there is a spill list, drain again and read it. */
static int consume(int to_parent)
{
	const struct ocs_spill_name name = {rig_folder, queue.context, queue.id};
	struct consumer consumer = {.to_parent = to_parent};
	struct ocs_spill_reader reader;
	mqd_t mq;

	ocs_spill_reader_init(&reader);
	if (ocs_queue_open_read(queue.name, &mq) != 0)
		return 1;
	for (;;) {
		size_t n = drain(&consumer, mq);
		int waiting = ocs_spill_waiting(&reader, &name);

		if (consumer.failed || waiting < 0)
			return 1;
		if (waiting > 0) {
			drain(&consumer, mq);
			if (ocs_spill_take(&reader, &name, give, &consumer) < 0)
				return 1;
		} else if (n == 0) {
			/* Until the parent ends this process; what is spilled wakes nobody here. */
			(void)poll(&(struct pollfd){.fd = (int)mq, .events = POLLIN}, 1, 2);
		}
	}
}

static void *submitter(void *arg)
{
	uint32_t who = (uint32_t)(uintptr_t)arg;
	uintptr_t failures = 0;

	for (uint32_t n = 0; n < EACH; n++) {
		struct ocs_notification item;
		char id[32];

		snprintf(id, sizeof(id), "%u-%u", who, n);
		/* Every second one changes nothing on disk and may be done in this thread. */
		item = n % 2 == 0 ? dispatch_event(OCS_NEWMAIL, "INBOX", id)
		                  : dispatch_event(OCS_MODIFIED, "INBOX", "known");
		item.message_flags = who << 16 | n;
		failures += dispatch_report(&item).status != OCS_STATUS_QUEUED;
	}
	return (void *)failures;
}

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(two_thousand_from_four_threads_arrive_each_once_and_in_order)
{
	struct ocs_notification known = dispatch_event(OCS_NEWMAIL, "INBOX", "known");
	uint32_t next[SUBMITTERS] = {0}, value, got = 0;
	struct ocs_dispatch_counters counters;
	pthread_t threads[SUBMITTERS];
	struct ocs_index_message message;
	struct ocs_index_folder inbox;
	struct rig_child consumer;
	mqd_t mq;

	dispatch_start();
	ck_assert_int_eq(dispatch_report(&known).status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(ocs_dispatch_stop(dispatch), 0);
	dispatch = NULL;
	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                              false, &inbox, &rig_error));
	ck_assert_ok(
	        ocs_index_message(dispatch_index, inbox.series, "known", &message, &rig_error));
	dispatch_close();
	/* A created message makes 0x8004; the modified one is subscribed by its MID. */
	queue = dispatch_queue(1, OCS_TABLE_OBJECT, inbox.fid, 0x04, 0, &mq);
	queue.n_matchers = 2;
	queue.matchers[1] = (struct ocs_matcher){0x10, message.mid};
	dispatch_subscribe(&queue, 1);
	rig_child_fork(&consumer, consume);
	dispatch_start();
	rig_child_go(&consumer);
	for (uintptr_t i = 0; i < SUBMITTERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, submitter, (void *)i), 0);
	while (got < SUBMITTERS * EACH) {
		struct pollfd ready = {.fd = consumer.from, .events = POLLIN};

		ck_assert_msg(poll(&ready, 1, 60000) == 1, "%u of %d came", got, SUBMITTERS * EACH);
		ck_assert_int_eq(read(consumer.from, &value, 4), 4);
		ck_assert_uint_lt(value >> 16, SUBMITTERS);
		ck_assert_msg(next[value >> 16] == (value & 0xffff),
		              "submitter %u: %u came, %u was expected", value >> 16, value & 0xffff,
		              next[value >> 16]);
		next[value >> 16]++;
		got++;
	}
	for (int i = 0; i < SUBMITTERS; i++) {
		void *failures;

		pthread_join(threads[i], &failures);
		ck_assert_uint_eq((uintptr_t)failures, 0);
	}
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.received, SUBMITTERS * EACH);
	ck_assert_uint_eq(counters.queued, SUBMITTERS * EACH);
	ck_assert_uint_eq(counters.entries_kernel + counters.entries_spilled, SUBMITTERS * EACH);
	ck_assert_uint_eq(counters.entries_dropped + counters.entries_collapsed, 0);
	kill(consumer.pid, SIGKILL);
	ck_assert_int_eq(rig_child_wait(&consumer), -SIGKILL);
	dispatch_stop();
	dispatch_drop(&queue, mq);
}

static void *same_id(void *arg)
{
	struct ocs_notification item = dispatch_event(OCS_NEWMAIL, "INBOX", "one");

	item.id = "the-same";
	*(enum ocs_status *)arg = dispatch_report(&item).status;
	return NULL;
}

TEST(of_several_reports_with_one_id_at_once_one_counts)
{
	enum ocs_status status[8];
	pthread_t threads[8];
	int done = 0;

	dispatch_start();
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, same_id, &status[i]), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 8; i++) {
		ck_assert(status[i] == OCS_STATUS_NOSUBSCRIBER ||
		          status[i] == OCS_STATUS_DUPLICATE);
		done += status[i] == OCS_STATUS_NOSUBSCRIBER;
	}
	ck_assert_int_eq(done, 1);
}

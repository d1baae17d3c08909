/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Handing on: what a sender is told when a notification is delivered here and handed to the broker.
 * The outbox is this file's own: it ends messages as a test says. */
#include "tests/unit/notify/dispatch_rig.h"

#include "cluster/relay.h"

static struct ocs_link_settings settings = {.node = "a"};
static struct ocs_link_status status;
static struct ocs_relay relay;

static struct {
	struct ocs_message *message;
	ocs_outbox_done_fn *done;
	void *owner;
} put[16];
static size_t n_put;
static pthread_mutex_t put_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t put_more = PTHREAD_COND_INITIALIZER;

void ocs_outbox_put(struct ocs_outbox *outbox, struct ocs_message *message,
                    ocs_outbox_done_fn *done, void *owner)
{
	(void)outbox;
	pthread_mutex_lock(&put_lock);
	ck_assert_uint_lt(n_put, 16);
	put[n_put].message = message;
	put[n_put].done = done;
	put[n_put++].owner = owner;
	pthread_cond_signal(&put_more);
	pthread_mutex_unlock(&put_lock);
}

/* Dispatch comes first, in its own thread. */
static void wait_for_put(size_t n)
{
	pthread_mutex_lock(&put_lock);
	while (n_put < n)
		pthread_cond_wait(&put_more, &put_lock);
	pthread_mutex_unlock(&put_lock);
	ck_assert_uint_eq(n_put, n);
}

static void end_all(enum ocs_outbox_end end)
{
	for (size_t i = 0; i < n_put; i++) {
		talloc_free(put[i].message);
		put[i].done(put[i].owner, end, end == OCS_OUTBOX_FAILED ? "no broker" : "");
	}
	n_put = 0;
}

static void setup(void)
{
	dispatch_setup();
	memset(&relay, 0, sizeof(relay));
	settings.relay = false;
	n_put = 0;
}

static void start(void)
{
	ocs_link_status_init(&status);
	dispatch_start();
	relay.settings = &settings;
	relay.status = &status;
	relay.dispatch = dispatch;
	ck_assert_int_eq(ocs_relay_init(&relay), 0);
}

static void submit(struct dispatch_waiter *waiter, const struct ocs_notification *items, size_t n,
                   bool refused)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);

	request->account = "tester";
	request->count = n;
	request->items = talloc_memdup(request, items, n * sizeof(*items));
	request->results = talloc_zero_array(request, struct ocs_result, n);
	if (refused)
		ocs_result_refuse(&request->results[0], 403, "ACCESS_FORBIDDEN", "no");
	request->done = dispatch_done;
	request->owner = waiter;
	ocs_relay_submit(&relay, request);
}

/* Handed on to end so; how the sender is told. */
static struct ocs_result report(const struct ocs_notification *item, enum ocs_outbox_end end)
{
	struct dispatch_waiter waiter = DISPATCH_WAITER;

	submit(&waiter, item, 1, false);
	wait_for_put(1);
	ck_assert(!waiter.done);
	end_all(end);
	return dispatch_wait(&waiter);
}

static mqd_t subscribe(struct ocs_registry_queue *queue)
{
	mqd_t mq;

	*queue = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, 0x02, 0, &mq);
	dispatch_subscribe(queue, 1);
	return mq;
}

static void teardown(void)
{
	dispatch_teardown();
	ocs_relay_end(&relay);
	ocs_relay_free(&relay);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(without_a_session_anywhere_nobody_waits)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");

	start();
	ck_assert_int_eq(report(&event, OCS_OUTBOX_RETURNED).status, OCS_STATUS_NOSUBSCRIBER);
}

TEST(what_another_node_or_the_spool_has_is_queued_there)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_result result;

	start();
	result = report(&event, OCS_OUTBOX_CONFIRMED);
	ck_assert_int_eq(result.status, OCS_STATUS_QUEUED);
	ck_assert_uint_eq(result.queues, 0);
	event.message_id = "2";
	ck_assert_int_eq(report(&event, OCS_OUTBOX_SPOOLED).status, OCS_STATUS_QUEUED);
}

TEST(a_user_unknown_here_is_left_to_a_node_that_knows_them)
{
	static char *backends[] = {(char *)"sogo", NULL};
	const struct ocs_dispatch_settings refusing = {.sync = OCS_SYNC_NEVER,
	                                               .dedupe_window = 600,
	                                               .request_deadline = 10,
	                                               .spill_max = 10,
	                                               .spill_total = 10,
	                                               .descriptors = 64,
	                                               .backends = backends,
	                                               .refuse_unknown = true,
	                                               .published = {.max_messages = 10,
	                                                             .message_size = 256,
	                                                             .spill_max = 10,
	                                                             .spill_total = 10,
	                                                             .push_interval = 60,
	                                                             .replica_id = 1}};
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");

	start();
	ocs_dispatch_reload(dispatch, &refusing, NULL);
	ck_assert_int_eq(report(&event, OCS_OUTBOX_CONFIRMED).status, OCS_STATUS_QUEUED);
	ck_assert_str_eq(report(&event, OCS_OUTBOX_RETURNED).refusal.name, "UNKNOWN_USER");
	/* It may be known elsewhere: to be tried again. */
	ck_assert_str_eq(report(&event, OCS_OUTBOX_FAILED).refusal.name, "BROKER_UNAVAILABLE");
}

TEST(without_the_broker_it_is_delivered_here_and_refused)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_registry_queue queue;
	mqd_t mq = subscribe(&queue);
	struct ocs_entry entry;
	struct ocs_result result;

	start();
	result = report(&event, OCS_OUTBOX_FAILED);
	ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
	ck_assert_int_eq(result.refusal.code, 503);
	ck_assert_str_eq(result.refusal.name, "BROKER_UNAVAILABLE");
	ck_assert_ptr_nonnull(strstr(result.refusal.text, "no broker"));
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	/* Sent again it is a duplicate here, and handed on all the same. */
	ck_assert_int_eq(report(&event, OCS_OUTBOX_CONFIRMED).status, OCS_STATUS_DUPLICATE);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 0);
	dispatch_drop(&queue, mq);
}

TEST(a_session_here_counts_its_queues)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_registry_queue queue;
	mqd_t mq = subscribe(&queue);
	struct ocs_result result;

	start();
	result = report(&event, OCS_OUTBOX_RETURNED);
	ck_assert_int_eq(result.status, OCS_STATUS_QUEUED);
	ck_assert_uint_eq(result.queues, 1);
	dispatch_drop(&queue, mq);
}

TEST(what_is_refused_is_not_handed_on)
{
	struct ocs_notification events[3] = {dispatch_event(OCS_NEWMAIL, "INBOX", "1"),
	                                     dispatch_event(OCS_NEWMAIL, "INBOX", "2"),
	                                     dispatch_event(OCS_NEWMAIL, "INBOX", "3")};
	struct dispatch_waiter waiter = DISPATCH_WAITER;

	events[1].backend = "unknown";
	start();
	submit(&waiter, events, 3, true);
	wait_for_put(1);
	ck_assert_ptr_nonnull(strstr(put[0].message->body, "<messageID>3</messageID>"));
	end_all(OCS_OUTBOX_RETURNED);
	ck_assert_int_eq(dispatch_wait(&waiter).status, OCS_STATUS_NOSUBSCRIBER);
}

TEST(each_message_has_an_id_of_its_own_and_the_user_as_key)
{
	struct ocs_notification events[2] = {dispatch_event(OCS_NEWMAIL, "INBOX", "1"),
	                                     dispatch_event(OCS_NEWMAIL, "INBOX", "2")};
	struct dispatch_waiter waiter = DISPATCH_WAITER;

	start();
	submit(&waiter, events, 2, false);
	wait_for_put(2);
	ck_assert_str_ne(put[0].message->id, put[1].message->id);
	ck_assert_int_eq(strncmp(put[0].message->id, "a-", 2), 0);
	ck_assert_uint_eq(put[0].message->n_keys, 2);
	ck_assert_str_eq(put[0].message->keys[0], "jdoe");
	ck_assert_str_eq(put[0].message->keys[1], "\002sogo\002jdoe");
	ck_assert_str_eq(put[0].message->account, "tester");
	ck_assert(!put[0].message->ingest);
	end_all(OCS_OUTBOX_CONFIRMED);
	dispatch_wait(&waiter);
}

TEST(a_relay_delivers_nothing_and_fills_the_ingest_queue)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_registry_queue queue;
	mqd_t mq = subscribe(&queue);
	struct dispatch_waiter waiter = DISPATCH_WAITER;
	struct ocs_entry entry;

	settings.relay = true;
	start();
	submit(&waiter, &event, 1, false);
	wait_for_put(1);
	ck_assert(put[0].message->ingest);
	ck_assert_uint_eq(put[0].message->n_keys, 0);
	end_all(OCS_OUTBOX_CONFIRMED);
	ck_assert_int_eq(dispatch_wait(&waiter).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 0);
	/* No ingest queue: nobody has it. */
	ck_assert_int_eq(report(&event, OCS_OUTBOX_RETURNED).status, OCS_STATUS_REFUSED);
	dispatch_drop(&queue, mq);
}

TEST(each_is_counted_once_under_what_its_sender_was_told)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_dispatch_counters counters;

	start();
	/* Nobody waits here, and the broker did not take it: a refusal, and no success. */
	ck_assert_int_eq(report(&event, OCS_OUTBOX_FAILED).status, OCS_STATUS_REFUSED);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.received, 1);
	ck_assert_uint_eq(counters.refused, 1);
	ck_assert_uint_eq(counters.nosubscriber, 0);
	ck_assert_uint_eq(counters.last_success_us, 0);
	event.message_id = "2";
	ck_assert_int_eq(report(&event, OCS_OUTBOX_CONFIRMED).status, OCS_STATUS_QUEUED);
	event.message_id = "3";
	ck_assert_int_eq(report(&event, OCS_OUTBOX_RETURNED).status, OCS_STATUS_NOSUBSCRIBER);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.received, 3);
	ck_assert_uint_eq(counters.refused, 1);
	ck_assert_uint_eq(counters.queued, 1);
	ck_assert_uint_eq(counters.nosubscriber, 1);
	ck_assert_uint_gt(counters.last_success_us, 0);
}

TEST(a_relay_counts_what_it_hands_on)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_dispatch_counters counters;

	settings.relay = true;
	start();
	ck_assert_int_eq(report(&event, OCS_OUTBOX_CONFIRMED).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(report(&event, OCS_OUTBOX_FAILED).status, OCS_STATUS_REFUSED);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.received, 2);
	ck_assert_uint_eq(counters.queued, 1);
	ck_assert_uint_eq(counters.refused, 1);
}

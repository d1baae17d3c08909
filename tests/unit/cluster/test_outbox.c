/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What becomes of messages without a broker: each gets its end in time, and one end only. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "cluster/outbox.h"
#include "cluster/outbox_internal.h"
#include "tests/unit/rig.h"

#define MESSAGES_MAX 2000
#define NOT_YET      (-1)

static struct ocs_link_settings settings;
static struct ocs_link_status status;
static struct ocs_spool *spool;
static struct ocs_outbox *outbox;
static struct ocs_error error;
static char uri[64];
static int listening = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct outcome {
	int end; /* NOT_YET, or an enum ocs_outbox_end */
	unsigned times;
	uint64_t put, ended; /* ms */
	char text[128];
} outcomes[MESSAGES_MAX];
static unsigned n_put, n_ended;

static void log_it(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

static void done(void *owner, enum ocs_outbox_end end, const char *text)
{
	struct outcome *outcome = owner;

	pthread_mutex_lock(&lock);
	outcome->end = (int)end;
	outcome->times++;
	outcome->ended = ocs_clock_ms();
	snprintf(outcome->text, sizeof(outcome->text), "%s", text);
	n_ended++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* A socket on loopback: a port that the kernel answers for, if it listens. */
static void listener(bool listens)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listening, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	if (listens)
		ck_assert_int_eq(listen(listening, 8), 0);
	snprintf(uri, sizeof(uri), "amqp://a:b@127.0.0.1:%u", ntohs(address.sin_port));
}

static void setup(void)
{
	listener(false);
	settings = (struct ocs_link_settings){
	        .uri = uri,
	        .node = "one",
	        .exchange = "ocsmanager.users",
	        .ingest_queue = "ocsmanager.ingest",
	        .heartbeat = 5,
	        .confirm_timeout = 1,
	        .pending_max = 100,
	};
	rig_make_folder();
	for (unsigned i = 0; i < MESSAGES_MAX; i++)
		outcomes[i] = (struct outcome){.end = NOT_YET};
	n_put = n_ended = 0;
	ocs_link_status_init(&status);
}

static void teardown(void)
{
	ocs_spool_close(spool);
	spool = NULL;
	rig_remove_folder();
	close(listening);
	ocs_link_status_destroy(&status);
}

static void open_spool(uint64_t max)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/spool", rig_folder);
	ck_assert_msg(ocs_spool_open(path, max, &spool, NULL, &error) == 0, "%s", error.text);
}

static void start(void)
{
	ck_assert_msg(ocs_outbox_start(&settings, spool, &status, log_it, &outbox, &error) == 0,
	              "%s", error.text);
}

/* Every message has had one end when it returns. */
static int stop(void)
{
	int result = ocs_outbox_stop(outbox);

	pthread_mutex_lock(&lock);
	ck_assert_uint_eq(n_ended, n_put);
	for (unsigned i = 0; i < n_put; i++)
		ck_assert_uint_eq(outcomes[i].times, 1);
	pthread_mutex_unlock(&lock);
	return result;
}

static void put(void)
{
	struct ocs_message *message = talloc_zero(NULL, struct ocs_message);
	const char **keys = talloc_array(message, const char *, 1);
	struct outcome *outcome = &outcomes[n_put];

	ck_assert_uint_lt(n_put, MESSAGES_MAX);
	snprintf(message->id, sizeof(message->id), "one-%u", n_put);
	message->account = talloc_strdup(message, "openchange");
	message->accepted_at = 1000000;
	keys[0] = talloc_strdup(keys, "jdoe");
	message->keys = keys;
	message->n_keys = 1;
	message->body = talloc_strdup(message, "<?xml version=\"1.0\"?>");
	message->len = strlen(message->body);
	outcome->put = ocs_clock_ms();
	n_put++;
	ocs_outbox_put(outbox, message, done, outcome);
}

static void put_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put();
}

static void wait_for_ends(void)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 10;
	pthread_mutex_lock(&lock);
	while (n_ended < n_put)
		ck_assert_int_eq(pthread_cond_timedwait(&changed, &lock, &limit), 0);
	pthread_mutex_unlock(&lock);
}

/* Each time 50 messages. One that waits for the second that a message has before it is spooled
 * takes that second, every time; one that does not is slow only if the machine is. */
static void put_until_one_is_spooled_at_once(void)
{
	uint64_t took = OCS_OUTBOX_TO_DISK;

	for (int i = 0; i < 8 && took >= OCS_OUTBOX_TO_DISK; i++) {
		put_many(50);
		wait_for_ends();
		took = outcomes[n_put - 1].ended - outcomes[n_put - 1].put;
	}
	ck_assert_uint_lt(took, OCS_OUTBOX_TO_DISK);
}

static unsigned count(enum ocs_outbox_end end, const char *text)
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n_put; i++)
		n += outcomes[i].end == (int)end && strstr(outcomes[i].text, text) != NULL;
	pthread_mutex_unlock(&lock);
	return n;
}

static bool is_unwell(void *arg)
{
	(void)arg;
	return ocs_outbox_health(outbox, &error) != 0;
}

static void wait_until_unwell(const char *text)
{
	ck_assert(rig_wait_for(is_unwell, NULL));
	ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_message_waits_for_its_confirm_timeout_and_not_longer)
{
	start();
	put_many(10);
	ck_assert_int_eq(ocs_outbox_health(outbox, &error), 0);
	ck_assert_uint_eq(OCS_LINK_GET(&status, pending), 10);
	wait_for_ends();
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "in time"), 10);
	ck_assert_uint_ge(outcomes[9].ended - outcomes[9].put, 990);
	ck_assert_uint_eq(OCS_LINK_GET(&status, expired), 10);
	ck_assert_int_eq(stop(), 0);
	ck_assert_uint_eq(OCS_LINK_GET(&status, pending), 0);
}

TEST(once_an_outage_is_more_than_a_restart_messages_fail_at_once)
{
	start();
	wait_until_unwell("no connection to the broker: 127.0.0.1:");
	put_many(10);
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "takes no messages"), 10);
	ck_assert_uint_eq(OCS_LINK_GET(&status, refused), 10);
	ck_assert_int_eq(stop(), 0);
}

TEST(more_than_pending_max_fail_at_once)
{
	start();
	put_many(settings.pending_max + 5);
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "too many"), 5);
	ck_assert_uint_eq(OCS_LINK_GET(&status, refused), 5);
	ck_assert_int_eq(ocs_outbox_health(outbox, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "too many"));
	ck_assert_int_eq(stop(), 0);
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, ""), settings.pending_max + 5);
}

TEST(a_uri_that_needs_an_admin_fails_messages_at_once)
{
	settings.uri = "amqps://a:b@127.0.0.1:1";
	settings.tls_verify = true;
	settings.ca_file = "/nonexistent/ca.pem";
	start();
	wait_until_unwell("/nonexistent/ca.pem");
	put();
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "takes no messages"), 1);
	ck_assert_int_eq(ocs_link_status_state(&status, OCS_LINK_PUBLISH), OCS_LINK_REFUSED);
	ck_assert_int_eq(stop(), 0);
}

/* What the spool holds, in its order, is what was put, in its order. */
static void assert_spool_holds(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct ocs_message *message;
		uint64_t number;
		uint8_t *data;
		char id[32];
		size_t len;

		ck_assert_int_eq(ocs_spool_read(spool, NULL, &data, &len, &number, &error), 1);
		message = ocs_message_unpack(NULL, data, len, &error);
		ck_assert_ptr_nonnull(message);
		snprintf(id, sizeof(id), "one-%u", i);
		ck_assert_str_eq(message->id, id);
		talloc_free(message);
		talloc_free(data);
	}
	ck_assert_uint_eq(OCS_LINK_GET(&status, spooled), n);
}

TEST(with_a_spool_they_are_on_the_disk_in_order_after_a_second)
{
	settings.confirm_timeout = 60; /* nobody waits that long here */
	open_spool(1 << 20);
	start();
	put_many(50);
	wait_for_ends();
	ck_assert_uint_eq(count(OCS_OUTBOX_SPOOLED, ""), 50);
	put_until_one_is_spooled_at_once();
	ck_assert_uint_eq(count(OCS_OUTBOX_SPOOLED, ""), n_put);
	ck_assert_int_eq(ocs_outbox_health(outbox, &error), 0);
	ck_assert_int_eq(stop(), 0);
	assert_spool_holds(n_put);
}

TEST(what_is_in_the_spool_at_the_start_goes_first)
{
	settings.confirm_timeout = 60;
	open_spool(1 << 20);
	start();
	put_many(3);
	ck_assert_int_eq(stop(), 0);
	ck_assert_uint_eq(count(OCS_OUTBOX_SPOOLED, ""), 3);
	start();
	put_until_one_is_spooled_at_once();
	ck_assert_int_eq(stop(), 0);
	assert_spool_holds(n_put);
}

TEST(more_than_pending_max_go_to_the_spool)
{
	settings.confirm_timeout = 10;
	open_spool(1 << 20);
	start();
	put_many(settings.pending_max + 5);
	wait_for_ends();
	ck_assert_uint_eq(count(OCS_OUTBOX_SPOOLED, ""), settings.pending_max + 5);
	ck_assert_int_eq(stop(), 0);
	assert_spool_holds(settings.pending_max + 5);
}

TEST(past_the_bound_of_the_spool_they_fail_and_say_so)
{
	unsigned spooled;

	settings.pending_max = MESSAGES_MAX;
	open_spool(20000);
	start();
	put_many(500);
	wait_for_ends();
	spooled = count(OCS_OUTBOX_SPOOLED, "");
	ck_assert_uint_gt(spooled, 0);
	ck_assert_uint_lt(spooled, 500);
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "the spool is full"), 500 - spooled);
	ck_assert_uint_eq(OCS_LINK_GET(&status, spool_full), 500 - spooled);
	wait_until_unwell("the spool is full");
	ck_assert_int_eq(stop(), 0);
	assert_spool_holds(spooled);
}

LOOP_TEST(a_stop_spools_or_fails_what_is_left, 0, 2)
{
	settings.confirm_timeout = 10;
	if (_i == 1)
		open_spool(1 << 20);
	start();
	put_many(20);
	ck_assert_int_eq(stop(), 0);
	ck_assert_uint_eq(count(_i == 1 ? OCS_OUTBOX_SPOOLED : OCS_OUTBOX_FAILED, ""), 20);
}

TEST(who_accepts_and_never_answers_holds_up_no_message)
{
	close(listening);
	listener(true);
	start();
	put_many(20);
	wait_for_ends();
	ck_assert_uint_eq(count(OCS_OUTBOX_FAILED, "in time"), 20);
	/* Whether its thread ends in time depends on where it is; nobody waits for it. */
	stop();
}

TEST(a_stop_before_anything_happened_is_quick)
{
	start();
	ck_assert_int_eq(stop(), 0);
}

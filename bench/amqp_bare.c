/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the outbox is compared to: the same messages published with nothing but librabbitmq. Same
 * exchange, routing keys, properties, headers and body (the number behind the user prefix in it is
 * that of the routing key), persistent and mandatory; a fixed number of messages is out
 * unconfirmed, and each confirmed one lets the next go. Prints one line of JSON.
 *
 * One thread, one connection, one channel. It does not keep what it sent, so it could not send it
 * again: it is the least that publishing with confirms can cost.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bench/amqp.h"
#include "bench/request.h"
#include "bench/samples.h"

#define SECOND     1000000000ULL
#define BODY_MAX   65536
#define CONFIRM_MS 10000
#define HEADERS    3

struct publisher {
	amqp_connection_state_t connection;
	const char *exchange, *prefix, *node;
	unsigned users, window;
	uint64_t interval; /* ns between messages; 0: as the confirms come */
	amqp_bytes_t body;
	char *user_digits; /* in the body, behind the prefix; NULL: the body names nobody */
	uint64_t published, confirmed, returned, nacked;
	/* Tags up to `done` are confirmed; later ones that came out of order are marked in a ring
	 * as long as the window. */
	uint64_t done;
	bool *marks;
};

static void load_body(struct publisher *publisher, const char *file)
{
	static char body[BODY_MAX];
	FILE *in = fopen(file, "re");
	size_t len = in ? fread(body, 1, sizeof(body), in) : 0;

	if (!in || len == 0 || len == sizeof(body)) {
		fprintf(stderr, "amqp_bare: %s: cannot be read, empty, or too long\n", file);
		exit(1);
	}
	fclose(in);
	publisher->body = (amqp_bytes_t){.len = len, .bytes = body};
	publisher->user_digits = memmem(body, len, publisher->prefix, strlen(publisher->prefix));
	if (publisher->user_digits)
		publisher->user_digits += strlen(publisher->prefix);
	if (publisher->user_digits && publisher->user_digits + BENCH_USER_DIGITS > body + len)
		publisher->user_digits = NULL;
}

static uint64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void publish_one(struct publisher *publisher)
{
	unsigned user = (unsigned)(publisher->published % publisher->users);
	char key[128], id[64];
	amqp_table_entry_t headers[HEADERS] = {
	        {.key = amqp_cstring_bytes("ocs-origin"),
	         .value = {.kind = AMQP_FIELD_KIND_UTF8,
	                   .value.bytes = amqp_cstring_bytes(publisher->node)}},
	        {.key = amqp_cstring_bytes("ocs-account"),
	         .value = {.kind = AMQP_FIELD_KIND_UTF8,
	                   .value.bytes = amqp_cstring_bytes("bench")}},
	        {.key = amqp_cstring_bytes("ocs-accepted"),
	         .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = (int64_t)realtime_us()}},
	};
	amqp_basic_properties_t properties = {
	        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
	                  AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_APP_ID_FLAG |
	                  AMQP_BASIC_HEADERS_FLAG,
	        .content_type = amqp_cstring_bytes("text/xml; charset=utf-8"),
	        .delivery_mode = 2,
	        .app_id = amqp_cstring_bytes("ocsmanager"),
	        .headers = {.num_entries = HEADERS, .entries = headers},
	};

	int len = snprintf(key, sizeof(key), "%s%0*u", publisher->prefix, BENCH_USER_DIGITS, user);
	if (publisher->user_digits)
		memcpy(publisher->user_digits, key + len - BENCH_USER_DIGITS, BENCH_USER_DIGITS);
	snprintf(id, sizeof(id), "%s-%d-%016" PRIx64, publisher->node, (int)getpid(),
	         publisher->published);
	properties.message_id = amqp_cstring_bytes(id);
	bench_amqp_check_status(amqp_basic_publish(publisher->connection, BENCH_CHANNEL,
	                                           amqp_cstring_bytes(publisher->exchange),
	                                           amqp_cstring_bytes(key), 1, 0, &properties,
	                                           publisher->body),
	                        "publishing");
	publisher->published++;
}

static void take_confirm(struct publisher *publisher, uint64_t tag, bool multiple)
{
	if (tag <= publisher->done || tag > publisher->published) {
		fprintf(stderr, "amqp_bare: confirm of %" PRIu64 " is none we wait for\n", tag);
		exit(1);
	}
	for (uint64_t at = multiple ? publisher->done + 1 : tag; at <= tag; at++) {
		bool *mark = &publisher->marks[at % publisher->window];

		publisher->confirmed += !*mark;
		*mark = true;
	}
	while (publisher->done < publisher->published &&
	       publisher->marks[(publisher->done + 1) % publisher->window])
		publisher->marks[++publisher->done % publisher->window] = false;
}

static void take_return(struct publisher *publisher)
{
	amqp_message_t message;

	bench_amqp_check_status(
	        amqp_read_message(publisher->connection, BENCH_CHANNEL, &message, 0).reply_type ==
	                        AMQP_RESPONSE_NORMAL
	                ? AMQP_STATUS_OK
	                : AMQP_STATUS_UNEXPECTED_STATE,
	        "reading a returned message");
	amqp_destroy_message(&message);
	publisher->returned++;
}

/* One frame, waiting so long for it; false if none came. */
static bool take_frame(struct publisher *publisher, uint64_t wait_ns)
{
	struct timeval wait = {.tv_sec = (time_t)(wait_ns / SECOND),
	                       .tv_usec = (suseconds_t)(wait_ns % SECOND / 1000)};
	amqp_frame_t frame;
	int status = amqp_simple_wait_frame_noblock(publisher->connection, &frame, &wait);

	if (status == AMQP_STATUS_TIMEOUT)
		return false;
	bench_amqp_check_status(status, "waiting for confirms");
	if (frame.frame_type == AMQP_FRAME_METHOD &&
	    frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
		const amqp_basic_ack_t *ack = frame.payload.method.decoded;

		take_confirm(publisher, ack->delivery_tag, ack->multiple);
	} else if (frame.frame_type == AMQP_FRAME_METHOD &&
	           frame.payload.method.id == AMQP_BASIC_NACK_METHOD) {
		const amqp_basic_nack_t *nack = frame.payload.method.decoded;

		publisher->nacked++;
		take_confirm(publisher, nack->delivery_tag, nack->multiple);
	} else if (frame.frame_type == AMQP_FRAME_METHOD &&
	           frame.payload.method.id == AMQP_BASIC_RETURN_METHOD) {
		take_return(publisher);
	} else if (frame.frame_type != AMQP_FRAME_HEARTBEAT) {
		bench_amqp_unexpected(&frame);
	}
	return true;
}

/* Publishes until `end`, then waits for the confirms of all. */
static void amqp_bare_run(struct publisher *publisher, uint64_t end)
{
	uint64_t due = bench_now();

	for (;;) {
		uint64_t now = bench_now();
		bool more = now < end;
		uint64_t out = publisher->published - publisher->done, wait = 0;

		if (!more && out == 0)
			return;
		while (more && publisher->published - publisher->done < publisher->window &&
		       due <= now) {
			publish_one(publisher);
			if (publisher->interval)
				due += publisher->interval;
		}
		if (!more || publisher->published - publisher->done == publisher->window)
			wait = CONFIRM_MS * 1000000ULL;
		else if (publisher->interval)
			wait = due > now ? due - now : 0;
		if (!take_frame(publisher, wait) && wait == CONFIRM_MS * 1000000ULL)
			bench_amqp_check_status(AMQP_STATUS_TIMEOUT, "waiting for confirms");
		while (take_frame(publisher, 0))
			;
		amqp_maybe_release_buffers(publisher->connection);
	}
}

static double cpu_seconds(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) != 0)
		return 0;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int usage(void)
{
	fputs("usage: amqp_bare -e EXCHANGE -U USER-PREFIX -u USERS -f BODY-FILE -d SECONDS\n"
	      "                 [-w WINDOW] [-r PER-SECOND] [-o ORIGIN]\n"
	      "OCS_BENCH_AMQP: URI of the broker\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct publisher publisher = {.window = 1000, .node = "bare"};
	const char *body = NULL;
	double seconds = 0, rate = 0;
	int option;

	while ((option = getopt(argc, argv, "d:e:f:o:r:u:U:w:")) != -1) {
		switch (option) {
		case 'd':
			seconds = strtod(optarg, NULL);
			break;
		case 'e':
			publisher.exchange = optarg;
			break;
		case 'f':
			body = optarg;
			break;
		case 'o':
			publisher.node = optarg;
			break;
		case 'r':
			rate = strtod(optarg, NULL);
			break;
		case 'u':
			publisher.users = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'U':
			publisher.prefix = optarg;
			break;
		case 'w':
			publisher.window = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	if (!publisher.exchange || !publisher.prefix || publisher.users == 0 ||
	    publisher.users > 9999 || strlen(publisher.prefix) > 64 || publisher.window == 0 ||
	    !body || seconds <= 0 || rate < 0)
		return usage();
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
		return 1;
	load_body(&publisher, body);
	publisher.interval = rate > 0 ? (uint64_t)((double)SECOND / rate) : 0;
	publisher.marks = calloc(publisher.window, sizeof(bool));
	if (!publisher.marks)
		return 1;
	publisher.connection = bench_amqp_open();
	amqp_confirm_select(publisher.connection, BENCH_CHANNEL);
	bench_amqp_check(publisher.connection, "asking for confirms");

	uint64_t begin = bench_now();
	amqp_bare_run(&publisher, begin + (uint64_t)(seconds * (double)SECOND));
	double took = (double)(bench_now() - begin) / (double)SECOND;
	printf("{\"window\":%u,\"body_bytes\":%zu,\"seconds\":%.3f,\"published\":%" PRIu64
	       ",\"confirmed\":%" PRIu64 ",\"returned\":%" PRIu64 ",\"nacked\":%" PRIu64
	       ",\"messages_per_s\":%.0f,\"cpu_seconds\":%.3f}\n",
	       publisher.window, publisher.body.len, took, publisher.published, publisher.confirmed,
	       publisher.returned, publisher.nacked, (double)publisher.confirmed / took,
	       cpu_seconds());
	bench_amqp_close(publisher.connection);
	free(publisher.marks);
	return publisher.nacked == 0 ? 0 : 1;
}

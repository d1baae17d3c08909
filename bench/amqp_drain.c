/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bare consumer: binds users to a quorum queue like a node's, takes what arrives, acknowledges
 * it many at a time. The broker has the same work with it as with a node, and the machine the least
 * that a consumer can cost.
 *
 * Prints `ready` once it is bound. On SIGTERM it takes what still comes and prints one line of JSON
 * with the number of messages and the time from acceptance (header ocs-accepted) to here.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bench/amqp.h"
#include "bench/samples.h"

#define QUIET_US 300000

struct consumer {
	amqp_connection_state_t connection;
	const char *body_file; /* where the first body goes, or NULL */
	unsigned ack_every;
	uint64_t received, redelivered, bytes, last_tag;
	unsigned unacked;
	struct bench_samples times;
};

static atomic_bool ended;

static void end(int signal_number)
{
	(void)signal_number;
	atomic_store(&ended, true);
}

static void note_time(struct consumer *consumer, const amqp_basic_properties_t *properties)
{
	const amqp_bytes_t name = amqp_cstring_bytes("ocs-accepted");
	const amqp_table_t *headers = &properties->headers;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	for (int i = 0; i < headers->num_entries; i++) {
		const amqp_table_entry_t *entry = &headers->entries[i];

		if (entry->key.len == name.len &&
		    memcmp(entry->key.bytes, name.bytes, name.len) == 0 &&
		    entry->value.kind == AMQP_FIELD_KIND_I64 && entry->value.value.i64 <= now_us)
			bench_samples_add(&consumer->times,
			                  (uint64_t)(now_us - entry->value.value.i64) * 1000);
	}
}

static void keep_body(const struct consumer *consumer, amqp_bytes_t body)
{
	FILE *out = fopen(consumer->body_file, "we");

	if (!out || fwrite(body.bytes, 1, body.len, out) != body.len || fclose(out) != 0) {
		fprintf(stderr, "amqp_drain: %s: cannot be written\n", consumer->body_file);
		exit(1);
	}
}

static void ack(struct consumer *consumer)
{
	if (consumer->unacked == 0)
		return;
	bench_amqp_check_status(
	        amqp_basic_ack(consumer->connection, BENCH_CHANNEL, consumer->last_tag, 1),
	        "acknowledging");
	consumer->unacked = 0;
}

/* One message, waiting so long for it; false if none came. */
static bool take(struct consumer *consumer, unsigned wait_us)
{
	struct timeval wait = {.tv_usec = (suseconds_t)wait_us};
	amqp_envelope_t envelope;
	amqp_rpc_reply_t reply = amqp_consume_message(consumer->connection, &envelope, &wait, 0);

	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
	    reply.library_error == AMQP_STATUS_TIMEOUT)
		return false;
	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
	    reply.library_error == AMQP_STATUS_UNEXPECTED_STATE) {
		amqp_frame_t frame;

		bench_amqp_check_status(amqp_simple_wait_frame(consumer->connection, &frame),
		                        "consuming");
		bench_amqp_unexpected(&frame);
	}
	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		bench_amqp_check_status(reply.library_error, "consuming");
	if (consumer->received++ == 0 && consumer->body_file)
		keep_body(consumer, envelope.message.body);
	consumer->redelivered += envelope.redelivered != 0;
	consumer->bytes += envelope.message.body.len;
	note_time(consumer, &envelope.message.properties);
	consumer->last_tag = envelope.delivery_tag;
	amqp_destroy_envelope(&envelope);
	if (++consumer->unacked == consumer->ack_every)
		ack(consumer);
	return true;
}

static void amqp_drain_run(struct consumer *consumer)
{
	bool quiet = false;

	while (!quiet) {
		bool ending = atomic_load(&ended);

		amqp_maybe_release_buffers(consumer->connection);
		if (take(consumer, 0))
			continue;
		ack(consumer);
		quiet = !take(consumer, QUIET_US) && ending;
	}
	ack(consumer);
}

int main(int argc, char **argv)
{
	struct consumer consumer = {.ack_every = 100};
	const char *exchange = NULL, *queue = NULL, *prefix = NULL;
	unsigned users = 0, prefetch = 1000, length = 100000;
	int option;

	while ((option = getopt(argc, argv, "a:b:e:l:p:q:u:U:")) != -1) {
		if (option == 'a')
			consumer.ack_every = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'b')
			consumer.body_file = optarg;
		else if (option == 'e')
			exchange = optarg;
		else if (option == 'l')
			length = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			prefetch = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'q')
			queue = optarg;
		else if (option == 'u')
			users = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'U')
			prefix = optarg;
	}
	if (!exchange || !queue || !prefix || users == 0 || prefetch == 0 ||
	    prefetch > UINT16_MAX || consumer.ack_every == 0 || consumer.ack_every > prefetch ||
	    length > INT32_MAX) {
		fputs("usage: amqp_drain -e EXCHANGE -q QUEUE -U USER-PREFIX -u USERS [-p "
		      "PREFETCH]\n"
		      "                  [-a ACK-EVERY] [-l QUEUE-LENGTH] [-b FILE: for the first "
		      "body]\n"
		      "OCS_BENCH_AMQP: URI of the broker\n",
		      stderr);
		return 2;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || signal(SIGTERM, end) == SIG_ERR)
		return 1;
	consumer.connection = bench_amqp_open();
	bench_amqp_declare(consumer.connection, exchange, queue, (int32_t)length);
	bench_amqp_bind(consumer.connection, exchange, queue, prefix, users);
	amqp_basic_qos(consumer.connection, BENCH_CHANNEL, 0, (uint16_t)prefetch, 0);
	bench_amqp_check(consumer.connection, "setting the prefetch");
	amqp_basic_consume(consumer.connection, BENCH_CHANNEL, amqp_cstring_bytes(queue),
	                   amqp_empty_bytes, 0, 0, 1, amqp_empty_table);
	bench_amqp_check(consumer.connection, "consuming");
	puts("ready");
	fflush(stdout);
	amqp_drain_run(&consumer);
	amqp_queue_delete(consumer.connection, BENCH_CHANNEL, amqp_cstring_bytes(queue), 0, 0);
	bench_amqp_check(consumer.connection, "deleting the queue");
	printf("{\"received\":%" PRIu64 ",\"redelivered\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"time\":{",
	       consumer.received, consumer.redelivered, consumer.bytes);
	bench_samples_print(&consumer.times);
	puts("}}");
	bench_amqp_close(consumer.connection);
	free(consumer.times.ns);
	return 0;
}

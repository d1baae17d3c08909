/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Connecting, declaring and binding for the bare AMQP programs. */
#include "bench/amqp.h"

#include "bench/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define FRAME_MAX   131072
#define EXPIRES_MS  600000
#define CONNECT_SEC 5

static void fail(const char *doing, const char *why)
{
	fprintf(stderr, "amqp: %s: %s\n", doing, why);
	exit(1);
}

void bench_amqp_check_status(int status, const char *doing)
{
	if (status != AMQP_STATUS_OK)
		fail(doing, amqp_error_string2(status));
}

/* The reply text of a close of the channel or connection, or the method's name. */
static void method_text(amqp_method_t method, char *text, size_t size)
{
	amqp_bytes_t reply = amqp_cstring_bytes("");

	if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
		reply = ((amqp_connection_close_t *)method.decoded)->reply_text;
	else if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
		reply = ((amqp_channel_close_t *)method.decoded)->reply_text;
	snprintf(text, size, "%s %.*s", amqp_method_name(method.id), (int)reply.len,
	         (const char *)reply.bytes);
}

void bench_amqp_check(amqp_connection_state_t connection, const char *doing)
{
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
	char text[512];

	if (reply.reply_type == AMQP_RESPONSE_NORMAL)
		return;
	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
		fail(doing, amqp_error_string2(reply.library_error));
	if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION)
		fail(doing, "no answer");
	method_text(reply.reply, text, sizeof(text));
	fail(doing, text);
}

void bench_amqp_unexpected(const amqp_frame_t *frame)
{
	char text[512];

	if (frame->frame_type != AMQP_FRAME_METHOD)
		fail("waiting for the broker", "a frame that is no method");
	method_text(frame->payload.method, text, sizeof(text));
	fail("waiting for the broker", text);
}

amqp_connection_state_t bench_amqp_open(void)
{
	const char *uri = getenv("OCS_BENCH_AMQP");
	const struct timeval limit = {.tv_sec = CONNECT_SEC};
	struct amqp_connection_info info;
	amqp_connection_state_t connection = amqp_new_connection();
	amqp_socket_t *socket = connection ? amqp_tcp_socket_new(connection) : NULL;
	amqp_rpc_reply_t reply;
	char *copy = uri ? strdup(uri) : NULL;

	if (!copy || !socket)
		fail("connecting", "OCS_BENCH_AMQP is not set, or out of memory");
	bench_amqp_check_status(amqp_parse_url(copy, &info), "OCS_BENCH_AMQP");
	bench_amqp_check_status(
	        amqp_socket_open_noblock(socket, info.host, info.port, (struct timeval *)&limit),
	        "connecting");
	reply = amqp_login(connection, info.vhost, 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN,
	                   info.user, info.password);
	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		fail("logging in", "refused");
	amqp_channel_open(connection, BENCH_CHANNEL);
	bench_amqp_check(connection, "opening a channel");
	free(copy);
	return connection;
}

void bench_amqp_close(amqp_connection_state_t connection)
{
	amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(connection);
}

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
	return (amqp_table_entry_t){
	        .key = amqp_cstring_bytes(key),
	        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

static amqp_table_entry_t number_entry(const char *key, int32_t value)
{
	return (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
	                            .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = value}};
}

void bench_amqp_declare(amqp_connection_state_t connection, const char *exchange, const char *queue,
                        int32_t queue_length)
{
	amqp_table_entry_t entries[] = {
	        text_entry("x-queue-type", "quorum"),
	        number_entry("x-expires", EXPIRES_MS),
	        number_entry("x-max-length", queue_length),
	        text_entry("x-overflow", "reject-publish"),
	};
	const amqp_table_t arguments = {.num_entries = sizeof(entries) / sizeof(entries[0]),
	                                .entries = entries};

	amqp_exchange_declare(connection, BENCH_CHANNEL, amqp_cstring_bytes(exchange),
	                      amqp_cstring_bytes("direct"), 0, 1, 0, 0, amqp_empty_table);
	bench_amqp_check(connection, "declaring the exchange");
	amqp_queue_declare(connection, BENCH_CHANNEL, amqp_cstring_bytes(queue), 0, 1, 0, 0,
	                   arguments);
	bench_amqp_check(connection, "declaring the queue");
}

void bench_amqp_bind(amqp_connection_state_t connection, const char *exchange, const char *queue,
                     const char *prefix, unsigned users)
{
	for (unsigned i = 0; i < users; i++) {
		char key[128];

		snprintf(key, sizeof(key), "%s%0*u", prefix, BENCH_USER_DIGITS, i);
		amqp_queue_bind(connection, BENCH_CHANNEL, amqp_cstring_bytes(queue),
		                amqp_cstring_bytes(exchange), amqp_cstring_bytes(key),
		                amqp_empty_table);
		bench_amqp_check(connection, "binding");
	}
}

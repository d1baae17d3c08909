/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What cuts a connection, and when. The broker is a socket that answers a login without having read
 * it, and then says nothing more. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/broker_loop.h"
#include "tests/unit/unit.h"

/* connection.start, tune, open-ok, channel.open-ok of AMQP 0-9-1. */
static const uint8_t greeting[] =
        "\1\0\0\0\0\0\034\0\012\0\012\0\011\0\0\0\0\0\0\0\005PLAIN\0\0\0\005en_US\316"
        "\1\0\0\0\0\0\014\0\012\0\036\0\100\0\2\0\0\0\0\316"
        "\1\0\0\0\0\0\5\0\012\0\051\0\316"
        "\1\0\1\0\0\0\010\0\024\0\013\0\0\0\0\316";

static struct ocs_link_settings settings;
static struct ocs_link_status status;
static struct ocs_broker_loop loop;
static pthread_t broker;
static int listening;
static char uri[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool set_up_cut, turn_cut, ended;

static void log_it(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

static void *answer(void *arg)
{
	int fd = accept(listening, NULL, NULL);
	char byte;

	(void)arg;
	(void)!send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
	while (recv(fd, &byte, 1, 0) > 0) /* until it is closed */
		continue;
	close(fd);
	return NULL;
}

/* With a limit of nothing, whatever may be cut is. */
static bool watch_cuts(void)
{
	char byte;

	ocs_broker_loop_watch(&loop);
	return recv(ocs_broker_fd(loop.broker), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum ocs_broker_result set_up(void *arg, struct ocs_error *error)
{
	(void)arg;
	(void)error;
	set_up_cut = watch_cuts();
	return OCS_BROKER_OK;
}

static enum ocs_broker_result take_frame(void *arg, const amqp_frame_t *frame,
                                         struct ocs_error *error)
{
	(void)arg;
	(void)frame;
	(void)error;
	return OCS_BROKER_OK;
}

static enum ocs_broker_result turn(void *arg, bool more, uint64_t *until_r, struct ocs_error *error)
{
	(void)arg;
	(void)more;
	(void)until_r;
	turn_cut = watch_cuts();
	ocs_error_set(error, "enough");
	return OCS_BROKER_LOST;
}

static void lost(void *arg, enum ocs_broker_result why)
{
	(void)arg;
	(void)why;
	pthread_mutex_lock(&lock);
	ended = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static const struct ocs_broker_loop_calls calls = {
        .which = OCS_LINK_CONSUME,
        .set_up = set_up,
        .frame = take_frame,
        .turn = turn,
        .lost = lost,
};

static void setup(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listening, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	ck_assert_int_eq(listen(listening, 8), 0);
	snprintf(uri, sizeof(uri), "amqp://a:b@127.0.0.1:%u", ntohs(address.sin_port));
	settings = (struct ocs_link_settings){.uri = uri, .node = "a"};
	ocs_link_status_init(&status);
	ck_assert_int_eq(pthread_create(&broker, NULL, answer, NULL), 0);
}

static void teardown(void)
{
	close(listening);
	ocs_link_status_destroy(&status);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(the_watch_cuts_a_round_and_not_the_setting_up)
{
	ck_assert_int_eq(
	        ocs_broker_loop_init(&loop, &settings, &status, log_it, &calls, NULL, NULL), 0);
	ck_assert_int_eq(ocs_broker_loop_start(&loop, NULL), 0);
	pthread_mutex_lock(&lock);
	while (!ended)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	close(listening); /* the next connect fails */
	ck_assert_int_eq(ocs_broker_loop_stop(&loop, 20000, 1000), 0);
	pthread_join(broker, NULL);
	ck_assert(!set_up_cut);
	ck_assert(turn_cut);
	ocs_broker_loop_destroy(&loop);
	listening = -1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What can be said of a connection to RabbitMQ without one: URIs, patience, what is logged. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/broker_internal.h"
#include "tests/unit/unit.h"

#define SECRET "s3cr3t"

static struct ocs_error error;
static struct ocs_link_status status;
static unsigned logged;
static int logged_priority;
static char logged_text[OCS_ERROR_MAX];

static void log_it(int priority, const char *text)
{
	logged++;
	logged_priority = priority;
	snprintf(logged_text, sizeof(logged_text), "%s", text);
}

static void setup(void)
{
	ocs_link_status_init(&status);
	logged = 0;
}

static void teardown(void)
{
	ocs_link_status_destroy(&status);
}

/* A listener on loopback that accepts nothing by itself; the kernel does. */
static int listener(unsigned *port_r)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	*port_r = ntohs(address.sin_port);
	return fd;
}

static unsigned closed_port(void)
{
	unsigned port;

	close(listener(&port));
	return port;
}

static const char *const good[] = {
        "amqp://a:b@broker",
        "amqp://a:b@broker/",
        "amqp://a:b@broker:5673/vhost",
        "amqp://guest:guest@broker",
        "amqps://user:pass@broker.example.org/%2F",
        "amqp://user:a%2Cb%40c%2fd%25@[::1]:5672/mail",
        "amqp://b%C3%BCro:gr%C3%BC%C3%9Fe@broker/",
        "amqp://a:b@one, amqps://a:b@two:5671/v ,amqp://a:b@three",
};

TESTS_HAVE(.setup = setup, .teardown = teardown);

LOOP_TEST(well_formed_uris_are_taken, 0, sizeof(good) / sizeof(*good))
{
	ck_assert_msg(ocs_broker_check_uris(good[_i], &error) == 0, "%s: %s", good[_i], error.text);
}

static const char *const bad[] = {
        "",
        "broker",
        "http://user:" SECRET "@broker",
        "AMQP//broker",
        "amqp://",
        "amqp:///vhost",
        "amqp://user:" SECRET "@/vhost",
        "amqp://user:" SECRET "@broker:0/",
        "amqp://user:" SECRET "@broker:65536/",
        "amqp://user:" SECRET "@broker:port/",
        "amqp://user:" SECRET "@broker/vhost/more",
        "amqp://user:" SECRET "@broker?heartbeat=1",
        "amqp://user:" SECRET "@broker#here",
        "amqp://user:" SECRET "%@broker",
        "amqp://user:" SECRET "%4@broker",
        "amqp://user:" SECRET "%zz@broker",
        "amqp://user:" SECRET "%00@broker",
        "amqp://user:" SECRET "%0a@broker",
        "amqp://user:" SECRET "\n@broker",
        "amqp://user:" SECRET " x@broker",
        "amqp://user:" SECRET ":x@broker",
        "amqp://user:" SECRET "@[::1",
        "amqp://a:b@broker,",
        "amqp://a:b@broker,,amqp://user:" SECRET "@other",
        "amqp://a:b@broker,amqp://user:" SECRET "@",
};

LOOP_TEST(others_are_refused_and_no_password_is_told, 0, sizeof(bad) / sizeof(*bad))
{
	ck_assert_msg(ocs_broker_check_uris(bad[_i], &error) == -1, "%s", bad[_i]);
	ck_assert_ptr_nonnull(strstr(error.text, "URI"));
	ck_assert_ptr_null(strstr(error.text, SECRET));
}

/* The library would log in as guest, or with an empty password. */
static const char *const incomplete[] = {
        "amqp://broker",          "amqps://broker/v",
        "amqp://broker:5672/",    "amqps://" SECRET "@broker/v",
        "amqp://@broker",         "amqp://" SECRET ":@broker",
        "amqp://:" SECRET "@b/v", "amqps://" SECRET "@[::1]:5671/v",
};

LOOP_TEST(a_uri_without_user_or_password_is_refused_and_told_by_its_number, 0,
          sizeof(incomplete) / sizeof(*incomplete))
{
	char uris[128];

	snprintf(uris, sizeof(uris), "amqp://a:b@first, %s", incomplete[_i]);
	ck_assert_msg(ocs_broker_check_uris(uris, &error) == -1, "%s", uris);
	ck_assert_msg(strstr(error.text, "URI 2 of the broker has no ") == error.text, "%s",
	              error.text);
	ck_assert_ptr_nonnull(strstr(error.text, "password (write"));
	ck_assert_ptr_null(strstr(error.text, SECRET));
}

TEST(too_long_a_user_is_refused)
{
	char uri[400] = "amqp://";

	memset(uri + strlen(uri), 'u', 256);
	strcat(uri, ":p@broker");
	ck_assert_int_eq(ocs_broker_check_uris(uri, &error), -1);
}

TEST(the_parts_of_a_uri_are_decoded)
{
	struct ocs_broker_uri uri;
	char peer[OCS_BROKER_PEER_MAX];

	ck_assert_int_eq(
	        ocs_broker_uri_parse("amqp://a:b@x, amqps://b%C3%BCro:a%2Cb%40%25@[::1]/m%2Fn", 1,
	                             &uri, &error),
	        0);
	ck_assert_str_eq(uri.info.user, "b\xc3\xbcro");
	ck_assert_str_eq(uri.info.password, "a,b@%");
	ck_assert_str_eq(uri.info.host, "::1");
	ck_assert_str_eq(uri.info.vhost, "m/n");
	ck_assert_int_eq(uri.info.port, 5671);
	ck_assert_int_eq(uri.info.ssl, 1);
	ocs_broker_uri_peer(&uri, peer);
	ck_assert_str_eq(peer, "[::1]:5671/m/n");
	ocs_broker_uri_free(&uri);
	ck_assert_int_eq(ocs_broker_uri_parse("amqp://a:b@x/", 0, &uri, &error), 0);
	ck_assert_str_eq(uri.info.vhost, "/");
	ocs_broker_uri_peer(&uri, peer);
	ck_assert_str_eq(peer, "x:5672/");
	ocs_broker_uri_free(&uri);
}

/* Around a base, by a quarter at most. */
static void assert_about(unsigned wait, unsigned base)
{
	ck_assert_uint_ge(wait, base * 3 / 4);
	ck_assert_uint_le(wait, base * 5 / 4);
}

TEST(after_a_loss_the_waits_grow_from_a_fifth_of_a_second_to_five)
{
	static const unsigned waits[] = {200, 400, 800, 1600, 3200, 5000, 5000};
	struct ocs_backoff backoff = {0};

	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		assert_about(ocs_backoff_wait(&backoff, OCS_BROKER_LOST), waits[i]);
}

TEST(after_a_refusal_they_grow_from_five_seconds_to_a_minute)
{
	static const unsigned waits[] = {5000, 10000, 20000, 40000, 60000, 60000};
	struct ocs_backoff backoff = {0};

	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		assert_about(ocs_backoff_wait(&backoff, OCS_BROKER_REFUSED), waits[i]);
}

TEST(only_a_connection_that_held_starts_them_over)
{
	struct ocs_backoff backoff = {0};

	for (int i = 0; i < 10; i++)
		ocs_backoff_wait(&backoff, OCS_BROKER_LOST);
	ocs_backoff_up(&backoff);
	assert_about(ocs_backoff_wait(&backoff, OCS_BROKER_LOST), 5000);
	ocs_backoff_up(&backoff);
	backoff.up_since = ocs_clock_ms() - 10000;
	assert_about(ocs_backoff_wait(&backoff, OCS_BROKER_LOST), 200);
}

static enum ocs_broker_result open_uris(const char *uris, unsigned *next,
                                        const struct ocs_link_settings *more)
{
	struct ocs_link_settings settings = more != NULL ? *more : (struct ocs_link_settings){0};
	struct ocs_broker *broker = NULL;
	enum ocs_broker_result result;

	settings.uri = uris;
	settings.heartbeat = 5;
	result = ocs_broker_open(&settings, "test", next, &broker, &error);
	ck_assert_ptr_null(broker);
	return result;
}

TEST(a_closed_port_is_a_loss_told_at_once)
{
	uint64_t start = ocs_clock_ms();
	unsigned next = 0;
	char uri[128];

	snprintf(uri, sizeof(uri), "amqp://user:" SECRET "@127.0.0.1:%u/v", closed_port());
	ck_assert_int_eq(open_uris(uri, &next, NULL), OCS_BROKER_LOST);
	ck_assert_uint_lt(ocs_clock_ms() - start,
	                  4500); /* who does not answer costs five seconds */
	ck_assert_ptr_nonnull(strstr(error.text, "127.0.0.1:"));
	ck_assert_ptr_null(strstr(error.text, SECRET));
}

TEST(all_uris_are_tried_and_the_next_try_begins_behind_the_last)
{
	unsigned next = 1;
	char uris[128];

	snprintf(uris, sizeof(uris),
	         "amqp://a:b@127.0.0.1:%u, amqp://a:b@127.0.0.1:%u, amqp://a:b@[::1]:%u",
	         closed_port(), closed_port(), closed_port());
	ck_assert_int_eq(open_uris(uris, &next, NULL), OCS_BROKER_LOST);
	ck_assert_uint_eq(next, 1);
}

TEST(who_accepts_and_never_answers_is_given_up_after_five_seconds)
{
	uint64_t start = ocs_clock_ms();
	unsigned next = 0, port;
	int fd = listener(&port);
	char uri[64];

	snprintf(uri, sizeof(uri), "amqp://a:b@127.0.0.1:%u", port);
	ck_assert_int_eq(open_uris(uri, &next, NULL), OCS_BROKER_LOST);
	ck_assert_uint_ge(ocs_clock_ms() - start, 4500);
	ck_assert_ptr_nonnull(strstr(error.text, "does not answer"));
	close(fd);
}

TEST(a_missing_ca_file_is_for_the_admin_even_if_another_broker_is_just_away)
{
	struct ocs_link_settings settings = {.tls_verify = true, .ca_file = "/nonexistent/ca.pem"};
	unsigned next = 0;
	char uris[128];

	snprintf(uris, sizeof(uris), "amqp://a:b@127.0.0.1:%u, amqps://a:b@127.0.0.1:%u",
	         closed_port(), closed_port());
	ck_assert_int_eq(open_uris(uris, &next, &settings), OCS_BROKER_REFUSED);
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/ca.pem"));
}

static void note_down(enum ocs_broker_result result, const char *text)
{
	struct ocs_error why;

	ocs_error_set(&why, "%s", text);
	ocs_broker_note_down(&status, OCS_LINK_BIND, result, &why, log_it);
}

TEST(a_broker_that_is_away_is_logged_once)
{
	note_down(OCS_BROKER_LOST, "b: cannot connect");
	ck_assert_uint_eq(logged, 1);
	ck_assert_ptr_nonnull(strstr(logged_text, "bind: b: cannot connect"));
	note_down(OCS_BROKER_LOST, "c: cannot connect");
	ck_assert_uint_eq(logged, 1);
	note_down(OCS_BROKER_REFUSED, "b refuses");
	ck_assert_uint_eq(logged, 2);
	ck_assert_int_eq(logged_priority, 3);
	ck_assert_int_eq(ocs_link_status_state(&status, OCS_LINK_BIND), OCS_LINK_REFUSED);
	note_down(OCS_BROKER_REFUSED, "b refuses");
	ck_assert_uint_eq(logged, 2);
	ck_assert_uint_eq(OCS_LINK_GET(&status, connect_failures), 4);
}

TEST(a_connection_that_comes_back_is_a_reconnect)
{
	struct ocs_broker broker = {.peer = "b:5672/", .user = "node"};
	struct ocs_link_connection_status now;

	note_down(OCS_BROKER_LOST, "b: cannot connect");
	ocs_broker_note_up(&status, OCS_LINK_BIND, &broker, log_it);
	ck_assert_uint_eq(OCS_LINK_GET(&status, connects), 1);
	ck_assert_uint_eq(OCS_LINK_GET(&status, reconnects), 0);
	ck_assert_str_eq(logged_text, "RabbitMQ: bind: connected to b:5672/ as node");
	note_down(OCS_BROKER_LOST, "it was lost");
	ck_assert_uint_eq(logged, 3);
	ck_assert_ptr_nonnull(strstr(logged_text, "connection lost"));
	ck_assert_uint_eq(OCS_LINK_GET(&status, connect_failures), 1);
	ocs_broker_note_up(&status, OCS_LINK_BIND, &broker, log_it);
	ck_assert_uint_eq(OCS_LINK_GET(&status, reconnects), 1);
	ocs_link_status_copy(&status, OCS_LINK_BIND, &now);
	ck_assert_int_eq(now.state, OCS_LINK_UP);
	ck_assert_str_eq(now.peer, "b:5672/");
	ck_assert_str_eq(now.text, "");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The asynchronous wait: each row of the table of its endings, by version. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#define USER    "t-em-wait"
#define MINUTES 60000u

static struct ocsnotify *context;
static struct ocsemsmdb *server;
static struct ocsemsmdb_session *session;
static uint32_t flags, result;
static int first, second; /* what stands for two calls */

static void begin(enum ocsemsmdb_version version)
{
	uint8_t request[32], response[6];
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);

	context = host_open();
	server = emsmdb_server(context, version);
	session = emsmdb_connect(server, USER);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response), 0);
}

static void end(void)
{
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

static bool park(void *call)
{
	return ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_ASYNC, NULL, call, &flags, &result);
}

static void idle(void)
{
	struct emsmdb_rops b;

	emsmdb_idle(session, &b, OCSEMSMDB_EXT_MAX);
}

/* The wait of call has ended so, and nothing else happened. */
static void expect_done(void *call, uint32_t want_flags, uint32_t want_result)
{
	ck_assert_uint_eq(emsmdb_n_dones, 1);
	ck_assert_ptr_eq(emsmdb_dones[0].call, call);
	ck_assert_uint_eq(emsmdb_dones[0].flags, want_flags);
	ck_assert_uint_eq(emsmdb_dones[0].result, want_result);
	emsmdb_n_dones = 0;
}

static unsigned parked(void)
{
	struct ocsemsmdb_stats stats;

	ocsemsmdb_get_stats(server, &stats);
	return stats.parked;
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(what_is_queued_already_ends_the_wait_at_once)
{
	begin(OCSEMSMDB_2016);
	emsmdb_mail(context, USER);
	ck_assert(!park(&first));
	ck_assert_uint_eq(flags, 1);
	ck_assert_uint_eq(result, 0);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ck_assert_uint_eq(parked(), 0);
	end();
}

TEST(news_end_a_parked_wait)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	ck_assert_uint_eq(parked(), 1);
	ck_assert_int_eq(ocsemsmdb_process(server), 0);
	emsmdb_mail(context, USER);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsemsmdb_process(server), 1);
	expect_done(&first, 1, 0);
	ck_assert_uint_eq(parked(), 0);
	end();
}

TEST(news_that_came_while_nobody_waited_are_not_lost)
{
	begin(OCSEMSMDB_2016);
	emsmdb_mail(context, USER);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsemsmdb_process(server), 0);
	ck_assert(!park(&first));
	ck_assert_uint_eq(flags, 1);
	/* Drained, the next one is parked, and the next mail wakes it. */
	idle();
	ck_assert(park(&first));
	emsmdb_mail(context, USER);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsemsmdb_process(server), 1);
	expect_done(&first, 1, 0);
	end();
}

TEST(a_call_that_could_not_drain_wakes_the_waiter)
{
	struct emsmdb_rops b;

	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	emsmdb_mail(context, USER);
	emsmdb_mail(context, USER);
	emsmdb_idle(session, &b, 8 + 2 + 38); /* room for one */
	expect_done(&first, 1, 0);
	end();
}

TEST(a_call_whose_buffer_was_too_small_wakes_the_waiter)
{
	struct emsmdb_rops b;

	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	emsmdb_mail(context, USER);
	emsmdb_begin(&b);
	for (int i = 0; i < 5; i++)
		emsmdb_rop(&b, "490000");
	emsmdb_handle(&b, 0xffffffff);
	ck_assert_uint_eq(emsmdb_execute(session, &b, 8 + 45), 0);
	ck_assert_uint_eq(b.data[8], 0xff);
	expect_done(&first, 1, 0);
	end();
}

TEST(a_processor_that_appends_by_itself_wakes_the_waiter_as_well)
{
	uint8_t payload[16] = {2, 0};
	size_t len = 2;

	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	emsmdb_mail(context, USER);
	ck_assert_uint_eq(ocsemsmdb_append(session, payload, &len, sizeof(payload)), 0);
	ck_assert_uint_eq(len, 5); /* RopPending */
	expect_done(&first, 1, 0);
	end();
}

TEST(a_call_that_drained_all_leaves_the_waiter_alone)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	emsmdb_mail(context, USER);
	idle();
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ck_assert_uint_eq(parked(), 1);
	ck_assert(ocsemsmdb_wait_cancel(server, &first));
	end();
}

TEST(a_second_wait_is_rejected_and_the_first_stays)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	ck_assert(!park(&second));
	ck_assert_uint_eq(flags, 0);
	ck_assert_uint_eq(result, OCSEMSMDB_EC_REJECTED);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	emsmdb_mail(context, USER);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsemsmdb_process(server), 1);
	expect_done(&first, 1, 0);
	end();
}

TEST(a_client_that_vanished_gives_its_place_up)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	emsmdb_dead_call = &first;
	ck_assert(park(&second));
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ck_assert_uint_eq(parked(), 1);
	emsmdb_dead_call = &second;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ck_assert_uint_eq(parked(), 0);
	end();
}

TEST(in_2007_five_minutes_count_from_the_wait)
{
	begin(OCSEMSMDB_2007);
	emsmdb_clock_ms += 4 * MINUTES;
	ck_assert(park(&first));
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms + 5 * MINUTES);
	emsmdb_clock_ms += 2 * MINUTES;
	idle();
	emsmdb_clock_ms += 3 * MINUTES - 1;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	emsmdb_clock_ms++;
	ocsemsmdb_tick(server);
	expect_done(&first, 0, 0);
	end();
}

LOOP_TEST(from_2010_on_five_minutes_count_from_the_last_call, OCSEMSMDB_2010, OCSEMSMDB_2016 + 1)
{
	begin(_i);
	idle();
	emsmdb_clock_ms += 4 * MINUTES;
	ck_assert(park(&first));
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms + MINUTES);
	emsmdb_clock_ms += MINUTES - 1;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	idle(); /* the clock begins anew under the parked wait */
	emsmdb_clock_ms += 5 * MINUTES - 1;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	emsmdb_clock_ms++;
	ocsemsmdb_tick(server);
	expect_done(&first, 0, 0);
	/* A client that does nothing but wait does not spin. */
	ck_assert(park(&first));
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms + 5 * MINUTES);
	end();
}

TEST(a_wait_that_comes_too_late_ends_at_once_but_only_one)
{
	begin(OCSEMSMDB_2010);
	emsmdb_clock_ms += 6 * MINUTES;
	ck_assert(!park(&first));
	ck_assert_uint_eq(flags, 0);
	ck_assert_uint_eq(result, 0);
	ck_assert(park(&first));
	end();
}

TEST(over_http_five_minutes_count_from_the_request)
{
	begin(OCSEMSMDB_2016);
	emsmdb_clock_ms += 6 * MINUTES;
	ck_assert(ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_HTTP, NULL, &first, &flags, &result));
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms + 5 * MINUTES);
	emsmdb_clock_ms += 5 * MINUTES;
	ocsemsmdb_tick(server);
	expect_done(&first, 0, 0);
	end();
}

static void expect_dead(enum ocsemsmdb_version version)
{
	if (version >= OCSEMSMDB_2013)
		expect_done(&first, 1, 0);
	else
		expect_done(&first, 0, OCSEMSMDB_EC_REJECTED);
}

LOOP_TEST(the_end_of_the_session_ends_its_wait_as_that_version_does, OCSEMSMDB_2007,
          OCSEMSMDB_2016 + 1)
{
	begin(_i);
	ck_assert(park(&first));
	ocsemsmdb_disconnect(session);
	expect_dead(_i);
	ocsemsmdb_wait_dead(server, &flags, &result);
	ck_assert_uint_eq(flags, _i >= OCSEMSMDB_2013 ? 1 : 0);
	ck_assert_uint_eq(result, _i >= OCSEMSMDB_2013 ? 0 : OCSEMSMDB_EC_REJECTED);
	end();
}

TEST(shutting_down_ends_all_waits_and_those_to_come)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	ocsemsmdb_shutdown(server);
	expect_done(&first, 0, OCSEMSMDB_EC_EXITING);
	ck_assert(!park(&first));
	ck_assert_uint_eq(flags, 0);
	ck_assert_uint_eq(result, OCSEMSMDB_EC_EXITING);
	end();
	ck_assert_uint_eq(emsmdb_n_dones, 0);
}

TEST(closing_the_server_answers_what_is_parked)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	end();
	expect_done(&first, 0, OCSEMSMDB_EC_EXITING);
}

TEST(a_cancelled_wait_is_not_called_back)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	ck_assert(!ocsemsmdb_wait_cancel(server, &second));
	ck_assert(!ocsemsmdb_wait_cancel(server, NULL));
	ck_assert(ocsemsmdb_wait_cancel(server, &first));
	ck_assert(!ocsemsmdb_wait_cancel(server, &first));
	emsmdb_mail(context, USER);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsemsmdb_process(server), 0);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	end();
}

TEST(a_wait_goes_with_its_connection_and_leaves_the_session_of_another)
{
	begin(OCSEMSMDB_2016);
	ck_assert(ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_ASYNC, &second, &first, &flags,
	                              &result));
	ocsemsmdb_connection_closed(server, NULL);
	ck_assert_uint_eq(parked(), 1);
	ocsemsmdb_connection_closed(server, &second);
	ck_assert_uint_eq(parked(), 0);
	ck_assert_uint_eq(emsmdb_n_dones, 0);
	ck_assert_uint_eq(emsmdb_ended, 0);
	end();
}

TEST(a_session_does_not_expire_while_it_waits)
{
	begin(OCSEMSMDB_2016);
	ck_assert(park(&first));
	for (int i = 0; i < 20; i++) {
		emsmdb_clock_ms += 2 * MINUTES;
		idle();
		ocsemsmdb_tick(server);
	}
	ck_assert_uint_eq(parked(), 1);
	emsmdb_clock_ms += 5 * MINUTES;
	ocsemsmdb_tick(server);
	expect_done(&first, 0, 0);
	/* Its idle time begins when the wait ends. */
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms + 15 * MINUTES);
	emsmdb_clock_ms += 15 * MINUTES - 1;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_ended, 0);
	emsmdb_clock_ms++;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_ended, 1);
	ck_assert_uint_eq(ocsemsmdb_deadline(server), UINT64_MAX);
	end();
}

TEST(a_wait_longer_than_the_idle_time_keeps_its_session)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);

	context = host_open();
	settings.session_idle = MINUTES;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	session = emsmdb_connect(server, USER);
	ck_assert(park(&first));
	emsmdb_clock_ms += 4 * MINUTES;
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_ended, 0);
	ck_assert_uint_eq(parked(), 1);
	end();
}

TEST(each_of_many_waits_is_woken_by_its_own_mail_alone)
{
	static int calls[200];
	static struct ocsemsmdb_session *sessions[200];
	char user[32];
	uint8_t request[32], response[6];
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);

	begin(OCSEMSMDB_2016);
	for (int i = 0; i < 200; i++) {
		snprintf(user, sizeof(user), USER "-%d", i);
		sessions[i] = emsmdb_connect(server, user);
		ck_assert_uint_eq(
		        ocsemsmdb_rop_register(sessions[i], request, n, 10, &used, response), 0);
		ck_assert(ocsemsmdb_wait_park(sessions[i], OCSEMSMDB_WAIT_ASYNC, NULL, &calls[i],
		                              &flags, &result));
	}
	for (int i = 0; i < 200; i++) {
		snprintf(user, sizeof(user), USER "-%d", i);
		emsmdb_mail(context, user);
		ck_assert(host_readable(context, HOST_WAIT_MS));
		ck_assert_int_eq(ocsemsmdb_process(server), 1);
		expect_done(&calls[i], 1, 0);
	}
	ck_assert_uint_eq(parked(), 0);
	end();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Counting failed logins, pending challenges, slots: the arithmetic. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/challenge.h"
#include "auth/limiter.h"
#include "auth/slots.h"
#include "tests/unit/unit.h"

static const struct ocs_limiter_rule rule = {.failures = 3, .window = 10};
static struct ocs_limiter *limiter;

static struct ocs_peer peer(const char *address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct ocs_peer p;

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		ocs_peer_from((struct sockaddr *)&in, &p);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		ocs_peer_from((struct sockaddr *)&in6, &p);
	}
	return p;
}

static unsigned wait_for(const char *address, const char *account, int64_t now)
{
	struct ocs_peer p = peer(address);

	return ocs_limiter_wait(limiter, &rule, &p, account, now);
}

static unsigned failed(const char *address, const char *account, int64_t now)
{
	struct ocs_peer p = peer(address);

	return ocs_limiter_failed(limiter, &rule, &p, account, now);
}

static void setup(void)
{
	limiter = ocs_limiter_new(1000);
}

static void teardown(void)
{
	ocs_limiter_free(limiter);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(the_limit_is_reached_with_the_last_allowed_failure)
{
	failed("192.0.2.1", "a", 0);
	failed("192.0.2.1", "a", 1000);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 2000), 0);
	failed("192.0.2.1", "a", 2000);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 2000), 8);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 2001), 8);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 3000), 7);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 9999), 1);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 10000), 0);
	/* a new window starts from nothing */
	failed("192.0.2.1", "a", 10000);
	failed("192.0.2.1", "a", 10000);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 10000), 0);
	failed("192.0.2.1", "a", 10000);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 10000), 10);
}

TEST(the_failure_that_locks_is_told_once_in_a_window)
{
	char name[16];

	for (int i = 1; i <= 5; i++)
		ck_assert_uint_eq(failed("192.0.2.1", "a", i),
		                  i == 3 ? OCS_LIMITER_ACCOUNT : OCS_LIMITER_OPEN);
	for (int i = 6; i <= 32; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_uint_eq(failed("192.0.2.1", name, i),
		                  i == 30 ? OCS_LIMITER_ADDRESS : OCS_LIMITER_OPEN);
	}
	for (int i = 1; i <= 3; i++)
		ck_assert_uint_eq(failed("192.0.2.1", "a", 20000 + i),
		                  i == 3 ? OCS_LIMITER_ACCOUNT : OCS_LIMITER_OPEN);
}

TEST(pairs_are_counted_apart)
{
	for (int i = 0; i < 3; i++)
		failed("192.0.2.1", "a", 0);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 0), 10);
	ck_assert_uint_eq(wait_for("192.0.2.1", "b", 0), 0);
	ck_assert_uint_eq(wait_for("192.0.2.2", "a", 0), 0);
}

TEST(an_address_has_ten_times_as_many_and_loopback_no_such_limit)
{
	static const char *const address[] = {"192.0.2.1", "2001:db8::1", "127.0.0.1", "::1",
	                                      "::ffff:127.0.0.1"};
	char name[16];

	for (int a = 0; a < 5; a++) {
		for (int i = 0; i < 30; i++) {
			ck_assert_uint_eq(wait_for(address[a], "fresh", 0), 0);
			snprintf(name, sizeof(name), "n%d", i);
			failed(address[a], name, 0);
		}
		ck_assert_uint_eq(wait_for(address[a], "fresh", 0), a < 2 ? 10 : 0);
	}
	for (int i = 0; i < 3; i++)
		failed("127.0.0.1", "a", 0);
	ck_assert_uint_eq(wait_for("127.0.0.1", "a", 0), 10);
}

TEST(ipv6_counts_by_64_bits_and_mapped_ipv4_as_ipv4)
{
	for (int i = 0; i < 3; i++)
		failed("2001:db8:1:2::1", "a", 0);
	ck_assert_uint_eq(wait_for("2001:db8:1:2:ffff::9", "a", 0), 10);
	ck_assert_uint_eq(wait_for("2001:db8:1:3::1", "a", 0), 0);
	for (int i = 0; i < 3; i++)
		failed("::ffff:192.0.2.7", "a", 0);
	ck_assert_uint_eq(wait_for("192.0.2.7", "a", 0), 10);
	ck_assert_uint_eq(wait_for("192.0.2.8", "a", 0), 0);
}

TEST(a_full_table_forgets_its_oldest_window)
{
	char name[16];

	ocs_limiter_free(limiter);
	limiter = ocs_limiter_new(4);
	for (int n = 0; n < 5; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		for (int i = 0; i < 3; i++)
			failed("127.0.0.1", name, n);
	}
	ck_assert_uint_eq(wait_for("127.0.0.1", "n0", 5), 0);
	for (int n = 1; n < 5; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		ck_assert_uint_eq(wait_for("127.0.0.1", name, 5), 10);
	}
}

static enum ocs_auth_result put(struct ocs_challenges *c, const char *address, unsigned limit,
                                int64_t now, struct ocs_auth_reply *reply)
{
	struct ocs_peer p = peer(address);
	struct ocs_challenge *challenge = ocs_challenge_new();

	ck_assert_ptr_nonnull(challenge);
	memset(reply, 0, sizeof(*reply));
	return ocs_challenges_put(c, challenge, &p, limit, 60, now, reply);
}

TEST(a_taken_challenge_makes_room_for_its_address)
{
	struct ocs_challenges *c = ocs_challenges_new();
	struct ocs_auth_reply reply, full;

	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(put(c, "192.0.2.1", 8, i, &reply), OCS_AUTH_OK);
		ck_assert_int_eq(put(c, "192.0.2.1", 8, i, &full), OCS_AUTH_OVERLOADED);
		ck_assert_uint_eq(full.retry_after, 60);
		struct ocs_auth_cookies cookies = {reply.cookie_session, reply.cookie_token};
		struct ocs_challenge *taken = ocs_challenges_take(c, &cookies, i);
		ck_assert_ptr_nonnull(taken);
		ocs_challenge_free(taken);
		ck_assert_ptr_null(ocs_challenges_take(c, &cookies, i));
	}
	ck_assert_uint_eq(ocs_challenges_count(c, 100), 0);
	ocs_challenges_free(c);
}

TEST(one_address_never_fills_the_table_for_others)
{
	struct ocs_challenges *c = ocs_challenges_new();
	struct ocs_auth_reply reply;
	char address[32];

	for (int host = 1; host <= 7; host++) {
		snprintf(address, sizeof(address), "192.0.2.%d", host);
		while (put(c, address, 64, 0, &reply) == OCS_AUTH_OK)
			continue;
		ck_assert_uint_eq(ocs_challenges_count(c, 0), (size_t)host * 8);
	}
	ck_assert_int_eq(put(c, "198.51.100.1", 64, 0, &reply), OCS_AUTH_OK);
	while (put(c, "127.0.0.1", 64, 0, &reply) == OCS_AUTH_OK)
		continue;
	ck_assert_uint_eq(ocs_challenges_count(c, 59999), 64);
	ck_assert_uint_eq(ocs_challenges_count(c, 60000), 0);
	ocs_challenges_free(c);
}

static void *take_slot(void *slots)
{
	return ocs_slots_take(slots) ? slots : NULL;
}

TEST(slots_queue_up_to_their_bounds)
{
	struct ocs_slots *slots = ocs_slots_new(1, 1, 10000), *none = ocs_slots_new(1, 0, 10000),
	                 *brief = ocs_slots_new(1, 5, 20);
	pthread_t thread;
	void *got;

	/* the one that waits gets the slot when it is given back */
	ck_assert(ocs_slots_take(slots));
	ck_assert_int_eq(pthread_create(&thread, NULL, take_slot, slots), 0);
	ocs_slots_give(slots);
	ck_assert_int_eq(pthread_join(thread, &got), 0);
	ck_assert_ptr_eq(got, slots);
	/* a queue of none refuses at once, a brief one after its time */
	ck_assert(ocs_slots_take(none));
	ck_assert(!ocs_slots_take(none));
	ck_assert(ocs_slots_take(brief));
	ck_assert(!ocs_slots_take(brief));
	ocs_slots_give(brief);
	ck_assert(ocs_slots_take(brief));
	ocs_slots_free(slots);
	ocs_slots_free(none);
	ocs_slots_free(brief);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Counting failed logins: what locks what, for how long, and what no attacker can undo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/counters.h"
#include "auth/known.h"
#include "auth/limiter.h"
#include "tests/unit/auth/origin_rig.h"
#include "tests/unit/unit.h"

#define DAY 86400000LL

static struct ocs_limiter_rule rule;
static struct ocs_limiter *limiter;

static unsigned wait_for(const char *address, const char *account, int64_t now)
{
	struct ocs_origin origin = origin_of(address, account);
	bool spared;
	unsigned wait = ocs_limiter_wait(limiter, &rule, &origin, now, &spared);

	return spared ? 0 : wait;
}

static unsigned failed(const char *address, const char *account, int64_t now)
{
	struct ocs_origin origin = origin_of(address, account);

	return ocs_limiter_failed(limiter, &rule, &origin, now);
}

static void succeeded(const char *address, const char *account, int64_t now)
{
	struct ocs_origin origin = origin_of(address, account);

	ocs_limiter_succeeded(limiter, &origin, now);
}

/* As a client does: whether the attempt was looked at. */
static bool guess(const char *address, const char *account, int64_t now)
{
	if (wait_for(address, account, now) > 0)
		return false;
	failed(address, account, now);
	return true;
}

static unsigned guesses(const char *address, const char *account, unsigned most, int64_t now)
{
	unsigned n = 0;

	while (n < most && guess(address, account, now))
		n++;
	return n;
}

static const char *name_of(unsigned n)
{
	static char name[16];

	snprintf(name, sizeof(name), "n%u", n);
	return name;
}

static struct ocs_auth_counts counts(int64_t now)
{
	struct ocs_auth_counts out = {0};

	ocs_limiter_count(limiter, now, &out);
	return out;
}

static void setup(void)
{
	rule = (struct ocs_limiter_rule){.failures = 3, .window = 10};
	limiter = ocs_limiter_new();
	ck_assert_ptr_nonnull(limiter);
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
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 2000), 10);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 2001), 10);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 3000), 9);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 11999), 1);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 12000), 0);
}

TEST(failures_count_within_the_window_that_the_first_one_opens)
{
	for (int round = 0; round < 5; round++) {
		failed("192.0.2.1", "a", round * 10000);
		failed("192.0.2.1", "a", round * 10000 + 9999);
		ck_assert_uint_eq(wait_for("192.0.2.1", "a", round * 10000 + 9999), 0);
	}
}

TEST(each_lock_is_twice_as_long_up_to_eight_windows)
{
	static const unsigned seconds[] = {10, 20, 40, 80, 80, 80};
	int64_t now = 0;

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		ck_assert_uint_eq(guesses("192.0.2.1", "a", 100, now), 3);
		ck_assert_uint_eq(wait_for("192.0.2.1", "a", now), seconds[i]);
		now += seconds[i] * 1000;
	}
	/* calm is counted from the end of the lock */
	now += 79999;
	ck_assert_uint_eq(guesses("192.0.2.1", "a", 100, now), 3);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", now), 80);
	now += 80000 + 80000;
	ck_assert_uint_eq(guesses("192.0.2.1", "a", 100, now), 3);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", now), 10);
}

TEST(what_comes_while_it_is_locked_changes_nothing)
{
	for (int i = 0; i < 50; i++)
		failed("192.0.2.1", "a", 0);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 0), 10);
	ck_assert_uint_eq(guesses("192.0.2.1", "a", 100, 10000), 3);
	ck_assert_uint_eq(wait_for("192.0.2.1", "a", 10000), 20);
}

TEST(a_login_that_was_right_takes_no_failure_back)
{
	unsigned looked_at = 0;

	/* a client that logs in all the time, and another one behind its address */
	for (unsigned i = 0; i < 100; i++) {
		if (wait_for("192.0.2.1", "a", 0) == 0)
			succeeded("192.0.2.1", "a", 0);
		looked_at += guesses("192.0.2.1", "a", 2, 0);
	}
	ck_assert_uint_eq(looked_at, 3);
}

TEST(the_failure_that_locks_is_told_once)
{
	for (int i = 1; i <= 5; i++)
		ck_assert_uint_eq(failed("192.0.2.1", "a", i), i == 3 ? 1u << OCS_ORIGIN_PAIR : 0);
	/* five of thirty */
	for (unsigned i = 6; i <= 32; i++)
		ck_assert_uint_eq(failed("192.0.2.1", name_of(i), (int64_t)i),
		                  i == 30 ? 1u << OCS_ORIGIN_ADDRESS : 0);
}

TEST(pairs_are_counted_apart_and_names_without_case)
{
	for (int i = 0; i < 3; i++)
		failed("192.0.2.1", i == 1 ? "Anna" : "anna", 0);
	ck_assert_uint_eq(wait_for("192.0.2.1", "ANNA", 0), 10);
	ck_assert_uint_eq(wait_for("192.0.2.1", "b", 0), 0);
	ck_assert_uint_eq(wait_for("192.0.2.2", "anna", 0), 0);
}

TEST(an_address_has_ten_times_as_many)
{
	static const char *const address[] = {"192.0.2.1", "2001:db8::1", "::ffff:198.51.100.7"};

	for (int a = 0; a < 3; a++) {
		for (unsigned i = 0; i < 30; i++) {
			ck_assert_uint_eq(wait_for(address[a], "fresh", 0), 0);
			failed(address[a], name_of(i), 0);
		}
		ck_assert_uint_eq(wait_for(address[a], "fresh", 0), 10);
	}
	ck_assert_uint_eq(wait_for("192.0.2.2", "fresh", 0), 0);
}

TEST(loopback_is_spared_by_a_rule_that_can_be_switched_off)
{
	static const char *const address[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1",
	                                      NULL};

	for (int counted = 0; counted < 2; counted++) {
		rule.count_loopback = counted;
		for (int a = 0; a < 5; a++) {
			for (unsigned i = 0; i < 30; i++)
				failed(address[a], name_of(i), counted * DAY);
			ck_assert_uint_eq(wait_for(address[a], "fresh", counted * DAY) > 0,
			                  (unsigned)counted);
		}
	}
	/* its pairs are counted in any case */
	rule.count_loopback = false;
	ck_assert_uint_eq(guesses("127.0.0.1", "a", 100, 3 * DAY), 3);
}

TEST(a_known_pair_gets_in_where_others_have_locked_the_address)
{
	succeeded("192.0.2.1", "owner", 0);
	for (unsigned i = 0; i < 500; i++)
		guess("192.0.2.1", name_of(i), 1000);
	ck_assert_uint_eq(wait_for("192.0.2.1", "fresh", 1000), 10);
	ck_assert_uint_eq(wait_for("192.0.2.1", "owner", 1000), 0);
	/* though it is not told: all others wait */
	struct ocs_origin origin = origin_of("192.0.2.1", "owner");
	ck_assert_uint_eq(ocs_limiter_wait(limiter, &rule, &origin, 1000, NULL), 10);
	/* as long as it is right itself, */
	ck_assert_uint_eq(guesses("192.0.2.1", "owner", 100, 1000), 3);
	/* and for thirty days */
	for (unsigned i = 0; i < 500; i++)
		guess("192.0.2.1", name_of(i), 30 * DAY - 1);
	ck_assert_uint_eq(wait_for("192.0.2.1", "owner", 30 * DAY - 1), 0);
	ck_assert_uint_gt(wait_for("192.0.2.1", "owner", 30 * DAY), 0);
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

TEST(who_hops_through_a_prefix_has_forty_times_as_many)
{
	static const struct {
		const char *inside, *outside;
	} nets[] = {{"2001:db8:1:ffff::1", "2001:db8:2::1"}, {"192.0.2.255", "192.0.3.1"}};

	for (int n = 0; n < 2; n++) {
		char address[40];
		unsigned looked_at = 0;

		for (unsigned i = 0; i < 254; i++) {
			if (n == 0)
				snprintf(address, sizeof(address), "2001:db8:1:%x::1", i);
			else
				snprintf(address, sizeof(address), "192.0.2.%u", i);
			looked_at += guess(address, name_of(i), 0);
		}
		ck_assert_uint_eq(looked_at, 120);
		ck_assert_uint_eq(wait_for(nets[n].inside, "fresh", 0), 10);
		ck_assert_uint_eq(wait_for(nets[n].outside, "fresh", 0), 0);
	}
	ck_assert_uint_eq(counts(0).locked[OCS_ORIGIN_PREFIX], 2);
}

/* Each of that many addresses guesses one account's password as often as it may. */
static unsigned attack(unsigned addresses, int64_t now)
{
	unsigned looked_at = 0;
	char address[40];

	for (unsigned i = 0; i < addresses; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.1", i / 250, i % 250);
		looked_at += guesses(address, "victim", 100, now);
	}
	return looked_at;
}

TEST(an_account_attacked_from_ten_thousand_addresses_lets_its_owner_in)
{
	rule = (struct ocs_limiter_rule){.failures = 10, .window = 300};
	succeeded("10.0.5.7", "victim", 0);
	/* a hundred failures until it is seen as an attack, from then on two for each address */
	ck_assert_uint_le(attack(10000, 1000), 100 + 2 * 10000);
	ck_assert_uint_eq(counts(1000).locked[OCS_ORIGIN_ACCOUNT], 1);
	/* from where they have been, also beside an attacker, and from anywhere else */
	ck_assert_uint_eq(wait_for("10.0.5.7", "victim", 1000), 0);
	ck_assert_uint_eq(wait_for("198.51.100.1", "victim", 1000), 0);
	ck_assert_uint_eq(wait_for("2001:db8::1", "victim", 1000), 0);
	/* a mistake is no lock for them either */
	failed("198.51.100.1", "victim", 1000);
	ck_assert_uint_eq(wait_for("198.51.100.1", "victim", 1000), 0);
	ck_assert_uint_eq(guesses("10.0.5.7", "victim", 100, 1000), 10);
	/* the attackers wait: next to nothing is looked at, but of those whose counters had no
	 * place among ten thousand, once more */
	ck_assert_uint_le(attack(10000, 2000), 100);
	/* the second round is as short, and then they wait twice as long */
	ck_assert_uint_le(attack(10000, 301000), 2 * 10000 + 100);
	ck_assert_uint_eq(wait_for("10.3.7.1", "victim", 301000), 600);
	/* calm ends it */
	ck_assert_uint_eq(guesses("203.0.113.1", "victim", 100, DAY), 10);
}

TEST(an_attack_from_few_prefixes_ends_at_their_limit)
{
	unsigned looked_at = 0;
	char address[40];

	rule = (struct ocs_limiter_rule){.failures = 10, .window = 300};
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(address, sizeof(address), "10.0.%u.%u", i / 250, i % 250);
		looked_at += guesses(address, name_of(i), 100, 0);
	}
	ck_assert_uint_eq(looked_at, 40 * 400);
}

TEST(other_names_do_not_push_a_lock_out)
{
	guesses("127.0.0.1", "victim", 100, 0);
	guesses("192.0.2.1", "victim", 100, 0);
	for (unsigned i = 0; i < 66800; i++)
		failed("127.0.0.1", name_of(i), 1000);
	ck_assert_uint_eq(wait_for("127.0.0.1", "victim", 1000), 9);
	ck_assert_uint_eq(wait_for("192.0.2.1", "victim", 1000), 9);
	/* nor do locks of others */
	for (unsigned i = 0; i < 66800; i++)
		guesses("127.0.0.1", name_of(i), 100, 2000);
	ck_assert_uint_eq(wait_for("127.0.0.1", "victim", 2000), 8);
	ck_assert_uint_gt(counts(2000).uncounted, 0);
}

TEST(one_address_with_other_names_is_locked_long_before_the_table_is_full)
{
	unsigned looked_at = 0;

	for (unsigned i = 0; i < 66800; i++)
		looked_at += guess("192.0.2.1", name_of(i), 0);
	ck_assert_uint_eq(looked_at, 30);
}

TEST(other_addresses_do_not_push_a_lock_out)
{
	char address[40];

	for (unsigned i = 0; i < 120; i++)
		guess("192.0.2.1", name_of(i), 0);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(address, sizeof(address), "2001:db8:9:%x::1", i);
		guess(address, name_of(i), 0);
	}
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		failed(address, name_of(i), 1000);
		snprintf(address, sizeof(address), "2001:db9:%x:%x::1", i >> 4, i & 0xffff);
		failed(address, name_of(i), 1000);
	}
	ck_assert_uint_eq(wait_for("192.0.2.1", "fresh", 1000), 9);
	ck_assert_uint_eq(wait_for("2001:db8:9:ffff::1", "fresh", 1000), 9);
}

TEST(memory_is_fixed)
{
	size_t size = ocs_limiter_size(limiter);

	ck_assert_uint_lt(size, 20 * 1024 * 1024);
	for (unsigned i = 0; i < 100000; i++)
		failed("127.0.0.1", name_of(i), 0);
	ck_assert_uint_eq(ocs_limiter_size(limiter), size);
	ck_assert_uint_eq(counts(0).locked[OCS_ORIGIN_PAIR], 0);
}

/* Of eight places, which every key has. */
TEST(eight_locks_keep_their_places_and_give_them_up_when_they_end)
{
	struct ocs_counters *table = ocs_counters_new(8, true);
	struct ocs_counter *counter;

	for (unsigned i = 0; i < 8; i++) {
		struct ocs_origin origin = origin_of("192.0.2.1", name_of(i));

		counter = ocs_counters_take(table, &origin, OCS_ORIGIN_PAIR, 10000, 0);
		ck_assert_ptr_nonnull(counter);
		ck_assert(ocs_counter_fail(counter, 1, false, 10000, i));
	}
	struct ocs_origin ninth = origin_of("192.0.2.1", "ninth");
	ck_assert_ptr_null(ocs_counters_take(table, &ninth, OCS_ORIGIN_PAIR, 10000, 9999));
	/* the first to end is the oldest */
	counter = ocs_counters_take(table, &ninth, OCS_ORIGIN_PAIR, 10000, 10000);
	ck_assert_ptr_nonnull(counter);
	struct ocs_origin first = origin_of("192.0.2.1", "n0"),
	                  second = origin_of("192.0.2.1", "n1");
	ck_assert_ptr_null(ocs_counters_find(table, first.key[OCS_ORIGIN_PAIR]));
	ck_assert_ptr_nonnull(ocs_counters_find(table, second.key[OCS_ORIGIN_PAIR]));
	ocs_counters_free(table);
}

/* That many failures at once; limit 1: as many locks, each after the end of the one before. Returns
 * when the last one was. */
static int64_t fail_in(struct ocs_counters *table, unsigned key, unsigned times, unsigned limit,
                       int64_t now)
{
	struct ocs_origin origin = origin_of("192.0.2.1", name_of(key));
	struct ocs_counter *counter =
	        ocs_counters_take(table, &origin, OCS_ORIGIN_PAIR, 10000, now);

	ck_assert_ptr_nonnull(counter);
	for (unsigned i = 0; i < times; i++) {
		now = limit == 1 && i > 0 ? counter->until : now;
		ck_assert_int_eq(ocs_counter_fail(counter, limit, false, 10000, now), limit == 1);
	}
	return now;
}

static bool is_kept(struct ocs_counters *table, unsigned key)
{
	struct ocs_origin origin = origin_of("192.0.2.1", name_of(key));

	return ocs_counters_find(table, origin.key[OCS_ORIGIN_PAIR]) != NULL;
}

/* Whose counter another one takes the place of, then; 8: nobody's. */
static unsigned displaced(struct ocs_counters *table, int64_t now)
{
	struct ocs_origin other = origin_of("192.0.2.1", "other");
	unsigned key = 0;

	if (!ocs_counters_take(table, &other, OCS_ORIGIN_PAIR, 10000, now))
		key = 8;
	while (key < 8 && is_kept(table, key))
		key++;
	ocs_counters_free(table);
	return key;
}

TEST(what_matters_least_gives_way)
{
	struct ocs_counters *table = ocs_counters_new(8, true);

	/* the fewest failures */
	for (unsigned i = 0; i < 8; i++)
		fail_in(table, i, i == 5 ? 1 : i + 2, 100, 0);
	ck_assert_uint_eq(displaced(table, 0), 5);

	/* before them those whose window is over */
	table = ocs_counters_new(8, true);
	for (unsigned i = 0; i < 8; i++)
		fail_in(table, i, i == 5 ? 50 : 1, 100, i == 5 ? 0 : 5000);
	ck_assert_uint_eq(displaced(table, 10000), 5);

	/* any number of failures before a lock that has ended, */
	table = ocs_counters_new(8, true);
	for (unsigned i = 0; i < 8; i++)
		fail_in(table, i, i == 5 ? 50 : 1, i == 5 ? 100 : 1, i == 5 ? 5000 : 0);
	ck_assert_uint_eq(displaced(table, 10000), 5);

	/* and two of these before one that has not */
	table = ocs_counters_new(8, true);
	int64_t end = fail_in(table, 5, 2, 1, 0) + 20000;
	for (unsigned i = 0; i < 8; i++)
		if (i != 5)
			fail_in(table, i, 1, 1, end - 1);
	ck_assert_uint_eq(displaced(table, end), 5);
	table = ocs_counters_new(8, true);
	fail_in(table, 5, 2, 1, 0);
	for (unsigned i = 0; i < 8; i++)
		if (i != 5)
			fail_in(table, i, 1, 1, end - 1);
	ck_assert_uint_eq(displaced(table, end - 1), 8);
}

TEST(only_its_own_logins_displace_where_an_account_is_known)
{
	struct ocs_known *known = ocs_known_new();
	struct ocs_origin origin;
	char address[40];

	origin = origin_of("192.0.2.1", "owner");
	ocs_known_add(known, &origin, 1);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		origin = origin_of(address, "other");
		ocs_known_add(known, &origin, 2 + i);
	}
	ck_assert(ocs_known_has(known, &origin, 20000));
	origin = origin_of("192.0.2.1", "owner");
	ck_assert(ocs_known_has(known, &origin, 20000));
	for (unsigned i = 0; i < OCS_KNOWN_ADDRESSES; i++) {
		ck_assert(ocs_known_has(known, &origin, 20000));
		snprintf(address, sizeof(address), "198.51.100.%u", i);
		struct ocs_origin place = origin_of(address, "owner");
		ocs_known_add(known, &place, 30000 + i);
		if (i == 7) /* whoever comes again is not the oldest */
			ocs_known_add(known, &origin, 30000 + i);
	}
	ck_assert(ocs_known_has(known, &origin, 40000));
	struct ocs_origin oldest = origin_of("198.51.100.0", "owner");
	ck_assert(!ocs_known_has(known, &oldest, 40000));
	ocs_known_free(known);
}

static const struct ocs_auth_lockout *listed(const struct ocs_auth_lockout *all, size_t count,
                                             enum ocs_origin_kind kind, const char *address,
                                             const char *account)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].kind == kind && strcmp(all[i].address, address) == 0 &&
		    strcmp(all[i].account, account) == 0)
			return &all[i];
	return NULL;
}

/* An account from two addresses, an address of each family, a prefix. */
static void lock_some(void)
{
	char address[40];

	guesses("127.0.0.1", "Anna", 100, 0);
	guesses("192.0.2.1", "anna", 100, 0);
	for (unsigned i = 0; i < 30; i++) {
		guess("198.51.100.1", name_of(i), 0);
		guess("2001:db8:5:6::1", name_of(i), 0);
	}
	for (unsigned i = 0; i < 120; i++) {
		snprintf(address, sizeof(address), "203.0.113.%u", i);
		guess(address, name_of(i), 0);
	}
}

TEST(what_is_locked_is_listed)
{
	struct ocs_auth_lockout all[16];
	const struct ocs_auth_lockout *one;

	lock_some();
	ck_assert_uint_eq(ocs_limiter_list(limiter, 4000, all, 16), 5);
	one = listed(all, 5, OCS_ORIGIN_PAIR, "192.0.2.1", "anna");
	ck_assert_ptr_nonnull(one);
	ck_assert_uint_eq(one->failures, 3);
	ck_assert_uint_eq(one->seconds, 6);
	ck_assert_ptr_nonnull(listed(all, 5, OCS_ORIGIN_PAIR, "127.0.0.1", "anna"));
	ck_assert_ptr_nonnull(listed(all, 5, OCS_ORIGIN_ADDRESS, "198.51.100.1", ""));
	ck_assert_ptr_nonnull(listed(all, 5, OCS_ORIGIN_ADDRESS, "2001:db8:5:6::/64", ""));
	one = listed(all, 5, OCS_ORIGIN_PREFIX, "203.0.113.0/24", "");
	ck_assert_ptr_eq(one, &all[0]);
	ck_assert_uint_eq(one->failures, 120);
	/* as many as there is room for, and how many there are */
	ck_assert_uint_eq(ocs_limiter_list(limiter, 4000, all, 2), 5);
	ck_assert_uint_eq(ocs_limiter_list(limiter, 10000, all, 16), 0);
}

TEST(an_attacked_account_is_listed)
{
	struct ocs_auth_lockout all[64];
	char address[40];

	for (unsigned i = 0; i < 30; i++) {
		snprintf(address, sizeof(address), "10.0.%u.1", i);
		ck_assert_uint_eq(failed(address, "anna", 0),
		                  i < 29 ? 0 : 1u << OCS_ORIGIN_ACCOUNT | 1u << OCS_ORIGIN_PAIR);
	}
	ck_assert_uint_eq(ocs_limiter_list(limiter, 0, all, 64), 2);
	ck_assert_ptr_nonnull(listed(all, 2, OCS_ORIGIN_ACCOUNT, "", "anna"));
	ck_assert_uint_eq(ocs_limiter_clear(limiter, "ANNA", NULL, 0), 2);
	ck_assert_uint_eq(guesses("198.51.100.1", "anna", 100, 0), 3);
}

static size_t clear(const char *text)
{
	struct ocs_limiter_net net;

	ck_assert_int_eq(ocs_limiter_net_parse(text, &net), 0);
	return ocs_limiter_clear(limiter, NULL, &net, 0);
}

TEST(what_refuses_an_account_an_address_or_a_net_can_be_cleared)
{
	lock_some();
	ck_assert_uint_eq(ocs_limiter_clear(limiter, "anna", NULL, 0), 2);
	ck_assert_uint_eq(wait_for("192.0.2.1", "anna", 0), 0);
	ck_assert_uint_eq(clear("198.51.100.2"), 0);
	ck_assert_uint_eq(clear("198.51.100.1"), 1);
	ck_assert_uint_eq(wait_for("198.51.100.1", "fresh", 0), 0);
	ck_assert_uint_eq(clear("2001:db8:5:6::ffff"), 1);
	ck_assert_uint_eq(wait_for("2001:db8:5:6::1", "fresh", 0), 0);
	/* the prefix that an address is in refuses it too */
	ck_assert_uint_eq(wait_for("203.0.113.200", "fresh", 0), 10);
	ck_assert_uint_eq(clear("203.0.113.200"), 1);
	ck_assert_uint_eq(wait_for("203.0.113.200", "fresh", 0), 0);

	lock_some();
	ck_assert_uint_eq(clear("2001:db8::/32"), 1);
	ck_assert_uint_eq(clear("198.51.100.0/23"), 1);
	ck_assert_uint_eq(ocs_limiter_clear(limiter, NULL, NULL, 0), 3);
	ck_assert_uint_eq(wait_for("192.0.2.1", "anna", 0), 0);
	ck_assert_uint_eq(wait_for("203.0.113.1", "fresh", 0), 0);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {"",
	                                  "anna",
	                                  "192.0.2",
	                                  "192.0.2.1/",
	                                  "1.2.3.4/x",
	                                  "1.2.3.4/33",
	                                  "1.2.3.4/129",
	                                  "2001:db8::1/129",
	                                  "::ffff:192.0.2.1/95",
	                                  "::ffff:192.0.2.1/129",
	                                  "1.2.3.4/-1",
	                                  "::g",
	                                  "1.2.3.4/8 ",
	                                  "2001:db8::1%lo",
	                                  "11111111111111111111111111111111111111111111111111"};
	struct ocs_limiter_net net;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ocs_limiter_net_parse(bad[i], &net) == -1, "%s", bad[i]);
	ck_assert_int_eq(ocs_limiter_net_parse("2001:db8::1/128", &net), 0);
	ck_assert_uint_eq(net.bits, 64);
	ck_assert_int_eq(ocs_limiter_net_parse("::ffff:192.0.2.1", &net), 0);
	ck_assert_uint_eq(net.bits, 32);
	ck_assert_int_eq(ocs_limiter_net_parse("::ffff:192.0.2.1/120", &net), 0);
	ck_assert_uint_eq(net.bits, 24);
	ck_assert_int_eq(ocs_limiter_net_parse("192.0.2.1/32", &net), 0);
	ck_assert_uint_eq(net.bits, 32);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Logins between their two steps: whose challenges stay when there are too many. */
#include <stdio.h>
#include <string.h>

#include "auth/challenge.h"
#include "tests/unit/auth/origin_rig.h"
#include "tests/unit/unit.h"

static struct ocs_challenges *challenges;
static struct ocs_challenge_rule rule;

/* The cookies of a login that waits for its second step. */
struct begun {
	char session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
};

static struct begun begin(const char *address, const char *account, int64_t now)
{
	struct ocs_origin origin = origin_of(address, account);
	struct ocs_challenge *challenge = ocs_challenge_new();
	struct ocs_auth_reply reply = {.retry_after = 0};
	struct begun begun;

	ck_assert_ptr_nonnull(challenge);
	rule.spared = origin.peer.loopback;
	ck_assert_int_eq(ocs_challenges_put(challenges, challenge, &origin, &rule, now, &reply),
	                 OCS_AUTH_OK);
	strcpy(begun.session, reply.cookie_session);
	strcpy(begun.token, reply.cookie_token);
	return begun;
}

/* Whether its second step finds it. */
static bool ends(const struct begun *begun, int64_t now)
{
	const struct ocs_auth_cookies cookies = {begun->session, begun->token};
	struct ocs_challenge *taken = ocs_challenges_take(challenges, &cookies, now);

	ocs_challenge_free(taken);
	return taken != NULL;
}

static struct ocs_auth_counts counts(int64_t now)
{
	struct ocs_auth_counts out;

	ocs_challenges_count(challenges, now, &out);
	return out;
}

/* From START.i / 250.i % 250, or START:i::1. */
static void begin_many(const char *start, unsigned addresses, unsigned each, const char *account)
{
	for (unsigned i = 0; i < addresses * each; i++) {
		char address[40], name[16];
		unsigned n = i % addresses;

		if (strchr(start, ':'))
			snprintf(address, sizeof(address), "%s:%x::1", start, n);
		else
			snprintf(address, sizeof(address), "%s.%u.%u", start, n / 250, n % 250);
		snprintf(name, sizeof(name), "n%u", i);
		begin(address, account ? account : name, 0);
	}
}

/* One address of each of that many prefixes. */
static void begin_far_apart(unsigned host, unsigned addresses, const char *account)
{
	for (unsigned i = 0; i < addresses; i++) {
		char address[40], name[16];

		snprintf(address, sizeof(address), "10.%u.%u.%u", i / 250, i % 250, host);
		snprintf(name, sizeof(name), "n%u", i);
		begin(address, account ? account : name, 0);
	}
}

static void setup(void)
{
	challenges = ocs_challenges_new();
	ck_assert_ptr_nonnull(challenges);
	rule = (struct ocs_challenge_rule){.limit = 64, .ttl = 60};
}

static void teardown(void)
{
	ocs_challenges_free(challenges);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_challenge_is_taken_once_and_ends)
{
	struct begun a = begin("192.0.2.1", "a", 0), b = begin("192.0.2.1", "b", 0);

	ck_assert(ends(&a, 59999));
	ck_assert(!ends(&a, 59999));
	ck_assert_uint_eq(counts(59999).pending_challenges, 1);
	ck_assert(!ends(&b, 60000));
	begin("192.0.2.1", "c", 0);
	ck_assert_uint_eq(counts(60000).pending_challenges, 0);
	ck_assert_uint_eq(counts(60000).displaced_challenges, 0);
}

TEST(an_address_displaces_its_own_oldest)
{
	struct begun other = begin("192.0.2.2", "a", 0), first = begin("192.0.2.1", "a", 0),
	             second = begin("192.0.2.1", "a", 0);

	for (int i = 0; i < 7; i++)
		begin("192.0.2.1", i < 4 ? "b" : "c", 0);
	ck_assert_uint_eq(counts(0).pending_challenges, 9);
	ck_assert_uint_eq(counts(0).displaced_challenges, 1);
	ck_assert(!ends(&first, 0));
	ck_assert(ends(&second, 0));
	ck_assert(ends(&other, 0));
}

TEST(a_prefix_has_a_quarter_of_the_table)
{
	struct begun other = begin("198.51.100.1", "a", 0);

	begin_many("192.0", 250, 2, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 1 + 16);
	begin_many("2001:db8:1", 250, 2, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 1 + 2 * 16);
	ck_assert(ends(&other, 0));
}

TEST(an_account_has_a_quarter_and_its_heaviest_prefix_gives_way)
{
	struct begun owner = begin("198.51.100.1", "victim", 0),
	             other = begin("192.0.2.1", "other", 0);

	begin_many("10.0", 16, 1, "victim");
	ck_assert_uint_eq(counts(0).pending_challenges, 17);
	/* one address from each of many prefixes */
	begin_far_apart(1, 15, "victim");
	ck_assert_uint_eq(counts(0).pending_challenges, 17);
	ck_assert(ends(&owner, 0));
	ck_assert(ends(&other, 0));
}

TEST(in_a_full_table_the_oldest_of_the_heaviest_prefix_gives_way)
{
	struct begun light = begin("198.51.100.1", "a", 0), heavy = begin("203.0.113.1", "b", 0);

	for (unsigned i = 0; i < 7; i++) {
		char address[40];

		snprintf(address, sizeof(address), "203.0.113.%u", i + 2);
		begin(address, "b", 0);
	}
	begin_far_apart(1, 55, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 64);
	ck_assert_uint_eq(counts(0).displaced_challenges, 0);
	struct begun late = begin("192.0.2.1", "f", 0);
	ck_assert_uint_eq(counts(0).pending_challenges, 64);
	ck_assert(!ends(&heavy, 0));
	ck_assert(ends(&light, 0));
	ck_assert(ends(&late, 0));
}

TEST(five_thousand_logins_of_a_stranger_keep_nobody_out)
{
	struct begun before, after;

	rule.limit = 4096;
	before = begin("198.51.100.1", "a", 0);
	begin_many("192.0", 1, 5000, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 1 + 512);
	after = begin("198.51.100.2", "a", 0);
	ck_assert(ends(&before, 0));
	ck_assert(ends(&after, 0));
	/* from ten thousand addresses: whoever goes on within four thousand of them gets in */
	begin_far_apart(1, 10000, NULL);
	after = begin("198.51.100.2", "a", 0);
	begin_far_apart(2, 4000, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 4096);
	ck_assert(ends(&after, 0));
}

TEST(loopback_may_fill_the_table_and_gives_way_to_others_and_itself)
{
	struct begun first = begin("127.0.0.1", "n", 0), other;

	begin_many("127.0", 1, 63, NULL);
	ck_assert_uint_eq(counts(0).pending_challenges, 64);
	other = begin("192.0.2.1", "a", 0);
	ck_assert_uint_eq(counts(0).pending_challenges, 64);
	ck_assert(!ends(&first, 0));
	begin_many("127.0", 1, 63, NULL);
	ck_assert(ends(&other, 0));
	other = begin("127.0.0.1", "a", 0);
	ck_assert(ends(&other, 0));
	ck_assert_uint_le(counts(0).pending_challenges, 64);
}

TEST(a_smaller_table_is_emptied_to_its_new_limit)
{
	for (unsigned i = 0; i < 4; i++)
		begin_many("127.0", 1, 16, NULL);
	rule.limit = 8;
	begin("192.0.2.1", "a", 0);
	ck_assert_uint_eq(counts(0).pending_challenges, 8);
	rule.limit = 1;
	struct begun last = begin("192.0.2.2", "a", 0);
	ck_assert_uint_eq(counts(0).pending_challenges, 1);
	ck_assert(ends(&last, 0));
}

/* Any order of beginnings, endings and displacements leaves the shares as they should be. */
TEST(the_shares_stay_true)
{
	struct begun begun[200] = {0};
	unsigned seed = 1;

	rule.limit = 50;
	for (unsigned i = 0; i < 20000; i++) {
		char address[40], name[16];

		seed = seed * 1103515245 + 12345;
		unsigned r = seed >> 8;
		snprintf(address, sizeof(address), "10.0.%u.%u", r % 7, r / 7 % 3);
		snprintf(name, sizeof(name), "n%u", r / 21 % 9);
		if (r & 0x10000)
			begun[i % 200] = begin(address, name, i);
		else
			ends(&begun[r % 200], i);
		ck_assert_uint_le(counts(i).pending_challenges, 50);
	}
	ck_assert_uint_eq(counts(100000).pending_challenges, 0);
}

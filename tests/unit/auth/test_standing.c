/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What is known of a directory's accounts between two questions. */
#include "auth/standing.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define DAY 86400000

static const uint8_t mac[OCS_ACCOUNT_MAC] = {1, 2, 3}, other[OCS_ACCOUNT_MAC] = {1, 2, 4};
static struct ocs_standing standing;
static bool urgent;

static bool stands(const char *name, const uint8_t *with, int64_t now)
{
	return ocs_standing_ask(&standing, name, with, DAY, now, &urgent);
}

static void clear(void)
{
	ocs_standing_clear(&standing);
}

TESTS_HAVE(.teardown = clear);

TEST(an_account_of_whom_nothing_is_known_stands_and_is_asked_for_at_once)
{
	int64_t due;

	ck_assert(stands("jdoe", mac, 1000));
	ck_assert(urgent);
	ck_assert(stands("jdoe", other, 1001));
	ck_assert(!urgent);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 1001, &due), "jdoe");
}

TEST(one_that_is_there_stands_with_its_own_mark)
{
	int64_t due;

	ck_assert(ocs_standing_set(&standing, "jdoe", mac, DAY, 61000, 1000));
	ck_assert(stands("jdoe", mac, 1500));
	ck_assert(!urgent);
	ck_assert(!ocs_standing_set(&standing, "jdoe", mac, 0, 62000, 2000));
	ck_assert_ptr_null(ocs_standing_due(&standing, 0, 61999, &due));
	ck_assert_int_eq(due, 62000);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 62000, &due), "jdoe");
}

TEST(another_mark_does_not_stand_and_makes_it_asked_for_but_not_too_often)
{
	int64_t due;

	ocs_standing_set(&standing, "jdoe", mac, DAY, 61000, 1000);
	ck_assert(!stands("jdoe", other, 1500));
	ck_assert(!urgent);
	ck_assert(!stands("jdoe", other, 2000));
	ck_assert(urgent);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 2000, &due), "jdoe");
	ck_assert(ocs_standing_set(&standing, "jdoe", other, 0, 62000, 2100));
	ck_assert(stands("jdoe", other, 2200));
	ck_assert(!stands("jdoe", mac, 2300));
}

TEST(one_that_is_gone_does_not_stand_until_it_comes_back)
{
	stands("jdoe", mac, 1000);
	ck_assert(ocs_standing_set(&standing, "jdoe", NULL, 0, 61000, 1000));
	ck_assert(!stands("jdoe", mac, 1500));
	ck_assert(!ocs_standing_set(&standing, "jdoe", NULL, 0, 61000, 2000));
	ck_assert(ocs_standing_set(&standing, "jdoe", mac, 0, 61000, 3000));
	ck_assert(stands("jdoe", mac, 3500));
	ck_assert(!ocs_standing_set(&standing, "nobody", NULL, 0, 61000, 3000));
	ck_assert_uint_eq(ocs_standing_count(&standing), 1);
}

TEST(whoever_is_due_first_is_asked_for_first)
{
	int64_t due;

	ocs_standing_set(&standing, "a", mac, DAY, 2000, 1000);
	ocs_standing_set(&standing, "b", mac, DAY, 2001, 1001);
	stands("c", mac, 1500);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 1500, &due), "c");
	ocs_standing_set(&standing, "c", mac, 0, 2500, 1500);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 2500, &due), "a");
	ocs_standing_set(&standing, "a", mac, 0, 3500, 2500);
	ck_assert_str_eq(ocs_standing_due(&standing, 0, 2500, &due), "b");
}

TEST(those_whose_tokens_have_ended_are_forgotten)
{
	int64_t due;

	ocs_standing_set(&standing, "a", mac, 5000, 2000, 1000);
	ocs_standing_set(&standing, "b", mac, 9000, 2001, 1000);
	ck_assert_str_eq(ocs_standing_due(&standing, 4999, 3000, &due), "a");
	ck_assert_str_eq(ocs_standing_due(&standing, 5000, 3000, &due), "b");
	ck_assert_uint_eq(ocs_standing_count(&standing), 1);
	ck_assert_ptr_null(ocs_standing_due(&standing, 9000, 3000, &due));
	ck_assert(due == INT64_MAX);
}

TEST(whatever_is_said_of_a_name_is_told_apart)
{
	uint64_t told;

	ck_assert_uint_eq(ocs_standing_told(&standing, "jdoe"), 0);
	stands("jdoe", mac, 1000);
	ck_assert_uint_eq(ocs_standing_told(&standing, "jdoe"), 0);
	ocs_standing_set(&standing, "jdoe", mac, DAY, 61000, 1000);
	told = ocs_standing_told(&standing, "jdoe");
	ck_assert_uint_ne(told, 0);
	stands("jdoe", mac, 1000);
	ocs_standing_set(&standing, "other", mac, DAY, 61000, 1000);
	ck_assert_uint_eq(ocs_standing_told(&standing, "jdoe"), told);
	ocs_standing_set(&standing, "jdoe", mac, DAY, 61000, 1000);
	ck_assert_uint_ne(ocs_standing_told(&standing, "jdoe"), told);
}

TEST(there_is_a_bound)
{
	char name[32];

	for (int i = 0; i < OCS_STANDING_MAX + 10; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		ocs_standing_set(&standing, name, mac, DAY, i, i);
	}
	ck_assert_uint_eq(ocs_standing_count(&standing), OCS_STANDING_MAX);
	ck_assert(stands("u0", mac, 1));
	ck_assert(!stands("u0", other, 1));
	ck_assert(stands(name, mac, 1));
}

TEST(who_is_gone_is_forgotten_last)
{
	char name[32];

	for (int i = 0; i < OCS_STANDING_MAX; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		ocs_standing_set(&standing, name, mac, DAY, i, i);
	}
	ocs_standing_set(&standing, "u7", NULL, 0, OCS_STANDING_MAX, OCS_STANDING_MAX);
	ocs_standing_set(&standing, "new", mac, DAY, OCS_STANDING_MAX, OCS_STANDING_MAX);
	ck_assert_uint_eq(ocs_standing_count(&standing), OCS_STANDING_MAX);
	ck_assert(!stands("u7", mac, OCS_STANDING_MAX));
	ck_assert(stands(name, other, OCS_STANDING_MAX)); /* it was forgotten */
	ocs_standing_clear(&standing);
	for (int i = 0; i < OCS_STANDING_MAX; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		stands(name, mac, i);
		ocs_standing_set(&standing, name, NULL, 0, i, i);
	}
	ocs_standing_set(&standing, "new", mac, DAY, OCS_STANDING_MAX, OCS_STANDING_MAX);
	ck_assert_uint_eq(ocs_standing_count(&standing), OCS_STANDING_MAX);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How a unit test is written. Each registers itself with the main() of unit.c, which gives them to
 * libcheck in the order of their lines: each runs in a process of its own, with ck_assert_...().
 *
 *     TESTS_HAVE(.setup = make_folder, .teardown = remove_folder);
 *
 *     TEST(a_queue_is_full_when_its_bound_is_reached)
 *     {
 *             ...
 *     }
 */
#ifndef OCS_UNIT_H
#define OCS_UNIT_H

#include <check.h>

/* Repetitions, of which chance or a long list makes each a little different: all of them in the
 * plain build, a quarter where a sanitizer makes each dear. It sees in one what it sees in all of
 * them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SOME_OF(n) (((n) + 3) / 4)
#else
#define UNIT_SOME_OF(n) (n)
#endif

/* What a file registers: a test, or what the tests in the lines below it have. */
struct unit_item {
	struct unit_item *next;
	int line;
	const TTest *const *test; /* NULL: not a test */
	int first, end;           /* of _i */
	SFun setup, teardown;     /* before and after each test, in its process */
};

void unit_register(struct unit_item *item);

#define UNIT_JOINED(a, b) a##b
#define UNIT_NAMED(a, b)  UNIT_JOINED(a, b)
#define UNIT_ITEM(name, ...)                                                                       \
	static struct unit_item name##_item;                                                       \
	__attribute__((constructor)) static void name##_register(void)                             \
	{                                                                                          \
		unit_register(&name##_item);                                                       \
	}                                                                                          \
	static struct unit_item name##_item = {.line = __LINE__, __VA_ARGS__}

/* A test, and one that runs for each _i from first to end - 1. */
#define TEST(name) LOOP_TEST(name, 0, 1)
#define LOOP_TEST(name, from, to)                                                                  \
	static const TTest *name;                                                                  \
	UNIT_ITEM(name, .test = &name, .first = from, .end = to);                                  \
	START_TEST(name)

/* .setup and .teardown, as above, of all tests from here to the next of these. */
#define TESTS_HAVE(...)      UNIT_HAVE(UNIT_NAMED(unit_have_, __LINE__), __VA_ARGS__)
#define UNIT_HAVE(name, ...) UNIT_ITEM(name, __VA_ARGS__)

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The main() of each program of unit tests: runs what its file has registered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "tests/unit/unit.h"

static struct unit_item *items;

static int by_line(const struct unit_item *a, const struct unit_item *b)
{
	return a->line - b->line;
}

/* The compiler may turn the order of constructors round: sorted by line. */
void unit_register(struct unit_item *item)
{
	LL_INSERT_INORDER(items, item, by_line);
}

int main(void)
{
	const char *name = program_invocation_short_name;
	Suite *suite = suite_create(name);
	TCase *tests = NULL;
	SRunner *runner;
	int run, failed;

	/* Seconds, for what hangs: on a machine with a load of 60 tests took 200. */
	if (setenv("CK_DEFAULT_TIMEOUT", "600", 0) != 0)
		return 1;
	for (const struct unit_item *item = items; item != NULL; item = item->next) {
		if (tests == NULL || item->test == NULL) {
			tests = tcase_create(name);
			suite_add_tcase(suite, tests);
		}
		if (item->test != NULL) {
			tcase_add_loop_test(tests, *item->test, item->first, item->end);
			continue;
		}
		tcase_add_checked_fixture(tests, item->setup, item->teardown);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (run == 0)
		fprintf(stderr, "%s has no test\n", name);
	return run > 0 && failed == 0 ? 0 : 1;
}

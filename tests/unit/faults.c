/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Each call of an operation fails once: see faults.h. */
#include "tests/unit/faults.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

/* An operation that never passes has a fault of its own. */
#define POINTS_MAX 20000

int faults_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		n++;
	closedir(folder);
	return n;
}

static char last[64];
static bool no_names;

const char *faults_last(void)
{
	return last;
}

bool faults_no_names(void)
{
	return no_names;
}

static bool try_one(const struct faults_operation *operation, enum calls_kind kind, int n,
                    bool lasts)
{
	int before, result;
	bool failed;

	if (operation->before != NULL)
		operation->before();
	before = faults_descriptors();
	snprintf(last, sizeof(last), "%s %d%s", calls_name(kind), n,
	         lasts ? " and all after it" : "");
	no_names = kind == CALLS_NAME && lasts;
	calls_fail(kind, n, lasts);
	result = operation->run();
	failed = calls_have_failed();
	ck_assert_msg(failed || result == 0, "%s: %d without a fault (%s)", operation->name, result,
	              last);
	if (operation->after != NULL)
		operation->after(result, failed);
	ck_assert_msg(faults_descriptors() <= before + operation->cached || !failed,
	              "%s, %s: a descriptor is left (%d)", operation->name, last, result);
	return failed;
}

/* How many there are without a fault. */
static int count_points(const struct faults_operation *operation, enum calls_kind kind)
{
	int result;

	if (operation->before != NULL)
		operation->before();
	calls_fail(kind, INT_MAX, false);
	atomic_store(&calls->seen[kind], 0);
	result = operation->run();
	(void)calls_have_failed();
	ck_assert_msg(result == 0, "%s: %d without a fault", operation->name, result);
	if (operation->after != NULL)
		operation->after(result, false);
	return atomic_load(&calls->seen[kind]);
}

unsigned faults_each_of(const struct faults_operation *operation, enum calls_kind kind)
{
	/* Those that are to be tried again would be for ever; and no disk writes half of all. */
	bool once = operation->without_all || kind == CALLS_WAIT || kind == CALLS_RANDOM ||
	            kind == CALLS_SHORT;
	int wanted = operation->points > 0 ? operation->points : FAULTS_POINTS;
	int count = count_points(operation, kind), step = 1;
	unsigned points = 0;

	if (getenv("OCS_TEST_LONG") == NULL)
		step += count / UNIT_SOME_OF(wanted);
	for (int lasts = 0; count > 0 && lasts <= (once ? 0 : 1); lasts++)
		for (int n = lasts; try_one(operation, kind, n, lasts != 0); n += step << lasts) {
			ck_assert_int_lt(n, POINTS_MAX);
			points++;
		}
	return points;
}

unsigned faults_each(const struct faults_operation *operation)
{
	unsigned points = 0;

	for (int kind = 0; kind < CALLS_N; kind++) {
		unsigned n;

		if ((operation->spared & 1u << kind) != 0 || kind == CALLS_OWN_MEMORY)
			continue;
		n = faults_each_of(operation, (enum calls_kind)kind);
		if (n > 0 && getenv("OCS_FAULT_REPORT") != NULL)
			printf("%s: %s %u\n", operation->name, calls_name((enum calls_kind)kind),
			       n);
		points += n;
	}
	return points;
}

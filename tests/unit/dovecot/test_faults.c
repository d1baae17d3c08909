/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool of the Dovecot plugin, with Dovecot's library, of which any call fails: what it took is
 * reported, in order; nothing is reported twice but where that it was could not be noted. */
#include "lib.h"

#include <sys/stat.h>
#include <unistd.h>

#include "plugins/dovecot/spool.h"
#include "tests/unit/faults.h"
#include "tests/unit/rig.h"

#define RECORDS_MAX 16384

static char folder[128];
static unsigned n_records, last_told, told[RECORDS_MAX];
static bool wanted[RECORDS_MAX];

static bool append_one(void)
{
	char xml[64];
	unsigned n = ++n_records;

	if (n >= RECORDS_MAX) /* libcheck's own words would take memory */
		abort();
	snprintf(xml, sizeof(xml), "<n>%u</n>", n);
	wanted[n] = ocs_spool_append(xml);
	return wanted[n];
}

static int append_some(void)
{
	int ret = 0;

	T_BEGIN
	{
		ocs_spool_init(folder);
		for (int i = 0; i < 3; i++)
			ret |= !append_one();
		ocs_spool_deinit();
	}
	T_END;
	return ret;
}

/* As whoever sends does, until nothing is left or it does not get on. */
static int report_all(void)
{
	const char *xml;
	off_t place;
	int got = -1;

	last_told = 0;
	T_BEGIN
	{
		ocs_spool_init(folder);
		if (!ocs_spool_usable() || ocs_spool_lock())
			for (int files = 0; files < 100 && ocs_spool_waiting(); files++) {
				while ((got = ocs_spool_read(&xml, &place)) == 1) {
					unsigned n = (unsigned)atoi(xml + 3);

					told[n < RECORDS_MAX ? n : 0]++;
					if (n < last_told) /* out of order */
						told[0]++;
					last_told = n;
					ocs_spool_done(place);
				}
				if (got < 0)
					break;
				ocs_spool_next();
			}
		ocs_spool_unlock();
		ocs_spool_deinit();
	}
	T_END;
	return got < 0 ? -1 : 0;
}

static void all_is_reported(int result, bool failed)
{
	/* That one was reported could not be written. */
	bool noting_failed = failed && (strncmp(faults_last(), "WRITE", 5) == 0 ||
	                                strncmp(faults_last(), "SHORT", 5) == 0);

	(void)result;
	(void)report_all();
	for (unsigned n = 1; n <= n_records; n++) {
		ck_assert_msg(!wanted[n] || told[n] > 0, "%s: record %u is lost", faults_last(), n);
		ck_assert_msg(told[n] <= 1 || noting_failed, "%s: record %u came %u times",
		              faults_last(), n, told[n]);
		wanted[n] = false;
		told[n] = 0;
	}
	ck_assert_msg(told[0] == 0, "%s: out of order, or never written", faults_last());
	T_BEGIN
	{
		ocs_spool_init(folder);
		ck_assert_msg(!ocs_spool_waiting(), "%s: something is left", faults_last());
		ocs_spool_deinit();
	}
	T_END;
}

static void some_wait(void)
{
	ck_assert_int_eq(append_some(), 0);
}

/* Root's is made by the spool itself, others' by the admin. */
static void make_spool_folder(void)
{
	char own[160];

	ck_assert_int_eq(mkdir(folder, 0755), 0);
	snprintf(own, sizeof(own), "%s/%u", folder, (unsigned)geteuid());
	ck_assert_int_eq(mkdir(own, 0700), 0);
}

static void setup(void)
{
	rig_make_folder();
	snprintf(folder, sizeof(folder), "%s/spool", rig_folder);
	if (geteuid() != 0)
		make_spool_folder();
	lib_init();
}

static void teardown(void)
{
	lib_deinit();
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(what_the_spool_took_is_reported_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "events are spooled", .after = all_is_reported, .run = append_some};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(15));
}

TEST(what_waits_is_reported_whatever_fails_meanwhile)
{
	static const struct faults_operation operation = {.name = "spooled events are reported",
	                                                  .before = some_wait,
	                                                  .after = all_is_reported,
	                                                  .run = report_all};

	some_wait();
	all_is_reported(report_all(), false);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(15));
}

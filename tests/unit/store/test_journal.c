/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The journal: what was written is there, whatever happened to its writer or to its end. */
#include "tests/unit/rig.h"

#include <sys/resource.h>

#include "store/journal.h"

static struct ocs_journal *journal;
static struct ocs_journal_damage damage;
static char seen[65536]; /* the records of the last opening, each followed by a blank */
static char path[256];

static int take_in(void *arg, const uint8_t *data, size_t len)
{
	size_t used = strlen(seen);

	(void)arg;
	ck_assert_uint_lt(used + len + 2, sizeof(seen));
	memcpy(seen + used, data, len);
	strcpy(seen + used + len, " ");
	return 0;
}

static const char *reopen(void)
{
	ocs_journal_close(journal);
	seen[0] = '\0';
	memset(&damage, 0, sizeof(damage));
	ck_assert_ok(ocs_journal_open(path, take_in, NULL, &journal, &damage, &rig_error));
	return seen;
}

static void setup(void)
{
	rig_make_folder();
	snprintf(path, sizeof(path), "%s", rig_path("test.log"));
	journal = NULL;
	ck_assert_str_eq(reopen(), "");
}

static void teardown(void)
{
	ocs_journal_close(journal);
	rig_remove_folder();
}

static void add(const char *record)
{
	ck_assert_ok(ocs_journal_add(journal, record, strlen(record), &rig_error));
}

static void write_it(const char *record)
{
	add(record);
	ck_assert_ok(ocs_journal_write(journal, true, &rig_error));
}

static off_t file_size(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

TESTS_HAVE(.setup = setup, .teardown = teardown, .timeout = 60);

TEST(records_come_back_in_order_and_only_those_that_were_written)
{
	write_it("one");
	add("two");
	add("three");
	ck_assert_ok(ocs_journal_write(journal, false, &rig_error));
	add("collected");
	ck_assert_str_eq(reopen(), "one two three ");
	ck_assert_uint_eq(damage.cut, 0);
	ck_assert_uint_eq(damage.skipped, 0);
	add("discarded");
	ocs_journal_discard(journal);
	write_it("four");
	ck_assert_int_eq(ocs_journal_write(journal, true, &rig_error), 0);
	ck_assert_str_eq(reopen(), "one two three four ");
	ck_assert_uint_eq(ocs_journal_size(journal), (uint64_t)file_size());
}

TEST(the_file_is_for_its_owner_alone_and_no_link_is_followed)
{
	struct ocs_journal *other;
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(symlink(path, rig_path("link.log")), 0);
	ck_assert_int_eq(
	        ocs_journal_open(rig_path("link.log"), take_in, NULL, &other, NULL, &rig_error),
	        -1);
	ck_assert_ptr_null(other);
}

TEST(an_empty_record_or_one_that_is_too_long_is_refused)
{
	uint8_t *data = calloc(1, OCS_JOURNAL_RECORD_MAX + 1);

	ck_assert_int_eq(ocs_journal_add(journal, data, 0, &rig_error), -1);
	ck_assert_int_eq(ocs_journal_add(journal, data, OCS_JOURNAL_RECORD_MAX + 1, &rig_error),
	                 -1);
	memset(data, 'x', OCS_JOURNAL_RECORD_MAX - 100);
	ck_assert_ok(ocs_journal_add(journal, data, OCS_JOURNAL_RECORD_MAX - 100, &rig_error));
	ck_assert_ok(ocs_journal_write(journal, false, &rig_error));
	ck_assert_uint_eq(strlen(reopen()), OCS_JOURNAL_RECORD_MAX - 100 + 1);
	free(data);
}

TEST(a_torn_end_is_cut_off_wherever_it_was_torn)
{
	off_t whole;

	write_it("one");
	whole = file_size();
	for (off_t torn = 1; torn < 8 + 10; torn++) {
		write_it("torn apart");
		ck_assert_int_eq(file_size(), whole + 18);
		ck_assert_int_eq(truncate(path, whole + torn), 0);
		ck_assert_str_eq(reopen(), "one ");
		ck_assert_uint_eq(damage.cut, (uint64_t)torn);
		ck_assert_uint_eq(damage.skipped, 0);
		ck_assert_int_eq(file_size(), whole);
	}
	/* A power cut can leave a file long and empty. */
	ck_assert_int_eq(truncate(path, whole + 4096), 0);
	ck_assert_str_eq(reopen(), "one ");
	ck_assert_uint_eq(damage.cut, 4096);
	write_it("two");
	ck_assert_str_eq(reopen(), "one two ");
	ck_assert_uint_eq(damage.cut, 0);
}

TEST(a_damaged_record_in_the_middle_costs_that_record_alone)
{
	write_it("one");
	write_it("two");
	write_it("three");
	rig_flip(path, "two", 3);
	ck_assert_str_eq(reopen(), "one three ");
	ck_assert_uint_eq(damage.skipped, 1);
	ck_assert_uint_eq(damage.cut, 0);
	write_it("four");
	ck_assert_str_eq(reopen(), "one three four ");
	ck_assert_uint_eq(damage.skipped, 1);
}

static int refuse(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	return len == 3 && memcmp(data, "two", 3) == 0 ? 1 : 0;
}

TEST(a_record_the_owner_refuses_ends_the_opening_and_leaves_the_file)
{
	struct ocs_journal *other;
	off_t size;

	write_it("one");
	write_it("two");
	write_it("three");
	size = file_size();
	ck_assert_int_eq(ocs_journal_open(path, refuse, NULL, &other, NULL, &rig_error), -1);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(file_size(), size);
	ck_assert_str_eq(reopen(), "one two three ");
}

/* Lets this process write that much to a file and no more. That goes for what check notes down too,
 * so nothing is asserted in the meantime. */
static void limit_files(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		abort();
}

LOOP_TEST(a_failed_write_leaves_the_file_as_it_was, 0, 2)
{
	off_t size;
	int ret;

	write_it("one");
	size = file_size();
	add("short");
	add("longer than is left");
	limit_files((rlim_t)size + 20); /* the second record fits by half */
	ret = ocs_journal_write(journal, _i == 1, &rig_error);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(ret, -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, path));
	ck_assert_int_eq(file_size(), size);
	ck_assert_uint_eq(ocs_journal_size(journal), (uint64_t)size);
	/* What was collected is dropped, and it goes on. */
	write_it("two");
	write_it("three");
	ck_assert_str_eq(reopen(), "one two three ");
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
}

TEST(a_restart_keeps_what_is_collected_and_nothing_else)
{
	write_it("old");
	add("kept");
	ck_assert_ok(ocs_journal_restart(journal, &rig_error));
	ck_assert_int_eq(file_size(), 8 + 4);
	write_it("new");
	ck_assert_str_eq(reopen(), "kept new ");
	ck_assert_ok(ocs_journal_restart(journal, &rig_error));
	ck_assert_int_eq(file_size(), 0);
	ck_assert_str_eq(reopen(), "");
}

TEST(a_failed_restart_leaves_the_old_file)
{
	int ret;

	write_it("old");
	add("kept");
	limit_files(8);
	ret = ocs_journal_restart(journal, &rig_error);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(ret, -1);
	write_it("new");
	ck_assert_str_eq(reopen(), "old new ");
	/* What the failed one left does not stand in the way of the next. */
	ck_assert_ok(ocs_journal_restart(journal, &rig_error));
	ck_assert_int_eq(file_size(), 0);
	ck_assert_str_eq(reopen(), "");
	/* Nor does one that cannot even begin. */
	write_it("old");
	ck_assert_int_eq(mkdir(rig_path("test.log.new"), 0700), 0);
	ck_assert_int_eq(ocs_journal_restart(journal, &rig_error), -1);
	ck_assert_str_eq(reopen(), "old ");
}

/* ---- sudden death ---- */

static int expected(void *arg, const uint8_t *data, size_t len)
{
	uint32_t *next = arg;

	if (len < 4 || ocs_get32(data) != *next)
		return 1;
	for (size_t i = 4; i < len; i++)
		if (data[i] != (uint8_t)*next)
			return 1;
	(*next)++;
	return 0;
}

/* Writes the numbers on and on and says which is written; every so often starts anew with the last
 * one only. */
static int write_on_and_on(int to_parent)
{
	struct ocs_journal *mine;
	uint8_t data[900];

	if (ocs_journal_open(path, take_in, NULL, &mine, NULL, NULL) != 0)
		return 1;
	for (uint32_t n = 0;; n++) {
		ocs_put32(data, n);
		memset(data + 4, (int)n, sizeof(data) - 4);
		if (ocs_journal_add(mine, data, 4 + n % 890, NULL) != 0)
			return 1;
		if ((n % 50 == 49 ? ocs_journal_restart(mine, NULL)
		                  : ocs_journal_write(mine, n % 16 == 0, NULL)) != 0)
			return 1;
		if (write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
}

static int first_number(void *arg, const uint8_t *data, size_t len)
{
	uint32_t *first = arg;

	if (len >= 4 && *first == UINT32_MAX)
		*first = ocs_get32(data);
	return 0;
}

LOOP_TEST(killed_while_it_writes_nothing_that_was_said_is_lost, 0, 12)
{
	struct ocs_journal *mine;
	struct rig_child child;
	uint32_t n, last = UINT32_MAX, next = UINT32_MAX;

	ocs_journal_close(journal);
	journal = NULL;
	ck_assert_int_eq(unlink(path), 0);
	rig_child_fork(&child, write_on_and_on);
	rig_child_go(&child);
	for (int i = 0; i < 20 + 37 * _i; i++) {
		ck_assert_int_eq(read(child.from, &n, sizeof(n)), sizeof(n));
		last = n;
	}
	kill(child.pid, SIGKILL);
	while (read(child.from, &n, sizeof(n)) == sizeof(n))
		last = n;
	ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
	/* An unbroken row of numbers up to the last that was told, or the one in work. */
	ck_assert_ok(ocs_journal_open(path, first_number, &next, &mine, NULL, &rig_error));
	ocs_journal_close(mine);
	ck_assert(next == 0 || next % 50 == 49);
	ck_assert_ok(ocs_journal_open(path, expected, &next, &mine, &damage, &rig_error));
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
	ck_assert_uint_ge(next, last + 1);
	ck_assert_uint_le(next, last + 2);
	ck_assert_ok(ocs_journal_add(mine, "end", 3, &rig_error));
	ck_assert_ok(ocs_journal_write(mine, true, &rig_error));
	ocs_journal_close(mine);
}

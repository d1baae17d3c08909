/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The journal: what was written is there, whatever happened to its writer or to its end. */
#include "tests/unit/rig.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "store/journal.h"
#include "store/record.h"

#define HEADER OCS_RECORD_HEADER

static struct ocs_journal *journal;
static struct ocs_journal_damage damage;
static char seen[65536]; /* the records of the last opening, each followed by a blank */
static char path[256];

/* In the place of libc's, and so is the next. With _FORTIFY_SOURCE libc's is an inline function
 * too. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wstatic-in-inline"
#endif
static bool reads_fail, cuts_fail;

ssize_t pread(int fd, void *buffer, size_t len, off_t at)
{
	if (reads_fail) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buffer, len, at);
}

int ftruncate(int fd, off_t size)
{
	if (cuts_fail) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_ftruncate, fd, size);
}

/* Of replay_file() alone, and of no other function of the journal. */
static int talloc_left = -1; /* until one fails; below 0 none does */

void *talloc_named_const(const void *ctx, size_t size, const char *name)
{
	void *(*real)(const void *, size_t, const char *) =
	        (void *(*)(const void *, size_t, const char *))dlsym(RTLD_NEXT,
	                                                             "talloc_named_const");

	return talloc_left-- == 0 ? NULL : real(ctx, size, name);
}

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

TESTS_HAVE(.setup = setup, .teardown = teardown);

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
	ck_assert_int_eq(ocs_journal_discard(journal, NULL), 0);
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
	for (off_t torn = 1; torn < HEADER + 10; torn++) {
		write_it("torn apart");
		ck_assert_int_eq(file_size(), whole + HEADER + 10);
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

static void overwrite(off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

LOOP_TEST(a_damaged_header_costs_that_record_alone, 0, 14)
{
	/* Magic; checksum of the header; checksum of the data; length (a little off, and far);
	 * number; all of it. */
	static const struct {
		off_t at;
		const char *bytes;
		size_t len;
	} damages[] = {{0, "x", 1},
	               {4, "xx", 2},
	               {8, "xx", 2},
	               {12, "\x02", 1},
	               {12, "\xff\xff\xff\xff", 4},
	               {16, "\x09\x09\x09", 3},
	               {0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", HEADER - 7}};
	off_t from;

	if (_i >= 7)
		write_it("one");
	from = file_size();
	write_it("lost");
	write_it("three");
	overwrite(from + damages[_i % 7].at, damages[_i % 7].bytes, damages[_i % 7].len);
	for (int round = 0; round < 2; round++) {
		ck_assert_str_eq(reopen(), _i >= 7 ? "one three " : "three ");
		ck_assert_uint_eq(damage.skipped, 1);
		ck_assert_uint_eq(damage.cut, 0);
	}
	write_it("four");
	ck_assert_str_eq(reopen(), _i >= 7 ? "one three four " : "three four ");
	ck_assert_uint_eq(damage.skipped, 1);
}

TEST(of_the_last_record_damaged_data_are_counted_and_a_damaged_header_is_a_torn_end)
{
	off_t last;

	write_it("one");
	last = file_size();
	write_it("two");
	overwrite(last + HEADER, "x", 1);
	ck_assert_str_eq(reopen(), "one ");
	ck_assert_uint_eq(damage.skipped, 1);
	ck_assert_uint_eq(damage.cut, 0);
	write_it("three");
	ck_assert_str_eq(reopen(), "one three ");
	ck_assert_uint_eq(damage.skipped, 1);
	last = file_size() - 5 - HEADER;
	overwrite(last + 5, "xx", 2);
	ck_assert_str_eq(reopen(), "one ");
	ck_assert_uint_eq(damage.cut, HEADER + 5);
	write_it("four");
	ck_assert_str_eq(reopen(), "one four ");
}

TEST(what_cannot_be_read_now_is_there_later)
{
	struct ocs_journal *other;
	off_t size;

	write_it("one");
	size = file_size();
	reads_fail = true;
	ck_assert_int_eq(ocs_journal_open(path, take_in, NULL, &other, NULL, &rig_error), -1);
	reads_fail = false;
	ck_assert_ptr_nonnull(strstr(rig_error.text, "cannot read"));
	ck_assert_int_eq(file_size(), size);
	ck_assert_str_eq(reopen(), "one ");
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
}

/* ---- files as they were written before records had a magic ---- */

static void add_old(FILE *file, const char *record)
{
	uint8_t header[8];

	ocs_put32(header, (uint32_t)strlen(record));
	ocs_put32(header + 4, ocs_record_checksum((const uint8_t *)record, strlen(record)));
	ck_assert_uint_eq(fwrite(header, 1, 8, file), 8);
	ck_assert_int_ge(fputs(record, file), 0);
}

static void write_old(void)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	add_old(file, "one");
	add_old(file, "two");
	add_old(file, "three");
	ck_assert_uint_eq(fwrite("\x05\0\0\0torn", 1, 8, file), 8);
	fclose(file);
}

LOOP_TEST(a_file_of_the_old_form_is_taken_over, 0, 2)
{
	write_old();
	if (_i == 1)
		rig_flip(path, "two", 3);
	ck_assert_str_eq(reopen(), _i == 1 ? "one three " : "one two three ");
	ck_assert_uint_eq(damage.cut, 8);
	ck_assert_uint_eq(damage.skipped, (unsigned)_i);
	ck_assert_int_eq(file_size(), (3 - _i) * HEADER + 8 + (1 - _i) * 3);
	write_it("four");
	ck_assert_str_eq(reopen(), _i == 1 ? "one three four " : "one two three four ");
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
}

TEST(a_file_of_the_old_form_that_cannot_be_taken_over_stays)
{
	struct ocs_journal *other;
	off_t size;

	write_old();
	size = file_size();
	ck_assert_int_eq(mkdir(rig_path("test.log.new"), 0700), 0);
	ck_assert_int_eq(ocs_journal_open(path, take_in, NULL, &other, NULL, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, path));
	ck_assert_int_eq(file_size(), size);
	ck_assert_int_eq(rmdir(rig_path("test.log.new")), 0);
	ck_assert_str_eq(reopen(), "one two three ");
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
	limit_files((rlim_t)size + HEADER + 5 + 7); /* the second record fits by half */
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

TEST(what_a_failed_write_could_not_take_back_does_not_come_back)
{
	off_t size;
	int ret;

	write_it("one");
	size = file_size();
	add("gone");
	add("gone too");
	add("longer than is left");
	cuts_fail = true;
	limit_files((rlim_t)size + 3 * HEADER + 12 + 7);
	ret = ocs_journal_write(journal, true, &rig_error);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(ret, -1);
	ck_assert_int_gt(file_size(), size);
	/* Nothing is written over them, of the same length perhaps, until they can be cut off. */
	add("two.");
	ck_assert_int_eq(ocs_journal_write(journal, true, &rig_error), -1);
	/* Nor may anybody open it in the meantime. */
	ck_assert_int_eq(ocs_journal_discard(journal, NULL), -1);
	cuts_fail = false;
	ck_assert_int_eq(ocs_journal_discard(journal, NULL), 0);
	ck_assert_int_eq(file_size(), size);
	write_it("two.");
	ck_assert_str_eq(reopen(), "one two. ");
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
}

TEST(a_restart_keeps_what_is_collected_and_nothing_else)
{
	write_it("old");
	add("kept");
	ck_assert_ok(ocs_journal_restart(journal, &rig_error));
	ck_assert_int_eq(file_size(), HEADER + 4);
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

LOOP_TEST(without_memory_it_is_not_opened_and_stays_as_it_is, 0, 2)
{
	struct ocs_journal *second = journal;

	add("one");
	add("two");
	ck_assert_ok(ocs_journal_write(journal, true, &rig_error));
	talloc_left = _i;
	ck_assert_int_eq(ocs_journal_open(path, take_in, NULL, &second, &damage, &rig_error), -1);
	ck_assert_int_lt(talloc_left, 0);
	ck_assert_ptr_null(second);
	ck_assert(rig_error.no_memory);
	ck_assert_str_eq(reopen(), "one two ");
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
}

static int add_three(void *arg, struct ocs_journal *its_journal, struct ocs_error *error)
{
	const int *fails = arg;

	ck_assert_ptr_eq(its_journal, journal);
	add("four");
	add("five");
	if (*fails)
		return ocs_error_set(error, "no more of it");
	add("six");
	return 0;
}

TEST(it_is_written_anew_with_what_its_owner_adds_or_stays_as_it_is)
{
	int fails = true;

	add("one");
	ck_assert_ok(ocs_journal_write(journal, true, &rig_error));
	add("collected");
	ck_assert_int_eq(ocs_journal_rewrite(journal, add_three, &fails, &rig_error), -1);
	ck_assert_str_eq(rig_error.text, "no more of it");
	ck_assert_ok(ocs_journal_write(journal, true, &rig_error));
	ck_assert_str_eq(reopen(), "one ");
	fails = false;
	add("collected");
	ck_assert_ok(ocs_journal_rewrite(journal, add_three, &fails, &rig_error));
	ck_assert_str_eq(reopen(), "four five six ");
}

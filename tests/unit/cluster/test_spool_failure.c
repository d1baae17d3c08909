/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool when the process is killed, the disk fails, the files are damaged, threads meet: what
 * was flushed comes out again. */
#include "tests/unit/cluster/spool_rig.h"

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

TESTS_HAVE(.setup = spool_setup, .teardown = spool_teardown);

LOOP_TEST(of_a_flush_that_failed_nothing_is_there_and_it_goes_on, 0, 4)
{
	off_t size = 0;
	int ret;

	/* 0: the disk is full half-way; 1: the sync fails; each in an old segment and a new one. */
	if (_i / 2 == 0) {
		spool_put("one");
		spool_list_segments();
		size = spool_segment_bytes;
	}
	spool_append("two");
	spool_append("three");
	if (_i % 2 == 0)
		limit_files((rlim_t)size + SPOOL_HEADER + 3 + 10);
	else
		atomic_store(&spool_failing_syncs, 1);
	ret = ocs_spool_flush(spool, &rig_error);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(ret, OCS_SPOOL_ERROR);
	ck_assert_ptr_nonnull(strstr(rig_error.text, spool_folder));
	spool_list_segments();
	ck_assert_int_eq(spool_segment_bytes, size);
	ck_assert_uint_eq(spool_state().bytes, (uint64_t)size);
	ck_assert(ocs_spool_empty(spool) == (size == 0));
	spool_flush(); /* what it had is not kept for the next one */
	for (int round = 0; round < 2; round++) {
		if (size > 0)
			spool_expect("one");
		if (round == 0)
			spool_put("four");
		spool_expect("four");
		ck_assert_uint_eq(spool_number, size > 0 ? 2 : 1);
		spool_expect_nothing();
		spool_reopen();
		ck_assert_uint_eq(spool_damaged, 0);
	}
}

/* ---- sudden death, torn ends, damage ---- */

/* Flushes numbered records on and on, in lots of 1 to 7, and says which are flushed. */
static int append_on_and_on(int to_parent)
{
	struct ocs_spool *mine;
	char text[900];

	if (ocs_spool_open(spool_folder, SPOOL_ROOM, &mine, NULL, NULL) != 0)
		return 1;
	for (unsigned n = 1;; n++) {
		spool_numbered_text(text, sizeof(text), n);
		if (ocs_spool_append(mine, text, sizeof(text), NULL) != OCS_SPOOL_OK)
			return 1;
		if (n % 7 != 0 && n % 3 != 0)
			continue;
		if (ocs_spool_flush(mine, NULL) != OCS_SPOOL_OK ||
		    write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
}

LOOP_TEST(killed_while_it_writes_nothing_that_was_flushed_is_lost, 0, 8)
{
	struct rig_child child;
	unsigned n, told = 0, got = 0;

	ocs_spool_close(spool);
	spool = NULL;
	rig_child_fork(&child, append_on_and_on);
	rig_child_go(&child);
	for (int i = 0; i < 10 + 23 * _i; i++) {
		ck_assert_int_eq(read(child.from, &n, sizeof(n)), sizeof(n));
		told = n;
	}
	kill(child.pid, SIGKILL);
	while (read(child.from, &n, sizeof(n)) == sizeof(n))
		told = n;
	ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
	spool_reopen();
	ck_assert_uint_eq(spool_damaged, 0);
	while ((n = spool_get_numbered(900)) != 0)
		ck_assert_uint_eq(n, ++got);
	ck_assert_uint_ge(got, told);
	ck_assert_uint_le(got, told + 3);
	spool_fill(got + 1, got + 1, 900, 1);
	ck_assert_uint_eq(spool_get_numbered(900), got + 1);
}

TEST(a_torn_end_is_cut_off_wherever_it_was_torn)
{
	struct stat st;
	off_t whole;

	spool_put("one");
	spool_list_segments();
	whole = spool_segment_bytes;
	for (off_t torn = 1; torn < SPOOL_HEADER + 10; torn++) {
		spool_put("torn apart");
		ck_assert_int_eq(truncate(spool_segments[0], whole + torn), 0);
		spool_reopen();
		ck_assert_uint_eq(spool_damaged, 0);
		ck_assert_int_eq(stat(spool_segments[0], &st), 0);
		ck_assert_int_eq(st.st_size, whole);
		ck_assert_uint_eq(spool_state().bytes, (uint64_t)whole);
		spool_expect("one");
		spool_expect_nothing();
	}
	/* A power cut can leave a file long and empty. */
	ck_assert_int_eq(truncate(spool_segments[0], whole + 100000), 0);
	spool_reopen();
	ck_assert_uint_eq(spool_damaged, 0);
	spool_put("two");
	spool_expect("one");
	spool_expect("two");
	ck_assert_uint_eq(spool_number, 2);
	spool_expect_nothing();
	/* Or the whole of a segment torn. */
	ck_assert_int_eq(truncate(spool_segments[0], 0), 0);
	spool_reopen();
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_list_segments(), 0);
	spool_put("again");
	spool_expect("again");
}

LOOP_TEST(a_damaged_record_costs_that_record_alone, 0, 8)
{
	/* Data; magic; checksum of the header; checksum of the data; length (a little off, and
	 * far); number. */
	static const struct {
		off_t at;
		const char *bytes;
		size_t len;
	} damage[] = {{SPOOL_HEADER + 5, "x", 1},
	              {0, "x", 1},
	              {4, "xx", 2},
	              {8, "xx", 2},
	              {12, "\x60", 1},
	              {12, "\xff\xff\xff\xff", 4},
	              {16, "\x09\x09\x09", 3},
	              {0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20}};
	off_t whole = SPOOL_HEADER + 100;

	spool_fill(1, 10, 100, 3);
	spool_list_segments();
	spool_overwrite(spool_segments[0], 4 * whole + damage[_i].at, damage[_i].bytes,
	                damage[_i].len);
	/* Damaged under the open spool, and found so by the next one. */
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 1; n <= 10; n++)
			if (n != 5)
				ck_assert_uint_eq(spool_get_numbered(100), n);
		spool_expect_nothing();
		ck_assert_uint_eq(spool_state().damaged, 1);
		ocs_spool_rewind(spool);
		while (spool_get_numbered(100) != 0)
			continue;
		ck_assert_uint_eq(spool_state().damaged, 1);
		if (round == 0) {
			spool_reopen();
			ck_assert_uint_eq(spool_damaged, 1);
			ck_assert_uint_eq(spool_state().messages, 10);
		}
	}
	ocs_spool_confirm(spool, 10);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_list_segments(), 0);
}

/* A record that fits into the window and one that does not. */
LOOP_TEST(what_cannot_be_read_now_is_there_later, 0, 2)
{
	size_t len = _i == 0 ? 100 : 200000;
	struct ocs_spool *other;
	uint8_t *data;
	size_t got;

	spool_fill(1, 3, len, 1);
	for (unsigned n = 1; n <= 3; n++) {
		/* The first read is that of a header, the second maybe of the data. */
		for (int failing = 1; failing <= 2; failing++) {
			atomic_store(&spool_failing_reads, failing);
			while (atomic_load(&spool_failing_reads) > 0 &&
			       ocs_spool_read(spool, NULL, &data, &got, &spool_number, &rig_error) <
			               0)
				ck_assert_ptr_nonnull(strstr(rig_error.text, "cannot read"));
			atomic_store(&spool_failing_reads, 0);
			ocs_spool_rewind(spool);
		}
	}
	for (unsigned n = 1; n <= 3; n++)
		ck_assert_uint_eq(spool_get_numbered(len), n);
	ck_assert_uint_eq(spool_state().damaged, 0);
	/* Nor is anything cut off by who opens it meanwhile. */
	ocs_spool_close(spool);
	spool = NULL;
	atomic_store(&spool_failing_reads, 1000);
	ck_assert_int_ne(ocs_spool_open(spool_folder, SPOOL_ROOM, &other, NULL, &rig_error), 0);
	atomic_store(&spool_failing_reads, 0);
	spool_reopen();
	for (unsigned n = 1; n <= 3; n++)
		ck_assert_uint_eq(spool_get_numbered(len), n);
}

TEST(a_damaged_segment_does_not_cost_the_others)
{
	char *garbage = malloc(65536);
	unsigned got = 0, n, last = 0, lost = 0;
	struct stat st;

	spool_reopen_with(8 * 65536);
	spool_fill(1, 400, 1000, 20);
	ck_assert_uint_ge(spool_list_segments(), 4);
	ck_assert_int_eq(stat(spool_segments[1], &st), 0);
	for (size_t i = 0; i < 65536; i++)
		garbage[i] = (char)(i * 31 >> 4);
	for (off_t at = 0; at < st.st_size; at += 65536)
		spool_overwrite(spool_segments[1], at, garbage,
		                st.st_size - at < 65536 ? (size_t)(st.st_size - at) : 65536);
	/* The next one lacks its end, and its first header. */
	ck_assert_int_eq(truncate(spool_segments[2], 30 * (1000 + SPOOL_HEADER) + 50), 0);
	spool_overwrite(spool_segments[2], 3, "x", 1);
	spool_reopen_with(8 * 65536);
	for (n = spool_get_numbered(1000); n != 0; n = spool_get_numbered(1000)) {
		ck_assert_uint_gt(n, last);
		ck_assert_uint_eq(spool_number, n);
		lost += n - last - 1;
		last = n;
		got++;
	}
	ck_assert_uint_eq(last, 400);
	ck_assert_uint_eq(got + lost, 400);
	ck_assert_uint_eq(spool_damaged, lost);
	ck_assert_uint_eq(spool_state().damaged, lost);
	ck_assert_uint_ge(got, 400 - 3 * 80);
	free(garbage);
}

LOOP_TEST(a_damaged_last_record_does_not_keep_the_spool_from_being_empty, 0, 3)
{
	off_t whole = SPOOL_HEADER + 100;

	spool_fill(1, 5, 100, 1);
	spool_list_segments();
	spool_overwrite(spool_segments[0], 4 * whole + SPOOL_HEADER + 3, "x", 1);
	if (_i == 0) { /* found at opening */
		spool_reopen();
		ck_assert_uint_eq(spool_damaged, 1);
		ck_assert_uint_eq(spool_state().messages, 4);
	}
	for (unsigned n = 1; n <= 4; n++)
		ck_assert_uint_eq(spool_get_numbered(100), n);
	if (_i == 2) /* confirmed before it is found */
		ocs_spool_confirm(spool, 4);
	spool_expect_nothing();
	if (_i == 1) { /* and come past a second time */
		ocs_spool_rewind(spool);
		for (unsigned n = 1; n <= 4; n++)
			ck_assert_uint_eq(spool_get_numbered(100), n);
		spool_expect_nothing();
	}
	ck_assert_uint_eq(spool_state().damaged, _i == 0 ? 0 : 1);
	ocs_spool_confirm(spool, 4);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_list_segments(), 0);
	spool_put("after");
	spool_expect("after");
	ocs_spool_confirm(spool, spool_number);
	ck_assert(ocs_spool_empty(spool));
}

TEST(a_head_ahead_of_the_segments_or_damaged_loses_nothing_new)
{
	struct stat st;

	spool_fill(1, 10, 100, 1);
	while (spool_get_numbered(100) < 8)
		continue;
	ocs_spool_confirm(spool, 8);
	spool_list_segments();
	/* The segment lost its end: the head speaks of records that are not there. */
	ck_assert_int_eq(truncate(spool_segments[0], 5 * (SPOOL_HEADER + 100)), 0);
	spool_reopen();
	ck_assert(ocs_spool_empty(spool));
	spool_put("new");
	spool_reopen();
	ck_assert_uint_eq(spool_damaged, 0);
	spool_expect("new");
	ck_assert_uint_eq(spool_number, 9);
	/* A damaged head sends again what its segment has. */
	spool_put("newer");
	ocs_spool_confirm(spool, 9);
	spool_overwrite(rig_path("spool/head"), 2, "x", 1);
	spool_reopen();
	spool_expect("new");
	spool_expect("newer");
	spool_expect_nothing();
	/* And a lost one likewise; it is made anew. */
	ck_assert_int_eq(unlink(rig_path("spool/head")), 0);
	spool_reopen();
	spool_expect("new");
	ck_assert_int_eq(stat(rig_path("spool/head"), &st), 0);
	ck_assert_uint_eq(spool_state().damaged + spool_damaged, 0);
}

TEST(other_files_in_the_folder_are_left_alone)
{
	static const char *const names[] = {"spool/1", "spool/notes", "spool/00000000000000000000",
	                                    "spool/00000000000000000003.bak"};
	struct stat st;

	for (size_t i = 0; i < 4; i++) {
		int fd = open(rig_path(names[i]), O_WRONLY | O_CREAT, 0600);

		ck_assert_int_ge(fd, 0);
		close(fd);
	}
	spool_put("one");
	spool_reopen();
	spool_expect("one");
	ocs_spool_confirm(spool, 1);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(stat(rig_path(names[i]), &st), 0);
}

/* ---- threads ---- */

#define RECORDS 20000U

static void *write_records(void *arg)
{
	char text[200];

	(void)arg;
	for (unsigned n = 1; n <= RECORDS; n++) {
		spool_numbered_text(text, sizeof(text), n);
		while (ocs_spool_append(spool, text, sizeof(text), NULL) == OCS_SPOOL_FULL) {
			if (ocs_spool_flush(spool, NULL) != OCS_SPOOL_OK)
				return "flush";
			sched_yield(); /* until the other thread has confirmed some */
		}
		if ((n % 97 == 0 || n == RECORDS) && ocs_spool_flush(spool, NULL) != OCS_SPOOL_OK)
			return "flush";
	}
	return NULL;
}

static _Atomic bool watched_enough;

static void *watch(void *arg)
{
	struct ocs_spool_state now;

	(void)arg;
	while (!atomic_load(&watched_enough)) {
		ocs_spool_state(spool, &now);
		if (now.bytes > 8 * 65536 || now.messages > RECORDS)
			return "state";
		sched_yield();
	}
	return NULL;
}

TEST(one_thread_writes_and_another_reads_with_lost_connections_in_between)
{
	pthread_t writer, watcher;
	unsigned got = 0, rewound = 0, n;
	void *wrong;

	spool_reopen_with(8 * 65536);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_records, NULL), 0);
	ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
	while (got < RECORDS) {
		n = spool_get_numbered(200);
		if (n == 0) {
			sched_yield();
			continue;
		}
		ck_assert_uint_eq(n, got + 1);
		got = n;
		if (n % 31 == 0)
			ocs_spool_confirm(spool, n);
		if (n % 977 == 0 && n > rewound) {
			rewound = n;
			ocs_spool_rewind(spool);
			got = n - n % 31;
		}
	}
	ocs_spool_confirm(spool, RECORDS);
	pthread_join(writer, &wrong);
	ck_assert_ptr_null(wrong);
	atomic_store(&watched_enough, true);
	pthread_join(watcher, &wrong);
	ck_assert_ptr_null(wrong);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_list_segments(), 0);
	ck_assert_uint_eq(spool_state().damaged, 0);
}

static void *flush_once(void *arg)
{
	(void)arg;
	return ocs_spool_flush(spool, NULL) == OCS_SPOOL_OK ? NULL : "flush";
}

TEST(while_the_disk_syncs_everything_else_goes_on)
{
	pthread_t flusher;
	void *wrong;

	spool_put("one");
	spool_put("two");
	spool_append("three");
	spool_hold_sync(true);
	ck_assert_int_eq(pthread_create(&flusher, NULL, flush_once, NULL), 0);
	spool_wait_for_sync();
	/* Were the lock held, the test would time out here. */
	spool_expect("one");
	spool_expect("two");
	spool_expect_nothing();
	spool_append("four");
	ck_assert_uint_eq(spool_state().messages, 2);
	/* All that is there is confirmed, but its segment is being written to. */
	ocs_spool_confirm(spool, 2);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_list_segments(), 1);
	spool_hold_sync(false);
	pthread_join(flusher, &wrong);
	ck_assert_ptr_null(wrong);
	spool_expect("three");
	spool_expect_nothing();
	spool_flush();
	spool_reopen();
	spool_expect("three");
	spool_expect("four");
	spool_expect_nothing();
}

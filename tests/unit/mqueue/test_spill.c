/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists: in order, bounded, counted; found again after either side was killed. */
#include "tests/unit/mqueue/list_rig.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "ocsnotify.h"

TESTS_HAVE(.setup = list_setup, .teardown = list_teardown);

TEST(entries_come_out_in_the_order_they_went_in_and_once)
{
	for (uint32_t n = 1; n <= 40; n++) {
		ck_assert_int_eq(list_append(n, 100), OCS_SPILL_APPENDED);
		ck_assert(list_woken == (n == 1));
	}
	ck_assert_uint_eq(list_state().count, 40);
	ck_assert_int_eq(ocs_spill_waiting(&list_reader, &list_name), 1);
	ck_assert_str_eq(list_waiting(), list_take());
	ck_assert_int_eq(strncmp(list_got, "1 2 3 4 5 ", 10), 0);
	ck_assert_str_eq(list_take(), "");
	ck_assert_int_eq(ocs_spill_waiting(&list_reader, &list_name), 0);
	ck_assert_uint_eq(list_state().count, 0);
	list_append(41, 100);
	ck_assert(list_woken);
	list_append(42, 100);
	ck_assert(!list_woken);
	ck_assert_str_eq(list_take(), "41 42 ");
}

TEST(a_queue_without_a_list_has_nothing)
{
	const struct ocs_spill_name other = {rig_folder, LIST_CONTEXT, LIST_QUEUE + 1};
	struct ocs_spill_reader nothing;
	struct ocs_spill_state out;

	ocs_spill_reader_init(&nothing);
	ck_assert_int_eq(ocs_spill_state(&other, &out), 0);
	ck_assert_uint_eq(out.count, 0);
	ck_assert_int_eq(ocs_spill_waiting(&nothing, &other), 0);
	ck_assert_int_eq(ocs_spill_take(&nothing, &other, list_note, NULL), 0);
	ck_assert_int_eq(ocs_spill_clear(&other), 0);
	ocs_spill_remove(&other);
	/* Made, and nothing written to it. */
	ck_assert_str_eq(list_take(), "");
	ck_assert_uint_eq(list_state().count, 0);
}

static int stop_at_second(const uint8_t *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	return ++*(int *)arg == 2 ? -ENOMEM : 0;
}

TEST(what_was_not_taken_is_still_there)
{
	int calls = 0;

	for (uint32_t n = 1; n <= 3; n++)
		list_append(n, 100);
	ck_assert_int_eq(ocs_spill_take(&list_reader, &list_name, stop_at_second, &calls), -ENOMEM);
	ck_assert_int_eq(calls, 2);
	ck_assert_uint_eq(list_state().count, 2);
	ck_assert_str_eq(list_take(), "2 3 ");
	calls = 0;
	list_append(4, 100);
	list_append(5, 100);
	ck_assert_int_eq(ocs_spill_each(&list_name, stop_at_second, &calls), -ENOMEM);
	ck_assert_str_eq(list_take(), "4 5 ");
}

TEST(past_max_the_oldest_is_dropped_and_counted)
{
	for (uint32_t n = 1; n <= 3; n++)
		list_append(n, 3);
	ck_assert_int_eq(list_append(4, 3), OCS_SPILL_DROPPED_OLDEST);
	ck_assert_int_eq(list_append(5, 3), OCS_SPILL_DROPPED_OLDEST);
	ck_assert_str_eq(list_waiting(), "3 4 5 ");
	ck_assert_uint_eq(list_state().count, 3);
	ck_assert_uint_eq(list_state().dropped, 2);
	ck_assert(!list_state().collapsed);
	ck_assert_str_eq(list_take(), "3 4 5 ");
	list_append(6, 3);
	ck_assert_str_eq(list_take(), "6 ");
	ck_assert_uint_eq(list_state().dropped, 2);
}

LOOP_TEST(past_max_a_table_collapses_to_one_table_changed, OCS_TABLE_CONTENTS, OCS_TABLE_SEARCH)
{
	for (uint32_t n = 1; n <= 3; n++)
		list_append_full((enum ocs_table)_i, n, 3, false);
	ck_assert_int_eq(list_append_full((enum ocs_table)_i, 4, 3, false), OCS_SPILL_COLLAPSED);
	ck_assert_int_eq(list_append_full((enum ocs_table)_i, 5, 3, false), OCS_SPILL_COLLAPSED);
	ck_assert_str_eq(list_waiting(), "4! ");
	ck_assert_uint_eq(list_state().count, 1);
	ck_assert(list_state().collapsed);
	list_start_again();
	ck_assert_int_eq(list_append_full((enum ocs_table)_i, 6, 3, false), OCS_SPILL_COLLAPSED);
	/* Once its owner has read it, it takes rows again. */
	ck_assert_str_eq(list_take(), "4! ");
	ck_assert(!list_state().collapsed);
	ck_assert_int_eq(list_append_full((enum ocs_table)_i, 7, 3, false), OCS_SPILL_APPENDED);
	ck_assert_str_eq(list_take(), "7 ");
}

TEST(a_full_sum_of_all_lists_bounds_all_but_the_first)
{
	ck_assert_int_eq(list_append_full(OCS_TABLE_OBJECT, 1, 100, true), OCS_SPILL_APPENDED);
	ck_assert_int_eq(list_append_full(OCS_TABLE_OBJECT, 2, 100, true),
	                 OCS_SPILL_DROPPED_OLDEST);
	ck_assert_str_eq(list_take(), "2 ");
}

TEST(clear_keeps_the_count_of_the_dropped_and_the_reader_goes_on_behind_it)
{
	for (uint32_t n = 1; n <= 5; n++)
		list_append(n, 3);
	ck_assert_int_eq(ocs_spill_clear(&list_name), 0);
	ck_assert_uint_eq(list_state().count, 0);
	ck_assert_uint_eq(list_state().dropped, 2);
	ck_assert_str_eq(list_take(), "");
	list_append(6, 3);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "6 ");
	list_append(7, 3);
	ocs_spill_remove(&list_name);
	ck_assert_uint_eq(list_state().count, 0);
}

/* However far both are, in a ring of that many. */
LOOP_TEST(the_ring_goes_round, 1, 9)
{
	uint32_t n = 0, read = 0;

	for (int round = 0; round < 300; round++) {
		char expected[400] = "";

		for (int i = 0; i < 1 + round % _i; i++)
			ck_assert_int_eq(list_append(++n, (uint32_t)_i), OCS_SPILL_APPENDED);
		if (round % 7 == 0)
			list_start_again();
		while (read < n) {
			size_t at = strlen(expected);

			snprintf(expected + at, sizeof(expected) - at, "%u ", ++read);
		}
		ck_assert_str_eq(list_take(), expected);
	}
	ck_assert_uint_eq(list_state().dropped, 0);
}

/* A reader that is never quite there: the list does not start again, and wraps. */
static int all_but_last(const uint8_t *data, size_t len, void *arg)
{
	uint32_t *last = arg;
	struct ocs_entry entry;

	ck_assert_int_eq(ocs_entry_decode(data, len, &entry), 0);
	if (entry.message_flags == last[1])
		return -EAGAIN;
	ck_assert_uint_eq(entry.message_flags, last[0] + 1);
	last[0]++;
	return 0;
}

TEST(a_reader_that_never_reaches_the_end_gets_all)
{
	uint32_t last[2] = {0, 0};
	struct stat st;

	list_append(1, 100);
	for (uint32_t n = 2; n <= 1000; n++) {
		ck_assert_int_eq(list_append(n, 100), OCS_SPILL_APPENDED);
		last[1] = n;
		ck_assert_int_eq(ocs_spill_take(&list_reader, &list_name, all_but_last, last),
		                 -EAGAIN);
		if (n % 17 == 0)
			list_start_again();
	}
	ck_assert_str_eq(list_take(), "1000 ");
	ck_assert_int_eq(stat(list_path(), &st), 0);
	ck_assert_int_le(st.st_size, 512 + 101 * 256);
}

TEST(a_list_whose_reader_keeps_up_stays_short)
{
	struct stat st;

	for (uint32_t n = 1; n <= 1000; n++) {
		list_append(n, 100000);
		if (n % 2 == 0)
			list_take();
	}
	ck_assert_int_eq(stat(list_path(), &st), 0);
	ck_assert_int_le(st.st_size, 4096);
}

TEST(another_daemon_goes_on_where_the_last_one_was)
{
	for (uint32_t n = 1; n <= 5; n++)
		list_append(n, 10);
	ck_assert_str_eq(list_take(), "1 2 3 4 5 ");
	list_append(6, 10);
	list_start_again();
	ck_assert_uint_eq(ocs_spill_count(&list_spill), 1);
	/* The last one may have died before it woke anybody. */
	list_append(7, 10);
	ck_assert(list_woken);
	list_append(8, 10);
	ck_assert(!list_woken);
	list_start_again();
	ck_assert_str_eq(list_take(), "6 7 8 ");
	list_append(9, 10);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "9 ");
}

TEST(a_larger_bound_counts_once_the_list_was_read)
{
	for (uint32_t n = 1; n <= 3; n++)
		list_append(n, 3);
	ck_assert_int_eq(list_append(4, 5), OCS_SPILL_DROPPED_OLDEST);
	ck_assert_str_eq(list_take(), "2 3 4 ");
	for (uint32_t n = 5; n <= 9; n++)
		ck_assert_int_eq(list_append(n, 5), OCS_SPILL_APPENDED);
	ck_assert_int_eq(list_append(10, 3), OCS_SPILL_DROPPED_OLDEST);
	ck_assert_str_eq(list_take(), "6 7 8 9 10 ");
}

TEST(names_are_those_of_lists_alone)
{
	uint64_t context, queue;

	ck_assert_int_eq(ocs_spill_parse("0000000000000010.0000000000000020", &context, &queue), 0);
	ck_assert_uint_eq(context, LIST_CONTEXT);
	ck_assert_uint_eq(queue, LIST_QUEUE);
	ck_assert_int_eq(ocs_spill_parse("10.20", &context, &queue), -1);
	ck_assert_int_eq(ocs_spill_parse("0000000000000010.0000000000000020x", &context, &queue),
	                 -1);
	ck_assert_int_eq(ocs_spill_parse("000000000000001A.0000000000000020", &context, &queue),
	                 -1);
	ck_assert_int_eq(ocs_spill_parse("..", &context, &queue), -1);
}

/* ---- two processes ---- */

#define MANY 50000

/* Woken by the pipe alone: a wake-up that is missing would leave it there for ever. */
static int take_when_woken(int to_parent)
{
	uint32_t last[2] = {0, 0};

	(void)to_parent;
	ocs_spill_reader_init(&list_reader);
	while (last[0] < MANY) {
		struct pollfd wake = {.fd = STDIN_FILENO, .events = POLLIN};
		char byte[64];
		int more;

		if (poll(&wake, 1, 60000) != 1 || read(STDIN_FILENO, byte, sizeof(byte)) <= 0)
			return 2;
		while ((more = ocs_spill_take(&list_reader, &list_name, all_but_last, last)) == 1)
			;
		if (more != 0)
			return 3;
	}
	return 0;
}

TEST(whoever_has_read_all_is_woken)
{
	struct rig_child child;
	int wake[2];

	ck_assert_int_eq(pipe2(wake, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(wake[0], STDIN_FILENO), STDIN_FILENO);
	rig_child_fork(&child, take_when_woken);
	rig_child_go(&child);
	for (uint32_t n = 1; n <= MANY; n++) {
		ck_assert_int_eq(list_append(n, MANY), OCS_SPILL_APPENDED);
		if (list_woken)
			ck_assert_int_eq(write(wake[1], "", 1), 1);
	}
	ck_assert_int_eq(rig_child_wait(&child), 0);
	close(wake[0]);
	close(wake[1]);
}

/* In the place of a kernel queue. */
#define SMALL 2

struct small_queue {
	_Atomic uint32_t put, taken, at[SMALL];
};

static struct small_queue *small;

static bool small_put(uint32_t n)
{
	if (small->put - small->taken == SMALL)
		return false;
	small->at[small->put % SMALL] = n;
	small->put++;
	return true;
}

static int in_turn(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry;
	uint32_t *last = arg;

	if (ocs_entry_decode(data, len, &entry) != 0 || entry.message_flags != *last + 1)
		return -EPROTO;
	++*last;
	return 0;
}

static int small_drain(uint32_t *last)
{
	for (; small->taken < small->put; small->taken++)
		if (small->at[small->taken % SMALL] != ++*last)
			return -EPROTO;
	return 0;
}

/* As the library reads: the queue to its end, and before the list once more. */
static int read_both(int to_parent)
{
	uint32_t last = 0;

	(void)to_parent;
	ocs_spill_reader_init(&list_reader);
	while (last < MANY) {
		if (small_drain(&last) != 0)
			return 2;
		if (ocs_spill_waiting(&list_reader, &list_name) != 1)
			continue;
		if (small_drain(&last) != 0)
			return 3;
		if (ocs_spill_take(&list_reader, &list_name, in_turn, &last) < 0)
			return 4;
	}
	return 0;
}

TEST(a_queue_and_its_list_are_read_in_order)
{
	struct rig_child child;
	bool spilling = false;

	small = mmap(NULL, sizeof(*small), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	ck_assert_ptr_ne(small, MAP_FAILED);
	rig_child_fork(&child, read_both);
	rig_child_go(&child);
	for (uint32_t n = 1; n <= MANY; n++) {
		if (spilling) {
			ck_assert_int_eq(ocs_spill_look(&list_spill), 0);
			spilling = ocs_spill_count(&list_spill) > 0;
		}
		if (spilling || !small_put(n)) {
			ck_assert_int_eq(list_append(n, MANY), OCS_SPILL_APPENDED);
			spilling = true;
		}
	}
	ck_assert_int_eq(rig_child_wait(&child), 0);
	munmap(small, sizeof(*small));
}

/* Nanoseconds from where each arms its own death. */
static long writer_dies_in, taker_dies_in;

static void die_in(long nanoseconds)
{
	struct sigevent death = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec moment = {.it_value.tv_nsec = nanoseconds};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &death, &timer) != 0 ||
	    timer_settime(timer, 0, &moment, NULL) != 0)
		_exit(98);
}

/* Goes on where the list ends; tells what is in it. */
static int write_on_and_on(int to_parent)
{
	uint8_t entry[OCS_ENTRY_SIZE_MAX];
	enum ocs_spill_outcome outcome;
	uint32_t first, n;
	bool wake;

	if (read(STDIN_FILENO, &first, sizeof(first)) != sizeof(first) ||
	    ocs_spill_open(&list_spill, &list_name, true, (gid_t)-1) != 0)
		return 1;
	for (n = first;; n++) {
		size_t len = spill_entry(OCS_TABLE_OBJECT, n, entry);

		if (ocs_spill_append(&list_spill, OCS_TABLE_OBJECT, entry, len, 5000000, false,
		                     &outcome, &wake) != 0 ||
		    outcome != OCS_SPILL_APPENDED || write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 2;
		if (n == first)
			die_in(writer_dies_in); /* at any point of an append */
	}
}

static int tell(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry;

	return ocs_entry_decode(data, len, &entry) == 0 &&
	                       write(*(int *)arg, &entry.message_flags, 4) == 4
	               ? 0
	               : -EIO;
}

static int take_on_and_on(int to_parent)
{
	die_in(taker_dies_in);
	ocs_spill_reader_init(&list_reader);
	while (ocs_spill_take(&list_reader, &list_name, tell, &to_parent) >= 0)
		sched_yield();
	return 1;
}

static uint32_t drain_numbers(int fd, uint32_t next, bool again)
{
	uint32_t n;

	/* One that is killed may have told of some that it had not yet marked as read. */
	while (read(fd, &n, sizeof(n)) == sizeof(n)) {
		ck_assert_msg(n == next || (again && n < next), "%u came after %u", n, next - 1);
		if (n == next)
			next++;
	}
	return next;
}

/* What was appended and not told comes twice. */
static int hear(const uint8_t *data, size_t len, void *arg)
{
	uint32_t *next = arg;
	struct ocs_entry entry;

	ck_assert_int_eq(ocs_entry_decode(data, len, &entry), 0);
	ck_assert_uint_le(entry.message_flags, *next);
	*next += entry.message_flags == *next;
	return 0;
}

TEST(either_side_killed_at_any_moment_500_times_loses_nothing)
{
	uint32_t accepted = 1, heard = 1;
	int numbers[2], ret;

	ocs_spill_close(&list_spill);
	ocs_spill_init(&list_spill);
	ck_assert_int_eq(pipe(numbers), 0);
	ck_assert_int_eq(dup2(numbers[0], STDIN_FILENO), STDIN_FILENO);
	for (int cycle = 0; cycle < 250; cycle++) {
		struct rig_child writer, taker;
		uint32_t before = accepted;

		writer_dies_in = 1 + rand() % 2000000;
		taker_dies_in = 1 + rand() % 2000000;
		rig_child_fork(&writer, write_on_and_on);
		rig_child_fork(&taker, take_on_and_on);
		ck_assert_int_eq(write(numbers[1], &accepted, sizeof(accepted)), sizeof(accepted));
		rig_child_go(&writer);
		rig_child_go(&taker);
		accepted = drain_numbers(writer.from, accepted, false);
		ck_assert_uint_gt(accepted, before);
		heard = drain_numbers(taker.from, heard, true);
		ck_assert_int_eq(rig_child_wait(&writer), -SIGKILL);
		ck_assert_int_eq(rig_child_wait(&taker), -SIGKILL);
	}
	list_start_again();
	while ((ret = ocs_spill_take(&list_reader, &list_name, hear, &heard)) == 1)
		; /* there may be more than is taken at once */
	ck_assert_int_eq(ret, 0);
	/* The last one may have been appended and not told. */
	ck_assert(heard == accepted || heard == accepted + 1);
	ck_assert_uint_eq(list_state().dropped, 0);
	close(numbers[0]);
	close(numbers[1]);
}

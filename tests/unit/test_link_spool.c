/* The spool: what was flushed comes out again, in order, whatever happened to the process, the disk
 * or the files; what was confirmed takes no room. */
#include "test_core_rig.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "link/spool.h"

#define ROOM   (64U << 20)
#define HEADER 32

static struct ocs_spool *spool;
static char folder[128];
static uint64_t damaged;

/* ---- the disk, as a test wants it ---- */

static _Atomic int syncs, failing_syncs;
static _Atomic bool hold_sync, in_sync;

/* In the place of libc's. */
int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&failing_syncs) > 0) {
		atomic_fetch_sub(&failing_syncs, 1);
		errno = EIO;
		return -1;
	}
	atomic_store(&in_sync, true);
	while (atomic_load(&hold_sync))
		usleep(1000);
	atomic_store(&in_sync, false);
	return (int)syscall(SYS_fdatasync, fd);
}

static void reopen_with(uint64_t max)
{
	ocs_spool_close(spool);
	ck_assert_ok(ocs_spool_open(folder, max, &spool, &damaged, &rig_error));
}

static void reopen(void)
{
	reopen_with(ROOM);
}

static void setup(void)
{
	rig_make_folder();
	snprintf(folder, sizeof(folder), "%s/spool", rig_folder);
	spool = NULL;
	reopen();
	ck_assert_uint_eq(damaged, 0);
}

static void teardown(void)
{
	ocs_spool_close(spool);
	rig_remove_folder();
}

static void append(const char *text)
{
	ck_assert_ok(ocs_spool_append(spool, text, strlen(text), &rig_error));
}

static void flush(void)
{
	ck_assert_ok(ocs_spool_flush(spool, &rig_error));
}

static void put(const char *text)
{
	append(text);
	flush();
}

/* Reads one record; the text stays until the next call. NULL: nothing there. */
static uint64_t number;

static const char *get(void)
{
	static char text[256];
	uint8_t *data;
	size_t len;
	int ret = ocs_spool_read(spool, NULL, &data, &len, &number, &rig_error);

	ck_assert_msg(ret >= 0, "%s", rig_error.text);
	if (ret == 0)
		return NULL;
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, data, len);
	text[len] = '\0';
	talloc_free(data);
	return text;
}

static void expect(const char *text)
{
	const char *got = get();

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, text);
}

static void expect_nothing(void)
{
	ck_assert_ptr_null(get());
}

static struct ocs_spool_state state(void)
{
	struct ocs_spool_state now;

	ocs_spool_state(spool, &now);
	return now;
}

/* The segments' paths in order; their bytes. */
static char segments[256][192];
static off_t segment_bytes;

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static size_t list_segments(void)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;
	struct stat st;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	segment_bytes = 0;
	while ((entry = readdir(d)) != NULL) {
		if (strspn(entry->d_name, "0123456789") != 20)
			continue;
		ck_assert_uint_lt(n, 256);
		snprintf(segments[n], sizeof(segments[n]), "%s/%.20s", folder, entry->d_name);
		ck_assert_int_eq(stat(segments[n], &st), 0);
		segment_bytes += st.st_size;
		n++;
	}
	closedir(d);
	qsort(segments, n, sizeof(segments[0]), by_name);
	return n;
}

static void overwrite(const char *path, off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

/* Records of one size that say their number: "record 000017 ....". */
static void numbered(char *text, size_t len, unsigned n)
{
	char head[32];

	snprintf(head, sizeof(head), "record %06u ", n);
	memset(text, '.', len);
	memcpy(text, head, strlen(head));
}

static void fill(unsigned first, unsigned last, size_t len, unsigned a_flush)
{
	char *text = malloc(len);

	for (unsigned n = first; n <= last; n++) {
		numbered(text, len, n);
		ck_assert_ok(ocs_spool_append(spool, text, len, &rig_error));
		if (n % a_flush == 0 || n == last)
			flush();
	}
	free(text);
}

/* The next record is the nth of those: its number, 0 if there is none. */
static unsigned get_numbered(size_t len)
{
	char *text = malloc(len);
	uint8_t *data;
	size_t got;
	int ret = ocs_spool_read(spool, NULL, &data, &got, &number, &rig_error);
	unsigned n = 0;

	ck_assert_msg(ret >= 0, "%s", rig_error.text);
	if (ret == 1) {
		ck_assert_uint_eq(got, len);
		ck_assert_int_eq(sscanf((const char *)data, "record %6u", &n), 1);
		numbered(text, len, n);
		ck_assert_int_eq(memcmp(text, data, len), 0);
		talloc_free(data);
	}
	free(text);
	return n;
}

/* ---- reading and writing ---- */

START_TEST(a_new_spool_is_empty_and_for_its_owner_alone)
{
	struct stat st;

	ck_assert(ocs_spool_empty(spool));
	expect_nothing();
	ck_assert_uint_eq(state().messages + state().bytes + state().oldest, 0);
	put("one");
	ck_assert_int_eq(stat(folder, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_uint_eq(list_segments(), 1);
	ck_assert_int_eq(stat(segments[0], &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(rig_path("spool/head"), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(only_what_was_flushed_is_there_and_one_sync_serves_many)
{
	int before;

	append("one");
	append("two");
	ck_assert(ocs_spool_empty(spool));
	expect_nothing();
	before = atomic_load(&syncs);
	flush();
	ck_assert_int_eq(atomic_load(&syncs), before + 1);
	ck_assert(!ocs_spool_empty(spool));
	expect("one");
	ck_assert_uint_eq(number, 1);
	expect("two");
	ck_assert_uint_eq(number, 2);
	expect_nothing();
	put("three");
	expect("three");
	append("never flushed");
	reopen();
	expect("one");
	expect("two");
	expect("three");
	expect_nothing();
	before = atomic_load(&syncs);
	flush();
	ck_assert_int_eq(atomic_load(&syncs), before);
}
END_TEST

START_TEST(what_is_confirmed_is_forgotten_also_after_a_restart)
{
	fill(1, 10, 100, 3);
	for (unsigned n = 1; n <= 7; n++)
		ck_assert_uint_eq(get_numbered(100), n);
	ocs_spool_confirm(spool, 4);
	ck_assert_uint_eq(state().messages, 6);
	reopen();
	ck_assert_uint_eq(state().messages, 6);
	for (unsigned n = 5; n <= 10; n++) {
		ck_assert_uint_eq(get_numbered(100), n);
		ck_assert_uint_eq(number, n);
	}
	ocs_spool_confirm(spool, 10);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(state().bytes, 0);
	ck_assert_uint_eq(list_segments(), 0);
	/* Numbers are not used again. */
	reopen();
	ck_assert(ocs_spool_empty(spool));
	put("after");
	expect("after");
	ck_assert_uint_eq(number, 11);
}
END_TEST

START_TEST(after_a_rewind_comes_what_is_not_confirmed_and_only_that)
{
	fill(1, 10, 100, 3);
	for (unsigned n = 1; n <= 8; n++)
		get_numbered(100);
	ocs_spool_confirm(spool, 3);
	ocs_spool_confirm(spool, 2); /* late, and of no account */
	ocs_spool_rewind(spool);
	for (unsigned n = 4; n <= 10; n++)
		ck_assert_uint_eq(get_numbered(100), n);
	expect_nothing();
	ocs_spool_rewind(spool);
	ck_assert_uint_eq(get_numbered(100), 4);
	/* Confirmed before it was read again: not read again. */
	ocs_spool_confirm(spool, 9);
	ck_assert_uint_eq(get_numbered(100), 10);
	expect_nothing();
	ocs_spool_confirm(spool, 1000);
	ck_assert(ocs_spool_empty(spool));
	put("eleven");
	expect("eleven");
	ck_assert_uint_eq(number, 11);
}
END_TEST

START_TEST(the_order_holds_over_many_segments_and_confirmed_ones_are_removed)
{
	unsigned next = 1;
	size_t n;

	reopen_with(8 * 65536); /* segments of 64 KiB */
	fill(1, 400, 1000, 20);
	n = list_segments();
	ck_assert_uint_ge(n, 5);
	ck_assert_uint_eq(state().bytes, (uint64_t)segment_bytes);
	for (; next <= 200; next++)
		ck_assert_uint_eq(get_numbered(1000), next);
	ocs_spool_confirm(spool, 150);
	ck_assert_uint_lt(list_segments(), n);
	ck_assert_uint_eq(state().bytes, (uint64_t)segment_bytes);
	reopen_with(8 * 65536);
	ck_assert_uint_eq(damaged, 0);
	ck_assert_uint_eq(state().bytes, (uint64_t)segment_bytes);
	fill(401, 430, 1000, 10);
	for (next = 151; next <= 430; next++) {
		ck_assert_uint_eq(get_numbered(1000), next);
		if (next % 50 == 0)
			ocs_spool_confirm(spool, next);
	}
	ck_assert_uint_le(list_segments(), 2);
	ocs_spool_confirm(spool, 430);
	ck_assert_uint_eq(list_segments(), 0);
	ck_assert_uint_eq(state().bytes, 0);
	ck_assert_uint_eq(state().damaged, 0);
}
END_TEST

START_TEST(large_records_come_back_whole)
{
	static const size_t sizes[] = {1,      65535,          65536, 65537,  3 << 20,
	                               700000, 65536 - HEADER, 5,     9 << 20};
	uint8_t *data, *got;
	size_t len;

	data = malloc(OCS_SPOOL_RECORD_MAX + 1);
	for (size_t i = 0; i < OCS_SPOOL_RECORD_MAX; i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; round == 0 && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			ck_assert_ok(ocs_spool_append(spool, data + i, sizes[i], &rig_error));
			if (i % 3 == 2)
				flush();
		}
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			ck_assert_int_eq(
			        ocs_spool_read(spool, NULL, &got, &len, &number, &rig_error), 1);
			ck_assert_uint_eq(len, sizes[i]);
			ck_assert_int_eq(memcmp(got, data + i, len), 0);
			talloc_free(got);
		}
		expect_nothing();
		reopen();
	}
	ck_assert_int_eq(ocs_spool_append(spool, data, 0, &rig_error), OCS_SPOOL_ERROR);
	ck_assert_int_eq(ocs_spool_append(spool, data, OCS_SPOOL_RECORD_MAX + 1, &rig_error),
	                 OCS_SPOOL_ERROR);
	free(data);
}
END_TEST

START_TEST(it_knows_the_age_of_the_oldest_that_is_not_confirmed)
{
	struct timespec now;
	uint64_t before, first;

	clock_gettime(CLOCK_REALTIME, &now);
	before = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	put("one");
	first = state().oldest;
	ck_assert_uint_ge(first, before);
	ck_assert_uint_lt(first, before + 60000);
	usleep(5000);
	put("two");
	ck_assert_uint_eq(state().oldest, first);
	reopen();
	ck_assert_uint_eq(state().oldest, first);
	expect("one");
	ocs_spool_confirm(spool, 1);
	ck_assert_uint_gt(state().oldest, first);
	ocs_spool_confirm(spool, 2);
	ck_assert_uint_eq(state().oldest, 0);
}
END_TEST

START_TEST(one_process_alone_has_it_open)
{
	struct ocs_spool *other;

	ck_assert_int_eq(ocs_spool_open(folder, ROOM, &other, NULL, &rig_error), -1);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "another process"));
	put("still mine");
	expect("still mine");
}
END_TEST

START_TEST(a_folder_that_cannot_be_had_is_an_error_with_its_name)
{
	struct ocs_spool *other;

	ck_assert_int_eq(ocs_spool_open(rig_path("no/such"), ROOM, &other, NULL, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "no/such"));
	ck_assert_int_eq(symlink(folder, rig_path("link")), 0);
	ck_assert_int_eq(ocs_spool_open(rig_path("link"), ROOM, &other, NULL, &rig_error), -1);
	ck_assert_ptr_null(other);
}
END_TEST

/* ---- the bound, and a disk that takes no more ---- */

START_TEST(past_the_bound_it_is_full_and_takes_more_when_a_segment_is_confirmed)
{
	char text[1000];
	unsigned n = 0;
	enum ocs_spool_result ret;

	reopen_with(8 * 65536);
	do {
		numbered(text, sizeof(text), ++n);
		ret = ocs_spool_append(spool, text, sizeof(text), &rig_error);
		if (n % 10 == 0)
			flush();
	} while (ret == OCS_SPOOL_OK);
	ck_assert_int_eq(ret, OCS_SPOOL_FULL);
	flush();
	list_segments();
	ck_assert_int_le(segment_bytes, 8 * 65536);
	ck_assert_int_gt(segment_bytes, 8 * 65536 - 2000);
	ck_assert_uint_eq(state().messages, n - 1);
	for (unsigned i = 1; i <= 100; i++)
		ck_assert_uint_eq(get_numbered(sizeof(text)), i);
	ck_assert_int_eq(ocs_spool_append(spool, text, sizeof(text), &rig_error), OCS_SPOOL_FULL);
	ocs_spool_confirm(spool, 100);
	fill(n, n + 50, sizeof(text), 10);
	for (unsigned i = 101; i <= n + 50; i++)
		ck_assert_uint_eq(get_numbered(sizeof(text)), i);
	/* What waits for a flush counts. */
	reopen_with(8 * 65536);
	while ((ret = ocs_spool_append(spool, text, sizeof(text), &rig_error)) == OCS_SPOOL_OK)
		continue;
	ck_assert_int_eq(ret, OCS_SPOOL_FULL);
	/* A smaller bound refuses more and keeps what is there. */
	reopen_with(1000);
	ck_assert_int_eq(ocs_spool_append(spool, "x", 1, &rig_error), OCS_SPOOL_FULL);
	ck_assert_uint_eq(get_numbered(sizeof(text)), 101);
}
END_TEST

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

START_TEST(of_a_flush_that_failed_nothing_is_there_and_it_goes_on)
{
	off_t size = 0;
	int ret;

	/* 0: the disk is full half-way; 1: the sync fails; each in an old segment and a new one. */
	if (_i / 2 == 0) {
		put("one");
		list_segments();
		size = segment_bytes;
	}
	append("two");
	append("three");
	if (_i % 2 == 0)
		limit_files((rlim_t)size + HEADER + 3 + 10);
	else
		atomic_store(&failing_syncs, 1);
	ret = ocs_spool_flush(spool, &rig_error);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(ret, OCS_SPOOL_ERROR);
	ck_assert_ptr_nonnull(strstr(rig_error.text, folder));
	list_segments();
	ck_assert_int_eq(segment_bytes, size);
	ck_assert_uint_eq(state().bytes, (uint64_t)size);
	ck_assert(ocs_spool_empty(spool) == (size == 0));
	flush(); /* what it had is not kept for the next one */
	for (int round = 0; round < 2; round++) {
		if (size > 0)
			expect("one");
		if (round == 0)
			put("four");
		expect("four");
		ck_assert_uint_eq(number, size > 0 ? 2 : 1);
		expect_nothing();
		reopen();
		ck_assert_uint_eq(damaged, 0);
	}
}
END_TEST

/* ---- sudden death, torn ends, damage ---- */

/* Flushes numbered records on and on, in lots of 1 to 7, and says which are flushed. */
static int append_on_and_on(int to_parent)
{
	struct ocs_spool *mine;
	char text[900];

	if (ocs_spool_open(folder, ROOM, &mine, NULL, NULL) != 0)
		return 1;
	for (unsigned n = 1;; n++) {
		numbered(text, sizeof(text), n);
		if (ocs_spool_append(mine, text, sizeof(text), NULL) != OCS_SPOOL_OK)
			return 1;
		if (n % 7 != 0 && n % 3 != 0)
			continue;
		if (ocs_spool_flush(mine, NULL) != OCS_SPOOL_OK ||
		    write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
}

START_TEST(killed_while_it_writes_nothing_that_was_flushed_is_lost)
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
	reopen();
	ck_assert_uint_eq(damaged, 0);
	while ((n = get_numbered(900)) != 0)
		ck_assert_uint_eq(n, ++got);
	ck_assert_uint_ge(got, told);
	ck_assert_uint_le(got, told + 3);
	fill(got + 1, got + 1, 900, 1);
	ck_assert_uint_eq(get_numbered(900), got + 1);
}
END_TEST

START_TEST(a_torn_end_is_cut_off_wherever_it_was_torn)
{
	struct stat st;
	off_t whole;

	put("one");
	list_segments();
	whole = segment_bytes;
	for (off_t torn = 1; torn < HEADER + 10; torn++) {
		put("torn apart");
		ck_assert_int_eq(truncate(segments[0], whole + torn), 0);
		reopen();
		ck_assert_uint_eq(damaged, 0);
		ck_assert_int_eq(stat(segments[0], &st), 0);
		ck_assert_int_eq(st.st_size, whole);
		ck_assert_uint_eq(state().bytes, (uint64_t)whole);
		expect("one");
		expect_nothing();
	}
	/* A power cut can leave a file long and empty. */
	ck_assert_int_eq(truncate(segments[0], whole + 100000), 0);
	reopen();
	ck_assert_uint_eq(damaged, 0);
	put("two");
	expect("one");
	expect("two");
	ck_assert_uint_eq(number, 2);
	expect_nothing();
	/* Or the whole of a segment torn. */
	ck_assert_int_eq(truncate(segments[0], 0), 0);
	reopen();
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(list_segments(), 0);
	put("again");
	expect("again");
}
END_TEST

START_TEST(a_damaged_record_costs_that_record_alone)
{
	/* Data; magic; checksum of the header; checksum of the data; length (a little off, and
	 * far); number. */
	static const struct {
		off_t at;
		const char *bytes;
		size_t len;
	} damage[] = {{HEADER + 5, "x", 1},
	              {0, "x", 1},
	              {4, "xx", 2},
	              {8, "xx", 2},
	              {12, "\x60", 1},
	              {12, "\xff\xff\xff\xff", 4},
	              {16, "\x09\x09\x09", 3},
	              {0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20}};
	off_t whole = HEADER + 100;

	fill(1, 10, 100, 3);
	list_segments();
	overwrite(segments[0], 4 * whole + damage[_i].at, damage[_i].bytes, damage[_i].len);
	/* Damaged under the open spool, and found so by the next one. */
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 1; n <= 10; n++)
			if (n != 5)
				ck_assert_uint_eq(get_numbered(100), n);
		expect_nothing();
		ck_assert_uint_eq(state().damaged, 1);
		ocs_spool_rewind(spool);
		while (get_numbered(100) != 0)
			continue;
		ck_assert_uint_eq(state().damaged, 1);
		if (round == 0) {
			reopen();
			ck_assert_uint_eq(damaged, 1);
			ck_assert_uint_eq(state().messages, 10);
		}
	}
	ocs_spool_confirm(spool, 10);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(list_segments(), 0);
}
END_TEST

START_TEST(a_damaged_segment_does_not_cost_the_others)
{
	char *garbage = malloc(65536);
	unsigned got = 0, n, last = 0, lost = 0;
	struct stat st;

	reopen_with(8 * 65536);
	fill(1, 400, 1000, 20);
	ck_assert_uint_ge(list_segments(), 4);
	ck_assert_int_eq(stat(segments[1], &st), 0);
	for (size_t i = 0; i < 65536; i++)
		garbage[i] = (char)(i * 31 >> 4);
	for (off_t at = 0; at < st.st_size; at += 65536)
		overwrite(segments[1], at, garbage,
		          st.st_size - at < 65536 ? (size_t)(st.st_size - at) : 65536);
	/* The next one lacks its end, and its first header. */
	ck_assert_int_eq(truncate(segments[2], 30 * (1000 + HEADER) + 50), 0);
	overwrite(segments[2], 3, "x", 1);
	reopen_with(8 * 65536);
	for (n = get_numbered(1000); n != 0; n = get_numbered(1000)) {
		ck_assert_uint_gt(n, last);
		ck_assert_uint_eq(number, n);
		lost += n - last - 1;
		last = n;
		got++;
	}
	ck_assert_uint_eq(last, 400);
	ck_assert_uint_eq(got + lost, 400);
	ck_assert_uint_eq(damaged, lost);
	ck_assert_uint_eq(state().damaged, lost);
	ck_assert_uint_ge(got, 400 - 3 * 80);
	free(garbage);
}
END_TEST

START_TEST(a_damaged_last_record_does_not_keep_the_spool_from_being_empty)
{
	off_t whole = HEADER + 100;

	fill(1, 5, 100, 1);
	list_segments();
	overwrite(segments[0], 4 * whole + HEADER + 3, "x", 1);
	if (_i == 0) { /* found at opening */
		reopen();
		ck_assert_uint_eq(damaged, 1);
		ck_assert_uint_eq(state().messages, 4);
	}
	for (unsigned n = 1; n <= 4; n++)
		ck_assert_uint_eq(get_numbered(100), n);
	if (_i == 2) /* confirmed before it is found */
		ocs_spool_confirm(spool, 4);
	expect_nothing();
	if (_i == 1) { /* and come past a second time */
		ocs_spool_rewind(spool);
		for (unsigned n = 1; n <= 4; n++)
			ck_assert_uint_eq(get_numbered(100), n);
		expect_nothing();
	}
	ck_assert_uint_eq(state().damaged, _i == 0 ? 0 : 1);
	ocs_spool_confirm(spool, 4);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(list_segments(), 0);
	put("after");
	expect("after");
	ocs_spool_confirm(spool, number);
	ck_assert(ocs_spool_empty(spool));
}
END_TEST

START_TEST(a_head_ahead_of_the_segments_or_damaged_loses_nothing_new)
{
	struct stat st;

	fill(1, 10, 100, 1);
	while (get_numbered(100) < 8)
		continue;
	ocs_spool_confirm(spool, 8);
	list_segments();
	/* The segment lost its end: the head speaks of records that are not there. */
	ck_assert_int_eq(truncate(segments[0], 5 * (HEADER + 100)), 0);
	reopen();
	ck_assert(ocs_spool_empty(spool));
	put("new");
	reopen();
	ck_assert_uint_eq(damaged, 0);
	expect("new");
	ck_assert_uint_eq(number, 9);
	/* A damaged head sends again what its segment has. */
	put("newer");
	ocs_spool_confirm(spool, 9);
	overwrite(rig_path("spool/head"), 2, "x", 1);
	reopen();
	expect("new");
	expect("newer");
	expect_nothing();
	/* And a lost one likewise; it is made anew. */
	ck_assert_int_eq(unlink(rig_path("spool/head")), 0);
	reopen();
	expect("new");
	ck_assert_int_eq(stat(rig_path("spool/head"), &st), 0);
	ck_assert_uint_eq(state().damaged + damaged, 0);
}
END_TEST

START_TEST(other_files_in_the_folder_are_left_alone)
{
	static const char *const names[] = {"spool/1", "spool/notes", "spool/00000000000000000000",
	                                    "spool/00000000000000000003.bak"};
	struct stat st;

	for (size_t i = 0; i < 4; i++) {
		int fd = open(rig_path(names[i]), O_WRONLY | O_CREAT, 0600);

		ck_assert_int_ge(fd, 0);
		close(fd);
	}
	put("one");
	reopen();
	expect("one");
	ocs_spool_confirm(spool, 1);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(stat(rig_path(names[i]), &st), 0);
}
END_TEST

/* ---- threads ---- */

#define RECORDS 20000U

static void *write_records(void *arg)
{
	char text[200];

	(void)arg;
	for (unsigned n = 1; n <= RECORDS; n++) {
		numbered(text, sizeof(text), n);
		while (ocs_spool_append(spool, text, sizeof(text), NULL) == OCS_SPOOL_FULL) {
			if (ocs_spool_flush(spool, NULL) != OCS_SPOOL_OK)
				return "flush";
			usleep(500);
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
		usleep(100);
	}
	return NULL;
}

START_TEST(one_thread_writes_and_another_reads_with_lost_connections_in_between)
{
	pthread_t writer, watcher;
	unsigned got = 0, rewound = 0, n;
	void *wrong;

	reopen_with(8 * 65536);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_records, NULL), 0);
	ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
	while (got < RECORDS) {
		n = get_numbered(200);
		if (n == 0) {
			usleep(200);
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
	ck_assert_uint_eq(list_segments(), 0);
	ck_assert_uint_eq(state().damaged, 0);
}
END_TEST

static void *flush_once(void *arg)
{
	(void)arg;
	return ocs_spool_flush(spool, NULL) == OCS_SPOOL_OK ? NULL : "flush";
}

static bool is_in_sync(void *arg)
{
	(void)arg;
	return atomic_load(&in_sync);
}

START_TEST(while_the_disk_syncs_everything_else_goes_on)
{
	pthread_t flusher;
	void *wrong;

	put("one");
	put("two");
	append("three");
	atomic_store(&hold_sync, true);
	ck_assert_int_eq(pthread_create(&flusher, NULL, flush_once, NULL), 0);
	ck_assert(rig_wait_for(is_in_sync, NULL, 10));
	/* Were the lock held, the test would time out here. */
	expect("one");
	expect("two");
	expect_nothing();
	append("four");
	ck_assert_uint_eq(state().messages, 2);
	/* All that is there is confirmed, but its segment is being written to. */
	ocs_spool_confirm(spool, 2);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(list_segments(), 1);
	atomic_store(&hold_sync, false);
	pthread_join(flusher, &wrong);
	ck_assert_ptr_null(wrong);
	expect("three");
	expect_nothing();
	flush();
	reopen();
	expect("three");
	expect("four");
	expect_nothing();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spool");
	TCase *tcase = tcase_create("spool");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_new_spool_is_empty_and_for_its_owner_alone);
	tcase_add_test(tcase, only_what_was_flushed_is_there_and_one_sync_serves_many);
	tcase_add_test(tcase, what_is_confirmed_is_forgotten_also_after_a_restart);
	tcase_add_test(tcase, after_a_rewind_comes_what_is_not_confirmed_and_only_that);
	tcase_add_test(tcase, the_order_holds_over_many_segments_and_confirmed_ones_are_removed);
	tcase_add_test(tcase, large_records_come_back_whole);
	tcase_add_test(tcase, it_knows_the_age_of_the_oldest_that_is_not_confirmed);
	tcase_add_test(tcase, one_process_alone_has_it_open);
	tcase_add_test(tcase, a_folder_that_cannot_be_had_is_an_error_with_its_name);
	tcase_add_test(tcase, past_the_bound_it_is_full_and_takes_more_when_a_segment_is_confirmed);
	tcase_add_loop_test(tcase, of_a_flush_that_failed_nothing_is_there_and_it_goes_on, 0, 4);
	tcase_add_loop_test(tcase, killed_while_it_writes_nothing_that_was_flushed_is_lost, 0, 8);
	tcase_add_test(tcase, a_torn_end_is_cut_off_wherever_it_was_torn);
	tcase_add_loop_test(tcase, a_damaged_record_costs_that_record_alone, 0, 8);
	tcase_add_test(tcase, a_damaged_segment_does_not_cost_the_others);
	tcase_add_loop_test(tcase, a_damaged_last_record_does_not_keep_the_spool_from_being_empty,
	                    0, 3);
	tcase_add_test(tcase, a_head_ahead_of_the_segments_or_damaged_loses_nothing_new);
	tcase_add_test(tcase, other_files_in_the_folder_are_left_alone);
	tcase_add_test(tcase, one_thread_writes_and_another_reads_with_lost_connections_in_between);
	tcase_add_test(tcase, while_the_disk_syncs_everything_else_goes_on);
	suite_add_tcase(suite, tcase);
	return rig_run(suite);
}

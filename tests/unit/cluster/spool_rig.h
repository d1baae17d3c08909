/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of the spool: one in a temporary folder, records that say their number, its segment
 * files, and a disk whose syncs fail or hang as a test wants.
 */
#ifndef OCS_UNIT_TEST_CLUSTER_SPOOL_RIG_H
#define OCS_UNIT_TEST_CLUSTER_SPOOL_RIG_H

#include "tests/unit/rig.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "cluster/spool.h"

#define ROOM   (64U << 20)
#define HEADER 32

static struct ocs_spool *spool;
static char folder[128];
static uint64_t damaged;

/* ---- the disk, as a test wants it ---- */

static _Atomic int syncs, failing_syncs;
static _Atomic bool hold_sync, in_sync;

static _Atomic int failing_reads;

/* In the place of libc's, and so is the next. With _FORTIFY_SOURCE libc's is an inline function
 * too. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wstatic-in-inline"
#endif
ssize_t pread(int fd, void *buffer, size_t len, off_t at)
{
	if (atomic_load(&failing_reads) > 0) {
		atomic_fetch_sub(&failing_reads, 1);
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buffer, len, at);
}

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

RIG_UNUSED static void reopen_with(uint64_t max)
{
	ocs_spool_close(spool);
	ck_assert_ok(ocs_spool_open(folder, max, &spool, &damaged, &rig_error));
}

RIG_UNUSED static void reopen(void)
{
	reopen_with(ROOM);
}

RIG_UNUSED static void setup(void)
{
	rig_make_folder();
	snprintf(folder, sizeof(folder), "%s/spool", rig_folder);
	spool = NULL;
	reopen();
	ck_assert_uint_eq(damaged, 0);
}

RIG_UNUSED static void teardown(void)
{
	ocs_spool_close(spool);
	rig_remove_folder();
}

RIG_UNUSED static void append(const char *text)
{
	ck_assert_ok(ocs_spool_append(spool, text, strlen(text), &rig_error));
}

RIG_UNUSED static void flush(void)
{
	ck_assert_ok(ocs_spool_flush(spool, &rig_error));
}

RIG_UNUSED static void put(const char *text)
{
	append(text);
	flush();
}

/* Reads one record; the text stays until the next call. NULL: nothing there. */
RIG_UNUSED static uint64_t number;

RIG_UNUSED static const char *get(void)
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

RIG_UNUSED static void expect(const char *text)
{
	const char *got = get();

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, text);
}

RIG_UNUSED static void expect_nothing(void)
{
	ck_assert_ptr_null(get());
}

RIG_UNUSED static struct ocs_spool_state state(void)
{
	struct ocs_spool_state now;

	ocs_spool_state(spool, &now);
	return now;
}

/* The segments' paths in order; their bytes. */
RIG_UNUSED static char segments[256][192];
RIG_UNUSED static off_t segment_bytes;

RIG_UNUSED static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

RIG_UNUSED static size_t list_segments(void)
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

RIG_UNUSED static void overwrite(const char *path, off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

/* Records of one size that say their number: "record 000017 ....". */
RIG_UNUSED static void numbered(char *text, size_t len, unsigned n)
{
	char head[32];

	snprintf(head, sizeof(head), "record %06u ", n);
	memset(text, '.', len);
	memcpy(text, head, strlen(head));
}

RIG_UNUSED static void fill(unsigned first, unsigned last, size_t len, unsigned a_flush)
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
RIG_UNUSED static unsigned get_numbered(size_t len)
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

#endif

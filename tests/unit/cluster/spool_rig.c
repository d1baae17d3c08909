/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the spool share: see spool_rig.h. */
#include "tests/unit/cluster/spool_rig.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/syscall.h>

struct ocs_spool *spool;
char spool_folder[128];
uint64_t spool_damaged;

/* ---- the disk, as a test wants it ---- */

_Atomic int spool_syncs, spool_failing_syncs;
_Atomic int spool_failing_reads;

static pthread_mutex_t sync_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_changed = PTHREAD_COND_INITIALIZER;
static bool held, in_sync;

void spool_hold_sync(bool hold)
{
	pthread_mutex_lock(&sync_lock);
	held = hold;
	pthread_cond_broadcast(&sync_changed);
	pthread_mutex_unlock(&sync_lock);
}

void spool_wait_for_sync(void)
{
	pthread_mutex_lock(&sync_lock);
	while (!in_sync)
		pthread_cond_wait(&sync_changed, &sync_lock);
	pthread_mutex_unlock(&sync_lock);
}

static void pass_sync(void)
{
	pthread_mutex_lock(&sync_lock);
	in_sync = true;
	pthread_cond_broadcast(&sync_changed);
	while (held)
		pthread_cond_wait(&sync_changed, &sync_lock);
	in_sync = false;
	pthread_mutex_unlock(&sync_lock);
}

/* In the place of libc's, and so is the next. */
ssize_t pread(int fd, void *buffer, size_t len, off_t at)
{
	if (atomic_load(&spool_failing_reads) > 0) {
		atomic_fetch_sub(&spool_failing_reads, 1);
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buffer, len, at);
}

int fdatasync(int fd)
{
	atomic_fetch_add(&spool_syncs, 1);
	if (atomic_load(&spool_failing_syncs) > 0) {
		atomic_fetch_sub(&spool_failing_syncs, 1);
		errno = EIO;
		return -1;
	}
	pass_sync();
	return (int)syscall(SYS_fdatasync, fd);
}

void spool_reopen_with(uint64_t max)
{
	ocs_spool_close(spool);
	ck_assert_ok(ocs_spool_open(spool_folder, max, &spool, &spool_damaged, &rig_error));
}

void spool_reopen(void)
{
	spool_reopen_with(SPOOL_ROOM);
}

void spool_setup(void)
{
	rig_make_folder();
	snprintf(spool_folder, sizeof(spool_folder), "%s/spool", rig_folder);
	spool = NULL;
	spool_reopen();
	ck_assert_uint_eq(spool_damaged, 0);
}

void spool_teardown(void)
{
	ocs_spool_close(spool);
	rig_remove_folder();
}

void spool_append(const char *text)
{
	ck_assert_ok(ocs_spool_append(spool, text, strlen(text), &rig_error));
}

void spool_flush(void)
{
	ck_assert_ok(ocs_spool_flush(spool, &rig_error));
}

void spool_put(const char *text)
{
	spool_append(text);
	spool_flush();
}

uint64_t spool_number;

static const char *spool_get(void)
{
	static char text[256];
	uint8_t *data;
	size_t len;
	int ret = ocs_spool_read(spool, NULL, &data, &len, &spool_number, &rig_error);

	ck_assert_msg(ret >= 0, "%s", rig_error.text);
	if (ret == 0)
		return NULL;
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, data, len);
	text[len] = '\0';
	talloc_free(data);
	return text;
}

void spool_expect(const char *text)
{
	const char *got = spool_get();

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, text);
}

void spool_expect_nothing(void)
{
	ck_assert_ptr_null(spool_get());
}

struct ocs_spool_state spool_state(void)
{
	struct ocs_spool_state now;

	ocs_spool_state(spool, &now);
	return now;
}

char spool_segments[256][192];
off_t spool_segment_bytes;

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

size_t spool_list_segments(void)
{
	DIR *d = opendir(spool_folder);
	const struct dirent *entry;
	struct stat st;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	spool_segment_bytes = 0;
	while ((entry = readdir(d)) != NULL) {
		if (strspn(entry->d_name, "0123456789") != 20)
			continue;
		ck_assert_uint_lt(n, 256);
		snprintf(spool_segments[n], sizeof(spool_segments[n]), "%s/%.20s", spool_folder,
		         entry->d_name);
		ck_assert_int_eq(stat(spool_segments[n], &st), 0);
		spool_segment_bytes += st.st_size;
		n++;
	}
	closedir(d);
	qsort(spool_segments, n, sizeof(spool_segments[0]), by_name);
	return n;
}

void spool_overwrite(const char *path, off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

void spool_numbered_text(char *text, size_t len, unsigned n)
{
	char head[32];

	snprintf(head, sizeof(head), "record %06u ", n);
	memset(text, '.', len);
	memcpy(text, head, strlen(head));
}

void spool_fill(unsigned first, unsigned last, size_t len, unsigned a_flush)
{
	char *text = malloc(len);

	for (unsigned n = first; n <= last; n++) {
		spool_numbered_text(text, len, n);
		ck_assert_ok(ocs_spool_append(spool, text, len, &rig_error));
		if (n % a_flush == 0 || n == last)
			spool_flush();
	}
	free(text);
}

unsigned spool_get_numbered(size_t len)
{
	char *text = malloc(len);
	uint8_t *data;
	size_t got;
	int ret = ocs_spool_read(spool, NULL, &data, &got, &spool_number, &rig_error);
	unsigned n = 0;

	ck_assert_msg(ret >= 0, "%s", rig_error.text);
	if (ret == 1) {
		ck_assert_uint_eq(got, len);
		ck_assert_int_eq(sscanf((const char *)data, "record %6u", &n), 1);
		spool_numbered_text(text, len, n);
		ck_assert_int_eq(memcmp(text, data, len), 0);
		talloc_free(data);
	}
	free(text);
	return n;
}

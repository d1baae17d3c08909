/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The spool: opening what an earlier process left, closing, state. Touches the folder it was given
 * and nothing else.
 */
#include "cluster/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "base/bytes.h"

/* A segment frees its room only as a whole, so a small spool has small ones. */
#define SEGMENT_SIZE     (8U << 20)
#define SEGMENT_SIZE_MIN 65536U

static int spool_destroy(struct ocs_spool *spool)
{
	ocs_spool_cursor_set(&spool->oldest, NULL, 0, 0);
	ocs_spool_cursor_set(&spool->reader, NULL, 0, 0);
	if (spool->write_fd >= 0)
		close(spool->write_fd);
	if (spool->head_fd >= 0)
		close(spool->head_fd);
	if (spool->folder_fd >= 0)
		close(spool->folder_fd);
	pthread_mutex_destroy(&spool->lock);
	pthread_mutex_destroy(&spool->writer);
	return 0;
}

static struct ocs_spool *new_spool(const char *folder, uint64_t max)
{
	struct ocs_spool *spool = talloc_zero(NULL, struct ocs_spool);

	if (spool == NULL)
		return NULL;
	pthread_mutex_init(&spool->lock, NULL);
	pthread_mutex_init(&spool->writer, NULL);
	spool->folder_fd = spool->head_fd = spool->write_fd = -1;
	ocs_spool_cursor_init(&spool->oldest);
	ocs_spool_cursor_init(&spool->reader);
	talloc_set_destructor(spool, spool_destroy);
	spool->max = max;
	spool->segment_size = max / 8 < SEGMENT_SIZE ? (uint32_t)(max / 8) : SEGMENT_SIZE;
	if (spool->segment_size < SEGMENT_SIZE_MIN)
		spool->segment_size = SEGMENT_SIZE_MIN;
	spool->folder = talloc_strdup(spool, folder);
	if (spool->folder == NULL)
		TALLOC_FREE(spool);
	return spool;
}

/* A head that does not verify counts as none: what is there is sent again. */
static void read_head(struct ocs_spool *spool)
{
	uint8_t head[12];

	if (pread(spool->head_fd, head, sizeof(head), 0) == sizeof(head) &&
	    ocs_get32(head + 8) == ocs_record_checksum(head, 8))
		spool->confirmed = ocs_get64(head);
}

/* ---- finding the segments ---- */

static bool segment_number(const char *name, uint64_t *number_r)
{
	char canonical[OCS_SPOOL_NAME_SIZE];

	*number_r = strtoull(name, NULL, 10);
	ocs_spool_segment_name(*number_r, canonical);
	return *number_r > 0 && strcmp(name, canonical) == 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The numbers in the names, in order: a talloc array. NULL: error. */
static uint64_t *list_segments(struct ocs_spool *spool, size_t *n_r, struct ocs_error *error)
{
	uint64_t *numbers = talloc_array(spool, uint64_t, 64), number;
	int fd = openat(spool->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	*n_r = 0;
	if (folder == NULL) {
		ocs_error_set(error, "%s: cannot read: %s", spool->folder, strerror(errno));
		if (fd >= 0)
			close(fd);
		talloc_free(numbers);
		return NULL;
	}
	while (numbers != NULL && (errno = 0, entry = readdir(folder)) != NULL) {
		if (!segment_number(entry->d_name, &number))
			continue;
		if (*n_r == talloc_array_length(numbers)) {
			uint64_t *grown = talloc_realloc(spool, numbers, uint64_t, 2 * *n_r);

			if (grown == NULL) {
				TALLOC_FREE(numbers);
				break;
			}
			numbers = grown;
		}
		numbers[(*n_r)++] = number;
	}
	/* One that is not seen would be lost. */
	if (numbers == NULL) {
		ocs_error_memory(error);
	} else if (errno != 0) {
		ocs_error_set(error, "%s: cannot read: %s", spool->folder, strerror(errno));
		TALLOC_FREE(numbers);
	} else {
		qsort(numbers, *n_r, sizeof(*numbers), by_number);
	}
	closedir(folder);
	return numbers;
}

/* Makes the list of segments, with the bounds that the files allow. */
static int find_segments(struct ocs_spool *spool, struct ocs_error *error)
{
	size_t n;
	uint64_t *numbers = list_segments(spool, &n, error);

	if (numbers == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct ocs_spool_segment *segment = talloc_zero(spool, struct ocs_spool_segment);
		char name[OCS_SPOOL_NAME_SIZE];
		struct stat st;

		if (segment == NULL)
			return ocs_error_memory(error);
		ocs_spool_segment_name(numbers[i], name);
		if (fstatat(spool->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			return ocs_error_set(error, "%s/%s: not a regular file", spool->folder,
			                     name);
		segment->first = numbers[i];
		segment->size = (uint64_t)st.st_size;
		segment->end = i + 1 < n ? numbers[i + 1]
		                         : numbers[i] + segment->size / OCS_RECORD_HEADER + 1;
		DL_APPEND(spool->segments, segment);
		spool->bytes += segment->size;
	}
	talloc_free(numbers);
	return 0;
}

/* ---- looking through them ---- */

struct scan {
	uint64_t expected;              /* number of the next record */
	uint64_t headers;               /* the highest number of any header */
	struct ocs_spool_segment *good; /* where the last record that verified is, and ends */
	uint64_t good_end;
	uint64_t damaged;
};

static int scan_records(struct ocs_spool *spool, struct scan *scan, struct ocs_error *error)
{
	struct ocs_spool_cursor *cursor = &spool->reader;
	struct ocs_record record;
	uint8_t *data = NULL;
	int ret, sound;

	ocs_spool_cursor_set(cursor, NULL, 0, scan->expected);
	while ((ret = ocs_spool_cursor_find(spool, cursor, &record, error)) == 1) {
		if (talloc_get_size(data) < record.len) {
			talloc_free(data);
			data = talloc_array(spool, uint8_t, record.len);
			if (data == NULL)
				return ocs_error_memory(error);
		}
		scan->headers = record.number;
		sound = ocs_spool_cursor_data(spool, cursor, &record, data, error);
		if (sound < 0)
			return -1;
		if (sound == 1) {
			scan->damaged += record.number - scan->expected;
			scan->expected = cursor->next = record.number + 1;
			scan->good = cursor->segment;
			scan->good_end = cursor->offset + OCS_RECORD_HEADER + record.len;
		}
		ocs_spool_cursor_step(cursor, &record);
	}
	if (scan->headers >= scan->expected)
		scan->damaged += scan->headers + 1 - scan->expected;
	talloc_free(data);
	return ret;
}

/* Cuts off what follows the last record that verified: it was never flushed, or is lost. Where none
 * did, nothing is left to keep. */
static int cut_tail(struct ocs_spool *spool, const struct scan *scan, struct ocs_error *error)
{
	struct ocs_spool_segment *good = scan->good;
	char name[OCS_SPOOL_NAME_SIZE];

	if (good == NULL) {
		for (good = spool->segments; good != NULL; good = good->next)
			good->end = spool->confirmed + 1;
		return 0;
	}
	while (good->next != NULL) {
		struct ocs_spool_segment *empty = good->next;

		ocs_spool_segment_name(empty->first, name);
		if (unlinkat(spool->folder_fd, name, 0) != 0)
			return ocs_error_set(error, "%s/%s: cannot remove: %s", spool->folder, name,
			                     strerror(errno));
		DL_DELETE(spool->segments, empty);
		spool->bytes -= empty->size;
		talloc_free(empty);
	}
	good->end = scan->expected;
	if (good->size == scan->good_end)
		return 0;
	ocs_spool_segment_name(good->first, name);
	spool->write_fd = openat(spool->folder_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (spool->write_fd < 0 || ftruncate(spool->write_fd, (off_t)scan->good_end) != 0)
		return ocs_error_set(error, "%s/%s: cannot cut off its torn end: %s", spool->folder,
		                     name, strerror(errno));
	spool->bytes -= good->size - scan->good_end;
	good->size = scan->good_end;
	return 0;
}

static int take_in(struct ocs_spool *spool, uint64_t *damaged_r, struct ocs_error *error)
{
	struct scan scan = {0};

	if (find_segments(spool, error) != 0)
		return -1;
	/* Those before the first segment were confirmed, whatever an old head says. */
	if (spool->segments != NULL && spool->segments->first > spool->confirmed + 1)
		spool->confirmed = spool->segments->first - 1;
	scan.expected = spool->confirmed + 1;
	if (scan_records(spool, &scan, error) != 0 || cut_tail(spool, &scan, error) != 0)
		return -1;
	spool->last = scan.expected - 1;
	spool->returned = spool->passed = spool->confirmed;
	atomic_store(&spool->empty, spool->last == spool->confirmed);
	ocs_spool_cursor_set(&spool->oldest, NULL, 0, spool->confirmed + 1);
	ocs_spool_cursor_set(&spool->reader, NULL, 0, spool->confirmed + 1);
	ocs_spool_remove_confirmed(spool);
	ocs_spool_write_head(spool);
	if (damaged_r != NULL)
		*damaged_r = scan.damaged;
	return 0;
}

int ocs_spool_open(const char *folder, uint64_t max, struct ocs_spool **spool_r,
                   uint64_t *damaged_r, struct ocs_error *error)
{
	struct ocs_spool *spool = new_spool(folder, max);

	*spool_r = NULL;
	if (spool == NULL)
		return ocs_error_memory(error);
	if (ocs_spool_open_folder(folder, &spool->folder_fd, &spool->head_fd, error) != 0)
		goto failed;
	read_head(spool);
	if (take_in(spool, damaged_r, error) != 0)
		goto failed;
	*spool_r = spool;
	return 0;
failed:
	talloc_free(spool);
	return -1;
}

void ocs_spool_close(struct ocs_spool *spool)
{
	talloc_free(spool);
}

void ocs_spool_state(struct ocs_spool *spool, struct ocs_spool_state *out)
{
	struct ocs_record record;

	pthread_mutex_lock(&spool->lock);
	out->messages = spool->last - spool->confirmed;
	out->bytes = spool->bytes;
	out->damaged = spool->damaged;
	out->oldest = 0;
	if (out->messages > 0 && ocs_spool_cursor_find(spool, &spool->oldest, &record, NULL) == 1)
		out->oldest = record.when;
	pthread_mutex_unlock(&spool->lock);
}

bool ocs_spool_empty(struct ocs_spool *spool)
{
	return atomic_load(&spool->empty);
}

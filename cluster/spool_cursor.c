/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Walking along the spool's records, from segment to segment. Reads segment files, changes none.
 * The lock of the spool is held, or nobody else has it yet.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ocs_spool_segment_name(uint64_t first, char name[OCS_SPOOL_NAME_SIZE])
{
	snprintf(name, OCS_SPOOL_NAME_SIZE, "%020" PRIu64, first);
}

void ocs_spool_cursor_init(struct ocs_spool_cursor *cursor)
{
	ocs_record_window_set(&cursor->window, -1);
	ocs_spool_cursor_set(cursor, NULL, 0, 1);
}

void ocs_spool_cursor_set(struct ocs_spool_cursor *cursor, struct ocs_spool_segment *segment,
                          uint64_t offset, uint64_t next)
{
	if (segment != cursor->segment || segment == NULL) {
		if (cursor->window.fd >= 0)
			close(cursor->window.fd);
		ocs_record_window_set(&cursor->window, -1);
	}
	cursor->segment = segment;
	cursor->offset = offset;
	cursor->next = next;
}

static int open_segment(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                        struct ocs_error *error)
{
	char name[OCS_SPOOL_NAME_SIZE];

	if (cursor->window.fd >= 0)
		return 0;
	ocs_spool_segment_name(cursor->segment->first, name);
	cursor->window.fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (cursor->window.fd < 0)
		return ocs_error_set(error, "%s/%s: cannot open: %s", spool->folder, name,
		                     strerror(errno));
	return 0;
}

/* Trouble of the disk may pass: nothing is taken for damaged or missing because of it. */
static int cannot_read(const struct ocs_spool *spool, const struct ocs_spool_cursor *cursor,
                       struct ocs_error *error)
{
	char name[OCS_SPOOL_NAME_SIZE];
	int why = errno;

	ocs_spool_segment_name(cursor->segment->first, name);
	return ocs_error_set(error, "%s/%s: cannot read: %s", spool->folder, name, strerror(why));
}

static struct ocs_record_bounds bounds_of(const struct ocs_spool_segment *segment)
{
	return (struct ocs_record_bounds){
	        .size = segment->size,
	        .first = segment->first,
	        .end = segment->end,
	        .len_max = OCS_SPOOL_RECORD_MAX,
	};
}

int ocs_spool_cursor_find(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          struct ocs_record *record, struct ocs_error *error)
{
	if (cursor->segment == NULL && spool->segments != NULL)
		ocs_spool_cursor_set(cursor, spool->segments, 0, cursor->next);
	while (cursor->segment != NULL) {
		const struct ocs_spool_segment *segment = cursor->segment;
		const struct ocs_record_bounds bounds = bounds_of(segment);
		int found = 0;

		if (cursor->offset < segment->size) {
			if (open_segment(spool, cursor, error) != 0)
				return -1;
			found = ocs_record_find(&cursor->window, &bounds, &cursor->offset, record);
		}
		if (found < 0)
			return cannot_read(spool, cursor, error);
		if (found == 1 && record->number >= cursor->next)
			return 1;
		if (found == 1)
			ocs_spool_cursor_step(cursor, record);
		else if (segment->next != NULL)
			ocs_spool_cursor_set(cursor, segment->next, 0, cursor->next);
		else
			return 0;
	}
	return 0;
}

int ocs_spool_cursor_data(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          const struct ocs_record *record, uint8_t *out, struct ocs_error *error)
{
	const struct ocs_record_bounds bounds = bounds_of(cursor->segment);
	int ret = ocs_record_data(&cursor->window, &bounds, cursor->offset, record, out);

	return ret < 0 ? cannot_read(spool, cursor, error) : ret;
}

void ocs_spool_cursor_step(struct ocs_spool_cursor *cursor, const struct ocs_record *record)
{
	cursor->offset += OCS_RECORD_HEADER + record->len;
}

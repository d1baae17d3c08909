/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The spool: read, rewind, confirm. Removes segment files, writes the file `head`.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "base/bytes.h"

void ocs_spool_write_head(struct ocs_spool *spool)
{
	uint8_t head[12];

	ocs_put64(head, spool->confirmed);
	ocs_put32(head + 8, ocs_record_checksum(head, 8));
	if (pwrite(spool->head_fd, head, sizeof(head), 0) != sizeof(head))
		errno = 0;
}

static void leave_segment(struct ocs_spool_cursor *cursor, const struct ocs_spool_segment *segment)
{
	if (cursor->segment == segment)
		ocs_spool_cursor_set(cursor, segment->next, 0, cursor->next);
}

void ocs_spool_remove_confirmed(struct ocs_spool *spool)
{
	struct ocs_spool_segment *segment;
	char name[OCS_SPOOL_NAME_SIZE];

	while ((segment = spool->segments) != NULL && segment->end <= spool->confirmed + 1 &&
	       !(spool->flushing && segment->next == NULL)) {
		leave_segment(&spool->oldest, segment);
		leave_segment(&spool->reader, segment);
		DL_DELETE(spool->segments, segment);
		if (spool->segments == NULL && spool->write_fd >= 0) {
			close(spool->write_fd);
			spool->write_fd = -1;
		}
		ocs_spool_segment_name(segment->first, name);
		/* One that stays is found confirmed, and removed, at the next opening. */
		if (unlinkat(spool->folder_fd, name, 0) != 0)
			errno = 0;
		spool->bytes -= segment->size;
		talloc_free(segment);
	}
}

/* Moves the oldest on past `number`. Where that fails, it goes over the confirmed ones later. */
static void pass_confirmed(struct ocs_spool *spool, uint64_t number)
{
	struct ocs_spool_cursor *oldest = &spool->oldest;
	struct ocs_record record;

	if (number == spool->last && spool->segments != NULL) {
		struct ocs_spool_segment *last = spool->segments->prev;

		ocs_spool_cursor_set(oldest, last, last->size, number + 1);
	}
	while (oldest->next <= number && ocs_spool_cursor_find(spool, oldest, &record, NULL) == 1 &&
	       record.number <= number)
		ocs_spool_cursor_step(oldest, &record);
	oldest->next = number + 1;
}

static void confirm(struct ocs_spool *spool, uint64_t number)
{
	if (number > spool->last)
		number = spool->last;
	/* Lost records behind the last one that was read: nobody will ever confirm them. */
	if (number >= spool->returned && number < spool->given_up)
		number = spool->given_up;
	if (number <= spool->confirmed)
		return;
	pass_confirmed(spool, number);
	spool->confirmed = number;
	if (spool->reader.next <= number)
		ocs_spool_cursor_set(&spool->reader, spool->oldest.segment, spool->oldest.offset,
		                     number + 1);
	if (spool->returned < number)
		spool->returned = number;
	ocs_spool_write_head(spool);
	ocs_spool_remove_confirmed(spool);
	atomic_store(&spool->empty, spool->confirmed == spool->last);
}

void ocs_spool_confirm(struct ocs_spool *spool, uint64_t number)
{
	pthread_mutex_lock(&spool->lock);
	confirm(spool, number);
	pthread_mutex_unlock(&spool->lock);
}

void ocs_spool_rewind(struct ocs_spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	ocs_spool_cursor_set(&spool->reader, spool->oldest.segment, spool->oldest.offset,
	                     spool->oldest.next);
	spool->returned = spool->confirmed;
	spool->given_up = 0;
	pthread_mutex_unlock(&spool->lock);
}

/* The reader goes on at `number`: what it expected before that is lost. After a rewind it comes
 * past the same ones again. */
static void go_on_at(struct ocs_spool *spool, uint64_t number)
{
	uint64_t from = spool->reader.next > spool->passed ? spool->reader.next : spool->passed + 1;

	if (number > from)
		spool->damaged += number - from;
	if (number > spool->passed + 1)
		spool->passed = number - 1;
	spool->reader.next = number;
}

/* Skips records until one verifies: 1. */
static int read_next(struct ocs_spool *spool, const void *mem_ctx, uint8_t **data_r,
                     struct ocs_record *record, struct ocs_error *error)
{
	int ret;

	while ((ret = ocs_spool_cursor_find(spool, &spool->reader, record, error)) == 1) {
		uint8_t *data = talloc_array(mem_ctx, uint8_t, record->len);
		int sound;

		if (data == NULL)
			return ocs_error_memory(error);
		sound = ocs_spool_cursor_data(spool, &spool->reader, record, data, error);
		spool->read_at = spool->reader.offset;
		if (sound >= 0)
			ocs_spool_cursor_step(&spool->reader, record);
		if (sound == 1) {
			*data_r = data;
			return 1;
		}
		talloc_free(data);
		if (sound < 0)
			return -1;
	}
	return ret;
}

int ocs_spool_read(struct ocs_spool *spool, const void *mem_ctx, uint8_t **data_r, size_t *len_r,
                   uint64_t *number_r, struct ocs_error *error)
{
	struct ocs_record record;
	int ret;

	pthread_mutex_lock(&spool->lock);
	ret = read_next(spool, mem_ctx, data_r, &record, error);
	if (ret == 1) {
		go_on_at(spool, record.number);
		spool->reader.next = record.number + 1;
		if (spool->passed < record.number)
			spool->passed = record.number;
		spool->returned_before = spool->returned;
		spool->returned = record.number;
		*len_r = record.len;
		*number_r = record.number;
	} else if (ret == 0 && spool->reader.next <= spool->last) {
		go_on_at(spool, spool->last + 1);
		spool->given_up = spool->last;
		confirm(spool, spool->confirmed);
	}
	pthread_mutex_unlock(&spool->lock);
	return ret;
}

void ocs_spool_unread(struct ocs_spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	ocs_spool_cursor_set(&spool->reader, spool->reader.segment, spool->read_at,
	                     spool->returned);
	spool->returned = spool->returned_before;
	pthread_mutex_unlock(&spool->lock);
}

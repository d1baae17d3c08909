/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The spool: append and flush. Touches the last segment file, and makes new ones.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "base/file.h"

#define BUFFER_KEPT (1U << 20) /* a larger one is given back after its flush */

static int grow_buffer(struct ocs_spool *spool, size_t wanted)
{
	size_t room = talloc_get_size(spool->buffer);
	uint8_t *grown;

	if (wanted <= room)
		return 0;
	grown = talloc_realloc(spool, spool->buffer, uint8_t, wanted + room);
	if (grown == NULL)
		return -1;
	spool->buffer = grown;
	return 0;
}

enum ocs_spool_result ocs_spool_append(struct ocs_spool *spool, const void *data, size_t len,
                                       struct ocs_error *error)
{
	size_t whole = OCS_RECORD_HEADER + len;
	enum ocs_spool_result ret = OCS_SPOOL_OK;

	if (len == 0 || len > OCS_SPOOL_RECORD_MAX)
		return ocs_error_set(error, "%s: cannot write a record of %zu bytes", spool->folder,
		                     len);
	pthread_mutex_lock(&spool->lock);
	if (spool->bytes + spool->appended + whole > spool->max) {
		ocs_error_set(error, "%s: the spool is full", spool->folder);
		ret = OCS_SPOOL_FULL;
	} else if (grow_buffer(spool, spool->buffer_len + whole) != 0) {
		ret = ocs_error_memory(error);
	} else {
		ocs_record_put(spool->buffer + spool->buffer_len, data, len);
		spool->buffer_len += whole;
		spool->appended += whole;
	}
	pthread_mutex_unlock(&spool->lock);
	return ret;
}

/* What one flush works on; without the lock. */
struct flush {
	struct ocs_spool_segment *segment;
	bool made; /* the segment is new: not in the list yet */
	int fd;
	uint8_t *buffer;
	size_t len;
	uint64_t end; /* number after the last record */
};

/* Opens the segment, or makes it; a name left over from a removal that failed is taken over. */
static int open_for_write(struct ocs_spool *spool, struct flush *flush, const char *name)
{
	if (flush->fd < 0)
		flush->fd = openat(spool->folder_fd, name,
		                   O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
		                           (flush->made ? O_CREAT | O_TRUNC : 0),
		                   0600);
	if (flush->fd < 0 || (flush->made && fsync(spool->folder_fd) != 0))
		return -1;
	/* What a failed flush left behind its place would be taken for records after a restart. */
	if (!flush->made && spool->torn && ftruncate(flush->fd, (off_t)flush->segment->size) != 0)
		return -1;
	spool->torn = false;
	return 0;
}

static int write_and_sync(struct ocs_spool *spool, struct flush *flush, struct ocs_error *error)
{
	char name[OCS_SPOOL_NAME_SIZE];

	ocs_spool_segment_name(flush->segment->first, name);
	if (open_for_write(spool, flush, name) == 0 &&
	    ocs_file_write(flush->fd, flush->buffer, flush->len, flush->segment->size) == 0 &&
	    fdatasync(flush->fd) == 0)
		return 0;
	ocs_error_set(error, "%s/%s: cannot write: %s", spool->folder, name, strerror(errno));
	if (flush->made)
		unlinkat(spool->folder_fd, name, 0);
	else if (flush->fd >= 0 && ftruncate(flush->fd, (off_t)flush->segment->size) != 0)
		spool->torn = true;
	return -1;
}

/* Takes what was appended. The lock is held. 1: something to write. */
static int flush_begin(struct ocs_spool *spool, struct flush *flush, struct ocs_error *error)
{
	*flush = (struct flush){.fd = -1, .buffer = spool->buffer, .len = spool->buffer_len};
	if (flush->len == 0)
		return 0;
	spool->buffer = NULL;
	spool->buffer_len = 0;
	spool->flushing = true;
	flush->segment = spool->segments != NULL ? spool->segments->prev : NULL;
	if (flush->segment != NULL && flush->segment->size < spool->segment_size) {
		flush->fd = spool->write_fd;
		return 1;
	}
	flush->made = true;
	flush->segment = talloc_zero(spool, struct ocs_spool_segment);
	if (flush->segment == NULL)
		return ocs_error_memory(error);
	flush->segment->first = spool->last + 1;
	return 1;
}

static void flush_commit(struct ocs_spool *spool, struct flush *flush)
{
	if (flush->made) {
		if (spool->write_fd >= 0)
			close(spool->write_fd);
		DL_APPEND(spool->segments, flush->segment);
	}
	spool->write_fd = flush->fd;
	flush->segment->size += flush->len;
	flush->segment->end = flush->end;
	spool->bytes += flush->len;
	spool->last = flush->end - 1;
	atomic_store(&spool->empty, false);
}

static void flush_revert(struct ocs_spool *spool, struct flush *flush)
{
	if (!flush->made) {
		spool->write_fd = flush->fd;
		return;
	}
	if (flush->fd >= 0)
		close(flush->fd);
	talloc_free(flush->segment);
}

static void flush_end(struct ocs_spool *spool, struct flush *flush)
{
	spool->appended -= flush->len;
	if (spool->buffer == NULL && talloc_get_size(flush->buffer) <= BUFFER_KEPT)
		spool->buffer = flush->buffer;
	else
		talloc_free(flush->buffer);
	spool->flushing = false;
	ocs_spool_remove_confirmed(spool);
}

enum ocs_spool_result ocs_spool_flush(struct ocs_spool *spool, struct ocs_error *error)
{
	struct flush flush;
	bool gone;
	int ret;

	pthread_mutex_lock(&spool->writer);
	pthread_mutex_lock(&spool->lock);
	gone = spool->buffer_len > 0 && ocs_spool_mend(spool, error) < 0;
	ret = flush_begin(spool, &flush, error);
	if (ret > 0 && gone) {
		flush_revert(spool, &flush);
		ret = -1;
	} else if (ret > 0) {
		uint64_t first = spool->last + 1;

		pthread_mutex_unlock(&spool->lock);
		flush.end = ocs_record_number(flush.buffer, flush.len, first);
		ret = write_and_sync(spool, &flush, error);
		pthread_mutex_lock(&spool->lock);
		if (ret == 0)
			flush_commit(spool, &flush);
		else
			flush_revert(spool, &flush);
	}
	if (flush.len > 0)
		flush_end(spool, &flush);
	pthread_mutex_unlock(&spool->lock);
	pthread_mutex_unlock(&spool->writer);
	return ret == 0 ? OCS_SPOOL_OK : OCS_SPOOL_ERROR;
}

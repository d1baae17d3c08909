/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The consumer of a spill list, and those who only look: see spill.h. Touches the file of the list;
 * writes no more of it than how far it was read. */
#include "mqueue/spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shared_file.h"

/* What is read at once: of a short list all of it. */
#define WINDOW_SIZE 4096

/* Entries, or slots that are none, that are passed at once: what a member of the group has written
 * into a list may be long. */
#define PASS_MAX 65536

struct window {
	uint64_t at; /* in the file */
	size_t len;
	uint8_t data[WINDOW_SIZE];
};

/* In one go: what is less is the end of the file, and to ask for more of it a call in vain. */
static int window_read(struct window *window, int fd, uint64_t at, size_t len)
{
	ssize_t n;

	do
		n = pread(fd, window->data, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	window->at = at;
	window->len = (size_t)n;
	return 0;
}

/* Entry number n. 1 with the entry, which stays as it is until the next call; 0: it is not there;
 * or a negative errno. */
static int entry_get(struct window *window, int fd, const struct ocs_spill_header *header,
                     uint64_t n, const uint8_t **entry_r, size_t *len_r)
{
	uint64_t at = ocs_spill_slot_at(header, n);

	/* A slot that is in part in the window may be longer by now. */
	if (at < window->at || at + OCS_SPILL_SLOT_SIZE > window->at + WINDOW_SIZE) {
		int ret = window_read(window, fd, at, WINDOW_SIZE);

		if (ret < 0)
			return ret;
	}
	if (at >= window->at + window->len)
		return 0;
	*entry_r = ocs_spill_slot_get(window->data + (at - window->at),
	                              window->len - (size_t)(at - window->at), n, len_r);
	return *entry_r != NULL;
}

/* The header, with what of the list fits beside it. 0; -EBADMSG: it is none. */
static int start_read(struct window *window, int fd, struct ocs_spill_header *header,
                      uint64_t *read_r)
{
	int ret = window_read(window, fd, 0, WINDOW_SIZE);

	if (ret != 0)
		return ret;
	if (window->len < OCS_SPILL_HEADER_AT + OCS_SPILL_HEADER_SIZE ||
	    ocs_spill_header_get(window->data + OCS_SPILL_HEADER_AT, header) != 0)
		return -EBADMSG;
	*read_r = ocs_spill_read_get(window->data);
	return 0;
}

void ocs_spill_reader_init(struct ocs_spill_reader *reader)
{
	*reader = (struct ocs_spill_reader){.fd = -1};
}

void ocs_spill_reader_close(struct ocs_spill_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = -1;
}

/* Whether what has the name is of another member of the group, who was there before the daemon. */
static bool is_foreign(const struct ocs_spill_name *name)
{
	char path[PATH_MAX];

	return ocs_spill_path(name, path, sizeof(path)) == 0 &&
	       ocs_shared_look(path, NULL) == OCS_SHARED_FOREIGN;
}

/* -ENOENT: there is no list. Of what is none in its place the daemon makes one when it needs it. */
static int reader_open(struct ocs_spill_reader *reader, const struct ocs_spill_name *name)
{
	int ret = reader->fd >= 0 ? 0 : ocs_spill_open_file(name, O_RDWR, &reader->fd);

	if (ret == -EROFS) /* what is there can be read */
		ret = ocs_spill_open_file(name, O_RDONLY, &reader->fd);
	return ret == -ELOOP || ret == -EPERM || (ret == -EACCES && is_foreign(name)) ? -ENOENT
	                                                                              : ret;
}

bool ocs_spill_reader_is_old(struct ocs_spill_reader *reader, const struct ocs_spill_name *name)
{
	if (reader->fd < 0 || ocs_spill_has_name(reader->fd, name))
		return false;
	ocs_spill_reader_close(reader);
	return true;
}

/* Where to go on: somebody may have thrown away what waits, and the daemon the oldest. */
static int reader_place(struct ocs_spill_reader *reader, const struct ocs_spill_header *header,
                        uint64_t read)
{
	if (reader->id != header->id) {
		reader->id = header->id;
		reader->number = header->first;
	}
	if (reader->number < header->first)
		reader->number = header->first;
	if (read > reader->number && read - header->first <= header->slots) {
		int ret = ocs_spill_has(reader->fd, header, read - 1);

		if (ret < 0)
			return ret;
		if (ret > 0)
			reader->number = read;
	}
	return 0;
}

/* Whether an entry behind number n is in the window. */
static bool has_later(const struct window *window, const struct ocs_spill_header *header,
                      uint64_t n)
{
	for (uint64_t later = n + 1; later - n < header->slots; later++) {
		uint64_t at = ocs_spill_slot_at(header, later);
		size_t len;

		if (at < window->at || at >= window->at + window->len)
			return false;
		if (ocs_spill_slot_get(window->data + (at - window->at),
		                       window->len - (size_t)(at - window->at), later,
		                       &len) != NULL)
			return true;
	}
	return false;
}

/* Number n is not there. Whether a later one is, and n still not, so that it never will be; what is
 * half written was not yet when the next one was begun. far: more than what one reading has is
 * looked at, by another. 1, 0 or a negative errno. */
static int is_damaged(struct window *window, int fd, const struct ocs_spill_header *header,
                      uint64_t n, bool far)
{
	const uint8_t *entry;
	size_t len;
	int ret = entry_get(window, fd, header, n + 1, &entry, &len);

	if (ret == 0)
		ret = has_later(window, header, n);
	if (ret == 0 && far)
		ret = ocs_spill_later(fd, header, n);
	if (ret == 1)
		ret = ocs_spill_has(fd, header, n);
	else
		return ret;
	return ret < 0 ? ret : !ret;
}

/* The daemon may have dropped number n since the header was read, and used its slot again. Whether
 * the reader was moved on; or a negative errno. */
static int was_dropped(struct ocs_spill_reader *reader, struct window *window,
                       struct ocs_spill_header *header)
{
	uint64_t before = reader->number, read;
	int ret = start_read(window, reader->fd, header, &read);

	if (ret == 0)
		ret = reader_place(reader, header, read);
	return ret != 0 ? ret : reader->number != before;
}

struct pass {
	int taken;     /* entries */
	int each;      /* what each() returned */
	bool unmarked; /* the file says otherwise how far it was read */
};

/* One pass over what is there; no more than a ring holds, however much comes meanwhile, nor than
 * PASS_MAX. far: who was told that there is something, and finds nothing, looks behind gaps that
 * are long. */
static int take_pass(struct ocs_spill_reader *reader, ocs_spill_each_fn *each, void *arg, bool far,
                     struct pass *pass)
{
	struct ocs_spill_header header;
	struct window window;
	const uint8_t *entry;
	uint64_t read;
	size_t len;
	int ret = start_read(&window, reader->fd, &header, &read);

	*pass = (struct pass){.taken = 0};
	if (ret == 0)
		ret = reader_place(reader, &header, read);
	for (uint32_t n = 0; ret == 0 && pass->each == 0 && n < header.slots && n < PASS_MAX; n++) {
		ret = entry_get(&window, reader->fd, &header, reader->number, &entry, &len);
		if (ret == 0 && is_damaged(&window, reader->fd, &header, reader->number,
		                           far && pass->taken == 0) == 1) {
			ret = was_dropped(reader, &window, &header);
			if (ret == 0) {
				reader->number++;
				reader->damaged++;
			}
			ret = ret < 0 ? ret : 0;
			continue;
		}
		if (ret <= 0)
			break;
		ret = 0;
		pass->each = each != NULL ? each(entry, len, arg) : 0;
		if (pass->each == 0) {
			reader->number++;
			pass->taken++;
		}
		if (each == NULL)
			break;
	}
	if (ret == -EBADMSG) /* a list that is just being begun has no header yet */
		return 0;
	pass->unmarked = ret == 0 && reader->number != read;
	return ret;
}

static int publish(struct ocs_spill_reader *reader)
{
	uint8_t data[OCS_SPILL_READ_SIZE];

	ocs_spill_read_put(data, reader->number);
	if (ocs_file_write(reader->fd, data, sizeof(data), 0) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	/* Open for reading alone; the disk may be mended when it is opened anew. */
	ocs_spill_reader_close(reader);
	return -EROFS;
}

/* Whether there is something: 1, 0 or a negative errno. */
static int look_ahead(const struct ocs_spill_reader *reader, bool far)
{
	struct ocs_spill_reader ahead = *reader;
	struct pass pass;
	int ret = take_pass(&ahead, NULL, NULL, far, &pass);

	return ret != 0 ? ret : pass.taken;
}

int ocs_spill_take(struct ocs_spill_reader *reader, const struct ocs_spill_name *name,
                   ocs_spill_each_fn *each, void *arg)
{
	bool was_open = reader->fd >= 0;
	int ret = reader_open(reader, name);
	struct pass pass;

	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	ret = take_pass(reader, each, arg, true, &pass);
	/* Also where it could not be written the last time, or somebody else has written it. */
	if (pass.taken > 0 || (ret == 0 && pass.unmarked)) {
		int marked = publish(reader);

		ret = ret != 0 ? ret : marked;
		/* Not before that is there: see spill.h. */
		atomic_thread_fence(memory_order_seq_cst);
	}
	if (ret != 0 || pass.each != 0)
		return ret != 0 ? ret : pass.each;
	/* What is behind a long gap nobody tells of again. */
	ret = look_ahead(reader, pass.taken > 0);
	if (ret != 0 || pass.taken > 0 || !was_open || !ocs_spill_reader_is_old(reader, name))
		return ret;
	return ocs_spill_take(reader, name, each, arg);
}

int ocs_spill_waiting(struct ocs_spill_reader *reader, const struct ocs_spill_name *name)
{
	bool was_open = reader->fd >= 0;
	int found, ret = reader_open(reader, name);

	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	found = look_ahead(reader, true);
	return found == 0 && was_open && ocs_spill_reader_is_old(reader, name)
	               ? ocs_spill_waiting(reader, name)
	               : found;
}

/* ---- those who only look ---- */

/* 0 with the number of the oldest that waits and of the one after the last; -ENOENT without a list.
 */
static int look_at(const struct ocs_spill_name *name, int access, int *fd_r,
                   struct ocs_spill_header *header, uint64_t *from_r, uint64_t *tail_r)
{
	uint8_t data[OCS_SPILL_HEADER_AT + OCS_SPILL_HEADER_SIZE];
	int fd, ret = ocs_spill_open_file(name, access, &fd);
	uint64_t read;
	ssize_t n;

	if (ret != 0)
		return ret == -ELOOP || ret == -EPERM ? -ENOENT : ret;
	n = ocs_file_read(fd, data, sizeof(data), 0);
	if (n < 0)
		ret = -errno;
	else if (n != sizeof(data) || ocs_spill_header_get(data + OCS_SPILL_HEADER_AT, header) != 0)
		ret = -ENOENT;
	else
		ret = ocs_spill_tail(fd, header, tail_r);
	if (ret != 0) {
		close(fd);
		return ret;
	}
	read = ocs_spill_read_get(data);
	*from_r = read > header->first && read <= *tail_r ? read : header->first;
	*fd_r = fd;
	return 0;
}

int ocs_spill_state(const struct ocs_spill_name *name, struct ocs_spill_state *out)
{
	struct ocs_spill_header header;
	uint64_t from, tail;
	int fd, ret = look_at(name, O_RDONLY, &fd, &header, &from, &tail);

	*out = (struct ocs_spill_state){0};
	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	close(fd);
	out->count = tail - from;
	out->dropped = header.dropped;
	out->collapsed = out->count > 0 && header.changed == header.first;
	return 0;
}

int ocs_spill_each(const struct ocs_spill_name *name, ocs_spill_each_fn *each, void *arg)
{
	struct ocs_spill_header header;
	struct window window = {.at = UINT64_MAX / 2};
	const uint8_t *entry;
	uint64_t from, tail;
	size_t len;
	int fd, ret = look_at(name, O_RDONLY, &fd, &header, &from, &tail);

	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	for (; from < tail && ret == 0; from++) {
		ret = entry_get(&window, fd, &header, from, &entry, &len);
		/* One that was taken or overwritten meanwhile waits no longer. */
		if (ret > 0)
			ret = each(entry, len, arg);
	}
	close(fd);
	return ret;
}

int ocs_spill_clear(const struct ocs_spill_name *name)
{
	uint8_t data[OCS_SPILL_READ_SIZE];
	struct ocs_spill_header header;
	uint64_t from, tail;
	int fd, ret = look_at(name, O_RDWR, &fd, &header, &from, &tail);

	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	if (from < tail) {
		ocs_spill_read_put(data, tail);
		if (ocs_file_write(fd, data, sizeof(data), 0) != 0)
			ret = -errno;
	}
	close(fd);
	return ret;
}

void ocs_spill_remove(const struct ocs_spill_name *name)
{
	char path[PATH_MAX];

	if (ocs_spill_path(name, path, sizeof(path)) == 0)
		(void)unlink(path);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The writer of a spill list: see spill.h for the order in which it does things. Touches the file
 * of the list, and its folder where that is missing. */
#include "mqueue/spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shared_file.h"
#include "ocsnotify.h"

/* A list whose consumer keeps up starts from its beginning again past that many slots: so that what
 * there is, and the two slots behind it, are what a reader reads at once. For one that lags this is
 * looked up now and then, in no step with bursts that come in powers of two or ten. */
#define USED_MAX  12
#define USED_STEP 7

/* The group reads lists and writes into them how far it has read; nobody else makes files here. */
#define FOLDER_MODE 0750

void ocs_spill_init(struct ocs_spill *spill)
{
	*spill = (struct ocs_spill){.fd = -1};
}

void ocs_spill_close(struct ocs_spill *spill)
{
	if (spill->fd >= 0)
		close(spill->fd);
	spill->fd = -1;
}

static bool is_long(const struct ocs_spill *spill)
{
	uint64_t used = spill->tail - spill->base;

	return used >= USED_MAX && (used - USED_MAX) % USED_STEP == 0;
}

int ocs_spill_folder(const char *folder, gid_t gid)
{
	char path[PATH_MAX];
	int ret = -ENOTDIR;

	if (snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER, folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (int tries = 0; tries < 3 && ret == -ENOTDIR; tries++) {
		ret = ocs_shared_folder(path, gid, FOLDER_MODE, NULL);
		if (ret == -ENOTDIR)
			ret = ocs_shared_remove(path) == 0 ? -ENOTDIR : -EEXIST;
	}
	return ret;
}

/* Not where a link in the folder's place leads to. -1 with errno. */
static int create_file(const char *path)
{
	char folder[PATH_MAX];
	const char *file = strrchr(path, '/') + 1;
	int dir, fd, why;

	snprintf(folder, sizeof(folder), "%.*s", (int)(file - 1 - path), path);
	dir = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = openat(dir, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOATIME,
	            0600);
	why = errno;
	close(dir);
	errno = why;
	return fd;
}

static int make_file(const struct ocs_spill_name *name, gid_t gid, int *fd_r)
{
	char path[PATH_MAX];
	int fd = -1, ret = ocs_spill_path(name, path, sizeof(path));

	for (int tries = 0; ret == 0 && fd < 0 && tries < 3; tries++) {
		fd = create_file(path);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
			ret = ocs_spill_folder(name->folder, gid);
		else if (fd < 0 && errno == EEXIST)
			ret = ocs_shared_remove(path);
		else if (fd < 0)
			ret = -errno;
	}
	if (fd < 0)
		return ret != 0 ? ret : -EEXIST;
	if (ocs_file_set_owner(fd, "", (uid_t)-1, gid) != 0 || fchmod(fd, 0660) != 0) {
		ret = -errno;
		(void)unlink(path);
		close(fd);
		return ret;
	}
	*fd_r = fd;
	return 0;
}

/* ---- its parts written ---- */

/* The number of the oldest that waits. */
static uint64_t oldest(const struct ocs_spill *spill)
{
	return spill->read > spill->first ? spill->read : spill->first;
}

static struct ocs_spill_header header_of(const struct ocs_spill *spill)
{
	return (struct ocs_spill_header){.id = spill->id,
	                                 .base = spill->base,
	                                 .first = spill->first,
	                                 .dropped = spill->dropped,
	                                 .changed = spill->collapsed ? spill->first : 0,
	                                 .slots = spill->slots};
}

static int write_header(const struct ocs_spill *spill)
{
	const struct ocs_spill_header header = header_of(spill);
	uint8_t data[OCS_SPILL_HEADER_SIZE];

	ocs_spill_header_put(data, &header);
	return ocs_file_write(spill->fd, data, sizeof(data), OCS_SPILL_HEADER_AT) != 0 ? -errno : 0;
}

static int write_slot(const struct ocs_spill *spill, uint64_t number, const uint8_t *entry,
                      size_t len)
{
	const struct ocs_spill_header header = header_of(spill);
	uint8_t slot[OCS_SPILL_SLOT_SIZE];

	ocs_spill_slot_put(slot, number, entry, len);
	return ocs_file_write(spill->fd, slot, ocs_spill_slot_len(len),
	                      ocs_spill_slot_at(&header, number)) != 0
	               ? -errno
	               : 0;
}

/* Both in one go, which the start of the file allows. */
static int write_start(const struct ocs_spill *spill, const uint8_t *entry, size_t len)
{
	uint8_t data[OCS_SPILL_SLOTS_AT - OCS_SPILL_HEADER_AT + OCS_SPILL_SLOT_SIZE];
	const struct ocs_spill_header header = header_of(spill);
	uint8_t *slot = data + OCS_SPILL_SLOTS_AT - OCS_SPILL_HEADER_AT;

	ocs_spill_header_put(data, &header);
	memset(data + OCS_SPILL_HEADER_SIZE, 0, (size_t)(slot - data) - OCS_SPILL_HEADER_SIZE);
	ocs_spill_slot_put(slot, spill->base, entry, len);
	return ocs_file_write(spill->fd, data, (size_t)(slot - data) + ocs_spill_slot_len(len),
	                      OCS_SPILL_HEADER_AT) != 0
	               ? -errno
	               : 0;
}

/* ---- opened ---- */

static int new_list(struct ocs_spill *spill, const struct ocs_spill_name *name, gid_t gid)
{
	uint64_t id = 0;
	int ret;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -EIO;
	ret = make_file(name, gid, &spill->fd);
	if (ret != 0)
		return ret;
	spill->known = true;
	spill->id = id;
	spill->base = spill->first = spill->tail = spill->read = 1;
	spill->slots = 2;
	spill->dropped = 0;
	spill->collapsed = spill->untold = false;
	return 0;
}

/* What waits in a file that has lost its name goes into one that has it: the same list, for its
 * reader too. */
static int move_list(struct ocs_spill *spill, const struct ocs_spill_name *name, gid_t gid)
{
	const struct ocs_spill_header old = header_of(spill);
	uint8_t slot[OCS_SPILL_SLOT_SIZE];
	struct ocs_spill moved;
	int ret = ocs_spill_look(spill);

	moved = *spill;
	if (ret == 0)
		ret = make_file(name, gid, &moved.fd);
	if (ret != 0)
		return ret;
	moved.base = moved.first = oldest(spill);
	ret = write_header(&moved);
	for (uint64_t n = moved.first; n < spill->tail && ret == 0; n++) {
		ssize_t size =
		        ocs_file_read(spill->fd, slot, sizeof(slot), ocs_spill_slot_at(&old, n));
		const uint8_t *entry;
		size_t len;

		if (size < 0)
			ret = -errno;
		else if ((entry = ocs_spill_slot_get(slot, (size_t)size, n, &len)) != NULL)
			ret = write_slot(&moved, n, entry, len);
	}
	if (ret != 0) {
		close(moved.fd);
		return ret;
	}
	close(spill->fd);
	*spill = moved;
	spill->untold = true;
	return 0;
}

/* What an earlier daemon has written. */
static int load_list(struct ocs_spill *spill, int fd, const struct ocs_spill_header *header)
{
	uint8_t data[OCS_SPILL_READ_SIZE];
	uint64_t tail, read;
	int ret = ocs_spill_tail(fd, header, &tail);

	if (ret == 0 && ocs_file_read(fd, data, sizeof(data), 0) != sizeof(data))
		ret = -EIO;
	if (ret != 0)
		return ret;
	read = ocs_spill_read_get(data);
	/* A slot was damaged: no number that was read is given again. */
	if (read > tail && read - header->first <= header->slots)
		tail = read;
	*spill = (struct ocs_spill){.fd = fd,
	                            .known = true,
	                            .id = header->id,
	                            .base = header->base,
	                            .first = header->first,
	                            .tail = tail,
	                            .read = header->first,
	                            .dropped = header->dropped,
	                            .slots = header->slots};
	spill->collapsed = header->changed == header->first && tail == header->first + 1;
	if (read > spill->read && read <= tail)
		spill->read = read;
	/* Whoever wrote the last one may not have got to it. */
	spill->untold = true;
	return 0;
}

static int open_list(struct ocs_spill *spill, const struct ocs_spill_name *name)
{
	uint8_t data[OCS_SPILL_HEADER_SIZE];
	struct ocs_spill_header header;
	int fd, ret = ocs_spill_open_file(name, O_RDWR, &fd);
	ssize_t n;

	if (ret != 0)
		return ret;
	n = ocs_file_read(fd, data, sizeof(data), OCS_SPILL_HEADER_AT);
	if (n < 0)
		ret = -errno;
	else if (n != sizeof(data) || ocs_spill_header_get(data, &header) != 0 ||
	         (spill->known && header.id != spill->id))
		ret = -EBADMSG;
	else if (spill->known)
		spill->fd = fd;
	else
		ret = load_list(spill, fd, &header);
	if (ret != 0) {
		spill->fd = -1;
		close(fd);
	}
	return ret;
}

int ocs_spill_open(struct ocs_spill *spill, const struct ocs_spill_name *name, bool create,
                   gid_t gid)
{
	int ret;

	if (spill->fd >= 0)
		return move_list(spill, name, gid);
	ret = open_list(spill, name);
	if (ret == -ENOTDIR || ret == -ELOOP || ret == -EPERM || ret == -EBADMSG)
		ret = -ENOENT;
	return create && ret == -ENOENT ? new_list(spill, name, gid) : ret;
}

bool ocs_spill_unlinked(const struct ocs_spill *spill, const struct ocs_spill_name *name)
{
	return spill->fd >= 0 && !ocs_spill_has_name(spill->fd, name);
}

/* ---- appended to ---- */

int ocs_spill_look(struct ocs_spill *spill)
{
	uint8_t data[OCS_SPILL_READ_SIZE];
	ssize_t n = ocs_file_read(spill->fd, data, sizeof(data), 0);
	uint64_t read;

	if (n < 0)
		return -errno;
	read = n == sizeof(data) ? ocs_spill_read_get(data) : 0;
	/* Anything else is not from a reader of this list. */
	if (read > spill->read && read <= spill->tail)
		spill->read = read;
	return 0;
}

uint64_t ocs_spill_count(const struct ocs_spill *spill)
{
	return spill->tail - oldest(spill);
}

/* What is left of a table's list that overflowed: read the whole table again. */
static size_t table_changed(const uint8_t *entry, size_t len, uint8_t out[OCS_ENTRY_SIZE_MAX])
{
	struct ocs_entry decoded;

	if (ocs_entry_decode(entry, len, &decoded) != 0)
		return 0;
	decoded.table_event = OCSNOTIFY_TABLE_CHANGED;
	return ocs_entry_encode(&decoded, out);
}

static int append_first(struct ocs_spill *spill, const uint8_t *entry, size_t len, uint32_t max)
{
	struct ocs_spill was = *spill;
	int ret;

	spill->base = spill->first = spill->read = spill->tail;
	spill->collapsed = spill->untold = false;
	/* One to spare, so that what comes in the place of all is there before they go. */
	spill->slots = (max < OCS_SPILL_SLOTS_MAX ? max : OCS_SPILL_SLOTS_MAX - 1) + 1;
	ret = write_start(spill, entry, len);
	if (ret != 0)
		*spill = was;
	else
		spill->tail++;
	return ret;
}

/* The slot of the next entry is that of one that waits: the oldest has to go first. What was read
 * alone makes room mostly. */
static int make_room(struct ocs_spill *spill)
{
	struct ocs_spill was = *spill;
	int ret;

	if (spill->tail - spill->first < spill->slots)
		return 0;
	spill->first = oldest(spill);
	if (spill->tail - spill->first >= spill->slots) {
		spill->dropped += spill->tail - spill->first - spill->slots + 1;
		spill->first = spill->tail - spill->slots + 1;
	}
	ret = write_header(spill);
	if (ret != 0)
		*spill = was;
	return ret;
}

/* The last entry is written: those before it go, or the oldest. If that cannot be said, the list is
 * longer by one, and loses it the next time. */
static enum ocs_spill_outcome shorten(struct ocs_spill *spill, bool collapse)
{
	struct ocs_spill was = *spill;

	if (collapse) {
		spill->first = spill->tail - 1;
		spill->collapsed = true;
	} else {
		spill->first = oldest(spill) + 1;
		spill->dropped++;
	}
	if (write_header(spill) != 0) {
		*spill = was;
		return OCS_SPILL_APPENDED;
	}
	return collapse ? OCS_SPILL_COLLAPSED : OCS_SPILL_DROPPED_OLDEST;
}

static int append_after(struct ocs_spill *spill, enum ocs_table table, const uint8_t *entry,
                        size_t len, bool over, enum ocs_spill_outcome *outcome_r)
{
	bool collapse = over && (table == OCS_TABLE_CONTENTS || table == OCS_TABLE_HIERARCHY);
	uint8_t changed[OCS_ENTRY_SIZE_MAX];
	int ret;

	if (collapse) {
		len = table_changed(entry, len, changed);
		if (len == 0)
			return -EINVAL;
		entry = changed;
	}
	ret = make_room(spill);
	if (ret == 0)
		ret = write_slot(spill, spill->tail, entry, len);
	if (ret != 0)
		return ret;
	/* From here on a reader may have it: its number is never another one's. */
	spill->tail++;
	if (over)
		*outcome_r = shorten(spill, collapse);
	return 0;
}

int ocs_spill_append(struct ocs_spill *spill, enum ocs_table table, const uint8_t *entry,
                     size_t len, uint32_t max, bool full, enum ocs_spill_outcome *outcome_r,
                     bool *wake_r)
{
	uint64_t before = spill->tail;
	int ret = 0;

	*outcome_r = OCS_SPILL_APPENDED;
	*wake_r = false;
	/* How far the reader is, where it decides something. */
	if (ocs_spill_count(spill) > 0 &&
	    (spill->collapsed || full || ocs_spill_count(spill) >= max ||
	     ocs_spill_count(spill) >= spill->slots - 1 || is_long(spill)))
		ret = ocs_spill_look(spill);
	if (ret != 0)
		return ret;
	if (ocs_spill_count(spill) == 0) {
		*wake_r = true;
		return append_first(spill, entry, len, max);
	}
	if (spill->collapsed) {
		*outcome_r = OCS_SPILL_COLLAPSED;
		*wake_r = spill->untold;
		spill->untold = false;
		return 0;
	}
	ret = append_after(spill, table, entry, len,
	                   full || ocs_spill_count(spill) >= max ||
	                           ocs_spill_count(spill) >= spill->slots - 1,
	                   outcome_r);
	if (ret != 0)
		return ret;
	/* Not before the entry is there: see spill.h. */
	atomic_thread_fence(memory_order_seq_cst);
	ret = ocs_spill_look(spill);
	*wake_r = ret != 0 || spill->untold || spill->read >= before;
	spill->untold = false;
	return 0;
}

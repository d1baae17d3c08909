/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The file of a spill list: its name, its parts to bytes and back. Opens and reads files. */
#include "mqueue/spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/shared_file.h"

#define VERSION 1

#define AT_VERSION 4
#define AT_SLOTS   8
#define AT_ID      16
#define AT_BASE    24
#define AT_FIRST   32
#define AT_DROPPED 40
#define AT_CHANGED 48
#define AT_CHECK   56

#define AT_SLOT_CHECK 8
#define AT_SLOT_LEN   12
#define AT_SLOT_ENTRY 16

/* Slots behind one that is no entry's that are looked at, by a daemon that starts: who made them
 * may be a stranger. And by a reader, each time that it finds nothing: more than a page of the disk
 * has. */
#define SCAN_MAX  65536
#define LATER_MAX 64

static const uint8_t magic[4] = {'O', 'C', 'S', 'P'};

_Static_assert(AT_SLOT_ENTRY + OCS_ENTRY_SIZE_MAX <= OCS_SPILL_SLOT_SIZE, "a slot takes an entry");

/* FNV-1a by words of 8 bytes; the rest is of single ones. */
static uint64_t checksum(uint64_t hash, const uint8_t *data, size_t len)
{
	for (; len >= 8; data += 8, len -= 8)
		hash = ocs_fnv64_step(hash, ocs_get64(data));
	hash = ocs_fnv64(hash, data, len);
	return hash ^ hash >> 32;
}

int ocs_spill_parse(const char *file, uint64_t *context_r, uint64_t *queue_r)
{
	unsigned long long context, queue;
	char again[40];

	if (sscanf(file, "%16llx.%16llx", &context, &queue) != 2)
		return -1;
	snprintf(again, sizeof(again), "%016llx.%016llx", context, queue);
	if (strcmp(again, file) != 0)
		return -1;
	*context_r = context;
	*queue_r = queue;
	return 0;
}

int ocs_spill_path(const struct ocs_spill_name *name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/" OCS_SPILL_FOLDER "/%016llx.%016llx", name->folder,
	                 (unsigned long long)name->context, (unsigned long long)name->queue);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int ocs_spill_open_file(const struct ocs_spill_name *name, int access, int *fd_r)
{
	char path[PATH_MAX];
	int ret = ocs_spill_path(name, path, sizeof(path));

	if (ret != 0)
		return ret;
	ret = ocs_shared_open(path, access | O_NOATIME, fd_r);
	/* that is for its owner and for root */
	return ret == -EPERM ? ocs_shared_open(path, access, fd_r) : ret;
}

bool ocs_spill_has_name(int fd, const struct ocs_spill_name *name)
{
	struct stat opened, named;
	char path[PATH_MAX];

	if (fstat(fd, &opened) != 0 || ocs_spill_path(name, path, sizeof(path)) != 0)
		return true;
	if (lstat(path, &named) != 0)
		return errno != ENOENT && errno != ENOTDIR;
	return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

void ocs_spill_header_put(uint8_t *out, const struct ocs_spill_header *header)
{
	memcpy(out, magic, sizeof(magic));
	ocs_put32(out + AT_VERSION, VERSION);
	ocs_put64(out + AT_SLOTS, header->slots);
	ocs_put64(out + AT_ID, header->id);
	ocs_put64(out + AT_BASE, header->base);
	ocs_put64(out + AT_FIRST, header->first);
	ocs_put64(out + AT_DROPPED, header->dropped);
	ocs_put64(out + AT_CHANGED, header->changed);
	ocs_put64(out + AT_CHECK, checksum(1, out, AT_CHECK));
}

int ocs_spill_header_get(const uint8_t *data, struct ocs_spill_header *out)
{
	uint64_t slots = ocs_get64(data + AT_SLOTS);

	if (memcmp(data, magic, sizeof(magic)) != 0 || ocs_get32(data + AT_VERSION) != VERSION ||
	    ocs_get64(data + AT_CHECK) != checksum(1, data, AT_CHECK))
		return -1;
	out->slots = (uint32_t)slots;
	out->id = ocs_get64(data + AT_ID);
	out->base = ocs_get64(data + AT_BASE);
	out->first = ocs_get64(data + AT_FIRST);
	out->dropped = ocs_get64(data + AT_DROPPED);
	out->changed = ocs_get64(data + AT_CHANGED);
	/* Whoever can write the folder can write this: no number may come round. */
	return slots == 0 || slots > OCS_SPILL_SLOTS_MAX || out->id == 0 || out->base == 0 ||
	                       out->first < out->base || out->first > UINT64_MAX / 2
	               ? -1
	               : 0;
}

void ocs_spill_read_put(uint8_t out[OCS_SPILL_READ_SIZE], uint64_t next)
{
	ocs_put64(out, next);
	ocs_put64(out + 8, ~next);
}

uint64_t ocs_spill_read_get(const uint8_t data[OCS_SPILL_READ_SIZE])
{
	uint64_t next = ocs_get64(data);

	return ocs_get64(data + 8) == ~next ? next : 0;
}

static uint32_t slot_check(const uint8_t *slot, size_t len)
{
	return (uint32_t)checksum(ocs_get64(slot), slot + AT_SLOT_ENTRY, len);
}

void ocs_spill_slot_put(uint8_t out[OCS_SPILL_SLOT_SIZE], uint64_t number, const uint8_t *entry,
                        size_t len)
{
	ocs_put64(out, number);
	ocs_put32(out + AT_SLOT_LEN, (uint32_t)len);
	memcpy(out + AT_SLOT_ENTRY, entry, len);
	ocs_put32(out + AT_SLOT_CHECK, slot_check(out, len));
}

size_t ocs_spill_slot_len(size_t entry_len)
{
	return AT_SLOT_ENTRY + entry_len;
}

const uint8_t *ocs_spill_slot_get(const uint8_t *slot, size_t size, uint64_t number, size_t *len_r)
{
	size_t len;

	if (size < AT_SLOT_ENTRY || ocs_get64(slot) != number)
		return NULL;
	len = ocs_get32(slot + AT_SLOT_LEN);
	if (len > OCS_ENTRY_SIZE_MAX || len > size - AT_SLOT_ENTRY ||
	    ocs_get32(slot + AT_SLOT_CHECK) != slot_check(slot, len))
		return NULL;
	*len_r = len;
	return slot + AT_SLOT_ENTRY;
}

uint64_t ocs_spill_slot_at(const struct ocs_spill_header *header, uint64_t number)
{
	return OCS_SPILL_SLOTS_AT +
	       (number - header->base) % header->slots * (uint64_t)OCS_SPILL_SLOT_SIZE;
}

int ocs_spill_has(int fd, const struct ocs_spill_header *header, uint64_t number)
{
	uint8_t slot[OCS_SPILL_SLOT_SIZE];
	size_t len;
	ssize_t n = ocs_file_read(fd, slot, sizeof(slot), ocs_spill_slot_at(header, number));

	if (n < 0)
		return -errno;
	return ocs_spill_slot_get(slot, (size_t)n, number, &len) != NULL;
}

/* Slots from the one at `at` on, up to `end`, before a hole of the file. */
static uint64_t slots_without_hole(int fd, uint64_t at, uint64_t end)
{
	off_t hole = lseek(fd, (off_t)at, SEEK_HOLE);

	/* Behind the end of the file; where holes cannot be asked for, its end is told. */
	if (hole < 0)
		return 0;
	if ((uint64_t)hole > end)
		hole = (off_t)end;
	return ((uint64_t)hole - at + OCS_SPILL_SLOT_SIZE - 1) / OCS_SPILL_SLOT_SIZE;
}

/* Entries from the first on that can be in the file. A member of the group can write it: a few
 * slots in the right places of an empty one would make a list of a hundred million entries. */
static uint64_t entries_max(int fd, const struct ocs_spill_header *header)
{
	uint64_t at = ocs_spill_slot_at(header, header->first);
	uint64_t end = OCS_SPILL_SLOTS_AT + header->slots * (uint64_t)OCS_SPILL_SLOT_SIZE;
	uint64_t n = slots_without_hole(fd, at, end);

	if (n == (end - at) / OCS_SPILL_SLOT_SIZE && at > OCS_SPILL_SLOTS_AT)
		n += slots_without_hole(fd, OCS_SPILL_SLOTS_AT, at);
	return n;
}

/* The number after the last entry from number `from` up to `end`; `from` if there is none. */
static int after_last(int fd, const struct ocs_spill_header *header, uint64_t from, uint64_t end,
                      uint64_t *tail_r)
{
	uint8_t slots[LATER_MAX * OCS_SPILL_SLOT_SIZE];
	uint64_t count;

	*tail_r = from;
	for (uint64_t n = from; n < end; n += count) {
		uint64_t at = ocs_spill_slot_at(header, n);
		ssize_t size;
		size_t len;

		/* as many as stand side by side */
		count = header->slots - (at - OCS_SPILL_SLOTS_AT) / OCS_SPILL_SLOT_SIZE;
		if (count > end - n)
			count = end - n;
		if (count > sizeof(slots) / OCS_SPILL_SLOT_SIZE)
			count = sizeof(slots) / OCS_SPILL_SLOT_SIZE;
		size = ocs_file_read(fd, slots, count * OCS_SPILL_SLOT_SIZE, at);
		if (size < 0)
			return -errno;
		for (size_t i = 0; i * OCS_SPILL_SLOT_SIZE < (size_t)size; i++)
			if (ocs_spill_slot_get(slots + i * OCS_SPILL_SLOT_SIZE,
			                       (size_t)size - i * OCS_SPILL_SLOT_SIZE, n + i,
			                       &len) != NULL)
				*tail_r = n + i + 1;
	}
	return 0;
}

int ocs_spill_later(int fd, const struct ocs_spill_header *header, uint64_t number)
{
	uint64_t tail, from = number + 1;
	uint64_t count = header->slots - 1 < LATER_MAX ? header->slots - 1 : LATER_MAX;
	int ret = after_last(fd, header, from, from + count, &tail);

	return ret != 0 ? ret : tail > from;
}

/* Whether the slot of that number has a whole entry of an earlier round, so that nothing was
 * damaged there: what follows a tail is long where the list was once. */
static int was_used(int fd, const struct ocs_spill_header *header, uint64_t number)
{
	uint8_t slot[OCS_SPILL_SLOT_SIZE];
	size_t len;
	ssize_t n = ocs_file_read(fd, slot, sizeof(slot), ocs_spill_slot_at(header, number));

	if (n < 0)
		return -errno;
	return n >= 8 && ocs_get64(slot) < number &&
	       ocs_spill_slot_get(slot, (size_t)n, ocs_get64(slot), &len) != NULL;
}

int ocs_spill_tail(int fd, const struct ocs_spill_header *header, uint64_t *tail_r)
{
	uint64_t low = header->first, end = header->first + entries_max(fd, header), high = end;
	uint64_t scan;
	int ret;

	/* All from the first to the last are there, none after it: that one is missing. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		ret = ocs_spill_has(fd, header, middle);
		if (ret < 0)
			return ret;
		if (ret > 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* That one may be damaged, with others behind it: their numbers are not given again. */
	ret = was_used(fd, header, low);
	if (ret < 0)
		return ret;
	scan = ret > 0 ? LATER_MAX : SCAN_MAX;
	return after_last(fd, header, low, end - low > scan ? low + scan : end, tail_r);
}

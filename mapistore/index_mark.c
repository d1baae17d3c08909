/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The file id_mark.REPLICA: parsed, read, locked, written; see index_mark.h. Touches that file. */
#include "mapistore/index_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/private_file.h"
#include "base/shared_file.h"
#include "base/shield.h"
#include "store/record.h"
#include "store/store.h"

#define SLOT_SPACE 4096 /* so that the two are never in one block of the disk */
#define SLOT_SIZE  56
#define USER_AT    (2 * SLOT_SPACE)
#define USER_HEAD  16
#define CHECKED_AT 12  /* behind magic and checksum, of either */
#define PATIENCE   100 /* times that the file is exchanged while it is opened */

unsigned ocs_index_mark_wait = 2000;
const char *ocs_index_boot_id = "/proc/sys/kernel/random/boot_id";

static const uint8_t slot_magic[8] = "OCSMARK1", user_magic[8] = "OCSUSER1";

/* ---- the format ---- */

static void seal(uint8_t *p, const uint8_t magic[8], size_t len)
{
	memcpy(p, magic, 8);
	ocs_put32(p + 8, ocs_record_checksum(p + CHECKED_AT, len - CHECKED_AT));
}

static bool verifies(const uint8_t *p, const uint8_t magic[8], size_t len)
{
	return memcmp(p, magic, 8) == 0 &&
	       ocs_get32(p + 8) == ocs_record_checksum(p + CHECKED_AT, len - CHECKED_AT);
}

static void format_slot(const struct ocs_index_mark *mark, uint8_t out[SLOT_SIZE])
{
	ocs_put16(out + 12, mark->replica_id);
	ocs_put16(out + 14, 0);
	ocs_put64(out + 16, mark->written);
	ocs_put64(out + 24, mark->seen);
	ocs_put64(out + 32, mark->next);
	ocs_put64(out + 40, mark->ceiling);
	ocs_put64(out + 48, mark->boot);
	seal(out, slot_magic, SLOT_SIZE);
}

static void parse_slot(const uint8_t *p, struct ocs_index_mark *out)
{
	uint64_t written = ocs_get64(p + 16), next = ocs_get64(p + 32), ceiling = ocs_get64(p + 40);

	if (!verifies(p, slot_magic, SLOT_SIZE) || ocs_get16(p + 12) != out->replica_id ||
	    next == 0 || next > ceiling || ceiling > OCS_COUNTER_MAX ||
	    (out->counted && written <= out->written))
		return;
	out->counted = true;
	out->written = written;
	out->seen = ocs_get64(p + 24);
	out->next = next;
	out->ceiling = ceiling;
	out->boot = ocs_get64(p + 48);
}

static void parse_user(const uint8_t *p, size_t len, struct ocs_index_mark *out)
{
	size_t machine, place;

	if (len < USER_HEAD)
		return;
	machine = ocs_get16(p + 12);
	place = ocs_get16(p + 14);
	if (machine > OCS_MACHINE_MAX || place == 0 || place >= PATH_MAX ||
	    len < USER_HEAD + machine + place ||
	    !verifies(p, user_magic, USER_HEAD + machine + place))
		return;
	p += USER_HEAD;
	if (memchr(p, '\0', machine + place) != NULL || p[machine] != '/')
		return;
	out->placed = true;
	memcpy(out->machine, p, machine);
	memcpy(out->place, p + machine, place);
}

void ocs_index_mark_parse(const uint8_t *data, size_t len, uint16_t replica_id,
                          struct ocs_index_mark *out)
{
	*out = (struct ocs_index_mark){.replica_id = replica_id};
	for (size_t at = 0; at < USER_AT && len >= at + SLOT_SIZE; at += SLOT_SPACE)
		parse_slot(data + at, out);
	if (len > USER_AT)
		parse_user(data + USER_AT, len - USER_AT, out);
}

size_t ocs_index_mark_format(const struct ocs_index_mark *mark, uint8_t out[OCS_MARK_SIZE])
{
	size_t machine = strlen(mark->machine), place = strlen(mark->place);
	uint8_t *user = out + USER_AT;

	if (place == 0 || USER_AT + USER_HEAD + machine + place > OCS_MARK_SIZE)
		return 0;
	memset(out, 0, USER_AT);
	format_slot(mark, out + mark->written % 2 * SLOT_SPACE);
	ocs_put16(user + 12, (uint16_t)machine);
	ocs_put16(user + 14, (uint16_t)place);
	memcpy(user + USER_HEAD, mark->machine, machine);
	memcpy(user + USER_HEAD + machine, mark->place, place);
	seal(user, user_magic, USER_HEAD + machine + place);
	return USER_AT + USER_HEAD + machine + place;
}

/* 64 bits of its 122 that are random; 0 where they cannot be read. */
uint64_t ocs_index_boot(void)
{
	unsigned long long high = 0, low = 0;
	char text[40] = "";
	int fd = open(ocs_index_boot_id, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	/* "01234567-89ab-4cde-8f01-23456789abcd" */
	if (ocs_file_read(fd, (uint8_t *)text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%8llx-%*4x-%*4x-%*4x-%8llx", &high, &low) != 2)
		high = low = 0;
	close(fd);
	return high << 32 | low;
}

uint64_t ocs_index_mark_free(const struct ocs_index_mark *mark, uint64_t boot)
{
	if (!mark->counted)
		return 0;
	return boot != 0 && mark->boot == boot ? mark->next : mark->ceiling;
}

bool ocs_index_mark_raise(struct ocs_index_mark *mark, uint64_t next, uint64_t boot)
{
	if (next > mark->next)
		mark->next = next;
	mark->boot = boot;
	if (mark->next <= mark->ceiling)
		return false;
	mark->ceiling = mark->next < OCS_COUNTER_MAX - OCS_MARK_BLOCK ? mark->next + OCS_MARK_BLOCK
	                                                              : OCS_COUNTER_MAX;
	return true;
}

/* ---- the file ---- */

int ocs_index_mark_path(const char *folder, uint16_t replica_id, char path[PATH_MAX],
                        struct ocs_error *error)
{
	int n = snprintf(path, PATH_MAX, "%s/" OCS_MARK_NAME ".%u", folder, replica_id);

	return n > 0 && n < PATH_MAX ? 0 : ocs_error_set(error, "%s: the path is too long", folder);
}

/* Members of the group may have put anything there. */
static int open_mark(const char *path, int how, int *fd_r, struct ocs_error *error)
{
	int ret = ocs_shared_open(path, how, fd_r);

	if (ret == 0)
		return OCS_STORE_OK;
	ocs_shared_refuse(path, ret, error);
	return ret == -ENOENT || ocs_shared_is_junk(path) ? OCS_STORE_MISSING : OCS_STORE_ERROR;
}

static int read_mark(int fd, const char *path, uint16_t replica_id, struct ocs_index_mark *out,
                     struct ocs_error *error)
{
	uint8_t data[OCS_MARK_SIZE];
	ssize_t n = ocs_file_read(fd, data, sizeof(data), 0);

	if (n < 0)
		return ocs_error_set(error, "%s: cannot read: %s", path, strerror(errno));
	ocs_index_mark_parse(data, (size_t)n, replica_id, out);
	return OCS_STORE_OK;
}

int ocs_index_mark_read(const char *path, uint16_t replica_id, struct ocs_index_mark *out,
                        struct ocs_error *error)
{
	int fd, ret = open_mark(path, O_RDONLY, &fd, error);

	*out = (struct ocs_index_mark){.replica_id = replica_id};
	if (ret != OCS_STORE_OK)
		return ret;
	ret = read_mark(fd, path, replica_id, out, error);
	close(fd);
	return ret;
}

static int lock_once(const char *path, int *fd_r, struct ocs_error *error)
{
	int ret = open_mark(path, O_RDWR, fd_r, error), why;

	if (ret != OCS_STORE_OK)
		return ret;
	if (ocs_file_lock(*fd_r, ocs_index_mark_wait) == 0)
		return OCS_STORE_OK;
	why = errno;
	ocs_file_lock_error(*fd_r, path, error);
	close(*fd_r);
	return why == EWOULDBLOCK ? OCS_STORE_BUSY : OCS_STORE_ERROR;
}

int ocs_index_mark_lock(const char *path, uint16_t replica_id, int *fd_r,
                        struct ocs_index_mark *out, struct ocs_error *error)
{
	*out = (struct ocs_index_mark){.replica_id = replica_id};
	for (int i = 0; i < PATIENCE; i++) {
		int ret = lock_once(path, fd_r, error);

		if (ret != OCS_STORE_OK)
			return ret;
		if (ocs_file_present(*fd_r, path, error) == 0) {
			ret = read_mark(*fd_r, path, replica_id, out, error);
			if (ret != OCS_STORE_OK)
				close(*fd_r);
			return ret;
		}
		close(*fd_r);
	}
	return OCS_STORE_ERROR;
}

int ocs_index_mark_write(int fd, const char *path, struct ocs_index_mark *mark, bool sync,
                         struct ocs_error *error)
{
	struct ocs_shield shield;
	uint8_t slot[SLOT_SIZE];
	int ret;

	mark->written++;
	format_slot(mark, slot);
	ocs_shield_up(&shield);
	ret = ocs_file_write(fd, slot, sizeof(slot), mark->written % 2 * SLOT_SPACE);
	if (ret == 0 && sync)
		ret = fdatasync(fd);
	if (ret != 0)
		ocs_error_set(error, "%s: cannot write: %s", path, strerror(errno));
	ocs_shield_down(&shield);
	return ret == 0 ? OCS_STORE_OK : OCS_STORE_ERROR;
}

int ocs_index_mark_replace(const char *folder, const char *path, const struct ocs_index_mark *mark,
                           struct ocs_error *error)
{
	uint8_t data[OCS_MARK_SIZE];
	size_t len = ocs_index_mark_format(mark, data);
	struct ocs_shield shield;
	struct stat st;
	int ret;

	if (len == 0)
		return ocs_error_set(error, "%s: the path is too long", folder);
	if (stat(folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	ret = ocs_shared_clear(path);
	if (ret < 0)
		return ocs_error_set(error, "%s: cannot remove: %s", path, strerror(-ret));
	ocs_shield_up(&shield);
	ret = ocs_privfile_replace(path, data, len, 0660, st.st_uid, st.st_gid, error);
	ocs_shield_down(&shield);
	return ret == 0 ? OCS_STORE_OK : OCS_STORE_ERROR;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The record that each registry has: the boot id of the machine. Soft state does not outlive the
 * kernel that holds the queues, so a file of another boot is emptied. Touches the registry, reads
 * /proc.
 */
#include "registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#define BOOT_ID_SIZE OCS_BOOT_ID_SIZE
#define HOLE_FROM    (64 * 1024 * 1024)
#define HOLE_PARTS   64 /* looked at */

static const char key_meta[] = {'M'};

static int read_boot_id(char out[BOOT_ID_SIZE], struct ocs_error *error)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	n = read(fd, out, BOOT_ID_SIZE);
	close(fd);
	if (n != BOOT_ID_SIZE)
		return ocs_error_set(error, "%s: cut short", path);
	return 0;
}

int ocs_registry_boot_put(struct ocs_store *store, struct ocs_error *error)
{
	char boot_id[BOOT_ID_SIZE];

	if (read_boot_id(boot_id, error) != 0)
		return OCS_STORE_ERROR;
	return ocs_store_put(store, key_meta, sizeof(key_meta), boot_id, BOOT_ID_SIZE, error);
}

void ocs_registry_boot_anchor(struct ocs_store *store)
{
	(void)ocs_store_set_anchor(store, key_meta, sizeof(key_meta));
}

/* Soft state does not outlive the kernel that holds the queues. create: a file without a boot id is
 * a fresh one; else it is damaged, and the daemon's to mend. */
int ocs_registry_boot_check(struct ocs_registry *registry, bool create, struct ocs_error *error)
{
	char boot_id[BOOT_ID_SIZE];
	uint8_t *data;
	size_t len;
	int ret;

	if (read_boot_id(boot_id, error) != 0)
		return OCS_STORE_ERROR;
	memcpy(registry->boot_id, boot_id, BOOT_ID_SIZE);
	ret = ocs_registry_fetch(registry, registry, key_meta, sizeof(key_meta), &data, &len,
	                         error);
	if (ret == OCS_STORE_OK) {
		bool same = len == BOOT_ID_SIZE && memcmp(data, boot_id, BOOT_ID_SIZE) == 0;

		talloc_free(data);
		if (same)
			return OCS_STORE_OK;
	} else if (ret != OCS_STORE_MISSING) {
		return ret;
	} else if (!create) {
		ocs_error_set(error, "%s: damaged: a running daemon replaces it within seconds",
		              ocs_store_path(registry->store));
		return OCS_STORE_CORRUPT;
	}
	ret = ocs_registry_begin(registry, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_store_wipe(registry->store, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_boot_put(registry->store, error);
	if (ret != OCS_STORE_OK) {
		ocs_registry_cancel(registry);
		return ret;
	}
	return ocs_registry_commit(registry, false, error);
}

/* Made longer by somebody, so that it cannot grow any more: libtdb has room on the disk for what it
 * adds. Not by the blocks that it takes, which some file systems count later, and after packing. */
static bool has_hole(const struct ocs_registry *registry)
{
	int fd = ocs_store_descriptor(registry->store), empty = 0;
	struct stat st;
	off_t part;

	if (fstat(fd, &st) != 0 || st.st_size <= HOLE_FROM)
		return false;
	part = st.st_size / HOLE_PARTS;
	for (off_t i = 0; i < HOLE_PARTS; i++) {
		off_t data = lseek(fd, i * part, SEEK_DATA);

		if (data >= 0 ? data >= (i + 1) * part : errno == ENXIO)
			empty++;
	}
	return empty > HOLE_PARTS / 4 * 3;
}

int ocs_registry_intact(struct ocs_registry *registry, struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(registry->store, registry, key_meta, sizeof(key_meta), &data,
	                          &len, NULL);
	bool good = true;

	if (ret == OCS_STORE_OK) {
		good = len == BOOT_ID_SIZE && memcmp(data, registry->boot_id, BOOT_ID_SIZE) == 0;
		talloc_free(data);
	} else if (ret == OCS_STORE_MISSING || ret == OCS_STORE_DAMAGED) {
		good = false;
	}
	if (good && !ocs_store_damaged(registry->store) && !has_hole(registry))
		return OCS_STORE_OK;
	ocs_error_set(error, "%s: damaged while in use", ocs_store_path(registry->store));
	return OCS_STORE_CORRUPT;
}

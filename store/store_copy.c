/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A copy of an open file as it is at one moment, for whoever reads all of it: the others wait for
 * the copying alone. Reads the open file, writes the copy.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/shield.h"

#define COPY_SIZE 65536

/* By the descriptor that is open: closing another one would give up the locks. */
static int copy_bytes(int from, int to)
{
	uint8_t bytes[COPY_SIZE];
	uint64_t at = 0;
	ssize_t n;

	while ((n = ocs_file_read(from, bytes, sizeof(bytes), at)) > 0) {
		if (ocs_file_write(to, bytes, (size_t)n, at) != 0)
			return -1;
		at += (uint64_t)n;
	}
	return n < 0 ? -1 : 0;
}

int ocs_store_copy(struct ocs_store *store, int to, struct ocs_error *error)
{
	struct ocs_shield shield;
	int ret = ocs_store_usable(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ocs_store_forget_error(store);
	ocs_shield_up(&shield);
	ret = ocs_store_lock_all(store->tdb, store->path, error);
	if (ret == OCS_STORE_OK) {
		if (copy_bytes(tdb_fd(store->tdb), to) != 0)
			ret = ocs_error_set(error, "cannot copy %s: %s", store->path,
			                    strerror(errno));
		tdb_unlockall_read(store->tdb);
	}
	ocs_shield_down(&shield);
	return ret;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What libtdb says of the file of a store, and whether it is still the one that was opened. Reads
 * that file only.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

/* The first complaint that names a system error is kept, else the last: those that follow are about
 * its consequences. errno is only current where libtdb has put its text into the message. */
void ocs_store_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	struct ocs_store *store = tdb_get_logging_private(tdb);
	int error = errno;
	va_list args;

	if (store == NULL || level > TDB_DEBUG_WARNING || store->os_error != 0)
		return;
	va_start(args, format);
	if (vsnprintf(store->log, sizeof(store->log), format, args) < 0)
		store->log[0] = '\0';
	va_end(args);
	store->log[strcspn(store->log, "\n")] = '\0';
	if (error != 0 && (strstr(store->log, strerror(error)) != NULL ||
	                   strstr(store->log, "fsync failed") != NULL))
		store->os_error = error;
	/* Of all errors this is the one that it says nothing about: posix_fallocate() gave it. */
	else if (strstr(store->log, "failed to create recovery area") != NULL ||
	         strstr(store->log, "expansion failed") != NULL)
		store->os_error = ENOSPC;
	errno = error;
}

int ocs_store_error(struct ocs_store *store, const char *what, struct ocs_error *error)
{
	int ret = store->tdb == NULL ? OCS_STORE_OK : ocs_store_usable(store, error);
	bool is_it_still = ret == OCS_STORE_OK;

	/* A lookup that met what cannot be ends as one that found nothing, but for what it said. */
	if (is_it_still && store->os_error == 0 && store->tdb != NULL &&
	    (tdb_error(store->tdb) == TDB_ERR_CORRUPT ||
	     (tdb_error(store->tdb) == TDB_ERR_NOEXIST && store->log[0] != '\0')))
		atomic_store(&store->damaged, true);
	if (is_it_still)
		ocs_store_explain(store, what, error);
	ocs_store_forget_error(store);
	/* Where that cannot be told now, it is an error like any other. */
	return is_it_still ? OCS_STORE_ERROR : ret;
}

void ocs_store_explain(const struct ocs_store *store, const char *what, struct ocs_error *error)
{
	if (store->os_error != 0)
		ocs_error_set(error, "%s: cannot %s: %s", store->path, what,
		              strerror(store->os_error));
	else
		ocs_error_set(error, "%s: cannot %s: %s%s%s", store->path, what,
		              store->tdb != NULL ? tdb_errorstr(store->tdb) : "libtdb failed",
		              store->log[0] != '\0' ? ": " : "", store->log);
	if (error != NULL)
		/* libtdb keeps the code of an earlier failure where the system's says why. */
		error->no_memory =
		        store->os_error != 0
		                ? store->os_error == ENOMEM
		                : store->tdb != NULL && tdb_error(store->tdb) == TDB_ERR_OOM;
}

bool ocs_store_failed_by_system(const struct ocs_store *store, struct tdb_context *tdb)
{
	static const char asked[] = "malloc failed len=";
	const char *len = strstr(store->log, asked);

	/* More than there is in the file is the file's fault. */
	if (len != NULL && strtoull(len + strlen(asked), NULL, 10) > tdb_map_size(tdb))
		return false;
	return store->os_error != 0 || tdb_error(tdb) == TDB_ERR_OOM;
}

void ocs_store_forget_error(struct ocs_store *store)
{
	store->log[0] = '\0';
	store->os_error = 0;
	/* Where fewer bytes are read than asked for, libtdb's text has the error of an earlier
	 * call. */
	errno = 0;
}

/* ---- whether it is the file that was opened ---- */

bool ocs_store_is_header(const uint8_t header[OCS_STORE_HEADER])
{
	static const char magic[] = "TDB file\n";
	const uint32_t version = OCS_STORE_VERSION;

	return memcmp(header, magic, sizeof(magic)) == 0 &&
	       memcmp(header + OCS_VERSION_OFFSET, &version, sizeof(version)) == 0;
}

int ocs_store_header(const struct ocs_store *store, uint32_t *seqnum_r)
{
	uint8_t now[OCS_STORE_HEADER];
	ssize_t n = ocs_file_read(tdb_fd(store->tdb), now, sizeof(now), 0);

	if (n != (ssize_t)sizeof(now)) {
		errno = n < 0 ? errno : EPROTO;
		return -1;
	}
	memcpy(seqnum_r, now + OCS_SEQNUM_OFFSET, sizeof(*seqnum_r));
	memcpy(now + OCS_CHANGES_OFFSET, store->header + OCS_CHANGES_OFFSET, OCS_CHANGES_SIZE);
	if (memcmp(now, store->header, sizeof(now)) == 0)
		return 0;
	errno = EPROTO;
	return -1;
}

int ocs_store_usable(const struct ocs_store *store, struct ocs_error *error)
{
	uint64_t known = atomic_load(&store->size);
	bool is_it_still;
	uint32_t seqnum;
	struct stat st;

	is_it_still = ocs_store_header(store, &seqnum) == 0;
	if (!is_it_still && errno != EPROTO)
		return ocs_error_set(error, "%s: cannot read: %s", store->path, strerror(errno));
	if (fstat(tdb_fd(store->tdb), &st) != 0)
		return ocs_error_set(error, "%s: %s", store->path, strerror(errno));
	if ((uint64_t)st.st_size < known) {
		ocs_error_set(error, "%s: cut short while in use: %llu bytes instead of %llu",
		              store->path, (unsigned long long)st.st_size,
		              (unsigned long long)known);
		return OCS_STORE_CORRUPT;
	}
	/* A garbled length makes libtdb write far behind the end, and grow by a tenth of that next.
	 */
	if (!is_it_still || (uint64_t)st.st_size > OCS_STORE_SIZE_MAX) {
		ocs_error_set(error, "%s: overwritten while in use", store->path);
		return OCS_STORE_CORRUPT;
	}
	return OCS_STORE_OK;
}

bool ocs_store_damaged(const struct ocs_store *store)
{
	return atomic_load(&store->damaged);
}

uint64_t ocs_store_size(const struct ocs_store *store)
{
	struct stat st;

	return fstat(tdb_fd(store->tdb), &st) == 0 ? (uint64_t)st.st_size : 0;
}

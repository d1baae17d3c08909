/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether the file of a store is whole, found out by reading alone: no lock is taken, so that
 * nobody who uses it waits, and nothing is written.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/shared_file.h"

/* Readings, of a file that others write to meanwhile. */
#define TRIES 3

struct look {
	char log[200]; /* libtdb's first complaint */
};

static void store_look_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));

static void store_look_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format,
                           ...)
{
	struct look *look = tdb_get_logging_private(tdb);
	va_list args;

	if (level > TDB_DEBUG_WARNING || look->log[0] != '\0')
		return;
	va_start(args, format);
	if (vsnprintf(look->log, sizeof(look->log), format, args) < 0)
		look->log[0] = '\0';
	va_end(args);
	look->log[strcspn(look->log, "\n")] = '\0';
}

static enum ocs_store_result look_at_key(struct tdb_context *tdb, const void *key, size_t key_len)
{
	TDB_DATA name = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	TDB_DATA record = tdb_fetch(tdb, name);
	bool fine;

	if (record.dptr == NULL)
		return OCS_STORE_MISSING;
	fine = ocs_store_verify(key, key_len, record.dptr, record.dsize);
	free(record.dptr);
	return fine ? OCS_STORE_OK : OCS_STORE_DAMAGED;
}

static int look_once(const char *path, const void *key, size_t key_len,
                     enum ocs_store_result *key_r, struct ocs_error *error)
{
	struct look look = {""};
	struct tdb_logging_context logging = {.log_fn = store_look_log, .log_private = &look};
	int flags = TDB_SEQNUM | TDB_INCOMPATIBLE_HASH | TDB_NOMMAP | TDB_NOLOCK;
	struct tdb_context *tdb = tdb_open_ex(path, 0, flags, O_RDONLY, 0, &logging, NULL);
	int ret;

	if (tdb == NULL && strstr(look.log, "read only") != NULL)
		return OCS_STORE_BUSY; /* the next one to open it ends a transaction of a killed one
		                        */
	if (tdb == NULL && (errno == EACCES || errno == EPERM || errno == EMFILE ||
	                    errno == ENFILE || errno == ENOMEM))
		return ocs_error_set(error, "%s: cannot open: %s", path, strerror(errno));
	if (tdb == NULL) {
		ocs_error_set(error, "%s: not a database file (%s)", path, strerror(errno));
		return OCS_STORE_CORRUPT;
	}
	ret = ocs_store_check(tdb, false, &logging, error);
	if (ret == OCS_STORE_CORRUPT && tdb_error(tdb) == TDB_ERR_OOM)
		ret = ocs_error_memory_of(error, path);
	if (ret == OCS_STORE_CORRUPT) {
		ocs_error_set(error, "%s: damaged (%s)", path,
		              look.log[0] != '\0' ? look.log : tdb_errorstr(tdb));
		/* What cannot be read through cannot be salvaged. */
		ret = tdb_traverse_read(tdb, NULL, NULL) < 0 ? OCS_STORE_CORRUPT
		                                             : OCS_STORE_DAMAGED;
	}
	if (key != NULL)
		*key_r = look_at_key(tdb, key, key_len);
	tdb_close(tdb);
	return ret;
}

int ocs_store_look(const char *path, const void *key, size_t key_len, enum ocs_store_result *key_r,
                   struct ocs_error *error)
{
	struct stat before, after;
	int ret = OCS_STORE_BUSY;

	for (int i = 0; i < TRIES; i++) {
		switch (ocs_shared_look(path, &before)) {
		case OCS_SHARED_FILE:
			break;
		case OCS_SHARED_MISSING:
		case OCS_SHARED_UNKNOWN:
			ocs_error_set(error, "%s: %s", path, strerror(errno));
			return errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
		default:
			return ocs_shared_refuse(path, -ELOOP, error);
		}
		if ((uint64_t)before.st_size > OCS_STORE_SIZE_MAX) {
			ocs_error_set(error, "%s: not a database file (too large)", path);
			return OCS_STORE_CORRUPT;
		}
		ret = look_once(path, key, key_len, key_r, error);
		if (stat(path, &after) == 0 && after.st_ino == before.st_ino &&
		    after.st_size == before.st_size &&
		    after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
		    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
			return ret;
	}
	return ret == OCS_STORE_OK ? ret : OCS_STORE_BUSY;
}

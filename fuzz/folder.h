/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For targets that read files: a folder of the process, below $TMPDIR, removed when it ends, and
 * syncs that cost nothing. Included by the one file of a target.
 */
#ifndef OCS_FUZZ_FOLDER_H
#define OCS_FUZZ_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#define FUZZ_UNUSED __attribute__((unused))

#ifndef FUZZ_COST
#define FUZZ_COST 8
#endif
const unsigned fuzz_cost = FUZZ_COST;

static char fuzz_folder_path[128];

/* In the place of libc's, for our code and libtdb's: no power is cut here. */
int fsync(int fd)
{
	return fd >= 0 ? 0 : -1;
}

int fdatasync(int fd)
{
	return fd >= 0 ? 0 : -1;
}

static int fuzz_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void fuzz_remove_folder(void)
{
	(void)nftw(fuzz_folder_path, fuzz_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *fuzz_folder(void)
{
	if (fuzz_folder_path[0] == '\0') {
		const char *top = getenv("TMPDIR");
		int len = snprintf(fuzz_folder_path, sizeof(fuzz_folder_path), "%s/fuzz.XXXXXX",
		                   top != NULL ? top : "/tmp");

		FUZZ_CHECK(len < (int)sizeof(fuzz_folder_path));
		FUZZ_CHECK(mkdtemp(fuzz_folder_path) != NULL);
		FUZZ_CHECK(atexit(fuzz_remove_folder) == 0);
	}
	return fuzz_folder_path;
}

/* Stays until the next call. */
FUZZ_UNUSED static const char *fuzz_path(const char *name)
{
	static char path[2 * sizeof(fuzz_folder_path)];

	FUZZ_CHECK(snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name) < (int)sizeof(path));
	return path;
}

FUZZ_UNUSED static void fuzz_write_file(const char *path, const uint8_t *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

#endif

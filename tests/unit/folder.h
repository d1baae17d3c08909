/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A temporary folder of a test, below $TMPDIR: the runner removes that with all that a failed test
 * left in it.
 */
#ifndef OCS_UNIT_TEST_FOLDER_H
#define OCS_UNIT_TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#define TEST_FOLDER_SIZE 64

/* Its path, or the program ends: nothing can be tested without it. */
static inline void test_folder(char path[TEST_FOLDER_SIZE], const char *name)
{
	const char *top = getenv("TMPDIR");
	int len =
	        snprintf(path, TEST_FOLDER_SIZE, "%s/%s.XXXXXX", top != NULL ? top : "/tmp", name);

	if (len >= TEST_FOLDER_SIZE || mkdtemp(path) == NULL) {
		perror(path);
		exit(1);
	}
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The account file: NAME:HASH a line, `#` starts a comment line, empty lines are skipped.
 */
#ifndef OCS_AUTH_ACCOUNT_FILE_H
#define OCS_AUTH_ACCOUNT_FILE_H

#include "auth/accounts.h"

#define OCS_ACCOUNT_FILE_MAX ((size_t)16 << 20) /* bytes */

/* Reads path into the table; the file is checked for mode and owner first. What is wrong with a
 * line is reported as PATH:LINE. */
int ocs_account_file_load(struct ocs_accounts *accounts, const char *path,
                          const struct ocs_auth_secret *secret, struct ocs_error *error);

/* One line of text, for the loader and for the rewriter. */
struct ocs_account_line {
	const char *start; /* of the line */
	const char *end;   /* behind its last character, before the newline */
	const char *next;  /* where the following line starts */
	const char *colon; /* NULL: comment or empty */
	const char *name;  /* up to colon */
};

/* Splits the line at `at` (before `limit`). -1: it is neither a comment nor NAME:HASH. */
int ocs_account_line_read(const char *at, const char *limit, struct ocs_account_line *line);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The index as text: a line for each record, its fields separated by tabs.
 *
 *   ocsmanager-index   1   REPLICA-ID   COUNTER
 *   root      FID   USER
 *   folder    FID   STATE   UID-VALIDITY   USER   BACKEND   BACKEND-USER   FOLDER
 *   message   MID   FID-OF-ITS-FOLDER   STATE   CONTENT   MESSAGE-ID
 *   alias     ID   ID-THAT-IT-STANDS-FOR
 *   end       NUMBER-OF-LINES-BETWEEN
 *
 * The first line says which format, whose identifiers, and that none from the counter on was given.
 * Roots come before folders, a folder before those in it, folders before messages; what is deleted
 * comes after what is not; aliases, which other nodes gave, or this one once, come last.
 * Identifiers are 16 hexadecimal digits, numbers decimal. STATE is `live` or `deleted`; of a folder
 * also `second`, a further FID of one that has a line before; of a message also `quiet`, one that
 * no client was told of. UID-VALIDITY and CONTENT (16 hexadecimal digits, by which a mail is told
 * from a later one of that name) are `-` where there is none. In names a backslash and every byte
 * that is a control character or no UTF-8 is written as `\xHH`. Pure functions.
 */
#ifndef OCS_MAPISTORE_INDEX_TEXT_H
#define OCS_MAPISTORE_INDEX_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OCS_INDEX_TEXT_NAME "ocsmanager-index"

enum ocs_index_line_kind {
	OCS_LINE_HEADER,
	OCS_LINE_ROOT,
	OCS_LINE_FOLDER,
	OCS_LINE_MESSAGE,
	OCS_LINE_ALIAS,
	OCS_LINE_END,
};

enum ocs_index_state { OCS_STATE_LIVE, OCS_STATE_SECOND, OCS_STATE_QUIET, OCS_STATE_DELETED };

struct ocs_index_line {
	enum ocs_index_line_kind kind;
	uint64_t id, fid; /* fid: a message's folder; what an alias stands for */
	enum ocs_index_state state;
	bool has_uid_validity;
	uint32_t uid_validity;
	uint64_t content; /* 0: none */
	const char *user, *backend, *backend_user, *name;
	uint16_t replica_id; /* header */
	uint64_t number;     /* header: counter; end: lines */
};

/* With its line end. -1: errno. */
int ocs_index_line_write(const struct ocs_index_line *line, FILE *out);
/* A line without its end; the names are in it, it is changed. NULL, or what is wrong. */
const char *ocs_index_line_read(char *text, size_t len, struct ocs_index_line *out);

#endif

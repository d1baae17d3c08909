/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of URIs share; nobody else may use it. From the roof to the floor: uri_parse.c
 * reads, uri.c writes, uri_text.c has the parts and escapes of URIs, uri_folder.c the ways to spell
 * a folder.
 */
#ifndef OCS_MAPISTORE_URI_INTERNAL_H
#define OCS_MAPISTORE_URI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "mapistore/names.h"
#include "mapistore/uri.h"

enum ocs_uri_name { OCS_URI_USER, OCS_URI_FOLDER, OCS_URI_MESSAGE, OCS_URI_NAMES };

enum ocs_uri_style { OCS_URI_PLAIN, OCS_URI_UTF7, OCS_URI_SOGO };

struct ocs_uri_place {
	enum ocs_uri_name name;
	enum ocs_uri_style style;
	size_t len; /* of the placeholder in the template */
};

/* uri.c */

/* How much of the template a folder's URI is made of. */
size_t ocs_uri_folder_part(const char *template);

/* uri_text.c */

/* Whether a placeholder stands at p, and which. */
bool ocs_uri_place_at(const char *p, struct ocs_uri_place *place_r);

/* Where the parts of a URI or template begin; all in the text itself. */
struct ocs_uri_parts {
	size_t scheme; /* its length; `://` follows */
	size_t user, user_len;
	size_t password, password_len; /* 0, 0: none */
	size_t host, path;             /* path: what follows the authority, to the end */
};
/* -1: no URI. */
int ocs_uri_split(const char *uri, struct ocs_uri_parts *parts);
/* One that a `/`, `?` or `#` in it, which ought to be encoded, makes a port that is none: to hide
 * it. */
void ocs_uri_find_password(const char *uri, struct ocs_uri_parts *parts);

/* A text that grows: a talloc string on mem_ctx, NULL when it failed once. */
struct ocs_uri_buffer {
	char *text;
	size_t len, room;
};
void ocs_uri_begin(struct ocs_uri_buffer *out, const void *mem_ctx);
void ocs_uri_put(struct ocs_uri_buffer *out, const char *text, size_t len);
/* Percent-encoded but for unreserved characters and those of keep. */
void ocs_uri_put_encoded(struct ocs_uri_buffer *out, const char *text, size_t len,
                         const char *keep);
void ocs_uri_fail(struct ocs_uri_buffer *out);

/* Percent-decodes into out; -1: a `%` without two digits, a NUL, or no room. */
int ocs_uri_decode(const char *text, size_t len, char *out, size_t size);
/* The byte that %XX at text says; -1: it is none. */
int ocs_uri_escape_at(const char *text);

/* uri_folder.c */

/* A folder of ours in a style, before percent-encoding; and back, to what ocs_folder_fault() has
 * nothing against. -1: it cannot be. */
#define OCS_URI_FOLDER_SIZE (24 * OCS_NAME_MAX + 1)
int ocs_uri_folder_write(enum ocs_uri_style style, const char *folder, char *out, size_t size);
int ocs_uri_folder_read(enum ocs_uri_style style, const char *text, char out[OCS_NAME_MAX + 1]);

#endif

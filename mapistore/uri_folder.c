/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The ways in which backends spell a folder: see uri.h. Pure functions.
 *
 * SOGo's: modified UTF-7, but a name that is ASCII stays as it is, `&` too; then twenty characters
 * get codes between underscores, and a digit that comes first an underscore; then the level is
 * prefixed with `folder`. Some of its code takes the first two steps in the other order. A name
 * that came in the second order has a `&` of its own, in the first order never; so both are read.
 */
#include "mapistore/uri_internal.h"

#include <ctype.h>
#include <string.h>

#include "mapistore/utf7.h"

#define LEVEL_SIZE  (6 * OCS_NAME_MAX + 1) /* modified UTF-7 of a name */
#define SOGO_PREFIX "folder"

static const struct {
	char c;
	const char *code;
} sogo_codes[] = {
        {'_', "_U_"},  {'.', "_D_"},  {'#', "_H_"},  {'@', "_A_"},  {'*', "_S_"},
        {':', "_C_"},  {';', "_SC_"}, {',', "_CO_"}, {' ', "_SP_"}, {'\'', "_SQ_"},
        {'"', "_DQ_"}, {'(', "_LP_"}, {')', "_RP_"}, {'[', "_LS_"}, {']', "_RS_"},
        {'{', "_LC_"}, {'}', "_RC_"}, {'&', "_AM_"}, {'+', "_P_"},  {'$', "_DS_"},
};
#define SOGO_CODES (sizeof(sogo_codes) / sizeof(sogo_codes[0]))

/* Appends; *n is where. -1: no room. */
static int put(char *out, size_t size, size_t *n, const char *text, size_t len)
{
	if (*n + len >= size)
		return -1;
	memcpy(out + *n, text, len);
	*n += len;
	out[*n] = '\0';
	return 0;
}

static int escape(const char *text, char *out, size_t size)
{
	size_t n = 0;
	int ret = put(out, size, &n, "_", isdigit((unsigned char)text[0]) ? 1 : 0);

	for (; *text != '\0' && ret == 0; text++) {
		const char *piece = text;
		size_t len = 1;

		for (size_t i = 0; i < SOGO_CODES; i++)
			if (sogo_codes[i].c == *text) {
				piece = sogo_codes[i].code;
				len = strlen(piece);
			}
		ret = put(out, size, &n, piece, len);
	}
	return ret;
}

/* The text is never longer than what it is made of. */
static int unescape(const char *text, char *out, size_t size)
{
	size_t n = 0;
	int ret = put(out, size, &n, "", 0);

	if (text[0] == '_' && isdigit((unsigned char)text[1]))
		text++;
	while (*text != '\0' && ret == 0) {
		const char *piece = text;
		size_t taken = 1;

		for (size_t i = 0; *text == '_' && i < SOGO_CODES; i++) {
			size_t len = strlen(sogo_codes[i].code);

			if (strncmp(text, sogo_codes[i].code, len) != 0)
				continue;
			piece = &sogo_codes[i].c;
			taken = len;
			break;
		}
		ret = put(out, size, &n, piece, 1);
		text += taken;
	}
	return ret;
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7e)
			return false;
	return true;
}

/* Modified UTF-7 where it is some, else as it is. */
static int decode_utf7(const char *text, char *out, size_t size)
{
	if (!is_ascii(text) || ocs_utf7_decode(text, out, size) != 0) {
		if (strlen(text) >= size)
			return -1;
		strcpy(out, text);
	}
	return 0;
}

static int read_level(const char *text, char *out, size_t size)
{
	char between[LEVEL_SIZE];
	size_t prefix = strlen(SOGO_PREFIX);

	if (strncmp(text, SOGO_PREFIX, prefix) != 0)
		return -1;
	text += prefix;
	if (strchr(text, '&') == NULL)
		return unescape(text, between, sizeof(between)) != 0
		               ? -1
		               : decode_utf7(between, out, size);
	return decode_utf7(text, between, sizeof(between)) != 0 ? -1 : unescape(between, out, size);
}

/* As SOGo does; where that would be read as another name, which SOGo cannot tell apart, with every
 * `&` written as one. */
static int write_level(const char *name, char *out, size_t size)
{
	char utf7[LEVEL_SIZE], again[OCS_NAME_MAX + 1];
	size_t n = 0;

	if (put(out, size, &n, SOGO_PREFIX, strlen(SOGO_PREFIX)) != 0)
		return -1;
	if (is_ascii(name) && escape(name, out + n, size - n) == 0 &&
	    read_level(out, again, sizeof(again)) == 0 && strcmp(name, again) == 0)
		return 0;
	return ocs_utf7_encode(name, utf7, sizeof(utf7)) != 0 ? -1
	                                                      : escape(utf7, out + n, size - n);
}

typedef int level_fn(const char *text, char *out, size_t size);

static int each_level(level_fn *fn, const char *text, char *out, size_t size)
{
	char level[OCS_URI_FOLDER_SIZE];
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(text, "/");

		if (len >= sizeof(level))
			return -1;
		memcpy(level, text, len);
		level[len] = '\0';
		if (n >= size || fn(level, out + n, size - n) != 0)
			return -1;
		n += strlen(out + n);
		if (text[len] == '\0')
			return 0;
		if (put(out, size, &n, "/", 1) != 0)
			return -1;
		text += len + 1;
	}
}

static int copy(const char *text, char *out, size_t size)
{
	size_t n = 0;

	return put(out, size, &n, text, strlen(text));
}

int ocs_uri_folder_write(enum ocs_uri_style style, const char *folder, char *out, size_t size)
{
	switch (style) {
	case OCS_URI_UTF7:
		return ocs_utf7_encode(folder, out, size);
	case OCS_URI_SOGO:
		return strlen(folder) > OCS_NAME_MAX ? -1
		                                     : each_level(write_level, folder, out, size);
	default:
		return copy(folder, out, size);
	}
}

int ocs_uri_folder_read(enum ocs_uri_style style, const char *text, char out[OCS_NAME_MAX + 1])
{
	int ret = style == OCS_URI_UTF7   ? ocs_utf7_decode(text, out, OCS_NAME_MAX + 1)
	          : style == OCS_URI_SOGO ? each_level(read_level, text, out, OCS_NAME_MAX + 1)
	                                  : copy(text, out, OCS_NAME_MAX + 1);

	return ret == 0 && ocs_folder_fault(out) == NULL ? 0 : -1;
}

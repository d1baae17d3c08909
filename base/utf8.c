/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checks and measures UTF-8 sequences. Pure functions.
 */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool follows(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t ocs_utf8_sequence(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char c = p[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return follows(p[1]) ? 2 : 0;
	if ((c & 0xf0) == 0xe0) {
		if (!follows(p[1]) || !follows(p[2]))
			return 0;
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
		    (c == 0xef && p[1] == 0xbf && p[2] > 0xbd))
			return 0;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (!follows(p[1]) || !follows(p[2]) || !follows(p[3]))
			return 0;
		if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool ocs_utf8_text(const char *text)
{
	size_t len = 1;

	for (; *text != '\0' && len > 0; text += len)
		len = ocs_utf8_sequence(text);
	return len > 0;
}

static uint32_t code_point(const unsigned char *p, size_t len)
{
	uint32_t code = len < 2 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3fu);
	return code;
}

size_t ocs_utf8_seen(const char *text)
{
	/* Beyond ASCII, in order: C1, separators, Unicode's Bidi_Control and what it calls
	 * Default_Ignorable_Code_Point. Its variation selectors, U+FE00 to U+FE0F, only choose
	 * between two shapes of the character before them. */
	static const struct {
		uint32_t first, last;
	} unseen[] = {
	        {0x0080, 0x009f},   {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},
	        {0x115f, 0x1160},   {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x200b, 0x200f},
	        {0x2028, 0x202e},   {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfeff, 0xfeff},
	        {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	        {0xe0000, 0xe0fff},
	};
	const unsigned char *p = (const unsigned char *)text;
	size_t len = ocs_utf8_sequence(text);
	uint32_t code;

	if (len == 0)
		return 0;
	code = code_point(p, len);
	if (code < 0x20 || code == 0x7f)
		return 0;
	if (code < 0x80)
		return len;
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]) && unseen[i].first <= code; i++)
		if (code <= unseen[i].last)
			return 0;
	return len;
}

size_t ocs_utf8_show(const char *text, char *out, size_t size)
{
	size_t used = 0;

	while (*text != '\0' && used + 4 < size) {
		size_t len = ocs_utf8_seen(text);

		if (len == 0) {
			used += (size_t)snprintf(out + used, size - used, "\\x%02x",
			                         (unsigned char)*text++);
			continue;
		}
		memcpy(out + used, text, len);
		used += len;
		text += len;
	}
	out[used] = '\0';
	return used;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checks and measures UTF-8 sequences. Pure functions.
 */
#include "base/utf8.h"

#include <stdbool.h>

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

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Case folding by libunistring: see fold.h. Pure. */
#include "base/fold.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicase.h>
#include <uninorm.h>

/* A character that is decomposed or folded has at most three times its bytes; names have at most
 * 1,024. What is longer is left as it is. */
#define ROOM 9220

/* Of what libunistring made: its length, or 0 where the buffer was too small for it and it took one
 * of its own. */
static size_t kept(uint8_t *result, const uint8_t *buffer, size_t len)
{
	if (result == buffer)
		return len;
	free(result);
	return 0;
}

/* In a; 0: it cannot be done. */
static size_t fold_text(const char *text, uint8_t *a, uint8_t *b)
{
	size_t len = ROOM, folded = ROOM;
	uint8_t *result;

	/* Decomposed first: Unicode's D145, so that the form is its own. */
	result = u8_normalize(UNINORM_NFD, (const uint8_t *)text, strlen(text), a, &len);
	len = kept(result, a, len);
	if (len == 0)
		return 0;
	result = u8_casefold(a, len, NULL, NULL, b, &folded);
	folded = kept(result, b, folded);
	if (folded == 0)
		return 0;
	len = ROOM;
	result = u8_normalize(UNINORM_NFC, b, folded, a, &len);
	return kept(result, a, len);
}

char *ocs_fold(const char *text, char *out, size_t size)
{
	uint8_t a[ROOM], b[ROOM];
	const unsigned char *p = (const unsigned char *)text;
	size_t i;

	for (i = 0; p[i] != '\0' && p[i] < 0x80 && i + 1 < size; i++)
		out[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
	out[i] = '\0';
	if (p[i] == '\0')
		return out;
	i = strlen(text) < ROOM ? fold_text(text, a, b) : 0;
	if (i > 0 && i < size) {
		memcpy(out, a, i);
		out[i] = '\0';
	} else {
		snprintf(out, size, "%s", text);
	}
	return out;
}

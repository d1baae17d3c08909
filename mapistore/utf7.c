/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* IMAP's modified UTF-7, encoded and decoded: see utf7.h. Pure functions. */
#include "mapistore/utf7.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "mapistore/names.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

struct output {
	char *p, *end; /* end: room for the NUL */
	bool failed;
};

static void put(struct output *out, unsigned byte)
{
	if (out->p < out->end)
		*out->p++ = (char)byte;
	else
		out->failed = true;
}

static int finish(struct output *out)
{
	*out->p = '\0';
	return out->failed ? -1 : 0;
}

static bool stands_for_itself(unsigned c)
{
	return c >= 0x20 && c <= 0x7e && c != '&';
}

/* ---- to modified UTF-7 ---- */

static uint32_t character_at(const char *text, size_t len)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (uint8_t)text[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((uint8_t)text[i] & 0x3f);
	return c;
}

/* Bits on their way into base64. */
struct bits {
	uint32_t value;
	unsigned count;
};

static void put_unit(struct output *out, struct bits *bits, unsigned unit)
{
	bits->value = bits->value << 16 | unit;
	bits->count += 16;
	while (bits->count >= 6) {
		bits->count -= 6;
		put(out, (unsigned)alphabet[bits->value >> bits->count & 0x3f]);
	}
	bits->value &= (1u << bits->count) - 1;
}

/* All characters from p on that do not stand for themselves; returns what is behind them, NULL if
 * it is not UTF-8. */
static const char *encode_run(struct output *out, const char *p)
{
	struct bits bits = {0, 0};

	put(out, '&');
	while (*p != '\0' && *p != '&' && !stands_for_itself((uint8_t)*p)) {
		size_t len = ocs_utf8_sequence(p);
		uint32_t c;

		if (len == 0)
			return NULL;
		c = character_at(p, len);
		if (c >= 0x10000) {
			put_unit(out, &bits, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		put_unit(out, &bits, c);
		p += len;
	}
	if (bits.count > 0)
		put(out, (unsigned)alphabet[bits.value << (6 - bits.count) & 0x3f]);
	put(out, '-');
	return p;
}

int ocs_utf7_encode(const char *utf8, char *utf7, size_t size)
{
	struct output out = {utf7, utf7 + size - 1, size == 0};
	const char *p = utf8;

	if (size == 0)
		return -1;
	while (*p != '\0') {
		if (*p == '&') {
			put(&out, '&');
			put(&out, '-');
			p++;
		} else if (stands_for_itself((uint8_t)*p)) {
			put(&out, (uint8_t)*p++);
		} else {
			p = encode_run(&out, p);
			if (p == NULL)
				return -1;
		}
	}
	return finish(&out);
}

/* ---- and back ---- */

static void put_utf8(struct output *out, uint32_t c)
{
	if (c < 0x80) {
		put(out, c);
	} else if (c < 0x800) {
		put(out, 0xc0 | c >> 6);
		put(out, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		put(out, 0xe0 | c >> 12);
		put(out, 0x80 | (c >> 6 & 0x3f));
		put(out, 0x80 | (c & 0x3f));
	} else {
		put(out, 0xf0 | c >> 18);
		put(out, 0x80 | (c >> 12 & 0x3f));
		put(out, 0x80 | (c >> 6 & 0x3f));
		put(out, 0x80 | (c & 0x3f));
	}
}

/* The base64 behind an `&`, up to its `-`; returns what is behind that, NULL if it is none. How it
 * is spelt is not looked at here. */
static const char *decode_run(struct output *out, const char *p)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (; *p != '-'; p++) {
		const char *digit = *p != '\0' ? strchr(alphabet, *p) : NULL;
		uint32_t unit;

		if (digit == NULL)
			return NULL;
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		unit = bits >> count & 0xffff;
		bits &= (1u << count) - 1;
		if (unit == 0 || ((unit & 0xfc00) == 0xdc00) != (high != 0))
			return NULL;
		if ((unit & 0xfc00) == 0xd800) {
			high = unit;
			continue;
		}
		put_utf8(out, high == 0 ? unit : 0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff));
		high = 0;
	}
	return high == 0 ? p + 1 : NULL;
}

/* Whether encode() would have written it so: no bits left over, nothing encoded that need not be,
 * no run split in two. */
static bool is_spelt_so(const char *utf8, const char *utf7)
{
	char again[5 * OCS_NAME_MAX + 1];

	return ocs_utf7_encode(utf8, again, sizeof(again)) == 0 && strcmp(again, utf7) == 0;
}

int ocs_utf7_decode(const char *utf7, char *utf8, size_t size)
{
	struct output out = {utf8, utf8 + size - 1, size == 0};
	const char *p = utf7;

	if (size == 0)
		return -1;
	while (*p != '\0') {
		if (*p == '&' && p[1] == '-') {
			put(&out, '&');
			p += 2;
		} else if (*p == '&') {
			p = decode_run(&out, p + 1);
			if (p == NULL)
				return -1;
		} else if (stands_for_itself((uint8_t)*p)) {
			put(&out, (uint8_t)*p++);
		} else {
			return -1;
		}
	}
	return finish(&out) == 0 && is_spelt_so(utf8, utf7) ? 0 : -1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The bodies of MAPI over HTTP, parsed and written. Pure functions. */
#include "mapihttp/body.h"

#include <string.h>

#include "ocsemsmdb.h"

struct cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static uint32_t take32(struct cursor *cursor)
{
	const uint8_t *at = cursor->at;

	if (cursor->failed || cursor->left < 4) {
		cursor->failed = true;
		return 0;
	}
	cursor->at += 4;
	cursor->left -= 4;
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* A size and so many bytes; NULL and 0 once something failed. */
static const uint8_t *take_sized(struct cursor *cursor, size_t max, size_t *len_r)
{
	uint32_t size = take32(cursor);
	const uint8_t *at = cursor->at;

	*len_r = 0;
	if (cursor->failed || size > max || size > cursor->left) {
		cursor->failed = true;
		return NULL;
	}
	cursor->at += size;
	cursor->left -= size;
	*len_r = size;
	return at;
}

/* What every request ends with. Its content is of no use to notifications. */
static int take_end(struct cursor *cursor)
{
	size_t len;

	take_sized(cursor, OCSEMSMDB_AUX_MAX, &len);
	return cursor->failed || cursor->left != 0 ? -1 : 0;
}

int mapihttp_parse_connect(const uint8_t *body, size_t len, struct mapihttp_connect *out)
{
	const uint8_t *end = len > 0 ? memchr(body, '\0', len) : NULL;
	struct cursor cursor = {0};

	if (end == NULL)
		return -1;
	out->user_dn = (const char *)body;
	cursor.at = end + 1;
	cursor.left = len - (size_t)(cursor.at - body);
	out->flags = take32(&cursor);
	out->code_page = take32(&cursor);
	out->lcid_sort = take32(&cursor);
	out->lcid_string = take32(&cursor);
	return take_end(&cursor);
}

int mapihttp_parse_execute(const uint8_t *body, size_t len, struct mapihttp_execute *out)
{
	struct cursor cursor = {body, len, false};

	out->flags = take32(&cursor);
	out->rops = take_sized(&cursor, OCSEMSMDB_CB_MAX, &out->rops_len);
	out->max_rop_out = take32(&cursor);
	if (out->max_rop_out > OCSEMSMDB_CB_MAX)
		return -1;
	return take_end(&cursor);
}

int mapihttp_parse_wait(const uint8_t *body, size_t len)
{
	struct cursor cursor = {body, len, false};

	take32(&cursor); /* Flags, reserved */
	return take_end(&cursor);
}

int mapihttp_parse_disconnect(const uint8_t *body, size_t len)
{
	struct cursor cursor = {body, len, false};

	return take_end(&cursor);
}

static uint8_t *put16(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)value;
	out[1] = (uint8_t)(value >> 8);
	return out + 2;
}

static uint8_t *put32(uint8_t *out, uint32_t value)
{
	return put16(put16(out, value), value >> 16);
}

/* One character of UTF-8; what is none is taken as one byte and becomes U+FFFD. */
static uint32_t take_character(const char **at)
{
	const uint8_t *text = (const uint8_t *)*at;
	size_t more = text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 1 : text[0] < 0xf0 ? 2 : 3;
	uint32_t value = text[0];

	*at += 1;
	if (text[0] < 0x80)
		return value;
	if (more == 0 || text[0] > 0xf4)
		return 0xfffd;
	value &= 0x3fu >> more;
	for (size_t i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0xfffd;
		value = value << 6 | (text[i] & 0x3f);
	}
	*at += more;
	return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff) ? value : 0xfffd;
}

static uint8_t *put_utf16(uint8_t *out, const char *text)
{
	while (*text != '\0') {
		uint32_t value = take_character(&text);

		if (value >= 0x10000) {
			value -= 0x10000;
			out = put16(out, 0xd800 | value >> 10);
			value = 0xdc00 | (value & 0x3ff);
		}
		out = put16(out, value);
	}
	return put16(out, 0);
}

size_t mapihttp_put_connected(uint8_t *out, uint32_t error,
                              const struct mapihttp_connected *connected)
{
	uint8_t *at = put32(put32(out, 0), error);

	at = put32(at, connected->polls_max);
	at = put32(at, connected->retry_count);
	at = put32(at, connected->retry_delay);
	*at++ = '\0'; /* DnPrefix */
	at = put_utf16(at, connected->display_name);
	return (size_t)(put32(at, 0) - out);
}

size_t mapihttp_put_executed(uint8_t *out, uint32_t error, const uint8_t *rops, size_t rops_len)
{
	uint8_t *at = put32(put32(out, 0), error);

	at = put32(at, 0); /* Flags */
	at = put32(at, (uint32_t)rops_len);
	memcpy(at, rops, rops_len);
	return (size_t)(put32(at + rops_len, 0) - out);
}

size_t mapihttp_put_waited(uint8_t out[MAPIHTTP_WAITED_SIZE], uint32_t error, bool pending)
{
	return (size_t)(put32(put32(put32(put32(out, 0), error), pending), 0) - out);
}

size_t mapihttp_put_disconnected(uint8_t out[MAPIHTTP_DISCONNECTED_SIZE], uint32_t error)
{
	return (size_t)(put32(put32(put32(out, 0), error), 0) - out);
}

size_t mapihttp_put_failed(uint8_t out[MAPIHTTP_FAILED_SIZE], uint32_t status)
{
	return (size_t)(put32(put32(out, status), 0) - out);
}

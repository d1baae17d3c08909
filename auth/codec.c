/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Base64, hex, random bytes; no state. Base64 is nettle's, behind a check, since nettle skips white
 * space and knows one alphabet at a time.
 */
#include "auth/codec.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <nettle/base64.h>

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-' || c == '+')
		return 62;
	if (c == '_' || c == '/')
		return 63;
	return -1;
}

int ocs_auth_b64_decode(const char *text, size_t text_len, uint8_t *bytes, size_t max,
                        size_t *len_r)
{
	struct base64_decode_ctx ctx;
	size_t padding = 0, used = 0;

	while (padding < 2 && text_len > 0 && text[text_len - 1] == '=') {
		text_len--;
		padding++;
	}
	size_t rest = text_len % 4;
	if (rest == 1 || (padding > 0 && (rest + padding) != 4))
		return -1;
	if (text_len / 4 * 3 + (rest ? rest - 1 : 0) > max)
		return -1;

	base64_decode_init(&ctx);
	for (size_t i = 0; i < text_len; i++) {
		int value = b64_value(text[i]);

		if (value < 0)
			return -1;
		/* the bits after the last byte must be zero, or two texts would mean the same */
		if (i + 1 == text_len && rest != 0 && (value & (rest == 2 ? 15 : 3)) != 0)
			return -1;
		char c = text[i];

		if (value == 62)
			c = '+';
		else if (value == 63)
			c = '/';
		int n = base64_decode_single(&ctx, bytes + used, c);
		if (n < 0)
			return -1;
		used += (size_t)n;
	}
	*len_r = used;
	return 0;
}

static void encode(struct base64_encode_ctx *ctx, char *text, const void *bytes, size_t len)
{
	size_t n = base64_encode_update(ctx, text, len, bytes);

	n += base64_encode_final(ctx, text + n);
	text[n] = '\0';
}

void ocs_auth_b64_encode(char *text, const void *bytes, size_t len)
{
	struct base64_encode_ctx ctx;

	base64url_encode_init(&ctx);
	encode(&ctx, text, bytes, len);
}

void ocs_auth_b64_encode_bare(char *text, const void *bytes, size_t len)
{
	ocs_auth_b64_encode(text, bytes, len);
	text[strcspn(text, "=")] = '\0';
}

void ocs_auth_b64_encode_standard(char *text, const void *bytes, size_t len)
{
	struct base64_encode_ctx ctx;

	base64_encode_init(&ctx);
	encode(&ctx, text, bytes, len);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int ocs_auth_hex_decode(const char *text, uint8_t *bytes, size_t len)
{
	if (strnlen(text, 2 * len + 1) != 2 * len)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

void ocs_auth_hex_encode(char *text, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * len] = '\0';
}

int ocs_auth_random(void *bytes, size_t len)
{
	uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

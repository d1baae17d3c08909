/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Queue names both ways: strings only, no queue is touched.
 *
 * The user is the only part that comes from outside. Percent-encoding leaves neither a dot nor a
 * slash in it, so the fields of a name can be told apart and none of them can leave /dev/mqueue.
 */
#include "mqueue/name.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#define PREFIX      "/ocs."
#define HASH_DIGITS 40
#define NAME_LIMIT  (OCS_QUEUE_NAME_MAX - 1) /* with the slash, without the NUL */
#define FID_DIGITS  16
#define PIPE_DIGITS 8
#define STORE_WORD  "store"

static const char *const table_words[OCS_TABLE_COUNT] = {
        "newmail", "object", "contents", "hierarchy", "search",
};

const char *ocs_table_word(enum ocs_table table)
{
	return (unsigned)table < OCS_TABLE_COUNT ? table_words[table] : "?";
}

int ocs_table_from_word(const char *word, enum ocs_table *table_r)
{
	for (unsigned i = 0; i < OCS_TABLE_COUNT; i++)
		if (strcmp(word, table_words[i]) == 0) {
			*table_r = (enum ocs_table)i;
			return 0;
		}
	return -1;
}

/* The locale must not have a say in this, so no isalnum(). */
static bool is_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int hex_value(unsigned char c, bool lower, bool upper)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (lower && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (upper && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Exactly `digits` of them; does not look at what follows. */
static int hex_number(const char *text, unsigned digits, bool upper, uint64_t *value_r)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < digits; i++) {
		int digit = hex_value((unsigned char)text[i], true, upper);

		if (digit < 0)
			return -1;
		value = value << 4 | (unsigned)digit;
	}
	*value_r = value;
	return 0;
}

int ocs_folder_from_word(const char *word, uint64_t *folder_r)
{
	uint64_t fid;

	if (strcmp(word, STORE_WORD) == 0) {
		*folder_r = OCS_FOLDER_STORE;
		return 0;
	}
	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
		word += 2;
	if (strlen(word) != FID_DIGITS || hex_number(word, FID_DIGITS, true, &fid) < 0 || fid == 0)
		return -1;
	*folder_r = fid;
	return 0;
}

static void hash_user(char out[HASH_DIGITS + 2], const char *user, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, len, (const uint8_t *)user);
	sha256_digest(&context, sizeof(digest), digest);
	out[0] = '~';
	for (unsigned i = 0; i < HASH_DIGITS / 2; i++) {
		out[1 + 2 * i] = digits[digest[i] >> 4];
		out[2 + 2 * i] = digits[digest[i] & 15];
	}
	out[HASH_DIGITS + 1] = '\0';
}

int ocs_queue_name_format(char out[OCS_QUEUE_NAME_MAX], const char *user, uint64_t folder,
                          enum ocs_table table, uint32_t pipe)
{
	static const char digits[] = "0123456789ABCDEF";
	char encoded[3 * OCS_USER_MAX + 1], tail[64], *end = encoded;
	size_t len = strlen(user);
	int tail_len;

	if (len == 0 || len > OCS_USER_MAX || (unsigned)table >= OCS_TABLE_COUNT)
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)user[i];

		if (is_plain(c)) {
			*end++ = (char)c;
		} else {
			*end++ = '%';
			*end++ = digits[c >> 4];
			*end++ = digits[c & 15];
		}
	}
	*end = '\0';

	if (folder == OCS_FOLDER_STORE)
		tail_len = snprintf(tail, sizeof(tail), "." STORE_WORD ".%s.%08" PRIx32,
		                    table_words[table], pipe);
	else
		tail_len = snprintf(tail, sizeof(tail), ".%016" PRIx64 ".%s.%08" PRIx32, folder,
		                    table_words[table], pipe);

	len = (size_t)(end - encoded);
	if (strlen(PREFIX) + len + (size_t)tail_len > NAME_LIMIT) {
		hash_user(encoded, user, strlen(user));
		len = HASH_DIGITS + 1;
	}
	memcpy(out, PREFIX, strlen(PREFIX));
	memcpy(out + strlen(PREFIX), encoded, len);
	memcpy(out + strlen(PREFIX) + len, tail, (size_t)tail_len + 1);
	return 0;
}

/* Undoes the encoding; refuses what the encoder would have written in another way. */
static int decode_user(const char *text, size_t len, struct ocs_queue_name *out)
{
	size_t used = 0;
	uint64_t ignored;

	if (len == 0)
		return -1;
	if (text[0] == '~') {
		if (len != HASH_DIGITS + 1 ||
		    hex_number(text + 1, HASH_DIGITS, false, &ignored) < 0)
			return -1;
		memcpy(out->user, text, len);
		out->user[len] = '\0';
		out->user_hashed = true;
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high, low;

			if (len - i < 3)
				return -1;
			high = hex_value((unsigned char)text[i + 1], false, true);
			low = hex_value((unsigned char)text[i + 2], false, true);
			if (high < 0 || low < 0)
				return -1;
			c = (unsigned char)(high << 4 | low);
			if (c == '\0' || is_plain(c))
				return -1;
			i += 2;
		} else if (!is_plain(c)) {
			return -1;
		}
		out->user[used++] = (char)c;
	}
	out->user[used] = '\0';
	out->user_hashed = false;
	return 0;
}

/* The field up to the next dot; *next_r behind that dot, NULL if there is none. */
static size_t field_length(const char *text, const char **next_r)
{
	const char *dot = strchr(text, '.');

	*next_r = dot != NULL ? dot + 1 : NULL;
	return dot != NULL ? (size_t)(dot - text) : strlen(text);
}

int ocs_queue_name_parse(const char *name, struct ocs_queue_name *out)
{
	const char *user, *folder, *table, *pipe, *rest;
	size_t user_len, folder_len, table_len;
	char table_word[16];
	uint64_t number;

	/* The limit also keeps the decoded user inside its array. */
	if (strnlen(name, NAME_LIMIT + 1) > NAME_LIMIT ||
	    strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return -1;
	user = name + strlen(PREFIX);
	user_len = field_length(user, &folder);
	if (folder == NULL || decode_user(user, user_len, out) < 0)
		return -1;

	folder_len = field_length(folder, &table);
	if (table == NULL)
		return -1;
	if (folder_len == strlen(STORE_WORD) && memcmp(folder, STORE_WORD, folder_len) == 0)
		out->folder = OCS_FOLDER_STORE;
	else if (folder_len != FID_DIGITS ||
	         hex_number(folder, FID_DIGITS, false, &out->folder) < 0 || out->folder == 0)
		return -1;

	table_len = field_length(table, &pipe);
	if (pipe == NULL || table_len >= sizeof(table_word))
		return -1;
	memcpy(table_word, table, table_len);
	table_word[table_len] = '\0';
	if (ocs_table_from_word(table_word, &out->table) < 0)
		return -1;

	if (field_length(pipe, &rest) != PIPE_DIGITS || rest != NULL ||
	    hex_number(pipe, PIPE_DIGITS, false, &number) < 0)
		return -1;
	out->pipe = (uint32_t)number;
	return 0;
}

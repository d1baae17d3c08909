/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checking and storing one value of the ini by its row of the key table. Touches only the member
 * it fills.
 */
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>

#include "mapistore/uri.h"

#define ACCOUNT_NAME_LONGEST 128
#define AMQP_NAME_LONGEST    255
#define COMMENT_HINT         "(a comment needs a line of its own)"

static int set_number(const struct ocs_key *key, unsigned *member, const char *text,
                      struct ocs_error *error)
{
	unsigned long long number;

	/* strtoull() alone would take a sign, white space and 0x. */
	if (text[strspn(text, "0123456789")] == '\0') {
		errno = 0;
		number = strtoull(text, NULL, 10);
		if (errno == 0 && number >= key->min && number <= key->max) {
			*member = (unsigned)number;
			return 0;
		}
	}
	return ocs_error_set(error, "'%s' is not a whole number from %u to %u%s", text, key->min,
	                     key->max, strpbrk(text, "#;") != NULL ? " " COMMENT_HINT : "");
}

static int word_index(const struct ocs_key *key, const char *text, size_t len)
{
	for (int i = 0; key->words[i] != NULL; i++) {
		if (strlen(key->words[i]) == len && strncasecmp(key->words[i], text, len) == 0)
			return i;
	}
	return -1;
}

static int wrong_word(const struct ocs_key *key, const char *text, int len, struct ocs_error *error)
{
	char words[128] = "";
	size_t used = 0;

	for (const char *const *word = key->words; *word != NULL; word++)
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s",
		                         word == key->words ? ""
		                         : word[1]          ? ", "
		                                            : " or ",
		                         *word);
	return ocs_error_set(error, "'%.*s' is not %s%s", len, text, words,
	                     strpbrk(text, "#;") != NULL ? " " COMMENT_HINT : "");
}

/* Calls a comma-separated list's items by their place; empty ones too. */
static const char *next_item(const char *text, size_t *len_r)
{
	text += strspn(text, " \t");
	*len_r = strcspn(text, ",");
	while (*len_r > 0 && strchr(" \t", text[*len_r - 1]) != NULL)
		(*len_r)--;
	return text;
}

static int set_words(const struct ocs_key *key, const char **member, const void *mem_ctx,
                     const char *text, struct ocs_error *error)
{
	char *list = talloc_strdup(mem_ctx, "");
	unsigned seen = 0;
	const char *item = text;

	do {
		size_t len;

		item = next_item(item, &len);
		int i = word_index(key, item, len);
		if (i < 0)
			return wrong_word(key, item, (int)len, error);
		if (seen & 1u << i)
			return ocs_error_set(error, "%s is listed twice", key->words[i]);
		list = talloc_asprintf_append(list, "%s%s", seen != 0 ? ", " : "", key->words[i]);
		seen |= 1u << i;
		item += strcspn(item, ",");
	} while (*item++ == ',');
	if (list == NULL)
		return ocs_error_memory(error);
	*member = list;
	return 0;
}

static int check_patterns(const char *text, struct ocs_error *error)
{
	size_t len;

	if (*text == '\0')
		return 0;
	do {
		text = next_item(text, &len);
		if (len == 0)
			return ocs_error_set(error, "empty pattern in the list");
		text += strcspn(text, ",");
	} while (*text++ == ',');
	return 0;
}

static int check_host(const char *text, struct ocs_error *error)
{
	if (text[0] == '[')
		return ocs_error_set(error, "'%s': write an IPv6 address without brackets", text);
	for (const char *p = text; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr(".:-_%", *p) == NULL)
			return ocs_error_set(error, "'%s' is neither a host name nor an address%s",
			                     text,
			                     strpbrk(text, "#;") != NULL ? " " COMMENT_HINT : "");
	}
	return 0;
}

static bool has_comment(const char *text)
{
	return strstr(text, " #") != NULL || strstr(text, " ;") != NULL ||
	       strstr(text, "\t#") != NULL || strstr(text, "\t;") != NULL;
}

static int check_uri(const char *text, struct ocs_error *error)
{
	struct ocs_error why;

	if (ocs_uri_check(text, &why) == 0)
		return 0;
	return ocs_error_set(error, "%s%s", why.text, has_comment(text) ? " " COMMENT_HINT : "");
}

/* What AMQP 0-9-1 allows: a short string; the broker keeps amq. for itself. */
static int check_amqp_name(const char *text, struct ocs_error *error)
{
	if (strlen(text) > AMQP_NAME_LONGEST)
		return ocs_error_set(error, "the name has %zu bytes; RabbitMQ allows %d",
		                     strlen(text), AMQP_NAME_LONGEST);
	if (strncmp(text, "amq.", 4) == 0)
		return ocs_error_set(
		        error, "'%s': names that begin with amq. are reserved by RabbitMQ", text);
	return 0;
}

/* Nothing that a name is made of, nor what modified UTF-7 is written with. */
static int check_separator(const char *text, struct ocs_error *error)
{
	if (strlen(text) != 1 || !ispunct((unsigned char)*text) || strchr("&+,-_", *text) != NULL)
		return ocs_error_set(
		        error,
		        "'%s' is not one punctuation character such as / or . (but not & + , - _)",
		        text);
	return 0;
}

int ocs_config_value_set(const struct ocs_key *key, void *base, const void *mem_ctx,
                         const char *folder, const char *text, struct ocs_error *error)
{
	void *member = (char *)base + key->offset;
	const char **string = member;
	int result = 0;

	if (*text == '\0' && key->type != OCS_KEY_PATTERNS && key->type != OCS_KEY_ACCOUNT)
		return ocs_error_set(error, "empty value (to leave it unset, remove the line)");
	switch (key->type) {
	case OCS_KEY_NUMBER:
		return set_number(key, member, text, error);
	case OCS_KEY_WORD:
		result = word_index(key, text, strlen(text));
		if (result < 0)
			return wrong_word(key, text, (int)strlen(text), error);
		*(unsigned *)member = (unsigned)result + key->word_base;
		return 0;
	case OCS_KEY_WORDS:
		return set_words(key, string, mem_ctx, text, error);
	case OCS_KEY_PATH:
		*string = text[0] == '/' ? talloc_strdup(mem_ctx, text)
		                         : talloc_asprintf(mem_ctx, "%s/%s", folder, text);
		return *string != NULL ? 0 : ocs_error_memory(error);
	case OCS_KEY_HOST:
		result = check_host(text, error);
		break;
	case OCS_KEY_PATTERNS:
		result = check_patterns(text, error);
		break;
	case OCS_KEY_URI:
		result = check_uri(text, error);
		break;
	case OCS_KEY_ACCOUNT:
		if (*text != '\0' && !ocs_config_account_name_valid(text))
			result = ocs_error_set(
			        error,
			        "'%s' is not a valid account name (1 to %d of A-Z a-z 0-9 _ . @ -)",
			        text, ACCOUNT_NAME_LONGEST);
		break;
	case OCS_KEY_SEPARATOR:
		result = check_separator(text, error);
		break;
	case OCS_KEY_AMQP:
		result = check_amqp_name(text, error);
		break;
	case OCS_KEY_TEXT:
	case OCS_KEY_SECRET:
		break;
	}
	if (result < 0)
		return -1;
	*string = talloc_strdup(mem_ctx, text);
	return *string != NULL ? 0 : ocs_error_memory(error);
}

const char *ocs_config_value_doubt(const struct ocs_key *key, const char *text)
{
	size_t len = strlen(text);

	if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0])
		return "the quotes are part of the value";
	/* A password may hold any of these, a hash and a URI cannot. */
	bool secret = key->type == OCS_KEY_SECRET && text[0] != '{' && text[0] != '$' &&
	              strstr(text, "://") == NULL;
	if (!secret && has_comment(text))
		return "the text after # or ; is part of the value " COMMENT_HINT;
	return NULL;
}

bool ocs_config_value_equal(const struct ocs_key *key, const void *base_a, const void *base_b)
{
	const void *a = (const char *)base_a + key->offset, *b = (const char *)base_b + key->offset;

	if (key->type == OCS_KEY_NUMBER || key->type == OCS_KEY_WORD)
		return *(const unsigned *)a == *(const unsigned *)b;
	const char *text_a = *(const char *const *)a, *text_b = *(const char *const *)b;
	if (text_a == NULL || text_b == NULL)
		return text_a == text_b;
	return strcmp(text_a, text_b) == 0;
}

bool ocs_config_account_name_valid(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("_.@-", *p) == NULL)
			return false;
	}
	return len >= 1 && len <= ACCOUNT_NAME_LONGEST;
}

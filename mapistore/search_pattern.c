/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Patterns and grams of the search: see search_pattern.h. Pure functions. */
#include "mapistore/search_pattern.h"

#include <ctype.h>
#include <string.h>

#include <talloc.h>

#include "base/fnv.h"
#include "mapistore/uri.h"

/* No character of a percent-encoded name is one of these. */
#define MARK_FIRST   1
#define MARK_LAST    2
#define MARK_BACKEND 3

/* ---- grams ---- */

static unsigned number_of(unsigned a, unsigned b, unsigned c)
{
	uint32_t v = (uint32_t)(a << 16 | b << 8 | c) * 2654435761u;

	return v >> 20;
}

unsigned ocs_search_grams_count(const struct ocs_search_grams *grams)
{
	unsigned n = 0;

	for (size_t i = 0; i < OCS_SEARCH_GRAMS / 64; i++)
		n += (unsigned)__builtin_popcountll(grams->bits[i]);
	return n;
}

void ocs_search_grams_add(struct ocs_search_grams *grams, const char *text, size_t len, bool first,
                          bool last)
{
	unsigned a = 0, b = 0;
	size_t known = 0;

	if (first) {
		b = MARK_FIRST;
		known = 1;
	}
	for (size_t i = 0; i < len + last; i++) {
		unsigned c = i < len ? (unsigned char)text[i] : MARK_LAST;

		if (known >= 2)
			ocs_search_gram_set(grams, number_of(a, b, c));
		a = b;
		b = c;
		known++;
	}
}

unsigned ocs_search_gram_backend(const char *backend)
{
	uint32_t hash = ocs_fnv32(OCS_FNV32, backend, strlen(backend));

	return number_of(MARK_BACKEND, hash & 0xff, hash >> 8 & 0xff);
}

/* A name as a template writes it. One that cannot be written so has no such URI. */
static int add_written(struct ocs_search_grams *out, const char *template, const char *user,
                       const char *folder, const char *message)
{
	char *text = ocs_uri_format(NULL, template, user, folder, message);

	if (text != NULL)
		ocs_search_grams_add(out, text, strlen(text), true, true);
	talloc_free(text);
	return text != NULL ? 0 : -1;
}

int ocs_search_message_grams(const char *message_id, struct ocs_search_grams *out)
{
	memset(out, 0, sizeof(*out));
	return add_written(out, "{message}", "", "", message_id);
}

int ocs_search_folder_grams(const char *backend, const char *backend_user, const char *folder,
                            struct ocs_search_grams *out)
{
	memset(out, 0, sizeof(*out));
	ocs_search_gram_set(out, ocs_search_gram_backend(backend));
	/* A name that cannot be spelt in one way has no URI of that kind. */
	(void)add_written(out, "{folder:imap-utf7}", "", folder, NULL);
	(void)add_written(out, "{folder:sogo}", "", folder, NULL);
	return add_written(out, "{user}", backend_user, "", "") == 0 &&
	                       add_written(out, "{folder}", "", folder, NULL) == 0
	               ? 0
	               : -1;
}

/* ---- patterns ---- */

char *ocs_search_pattern(const void *mem_ctx, const char *text, struct ocs_error *error)
{
	size_t len = strlen(text), stars = 0, n = 0;
	char *out;

	if (len == 0 || len > OCS_SEARCH_PATTERN_MAX) {
		ocs_error_set(error, "a pattern has 1 to %d bytes", OCS_SEARCH_PATTERN_MAX);
		return NULL;
	}
	out = talloc_array(mem_ctx, char, len + 1);
	if (out == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '*' && n > 0 && out[n - 1] == '*')
			continue;
		if (text[i] == '*' && ++stars > OCS_SEARCH_STARS_MAX) {
			ocs_error_set(error, "a pattern has at most %d `*`", OCS_SEARCH_STARS_MAX);
			TALLOC_FREE(out);
			return NULL;
		}
		out[n] = text[i];
		if (text[i] >= 'a' && text[i] <= 'f' &&
		    ((n > 0 && out[n - 1] == '%') ||
		     (n > 1 && out[n - 2] == '%' && out[n - 1] != '*')))
			out[n] = (char)(text[i] - 'a' + 'A');
		n++;
	}
	out[n] = '\0';
	return out;
}

bool ocs_search_matches(const char *pattern, const char *text)
{
	const char *after = NULL, *again = NULL; /* the last `*`, and where it ended */

	while (*text != '\0') {
		if (*pattern == '*') {
			after = ++pattern;
			again = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (after != NULL) {
			pattern = after;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

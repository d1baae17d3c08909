/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The parts and escapes of URIs and templates: see uri_internal.h. Pure functions. */
#include "mapistore/uri_internal.h"

#include <ctype.h>
#include <string.h>

#include <talloc.h>

bool ocs_uri_place_at(const char *p, struct ocs_uri_place *place_r)
{
	static const struct {
		const char *text;
		enum ocs_uri_name name;
		enum ocs_uri_style style;
	} places[] = {
	        {"{user}", OCS_URI_USER, OCS_URI_PLAIN},
	        {"{folder}", OCS_URI_FOLDER, OCS_URI_PLAIN},
	        {"{folder:imap-utf7}", OCS_URI_FOLDER, OCS_URI_UTF7},
	        {"{folder:sogo}", OCS_URI_FOLDER, OCS_URI_SOGO},
	        {"{message}", OCS_URI_MESSAGE, OCS_URI_PLAIN},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t len = strlen(places[i].text);

		if (strncmp(p, places[i].text, len) != 0)
			continue;
		*place_r = (struct ocs_uri_place){places[i].name, places[i].style, len};
		return true;
	}
	return false;
}

/* Where the first of these characters is, placeholders skipped. */
static size_t find_any(const char *uri, size_t from, size_t to, const char *set)
{
	struct ocs_uri_place place;

	while (from < to && strchr(set, uri[from]) == NULL)
		from += uri[from] == '{' && ocs_uri_place_at(uri + from, &place) ? place.len : 1;
	return from < to ? from : to;
}

int ocs_uri_split(const char *uri, struct ocs_uri_parts *parts)
{
	const char *colon = strstr(uri, "://");
	size_t len = strlen(uri), at, next;

	*parts = (struct ocs_uri_parts){0};
	if (colon == NULL || colon == uri)
		return -1;
	parts->scheme = (size_t)(colon - uri);
	for (size_t i = 0; i < parts->scheme; i++)
		if (!isalnum((unsigned char)uri[i]) && strchr("+-.", uri[i]) == NULL)
			return -1;
	parts->host = parts->scheme + 3;
	parts->path = find_any(uri, parts->host, len, "/?#");
	parts->user = parts->host;
	/* The last @: some write that of an address as it is. */
	for (at = parts->user; (next = find_any(uri, at, parts->path, "@")) < parts->path;
	     at = next + 1)
		parts->host = next + 1;
	if (parts->host == parts->user)
		return 0;
	parts->user_len = find_any(uri, parts->user, parts->host - 1, ":") - parts->user;
	if (parts->user + parts->user_len < parts->host - 1) {
		parts->password = parts->user + parts->user_len + 1;
		parts->password_len = parts->host - 1 - parts->password;
	}
	return 0;
}

void ocs_uri_find_password(const char *uri, struct ocs_uri_parts *parts)
{
	size_t colon, port, end, last = 0;

	if (parts->password_len != 0 || parts->host != parts->user)
		return;
	colon = find_any(uri, parts->host, parts->path, "[") < parts->path
	                ? parts->path
	                : find_any(uri, parts->host, parts->path, ":");
	port = colon + 1;
	end = strlen(uri);
	for (size_t at = parts->path; (at = find_any(uri, at, end, "@")) < end; at++)
		last = at;
	if (colon == parts->path || last == 0 ||
	    (port < parts->path && port + strspn(uri + port, "0123456789") == parts->path))
		return;
	parts->password = port;
	parts->password_len = last - port;
}

static bool is_unreserved(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~", c) != NULL);
}

void ocs_uri_begin(struct ocs_uri_buffer *out, const void *mem_ctx)
{
	out->room = 256;
	out->len = 0;
	out->text = talloc_zero_array(mem_ctx, char, out->room);
}

void ocs_uri_fail(struct ocs_uri_buffer *out)
{
	TALLOC_FREE(out->text);
}

/* Room for len bytes and a NUL. */
static char *reserve(struct ocs_uri_buffer *out, size_t len)
{
	if (out->text != NULL && out->len + len >= out->room) {
		char *grown = talloc_realloc(NULL, out->text, char, 2 * out->room + len);

		if (grown == NULL)
			ocs_uri_fail(out);
		else
			out->text = grown;
		out->room = 2 * out->room + len;
	}
	return out->text;
}

void ocs_uri_put(struct ocs_uri_buffer *out, const char *text, size_t len)
{
	if (reserve(out, len) == NULL)
		return;
	memcpy(out->text + out->len, text, len);
	out->len += len;
	out->text[out->len] = '\0';
}

void ocs_uri_put_encoded(struct ocs_uri_buffer *out, const char *text, size_t len, const char *keep)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
		bool as_it_is = is_unreserved(text[i]) || (c != '\0' && strchr(keep, c) != NULL);

		ocs_uri_put(out, as_it_is ? text + i : escaped, as_it_is ? 1 : 3);
	}
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	                              : -1;
}

int ocs_uri_escape_at(const char *text)
{
	int high = text[0] == '%' ? digit_of(text[1]) : -1;
	int low = high >= 0 ? digit_of(text[2]) : -1;

	return low >= 0 ? high << 4 | low : -1;
}

int ocs_uri_decode(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			c = i + 2 < len ? ocs_uri_escape_at(text + i) : -1;
			i += 2;
		}
		if (c <= 0 || n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	if (size == 0)
		return -1;
	out[n] = '\0';
	return 0;
}

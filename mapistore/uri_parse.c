/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reads URIs back: see uri.h. URI and template are brought into one spelling first, so that only
 * names are left to differ. Pure functions.
 */
#include "mapistore/uri_internal.h"

#include <ctype.h>
#include <string.h>

#include <talloc.h>

/* A template of the admin's that fits in very many ways: then it does not fit. */
#define STEPS_MAX 1000000

/* ---- one spelling ---- */

/* As it would be written here: what was encoded and need not be is decoded, and the other way
 * round. Placeholders stay. */
static void put_normal(struct ocs_uri_buffer *out, const char *text, size_t len, const char *keep)
{
	struct ocs_uri_place place;

	for (size_t i = 0; i < len;) {
		int c = i + 2 < len ? ocs_uri_escape_at(text + i) : -1;
		char one = c > 0 ? (char)c : text[i];

		if (one == '{' && ocs_uri_place_at(text + i, &place) && i + place.len <= len) {
			ocs_uri_put(out, text + i, place.len);
			i += place.len;
			continue;
		}
		if (text[i] == '%' && c <= 0)
			ocs_uri_fail(out); /* no escape */
		/* What is encoded has no meaning for the URI; only as it is may it be kept. */
		ocs_uri_put_encoded(out, &one, 1, c > 0 ? "" : keep);
		i += c > 0 ? 3 : 1;
	}
}

static void lower(struct ocs_uri_buffer *out, size_t from)
{
	struct ocs_uri_place place;

	while (out->text != NULL && from < out->len) {
		char *at = out->text + from;

		if (*at == '{' && ocs_uri_place_at(at, &place)) {
			from += place.len;
			continue;
		}
		*at = (char)tolower((unsigned char)*at);
		from++;
	}
}

/* keep: what may stand in the path as it is, where it does. */
static char *spell(const void *mem_ctx, const char *uri, const char *keep)
{
	struct ocs_uri_buffer out;
	struct ocs_uri_parts parts;
	size_t len, host;

	if (ocs_uri_split(uri, &parts) != 0)
		return NULL;
	ocs_uri_begin(&out, mem_ctx);
	ocs_uri_put(&out, uri, parts.scheme + 3);
	lower(&out, 0);
	put_normal(&out, uri + parts.user, parts.user_len, "");
	if (parts.host > parts.user)
		ocs_uri_put(&out, "@", 1);
	host = out.len;
	put_normal(&out, uri + parts.host, parts.path - parts.host, ":[]*");
	lower(&out, host);
	/* A query or fragment begins but once; behind that its characters are any others. */
	len = strcspn(uri + parts.path, "?#");
	put_normal(&out, uri + parts.path, len, keep);
	put_normal(&out, uri + parts.path + len, strlen(uri + parts.path + len), "/?#=&;");
	if (out.text != NULL && out.len > host && out.text[out.len - 1] == '/')
		out.text[out.len - 1] = '\0';
	return out.text;
}

char *ocs_uri_normalise(const void *mem_ctx, const char *uri)
{
	return spell(mem_ctx, uri, "/");
}

/* RFC 3986's sub-delims can separate names in a template. In a name of ours they are encoded; in
 * one of somebody else's perhaps not. */
static char *spell_to_match(const void *mem_ctx, const char *uri)
{
	return spell(mem_ctx, uri, "/!$&'()*+,;=:@");
}

/* ---- matching ---- */

struct matched {
	const char *text; /* NULL: nothing yet */
	size_t len;
	enum ocs_uri_style style;
};

struct match {
	unsigned steps;
	struct matched names[OCS_URI_NAMES];
};

/* How much of text a name may have. */
static size_t reach(enum ocs_uri_name name, const char *text)
{
	return name == OCS_URI_FOLDER ? strlen(text) : strcspn(text, "/");
}

static bool matches(struct match *match, const char *template, size_t end, const char *text);

static bool name_matches(struct match *match, const struct ocs_uri_place *place,
                         const char *template, size_t end, const char *text)
{
	const struct matched known = match->names[place->name];

	for (size_t n = reach(place->name, text); n > 0; n--) {
		/* The same name once more. In another style it may be spelt in another way. */
		if (known.text != NULL && known.style == place->style &&
		    (n != known.len || memcmp(known.text, text, n) != 0))
			continue;
		match->names[place->name] = (struct matched){text, n, place->style};
		if (matches(match, template, end, text + n))
			return true;
		match->names[place->name] = known;
	}
	return false;
}

static bool matches(struct match *match, const char *template, size_t end, const char *text)
{
	struct ocs_uri_place place;

	for (size_t i = 0; i < end; i++) {
		if (++match->steps > STEPS_MAX)
			return false;
		if (template[i] == '{' && ocs_uri_place_at(template + i, &place))
			return name_matches(match, &place, template + i + place.len,
			                    end - i - place.len, text);
		if (*text++ != template[i])
			return false;
	}
	return *text == '\0';
}

/* ---- names ---- */

static int take_name(const void *mem_ctx, const struct match *match, enum ocs_uri_name which,
                     char **out)
{
	char text[OCS_URI_FOLDER_SIZE], name[OCS_NAME_MAX + 1];
	const char *fault = NULL;

	*out = NULL;
	if (match->names[which].text == NULL)
		return 0;
	if (ocs_uri_decode(match->names[which].text, match->names[which].len, text, sizeof(text)) !=
	    0)
		return -1;
	if (which != OCS_URI_FOLDER)
		fault = ocs_name_fault(text);
	else if (ocs_uri_folder_read(match->names[which].style, text, name) != 0)
		return -1;
	if (fault != NULL)
		return -1;
	*out = talloc_strdup(mem_ctx, which == OCS_URI_FOLDER ? name : text);
	return *out != NULL ? 0 : -1;
}

static int take_names(const void *mem_ctx, const char *template, const char *text,
                      struct ocs_uri_names *out)
{
	struct match match = {0};

	*out = (struct ocs_uri_names){0};
	if (matches(&match, template, strlen(template), text) &&
	    take_name(mem_ctx, &match, OCS_URI_USER, &out->user) == 0 &&
	    take_name(mem_ctx, &match, OCS_URI_FOLDER, &out->folder) == 0 &&
	    take_name(mem_ctx, &match, OCS_URI_MESSAGE, &out->message) == 0)
		return 0;
	talloc_free(out->user);
	talloc_free(out->folder);
	talloc_free(out->message);
	*out = (struct ocs_uri_names){0};
	return -1;
}

int ocs_uri_parse(const void *mem_ctx, const char *template, const char *uri,
                  struct ocs_uri_names *out)
{
	void *ctx = talloc_new(NULL);
	size_t len = strlen(uri);
	char *text = ctx != NULL ? spell_to_match(ctx, uri) : NULL, *part = NULL, *whole = NULL;
	int ret = -1;

	*out = (struct ocs_uri_names){0};
	if (text != NULL) {
		whole = spell_to_match(ctx, template);
		part = talloc_strndup(ctx, template, ocs_uri_folder_part(template));
	}
	if (part != NULL)
		part = spell_to_match(ctx, part);
	if (whole != NULL && (len == 0 || uri[len - 1] != '/'))
		ret = take_names(mem_ctx, whole, text, out);
	if (part != NULL && ret != 0)
		ret = take_names(mem_ctx, part, text, out);
	talloc_free(ctx);
	return ret;
}

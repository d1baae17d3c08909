/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Fills in the URI templates of backends: see uri.h. Pure functions. */
#include "mapistore/uri.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

static const char *const placeholders[] = {"{user}", "{folder}", "{message}"};

/* Which placeholder stands at p, -1 if none. */
static int placeholder_at(const char *p)
{
	for (int i = 0; i < 3; i++)
		if (strncmp(p, placeholders[i], strlen(placeholders[i])) == 0)
			return i;
	return -1;
}

int ocs_uri_check(const char *template, struct ocs_error *error)
{
	const char *colon = strstr(template, "://");

	if (colon == NULL || colon == template)
		return ocs_error_set(error, "a URI template starts with a scheme, like sogo://");
	for (const char *p = template; p < colon; p++)
		if (!isalnum((unsigned char)*p) && strchr("+-.", *p) == NULL)
			return ocs_error_set(error, "'%c' cannot stand in a URI's scheme", *p);
	for (const char *p = template; *p != '\0'; p++) {
		int which;

		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return ocs_error_set(error, "white space cannot stand in a URI");
		if (*p == '}')
			return ocs_error_set(error, "a } without its {");
		if (*p != '{')
			continue;
		which = placeholder_at(p);
		if (which < 0)
			return ocs_error_set(error,
			                     "only {user}, {folder} and {message} can be replaced");
		p += strlen(placeholders[which]) - 1;
	}
	return 0;
}

static char *append_encoded(char *out, const char *text, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0' && out != NULL; text++) {
		unsigned char c = (unsigned char)*text;
		char piece[4] = {(char)c};

		if (!isalnum(c) && strchr("-._~", c) == NULL && !(keep_slash && c == '/')) {
			piece[0] = '%';
			piece[1] = digits[c >> 4];
			piece[2] = digits[c & 15];
		}
		out = talloc_strdup_append_buffer(out, piece);
	}
	return out;
}

char *ocs_uri_format(const void *mem_ctx, const char *template, const char *user,
                     const char *folder, const char *message)
{
	const char *values[] = {user, folder, message};
	char *out = talloc_strdup(mem_ctx, "");

	for (const char *p = template; *p != '\0' && out != NULL; p++) {
		int which = *p == '{' ? placeholder_at(p) : -1;
		char piece[2] = {*p};

		if (which < 0) {
			out = talloc_strdup_append_buffer(out, piece);
			continue;
		}
		if (values[which] == NULL) {
			char *slash = strrchr(out, '/');

			if (slash != NULL)
				slash[1] = '\0';
			break;
		}
		out = append_encoded(out, values[which], which == 1);
		p += strlen(placeholders[which]) - 1;
	}
	return out;
}

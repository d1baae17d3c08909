/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Fills in the URI templates of backends, and shows URIs: see uri.h. Pure functions. */
#include "mapistore/uri_internal.h"

#include <ctype.h>
#include <string.h>

#include <talloc.h>

int ocs_uri_check(const char *template, struct ocs_error *error)
{
	const char *colon = strstr(template, "://");
	struct ocs_uri_place place;

	if (colon == NULL || colon == template)
		return ocs_error_set(error, "a URI template starts with a scheme, like sogo://");
	for (const char *p = template; p < colon; p++)
		if (!isalnum((unsigned char)*p) && strchr("+-.", *p) == NULL)
			return ocs_error_set(error, "'%c' cannot stand in a URI's scheme", *p);
	for (const char *p = template; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return ocs_error_set(error, "white space cannot stand in a URI");
		if (*p == '}')
			return ocs_error_set(error, "a } without its {");
		if (*p != '{')
			continue;
		if (!ocs_uri_place_at(p, &place))
			return ocs_error_set(error, "only {user}, {folder}, {folder:imap-utf7}, "
			                            "{folder:sogo} and {message} can be replaced");
		p += place.len - 1;
	}
	return 0;
}

size_t ocs_uri_folder_part(const char *template)
{
	struct ocs_uri_place place;
	size_t part = 0, n = 0;

	while (template[n] != '\0') {
		if (template[n] == '{' && ocs_uri_place_at(template + n, &place)) {
			if (place.name == OCS_URI_MESSAGE)
				return part;
			n += place.len;
			if (place.name == OCS_URI_FOLDER)
				part = n;
		} else if (template[n++] == '/') {
			part = n;
		}
	}
	return n;
}

static void put_folder(struct ocs_uri_buffer *out, enum ocs_uri_style style, const char *folder)
{
	char text[OCS_URI_FOLDER_SIZE];

	if (ocs_uri_folder_write(style, folder, text, sizeof(text)) == 0)
		ocs_uri_put_encoded(out, text, strlen(text), "/");
	else
		ocs_uri_fail(out);
}

char *ocs_uri_format(const void *mem_ctx, const char *template, const char *user,
                     const char *folder, const char *message)
{
	size_t end = message != NULL ? strlen(template) : ocs_uri_folder_part(template);
	struct ocs_uri_buffer out;
	struct ocs_uri_place place;

	ocs_uri_begin(&out, mem_ctx);
	for (size_t i = 0; i < end;) {
		if (template[i] != '{' || !ocs_uri_place_at(template + i, &place)) {
			ocs_uri_put(&out, template + i++, 1);
			continue;
		}
		i += place.len;
		if (place.name == OCS_URI_FOLDER) {
			put_folder(&out, place.style, folder);
		} else {
			const char *name = place.name == OCS_URI_USER ? user : message;

			ocs_uri_put_encoded(&out, name, strlen(name), "");
		}
	}
	return out.text;
}

char *ocs_uri_show(const void *mem_ctx, const char *uri)
{
	struct ocs_uri_parts parts;

	if (ocs_uri_split(uri, &parts) != 0)
		return talloc_strdup(mem_ctx, uri);
	ocs_uri_find_password(uri, &parts);
	if (parts.password_len == 0 || (parts.password_len == 1 && uri[parts.password] == '*'))
		return talloc_strdup(mem_ctx, uri);
	return talloc_asprintf(mem_ctx, "%.*s***%s", (int)parts.password, uri,
	                       uri + parts.password + parts.password_len);
}

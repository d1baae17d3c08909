/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Lines of a map from entries: see directory_text.h. */
#include "users/directory_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/utf8.h"
#include "mapistore/names.h"

#define LINES_MAX 4000000
#define HEADER                                                                                     \
	"# Written by ocsmanager: the users of the directory, as they were read last. Do not "     \
	"edit.\n"

/* As usermap_text.c has it, so that a value can be nothing but a name: * is any, = the backend
 * user. NULL: it cannot be one, or there is no memory. */
static char *name_of(const void *mem_ctx, const struct ocs_users_text_value *value, bool user)
{
	char *name;

	if (value->len == 0 || value->len > OCS_NAME_MAX || memchr(value->bytes, '\0', value->len))
		return NULL;
	name = talloc_strndup(mem_ctx, value->bytes, value->len);
	for (const char *p = name; p != NULL && *p != '\0';) {
		size_t len = ocs_utf8_sequence(p);

		if (len == 0 || (unsigned char)*p < 0x20 || *p == 0x7f || *p == '*' ||
		    (*p == '=' && (user || value->len == 1)))
			TALLOC_FREE(name);
		p = name != NULL ? p + len : NULL;
	}
	if (name != NULL && ocs_name_fault(name) != NULL)
		TALLOC_FREE(name);
	return name;
}

static int add_line(struct ocs_users_text_lines *lines, char *line, struct ocs_error *error)
{
	if (line == NULL)
		return ocs_error_memory(error);
	if (lines->count == LINES_MAX)
		return ocs_error_set(error, "more than %d names in the directory", LINES_MAX);
	if (lines->count == lines->room) {
		size_t room = lines->room * 2 + 64;
		char **grown = talloc_realloc(lines, lines->lines, char *, room);

		if (grown == NULL)
			return ocs_error_memory(error);
		lines->lines = grown;
		lines->room = room;
	}
	lines->lines[lines->count++] = line;
	return 0;
}

static int add_names(struct ocs_users_text_lines *lines, const char *user,
                     const struct ocs_users_text_values *values, bool alias,
                     struct ocs_error *error)
{
	for (size_t i = 0; i < values->count; i++) {
		char *name = name_of(lines, &values->list[i], false);
		int ret = 0;

		if (name == NULL)
			lines->left_out++;
		else if (!alias)
			ret = add_line(lines, talloc_asprintf(lines, "*\t%s\t*\t%s\t-", name, user),
			               error);
		else if (strcmp(name, user) != 0)
			ret = add_line(lines, talloc_asprintf(lines, "alias\t%s\t%s", name, user),
			               error);
		talloc_free(name);
		if (ret != 0)
			return -1;
	}
	return 0;
}

int ocs_users_text_add(struct ocs_users_text_lines *lines, const struct ocs_users_text_values *user,
                       const struct ocs_users_text_values *backend_users,
                       const struct ocs_users_text_values *aliases, struct ocs_error *error)
{
	char *name = user->count == 1 ? name_of(lines, &user->list[0], true) : NULL;
	int ret;

	if (name == NULL) {
		lines->left_out++;
		return 0;
	}
	lines->users++;
	ret = add_names(lines, name, backend_users, false, error) != 0 ||
	                      add_names(lines, name, aliases, true, error) != 0
	              ? -1
	              : 0;
	talloc_free(name);
	return ret;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "alias", tab, the alias, tab: what two lines have in common that contradict each other. 0: it is
 * no alias. */
static size_t alias_length(const char *line)
{
	return strncmp(line, "alias\t", 6) == 0 ? (size_t)(strrchr(line, '\t') - line) + 1 : 0;
}

char *ocs_users_text_end(struct ocs_users_text_lines *lines)
{
	size_t size = sizeof(HEADER), used = sizeof(HEADER) - 1;
	char *text;

	if (lines->count > 0)
		qsort(lines->lines, lines->count, sizeof(lines->lines[0]), by_text);
	for (size_t i = 0; i < lines->count; i++)
		size += strlen(lines->lines[i]) + 1;
	text = talloc_size(lines, size);
	if (text == NULL)
		return NULL;
	memcpy(text, HEADER, sizeof(HEADER));
	for (size_t i = 0, next; i < lines->count; i = next) {
		const char *line = lines->lines[i];
		size_t alias = alias_length(line), len = strlen(line);
		bool claimed = false;

		for (next = i + 1; next < lines->count; next++) {
			bool same = strcmp(lines->lines[next], line) == 0;

			if (!same && (alias == 0 || strncmp(lines->lines[next], line, alias) != 0))
				break;
			claimed |= !same;
		}
		if (claimed) {
			lines->left_out++;
			continue;
		}
		memcpy(text + used, line, len);
		used += len;
		text[used++] = '\n';
	}
	text[used] = '\0';
	return text;
}

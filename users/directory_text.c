/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Lines of a map from entries: see directory_text.h. */
#include "users/directory_text.h"

#include <stdbool.h>
#include <stdio.h>
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

struct ocs_users_text_lines *ocs_users_text_new(const void *mem_ctx,
                                                const struct ocs_name_rule *names)
{
	struct ocs_users_text_lines *lines = talloc_zero(mem_ctx, struct ocs_users_text_lines);

	if (lines == NULL)
		return NULL;
	lines->names = *names;
	lines->owners = ocs_usermap_new(lines, names);
	if (lines->owners == NULL)
		TALLOC_FREE(lines);
	return lines;
}

/* That the name is the user's; -1: out of memory. */
static int own(struct ocs_users_text_lines *lines, const char *name, const char *user,
               struct ocs_error *error)
{
	const struct ocs_usermap_line line = {.backend_user = name, .user = user, .file = ""};

	return ocs_usermap_add(lines->owners, &line) == 0 ? 0 : ocs_error_memory(error);
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
			ret = own(lines, name, user, error) == 0
			              ? add_line(lines,
			                         talloc_asprintf(lines, "*\t%s\t*\t%s\t-", name,
			                                         user),
			                         error)
			              : -1;
		else
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
	ret = own(lines, name, name, error) != 0 ||
	                      add_names(lines, name, backend_users, false, error) != 0 ||
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

/* The first one is told; how many there are is counted. */
static void alias_refused(int priority, const char *text, void *arg)
{
	struct ocs_users_text_lines *lines = arg;

	(void)priority;
	if (lines->refused.text[0] == '\0')
		ocs_error_set(&lines->refused, "%s", text);
}

/* From the line of an alias, which is cut for it. */
static int add_alias(struct ocs_usermap *aliases, char *line)
{
	char *alias = strchr(line, '\t') + 1, *user = strchr(alias, '\t');

	*user++ = '\0';
	return ocs_usermap_add_alias(aliases, alias, user, "", 0);
}

/* The lines of backend users to the text, those of aliases to the map; -1: out of memory. */
static int share_out(struct ocs_users_text_lines *lines, FILE *out, struct ocs_usermap *aliases)
{
	for (size_t i = 0; i < lines->count; i++) {
		char *line = lines->lines[i];

		if (i + 1 < lines->count && strcmp(lines->lines[i + 1], line) == 0)
			continue;
		if (line[0] == '*' ? fprintf(out, "%s\n", line) < 0 : add_alias(aliases, line) != 0)
			return -1;
	}
	return 0;
}

static int write_text(struct ocs_users_text_lines *lines, FILE *out)
{
	struct ocs_usermap *aliases = ocs_usermap_new(lines, &lines->names);
	int left_out;

	if (aliases == NULL || fputs(HEADER, out) < 0 || share_out(lines, out, aliases) != 0)
		return -1;
	left_out = ocs_usermap_merge(lines->owners, aliases, alias_refused, lines);
	if (left_out < 0)
		return -1;
	lines->left_out += (unsigned)left_out;
	return ocs_usermap_write_fixed(lines->owners, out);
}

char *ocs_users_text_end(struct ocs_users_text_lines *lines)
{
	char *made = NULL, *text = NULL;
	size_t len;
	FILE *out = open_memstream(&made, &len);
	bool failed;

	if (out == NULL)
		return NULL;
	if (lines->count > 0)
		qsort(lines->lines, lines->count, sizeof(lines->lines[0]), by_text);
	failed = write_text(lines, out) != 0;
	if (fclose(out) == 0 && !failed)
		text = talloc_strndup(lines, made, len);
	free(made);
	return text;
}

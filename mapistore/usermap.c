/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The user map: see usermap.h. Reads one text file; what it returns never changes. */
#include "mapistore/usermap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/utf8.h"
#include "base/plural.h"
#include "mapistore/index.h"
#include "mqueue/name.h"

#define LINE_MAX_  8192
#define FIELD_MAX_ 1024

struct map_line {
	char *backend, *backend_user, *folder, *user; /* NULL: any; user NULL: the backend user */
	uint64_t fid;                                 /* 0: none */
	unsigned number;
};

struct ocs_usermap {
	char *path;
	char fault[80]; /* of the line that is read */
	struct map_line *lines;
	size_t n;
};

/* A field is exact as it stands between its tabs. What no name can be matches nothing. */
static const char *field_fault(const char *const fields[4])
{
	const char *fault = NULL;

	for (size_t i = 0; i < 4 && fault == NULL; i++) {
		if (strcmp(fields[i], i < 3 ? "*" : "=") != 0)
			fault = i == 2 ? ocs_folder_fault(fields[i]) : ocs_name_fault(fields[i]);
	}
	return fault;
}

static char *read_field(const void *mem_ctx, const char *text, const char *any, bool *failed)
{
	char *copy;

	if (strcmp(text, any) == 0)
		return NULL;
	copy = talloc_strdup(mem_ctx, text);
	if (copy == NULL)
		*failed = true;
	return copy;
}

static bool is_utf8(const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len) {
		len = ocs_utf8_sequence(text);
		if (len == 0)
			return false;
	}
	return true;
}

/* What can match nothing that is ever reported, or name nobody who logs on. */
static const char *why_useless(char *const *fields)
{
	for (size_t i = 0; i < 2; i++)
		if (strchr(fields[i], '*') != NULL && strcmp(fields[i], "*") != 0)
			return "a * is only a field of its own: parts of a name cannot be left "
			       "open";
	if (strchr(fields[3], '*') != NULL)
		return "a groupware user is a name or =, not *";
	if (strchr(fields[3], '=') != NULL && strcmp(fields[3], "=") != 0)
		return "an = is only a field of its own";
	return NULL;
}

/* Returns what is wrong with the line, or NULL. */
static const char *parse_line(struct ocs_usermap *map, char *text, unsigned number)
{
	char *fields[5], *p = text;
	struct map_line *grown, *line;
	const char *wrong;
	bool failed = false;

	if (!is_utf8(text))
		return "the line is not UTF-8 (saved with another encoding?)";
	for (size_t i = 0; i < 5; i++) {
		fields[i] = strsep(&p, "\t");
		if (fields[i] == NULL)
			return "five fields separated by tabs are needed: backend, backend user, "
			       "folder, groupware user, FID or -";
		if (fields[i][0] == '\0')
			return "an empty field";
		if (strlen(fields[i]) > FIELD_MAX_)
			return "a field of more than 1024 bytes";
	}
	if (p != NULL)
		return "more than five fields";
	wrong = why_useless(fields);
	if (wrong != NULL)
		return wrong;
	wrong = field_fault((const char *const *)fields);
	if (wrong != NULL) {
		snprintf(map->fault, sizeof(map->fault), "a field %s", wrong);
		return map->fault;
	}
	grown = talloc_realloc(map, map->lines, struct map_line, map->n + 1);
	if (grown == NULL)
		return "out of memory";
	map->lines = grown;
	line = &grown[map->n];
	memset(line, 0, sizeof(*line));
	line->number = number;
	if (strcmp(fields[4], "-") != 0 &&
	    (ocs_folder_from_word(fields[4], &line->fid) != 0 || line->fid == OCS_FOLDER_STORE))
		return fields[4][0] != '\0' && fields[4][strspn(fields[4], "0xX")] == '\0'
		               ? "a FID of 0 names no folder: write - to have one given"
		               : "the FID is neither 16 hex digits nor -";
	if (line->fid != 0 && (strcmp(fields[2], "*") == 0 || strcmp(fields[1], "*") == 0))
		return "a FID needs a backend user and a folder, not *: one FID names one folder";
	ocs_index_canonical_backend(fields[0]);
	ocs_index_canonical_folder(fields[2]);
	line->backend = read_field(map, fields[0], "*", &failed);
	line->backend_user = read_field(map, fields[1], "*", &failed);
	line->folder = read_field(map, fields[2], "*", &failed);
	line->user = read_field(map, fields[3], "=", &failed);
	if (failed)
		return "out of memory";
	map->n++;
	return NULL;
}

/* Not one that never ends, such as a FIFO that nobody writes to. */
static FILE *open_map(const char *path, struct ocs_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *why = NULL;
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st) != 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file";
	file = why == NULL ? fdopen(fd, "r") : NULL;
	if (file != NULL)
		return file;
	ocs_error_set(error, "%s: %s", path, why != NULL ? why : strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

int ocs_usermap_load(const char *path, const void *mem_ctx, ocs_report_fn *report, void *arg,
                     struct ocs_usermap **map_r, struct ocs_error *error)
{
	struct ocs_usermap *map = talloc_zero(mem_ctx, struct ocs_usermap);
	unsigned number = 0, bad = 0;
	char text[LINE_MAX_];
	FILE *file;

	*map_r = NULL;
	if (map == NULL)
		return ocs_error_set(error, "out of memory");
	map->path = talloc_strdup(map, path);
	file = open_map(path, error);
	if (file == NULL) {
		talloc_free(map);
		return -1;
	}
	while (fgets(text, sizeof(text), file) != NULL) {
		size_t len = strlen(text);
		const char *wrong;

		number++;
		if (len == sizeof(text) - 1 && text[len - 1] != '\n') {
			wrong = "a line of more than 8190 bytes";
			for (int c = 0; c != '\n' && c != EOF;)
				c = fgetc(file);
		} else if ((len == 0 || text[len - 1] != '\n') && !feof(file)) {
			wrong = "a NUL byte";
		} else {
			char *start = text;

			text[strcspn(text, "\r\n")] = '\0';
			if (number == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
				start += 3;
			if (start[0] == '\0' || start[0] == '#')
				continue;
			wrong = parse_line(map, start, number);
		}
		if (wrong != NULL) {
			char *message = talloc_asprintf(map, "%s:%u: %s", path, number, wrong);

			bad++;
			if (report != NULL && message != NULL)
				report(LOG_ERR, message, arg);
			talloc_free(message);
		}
	}
	if (ferror(file)) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		fclose(file);
		talloc_free(map);
		return -1;
	}
	fclose(file);
	if (bad != 0) {
		ocs_error_set(error, "%s: %u bad %s", path, bad, ocs_plural(bad, "line", "lines"));
		talloc_free(map);
		return -1;
	}
	*map_r = map;
	return 0;
}

void ocs_usermap_check_backends(const struct ocs_usermap *map, char *const *backends,
                                ocs_report_fn *report, void *arg)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct map_line *line = &map->lines[i];
		char *const *name = backends;
		char *message;

		while (line->backend != NULL && *name != NULL && strcmp(*name, line->backend) != 0)
			name++;
		if (line->backend == NULL || *name != NULL)
			continue;
		message = talloc_asprintf(
		        NULL, "%s:%u: there is no section [backend:%s]: the line has no effect",
		        map->path != NULL ? map->path : "?", line->number, line->backend);
		if (message != NULL)
			report(LOG_WARNING, message, arg);
		talloc_free(message);
	}
}

/* What nobody sees in an editor, though a name may hold it. */
static const char *unseen_character(const char *name)
{
	size_t len = strlen(name);

	if (name[0] == ' ' || name[len - 1] == ' ')
		return "white space at an end of";
	for (const char *p = name; *p != '\0'; p++)
		if (*p == 0x7f || ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0))
			return "a control character in";
	return NULL;
}

void ocs_usermap_doubt(const struct ocs_usermap *map, ocs_report_fn *report, void *arg)
{
	static const char *const names[] = {"the backend", "the backend user", "the folder",
	                                    "the groupware user"};

	for (size_t i = 0; i < map->n; i++) {
		const struct map_line *line = &map->lines[i];
		const char *const fields[] = {line->backend, line->backend_user, line->folder,
		                              line->user};

		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
			const char *what = fields[f] != NULL ? unseen_character(fields[f]) : NULL;
			char *message =
			        what == NULL
			                ? NULL
			                : talloc_asprintf(NULL, "%s:%u: %s %s: is that intended?",
			                                  map->path != NULL ? map->path : "?",
			                                  line->number, what, names[f]);

			if (message != NULL)
				report(LOG_WARNING, message, arg);
			talloc_free(message);
		}
	}
}

static bool line_matches(const struct map_line *line, const char *backend, const char *backend_user,
                         const char *folder)
{
	return (line->backend == NULL || strcmp(line->backend, backend) == 0) &&
	       (line->backend_user == NULL || strcmp(line->backend_user, backend_user) == 0) &&
	       (line->folder == NULL || strcmp(line->folder, folder) == 0);
}

static const char *line_user(const struct map_line *line, const char *backend_user)
{
	return line->user != NULL ? line->user : backend_user;
}

size_t ocs_usermap_match(const struct ocs_usermap *map, const char *backend,
                         const char *backend_user, const char *folder, ocs_usermap_each_fn *each,
                         void *arg)
{
	struct ocs_folder_name name = {NULL, backend, backend_user, folder};
	size_t found = 0;

	if (map == NULL) {
		each(arg, backend_user, 0);
		return 1;
	}
	for (size_t i = 0; i < map->n; i++) {
		const char *user;
		size_t earlier;

		if (!line_matches(&map->lines[i], backend, backend_user, folder))
			continue;
		user = line_user(&map->lines[i], backend_user);
		for (earlier = 0; earlier < i; earlier++)
			if (line_matches(&map->lines[earlier], backend, backend_user, folder) &&
			    strcmp(line_user(&map->lines[earlier], backend_user), user) == 0)
				break;
		if (earlier < i)
			continue;
		name.user = user;
		each(arg, user, ocs_usermap_fid(map, &name));
		found++;
	}
	return found;
}

uint64_t ocs_usermap_fid(const struct ocs_usermap *map, const struct ocs_folder_name *name)
{
	if (map == NULL)
		return 0;
	for (size_t i = 0; i < map->n; i++)
		if (map->lines[i].fid != 0 &&
		    line_matches(&map->lines[i], name->backend, name->backend_user, name->folder) &&
		    strcmp(line_user(&map->lines[i], name->backend_user), name->user) == 0)
			return map->lines[i].fid;
	return 0;
}

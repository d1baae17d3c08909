/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The user map as a text file: see usermap.h. Reads the one file. */
#include "mapistore/usermap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/utf8.h"
#include "base/plural.h"
#include "mqueue/name.h"

#define LINE_MAX_  8192
#define FIELD_MAX_ 1024

/* What is read of a file. */
struct text {
	struct ocs_usermap *map;
	const char *path; /* that the lines keep */
	char fault[80];   /* of the line that is read */
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

/* The fifth field. What is wrong with it, or NULL. */
static const char *read_fid(char *const fields[5], uint64_t *fid_r)
{
	*fid_r = 0;
	if (strcmp(fields[4], "-") == 0)
		return NULL;
	if (ocs_folder_from_word(fields[4], fid_r) != 0 || *fid_r == OCS_FOLDER_STORE)
		return fields[4][strspn(fields[4], "0xX")] == '\0'
		               ? "a FID of 0 names no folder: write - to have one given"
		               : "the FID is neither 16 hex digits nor -";
	if (*fid_r == UINT64_MAX)
		return "that FID is no identifier";
	if (*fid_r != 0 && (strcmp(fields[2], "*") == 0 || strcmp(fields[1], "*") == 0))
		return "a FID needs a backend user and a folder, not *: one FID names one folder";
	return NULL;
}

static const char *parse_alias(struct text *text, char *const fields[3], unsigned number)
{
	const char *wrong = NULL;

	for (size_t i = 1; i < 3 && wrong == NULL; i++) {
		wrong = ocs_name_fault(fields[i]);
		if (wrong == NULL && (strcmp(fields[i], "*") == 0 || strcmp(fields[i], "=") == 0))
			return "an alias and its user are names, not * or =";
	}
	if (wrong != NULL) {
		snprintf(text->fault, sizeof(text->fault), "a field %s", wrong);
		return text->fault;
	}
	return ocs_usermap_add_alias(text->map, fields[1], fields[2], text->path, number) == 0
	               ? NULL
	               : "out of memory";
}

static const char *parse_fields(struct text *text, char *const fields[5], unsigned number)
{
	struct ocs_usermap_line line = {.file = text->path, .number = number};
	const char *wrong = why_useless(fields);

	if (wrong != NULL)
		return wrong;
	wrong = field_fault((const char *const *)fields);
	if (wrong != NULL) {
		snprintf(text->fault, sizeof(text->fault), "a field %s", wrong);
		return text->fault;
	}
	wrong = read_fid(fields, &line.fid);
	if (wrong != NULL)
		return wrong;
	ocs_index_canonical_backend(fields[0]);
	ocs_index_canonical_folder(fields[2]);
	line.backend = strcmp(fields[0], "*") != 0 ? fields[0] : NULL;
	line.backend_user = strcmp(fields[1], "*") != 0 ? fields[1] : NULL;
	line.folder = strcmp(fields[2], "*") != 0 ? fields[2] : NULL;
	line.user = strcmp(fields[3], "=") != 0 ? fields[3] : NULL;
	return ocs_usermap_add(text->map, &line) == 0 ? NULL : "out of memory";
}

/* Returns what is wrong with the line, or NULL. */
static const char *parse_line(struct text *text, char *line, unsigned number)
{
	char *fields[5], *p = line;
	size_t n = 0;

	if (!ocs_utf8_text(line))
		return "the line is not UTF-8 (saved with another encoding?)";
	for (; n < 5 && (fields[n] = strsep(&p, "\t")) != NULL; n++) {
		if (fields[n][0] == '\0')
			return "an empty field";
		if (strlen(fields[n]) > FIELD_MAX_)
			return "a field of more than 1024 bytes";
	}
	if (n == 3 && strcmp(fields[0], "alias") == 0)
		return parse_alias(text, fields, number);
	if (n < 5)
		return "five fields separated by tabs are needed: backend, backend user, folder, "
		       "groupware user, FID or -; or three: alias, the alias, the user";
	if (p != NULL)
		return "more than five fields";
	return parse_fields(text, fields, number);
}

/* Not one that never ends, such as a FIFO that nobody writes to. */
static FILE *open_map(const char *path, struct ocs_error *error)
{
	const char *why = NULL;
	struct stat st;
	FILE *file;
	int fd;

	if (strlen(path) >= PATH_MAX) {
		ocs_error_set(error, "%.60s...: the path is longer than %d bytes", path,
		              PATH_MAX - 1);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
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

/* The next line, without its end; *wrong_r: what it cannot be. NULL: there is none. */
static char *next_line(FILE *file, unsigned *number, char line[LINE_MAX_], const char **wrong_r)
{
	size_t len;

	*wrong_r = NULL;
	if (fgets(line, LINE_MAX_, file) == NULL)
		return NULL;
	++*number;
	len = strlen(line);
	if (len == LINE_MAX_ - 1 && line[len - 1] != '\n') {
		*wrong_r = "a line of more than 8190 bytes";
		for (int c = 0; c != '\n' && c != EOF;)
			c = fgetc(file);
	} else if ((len == 0 || line[len - 1] != '\n') && !feof(file)) {
		*wrong_r = "a NUL byte";
	}
	line[strcspn(line, "\r\n")] = '\0';
	return *number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0 ? line + 3 : line;
}

/* Returns how many lines are bad. */
static unsigned read_lines(struct text *text, FILE *file, ocs_report_fn *report, void *arg)
{
	unsigned number = 0, bad = 0;
	char room[LINE_MAX_], *line;
	const char *wrong;

	while ((line = next_line(file, &number, room, &wrong)) != NULL) {
		char *message;

		if (wrong == NULL && (line[0] == '\0' || line[0] == '#'))
			continue;
		if (wrong == NULL)
			wrong = parse_line(text, line, number);
		if (wrong == NULL)
			continue;
		bad++;
		message = talloc_asprintf(NULL, "%s:%u: %s", text->path, number, wrong);
		if (report != NULL && message != NULL)
			report(LOG_ERR, message, arg);
		talloc_free(message);
	}
	return bad;
}

/* Closes the file. */
static int read_file(struct ocs_usermap *map, FILE *file, const char *path, ocs_report_fn *report,
                     void *arg, struct ocs_error *error)
{
	struct text text = {.map = map, .path = talloc_strdup(map, path)};
	unsigned bad;

	if (text.path == NULL) {
		fclose(file);
		return ocs_error_memory(error);
	}
	bad = read_lines(&text, file, report, arg);
	if (ferror(file)) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		fclose(file);
		return -1;
	}
	fclose(file);
	if (bad != 0)
		return ocs_error_set(error, "%s: %u bad %s", path, bad,
		                     ocs_plural(bad, "line", "lines"));
	return 0;
}

int ocs_usermap_read(struct ocs_usermap *map, const char *path, ocs_report_fn *report, void *arg,
                     struct ocs_error *error)
{
	FILE *file = open_map(path, error);

	return file != NULL ? read_file(map, file, path, report, arg, error) : -1;
}

int ocs_usermap_read_text(struct ocs_usermap *map, const char *path, const char *bytes, size_t len,
                          ocs_report_fn *report, void *arg, struct ocs_error *error)
{
	FILE *file = len > 0 ? fmemopen((char *)(uintptr_t)bytes, len, "r") : NULL;

	if (file == NULL)
		return len > 0 ? ocs_error_memory(error) : 0;
	return read_file(map, file, path, report, arg, error);
}

int ocs_usermap_load(const char *path, const struct ocs_name_rule *rule, const void *mem_ctx,
                     ocs_report_fn *report, void *arg, struct ocs_usermap **map_r,
                     struct ocs_error *error)
{
	static const struct ocs_name_rule exact;
	struct ocs_usermap *map = ocs_usermap_new(mem_ctx, rule != NULL ? rule : &exact);
	int bad;

	*map_r = NULL;
	if (map == NULL)
		return ocs_error_memory(error);
	if (ocs_usermap_read(map, path, report, arg, error) != 0) {
		talloc_free(map);
		return -1;
	}
	bad = ocs_usermap_finish(map, report, arg, error);
	if (bad > 0)
		ocs_error_set(error, "%s: %d bad %s", path, bad,
		              ocs_plural((unsigned)bad, "line", "lines"));
	if (bad != 0) {
		talloc_free(map);
		return -1;
	}
	*map_r = map;
	return 0;
}

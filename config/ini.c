/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The reader of ini files: one pass over the lines, names found by a hash, so that the work grows
 * with the lines only. Names and values stay where they were read; NULs are put behind them.
 */
#include "config/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include <utlist.h>

#include "base/file.h"
#include "base/fnv.h"
#include "base/utf8.h"

#define BLANK        " \t"
#define COMMENT_HINT "(a comment needs a line of its own)"

struct reader {
	struct ocs_ini *ini;
	/* Which the line is in; NULL before the first one, and behind a header that is wrong: what
	 * follows that may be meant for any. */
	struct ocs_ini_section *section;
	bool begun; /* a header was seen */
	unsigned line;
	ocs_ini_report_fn *report;
	void *arg;
};

static void fault(struct reader *reader, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void fault(struct reader *reader, const char *format, ...)
{
	char text[2 * OCS_INI_NAME_MAX + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reader->report(reader->line, text, reader->arg);
}

/* Of lower case. */
static uint32_t add_to_hash(uint32_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = ocs_fnv32_step(hash, (uint8_t)tolower((unsigned char)*text));
	return ocs_fnv32_step(hash, '\n');
}

static struct ocs_ini_value **bucket_of(const struct ocs_ini *ini, const char *section,
                                        const char *key)
{
	uint32_t hash = add_to_hash(add_to_hash(OCS_FNV32, section), key);

	return &ini->bucket[hash & (ini->n_buckets - 1)];
}

static struct ocs_ini_value *find(const struct ocs_ini *ini, const char *section, const char *key,
                                  unsigned long *compared)
{
	struct ocs_ini_value *value = *bucket_of(ini, section, key);

	for (; value != NULL; value = value->collides) {
		++*compared;
		if (strcasecmp(value->key, key) == 0 &&
		    strcasecmp(value->section->name, section) == 0)
			break;
	}
	return value;
}

static void put_into_bucket(struct ocs_ini *ini, struct ocs_ini_value *value)
{
	struct ocs_ini_value **bucket = bucket_of(ini, value->section->name, value->key);

	value->collides = *bucket;
	*bucket = value;
}

static const char *line_fault(const char *line, size_t len)
{
	if (len > OCS_INI_LINE_MAX)
		return "the line is too long";
	if (strlen(line) != len)
		return "the line contains a NUL byte";
	while (*line != '\0') {
		size_t n = ocs_utf8_sequence(line);

		if (n == 0)
			return "the line is not UTF-8";
		if (iscntrl((unsigned char)*line) && *line != '\t')
			return "the line contains a control character";
		line += n;
	}
	return NULL;
}

/* Takes the white space before end away and says what is wrong with the rest as a name. */
static const char *end_name(char *name, char *end)
{
	while (end > name && strchr(BLANK, end[-1]) != NULL)
		end--;
	*end = '\0';
	if (end - name > OCS_INI_NAME_MAX)
		return "is too long";
	for (; *name != '\0'; name++) {
		if (*name == '\t' || (unsigned char)*name >= 0x80)
			return "contains a tab or a character outside ASCII";
	}
	return NULL;
}

static int read_header(struct reader *reader, char *line)
{
	char *name = line + 1 + strspn(line + 1, BLANK), *end = strchr(line, ']');
	const char *wrong;

	reader->begun = true;
	reader->section = NULL;
	if (end == NULL || end[1] != '\0') {
		fault(reader, end == NULL
		                      ? "no closing bracket after the section name"
		                      : "unexpected text after the closing bracket " COMMENT_HINT);
		return 0;
	}
	wrong = end_name(name, end);
	if (wrong != NULL || *name == '\0') {
		fault(reader, "the section name %s", wrong != NULL ? wrong : "is empty");
		return 0;
	}

	struct ocs_ini *ini = reader->ini;
	struct ocs_ini_value *first = find(ini, name, "", &ini->compared);
	struct ocs_ini_section *section = talloc_zero(ini, struct ocs_ini_section);
	if (section == NULL)
		return -1;
	section->name = name;
	section->header = (struct ocs_ini_value){
	        .section = section, .key = "", .value = "", .line = reader->line};
	section->repeated = first != NULL;
	DL_APPEND(ini->sections, section);
	if (first != NULL) {
		fault(reader, "duplicate section [%s], first in line %u", name, first->line);
		reader->section = (struct ocs_ini_section *)(uintptr_t)first->section;
	} else {
		put_into_bucket(ini, &section->header);
		reader->section = section;
	}
	return 0;
}

static int read_value(struct reader *reader, char *line)
{
	struct ocs_ini *ini = reader->ini;
	struct ocs_ini_section *section = reader->section;
	char *equal = strchr(line, '=');
	const char *wrong = equal != NULL && equal != line ? end_name(line, equal) : NULL;
	const struct ocs_ini_value *first;

	if (equal == NULL) {
		fault(reader, "neither [section] nor `key = value` (a value is one line)");
	} else if (equal == line) {
		fault(reader, "no key before the equal sign");
	} else if (wrong != NULL) {
		fault(reader, "the key %s", wrong);
	} else if (!reader->begun) {
		fault(reader, "key before the first [section]");
	} else if (section != NULL) {
		first = find(ini, section->name, line, &ini->compared);
		if (first != NULL) {
			fault(reader, "duplicate key '%s' in [%s], first in line %u", line,
			      section->name, first->line);
			return 0;
		}
		struct ocs_ini_value *value = talloc(ini, struct ocs_ini_value);
		if (value == NULL)
			return -1;
		*value = (struct ocs_ini_value){.section = section,
		                                .key = line,
		                                .value = equal + 1 + strspn(equal + 1, BLANK),
		                                .line = reader->line};
		DL_APPEND(section->values, value);
		put_into_bucket(ini, value);
	}
	return 0;
}

static int read_line(struct reader *reader, char *line, char *end)
{
	const char *wrong;

	while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*end = '\0';
	line += strspn(line, BLANK);
	if (line == end || *line == '#' || *line == ';')
		return 0;
	wrong = line_fault(line, (size_t)(end - line));
	if (wrong == NULL)
		return *line == '[' ? read_header(reader, line) : read_value(reader, line);
	fault(reader, "%s", wrong);
	if (*line == '[') {
		reader->begun = true;
		reader->section = NULL;
	}
	return 0;
}

int ocs_ini_parse(struct ocs_ini *ini, char *text, size_t len, ocs_ini_report_fn *report, void *arg)
{
	struct reader reader = {.ini = ini, .report = report, .arg = arg};
	char *end = text + len;
	size_t lines = 1;

	for (const char *p = text; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		lines++;
	for (ini->n_buckets = 1; ini->n_buckets <= lines;)
		ini->n_buckets *= 2;
	ini->bucket = talloc_zero_array(ini, struct ocs_ini_value *, ini->n_buckets);
	if (ini->bucket == NULL)
		return -1;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (reader.line < lines) {
		char *stop = memchr(text, '\n', (size_t)(end - text));

		if (stop == NULL)
			stop = end;
		reader.line++;
		if (read_line(&reader, text, stop) < 0)
			return -1;
		text = stop + 1;
	}
	return 0;
}

/* On ini, with a NUL behind it; NULL and what is wrong. */
static char *read_all(const char *path, struct ocs_ini *ini, size_t *len_r, const char **wrong_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text = NULL;
	ssize_t len = -1;

	*wrong_r = NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		*wrong_r = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		*wrong_r = S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file";
	else if (st.st_size > OCS_INI_SIZE_MAX)
		*wrong_r = "is larger than 1 MiB";
	else if ((text = talloc_size(ini, (size_t)st.st_size + 1)) == NULL)
		*wrong_r = "out of memory";
	else if ((len = ocs_file_read(fd, (uint8_t *)text, (size_t)st.st_size, 0)) < 0)
		*wrong_r = strerror(errno);
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return NULL;
	ini->others_can_read = (st.st_mode & S_IROTH) != 0;
	*len_r = (size_t)len;
	text[len] = '\0';
	return text;
}

struct ocs_ini *ocs_ini_read(const char *path, const void *mem_ctx, ocs_ini_report_fn *report,
                             void *arg)
{
	struct ocs_ini *ini = talloc_zero(mem_ctx, struct ocs_ini);
	const char *wrong = "out of memory";
	size_t len = 0;
	char *text = ini != NULL ? read_all(path, ini, &len, &wrong) : NULL;

	if (text != NULL && len >= 2 &&
	    (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		wrong = "is UTF-16; save it as UTF-8";
	else if (text != NULL && ocs_ini_parse(ini, text, len, report, arg) < 0)
		wrong = "out of memory";
	if (wrong == NULL)
		return ini;
	report(0, wrong, arg);
	talloc_free(ini);
	return NULL;
}

const struct ocs_ini_value *ocs_ini_find(const struct ocs_ini *ini, const char *section,
                                         const char *key)
{
	unsigned long compared = 0;

	return find(ini, section, key, &compared);
}

unsigned ocs_ini_section_line(const struct ocs_ini *ini, const char *section)
{
	const struct ocs_ini_value *header = ocs_ini_find(ini, section, "");

	return header != NULL ? header->line : 0;
}

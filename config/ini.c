/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * libini_config with its traps fenced in. It may touch the file it is given and nothing else.
 *
 * Measured with libini_config 1.3.1:
 *   - a file with any error in it yields no values at all: so it is parsed twice, first for the
 *     errors, then, with the bad lines blanked, for the values;
 *   - duplicate keys and sections are listed only if there is another error as well: so an
 *     erroneous line is planted after the last one;
 *   - the first key before any section is swallowed: so a section is planted before the first line;
 *   - an indented `key = value` silently becomes part of the value above it, unless wrapping is
 *     off; with it off an indented comment is an error: so white space before a line is removed;
 *   - a NUL cuts a line; a byte that is not UTF-8, and a `!`, control character or letter outside
 *     ASCII in a name, fail the whole file without saying where: so they are looked for here.
 */
#include "config/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <ini_configobj.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

/* No one can write these in a file: a DEL is refused before the library sees it. */
#define BEFORE_ANY "\177before"
#define UNREADABLE "\177unreadable"
#define PLANTED    "\177"

#define PARSE_FLAGS (INI_PARSE_NOWRAP | INI_PARSE_NO_C_COMMENTS)
#define ALLOW_FLAGS (INI_MV1S_ALLOW | INI_MV2S_ALLOW | INI_MS_MERGE)
/* MV2S_ALLOW: a key that is there twice because its section is, is told of once, as the section */
#define DETECT_FLAGS (INI_MV1S_DETECT | INI_MV2S_ALLOW | INI_MS_DETECT)

struct reader {
	struct ocs_ini *ini;
	char **lines; /* as to be parsed; element 0 is line 1 */
	unsigned n_lines;
	ocs_ini_report_fn *report;
	void *arg;
};

static char *read_all(const char *path, const void *mem_ctx, size_t *len_r, bool *others_r,
                      const char **what_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text = NULL;
	size_t len = 0;

	*what_r = NULL;
	if (fd < 0 || fstat(fd, &st) < 0) {
		*what_r = strerror(errno);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		*what_r = S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file";
		goto out;
	}
	*others_r = (st.st_mode & S_IROTH) != 0;
	if (st.st_size > OCS_INI_SIZE_MAX) {
		*what_r = "is larger than 1 MiB";
		goto out;
	}
	text = talloc_size(mem_ctx, (size_t)st.st_size + 1);
	if (text == NULL) {
		*what_r = "out of memory";
		goto out;
	}
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			*what_r = strerror(errno);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*len_r = len;
out:
	if (fd >= 0)
		close(fd);
	return *what_r == NULL ? text : NULL;
}

/* RFC 3629, without the noncharacter fuss: what iconv inside libini_config would refuse. */
static bool is_utf8(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + len;

	while (p < end) {
		unsigned more = *p < 0x80                 ? 0
		                : *p >= 0xc2 && *p < 0xe0 ? 1
		                : (*p & 0xf0) == 0xe0     ? 2
		                : *p >= 0xf0 && *p < 0xf5 ? 3
		                                          : 4;

		if (more == 4 || (size_t)(end - p) <= more)
			return false;
		if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
		    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (unsigned i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
		}
		p += more + 1;
	}
	return true;
}

static const char *line_fault(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c == '\0')
			return "a NUL byte";
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "a control character";
	}
	return is_utf8(line, len) ? NULL : "text that is not UTF-8";
}

/* A name is what stands in brackets or before the equal sign; white space around it does not count.
 */
static const char *name_fault(const char *line)
{
	const char *end = strchr(line, *line == '[' ? ']' : '=');

	while (end != NULL && end > line && strchr(" \t", end[-1]) != NULL)
		end--;
	for (const char *p = line + (*line == '['); end != NULL && p < end; p++) {
		if (*p == '!' || *p == '\t' || (unsigned char)*p >= 0x80)
			return "a character that no name has (a tab, `!` or one outside ASCII)";
	}
	return NULL;
}

static int add_section(struct reader *reader, const char *line, unsigned number)
{
	struct ocs_ini *ini = reader->ini;
	const char *begin = line + 1, *end = line + strlen(line) - 1;

	if (line[0] != '[' || *end != ']')
		return 0;
	while (begin < end && (*begin == ' ' || *begin == '\t'))
		begin++;
	while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (begin == end)
		return 0;
	for (size_t i = 0; i < ini->n_sections; i++) {
		if (strlen(ini->sections[i].name) == (size_t)(end - begin) &&
		    strncasecmp(ini->sections[i].name, begin, (size_t)(end - begin)) == 0)
			return 0;
	}
	struct ocs_ini_section *more =
	        talloc_realloc(ini, ini->sections, struct ocs_ini_section, ini->n_sections + 1);
	if (more == NULL)
		return -1;
	ini->sections = more;
	more[ini->n_sections].name = talloc_strndup(ini, begin, (size_t)(end - begin));
	more[ini->n_sections].line = number;
	return more[ini->n_sections++].name != NULL ? 0 : -1;
}

/* Lines without the white space around them, without comments, without what cannot be text. */
static int split(struct reader *reader, char *text, size_t len)
{
	char *end = text + len;
	unsigned n = 1;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (const char *p = text; p < end; p++)
		n += *p == '\n';
	reader->lines = talloc_array(reader->ini, char *, n);
	if (reader->lines == NULL)
		return -1;
	for (unsigned number = 1; number <= n; number++) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		char *stop = newline != NULL ? newline : end;
		char *next = stop + (newline != NULL);

		while (stop > text && strchr(" \t\r", stop[-1]) != NULL && stop[-1] != '\0')
			stop--;
		while (text < stop && (*text == ' ' || *text == '\t'))
			text++;
		const char *fault = line_fault(text, (size_t)(stop - text));
		bool comment = *text == '#' || *text == ';';
		*stop = '\0';
		if (fault == NULL && !comment)
			fault = name_fault(text);
		if (comment) {
			*text = '\0';
		} else if (fault != NULL) {
			char message[128];

			snprintf(message, sizeof(message), "there is %s in this line", fault);
			reader->report(number, message, reader->arg);
			text = talloc_strdup(reader->lines, *text == '[' ? "[" UNREADABLE "]" : "");
			if (text == NULL)
				return -1;
		} else if (add_section(reader, text, number) < 0) {
			return -1;
		}
		reader->lines[reader->n_lines++] = text;
		text = next;
	}
	return 0;
}

static struct ini_cfgobj *parse(struct reader *reader, bool detect, int *result_r)
{
	struct ini_cfgfile *file = NULL;
	struct ini_cfgobj *object = NULL;
	char *text = talloc_strdup(reader->ini, "[" BEFORE_ANY "]\n");
	size_t size = 0;

	/* One buffer of the right size: appending line by line would be quadratic. */
	for (unsigned i = 0; i < reader->n_lines; i++)
		size += strlen(reader->lines[i]) + 1;
	size_t used = text != NULL ? strlen(text) : 0;
	char *whole =
	        text != NULL ? talloc_realloc(reader->ini, text, char, used + size + 8) : NULL;
	if (whole == NULL) {
		talloc_free(text);
		return NULL;
	}
	for (unsigned i = 0; i < reader->n_lines; i++) {
		size_t len = strlen(reader->lines[i]);

		memcpy(whole + used, reader->lines[i], len);
		used += len;
		whole[used++] = '\n';
	}
	if (detect) {
		memcpy(whole + used, PLANTED "\n", 2);
		used += 2;
	}
	*result_r = ini_config_file_from_mem(whole, (uint32_t)used, &file);
	if (*result_r == 0)
		*result_r = ini_config_create(&object);
	if (*result_r == 0)
		*result_r =
		        ini_config_parse(file, INI_STOP_ON_NONE,
		                         detect ? DETECT_FLAGS : ALLOW_FLAGS, PARSE_FLAGS, object);
	if (file != NULL)
		ini_config_file_destroy(file);
	talloc_free(whole);
	return object;
}

static const char *explain(unsigned code, const char *line)
{
	switch (code) {
	case ERR_NOEQUAL:
		return "neither a [section] nor a `key = value` (a value is one line)";
	case ERR_NOKEY:
		return "there is no key before the equal sign";
	case ERR_LONGKEY:
		return "the key is too long";
	case ERR_NOCLOSESEC:
		return strchr(line, ']') == NULL ? "the section name has no closing bracket"
		                                 : "nothing may follow the closing bracket";
	case ERR_NOSECTION:
		return "the section has no name";
	case ERR_SECTIONLONG:
		return "the section name is too long";
	case ERR_DUPKEY:
		return "the key is there a second time in its section";
	case ERR_DUPSECTION:
		return "the section is there a second time";
	}
	return "the line cannot be read";
}

/* Reports what the library found and takes the lines it found it in out of the second pass. */
static int first_pass(struct reader *reader)
{
	char **errors = NULL;
	int result = 0;
	struct ini_cfgobj *object = parse(reader, true, &result);

	if (object == NULL || ini_config_get_errors(object, &errors) != 0) {
		if (object != NULL)
			ini_config_destroy(object);
		return -1;
	}
	for (char **error = errors; *error != NULL; error++) {
		unsigned code = 0, line = 0;

		if (sscanf(*error, "%*s (%u) on line %u", &code, &line) != 2 || line < 2) {
			reader->report(0, *error, reader->arg);
			continue;
		}
		line--; /* the planted section is line 1 */
		if (line > reader->n_lines)
			continue; /* the planted error */
		char **text = &reader->lines[line - 1];
		if (strcmp(*text, "[" UNREADABLE "]") == 0)
			continue; /* reported by split() */
		reader->report(line, explain(code, *text), reader->arg);
		if (code == ERR_NOCLOSESEC || code == ERR_NOSECTION || code == ERR_SECTIONLONG)
			*text = talloc_strdup(reader->lines, "[" UNREADABLE "]");
		else if (code != ERR_DUPSECTION)
			*text = talloc_strdup(reader->lines, "");
		if (*text == NULL)
			result = ENOMEM;
	}
	ini_config_free_errors(errors);
	ini_config_destroy(object);
	return result == ENOMEM ? -1 : 0;
}

static int add_value(struct reader *reader, const char *section, const char *key,
                     struct value_obj *object)
{
	struct ocs_ini *ini = reader->ini;
	struct ocs_ini_value *value = &ini->values[ini->n_values];
	uint32_t line = 0;
	int error = 0;
	const char *text = ini_get_const_string_config_value(object, &error);

	if (error != 0 || value_get_line(object, &line) != 0 || line < 2)
		return -1;
	value->section = talloc_strdup(ini, section);
	value->key = talloc_strdup(ini, key);
	value->value = talloc_strdup(ini, text);
	value->line = line - 1;
	if (value->section == NULL || value->key == NULL || value->value == NULL)
		return -1;
	if (strcmp(section, BEFORE_ANY) == 0)
		reader->report(value->line, "a key stands before the first [section]", reader->arg);
	else if (strcmp(section, UNREADABLE) != 0)
		ini->n_values++;
	return 0;
}

static int second_pass_section(struct reader *reader, struct ini_cfgobj *object,
                               const char *section)
{
	int n = 0, error = 0, result = 0;
	char **keys = ini_get_attribute_list(object, section, &n, &error);

	if (keys == NULL)
		return error == 0 ? 0 : -1;
	for (int i = 0; i < n && result == 0; i++) {
		struct value_obj *value = NULL;
		bool seen = false;

		/* Only a section that is there twice (reported) can still have a key twice. */
		for (int j = 0; j < i && !seen; j++)
			seen = strcasecmp(keys[i], keys[j]) == 0;
		if (seen)
			continue;
		result = ini_get_config_valueobj(section, keys[i], object, INI_GET_FIRST_VALUE,
		                                 &value);
		if (result == 0 && value != NULL)
			result = add_value(reader, section, keys[i], value);
	}
	ini_free_attribute_list(keys);
	return result;
}

static int second_pass(struct reader *reader)
{
	int result = 0, n = 0, error = 0;
	struct ini_cfgobj *object = parse(reader, false, &result);
	char **sections =
	        object != NULL && result == 0 ? ini_get_section_list(object, &n, &error) : NULL;

	/* Every value takes a line, so there cannot be more of them. */
	reader->ini->values = talloc_array(reader->ini, struct ocs_ini_value, reader->n_lines + 1);
	if (sections == NULL || reader->ini->values == NULL)
		result = -1;
	for (int i = 0; i < n && result == 0; i++)
		result = second_pass_section(reader, object, sections[i]);
	if (sections != NULL)
		ini_free_section_list(sections);
	if (object != NULL)
		ini_config_destroy(object);
	return result == 0 ? 0 : -1;
}

struct ocs_ini *ocs_ini_read(const char *path, const void *mem_ctx, ocs_ini_report_fn *report,
                             void *arg)
{
	struct reader reader = {.report = report, .arg = arg};
	const char *what = NULL;
	size_t len = 0;
	char *text;

	reader.ini = talloc_zero(mem_ctx, struct ocs_ini);
	if (reader.ini == NULL)
		return NULL;
	text = read_all(path, reader.ini, &len, &reader.ini->others_can_read, &what);
	if (text == NULL) {
		report(0, what, arg);
	} else if (len >= 2 &&
	           (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		report(0, "is UTF-16; save it as UTF-8", arg);
	} else if (split(&reader, text, len) == 0 && first_pass(&reader) == 0 &&
	           second_pass(&reader) == 0) {
		talloc_free(reader.lines);
		return reader.ini;
	} else {
		report(0, "cannot be parsed (out of memory?)", arg);
	}
	talloc_free(reader.ini);
	return NULL;
}

const struct ocs_ini_value *ocs_ini_find(const struct ocs_ini *ini, const char *section,
                                         const char *key)
{
	for (size_t i = 0; i < ini->n_values; i++) {
		if (strcasecmp(ini->values[i].section, section) == 0 &&
		    strcasecmp(ini->values[i].key, key) == 0)
			return &ini->values[i];
	}
	return NULL;
}

unsigned ocs_ini_section_line(const struct ocs_ini *ini, const char *section)
{
	for (size_t i = 0; i < ini->n_sections; i++) {
		if (strcasecmp(ini->sections[i].name, section) == 0)
			return ini->sections[i].line;
	}
	return 0;
}

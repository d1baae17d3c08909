/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The index as text, a line: see index_text.h. Pure functions. */
#include "mapistore/index_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "mapistore/index.h"
#include "mapistore/names.h"

#define FIELDS_MAX 8

static const struct {
	const char *word;
	size_t fields; /* the word too */
} kinds[] = {
        [OCS_LINE_HEADER] = {OCS_INDEX_TEXT_NAME, 4},
        [OCS_LINE_ROOT] = {"root", 3},
        [OCS_LINE_FOLDER] = {"folder", 8},
        [OCS_LINE_MESSAGE] = {"message", 6},
        [OCS_LINE_ALIAS] = {"alias", 3},
        [OCS_LINE_END] = {"end", 2},
};

static const char *const states[] = {
        [OCS_STATE_LIVE] = "live",
        [OCS_STATE_SECOND] = "second",
        [OCS_STATE_QUIET] = "quiet",
        [OCS_STATE_DELETED] = "deleted",
};

/* ---- writing ---- */

static void put_name(const char *name, FILE *out)
{
	putc('\t', out);
	while (*name != '\0') {
		size_t len = ocs_utf8_sequence(name);
		unsigned char c = (unsigned char)*name;

		if (len == 0 || c < 0x20 || c == 0x7f || c == '\\') {
			fprintf(out, "\\x%02x", c);
			name++;
		} else {
			(void)fwrite(name, 1, len, out); /* as all: see ferror() */
			name += len;
		}
	}
}

static void put_folder(const struct ocs_index_line *line, FILE *out)
{
	fprintf(out, "\t%016" PRIx64 "\t%s\t", line->id, states[line->state]);
	if (line->has_uid_validity)
		fprintf(out, "%" PRIu32, line->uid_validity);
	else
		putc('-', out);
	put_name(line->user, out);
	put_name(line->backend, out);
	put_name(line->backend_user, out);
	put_name(line->name, out);
}

static void put_message(const struct ocs_index_line *line, FILE *out)
{
	fprintf(out, "\t%016" PRIx64 "\t%016" PRIx64 "\t%s\t", line->id, line->fid,
	        states[line->state]);
	if (line->content != 0)
		fprintf(out, "%016" PRIx64, line->content);
	else
		putc('-', out);
	put_name(line->name, out);
}

int ocs_index_line_write(const struct ocs_index_line *line, FILE *out)
{
	fputs(kinds[line->kind].word, out);
	switch (line->kind) {
	case OCS_LINE_HEADER:
		fprintf(out, "\t1\t%u\t%" PRIu64, line->replica_id, line->number);
		break;
	case OCS_LINE_ROOT:
		fprintf(out, "\t%016" PRIx64, line->id);
		put_name(line->user, out);
		break;
	case OCS_LINE_FOLDER:
		put_folder(line, out);
		break;
	case OCS_LINE_MESSAGE:
		put_message(line, out);
		break;
	case OCS_LINE_ALIAS:
		fprintf(out, "\t%016" PRIx64 "\t%016" PRIx64, line->id, line->fid);
		break;
	case OCS_LINE_END:
		fprintf(out, "\t%" PRIu64, line->number);
		break;
	}
	putc('\n', out);
	return ferror(out) ? -1 : 0;
}

/* ---- reading ---- */

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. -1: an escape that is none, or one that says a NUL. */
static int unescape(char *name)
{
	char *out = name;

	while (*name != '\0') {
		int high, low;

		if (*name != '\\') {
			*out++ = *name++;
			continue;
		}
		high = name[1] == 'x' ? digit_of(name[2]) : -1;
		low = high >= 0 ? digit_of(name[3]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			return -1;
		*out++ = (char)(high << 4 | low);
		name += 4;
	}
	*out = '\0';
	return 0;
}

/* What a name of the index is at least: older ones kept to no more. */
static const char *read_name(char *field, bool folder, const char **out)
{
	if (unescape(field) != 0)
		return "a name holds a backslash that begins no \\xHH";
	if (strlen(field) > OCS_NAME_MAX)
		return "a name has more than 1024 bytes";
	if (folder && (field[0] == '\0' || field[0] == '/' || field[strlen(field) - 1] == '/' ||
	               strstr(field, "//") != NULL))
		return "the folder has an empty level";
	if (folder && ocs_folder_levels(field) > OCS_FOLDER_LEVELS_MAX)
		return "the folder has more than 64 levels";
	*out = field;
	return NULL;
}

static const char *read_id(const char *field, uint64_t *out)
{
	*out = 0;
	if (strlen(field) != 16)
		return "an identifier has 16 hexadecimal digits";
	for (; *field != '\0'; field++) {
		if (digit_of(*field) < 0)
			return "an identifier has 16 hexadecimal digits";
		*out = *out << 4 | (uint64_t)digit_of(*field);
	}
	return ocs_index_id_possible(*out) ? NULL : "that is no identifier";
}

static const char *read_number(const char *field, uint64_t max, uint64_t *out)
{
	*out = 0;
	if (field[0] == '\0' || strlen(field) > 20)
		return "a number is missing or too large";
	for (; *field != '\0'; field++) {
		uint64_t digit = (uint64_t)(*field - '0');

		if (!isdigit((unsigned char)*field))
			return "a number holds something that is no digit";
		if (*out > (max - digit) / 10)
			return "a number is missing or too large";
		*out = 10 * *out + digit;
	}
	return NULL;
}

static const char *read_state(const char *field, const char *allowed, enum ocs_index_state *out)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(field, states[i]) == 0 && strchr(allowed, field[0]) != NULL) {
			*out = (enum ocs_index_state)i;
			return NULL;
		}
	return "that state is not known here";
}

static const char *read_folder(char *const *field, struct ocs_index_line *out)
{
	const char *wrong = read_id(field[1], &out->id);
	uint64_t number = 0;

	if (wrong == NULL)
		wrong = read_state(field[2], "lsd", &out->state);
	out->has_uid_validity = strcmp(field[3], "-") != 0;
	if (wrong == NULL && out->has_uid_validity)
		wrong = read_number(field[3], UINT32_MAX, &number);
	out->uid_validity = (uint32_t)number;
	if (wrong == NULL)
		wrong = read_name(field[4], false, &out->user);
	if (wrong == NULL)
		wrong = read_name(field[5], false, &out->backend);
	if (wrong == NULL)
		wrong = read_name(field[6], false, &out->backend_user);
	if (wrong == NULL)
		wrong = read_name(field[7], true, &out->name);
	if (wrong == NULL && out->user[0] == '\0')
		wrong = "the user is missing";
	return wrong;
}

static const char *read_content(const char *field, uint64_t *out)
{
	if (strcmp(field, "-") == 0 || strlen(field) != 16 ||
	    strspn(field, "0123456789abcdef") != 16)
		return strcmp(field, "-") == 0 ? NULL : "the content is neither - nor 16 digits";
	*out = strtoull(field, NULL, 16);
	return NULL;
}

static const char *read_message(char *const *field, struct ocs_index_line *out)
{
	const char *wrong = read_id(field[1], &out->id);

	if (wrong == NULL)
		wrong = read_id(field[2], &out->fid);
	if (wrong == NULL)
		wrong = read_state(field[3], "lqd", &out->state);
	if (wrong == NULL)
		wrong = read_content(field[4], &out->content);
	if (wrong == NULL)
		wrong = read_name(field[5], false, &out->name);
	if (wrong == NULL && out->name[0] == '\0')
		wrong = "the message id is missing";
	return wrong;
}

static const char *read_header(char *const *field, struct ocs_index_line *out)
{
	uint64_t version, replica = 0;
	const char *wrong = read_number(field[1], UINT32_MAX, &version);

	if (wrong == NULL && version != 1)
		return "it is in a later format, which this version does not read";
	if (wrong == NULL)
		wrong = read_number(field[2], UINT16_MAX, &replica);
	if (wrong == NULL)
		wrong = read_number(field[3], 0xffffffffffffULL, &out->number);
	out->replica_id = (uint16_t)replica;
	return wrong;
}

const char *ocs_index_line_read(char *text, size_t len, struct ocs_index_line *out)
{
	char *field[FIELDS_MAX] = {text}, *next;
	size_t n = 0, kind = 0;
	const char *wrong;

	*out = (struct ocs_index_line){.id = 0};
	if (strlen(text) != len)
		return "the line holds a NUL";
	for (next = text; next != NULL && n < FIELDS_MAX; n++)
		field[n] = strsep(&next, "\t");
	while (kind < sizeof(kinds) / sizeof(kinds[0]) && strcmp(field[0], kinds[kind].word) != 0)
		kind++;
	if (kind == sizeof(kinds) / sizeof(kinds[0]))
		return "the line begins with none of root, folder, message, alias and end";
	if (next != NULL || n != kinds[kind].fields)
		return "the line has fields too many or too few";
	out->kind = (enum ocs_index_line_kind)kind;
	switch (out->kind) {
	case OCS_LINE_HEADER:
		return read_header(field, out);
	case OCS_LINE_ROOT:
		wrong = read_id(field[1], &out->id);
		if (wrong == NULL)
			wrong = read_name(field[2], false, &out->user);
		return wrong != NULL || out->user[0] != '\0' ? wrong : "the user is missing";
	case OCS_LINE_FOLDER:
		return read_folder(field, out);
	case OCS_LINE_MESSAGE:
		return read_message(field, out);
	case OCS_LINE_ALIAS:
		wrong = read_id(field[1], &out->id);
		return wrong != NULL ? wrong : read_id(field[2], &out->fid);
	default:
		return read_number(field[1], UINT64_MAX, &out->number);
	}
}

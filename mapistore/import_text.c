/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Our text of an index taken in: see index_import.h. Read twice: first to see that it is whole and
 * which identifiers come, then for what it says. Reads that file. */
#include "mapistore/index_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mapistore/usermap.h"

#define LINE_MAX_ (4 * 4 * OCS_NAME_MAX + 256) /* four names, each byte escaped */

struct text {
	FILE *file;
	char *line;
	size_t len;
	uint64_t number;
	bool ends; /* with a line end */
	char user[OCS_NAME_MAX + 1], backend_user[OCS_NAME_MAX + 1];
};

/* 1; 0: there is none any more; -1: it is too long (what of it fits is there). */
static int next_line(struct text *text)
{
	bool fits = true;
	int c;

	text->len = 0;
	text->ends = false;
	while ((c = getc_unlocked(text->file)) != EOF && c != '\n') {
		if (text->len < LINE_MAX_)
			text->line[text->len++] = (char)c;
		else
			fits = false;
	}
	if (c == EOF && text->len == 0)
		return 0;
	text->ends = c == '\n';
	text->line[text->len] = '\0';
	text->number++;
	return fits ? 1 : -1;
}

/* How it is whole: the header first, the count last, nothing behind it. */
struct whole {
	bool header, end;
	uint64_t lines;
};

static const char *look_at_line(struct ocs_import *import, struct whole *whole,
                                const struct ocs_index_line *line)
{
	bool first = !whole->header;

	if (whole->end)
		return "there is something behind the line `end`";
	if ((line->kind == OCS_LINE_HEADER) != first)
		return first ? "the first line must be that of an export"
		             : "a second first line: two exports in one file?";
	whole->header = true;
	switch (line->kind) {
	case OCS_LINE_HEADER:
		if (line->replica_id == import->index->replica_id)
			ocs_index_raise_to(&import->least, line->number);
		return NULL;
	case OCS_LINE_END:
		whole->end = true;
		return line->number == whole->lines
		               ? NULL
		               : "it says another number of lines than there are: lines are lost";
	default:
		whole->lines++;
		ocs_import_count(import, line->id);
		return NULL;
	}
}

static int read_first(struct ocs_import *import, struct text *text)
{
	struct whole whole = {.lines = 0};
	struct ocs_index_line line;
	int ret;

	while ((ret = next_line(text)) != 0) {
		const char *wrong = ret < 0 ? "the line is too long"
		                            : ocs_index_line_read(text->line, text->len, &line);

		if (wrong == NULL)
			wrong = look_at_line(import, &whole, &line);
		else if (whole.header && !whole.end)
			whole.lines++; /* it is there all the same */
		if (wrong != NULL)
			ocs_import_refuse(import, ocs_import_where(import, text->number), "%s",
			                  wrong);
		if (wrong != NULL && !whole.header)
			return 0;
	}
	if (ferror(text->file))
		return ocs_error_set(import->error, "%s: cannot read: %s", import->source->path,
		                     strerror(errno));
	if (!whole.end && import->out->refused == 0)
		ocs_import_refuse(import, ocs_import_where(import, text->number),
		                  "the file is cut short: its last line is not `end`");
	return 0;
}

/* Names as they are looked up here: whoever wrote the text may have had another rule. */
static void one_spelling(const struct ocs_import *import, struct text *text,
                         struct ocs_index_line *line)
{
	const struct ocs_index_source *source = import->source;

	if (line->kind != OCS_LINE_ROOT && line->kind != OCS_LINE_FOLDER)
		return;
	line->user = ocs_usermap_user(source->map, &source->names, line->user, text->user);
	if (line->kind == OCS_LINE_ROOT)
		return;
	line->backend_user = ocs_usermap_user(source->map, &source->names, line->backend_user,
	                                      text->backend_user);
	/* They are in text->line. */
	ocs_index_canonical_backend((char *)(uintptr_t)line->backend);
	ocs_index_canonical_folder((char *)(uintptr_t)line->name);
}

static int read_again(struct ocs_import *import, struct text *text)
{
	struct ocs_index_line line;
	int ret;

	while ((ret = next_line(text)) == 1) {
		const char *where = ocs_import_where(import, text->number);
		uint64_t least = import->least;

		if (ocs_index_line_read(text->line, text->len, &line) != NULL)
			break;
		ocs_import_count(import, line.id);
		if (import->least != least)
			break;
		one_spelling(import, text, &line);
		ret = line.kind == OCS_LINE_ROOT      ? ocs_import_root(import, where, &line)
		      : line.kind == OCS_LINE_FOLDER  ? ocs_import_folder(import, where, &line)
		      : line.kind == OCS_LINE_MESSAGE ? ocs_import_message(import, where, &line)
		      : line.kind == OCS_LINE_ALIAS   ? ocs_import_alias(import, where, &line)
		                                      : 0;
		if (ret != 0)
			return -1;
	}
	return ret == 0 && !ferror(text->file)
	               ? 0
	               : ocs_error_set(import->error, "%s: changed while it was read",
	                               import->source->path);
}

int ocs_import_text(struct ocs_import *import, FILE *file)
{
	struct text text = {.file = file, .line = malloc(LINE_MAX_ + 1)};
	int ret;

	if (text.line == NULL)
		return ocs_error_memory(import->error);
	ret = read_first(import, &text);
	if (ret == 0 && import->out->refused == 0) {
		rewind(file);
		text.number = 0;
		ret = ocs_import_begin(import);
		if (ret == 0)
			ret = read_again(import, &text);
		if (ret == 0)
			ret = ocs_import_end(import);
	}
	free(text.line);
	return ret;
}

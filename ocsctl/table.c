/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Plain aligned tables for people: columns as wide as their widest cell, two blanks between them.
 */
#include "ocsctl/ocsctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "base/utf8.h"
#include "mapistore/names.h"

#define COLUMNS_MAX 16

struct ocsctl_table {
	const char *heads[COLUMNS_MAX];
	bool right[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	unsigned columns;
	size_t rows;
	char **cells; /* rows x columns, NULL where memory ran out */
};

/* What ocsctl_print_safe() takes on the screen. */
static size_t shown_width(const char *text)
{
	size_t width = 0;

	while (*text != '\0') {
		size_t len = ocs_utf8_seen(text);

		width += len > 0 ? 1 : 4;
		text += len > 0 ? len : 1;
	}
	return width;
}

void ocsctl_print_safe(const char *text)
{
	while (*text != '\0') {
		size_t len = ocs_utf8_seen(text);

		if (len > 0)
			fwrite(text, 1, len, stdout);
		else
			printf("\\x%02x", (unsigned char)*text);
		text += len > 0 ? len : 1;
	}
}

const char *ocsctl_name(const void *mem_ctx, const char *name)
{
	char shown[OCS_NAME_SHOWN_SIZE];
	const char *copy = talloc_strdup(mem_ctx, ocs_name_show(name, shown, sizeof(shown)));

	return copy != NULL ? copy : "?";
}

struct ocsctl_table *ocsctl_table_new(const void *mem_ctx, const char *const *heads)
{
	struct ocsctl_table *table = talloc_zero(mem_ctx, struct ocsctl_table);

	if (table == NULL)
		return NULL;
	for (; heads[table->columns] != NULL && table->columns < COLUMNS_MAX; table->columns++) {
		const char *head = heads[table->columns];

		table->right[table->columns] = head[0] == '>';
		table->heads[table->columns] = head[0] == '>' ? head + 1 : head;
		table->width[table->columns] = strlen(table->heads[table->columns]);
	}
	return table;
}

void ocsctl_table_row(struct ocsctl_table *table, ...)
{
	va_list arguments;
	char **cells;

	if (table == NULL)
		return;
	cells = talloc_realloc(table, table->cells, char *, (table->rows + 1) * table->columns);
	if (cells == NULL)
		return;
	table->cells = cells;
	cells += table->rows * table->columns;
	va_start(arguments, table);
	for (unsigned i = 0; i < table->columns; i++) {
		const char *text = va_arg(arguments, const char *);
		size_t width;

		cells[i] = talloc_strdup(table->cells, text != NULL ? text : "");
		width = cells[i] != NULL ? shown_width(cells[i]) : 0;
		if (width > table->width[i])
			table->width[i] = width;
	}
	va_end(arguments);
	table->rows++;
}

static void print_cell(const struct ocsctl_table *table, unsigned column, const char *text)
{
	size_t width = shown_width(text);
	int blanks = width < table->width[column] ? (int)(table->width[column] - width) : 0;
	bool last = column + 1 == table->columns;

	if (table->right[column])
		printf("%*s", blanks, "");
	ocsctl_print_safe(text);
	if (!last)
		printf("%*s", (table->right[column] ? 0 : blanks) + 2, "");
}

void ocsctl_table_print(const struct ocsctl_table *table)
{
	if (table == NULL) {
		ocsctl_error("out of memory");
		return;
	}
	for (unsigned i = 0; i < table->columns; i++)
		print_cell(table, i, table->heads[i]);
	putchar('\n');
	for (size_t row = 0; row < table->rows; row++) {
		for (unsigned i = 0; i < table->columns; i++) {
			const char *text = table->cells[row * table->columns + i];

			print_cell(table, i, text != NULL ? text : "?");
		}
		putchar('\n');
	}
}

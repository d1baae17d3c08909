/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: config/ini.c */
/* Fuzz target: the reader of ini files. Whatever is in one, names and values are clean and found.
 */
#include <string.h>
#include <strings.h>
#include <talloc.h>

#include "config/ini.h"
#include "fuzz/fuzz.h"

const char *const fuzz_texts[] = {
        "[main]\nauth = single\n\n# comment\n[auth:single]\n username = a\n\tpassword={SSHA}x ; "
        "#\n",
        "\xef\xbb\xbf[a]\r\nk = v\r\n ; comment\r\n[ b ]\r\n k2 =\r\n=\r\n",
        "before = 1\n[a]\nk = 1\nK = 2\n[A]\nk = 3\nj = 4\n[b\nk = 5\n[c] # no\nk = 6\n[]\n",
        "[\xc3\xa4]\nk = \xc3\xa4\n\xc3\xa4 = 1\nk = \xff\nk = \x01\n[d]\nno equal sign\n  [e]  "
        "\nx==\n",
        NULL,
};

struct seen {
	unsigned line, lines;
};

static void report(unsigned line, const char *text, void *arg)
{
	struct seen *seen = arg;

	FUZZ_CHECK(line >= seen->line && line <= seen->lines && *text != '\0');
	seen->line = line;
}

static void check_name(const char *name)
{
	size_t len = strlen(name);

	FUZZ_CHECK(len >= 1 && len <= OCS_INI_NAME_MAX);
	FUZZ_CHECK(name[0] != ' ' && name[len - 1] != ' ');
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK(name[i] >= ' ' && name[i] < 0x7f);
}

static void check_value(const struct ocs_ini *ini, const struct ocs_ini_value *value)
{
	size_t len = strlen(value->value);

	check_name(value->key);
	FUZZ_CHECK(value->line > value->section->header.line);
	FUZZ_CHECK(value->next == NULL || value->line < value->next->line);
	FUZZ_CHECK(ocs_ini_find(ini, value->section->name, value->key) == value);
	FUZZ_CHECK(len == 0 || (strchr(" \t", value->value[0]) == NULL &&
	                        strchr(" \t\r", value->value[len - 1]) == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_ini *ini = talloc_zero(NULL, struct ocs_ini);
	char *text = talloc_size(ini, size + 1);
	struct seen seen = {.lines = 1};
	unsigned line = 0;

	FUZZ_CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		seen.lines += data[i] == '\n';
	FUZZ_CHECK(ocs_ini_parse(ini, text, size, report, &seen) == 0);
	for (const struct ocs_ini_section *section = ini->sections; section != NULL;
	     section = section->next) {
		check_name(section->name);
		FUZZ_CHECK(section->header.line > line && section->header.line <= seen.lines);
		line = section->header.line;
		FUZZ_CHECK((ocs_ini_section_line(ini, section->name) == line) ==
		           !section->repeated);
		FUZZ_CHECK(!section->repeated || section->values == NULL);
		for (const struct ocs_ini_value *value = section->values; value != NULL;
		     value = value->next)
			check_value(ini, value);
	}
	talloc_free(ini);
	return 0;
}

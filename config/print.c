/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The key table as documentation: the shipped ocsmanager.ini and the key list of its man page.
 * Writes to the stream it is given.
 */
#include "config/config.h"

#include <ctype.h>
#include <string.h>

#include "config/keys.h"

#define WIDTH 96

/* A paragraph in lines that begin with "# ". */
static void print_comment(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t len = strlen(text);

		if (len > WIDTH) {
			len = WIDTH;
			while (len > 0 && text[len] != ' ')
				len--;
		}
		fprintf(out, "# %.*s\n", (int)len, text);
		text += len;
		text += *text == ' ';
	}
}

static bool same_section(const struct ocs_key *key, const struct ocs_key_section *section)
{
	return strcmp(key->section, section->name) == 0;
}

static void print_ini_section(FILE *out, const struct ocs_key_section *section)
{
	bool named = section->name[strlen(section->name) - 1] == ':';

	fputc('\n', out);
	print_comment(out, section->help);
	fprintf(out, "%s[%s]\n", named ? "#" : "", section->shown);
	for (size_t i = 0; i < ocs_n_keys; i++) {
		const struct ocs_key *key = &ocs_keys[i];

		if (!same_section(key, section))
			continue;
		fputc('\n', out);
		print_comment(out, key->help);
		fprintf(out, "#%s = %s\n", key->name,
		        key->fallback != NULL ? key->fallback : key->example);
	}
}

void ocs_config_print_ini(FILE *out)
{
	fputs("# Configuration of ocsmanager(8); ocsmanager.ini(5) describes it, and `ocsmanager "
	      "-t` "
	      "checks it.\n"
	      "#\n"
	      "# `key = value` in a section, each on one line; a comment has a line of its own; a "
	      "value\n"
	      "# is the rest of its line as it stands, without quotes. Lines that are commented "
	      "out "
	      "here\n"
	      "# show the default, or an example where there is none. To start, a daemon needs\n"
	      "# a username and password in [auth:single] and a section [backend:NAME].\n",
	      out);
	for (size_t i = 0; i < ocs_n_key_sections; i++)
		print_ini_section(out, &ocs_key_sections[i]);
}

/* Text of the table in mdoc: a line a sentence, `code` as a literal, no accidental macros. */
static void print_mdoc(FILE *out, const char *text)
{
	bool literal = false, line_start = true;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '`') {
			fputs(literal ? "\\fR" : "\\fB", out);
			literal = !literal;
			line_start = false;
		} else if ((*p == '.' || *p == ')') && p[1] == ' ' &&
		           isupper((unsigned char)p[2])) {
			fprintf(out, "%c\n", *p++);
			line_start = true;
		} else if (*p == '\\') {
			fputs("\\e", out);
			line_start = false;
		} else {
			if (line_start && (*p == '.' || *p == '\''))
				fputs("\\&", out);
			fputc(*p, out);
			line_start = false;
		}
	}
	fputc('\n', out);
}

static void print_man_key(FILE *out, const struct ocs_key *key)
{
	fprintf(out, ".It Ic %s", key->name);
	if (key->fallback != NULL)
		fprintf(out, " Pq default: %s\n", key->fallback);
	else
		fprintf(out, "\n");
	print_mdoc(out, key->help);
	if (key->type == OCS_KEY_NUMBER)
		fprintf(out, "From %u to %u.\n", key->min, key->max);
	if (!key->reload)
		fputs("A change takes a restart.\n", out);
}

void ocs_config_print_man(FILE *out)
{
	for (size_t i = 0; i < ocs_n_key_sections; i++) {
		const struct ocs_key_section *section = &ocs_key_sections[i];

		fprintf(out, ".Ss Section [%s]\n", section->shown);
		print_mdoc(out, section->help);
		fputs(".Bl -tag -width Ds\n", out);
		for (size_t j = 0; j < ocs_n_keys; j++) {
			if (same_section(&ocs_keys[j], section))
				print_man_key(out, &ocs_keys[j]);
		}
		fputs(".El\n", out);
	}
}

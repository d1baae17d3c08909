/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the tests of the configuration share: an ini written to a temporary folder and loaded, and
 * what was said about it.
 */
#ifndef OCS_UNIT_TEST_CONFIG_RIG_H
#define OCS_UNIT_TEST_CONFIG_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#define CONFIG_UNUSED __attribute__((unused))

/* The least there is: 5 lines, about which there is nothing to say. */
#define MINIMAL                                                                                    \
	"[auth:single]\nusername = a\npassword = b\n"                                              \
	"[backend:sogo]\nuri = sogo://{user}@mail/{folder}/{message}\n"

static char folder[TEST_FOLDER_SIZE];
static char path[TEST_FOLDER_SIZE + 16];
static void *memory; /* of one test */
static struct ocs_config *config;
static int result;
static char problems[16384]; /* a line each: E or W, the text without the path */

static void collect(int priority, const char *text, void *arg)
{
	size_t used = strlen(problems), prefix = strlen(path);

	(void)arg;
	snprintf(problems + used, sizeof(problems) - used, "%s%s\n",
	         priority == LOG_ERR ? "E" : "W",
	         strncmp(text, path, prefix) == 0 ? text + prefix : text);
}

static void load_file(void)
{
	problems[0] = '\0';
	config = NULL;
	result = ocs_config_load(path, memory, collect, NULL, &config);
}

static void load_bytes(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	load_file();
}

static void load(const char *text)
{
	load_bytes(text, strlen(text));
}

/* The minimal lines, and more from line 6 on. */
CONFIG_UNUSED static void load_with(const char *more)
{
	load(talloc_asprintf(memory, MINIMAL "%s", more));
}

CONFIG_UNUSED static void fine(void)
{
	ck_assert_str_eq(problems, "");
	ck_assert_int_eq(result, 0);
}

/* These problems and no others. */
CONFIG_UNUSED static void only(const char *expected)
{
	ck_assert_str_eq(problems, expected);
	ck_assert_int_eq(result, strstr(problems, "E:") != NULL ? -1 : 0);
}

/* Among others: E or W, the line, words of it. */
CONFIG_UNUSED static void says(const char *priority, unsigned line, const char *words)
{
	char *start = talloc_asprintf(memory, "%s:%u: ", priority, line);
	char *lines = talloc_strdup(memory, problems), *rest = NULL;

	ck_assert_int_eq(result, strstr(problems, "E:") != NULL ? -1 : 0);
	for (char *one = strtok_r(lines, "\n", &rest); one != NULL;
	     one = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(one, start, strlen(start)) == 0 && strstr(one, words) != NULL)
			return;
	}
	ck_abort_msg("no '%s...%s' in:\n%s", start, words, problems);
}

static void config_setup(void)
{
	memory = talloc_new(NULL);
	test_folder(folder, "config");
	snprintf(path, sizeof(path), "%s/ocsmanager.ini", folder);
}

static void config_teardown(void)
{
	talloc_free(memory);
	unlink(path);
	rmdir(folder);
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the configuration share: see config_rig.h. */
#include "tests/unit/config/config_rig.h"

#include <syslog.h>

char config_path[RIG_FOLDER_SIZE + 16];
void *config_memory;
struct ocs_config *config;
int config_result;
char config_problems[16384];

void config_collect(int priority, const char *text, void *arg)
{
	size_t used = strlen(config_problems), prefix = strlen(config_path);

	(void)arg;
	snprintf(config_problems + used, sizeof(config_problems) - used, "%s%s\n",
	         priority == LOG_ERR ? "E" : "W",
	         strncmp(text, config_path, prefix) == 0 ? text + prefix : text);
}

void config_load_file(void)
{
	config_problems[0] = '\0';
	config = NULL;
	config_result = ocs_config_load(config_path, config_memory, config_collect, NULL, &config);
}

void config_load_bytes(const char *text, size_t len)
{
	FILE *file = fopen(config_path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(config_path, 0600), 0);
	config_load_file();
}

void config_load(const char *text)
{
	config_load_bytes(text, strlen(text));
}

void config_load_with(const char *more)
{
	config_load(talloc_asprintf(config_memory, CONFIG_MINIMAL "%s", more));
}

void config_is_fine(void)
{
	ck_assert_str_eq(config_problems, "");
	ck_assert_int_eq(config_result, 0);
}

void config_says_only(const char *expected)
{
	ck_assert_str_eq(config_problems, expected);
	ck_assert_int_eq(config_result, strstr(config_problems, "E:") != NULL ? -1 : 0);
}

void config_says(const char *priority, unsigned line, const char *words)
{
	char *start = talloc_asprintf(config_memory, "%s:%u: ", priority, line);
	char *lines = talloc_strdup(config_memory, config_problems), *rest = NULL;

	ck_assert_int_eq(config_result, strstr(config_problems, "E:") != NULL ? -1 : 0);
	for (char *one = strtok_r(lines, "\n", &rest); one != NULL;
	     one = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(one, start, strlen(start)) == 0 && strstr(one, words) != NULL)
			return;
	}
	ck_abort_msg("no '%s...%s' in:\n%s", start, words, config_problems);
}

void config_setup(void)
{
	config_memory = talloc_new(NULL);
	rig_make_folder();
	snprintf(config_path, sizeof(config_path), "%s/ocsmanager.ini", rig_folder);
}

void config_teardown(void)
{
	talloc_free(config_memory);
	rig_remove_folder();
}

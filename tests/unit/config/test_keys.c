/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The table of keys: every row, its default, and what is taken as a value. */
#include "config/keys.h"
#include "config/value.h"
#include "mqueue/entry.h"
#include "notify/dispatch.h"
#include "tests/unit/config/config_rig.h"

TESTS_HAVE(.setup = config_setup, .teardown = config_teardown);

TEST(every_other_key_has_the_default_of_the_design)
{
	config_load(CONFIG_MINIMAL);
	config_is_fine();
	ck_assert_uint_eq(config->main.log_level, LOG_INFO);
	ck_assert_ptr_null(config->main.user);
	ck_assert_ptr_null(config->main.group);
	ck_assert_uint_eq(config->main.dedupe_window, 600);
	ck_assert_uint_eq(config->main.challenge_ttl, 60);
	ck_assert_uint_eq(config->main.token_ttl, 3600);
	ck_assert_str_eq(config->main.mechanisms, "SCRAM-SHA-256, SSHA, PLAIN");
	ck_assert_uint_eq(config->main.replica_id, 1);
	ck_assert_uint_eq(config->main.sync, OCS_SYNC_INTERVAL);
	ck_assert_uint_eq(config->server.max_body, 65536);
	ck_assert_uint_eq(config->server.max_batch, 256);
	ck_assert_uint_eq(config->server.connection_limit, 400);
	ck_assert_uint_eq(config->server.keepalive_timeout, 30);
	ck_assert_uint_eq(config->limits.failed_logins, 10);
	ck_assert_uint_eq(config->limits.failure_window, 300);
	ck_assert_uint_eq(config->limits.request_deadline, 10);
	ck_assert_uint_eq(config->limits.connections_per_address, 256);
	ck_assert_uint_eq(config->limits.pending_challenges, 4096);
	ck_assert_str_eq(config->operations.host, "127.0.0.1");
	ck_assert_uint_eq(config->operations.port, 5001);
	ck_assert_uint_eq(config->mqueue.max_messages, 10);
	ck_assert_uint_eq(config->mqueue.message_size, 256);
	ck_assert_uint_eq(config->mqueue.spill_max, 10000);
	ck_assert_uint_eq(config->mqueue.spill_total, 1000000);
	ck_assert_uint_eq(config->mqueue.descriptors, 16384);
	ck_assert_uint_eq(config->push.interval, 60);
	ck_assert_ptr_null(config->users.map);
	ck_assert_uint_eq(config->n_accounts, 0);
	ck_assert_uint_eq(ocs_config_default("server:main", "max_batch"), 256);
	ck_assert_uint_eq(ocs_config_default("server:main", "max_body"), 65536);
}

TEST(every_row_of_the_table_is_whole)
{
	for (size_t i = 0; i < ocs_n_keys; i++) {
		const struct ocs_key *key = &ocs_keys[i];

		ck_assert_ptr_eq(ocs_key_find(key->section, key->name), key);
		ck_assert_ptr_nonnull(ocs_key_section_find(key->section));
		ck_assert_msg(key->help != NULL && key->help[strlen(key->help) - 1] == '.',
		              "[%s] %s: the help is a sentence", key->section, key->name);
		ck_assert_msg(key->fallback != NULL || key->example != NULL,
		              "[%s] %s: the shipped ini has something to show", key->section,
		              key->name);
		ck_assert_msg(key->type != OCS_KEY_NUMBER || key->max > key->min,
		              "[%s] %s: a number has a range", key->section, key->name);
		if (key->fallback != NULL) {
			struct ocs_config scratch = {0};

			ck_assert_msg(ocs_config_value_set(key, &scratch, config_memory, "/",
			                                   key->fallback, NULL) == 0,
			              "[%s] %s: the default is valid", key->section, key->name);
		}
	}
}

TEST(the_shipped_ini_has_every_key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ocs_config_print_ini(out);
	ck_assert_int_eq(fclose(out), 0);
	for (size_t i = 0; i < ocs_n_keys; i++) {
		char line[128];

		snprintf(line, sizeof(line), "\n#%s = ", ocs_keys[i].name);
		ck_assert_msg(strstr(text, line) != NULL, "%s is not in it", ocs_keys[i].name);
	}
	config_load(text);
	free(text);
	/* Nothing is wrong with it but what only an admin can fill in. */
	char *line = strtok(config_problems, "\n");
	for (; line != NULL; line = strtok(NULL, "\n"))
		ck_assert_msg(strstr(line, "is missing") != NULL ||
		                      strstr(line, "no section [backend:NAME]") != NULL,
		              "%s", line);
}

TEST(an_unknown_key_or_section_is_a_warning_and_names_the_nearest)
{
	config_load_with("[limits]\nfailed_login = 3\n[mqueu]\nx = 1\n[bakend:a]\nuri = x\n"
	                 "[nothing-like-it]\nx = 1\n");
	config_says("W", 7,
	            "unknown key 'failed_login' in [limits]; did you mean 'failed_logins'?");
	config_says("W", 8, "unknown section [mqueu]; did you mean [mqueue]?");
	config_says("W", 10, "did you mean [backend:NAME]?");
	config_says("W", 12, "unknown section [nothing-like-it]");
	ck_assert_int_eq(config_result, 0);
}

TEST(what_the_old_ini_had_has_no_meaning_any_more)
{
	config_load("[DEFAULT]\ndebug = true\n"
	            "[main]\nauth = single\nmapistore_root = /x\nmapistore_data = /y\ndebug = yes\n"
	            "[auth:single]\nusername = openchange\npassword = {SSHA}abc\n"
	            "[server:main]\nuse = egg:Paste#http\nhost = 0.0.0.0\nport = 5000\n"
	            "[app:main]\nuse = egg:ocsmanager\nbeaker.session.key = ocsmanager\n"
	            "[loggers]\nkeys = root\n[handler_console]\nargs = (sys.stderr,)\n"
	            "[backend:sogo]\nuri = sogo://{user}/{folder}/{message}\n");
	ck_assert_int_eq(config_result, 0);
	config_says("W", 1, "[DEFAULT] is obsolete and ignored");
	config_says("W", 5, "mapistore_root is obsolete and ignored; see registry in [main]");
	config_says("W", 6, "mapistore_data is obsolete and ignored");
	config_says("W", 7, "debug is obsolete and ignored; see log_level = debug in [main]");
	config_says("W", 12, "use is obsolete and ignored");
	config_says("W", 15, "[app:main] is obsolete and ignored");
	config_says("W", 18, "[loggers] is obsolete and ignored");
	config_says("W", 20, "[handler_console] is obsolete and ignored");
	ck_assert_uint_eq(config->server.port, 5000);
}

TEST(numbers_are_decimal_and_in_range)
{
	static const char *const bad[] = {
	        "", "0x10", "1e3", "+5", "5 s", "5;", "-0", "65536", "99999999999999999999", "1.0"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config_load_with(
		        talloc_asprintf(config_memory, "[operations]\nport = %s\n", bad[i]));
		ck_assert_msg(config_result == -1, "port = %s was taken", bad[i]);
		config_says("E", 7, "[operations] port: ");
	}
	config_load_with("[operations]\nport = 65535\n");
	config_is_fine();
	config_load_with("[operations]\nport = 0\n");
	config_is_fine();
}

TEST(a_message_size_must_hold_the_largest_entry)
{
	static const char format[] = "[mqueue]\nmessage_size = %d\n";

	config_load_with(talloc_asprintf(config_memory, format, OCS_ENTRY_SIZE_MAX));
	config_is_fine();
	config_load_with(talloc_asprintf(config_memory, format, OCS_ENTRY_SIZE_MAX - 1));
	config_says("E", 7, "message_size");
}

TEST(words_and_lists_of_words_are_checked)
{
	config_load("[main]\nlog_level = DEBUG\nsync = never\nmechanisms = "
	            "plain,SCRAM-SHA-256\n" CONFIG_MINIMAL);
	config_is_fine();
	ck_assert_uint_eq(config->main.log_level, LOG_DEBUG);
	ck_assert_uint_eq(config->main.sync, OCS_SYNC_NEVER);
	ck_assert_str_eq(config->main.mechanisms, "PLAIN, SCRAM-SHA-256");
	config_load("[main]\nlog_level = loud\nsync = maybe\nmechanisms = SSHA, CRAM-MD5\n");
	config_says("E", 2, "'loud' is not error, warning, notice, info or debug");
	config_says("E", 3, "'maybe' is not interval, always or never");
	config_says("E", 4, "'CRAM-MD5' is not SCRAM-SHA-256, SSHA or PLAIN");
	config_load("[main]\nmechanisms = SSHA, SSHA\n");
	config_says("E", 2, "SSHA is listed twice");
	config_load("[main]\nmechanisms = SSHA,\n");
	config_says("E", 2, "'' is not");
}

TEST(a_separator_is_one_character_that_no_name_is_made_of)
{
	static const char *const good[] = {"/", ".", "^", "\\", "|", "~"};
	static const char *const bad[] = {"..", "a", "&", "-", "+", ",", "_", "1", "\xc3\xa4"};
	static const char format[] = "[backend:s]\nuri = s://x\nseparator = %s\n";

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		config_load_with(talloc_asprintf(config_memory, format, good[i]));
		ck_assert_int_eq(config_result, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config_load_with(talloc_asprintf(config_memory, format, bad[i]));
		ck_assert_msg(config_result != 0, "%s is taken", bad[i]);
		ck_assert_ptr_nonnull(strstr(config_problems, "separator"));
	}
	config_load_with("[backend:s]\nuri = s://x\nnames = latin1\n");
	ck_assert_int_ne(config_result, 0);
}

TEST(times_of_one_second_are_valid)
{
	config_load_with(
	        "[limits]\nfailure_window = 1\nrequest_deadline = 1\n[push]\ninterval = 1\n");
	config_is_fine();
	ck_assert_uint_eq(config->limits.request_deadline, 1);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The configuration: the table of keys, and what the parser makes of every kind of ini. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "mqueue/entry.h"
#include "notify/dispatch.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"
#include "tests/unit/test_folder.h"

#define DESIGN                                                                                     \
	"[main]\nauth = single\nregistry = run\n"                                                  \
	"[server:main]\nhost = 127.0.0.1\nport = 5000\n"                                           \
	"[auth:single]\nusername = openchange\npassword = {SSHA}abc\n"                             \
	"[backend:sogo]\nuri = sogo://{user}@mail/{folder}/{message}\n"

static char folder[TEST_FOLDER_SIZE];
static char path[TEST_FOLDER_SIZE + 16];
static void *memory;
static struct ocs_config *config;
static int result;
static char problems[16384]; /* a line each: E or W, a space, the text without the path */

static void collect(int priority, const char *text, void *arg)
{
	size_t used = strlen(problems), prefix = strlen(path);

	(void)arg;
	ck_assert_msg(strncmp(text, path, prefix) == 0, "%s", text);
	snprintf(problems + used, sizeof(problems) - used, "%s%s\n",
	         priority == LOG_ERR ? "E" : "W", text + prefix);
}

static void load_bytes(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	problems[0] = '\0';
	config = NULL;
	result = ocs_config_load(path, memory, collect, NULL, &config);
}

static void load(const char *text)
{
	load_bytes(text, strlen(text));
}

/* The design's lines, with more after them (line 12 on). */
static void load_with(const char *more)
{
	char *text = talloc_asprintf(memory, DESIGN "%s", more);

	load(text);
}

#define fine()                                                                                     \
	do {                                                                                       \
		ck_assert_str_eq(problems, "");                                                    \
		ck_assert_int_eq(result, 0);                                                       \
	} while (0)
#define says(priority, line, words)                                                                \
	do {                                                                                       \
		const char *found_ = strstr(problems, priority ":" #line ": ");                    \
		ck_assert_msg(found_ != NULL, "nothing about line " #line " in:\n%s", problems);   \
		ck_assert_msg(strstr(problems, words) != NULL, "no '%s' in:\n%s", words,           \
		              problems);                                                           \
		ck_assert_int_eq(result, strstr(problems, "E:") != NULL ? -1 : 0);                 \
	} while (0)

START_TEST(the_lines_of_the_design_are_enough)
{
	char expected[128];

	load(DESIGN);
	fine();
	ck_assert_uint_eq(config->main.auth, OCS_CONFIG_AUTH_SINGLE);
	ck_assert_str_eq(config->auth_single.username, "openchange");
	ck_assert_str_eq(config->auth_single.password, "{SSHA}abc");
	ck_assert_uint_eq(config->auth_single.password_line, 9);
	ck_assert_str_eq(config->server.host, "127.0.0.1");
	ck_assert_uint_eq(config->server.port, 5000);
	ck_assert_uint_eq(config->n_backends, 1);
	ck_assert_str_eq(config->backends[0].name, "sogo");
	ck_assert_str_eq(config->backends[0].uri, "sogo://{user}@mail/{folder}/{message}");
	ck_assert_str_eq(config->backend_names[0], "sogo");
	ck_assert_ptr_null(config->backend_names[1]);
	snprintf(expected, sizeof(expected), "%s/run", folder);
	ck_assert_str_eq(config->main.registry, expected);
	snprintf(expected, sizeof(expected), "%s/run/private/secret", folder);
	ck_assert_str_eq(config->main.secret_file, expected);
}
END_TEST

START_TEST(every_other_key_has_the_default_of_the_design)
{
	load(DESIGN);
	fine();
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
	ck_assert_uint_eq(config->mqueue.descriptors, 4096);
	ck_assert_uint_eq(config->push.interval, 60);
	ck_assert_ptr_null(config->users.map);
	ck_assert_uint_eq(config->n_accounts, 0);
}
END_TEST

START_TEST(times_of_one_second_are_valid)
{
	load_with("[limits]\nfailure_window = 1\nrequest_deadline = 1\n[push]\ninterval = 1\n");
	fine();
	ck_assert_uint_eq(config->limits.request_deadline, 1);
}
END_TEST

START_TEST(no_thread_gets_120_connections)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	load(DESIGN);
	ck_assert_uint_eq(config->server.threads, cores > 4 ? (unsigned)cores : 4);

	load("[server:main]\nconnection_limit = 30000\n" DESIGN);
	says("E", 6, "the section is there a second time");

	load("[operations]\nport = 0\n[auth:single]\nusername = a\npassword = b\n[backend:a]\n"
	     "uri = a://{user}/{folder}/{message}\n[server:main]\nconnection_limit = 12000\n");
	fine();
	ck_assert_uint_ge(config->server.threads * (OCS_CONFIG_THREAD_CONNECTIONS - 1), 12000);

	load("[auth:single]\nusername = a\npassword = b\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n"
	     "[server:main]\nthreads = 2\n");
	fine();
	ck_assert_uint_eq(config->server.threads, 2);
	ck_assert_uint_eq(config->server.connection_limit, 238);

	load("[auth:single]\nusername = a\npassword = b\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n"
	     "[server:main]\nthreads = 2\nconnection_limit = 239\n");
	says("E", 8, "2 threads serve at most 238 connections");
}
END_TEST

START_TEST(an_unknown_key_or_section_is_a_warning_and_names_the_nearest)
{
	load_with("[limits]\nfailed_login = 3\n[mqueu]\nx = 1\n[bakend:a]\nuri = x\n"
	          "[nothing-like-it]\nx = 1\n");
	says("W", 13, "failed_login is not a key of [limits]; is failed_logins meant?");
	says("W", 14, "[mqueu] is not a section of this file; is [mqueue] meant?");
	says("W", 16, "is [backend:NAME] meant?");
	says("W", 18, "[nothing-like-it] is not a section of this file\n");
	ck_assert_int_eq(result, 0);
}
END_TEST

START_TEST(what_the_old_ini_had_has_no_meaning_any_more)
{
	load("[DEFAULT]\ndebug = true\n"
	     "[main]\nauth = single\nmapistore_root = /x\nmapistore_data = /y\ndebug = yes\n"
	     "[auth:single]\nusername = openchange\npassword = {SSHA}abc\n"
	     "[server:main]\nuse = egg:Paste#http\nhost = 0.0.0.0\nport = 5000\n"
	     "[app:main]\nuse = egg:ocsmanager\nbeaker.session.key = ocsmanager\n"
	     "[loggers]\nkeys = root\n[handler_console]\nargs = (sys.stderr,)\n"
	     "[backend:sogo]\nuri = sogo://{user}/{folder}/{message}\n");
	ck_assert_int_eq(result, 0);
	says("W", 1, "[DEFAULT] has no meaning any more");
	says("W", 5, "mapistore_root has no meaning any more; see registry in [main]");
	says("W", 6, "mapistore_data has no meaning any more");
	says("W", 7, "debug has no meaning any more; see log_level = debug in [main]");
	says("W", 12, "use has no meaning any more");
	says("W", 15, "[app:main] has no meaning any more");
	says("W", 18, "[loggers] has no meaning any more");
	says("W", 20, "[handler_console] has no meaning any more");
	ck_assert_uint_eq(config->server.port, 5000);
}
END_TEST

START_TEST(every_problem_is_reported_in_the_order_of_lines)
{
	load_with("[limits]\nfailed_logins = x\nrequest_deadline = -1\n[push]\ninterval = 0\n"
	          "[mqueue]\nmessage_size = 223\n[backend:b]\nuri = b://{usr}\n");
	ck_assert_int_eq(result, -1);
	says("E", 13, "[limits] failed_logins: 'x' is not a whole number from 1");
	says("E", 14, "'-1' is not a whole number");
	says("E", 16, "'0' is not a whole number from 1");
	says("E", 18, "'223' is not a whole number from 224");
	says("E", 20, "[backend:b] uri: ");
	ck_assert(strstr(problems, ":13: ") < strstr(problems, ":14: "));
	ck_assert(strstr(problems, ":18: ") < strstr(problems, ":20: "));
}
END_TEST

START_TEST(numbers_are_decimal_and_in_range)
{
	static const char *const bad[] = {
	        "", "0x10", "1e3", "+5", "5 s", "5;", "-0", "65536", "99999999999999999999", "1.0"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char more[TEST_FOLDER_SIZE + 16];

		snprintf(more, sizeof(more), "[operations]\nport = %s\n", bad[i]);
		load_with(more);
		ck_assert_msg(result == -1, "port = %s was taken", bad[i]);
		says("E", 13, "[operations] port: ");
	}
	load_with("[operations]\nport = 65535\n");
	fine();
	load_with("[operations]\nport = 0\n");
	fine();
}
END_TEST

START_TEST(a_message_size_must_hold_the_largest_entry)
{
	char more[TEST_FOLDER_SIZE + 16];

	snprintf(more, sizeof(more), "[mqueue]\nmessage_size = %d\n", OCS_ENTRY_SIZE_MAX);
	load_with(more);
	fine();
	snprintf(more, sizeof(more), "[mqueue]\nmessage_size = %d\n", OCS_ENTRY_SIZE_MAX - 1);
	load_with(more);
	says("E", 13, "message_size");
}
END_TEST

START_TEST(a_key_twice_or_a_section_twice_is_an_error)
{
	load_with("[limits]\nfailed_logins = 3\nFailed_Logins = 4\n[push]\n[LIMITS]\n");
	says("E", 14, "the key is there a second time in its section");
	says("E", 16, "the section is there a second time");
}
END_TEST

START_TEST(a_value_is_the_rest_of_its_line)
{
	load("[main]\nregistry = run\n[auth:single]\nusername = a\n"
	     "password =  a=b # c ; {d} \"e\" \\ \t\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n");
	fine();
	ck_assert_str_eq(config->auth_single.password, "a=b # c ; {d} \"e\" \\");

	load("[auth:single]\nusername = a\npassword = \"quoted\"\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n");
	says("W", 3, "the quotes are taken as part of the value");
	ck_assert_str_eq(config->auth_single.password, "\"quoted\"");

	load_with("[users]\nmap = users.txt # the map\n");
	says("W", 13, "a comment needs a line of its own");
	load_with("[limits]\nfailed_logins = 3 # three\n");
	says("E", 13, "a comment needs a line of its own");
}
END_TEST

START_TEST(long_lines_are_not_cut)
{
	char *value = talloc_zero_array(memory, char, 20001);

	memset(value, 'x', 20000);
	load_with(talloc_asprintf(memory, "[users]\nmap = /%s\n", value));
	fine();
	ck_assert_uint_eq(strlen(config->users.map), 20001);
}
END_TEST

START_TEST(a_value_does_not_go_on_in_the_next_line)
{
	load_with("[main2]\n[users]\nmap = /a\n  /b\n");
	says("E", 15, "a value is one line");
}
END_TEST

START_TEST(indented_keys_sections_and_comments_are_as_if_they_were_not)
{
	load(" [auth:single]\n\tusername = a\n   password = b\n  # comment\n  ; another\n"
	     "\t[backend:a]\n uri = a://{user}/{folder}/{message}\n");
	fine();
	ck_assert_str_eq(config->auth_single.username, "a");
	ck_assert_str_eq(config->auth_single.password, "b");
}
END_TEST

START_TEST(a_bom_and_crlf_are_accepted)
{
	load("\xef\xbb\xbf[auth:single]\r\nusername = a\r\npassword = b\r\n\r\n[backend:a]\r\n"
	     "uri = a://{user}/{folder}/{message}");
	fine();
	ck_assert_str_eq(config->auth_single.username, "a");
	ck_assert_str_eq(config->backends[0].uri, "a://{user}/{folder}/{message}");
}
END_TEST

START_TEST(a_key_before_any_section_is_an_error)
{
	load("port = 5000\nhost = x\n" DESIGN);
	says("E", 1, "a key stands before the first [section]");
	says("E", 2, "a key stands before the first [section]");
}
END_TEST

START_TEST(lines_that_are_no_ini_are_errors_with_their_line)
{
	load_with("nonsense\n= 5\n[unclosed\n[]\n[limits] # trailing\n[push]\ninterval = 2\n/* no "
	          "comment\n");
	says("E", 12, "neither a [section] nor a `key = value`");
	says("E", 13, "there is no key before the equal sign");
	says("E", 14, "the section name has no closing bracket");
	says("E", 15, "the section has no name");
	says("E", 16, "nothing may follow the closing bracket");
	says("E", 19, "neither a [section] nor a `key = value`");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_errors_with_their_line)
{
	static const char nul[] = DESIGN "[users]\nmap = /a\0b\n";

	load_bytes(nul, sizeof(nul) - 1);
	says("E", 13, "a NUL byte");
	load_with("[users]\nmap = /\xff\xfe\n# comment with \xff\n[push]\ninterval = \x01\n"
	          "[b\xc3\xa4]\nx!y = 1\n");
	says("E", 13, "text that is not UTF-8");
	says("E", 16, "a control character");
	says("E", 17, "a character that no name has");
	ck_assert_ptr_null(strstr(problems, ":14: "));
	load_with("[users]\nmap = /\xc3\xa4!\n");
	fine();
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	char whole[TEST_FOLDER_SIZE + 16];

	problems[0] = '\0';
	unlink(path);
	ck_assert_int_eq(ocs_config_load(path, memory, collect, NULL, &config), -1);
	ck_assert_str_eq(problems, "E: No such file or directory\n");
	problems[0] = '\0';
	snprintf(whole, sizeof(whole), "%s", path);
	snprintf(path, sizeof(path), "%s", folder);
	ck_assert_int_eq(ocs_config_load(path, memory, collect, NULL, &config), -1);
	snprintf(path, sizeof(path), "%s", whole);
	ck_assert_str_eq(problems, "E: is a directory\n");
	load("\xff\xfe[");
	ck_assert_str_eq(problems, "E: is UTF-16; save it as UTF-8\n");
}
END_TEST

START_TEST(an_empty_file_lacks_what_is_required)
{
	load("");
	ck_assert_int_eq(result, -1);
	ck_assert_ptr_nonnull(strstr(problems, "E: username is missing"));
	ck_assert_ptr_nonnull(strstr(problems, "write `username = NAME` in section [auth:single]"));
	ck_assert_ptr_nonnull(strstr(problems, "W: there is no section [backend:NAME]"));
}
END_TEST

START_TEST(a_tool_reads_what_it_needs_of_an_ini_that_is_wrong_elsewhere)
{
	static const char *const main_only[] = {"main", NULL};
	static const char *const both[] = {"main", "push", NULL};

	load("");
	ck_assert_int_eq(ocs_config_load_part(path, memory, main_only, NULL, NULL, &config), 0);
	ck_assert_ptr_null(config->auth_single.password);
	load("[push]\ninterval = x\nnonsense\n[main]\nauth = file\n[limits]\nfailed_logins = y\n");
	ck_assert_int_eq(ocs_config_load_part(path, memory, main_only, NULL, NULL, &config), 0);
	ck_assert_ptr_null(config->auth_file.file);
	ck_assert_int_eq(ocs_config_load_part(path, memory, both, NULL, NULL, &config), -1);
	load("[push]\ninterval = 5\n[main]\nauth = pam\n");
	ck_assert_int_eq(ocs_config_load_part(path, memory, main_only, NULL, NULL, &config), -1);
	load("auth = file\n[main]\n");
	ck_assert_int_eq(ocs_config_load_part(path, memory, main_only, NULL, NULL, &config), -1);
}
END_TEST

START_TEST(what_is_required_depends_on_auth)
{
	load("[main]\nauth = file\n[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	ck_assert_ptr_nonnull(strstr(problems, "E: file is missing (auth = file)"));
	load("[main]\nauth = file\n[auth:file]\nfile = accounts\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n");
	fine();
	ck_assert_msg(config->auth_file.file[0] == '/', "relative to the ini's folder");
	load("[main]\nauth = ldap\n[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	says("E", 2, "ldap is not in this version");
	load_with("[backend:b]\n");
	says("E", 12, "uri is missing");
}
END_TEST

START_TEST(what_is_for_later_versions_says_so)
{
	load_with("[auth:ldap]\nhost = x\n");
	says("W", 13, "[auth:ldap] host has no effect in this version");
	load("[server:main]\ntls_cert = /x\ntls_key = /y\n");
	says("E", 2, "[server:main] tls_cert: is not in this version");
	says("E", 3, "[server:main] tls_key: is not in this version");
}
END_TEST

START_TEST(accounts_have_lists_of_patterns)
{
	load_with("[account:bob]\nbackends = sogo, x*\n[account:al@ex.org]\nusers =\n");
	says("W", 12, "[account:bob]: there is no such account");
	says("W", 14, "[account:al@ex.org]: there is no such account");
	ck_assert_uint_eq(config->n_accounts, 2);
	ck_assert_str_eq(ocs_config_account(config, "bob")->backends, "sogo, x*");
	ck_assert_ptr_null(ocs_config_account(config, "bob")->users);
	ck_assert_str_eq(ocs_config_account(config, "al@ex.org")->users, "");
	ck_assert_ptr_null(ocs_config_account(config, "nobody"));
	load_with("[account:bob]\nbackends = a,,b\n[account:b b]\n[account:]\n");
	says("E", 13, "an empty pattern");
	says("E", 14, "[account:b b]");
	says("E", 15, "[account:NAME]");
}
END_TEST

START_TEST(backends_are_in_lower_case)
{
	load_with("[backend:Dovecot]\nuri = a://{user}/{folder}/{message}\n");
	fine();
	ck_assert_str_eq(config->backends[1].name, "dovecot");
}
END_TEST

START_TEST(words_and_lists_of_words_are_checked)
{
	load("[main]\nlog_level = DEBUG\nsync = never\nmechanisms = plain,SCRAM-SHA-256\n"
	     "[auth:single]\nusername = a\npassword = b\n[backend:a]\nuri = "
	     "a://{user}/{folder}/{message}\n");
	fine();
	ck_assert_uint_eq(config->main.log_level, LOG_DEBUG);
	ck_assert_uint_eq(config->main.sync, OCS_SYNC_NEVER);
	ck_assert_str_eq(config->main.mechanisms, "PLAIN, SCRAM-SHA-256");
	load("[main]\nlog_level = loud\nsync = maybe\nmechanisms = SSHA, CRAM-MD5\n");
	says("E", 2, "'loud' is not error, warning, notice, info or debug");
	says("E", 3, "'maybe' is not interval, always or never");
	says("E", 4, "'CRAM-MD5' is not SCRAM-SHA-256, SSHA or PLAIN");
	load("[main]\nmechanisms = SSHA, SSHA\n");
	says("E", 2, "SSHA is in it twice");
	load("[main]\nmechanisms = SSHA,\n");
	says("E", 2, "'' is not");
}
END_TEST

START_TEST(hosts_users_and_ports_are_checked)
{
	load("[main]\nuser = no-such-user-here\ngroup = no-such-group-here\n"
	     "[server:main]\nhost = [::1]\nport = 5001\n[operations]\nhost = a b\n");
	says("E", 2, "there is no user 'no-such-user-here' here");
	says("E", 3, "there is no group 'no-such-group-here' here");
	says("E", 5, "an IPv6 address has no brackets here");
	says("E", 8, "is neither a host name nor an address");
	load_with("[operations]\nport = 5000\n");
	says("E", 13, "is that of [server:main] already");
}
END_TEST

/* Keys of [server:main], the first in line 7. */
static void load_server(const char *keys)
{
	load(talloc_asprintf(memory,
	                     "[auth:single]\nusername = a\npassword = b\n[backend:a]\n"
	                     "uri = a://{user}/{folder}/{message}\n[server:main]\n%s",
	                     keys));
}

START_TEST(a_socket_can_be_made_where_it_is_named)
{
	char *made = talloc_asprintf(memory, "%s/made", folder);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	load_server("socket = new\n");
	fine();
	load_server("socket = folder/new\nsocket_group = daemon\n");
	fine();
	load_server("socket = /ocs-new\n");
	fine();
	load_server("socket = one/two/new\n");
	says("E", 7, "/one, and only one level is made");
	load_server("socket = ocsmanager.ini\n");
	says("E", 7, "/ocsmanager.ini is there and is no socket");
	load_server("socket = .\n");
	says("E", 7, "is there and is no socket");
	strcpy(address.sun_path, made);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	load_server("socket = made\n");
	ck_assert_int_eq(unlink(made), 0);
	close(fd);
	fine();
	load_server("socket_group = daemon\n");
	ck_assert_str_eq(problems,
	                 "W:7: [server:main] socket_group has no effect without socket\n");
	ck_assert_int_eq(result, 0);
}
END_TEST

START_TEST(a_password_that_others_can_read_is_a_warning)
{
	load(DESIGN);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(ocs_config_load(path, memory, collect, NULL, &config), 0);
	ck_assert_str_eq(problems, "W: holds a password and every user can read it: chmod o-r\n");
}
END_TEST

START_TEST(a_problem_never_shows_a_password)
{
	load("[auth:single]\nusername = a\npassword = s3cret\npassword = s3cret2\npasswort = "
	     "s3cret\n"
	     "s3cret line\n[main]\nauth = ldap\n");
	ck_assert_int_eq(result, -1);
	ck_assert_ptr_null(strstr(problems, "s3cret"));
}
END_TEST

START_TEST(a_change_that_takes_a_restart_is_told)
{
	struct ocs_config *before;

	load(DESIGN);
	before = config;
	load_with("[operations]\nport = 6000\n[limits]\nfailed_logins = 3\n");
	problems[0] = '\0';
	char whole[TEST_FOLDER_SIZE + 16];
	snprintf(whole, sizeof(whole), "%s", path);
	path[0] = '\0';
	ocs_config_report_restart(before, config, collect, NULL);
	snprintf(path, sizeof(path), "%s", whole);
	ck_assert_str_eq(problems, "W[operations] port has changed: that takes a restart\n");
}
END_TEST

START_TEST(a_separator_is_one_character_that_no_name_is_made_of)
{
	static const char *const good[] = {"/", ".", "^", "\\", "|", "~"};
	static const char *const bad[] = {"..", "a", "&", "-", "+", ",", "_", "1", "\xc3\xa4"};
	char text[80];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[backend:s]\nuri = s://x\nseparator = %s\n", good[i]);
		load_with(text);
		ck_assert_int_eq(result, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[backend:s]\nuri = s://x\nseparator = %s\n", bad[i]);
		load_with(text);
		ck_assert_msg(result != 0, "%s is taken", bad[i]);
		ck_assert_ptr_nonnull(strstr(problems, "separator"));
	}
	load_with("[backend:s]\nuri = s://x\nnames = latin1\n");
	ck_assert_int_ne(result, 0);
}
END_TEST

START_TEST(a_change_of_a_backend_that_takes_a_restart_is_told)
{
	struct ocs_config *before;

	load_with("[backend:s]\nuri = s://x\n[backend:t]\nuri = t://x\n");
	before = config;
	load_with("[backend:s]\nuri = s://y\nseparator = .\n[backend:u]\nuri = u://x\nnames = "
	          "utf-7\n");
	problems[0] = '\0';
	char whole[TEST_FOLDER_SIZE + 16];
	snprintf(whole, sizeof(whole), "%s", path);
	path[0] = '\0';
	ocs_config_report_restart(before, config, collect, NULL);
	snprintf(path, sizeof(path), "%s", whole);
	ck_assert_str_eq(problems, "W[backend:s] separator has changed: that takes a restart\n");
}
END_TEST

START_TEST(every_row_of_the_table_is_whole)
{
	for (size_t i = 0; i < ocs_n_keys; i++) {
		const struct ocs_key *key = &ocs_keys[i];
		bool offered = key->type != OCS_KEY_LATER && key->type != OCS_KEY_UNUSED;

		ck_assert_ptr_eq(ocs_key_find(key->section, key->name), key);
		ck_assert_ptr_nonnull(ocs_key_section_find(key->section));
		ck_assert_msg(key->help != NULL && key->help[strlen(key->help) - 1] == '.',
		              "[%s] %s: the help is a sentence", key->section, key->name);
		ck_assert_msg(!offered || key->fallback != NULL || key->example != NULL,
		              "[%s] %s: the shipped ini has something to show", key->section,
		              key->name);
		ck_assert_msg(key->type != OCS_KEY_NUMBER || key->max > key->min,
		              "[%s] %s: a number has a range", key->section, key->name);
		if (key->fallback != NULL) {
			struct ocs_config scratch = {0};

			ck_assert_msg(ocs_config_value_set(key, &scratch, memory, "/",
			                                   key->fallback, NULL) == 0,
			              "[%s] %s: the default is valid", key->section, key->name);
		}
	}
}
END_TEST

START_TEST(the_shipped_ini_has_every_key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ocs_config_print_ini(out);
	ck_assert_int_eq(fclose(out), 0);
	for (size_t i = 0; i < ocs_n_keys; i++) {
		char line[128];

		if (ocs_keys[i].type == OCS_KEY_LATER || ocs_keys[i].type == OCS_KEY_UNUSED)
			continue;
		snprintf(line, sizeof(line), "\n#%s = ", ocs_keys[i].name);
		ck_assert_msg(strstr(text, line) != NULL, "%s is not in it", ocs_keys[i].name);
	}
	load(text);
	free(text);
	/* Nothing is wrong with it but what only an admin can fill in. */
	char *line = strtok(problems, "\n");
	for (; line != NULL; line = strtok(NULL, "\n"))
		ck_assert_msg(strstr(line, "is missing") != NULL ||
		                      strstr(line, "there is no section [backend:NAME]") != NULL,
		              "%s", line);
}
END_TEST

static void setup(void)
{
	memory = talloc_new(NULL);
}

static void teardown(void)
{
	talloc_free(memory);
}

int main(void)
{
	Suite *suite = suite_create("configuration");
	TCase *tests = tcase_create("ini");

	test_folder(folder, "config");
	snprintf(path, sizeof(path), "%s/ocsmanager.ini", folder);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_lines_of_the_design_are_enough);
	tcase_add_test(tests, every_other_key_has_the_default_of_the_design);
	tcase_add_test(tests, times_of_one_second_are_valid);
	tcase_add_test(tests, no_thread_gets_120_connections);
	tcase_add_test(tests, an_unknown_key_or_section_is_a_warning_and_names_the_nearest);
	tcase_add_test(tests, what_the_old_ini_had_has_no_meaning_any_more);
	tcase_add_test(tests, every_problem_is_reported_in_the_order_of_lines);
	tcase_add_test(tests, numbers_are_decimal_and_in_range);
	tcase_add_test(tests, a_message_size_must_hold_the_largest_entry);
	tcase_add_test(tests, a_key_twice_or_a_section_twice_is_an_error);
	tcase_add_test(tests, a_value_is_the_rest_of_its_line);
	tcase_add_test(tests, long_lines_are_not_cut);
	tcase_add_test(tests, a_value_does_not_go_on_in_the_next_line);
	tcase_add_test(tests, indented_keys_sections_and_comments_are_as_if_they_were_not);
	tcase_add_test(tests, a_bom_and_crlf_are_accepted);
	tcase_add_test(tests, a_key_before_any_section_is_an_error);
	tcase_add_test(tests, lines_that_are_no_ini_are_errors_with_their_line);
	tcase_add_test(tests, bytes_that_are_no_text_are_errors_with_their_line);
	tcase_add_test(tests, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(tests, an_empty_file_lacks_what_is_required);
	tcase_add_test(tests, a_tool_reads_what_it_needs_of_an_ini_that_is_wrong_elsewhere);
	tcase_add_test(tests, what_is_required_depends_on_auth);
	tcase_add_test(tests, what_is_for_later_versions_says_so);
	tcase_add_test(tests, accounts_have_lists_of_patterns);
	tcase_add_test(tests, backends_are_in_lower_case);
	tcase_add_test(tests, words_and_lists_of_words_are_checked);
	tcase_add_test(tests, hosts_users_and_ports_are_checked);
	tcase_add_test(tests, a_socket_can_be_made_where_it_is_named);
	tcase_add_test(tests, a_password_that_others_can_read_is_a_warning);
	tcase_add_test(tests, a_problem_never_shows_a_password);
	tcase_add_test(tests, a_change_that_takes_a_restart_is_told);
	tcase_add_test(tests, a_separator_is_one_character_that_no_name_is_made_of);
	tcase_add_test(tests, a_change_of_a_backend_that_takes_a_restart_is_told);
	tcase_add_test(tests, every_row_of_the_table_is_whole);
	tcase_add_test(tests, the_shipped_ini_has_every_key);
	suite_add_tcase(suite, tests);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unlink(path);
	rmdir(folder);
	return failed == 0 ? 0 : 1;
}

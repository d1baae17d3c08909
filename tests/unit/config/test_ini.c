/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The reader of ini files: what is a line, and what is wrong with one. */
#include "config/ini.h"
#include "tests/unit/config/config_rig.h"

TESTS_HAVE(.setup = config_setup, .teardown = config_teardown);

TEST(a_key_twice_or_a_section_twice_is_an_error)
{
	config_load_with("[limits]\nfailed_logins = 3\nFailed_Logins = 4\n[push]\n[LIMITS]\n");
	config_says("E", 8, "duplicate key 'Failed_Logins' in [limits], first in line 7");
	config_says("E", 10, "duplicate section [LIMITS], first in line 6");
}

TEST(a_value_is_the_rest_of_its_line)
{
	config_load("[main]\nregistry = run\n[auth:single]\nusername = a\n"
	            "password =  a=b # c ; {d} \"e\" \\ \t\n[backend:a]\nuri = "
	            "a://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_str_eq(config->auth_single.password, "a=b # c ; {d} \"e\" \\");

	config_load("[auth:single]\nusername = a\npassword = \"quoted\"\n[backend:a]\nuri = "
	            "a://{user}/{folder}/{message}\n");
	config_says("W", 3, "the quotes are part of the value");
	ck_assert_str_eq(config->auth_single.password, "\"quoted\"");

	config_load_with("[users]\nmap = users.txt # the map\n");
	config_says("W", 7, "a comment needs a line of its own");
	config_load_with("[limits]\nfailed_logins = 3 # three\n");
	config_says("E", 7, "a comment needs a line of its own");
}

TEST(long_lines_are_not_cut)
{
	config_load_with(talloc_asprintf(config_memory, "[users]\nmap = /%020000d\n", 0));
	config_is_fine();
	ck_assert_uint_eq(strlen(config->users.map), 20001);
}

TEST(a_value_does_not_go_on_in_the_next_line)
{
	config_load_with("[main2]\n[users]\nmap = /a\n  /b\n");
	config_says("E", 9, "a value is one line");
}

TEST(indented_keys_sections_and_comments_are_as_if_they_were_not)
{
	config_load(" [auth:single]\n\tusername = a\n   password = b\n  # comment\n  ; another\n"
	            "\t[backend:a]\n uri = a://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_str_eq(config->auth_single.username, "a");
	ck_assert_str_eq(config->auth_single.password, "b");
}

TEST(a_bom_and_crlf_are_accepted)
{
	config_load(
	        "\xef\xbb\xbf[auth:single]\r\nusername = a\r\npassword = b\r\n\r\n[backend:a]\r\n"
	        "uri = a://{user}/{folder}/{message}");
	config_is_fine();
	ck_assert_str_eq(config->auth_single.username, "a");
	ck_assert_str_eq(config->backends[0].uri, "a://{user}/{folder}/{message}");
}

TEST(a_key_before_any_section_is_an_error)
{
	config_load("port = 5000\nhost = x\n" CONFIG_MINIMAL);
	config_says("E", 1, "key before the first [section]");
	config_says("E", 2, "key before the first [section]");
}

TEST(lines_that_are_no_ini_are_errors_with_their_line)
{
	config_load_with(
	        "nonsense\n= 5\n[unclosed\n[]\n[limits] # trailing\n[push]\ninterval = 2\n/* no "
	        "comment\n");
	config_says("E", 6, "neither [section] nor `key = value`");
	config_says("E", 7, "no key before the equal sign");
	config_says("E", 8, "no closing bracket after the section name");
	config_says("E", 9, "the section name is empty");
	config_says("E", 10, "unexpected text after the closing bracket");
	config_says("E", 13, "neither [section] nor `key = value`");
}

TEST(bytes_that_are_no_text_are_errors_with_their_line)
{
	static const char nul[] = CONFIG_MINIMAL "[users]\nmap = /a\0b\n";

	config_load_bytes(nul, sizeof(nul) - 1);
	config_says("E", 7, "a NUL byte");
	config_load_with("[users]\nmap = /\xff\xfe\n# comment with \xff\n[push]\ninterval = \x01\n"
	                 "[b\xc3\xa4]\nx!y = 1\n");
	config_says("E", 7, "the line is not UTF-8");
	config_says("E", 10, "a control character");
	config_says("E", 11, "the section name contains a tab or a character outside ASCII");
	ck_assert_ptr_null(strstr(config_problems, ":8: "));
	config_load_with("[users]\nmap = /\xc3\xa4!\n");
	config_is_fine();
}

TEST(a_file_that_cannot_be_read_is_an_error)
{
	unlink(config_path);
	config_load_file();
	config_says_only("E: No such file or directory\n");
	ck_assert_int_eq(mkdir(config_path, 0700), 0);
	config_load_file();
	ck_assert_int_eq(rmdir(config_path), 0);
	config_says_only("E: is a directory\n");
	config_load("\xff\xfe[");
	config_says_only("E: is UTF-16; save it as UTF-8\n");
	config_load(talloc_asprintf(config_memory, "%*s", OCS_INI_SIZE_MAX + 1, ""));
	config_says_only("E: is larger than 1 MiB\n");
}

TEST(a_header_ends_at_its_first_bracket)
{
	config_load_with("[ limits\t]\t\nfailed_logins = 3\n");
	config_is_fine();
	ck_assert_uint_eq(config->limits.failed_logins, 3);
	config_load_with("[limits] # as in [main]\n[push]]\n");
	config_says_only(
	        "E:6: unexpected text after the closing bracket (a comment needs a line of its "
	        "own)\n"
	        "E:7: unexpected text after the closing bracket (a comment needs a line of its "
	        "own)\n");
}

TEST(what_follows_a_wrong_header_is_in_no_section)
{
	config_load_with(
	        "[limits]\nfailed_logins = 3\n[push\nfailed_logins = 4\nno-such-key = 1\n");
	config_says_only("E:8: no closing bracket after the section name\n");
}

TEST(names_and_lines_have_a_longest)
{
	config_load_with(
	        talloc_asprintf(config_memory, "[limits]\n%0*d = 1\n", OCS_INI_NAME_MAX, 0));
	config_says("W", 7, "000' in [limits]");
	config_load_with(
	        talloc_asprintf(config_memory, "[limits]\n%0*d = 1\n", OCS_INI_NAME_MAX + 1, 0));
	config_says_only("E:7: the key is too long\n");
	config_load_with(talloc_asprintf(config_memory, "[%0*d]\n", OCS_INI_NAME_MAX + 1, 0));
	config_says_only("E:6: the section name is too long\n");
	config_load_with(
	        talloc_asprintf(config_memory, "[users]\nmap = /%0*d\n", OCS_INI_LINE_MAX - 7, 0));
	config_is_fine();
	config_load_with(
	        talloc_asprintf(config_memory, "[users]\nmap = /%0*d\n", OCS_INI_LINE_MAX - 6, 0));
	config_says_only("E:7: the line is too long\n");
}

/* The minimal lines, then n times the text with a number in it. */
static char *many(const char *before, const char *behind, unsigned n)
{
	char *text = talloc_size(config_memory, OCS_INI_SIZE_MAX), *end = text;

	end += sprintf(end, "%s", CONFIG_MINIMAL);
	for (unsigned i = 0; i < n; i++)
		end += sprintf(end, "%s%u%s", before, i, behind);
	return text;
}

static void unexpected(unsigned line, const char *text, void *arg)
{
	(void)arg;
	ck_abort_msg("line %u: %s", line, text);
}

static unsigned long compared(char *text)
{
	struct ocs_ini *ini = talloc_zero(config_memory, struct ocs_ini);

	ck_assert_int_eq(ocs_ini_parse(ini, text, strlen(text), unexpected, NULL), 0);
	return ini->compared;
}

TEST(the_work_grows_with_the_lines_and_no_faster)
{
	config_load(many("[backend:b", "]\nuri = a://{user}/{folder}/{message}\n", 10000));
	config_is_fine();
	ck_assert_uint_eq(config->n_backends, 10001);
	ck_assert_str_eq(config->backends[10000].name, "b9999");
	ck_assert_uint_le(config->ini->compared, 20000);
	ck_assert_uint_le(compared(many("[s", "]\n", 90000)), 90000);
	ck_assert_uint_le(compared(many("k", "=\n", 100000)), 100000);
}

TEST(a_password_that_others_can_read_is_a_warning)
{
	config_load(CONFIG_MINIMAL);
	ck_assert_int_eq(chmod(config_path, 0644), 0);
	config_load_file();
	config_says_only("W: contains a password and every user can read it: chmod o-r\n");
}

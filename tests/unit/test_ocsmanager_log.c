/* The log: one call is one line, whatever is in it, and a flood of one place is cut. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ocsmanager/log.h"

static char output[65536];
static int real_stderr, fds[2];

static void capture(void)
{
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	ocs_log_open("test", true, LOG_INFO);
}

/* What was logged since, with the time of each line cut off. */
static const char *logged(void)
{
	static char stripped[65536];
	ssize_t n = read(fds[0], output, sizeof(output) - 1);

	output[n > 0 ? n : 0] = '\0';
	stripped[0] = '\0';
	for (char *line = strtok(output, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		/* 2026-11-22T18:00:00.000Z */
		ck_assert_msg(strlen(line) > 25 && line[10] == 'T' && line[19] == '.' &&
		                      line[23] == 'Z' && line[24] == ' ',
		              "no time in '%s'", line);
		strcat(stripped, line + 25);
		strcat(stripped, "\n");
	}
	return stripped;
}

static void release(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(fds[0]);
	close(fds[1]);
}

START_TEST(a_line_has_a_time_a_priority_and_the_text)
{
	ocs_log(LOG_WARNING, "%s is %d", "it", 5);
	ocs_log_text(LOG_ERR, "100%s");
	ck_assert_str_eq(logged(), "warning: it is 5\nerror: 100%s\n");
}
END_TEST

START_TEST(what_is_less_important_than_the_level_is_not_logged)
{
	ocs_log(LOG_DEBUG, "no");
	ocs_log(LOG_INFO, "yes");
	ocs_log_set_level(LOG_ERR);
	ocs_log(LOG_WARNING, "no");
	ocs_log_text(LOG_WARNING, "no");
	ocs_log_limited(LOG_WARNING, "no");
	ck_assert_str_eq(logged(), "info: yes\n");
}
END_TEST

START_TEST(a_name_from_outside_cannot_forge_a_line)
{
	ocs_log_text(LOG_INFO, "a\nb\r\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xff");
	ck_assert_str_eq(logged(),
	                 "info: a\\x0ab\\x0d\\x1b[2J\\x7f\\xc2\\x85\\xe2\\x80\\xa8\\xff\n");
	ocs_log_text(LOG_INFO, "J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x93\xa7");
	ck_assert_str_eq(logged(), "info: J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x93\xa7\n");
	ocs_log_text(LOG_INFO, "cut \xe2\x82");
	ck_assert_str_eq(logged(), "info: cut \\xe2\\x82\n");
}
END_TEST

START_TEST(a_long_text_is_cut_and_stays_one_line)
{
	char text[10000];

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ocs_log_text(LOG_INFO, text);
	const char *line = logged();
	ck_assert_uint_le(strlen(line), 2100);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(a_flood_of_one_place_is_cut_and_counted)
{
	static struct ocs_log_site site;

	for (int i = 0; i < 100; i++)
		ocs_log_at_site(&site, LOG_WARNING, "flood");
	/* Over the edge of a window twice as many. */
	int lines = 0;
	for (const char *p = logged(); (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	ck_assert_int_ge(lines, 10);
	ck_assert_int_le(lines, 21);
	ck_assert_uint_gt(site.left_out, 0);
	site.window = 0; /* as if the window were over */
	ocs_log_at_site(&site, LOG_WARNING, "next");
	ck_assert_ptr_nonnull(strstr(logged(), "lines like the one before were left out"));
	ck_assert_uint_eq(site.left_out, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = tcase_create("stderr");
	int failed;

	tcase_add_checked_fixture(tests, capture, release);
	tcase_add_test(tests, a_line_has_a_time_a_priority_and_the_text);
	tcase_add_test(tests, what_is_less_important_than_the_level_is_not_logged);
	tcase_add_test(tests, a_name_from_outside_cannot_forge_a_line);
	tcase_add_test(tests, a_long_text_is_cut_and_stays_one_line);
	tcase_add_test(tests, a_flood_of_one_place_is_cut_and_counted);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

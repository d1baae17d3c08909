/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The log: one call is one line, whatever is in it, and a flood of one place is cut. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_budget.h"
#include "tests/unit/unit.h"

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

TESTS_HAVE(.setup = capture, .teardown = release);

TEST(a_line_has_a_time_a_priority_and_the_text)
{
	ocs_log(LOG_WARNING, "%s is %d", "it", 5);
	ocs_log_text(LOG_ERR, "100%s");
	ck_assert_str_eq(logged(), "warning: it is 5\nerror: 100%s\n");
}

TEST(what_is_less_important_than_the_level_is_not_logged)
{
	ocs_log(LOG_DEBUG, "no");
	ocs_log(LOG_INFO, "yes");
	ocs_log_set_level(LOG_ERR);
	ocs_log(LOG_WARNING, "no");
	ocs_log_text(LOG_WARNING, "no");
	ocs_log_budgeted(LOG_WARNING, "kind", "", "no");
	ck_assert_str_eq(logged(), "info: yes\n");
}

TEST(a_name_from_outside_cannot_forge_a_line)
{
	ocs_log_text(LOG_INFO, "a\nb\r\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xff");
	ck_assert_str_eq(logged(),
	                 "info: a\\x0ab\\x0d\\x1b[2J\\x7f\\xc2\\x85\\xe2\\x80\\xa8\\xff\n");
	ocs_log_text(LOG_INFO, "J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x93\xa7");
	ck_assert_str_eq(logged(), "info: J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x93\xa7\n");
	ocs_log_text(LOG_INFO, "cut \xe2\x82");
	ck_assert_str_eq(logged(), "info: cut \\xe2\\x82\n");
}

TEST(a_long_text_is_cut_and_stays_one_line)
{
	char text[10000];

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ocs_log_text(LOG_INFO, text);
	const char *line = logged();
	ck_assert_uint_le(strlen(line), 2100);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}

static int64_t clock_now = 5000;

static int64_t test_clock(void)
{
	return clock_now;
}

/* All that was logged in this test. */
static const char *all_logged(void)
{
	static char all[sizeof(output)];

	strcat(all, logged());
	return all;
}

static unsigned lines_with(const char *words)
{
	unsigned count = 0;

	for (const char *p = all_logged(); (p = strstr(p, words)) != NULL; p += strlen(words))
		count++;
	return count;
}

TEST(each_kind_and_sender_has_a_budget_and_what_is_left_out_is_counted)
{
	ocs_log_budget_set_clock(test_clock);
	for (int i = 0; i < 100; i++)
		ocs_log_budgeted(LOG_WARNING, "flood", "a", "flood %d of a", i);
	ocs_log_budgeted(LOG_WARNING, "flood", "b", "flood of b");
	ocs_log_budgeted(LOG_WARNING, "login", "a", "login of a");
	ck_assert_uint_eq(lines_with(" of a\n"), 11);
	ck_assert_uint_eq(lines_with("flood of b\n"), 1);
	ck_assert_uint_eq(lines_with("login of a\n"), 1);
	ocs_log_budget_tick();
	ck_assert_uint_eq(lines_with("more lines"), 0);
	clock_now += OCS_LOG_BUDGET_WINDOW_MS;
	ocs_log_budget_tick(); /* nothing more came */
	ck_assert_uint_eq(
	        lines_with("warning: 90 more lines like this one in 10 s: flood 99 of a\n"), 1);
	ocs_log_budget_tick();
	ck_assert_uint_eq(lines_with("more lines"), 1);
	ocs_log_budgeted(LOG_WARNING, "flood", "a", "again of a");
	ck_assert_uint_eq(lines_with("again of a"), 1);
	ocs_log_budget_flush();
}

TEST(many_senders_together_have_a_budget_too_and_nothing_is_silent)
{
	unsigned long counted = 0;

	ocs_log_budget_set_clock(test_clock);
	clock_now += 10 * OCS_LOG_BUDGET_WINDOW_MS;
	for (int i = 0; i < 5000; i++) {
		char sender[20];

		snprintf(sender, sizeof(sender), "10.0.%d.%d", i / 256, i % 256);
		ocs_log_budgeted(LOG_NOTICE, "flood", sender, "flood of %s", sender);
	}
	ck_assert_uint_eq(lines_with("notice: flood of "), OCS_LOG_BUDGET_KIND);
	ocs_log_budgeted(LOG_NOTICE, "login", "10.0.0.1", "login");
	ck_assert_uint_eq(lines_with("notice: login\n"), 1);
	ocs_log_budget_flush();
	for (const char *p = all_logged(); (p = strstr(p, "notice: ")) != NULL; p++) {
		unsigned long n;

		if (sscanf(p, "notice: %lu more lines", &n) == 1 ||
		    sscanf(p, "notice: and %lu more lines", &n) == 1)
			counted += n;
	}
	ck_assert_uint_eq(counted, 5000 - OCS_LOG_BUDGET_KIND);
	ck_assert_uint_le(lines_with("more lines"), 21);
}

TEST(a_window_that_ended_without_a_tick_is_told_with_the_next_line)
{
	ocs_log_budget_set_clock(test_clock);
	clock_now += 10 * OCS_LOG_BUDGET_WINDOW_MS;
	for (int i = 0; i < 12; i++)
		ocs_log_budgeted(LOG_NOTICE, "k", "s", "line");
	clock_now += OCS_LOG_BUDGET_WINDOW_MS;
	ocs_log_budgeted(LOG_NOTICE, "k", "s", "next");
	ck_assert_ptr_nonnull(strstr(all_logged(), "2 more lines like this one in 10 s: line\n"));
	ck_assert_ptr_nonnull(strstr(all_logged(), "notice: next\n"));
}

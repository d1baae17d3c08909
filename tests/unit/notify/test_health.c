/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Why it cannot deliver: one table, told in one order, logged once for each change. */
#include "tests/unit/rig.h"

#include <stdio.h>
#include <syslog.h>

#include "notify/health.h"

static char logged[8][600];
static int priorities[8];
static size_t n_logged;
static int answer;

static void note(int priority, const char *text)
{
	ck_assert_uint_lt(n_logged, 8);
	priorities[n_logged] = priority;
	snprintf(logged[n_logged++], sizeof(logged[0]), "%s", text);
}

static int check(void *arg, struct ocs_error *reason)
{
	return answer == 0 ? 0 : ocs_error_set(reason, "%s", (const char *)arg);
}

TEST(what_is_unwell_is_the_reason_and_what_is_a_warning_is_not)
{
	struct ocs_health *health = ocs_health_new(note);
	struct ocs_health_report report;
	struct ocs_error reason = {.text = ""};

	n_logged = 0;
	ck_assert_int_eq(ocs_health_ask(health, &reason), 0);
	ocs_health_set(health, OCS_HEALTH_DROPS, OCS_HEALTH_WARNING, "%d dropped", 3);
	ck_assert_int_eq(ocs_health_ask(health, &reason), 0);
	ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_UNWELL, "no descriptors");
	ocs_health_set(health, OCS_HEALTH_STORE, OCS_HEALTH_UNWELL, "disk full");
	ck_assert_int_eq(ocs_health_ask(health, &reason), -1);
	ck_assert_str_eq(reason.text, "disk full");
	ocs_health_set(health, OCS_HEALTH_STORE, OCS_HEALTH_WELL, NULL);
	ck_assert_int_eq(ocs_health_ask(health, &reason), -1);
	ck_assert_str_eq(reason.text, "no descriptors");
	ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_WELL, NULL);
	ck_assert_int_eq(ocs_health_ask(health, NULL), 0);
	ocs_health_copy(health, OCS_HEALTH_DROPS, &report);
	ck_assert_int_eq(report.state, OCS_HEALTH_WARNING);
	ck_assert_str_eq(report.text, "3 dropped");
	ck_assert_uint_gt(report.since, 0);
	ocs_health_free(health);
}

TEST(a_change_is_logged_once_however_often_it_is_reported)
{
	struct ocs_health *health = ocs_health_new(note);

	n_logged = 0;
	for (int i = 0; i < 20; i++)
		ocs_health_set(health, OCS_HEALTH_STORE, OCS_HEALTH_UNWELL, "disk full, try %d", i);
	for (int i = 0; i < 20; i++)
		ocs_health_set(health, OCS_HEALTH_STORE, OCS_HEALTH_WELL, NULL);
	ck_assert_uint_eq(n_logged, 2);
	ck_assert_int_eq(priorities[0], LOG_ERR);
	ck_assert_str_eq(logged[0], "cannot deliver (store): disk full, try 0");
	ck_assert_int_eq(priorities[1], LOG_NOTICE);
	ck_assert_str_eq(logged[1], "delivers again (store); was: disk full, try 19");
	ocs_health_set(health, OCS_HEALTH_DROPS, OCS_HEALTH_WARNING, "3 dropped");
	ck_assert_int_eq(priorities[2], LOG_WARNING);
	ocs_health_free(health);
}

TEST(a_check_is_asked_each_time_until_it_is_taken_back)
{
	struct ocs_health *health = ocs_health_new(note);
	struct ocs_error reason = {.text = ""};

	n_logged = 0;
	answer = 0;
	ocs_health_watch(health, OCS_HEALTH_LINK, check, (void *)(uintptr_t) "no broker");
	ck_assert_int_eq(ocs_health_ask(health, &reason), 0);
	answer = -1;
	ck_assert_int_eq(ocs_health_ask(health, &reason), -1);
	ck_assert_str_eq(reason.text, "no broker");
	answer = 0;
	ck_assert_int_eq(ocs_health_ask(health, &reason), 0);
	answer = -1;
	ocs_health_watch(health, OCS_HEALTH_LINK, NULL, NULL);
	ck_assert_int_eq(ocs_health_ask(health, &reason), 0);
	ocs_health_free(health);
}

TEST(who_takes_its_check_back_while_unwell_leaves_nothing_behind)
{
	struct ocs_health *health = ocs_health_new(NULL);

	answer = -1;
	ocs_health_watch(health, OCS_HEALTH_LINK, check, (void *)(uintptr_t) "no broker");
	ck_assert_int_eq(ocs_health_ask(health, NULL), -1);
	ocs_health_watch(health, OCS_HEALTH_LINK, NULL, NULL);
	ck_assert_int_eq(ocs_health_ask(health, NULL), 0);
	ocs_health_free(health);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* An admin's questions about logins: what is answered, and what is made of an answer. */
#include <stdlib.h>
#include <string.h>

#include "auth/control.h"
#include "tests/unit/auth/auth_rig.h"

static char *answer;

static char *ask(const char *question)
{
	size_t len;

	free(answer);
	FILE *out = open_memstream(&answer, &len);
	ck_assert_ptr_nonnull(out);
	ocs_auth_control(auth, question, out);
	ck_assert_int_eq(fclose(out), 0);
	return answer;
}

static void setup(void)
{
	auth_setup();
	auth_open();
}

static void teardown(void)
{
	free(answer);
	auth_teardown();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(what_is_answered_can_be_read)
{
	struct ocs_auth_lockout one;
	const char *rest;
	size_t count;

	for (int i = 0; i < 10; i++) {
		auth_ssha("2001:db8:1:2::3", "Anna", "x");
		auth_ssha(NULL, "anna", "x");
	}
	ck_assert_int_eq(ocs_auth_control_read_head(ask("lockouts"), &count, &rest), 0);
	ck_assert_uint_eq(count, 2);
	bool local = false, far = false;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ocs_auth_control_read_one(&rest, &one), 1);
		ck_assert_int_eq(one.kind, OCS_ORIGIN_PAIR);
		ck_assert_str_eq(one.account, "anna");
		ck_assert_uint_eq(one.failures, 10);
		ck_assert_uint_eq(one.seconds, 300);
		far |= strcmp(one.address, "2001:db8:1:2::/64") == 0;
		local |= one.address[0] == '\0';
	}
	ck_assert(far && local);
	ck_assert_int_eq(ocs_auth_control_read_one(&rest, &one), 0);

	ck_assert_str_eq(ask("lockouts clear 2001:db8::/16"), "ok 1\n");
	ck_assert_str_eq(ask("lockouts clear"), "ok 1\n");
	ck_assert_int_eq(ocs_auth_control_read_head(ask("lockouts"), &count, &rest), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(ocs_auth_control_read_one(&rest, &one), 0);
}

TEST(what_is_no_question_is_an_error)
{
	static const char *const none[] = {"",
	                                   "lockout",
	                                   "lockouts ",
	                                   "LOCKOUTS",
	                                   "lockouts clear ",
	                                   "lockouts clear a b",
	                                   "lockouts cleara"};
	const char *text;
	size_t count;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ck_assert_int_eq(ocs_auth_control_read_head(ask(none[i]), &count, &text), -1);
		ck_assert_msg(strlen(text) > 10 && strchr(text, '\n') == NULL, "%s", none[i]);
	}
}

TEST(what_is_no_answer_is_not_read)
{
	static const char *const heads[] = {"", "ok", "ok 1", "ok x\n", "ok 1 2\n", "okay 1\n"};
	static const char *const lines[] = {
	        "pair",
	        "pair\ta\t1.2.3.4\t1",
	        "pair\ta\t1.2.3.4\t1\t2",
	        "pair\ta\t1.2.3.4\tx\t2\n",
	        "pair\ta\t1.2.3.4\t1\t2 \n",
	        "user\ta\t1.2.3.4\t1\t2\n",
	        "averylongkindofthem\ta\t1.2.3.4\t1\t2\n",
	        "pair\ta\t1111111111111111111111111111111111111111111111111111111111111111\t1\t2\n",
	        "\n",
	};
	struct ocs_auth_lockout one;
	const char *text;
	size_t count;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		char *head = strdup(heads[i]);

		ck_assert_msg(ocs_auth_control_read_head(head, &count, &text) == -1, "%s",
		              heads[i]);
		free(head);
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		text = lines[i];
		ck_assert_msg(ocs_auth_control_read_one(&text, &one) == -1, "%s", lines[i]);
	}
}

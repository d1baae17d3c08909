/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* That memory was out is a code, which no later error inherits. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "base/refusal.h"

TEST(an_error_says_by_a_code_that_memory_was_out)
{
	struct ocs_error error = {.text = ""}, other = {.text = ""};

	ck_assert_int_eq(ocs_error_memory(&error), -1);
	ck_assert_str_eq(error.text, "out of memory");
	ck_assert(error.no_memory);
	ck_assert_int_eq(ocs_error_pass(&other, &error), -1);
	ck_assert_str_eq(other.text, "out of memory");
	ck_assert(other.no_memory);
	ocs_error_set(&error, "out of paper");
	ck_assert(!error.no_memory);
	ck_assert_int_eq(ocs_error_memory_of(&error, "a/b"), -1);
	ck_assert_str_eq(error.text, "a/b: out of memory");
	ck_assert(error.no_memory);
	ck_assert_int_eq(ocs_error_wrap(&other, &error, "c: %s", error.text), -1);
	ck_assert_str_eq(other.text, "c: a/b: out of memory");
	ck_assert(other.no_memory);
	ck_assert_int_eq(ocs_error_memory(NULL), -1);
	ck_assert_int_eq(ocs_error_pass(NULL, &error), -1);
}

TEST(so_does_a_refusal)
{
	struct ocs_refusal refusal;

	ck_assert_int_eq(ocs_refuse_memory(&refusal), -1);
	ck_assert_int_eq(refusal.code, 500);
	ck_assert_str_eq(refusal.name, "INTERNAL");
	ck_assert(refusal.no_memory);
	ocs_refuse(&refusal, 500, "INTERNAL", "out of memory, says the broker");
	ck_assert(!refusal.no_memory);
}

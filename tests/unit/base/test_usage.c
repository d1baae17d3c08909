/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What is a number on a command line. */
#include "tests/unit/unit.h"

#include "base/usage.h"

TEST(a_number_is_digits_alone_and_within_its_bounds)
{
	static const char *const wrong[] = {"",   "-1", "+5",   " 5",  "5 ",
	                                    "5x", "x",  "0x10", "1e3", "18446744073709551616"};
	uint64_t number = 77;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(!ocs_usage_number(wrong[i], 10, 0, UINT64_MAX, &number), "'%s'",
		              wrong[i]);
	ck_assert(!ocs_usage_number("4", 10, 5, 9, &number));
	ck_assert(!ocs_usage_number("10", 10, 5, 9, &number));
	ck_assert_uint_eq(number, 77);
	ck_assert(ocs_usage_number("5", 10, 5, 9, &number) && number == 5);
	ck_assert(ocs_usage_number("9", 10, 5, 9, &number) && number == 9);
	ck_assert(ocs_usage_number("18446744073709551615", 10, 0, UINT64_MAX, &number));
	ck_assert_uint_eq(number, UINT64_MAX);
}

TEST(a_set_of_bits_may_be_hex)
{
	uint64_t number;

	ck_assert(ocs_usage_number("0x10", 0, 1, 255, &number) && number == 16);
	ck_assert(ocs_usage_number("16", 0, 1, 255, &number) && number == 16);
	ck_assert(!ocs_usage_number("-0x10", 0, 1, UINT64_MAX, &number));
	ck_assert(!ocs_usage_number("0xg", 0, 1, 255, &number));
}

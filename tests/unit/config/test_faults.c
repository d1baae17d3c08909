/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* An ini of which any call that reads it fails: it is what it says, or is refused with a reason. */
#include "tests/unit/config/config_rig.h"
#include "tests/unit/faults.h"

static int load_it(void)
{
	config_load_file();
	return config_result;
}

static void it_is_whole_or_refused(int result, bool failed)
{
	if (result != 0) {
		ck_assert_msg(strstr(config_problems, "E:") != NULL, "%s: says only '%s'",
		              faults_last(), config_problems);
		config_load_file();
	}
	if (result != 0 || !failed)
		config_is_fine();
	ck_assert_uint_eq(config->n_backends, 2);
	ck_assert_str_eq(config->backend_names[1], "other");
	ck_assert_str_eq(config->backend_uris[1], "other://{user}/{folder}/{message}");
	ck_assert_str_eq(config->auth_single.username, "a");
	talloc_free(config);
}

TESTS_HAVE(.setup = config_setup, .teardown = config_teardown);

TEST(an_ini_is_read_whole_or_refused_with_a_reason_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "an ini is read", .after = it_is_whole_or_refused, .run = load_it};

	config_load_with("[backend:other]\nuri = other://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(15));
}

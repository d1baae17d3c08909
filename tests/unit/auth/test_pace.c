/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What a name that a directory has not is held back for. */
#include "auth/pace.h"

#include "tests/unit/unit.h"

static struct ocs_pace pace;

static void take(struct ocs_pace_times *times, unsigned count, uint64_t ns)
{
	for (unsigned i = 0; i < count; i++)
		ocs_pace_add(times, ns);
}

TEST(nothing_is_owed_before_both_were_seen)
{
	ck_assert_uint_eq(ocs_pace_owed(&pace), 0);
	take(&pace.unknown, 3, 100);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 0);
	take(&pace.known, 1, 500);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 400);
}

TEST(what_is_owed_is_between_the_medians)
{
	take(&pace.unknown, 20, 100);
	take(&pace.known, 20, 1000);
	/* one that had to connect, say */
	take(&pace.unknown, 9, 1000000);
	take(&pace.known, 9, 1000000);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 900);
}

TEST(only_the_newest_count)
{
	take(&pace.unknown, OCS_PACE_KEPT, 100);
	take(&pace.known, OCS_PACE_KEPT, 1000);
	take(&pace.known, OCS_PACE_KEPT / 2, 50);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 900);
	take(&pace.known, 1, 50);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 0);
	take(&pace.known, OCS_PACE_KEPT, 150);
	ck_assert_uint_eq(ocs_pace_owed(&pace), 50);
}

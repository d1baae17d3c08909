/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The daemon lives on when its memory is out: each allocation fails once while something is
 * reported; then it is reported again, which succeeds, and arrives. */
#include "tests/unit/notify/dispatch_rig.h"
#include "tests/faults/calls.h"
#include "ocsnotify.h"

#define REPORTS 40 /* more than a hash table takes before it grows */

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(each_allocation_that_fails_is_an_error_and_the_next_try_succeeds)
{
	struct ocs_registry_queue queue =
	        dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, OCSNOTIFY_NEWMAIL, 0, NULL);
	int refused = 0, failed = 0;

	dispatch_subscribe(&queue, 1);
	dispatch_start();
	for (int round = 0; round < REPORTS; round++) {
		char folder[32], message[32], id[32];
		struct ocs_notification event = dispatch_event(OCS_NEWMAIL, folder, message);
		bool has_failed = true;

		for (int n = 0; has_failed; n++) {
			struct ocs_result result;

			snprintf(folder, sizeof(folder), "folder %d.%d", round, n);
			snprintf(message, sizeof(message), "%d.%d", round, n);
			snprintf(id, sizeof(id), "id %d.%d", round, n);
			event.id = id;
			/* One alone often hits what can be done without, and tables grow after it.
			 */
			if (round % 2 == 0)
				calls_fail(CALLS_OWN_MEMORY, n, true);
			else
				calls_fail(CALLS_OWN_MEMORY, n, false);
			result = dispatch_report(&event);
			has_failed = calls_have_failed();
			failed += has_failed;
			if (result.status == OCS_STATUS_REFUSED) {
				refused++;
				result = dispatch_report(&event);
			}
			ck_assert_int_eq(result.status, OCS_STATUS_QUEUED);
		}
	}
	ck_assert_int_gt(failed, REPORTS);
	ck_assert_int_gt(refused, 0); /* the first: there is no table yet */
	dispatch_stop();
}

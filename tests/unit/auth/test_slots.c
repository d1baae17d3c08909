/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The bounded semaphore of password hashing. */
#include <pthread.h>
#include <stddef.h>

#include "auth/slots.h"
#include "tests/unit/unit.h"

static void *take_slot(void *slots)
{
	return ocs_slots_take(slots) ? slots : NULL;
}

TEST(slots_queue_up_to_their_bounds)
{
	struct ocs_slots *slots = ocs_slots_new(1, 1, 10000), *none = ocs_slots_new(1, 0, 10000),
	                 *brief = ocs_slots_new(1, 5, 20);
	pthread_t thread;
	void *got;

	/* the one that waits gets the slot when it is given back */
	ck_assert(ocs_slots_take(slots));
	ck_assert_int_eq(pthread_create(&thread, NULL, take_slot, slots), 0);
	ocs_slots_give(slots);
	ck_assert_int_eq(pthread_join(thread, &got), 0);
	ck_assert_ptr_eq(got, slots);
	/* a queue of none refuses at once, a brief one after its time */
	ck_assert(ocs_slots_take(none));
	ck_assert(!ocs_slots_take(none));
	ck_assert(ocs_slots_take(brief));
	ck_assert(!ocs_slots_take(brief));
	ocs_slots_give(brief);
	ck_assert(ocs_slots_take(brief));
	ocs_slots_free(slots);
	ocs_slots_free(none);
	ocs_slots_free(brief);
}

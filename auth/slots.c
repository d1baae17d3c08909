/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A bounded semaphore with a bounded queue. Memory only.
 */
#include "auth/slots.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct ocs_slots {
	pthread_mutex_t mutex;
	pthread_cond_t freed;
	unsigned free;
	unsigned waiting;
	unsigned waiting_max;
	unsigned wait_ms;
};

struct ocs_slots *ocs_slots_new(unsigned slots, unsigned waiting, unsigned wait_ms)
{
	struct ocs_slots *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return NULL;
	s->free = slots;
	s->waiting_max = waiting;
	s->wait_ms = wait_ms;
	rc = ocs_clock_condition(&s->freed);
	if (rc == 0 && pthread_mutex_init(&s->mutex, NULL) != 0) {
		pthread_cond_destroy(&s->freed);
		rc = -1;
	}
	if (rc != 0) {
		free(s);
		return NULL;
	}
	return s;
}

void ocs_slots_free(struct ocs_slots *slots)
{
	if (!slots)
		return;
	pthread_cond_destroy(&slots->freed);
	pthread_mutex_destroy(&slots->mutex);
	free(slots);
}

bool ocs_slots_take(struct ocs_slots *slots)
{
	struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + slots->wait_ms);
	int rc = 0;

	pthread_mutex_lock(&slots->mutex);
	if (slots->free == 0 && slots->waiting >= slots->waiting_max) {
		pthread_mutex_unlock(&slots->mutex);
		return false;
	}
	slots->waiting++;
	while (slots->free == 0 && rc == 0)
		rc = pthread_cond_timedwait(&slots->freed, &slots->mutex, &until);
	slots->waiting--;
	bool got = slots->free > 0;
	if (got)
		slots->free--;
	pthread_mutex_unlock(&slots->mutex);
	return got;
}

void ocs_slots_give(struct ocs_slots *slots)
{
	pthread_mutex_lock(&slots->mutex);
	slots->free++;
	pthread_cond_signal(&slots->freed);
	pthread_mutex_unlock(&slots->mutex);
}

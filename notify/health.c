/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Why the daemon cannot deliver now, as its parts have said it. Any thread; touches nothing but its
 * own memory, under its own lock, and the log.
 */
#include "notify/health.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

#define MEMORY_CALM_MS 2000
#define MEMORY_TRIAL   (1024 * 1024) /* more than any thread has left over */

struct ocs_health {
	ocs_log_fn *log;
	pthread_mutex_t lock; /* of the reports; held for a copy */
	struct ocs_health_report reports[OCS_HEALTH_SOURCES];
	atomic_uint_fast64_t no_memory; /* when it was last missing, CLOCK_MONOTONIC ms */
	pthread_mutex_t watch_lock;     /* held while the checks run */
	struct {
		ocs_health_check_fn *check;
		void *arg;
	} watches[OCS_HEALTH_SOURCES];
};

static const char *const words[OCS_HEALTH_SOURCES] = {
#define X(name, word) word,
        OCS_HEALTH_LIST(X)
#undef X
};

struct ocs_health *ocs_health_new(ocs_log_fn *log)
{
	struct ocs_health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return NULL;
	health->log = log;
	pthread_mutex_init(&health->lock, NULL);
	pthread_mutex_init(&health->watch_lock, NULL);
	return health;
}

void ocs_health_free(struct ocs_health *health)
{
	if (health == NULL)
		return;
	pthread_mutex_destroy(&health->lock);
	pthread_mutex_destroy(&health->watch_lock);
	free(health);
}

const char *ocs_health_word(enum ocs_health_source source)
{
	return words[source];
}

static void log_change(const struct ocs_health *health, enum ocs_health_source source,
                       const struct ocs_health_report *before, const struct ocs_health_report *now)
{
	char text[2 * OCS_ERROR_MAX];
	int priority = LOG_NOTICE;

	if (health->log == NULL)
		return;
	switch (now->state) {
	case OCS_HEALTH_UNWELL:
		priority = LOG_ERR;
		snprintf(text, sizeof(text), "cannot deliver (%s): %s", words[source], now->text);
		break;
	case OCS_HEALTH_WARNING:
		priority = LOG_WARNING;
		snprintf(text, sizeof(text), "%s: %s", words[source], now->text);
		break;
	case OCS_HEALTH_WELL:
		snprintf(text, sizeof(text), "%s (%s); was: %s",
		         before->state == OCS_HEALTH_UNWELL ? "delivers again" : "recovered",
		         words[source], before->text);
		break;
	}
	health->log(priority, text);
}

void ocs_health_set(struct ocs_health *health, enum ocs_health_source source,
                    enum ocs_health_state state, const char *format, ...)
{
	struct ocs_health_report now = {.state = state}, before;
	char text[sizeof(now.text)];
	va_list args;

	if (format != NULL && state != OCS_HEALTH_WELL) {
		va_start(args, format);
		if (vsnprintf(text, sizeof(text), format, args) >= 0)
			ocs_utf8_show(text, now.text, sizeof(now.text));
		va_end(args);
	}
	pthread_mutex_lock(&health->lock);
	before = health->reports[source];
	now.since = before.state == state ? before.since : (uint64_t)time(NULL);
	health->reports[source] = now;
	pthread_mutex_unlock(&health->lock);
	if (before.state != state)
		log_change(health, source, &before, &now);
}

void ocs_health_copy(struct ocs_health *health, enum ocs_health_source source,
                     struct ocs_health_report *out)
{
	pthread_mutex_lock(&health->lock);
	*out = health->reports[source];
	pthread_mutex_unlock(&health->lock);
}

enum ocs_health_state ocs_health_state(struct ocs_health *health, enum ocs_health_source source)
{
	enum ocs_health_state state;

	pthread_mutex_lock(&health->lock);
	state = health->reports[source].state;
	pthread_mutex_unlock(&health->lock);
	return state;
}

void ocs_health_watch(struct ocs_health *health, enum ocs_health_source source,
                      ocs_health_check_fn *check, void *arg)
{
	pthread_mutex_lock(&health->watch_lock);
	health->watches[source].check = check;
	health->watches[source].arg = arg;
	if (check == NULL)
		ocs_health_set(health, source, OCS_HEALTH_WELL, NULL);
	pthread_mutex_unlock(&health->watch_lock);
}

void ocs_health_no_memory(struct ocs_health *health)
{
	if (health == NULL)
		return;
	atomic_store(&health->no_memory, ocs_clock_ms());
	ocs_health_set(health, OCS_HEALTH_MEMORY, OCS_HEALTH_UNWELL,
	               "out of memory: requests are refused; check the limits of this process "
	               "(RLIMIT_AS, MemoryMax=) and the machine's free memory");
}

static void try_memory(struct ocs_health *health)
{
	void *volatile trial;

	if (ocs_health_state(health, OCS_HEALTH_MEMORY) == OCS_HEALTH_WELL ||
	    ocs_clock_ms() - atomic_load(&health->no_memory) < MEMORY_CALM_MS)
		return;
	trial = malloc(MEMORY_TRIAL);
	if (trial != NULL)
		ocs_health_set(health, OCS_HEALTH_MEMORY, OCS_HEALTH_WELL, NULL);
	free(trial);
}

static void run_checks(struct ocs_health *health)
{
	try_memory(health);
	pthread_mutex_lock(&health->watch_lock);
	for (int i = 0; i < OCS_HEALTH_SOURCES; i++) {
		enum ocs_health_source source = (enum ocs_health_source)i;
		struct ocs_error why = {.text = ""};

		if (health->watches[i].check == NULL)
			continue;
		if (health->watches[i].check(health->watches[i].arg, &why) == 0)
			ocs_health_set(health, source, OCS_HEALTH_WELL, NULL);
		else
			ocs_health_set(health, source, OCS_HEALTH_UNWELL, "%s", why.text);
	}
	pthread_mutex_unlock(&health->watch_lock);
}

int ocs_health_ask(struct ocs_health *health, struct ocs_error *reason)
{
	int result = 0;

	run_checks(health);
	pthread_mutex_lock(&health->lock);
	for (int i = 0; i < OCS_HEALTH_SOURCES && result == 0; i++)
		if (health->reports[i].state == OCS_HEALTH_UNWELL)
			result = ocs_error_set(reason, "%s", health->reports[i].text);
	pthread_mutex_unlock(&health->lock);
	return result;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Limits lines of the log: a table of slots, one for each kind and sender that logged lately.
 * Touches the log; one lock.
 */
#include "base/clock.h"
#include "base/log_budget.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fnv.h"
#include "base/log.h"
#include "base/plural.h"

#define SLOTS        512
#define PROBES       8  /* places a pair may take; where all are taken, its sender is "others" */
#define SUMMARY_MAX  20 /* lines about single senders at a time; the rest is one line */
#define KIND_SIZE    41
#define SENDER_SIZE  181
#define EXAMPLE_SIZE 200

struct slot {
	char kind[KIND_SIZE], sender[SENDER_SIZE];
	int64_t ends; /* of the window; 0: the slot is free */
	unsigned lines;
	uint64_t left_out;
	int priority;
	char example[EXAMPLE_SIZE]; /* the last line that was left out */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static struct slot table[SLOTS];
static int64_t (*clock_ms)(void);

static int64_t now_ms(void)
{
	return clock_ms != NULL ? clock_ms() : (int64_t)ocs_clock_ms();
}

void ocs_log_budget_set_clock(int64_t (*now)(void))
{
	clock_ms = now;
}

static uint32_t budget_hash(const char *kind, const char *sender)
{
	uint32_t value = ocs_fnv32_step(ocs_fnv32(OCS_FNV32, kind, strlen(kind)), 0xff);

	return ocs_fnv32(value, sender, strlen(sender));
}

/* A line about what was left out, outside the lock. */
struct summary {
	uint64_t left_out;
	int priority;
	char example[EXAMPLE_SIZE];
};

static bool budget_take(struct slot *slot, struct summary *out)
{
	bool any = slot->left_out != 0;

	if (any) {
		*out = (struct summary){.left_out = slot->left_out, .priority = slot->priority};
		memcpy(out->example, slot->example, sizeof(out->example));
	}
	slot->ends = 0;
	slot->left_out = 0;
	return any;
}

static void budget_tell(const struct summary *summary)
{
	ocs_log(summary->priority, "%llu more %s like this one in %d s: %s",
	        (unsigned long long)summary->left_out,
	        ocs_plural(summary->left_out, "line", "lines"), OCS_LOG_BUDGET_WINDOW_MS / 1000,
	        summary->example);
}

/* Under the lock. The pair's slot with an open window; NULL: its places are taken. What a window
 * that has ended leaves to say goes to *old. */
static struct slot *budget_find(const char *kind, const char *sender, int64_t now,
                                struct summary *old)
{
	uint32_t first = budget_hash(kind, sender);
	struct slot *vacant = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct slot *slot = &table[(first + i) % SLOTS];

		if (slot->ends != 0 && strcmp(slot->kind, kind) == 0 &&
		    strcmp(slot->sender, sender) == 0) {
			if (slot->ends > now)
				return slot;
			budget_take(slot, old);
			vacant = slot;
			break;
		}
		if (vacant == NULL &&
		    (slot->ends == 0 || (slot->ends <= now && slot->left_out == 0)))
			vacant = slot;
	}
	if (vacant == NULL)
		return NULL;
	memset(vacant, 0, sizeof(*vacant));
	memcpy(vacant->kind, kind, strlen(kind) + 1);
	memcpy(vacant->sender, sender, strlen(sender) + 1);
	vacant->ends = now + OCS_LOG_BUDGET_WINDOW_MS;
	return vacant;
}

/* Under the lock. Whether the line may be written. */
static bool budget_spend(const char *kind, const char *sender, int priority, const char *text,
                         int64_t now, struct summary old[3])
{
	struct slot *all = budget_find(kind, "\001all", now, &old[0]);
	struct slot *one = budget_find(kind, sender, now, &old[1]);

	if (one == NULL)
		one = budget_find(kind, "\001others", now, &old[2]);
	if (one == NULL)
		one = all != NULL ? all : &table[budget_hash(kind, "") % SLOTS];
	if (one->lines < OCS_LOG_BUDGET_SENDER &&
	    (all == NULL || all->lines < OCS_LOG_BUDGET_KIND)) {
		one->lines++;
		if (all != NULL && all != one)
			all->lines++;
		return true;
	}
	one->left_out++;
	one->priority = priority;
	snprintf(one->example, sizeof(one->example), "%.*s", EXAMPLE_SIZE - 1, text);
	return false;
}

void ocs_log_budgeted(int priority, const char *kind, const char *sender, const char *format, ...)
{
	char text[2048], short_kind[KIND_SIZE], short_sender[SENDER_SIZE];
	struct summary old[3] = {{.left_out = 0}};
	va_list args;
	bool may;

	if (!ocs_log_wanted(priority))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(short_kind, sizeof(short_kind), "%s", kind);
	snprintf(short_sender, sizeof(short_sender), "%s", sender);
	pthread_mutex_lock(&lock);
	may = budget_spend(short_kind, short_sender, priority, text, now_ms(), old);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 3; i++)
		if (old[i].left_out != 0)
			budget_tell(&old[i]);
	if (may)
		ocs_log_text(priority, text);
}

static void budget_tell_ended(int64_t now)
{
	struct summary summary, rest = {.left_out = 0};
	unsigned told = 0, senders = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		bool any = false;

		pthread_mutex_lock(&lock);
		if (table[i].ends != 0 && table[i].ends <= now)
			any = budget_take(&table[i], &summary);
		pthread_mutex_unlock(&lock);
		if (any && told < SUMMARY_MAX) {
			budget_tell(&summary);
			told++;
		} else if (any) {
			rest.left_out += summary.left_out;
			if (senders == 0 || summary.priority < rest.priority)
				rest.priority = summary.priority;
			senders++;
		}
	}
	if (senders != 0)
		ocs_log(rest.priority, "and %llu more %s about %u %s",
		        (unsigned long long)rest.left_out,
		        ocs_plural(rest.left_out, "line", "lines"), senders,
		        ocs_plural(senders, "other", "others"));
}

void ocs_log_budget_tick(void)
{
	budget_tell_ended(now_ms());
}

void ocs_log_budget_flush(void)
{
	budget_tell_ended(INT64_MAX);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Memory or spool: see keep.h. */
#include "lib.h"
#include "time-util.h"

#include "keep.h"
#include "waiting.h"
#include "spool.h"

/* Another process sends, or has just written: look again. */
#define BUSY_MSECS 1000
/* More ends of files than there can be files: one that cannot be removed. */
#define ENDS_MAX 100

static struct {
	bool sending;        /* this process has the spool's lock */
	unsigned int loaded; /* waiting events that are in the spool too */
	unsigned int count;
} keep;

static long long now_msecs(void)
{
	struct timeval now;

	i_gettimeofday(&now);
	return (long long)now.tv_sec * 1000 + now.tv_usec / 1000;
}

void ocs_keep_init(const char *folder)
{
	i_zero(&keep);
	ocs_spool_init(folder);
}

void ocs_keep_deinit(void)
{
	ocs_spool_deinit();
}

void ocs_keep_drop(struct ocs_event *event)
{
	if (event->place >= 0) {
		ocs_spool_done(event->place);
		keep.loaded--;
	}
	ocs_waiting_drop(event);
}

/* They are in the spool still, and are read again when it is time. */
static void forget_loaded(void)
{
	struct ocs_event *event = ocs_waiting_head(), *next;

	for (; event != NULL; event = next) {
		next = event->next;
		if (event->place >= 0)
			ocs_waiting_drop(event);
	}
	keep.loaded = 0;
	ocs_spool_rewind();
}

static void stop_sending(void)
{
	keep.sending = FALSE;
	ocs_spool_unlock();
}

void ocs_keep_events(void)
{
	struct ocs_event *event = ocs_waiting_head(), *next;

	if (event == NULL || !ocs_spool_usable())
		return;
	for (; event != NULL; event = next) {
		bool kept = FALSE;

		next = event->next;
		if (event->place >= 0)
			continue;
		T_BEGIN
		{
			kept = ocs_spool_append(event->xml);
		}
		T_END;
		if (!kept)
			break; /* the later ones stay behind it */
		keep.count++;
		ocs_waiting_drop(event);
	}
}

/* Fills the waiting list from the spool. 1: with something; 0: there will be more; -1: it is empty.
 */
static int load(unsigned int max)
{
	unsigned int ends = 0;
	int ret = 1;

	while (keep.loaded < max && ret >= 0 && ends < ENDS_MAX) {
		T_BEGIN
		{
			const char *xml;
			off_t place;

			ret = ocs_spool_read(&xml, &place);
			if (ret > 0) {
				ocs_waiting_put(xml, place);
				keep.loaded++;
			} else if (ret == 0 && keep.loaded == 0) {
				ocs_spool_next();
				ends++;
			}
		}
		T_END;
		/* what was read of a file is done before the next one is begun */
		if (ret == 0 && keep.loaded > 0)
			break;
	}
	return keep.loaded > 0 ? 1 : ret < 0 ? -1 : 0;
}

/* Whether this process may send what is in the spool now. */
static bool begin_sending(unsigned int *wait_msecs_r)
{
	struct ocs_spool_away away;
	long long now = now_msecs();

	ocs_spool_away_get(&away);
	if (now >= away.until_msecs && !ocs_spool_lock()) {
		*wait_msecs_r = BUSY_MSECS;
		return FALSE;
	}
	/* another one may have tried in the meantime */
	ocs_spool_away_get(&away);
	if (now < away.until_msecs) {
		*wait_msecs_r = (unsigned int)(away.until_msecs - now);
		ocs_spool_unlock();
		return FALSE;
	}
	return TRUE;
}

bool ocs_keep_ready(unsigned int max, unsigned int *wait_msecs_r)
{
	struct ocs_spool_away away;
	int ret;

	if (!ocs_spool_usable())
		return TRUE;
	if (!keep.sending) {
		ocs_spool_away_get(&away);
		if (!ocs_spool_waiting() && now_msecs() >= away.until_msecs)
			return TRUE;
	}
	/* behind what is there */
	ocs_keep_events();
	if (keep.loaded > 0)
		return TRUE;
	if (!keep.sending && !begin_sending(wait_msecs_r))
		return FALSE;
	keep.sending = TRUE;
	ret = load(max);
	if (ret <= 0)
		stop_sending();
	*wait_msecs_r = BUSY_MSECS;
	return ret != 0;
}

long long ocs_keep_since_msecs(void)
{
	struct ocs_spool_away away;

	ocs_spool_away_get(&away);
	return away.since_msecs;
}

unsigned int ocs_keep_backoff_msecs(void)
{
	struct ocs_spool_away away;

	ocs_spool_away_get(&away);
	return away.backoff_msecs;
}

void ocs_keep_away(long long since_msecs, unsigned int wait_msecs, unsigned int backoff_msecs)
{
	struct ocs_spool_away away = {
	        .since_msecs = since_msecs,
	        .until_msecs = now_msecs() + I_MIN(wait_msecs, OCS_SPOOL_AWAY_MAX_MSECS),
	        .backoff_msecs = backoff_msecs,
	};

	if (!ocs_spool_usable())
		return;
	forget_loaded();
	ocs_keep_events();
	/* who has the lock otherwise finds out for itself */
	if (ocs_spool_lock())
		ocs_spool_away_set(&away);
	stop_sending();
}

void ocs_keep_answered(void)
{
	struct ocs_spool_away away;

	ocs_spool_away_get(&away);
	if (away.since_msecs == 0 || !ocs_spool_lock())
		return;
	i_zero(&away);
	ocs_spool_away_set(&away);
	if (!keep.sending)
		ocs_spool_unlock();
}

bool ocs_keep_sending(void)
{
	return keep.sending;
}

void ocs_keep_finish(void)
{
	forget_loaded();
	ocs_keep_events();
	stop_sending();
}

unsigned int ocs_keep_count(bool clear)
{
	unsigned int count = keep.count;

	if (clear)
		keep.count = 0;
	return count;
}

const char *ocs_keep_hint(void)
{
	return ocs_spool_hint();
}

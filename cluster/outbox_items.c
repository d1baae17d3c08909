/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The messages, the lists they are in, and whether the broker is away. Touches no connection, no
 * disk.
 */
#include "cluster/outbox_internal.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>
#include <utlist.h>

#include "base/fnv.h"

#define DELAY_FIRST 50 /* ms after the first refusal; doubles */
#define DELAY_MOST  2000

struct ocs_outbox_item *ocs_outbox_item_new(struct ocs_message *message)
{
	struct ocs_outbox_item *item = calloc(1, sizeof(*item));

	if (item == NULL)
		return NULL;
	item->message = message;
	item->hash = ocs_fnv32(OCS_FNV32, message->id, strlen(message->id));
	item->properties = ocs_outbox_properties(message);
	return item;
}

void ocs_outbox_item_shorten(struct ocs_outbox_item *item)
{
	item->message->ids = NULL;
	item->message->ids_len = 0;
	item->properties = ocs_outbox_properties(item->message);
}

void ocs_outbox_item_leave(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	switch (item->place) {
	case OCS_AT_NONE:
		break;
	case OCS_AT_PENDING:
		DL_DELETE(outbox->pending, item);
		break;
	case OCS_AT_WINDOW:
		outbox->window[item->tag % OCS_OUTBOX_WINDOW].item = NULL;
		break;
	case OCS_AT_DELAYED:
		DL_DELETE(outbox->delayed, item);
		break;
	case OCS_AT_SPOOLING:
		DL_DELETE(outbox->spooling, item);
		break;
	}
	item->place = OCS_AT_NONE;
}

void ocs_outbox_to_pending(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	DL_APPEND(outbox->pending, item);
	item->place = OCS_AT_PENDING;
}

void ocs_outbox_to_delayed(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	struct ocs_outbox_item *after = outbox->delayed != NULL ? outbox->delayed->prev : NULL;
	unsigned delay = DELAY_FIRST;

	for (unsigned i = 0; i < item->nacks && delay < DELAY_MOST; i++)
		delay *= 2;
	item->nacks++;
	item->due = ocs_clock_ms() + (delay < DELAY_MOST ? delay : DELAY_MOST);
	/* Few are due later than this one: it is sought from the end. */
	while (after != NULL && after->due > item->due)
		after = after == outbox->delayed ? NULL : after->prev;
	DL_APPEND_ELEM(outbox->delayed, after, item);
	item->place = OCS_AT_DELAYED;
}

void ocs_outbox_to_spooling(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	DL_APPEND(outbox->spooling, item);
	item->place = OCS_AT_SPOOLING;
}

void ocs_outbox_forget_number(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	DL_DELETE2(outbox->from_spool, item, before, after);
	outbox->n_from_spool--;
	outbox->n_undisturbed -= item->nacks == 0;
	item->number = 0;
}

void ocs_outbox_take_out(struct ocs_outbox *outbox, struct ocs_outbox_item *item,
                         enum ocs_outbox_end end, struct ocs_outbox_item **ended)
{
	ocs_outbox_item_leave(outbox, item);
	if (item->number != 0)
		ocs_outbox_forget_number(outbox, item);
	else
		DL_DELETE2(outbox->waiting, item, before, after);
	item->end = end;
	DL_APPEND(*ended, item);
}

void ocs_outbox_free(struct ocs_outbox_item *list)
{
	struct ocs_outbox_item *item, *next;

	for (item = list; item != NULL; item = next) {
		next = item->next;
		talloc_free(item->message);
		free(item);
	}
}

void ocs_outbox_end_all(struct ocs_outbox *outbox, struct ocs_outbox_item *ended, const char *text)
{
	struct ocs_outbox_item *item, *next, *unused = NULL;
	unsigned told = 0;

	if (ended == NULL)
		return;
	for (item = ended; item != NULL; item = item->next) {
		if (item->done == NULL)
			continue;
		item->done(item->owner, item->end, item->end == OCS_OUTBOX_FAILED ? text : "");
		told++;
	}
	pthread_mutex_lock(&outbox->lock);
	outbox->n_memory -= told;
	OCS_LINK_SET(outbox->status, pending, outbox->n_memory);
	if (outbox->n_memory == 0 && outbox->stopping)
		pthread_cond_signal(&outbox->drained);
	for (item = ended; item != NULL; item = next) {
		next = item->next;
		if (item->busy)
			item->gone = true;
		else
			DL_PREPEND(unused, item);
	}
	pthread_mutex_unlock(&outbox->lock);
	ocs_outbox_free(unused);
}

void ocs_outbox_set_away(struct ocs_outbox *outbox, bool away, bool refused)
{
	if (!away)
		outbox->away_since = outbox->expired_at = 0;
	else if (outbox->away_since == 0)
		outbox->away_since = ocs_clock_ms();
	outbox->refused = refused;
	pthread_cond_signal(&outbox->spooler_wake);
}

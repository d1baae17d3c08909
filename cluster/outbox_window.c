/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The messages that are published and not confirmed, in a ring indexed by
 * their tag. All with the lock.
 */
#include "cluster/outbox_internal.h"

#include <string.h>

#include <utlist.h>

#include "base/fnv.h"

/* Refusals after which a record of the spool goes to its end, about 7 s: else those behind it, long
 * confirmed, would fill the disk for as long as one node's queue is full. */
#define TO_THE_END 8
/* Refusals, in 0.75 s, after which the channel is taken for stuck: RabbitMQ 3.10 refuses on a
 * channel for ever what it first published to a quorum queue while that had no leader. */
#define STUCK 4

#define SLOT(outbox, tag) (&(outbox)->window[(tag) % OCS_OUTBOX_WINDOW])

unsigned ocs_outbox_window_room(const struct ocs_outbox *outbox)
{
	return OCS_OUTBOX_WINDOW - (unsigned)(outbox->next - outbox->low);
}

void ocs_outbox_window_add(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	item->tag = outbox->next++;
	item->place = OCS_AT_WINDOW;
	item->returned = false;
	*SLOT(outbox, item->tag) =
	        (struct ocs_outbox_slot){.item = item, .hash = item->hash, .open = true};
}

static void again_later(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	ocs_outbox_item_leave(outbox, item);
	if (item->number != 0 && item->nacks == 0)
		outbox->n_undisturbed--;
	if (item->number != 0 && item->nacks >= TO_THE_END) {
		ocs_outbox_to_spooling(outbox, item);
		pthread_cond_signal(&outbox->spooler_wake);
		return;
	}
	OCS_LINK_COUNT(outbox->status, resent, 1);
	ocs_outbox_to_delayed(outbox, item);
}

static void confirmed(struct ocs_outbox *outbox, struct ocs_outbox_item *item,
                      struct ocs_outbox_item **ended)
{
	enum ocs_outbox_end end = item->returned ? OCS_OUTBOX_RETURNED : OCS_OUTBOX_CONFIRMED;

	if (item->returned && item->message->ingest) {
		outbox->queue_missing = true;
		again_later(outbox, item);
		return;
	}
	if (item->returned && item->number == 0 && ocs_clock_ms() < outbox->unsettled_until)
		end = OCS_OUTBOX_FAILED;
	else if (item->returned)
		OCS_LINK_COUNT(outbox->status, returned, 1);
	else
		OCS_LINK_COUNT(outbox->status, confirmed, 1);
	if (item->number != 0)
		OCS_LINK_COUNT(outbox->status, unspooled, 1);
	ocs_outbox_take_out(outbox, item, end, ended);
}

static void settle(struct ocs_outbox *outbox, uint64_t tag, bool nack,
                   struct ocs_outbox_item **ended)
{
	struct ocs_outbox_slot *slot = SLOT(outbox, tag);
	struct ocs_outbox_item *item = slot->item;

	if (!slot->open)
		return;
	slot->open = false;
	if (nack)
		OCS_LINK_COUNT(outbox->status, nacked, 1);
	if (item == NULL)
		return;
	if (!nack) {
		confirmed(outbox, item, ended);
		return;
	}
	outbox->stuck = outbox->stuck || item->nacks >= STUCK;
	again_later(outbox, item);
}

void ocs_outbox_window_ack(struct ocs_outbox *outbox, uint64_t tag, bool multiple, bool nack,
                           struct ocs_outbox_item **ended)
{
	uint64_t first = multiple ? outbox->low : tag;
	uint64_t last = multiple && tag == 0 ? outbox->next - 1 : tag; /* 0: all */

	if (first < outbox->low || last >= outbox->next)
		return;
	for (uint64_t i = first; i <= last; i++)
		settle(outbox, i, nack, ended);
	while (outbox->low < outbox->next && !SLOT(outbox, outbox->low)->open)
		outbox->low++;
	outbox->heard = true;
	if (!nack)
		outbox->confirmed_at = ocs_clock_ms();
	if (!nack || !outbox->nacked)
		outbox->heard_at = ocs_clock_ms();
	outbox->nacked = nack;
}

void ocs_outbox_window_return(struct ocs_outbox *outbox, const void *id, size_t len)
{
	uint32_t hash = ocs_fnv32(OCS_FNV32, id, len);
	uint64_t from = outbox->returns > outbox->low ? outbox->returns : outbox->low;

	/* Returns come in the order of publishing: the next one is hardly ever far. */
	for (uint64_t n = 0, tag = from; n < outbox->next - outbox->low; n++, tag++) {
		struct ocs_outbox_slot *slot;

		if (tag == outbox->next)
			tag = outbox->low;
		slot = SLOT(outbox, tag);
		if (!slot->open || slot->hash != hash)
			continue;
		if (slot->item != NULL && (strlen(slot->item->message->id) != len ||
		                           memcmp(slot->item->message->id, id, len) != 0))
			continue;
		if (slot->item != NULL)
			slot->item->returned = true;
		outbox->returns = tag + 1;
		return;
	}
}

void ocs_outbox_window_reset(struct ocs_outbox *outbox)
{
	struct ocs_outbox_item *item, *back = NULL, *records = NULL;

	for (uint64_t tag = outbox->low; tag < outbox->next; tag++) {
		item = SLOT(outbox, tag)->item;
		if (item == NULL)
			continue;
		OCS_LINK_COUNT(outbox->status, resent, 1);
		ocs_outbox_item_leave(outbox, item);
		/* What waits in memory is not published while the spool is: records go ahead. */
		item->place = item->number != 0 ? OCS_AT_DELAYED : OCS_AT_PENDING;
		item->due = 0;
		if (item->number != 0)
			DL_APPEND(records, item);
		else
			DL_APPEND(back, item);
	}
	DL_CONCAT(back, outbox->pending);
	outbox->pending = back;
	DL_CONCAT(records, outbox->delayed);
	outbox->delayed = records;
	memset(outbox->window, 0, OCS_OUTBOX_WINDOW * sizeof(*outbox->window));
	outbox->low = outbox->next = outbox->returns = 1;
	outbox->heard = outbox->nacked = false;
	outbox->heard_at = ocs_clock_ms();
}

void ocs_outbox_drop_records(struct ocs_outbox *outbox, struct ocs_outbox_item **dropped)
{
	struct ocs_outbox_item *item, *next;

	for (item = outbox->from_spool; item != NULL; item = next) {
		next = item->after;
		if (item->place != OCS_AT_NONE)
			ocs_outbox_take_out(outbox, item, OCS_OUTBOX_FAILED, dropped);
		else
			ocs_outbox_forget_number(outbox, item); /* the spooler has it */
	}
	outbox->read = 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * RopNotify and RopPending at the end of a response, MS-OXCROPS 3.1.5.1.3 and MS-OXCNOTIF 3.1.5.1.
 * Touches the caller's buffer and what is queued for the session.
 */
#include "libocsemsmdb/internal.h"

#include <string.h>

#include "libocsemsmdb/request.h"
#include "base/bytes.h"
#include "ropnotify/ropnotify.h"

#define PENDING_SIZE 3
#define REQUEST_MIN  3 /* RopId, LogonId, a handle index */

/* Takes out what may not go to this client; how many bytes of the len remain. */
static size_t append_filter(const struct ocsemsmdb_session *session, uint8_t *notifies, size_t len)
{
	struct ocs_ropnotify notify;
	size_t at = 0, kept = 0;

	while (at < len) {
		size_t n = ocs_ropnotify_decode(notifies + at, len - at, &notify);

		if (n == 0)
			break; /* not a form this library knows: nor what follows */
		if (emsmdb_subject_is_open(session, notify.handle)) {
			memmove(notifies + kept, notifies + at, n);
			if (session->server->settings.zero_message_flags)
				ocs_ropnotify_clear_message_flags(notifies + kept);
			kept += n;
		}
		at += n;
	}
	return kept;
}

/* Fills the room with RopNotify; the bytes used. *more_r: some did not fit. */
static size_t append_drain(struct ocsemsmdb_session *session, uint8_t *out, size_t room,
                           bool *more_r)
{
	size_t used = 0, taken;

	*more_r = false;
	do {
		if (ocsnotify_drain(session->notify, out + used, room - used, &taken, more_r) !=
		    OCSNOTIFY_OK)
			return used;
		used += append_filter(session, out + used, taken);
		/* Once more if what was taken out left room. */
	} while (*more_r && taken > 0 && room - used >= OCS_ROPNOTIFY_MIN);
	return used;
}

static size_t put_pending(const struct ocsemsmdb_session *session, uint8_t *out, size_t room)
{
	if (room < PENDING_SIZE)
		return 0;
	out[0] = OCS_ROP_PENDING;
	ocs_put16(out + 1, session->index);
	return PENDING_SIZE;
}

static size_t add_all(struct ocsemsmdb_session *session, uint8_t *out, size_t room)
{
	const struct ocsemsmdb_session *other;
	bool more;
	size_t used = append_drain(session, out, room, &more);

	if (more)
		used += put_pending(session, out + used, room - used);
	for (other = session->next_linked; other != session; other = other->next_linked)
		if (ocsnotify_pending(other->notify) == 1)
			used += put_pending(other, out + used, room - used);
	return used;
}

uint32_t ocsemsmdb_append(struct ocsemsmdb_session *session, uint8_t *payload, size_t *payload_len,
                          size_t size)
{
	size_t rops, table, added;

	if (size > OCSEMSMDB_PAYLOAD_MAX)
		size = OCSEMSMDB_PAYLOAD_MAX;
	if (*payload_len < 2 || *payload_len > size)
		return OCSEMSMDB_EC_RPC_FORMAT;
	rops = ocs_get16(payload);
	if (rops < 2 || rops > *payload_len || (*payload_len - rops) % 4 != 0)
		return OCSEMSMDB_EC_RPC_FORMAT;
	session->executed = session->used = emsmdb_now(session->server);
	/* The table waits at the end of the buffer until it is known where it goes. */
	table = *payload_len - rops;
	memmove(payload + size - table, payload + rops, table);
	added = add_all(session, payload + rops, size - table - rops);
	memmove(payload + rops + added, payload + size - table, table);
	ocs_put16(payload, (uint16_t)(rops + added));
	*payload_len += added;
	emsmdb_wait_check(session);
	return OCSEMSMDB_EC_NONE;
}

static size_t rops_of(const uint8_t *payload, size_t len)
{
	size_t rops = len < 2 ? 0 : ocs_get16(payload);

	return rops > len ? 0 : rops;
}

bool ocsemsmdb_is_too_small(const uint8_t *request, size_t request_len, const uint8_t *response,
                            size_t response_len)
{
	size_t asked = rops_of(request, request_len), answered = rops_of(response, response_len);

	/* It ends with the requests that were not worked on: the longest common tail, or a part of
	 * it, with RopId and SizeNeeded before it. MS-OXCROPS 2.2.15.1. */
	for (size_t n = 1; n + 2 <= asked && n + 2 + 3 <= answered; n++) {
		if (request[asked - n] != response[answered - n])
			break;
		if (n >= REQUEST_MIN && response[answered - n - 3] == OCS_ROP_BUFFER_TOO_SMALL)
			return true;
	}
	return false;
}

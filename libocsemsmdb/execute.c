/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * EcDoRpcExt2 and Execute: unpacks the request's ROP buffer, lets the processor answer, packs the
 * response. Touches the session and the caller's buffers.
 */
#include "libocsemsmdb/internal.h"

#include "base/bytes.h"

#define HEADER_SIZE 8

uint32_t ocsemsmdb_execute(struct ocsemsmdb_session *session, const uint8_t *in, size_t in_len,
                           uint8_t *out, size_t size, size_t *len_r)
{
	const struct ocsemsmdb_settings *settings = &session->server->settings;
	ocsemsmdb_processor_fn *process =
	        settings->processor == NULL ? emsmdb_mailbox_process : settings->processor;
	uint8_t payload[OCSEMSMDB_PAYLOAD_MAX];
	size_t payload_len, used, len = 0;
	bool last, too_small = false;
	uint32_t result;

	*len_r = 0;
	session->executed = session->used = emsmdb_now(session->server);
	if (in_len < HEADER_SIZE || size < HEADER_SIZE)
		return OCSEMSMDB_EC_RPC_FAILED;
	if (size > OCSEMSMDB_EXT_MAX)
		size = OCSEMSMDB_EXT_MAX;
	result = ocsemsmdb_ext_unwrap(in, in_len, payload, sizeof(payload), &payload_len, &used,
	                              &last);
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	/* More than one payload is for servers that announced it in EcDoConnectEx. */
	if (!last || used != in_len)
		return OCSEMSMDB_EC_RPC_FORMAT;

	result = process(session, payload, payload_len, out + HEADER_SIZE, size - HEADER_SIZE, &len,
	                 &too_small, settings->arg);
	if (result == OCSEMSMDB_EC_NONE && !too_small)
		result = ocsemsmdb_append(session, out + HEADER_SIZE, &len, size - HEADER_SIZE);
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	emsmdb_wait_check(session);
	ocsemsmdb_ext_header((uint16_t)len, out);
	*len_r = HEADER_SIZE + len;
	return OCSEMSMDB_EC_NONE;
}

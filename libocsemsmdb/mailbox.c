/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The built-in ROP processor: from a ROP input buffer to a ROP output buffer, MS-OXCROPS 3.2.5.1.
 *
 */
#include "libocsemsmdb/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define HANDLES_MAX   256 /* an index is a byte */
#define RESPONSE_HEAD 6
#define RESPONSE_MAX  (RESPONSE_HEAD + EMSMDB_MAILBOX_REPLY_MAX)

#define BUFFER_TOO_SMALL_HEAD 3

static const struct {
	uint8_t rop;
	unsigned kinds; /* of objects it works on, emsmdb_mailbox_kind; 0: on none */
	emsmdb_mailbox_rop_fn *answer;
} rops[] = {
        {OCS_ROP_LOGON, 0, emsmdb_mailbox_logon},
        {OCS_ROP_OPEN_FOLDER, EMSMDB_MAILBOX_LOGON | EMSMDB_MAILBOX_FOLDER,
         emsmdb_mailbox_open_folder},
        {OCS_ROP_GET_HIERARCHY_TABLE, EMSMDB_MAILBOX_FOLDER, emsmdb_mailbox_open_table},
        {OCS_ROP_GET_CONTENTS_TABLE, EMSMDB_MAILBOX_FOLDER, emsmdb_mailbox_open_table},
        {OCS_ROP_REGISTER_NOTIFICATION, EMSMDB_MAILBOX_LOGON | EMSMDB_MAILBOX_FOLDER,
         emsmdb_mailbox_register},
        {OCS_ROP_SET_COLUMNS, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_set_columns},
        {OCS_ROP_SORT_TABLE, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_table_status},
        {OCS_ROP_RESTRICT, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_table_status},
        {OCS_ROP_GET_STATUS, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_table_status},
        {OCS_ROP_QUERY_ROWS, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_query_rows},
        {OCS_ROP_QUERY_POSITION, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_query_position},
        {OCS_ROP_SEEK_ROW, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_seek_row},
        {OCS_ROP_SEEK_ROW_FRACTIONAL, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_seek_fraction},
        {OCS_ROP_QUERY_COLUMNS_ALL, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_query_columns},
        {OCS_ROP_FIND_ROW, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_find_row},
        {OCS_ROP_RESET_TABLE, EMSMDB_MAILBOX_TABLE, emsmdb_mailbox_reset_table},
};

struct buffer {
	const uint8_t *list; /* the requests */
	size_t list_len;
	uint32_t handles[HANDLES_MAX];
	size_t n_handles;
	uint8_t *out;
	size_t size, used; /* used counts RopSize */
};

static bool read_buffer(const uint8_t *payload, size_t len, struct buffer *b)
{
	size_t rops_len = len < 2 ? 0 : ocs_get16(payload);

	if (rops_len < 2 || rops_len > len || (len - rops_len) % 4 != 0 ||
	    (len - rops_len) / 4 > HANDLES_MAX)
		return false;
	b->list = payload + 2;
	b->list_len = rops_len - 2;
	b->n_handles = (len - rops_len) / 4;
	for (size_t i = 0; i < b->n_handles; i++)
		b->handles[i] = ocs_get32(payload + rops_len + 4 * i);
	return true;
}

static size_t response_max(const struct ocs_rop_request *request)
{
	if (request->rop == OCS_ROP_RELEASE)
		return 0;
	return request->rop == OCS_ROP_LOGON ? RESPONSE_MAX : OCS_ROP_FAILURE_MAX;
}

/* Reads all requests before the first is worked on: what cannot be parsed changes nothing.
 * *total_r is what the responses need at most. */
static bool check_list(const struct buffer *b, size_t *total_r)
{
	struct ocs_rop_request request;

	*total_r = 0;
	for (size_t at = 0; at < b->list_len; at += request.len) {
		if (!ocs_rop_request_read(b->list + at, b->list_len - at, &request))
			return false;
		*total_r += response_max(&request);
	}
	return true;
}

static uint32_t find_input(const struct emsmdb_mailbox_call *call, const struct buffer *b,
                           struct emsmdb_mailbox_object **object_r)
{
	const struct ocs_rop_request *request = call->request;

	if (request->input >= b->n_handles ||
	    (request->has_output && request->output >= b->n_handles))
		return OCSEMSMDB_EC_NULL_OBJECT;
	if (request->rop == OCS_ROP_LOGON)
		return OCSEMSMDB_EC_NONE;
	return emsmdb_mailbox_find(call->session, b->handles[request->input], request->logon_id,
	                           object_r);
}

static uint32_t rop_dispatch(struct emsmdb_mailbox_call *call, const struct buffer *b)
{
	uint32_t result = find_input(call, b, &call->object);

	if (result != OCSEMSMDB_EC_NONE)
		return result;
	for (size_t i = 0; i < sizeof(rops) / sizeof(rops[0]); i++) {
		if (rops[i].rop != call->request->rop)
			continue;
		if (rops[i].kinds != 0 && (rops[i].kinds & call->object->kind) == 0)
			break;
		return rops[i].answer(call);
	}
	return OCSEMSMDB_EC_NOT_SUPPORTED;
}

static void rop_release(struct ocsemsmdb_session *session, const struct buffer *b,
                        const struct ocs_rop_request *request)
{
	struct emsmdb_mailbox_call call = {.session = session, .request = request};

	if (find_input(&call, b, &call.object) == OCSEMSMDB_EC_NONE)
		emsmdb_mailbox_release(session, call.object);
}

static void rop_answer(struct ocsemsmdb_session *session, struct buffer *b,
                       const struct ocs_rop_request *request)
{
	uint8_t *out = b->out + b->used;
	struct emsmdb_mailbox_call call = {
	        .session = session,
	        .request = request,
	        .new_handle = EMSMDB_NO_HANDLE,
	        .out = out + RESPONSE_HEAD,
	};
	uint32_t result;

	if (request->rop == OCS_ROP_RELEASE) {
		rop_release(session, b, request);
		return;
	}
	result = rop_dispatch(&call, b);
	if (result != OCSEMSMDB_EC_NONE) {
		b->used += ocs_rop_failure(request, result, out);
		return;
	}
	out[0] = request->rop;
	out[1] = request->response;
	ocs_put32(out + 2, OCSEMSMDB_EC_NONE);
	b->used += RESPONSE_HEAD + call.len;
	if (call.new_handle != EMSMDB_NO_HANDLE)
		b->handles[request->response] = call.new_handle;
}

/* RopBufferTooSmall with the requests that were not worked on, MS-OXCROPS 2.2.15.1. */
static void put_too_small(struct buffer *b, size_t at, size_t needed)
{
	uint8_t *out = b->out + b->used;

	out[0] = OCS_ROP_BUFFER_TOO_SMALL;
	ocs_put16(out + 1,
	          (uint16_t)(needed > OCSEMSMDB_PAYLOAD_MAX ? OCSEMSMDB_PAYLOAD_MAX : needed));
	memcpy(out + BUFFER_TOO_SMALL_HEAD, b->list + at, b->list_len - at);
	b->used += BUFFER_TOO_SMALL_HEAD + b->list_len - at;
}

static uint32_t answer_all(struct ocsemsmdb_session *session, struct buffer *b, bool *too_small_r)
{
	size_t table = 4 * b->n_handles, total, rest, needed;
	struct ocs_rop_request request;

	if (!check_list(b, &total))
		return OCSEMSMDB_EC_RPC_FORMAT;
	total += 2 + table;
	/* In the worst case all requests go back. */
	if (total > b->size && 2 + BUFFER_TOO_SMALL_HEAD + b->list_len + table > b->size)
		return OCSEMSMDB_EC_BUFFER_TOO_SMALL;
	b->used = 2;
	for (size_t at = 0; at < b->list_len; at += request.len) {
		if (!ocs_rop_request_read(b->list + at, b->list_len - at, &request))
			return OCSEMSMDB_EC_RPC_FORMAT;
		/* What this one needs at most, and room to give the others back. */
		rest = b->list_len - at - request.len;
		needed = b->used + response_max(&request) + table +
		         (rest > 0 ? BUFFER_TOO_SMALL_HEAD + rest : 0);
		if (total > b->size && needed > b->size) {
			put_too_small(b, at, total);
			*too_small_r = true;
			break;
		}
		rop_answer(session, b, &request);
	}
	return OCSEMSMDB_EC_NONE;
}

uint32_t emsmdb_mailbox_process(struct ocsemsmdb_session *session, const uint8_t *payload,
                                size_t payload_len, uint8_t *out, size_t size, size_t *len_r,
                                bool *too_small_r, void *arg)
{
	struct buffer b = {.out = out, .size = size};
	uint32_t result;

	(void)arg;
	if (session->mailbox == NULL) {
		session->mailbox = calloc(1, sizeof(*session->mailbox));
		if (session->mailbox == NULL)
			return OCSEMSMDB_EC_SERVER_OOM;
		session->mailbox->next_handle = 1;
	}
	if (!read_buffer(payload, payload_len, &b))
		return OCSEMSMDB_EC_RPC_FORMAT;
	result = answer_all(session, &b, too_small_r);
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	ocs_put16(out, (uint16_t)b.used);
	for (size_t i = 0; i < b.n_handles; i++)
		ocs_put32(out + b.used + 4 * i, b.handles[i]);
	*len_r = b.used + 4 * b.n_handles;
	return OCSEMSMDB_EC_NONE;
}

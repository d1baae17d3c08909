/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The calls of EMSMDB and AsyncEMSMDB: parses the stub, calls, writes the answer (MS-OXCRPC 3.1.4
 * and 3.3.4). Touches the server's sessions.
 */
#include "libocsemsmdb/internal.h"

#include <string.h>

#include "libocsemsmdb/ndr.h"
#include "base/sized.h"

#define EC_DO_DISCONNECT       1
#define EC_REGISTER_PUSH       4
#define EC_DUMMY_RPC           6
#define EC_DO_CONNECT_EX       10
#define EC_DO_RPC_EXT2         11
#define EC_DO_ASYNC_CONNECT_EX 14
#define EC_DO_ASYNC_WAIT_EX    0

/* hNotification means nothing to anybody; MS-OXCRPC 3.1.4.5 wants it not to be 0. */
#define A_NOTIFICATION 1

/* An auxiliary buffer has an RPC_HEADER_EXT or is empty. */
#define AUX_MIN 8

struct rpc {
	struct ocsemsmdb *server;
	const struct ocsemsmdb_caller *caller;
	const uint8_t *stub;
	size_t stub_len;
	void *call;
	uint8_t *out;
	size_t size, len;
	uint32_t fault;
	bool parked;
};

/* Each call: true with rpc->len set or rpc->parked, false with rpc->fault set. */
static bool rpc_fail(struct rpc *rpc, uint32_t fault)
{
	rpc->fault = fault;
	return false;
}

static bool rpc_reply(struct rpc *rpc, size_t len)
{
	rpc->len = len;
	return len > 0 || rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
}

static const struct ocs_ndr_handle null_handle;

/* The session of a CXH; *session_r is NULL for one that is nobody's or another user's. False: it is
 * of another connection. */
static bool rpc_find(struct rpc *rpc, const struct ocs_ndr_handle *cxh,
                     struct ocsemsmdb_session **session_r)
{
	*session_r = NULL;
	if (cxh->attributes != 0)
		return true;
	*session_r = ocsemsmdb_session_find(rpc->server, cxh->uuid, rpc->caller->user);
	return *session_r == NULL || (*session_r)->connection == rpc->caller->connection ||
	       rpc_fail(rpc, OCSEMSMDB_FAULT_CONTEXT_MISMATCH);
}

static bool rpc_disconnect(struct rpc *rpc)
{
	struct ocsemsmdb_session *session;
	struct ocs_ndr_handle cxh;
	uint32_t result;

	if (!ocs_ndr_pull_handle(rpc->stub, rpc->stub_len, &cxh))
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (!rpc_find(rpc, &cxh, &session))
		return false;
	result = session == NULL ? OCSEMSMDB_EC_ERROR : OCSEMSMDB_EC_NONE;
	ocsemsmdb_disconnect(session);
	return rpc_reply(rpc, ocs_ndr_push_handle(&null_handle, result, rpc->out, rpc->size));
}

static bool rpc_register_push(struct rpc *rpc)
{
	struct ocsemsmdb_session *session;
	struct ocs_ndr_push_in in;
	uint32_t result;

	if (!ocs_ndr_pull_register_push(rpc->stub, rpc->stub_len, &in))
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (!rpc_find(rpc, &in.cxh, &session))
		return false;
	result = session == NULL ? OCSEMSMDB_EC_ERROR
	                         : ocsemsmdb_register_push(session, in.context.data, in.context.len,
	                                                   in.address.data, in.address.len);
	return rpc_reply(
	        rpc, ocs_ndr_push_register_push(session == NULL ? &null_handle : &in.cxh,
	                                        result == OCSEMSMDB_EC_NONE ? A_NOTIFICATION : 0,
	                                        result, rpc->out, rpc->size));
}

static bool rpc_dummy(struct rpc *rpc)
{
	if (rpc->stub_len != 0)
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (rpc->size < 4)
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	memset(rpc->out, 0, 4);
	return rpc_reply(rpc, 4);
}

/* The three words of a version of four parts; bit 15 of the second says that it is one. */
static void put_version(const uint16_t parts[4], uint16_t words[3])
{
	words[0] = (uint16_t)(parts[0] << 8 | (parts[1] & 0xff));
	words[1] = parts[2] | 0x8000;
	words[2] = parts[3];
}

static bool rpc_connect_ex(struct rpc *rpc)
{
	const struct ocsemsmdb_settings *settings = &rpc->server->settings;
	struct ocsemsmdb_session *session = NULL;
	struct ocsemsmdb_connected connected = {.display_name = ""};
	struct ocs_ndr_connect_out out = {.dn_prefix = "", .display_name = ""};
	struct ocs_ndr_connect_in in;

	if (!ocs_ndr_pull_connect(rpc->stub, rpc->stub_len, &in))
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (in.aux.len > 0 && in.aux.len < AUX_MIN) {
		out.result = OCSEMSMDB_EC_RPC_FAILED;
	} else {
		struct ocsemsmdb_connect connect = {
		        .user_dn = in.user_dn,
		        .flags = in.flags,
		        .code_page = in.code_page,
		        .link = in.link,
		        .time_stamp = in.time_stamp,
		};

		memcpy(connect.client_version, in.client_version, sizeof(in.client_version));
		out.result =
		        ocsemsmdb_connect(rpc->server, rpc->caller, &connect, &connected, &session);
	}
	put_version(settings->server_version, out.server_version);
	if (session != NULL) {
		memcpy(out.cxh.uuid, session->cxh, sizeof(session->cxh));
		out.polls_max = settings->polls_max;
		out.retry = settings->retry_count;
		out.retry_delay = settings->retry_delay;
		out.index = connected.index;
		out.time_stamp = connected.time_stamp;
		out.display_name = connected.display_name;
		memcpy(out.best_version, in.client_version, sizeof(in.client_version));
	}
	if (rpc_reply(rpc, ocs_ndr_push_connect(&out, rpc->out, rpc->size)))
		return true;
	/* The host's buffer is too small; the client will never know of the session. */
	ocsemsmdb_disconnect(session);
	return false;
}

static bool rpc_ext2(struct rpc *rpc)
{
	struct ocsemsmdb_session *session;
	struct ocs_ndr_rpc_in in;
	uint64_t began = emsmdb_now(rpc->server);
	size_t room, len = 0;
	uint32_t result = OCSEMSMDB_EC_ERROR;

	if (!ocs_ndr_pull_rpc(rpc->stub, rpc->stub_len, &in))
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (rpc->size < OCS_NDR_RPC_OUT_AT + OCS_NDR_RPC_OUT_MORE)
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (!rpc_find(rpc, &in.cxh, &session))
		return false;
	room = rpc->size - OCS_NDR_RPC_OUT_MORE;
	if (session != NULL)
		result = ocsemsmdb_execute(session, in.rops.data, in.rops.len,
		                           rpc->out + OCS_NDR_RPC_OUT_AT,
		                           in.rops_out < room ? in.rops_out : room, &len);
	/* A client that sends what cannot be parsed starts again. */
	if (result == OCSEMSMDB_EC_RPC_FORMAT) {
		ocsemsmdb_disconnect(session);
		session = NULL;
	}
	return rpc_reply(rpc, ocs_ndr_push_rpc(session == NULL ? &null_handle : &in.cxh, len,
	                                       (uint32_t)(emsmdb_now(rpc->server) - began), result,
	                                       rpc->out, rpc->size));
}

static bool rpc_async_connect_ex(struct rpc *rpc)
{
	struct ocs_ndr_handle cxh, acxh = {0};
	struct ocsemsmdb_session *session;
	uint32_t result = OCSEMSMDB_EC_ERROR;

	if (!ocs_ndr_pull_handle(rpc->stub, rpc->stub_len, &cxh))
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	if (!rpc_find(rpc, &cxh, &session))
		return false;
	if (session != NULL)
		result = ocsemsmdb_async_connect(session, acxh.uuid);
	return rpc_reply(rpc, ocs_ndr_push_handle(&acxh, result, rpc->out, rpc->size));
}

static bool rpc_async_wait_ex(struct rpc *rpc)
{
	struct ocsemsmdb_session *session = NULL;
	uint32_t flags_in, flags, result;
	struct ocs_ndr_handle acxh;

	if (!ocs_ndr_pull_wait(rpc->stub, rpc->stub_len, &acxh, &flags_in) ||
	    rpc->size < OCS_NDR_WAIT_OUT)
		return rpc_fail(rpc, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	/* Clients wait on a connection of its own: the handle is good on each of its user's. */
	if (acxh.attributes == 0)
		session = emsmdb_session_by_acxh(rpc->server, acxh.uuid);
	if (session == NULL || strcmp(session->user, rpc->caller->user) != 0)
		ocsemsmdb_wait_dead(rpc->server, &flags, &result);
	else
		rpc->parked =
		        ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_ASYNC, rpc->caller->connection,
		                            rpc->call, &flags, &result);
	if (rpc->parked)
		return true;
	ocs_ndr_push_wait(flags, result, rpc->out);
	return rpc_reply(rpc, OCS_NDR_WAIT_OUT);
}

static const struct {
	enum ocsemsmdb_interface iface;
	uint16_t opnum;
	bool (*run)(struct rpc *rpc);
} calls[] = {
        {OCSEMSMDB_IF_EMSMDB, EC_DO_DISCONNECT, rpc_disconnect},
        {OCSEMSMDB_IF_EMSMDB, EC_REGISTER_PUSH, rpc_register_push},
        {OCSEMSMDB_IF_EMSMDB, EC_DUMMY_RPC, rpc_dummy},
        {OCSEMSMDB_IF_EMSMDB, EC_DO_CONNECT_EX, rpc_connect_ex},
        {OCSEMSMDB_IF_EMSMDB, EC_DO_RPC_EXT2, rpc_ext2},
        {OCSEMSMDB_IF_EMSMDB, EC_DO_ASYNC_CONNECT_EX, rpc_async_connect_ex},
        {OCSEMSMDB_IF_ASYNC, EC_DO_ASYNC_WAIT_EX, rpc_async_wait_ex},
};

enum ocsemsmdb_rpc_result ocsemsmdb_rpc_sized(struct ocsemsmdb *server,
                                              const struct ocsemsmdb_caller *caller,
                                              size_t caller_size, enum ocsemsmdb_interface iface,
                                              uint16_t opnum, const uint8_t *stub, size_t stub_len,
                                              void *call, uint8_t *out, size_t size, size_t *len_r,
                                              uint32_t *fault_r)
{
	struct ocsemsmdb_caller ours;
	struct rpc rpc = {
	        .server = server,
	        .caller = &ours,
	        .stub = stub,
	        .stub_len = stub_len,
	        .call = call,
	        .out = out,
	        .size = size,
	        .fault = OCSEMSMDB_FAULT_OP_RANGE,
	};
	bool done = false;

	*len_r = 0;
	*fault_r = 0;
	if (!ocs_sized_take(&ours, sizeof(ours), caller, caller_size) || ours.user == NULL ||
	    ours.user[0] == '\0') {
		*fault_r = OCSEMSMDB_FAULT_ACCESS_DENIED;
		return OCSEMSMDB_RPC_FAULT;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].iface == iface && calls[i].opnum == opnum)
			done = calls[i].run(&rpc);
	if (!done) {
		*fault_r = rpc.fault;
		return OCSEMSMDB_RPC_FAULT;
	}
	*len_r = rpc.len;
	return rpc.parked ? OCSEMSMDB_RPC_PARKED : OCSEMSMDB_RPC_REPLY;
}

void ocsemsmdb_wait_stub(uint32_t flags, uint32_t result, uint8_t out[8])
{
	ocs_ndr_push_wait(flags, result, out);
}

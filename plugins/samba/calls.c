/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The two interfaces as Samba calls them: bind, a request's stub in, a response's stub out. The
 * protocol is libocsemsmdb's; what is here is who calls, how well the connection is protected, and
 * what Samba wants for an answer that comes later.
 */
#include "plugin.h"

#include <string.h>

#define OPNUM_WAIT    0  /* of AsyncEMSMDB */
#define OPNUM_CONNECT 10 /* of EMSMDB */
/* RPC_S_SERVER_TOO_BUSY: the registry cannot be opened now. */
#define FAULT_TOO_BUSY 0x000006bbu

/* A request, between the functions below; allocated on the call. */
struct ocs_request {
	DATA_BLOB in; /* the call's own memory */
	DATA_BLOB out;
};

static NTSTATUS fault(struct dcesrv_call_state *call, uint32_t status)
{
	call->fault_code = status;
	return NT_STATUS_NET_WRITE_FAULT;
}

static NTSTATUS calls_bind_emsmdb(struct dcesrv_connection_context *context,
                                  const struct dcesrv_interface *iface)
{
	if (!ocs_samba_host_watch(context->conn))
		return NT_STATUS_NO_MEMORY;
	/* EcDoConnectEx has an answer of its own for a connection that is not private. */
	return dcesrv_interface_bind_allow_connect(context, iface);
}

static NTSTATUS calls_bind_async(struct dcesrv_connection_context *context,
                                 const struct dcesrv_interface *iface)
{
	if (!ocs_samba_host_watch(context->conn))
		return NT_STATUS_NO_MEMORY;
	if (ocs_samba_host_options()->emsmdb.require_privacy)
		return dcesrv_interface_bind_require_privacy(context, iface);
	return dcesrv_interface_bind_allow_connect(context, iface);
}

static NTSTATUS calls_pull(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx,
                           struct ndr_pull *ndr, void **request_r)
{
	struct ocs_request *request = talloc_zero(mem_ctx, struct ocs_request);

	if (request == NULL)
		return NT_STATUS_NO_MEMORY;
	if ((ndr->flags & LIBNDR_FLAG_BIGENDIAN) != 0)
		return fault(call, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	request->in = data_blob_const(ndr->data, ndr->data_size);
	ndr->offset = ndr->data_size;
	*request_r = request;
	return NT_STATUS_OK;
}

/* The user stays NULL for a session that is nobody's: the library refuses it. */
static struct ocsemsmdb_caller caller_of(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx)
{
	struct ocsemsmdb_caller caller = {.connection = call->conn};
	const struct auth_session_info *session = dcesrv_call_session_info(call);
	enum dcerpc_AuthLevel level = DCERPC_AUTH_LEVEL_NONE;

	dcesrv_call_auth_info(call, NULL, &level);
	caller.privacy = level >= DCERPC_AUTH_LEVEL_PRIVACY;
	if (dcesrv_call_authenticated(call) && session->info != NULL)
		caller.user = ocs_samba_user(mem_ctx, ocs_samba_host_options(),
		                             call->conn->dce_ctx->lp_ctx, session->info);
	return caller;
}

static NTSTATUS samba_run(struct dcesrv_call_state *call, struct ocs_request *request,
                          enum ocsemsmdb_interface iface, struct ocs_samba_host *host,
                          const struct ocsemsmdb_caller *caller)
{
	uint16_t opnum = call->pkt.u.request.opnum;
	struct ocs_samba_wait *wait = NULL;
	enum ocsemsmdb_rpc_result result;
	uint32_t fault_code = 0;

	request->out = data_blob_talloc(request, NULL, OCSEMSMDB_STUB_MAX);
	if (request->out.data == NULL)
		return NT_STATUS_NO_MEMORY;
	if (iface == OCSEMSMDB_IF_ASYNC && opnum == OPNUM_WAIT) {
		wait = ocs_samba_wait_new(host, call, &request->out);
		if (wait == NULL)
			return NT_STATUS_NO_MEMORY;
	}
	result = ocsemsmdb_rpc(ocs_samba_host_server(host), caller, iface, opnum, request->in.data,
	                       request->in.length, wait, request->out.data, request->out.length,
	                       &request->out.length, &fault_code);
	if (result == OCSEMSMDB_RPC_PARKED) {
		uint8_t *small = talloc_realloc(request, request->out.data, uint8_t, 8);

		if (small != NULL) /* a wait is long, and there are many */
			request->out.data = small;
		ocs_samba_wait_parked(wait);
		call->state_flags |= DCESRV_CALL_STATE_FLAG_ASYNC;
		return NT_STATUS_OK;
	}
	talloc_free(wait);
	return result == OCSEMSMDB_RPC_REPLY ? NT_STATUS_OK : fault(call, fault_code);
}

static NTSTATUS dispatch(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx,
                         struct ocs_request *request, enum ocsemsmdb_interface iface)
{
	struct ocs_samba_host *host = ocs_samba_host_get(call->conn);
	struct ocsemsmdb_caller caller = caller_of(call, mem_ctx);
	uint16_t opnum = call->pkt.u.request.opnum;

	if (caller.user == NULL) {
		const struct auth_user_info *info = dcesrv_call_session_info(call)->info;

		DBG_NOTICE("%s: %s\\%s is not a user of the groupware\n",
		           call->context->iface->name,
		           info == NULL || info->domain_name == NULL ? "" : info->domain_name,
		           info == NULL || info->account_name == NULL ? "" : info->account_name);
		return fault(call, OCSEMSMDB_FAULT_ACCESS_DENIED);
	}
	/* One connection can carry calls of several levels. */
	if (!caller.privacy && ocs_samba_host_options()->emsmdb.require_privacy &&
	    !(iface == OCSEMSMDB_IF_EMSMDB && opnum == OPNUM_CONNECT))
		return fault(call, OCSEMSMDB_FAULT_ACCESS_DENIED);
	if (host == NULL)
		return fault(call, FAULT_TOO_BUSY);
	/* Samba clears the flag where the security package needs replies in order. */
	if (iface == OCSEMSMDB_IF_ASYNC &&
	    (call->state_flags & DCESRV_CALL_STATE_FLAG_MAY_ASYNC) == 0) {
		request->out = data_blob_talloc(request, NULL, 8);
		if (request->out.data == NULL)
			return NT_STATUS_NO_MEMORY;
		ocsemsmdb_wait_stub(0, OCSEMSMDB_EC_REJECTED, request->out.data);
		return NT_STATUS_OK;
	}
	return samba_run(call, request, iface, host, &caller);
}

static NTSTATUS calls_dispatch_emsmdb(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx,
                                      void *request)
{
	return dispatch(call, mem_ctx, request, OCSEMSMDB_IF_EMSMDB);
}

static NTSTATUS calls_dispatch_async(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx,
                                     void *request)
{
	return dispatch(call, mem_ctx, request, OCSEMSMDB_IF_ASYNC);
}

static NTSTATUS calls_reply(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx, void *request)
{
	(void)call;
	(void)mem_ctx;
	(void)request;
	return NT_STATUS_OK;
}

static NTSTATUS calls_push(struct dcesrv_call_state *call, TALLOC_CTX *mem_ctx,
                           struct ndr_push *ndr, const void *data)
{
	const struct ocs_request *request = data;

	(void)mem_ctx;
	if (ndr_push_bytes(ndr, request->out.data, (uint32_t)request->out.length) !=
	    NDR_ERR_SUCCESS)
		return fault(call, OCSEMSMDB_FAULT_BAD_STUB_DATA);
	return NT_STATUS_OK;
}

/* The names are those of "rpc server port:NAME" in smb.conf. */
const struct dcesrv_interface ocs_samba_emsmdb = {
        .name = "exchange_emsmdb",
        .syntax_id =
                {{0xa4f1db00, 0xca47, 0x1067, {0xb3, 0x1f}, {0x00, 0xdd, 0x01, 0x06, 0x62, 0xda}},
                 0x00510000},
        .bind = calls_bind_emsmdb,
        .ndr_pull = calls_pull,
        .dispatch = calls_dispatch_emsmdb,
        .reply = calls_reply,
        .ndr_push = calls_push,
};

const struct dcesrv_interface ocs_samba_async = {
        .name = "exchange_asyncemsmdb",
        .syntax_id =
                {{0x5261574a, 0x4572, 0x206e, {0xb2, 0x68}, {0x6b, 0x19, 0x92, 0x13, 0xb4, 0xe4}},
                 0x00010000},
        .bind = calls_bind_async,
        .ndr_pull = calls_pull,
        .dispatch = calls_dispatch_async,
        .reply = calls_reply,
        .ndr_push = calls_push,
};

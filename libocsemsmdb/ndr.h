/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The stubs of EMSMDB and AsyncEMSMDB in NDR 2.0 (MS-OXCRPC 3.1.4, section 6; C706 chapter 14):
 * requests read, responses written. No DCERPC header.
 *
 * Pulling takes a whole request stub and is strict: every count agrees, offsets are 0, strings end
 * in their only NUL, sizes keep to the ranges of the IDL, no byte is left over. Pad bytes may have
 * any value. Pointers in the results are into the stub. A false result is the fault
 * RPC_X_BAD_STUB_DATA.
 *
 * Pushing returns the bytes written, 0 if they do not fit into size.
 */
#ifndef OCS_LIBOCSEMSMDB_NDR_H
#define OCS_LIBOCSEMSMDB_NDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A context handle: the attributes word, and the UUID as its bytes stand on the wire. */
struct ocs_ndr_handle {
	uint32_t attributes;
	uint8_t uuid[16];
};

struct ocs_ndr_bytes {
	const uint8_t *data;
	uint32_t len;
};

bool ocs_ndr_handle_is_null(const struct ocs_ndr_handle *handle);

/* ---- EcDoDisconnect (1): in pcxh; out pcxh, return. EcDoAsyncConnectEx (14): in cxh; out acxh,
 * return. ---- */
bool ocs_ndr_pull_handle(const uint8_t *stub, size_t len, struct ocs_ndr_handle *out);
size_t ocs_ndr_push_handle(const struct ocs_ndr_handle *handle, uint32_t result, uint8_t *out,
                           size_t size);

/* ---- EcRRegisterPushNotification (4) ---- */
struct ocs_ndr_push_in {
	struct ocs_ndr_handle cxh;
	uint32_t rpc, advise_bits;
	struct ocs_ndr_bytes context, address;
};
bool ocs_ndr_pull_register_push(const uint8_t *stub, size_t len, struct ocs_ndr_push_in *out);
size_t ocs_ndr_push_register_push(const struct ocs_ndr_handle *cxh, uint32_t notification,
                                  uint32_t result, uint8_t *out, size_t size);

/* ---- EcDoConnectEx (10) ---- */
struct ocs_ndr_connect_in {
	const char *user_dn;
	uint32_t flags, con_mod, limit, code_page, lcid_string, lcid_sort, link;
	uint16_t can_convert, client_version[3];
	uint32_t time_stamp;
	struct ocs_ndr_bytes aux;
	uint32_t aux_out; /* pcbAuxOut */
};
struct ocs_ndr_connect_out {
	struct ocs_ndr_handle cxh;
	uint32_t polls_max, retry, retry_delay;
	uint16_t index;
	const char *dn_prefix, *display_name;
	uint16_t server_version[3], best_version[3];
	uint32_t time_stamp;
	uint32_t result;
};
bool ocs_ndr_pull_connect(const uint8_t *stub, size_t len, struct ocs_ndr_connect_in *out);
/* Without auxiliary data. */
size_t ocs_ndr_push_connect(const struct ocs_ndr_connect_out *connect, uint8_t *out, size_t size);

/* ---- EcDoRpcExt2 (11) ---- */
struct ocs_ndr_rpc_in {
	struct ocs_ndr_handle cxh;
	uint32_t flags;
	struct ocs_ndr_bytes rops;
	uint32_t rops_out; /* pcbOut */
	struct ocs_ndr_bytes aux;
	uint32_t aux_out; /* pcbAuxOut */
};
bool ocs_ndr_pull_rpc(const uint8_t *stub, size_t len, struct ocs_ndr_rpc_in *out);

/* Where rgbOut stands in the response: written there by the caller before the push. */
#define OCS_NDR_RPC_OUT_AT 36
/* What the response needs besides rgbOut. */
#define OCS_NDR_RPC_OUT_MORE 67
/* Writes all around the rops_len bytes that stand at out + OCS_NDR_RPC_OUT_AT already. Without
 * auxiliary data. */
size_t ocs_ndr_push_rpc(const struct ocs_ndr_handle *cxh, size_t rops_len, uint32_t transfer_time,
                        uint32_t result, uint8_t *out, size_t size);

/* ---- EcDoAsyncWaitEx (AsyncEMSMDB 0) ---- */
bool ocs_ndr_pull_wait(const uint8_t *stub, size_t len, struct ocs_ndr_handle *acxh_r,
                       uint32_t *flags_r);
#define OCS_NDR_WAIT_OUT 8
void ocs_ndr_push_wait(uint32_t flags, uint32_t result, uint8_t out[OCS_NDR_WAIT_OUT]);

#endif

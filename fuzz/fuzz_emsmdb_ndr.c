/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: libocsemsmdb/ndr.c libocsemsmdb/rpc.c libocsemsmdb/wait.c */
/*
 * The stubs: the first byte chooses the call (low bits) and whether the stub's handle becomes that
 * of a session (bit 3) so that what is behind it is reached; the rest is the stub.
 */
#include "fuzz/emsmdb_session.h"

static void ndr_try(struct ocsemsmdb *server, enum ocsemsmdb_interface iface, uint16_t opnum,
                    const uint8_t *stub, size_t len)
{
	static uint8_t out[OCSEMSMDB_STUB_MAX];
	static int waiting;
	size_t out_len;
	uint32_t fault;

	switch (ocsemsmdb_rpc(server, &fuzz_caller, iface, opnum, stub, len, &waiting, out,
	                      sizeof(out), &out_len, &fault)) {
	case OCSEMSMDB_RPC_REPLY:
		FUZZ_CHECK(out_len >= 4 && out_len <= sizeof(out) && fault == 0);
		break;
	case OCSEMSMDB_RPC_FAULT:
		FUZZ_CHECK(out_len == 0 && fault != 0);
		break;
	case OCSEMSMDB_RPC_PARKED:
		FUZZ_CHECK(iface == OCSEMSMDB_IF_ASYNC && out_len == 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t opnums[] = {1, 4, 10, 11, 14, 0, 6, 99};
	struct ocsemsmdb_session *session;
	struct ocsemsmdb *server;
	uint8_t acxh[OCSEMSMDB_HANDLE_SIZE], *stub;
	bool async;

	if (size < 1)
		return 0;
	async = data[0] % 8 == 5;
	server = fuzz_open(data[0] >> 4, &session);
	stub = malloc(size);
	FUZZ_CHECK(stub != NULL);
	memcpy(stub, data + 1, size - 1);
	if ((data[0] & 8) != 0 && data[0] % 8 != 2 && size - 1 >= 20) {
		memset(stub, 0, 4);
		memcpy(stub + 4, ocsemsmdb_session_handle(session), OCSEMSMDB_HANDLE_SIZE);
		if (async && ocsemsmdb_async_connect(session, acxh) == 0)
			memcpy(stub + 4, acxh, sizeof(acxh));
	}
	ndr_try(server, async ? OCSEMSMDB_IF_ASYNC : OCSEMSMDB_IF_EMSMDB, opnums[data[0] % 8], stub,
	        size - 1);
	free(stub);
	ocsemsmdb_close(server);
	return 0;
}

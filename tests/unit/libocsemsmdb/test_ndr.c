/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The stubs: every vector, every cut, every count that does not agree. */
#include "libocsemsmdb/ndr.h"
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

static uint8_t stub[1024], written[1024];
static size_t len;

static const struct ocs_ndr_handle cxh = {.uuid = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};
static const struct ocs_ndr_handle acxh = {.uuid = {0x44, 0x33, 0x22, 0x11, 0x66, 0x55, 0x88, 0x77,
                                                    0x99, 0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
                                                    0xff}};
static const struct ocs_ndr_handle null_handle;

static bool pulls(int kind, const uint8_t *data, size_t n)
{
	struct ocs_ndr_handle handle;
	struct ocs_ndr_push_in push;
	struct ocs_ndr_connect_in connect;
	struct ocs_ndr_rpc_in rpc;
	uint32_t flags;

	switch (kind) {
	case 1:
	case 14:
		return ocs_ndr_pull_handle(data, n, &handle);
	case 4:
		return ocs_ndr_pull_register_push(data, n, &push);
	case 10:
		return ocs_ndr_pull_connect(data, n, &connect);
	case 11:
		return ocs_ndr_pull_rpc(data, n, &rpc);
	default:
		return ocs_ndr_pull_wait(data, n, &handle, &flags);
	}
}

static const struct {
	const char *name;
	int kind;
} requests[] = {
        {"ndr_disconnect_in", 1},        {"ndr_registerpush_in_ipv4", 4},
        {"ndr_registerpush_in_ipv6", 4}, {"ndr_registerpush_in_ctx16", 4},
        {"ndr_rpcext2_in_idle", 11},     {"ndr_asyncconnect_in", 14},
        {"ndr_asyncwait_in", 0},         {"ndr_connectex_in", 10},
};

LOOP_TEST(a_request_is_read_whole_and_not_when_cut_or_with_a_byte_too_many, 0,
          sizeof(requests) / sizeof(requests[0]))
{
	uint8_t *exact;

	len = emsmdb_vector(requests[_i].name, stub);
	for (size_t n = 0; n <= len + 1; n++) {
		/* In memory of its own, so that a read past the end is seen. */
		exact = malloc(n + (n == 0));
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, stub, n);
		ck_assert_msg(pulls(requests[_i].kind, exact, n) == (n == len), "%s: %zu of %zu",
		              requests[_i].name, n, len);
		free(exact);
	}
}

TEST(disconnect)
{
	struct ocs_ndr_handle handle;

	len = emsmdb_vector("ndr_disconnect_in", stub);
	ck_assert(ocs_ndr_pull_handle(stub, len, &handle));
	ck_assert_mem_eq(&handle, &cxh, sizeof(cxh));
	ck_assert(!ocs_ndr_handle_is_null(&handle));
	ck_assert(ocs_ndr_handle_is_null(&null_handle));
	len = emsmdb_vector("ndr_disconnect_out", stub);
	ck_assert_uint_eq(ocs_ndr_push_handle(&null_handle, 0, written, sizeof(written)), len);
	ck_assert_mem_eq(written, stub, len);
}

TEST(register_push)
{
	struct ocs_ndr_push_in in;

	len = emsmdb_vector("ndr_registerpush_in_ipv4", stub);
	ck_assert(ocs_ndr_pull_register_push(stub, len, &in));
	ck_assert_mem_eq(&in.cxh, &cxh, sizeof(cxh));
	ck_assert_uint_eq(in.rpc, 0);
	ck_assert_uint_eq(in.context.len, 8);
	ck_assert_mem_eq(in.context.data, "\1\2\3\4\5\6\7\10", 8);
	ck_assert_uint_eq(in.advise_bits, 0xffffffff);
	ck_assert_uint_eq(in.address.len, 16);
	ck_assert_mem_eq(in.address.data, "\x02\x00\x87\x07", 4);

	len = emsmdb_vector("ndr_registerpush_in_ipv6", stub);
	ck_assert(ocs_ndr_pull_register_push(stub, len, &in));
	ck_assert_uint_eq(in.address.len, 28);
	len = emsmdb_vector("ndr_registerpush_in_ctx16", stub);
	ck_assert(ocs_ndr_pull_register_push(stub, len, &in));
	ck_assert_uint_eq(in.context.len, 16);

	len = emsmdb_vector("ndr_registerpush_out_ok", stub);
	ck_assert_uint_eq(ocs_ndr_push_register_push(&cxh, 1, 0, written, sizeof(written)), len);
	ck_assert_mem_eq(written, stub, len);
	len = emsmdb_vector("ndr_registerpush_out_notsupported", stub);
	ck_assert_uint_eq(ocs_ndr_push_register_push(&cxh, 0, 0x80040102, written, sizeof(written)),
	                  len);
	ck_assert_mem_eq(written, stub, len);
}

TEST(register_push_with_counts_that_disagree_is_bad)
{
	struct ocs_ndr_push_in in;

	len = emsmdb_vector("ndr_registerpush_in_ipv4", stub);
	stub[36] = 7; /* cbContext */
	ck_assert(!ocs_ndr_pull_register_push(stub, len, &in));
	stub[36] = 8;
	stub[64] = 15; /* cbCallbackAddress */
	ck_assert(!ocs_ndr_pull_register_push(stub, len, &in));
	stub[64] = 16;
	ck_assert(ocs_ndr_pull_register_push(stub, len, &in));
	memset(stub + 24, 0xff, 4); /* the maximum count of rgbContext */
	ck_assert(!ocs_ndr_pull_register_push(stub, len, &in));
}

TEST(pads_may_have_any_value)
{
	struct ocs_ndr_push_in push;
	struct ocs_ndr_rpc_in rpc;

	len = emsmdb_vector("ndr_registerpush_in_ipv4", stub);
	stub[38] = stub[39] = 0xbf; /* between cbContext and grbitAdviseBits */
	ck_assert(ocs_ndr_pull_register_push(stub, len, &push));
	ck_assert_uint_eq(push.advise_bits, 0xffffffff);
	len = emsmdb_vector("ndr_rpcext2_in_idle", stub);
	stub[38] = stub[39] = 0xbf; /* behind rgbIn */
	ck_assert(ocs_ndr_pull_rpc(stub, len, &rpc));
	ck_assert_uint_eq(rpc.rops.len, 10);
}

TEST(connect_request)
{
	struct ocs_ndr_connect_in in;

	len = emsmdb_vector("ndr_connectex_in", stub);
	ck_assert(ocs_ndr_pull_connect(stub, len, &in));
	ck_assert_str_eq(in.user_dn, "/o=First Organization/ou=First Administrative "
	                             "Group/CN=recipients/CN=janedow");
	ck_assert_uint_eq(in.flags, 0);
	ck_assert_uint_eq(in.con_mod, 0x00340567);
	ck_assert_uint_eq(in.limit, 0);
	ck_assert_uint_eq(in.code_page, 0x4e4);
	ck_assert_uint_eq(in.lcid_string, 0x409);
	ck_assert_uint_eq(in.lcid_sort, 0x409);
	ck_assert_uint_eq(in.link, 0xffffffff);
	ck_assert_uint_eq(in.can_convert, 1);
	ck_assert_uint_eq(in.client_version[0], 0x0c);
	ck_assert_uint_eq(in.client_version[1], 0x183e);
	ck_assert_uint_eq(in.client_version[2], 0x3e8);
	ck_assert_uint_eq(in.time_stamp, 0);
	ck_assert_uint_eq(in.aux.len, 0);
	ck_assert_uint_eq(in.aux_out, 0x1008);
}

TEST(a_name_must_begin_at_0_and_end_in_its_only_nul)
{
	struct ocs_ndr_connect_in in;

	len = emsmdb_vector("ndr_connectex_in", stub);
	stub[4] = 1; /* offset */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &in));
	stub[4] = 0;
	stub[8]++; /* actual count over the maximum */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &in));
	stub[8]--;
	stub[0]--; /* the maximum below the actual count */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &in));
	stub[0]++;
	stub[12 + 0x4c] = 'x'; /* the NUL */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &in));
	stub[12 + 0x4c] = 0;
	stub[20] = 0; /* another one */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &in));
}

TEST(sizes_past_the_ranges_are_bad)
{
	struct ocs_ndr_connect_in connect;
	struct ocs_ndr_rpc_in rpc;

	len = emsmdb_vector("ndr_connectex_in", stub);
	ocs_put32(stub + len - 4, 0x1009); /* pcbAuxOut */
	ck_assert(!ocs_ndr_pull_connect(stub, len, &connect));
	len = emsmdb_vector("ndr_rpcext2_in_idle", stub);
	ocs_put32(stub + len - 4, 0x1009);
	ck_assert(!ocs_ndr_pull_rpc(stub, len, &rpc));
	ocs_put32(stub + len - 4, 0x1008);
	ck_assert(ocs_ndr_pull_rpc(stub, len, &rpc));
	ocs_put32(stub + 44, 0x40001); /* pcbOut */
	ck_assert(!ocs_ndr_pull_rpc(stub, len, &rpc));
	ocs_put32(stub + 44, 0x40000);
	ck_assert(ocs_ndr_pull_rpc(stub, len, &rpc));
	ocs_put32(stub + 40, 9); /* cbIn */
	ck_assert(!ocs_ndr_pull_rpc(stub, len, &rpc));
}

/* An EcDoRpcExt2 stub with in bytes of rgbIn and aux bytes of rgbAuxIn. */
static bool rpc_of(uint32_t in, uint32_t aux)
{
	size_t size = 64 + (size_t)in + aux, at;
	uint8_t *data = calloc(1, size + 16);
	struct ocs_ndr_rpc_in rpc;
	bool good;

	ck_assert_ptr_nonnull(data);
	ocs_put32(data + 24, in);
	at = (28 + (size_t)in + 3) & ~(size_t)3;
	ocs_put32(data + at, in);
	ocs_put32(data + at + 4, 0x100);
	ocs_put32(data + at + 8, aux);
	at = (at + 12 + aux + 3) & ~(size_t)3;
	ocs_put32(data + at, aux);
	good = ocs_ndr_pull_rpc(data, at + 8, &rpc);
	free(data);
	return good;
}

TEST(buffers_past_the_ranges_are_bad)
{
	ck_assert(rpc_of(0x40000, 0x1008));
	ck_assert(!rpc_of(0x40001, 0));
	ck_assert(!rpc_of(10, 0x1009));
}

TEST(connect_response)
{
	const struct ocs_ndr_connect_out out = {
	        .cxh = cxh,
	        .polls_max = 60000,
	        .retry = 6,
	        .retry_delay = 10000,
	        .index = 5,
	        .dn_prefix = "",
	        .display_name = "Jane Dow",
	        .server_version = {0x0f00, 0x834f, 0x0fc8},
	        .best_version = {0x000c, 0x183e, 0x03e8},
	        .time_stamp = 0x12345678,
	};

	len = emsmdb_vector("ndr_connectex_out", stub);
	ck_assert_uint_eq(ocs_ndr_push_connect(&out, written, sizeof(written)), len);
	/* Referent ids are the sender's choice. */
	memcpy(stub + 36, written + 36, 4);
	memcpy(stub + 56, written + 56, 4);
	ck_assert_mem_eq(written, stub, len);
	for (size_t room = 0; room < len; room++)
		ck_assert_uint_eq(ocs_ndr_push_connect(&out, written, room), 0);
}

TEST(rpc_request_and_response)
{
	struct ocs_ndr_rpc_in in;

	len = emsmdb_vector("ndr_rpcext2_in_idle", stub);
	ck_assert(ocs_ndr_pull_rpc(stub, len, &in));
	ck_assert_mem_eq(&in.cxh, &cxh, sizeof(cxh));
	ck_assert_uint_eq(in.flags, 3);
	ck_assert_uint_eq(in.rops.len, 10);
	ck_assert_uint_eq(in.rops_out, 0x18008);
	ck_assert_uint_eq(in.aux.len, 0);
	ck_assert_uint_eq(in.aux_out, 0x1008);

	len = emsmdb_vector("ndr_rpcext2_out_rpcformat", stub);
	ck_assert_uint_eq(ocs_ndr_push_rpc(&null_handle, 0, 0, 0x4b6, written, sizeof(written)),
	                  len);
	ck_assert_mem_eq(written, stub, len);

	memset(written, 0xee, sizeof(written));
	memset(written + OCS_NDR_RPC_OUT_AT, 0x77, 5);
	len = ocs_ndr_push_rpc(&cxh, 5, 9, 0, written, 5 + OCS_NDR_RPC_OUT_MORE);
	ck_assert_uint_eq(len, 5 + OCS_NDR_RPC_OUT_MORE);
	emsmdb_hex("05000000"
	           "00000000"
	           "05000000"
	           "7777777777000000"
	           "05000000"
	           "00000000000000000000000000000000"
	           "09000000"
	           "00000000",
	           stub);
	ck_assert_mem_eq(written + 24, stub, len - 24);
	ck_assert_uint_eq(ocs_ndr_push_rpc(&cxh, 5, 9, 0, written, len - 1), 0);
}

TEST(asynchronous_calls)
{
	static const struct {
		const char *name;
		uint32_t flags, result;
	} outs[] = {
	        {"ndr_asyncwait_out_pending", 1, 0},
	        {"ndr_asyncwait_out_timeout", 0, 0},
	        {"ndr_asyncwait_out_rejected", 0, 0x7ee},
	        {"ndr_asyncwait_out_exiting", 0, 0x3ed},
	};
	struct ocs_ndr_handle handle;
	uint32_t flags;

	len = emsmdb_vector("ndr_asyncconnect_in", stub);
	ck_assert(ocs_ndr_pull_handle(stub, len, &handle));
	ck_assert_mem_eq(&handle, &cxh, sizeof(cxh));
	len = emsmdb_vector("ndr_asyncconnect_out", stub);
	ck_assert_uint_eq(ocs_ndr_push_handle(&acxh, 0, written, sizeof(written)), len);
	ck_assert_mem_eq(written, stub, len);
	len = emsmdb_vector("ndr_asyncconnect_out_rejected", stub);
	ck_assert_uint_eq(ocs_ndr_push_handle(&null_handle, 0x7ee, written, sizeof(written)), len);
	ck_assert_mem_eq(written, stub, len);
	len = emsmdb_vector("ndr_asyncwait_in", stub);
	ck_assert(ocs_ndr_pull_wait(stub, len, &handle, &flags));
	ck_assert_mem_eq(&handle, &acxh, sizeof(acxh));
	ck_assert_uint_eq(flags, 0);
	for (size_t i = 0; i < sizeof(outs) / sizeof(outs[0]); i++) {
		ck_assert_uint_eq(emsmdb_vector(outs[i].name, stub), OCS_NDR_WAIT_OUT);
		ocs_ndr_push_wait(outs[i].flags, outs[i].result, written);
		ck_assert_mem_eq(written, stub, OCS_NDR_WAIT_OUT);
	}
}

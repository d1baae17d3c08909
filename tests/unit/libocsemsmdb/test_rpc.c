/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The calls over their stubs, and the session contexts behind them. */
#include "libocsemsmdb/ndr.h"
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#define USER  "t-em-rpc"
#define OTHER "t-em-rpc2"

static struct ocsnotify *context;
static struct ocsemsmdb *server;
static int tcp, tcp2; /* what stands for two connections */
static struct ocsemsmdb_caller caller;

static uint8_t stub[2048], out[OCSEMSMDB_STUB_MAX];
static size_t stub_len, out_len;
static uint32_t fault;

static void begin(enum ocsemsmdb_version version)
{
	context = host_open();
	server = emsmdb_server(context, version);
	caller = (struct ocsemsmdb_caller){.user = USER, .connection = &tcp, .privacy = true};
}

static void end(void)
{
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

static enum ocsemsmdb_rpc_result call(enum ocsemsmdb_interface iface, uint16_t opnum)
{
	static int waiting;

	return ocsemsmdb_rpc(server, &caller, iface, opnum, stub, stub_len, &waiting, out,
	                     sizeof(out), &out_len, &fault);
}

/* A reply's return value: its last four bytes. */
static uint32_t reply_of(uint16_t opnum)
{
	ck_assert_int_eq(call(OCSEMSMDB_IF_EMSMDB, opnum), OCSEMSMDB_RPC_REPLY);
	ck_assert_uint_ge(out_len, 4);
	return ocs_get32(out + out_len - 4);
}

static uint32_t fault_of(enum ocsemsmdb_interface iface, uint16_t opnum)
{
	ck_assert_int_eq(call(iface, opnum), OCSEMSMDB_RPC_FAULT);
	ck_assert_uint_eq(out_len, 0);
	return fault;
}

static uint32_t connect_ex(uint32_t link, uint32_t time_stamp)
{
	stub_len = emsmdb_vector("ndr_connectex_in", stub);
	ocs_put32(stub + 116, link);
	ocs_put32(stub + 128, time_stamp);
	return reply_of(10);
}

/* EcDoConnectEx: the CXH. */
static void connected(uint8_t cxh[20])
{
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), 0);
	memcpy(cxh, out, 20);
}

static void use(const char *vector, const uint8_t cxh[20])
{
	stub_len = emsmdb_vector(vector, stub);
	memcpy(stub, cxh, 20);
}

static uint16_t index_of_reply(void)
{
	return ocs_get16(out + 32);
}

/* pulTimeStamp, behind the two names and the two versions. */
static uint32_t time_stamp_of_reply(void)
{
	return ocs_get32(out + out_len - 4 - 16 - 4);
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(a_connection_is_made_and_ended)
{
	uint8_t cxh[20], expected[32];
	static const uint8_t zero[20];

	begin(OCSEMSMDB_2013);
	connected(cxh);
	ck_assert_mem_ne(cxh, zero, 20);
	ck_assert_uint_eq(ocs_get32(cxh), 0);
	ck_assert_uint_eq(ocs_get32(out + 20), 60000);
	ck_assert_uint_eq(ocs_get32(out + 24), 6);
	ck_assert_uint_eq(ocs_get32(out + 28), 10000);
	ck_assert_uint_ne(index_of_reply(), 0);
	ck_assert_ptr_nonnull(memmem(out, out_len, USER, sizeof(USER)));
	/* server version 15.0.847.4040, best version the client's own */
	ck_assert_ptr_nonnull(
	        memmem(out, out_len, "\x00\x0f\x4f\x83\xc8\x0f\x0c\x00\x3e\x18\xe8\x03", 12));
	use("ndr_disconnect_in", cxh);
	ck_assert_uint_eq(reply_of(1), 0);
	ck_assert_uint_eq(out_len, emsmdb_vector("ndr_disconnect_out", expected));
	ck_assert_mem_eq(out, expected, out_len);
	ck_assert_uint_eq(emsmdb_ended, 1);
	/* The handle is dead now. */
	ck_assert_uint_eq(reply_of(1), OCSEMSMDB_EC_ERROR);
	ck_assert_mem_eq(out, zero, 20);
	end();
}

TEST(who_may_not_connect_is_told_why)
{
	static const uint8_t zero[20];

	begin(OCSEMSMDB_2016);
	caller.privacy = false;
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), OCSEMSMDB_EC_NOT_ENCRYPTED);
	ck_assert_mem_eq(out, zero, 20);
	caller.privacy = true;
	stub[4 * ((12 + 0x4d + 3) / 4)] = 1; /* ulFlags: administrator */
	ck_assert_uint_eq(reply_of(10), OCSEMSMDB_EC_LOGIN_PERM);
	/* An empty name, with no other byte of the request. */
	stub_len = emsmdb_hex("01000000"
	                      "00000000"
	                      "01000000"
	                      "00000000"
	                      "00000000"
	                      "00000000"
	                      "00000000"
	                      "e4040000"
	                      "09040000"
	                      "09040000"
	                      "ffffffff"
	                      "01000c003e18e803"
	                      "00000000"
	                      "00000000"
	                      "00000000"
	                      "08100000",
	                      stub);
	ck_assert_uint_eq(reply_of(10), OCSEMSMDB_EC_ACCESS_DENIED);
	caller.user = NULL;
	ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_EMSMDB, 10), OCSEMSMDB_FAULT_ACCESS_DENIED);
	ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_FAULT_ACCESS_DENIED);
	end();
}

TEST(an_auxiliary_buffer_of_one_to_seven_bytes_is_rpc_failed)
{
	begin(OCSEMSMDB_2016);
	stub_len = emsmdb_vector("ndr_connectex_in", stub);
	ocs_put32(stub + 132, 4);
	ocs_put32(stub + 136, 0); /* the four bytes */
	ocs_put32(stub + 140, 4);
	ocs_put32(stub + 144, 0x1008);
	stub_len = 148;
	ck_assert_uint_eq(reply_of(10), OCSEMSMDB_EC_RPC_FAILED);
	end();
}

TEST(other_calls_and_bad_stubs_fault)
{
	static const uint16_t none[] = {0, 2, 3, 5, 7, 8, 9, 12, 13, 15, 0xffff};

	begin(OCSEMSMDB_2016);
	stub_len = 0;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_EMSMDB, none[i]), OCSEMSMDB_FAULT_OP_RANGE);
	ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_ASYNC, 1), OCSEMSMDB_FAULT_OP_RANGE);
	ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_ASYNC, 10), OCSEMSMDB_FAULT_OP_RANGE);
	ck_assert_uint_eq(reply_of(6), 0); /* EcDummyRpc */
	stub_len = 7;
	for (uint16_t opnum = 1; opnum <= 14; opnum++)
		if (opnum == 1 || opnum == 4 || opnum == 6 || opnum == 10 || opnum == 11 ||
		    opnum == 14)
			ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_EMSMDB, opnum),
			                  OCSEMSMDB_FAULT_BAD_STUB_DATA);
	ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_FAULT_BAD_STUB_DATA);
	end();
}

TEST(an_idle_call_brings_the_mail)
{
	uint8_t cxh[20], request[32], response[6], expected[64];
	struct ocsemsmdb_session *session;
	size_t used, n;

	begin(OCSEMSMDB_2013);
	connected(cxh);
	session = ocsemsmdb_session_find(server, cxh + 4, USER);
	ck_assert_ptr_nonnull(session);
	n = emsmdb_vector("ropregister_newmail_whole_store", request);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response), 0);
	emsmdb_mail(context, USER);
	use("ndr_rpcext2_in_idle", cxh);
	ck_assert_uint_eq(reply_of(11), 0);
	ck_assert_mem_eq(out, cxh, 20);
	n = emsmdb_vector("ext_response_one_newmail", expected);
	ck_assert_uint_eq(ocs_get32(out + 24), n);
	ck_assert_mem_eq(out + OCS_NDR_RPC_OUT_AT, expected, n);
	/* pcbOut is obeyed: room for nothing but the empty answer. */
	emsmdb_mail(context, USER);
	ocs_put32(stub + 44, 10);
	ck_assert_uint_eq(reply_of(11), 0);
	ck_assert_uint_eq(ocs_get32(out + 24), 10);
	ocs_put32(stub + 44, 7);
	ck_assert_uint_eq(reply_of(11), OCSEMSMDB_EC_RPC_FAILED);
	ck_assert_uint_eq(ocs_get32(out + 24), 0);
	ck_assert_mem_eq(out, cxh, 20); /* the session lives */
	end();
}

TEST(a_buffer_that_cannot_be_parsed_ends_the_session)
{
	uint8_t cxh[20], expected[128];

	begin(OCSEMSMDB_2016);
	connected(cxh);
	use("ndr_rpcext2_in_idle", cxh);
	stub[28] = 1; /* Version of RPC_HEADER_EXT */
	ck_assert_uint_eq(reply_of(11), OCSEMSMDB_EC_RPC_FORMAT);
	ck_assert_uint_eq(out_len, emsmdb_vector("ndr_rpcext2_out_rpcformat", expected));
	ck_assert_mem_eq(out, expected, out_len);
	ck_assert_uint_eq(emsmdb_ended, 1);
	end();
}

TEST(a_handle_is_good_on_its_own_connection_and_for_its_own_user)
{
	static const uint16_t calls[] = {1, 4, 11, 14};
	static const char *const vectors[] = {"ndr_disconnect_in", "ndr_registerpush_in_ipv4",
	                                      "ndr_rpcext2_in_idle", "ndr_asyncconnect_in"};
	uint8_t cxh[20];
	static const uint8_t zero[20];

	begin(OCSEMSMDB_2007);
	connected(cxh);
	for (int i = 0; i < 4; i++) {
		use(vectors[i], cxh);
		caller.connection = &tcp2;
		ck_assert_uint_eq(fault_of(OCSEMSMDB_IF_EMSMDB, calls[i]),
		                  OCSEMSMDB_FAULT_CONTEXT_MISMATCH);
		caller.connection = &tcp;
		caller.user = OTHER;
		ck_assert_uint_eq(reply_of(calls[i]), OCSEMSMDB_EC_ERROR);
		ck_assert_mem_eq(out, zero, 20);
		caller.user = USER;
		use(vectors[i], cxh);
		stub[0] = 1; /* the attributes word */
		ck_assert_uint_eq(reply_of(calls[i]), OCSEMSMDB_EC_ERROR);
		use(vectors[i], zero);
		ck_assert_uint_eq(reply_of(calls[i]), OCSEMSMDB_EC_ERROR);
	}
	ck_assert_uint_eq(emsmdb_ended, 0);
	ocsemsmdb_connection_closed(server, &tcp);
	ck_assert_uint_eq(emsmdb_ended, 1);
	end();
}

LOOP_TEST(push_is_registered_where_the_version_has_it, OCSEMSMDB_2003, OCSEMSMDB_2016 + 1)
{
	uint8_t cxh[20], expected[64];

	begin(_i);
	connected(cxh);
	use("ndr_registerpush_in_ipv4", cxh);
	if (_i > OCSEMSMDB_2007) {
		ck_assert_uint_eq(reply_of(4), OCSEMSMDB_EC_NOT_SUPPORTED);
		ck_assert_uint_eq(out_len,
		                  emsmdb_vector("ndr_registerpush_out_notsupported", expected));
	} else {
		ck_assert_uint_eq(reply_of(4), 0);
		ck_assert_uint_eq(out_len, emsmdb_vector("ndr_registerpush_out_ok", expected));
	}
	memcpy(expected, cxh, 20);
	ck_assert_mem_eq(out, expected, out_len);
	end();
}

TEST(push_takes_sixteen_bytes_of_context_and_no_more)
{
	uint8_t cxh[20];

	begin(OCSEMSMDB_2007);
	connected(cxh);
	use("ndr_registerpush_in_ctx16", cxh);
	ck_assert_uint_eq(reply_of(4), 0);
	/* 20 bytes of context: four more, and the rest moved. */
	memmove(stub + 48, stub + 44, stub_len - 44);
	stub_len += 4;
	ocs_put32(stub + 24, 20);
	ocs_put16(stub + 48, 20);
	ck_assert_uint_eq(reply_of(4), OCSEMSMDB_EC_TOO_BIG);
	ck_assert_uint_eq(ocs_get32(out + 20), 0);
	use("ndr_registerpush_in_ipv4", cxh);
	stub[48] = 3; /* an unknown family */
	ck_assert_uint_eq(reply_of(4), OCSEMSMDB_EC_INVALID_PARAM);
	end();
}

LOOP_TEST(sessions_link_where_the_version_links, OCSEMSMDB_2003, OCSEMSMDB_2016 + 1)
{
	struct ocsemsmdb_session *session;
	uint8_t cxh[20], cxh2[20], request[32], response[6];
	uint16_t index;
	uint32_t stamp;
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);
	bool links = _i <= OCSEMSMDB_2007;

	begin(_i);
	connected(cxh);
	index = index_of_reply();
	stamp = time_stamp_of_reply();
	session = ocsemsmdb_session_find(server, cxh + 4, USER);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response), 0);
	/* Only the low 16 bits of the link count. */
	ck_assert_uint_eq(connect_ex(0x00050000u | index, links ? stamp : 77), 0);
	ck_assert_uint_eq(index_of_reply(), index + 1);
	if (!links)
		ck_assert_uint_eq(time_stamp_of_reply(), 77);
	memcpy(cxh2, out, 20);
	emsmdb_mail(context, USER);
	use("ndr_rpcext2_in_idle", cxh2);
	ck_assert_uint_eq(reply_of(11), 0);
	ck_assert_uint_eq(ocs_get32(out + 24), links ? 13 : 10);
	if (links) {
		ck_assert_uint_eq(out[OCS_NDR_RPC_OUT_AT + 10], 0x6e);
		ck_assert_uint_eq(ocs_get16(out + OCS_NDR_RPC_OUT_AT + 11), index);
		/* No room, no RopPending. */
		ocs_put32(stub + 44, 12);
		ck_assert_uint_eq(reply_of(11), 0);
		ck_assert_uint_eq(ocs_get32(out + 24), 10);
	}
	use("ndr_rpcext2_in_idle", cxh);
	ck_assert_uint_eq(reply_of(11), 0);
	ck_assert_uint_eq(out[OCS_NDR_RPC_OUT_AT + 10], 0x2a);
	use("ndr_rpcext2_in_idle", cxh2);
	ck_assert_uint_eq(reply_of(11), 0);
	ck_assert_uint_eq(ocs_get32(out + 24), 10);
	end();
}

TEST(a_link_to_what_is_not_there_connects_unlinked)
{
	uint8_t request[32], response[6], cxh[20];
	struct ocsemsmdb_session *session;
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);
	uint32_t stamp;
	uint16_t index;

	begin(OCSEMSMDB_2007);
	connected(cxh);
	index = index_of_reply();
	stamp = time_stamp_of_reply();
	session = ocsemsmdb_session_find(server, cxh + 4, USER);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response), 0);
	emsmdb_mail(context, USER);
	for (int i = 0; i < 3; i++) {
		/* no such session; another time stamp; another user's session */
		caller.user = i == 2 ? OTHER : USER;
		ck_assert_uint_eq(connect_ex(i == 0 ? 999 : index, i == 1 ? stamp + 1 : stamp), 0);
		memcpy(cxh, out, 20);
		use("ndr_rpcext2_in_idle", cxh);
		ck_assert_uint_eq(reply_of(11), 0);
		ck_assert_uint_eq(ocs_get32(out + 24), 10);
	}
	end();
}

TEST(the_asynchronous_handle_is_one_and_good_on_each_connection)
{
	uint8_t cxh[20], acxh[20];

	begin(OCSEMSMDB_2013);
	connected(cxh);
	use("ndr_asyncconnect_in", cxh);
	ck_assert_uint_eq(reply_of(14), 0);
	memcpy(acxh, out, 20);
	ck_assert_mem_ne(acxh, cxh, 20);
	ck_assert_uint_eq(reply_of(14), 0);
	ck_assert_mem_eq(out, acxh, 20);
	caller.connection = &tcp2;
	use("ndr_asyncwait_in", acxh);
	ck_assert_int_eq(call(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_RPC_PARKED);
	ck_assert_int_eq(call(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_RPC_REPLY);
	emsmdb_vector("ndr_asyncwait_out_rejected", stub);
	ck_assert_mem_eq(out, stub, 8);
	/* The session's own connection goes: so does the session, and the wait ends. */
	ocsemsmdb_connection_closed(server, &tcp);
	ck_assert_uint_eq(emsmdb_n_dones, 1);
	ocsemsmdb_wait_stub(emsmdb_dones[0].flags, emsmdb_dones[0].result, out);
	emsmdb_vector("ndr_asyncwait_out_pending", stub);
	ck_assert_mem_eq(out, stub, 8);
	/* A dead handle, and that of another user, from 2013 on: pending. */
	use("ndr_asyncwait_in", acxh);
	ck_assert_int_eq(call(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_RPC_REPLY);
	ck_assert_uint_eq(ocs_get32(out), 1);
	ck_assert_uint_eq(ocs_get32(out + 4), 0);
	end();
}

TEST(a_wait_on_another_users_handle_is_as_on_a_dead_one)
{
	uint8_t cxh[20], acxh[20];

	begin(OCSEMSMDB_2010);
	connected(cxh);
	use("ndr_asyncconnect_in", cxh);
	ck_assert_uint_eq(reply_of(14), 0);
	memcpy(acxh, out, 20);
	caller.user = OTHER;
	use("ndr_asyncwait_in", acxh);
	ck_assert_int_eq(call(OCSEMSMDB_IF_ASYNC, 0), OCSEMSMDB_RPC_REPLY);
	emsmdb_vector("ndr_asyncwait_out_rejected", stub);
	ck_assert_mem_eq(out, stub, 8);
	end();
}

TEST(a_server_without_asynchronous_calls_rejects_the_handle)
{
	uint8_t cxh[20], expected[32];

	begin(OCSEMSMDB_2003);
	connected(cxh);
	use("ndr_asyncconnect_in", cxh);
	ck_assert_uint_eq(reply_of(14), OCSEMSMDB_EC_REJECTED);
	ck_assert_uint_eq(out_len, emsmdb_vector("ndr_asyncconnect_out_rejected", expected));
	ck_assert_mem_eq(out, expected, out_len);
	end();
}

TEST(sessions_are_bounded_and_indexes_are_not_used_twice)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);
	uint8_t cxh[20];
	uint16_t index;

	context = host_open();
	caller = (struct ocsemsmdb_caller){.user = USER, .connection = &tcp, .privacy = true};
	settings.sessions_max = 2;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	connected(cxh);
	index = index_of_reply();
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), 0);
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), OCSEMSMDB_EC_SERVER_OOM);
	use("ndr_disconnect_in", cxh);
	ck_assert_uint_eq(reply_of(1), 0);
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), 0);
	ck_assert_uint_eq(index_of_reply(), index + 2);
	ocsemsmdb_shutdown(server);
	ck_assert_uint_eq(connect_ex(0xffffffff, 0), OCSEMSMDB_EC_EXITING);
	end();
}

TEST(an_idle_session_expires)
{
	uint8_t cxh[20];

	begin(OCSEMSMDB_2016);
	connected(cxh);
	emsmdb_clock_ms += 899999;
	use("ndr_rpcext2_in_idle", cxh);
	ck_assert_uint_eq(reply_of(11), 0);
	emsmdb_clock_ms += 900000;
	ck_assert_uint_eq(ocsemsmdb_deadline(server), emsmdb_clock_ms);
	ocsemsmdb_tick(server);
	ck_assert_uint_eq(emsmdb_ended, 1);
	ck_assert_uint_eq(reply_of(11), OCSEMSMDB_EC_ERROR);
	ck_assert_ptr_null(ocsemsmdb_session_owner(server, cxh + 4));
	end();
}

TEST(settings_out_of_range_are_refused_and_versions_are_known)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);
	enum ocsemsmdb_version version;

	context = host_open();
	settings.sessions_max = 65536;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_E_INVALID);
	ck_assert_ptr_null(server);
	settings = emsmdb_settings(OCSEMSMDB_2016);
	settings.wait_time = 0;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_E_INVALID);
	ocsemsmdb_close(NULL);
	ocsnotify_close(context);
	ck_assert(ocsemsmdb_version_parse("2010", &version));
	ck_assert_int_eq(version, OCSEMSMDB_2010);
	ck_assert(ocsemsmdb_version_parse("2019", &version));
	ck_assert_int_eq(version, OCSEMSMDB_2016);
	ck_assert(!ocsemsmdb_version_parse("2000", &version));
}

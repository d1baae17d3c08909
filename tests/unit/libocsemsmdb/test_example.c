/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The lines of doc/integration.md on libocsemsmdb, compiled and run as they stand there
 * (tests/service/test_ocsconsumer.py compares them): a MAPI server's own processor behind
 * ocsemsmdb_rpc(), a parked wait that ends, the idle call that brings the RopNotify.
 */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

static unsigned waits_done;

static uint32_t my_rop_processor(struct ocsemsmdb_session *session, const uint8_t *payload,
                                 size_t payload_len, uint8_t *out, size_t size, size_t *len_r,
                                 bool *too_small_r, void *arg)
{
	size_t rop_size = ocs_get16(payload), used;

	(void)arg;
	(void)too_small_r;
	(void)payload_len;
	*len_r = 2;
	if (size < 16)
		return OCSEMSMDB_EC_BUFFER_TOO_SMALL;
	/* One RopRegisterNotification or nothing: what a server's own loop meets and hands on. */
	if (rop_size > 2) {
		ocsemsmdb_rop_register(session, payload + 2, rop_size - 2, 4711, &used, out + 2);
		if (used == 0)
			return OCSEMSMDB_EC_RPC_FORMAT;
		*len_r += OCSEMSMDB_REGISTER_RESPONSE;
	}
	ocs_put16(out, (uint16_t)*len_r);
	return OCSEMSMDB_EC_NONE;
}

static void complete_my_call(void *call, uint32_t flags, uint32_t result, void *arg)
{
	uint8_t stub[8];

	(void)arg;
	ck_assert_ptr_eq(call, &waits_done);
	ocsemsmdb_wait_stub(flags, result, stub);
	ck_assert_uint_eq(ocs_get32(stub), 1);
	waits_done++;
}

TESTS_HAVE(.setup = emsmdb_setup, .teardown = rig_remove_folder);

TEST(the_documented_lines_do_what_the_page_says)
{
	static const uint8_t registering[] = {0x00, 0x00, 0x04, 0x00, 0x09, 0x00, 0x09, 0x00, 0x09,
	                                      0x00, 0x29, 0x00, 0x00, 0x01, 0x02, 0x00, 0x01};
	static const uint8_t idle[] = {0x00, 0x00, 0x04, 0x00, 0x02, 0x00, 0x02, 0x00, 0x02, 0x00};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=jdoe", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_caller caller = {.user = host_user, .privacy = true};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;
	uint8_t out[OCSEMSMDB_EXT_MAX];
	struct ocsnotify *context = host_open();
	uint32_t flags, result;
	size_t len;

	struct ocsemsmdb *server;
	struct ocsemsmdb_settings settings;
	ocsemsmdb_settings_init(&settings, OCSEMSMDB_2010);
	settings.processor = my_rop_processor;
	settings.wait_done = complete_my_call;
	ocsemsmdb_open(context, &settings, &server);

	ck_assert_uint_eq(ocsemsmdb_connect(server, &caller, &connect, &connected, &session), 0);
	ck_assert_uint_eq(ocsemsmdb_execute(session, registering, sizeof(registering), out,
	                                    sizeof(out), &len),
	                  0);
	ck_assert(ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_ASYNC, NULL, &waits_done, &flags,
	                              &result));
	emsmdb_mail(context, host_user);
	ck_assert(host_readable(context, HOST_WAIT_MS));

	ocsemsmdb_process(server);
	ocsemsmdb_tick(server);

	ck_assert_uint_eq(waits_done, 1);
	ck_assert_uint_eq(ocsemsmdb_execute(session, idle, sizeof(idle), out, sizeof(out), &len),
	                  0);
	ck_assert_uint_eq(len, 10 + 38);
	ck_assert_uint_eq(out[10], 0x2a);
	ck_assert_uint_eq(ocs_get32(out + 11), 4711);
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A MAPI server lives on when its memory is out: each allocation fails once, each is an error. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"
#include "tests/faults/calls.h"

#define TABLES 40 /* more than a hash table takes before it grows */

/* RopLogon as LogonId 0. Nothing of check runs while an allocation may fail: it has none to lose.
 */
static const uint8_t logon[] = {
        0,    0, 4,   0,   26,  0,   26,  0, /* RPC_HEADER_EXT */
        22,   0,                             /* RopSize */
        0xfe, 0, 0,   1,   0,   0,   0,   0, 0,    0,    0,    0,
        6,    0, '/', 'c', 'n', '=', 'y', 0, 0xff, 0xff, 0xff, 0xff, /* handle table */
};

/* What one session may do with memory, up to the first failure. */
static uint32_t use(struct ocsemsmdb_session *session)
{
	uint8_t acxh[OCSEMSMDB_HANDLE_SIZE];
	uint8_t out[OCSEMSMDB_EXT_MAX];
	uint32_t result = ocsemsmdb_async_connect(session, acxh);
	size_t len;

	for (uint32_t handle = 100; result == 0 && handle < 100 + TABLES; handle++)
		result = ocsemsmdb_table_opened(session, handle, 0, OCSNOTIFY_CONTENTS_TABLE,
		                                EMSMDB_FOLDER, 0);
	if (result != 0)
		return result;
	result = ocsemsmdb_execute(session, logon, sizeof(logon), out, sizeof(out), &len);
	return result != 0 ? result : ocs_get32(out + 8 + 2 + 2); /* ReturnValue */
}

static uint32_t serve(struct ocsnotify *context)
{
	struct ocsemsmdb_caller caller = {.user = host_user, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=y", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2010);
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;
	struct ocsemsmdb *server;
	uint32_t result;

	if (ocsemsmdb_open(context, &settings, &server) != OCSNOTIFY_OK)
		return OCSEMSMDB_EC_SERVER_OOM;
	result = ocsemsmdb_connect(server, &caller, &connect, &connected, &session);
	if (result == 0)
		result = use(session);
	ocsemsmdb_close(server);
	return result;
}

TESTS_HAVE(.setup = emsmdb_setup, .teardown = rig_remove_folder);

TEST(each_allocation_that_fails_is_an_error_and_the_next_try_succeeds)
{
	struct ocsnotify *context = host_open();
	int n = 0;

	for (;; n++) {
		uint32_t result;

		calls_fail(CALLS_OWN_MEMORY, n, false);
		result = serve(context);
		if (!calls_have_failed()) {
			ck_assert_uint_eq(result, 0);
			break;
		}
		ck_assert_msg(result == 0 || result == OCSEMSMDB_EC_SERVER_OOM,
		              "allocation %d: 0x%08x", n, result);
		ck_assert_uint_eq(serve(context), 0);
	}
	/* server, session, user, handles, tables: nothing of it went unseen */
	ck_assert_int_gt(n, TABLES + 10);
	ocsnotify_close(context);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The built-in mailbox through Execute: logon, tables, subscriptions, errors, full buffers. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#define USER "t-em-mailbox"

static struct ocsnotify *context;
static struct ocsemsmdb *server;
static struct ocsemsmdb_session *session;
static struct emsmdb_rops b;

static void begin(enum ocsemsmdb_version version)
{
	context = host_open();
	server = emsmdb_server(context, version);
	session = emsmdb_connect(server, USER);
}

static void end(void)
{
	ocsemsmdb_close(server);
	ocsnotify_close(context);
}

static uint32_t mailbox_rop(const char *rop, uint32_t handle)
{
	emsmdb_begin(&b);
	emsmdb_rop(&b, rop);
	emsmdb_handle(&b, handle);
	emsmdb_handle(&b, 0xffffffff);
	return emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX);
}

/* Opens the folder of FID FOLDER by the logon's handle. */
static uint32_t open_folder(uint32_t logon)
{
	ck_assert_uint_eq(mailbox_rop("0200000101000003b479ca4700", logon), 0);
	emsmdb_expect(&b, "0201000000000000");
	return emsmdb_handle_at(&b, 1);
}

static uint32_t open_contents(uint32_t folder, const char *rop)
{
	ck_assert_uint_eq(mailbox_rop(rop, folder), 0);
	emsmdb_expect(&b, "05010000000000000000");
	return emsmdb_handle_at(&b, 1);
}

TESTS_HAVE(.setup = emsmdb_setup, .teardown = rig_remove_folder);

TEST(the_vectors_of_a_registration_fit_a_logon)
{
	uint8_t in[64], out[64], expected[64];
	size_t n, len;
	uint32_t logon;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	n = emsmdb_vector("ext_register_request", in);
	ocs_put32(in + 8 + 9, logon); /* the vector's logon is 0x11 */
	ck_assert_uint_eq(ocsemsmdb_execute(session, in, n, out, sizeof(out), &len), 0);
	ck_assert_uint_eq(len, emsmdb_vector("ext_register_response", expected));
	ocs_put32(expected + 16, logon);
	ocs_put32(expected + 20, ocs_get32(out + 20)); /* its handle is 0x0a */
	ck_assert_mem_eq(out, expected, len);
	ck_assert_uint_ne(ocs_get32(out + 20), 0xffffffff);
	end();
}

TEST(an_idle_call_is_answered_by_nothing)
{
	uint8_t in[64], out[64], expected[64];
	size_t n, len;

	begin(OCSEMSMDB_2016);
	n = emsmdb_vector("ext_idle_request", in);
	ck_assert_uint_eq(ocsemsmdb_execute(session, in, n, out, sizeof(out), &len), 0);
	ck_assert_uint_eq(len, emsmdb_vector("ext_idle_response_nothing", expected));
	ck_assert_mem_eq(out, expected, len);
	n = emsmdb_vector("ext_idle_request_xormagic", in);
	ck_assert_uint_eq(ocsemsmdb_execute(session, in, n, out, sizeof(out), &len), 0);
	ck_assert_mem_eq(out, expected, len);
	/* Handle slots come back unchanged. */
	n = emsmdb_vector("ext_idle_request_one_handle", in);
	ck_assert_uint_eq(ocsemsmdb_execute(session, in, n, out, sizeof(out), &len), 0);
	ck_assert_uint_eq(len, n);
	ck_assert_mem_eq(out, in, len);
	end();
}

TEST(logon_tells_the_special_folders)
{
	uint64_t root, inbox;

	begin(OCSEMSMDB_2016);
	emsmdb_logon(session);
	emsmdb_begin(&b);
	emsmdb_rop(&b, "fe0700010000000000000000"
	               "0600"
	               "2f636e3d7900");
	emsmdb_handle(&b, 0xffffffff);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	ck_assert_uint_eq(ocs_get16(b.data), 2 + 166);
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "", "", "", &root), 0);
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "imap", USER, "INBOX", &inbox), 0);
	ck_assert_uint_eq(b.data[8], 1);
	ck_assert_uint_eq(ocs_get64(b.data + 9), root);
	ck_assert_uint_eq(ocs_get64(b.data + 9 + 3 * 8), root);
	ck_assert_uint_eq(ocs_get64(b.data + 9 + 4 * 8), inbox);
	for (int i = 0; i < 13; i++) {
		ck_assert_uint_ne(ocs_get64(b.data + 9 + 8 * i), 0);
		for (int j = 0; j < i; j++)
			ck_assert(i == 3 || j == 3 ||
			          ocs_get64(b.data + 9 + 8 * i) != ocs_get64(b.data + 9 + 8 * j));
	}
	ck_assert_uint_eq(b.data[9 + 104], 7);
	ck_assert_uint_eq(ocs_get16(b.data + 9 + 104 + 1 + 16), 1); /* ReplId */
	end();
}

TEST(logons_that_may_not_be_are_refused)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);
	struct ocsemsmdb_caller caller = {.user = USER, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = USER, .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;

	context = host_open();
	settings.check_dn = emsmdb_check_dn;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	ck_assert_uint_eq(ocsemsmdb_connect(server, &caller, &connect, &connected, &session), 0);
	/* a public folder logon */
	ck_assert_uint_eq(mailbox_rop("fe00000000000000000000000000", 0xffffffff), 0);
	emsmdb_expect(&b, "fe0011010480");
	/* no name */
	ck_assert_uint_eq(mailbox_rop("fe00000100000000000000000000", 0xffffffff), 0);
	emsmdb_expect(&b, "fe0005000780");
	/* an unknown name, another's name, the own name */
	ck_assert_uint_eq(mailbox_rop("fe000001000000000000000007006e6f626f647900", 0xffffffff), 0);
	emsmdb_expect(&b, "fe00eb030000");
	ck_assert_uint_eq(mailbox_rop("fe00000100000000000000000400626f6200", 0xffffffff), 0);
	emsmdb_expect(&b, "fe0005000780");
	ck_assert_uint_eq(
	        mailbox_rop("fe00000100000000000000000d00742d656d2d6d61696c626f7800", 0xffffffff),
	        0);
	ck_assert_uint_eq(ocs_get32(b.data + 4), 0);
	end();
}

TEST(a_contents_table_is_empty_and_can_be_walked)
{
	uint32_t logon, folder, table;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	folder = open_folder(logon);
	table = open_contents(folder, "0500000100");
	/* no columns, no rows */
	ck_assert_uint_eq(mailbox_rop("15000000010a00", table), 0);
	emsmdb_expect(&b, "1500b9040000");
	ck_assert_uint_eq(
	        mailbox_rop("1200000006001400486714004a6714004d6703004e671f0037004000060e", table),
	        0);
	emsmdb_expect(&b, "12000000000000");
	ck_assert_uint_eq(mailbox_rop("15000000010a00", table), 0);
	emsmdb_expect(&b, "150000000000020000");
	ck_assert_uint_eq(mailbox_rop("15000000000a00", table), 0);
	emsmdb_expect(&b, "150000000000000000");
	ck_assert_uint_eq(mailbox_rop("170000", table), 0);
	emsmdb_expect(&b, "1700000000000000000000000000");
	ck_assert_uint_eq(mailbox_rop("180000000500000001", table), 0);
	emsmdb_expect(&b, "1800000000000100000000");
	ck_assert_uint_eq(mailbox_rop("180000030000000001", table), 0);
	emsmdb_expect(&b, "180057000780");
	ck_assert_uint_eq(mailbox_rop("1a00000000000001000000", table), 0);
	emsmdb_expect(&b, "1a0000000000");
	ck_assert_uint_eq(mailbox_rop("1a00000000000000000000", table), 0);
	emsmdb_expect(&b, "1a0005040480");
	ck_assert_uint_eq(mailbox_rop("370000", table), 0);
	emsmdb_expect(&b, "3700000000000000");
	ck_assert_uint_eq(mailbox_rop("160000", table), 0);
	emsmdb_expect(&b, "16000000000000");
	ck_assert_uint_eq(mailbox_rop("130000000100000000000300064e00", table), 0);
	emsmdb_expect(&b, "13000000000000");
	ck_assert_uint_eq(mailbox_rop("140000000000", table), 0);
	emsmdb_expect(&b, "14000000000000");
	ck_assert_uint_eq(mailbox_rop("4f0000000000000000", table), 0);
	emsmdb_expect(&b, "4f000f010480");
	ck_assert_uint_eq(mailbox_rop("810000", table), 0);
	emsmdb_expect(&b, "810000000000");
	ck_assert_uint_eq(mailbox_rop("15000000010a00", table), 0);
	emsmdb_expect(&b, "1500b9040000");
	end();
}

TEST(a_hierarchy_table_needs_a_folder)
{
	uint32_t logon, folder;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	ck_assert_uint_eq(mailbox_rop("0400000100", logon), 0);
	emsmdb_expect(&b, "040102010480");
	folder = open_folder(logon);
	ck_assert_uint_eq(mailbox_rop("0400000104", folder), 0);
	emsmdb_expect(&b, "04010000000000000000");
	ck_assert_uint_eq(mailbox_rop("15000000010a00", folder), 0);
	emsmdb_expect(&b, "150002010480");
	end();
}

TEST(what_the_mailbox_cannot_do_is_not_supported_in_its_own_layout)
{
	uint32_t logon;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	ck_assert_uint_eq(mailbox_rop("0700000000000000", logon), OCSEMSMDB_EC_RPC_FORMAT);
	ck_assert_uint_eq(mailbox_rop("070000000000000000", logon), 0);
	emsmdb_expect(&b, "070002010480");
	/* RopReadStream has its DataSize, RopDeleteFolder its PartialCompletion. */
	ck_assert_uint_eq(mailbox_rop("2c00001000", logon), 0);
	emsmdb_expect(&b, "2c00020104800000");
	ck_assert_uint_eq(mailbox_rop("2c0000beba00100000", logon), 0);
	emsmdb_expect(&b, "2c00020104800000");
	ck_assert_uint_eq(mailbox_rop("1d0000010100000000000001", logon), 0);
	emsmdb_expect(&b, "1d000201048000");
	/* RopSaveChangesMessage answers with its ResponseHandleIndex. */
	ck_assert_uint_eq(mailbox_rop("0c00010000", logon), 0);
	emsmdb_expect(&b, "0c0102010480");
	/* RopGetMessageStatus is answered as RopSetMessageStatus. */
	ck_assert_uint_eq(mailbox_rop("1f00000100000000000001", logon), 0);
	emsmdb_expect(&b, "200002010480");
	end();
}

TEST(a_bad_handle_fails_its_rop_alone)
{
	uint32_t logon, folder;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	folder = open_folder(logon);
	/* an index past the table, for input and for output */
	emsmdb_begin(&b);
	emsmdb_rop(&b, "29000501020001");
	emsmdb_rop(&b, "29000005020001");
	emsmdb_rop(&b, "29000001020001");
	emsmdb_handle(&b, logon);
	emsmdb_handle(&b, 0xffffffff);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	emsmdb_expect(&b, "2901b9040000"
	                  "2905b9040000"
	                  "290100000000");
	/* never assigned; unused; released; of another logon */
	ck_assert_uint_eq(mailbox_rop("29000001020001", 9999), 0);
	emsmdb_expect(&b, "2901b9040000");
	ck_assert_uint_eq(mailbox_rop("29000001020001", 0xffffffff), 0);
	emsmdb_expect(&b, "2901b9040000");
	ck_assert_uint_eq(mailbox_rop("010000", folder), 0);
	ck_assert_uint_eq(ocs_get16(b.data), 2);
	ck_assert_uint_eq(mailbox_rop("29000001020001", folder), 0);
	emsmdb_expect(&b, "290108010480");
	ck_assert_uint_eq(mailbox_rop("29010001020001", logon), 0);
	emsmdb_expect(&b, "290105000780");
	end();
}

TEST(a_registration_that_cannot_be_is_an_invalid_parameter)
{
	uint32_t logon;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	/* a folder of 0 */
	ck_assert_uint_eq(mailbox_rop("29000001020000"
	                              "0000000000000000"
	                              "0000000000000000",
	                              logon),
	                  0);
	emsmdb_expect(&b, "290157000780");
	ck_assert_uint_eq(emsmdb_handle_at(&b, 1), 0xffffffff);
	/* an unknown type */
	ck_assert_uint_eq(mailbox_rop("29000001010001", logon), 0);
	emsmdb_expect(&b, "290157000780");
	/* Reserved not 0; 0 is accepted */
	ck_assert_uint_eq(mailbox_rop("2900000102040101", logon), 0);
	emsmdb_expect(&b, "290157000780");
	ck_assert_uint_eq(mailbox_rop("2900000102040001", logon), 0);
	emsmdb_expect(&b, "290100000000");
	end();
}

TEST(what_cannot_be_parsed_fails_the_call_and_changes_nothing)
{
	uint32_t logon;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	ck_assert_uint_eq(mailbox_rop("29000001020001"
	                              "fd0000",
	                              logon),
	                  OCSEMSMDB_EC_RPC_FORMAT); /* an unknown ROP */
	ck_assert_uint_eq(mailbox_rop("010000"
	                              "0100",
	                              logon),
	                  OCSEMSMDB_EC_RPC_FORMAT); /* one that is cut */
	ck_assert_int_eq(host_count_queues(USER), 0);
	emsmdb_begin(&b);
	ocs_put16(b.data, 1);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), OCSEMSMDB_EC_RPC_FORMAT);
	ocs_put16(b.data, 3);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), OCSEMSMDB_EC_RPC_FORMAT);
	emsmdb_begin(&b);
	b.len = 5; /* three bytes of a handle */
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), OCSEMSMDB_EC_RPC_FORMAT);
	b.len = 0;
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), OCSEMSMDB_EC_RPC_FORMAT);
	/* The session lives. */
	ck_assert_uint_eq(mailbox_rop("29000001020001", logon), 0);
	emsmdb_expect(&b, "290100000000");
	end();
}

TEST(releasing_a_subscription_ends_it_without_a_response)
{
	uint32_t logon, subscription;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	subscription = emsmdb_subscribe(session, logon);
	ck_assert_int_gt(host_count_queues(USER), 0);
	emsmdb_mail(context, USER);
	emsmdb_begin(&b);
	emsmdb_rop(&b, "010000");
	emsmdb_handle(&b, subscription);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	ck_assert_uint_eq(ocs_get16(b.data), 2); /* what was pending is gone too */
	ck_assert_int_eq(host_count_queues(USER), 0);
	end();
}

TEST(a_logon_takes_what_is_its_own_with_it)
{
	uint32_t logon;

	begin(OCSEMSMDB_2007);
	logon = emsmdb_logon(session);
	emsmdb_subscribe(session, logon);
	open_contents(open_folder(logon), "0500000100");
	ck_assert_int_gt(host_count_queues(USER), 0);
	ck_assert_uint_eq(mailbox_rop("010000", logon), 0);
	ck_assert_int_eq(host_count_queues(USER), 0);
	/* another RopLogon in the same LogonId does the same */
	logon = emsmdb_logon(session);
	emsmdb_subscribe(session, logon);
	ck_assert_int_gt(host_count_queues(USER), 0);
	emsmdb_logon(session);
	ck_assert_int_eq(host_count_queues(USER), 0);
	ck_assert_uint_eq(mailbox_rop("29000001020001", logon), 0);
	emsmdb_expect(&b, "290108010480");
	end();
}

TEST(handles_are_bounded)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);
	uint32_t logon;

	context = host_open();
	settings.handles_max = 3;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	session = emsmdb_connect(server, USER);
	logon = emsmdb_logon(session);
	open_folder(logon);
	open_folder(logon);
	ck_assert_uint_eq(mailbox_rop("29000001020001", logon), 0);
	emsmdb_expect(&b, "2901f0030000");
	end();
}

TEST(requests_that_found_no_room_come_back)
{
	uint32_t logon;

	begin(OCSEMSMDB_2016);
	logon = emsmdb_logon(session);
	emsmdb_subscribe(session, logon);
	emsmdb_mail(context, USER);
	emsmdb_begin(&b);
	for (int i = 0; i < 5; i++)
		emsmdb_rop(&b, "490000");
	emsmdb_handle(&b, logon);
	/* Room for one answer and the four others; and there is news, which may not follow. */
	ck_assert_uint_eq(emsmdb_execute(session, &b, 8 + 45), 0);
	emsmdb_expect(&b, "490002010480"
	                  "ff7400490000490000490000490000");
	ck_assert_uint_eq(emsmdb_handle_at(&b, 0), logon);
	/* The smallest buffer that takes all back, and one below. */
	emsmdb_begin(&b);
	emsmdb_rop(&b, "070000000000000000");
	emsmdb_handle(&b, logon);
	ck_assert_uint_eq(emsmdb_execute(session, &b, 8 + 2 + 3 + 9 + 4), 0);
	emsmdb_expect(&b, "ff1c00070000000000000000");
	emsmdb_begin(&b);
	emsmdb_rop(&b, "070000000000000000");
	emsmdb_handle(&b, logon);
	ck_assert_uint_eq(emsmdb_execute(session, &b, 8 + 2 + 3 + 9 + 3),
	                  OCSEMSMDB_EC_BUFFER_TOO_SMALL);
	end();
}

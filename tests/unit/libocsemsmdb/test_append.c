/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* RopNotify and RopPending at the end of responses; the host's own ROP processor. */
#include "ropnotify/ropnotify.h"
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

#define NEWMAIL_SIZE 38 /* RopNotify of a mail of class IPM.Note */

#define USER "t-em-append"

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

static void subscribe(uint32_t handle)
{
	uint8_t request[64], response[OCSEMSMDB_REGISTER_RESPONSE], expected[8];
	size_t used, n = emsmdb_vector("ropregister_newmail_whole_store", request);

	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, handle, &used, response), 0);
	ck_assert_uint_eq(used, n);
	emsmdb_vector("ropregister_response_success", expected);
	ck_assert_mem_eq(response, expected, sizeof(response));
}

static size_t append(const char *rops, unsigned handles, size_t size)
{
	emsmdb_begin(&b);
	emsmdb_rop(&b, rops);
	for (unsigned i = 0; i < handles; i++)
		emsmdb_handle(&b, 100 + i);
	ck_assert_uint_eq(ocsemsmdb_append(session, b.data, &b.len, size), 0);
	ck_assert_uint_le(b.len, size);
	return b.len;
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(each_vector_of_a_registration_is_read)
{
	static const struct {
		const char *name;
		bool with_0400;
	} vectors[] = {{"ropregister_newmail_whole_store", false},
	               {"ropregister_object_events_whole_store", false},
	               {"ropregister_newmail_folder", false},
	               {"ropregister_all_folder", false},
	               {"ropregister_table_whole_store", false}};
	uint8_t request[64], response[OCSEMSMDB_REGISTER_RESPONSE];
	size_t used, n;

	begin(OCSEMSMDB_2016);
	for (uint32_t i = 0; i < 5; i++) {
		n = emsmdb_vector(vectors[i].name, request);
		for (size_t cut = 0; cut < n; cut++) {
			ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, cut, 10 + i,
			                                         &used, response),
			                  OCSEMSMDB_EC_RPC_FORMAT);
			ck_assert_uint_eq(used, 0);
		}
		ck_assert_msg(
		        ocsemsmdb_rop_register(session, request, n, 10 + i, &used, response) == 0,
		        "%s", vectors[i].name);
		ck_assert_uint_eq(used, n);
	}
	end();
}

TEST(failures_have_the_layout_of_the_vectors)
{
	uint8_t request[64], response[OCSEMSMDB_REGISTER_RESPONSE], expected[8];
	size_t used, n = emsmdb_hex("29000001ff0f0001", request);

	begin(OCSEMSMDB_2016);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response),
	                  OCSEMSMDB_EC_INVALID_PARAM);
	emsmdb_vector("ropregister_response_invalid_param", expected);
	ck_assert_mem_eq(response, expected, sizeof(response));
	/* A handle is used once. */
	subscribe(10);
	n = emsmdb_vector("ropregister_newmail_whole_store", request);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 10, &used, response),
	                  OCSEMSMDB_EC_INVALID_PARAM);
	ck_assert_uint_eq(ocsemsmdb_rop_register(session, request, n, 0xffffffff, &used, response),
	                  OCSEMSMDB_EC_INVALID_PARAM);
	end();
}

TEST(one_mail_gives_the_vector_of_a_response)
{
	uint8_t expected[64], in[16], out[64];
	size_t n, len;

	begin(OCSEMSMDB_2013);
	subscribe(10);
	emsmdb_mail(context, USER);
	n = emsmdb_vector("ext_idle_request", in);
	ck_assert_uint_eq(ocsemsmdb_execute(session, in, n, out, sizeof(out), &len), 0);
	ck_assert_uint_eq(len, emsmdb_vector("ext_response_one_newmail", expected));
	ck_assert_mem_eq(out, expected, len);
	end();
}

TEST(notifies_stand_behind_all_responses_and_before_the_handles)
{
	begin(OCSEMSMDB_2016);
	subscribe(10);
	emsmdb_mail(context, USER);
	append("290100000000"
	       "070002010480",
	       2, sizeof(b.data));
	ck_assert_uint_eq(ocs_get16(b.data), 2 + 12 + NEWMAIL_SIZE);
	ck_assert_uint_eq(b.data[2], 0x29);
	ck_assert_uint_eq(b.data[8], 0x07);
	ck_assert_uint_eq(b.data[14], 0x2a);
	ck_assert_uint_eq(ocs_get32(b.data + 15), 10);
	ck_assert_uint_eq(emsmdb_handle_at(&b, 0), 100);
	ck_assert_uint_eq(emsmdb_handle_at(&b, 1), 101);
	ck_assert_uint_eq(b.len, 2 + 12 + NEWMAIL_SIZE + 8);
	end();
}

TEST(nothing_is_appended_when_nothing_is_pending)
{
	begin(OCSEMSMDB_2007);
	subscribe(10);
	ck_assert_uint_eq(append("290100000000", 2, sizeof(b.data)), 2 + 6 + 8);
	emsmdb_expect(&b, "290100000000");
	end();
}

static uint64_t message_of(size_t at)
{
	return ocs_get64(b.data + at + 16);
}

TEST(what_does_not_fit_stays_in_order_and_is_told_by_rop_pending)
{
	uint8_t pending[3];

	begin(OCSEMSMDB_2016);
	subscribe(10);
	for (uint64_t i = 1; i <= 3; i++) {
		struct ocs_entry entry = entry_newmail(EMSMDB_FOLDER, i << 16 | 1);

		ck_assert_int_eq(daemon_send(context, USER, OCS_TABLE_NEWMAIL, &entry), 1);
	}
	/* Room for one, for RopPending and for less than another. */
	append("", 1, 2 + NEWMAIL_SIZE + 3 + 4);
	ck_assert_uint_eq(b.len, 2 + NEWMAIL_SIZE + 3 + 4);
	ck_assert_uint_eq(message_of(2), 1 << 16 | 1);
	emsmdb_vector("roppending_session5", pending);
	ocs_put16(pending + 1, ocsemsmdb_session_index(session));
	ck_assert_mem_eq(b.data + 2 + NEWMAIL_SIZE, pending, 3);
	ck_assert_uint_eq(emsmdb_handle_at(&b, 0), 100);
	/* RopPending has no room: it is left out. */
	append("", 0, 2 + NEWMAIL_SIZE + 2);
	ck_assert_uint_eq(b.len, 2 + NEWMAIL_SIZE);
	ck_assert_uint_eq(message_of(2), 2 << 16 | 1);
	/* No room for a RopNotify, but for RopPending. */
	append("", 0, 2 + NEWMAIL_SIZE - 1);
	ck_assert_uint_eq(b.len, 2 + 3);
	ck_assert_uint_eq(b.data[2], 0x6e);
	/* The last one fits: no RopPending. */
	append("", 0, 2 + NEWMAIL_SIZE + 3);
	ck_assert_uint_eq(b.len, 2 + NEWMAIL_SIZE);
	ck_assert_uint_eq(message_of(2), 3 << 16 | 1);
	ck_assert_uint_eq(append("", 0, sizeof(b.data)), 2);
	end();
}

TEST(a_payload_is_never_more_than_32_kb)
{
	static uint8_t big[2 * OCSEMSMDB_PAYLOAD_MAX];
	size_t len = 2;
	const int mails = OCSEMSMDB_PAYLOAD_MAX / NEWMAIL_SIZE + 10;

	begin(OCSEMSMDB_2016);
	subscribe(10);
	for (int i = 0; i < mails; i++)
		emsmdb_mail(context, USER);
	ocs_put16(big, 2);
	ck_assert_uint_eq(ocsemsmdb_append(session, big, &len, sizeof(big)), 0);
	ck_assert_uint_le(len, OCSEMSMDB_PAYLOAD_MAX);
	ck_assert_uint_gt(len, OCSEMSMDB_PAYLOAD_MAX - NEWMAIL_SIZE);
	ck_assert_uint_eq(ocs_get16(big), len);
	end();
}

TEST(what_is_no_payload_is_refused)
{
	size_t len;

	begin(OCSEMSMDB_2016);
	for (size_t rops = 0; rops < 12; rops++) {
		memset(b.data, 0, 16);
		ocs_put16(b.data, (uint16_t)rops);
		len = 8;
		ck_assert_uint_eq(ocsemsmdb_append(session, b.data, &len, 16),
		                  rops == 4 || rops == 8 ? 0 : OCSEMSMDB_EC_RPC_FORMAT);
	}
	len = 1;
	ck_assert_uint_eq(ocsemsmdb_append(session, b.data, &len, 16), OCSEMSMDB_EC_RPC_FORMAT);
	ocs_put16(b.data, 8);
	len = 8;
	ck_assert_uint_eq(ocsemsmdb_append(session, b.data, &len, 7), OCSEMSMDB_EC_RPC_FORMAT);
	end();
}

TEST(a_released_handle_is_not_notified_any_more)
{
	begin(OCSEMSMDB_2016);
	subscribe(10);
	subscribe(11);
	emsmdb_mail(context, USER);
	ocsemsmdb_rop_release(session, 10);
	ocsemsmdb_rop_release(session, 4711);
	append("", 0, sizeof(b.data));
	ck_assert_uint_eq(b.len, 2 + NEWMAIL_SIZE);
	ck_assert_uint_eq(ocs_get32(b.data + 3), 11);
	end();
}

static uint32_t flags_sent(enum ocsemsmdb_version version)
{
	struct ocs_entry entry = entry_newmail(EMSMDB_FOLDER, EMSMDB_MESSAGE);

	begin(version);
	subscribe(10);
	entry.message_flags = 0x10;
	ck_assert_int_eq(daemon_send(context, USER, OCS_TABLE_NEWMAIL, &entry), 1);
	append("", 0, sizeof(b.data));
	end();
	return ocs_get32(b.data + 2 + 24);
}

TEST(exchange_2013_alone_sends_no_message_flags)
{
	ck_assert_uint_eq(flags_sent(OCSEMSMDB_2007), 0x10);
	ck_assert_uint_eq(flags_sent(OCSEMSMDB_2010), 0x10);
	ck_assert_uint_eq(flags_sent(OCSEMSMDB_2013), 0);
	ck_assert_uint_eq(flags_sent(OCSEMSMDB_2016), 0x10);
}

/* ---- tables ---- */

static size_t table_event(void)
{
	struct ocs_entry entry = entry_row(OCSNOTIFY_TABLE_CHANGED, EMSMDB_FOLDER, EMSMDB_MESSAGE);

	(void)daemon_send(context, USER, OCS_TABLE_CONTENTS, &entry);
	return append("", 0, sizeof(b.data)) - 2;
}

static void open_table(uint8_t flags)
{
	ck_assert_uint_eq(ocsemsmdb_table_opened(session, 20, 0, OCSNOTIFY_CONTENTS_TABLE,
	                                         EMSMDB_FOLDER, flags),
	                  0);
}

LOOP_TEST(from_2010_on_a_table_tells_from_its_view_to_its_reset, OCSEMSMDB_2010, OCSEMSMDB_2016 + 1)
{
	begin(_i);
	open_table(0);
	ck_assert_uint_eq(table_event(), 0);
	ck_assert_uint_eq(ocsemsmdb_table_viewed(session, 20), 0);
	ck_assert_uint_eq(ocsemsmdb_table_viewed(session, 20), 0);
	ck_assert_uint_eq(table_event(), OCS_ROPNOTIFY_MIN);
	ck_assert_uint_eq(ocs_get32(b.data + 3), 20);
	ck_assert_uint_eq(ocsemsmdb_table_reset(session, 20), 0);
	ck_assert_uint_eq(ocsemsmdb_table_reset(session, 20), 0);
	ck_assert_uint_eq(table_event(), 0);
	ck_assert_uint_eq(ocsemsmdb_table_viewed(session, 20), 0);
	ck_assert_uint_eq(table_event(), OCS_ROPNOTIFY_MIN);
	ocsemsmdb_rop_release(session, 20);
	ck_assert_uint_eq(table_event(), 0);
	end();
}

LOOP_TEST(before_2010_a_table_tells_from_its_opening_to_its_release, OCSEMSMDB_2003,
          OCSEMSMDB_2007 + 1)
{
	begin(_i);
	open_table(0);
	ck_assert_uint_eq(table_event(), OCS_ROPNOTIFY_MIN);
	ck_assert_uint_eq(ocsemsmdb_table_reset(session, 20), 0);
	ck_assert_uint_eq(table_event(), OCS_ROPNOTIFY_MIN);
	ocsemsmdb_rop_release(session, 20);
	ck_assert_uint_eq(table_event(), 0);
	end();
}

TEST(a_table_with_no_notifications_tells_nothing)
{
	begin(OCSEMSMDB_2007);
	open_table(0x10);
	ck_assert_uint_eq(ocsemsmdb_table_viewed(session, 20), 0);
	ck_assert_uint_eq(table_event(), 0);
	ck_assert_int_eq(host_count_queues(USER), 0);
	end();
}

TEST(the_end_of_a_logon_ends_what_is_its_own)
{
	begin(OCSEMSMDB_2007);
	open_table(0);
	ck_assert_uint_eq(
	        ocsemsmdb_table_opened(session, 21, 1, OCSNOTIFY_CONTENTS_TABLE, EMSMDB_FOLDER, 0),
	        0);
	ocsemsmdb_logon_ended(session, 0);
	ck_assert_uint_eq(table_event(), OCS_ROPNOTIFY_MIN);
	ck_assert_uint_eq(ocs_get32(b.data + 3), 21);
	ck_assert_uint_eq(b.data[7], 1);
	end();
}

/* ---- the end of a response ---- */

static bool too_small(const char *request, const char *response)
{
	uint8_t in[64], out[64];
	size_t n = 2 + emsmdb_hex(request, in + 2), m = 2 + emsmdb_hex(response, out + 2);

	ocs_put16(in, (uint16_t)n);
	ocs_put16(out, (uint16_t)m);
	memcpy(in + n, "\1\2\3\4", 4);
	memcpy(out + m, "\5\6\7\10", 4);
	return ocsemsmdb_is_too_small(in, n + 4, out, m + 4);
}

TEST(rop_buffer_too_small_is_known_by_the_request_it_gives_back)
{
	ck_assert(too_small("0500000100", "ff00800500000100"));
	ck_assert(too_small("07000000000000000005000001000500000100",
	                    "070002010480ff008005000001000500000100"));
	ck_assert(!too_small("0500000100", "050100000000ff000000"));
	ck_assert(!too_small("", "ff0080"));
	ck_assert(!too_small("0500000100", ""));
	ck_assert(!ocsemsmdb_is_too_small(NULL, 0, NULL, 0));
}

/* ---- a processor of the host's ---- */

static uint32_t echo(struct ocsemsmdb_session *of, const uint8_t *payload, size_t payload_len,
                     uint8_t *out, size_t size, size_t *len_r, bool *too_small_r, void *arg)
{
	(void)of;
	(void)arg;
	ck_assert(!*too_small_r);
	if (payload_len > size)
		return OCSEMSMDB_EC_BUFFER_TOO_SMALL;
	memcpy(out, payload, payload_len);
	*len_r = payload_len;
	*too_small_r = payload_len > 2 && payload[2] == 0xff;
	return payload_len > 2 && payload[2] == 0xee ? OCSEMSMDB_EC_ERROR : 0;
}

TEST(the_hosts_own_processor_is_called_and_notifies_follow)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(OCSEMSMDB_2016);

	context = host_open();
	settings.processor = echo;
	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	session = emsmdb_connect(server, USER);
	subscribe(10);
	emsmdb_mail(context, USER);
	emsmdb_begin(&b);
	emsmdb_rop(&b, "ff0000");
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	emsmdb_expect(&b, "ff0000");
	emsmdb_begin(&b);
	emsmdb_rop(&b, "ee0000");
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), OCSEMSMDB_EC_ERROR);
	emsmdb_begin(&b);
	emsmdb_rop(&b, "123456");
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	ck_assert_uint_eq(b.len, 2 + 3 + NEWMAIL_SIZE);
	ck_assert_uint_eq(b.data[2 + 3], 0x2a);
	end();
}

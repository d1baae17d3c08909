/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* ROP requests: where each one ends, what handles it names, how it fails. */
#include "libocsemsmdb/request.h"
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

/* response and input are the bytes 2 and 3 where a request has two indexes: they are 5 and 6. */
static const struct {
	const char *hex;
	uint8_t input, response;
} requests[] = {
        {"010005", 5, 5},                                         /* Release */
        {"02000506010000000000000100", 5, 6},                     /* OpenFolder */
        {"03000506e4040000000000000000000000000000000000", 5, 6}, /* OpenMessage */
        {"0500050600", 5, 6},                                     /* GetContentsTable */
        {"0700050000000002001f0037001f003700", 5, 5},             /* GetPropertiesSpecific */
        {"0a00050400aabbccdd", 5, 5},                             /* SetProperties */
        {"0c00050600", 6, 5},                                     /* SaveChangesMessage */
        {"0e0005010003000f0c0100010000000203 00aabbcc", 5, 5},    /* ModifyRecipients */
        {"1200050001001f003700", 5, 5},                           /* SetColumns */
        {"13000500020000000000030000 4e0003000060 01", 5, 5},     /* SortTable */
        {"1400050003 00aabbcc", 5, 5},                            /* Restrict */
        {"1c000506010100006100620000006300 0000", 5, 6},          /* CreateFolder, Unicode */
        {"1c0005060100000061620063 00", 5, 6},                    /* CreateFolder */
        {"1e00050000020001000000000000010200000000000002", 5, 5}, /* DeleteMessages */
        {"27000549504d00", 5, 5},                                 /* GetReceiveFolder */
        {"2c00050010", 5, 5},                                     /* ReadStream */
        {"2c0005beba00100000", 5, 5},                             /* ReadStream, large */
        {"33000506010001000000000000010001", 5, 5},               /* MoveCopyMessages */
        {"4e0005beba0010", 5, 5},                                 /* ...SourceGetBuffer */
        {"4f0005000100aa000200bbcc", 5, 5},                       /* FindRow */
        {"560005000200"
         "0000112233445566778899aabbccddeeff01020304"
         "0100112233445566778899aabbccddeeff0461006200",
         5, 5},               /* GetPropertyIdsFromNames */
        {"5f00050000", 5, 5}, /* QueryNamedProperties */
        {"5f0005000100000000000000000000000000000000", 5, 5},
        {"700005060100000001 00aa000000000100aabbccdd", 5, 6}, /* SynchronizationConfigure */
        {"7600050300 0000aabbcc", 5, 5},                       /* ...UploadStateStreamContinue */
        {"810005", 5, 5},                                      /* ResetTable */
        {"fe0005010000000000000000020 07800", 5, 5},           /* Logon */
};

/* Bytes of hex that may have blanks. */
static size_t bytes_of(const char *hex, uint8_t *out)
{
	char plain[256];
	size_t n = 0;

	for (; *hex != '\0'; hex++)
		if (*hex != ' ')
			plain[n++] = *hex;
	plain[n] = '\0';
	return emsmdb_hex(plain, out);
}

LOOP_TEST(a_request_ends_where_its_layout_says, 0, sizeof(requests) / sizeof(requests[0]))
{
	struct ocs_rop_request request;
	uint8_t data[256] = {0};
	size_t n = bytes_of(requests[_i].hex, data);
	const char *hex = requests[_i].hex;

	ck_assert_msg(ocs_rop_request_read(data, n, &request), "%s", hex);
	ck_assert_msg(request.len == n, "%s: %zu of %zu", hex, request.len, n);
	ck_assert_msg(ocs_rop_request_read(data, n + 7, &request) && request.len == n, "%s", hex);
	ck_assert_uint_eq(request.rop, data[0]);
	ck_assert_uint_eq(request.input, requests[_i].input);
	ck_assert_uint_eq(request.response, requests[_i].response);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_msg(!ocs_rop_request_read(data, cut, &request), "%s at %zu", hex, cut);
}

TEST(ids_that_are_no_request_of_a_client_are_unknown)
{
	static const uint8_t ids[] = {0x00, 0x28, 0x2a, 0x3c, 0x6e, 0x72, 0x84, 0xf9, 0xfd, 0xff};
	struct ocs_rop_request request;
	uint8_t data[64] = {0};

	for (size_t i = 0; i < sizeof(ids); i++) {
		data[0] = ids[i];
		ck_assert_msg(!ocs_rop_request_read(data, sizeof(data), &request), "0x%02x",
		              ids[i]);
	}
}

TEST(the_published_requests_are_read)
{
	static const char *const names[] = {
	        "rop_getcontentstable_request",         "rop_setcolumns_request",
	        "rop_abortsubmit_request_fid_mid",      "rop_release_subscription",
	        "rop_getcontentstable_nonotifications", "rop_gethierarchytable_nonotifications",
	        "rop_gethierarchytable_depth",
	};
	struct ocs_rop_request request;
	uint8_t data[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = emsmdb_vector(names[i], data);

		ck_assert_msg(ocs_rop_request_read(data, n, &request), "%s", names[i]);
		ck_assert_uint_eq(request.len, n);
	}
}

TEST(a_registration_is_read_field_by_field)
{
	struct ocs_rop_register rop;
	uint8_t data[64];
	size_t n = emsmdb_vector("ropregister_all_folder", data);

	ck_assert_uint_eq(ocs_rop_register_read(data, n, &rop), n);
	ck_assert_uint_eq(rop.logon_id, 0);
	ck_assert_uint_eq(rop.input, 0);
	ck_assert_uint_eq(rop.output, 1);
	ck_assert_uint_eq(rop.types, 0x01fe);
	ck_assert(!rop.whole_store);
	ck_assert_uint_eq(rop.folder_id, 0x47ca79b403000001);
	ck_assert_uint_eq(rop.message_id, 0);
	n = emsmdb_vector("ropregister_table_whole_store", data);
	ck_assert_uint_eq(ocs_rop_register_read(data, n, &rop), n);
	ck_assert_uint_eq(rop.types, 0x0100);
	ck_assert(rop.whole_store);
	/* With Extended there is a reserved byte; whatever is not 0 is the whole store. */
	n = emsmdb_hex("29000001020477ff", data);
	ck_assert_uint_eq(ocs_rop_register_read(data, n, &rop), n);
	ck_assert_uint_eq(rop.reserved, 0x77);
	ck_assert(rop.whole_store);
	n = emsmdb_vector("rop_release_subscription", data);
	ck_assert_uint_eq(ocs_rop_register_read(data, n, &rop), 0);
}

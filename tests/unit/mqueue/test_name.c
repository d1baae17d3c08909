/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Queue names: what the format promises, and that nothing else is taken for one. */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqueue/name.h"
#include "tests/unit/unit.h"

static const char *format(const char *user, uint64_t folder, enum ocs_table table, uint32_t pipe)
{
	static char name[OCS_QUEUE_NAME_MAX];

	ck_assert_int_eq(ocs_queue_name_format(name, user, folder, table, pipe), 0);
	return name;
}

TEST(published_forms)
{
	ck_assert_str_eq(format("jdoe", 0x47ca79b403000001, OCS_TABLE_NEWMAIL, 0x0badcafe),
	                 "/ocs.jdoe.47ca79b403000001.newmail.0badcafe");
	ck_assert_str_eq(format("jdoe", OCS_FOLDER_STORE, OCS_TABLE_HIERARCHY, 0),
	                 "/ocs.jdoe.store.hierarchy.00000000");
	ck_assert_str_eq(format("A_b-9", 1, OCS_TABLE_OBJECT, 0xffffffff),
	                 "/ocs.A_b-9.0000000000000001.object.ffffffff");
}

TEST(user_is_percent_encoded_outside_the_plain_characters)
{
	ck_assert_str_eq(format("j.doe@example.org", 0, OCS_TABLE_CONTENTS, 1),
	                 "/ocs.j%2Edoe%40example%2Eorg.store.contents.00000001");
	ck_assert_str_eq(format("../../etc\n", 0, OCS_TABLE_SEARCH, 1),
	                 "/ocs.%2E%2E%2F%2E%2E%2Fetc%0A.store.search.00000001");
	ck_assert_str_eq(format("m\xc3\xbcller%", 0, OCS_TABLE_SEARCH, 1),
	                 "/ocs.m%C3%BCller%25.store.search.00000001");
	ck_assert_str_eq(format("~abc", 0, OCS_TABLE_SEARCH, 1),
	                 "/ocs.%7Eabc.store.search.00000001");
}

TEST(every_byte_of_a_user_survives)
{
	for (unsigned c = 1; c < 256; c++) {
		char user[4] = {'x', (char)c, 'y', '\0'};
		struct ocs_queue_name parsed;
		const char *name = format(user, 0x10, OCS_TABLE_OBJECT, 77);

		ck_assert_ptr_null(strchr(name + 1, '/'));
		ck_assert_int_eq(ocs_queue_name_parse(name, &parsed), 0);
		ck_assert_str_eq(parsed.user, user);
		ck_assert(!parsed.user_hashed);
	}
}

TEST(all_fields_round_trip)
{
	static const uint64_t folders[] = {OCS_FOLDER_STORE, 1, 0x47ca79b403000001, UINT64_MAX};

	for (int table = 0; table < OCS_TABLE_COUNT; table++)
		for (unsigned f = 0; f < 4; f++) {
			struct ocs_queue_name parsed;

			ck_assert_int_eq(
			        ocs_queue_name_parse(format("u@d", folders[f],
			                                    (enum ocs_table)table, 0xdeadbeefu),
			                             &parsed),
			        0);
			ck_assert_str_eq(parsed.user, "u@d");
			ck_assert_uint_eq(parsed.folder, folders[f]);
			ck_assert_int_eq(parsed.table, table);
			ck_assert_uint_eq(parsed.pipe, 0xdeadbeefu);
		}
}

/* "/ocs." + user + ".store.newmail.00000000" is 28 bytes and the user; 256 with the slash fit. */
TEST(name_of_255_bytes_keeps_the_user_and_of_256_hashes_it)
{
	char user[OCS_USER_MAX + 2], expected[64];
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct ocs_queue_name parsed;
	struct sha256_ctx context;
	const char *name;

	memset(user, 'a', sizeof(user));
	user[256 - 28] = '\0';
	name = format(user, 0, OCS_TABLE_NEWMAIL, 0);
	ck_assert_uint_eq(strlen(name + 1), 255);
	ck_assert_int_eq(ocs_queue_name_parse(name, &parsed), 0);
	ck_assert_str_eq(parsed.user, user);

	user[256 - 28] = 'a';
	user[256 - 27] = '\0';
	sha256_init(&context);
	sha256_update(&context, strlen(user), (const uint8_t *)user);
	sha256_digest(&context, sizeof(digest), digest);
	strcpy(expected, "~");
	for (unsigned i = 0; i < 20; i++)
		sprintf(expected + 1 + 2 * i, "%02x", digest[i]);
	name = format(user, 0, OCS_TABLE_NEWMAIL, 0);
	ck_assert_int_eq(ocs_queue_name_parse(name, &parsed), 0);
	ck_assert(parsed.user_hashed);
	ck_assert_str_eq(parsed.user, expected);
	ck_assert_uint_eq(strlen(name), 28 + 41);
}

TEST(encoded_length_counts_for_the_limit)
{
	char user[100];
	struct ocs_queue_name parsed;

	memset(user, '@', sizeof(user));
	user[76] = '\0'; /* 76 x 3 = 228 = 256 - 28 */
	ck_assert_int_eq(ocs_queue_name_parse(format(user, 0, OCS_TABLE_NEWMAIL, 0), &parsed), 0);
	ck_assert(!parsed.user_hashed);
	user[76] = '@';
	user[77] = '\0';
	ck_assert_int_eq(ocs_queue_name_parse(format(user, 0, OCS_TABLE_NEWMAIL, 0), &parsed), 0);
	ck_assert(parsed.user_hashed);
}

TEST(known_hash)
{
	char user[301];

	memset(user, 'a', 300);
	user[300] = '\0';
	/* printf 'a%.0s' $(seq 300) | sha256sum | cut -c1-40 */
	ck_assert_str_eq(format(user, 0, OCS_TABLE_NEWMAIL, 1),
	                 "/ocs.~9835fa6bf4e20a9b9ea812506302e98982721a6c.store.newmail.00000001");
}

TEST(users_that_cannot_be_named_are_refused)
{
	char name[OCS_QUEUE_NAME_MAX], user[OCS_USER_MAX + 2];

	ck_assert_int_eq(ocs_queue_name_format(name, "", 0, OCS_TABLE_NEWMAIL, 0), -1);
	memset(user, '@', sizeof(user));
	user[OCS_USER_MAX] = '\0';
	ck_assert_int_eq(ocs_queue_name_format(name, user, 0, OCS_TABLE_NEWMAIL, 0), 0);
	user[OCS_USER_MAX] = '@';
	user[OCS_USER_MAX + 1] = '\0';
	ck_assert_int_eq(ocs_queue_name_format(name, user, 0, OCS_TABLE_NEWMAIL, 0), -1);
	ck_assert_int_eq(ocs_queue_name_format(name, "u", 0, (enum ocs_table)OCS_TABLE_COUNT, 0),
	                 -1);
}

static const char *const rejected[] = {
        "",
        "/",
        "/ocs.",
        "/ocs",
        "ocs.u.store.newmail.00000000",
        "//ocs.u.store.newmail.00000000",
        "/ocsx.u.store.newmail.00000000",
        "/OCS.u.store.newmail.00000000",
        "/ocs..store.newmail.00000000",
        "/ocs.u.store.newmail",
        "/ocs.u.store.newmail.",
        "/ocs.u.store",
        "/ocs.u",
        "/ocs.u.store.newmail.0000000",
        "/ocs.u.store.newmail.000000000",
        "/ocs.u.store.newmail.0000000G",
        "/ocs.u.store.newmail.0000000A",
        "/ocs.u.store.newmail.00000000.",
        "/ocs.u.store.newmail.00000000.x",
        "/ocs.u.store.newmail.00000000\n",
        "/ocs.u.store.NEWMAIL.00000000",
        "/ocs.u.store.newmails.00000000",
        "/ocs.u.store..00000000",
        "/ocs.u.store.aaaaaaaaaaaaaaaaaaaaaaaaaa.00000000",
        "/ocs.u.stor.newmail.00000000",
        "/ocs.u.Store.newmail.00000000",
        "/ocs.u..newmail.00000000",
        "/ocs.u.0000000000000000.newmail.00000000",
        "/ocs.u.000000000000001.newmail.00000000",
        "/ocs.u.00000000000000001.newmail.00000000",
        "/ocs.u.47CA79B403000001.newmail.00000000",
        "/ocs.u.0x00000000000001.newmail.00000000",
        "/ocs.u@d.store.newmail.00000000",
        "/ocs.u/d.store.newmail.00000000",
        "/ocs.u%.store.newmail.00000000",
        "/ocs.u%4.store.newmail.00000000",
        "/ocs.u%zz.store.newmail.00000000",
        "/ocs.u%00.store.newmail.00000000",
        "/ocs.u%2e.store.newmail.00000000", /* lower case: never written */
        "/ocs.u%41.store.newmail.00000000", /* a plain character: never encoded */
        "/ocs.~.store.newmail.00000000",
        "/ocs.~abc.store.newmail.00000000",
        "/ocs.~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.store.newmail.00000000",
        "/ocs.~aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.store.newmail.00000000",
        "/ocs.u~.store.newmail.00000000",
};

LOOP_TEST(what_format_never_writes_is_rejected, 0, (int)(sizeof(rejected) / sizeof(rejected[0])))
{
	struct ocs_queue_name parsed;

	ck_assert_msg(ocs_queue_name_parse(rejected[_i], &parsed) == -1, "accepted %s",
	              rejected[_i]);
}

TEST(over_long_name_is_rejected)
{
	char name[400], user[301];
	struct ocs_queue_name parsed;

	memset(user, 'a', 300);
	user[300] = '\0';
	snprintf(name, sizeof(name), "/ocs.%s.store.newmail.00000000", user);
	ck_assert_int_eq(ocs_queue_name_parse(name, &parsed), -1);
	user[229] = '\0';
	snprintf(name, sizeof(name), "/ocs.%s.store.newmail.00000000", user);
	ck_assert_int_eq(ocs_queue_name_parse(name, &parsed), -1);
}

TEST(words_of_tables_and_folders)
{
	static const char *const bad[] = {"",
	                                  "Store",
	                                  "0",
	                                  "0x",
	                                  "0x47ca79b40300001",
	                                  "47ca79b4030000011",
	                                  "0000000000000000",
	                                  "0x0000000000000000",
	                                  "47ca79b40300000g",
	                                  " 47ca79b403000001",
	                                  "47ca79b403000001 "};
	enum ocs_table table;
	uint64_t folder;

	for (int i = 0; i < OCS_TABLE_COUNT; i++) {
		ck_assert_int_eq(ocs_table_from_word(ocs_table_word((enum ocs_table)i), &table), 0);
		ck_assert_int_eq(table, i);
	}
	ck_assert_int_eq(ocs_table_from_word("", &table), -1);
	ck_assert_int_eq(ocs_table_from_word("Object", &table), -1);
	ck_assert_str_eq(ocs_table_word((enum ocs_table)99), "?");

	ck_assert_int_eq(ocs_folder_from_word("store", &folder), 0);
	ck_assert_uint_eq(folder, OCS_FOLDER_STORE);
	ck_assert_int_eq(ocs_folder_from_word("47ca79b403000001", &folder), 0);
	ck_assert_uint_eq(folder, 0x47ca79b403000001);
	ck_assert_int_eq(ocs_folder_from_word("0x47CA79b403000001", &folder), 0);
	ck_assert_uint_eq(folder, 0x47ca79b403000001);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ocs_folder_from_word(bad[i], &folder) == -1, "accepted %s", bad[i]);
}

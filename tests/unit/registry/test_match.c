/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Which subscription wants which entry (MS-OXCNOTIF 2.2.1.2.1.1), as a table. */
#include "tests/unit/rig.h"

#include "registry/match.h"

enum { F = 0x11, G = 0x22, P = 0x33, M = 0x44, N = 0x55, STORE = OCS_FOLDER_STORE };
#define OBJECTS 0x7c

struct row {
	enum ocs_table table;
	struct ocs_entry entry;
	uint16_t types;
	uint64_t folder, mid;
	bool wanted;
};

#define NEWMAIL                                                                                    \
	{                                                                                          \
		.flags = 0x8002, .fid = F, .mid = M                                                \
	}
#define MESSAGE(type)                                                                              \
	{                                                                                          \
		.flags = 0x8000 | (type), .fid = F, .mid = M                                       \
	}
#define FOLDER(type)                                                                               \
	{                                                                                          \
		.flags = (type), .fid = F, .parent_fid = P                                         \
	}
#define FROM_G(type)                                                                               \
	{                                                                                          \
		.flags = 0x8000 | (type), .fid = F, .mid = M, .old_fid = G, .old_mid = N           \
	}
#define CONTENTS                                                                                   \
	{                                                                                          \
		.flags = 0x8100, .table_event = 3, .fid = F, .mid = M                              \
	}
#define HIERARCHY                                                                                  \
	{                                                                                          \
		.flags = 0x0100, .table_event = 5, .fid = F, .parent_fid = P                       \
	}

static const struct row rows[] = {
        /* new mail: store, its folder, that message; no other folder, no other type */
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0x02, STORE, 0, true},
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0x02, F, 0, true},
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0x02, F, M, true},
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0x02, F, N, false},
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0x02, G, 0, false},
        {OCS_TABLE_NEWMAIL, NEWMAIL, OBJECTS, STORE, 0, false},
        {OCS_TABLE_NEWMAIL, NEWMAIL, 0, STORE, 0, false},
        {OCS_TABLE_OBJECT, NEWMAIL, 0x02, STORE, 0, false},
        /* messages by type */
        {OCS_TABLE_OBJECT, MESSAGE(0x04), 0x04, STORE, 0, true},
        {OCS_TABLE_OBJECT, MESSAGE(0x04), 0x78, STORE, 0, false},
        {OCS_TABLE_OBJECT, MESSAGE(0x08), 0x08, F, 0, true},
        {OCS_TABLE_OBJECT, MESSAGE(0x08), 0x74, F, 0, false},
        {OCS_TABLE_OBJECT, MESSAGE(0x10), 0x10, F, M, true},
        {OCS_TABLE_OBJECT, MESSAGE(0x10), 0x10, F, N, false},
        {OCS_TABLE_OBJECT, MESSAGE(0x10), 0x10, G, M, false},
        {OCS_TABLE_OBJECT, MESSAGE(0x10), OBJECTS, P, 0, false},
        {OCS_TABLE_OBJECT, {.flags = 0xb010, .fid = F, .mid = M}, 0x10, F, M, true},
        /* a folder itself: by the store and by its own scope, not by a message's or its parent's */
        {OCS_TABLE_OBJECT, FOLDER(0x10), 0x10, STORE, 0, true},
        {OCS_TABLE_OBJECT, FOLDER(0x10), 0x10, F, 0, true},
        {OCS_TABLE_OBJECT, FOLDER(0x3010), 0x10, F, 0, true},
        {OCS_TABLE_OBJECT, FOLDER(0x10), 0x10, F, M, false},
        {OCS_TABLE_OBJECT, FOLDER(0x04), 0x04, P, 0, false},
        {OCS_TABLE_OBJECT, FOLDER(0x20), 0x20, F, 0, true},
        {OCS_TABLE_OBJECT, FOLDER(0x20), 0x40, F, 0, false},
        /* moves are heard in the source too; copies there only by the message that was copied */
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, STORE, 0, true},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, F, 0, true},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, G, 0, true},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, F, M, true},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, G, N, true},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, G, M, false},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, F, N, false},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x20, P, 0, false},
        {OCS_TABLE_OBJECT, FROM_G(0x20), 0x40, G, 0, false},
        {OCS_TABLE_OBJECT, FROM_G(0x40), 0x40, STORE, 0, true},
        {OCS_TABLE_OBJECT, FROM_G(0x40), 0x40, F, 0, true},
        {OCS_TABLE_OBJECT, FROM_G(0x40), 0x40, G, 0, false},
        {OCS_TABLE_OBJECT, FROM_G(0x40), 0x40, G, N, true},
        {OCS_TABLE_OBJECT, FROM_G(0x40), 0x40, G, M, false},
        /* tables: contents by the folder, hierarchy by the parent */
        {OCS_TABLE_CONTENTS, CONTENTS, 0x100, STORE, 0, true},
        {OCS_TABLE_CONTENTS, CONTENTS, 0x100, F, 0, true},
        {OCS_TABLE_CONTENTS, CONTENTS, 0x100, G, 0, false},
        {OCS_TABLE_CONTENTS, CONTENTS, OBJECTS, F, 0, false},
        {OCS_TABLE_HIERARCHY, HIERARCHY, 0x100, P, 0, true},
        {OCS_TABLE_HIERARCHY, HIERARCHY, 0x100, STORE, 0, true},
        {OCS_TABLE_HIERARCHY, HIERARCHY, 0x100, F, 0, false},
        {OCS_TABLE_HIERARCHY, HIERARCHY, 0x10, P, 0, false},
        /* search */
        {OCS_TABLE_SEARCH, FOLDER(0x80), 0x80, STORE, 0, true},
        {OCS_TABLE_SEARCH, FOLDER(0x80), 0x80, F, 0, true},
        {OCS_TABLE_SEARCH, FOLDER(0x80), 0x80, G, 0, false},
        {OCS_TABLE_SEARCH, FOLDER(0x80), OBJECTS, F, 0, false},
};

LOOP_TEST(each_entry_goes_to_who_wants_it_and_to_nobody_else, 0, sizeof(rows) / sizeof(rows[0]))
{
	const struct row *row = &rows[_i];

	ck_assert_int_eq(
	        ocs_match_entry(&row->entry, row->table, row->types, row->folder, row->mid),
	        row->wanted);
}

TEST(types_need_the_tables_that_carry_them)
{
	ck_assert_uint_eq(ocs_match_tables(0), 0);
	ck_assert_uint_eq(ocs_match_tables(0x02), 1u << OCS_TABLE_NEWMAIL);
	for (uint16_t type = 0x04; type <= 0x40; type = (uint16_t)(type << 1))
		ck_assert_uint_eq(ocs_match_tables(type), 1u << OCS_TABLE_OBJECT);
	ck_assert_uint_eq(ocs_match_tables(0x80), 1u << OCS_TABLE_SEARCH);
	ck_assert_uint_eq(ocs_match_tables(0x100),
	                  1u << OCS_TABLE_CONTENTS | 1u << OCS_TABLE_HIERARCHY);
	ck_assert_uint_eq(ocs_match_tables(0x82), 1u << OCS_TABLE_NEWMAIL | 1u << OCS_TABLE_SEARCH);
	ck_assert_uint_eq(ocs_match_tables(0x400), 0);
}

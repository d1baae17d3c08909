/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The index names folders and messages, once and for all, both ways. */
#include "tests/unit/mapistore/index_rig.h"

TESTS_HAVE(.setup = index_setup, .teardown = index_teardown);

/* ---- names ---- */

TEST(canonical_names)
{
	char backend[] = "SoGo-X", a[] = "inbox", b[] = "InBox/Sub", c[] = "inboxes",
	     d[] = "Work/inbox", e[] = "", g[] = "inb";

	ocs_index_canonical_backend(backend);
	ck_assert_str_eq(backend, "sogo-x");
	ocs_index_canonical_folder(a);
	ck_assert_str_eq(a, "INBOX");
	ocs_index_canonical_folder(b);
	ck_assert_str_eq(b, "INBOX/Sub");
	ocs_index_canonical_folder(c);
	ck_assert_str_eq(c, "inboxes");
	ocs_index_canonical_folder(d);
	ck_assert_str_eq(d, "Work/inbox");
	ocs_index_canonical_folder(e);
	ck_assert_str_eq(e, "");
	ocs_index_canonical_folder(g);
	ck_assert_str_eq(g, "inb");
}

TEST(names_lead_to_identifiers_and_back)
{
	uint64_t fid = index_make("Work/2024/May"),
	         mid = index_put_message("Work/2024/May", "17.eml"), root;

	ck_assert_str_eq(index_name_of(fid), "jdoe|sogo|john|Work/2024/May");
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|Work/2024/May|17.eml");
	ck_assert_ok(index_find("Work"));
	ck_assert_str_eq(index_name_of(index_found.fid), "jdoe|sogo|john|Work");
	ck_assert_ok(index_find(""));
	root = index_found.fid;
	ck_assert_str_eq(index_name_of(root), "jdoe|||");
	ck_assert_str_eq(index_name_of(0x1234), "");
	ck_assert_str_eq(index_name_of(0), "");
}

TEST(names_of_1024_bytes_and_odd_bytes_work_and_longer_ones_are_refused)
{
	char longest[1025], too_long[1026], deep[1024];
	uint64_t fid, mid;

	memset(longest, 'n', 1024);
	longest[1024] = '\0';
	memset(too_long, 'n', 1025);
	too_long[1025] = '\0';
	for (int i = 0; i < 1023; i++)
		deep[i] = i % 2 == 0 ? 'd' : '/';
	deep[1023] = '\0';
	fid = index_make(longest);
	mid = index_put_message(longest, longest);
	ck_assert_ok(index_find(longest));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_uint_eq(strlen(index_name_of(fid)), strlen("jdoe|sogo|john|") + 1024);
	ck_assert_uint_eq(strlen(index_name_of(mid)), strlen("jdoe|sogo|john||") + 2048);
	fid = index_make(deep);
	ck_assert_str_eq(index_name_of(fid) + strlen("jdoe|sogo|john|"), deep);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_int_eq(
	        ocs_index_folder(index_db,
	                         &(struct ocs_folder_name){"jdoe", "sogo", "john", too_long}, true,
	                         &index_found, &rig_error),
	        OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_index_folder(index_db,
	                                  &(struct ocs_folder_name){too_long, "sogo", "john", "a"},
	                                  true, &index_found, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_index_folder(index_db,
	                                  &(struct ocs_folder_name){"", "sogo", "john", "a"}, true,
	                                  &index_found, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_ok(ocs_index_folder(index_db,
	                              &(struct ocs_folder_name){longest, longest, longest, longest},
	                              true, &index_found, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_uint_eq(strlen(index_name_of(index_found.fid)), 4 * 1024 + 3);
	fid = index_make("\xff\xfe \t%&<'\"\\\x01/\xc3\xa9{user}");
	ck_assert_str_eq(index_name_of(fid),
	                 "jdoe|sogo|john|\xff\xfe \t%&<'\"\\\x01/\xc3\xa9{user}");
}

TEST(different_names_never_share_an_identifier)
{
	static const char *const names[][4] = {
	        {"a", "b", "c", "d"},  {"ab", "", "c", "d"}, {"a", "bc", "", "d"},
	        {"a", "b", "cd", "x"}, {"a", "b", "c", "D"}, {"A", "b", "c", "d"},
	};
	uint64_t fids[6];

	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	for (int i = 0; i < 6; i++) {
		ck_assert_ok(ocs_index_folder(index_db,
		                              &(struct ocs_folder_name){names[i][0], names[i][1],
		                                                        names[i][2], names[i][3]},
		                              true, &index_found, &rig_error));
		fids[i] = index_found.fid;
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(fids[i], fids[j]);
	}
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

/* ---- folders ---- */

TEST(a_folder_and_its_missing_parents_are_made_once)
{
	uint64_t c, b, root;

	ck_assert_int_eq(index_find("a/b/c"), OCS_STORE_MISSING);
	c = index_make("a/b/c");
	b = index_found.parent_fid;
	ck_assert_ok(index_find("a/b"));
	ck_assert_uint_eq(index_found.fid, b);
	ck_assert_ok(index_find("a"));
	root = index_found.parent_fid;
	ck_assert_ok(index_find(""));
	ck_assert_uint_eq(index_found.fid, root);
	ck_assert_uint_ne(root, 0);
	ck_assert_uint_eq(index_make("a/b/c"), c);
	index_reopen();
	ck_assert_ok(index_find("a/b/c"));
	ck_assert_uint_eq(index_found.fid, c);
	ck_assert_uint_eq(index_found.parent_fid, b);
}

TEST(users_have_roots_of_their_own)
{
	uint64_t mine;

	index_make("INBOX");
	mine = index_found.parent_fid;
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_folder(index_db,
	                              &(struct ocs_folder_name){"other", "sogo", "john", "INBOX"},
	                              true, &index_found, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_uint_ne(index_found.parent_fid, mine);
}

TEST(a_rename_moves_the_subtree_and_keeps_every_identifier)
{
	uint64_t b = index_make("a/b"), c = index_make("a/b/c"),
	         mid = index_put_message("a/b/c", "1"), got;

	index_rename("a/b", "x/y");
	ck_assert_uint_eq(index_found.fid, b);
	ck_assert_int_eq(index_find("a/b"), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("a/b/c"), OCS_STORE_MISSING);
	ck_assert_ok(index_find("a"));
	ck_assert_ok(index_find("x/y"));
	ck_assert_uint_eq(index_found.fid, b);
	ck_assert_ok(index_get_message("x/y/c", "1", &got));
	ck_assert_uint_eq(index_found.fid, c);
	ck_assert_uint_eq(index_found.parent_fid, b);
	ck_assert_uint_eq(got, mid);
	ck_assert_str_eq(index_name_of(c), "jdoe|sogo|john|x/y/c");
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|x/y/c|1");
	/* The old name starts afresh. */
	ck_assert_uint_ne(index_make("a/b"), b);
}

TEST(a_rename_over_an_existing_folder_retires_that_one)
{
	uint64_t a = index_make("a"), b = index_make("b"), old = index_put_message("b", "1"),
	         below = index_make("b/sub"), got;

	index_rename("a", "b");
	ck_assert_uint_eq(index_found.fid, a);
	ck_assert_int_eq(index_get_message("b", "1", &got), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("b/sub"), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(b), "was jdoe|sogo|john|b");
	ck_assert_str_eq(index_name_of(old), "was jdoe|sogo|john|b|1");
	ck_assert_str_eq(index_name_of(below), "was jdoe|sogo|john|b/sub");
	ck_assert_str_eq(index_name_of(a), "jdoe|sogo|john|b");
}

TEST(a_rename_to_its_own_name_changes_nothing)
{
	uint64_t a = index_make("a"), mid = index_put_message("a", "1"), got;

	index_rename("a", "a");
	ck_assert_uint_eq(index_found.fid, a);
	ck_assert_ok(index_get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
}

TEST(renaming_inbox_moves_its_messages_and_leaves_it_there)
{
	uint64_t inbox = index_make("INBOX"), sub = index_make("INBOX/sub"),
	         mid = index_put_message("INBOX", "1"), got;

	index_rename("INBOX", "old mail");
	ck_assert_uint_ne(index_found.fid, inbox);
	ck_assert_ok(index_get_message("old mail", "1", &got));
	ck_assert_uint_eq(got, mid);
	ck_assert_int_eq(index_get_message("INBOX", "1", &got), OCS_STORE_MISSING);
	ck_assert_ok(index_find("INBOX"));
	ck_assert_uint_eq(index_found.fid, inbox);
	ck_assert_ok(index_find("INBOX/sub"));
	ck_assert_uint_eq(index_found.fid, sub);
	ck_assert_int_eq(index_find("old mail/sub"), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(inbox), "jdoe|sogo|john|INBOX");
}

TEST(the_messages_of_a_renamed_inbox_are_named_where_they_are_now)
{
	uint64_t one = index_put_message("INBOX", "1"), two, three;

	ck_assert_str_eq(index_name_of(one), "jdoe|sogo|john|INBOX|1");
	index_rename("INBOX", "old mail");
	ck_assert_str_eq(index_name_of(one), "jdoe|sogo|john|old mail|1");
	two = index_put_message("INBOX", "2");
	three = index_put_message("old mail", "3");
	index_reopen();
	ck_assert_str_eq(index_name_of(one), "jdoe|sogo|john|old mail|1");
	ck_assert_str_eq(index_name_of(two), "jdoe|sogo|john|INBOX|2");
	ck_assert_str_eq(index_name_of(three), "jdoe|sogo|john|old mail|3");
	index_rename("old mail", "archive/older");
	ck_assert_str_eq(index_name_of(one), "jdoe|sogo|john|archive/older|1");
}

TEST(a_deleted_folder_retires_what_is_below)
{
	uint64_t a = index_make("a"), b = index_make("a/b"), mid = index_put_message("a/b", "1"),
	         got;

	index_delete("a");
	index_delete("a");        /* gone already: nothing */
	index_delete("not/here"); /* never was: nothing */
	ck_assert_int_eq(index_find("a"), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("a/b"), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("not"), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(a), "was jdoe|sogo|john|a");
	ck_assert_str_eq(index_name_of(b), "was jdoe|sogo|john|a/b");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|a/b|1");
	ck_assert_uint_ne(index_make("a"), a);
	ck_assert_uint_ne(index_make("a/b"), b);
	ck_assert_int_eq(index_get_message("a/b", "1", &got), OCS_STORE_MISSING);
	/* Also now that the names are used again, and after a reload. */
	index_reopen();
	ck_assert_str_eq(index_name_of(a), "was jdoe|sogo|john|a");
	ck_assert_str_eq(index_name_of(b), "was jdoe|sogo|john|a/b");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|a/b|1");
	ck_assert_str_eq(index_name_of(index_make("a/b")), "jdoe|sogo|john|a/b");
}

TEST(a_new_uid_validity_retires_the_messages_and_keeps_the_folder)
{
	uint64_t fid = index_make("a"), sub = index_make("a/sub"),
	         mid = index_put_message("a", "1"), got;

	index_set_uid_validity("a", 5); /* the first one known: nothing is retired */
	ck_assert_ok(index_get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
	index_set_uid_validity("a", 5);
	ck_assert_ok(index_get_message("a", "1", &got));
	index_set_uid_validity("a", 6);
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert(index_found.has_uid_validity);
	ck_assert_uint_eq(index_found.uid_validity, 6);
	ck_assert_int_eq(index_get_message("a", "1", &got), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|a|1");
	ck_assert_str_eq(index_name_of(fid), "jdoe|sogo|john|a");
	ck_assert_ok(index_find("a/sub"));
	ck_assert_uint_eq(index_found.fid, sub);
	ck_assert_uint_ne(index_put_message("a", "1"), mid);
	index_reopen();
	ck_assert_ok(index_find("a"));
	ck_assert_uint_eq(index_found.uid_validity, 6);
	index_set_uid_validity("a", 0);
	ck_assert_int_eq(index_get_message("a", "1", &got), OCS_STORE_MISSING);
}

/* ---- messages ---- */

TEST(messages_are_put_changed_and_deleted)
{
	struct ocs_index_message message = {.announced = false};
	uint64_t mid = index_put_message("a", "1"), got;

	ck_assert_ok(index_get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
	message.mid = mid;
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_message_put(index_db, &index_found, "1", &message, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_ok(ocs_index_message(index_db, index_found.series, "1", &message, &rig_error));
	ck_assert(!message.announced);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_message_delete(index_db, index_found.series, "1", 0, &rig_error));
	ck_assert_ok(ocs_index_message_delete(index_db, index_found.series, "1", 0, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_int_eq(index_get_message("a", "1", &got), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|a|1");
	/* Another message of that name is another one. */
	got = index_put_message("a", "1");
	ck_assert_uint_ne(got, mid);
	ck_assert_str_eq(index_name_of(got), "jdoe|sogo|john|a|1");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|a|1");
}

TEST(a_message_is_deleted_by_its_mid_only)
{
	uint64_t mid = index_put_message("a", "1"), other, unheard_of, got;

	ck_assert_ok(index_find("a"));
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_reserve(index_db, 1, &other, &rig_error));
	ck_assert_ok(ocs_index_reserve(index_db, 1, &unheard_of, &rig_error));
	ck_assert_ok(
	        ocs_index_message_delete(index_db, index_found.series, "1", other, &rig_error));
	ck_assert_ok(ocs_index_message_delete(index_db, index_found.series, "2", unheard_of,
	                                      &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_ok(index_get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|a|1");
	ck_assert_str_eq(index_name_of(other), "was jdoe|sogo|john|a|1");
	ck_assert_str_eq(index_name_of(unheard_of), "was jdoe|sogo|john|a|2");
}

TEST(what_was_deleted_follows_a_rename_above_it)
{
	uint64_t below = index_make("a/b/c"), mid = index_put_message("a/b", "1");

	index_delete("a/b/c");
	index_rename("a", "x");
	ck_assert_str_eq(index_name_of(below), "was jdoe|sogo|john|x/b/c");
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|x/b|1");
	index_delete("x/b");
	index_rename("x", "y");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|y/b|1");
}

/* ---- as indexes were written before ---- */

static void put_raw(uint64_t id, const void *data, size_t len)
{
	uint8_t key[9] = {'I'};

	ocs_put64(key + 1, id);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(
	        len > 0 ? ocs_store_put(ocs_index_store(index_db), key, 9, data, len, &rig_error)
	                : ocs_store_delete(ocs_index_store(index_db), key, 9, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

TEST(a_folder_whose_record_has_all_its_names_is_read_deleted_and_known)
{
	static const char old[] = "F\0\0\0\0\0\0\0\0jdoe\0sogo\0john\0a";
	uint64_t fid = index_make("a");

	put_raw(fid, old, sizeof(old) - 1);
	ck_assert_str_eq(index_name_of(fid), "jdoe|sogo|john|a");
	index_delete("a");
	ck_assert_str_eq(index_name_of(fid), "was jdoe|sogo|john|a");
}

TEST(what_is_below_a_folder_that_was_deleted_without_a_trace_is_unknown)
{
	uint64_t fid = index_make("a"), below = index_make("a/b"),
	         mid = index_put_message("a", "1");

	put_raw(fid, NULL, 0);
	ck_assert_str_eq(index_name_of(below), "");
	ck_assert_str_eq(index_name_of(mid), "");
}

/* ---- damage ---- */

TEST(a_damaged_folder_record_is_set_aside_and_the_folder_starts_afresh)
{
	uint64_t fid = index_make("a folder to be hit"), other = index_make("other");
	uint8_t bytes[8];

	ck_assert_ok(index_find("a folder to be hit"));
	ocs_put64(bytes, index_found.node); /* nothing below it: only its own record has it */
	ocs_index_close(index_db);
	index_db = NULL;
	rig_flip(rig_path("index.tdb"), bytes, 8);
	ck_assert_ok(index_open(1));
	ck_assert_int_eq(index_find("a folder to be hit"), OCS_STORE_MISSING);
	ck_assert_uint_ne(index_make("a folder to be hit"), fid);
	ck_assert_ok(index_find("other"));
	ck_assert_uint_eq(index_found.fid, other);
}

/* Any MAPI server may write one. */
TEST(a_record_with_an_empty_name_leads_nowhere)
{
	static const char *const records[] = {
	        "R", "T\0sogo\0john", "f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "M\0\0\0\0\0\0\0\1",
	        "F\0\0\0\0\0\0\0\0\0sogo\0john\0x"};
	static const size_t lengths[] = {1, 11, 17, 9, 21};
	uint64_t fid = index_make("Work");
	uint8_t key[9] = {'I'};

	ocs_put64(key + 1, fid);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		ck_assert_ok(ocs_index_begin(index_db, &rig_error));
		ck_assert_ok(ocs_store_put(ocs_index_store(index_db), key, sizeof(key), records[i],
		                           lengths[i], &rig_error));
		ck_assert_ok(ocs_index_commit(index_db, &rig_error));
		ck_assert_str_eq(index_name_of(fid), "");
	}
}

TEST(a_message_whose_name_is_empty_leads_nowhere)
{
	uint64_t mid;
	uint8_t key[9] = {'I'}, record[10] = {'M'};

	index_make("Work");
	mid = index_put_message("Work", "1");
	ck_assert_str_ne(index_name_of(mid), "");
	ck_assert_int_eq(index_find("Work"), 0);
	ocs_put64(key + 1, mid);
	ocs_put64(record + 1, index_found.series);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_store_put(ocs_index_store(index_db), key, sizeof(key), record,
	                           sizeof(record), &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	ck_assert_str_eq(index_name_of(mid), "");
}

/* ---- case = fold ---- */

TEST(with_fold_folders_that_differ_in_case_are_one_and_shown_as_first_said)
{
	uint64_t fid, mid;

	ocs_index_set_fold(index_db, true);
	fid = index_make("Work/Entw\xc3\xbcrfe");
	mid = index_put_message("WORK/ENTW\xc3\x9cRFE", "1");
	ck_assert_ok(index_find("work/entwu\xcc\x88rfe"));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_str_eq(index_name_of(fid), "jdoe|sogo|john|Work/Entw\xc3\xbcrfe");
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|Work/Entw\xc3\xbcrfe|1");
	index_delete("work/entw\xc3\xbcrfe");
	ck_assert_int_eq(index_find("Work/Entw\xc3\xbcrfe"), OCS_STORE_MISSING);
}

TEST(with_fold_a_new_case_is_a_new_name_for_people_alone)
{
	uint64_t fid, mid;

	ocs_index_set_fold(index_db, true);
	fid = index_make("work/Plans");
	mid = index_put_message("work/Plans", "1");
	index_rename("WORK/plans", "work/PLANS");
	ck_assert_ok(index_find("Work/Plans"));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|work/PLANS|1");
	index_rename("Work/plans", "Old");
	ck_assert_ok(index_find("OLD"));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_int_eq(index_find("work/plans"), OCS_STORE_MISSING);
}

TEST(a_folder_from_before_fold_is_found_by_its_name_and_moves_and_goes_whole)
{
	uint64_t fid = index_make("Work/Plans"), old = index_make("Old");

	ocs_index_set_fold(index_db, true);
	ck_assert_ok(index_find("Work/Plans"));
	ck_assert_uint_eq(index_found.fid, fid);
	index_rename("Work/Plans", "Work/Done");
	ck_assert_ok(index_find("Work/done"));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_int_eq(index_find("Work/Plans"), OCS_STORE_MISSING);
	ck_assert_ok(index_find("Old"));
	ck_assert_uint_eq(index_found.fid, old);
	index_delete("Old");
	ck_assert_int_eq(index_find("Old"), OCS_STORE_MISSING);
}

TEST(a_folder_from_before_fold_keeps_its_fid_when_only_its_case_changes)
{
	uint64_t fid = index_make("Work"), below = index_make("Work/Plans");

	ocs_index_set_fold(index_db, true);
	index_rename("Work", "WORK");
	ck_assert_ok(index_find("work"));
	ck_assert_uint_eq(index_found.fid, fid);
	ck_assert_ok(index_find("Work/Plans"));
	ck_assert_uint_eq(index_found.fid, below);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Searches of the index find what a matcher of every URI finds, whatever the names, the pattern and
 * the changes meanwhile.
 */
#include "tests/unit/mapistore/search_rig.h"

#include "mapistore/agree.h"

TESTS_HAVE(.setup = index_setup, .teardown = index_teardown);

TEST(a_new_index_can_be_searched_at_once)
{
	ck_assert_int_eq(ocs_index_search_built(index_db), 1000);
	ck_assert_uint_eq(search_all((struct ocs_index_query){.pattern = "*", .limit = 10}), 0);
}

TEST(every_pattern_finds_what_matches_and_nothing_else)
{
	search_fill(10, 12);
	search_check_many(40);
	for (const char *const *p =
	             (const char *const[]){"*", "sogo://*", "*.eml", "*/INBOX/*", "*folderINBOX/*",
	                                   "sogo://jdoe1%40x:*", "*msg.1*", "imap://*:***@*",
	                                   "*:secret@*", "*%c3%bc*", "*&APw-*", "*%26APw-*", "x",
	                                   "*e", "*m*l*2*", NULL};
	     *p != NULL; p++) {
		char *one = ocs_search_pattern(NULL, *p, &rig_error);

		search_check_pattern(one, NULL, true);
		search_check_pattern(one, "user1", false);
		talloc_free(one);
	}
}

TEST(names_in_lists_are_found_as_those_that_wait)
{
	ocs_layer_tail_max = 60;
	search_fill(20, 12);
	search_check_many(8);
	search_fill(5, 5);
	search_check_many(15);
}

/* What is put again is noted again: in the tail, in the lists, or in both. */
LOOP_TEST(a_message_that_is_put_again_and_again_is_found_once, 0, 4)
{
	static const unsigned tails[] = {OCS_LAYER_TAIL, 60, 1, 7};
	const struct ocs_folder_name name = {"user1", "sogo", "jdoe1@x", "INBOX"};
	const struct ocs_list_key key = {1, 'o', 0};
	struct ocs_index_folder folder;
	struct ocs_index_message message = {0};
	struct ocs_layer_head head;
	struct ocs_list_key of = key;
	struct ocs_list *list;
	uint64_t mid;

	ocs_layer_tail_max = tails[_i];
	search_begin();
	folder = search_make_folder(&name);
	mid = search_put_message(&folder, "mail-1");
	search_put_message(&folder, "mail-2");
	search_commit();
	for (int i = 0; i < 200; i++) {
		search_begin();
		for (int k = 0; k <= i % 3; k++) {
			message = (struct ocs_index_message){.mid = mid, .announced = k % 2};
			ck_assert_ok(ocs_index_message_put(index_db, &folder, "mail-1", &message,
			                                   &rig_error));
		}
		search_commit();
		ck_assert_ok(ocs_layer_head_get(index_db, &head, &rig_error));
		ck_assert_int_eq(head.state, OCS_LAYER_READY);
		ck_assert_uint_lt(head.tail_count, ocs_layer_tail_max + 3);
	}
	search_look_up_all();
	search_check_pattern("*mail-*", NULL, true);
	search_check_pattern("*", NULL, true);
	search_check_pattern("sogo://jdoe1%40x:*", "user1", false);
	ck_assert_uint_eq(search_all((struct ocs_index_query){.pattern = "*mail-*", .limit = 1}),
	                  2);
	ck_assert_ok(ocs_layer_head_get(index_db, &head, &rig_error));
	of.generation = head.generation;
	of.number = ocs_postings_number(folder.fid);
	ck_assert_ok(ocs_list_open(index_db, index_db, &of, &list, &rig_error));
	ck_assert_uint_le(ocs_list_count(list), 2);
	talloc_free(list);
}

TEST(a_message_whose_name_became_empty_is_not_found)
{
	const struct ocs_folder_name name = {"user1", "sogo", "jdoe1@x", "INBOX"};
	uint8_t key[9] = {'I'}, record[10] = {'M'};
	struct ocs_index_folder folder;

	search_begin();
	folder = search_make_folder(&name);
	ocs_put64(key + 1, search_put_message(&folder, "mail-1"));
	search_put_message(&folder, "mail-2");
	search_commit();
	ocs_put64(record + 1, folder.series);
	search_begin();
	ck_assert_ok(ocs_store_put(ocs_index_store(index_db), key, sizeof(key), record,
	                           sizeof(record), &rig_error));
	search_commit();
	ck_assert_uint_eq(search_all((struct ocs_index_query){
	                          .pattern = "sogo://*", .deleted = true, .limit = 5}),
	                  2); /* the folder, mail-2 */
}

/* ---- what an index of before has, and one that is damaged ---- */

static void build(void)
{
	int ret;

	while ((ret = ocs_index_search_build(index_db, 20, &rig_error)) == OCS_STORE_OK)
		;
	ck_assert_msg(ret == 1, "%d (%s)", ret, rig_error.text);
}

/* What the record of that key becomes. */
static void spoil(const char *key, size_t len, const char *data)
{
	search_begin();
	if (data == NULL)
		ck_assert_ok(ocs_store_delete(ocs_index_store(index_db), key, len, &rig_error));
	else
		ck_assert_ok(ocs_store_put(ocs_index_store(index_db), key, len, data, strlen(data),
		                           &rig_error));
	ck_assert_ok(ocs_store_commit(ocs_index_store(index_db), true, &rig_error));
}

static int try_search(void)
{
	struct ocs_index_query query = {
	        .pattern = "*INBOX*", .limit = 10, .templates = search_templates, .n_templates = 2};
	void *ctx = talloc_new(NULL);
	struct ocs_index_page page;
	int ret = ocs_index_search(index_db, ctx, &query, &page, &rig_error);

	talloc_free(ctx);
	return ret;
}

TEST(an_index_of_before_is_prepared_while_it_is_used)
{
	ocs_layer_tail_max = 50;
	spoil("LH", 2, NULL);
	search_fill(6, 10);
	ck_assert_int_eq(ocs_index_search_built(index_db), -1);
	ck_assert_int_eq(try_search(), OCS_STORE_BUSY);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_ok(ocs_index_search_build(index_db, 20, &rig_error));
		ck_assert_int_eq(try_search(), OCS_STORE_BUSY);
		search_fill(1, 10);
	}
	index_reopen();
	build();
	ck_assert_int_eq(ocs_index_search_built(index_db), 1000);
	search_check_many(12);
	search_fill(3, 10);
	search_check_many(8);
	for (unsigned i = 0; i < search_n_objects; i++)
		ck_assert_int_eq(ocs_index_search_has(index_db, search_objects[i].id, &rig_error),
		                 1);
}

TEST(a_layer_that_is_dropped_is_built_again_without_the_old_one)
{
	ocs_layer_tail_max = 50;
	search_fill(6, 10);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ok(ocs_index_search_drop(index_db, &rig_error));
		ck_assert_int_eq(try_search(), OCS_STORE_BUSY);
		build();
	}
	search_check_many(12);
}

LOOP_TEST(damage_costs_the_layer_and_nothing_else, 0, 3)
{
	static const char list[] = {'L', 'l', 1, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 0};
	static const char tail[] = {'L', 't', 1, 0, 0, 0, 0, 0, 0, 0};

	ocs_layer_tail_max = 50;
	search_fill(6, 10);
	ocs_layer_tail_max = 1000000;
	search_fill(1, 15);
	if (_i == 0)
		spoil(list, sizeof(list), "\7 is no head");
	else
		spoil(_i == 1 ? tail : "LH", _i == 1 ? sizeof(tail) : 2, "x");
	ocs_layer_tail_max = 1;
	search_fill(3, 15); /* it is seen, and what is written is not in danger */
	ck_assert_int_eq(try_search(), OCS_STORE_BUSY);
	ocs_layer_tail_max = 50;
	build();
	search_check_many(8);
}

TEST(what_another_program_wrote_is_not_missed)
{
	struct ocs_index_folder folder;

	search_fill(3, 10);
	search_begin();
	folder = search_make_folder(search_some_folder());
	/* As one of before the layer does. */
	ocs_layer_cancel(index_db);
	search_put_message(&folder, "unseen");
	ocs_layer_cancel(index_db);
	ck_assert_ok(ocs_store_commit(ocs_index_store(index_db), true, &rig_error));
	index_reopen();
	ck_assert_int_eq(try_search(), OCS_STORE_BUSY);
	build();
	search_check_many(10);
}

/* ---- another node's identifier ---- */

static void check_switched(uint64_t fid, uint64_t mid)
{
	const struct ocs_index_query query = {.pattern = "*Switched*",
	                                      .templates = search_templates,
	                                      .n_templates = 2,
	                                      .cursor = "",
	                                      .limit = 10};
	void *ctx = talloc_new(NULL);
	struct ocs_index_page page;

	search_page(&query, ctx, &page);
	ck_assert_uint_eq(page.n, 2);
	ck_assert_uint_eq(page.hits[0].id, fid);
	ck_assert_uint_eq(page.hits[1].id, mid);
	talloc_free(ctx);
}

TEST(what_is_called_as_another_node_does_is_found_once)
{
	const struct ocs_folder_name name = {"user1", "sogo", "jdoe", "Switched"};
	struct ocs_index_folder folder;
	uint64_t theirs, mid;

	search_begin();
	ck_assert_ok(ocs_index_folder(index_db, &name, true, &folder, &rig_error));
	mid = search_put_message(&folder, "m1");
	search_commit();
	check_switched(folder.fid, mid);
	theirs = (folder.fid & ~0xffffULL) | 9;
	search_begin();
	ck_assert_ok(ocs_index_folder_switch(index_db, &name, folder.fid, theirs, &rig_error));
	search_commit();
	check_switched(theirs, mid);
	search_begin();
	ck_assert_ok(ocs_layer_drop(index_db, &rig_error));
	search_commit();
	build();
	check_switched(theirs, mid);
}

static uint64_t hits(const char *pattern, bool deleted)
{
	const struct ocs_index_query query = {.pattern = pattern,
	                                      .templates = search_templates,
	                                      .n_templates = 2,
	                                      .cursor = "",
	                                      .deleted = deleted,
	                                      .limit = 100};
	void *ctx = talloc_new(NULL);
	struct ocs_index_page page;
	uint64_t n;

	search_page(&query, ctx, &page);
	n = page.n;
	talloc_free(ctx);
	return n;
}

/* Ours, another node's, a third one's (its own URI matches too); also of INBOX, whose messages went
 * to another folder. */
LOOP_TEST(what_changes_its_identifier_again_keeps_its_messages, 0, 2)
{
	struct ocs_folder_name name = {"user1", "sogo", "jdoe", _i == 0 ? "Switched" : "INBOX"};
	struct ocs_index_folder folder, moved;
	uint64_t before, after;

	search_begin();
	ck_assert_ok(ocs_index_folder(index_db, &name, true, &folder, &rig_error));
	for (int i = 0; i < 10; i++)
		(void)search_put_message(&folder, (const char[]){'a' + (char)i, '\0'});
	search_commit();
	if (_i == 1) {
		search_begin();
		ck_assert_ok(
		        ocs_index_folder_rename(index_db, &name, "Switched", &moved, &rig_error));
		search_commit();
		folder = moved;
		name.folder = "Switched";
	}
	ck_assert_uint_eq(hits("sogo://*/folderSwitched/*", false), 11);
	before = folder.fid;
	for (uint64_t node = 7; node < 10; node++) {
		after = (folder.fid & ~0xffffULL) | node;
		search_begin();
		ck_assert_ok(ocs_index_folder_switch(index_db, &name, before, after, &rig_error));
		search_commit();
		ck_assert_uint_eq(hits("sogo://*/folderSwitched/*", false), 11);
		ck_assert_uint_eq(hits("*Switched/", false), 1);
		before = after;
	}
}

TEST(messages_of_before_are_found_as_deleted_after_a_switch)
{
	const struct ocs_folder_name name = {"user1", "sogo", "jdoe", "Switched"};
	struct ocs_index_folder folder;

	search_begin();
	ck_assert_ok(ocs_index_folder(index_db, &name, true, &folder, &rig_error));
	ck_assert_ok(ocs_index_folder_set_uid_validity(index_db, &name, 1, &folder, &rig_error));
	(void)search_put_message(&folder, "oldone");
	ck_assert_ok(ocs_index_folder_set_uid_validity(index_db, &name, 2, &folder, &rig_error));
	search_commit();
	ck_assert_uint_eq(hits("*oldone*", true), 1);
	search_begin();
	ck_assert_ok(ocs_index_folder_switch(index_db, &name, folder.fid,
	                                     (folder.fid & ~0xffffULL) | 9, &rig_error));
	search_commit();
	ck_assert_uint_eq(hits("*oldone*", true), 1);
}

TEST(what_the_lists_have_outlives_a_restart)
{
	search_fill(5, 10);
	index_reopen();
	ck_assert_int_eq(try_search(), OCS_STORE_OK);
	search_check_many(8);
}

/* ---- pages while things come and go ---- */

TEST(each_once_and_what_stays_is_not_missed)
{
	static uint64_t stays[OBJECTS_MAX];

	ocs_layer_tail_max = 100;
	search_fill(6, 10);
	for (unsigned round = 0; round < 2; round++) {
		char pattern[400], cursor[OCS_INDEX_CURSOR_SIZE] = "";
		unsigned n = 0;

		do {
			search_look_up_all();
			search_some_pattern(pattern, sizeof(pattern));
		} while (pattern[0] == '\0' || strlen(pattern) > 40);
		for (unsigned i = 0; i < search_n_objects; i++) {
			search_objects[i].found = false;
			if (search_objects[i].uri != NULL && !search_objects[i].deleted &&
			    search_naive(pattern, search_objects[i].uri))
				stays[n++] = search_objects[i].id;
		}
		do {
			struct ocs_index_query query = {.pattern = pattern,
			                                .cursor = cursor,
			                                .limit = 60 + search_pick(60),
			                                .templates = search_templates,
			                                .n_templates = 2};
			void *ctx = talloc_new(NULL);
			struct ocs_index_page page;

			search_page(&query, ctx, &page);
			for (size_t i = 0; i < page.n; i++) {
				struct search_object *object = search_object_of(page.hits[i].id);

				ck_assert_msg(!object->found, "%s: twice", pattern);
				object->found = true;
			}
			strcpy(cursor, page.cursor);
			talloc_free(ctx);
			search_fill(1, 3);
		} while (cursor[0] != '\0');
		search_look_up_all();
		for (unsigned i = 0; i < n; i++) {
			const struct search_object *object = search_object_of(stays[i]);

			ck_assert_msg(object->found || object->deleted ||
			                      !search_naive(pattern, object->uri),
			              "'%s' misses %s", pattern, object->uri);
		}
	}
}

TEST(what_is_no_pattern_and_no_cursor_is_refused)
{
	struct ocs_index_query query = {
	        .pattern = "", .limit = 1, .templates = search_templates, .n_templates = 2};
	static const char *const cursors[] = {"x", "1.2.3.4.5.6.m", "1.2.3.4.5.6.7.8",
	                                      "ffffffffffffffffff.1.1.1.1.1.f"};
	static char stars[200];
	struct ocs_index_page page;

	ck_assert_int_eq(ocs_index_search(index_db, NULL, &query, &page, &rig_error),
	                 OCS_INDEX_INVALID);
	for (unsigned i = 0; i < 99; i++)
		strcat(stars, "*a");
	query.pattern = stars;
	ck_assert_int_eq(ocs_index_search(index_db, NULL, &query, &page, &rig_error),
	                 OCS_INDEX_INVALID);
	query.pattern = "*a";
	for (unsigned i = 0; i < 4; i++) {
		query.cursor = cursors[i];
		ck_assert_int_eq(ocs_index_search(index_db, NULL, &query, &page, &rig_error),
		                 OCS_INDEX_INVALID);
	}
}

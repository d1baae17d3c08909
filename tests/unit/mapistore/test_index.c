/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The identifier index: what names folders and messages, once and for all, both ways. */
#include "tests/unit/rig.h"

#include "mapistore/index.h"

static struct ocs_index *idx;
static struct ocs_index_folder f; /* of the last call */

static int open_index(uint16_t replica_id)
{
	return ocs_index_open(rig_folder, replica_id, true, &idx, &rig_error);
}

static void setup(void)
{
	rig_make_folder();
	ck_assert_ok(open_index(1));
}

static void teardown(void)
{
	ocs_index_close(idx);
	rig_remove_folder();
}

static void reopen(void)
{
	ocs_index_close(idx);
	idx = NULL;
	ck_assert_ok(open_index(1));
}

static uint64_t make(const char *folder)
{
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder(idx,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "john", folder},
	                              true, &f, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	return f.fid;
}

static int find(const char *folder)
{
	return ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder},
	                        false, &f, &rig_error);
}

static void rename_folder(const char *from, const char *to)
{
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder_rename(
	        idx, &(struct ocs_folder_name){"jdoe", "sogo", "john", from}, to, &f, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

static void delete_folder(const char *folder)
{
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder_delete(
	        idx, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder}, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

/* Registers a message of a folder; returns its MID. */
static uint64_t put_message(const char *folder, const char *id)
{
	struct ocs_index_message message = {.announced = true};

	make(folder);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_reserve(idx, 1, &message.mid, &rig_error));
	ck_assert_ok(ocs_index_message_put(idx, &f, id, &message, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	return message.mid;
}

static int get_message(const char *folder, const char *id, uint64_t *mid)
{
	struct ocs_index_message message = {0};
	int ret = find(folder);

	if (ret == OCS_STORE_OK)
		ret = ocs_index_message(idx, f.series, id, &message, &rig_error);
	*mid = message.mid;
	return ret;
}

/* "user backend b.user folder [message]", or "" if the identifier leads nowhere. */
static const char *name_of(uint64_t id)
{
	static char text[8192];
	void *ctx = talloc_new(NULL);
	struct ocs_index_name name;
	int ret = ocs_index_lookup(idx, ctx, id, &name, &rig_error);

	ck_assert(ret == OCS_STORE_OK || ret == OCS_STORE_MISSING);
	text[0] = '\0';
	if (ret == OCS_STORE_OK)
		snprintf(text, sizeof(text), "%s|%s|%s|%s%s%s", name.user, name.backend,
		         name.backend_user, name.folder, name.message_id != NULL ? "|" : "",
		         name.message_id != NULL ? name.message_id : "");
	talloc_free(ctx);
	return text;
}

static uint64_t reserve(unsigned n)
{
	uint64_t id;

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_reserve(idx, n, &id, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	return id;
}

static void set_counter(uint64_t counter)
{
	uint8_t data[8];

	ocs_put64(data, counter);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_store_put(ocs_index_store(idx), "H", 1, data, 8, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

/* ---- identifiers ---- */

TESTS_HAVE(.setup = setup, .teardown = teardown, .timeout = 60);

TEST(the_first_identifier_is_counter_one_of_the_replica)
{
	static const uint8_t wire[] = {0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
	uint8_t bytes[8];
	uint64_t id = reserve(1);

	ck_assert_uint_eq(id, 0x0100000000000001);
	ocs_put64(bytes, id);
	ck_assert_mem_eq(bytes, wire, 8);
}

TEST(replica_and_counter_have_their_two_byte_orders)
{
	static const uint8_t wire[] = {0x03, 0x02, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06};
	uint8_t bytes[8];
	uint64_t id;

	ocs_index_close(idx);
	ck_assert_ok(open_index(0x0203));
	set_counter(0x010203040506);
	id = reserve(1);
	ck_assert_uint_eq(id, 0x0605040302010203);
	ocs_put64(bytes, id);
	ck_assert_mem_eq(bytes, wire, 8);
}

TEST(a_reserved_range_follows_id_next_and_carries)
{
	set_counter(0xfe);
	ck_assert_uint_eq(reserve(4), 0xfe00000000000001);
	ck_assert_uint_eq(ocs_index_id_next(0xfe00000000000001), 0xff00000000000001);
	ck_assert_uint_eq(ocs_index_id_next(0xff00000000000001), 0x0001000000000001);
	ck_assert_uint_eq(reserve(1), 0x0201000000000001);
}

TEST(identifiers_never_repeat_across_reopening)
{
	uint64_t first = reserve(100), next;

	reopen();
	next = reserve(1);
	for (int i = 0; i < 100; i++, first = ocs_index_id_next(first))
		ck_assert_uint_ne(first, next);
	ck_assert_uint_eq(first, next); /* none is skipped either */
}

TEST(what_was_not_committed_was_not_given)
{
	uint64_t a, b;

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_reserve(idx, 5, &a, &rig_error));
	ocs_index_cancel(idx);
	b = reserve(1);
	ck_assert_uint_eq(a, b);
}

TEST(at_the_end_of_the_counter_nothing_more_is_given)
{
	uint64_t id;

	set_counter(0xfffffffffffe);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_int_ne(ocs_index_reserve(idx, 2, &id, &rig_error), OCS_STORE_OK);
	ck_assert_ok(ocs_index_reserve(idx, 1, &id, &rig_error));
	ck_assert_int_ne(ocs_index_reserve(idx, 1, &id, &rig_error), OCS_STORE_OK);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "all identifiers"));
	ocs_index_cancel(idx);
}

TEST(with_a_damaged_high_water_mark_nothing_is_given)
{
	static const uint8_t mark[] = {0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0, 0};
	uint64_t inbox = make("INBOX"), id;

	set_counter(0x223344556677);
	ocs_index_close(idx);
	idx = NULL;
	rig_flip(rig_path("index.tdb"), mark, 8);
	ck_assert_ok(open_index(1));
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_int_eq(ocs_index_reserve(idx, 1, &id, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	ck_assert_int_eq(ocs_index_folder(idx,
	                                  &(struct ocs_folder_name){"jdoe", "sogo", "john", "new"},
	                                  true, &f, &rig_error),
	                 OCS_STORE_CORRUPT);
	ocs_index_cancel(idx);
	/* What was given before is still found. */
	ck_assert_ok(find("INBOX"));
	ck_assert_uint_eq(f.fid, inbox);
}

TEST(a_lost_index_is_refused_with_advice)
{
	reserve(1);
	ocs_index_close(idx);
	idx = NULL;
	unlink(rig_path("index.tdb"));
	ck_assert_int_eq(open_index(1), OCS_STORE_CORRUPT);
	ck_assert_ptr_null(idx);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "backup"));
	ck_assert_int_ne(access(rig_path("index.tdb"), F_OK), 0);
	ck_assert_ok(open_index(2));
	ck_assert_uint_eq(reserve(1), 0x0100000000000002);
}

TEST(a_damaged_index_is_refused_and_left_as_it_is)
{
	FILE *file;
	uint8_t *data;
	size_t len;

	ocs_index_close(idx);
	idx = NULL;
	file = fopen(rig_path("index.tdb"), "w");
	fputs("gone", file);
	fclose(file);
	ck_assert_int_eq(open_index(1), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	data = rig_read_file(rig_path("index.tdb"), &len);
	ck_assert_uint_eq(len, 4);
	free(data);
	unlink(rig_path("index.tdb"));
	ck_assert_ok(open_index(2));
}

TEST(a_second_replica_id_goes_on_in_the_same_index)
{
	uint64_t inbox = make("INBOX"), id;

	ocs_index_close(idx);
	ck_assert_ok(open_index(9));
	ck_assert_ok(find("INBOX"));
	ck_assert_uint_eq(f.fid, inbox);
	id = reserve(1);
	ck_assert_uint_eq(id & 0xffff, 9);
	ocs_index_close(idx);
	ck_assert_ok(open_index(1));
	ck_assert_uint_ne(reserve(1), id);
	ocs_index_close(idx);
	idx = NULL;
	unlink(rig_path("index.tdb"));
	/* Both are known to have given identifiers. */
	ck_assert_int_eq(open_index(9), OCS_STORE_CORRUPT);
	ck_assert_int_eq(open_index(1), OCS_STORE_CORRUPT);
	ck_assert_ok(open_index(3));
}

TEST(a_start_killed_before_the_first_mark_can_be_repeated)
{
	struct ocs_store *store;

	ocs_index_close(idx);
	idx = NULL;
	unlink(rig_path("index.tdb"));
	unlink(rig_path("replica_ids"));
	ck_assert_ok(ocs_store_open(rig_path("index.tdb"), 131071, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &store, NULL, &rig_error));
	ocs_store_close(store);
	ck_assert_ok(open_index(1));
	ck_assert_uint_eq(reserve(1), 0x0100000000000001);
}

TEST(without_create_a_missing_index_is_missing)
{
	struct ocs_index *other;

	ocs_index_close(idx);
	idx = NULL;
	unlink(rig_path("index.tdb"));
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, false, &other, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_ptr_null(other);
}

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
	uint64_t fid = make("Work/2024/May"), mid = put_message("Work/2024/May", "17.eml"), root;

	ck_assert_str_eq(name_of(fid), "jdoe|sogo|john|Work/2024/May");
	ck_assert_str_eq(name_of(mid), "jdoe|sogo|john|Work/2024/May|17.eml");
	ck_assert_ok(find("Work"));
	ck_assert_str_eq(name_of(f.fid), "jdoe|sogo|john|Work");
	ck_assert_ok(find(""));
	root = f.fid;
	ck_assert_str_eq(name_of(root), "jdoe|||");
	ck_assert_str_eq(name_of(0x1234), "");
	ck_assert_str_eq(name_of(0), "");
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
	fid = make(longest);
	mid = put_message(longest, longest);
	ck_assert_ok(find(longest));
	ck_assert_uint_eq(f.fid, fid);
	ck_assert_uint_eq(strlen(name_of(fid)), strlen("jdoe|sogo|john|") + 1024);
	ck_assert_uint_eq(strlen(name_of(mid)), strlen("jdoe|sogo|john||") + 2048);
	fid = make(deep);
	ck_assert_str_eq(name_of(fid) + strlen("jdoe|sogo|john|"), deep);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_int_eq(
	        ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "john", too_long},
	                         true, &f, &rig_error),
	        OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_index_folder(idx,
	                                  &(struct ocs_folder_name){too_long, "sogo", "john", "a"},
	                                  true, &f, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_index_folder(idx, &(struct ocs_folder_name){"", "sogo", "john", "a"},
	                                  true, &f, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_ok(ocs_index_folder(idx,
	                              &(struct ocs_folder_name){longest, longest, longest, longest},
	                              true, &f, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_assert_uint_eq(strlen(name_of(f.fid)), 4 * 1024 + 3);
	fid = make("\xff\xfe \t%&<'\"\\\x01/\xc3\xa9{user}");
	ck_assert_str_eq(name_of(fid), "jdoe|sogo|john|\xff\xfe \t%&<'\"\\\x01/\xc3\xa9{user}");
}

TEST(different_names_never_share_an_identifier)
{
	static const char *const names[][4] = {
	        {"a", "b", "c", "d"},  {"ab", "", "c", "d"}, {"a", "bc", "", "d"},
	        {"a", "b", "cd", "x"}, {"a", "b", "c", "D"}, {"A", "b", "c", "d"},
	};
	uint64_t fids[6];

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	for (int i = 0; i < 6; i++) {
		ck_assert_ok(ocs_index_folder(idx,
		                              &(struct ocs_folder_name){names[i][0], names[i][1],
		                                                        names[i][2], names[i][3]},
		                              true, &f, &rig_error));
		fids[i] = f.fid;
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(fids[i], fids[j]);
	}
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

/* ---- folders ---- */

TEST(a_folder_and_its_missing_parents_are_made_once)
{
	uint64_t c, b, root;

	ck_assert_int_eq(find("a/b/c"), OCS_STORE_MISSING);
	c = make("a/b/c");
	b = f.parent_fid;
	ck_assert_ok(find("a/b"));
	ck_assert_uint_eq(f.fid, b);
	ck_assert_ok(find("a"));
	root = f.parent_fid;
	ck_assert_ok(find(""));
	ck_assert_uint_eq(f.fid, root);
	ck_assert_uint_ne(root, 0);
	ck_assert_uint_eq(make("a/b/c"), c);
	reopen();
	ck_assert_ok(find("a/b/c"));
	ck_assert_uint_eq(f.fid, c);
	ck_assert_uint_eq(f.parent_fid, b);
}

TEST(users_have_roots_of_their_own)
{
	uint64_t mine;

	make("INBOX");
	mine = f.parent_fid;
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder(idx,
	                              &(struct ocs_folder_name){"other", "sogo", "john", "INBOX"},
	                              true, &f, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_assert_uint_ne(f.parent_fid, mine);
}

TEST(a_rename_moves_the_subtree_and_keeps_every_identifier)
{
	uint64_t b = make("a/b"), c = make("a/b/c"), mid = put_message("a/b/c", "1"), got;

	rename_folder("a/b", "x/y");
	ck_assert_uint_eq(f.fid, b);
	ck_assert_int_eq(find("a/b"), OCS_STORE_MISSING);
	ck_assert_int_eq(find("a/b/c"), OCS_STORE_MISSING);
	ck_assert_ok(find("a"));
	ck_assert_ok(find("x/y"));
	ck_assert_uint_eq(f.fid, b);
	ck_assert_ok(get_message("x/y/c", "1", &got));
	ck_assert_uint_eq(f.fid, c);
	ck_assert_uint_eq(f.parent_fid, b);
	ck_assert_uint_eq(got, mid);
	ck_assert_str_eq(name_of(c), "jdoe|sogo|john|x/y/c");
	ck_assert_str_eq(name_of(mid), "jdoe|sogo|john|x/y/c|1");
	/* The old name starts afresh. */
	ck_assert_uint_ne(make("a/b"), b);
}

TEST(a_rename_over_an_existing_folder_retires_that_one)
{
	uint64_t a = make("a"), b = make("b"), old = put_message("b", "1"), below = make("b/sub"),
	         got;

	rename_folder("a", "b");
	ck_assert_uint_eq(f.fid, a);
	ck_assert_int_eq(get_message("b", "1", &got), OCS_STORE_MISSING);
	ck_assert_int_eq(find("b/sub"), OCS_STORE_MISSING);
	ck_assert_str_eq(name_of(b), "");
	ck_assert_str_eq(name_of(old), "");
	ck_assert_str_eq(name_of(below), "");
	ck_assert_str_eq(name_of(a), "jdoe|sogo|john|b");
}

TEST(a_rename_to_its_own_name_changes_nothing)
{
	uint64_t a = make("a"), mid = put_message("a", "1"), got;

	rename_folder("a", "a");
	ck_assert_uint_eq(f.fid, a);
	ck_assert_ok(get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
}

TEST(renaming_inbox_moves_its_messages_and_leaves_it_there)
{
	uint64_t inbox = make("INBOX"), sub = make("INBOX/sub"), mid = put_message("INBOX", "1"),
	         got;

	rename_folder("INBOX", "old mail");
	ck_assert_uint_ne(f.fid, inbox);
	ck_assert_ok(get_message("old mail", "1", &got));
	ck_assert_uint_eq(got, mid);
	ck_assert_int_eq(get_message("INBOX", "1", &got), OCS_STORE_MISSING);
	ck_assert_ok(find("INBOX"));
	ck_assert_uint_eq(f.fid, inbox);
	ck_assert_ok(find("INBOX/sub"));
	ck_assert_uint_eq(f.fid, sub);
	ck_assert_int_eq(find("old mail/sub"), OCS_STORE_MISSING);
	ck_assert_str_eq(name_of(inbox), "jdoe|sogo|john|INBOX");
}

TEST(the_messages_of_a_renamed_inbox_are_named_where_they_are_now)
{
	uint64_t one = put_message("INBOX", "1"), two, three;

	ck_assert_str_eq(name_of(one), "jdoe|sogo|john|INBOX|1");
	rename_folder("INBOX", "old mail");
	ck_assert_str_eq(name_of(one), "jdoe|sogo|john|old mail|1");
	two = put_message("INBOX", "2");
	three = put_message("old mail", "3");
	reopen();
	ck_assert_str_eq(name_of(one), "jdoe|sogo|john|old mail|1");
	ck_assert_str_eq(name_of(two), "jdoe|sogo|john|INBOX|2");
	ck_assert_str_eq(name_of(three), "jdoe|sogo|john|old mail|3");
	rename_folder("old mail", "archive/older");
	ck_assert_str_eq(name_of(one), "jdoe|sogo|john|archive/older|1");
}

TEST(a_deleted_folder_retires_what_is_below)
{
	uint64_t a = make("a"), b = make("a/b"), mid = put_message("a/b", "1"), got;

	delete_folder("a");
	delete_folder("a");        /* gone already: nothing */
	delete_folder("not/here"); /* never was: nothing */
	ck_assert_int_eq(find("a"), OCS_STORE_MISSING);
	ck_assert_int_eq(find("a/b"), OCS_STORE_MISSING);
	ck_assert_int_eq(find("not"), OCS_STORE_MISSING);
	ck_assert_str_eq(name_of(a), "");
	ck_assert_str_eq(name_of(b), "");
	ck_assert_str_eq(name_of(mid), "");
	ck_assert_uint_ne(make("a"), a);
	ck_assert_uint_ne(make("a/b"), b);
	ck_assert_int_eq(get_message("a/b", "1", &got), OCS_STORE_MISSING);
	/* Also now that the names are used again. */
	ck_assert_str_eq(name_of(b), "");
	ck_assert_str_eq(name_of(mid), "");
}

static void set_uid_validity(const char *folder, uint32_t value)
{
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder_set_uid_validity(
	        idx, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder}, value, &f,
	        &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

TEST(a_new_uid_validity_retires_the_messages_and_keeps_the_folder)
{
	uint64_t fid = make("a"), sub = make("a/sub"), mid = put_message("a", "1"), got;

	set_uid_validity("a", 5); /* the first one known: nothing is retired */
	ck_assert_ok(get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
	set_uid_validity("a", 5);
	ck_assert_ok(get_message("a", "1", &got));
	set_uid_validity("a", 6);
	ck_assert_uint_eq(f.fid, fid);
	ck_assert(f.has_uid_validity);
	ck_assert_uint_eq(f.uid_validity, 6);
	ck_assert_int_eq(get_message("a", "1", &got), OCS_STORE_MISSING);
	ck_assert_ok(find("a/sub"));
	ck_assert_uint_eq(f.fid, sub);
	ck_assert_uint_ne(put_message("a", "1"), mid);
	reopen();
	ck_assert_ok(find("a"));
	ck_assert_uint_eq(f.uid_validity, 6);
	set_uid_validity("a", 0);
	ck_assert_int_eq(get_message("a", "1", &got), OCS_STORE_MISSING);
}

/* ---- messages ---- */

TEST(messages_are_put_changed_and_deleted)
{
	struct ocs_index_message message = {.announced = false};
	uint64_t mid = put_message("a", "1"), got;

	ck_assert_ok(get_message("a", "1", &got));
	ck_assert_uint_eq(got, mid);
	message.mid = mid;
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_message_put(idx, &f, "1", &message, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_assert_ok(ocs_index_message(idx, f.series, "1", &message, &rig_error));
	ck_assert(!message.announced);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_message_delete(idx, f.series, "1", &rig_error));
	ck_assert_ok(ocs_index_message_delete(idx, f.series, "1", &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_assert_int_eq(get_message("a", "1", &got), OCS_STORE_MISSING);
	ck_assert_str_eq(name_of(mid), "");
}

/* ---- FIDs of the user map ---- */

#define FIXED 0x00aa000000000001ULL

static uint64_t fixed(void *arg, const struct ocs_folder_name *name)
{
	return strcmp(arg, name->folder) == 0 && strcmp(name->user, "jdoe") == 0 &&
	                       strcmp(name->backend, "sogo") == 0 &&
	                       strcmp(name->backend_user, "john") == 0
	               ? FIXED
	               : 0;
}

static char fixed_folder[] = "Shared/Team";

TEST(a_fixed_fid_wins_and_leads_back)
{
	uint64_t mid;

	ocs_index_set_fixed(idx, fixed, fixed_folder);
	ck_assert_uint_eq(make("Shared/Team"), FIXED);
	ck_assert_str_eq(name_of(FIXED), "jdoe|sogo|john|Shared/Team");
	make("Shared/Team/below");
	ck_assert_uint_eq(f.parent_fid, FIXED);
	ck_assert_str_eq(name_of(f.fid), "jdoe|sogo|john|Shared/Team/below");
	mid = put_message("Shared/Team", "1");
	ck_assert_str_eq(name_of(mid), "jdoe|sogo|john|Shared/Team|1");
	ck_assert_uint_ne(make("Shared"), FIXED);
	/* Without the map again, the folder's own. */
	ocs_index_set_fixed(idx, NULL, NULL);
	ck_assert_ok(find("Shared/Team"));
	ck_assert_uint_ne(f.fid, FIXED);
}

TEST(a_fixed_fid_for_a_folder_known_before_leads_back_too)
{
	make("Shared/Team");
	ocs_index_set_fixed(idx, fixed, fixed_folder);
	ck_assert_uint_eq(make("Shared/Team"), FIXED);
	ck_assert_str_eq(name_of(FIXED), "jdoe|sogo|john|Shared/Team");
}

LOOP_TEST(a_folder_known_before_its_fid_was_fixed_can_be_deleted, 0, 2)
{
	uint64_t own = make(fixed_folder), mid = put_message(fixed_folder, "1"),
	         below = make("Shared/Team/below"), got;

	ck_assert_str_ne(name_of(own), "");
	ocs_index_set_fixed(idx, fixed, fixed_folder);
	delete_folder(_i == 0 ? fixed_folder : "Shared");
	ck_assert_int_eq(find(fixed_folder), OCS_STORE_MISSING);
	ck_assert_int_eq(find("Shared/Team/below"), OCS_STORE_MISSING);
	ocs_index_set_fixed(idx, NULL, NULL);
	ck_assert_int_eq(find(fixed_folder), OCS_STORE_MISSING);
	ck_assert_int_eq(find("Shared/Team/below"), OCS_STORE_MISSING);
	ck_assert_str_eq(name_of(own), "");
	ck_assert_str_eq(name_of(mid), "");
	ck_assert_str_eq(name_of(below), "");
	ck_assert_uint_ne(make(fixed_folder), own);
	ck_assert_int_eq(get_message(fixed_folder, "1", &got), OCS_STORE_MISSING);
}

TEST(a_uid_validity_keeps_a_fixed_fid_and_the_folders_own)
{
	uint64_t own = make("Shared/Team");

	ocs_index_set_fixed(idx, fixed, fixed_folder);
	set_uid_validity("Shared/Team", 5);
	set_uid_validity("Shared/Team", 6);
	ck_assert_uint_eq(f.fid, FIXED);
	ocs_index_set_fixed(idx, NULL, NULL);
	ck_assert_ok(find("Shared/Team"));
	ck_assert_uint_eq(f.fid, own);
}

TEST(a_deleted_folder_with_a_fixed_fid_leads_nowhere)
{
	uint64_t mid, below;

	ocs_index_set_fixed(idx, fixed, fixed_folder);
	mid = put_message("Shared/Team", "1");
	below = make("Shared/Team/below");
	delete_folder("Shared/Team");
	ck_assert_str_eq(name_of(FIXED), "");
	ck_assert_str_eq(name_of(mid), "");
	ck_assert_str_eq(name_of(below), "");
	ck_assert_uint_eq(make("Shared/Team"), FIXED);
	ck_assert_str_eq(name_of(FIXED), "jdoe|sogo|john|Shared/Team");
}

/* ---- damage ---- */

TEST(a_damaged_folder_record_is_set_aside_and_the_folder_starts_afresh)
{
	uint64_t fid = make("a folder to be hit"), other = make("other");
	uint8_t bytes[8];

	ck_assert_ok(find("a folder to be hit"));
	ocs_put64(bytes, f.node); /* nothing below it: only its own record has it */
	ocs_index_close(idx);
	idx = NULL;
	rig_flip(rig_path("index.tdb"), bytes, 8);
	ck_assert_ok(open_index(1));
	ck_assert_int_eq(find("a folder to be hit"), OCS_STORE_MISSING);
	ck_assert_uint_ne(make("a folder to be hit"), fid);
	ck_assert_ok(find("other"));
	ck_assert_uint_eq(f.fid, other);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The index as a whole: what a check finds, that a text of it is all of it, and that what is taken
 * in is taken in whole or not at all and is never given again. */
#include "tests/unit/mapistore/mark_rig.h"

#include <sys/file.h>
#include <tdb.h>

#include "base/file.h"
#include "mapistore/agree.h"
#include "mapistore/index_internal.h"
#include "mapistore/index_tools.h"
#include "store/fault.h"

static const struct ocs_index_backend backends[] = {
        {"sogo", "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"},
};
static char faults[3000]; /* more than libcheck can say */
static struct ocs_index_checked checked;
static struct ocs_index_imported imported;

static void keep_fault(void *arg, const char *where, const char *what)
{
	(void)arg;
	snprintf(strchr(faults, '\0'), sizeof(faults) - strlen(faults), "%s: %s\n", where, what);
}

static void keep_progress(void *arg, uint64_t records)
{
	(void)arg;
	(void)records;
}

static const struct ocs_index_watch watch = {keep_fault, keep_progress, NULL};

static struct ocs_index *snapshot(void)
{
	struct ocs_index *index;

	ck_assert_ok(ocs_index_snapshot(mark_here, 1, false, &index, &rig_error));
	return index;
}

/* Of the index in its folder, which nobody has open. */
static uint64_t check(void)
{
	struct ocs_index *index;

	mark_stop();
	index = snapshot();
	faults[0] = '\0';
	ck_assert_ok(ocs_index_check(index, &watch, &checked, &rig_error));
	ocs_index_close(index);
	return checked.faults;
}

/* malloc'd. */
static char *export(void)
{
	struct ocs_index_exported exported;
	struct ocs_index *index;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	mark_stop();
	index = snapshot();
	ck_assert_ok(ocs_index_export(index, out, &watch, &exported, &rig_error));
	ck_assert_int_eq(fclose(out), 0);
	ocs_index_close(index);
	return text;
}

static int import_as(const char *path, const char *user, bool dry_run)
{
	struct ocs_index_source source = {.path = path,
	                                  .dry_run = dry_run,
	                                  .user = user,
	                                  .backends = backends,
	                                  .n_backends = 1};
	struct ocs_index *index;
	int ret;

	mark_stop();
	ck_assert_ok(ocs_index_open(mark_here, 1, false, &index, &rig_error));
	faults[0] = '\0';
	ret = ocs_index_import(index, &source, &watch, &imported, &rig_error);
	ocs_index_close(index);
	return ret;
}

static const char *write_text(const char *text)
{
	FILE *file = fopen(rig_path("text"), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	return rig_path("text");
}

/* Changes nothing; its fault says that. */
static void ck_refused(const char *path, const char *says)
{
	char *before = export(), *after;

	ck_assert_ok(import_as(path, "anna", false));
	ck_assert_uint_gt(imported.refused, 0);
	ck_assert_msg(strstr(faults, says) != NULL, "%s not in %s", says, faults);
	after = export();
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}

static void setup(void)
{
	mark_setup();
	ck_assert_int_eq(mkdir(mark_in(mark_here, "messages"), 0750), 0);
}

static struct ocs_folder_name folder_of(const char *user, const char *name)
{
	return (struct ocs_folder_name){user, "sogo", user, name};
}

static void put(const char *user, const char *name, const char *message_id)
{
	const struct ocs_folder_name folder = folder_of(user, name);
	struct ocs_index_message message = {.announced = true};
	struct ocs_index_folder found;

	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_ok(ocs_index_folder(mark_index, &folder, true, &found, &rig_error));
	if (ocs_index_message(mark_index, found.series, message_id, &message, &rig_error) !=
	    OCS_STORE_OK) {
		ck_assert_ok(ocs_index_reserve(mark_index, 1, &message.mid, &rig_error));
		mark_note(message.mid, 1);
		message.content = message.mid % 3;
		ck_assert_ok(ocs_index_message_put(mark_index, &found, message_id, &message,
		                                   &rig_error));
	}
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
}

/* Bytes that are awkward in lines, and any others. */
static void any_name(char *out, unsigned *seed)
{
	static const char awkward[] = "\t\n\r\\x\x01\x7f -*={}\xff\xc3\xa4";
	size_t n = 1 + (size_t)rand_r(seed) % 12;

	for (size_t i = 0; i < n; i++) {
		char c = rand_r(seed) % 2 != 0
		                 ? awkward[(size_t)rand_r(seed) % (sizeof(awkward) - 1)]
		                 : (char)(1 + rand_r(seed) % 255);

		out[i] = c == '/' ? 'a' : c;
	}
	out[n] = '\0';
}

/* Folders in each other, messages, some of both deleted, renamed and begun anew. */
static void fill(unsigned seed, int n)
{
	char names[20][80], message[20];

	for (int i = 0; i < 20; i++) {
		size_t len = 0;

		if (i >= 5) {
			strcpy(names[i], names[rand_r(&seed) % 5]);
			len = strlen(names[i]);
			names[i][len++] = '/';
		}
		any_name(names[i] + len, &seed);
	}
	for (int i = 0; i < n; i++) {
		const char *user = i % 3 == 0 ? "anna" : "ber\tta";
		const char *name = names[rand_r(&seed) % 20];
		struct ocs_folder_name folder = folder_of(user, name);
		struct ocs_index_folder found;
		int what = rand_r(&seed) % 12;

		any_name(message, &seed);
		put(user, name, message);
		ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
		ck_assert_ok(ocs_index_folder(mark_index, &folder, true, &found, &rig_error));
		if (what < 3)
			ck_assert_ok(ocs_index_message_delete(mark_index, found.series, message, 0,
			                                      &rig_error));
		else if (what == 3)
			ck_assert_ok(ocs_index_folder_delete(mark_index, &folder, &rig_error));
		else if (what == 4)
			ck_assert_ok(ocs_index_folder_set_uid_validity(
			        mark_index, &folder, (uint32_t)i, &found, &rig_error));
		else if (what == 5 && strchr(name, '/') == NULL)
			ck_assert_ok(ocs_index_folder_rename(mark_index, &folder, message, &found,
			                                     &rig_error));
		ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	}
}

/* The lines but the first, sorted, as one text. malloc'd. */
static int line_before(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(char *text)
{
	char **lines = NULL, *out = calloc(1, strlen(text) + 2), *next = text, *line;
	size_t n = 0;

	strsep(&next, "\n");
	while ((line = strsep(&next, "\n")) != NULL) {
		lines = realloc(lines, (n + 1) * sizeof(*lines));
		ck_assert_ptr_nonnull(lines);
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), line_before);
	for (size_t i = 0; i < n; i++) {
		strcat(out, lines[i]);
		strcat(out, "\n");
	}
	free(lines);
	free(text);
	return out;
}

TESTS_HAVE(.setup = setup, .teardown = mark_teardown);

LOOP_TEST(any_index_is_sound_and_comes_back_as_it_was, 0, 4)
{
	char *before, *after;
	const char *file;

	fill((unsigned)_i * 7919 + 1, 120);
	ck_assert_msg(check() == 0, "%s", faults);
	ck_assert_uint_eq(checked.users, 2);
	before = export();
	file = write_text(before);
	ck_assert_int_eq(rmdir(mark_in(mark_here, "messages")), 0);
	mark_each_file(mark_here, NULL);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mkdir(mark_in(mark_here, "messages"), 0750), 0);
	ck_assert_ok(import_as(file, NULL, false));
	ck_assert_msg(imported.refused == 0, "%s", faults);
	ck_assert_msg(check() == 0, "%s", faults);
	after = sorted(export());
	before = sorted(before);
	ck_assert_str_eq(before, after);
	ck_assert_ok(import_as(file, NULL, false));
	ck_assert_uint_eq(imported.refused + imported.folders + imported.messages, 0);
	/* What is given now is none of what was. */
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(100);
	ck_mark_distinct();
	free(before);
	free(after);
}

TEST(what_another_node_calls_it_is_no_fault)
{
	const struct ocs_folder_name name = {"anna", "sogo", "anna", "Switched"};
	struct ocs_index_folder folder;
	uint64_t theirs;

	fill(3, 20);
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_ok(ocs_index_folder(mark_index, &name, true, &folder, &rig_error));
	theirs = (folder.fid & ~0xffffULL) | 9;
	ck_assert_ok(ocs_index_folder_switch(mark_index, &name, folder.fid, theirs, &rig_error));
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	put("anna", "Switched/Below", "1");
	ck_assert_msg(check() == 0, "%s", faults);
	/* One that leads nowhere is. */
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_ok(
	        ocs_index_alias(mark_index, 0x1234567890000009u, 0x2234567890000009u, &rig_error));
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	ck_assert_uint_eq(check(), 1);
	ck_assert_ptr_nonnull(strstr(faults, "which is not known"));
}

/* A folder with messages of before, below another one, both called otherwise since: all comes back.
 */
TEST(what_another_node_calls_it_is_exported_and_taken_in)
{
	static const char *const paths[] = {"Above", "Above/Switched"};
	struct ocs_folder_name name = {"anna", "sogo", "anna", NULL};
	struct ocs_index_folder folder;
	struct ocs_index_name found;
	void *ctx = talloc_new(NULL);
	uint64_t ours[2];
	char *before, *after;
	const char *file;

	put("anna", paths[1], "1");
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	for (uint32_t i = 1; i <= 2; i++) {
		name.folder = paths[1];
		ck_assert_ok(ocs_index_folder_set_uid_validity(mark_index, &name, i, &folder,
		                                               &rig_error));
	}
	for (int i = 0; i < 2; i++) {
		name.folder = paths[i];
		ck_assert_ok(ocs_index_folder(mark_index, &name, false, &folder, &rig_error));
		ours[i] = folder.fid;
		ck_assert_ok(ocs_index_folder_switch(mark_index, &name, folder.fid,
		                                     (folder.fid & ~0xffffULL) | 9, &rig_error));
	}
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	ck_assert_msg(check() == 0, "%s", faults);
	before = export();
	ck_assert_ptr_nonnull(strstr(before, "\nalias\t"));
	file = write_text(before);
	ck_assert_int_eq(rmdir(mark_in(mark_here, "messages")), 0);
	mark_each_file(mark_here, NULL);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mkdir(mark_in(mark_here, "messages"), 0750), 0);
	for (int again = 0; again < 2; again++) {
		ck_assert_ok(import_as(file, NULL, false));
		ck_assert_msg(imported.refused == 0, "%s", faults);
	}
	ck_assert_msg(check() == 0, "%s", faults);
	after = sorted(export());
	before = sorted(before);
	ck_assert_str_eq(before, after);
	ck_assert_ok(mark_open(mark_here, 1));
	for (int i = 0; i < 2; i++) {
		ck_assert_ok(ocs_index_lookup(mark_index, ctx, ours[i], &found, &rig_error));
		ck_assert_str_eq(found.folder, paths[i]);
	}
	free(before);
	free(after);
	talloc_free(ctx);
}

/* A folder's own identifier says the one above it by the old name, a second one by the new. */
TEST(a_second_identifier_below_a_switched_folder_is_no_fault)
{
	const struct ocs_folder_name above = {"anna", "sogo", "anna", "Above"},
	                             name = {"anna", "sogo", "anna", "Above/Below"};
	struct ocs_index_folder folder;

	put("anna", name.folder, "1");
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_ok(ocs_index_folder(mark_index, &above, false, &folder, &rig_error));
	ck_assert_ok(ocs_index_folder_switch(mark_index, &above, folder.fid,
	                                     (folder.fid & ~0xffffULL) | 9, &rig_error));
	ck_assert_ok(ocs_index_folder_place(mark_index, &name, 0x1234567890000009u, &folder,
	                                    &rig_error));
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	ck_assert_msg(check() == 0, "%s", faults);
}

TEST(an_index_of_several_files_is_one)
{
	char *before, *after, message[1001];
	struct ocs_index_sizes sizes;
	const char *file;

	for (int round = 0; round < 3; round++) {
		fill(5, 30); /* the same names */
		for (int i = 0; i < 20; i++) {
			snprintf(message, sizeof(message), "%0990d", round * 100 + i);
			put("anna", "INBOX", message);
		}
		mark_index->tried = 0;
		if (round < 2) /* the next transaction begins a file */
			ocs_index_set_limits(mark_index, 1, 0);
		put("berta", "INBOX", "1");
		ocs_index_set_limits(mark_index, 1 << 30, 0);
	}
	ocs_index_sizes(mark_index, &sizes);
	ck_assert_uint_ge(sizes.files, 3);
	ck_assert_msg(check() == 0, "%s", faults);
	before = export();
	file = write_text(before);
	ck_assert_ok(import_as(file, NULL, false));
	ck_assert_uint_eq(imported.refused + imported.folders + imported.messages, 0);
	ck_assert_int_eq(rmdir(mark_in(mark_here, "messages")), 0);
	mark_each_file(mark_here, NULL);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mkdir(mark_in(mark_here, "messages"), 0750), 0);
	ck_assert_ok(import_as(file, NULL, false));
	before = sorted(before);
	after = sorted(export());
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}

static void put_raw(const void *key, size_t key_len, const void *data, size_t len)
{
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	if (len != 0)
		ck_assert_ok(ocs_index_put(mark_index, key, key_len, data, len, &rig_error));
	else
		ck_assert_ok(ocs_index_delete(mark_index, key, key_len, &rig_error));
	ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
}

/* Something else in the place of one record, or nothing. */
LOOP_TEST(what_does_not_fit_together_is_told, 0, 9)
{
	static const char *const says[] = {
	        "R anna: it leads to 7700000000000001, which is not known",
	        "but its names lead to 0000000000000000",
	        "a folder, but no folder of that name is there",
	        "it leads to 7700000000000001, which is not known",
	        "is not known",
	        "it leads to",
	        "nothing here has that key",
	        "it could be given again",
	        "it cannot be read",
	};
	const struct ocs_folder_name inbox = folder_of("anna", "INBOX");
	struct ocs_index_folder folder;
	uint8_t key[64], data[64] = {0};

	put("anna", "INBOX", "1");
	ck_assert_ok(ocs_index_folder(mark_index, &inbox, false, &folder, &rig_error));
	key[0] = "RRFFSMxRI"[_i];
	ocs_put64(data, 0x7700000000000001);
	switch (_i) {
	case 0:
		put_raw("Ranna", 5, data, 8);
		break;
	case 1:
		put_raw("Ranna", 5, NULL, 0);
		break;
	case 2:
	case 3: {
		uint64_t top = 0;
		uint8_t *found;
		size_t len;

		ck_assert_ok(ocs_index_fetch(mark_index, NULL, "Nanna\0sogo\0anna", 16, &found,
		                             &len, &rig_error));
		top = ocs_get64(found);
		talloc_free(found);
		ocs_put64(key + 1, top);
		memcpy(key + 9, "INBOX", 5);
		ocs_put64(data + 8, folder.node);
		ocs_put64(data + 16, folder.series);
		put_raw(key, 14, data, _i == 2 ? 0 : 29);
		break;
	}
	case 4:
		ocs_put64(key + 1, folder.series);
		put_raw(key, 9, NULL, 0);
		break;
	case 5:
		ocs_put64(key + 1, folder.series);
		key[9] = '2'; /* the same MID twice */
		ck_assert_ok(ocs_index_message(mark_index, folder.series, "1",
		                               &(struct ocs_index_message){.mid = 0}, &rig_error));
		ocs_put64(data, folder.fid);
		put_raw(key, 10, data, 9);
		break;
	case 6:
		put_raw("x", 1, "y", 1);
		break;
	case 7:
		ocs_put64(data, ocs_index_id_make(1, OCS_COUNTER_MAX - 5));
		put_raw("Rzoe", 4, data, 8);
		ocs_put64(key + 1, ocs_index_id_make(1, OCS_COUNTER_MAX - 5));
		key[0] = 'I';
		put_raw(key, 9, "Rzoe", 4);
		break;
	default:
		ocs_put64(key + 1, folder.fid);
		put_raw(key, 9, "?", 1);
	}
	ck_assert_uint_gt(check(), 0);
	ck_assert_msg(strstr(faults, says[_i]) != NULL, "%s not in %s", says[_i], faults);
}

TEST(what_is_right_beside_what_is_refused_is_not_taken_in)
{
	put("anna", "INBOX", "1");
	ck_refused(write_text("ocsmanager-index\t1\t1\t5\n"
	                      "root\t0100000000000001\tzoe\n"
	                      "folder\t0200000000000001\tlive\t-\tzoe\tsogo\tzoe\tINBOX\n"
	                      "folder\t0300000000000001\tlive\t-\tanna\tsogo\tanna\tINBOX\n"
	                      "message\t0400000000000001\t0200000000000001\tlive\t-\t1\n"
	                      "end\t4\n"),
	           "text:4: that folder is ");
	ck_assert_uint_eq(imported.refused, 1);
}

static int fail_to_commit(struct tdb_context *tdb)
{
	tdb_transaction_cancel(tdb);
	return -1;
}

TEST(a_failed_commit_changes_nothing_and_the_mark_is_never_below)
{
	const char *file = write_text("ocsmanager-index\t1\t1\t281000000000000\n"
	                              "root\t0100000000000001\tzoe\nend\t1\n");
	char *before, *after;

	put("anna", "INBOX", "1");
	before = export();
	ck_assert_ok(import_as(file, NULL, true));
	ck_assert_uint_eq(imported.users, 1);
	after = export();
	ck_assert_str_eq(before, after);
	free(after);
	ocs_store_tdb_commit = fail_to_commit;
	ck_assert_int_eq(import_as(file, NULL, false), -1);
	ocs_store_tdb_commit = tdb_transaction_commit;
	before = sorted(before);
	after = sorted(export());
	ck_assert_str_eq(before, after);
	ck_assert_ok(import_as(file, NULL, false));
	ck_assert_uint_eq(imported.users, 1);
	ck_assert_uint_ge(mark_read().next, 281000000000000);
	free(before);
	free(after);
}

static void make_tdb(const char *const *records)
{
	struct tdb_context *tdb;

	unlink(rig_path("indexing.tdb"));
	tdb = tdb_open(rig_path("indexing.tdb"), 0, 0, O_RDWR | O_CREAT, 0600);
	ck_assert_ptr_nonnull(tdb);
	for (; *records != NULL; records += 2) {
		TDB_DATA key = {(unsigned char *)(uintptr_t)records[0], strlen(records[0])};
		TDB_DATA value = {(unsigned char *)(uintptr_t)records[1], strlen(records[1])};

		ck_assert_int_eq(tdb_store(tdb, key, value, TDB_INSERT), 0);
	}
	tdb_close(tdb);
}

TEST(openchange_counts_on_above_its_own_and_public_folders)
{
	make_tdb((const char *const[]){"0x2c00000000000001", "sogo://anna:anna@mail/folderINBOX/",
	                               "0x0000ffff00000001", "sogo://anna:x@mail/folderINBOX/1.eml",
	                               "0xffffff0000000002", "sogo://anna:x@mail/folderINBOX/2.eml",
	                               "GlobalCount", "0x0000ff0000000000", NULL});
	ck_assert_ok(import_as(rig_path("indexing.tdb"), "anna", false));
	ck_assert_msg(imported.refused == 0, "%s", faults);
	ck_assert_uint_eq(imported.folders + imported.messages, 3);
	ck_assert_uint_ge(mark_read().next, 0x0000ff0000000000);
	ck_assert_msg(check() == 0, "%s", faults);
}

TEST(openchange_of_two_users_with_one_counter_is_refused)
{
	make_tdb((const char *const[]){"0x2c00000000000001", "sogo://anna:anna@mail/folderINBOX/",
	                               NULL});
	ck_assert_ok(import_as(rig_path("indexing.tdb"), "berta", false));
	ck_assert_uint_eq(imported.folders, 1);
	ck_refused(rig_path("indexing.tdb"),
	           "indexing.tdb: 0x2c00000000000001: 2c00000000000001 is folder INBOX of berta");
}

TEST(the_lock_of_the_mark_is_not_waited_for_without_end)
{
	struct ocs_folder_name folder = folder_of("anna", "INBOX");
	struct ocs_index_folder found;
	int fd = open(mark_in(mark_here, "id_mark.1"), O_RDWR);
	char who[80];

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ocs_index_mark_wait = 20;
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_int_eq(ocs_index_folder(mark_index, &folder, true, &found, &rig_error),
	                 OCS_STORE_BUSY);
	snprintf(who, sizeof(who), "id_mark.1: locked by process %d", (int)getpid());
	ck_assert_msg(strstr(rig_error.text, who) != NULL, "%s", rig_error.text);
	ocs_index_cancel(mark_index);
	close(fd);
	put("anna", "INBOX", "1");
}

static bool told_to_end(void)
{
	return true;
}

TEST(who_is_told_to_end_does_not_wait_for_the_mark)
{
	struct ocs_folder_name folder = folder_of("anna", "INBOX");
	struct ocs_index_folder found;
	int fd = open(mark_in(mark_here, "id_mark.1"), O_RDWR);

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ocs_index_mark_wait = 1000000000;
	ocs_file_interrupted = told_to_end;
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_int_eq(ocs_index_folder(mark_index, &folder, true, &found, &rig_error),
	                 OCS_STORE_BUSY);
	ocs_index_cancel(mark_index);
	close(fd);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Files of the store of which any call fails: what was acknowledged is there, what is whole is not
 * taken for damaged, and nothing is left. */
#include "tests/unit/rig.h"
#include "tests/unit/faults.h"

#include <dirent.h>

#include "store/journal.h"

/* ---- nothing was set aside as damaged ---- */

static unsigned count_files(const char *part)
{
	DIR *folder = opendir(rig_folder);
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		n += entry->d_name[0] != '.' && strstr(entry->d_name, part) != NULL;
	closedir(folder);
	return n;
}

/* ---- a database ---- */

static uint64_t written, acknowledged; /* of the record: the last tried, and the last that passed */

static int open_store(struct ocs_store **store)
{
	return ocs_store_open(rig_path("x.tdb"), 0,
	                      OCS_STORE_CREATE | OCS_STORE_CHECK | OCS_STORE_MOVE_CORRUPT, 0600,
	                      (gid_t)-1, store, NULL, &rig_error);
}

static int fetch(struct ocs_store *store, uint64_t *value_r)
{
	uint8_t *data = NULL;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, "key", 3, &data, &len, &rig_error);

	*value_r = ret == OCS_STORE_OK && len == sizeof(*value_r) ? ocs_get64(data) : 0;
	talloc_free(data);
	return ret;
}

static int write_record(void)
{
	struct ocs_store *store;
	uint8_t data[8];
	uint64_t value;
	int ret;

	rig_error.text[0] = '\0';
	ret = open_store(&store);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_put64(data, ++written);
	ret = ocs_store_begin(store, &rig_error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_put(store, "key", 3, data, sizeof(data), &rig_error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_commit(store, true, &rig_error);
	else
		ocs_store_cancel(store);
	if (ret == OCS_STORE_OK) {
		acknowledged = written;
		ret = fetch(store, &value);
		if (ret == OCS_STORE_OK && value != written)
			ret = -100;
	}
	ocs_store_close(store);
	return ret;
}

static void record_is_there(int result, bool failed)
{
	struct ocs_store *store;
	uint64_t value;

	(void)failed;
	ck_assert_msg(result == OCS_STORE_OK || result == OCS_STORE_ERROR, "%s: %d: %s",
	              faults_last(), result, rig_error.text);
	ck_assert_msg(result == OCS_STORE_OK || rig_error.text[0] != '\0', "%d says nothing",
	              result);
	ck_assert_uint_eq(count_files(".corrupt-"), 0);
	if (acknowledged == 0)
		return;
	ck_assert_msg(open_store(&store) == 0, "%s: %s", faults_last(), rig_error.text);
	ck_assert_msg(count_files(".corrupt-") == 0, "%s: taken for damaged", faults_last());
	ck_assert_ok(fetch(store, &value));
	ck_assert_uint_ge(value, acknowledged);
	ck_assert_uint_le(value, written);
	ocs_store_close(store);
	ck_assert_uint_eq(count_files(""), 1);
}

TESTS_HAVE(.setup = rig_make_folder, .teardown = rig_remove_folder);

TEST(a_committed_record_is_there_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "a record is committed", .after = record_is_there, .run = write_record};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(100));
}

/* ---- a database that stays open ---- */

static struct ocs_store *kept;

static int commit_once(void)
{
	uint8_t data[8];
	int ret = ocs_store_begin(kept, &rig_error);

	if (ret != OCS_STORE_OK)
		return ret;
	ocs_put64(data, ++written);
	ret = ocs_store_put(kept, "key", 3, data, sizeof(data), &rig_error);
	if (ret != OCS_STORE_OK) {
		ocs_store_cancel(kept);
		return ret;
	}
	ret = ocs_store_commit(kept, true, &rig_error);
	if (ret == OCS_STORE_OK)
		acknowledged = written;
	return ret;
}

static void the_next_commit_passes(int result, bool failed)
{
	uint64_t value;

	(void)result;
	(void)failed;
	ck_assert_ok(fetch(kept, &value));
	ck_assert_uint_ge(value, acknowledged);
	ck_assert_msg(commit_once() == OCS_STORE_OK, "%s: %s", faults_last(), rig_error.text);
	ck_assert_ok(fetch(kept, &value));
	ck_assert_uint_eq(value, written);
}

TEST(the_next_commit_passes_whatever_failed_in_the_last)
{
	static const struct faults_operation operation = {
	        .name = "a commit", .after = the_next_commit_passes, .run = commit_once};

	ck_assert_ok(open_store(&kept));
	ck_assert_int_eq(commit_once(), 0);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(20));
	ocs_store_close(kept);
}

static void remove_database(void)
{
	unlink(rig_path("x.tdb"));
	written = acknowledged = 0;
}

TEST(a_database_is_made_whatever_failed_before)
{
	static const struct faults_operation operation = {.name = "a database is made",
	                                                  .before = remove_database,
	                                                  .after = record_is_there,
	                                                  .run = write_record};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(100));
}

/* ---- a journal ---- */

#define RECORDS_MAX 4096

static unsigned n_records;
static bool wanted[RECORDS_MAX]; /* acknowledged */
static unsigned found[RECORDS_MAX], last_found, out_of_order;

static int take_in(void *arg, const uint8_t *data, size_t len)
{
	unsigned n = len == 4 ? ocs_get32(data) : RECORDS_MAX;

	(void)arg;
	if (n >= RECORDS_MAX || (last_found != 0 && n <= last_found))
		out_of_order++;
	else
		found[last_found = n]++;
	return 0;
}

static int open_journal(struct ocs_journal **journal, struct ocs_journal_damage *damage)
{
	memset(found, 0, sizeof(found));
	last_found = out_of_order = 0;
	return ocs_journal_open(rig_path("x.log"), take_in, NULL, journal, damage, &rig_error);
}

static int add_and_write(struct ocs_journal *journal)
{
	uint8_t data[4];
	unsigned n = ++n_records;
	int ret;

	ocs_put32(data, n);
	ret = ocs_journal_add(journal, data, sizeof(data), &rig_error);
	if (ret == 0)
		ret = ocs_journal_write(journal, true, &rig_error);
	else
		(void)ocs_journal_discard(journal, NULL);
	wanted[n] = ret == 0;
	return ret;
}

/* The second record is written after what failed with the first. */
static int write_journal(void)
{
	struct ocs_journal *journal;
	int ret, second;

	rig_error.text[0] = '\0';
	ret = open_journal(&journal, NULL);
	if (ret != 0)
		return ret;
	ret = add_and_write(journal);
	second = add_and_write(journal);
	ocs_journal_close(journal);
	return ret != 0 ? ret : second;
}

static void records_are_there(int result, bool failed)
{
	struct ocs_journal_damage damage = {0};
	struct ocs_journal *journal;

	(void)failed;
	ck_assert_msg(result == 0 || rig_error.text[0] != '\0', "%d says nothing", result);
	ck_assert_ok(open_journal(&journal, &damage));
	ocs_journal_close(journal);
	ck_assert_uint_eq(damage.skipped, 0);
	ck_assert_uint_eq(out_of_order, 0);
	for (unsigned n = 1; n <= n_records; n++)
		ck_assert_msg(!wanted[n] || found[n] == 1, "record %u is %u times there", n,
		              found[n]);
	ck_assert_uint_eq(count_files(""), 1);
}

TEST(a_written_record_of_a_journal_is_there_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "a journal is written", .after = records_are_there, .run = write_journal};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(15));
}

/* Only what it is to consist of, and what was there if that failed. */
static int rewrite_records(void *arg, struct ocs_journal *journal, struct ocs_error *error)
{
	uint8_t data[4];
	unsigned n = *(unsigned *)arg;

	ocs_put32(data, n);
	return ocs_journal_add(journal, data, sizeof(data), error);
}

static int rewrite_journal(void)
{
	struct ocs_journal *journal;
	unsigned n = ++n_records;
	int ret;

	rig_error.text[0] = '\0';
	ret = open_journal(&journal, NULL);
	if (ret != 0)
		return ret;
	ret = ocs_journal_rewrite(journal, rewrite_records, &n, &rig_error);
	if (ret == 0)
		memset(wanted, 0, sizeof(wanted));
	wanted[n] = ret == 0;
	/* It may be the new one all the same, and then the old ones are gone. */
	if (ret != 0)
		ret = add_and_write(journal);
	ocs_journal_close(journal);
	return ret;
}

static void rewritten(int result, bool failed)
{
	struct ocs_journal_damage damage = {0};
	struct ocs_journal *journal;

	(void)failed;
	ck_assert_msg(result == 0 || rig_error.text[0] != '\0', "%d says nothing", result);
	ck_assert_ok(open_journal(&journal, &damage));
	ocs_journal_close(journal);
	ck_assert_uint_eq(damage.skipped, 0);
	ck_assert_uint_eq(out_of_order, 0);
	ck_assert_msg(count_files("") == 1 || faults_no_names(), "%s: a file is left",
	              faults_last());
	ck_assert_uint_gt(last_found, 0);
	ck_assert(result != 0 || wanted[last_found]);
}

TEST(a_journal_that_is_written_again_is_the_old_or_the_new_one)
{
	static const struct faults_operation operation = {
	        .name = "a journal is written again", .after = rewritten, .run = rewrite_journal};

	ck_assert_int_eq(write_journal(), 0);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(15));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The index of which any call fails: an identifier that was given stays what it is, none is given
 * twice, a file that is whole is not taken for damaged. */
#include "tests/unit/mapistore/index_rig.h"
#include "tests/unit/faults.h"

#include <dirent.h>

#define GIVEN_MAX 8192

static uint64_t given[GIVEN_MAX]; /* that were committed */
static unsigned n_given, round_of;
static uint64_t folder_fid, message_mid; /* of this round; 0: not acknowledged */
static char folder_name[32];

static void one_more(uint64_t id)
{
	for (unsigned i = 0; i < n_given; i++)
		ck_assert_msg(given[i] != id, "%016llx was given twice", (unsigned long long)id);
	ck_assert_uint_lt(n_given, GIVEN_MAX);
	given[n_given++] = id;
}

static int commit(struct ocs_index *index, int ret)
{
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, &rig_error);
	ocs_index_cancel(index);
	return ret;
}

static int name_folder(struct ocs_index *index, struct ocs_index_folder *folder)
{
	const struct ocs_folder_name name = {"jdoe", "sogo", "john", folder_name};
	int ret = ocs_index_begin(index, &rig_error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = commit(index, ocs_index_folder(index, &name, true, folder, &rig_error));
	if (ret == OCS_STORE_OK)
		folder_fid = folder->fid;
	return ret;
}

static int name_message(struct ocs_index *index, const struct ocs_index_folder *folder)
{
	struct ocs_index_message message = {.announced = true};
	int ret = ocs_index_begin(index, &rig_error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_index_reserve(index, 1, &message.mid, &rig_error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_message_put(index, folder, "1.eml", &message, &rig_error);
	ret = commit(index, ret);
	if (ret == OCS_STORE_OK)
		message_mid = message.mid;
	return ret;
}

static int look_up(struct ocs_index *index, uint64_t id)
{
	void *ctx = talloc_new(NULL);
	struct ocs_index_name name;
	int ret;

	if (ctx == NULL)
		return ocs_error_memory(&rig_error);
	ret = ocs_index_lookup(index, ctx, id, &name, &rig_error);
	talloc_free(ctx);
	return ret;
}

static int use_index(void)
{
	struct ocs_index_folder folder;
	struct ocs_index *index;
	int ret;

	rig_error.text[0] = '\0';
	ret = ocs_index_open(rig_folder, 1, true, &index, &rig_error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = name_folder(index, &folder);
	if (ret == OCS_STORE_OK)
		ret = name_message(index, &folder);
	if (ret == OCS_STORE_OK)
		ret = look_up(index, message_mid);
	ocs_index_close(index);
	return ret;
}

static void another_folder(void)
{
	snprintf(folder_name, sizeof(folder_name), "folder %u", round_of++);
	folder_fid = message_mid = 0;
}

static void nothing_is_set_aside(void)
{
	DIR *folder = opendir(rig_folder);
	struct dirent *entry;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		ck_assert_msg(strstr(entry->d_name, ".corrupt-") == NULL &&
		                      strstr(entry->d_name, ".new") == NULL &&
		                      strstr(entry->d_name, ".not-ours") == NULL,
		              "%s is left", entry->d_name);
	closedir(folder);
}

static void names_are_there(int result, bool failed)
{
	struct ocs_index_message message = {0};

	(void)failed;
	ck_assert_msg(result == OCS_STORE_OK || rig_error.text[0] != '\0', "%d says nothing",
	              result);
	ck_assert_msg(result != OCS_STORE_CORRUPT && result != OCS_STORE_MISSING &&
	                      result != OCS_STORE_DAMAGED,
	              "%d: %s", result, rig_error.text);
	nothing_is_set_aside();
	ck_assert_ok(index_open(1));
	ck_assert(!ocs_index_salvaged(index_db));
	if (folder_fid != 0) {
		ck_assert_ok(index_find(folder_name));
		ck_assert_uint_eq(index_found.fid, folder_fid);
		one_more(folder_fid);
	}
	if (message_mid != 0) {
		ck_assert_ok(ocs_index_message(index_db, index_found.series, "1.eml", &message,
		                               &rig_error));
		ck_assert_uint_eq(message.mid, message_mid);
		one_more(message_mid);
	}
	/* And the next one gets another. */
	snprintf(folder_name, sizeof(folder_name), "after %u", round_of);
	one_more(index_make(folder_name));
	ocs_index_close(index_db);
	index_db = NULL;
}

static void setup(void)
{
	rig_make_folder();
	ck_assert_int_eq(mkdir(rig_path("private"), 0700), 0);
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(an_identifier_stays_what_it_is_whatever_fails)
{
	static const struct faults_operation operation = {.name = "names get identifiers",
	                                                  .before = another_folder,
	                                                  .after = names_are_there,
	                                                  .run = use_index,
	                                                  .without_all = true,
	                                                  .points = 6};

	another_folder();
	ck_assert_ok(use_index());
	names_are_there(OCS_STORE_OK, false);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(40));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the index share: see index_rig.h. */
#include "tests/unit/mapistore/index_rig.h"

struct ocs_index *index_db;
struct ocs_index_folder index_found;

int index_open(uint16_t replica_id)
{
	return ocs_index_open(rig_folder, replica_id, true, &index_db, &rig_error);
}

void index_setup(void)
{
	rig_make_folder();
	ck_assert_ok(index_open(1));
}

void index_teardown(void)
{
	ocs_index_close(index_db);
	rig_remove_folder();
}

void index_reopen(void)
{
	ocs_index_close(index_db);
	index_db = NULL;
	ck_assert_ok(index_open(1));
}

uint64_t index_make(const char *folder)
{
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_folder(index_db,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "john", folder},
	                              true, &index_found, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	return index_found.fid;
}

int index_find(const char *folder)
{
	return ocs_index_folder(index_db, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder},
	                        false, &index_found, &rig_error);
}

void index_rename(const char *from, const char *to)
{
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_folder_rename(
	        index_db, &(struct ocs_folder_name){"jdoe", "sogo", "john", from}, to, &index_found,
	        &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

void index_delete(const char *folder)
{
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_folder_delete(
	        index_db, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder}, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

uint64_t index_put_message(const char *folder, const char *id)
{
	struct ocs_index_message message = {.announced = true};

	index_make(folder);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_reserve(index_db, 1, &message.mid, &rig_error));
	ck_assert_ok(ocs_index_message_put(index_db, &index_found, id, &message, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	return message.mid;
}

int index_get_message(const char *folder, const char *id, uint64_t *mid)
{
	struct ocs_index_message message = {0};
	int ret = index_find(folder);

	if (ret == OCS_STORE_OK)
		ret = ocs_index_message(index_db, index_found.series, id, &message, &rig_error);
	*mid = message.mid;
	return ret;
}

const char *index_name_of(uint64_t id)
{
	static char text[8192];
	void *ctx = talloc_new(NULL);
	struct ocs_index_name name;
	int ret = ocs_index_lookup(index_db, ctx, id, &name, &rig_error);

	ck_assert(ret == OCS_STORE_OK || ret == OCS_STORE_MISSING);
	text[0] = '\0';
	if (ret == OCS_STORE_OK)
		snprintf(text, sizeof(text), "%s%s|%s|%s|%s%s%s", name.deleted ? "was " : "",
		         name.user, name.backend, name.backend_user, name.folder,
		         name.message_id != NULL ? "|" : "",
		         name.message_id != NULL ? name.message_id : "");
	talloc_free(ctx);
	return text;
}

void index_set_uid_validity(const char *folder, uint32_t value)
{
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_folder_set_uid_validity(
	        index_db, &(struct ocs_folder_name){"jdoe", "sogo", "john", folder}, value,
	        &index_found, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

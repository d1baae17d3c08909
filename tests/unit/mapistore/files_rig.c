/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* See files_rig.h. */
#include "tests/unit/mapistore/files_rig.h"

struct ocs_index *files_idx;
uint64_t files_highest;

uint64_t files_counter(uint64_t id)
{
	return __builtin_bswap64(id & ~0xffffULL);
}

struct ocs_index *files_open(bool owner)
{
	struct ocs_index *index = NULL;

	ck_assert_ok(ocs_index_open(rig_folder, 1, owner, &index, &rig_error));
	ocs_index_set_limits(index, FILES_SMALL, 0);
	return index;
}

void files_setup(void)
{
	rig_make_folder();
	files_highest = 0;
	files_idx = files_open(true);
}

void files_teardown(void)
{
	ocs_index_close(files_idx);
	rig_remove_folder();
}

void files_reopen(void)
{
	ocs_index_close(files_idx);
	files_idx = files_open(true);
}

struct ocs_index_folder files_folder(struct ocs_index *index, const char *user, const char *name,
                                     bool create)
{
	struct ocs_index_folder folder;
	int ret;

	if (create)
		ck_assert_ok(ocs_index_begin(index, &rig_error));
	ret = ocs_index_folder(index, &(struct ocs_folder_name){user, "sogo", user, name}, create,
	                       &folder, &rig_error);
	ck_assert_msg(ret == 0, "%s: %d %s", name, ret, rig_error.text);
	if (create)
		ck_assert_ok(ocs_index_commit(index, &rig_error));
	return folder;
}

bool files_is_known(struct ocs_index *index, const char *user, const char *name)
{
	struct ocs_index_folder folder;

	return ocs_index_folder(index, &(struct ocs_folder_name){user, "sogo", user, name}, false,
	                        &folder, &rig_error) == 0;
}

void files_add_messages(const struct ocs_index_folder *folder, unsigned a, unsigned b)
{
	uint64_t id;

	ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
	ck_assert_ok(ocs_index_reserve(files_idx, b - a, &id, &rig_error));
	ck_assert_uint_gt(files_counter(id), files_highest);
	for (unsigned i = a; i < b; i++, id = ocs_index_id_next(id)) {
		struct ocs_index_message message = {.mid = id, .announced = true};
		char name[900];

		snprintf(name, sizeof(name), "%0800u", i);
		files_highest = files_counter(id);
		ck_assert_ok(ocs_index_message_put(files_idx, folder, name, &message, &rig_error));
	}
	ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
}

uint64_t files_message(struct ocs_index *index, const struct ocs_index_folder *folder, unsigned i)
{
	struct ocs_index_message message = {0};
	char name[900];
	int ret;

	snprintf(name, sizeof(name), "%0800u", i);
	ret = ocs_index_message(index, folder->series, name, &message, &rig_error);
	ck_assert_msg(ret == 0 || ret == OCS_STORE_MISSING, "%u: %s", i, rig_error.text);
	return ret == 0 ? message.mid : 0;
}

unsigned files_fill_until(const struct ocs_index_folder *folder, unsigned from, unsigned files)
{
	struct ocs_index_sizes sizes;

	do {
		files_add_messages(folder, from, from + 500);
		from += 500;
		ocs_index_sizes(files_idx, &sizes);
	} while (sizes.files < files);
	return from;
}

void files_ck_names(struct ocs_index *index, uint64_t id, const char *user, const char *folder)
{
	struct ocs_index_name name;
	void *ctx = talloc_new(NULL);

	ck_assert_ok(ocs_index_lookup(index, ctx, id, &name, &rig_error));
	ck_assert_str_eq(name.user, user);
	ck_assert_str_eq(name.backend, "sogo");
	ck_assert_str_eq(name.backend_user, user);
	ck_assert_str_eq(name.folder, folder);
	talloc_free(ctx);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* FIDs that the user map fixes. */
#include "tests/unit/mapistore/index_rig.h"

#include "mapistore/index_search.h"

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

TESTS_HAVE(.setup = index_setup, .teardown = index_teardown);

TEST(a_fixed_fid_wins_and_leads_back)
{
	uint64_t mid;

	ocs_index_set_fixed(index_db, fixed, fixed_folder);
	ck_assert_uint_eq(index_make("Shared/Team"), FIXED);
	ck_assert_str_eq(index_name_of(FIXED), "jdoe|sogo|john|Shared/Team");
	index_make("Shared/Team/below");
	ck_assert_uint_eq(index_found.parent_fid, FIXED);
	ck_assert_str_eq(index_name_of(index_found.fid), "jdoe|sogo|john|Shared/Team/below");
	mid = index_put_message("Shared/Team", "1");
	ck_assert_str_eq(index_name_of(mid), "jdoe|sogo|john|Shared/Team|1");
	ck_assert_uint_ne(index_make("Shared"), FIXED);
	/* Without the map again, the folder's own. */
	ocs_index_set_fixed(index_db, NULL, NULL);
	ck_assert_ok(index_find("Shared/Team"));
	ck_assert_uint_ne(index_found.fid, FIXED);
}

static uint64_t above_all(void *arg, const struct ocs_folder_name *name)
{
	(void)arg;
	return name->folder[0] != '\0' ? UINT64_MAX : 0;
}

/* The map refuses it by now; it may be in an index from before. */
TEST(an_identifier_that_no_list_can_have_holds_nobody_up)
{
	ocs_index_set_fixed(index_db, above_all, NULL);
	ck_assert_uint_eq(index_make("Shared"), UINT64_MAX);
	ck_assert_str_eq(index_name_of(UINT64_MAX), "jdoe|sogo|john|Shared");
	ck_assert_str_ne(index_name_of(index_put_message("Shared", "1")), "");
	ck_assert_ok(ocs_index_search_drop(index_db, &rig_error));
	while (ocs_index_search_build(index_db, 1000, &rig_error) == OCS_STORE_OK)
		;
	ck_assert_int_eq(ocs_index_search_built(index_db), 1000);
}

TEST(a_fixed_fid_for_a_folder_known_before_leads_back_too)
{
	index_make("Shared/Team");
	ocs_index_set_fixed(index_db, fixed, fixed_folder);
	ck_assert_uint_eq(index_make("Shared/Team"), FIXED);
	ck_assert_str_eq(index_name_of(FIXED), "jdoe|sogo|john|Shared/Team");
}

LOOP_TEST(a_folder_known_before_its_fid_was_fixed_can_be_deleted, 0, 2)
{
	uint64_t own = index_make(fixed_folder), mid = index_put_message(fixed_folder, "1"),
	         below = index_make("Shared/Team/below"), got;

	ck_assert_str_ne(index_name_of(own), "");
	ocs_index_set_fixed(index_db, fixed, fixed_folder);
	index_delete(_i == 0 ? fixed_folder : "Shared");
	ck_assert_int_eq(index_find(fixed_folder), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("Shared/Team/below"), OCS_STORE_MISSING);
	ocs_index_set_fixed(index_db, NULL, NULL);
	ck_assert_int_eq(index_find(fixed_folder), OCS_STORE_MISSING);
	ck_assert_int_eq(index_find("Shared/Team/below"), OCS_STORE_MISSING);
	ck_assert_str_eq(index_name_of(own), "was jdoe|sogo|john|Shared/Team");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|Shared/Team|1");
	ck_assert_str_eq(index_name_of(below), "was jdoe|sogo|john|Shared/Team/below");
	ck_assert_uint_ne(index_make(fixed_folder), own);
	ck_assert_int_eq(index_get_message(fixed_folder, "1", &got), OCS_STORE_MISSING);
}

TEST(a_uid_validity_keeps_a_fixed_fid_and_the_folders_own)
{
	uint64_t own = index_make("Shared/Team");

	ocs_index_set_fixed(index_db, fixed, fixed_folder);
	index_set_uid_validity("Shared/Team", 5);
	index_set_uid_validity("Shared/Team", 6);
	ck_assert_uint_eq(index_found.fid, FIXED);
	ocs_index_set_fixed(index_db, NULL, NULL);
	ck_assert_ok(index_find("Shared/Team"));
	ck_assert_uint_eq(index_found.fid, own);
}

TEST(a_deleted_folder_with_a_fixed_fid_is_known_as_deleted)
{
	uint64_t mid, below;

	ocs_index_set_fixed(index_db, fixed, fixed_folder);
	mid = index_put_message("Shared/Team", "1");
	below = index_make("Shared/Team/below");
	index_delete("Shared/Team");
	ck_assert_str_eq(index_name_of(FIXED), "was jdoe|sogo|john|Shared/Team");
	ck_assert_str_eq(index_name_of(mid), "was jdoe|sogo|john|Shared/Team|1");
	ck_assert_str_eq(index_name_of(below), "was jdoe|sogo|john|Shared/Team/below");
	ck_assert_uint_eq(index_make("Shared/Team"), FIXED);
	ck_assert_str_eq(index_name_of(FIXED), "jdoe|sogo|john|Shared/Team");
}

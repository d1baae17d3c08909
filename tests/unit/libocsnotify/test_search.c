/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Searching for URIs as a MAPI server does; unit/mapistore/test_search has what is found by which
 * pattern. */
#include "tests/unit/libocsnotify/host_rig.h"

#define MESSAGES 7

static struct ocsnotify *context;

/* Seven messages in one folder, and a folder of a backend without a template. */
static int fill(struct ocs_index *index)
{
	const struct ocs_folder_name work = {"anna", "sogo", "john", "Work/2024 x"};
	const struct ocs_folder_name other = {"berta", "other", "b", "Workshop"};
	struct ocs_index_folder folder;
	int ret = ocs_index_folder(index, &other, true, &folder, &rig_error);

	if (ret == OCS_STORE_OK)
		ret = ocs_index_folder(index, &work, true, &folder, &rig_error);
	for (unsigned i = 1; i <= MESSAGES && ret == OCS_STORE_OK; i++) {
		struct ocs_index_message message = {.announced = true};
		char name[16];

		snprintf(name, sizeof(name), "report%u", i);
		ret = ocs_index_reserve(index, 1, &message.mid, &rig_error);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_message_put(index, &folder, name, &message, &rig_error);
	}
	if (ret == OCS_STORE_OK)
		ret = ocs_index_message_delete(index, folder.series, "report7", 0, &rig_error);
	return ret;
}

static void setup(void)
{
	uint64_t found;

	host_setup();
	daemon_make_index();
	context = host_open();
	/* opens the index */
	(void)ocsnotify_find_folder(context, "anna", "", "", "", &found);
	libocsnotify_lock();
	ck_assert_int_eq(ocs_index_begin(context->shared->index, &rig_error), OCS_STORE_OK);
	ck_assert_msg(fill(context->shared->index) == OCS_STORE_OK, "%s", rig_error.text);
	ck_assert_int_eq(ocs_index_commit(context->shared->index, &rig_error), OCS_STORE_OK);
	libocsnotify_unlock();
}

static void teardown(void)
{
	ocsnotify_close(context);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

static struct ocsnotify_page found(struct ocsnotify_search search)
{
	struct ocsnotify_page page;
	int ret = ocsnotify_search(context, &search, &page);

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(context));
	return page;
}

TEST(a_hit_is_what_lookup_tells_of_it)
{
	struct ocsnotify_page page = found((struct ocsnotify_search){.pattern = "*report3*"});
	struct ocsnotify_object same;
	const struct ocsnotify_object *hit;

	ck_assert_uint_eq(page.n, 1);
	ck_assert_ptr_null(page.next);
	ck_assert(!page.walked);
	hit = &page.found[0]->object;
	ck_assert_str_eq(hit->uri, "sogo://john:*@mail/folderWork/folder_2024_SP_x/report3.eml");
	ck_assert_str_eq(hit->message, "report3");
	ck_assert_str_eq(hit->user, "anna");
	ck_assert_int_eq(ocsnotify_lookup(context, page.found[0]->id, &same), OCSNOTIFY_OK);
	ck_assert_int_eq(same.kind, hit->kind);
	ck_assert_str_eq(same.uri, hit->uri);
	ck_assert_str_eq(same.folder, hit->folder);
}

TEST(pages_have_each_once_and_the_cursor_may_be_of_the_page_before)
{
	struct ocsnotify_search search = {.pattern = "*report*", .limit = 2};
	unsigned seen = 0, pages = 0;

	do {
		struct ocsnotify_page page = found(search);

		ck_assert_uint_le(page.n, 2);
		for (size_t i = 0; i < page.n; i++)
			seen |= 1U << (page.found[i]->object.message[6] - '0');
		search.after = page.next;
	} while (search.after != NULL && ++pages < 20);
	ck_assert_uint_eq(seen, 0x7e); /* 1 to 6; 7 is deleted */
	search = (struct ocsnotify_search){.pattern = "*report*", .deleted = true};
	ck_assert_uint_eq(found(search).n, MESSAGES);
}

TEST(only_what_the_user_sees)
{
	ck_assert_uint_eq(found((struct ocsnotify_search){.pattern = "*Work*", .user = "nobody"}).n,
	                  0);
	ck_assert_uint_gt(found((struct ocsnotify_search){.pattern = "*Work*", .user = "anna"}).n,
	                  0);
	/* Without a template there is no URI that could match. */
	ck_assert_uint_eq(found((struct ocsnotify_search){.pattern = "*Workshop*"}).n, 0);
}

TEST(what_is_no_search_is_refused_and_gives_nothing)
{
	const struct ocsnotify_search wrong[] = {
	        {.pattern = NULL},
	        {.pattern = ""},
	        {.pattern = "*x*", .limit = OCSNOTIFY_SEARCH_MAX + 1},
	        {.pattern = "*x*", .user = "a\nb"},
	        {.pattern = "*x*", .after = "of another search"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ocsnotify_page page = {.n = 7};

		ck_assert_int_eq(ocsnotify_search(context, &wrong[i], &page), OCSNOTIFY_E_INVALID);
		ck_assert_uint_eq(page.n, 0);
		ck_assert_ptr_null(page.next);
		ck_assert_str_ne(ocsnotify_last_error(context), "");
	}
}

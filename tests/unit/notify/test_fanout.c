/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The entries one notification makes, by table: every category, of messages and of folders. */
#include "tests/unit/rig.h"

#include "notify/fanout.h"
#include "ocsnotify.h"

enum { F = 0x11, P = 0x12, M = 0x13, G = 0x21, Q = 0x22, N = 0x23 };

static const struct ocs_fanout_ids ids = {.fid = F,
                                          .parent_fid = P,
                                          .mid = M,
                                          .old_fid = G,
                                          .old_parent_fid = Q,
                                          .old_mid = N,
                                          .mid_known = true,
                                          .old_mid_known = true,
                                          .accepted_at = 77,
                                          .sequence = 88,
                                          .id_hash = {9, 8, 7}};

/* "table flags event fid.mid<old_fid.old_mid^parent" for each entry; zero ids are left out */
static const char *fan(enum ocs_category category, bool of_message, bool counts,
                       const struct ocs_fanout_ids *with)
{
	static const char letters[] = "NOCHS";
	static char text[1024];
	struct ocs_notification notification = {.category = category,
	                                        .backend = "sogo",
	                                        .backend_user = "j",
	                                        .folder = "f",
	                                        .message_id = of_message ? "1" : NULL,
	                                        .message_flags = 5,
	                                        .has_total = counts,
	                                        .has_unread = counts,
	                                        .total = 17,
	                                        .unread = 3};
	struct ocs_fanout_item items[OCS_FANOUT_MAX];
	size_t n = ocs_fanout(&notification, with, items), len = 0;

	ck_assert_uint_le(n, OCS_FANOUT_MAX);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const struct ocs_entry *e = &items[i].entry;
		uint8_t encoded[OCS_ENTRY_SIZE_MAX];

		ck_assert_uint_gt(ocs_entry_encode(e, encoded), 0);
		ck_assert_uint_eq(e->category,
		                  with->replaced_mid != 0 && e->mid == with->replaced_mid
		                          ? OCS_DELETED
		                          : category);
		ck_assert_uint_eq(e->accepted_at, 77);
		ck_assert_uint_eq(e->sequence, 88);
		ck_assert_uint_eq(e->message_flags, e->category == category ? 5 : 0);
		ck_assert_mem_eq(e->id_hash, ids.id_hash, 16);
		ck_assert_str_eq(e->message_class, "IPM.Note");
		ck_assert_uint_eq(e->total, (e->flags & OCSNOTIFY_FLAG_TOTAL) != 0 ? 17 : 0);
		ck_assert_uint_eq(e->unread, (e->flags & OCSNOTIFY_FLAG_UNREAD) != 0 ? 3 : 0);
		len += (size_t)sprintf(text + len, "%s%c%04x", i > 0 ? " " : "",
		                       letters[items[i].table], e->flags);
		if (e->table_event != 0)
			len += (size_t)sprintf(text + len, "/%x", e->table_event);
		len += (size_t)sprintf(text + len, ":%llx", (unsigned long long)e->fid);
		if (e->mid != 0)
			len += (size_t)sprintf(text + len, ".%llx", (unsigned long long)e->mid);
		if (e->old_fid != 0)
			len += (size_t)sprintf(text + len, "<%llx.%llx",
			                       (unsigned long long)e->old_fid,
			                       (unsigned long long)e->old_mid);
		if (e->parent_fid != 0)
			len += (size_t)sprintf(text + len, "^%llx",
			                       (unsigned long long)e->parent_fid);
	}
	return text;
}

#define MESSAGES(category, counts, expected)                                                       \
	ck_assert_str_eq(fan(category, true, counts, &ids), expected)
#define FOLDERS(category, counts, expected)                                                        \
	ck_assert_str_eq(fan(category, false, counts, &ids), expected)

TEST(of_a_message_whose_name_another_mail_had)
{
	struct ocs_fanout_ids with = ids;

	with.replaced_mid = 0x99;
	ck_assert_str_eq(fan(OCS_NEWMAIL, true, false, &with),
	                 "O8008:11.99 C8100/4:11.99 "
	                 "N8002:11.13 O8004:11.13 O0010:11 C8100/3:11.13 H0100/5:11^12");
	ck_assert_str_eq(fan(OCS_CREATED, false, false, &with),
	                 fan(OCS_CREATED, false, false, &ids));
	/* The largest of all fits. */
	fan(OCS_MOVED, true, true, &with);
}

TEST(of_a_message)
{
	MESSAGES(OCS_NEWMAIL, false,
	         "N8002:11.13 O8004:11.13 O0010:11 C8100/3:11.13 H0100/5:11^12");
	MESSAGES(OCS_NEWMAIL, true, "N8002:11.13 O8004:11.13 O3010:11 C8100/3:11.13 H0100/5:11^12");
	MESSAGES(OCS_CREATED, false, "O8004:11.13 O0010:11 C8100/3:11.13 H0100/5:11^12");
	MESSAGES(OCS_CREATED, true, "O8004:11.13 O3010:11 C8100/3:11.13 H0100/5:11^12");
	MESSAGES(OCS_DELETED, false, "O8008:11.13 O0010:11 C8100/4:11.13 H0100/5:11^12");
	MESSAGES(OCS_DELETED, true, "O8008:11.13 O3010:11 C8100/4:11.13 H0100/5:11^12");
	MESSAGES(OCS_MODIFIED, false, "O8010:11.13 C8100/5:11.13");
	MESSAGES(OCS_MODIFIED, true, "O8010:11.13 C8100/5:11.13 H0100/5:11^12");
	MESSAGES(OCS_MOVED, false,
	         "O8020:11.13<21.23 O0010:11 O0010:21 C8100/4:21.23 C8100/3:11.13 "
	         "H0100/5:11^12 H0100/5:21^22");
	/* The counts are the target's: the source's ObjectModified goes without. */
	MESSAGES(OCS_MOVED, true,
	         "O8020:11.13<21.23 O3010:11 O0010:21 C8100/4:21.23 C8100/3:11.13 "
	         "H0100/5:11^12 H0100/5:21^22");
	MESSAGES(OCS_COPIED, false, "O8040:11.13<21.23 O0010:11 C8100/3:11.13 H0100/5:11^12");
	MESSAGES(OCS_COPIED, true, "O8040:11.13<21.23 O3010:11 C8100/3:11.13 H0100/5:11^12");
}

TEST(of_a_folder)
{
	FOLDERS(OCS_CREATED, false, "O0004:11^12 H0100/3:11^12");
	FOLDERS(OCS_DELETED, false, "O0008:11^12 H0100/4:11^12");
	FOLDERS(OCS_MODIFIED, false, "O0010:11 H0100/5:11^12");
	FOLDERS(OCS_MODIFIED, true, "O3010:11 H0100/5:11^12");
	/* Another FID than before: INBOX, which stays and gives its messages to a new folder. */
	FOLDERS(OCS_MOVED, false, "O0020:11<21.22^12 H0100/5:21^22 H0100/3:11^12");
	FOLDERS(OCS_COPIED, false, "O0040:11<21.22^12 H0100/3:11^12");
	FOLDERS(OCS_SEARCH_COMPLETED, false, "S0080:11");
	MESSAGES(OCS_SEARCH_COMPLETED, false, "S0080:11");
}

TEST(a_folder_renamed_in_place_changes_its_row)
{
	struct ocs_fanout_ids same = ids;

	same.old_fid = F;
	same.old_parent_fid = P;
	ck_assert_str_eq(fan(OCS_MOVED, false, false, &same), "O0020:11<11.12^12 H0100/5:11^12");
	same.old_parent_fid = Q; /* to another parent: leaves one table, joins another */
	ck_assert_str_eq(fan(OCS_MOVED, false, false, &same),
	                 "O0020:11<11.22^12 H0100/4:11^22 H0100/3:11^12");
}

TEST(a_row_nobody_can_have_seen_is_not_deleted_but_the_table_changed)
{
	struct ocs_fanout_ids unknown = ids;

	unknown.mid_known = unknown.old_mid_known = false;
	ck_assert_str_eq(fan(OCS_DELETED, true, false, &unknown),
	                 "O8008:11.13 O0010:11 C8100/1:11.13 H0100/5:11^12");
	ck_assert_ptr_nonnull(strstr(fan(OCS_MOVED, true, false, &unknown), "C8100/1:21.23"));
}

TEST(a_move_within_a_folder_concerns_that_folder_once)
{
	struct ocs_fanout_ids same = ids;

	same.old_fid = F;
	same.old_parent_fid = P;
	ck_assert_str_eq(fan(OCS_MOVED, true, true, &same),
	                 "O8020:11.13<11.23 O3010:11 C8100/4:11.23 C8100/3:11.13 H0100/5:11^12");
}

TEST(one_count_alone_has_one_flag)
{
	struct ocs_notification notification = {
	        .category = OCS_MODIFIED, .folder = "f", .has_unread = true, .unread = 3};
	struct ocs_fanout_item items[OCS_FANOUT_MAX];

	ck_assert_uint_eq(ocs_fanout(&notification, &ids, items), 2);
	ck_assert_uint_eq(items[0].entry.flags, 0x2010);
	notification.has_unread = false;
	notification.has_total = true;
	ck_assert_uint_eq(ocs_fanout(&notification, &ids, items), 2);
	ck_assert_uint_eq(items[0].entry.flags, 0x1010);
	notification.message_id = "1";
	ck_assert_uint_eq(ocs_fanout(&notification, &ids, items), 3);
}

TEST(the_message_class_is_carried)
{
	struct ocs_notification notification = {.category = OCS_NEWMAIL,
	                                        .folder = "f",
	                                        .message_id = "1",
	                                        .message_class = "IPM.Schedule.Meeting.Request"};
	struct ocs_fanout_item items[OCS_FANOUT_MAX];

	ck_assert_uint_eq(ocs_fanout(&notification, &ids, items), 5);
	ck_assert_str_eq(items[0].entry.message_class, "IPM.Schedule.Meeting.Request");
}

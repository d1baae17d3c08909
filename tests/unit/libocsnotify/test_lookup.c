/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Identifiers both ways, as a MAPI server asks for them: MIDs, names, URIs, reserved ranges. */
#include "tests/unit/libocsnotify/host_rig.h"

static struct ocsnotify *context;

static void setup(void)
{
	host_setup();
	daemon_make_index();
	context = host_open();
}

static void teardown(void)
{
	ocsnotify_close(context);
	rig_remove_folder();
}

static uint64_t fid(const char *backend, const char *folder)
{
	uint64_t found = 0;
	int ret = ocsnotify_folder_fid(context, "anna", backend, "john", folder, &found);

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(context));
	return found;
}

static uint64_t mid(const char *backend, const char *folder, const char *message)
{
	uint64_t found = 0;
	int ret = ocsnotify_message_mid(context, "anna", backend, "john", folder, message, true,
	                                &found);

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(context));
	return found;
}

static int find_mid(const char *backend, const char *folder, const char *message, uint64_t *found)
{
	return ocsnotify_message_mid(context, "anna", backend, "john", folder, message, false,
	                             found);
}

/* "kind user backend backend_user folder message uri", `!` before it where it is deleted. */
static const char *what_is(uint64_t id)
{
	static char text[4096];
	struct ocsnotify_object o;
	int ret = ocsnotify_lookup(context, id, &o);

	if (ret == OCSNOTIFY_E_NOT_FOUND) {
		ck_assert(o.kind == 0 && o.user == NULL && o.uri == NULL);
		return "unknown";
	}
	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(context));
	snprintf(text, sizeof(text), "%s%d %s %s %s %s %s %s", o.deleted ? "!" : "", o.kind, o.user,
	         o.backend != NULL ? o.backend : "-", o.backend_user != NULL ? o.backend_user : "-",
	         o.folder != NULL ? o.folder : "-", o.message != NULL ? o.message : "-",
	         o.uri != NULL ? o.uri : "-");
	return text;
}

/* With the library's own handle, in one transaction. */
static void daemon_does(int (*what)(struct ocs_index *index))
{
	struct ocs_index *index = context->shared->index;

	libocsnotify_lock();
	ck_assert_int_eq(ocs_index_begin(index, &rig_error), OCS_STORE_OK);
	ck_assert_msg(what(index) == OCS_STORE_OK, "%s", rig_error.text);
	ck_assert_int_eq(ocs_index_commit(index, &rig_error), OCS_STORE_OK);
	libocsnotify_unlock();
}

#define FOLDER(name)                                                                               \
	&(struct ocs_folder_name)                                                                  \
	{                                                                                          \
		"anna", "sogo", "john", name                                                       \
	}

static int delete_work(struct ocs_index *index)
{
	return ocs_index_folder_delete(index, FOLDER("Work"), &rig_error);
}

static int rename_work(struct ocs_index *index)
{
	struct ocs_index_folder folder;

	return ocs_index_folder_rename(index, FOLDER("Work"), "R&D/2024 x", &folder, &rig_error);
}

static int delete_message(struct ocs_index *index)
{
	struct ocs_index_folder folder;
	int ret = ocs_index_folder(index, FOLDER("Work"), false, &folder, &rig_error);

	return ret == OCS_STORE_OK
	               ? ocs_index_message_delete(index, folder.series, "1", 0, &rig_error)
	               : ret;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_folder_is_found_and_not_made)
{
	uint64_t found = 7, made;

	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "sogo", "john", "Work", &found),
	                 OCSNOTIFY_E_NOT_FOUND);
	ck_assert_uint_eq(found, 0);
	ck_assert_str_ne(ocsnotify_last_error(context), "");
	made = fid("sogo", "Work");
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "SOGo", "john", "Work", &found),
	                 OCSNOTIFY_OK);
	ck_assert_uint_eq(found, made);
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "sogo", "john", "Work/x", &found),
	                 OCSNOTIFY_E_NOT_FOUND);
	ck_assert_int_eq(ocsnotify_find_folder(context, "berta", "", "", "", &found),
	                 OCSNOTIFY_E_NOT_FOUND);
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "", "", "", &found), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "sogo", "john", "a//b", &found),
	                 OCSNOTIFY_E_INVALID);
}

TEST(a_message_has_one_mid)
{
	uint64_t found = 7, made;

	ck_assert_int_eq(find_mid("sogo", "Work", "1", &found), OCSNOTIFY_E_NOT_FOUND);
	ck_assert_uint_eq(found, 0);
	/* Neither was the folder made. */
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "sogo", "john", "Work", &found),
	                 OCSNOTIFY_E_NOT_FOUND);
	made = mid("sogo", "Work", "1");
	ck_assert_uint_ne(made, 0);
	ck_assert_uint_eq(mid("SOGO", "Work", "1"), made);
	ck_assert_int_eq(find_mid("sogo", "Work", "1", &found), OCSNOTIFY_OK);
	ck_assert_uint_eq(found, made);
	ck_assert_uint_ne(mid("sogo", "Work", "2"), made);
	ck_assert_uint_ne(mid("sogo", "INBOX", "1"), made);
	ck_assert_uint_eq(mid("sogo", "inbox", "1"), mid("sogo", "INBOX", "1"));
	ck_assert_int_eq(find_mid("sogo", "", "1", &found), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(find_mid("sogo", "Work", "", &found), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(find_mid("sogo", "Work", "\n", &found), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(find_mid("sogo", "Work", NULL, &found), OCSNOTIFY_E_INVALID);
}

TEST(without_the_folder_of_the_message_log_none_is_made)
{
	uint64_t found;

	ck_assert_int_eq(rmdir(rig_path("messages")), 0);
	ck_assert_int_eq(
	        ocsnotify_message_mid(context, "anna", "sogo", "john", "Work", "1", true, &found),
	        OCSNOTIFY_E_REGISTRY);
	ck_assert_ptr_nonnull(strstr(ocsnotify_last_error(context), "messages"));
}

TEST(identifiers_lead_back_to_names_and_uris)
{
	uint64_t root = 0, work = fid("sogo", "Work/2024 x"), one;

	one = mid("sogo", "Work/2024 x", "1/2");
	ck_assert_str_eq(what_is(one), "3 anna sogo john Work/2024 x 1/2 "
	                               "sogo://john:*@mail/folderWork/folder_2024_SP_x/1%2F2.eml");
	ck_assert_str_eq(what_is(work), "2 anna sogo john Work/2024 x - "
	                                "sogo://john:*@mail/folderWork/folder_2024_SP_x/");
	ck_assert_str_eq(what_is(fid("dovecot", "INBOX")),
	                 "2 anna dovecot john INBOX - imap://john@mail/INBOX/");
	ck_assert_str_eq(what_is(mid("other", "INBOX", "1")), "3 anna other john INBOX 1 -");
	ck_assert_int_eq(ocsnotify_find_folder(context, "anna", "", "", "", &root), OCSNOTIFY_OK);
	ck_assert_str_eq(what_is(root), "1 anna - - - - -");
	ck_assert_str_eq(what_is(0), "unknown");
	ck_assert_str_eq(what_is(UINT64_MAX), "unknown");
}

TEST(uris_follow_a_rename_and_what_is_deleted_stays_known)
{
	uint64_t work = fid("sogo", "Work"), one = mid("sogo", "Work", "1"),
	         two = mid("sogo", "Work", "2"), below = fid("sogo", "Work/Sub");

	daemon_does(delete_message);
	ck_assert_str_eq(what_is(one),
	                 "!3 anna sogo john Work 1 sogo://john:*@mail/folderWork/1.eml");
	ck_assert_str_eq(what_is(two),
	                 "3 anna sogo john Work 2 sogo://john:*@mail/folderWork/2.eml");
	ck_assert_uint_ne(mid("sogo", "Work", "1"), one);
	daemon_does(rename_work);
	ck_assert_str_eq(what_is(two), "3 anna sogo john R&D/2024 x 2 "
	                               "sogo://john:*@mail/folderR_AM_D/folder_2024_SP_x/2.eml");
	ck_assert_str_eq(what_is(below),
	                 "2 anna sogo john R&D/2024 x/Sub - "
	                 "sogo://john:*@mail/folderR_AM_D/folder_2024_SP_x/folderSub/");
	ck_assert_uint_ne(fid("sogo", "Work"), work);
	work = fid("sogo", "Work");
	one = mid("sogo", "Work", "1");
	daemon_does(delete_work);
	ck_assert_str_eq(what_is(work), "!2 anna sogo john Work - sogo://john:*@mail/folderWork/");
	ck_assert_str_eq(what_is(one),
	                 "!3 anna sogo john Work 1 sogo://john:*@mail/folderWork/1.eml");
}

TEST(an_older_hosts_object_is_not_written_past_its_end)
{
	struct {
		enum ocsnotify_kind kind;
		bool deleted;
		const char *user;
		uint64_t canary;
	} old = {.canary = 0x5a5a5a5a};

	ck_assert_int_eq(ocsnotify_lookup_sized(context, fid("sogo", "Work"),
	                                        (struct ocsnotify_object *)(void *)&old,
	                                        offsetof(struct ocsnotify_object, backend)),
	                 OCSNOTIFY_OK);
	ck_assert_str_eq(old.user, "anna");
	ck_assert_uint_eq(old.canary, 0x5a5a5a5a);
}

TEST(a_reserved_range_is_contiguous_and_nobody_elses)
{
	uint64_t first, second, made;

	ck_assert_int_eq(ocsnotify_reserve_ids(context, 0, &first), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_reserve_ids(context, OCSNOTIFY_RESERVE_MAX + 1, &first),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_uint_eq(first, 0);
	ck_assert_int_eq(ocsnotify_reserve_ids(context, OCSNOTIFY_RESERVE_MAX, &first),
	                 OCSNOTIFY_OK);
	made = fid("sogo", "Work");
	ck_assert_int_eq(ocsnotify_reserve_ids(context, 1, &second), OCSNOTIFY_OK);
	ck_assert_uint_eq(first & 0xffff, 1);
	ck_assert_uint_eq(ocsnotify_id_add(first, 0), first);
	ck_assert_uint_eq(ocsnotify_id_add(first, 300),
	                  ocsnotify_id_add(ocsnotify_id_add(first, 299), 1));
	/* The user's root and a top node come between. */
	ck_assert_uint_eq(ocsnotify_id_add(first, OCSNOTIFY_RESERVE_MAX + 2), made);
	ck_assert_uint_eq(ocsnotify_id_add(made, 3), second);
	ck_assert_str_eq(what_is(first), "unknown");
}

/* ---- events ---- */

static struct ocsnotify_session *subscribe(uint16_t types)
{
	struct ocsnotify_session *session = host_session(context, host_user);

	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, types, true, 0, 0), OCSNOTIFY_OK);
	return session;
}

static struct ocsnotify_event next(struct ocsnotify_session *session)
{
	struct ocsnotify_event event;

	ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
	return event;
}

TEST(events_carry_names_where_the_session_wants_them)
{
	struct ocsnotify_session *session = subscribe(
	        OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_MODIFIED);
	uint64_t work = fid("sogo", "Work"), one = mid("sogo", "Work", "1"),
	         inbox = fid("dovecot", "INBOX"), there = mid("dovecot", "INBOX", "9");
	struct ocs_entry entry = entry_object(OCSNOTIFY_OBJECT_DELETED, work, one);
	struct ocsnotify_event event;

	daemon_does(delete_message);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), 1);
	event = next(session);
	ck_assert(event.user == NULL && event.folder == NULL && event.uri == NULL);

	ck_assert_int_eq(ocsnotify_session_set_names(session, true), OCSNOTIFY_OK);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), 1);
	event = next(session);
	ck_assert_str_eq(event.user, "anna");
	ck_assert_str_eq(event.backend, "sogo");
	ck_assert_str_eq(event.backend_user, "john");
	ck_assert_str_eq(event.folder, "Work");
	ck_assert_str_eq(event.message, "1");
	ck_assert_str_eq(event.uri, "sogo://john:*@mail/folderWork/1.eml");
	ck_assert(event.old_folder == NULL && event.old_message == NULL);

	entry = entry_object(OCSNOTIFY_OBJECT_MOVED, inbox, there);
	entry.old_fid = work;
	entry.old_mid = one;
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), 1);
	event = next(session);
	ck_assert_str_eq(event.uri, "imap://john@mail/INBOX/9");
	ck_assert_str_eq(event.old_folder, "Work");
	ck_assert_str_eq(event.old_message, "1");

	/* Of a message that nobody has heard of, the folder. */
	entry = entry_object(OCSNOTIFY_OBJECT_MODIFIED, work, 0x7700000000000001);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), 1);
	event = next(session);
	ck_assert_str_eq(event.folder, "Work");
	ck_assert(event.message == NULL);
	ck_assert_str_eq(event.uri, "sogo://john:*@mail/folderWork/");

	ck_assert_int_eq(ocsnotify_session_set_names(session, false), OCSNOTIFY_OK);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), 1);
	event = next(session);
	ck_assert(event.folder == NULL && event.uri == NULL);
	ocsnotify_session_close(session);
}

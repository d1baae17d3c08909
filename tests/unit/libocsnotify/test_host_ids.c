/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A server with identifiers of its own: any 64-bit numbers, of folders and messages that it may not
 * know until later. Whatever drains gives those, and subscriptions are asked for by them.
 */
#include "tests/unit/libocsnotify/host_rig.h"

#include "ropnotify/ropnotify.h"

#define USER      "jdoe"
#define HOST_BOX  0xfffffffffffffffeu /* as no identifier of ours looks */
#define HOST_SENT 0x0000000000000001u
#define HOST_ROOT 0x8000000000000000u
#define HOST_MAIL 0x123456789abcdef0u
#define HOST_MOVE 0x00000000ffffffffu

static struct ocsnotify *context;
static struct ocsnotify_session *session;

/* What the server knows. */
static struct {
	uint64_t id;
	const char *folder, *message;
} known[16];
static size_t n_known;
static unsigned asked;

static void know(uint64_t id, const char *folder, const char *message)
{
	known[n_known].id = id;
	known[n_known].folder = folder;
	known[n_known++].message = message;
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool identify(const struct ocsnotify_object *object, uint64_t *id_r, void *arg)
{
	ck_assert_ptr_eq(arg, known);
	ck_assert_str_eq(object->user, USER);
	if (object->kind != OCSNOTIFY_ROOT) {
		ck_assert_str_eq(object->backend, "sogo");
		ck_assert_str_eq(object->backend_user, "john");
	}
	asked++;
	for (size_t i = 0; i < n_known; i++)
		if (same(known[i].folder, object->folder) &&
		    same(known[i].message, object->message)) {
			*id_r = known[i].id;
			return true;
		}
	*id_r = 99; /* means nothing */
	return false;
}

static bool name(struct ocsnotify_session *of, uint64_t folder_id, uint64_t message_id,
                 struct ocsnotify_object *object, void *arg)
{
	ck_assert_ptr_eq(arg, known);
	ck_assert_ptr_eq(of, session);
	for (size_t i = 0; i < n_known; i++) {
		if (known[i].id != (message_id != 0 ? message_id : folder_id))
			continue;
		object->kind = known[i].folder == NULL ? OCSNOTIFY_ROOT : OCSNOTIFY_FOLDER;
		object->backend = "SOGo";
		object->backend_user = "john";
		object->folder = known[i].folder;
		object->message = known[i].message;
		return true;
	}
	return false;
}

static void setup_as(bool host, bool callbacks)
{
	host_setup();
	daemon_settings.host_identifiers = host;
	daemon_make_registry();
	daemon_make_index();
	context = host_open();
	if (callbacks)
		ocsnotify_set_identifiers(context, identify, name, known);
	session = host_session(context, USER);
	n_known = 0;
	asked = 0;
}

static void setup(void)
{
	setup_as(true, true);
	know(HOST_ROOT, NULL, NULL);
	know(HOST_BOX, "INBOX", NULL);
	know(HOST_SENT, "Sent", NULL);
}

static void teardown(void)
{
	ocsnotify_close(context);
	rig_remove_folder();
}

/* ---- the daemon's side: entries have our identifiers ---- */

static uint64_t fid(const char *folder)
{
	uint64_t id;

	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "sogo", "john", folder, &id),
	                 OCSNOTIFY_OK);
	return id;
}

static uint64_t mid(const char *folder, const char *message)
{
	uint64_t id;

	ck_assert_int_eq(
	        ocsnotify_message_mid(context, USER, "sogo", "john", folder, message, true, &id),
	        OCSNOTIFY_OK);
	return id;
}

static int deliver(enum ocs_table table, const struct ocs_entry *entry)
{
	return daemon_send(context, USER, table, entry);
}

static int newmail(const char *folder, const char *message)
{
	struct ocs_entry entry = entry_newmail(fid(folder), mid(folder, message));

	return deliver(OCS_TABLE_NEWMAIL, &entry);
}

static int move(const char *folder, const char *message, const char *old, const char *old_message)
{
	struct ocs_entry entry =
	        entry_object(OCSNOTIFY_OBJECT_MOVED, fid(folder), mid(folder, message));

	entry.category = OCS_MOVED;
	entry.old_fid = fid(old);
	entry.old_mid = mid(old, old_message);
	return deliver(OCS_TABLE_OBJECT, &entry);
}

/* The time is over for everything that waits. */
static void let_time_pass(void)
{
	for (size_t i = session->head; i < session->n_items; i++)
		session->items[i].taken_at -= OCSNOTIFY_HOLD_SECONDS * 1000;
}

static struct ocsnotify_event event;

static int next(void)
{
	return ocsnotify_next_event(session, &event);
}

#define ASSERT_EVENT(word_, folder_, message_)                                                     \
	do {                                                                                       \
		ck_assert_int_eq(next(), 1);                                                       \
		ck_assert_str_eq(event.event, word_);                                              \
		ck_assert_uint_eq(event.folder_id, folder_);                                       \
		ck_assert_uint_eq(event.message_id, message_);                                     \
	} while (0)

static void subscribe(uint32_t handle, uint16_t types, uint64_t folder, uint64_t message)
{
	int ret = ocsnotify_subscribe(session, handle, 0, types, folder == 0, folder, message);

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, ocsnotify_last_error(context));
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(subscriptions_and_events_have_the_servers_identifiers)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, HOST_BOX, 0);
	know(HOST_MAIL, "INBOX", "17.eml");
	ck_assert_int_eq(newmail("INBOX", "17.eml"), 1);
	ck_assert_int_eq(newmail("Sent", "17.eml"), 0);
	ck_assert_int_eq(ocsnotify_pending(session), 1);
	ASSERT_EVENT("newmail", HOST_BOX, HOST_MAIL);
	ck_assert_int_eq(next(), 0);
	ck_assert_int_eq(ocsnotify_pending(session), 0);
	ck_assert_str_eq(host_warnings, "");
}

TEST(the_response_carries_them)
{
	struct ocs_ropnotify expected = {.handle = 1,
	                                 .flags = OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE,
	                                 .fid = HOST_BOX,
	                                 .mid = HOST_MAIL,
	                                 .message_class = "IPM.Note"};
	uint8_t buffer[256], wanted[256];
	size_t used, n;
	bool more;

	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	know(HOST_MAIL, "INBOX", "1");
	ck_assert_int_eq(newmail("INBOX", "1"), 1);
	ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more),
	                 OCSNOTIFY_OK);
	n = ocs_ropnotify_encode(&expected, wanted, sizeof(wanted));
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(used, n);
	ck_assert_int_eq(memcmp(buffer, wanted, n), 0);
}

TEST(a_subscription_to_what_the_server_cannot_name_fails)
{
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, false, 77, 0),
	                 OCSNOTIFY_E_NOT_FOUND);
	ck_assert_int_eq(ocsnotify_subscribe_table(session, 1, 0, OCSNOTIFY_CONTENTS_TABLE, 77),
	                 OCSNOTIFY_E_NOT_FOUND);
	subscribe(1, OCSNOTIFY_NEWMAIL, HOST_BOX, 0);
}

TEST(a_message_of_the_servers_can_be_watched)
{
	struct ocs_entry entry;

	know(HOST_MAIL, "INBOX", "1");
	know(HOST_MOVE, "INBOX", "2");
	subscribe(1, OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_OBJECT_MOVED, HOST_BOX, HOST_MAIL);
	entry = entry_object(OCSNOTIFY_OBJECT_MODIFIED, fid("INBOX"), mid("INBOX", "2"));
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 0);
	entry = entry_object(OCSNOTIFY_OBJECT_MODIFIED, fid("INBOX"), mid("INBOX", "1"));
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 1);
	ASSERT_EVENT("modified", HOST_BOX, HOST_MAIL);
}

TEST(the_root_and_parents_are_asked_for_too)
{
	struct ocs_entry entry = entry_row(OCSNOTIFY_TABLE_ROW_DELETED, fid("Sent"), 0);

	ck_assert_int_eq(
	        ocsnotify_subscribe_table(session, 1, 0, OCSNOTIFY_HIERARCHY_TABLE, HOST_ROOT),
	        OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_folder_fid(context, USER, "", "", "", &entry.parent_fid),
	                 OCSNOTIFY_OK);
	ck_assert_int_eq(deliver(OCS_TABLE_HIERARCHY, &entry), 1);
	ASSERT_EVENT("table", HOST_SENT, 0);
	ck_assert_uint_eq(event.table_event, OCSNOTIFY_TABLE_ROW_DELETED);
	ck_assert_uint_eq(event.parent_folder_id, HOST_ROOT);
}

TEST(an_event_waits_until_the_server_knows_and_those_after_it_do_too)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	know(HOST_MAIL, "INBOX", "1");
	ck_assert_int_eq(newmail("New", "9"), 1);
	ck_assert_int_eq(newmail("INBOX", "1"), 1);
	ck_assert_int_eq(ocsnotify_pending(session), 0);
	ck_assert_int_eq(next(), 0);
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 0);
	/* The folder alone is not enough. */
	know(5, "New", NULL);
	ck_assert_int_eq(next(), 0);
	know(6, "New", "9");
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 1);
	ck_assert_int_eq(ocsnotify_pending(session), 1);
	ASSERT_EVENT("newmail", 5, 6);
	ASSERT_EVENT("newmail", HOST_BOX, HOST_MAIL);
	ck_assert_int_eq(next(), 0);
	ck_assert_str_eq(host_warnings, "");
}

TEST(what_waits_makes_the_descriptor_readable_from_time_to_time)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	ck_assert_int_eq(newmail("New", "9"), 1);
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 0);
	know(5, "New", NULL);
	know(6, "New", "9");
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 1);
}

TEST(in_the_end_it_is_dropped_and_later_ones_of_it_keep_nobody_waiting)
{
	struct ocs_entry entry;

	subscribe(1, OCSNOTIFY_NEWMAIL | OCSNOTIFY_OBJECT_MODIFIED, 0, 0);
	know(HOST_MAIL, "INBOX", "1");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(newmail("New", "9"), 1);
	ck_assert_int_eq(newmail("INBOX", "1"), 1);
	ck_assert_int_eq(next(), 0);
	let_time_pass();
	ASSERT_EVENT("newmail", HOST_BOX, HOST_MAIL);
	ck_assert_ptr_nonnull(strstr(host_warnings, "no identifier"));
	host_warnings[0] = '\0';
	/* The same again: asked for, not waited for. */
	entry = entry_object(OCSNOTIFY_OBJECT_MODIFIED, fid("New"), mid("New", "9"));
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 1);
	ck_assert_int_eq(newmail("INBOX", "1"), 1);
	ASSERT_EVENT("newmail", HOST_BOX, HOST_MAIL);
	ck_assert_int_eq(next(), 0);
	know(5, "New", NULL);
	know(6, "New", "9");
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 1);
	ASSERT_EVENT("modified", 5, 6);
	ck_assert_str_eq(host_warnings, "");
}

TEST(a_row_that_the_server_does_not_know_is_a_changed_table_at_once)
{
	struct ocs_entry entry =
	        entry_row(OCSNOTIFY_TABLE_ROW_DELETED, fid("INBOX"), mid("INBOX", "1"));

	ck_assert_int_eq(
	        ocsnotify_subscribe_table(session, 1, 0, OCSNOTIFY_CONTENTS_TABLE, HOST_BOX),
	        OCSNOTIFY_OK);
	entry.flags |= OCSNOTIFY_FLAG_MESSAGE;
	ck_assert_int_eq(deliver(OCS_TABLE_CONTENTS, &entry), 1);
	ASSERT_EVENT("table", HOST_BOX, 0);
	ck_assert_uint_eq(event.table_event, OCSNOTIFY_TABLE_CHANGED);
	know(HOST_MAIL, "INBOX", "1");
	ck_assert_int_eq(deliver(OCS_TABLE_CONTENTS, &entry), 1);
	ASSERT_EVENT("table", HOST_BOX, HOST_MAIL);
	ck_assert_uint_eq(event.table_event, OCSNOTIFY_TABLE_ROW_DELETED);
}

TEST(what_was_deleted_and_never_known_is_nothing)
{
	struct ocs_entry entry =
	        entry_object(OCSNOTIFY_OBJECT_DELETED, fid("INBOX"), mid("INBOX", "1"));

	subscribe(1, OCSNOTIFY_OBJECT_DELETED, 0, 0);
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 1);
	ck_assert_int_eq(next(), 0);
	ck_assert(!session->held);
	know(HOST_MAIL, "INBOX", "1");
	ck_assert_int_eq(deliver(OCS_TABLE_OBJECT, &entry), 1);
	ASSERT_EVENT("deleted", HOST_BOX, HOST_MAIL);
}

TEST(of_a_move_with_one_known_end_something_came_or_went)
{
	know(HOST_MAIL, "INBOX", "1");
	know(HOST_MOVE, "Sent", "2");
	subscribe(1, OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED,
	          0, 0);
	subscribe(2, OCSNOTIFY_OBJECT_MOVED, 0, 0);
	subscribe(3, OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_CREATED, HOST_BOX, 0);
	/* Both ends. */
	ck_assert_int_eq(move("Sent", "2", "INBOX", "1"), 2);
	for (int i = 0; i < 3; i++) {
		ASSERT_EVENT("moved", HOST_SENT, HOST_MOVE);
		ck_assert_uint_eq(event.old_folder_id, HOST_BOX);
		ck_assert_uint_eq(event.old_message_id, HOST_MAIL);
	}
	/* From nowhere: it came, and not into the folder that the third one watches. */
	ck_assert_int_eq(move("Sent", "2", "Hidden", "1"), 1);
	ASSERT_EVENT("created", HOST_SENT, HOST_MOVE);
	ck_assert_uint_eq(event.handle, 1);
	ck_assert_uint_eq(event.flags, OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_FLAG_MESSAGE);
	ck_assert_uint_eq(event.old_folder_id, 0);
	/* The same, of a message that it does not know in the folder that the third one watches. */
	ck_assert_int_eq(move("Sent", "2", "INBOX", "5"), 2);
	ASSERT_EVENT("created", HOST_SENT, HOST_MOVE);
	ck_assert_uint_eq(event.handle, 1);
	ck_assert_int_eq(next(), 0);
	/* To nowhere: it went, when that is sure. */
	ck_assert_int_eq(move("Hidden", "2", "INBOX", "1"), 2);
	ck_assert_int_eq(next(), 0);
	let_time_pass();
	ASSERT_EVENT("deleted", HOST_BOX, HOST_MAIL);
	ck_assert_uint_eq(event.handle, 1);
	ck_assert_int_eq(next(), 0);
}

TEST(what_the_index_does_not_know_is_dropped_in_the_end)
{
	struct ocs_entry entry;

	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	/* Nobody can be asked about it. */
	entry = entry_newmail(fid("INBOX"), 0xabcdef0001);
	ck_assert_int_eq(deliver(OCS_TABLE_NEWMAIL, &entry), 1);
	ck_assert_int_eq(next(), 0);
	ck_assert(session->held);
	know(HOST_MAIL, "INBOX", "1");
	let_time_pass();
	ck_assert_int_eq(next(), 0);
	ck_assert(!session->held);
}

/* ---- whose they are is the ini's to say ---- */

static void setup_own(void)
{
	setup_as(false, true);
	know(HOST_BOX, "INBOX", NULL);
}

TESTS_HAVE(.setup = setup_own, .teardown = teardown);

TEST(with_own_identifiers_nobody_is_asked)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, fid("INBOX"), 0);
	ck_assert_int_eq(newmail("INBOX", "1"), 1);
	ASSERT_EVENT("newmail", fid("INBOX"), mid("INBOX", "1"));
	ck_assert_uint_eq(asked, 0);
}

static void setup_without(void)
{
	setup_as(true, false);
}

TESTS_HAVE(.setup = setup_without, .teardown = teardown);

TEST(a_server_that_gives_none_has_ours_and_is_warned_once)
{
	const char *warning;

	subscribe(1, OCSNOTIFY_NEWMAIL, fid("INBOX"), 0);
	subscribe(2, OCSNOTIFY_NEWMAIL, 0, 0);
	ck_assert_int_eq(newmail("INBOX", "1"), 2);
	ASSERT_EVENT("newmail", fid("INBOX"), mid("INBOX", "1"));
	warning = strstr(host_warnings, "identifiers = host");
	ck_assert_ptr_nonnull(warning);
	ck_assert_ptr_null(strstr(warning + 1, "identifiers = host"));
}

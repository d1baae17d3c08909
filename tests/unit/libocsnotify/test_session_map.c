/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The mail stores that a session's user sees, as the host says at logon. */
#include "tests/unit/libocsnotify/host_rig.h"

/* The users who see it by the registry, with a blank behind each. */
static const char *seen_by(struct ocsnotify *context, const char *backend, const char *backend_user)
{
	static char text[256];
	char **users;
	size_t n;

	libocsnotify_lock();
	ck_assert_int_eq(ocs_registry_store_users(context->shared->registry, NULL, backend,
	                                          backend_user, &users, &n, NULL),
	                 0);
	libocsnotify_unlock();
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(text, users[i]);
		strcat(text, " ");
	}
	talloc_free(users);
	return text;
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(a_session_sees_a_store_until_it_ends)
{
	struct ocsnotify *context = host_open(), *other = host_open();
	struct ocsnotify_session *anna = host_session(context, "anna"),
	                         *again = host_session(context, "anna"),
	                         *bob = host_session(other, "bob");

	/* Names are those of notifications. */
	ck_assert_int_eq(ocsnotify_session_map(anna, "SOGO", "store"), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "store"), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_map(again, "sogo", "store"), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_map(bob, "sogo", "store"), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_map(bob, "imap", "store"), OCSNOTIFY_OK);
	ck_assert_str_eq(seen_by(context, "sogo", "store"), "anna bob ");
	ck_assert_str_eq(seen_by(context, "imap", "store"), "bob ");
	ocsnotify_session_close(anna);
	ck_assert_str_eq(seen_by(context, "sogo", "store"), "anna bob ");
	ocsnotify_session_close(again);
	ck_assert_str_eq(seen_by(context, "sogo", "store"), "bob ");
	ocsnotify_close(other);
	ck_assert_str_eq(seen_by(context, "sogo", "store"), "");
	ck_assert_str_eq(seen_by(context, "imap", "store"), "");
	ocsnotify_close(context);
}

TEST(what_no_notification_can_name_is_refused)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *anna = host_session(context, "anna");
	char name[1026];

	memset(name, 'x', sizeof(name));
	name[1025] = '\0';
	ck_assert_int_eq(ocsnotify_session_map(anna, "", "store"), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", ""), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", name), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "a\002b"), OCSNOTIFY_E_INVALID);
	name[1024] = '\0';
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", name), OCSNOTIFY_OK);
	ocsnotify_close(context);
}

TEST(a_session_sees_so_many_stores)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *anna = host_session(context, "anna");
	char name[16];

	for (int i = 0; i < OCS_SESSION_STORES_MAX; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", name), OCSNOTIFY_OK);
	}
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "u0"), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "more"), OCSNOTIFY_E_LIMIT);
	ck_assert_str_eq(seen_by(context, "sogo", "more"), "");
	ocsnotify_close(context);
}

TEST(it_is_said_again_in_a_new_registry)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *anna = host_session(context, "anna");
	char path[128], aside[128];

	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "store"), OCSNOTIFY_OK);
	snprintf(path, sizeof(path), "%s/registry.tdb", rig_folder);
	snprintf(aside, sizeof(aside), "%s/registry.tdb.corrupt-1", rig_folder);
	ck_assert_int_eq(rename(path, aside), 0);
	daemon_make_registry();
	ck_assert_int_eq(ocsnotify_session_map(anna, "sogo", "other"), OCSNOTIFY_OK);
	ck_assert_str_eq(seen_by(context, "sogo", "store"), "anna ");
	ck_assert_str_eq(seen_by(context, "sogo", "other"), "anna ");
	ocsnotify_close(context);
}

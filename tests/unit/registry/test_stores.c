/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The mail stores that sessions see, in the registry. */
#include "tests/unit/rig.h"

#include "registry/bind_request.h"
#include "registry/registry.h"

static struct ocs_registry *registry;
static const struct ocs_registry_context context = {.id = 1, .pid = 1, .uid = 1};

static struct ocs_registry_session session(uint64_t id, const char *user)
{
	struct ocs_registry_session made = {.id = id, .context = 1};

	strcpy(made.user, user);
	return made;
}

static void begin(void)
{
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
}

static void commit(void)
{
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
}

static void put(uint64_t id, const char *user)
{
	struct ocs_registry_session made = session(id, user);

	begin();
	ck_assert_ok(ocs_registry_session_put(registry, &made, &rig_error));
	commit();
}

static int add(uint64_t id, const char *user, const char *backend_user)
{
	struct ocs_registry_session made = session(id, user);
	int ret;

	begin();
	ret = ocs_registry_store_add(registry, &made, "sogo", backend_user, &rig_error);
	if (ret == OCS_STORE_OK)
		commit();
	else
		ocs_registry_cancel(registry);
	return ret;
}

/* The users, with a blank behind each. */
static const char *users(const char *backend_user)
{
	static char text[256];
	char **list;
	size_t n;

	ck_assert_ok(ocs_registry_store_users(registry, NULL, "sogo", backend_user, &list, &n,
	                                      &rig_error));
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(text, list[i]);
		strcat(text, " ");
	}
	talloc_free(list);
	return text;
}

static void setup(void)
{
	rig_make_folder();
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	begin();
	ck_assert_ok(ocs_registry_context_add(registry, &context, &rig_error));
	commit();
}

static void teardown(void)
{
	ocs_registry_close(registry);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_store_has_the_users_of_its_sessions_once_each)
{
	put(1, "anna");
	put(2, "bob");
	put(3, "anna");
	ck_assert_str_eq(users("store"), "");
	for (int again = 0; again < 2; again++) {
		ck_assert_ok(add(1, "anna", "store"));
		ck_assert_ok(add(2, "bob", "store"));
		ck_assert_ok(add(3, "anna", "store"));
	}
	ck_assert_ok(add(1, "anna", "other"));
	ck_assert_str_eq(users("store"), "anna bob ");
	ck_assert_str_eq(users("other"), "anna ");
	ck_assert_str_eq(users("stor"), "");
}

TEST(it_ends_with_the_session_and_with_the_context)
{
	put(1, "anna");
	put(2, "bob");
	ck_assert_ok(add(1, "anna", "store"));
	ck_assert_ok(add(1, "anna", "other"));
	ck_assert_ok(add(2, "bob", "store"));
	begin();
	ck_assert_ok(ocs_registry_session_remove(registry, 1, &rig_error));
	commit();
	ck_assert_str_eq(users("store"), "bob ");
	ck_assert_str_eq(users("other"), "");
	begin();
	ck_assert_ok(ocs_registry_context_remove(registry, 1, NULL, NULL, NULL, &rig_error));
	commit();
	ck_assert_str_eq(users("store"), "");
}

TEST(a_session_that_is_not_there_does_not_count)
{
	ck_assert_ok(add(9, "nobody", "store"));
	ck_assert_str_eq(users("store"), "");
}

TEST(both_are_bounded)
{
	char name[32];

	put(1, "anna");
	for (int i = 0; i < OCS_SESSION_STORES_MAX; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		ck_assert_ok(add(1, "anna", name));
	}
	ck_assert_ok(add(1, "anna", "u0"));
	ck_assert_int_eq(add(1, "anna", "one-more"), OCS_STORE_FULL);
	ck_assert_str_eq(users("one-more"), "");
	ck_assert_int_ne(add(1, "anna", ""), OCS_STORE_OK);
}

static int damage(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	int(*keys)[2] = arg;

	(void)data;
	(void)len;
	(*keys)[0] += key_len > 0 && *(const char *)key == 'X';
	(*keys)[1] += key_len > 0 && *(const char *)key == 'Y';
	return 0;
}

TEST(a_record_that_lies_about_its_lengths_is_read_as_far_as_it_goes)
{
	static const uint8_t bad[] = {1,   0, 0, 0, 0, 0, 0, 0, 4, 0,  'a', 'n', 'n',
	                              'a', 2, 0, 0, 0, 0, 0, 0, 0, 99, 0,   'b'};
	int keys[2] = {0, 0};

	put(1, "anna");
	for (size_t len = 0; len <= sizeof(bad); len++) {
		begin();
		ck_assert_ok(ocs_store_put(ocs_registry_store(registry), "Xsogo\0store", 11, bad,
		                           len, &rig_error));
		ck_assert_ok(ocs_store_put(ocs_registry_store(registry), "Y\1\0\0\0\0\0\0\0", 9,
		                           bad, len, &rig_error));
		commit();
		ck_assert_str_eq(users("store"), len >= 14 ? "anna " : "");
	}
	begin();
	ck_assert_ok(ocs_registry_session_remove(registry, 1, &rig_error));
	commit();
	ck_assert_ok(ocs_store_each(ocs_registry_store(registry), -1, damage, &keys, &rig_error));
	ck_assert_int_eq(keys[1], 0);
}

TEST(the_name_that_is_bound_for_a_store_is_no_users)
{
	char name[OCS_USER_MAX + 1], a[OCS_USER_MAX + 1], b[OCS_USER_MAX + 1],
	        longest[OCS_USER_MAX + 1];

	ck_assert_int_eq(ocs_bind_store_name(name, "sogo", "j doe"), 0);
	ck_assert_int_eq(name[0], OCS_BIND_STORE);
	ck_assert_int_eq(ocs_bind_store_get(name, a, b), 0);
	ck_assert_str_eq(a, "sogo");
	ck_assert_str_eq(b, "j doe");
	ck_assert_int_eq(ocs_bind_store_get("sogo", a, b), -1);
	ck_assert_int_eq(ocs_bind_store_get("\002sogo", a, b), -1);
	ck_assert_int_eq(ocs_bind_store_get("", a, b), -1);
	memset(longest, 'x', OCS_USER_MAX);
	longest[OCS_USER_MAX] = '\0';
	ck_assert_int_eq(ocs_bind_store_name(name, "sogo", longest), -1);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What entries of a directory say in a user map: names, and nothing but names. */
#include "users/directory_text.h"

#include <string.h>

#include <talloc.h>

#include "tests/unit/unit.h"

static struct ocs_users_text_lines *lines;

static void make_lines_by(const struct ocs_name_rule *rule)
{
	talloc_free(lines);
	lines = ocs_users_text_new(NULL, rule);
	ck_assert_ptr_nonnull(lines);
}

static void make_lines(void)
{
	lines = NULL;
	make_lines_by(&(const struct ocs_name_rule){0});
}

static void free_lines(void)
{
	talloc_free(lines);
}

TESTS_HAVE(.setup = make_lines, .teardown = free_lines);

#define VALUE(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define VALUES(...)                                                                                \
	(&(const struct ocs_users_text_values){                                                    \
	        (const struct ocs_users_text_value[]){__VA_ARGS__},                                \
	        sizeof((const struct ocs_users_text_value[]){__VA_ARGS__}) /                       \
	                sizeof(struct ocs_users_text_value)})

static const struct ocs_users_text_values none = {NULL, 0};

static void add(const struct ocs_users_text_values *user,
                const struct ocs_users_text_values *backend_users,
                const struct ocs_users_text_values *aliases)
{
	ck_assert_int_eq(ocs_users_text_add(lines, user, backend_users, aliases, NULL), 0);
}

static void text_is(const char *expected, unsigned users, unsigned left_out)
{
	char *text = ocs_users_text_end(lines);
	struct ocs_usermap *map = ocs_usermap_new(lines, &lines->names);

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(text[0], '#');
	ck_assert_str_eq(strchr(text, '\n') + 1, expected);
	ck_assert_uint_eq(lines->users, users);
	ck_assert_uint_eq(lines->left_out, left_out);
	/* whatever entries say, it is a map */
	ck_assert_int_eq(ocs_usermap_read_text(map, "text", text, strlen(text), NULL, NULL, NULL),
	                 0);
	ck_assert_int_eq(ocs_usermap_finish(map, NULL, NULL, NULL), 0);
}

TEST(each_name_is_a_line_in_an_order_of_its_own)
{
	add(VALUES(VALUE("jdoe")), VALUES(VALUE("john@x"), VALUE("jdoe@x")), VALUES(VALUE("jd")));
	add(VALUES(VALUE("anna")), VALUES(VALUE("anna@x")), &none);
	add(VALUES(VALUE("empty")), &none, &none);
	text_is("*\tanna@x\t*\tanna\t-\n"
	        "*\tjdoe@x\t*\tjdoe\t-\n"
	        "*\tjohn@x\t*\tjdoe\t-\n"
	        "alias\tjd\tjdoe\n",
	        3, 0);
}

TEST(what_is_there_twice_is_written_once)
{
	add(VALUES(VALUE("jdoe")), VALUES(VALUE("a"), VALUE("a")), VALUES(VALUE("x"), VALUE("x")));
	add(VALUES(VALUE("jdoe")), VALUES(VALUE("a")), VALUES(VALUE("jdoe")));
	text_is("*\ta\t*\tjdoe\t-\nalias\tx\tjdoe\n", 2, 0);
}

TEST(an_entry_without_exactly_one_user_is_left_out)
{
	add(&none, VALUES(VALUE("a")), &none);
	add(VALUES(VALUE("b"), VALUE("c")), VALUES(VALUE("a")), &none);
	add(VALUES(VALUE("*")), VALUES(VALUE("a")), &none);
	add(VALUES(VALUE("=")), VALUES(VALUE("a")), &none);
	add(VALUES(VALUE("a=b")), VALUES(VALUE("a")), &none);
	text_is("", 0, 5);
}

TEST(a_name_can_be_nothing_but_a_name)
{
	add(VALUES(VALUE("jdoe")),
	    VALUES(VALUE("*"), VALUE("="), VALUE("a*"), VALUE("a\tb"), VALUE("a\nb"), VALUE("a\0b"),
	           VALUE(""), VALUE("\xff"), VALUE("a\x7f"), VALUE("good=name"), VALUE("\xc3\xbc")),
	    VALUES(VALUE("*"), VALUE("="), VALUE("x\ty"), VALUE("good alias")));
	text_is("*\tgood=name\t*\tjdoe\t-\n"
	        "*\t\xc3\xbc\t*\tjdoe\t-\n"
	        "alias\tgood alias\tjdoe\n",
	        1, 12);
}

TEST(a_name_has_a_bound)
{
	char longer[1100];
	struct ocs_users_text_value value = {longer, 1024};
	const struct ocs_users_text_values values = {&value, 1};

	memset(longer, 'x', sizeof(longer));
	add(VALUES(VALUE("jdoe")), &values, &none);
	ck_assert_uint_eq(lines->left_out, 0);
	value.len = 1025;
	add(VALUES(VALUE("jdoe")), &values, &none);
	ck_assert_uint_eq(lines->left_out, 1);
}

TEST(an_alias_that_two_users_claim_is_nobodys)
{
	add(VALUES(VALUE("jdoe")), &none, VALUES(VALUE("both"), VALUE("own")));
	add(VALUES(VALUE("anna")), &none, VALUES(VALUE("both"), VALUE("bothx")));
	text_is("alias\tbothx\tanna\nalias\town\tjdoe\n", 2, 2);
	ck_assert_str_eq(lines->refused.text,
	                 "the alias both of anna is claimed by two users: left out");
}

TEST(an_alias_that_is_another_user_is_nobodys)
{
	add(VALUES(VALUE("anna")), VALUES(VALUE("anna@x")), VALUES(VALUE("bob"), VALUE("carl")));
	add(VALUES(VALUE("bob")), VALUES(VALUE("bob@x")), VALUES(VALUE("bobby")));
	add(VALUES(VALUE("carl")), &none, &none);
	text_is("*\tanna@x\t*\tanna\t-\n*\tbob@x\t*\tbob\t-\nalias\tbobby\tbob\n", 3, 2);
	ck_assert_str_eq(lines->refused.text,
	                 "the alias bob of anna is another user's name: left out");
}

TEST(an_alias_that_is_another_ones_backend_user_is_nobodys)
{
	add(VALUES(VALUE("anna")), VALUES(VALUE("anna@x"), VALUE("both")),
	    VALUES(VALUE("anna@x"), VALUE("bob@x"), VALUE("both")));
	add(VALUES(VALUE("bob")), VALUES(VALUE("bob@x"), VALUE("both")), VALUES(VALUE("anna@x")));
	text_is("*\tanna@x\t*\tanna\t-\n*\tbob@x\t*\tbob\t-\n"
	        "*\tboth\t*\tanna\t-\n*\tboth\t*\tbob\t-\n"
	        "alias\tanna@x\tanna\n",
	        2, 3);
}

TEST(aliases_go_by_the_rule_for_names)
{
	make_lines_by(&(const struct ocs_name_rule){.fold = true, .domains = "x"});
	add(VALUES(VALUE("anna")), &none, VALUES(VALUE("Info"), VALUE("BOB@x"), VALUE("Anna@X")));
	add(VALUES(VALUE("Bob")), &none, VALUES(VALUE("info"), VALUE("Bobby")));
	text_is("alias\tBobby\tbob\n", 2, 3);
}

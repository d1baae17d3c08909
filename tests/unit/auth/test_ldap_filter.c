/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The filter of [auth:ldap]: what is one, and that no name can be more than a name in it. */
#include "auth/ldap_filter.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tests/unit/unit.h"

static char attribute[OCS_LDAP_ATTRIBUTE_MAX + 1];
static struct ocs_error error;

static int check_filter(const char *filter)
{
	error.text[0] = '\0';
	return ocs_ldap_filter_check(filter, attribute, &error);
}

static void filled_is(const char *filter, const void *name, size_t len, const char *expected)
{
	char *text = ocs_ldap_filter_for(NULL, filter, name, len);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, expected);
	talloc_free(text);
}

TEST(a_filter_asks_for_the_name)
{
	ck_assert_int_eq(check_filter("(cn=%s)"), 0);
	ck_assert_str_eq(attribute, "cn");
	ck_assert_int_eq(check_filter("(uid=%u)"), 0);
	ck_assert_str_eq(attribute, "uid");
	ck_assert_int_eq(check_filter("(&(objectClass=person)(|(mail=%u)(uid=%u))(!(x=y)))"), 0);
	ck_assert_str_eq(attribute, "mail");
	ck_assert_int_eq(check_filter("(mail=%u@example.org)"), 0);
	ck_assert_int_eq(check_filter("(uid;lang-de=%u)"), 0);
	ck_assert_str_eq(attribute, "uid");
	ck_assert_int_eq(
	        check_filter("(&(uid=%u)(memberOf:1.2.840.113556.1.4.1941:=cn=a,o=b)(x>=3)(y<=4)"
	                     "(z~=5)(w=*)(v=a*b)(cn=a\\2ab))"),
	        0);
	ck_assert_str_eq(attribute, "uid");
}

TEST(what_is_no_filter_is_refused_with_a_reason)
{
	static const char *const bad[][2] = {
	        {"", "begins with a parenthesis"},
	        {"uid=%u", "begins with a parenthesis"},
	        {"(uid=%u", "parenthesis is missing"},
	        {"(uid=%u))", "follows the end"},
	        {"(uid=%u)(x=y)", "follows the end"},
	        {"(&(uid=%u)", "closing parenthesis is missing"},
	        {"(!(uid=%u)(x=y))", "closing parenthesis is missing"},
	        {"(!)", "begins with a parenthesis"},
	        {"(uid)", "is not (ATTRIBUTE=VALUE)"},
	        {"(=%u)", "is not (ATTRIBUTE=VALUE)"},
	        {"(%u=x)", "is not (ATTRIBUTE=VALUE)"},
	        {"(u d=%u)", "is not (ATTRIBUTE=VALUE)"},
	        {"(uid=jdoe)", "is not in it"},
	        {"(uid=%n)", "followed by u or s"},
	        {"(uid=%)", "followed by u or s"},
	        {"(uid=%", "followed by u or s"},
	        {"(uid=%u\\)", "hexadecimal"},
	        {"(uid=%u\\2", "hexadecimal"},
	        {"(uid=%u(x))", "within a value"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(check_filter(bad[i][0]) == -1, "%s", bad[i][0]);
		ck_assert_msg(strstr(error.text, bad[i][1]) != NULL, "%s: %s", bad[i][0],
		              error.text);
	}
}

TEST(a_filter_for_all_asks_for_no_name)
{
	ck_assert_int_eq(ocs_ldap_filter_check_plain("(&(uid=*)(!(x=y)))", &error), 0);
	ck_assert_int_eq(ocs_ldap_filter_check_plain("(uid=%u)", &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "no name is asked for"));
	ck_assert_int_eq(ocs_ldap_filter_check_plain("(uid=*", &error), -1);
}

TEST(a_filter_has_bounds)
{
	char deep[200] = "", *longer = malloc(OCS_LDAP_FILTER_MAX + 20);

	for (int i = 0; i < 40; i++)
		strcat(deep, "(&");
	ck_assert_int_eq(check_filter(deep), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "in each other"));
	ck_assert_ptr_nonnull(longer);
	memset(longer, 'x', OCS_LDAP_FILTER_MAX + 10);
	memcpy(longer, "(uid=%u", 7);
	strcpy(longer + OCS_LDAP_FILTER_MAX, ")");
	ck_assert_int_eq(check_filter(longer), -1);
	longer[OCS_LDAP_FILTER_MAX - 1] = ')';
	longer[OCS_LDAP_FILTER_MAX] = '\0';
	ck_assert_int_eq(check_filter(longer), 0);
	free(longer);
}

TEST(a_name_is_only_a_name)
{
	filled_is("(uid=%u)", "jdoe", 4, "(uid=jdoe)");
	filled_is("(|(uid=%u)(mail=%s@example.org))", "j.d-e_1@x", 9,
	          "(|(uid=j.d-e_1@x)(mail=j.d-e_1@x@example.org))");
	filled_is("(uid=%u)", "*", 1, "(uid=\\2a)");
	filled_is("(uid=%u)", ")(uid=*", 7, "(uid=\\29\\28uid=\\2a)");
	filled_is("(uid=%u)", "a\\b", 3, "(uid=a\\5cb)");
	filled_is("(uid=%u)", "a\0b", 3, "(uid=a\\00b)");
	filled_is("(uid=%u)", "\xc3\xbc\n\x7f", 4, "(uid=\\c3\\bc\\0a\\7f)");
	filled_is("(uid=%u)", "%u", 2, "(uid=%u)");
	filled_is("(uid=%u)", "", 0, "(uid=)");
}

TEST(every_byte_of_a_name_can_be_read_back)
{
	unsigned char bytes[256];

	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char)i;
	char *text = ocs_ldap_filter_for(NULL, "%u", bytes, sizeof(bytes));
	const char *p = text;
	ck_assert_ptr_nonnull(text);
	for (int i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)*p;

		ck_assert_ptr_null(memchr("()*\0", byte, 4));
		if (byte == '\\') {
			char digits[3] = {p[1], p[2], '\0'};

			byte = (unsigned char)strtoul(digits, NULL, 16);
			p += 2;
		}
		p++;
		ck_assert_uint_eq(byte, (unsigned char)i);
	}
	ck_assert_int_eq(*p, '\0');
	talloc_free(text);
}

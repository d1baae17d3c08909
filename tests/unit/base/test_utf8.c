/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What may be shown to people as it is, and how the rest is shown. */
#include <string.h>

#include "base/utf8.h"
#include "tests/unit/unit.h"

static const char *shown(const char *text)
{
	static char out[200];

	ck_assert_uint_eq(ocs_utf8_show(text, out, sizeof(out)), strlen(out));
	return out;
}

TEST(text_in_any_script_is_shown_as_it_is)
{
	static const char *const good[] = {
	        "",
	        "INBOX/a b~",
	        "J\xc3\xb6rg",
	        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",         /* Hebrew, by its letters alone */
	        "\xe6\x97\xa5\xe6\x9c\xac",                 /* Japanese */
	        "\xe2\x82\xac \xf0\x9f\x93\xa7\xef\xb8\x8f" /* with a variation selector */
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_str_eq(shown(good[i]), good[i]);
}

TEST(controls_and_separators_are_escaped)
{
	ck_assert_str_eq(shown("a\x01\t\n\r\x1b\x7f"), "a\\x01\\x09\\x0a\\x0d\\x1b\\x7f");
	ck_assert_str_eq(shown("\xc2\x80\xc2\x9b\xc2\xa0"), "\\xc2\\x80\\xc2\\x9b\xc2\xa0");
	ck_assert_str_eq(shown("\xe2\x80\xa8\xe2\x80\xa9"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
}

TEST(what_has_no_shape_but_changes_others_is_escaped)
{
	static const char *const bad[] = {
	        "\xe2\x80\xae",     /* U+202E, from right to left */
	        "\xe2\x80\xaa",     /* U+202A */
	        "\xe2\x81\xa6",     /* U+2066 */
	        "\xe2\x81\xaf",     /* U+206F */
	        "\xd8\x9c",         /* U+061C */
	        "\xe2\x80\x8b",     /* U+200B, no width */
	        "\xe2\x80\x8f",     /* U+200F */
	        "\xc2\xad",         /* U+00AD */
	        "\xcd\x8f",         /* U+034F */
	        "\xef\xbb\xbf",     /* U+FEFF */
	        "\xf3\xa0\x81\x81", /* U+E0041, a tag */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(ocs_utf8_seen(bad[i]) == 0, "number %zu", i);
		ck_assert_uint_eq(strlen(shown(bad[i])), 4 * strlen(bad[i]));
	}
	ck_assert_uint_eq(ocs_utf8_seen("\xe2\x80\x90"), 3); /* U+2010, beside them */
	ck_assert_uint_eq(ocs_utf8_seen("\xe2\x80\xaf"), 3);
	ck_assert_uint_eq(ocs_utf8_seen("\xe2\x81\xb0"), 3);
}

TEST(what_is_no_utf8_is_escaped_byte_by_byte)
{
	ck_assert_str_eq(shown("\xff\xe2\x82"), "\\xff\\xe2\\x82");
	ck_assert_str_eq(shown("\xc0\xaf\xed\xa0\x80"), "\\xc0\\xaf\\xed\\xa0\\x80");
	ck_assert_str_eq(shown("\xef\xbf\xbe"), "\\xef\\xbf\\xbe");
}

TEST(it_is_cut_between_two_characters)
{
	char out[8];

	ck_assert_uint_eq(ocs_utf8_show("abcd\xe2\x82\xac", out, sizeof(out)), 4);
	ck_assert_str_eq(out, "abcd");
	ck_assert_uint_eq(ocs_utf8_show("abc\n", out, sizeof(out)), 7);
	ck_assert_str_eq(out, "abc\\x0a");
	ck_assert_uint_eq(ocs_utf8_show("a", out, 1), 0);
	ck_assert_str_eq(out, "");
}

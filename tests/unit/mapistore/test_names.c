/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What a name is, how folders of other programs are translated, and IMAP's modified UTF-7. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapistore/names.h"
#include "mapistore/utf7.h"
#include "tests/unit/unit.h"

TEST(a_name_is_what_the_store_says)
{
	static const char *const good[] = {"a",        " ", " a ",  "\x7f",
	                                   "\xc2\x85", "/", "a//b", "\xf4\x8f\xbf\xbd"};
	static const char *const bad[] = {"",
	                                  "\t",
	                                  "a\n",
	                                  "\x01",
	                                  "\x1f",
	                                  "\xff",
	                                  "a\xc3",
	                                  "\xc0\x80",
	                                  "\xed\xa0\x80",
	                                  "\xef\xbf\xbe",
	                                  "\xef\xbf\xbf",
	                                  "\xf4\x90\x80\x80"};
	char text[OCS_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(ocs_name_fault(good[i]) == NULL, "%s: %s", good[i],
		              ocs_name_fault(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ocs_name_fault(bad[i]) != NULL, "%zu is taken", i);
	memset(text, 'x', sizeof(text));
	text[OCS_NAME_MAX + 1] = '\0';
	ck_assert_ptr_nonnull(ocs_name_fault(text));
	text[OCS_NAME_MAX] = '\0';
	ck_assert_ptr_null(ocs_name_fault(text));
}

TEST(a_folder_has_no_empty_level)
{
	static const char *const good[] = {"a", "a/b", " / ", "INBOX", "a/b/c", "...", "a\\/b"};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", "//", "a/b/", "\n/a"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(ocs_folder_fault(good[i]) == NULL, "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ocs_folder_fault(bad[i]) != NULL, "%s", bad[i]);
}

static const struct {
	const char *utf8, *utf7;
} pairs[] = {
        {"INBOX", "INBOX"},
        {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
         "~peter/mail/&U,BTFw-/&ZeVnLIqe-"}, /* RFC 3501, 5.1.3 */
        {"Lists/Entw\xc3\xbcrfe", "Lists/Entw&APw-rfe"},
        {"&", "&-"},
        {"a&b&&", "a&-b&-&-"},
        {"&\xc3\xbc&", "&-&APw-&-"},
        {"\x7f", "&AH8-"},
        {"\xc3\xbc\xe2\x82\xac", "&APwgrA-"},
        {"\xf0\x9f\x98\x80", "&2D3eAA-"},
        {"a\xf0\x90\x80\x80\xf4\x8f\xbf\xbd.", "a&2ADcANv,3,0-."},
        {" - ", " - "},
};

TEST(modified_utf_7_is_read_and_written)
{
	char text[200];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		ck_assert_int_eq(ocs_utf7_encode(pairs[i].utf8, text, sizeof(text)), 0);
		ck_assert_str_eq(text, pairs[i].utf7);
		ck_assert_int_eq(ocs_utf7_decode(pairs[i].utf7, text, sizeof(text)), 0);
		ck_assert_str_eq(text, pairs[i].utf8);
	}
}

TEST(another_spelling_is_not_read)
{
	static const char *const bad[] = {
	        "&",          "a&",         "&A",       "&APw",     "&APw.",      "&AP-",
	        "&APx-",                             /* cut, bits left over */
	        "&APwA-",     "&APwAAA-",   "&AAA-", /* too long, NUL */
	        "&AGE-",      "&ACY-",      "&AC8-", /* a, &, / as they are */
	        "&APw-&APw-", "&APw-&AGE-",          /* one run in two */
	        "&2D0-",      "&3gA-",      "&3gDYPQ-", "&2D0A,A-", "&2D3YPQ-",   /* half pairs */
	        "\xc3\xbc",   "a\x7f",      "\t",       "\x80",     "&\xc3\xbc-", /* bytes that are
	                                                                             none of it */
	        "&A/w-",      "&APw=-",     "& -", /* another base64 */
	};
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ocs_utf7_decode(bad[i], text, sizeof(text)) != 0, "%s is read as %s",
		              bad[i], text);
}

TEST(what_is_no_utf_8_is_not_written)
{
	static const char *const bad[] = {"\xff", "a\xc3", "\xc3\xbc\x80", "\xed\xa0\x80"};
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_ne(ocs_utf7_encode(bad[i], text, sizeof(text)), 0);
}

TEST(no_text_is_cut)
{
	char text[64];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		for (size_t size = 0; size <= strlen(pairs[i].utf7); size++) {
			char *exact = malloc(size == 0 ? 1 : size);

			ck_assert_int_ne(ocs_utf7_encode(pairs[i].utf8, exact, size), 0);
			if (size <= strlen(pairs[i].utf8))
				ck_assert_int_ne(ocs_utf7_decode(pairs[i].utf7, exact, size), 0);
			free(exact);
		}
		ck_assert_int_eq(ocs_utf7_encode(pairs[i].utf8, text, strlen(pairs[i].utf7) + 1),
		                 0);
		ck_assert_int_eq(ocs_utf7_decode(pairs[i].utf7, text, strlen(pairs[i].utf8) + 1),
		                 0);
	}
}

static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80)
		return (size_t)sprintf(out, "%c", (int)c);
	if (c < 0x800)
		return (size_t)sprintf(out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return (size_t)sprintf(out, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f),
		                       0x80 | (c & 0x3f));
	return (size_t)sprintf(out, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f),
	                       0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
}

/* Each character alone, and in runs of up to three at every place of the base64. */
TEST(every_character_goes_round)
{
	/* Those above 0xffff are pairs, one like the other. */
	unsigned step = UNIT_SOME_OF(8) < 8 ? 5 : 1;

	for (unsigned c = 1; c < 0x110000; c += c < 0x10000 ? 1 : step) {
		char utf8[40], utf7[80], again[40];
		size_t len = 0;

		if ((c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
			continue;
		len += put_utf8(utf8 + len, c);
		len += put_utf8(utf8 + len, c % 3 == 0 ? 'x' : 0xfc);
		len += put_utf8(utf8 + len, c);
		len += put_utf8(utf8 + len, c % 2 == 0 ? 0x20ac : '&');
		utf8[len] = '\0';
		ck_assert_int_eq(ocs_utf7_encode(utf8, utf7, sizeof(utf7)), 0);
		for (const char *p = utf7; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e)
				ck_abort_msg("U+%X: %s", c, utf7);
		if (ocs_utf7_decode(utf7, again, sizeof(again)) != 0 || strcmp(again, utf8) != 0)
			ck_abort_msg("U+%X: %s", c, utf7);
	}
}

/* Whatever is read is what would be written: no two texts are one name. */
TEST(whatever_is_read_has_one_spelling)
{
	static const char digits[] = "AP&-,+wga/2D";
	char text[7] = "", utf8[40], again[80];
	size_t n = sizeof(digits) - 1, read = 0, all = n * n * n * n * n;

	for (size_t i = 0; i < all; i++) {
		size_t rest = i;

		text[0] = '&';
		for (int k = 1; k < 6; k++, rest /= n)
			text[k] = digits[rest % n];
		if (ocs_utf7_decode(text, utf8, sizeof(utf8)) != 0)
			continue;
		read++;
		ck_assert_int_eq(ocs_utf7_encode(utf8, again, sizeof(again)), 0);
		ck_assert_str_eq(again, text);
	}
	ck_assert_uint_gt(read, 100);
}

static void translated(const char *name, char separator, bool utf7, const char *expected)
{
	struct ocs_folder_style style = {.separator = separator, .utf7 = utf7};
	char out[OCS_NAME_MAX + 1];
	const char *fault = ocs_folder_translate(name, &style, out);

	ck_assert_msg((fault == NULL) == (expected != NULL), "%s: %s", name, fault);
	if (expected != NULL)
		ck_assert_str_eq(out, expected);
}

TEST(folders_of_other_programs_become_ours)
{
	char text[3000];

	translated("Lists.Entw&APw-rfe", '.', true, "Lists/Entw\xc3\xbcrfe");
	translated("Lists/Entw&APw-rfe", '/', true, "Lists/Entw\xc3\xbcrfe");
	translated("Lists.Entw\xc3\xbcrfe", '.', false, "Lists/Entw\xc3\xbcrfe");
	/* As it stands, where nothing else is said. */
	translated("Lists.Entw&APw-rfe", '/', false, "Lists.Entw&APw-rfe");
	translated(" a . b ", '.', false, " a / b ");
	translated("A/B", '.', false, NULL);
	translated("A/B", '.', true, NULL);
	translated("a..b", '.', false, NULL);
	translated(".a", '.', true, NULL);
	translated("a.", '.', false, NULL);
	translated("Entw\xc3\xbcrfe", '.', true, NULL);
	translated("a&", '/', true, NULL);
	translated("&AAk-", '/', true, NULL); /* a tab */
	translated("&,,8-", '/', true, NULL); /* U+FFFF */
	memset(text, 'x', sizeof(text));
	text[1025] = '\0';
	translated(text, '/', false, NULL);
	translated(text, '/', true, NULL);
	text[1024] = '\0';
	translated(text, '.', true, text);
}

static void shown(const char *name, const char *expected)
{
	char text[OCS_NAME_SHOWN_SIZE];

	ck_assert_str_eq(ocs_name_show(name, text, sizeof(text)), expected);
}

TEST(what_is_not_seen_is_shown)
{
	char name[OCS_NAME_MAX + 1], text[OCS_NAME_SHOWN_SIZE];

	shown("INBOX", "INBOX");
	shown("a b\\c\"", "a b\\c\"");
	shown("\xc3\xbc", "\xc3\xbc");
	shown("Work ", "\"Work \"");
	shown(" a\"\\", "\" a\\\"\\\\\"");
	shown("a  b", "\"a  b\"");
	shown("\"a\"", "\"\\\"a\\\"\"");
	shown("", "\"\"");
	shown("a\x7f\tb\xc2\x85", "\"a\\x7f\\x09b\\xc2\\x85\"");
	shown("\xff", "\"\\xff\"");
	/* The longest fits, and what does not is cut without a harm. */
	memset(name, 0x7f, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ocs_name_show(name, text, sizeof(text));
	ck_assert_uint_ge(strlen(text), 4 * OCS_NAME_MAX - 4);
	for (size_t size = 8; size < 40; size++) {
		char *exact = malloc(size);

		ocs_name_show(name, exact, size);
		ck_assert_uint_lt(strlen(exact), size);
		ocs_name_show("a name", exact, size);
		ck_assert_uint_lt(strlen(exact), size);
		free(exact);
	}
}

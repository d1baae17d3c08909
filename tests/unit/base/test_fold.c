/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Names without regard to case. */
#include "tests/unit/rig.h"

#include "base/fold.h"
#include "base/utf8.h"

static const char *fold(const char *text)
{
	static char out[4096];

	return ocs_fold(text, out, sizeof(out));
}

TEST(case_goes)
{
	static const char *const pairs[][2] = {
	        {"", ""},
	        {"jdoe", "jdoe"},
	        {"INBOX/Entw\xc3\x9c", "inbox/entw\xc3\xbc"},
	        {"STRASSE", "stra\xc3\x9f"
	                    "e"},                         /* sharp s is ss */
	        {"\xce\xa3\xce\xa3", "\xcf\x83\xcf\x82"}, /* a sigma at the end too */
	        {"\xc3\x84", "a\xcc\x88"},                /* composed and not */
	        {"\xd0\x98\xd0\xb2", "\xd0\xb8\xd0\xb2"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char first[64];

		strcpy(first, fold(pairs[i][0]));
		ck_assert_str_eq(first, fold(pairs[i][1]));
	}
	ck_assert_str_ne("a", fold("\xc3\xa4"));
}

TEST(the_form_of_a_form_is_itself)
{
	/* Every character alone, and behind a letter. */
	for (uint32_t c = 1; c < 0x20000; c++) {
		char text[8], once[64];
		size_t n = 0;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		text[n++] = 'X';
		if (c < 0x80) {
			text[n++] = (char)c;
		} else if (c < 0x800) {
			text[n++] = (char)(0xc0 | c >> 6);
			text[n++] = (char)(0x80 | (c & 0x3f));
		} else if (c < 0x10000) {
			text[n++] = (char)(0xe0 | c >> 12);
			text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
			text[n++] = (char)(0x80 | (c & 0x3f));
		} else {
			text[n++] = (char)(0xf0 | c >> 18);
			text[n++] = (char)(0x80 | (c >> 12 & 0x3f));
			text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
			text[n++] = (char)(0x80 | (c & 0x3f));
		}
		text[n] = '\0';
		for (int from = 0; from < 2; from++) {
			strcpy(once, fold(text + from));
			ck_assert_str_eq(fold(once), once);
		}
	}
}

TEST(what_does_not_fit_stays_as_it_is)
{
	char out[8];

	ck_assert_str_eq(ocs_fold("ABCDEFG", out, sizeof(out)), "abcdefg");
	ck_assert_str_eq(ocs_fold("X\xef\xac\x83", out, sizeof(out)), "xffi");
	/* An alpha with a iota below has three bytes; folded, the iota follows, and it has five. */
	ck_assert_str_eq(ocs_fold("AB\xe1\xbe\x80", out, sizeof(out)), "ab\xe1\xbc\x80\xce\xb9");
	ck_assert_str_eq(ocs_fold("ABC\xe1\xbe\x80", out, sizeof(out)), "ABC\xe1\xbe\x80");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* URI templates of backends. */
#include "tests/unit/rig.h"

#include "mapistore/uri.h"

TEST(good_templates_pass)
{
	static const char *const good[] = {"sogo://{user}@mail/{folder}/{message}",
	                                   "sogo://{user}:*@mail/{folder}/{message}.eml",
	                                   "imap+x.y-1://host/fixed", "a://"};

	for (size_t i = 0; i < 4; i++)
		ck_assert_ok(ocs_uri_check(good[i], &rig_error));
}

TEST(bad_templates_are_refused_with_a_text)
{
	static const char *const bad[] = {"",
	                                  "no scheme",
	                                  "://x",
	                                  "so go://x",
	                                  "a_b://x",
	                                  "a://{other}",
	                                  "a://{user",
	                                  "a://user}",
	                                  "a://{}",
	                                  "a://b c",
	                                  "a://b\tc",
	                                  "a://{User}",
	                                  "a://{{user}}",
	                                  "a://b\x7f"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_error.text[0] = '\0';
		ck_assert_msg(ocs_uri_check(bad[i], &rig_error) == -1, "'%s'", bad[i]);
		ck_assert_str_ne(rig_error.text, "");
	}
}

static void formats(const char *template, const char *user, const char *folder, const char *message,
                    const char *expected)
{
	char *uri = ocs_uri_format(NULL, template, user, folder, message);

	ck_assert_ptr_nonnull(uri);
	ck_assert_str_eq(uri, expected);
	talloc_free(uri);
}

TEST(names_are_put_in_percent_encoded)
{
	formats("sogo://{user}:*@mail/{folder}/{message}.eml", "jdoe", "INBOX/Sub", "17",
	        "sogo://jdoe:*@mail/INBOX/Sub/17.eml");
	formats("s://{user}/{folder}/{message}", "a b@c/d", "Entw\xc3\xbcrfe & x/y", "1/2?#%",
	        "s://a%20b%40c%2Fd/Entw%C3%BCrfe%20%26%20x/y/1%2F2%3F%23%25");
	formats("s://{user}", "AZaz09-._~", "f", "m", "s://AZaz09-._~");
	formats("s://{user}{user}", "{user}", "f", "m", "s://%7Buser%7D%7Buser%7D");
}

TEST(without_a_message_the_uri_ends_at_the_last_slash_before_it)
{
	formats("s://{user}@mail/{folder}/{message}.eml", "j", "INBOX", NULL, "s://j@mail/INBOX/");
	formats("s://{user}@mail/{folder}/m-{message}", "j", "INBOX", NULL, "s://j@mail/INBOX/");
	formats("s://{user}@mail/{folder}", "j", "INBOX", NULL, "s://j@mail/INBOX");
}

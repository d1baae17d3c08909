/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* URI templates of backends. */
#include "tests/unit/rig.h"

#include "mapistore/names.h"
#include "mapistore/uri.h"

TEST(good_templates_pass)
{
	static const char *const good[] = {"sogo://{user}@mail/{folder}/{message}",
	                                   "sogo://{user}:*@mail/{folder}/{message}.eml",
	                                   "imap+x.y-1://host/fixed",
	                                   "a://",
	                                   "sogo://{user}:*@mail/{folder:sogo}/{message}.eml",
	                                   "imap://{user}@host/{folder:imap-utf7}"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
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
	                                  "a://{folder:}",
	                                  "a://{folder:utf7}",
	                                  "a://{user:sogo}",
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
	formats("imap://{user}@mail/{folder};UID={message}", "j", "a/b", NULL, "imap://j@mail/a/b");
}

/* ---- the styles of folders ---- */

#define UTF7_TEMPLATE "imap://{user}@h/{folder:imap-utf7}/{message}"
#define SOGO_TEMPLATE "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"

TEST(folders_in_imaps_modified_utf7)
{
	formats(UTF7_TEMPLATE, "j", "Entw\xc3\xbcrfe/R&D", "1",
	        "imap://j@h/Entw%26APw-rfe/R%26-D/1");
	ck_assert_ptr_null(ocs_uri_format(NULL, UTF7_TEMPLATE, "j", "\xff", NULL));
}

TEST(folders_as_sogo_writes_them)
{
	formats(SOGO_TEMPLATE, "j", "INBOX", "17", "sogo://j:j@mail/folderINBOX/17.eml");
	formats(SOGO_TEMPLATE, "j", "A/B", NULL, "sogo://j:j@mail/folderA/folderB/");
	formats(SOGO_TEMPLATE, "j@x.org", "Probl\xc3\xa8mes de synchronisation", NULL,
	        "sogo://j%40x.org:j%40x.org@mail/"
	        "folderProbl_AM_AOg-mes_SP_de_SP_synchronisation/");
	formats(SOGO_TEMPLATE, "j", "2024/R&D/_.#@*:;,/'\"()[]{}+$/!?=-<>|\\^~%", NULL,
	        "sogo://j:j@mail/folder_2024/folderR_AM_D/"
	        "folder_U__D__H__A__S__C__SC__CO_/folder_SQ__DQ__LP__RP__LS__RS__LC__RC__P__DS_/"
	        "folder%21%3F%3D-%3C%3E%7C%5C%5E~%25/");
}

static void reads(const char *template, const char *uri, const char *user, const char *folder,
                  const char *message)
{
	void *ctx = talloc_new(NULL);
	struct ocs_uri_names names;

	ck_assert_msg(ocs_uri_parse(ctx, template, uri, &names) == 0, "'%s'", uri);
	ck_assert_pstr_eq(names.user, user);
	ck_assert_pstr_eq(names.folder, folder);
	ck_assert_pstr_eq(names.message, message);
	talloc_free(ctx);
}

static void is_none(const char *template, const char *uri)
{
	struct ocs_uri_names names = {(char *)1, (char *)1, (char *)1};

	ck_assert_msg(ocs_uri_parse(NULL, template, uri, &names) == -1, "'%s'", uri);
	ck_assert(names.user == NULL && names.folder == NULL && names.message == NULL);
}

TEST(uris_are_read_in_every_spelling)
{
	reads(SOGO_TEMPLATE, "sogo://j:j@mail/folderINBOX/17.eml", "j", "INBOX", "17");
	reads(SOGO_TEMPLATE, "SOGo://j@MAIL/folderA/folderB/", "j", "A/B", NULL);
	reads(SOGO_TEMPLATE, "sogo://j:secret@mail/folderA/folderB", "j", "A/B", NULL);
	reads(SOGO_TEMPLATE, "sogo://%6A%40x:*@mail/folder%49NBOX/1%2f2.eml", "j@x", "INBOX",
	      "1/2");
	reads(SOGO_TEMPLATE, "sogo://a@x.org:p@mail/folderINBOX", "a@x.org", "INBOX", NULL);
	/* Both orders of SOGo's two steps. */
	reads(SOGO_TEMPLATE, "sogo://j@mail/folderProbl_AM_AOg-mes_SP_de", "j",
	      "Probl\xc3\xa8mes de", NULL);
	reads(SOGO_TEMPLATE, "sogo://j@mail/folderProbl&AOg-mes_SP_de", "j", "Probl\xc3\xa8mes de",
	      NULL);
	reads(SOGO_TEMPLATE, "sogo://j@mail/folder%26AMQ-_AM_B", "j", "\xc3\x84&B", NULL);
	reads(SOGO_TEMPLATE, "sogo://j@mail/folderProbl%C3%A8mes", "j", "Probl\xc3\xa8mes", NULL);
	reads(SOGO_TEMPLATE, "sogo://j@mail/folderR_AM_D", "j", "R&D", NULL);
	reads(SOGO_TEMPLATE, "sogo://j@mail/folder_X_/folder_1", "j", "_X_/1", NULL);
	reads(UTF7_TEMPLATE, "imap://j@h/Entw&APw-rfe/1;2", "j", "Entw\xc3\xbcrfe", "1;2");
	reads("imap://{user}@h/{folder};UID={message}", "imap://j@h/a/b;UID=1/c;UID=7", "j",
	      "a/b;UID=1/c", "7");
}

TEST(what_the_template_could_not_have_made_is_not_read)
{
	is_none(SOGO_TEMPLATE, "sogo://j:k@mail/INBOX/1.eml");
	is_none(SOGO_TEMPLATE, "imap://j:j@mail/folderINBOX/1.eml");
	is_none(SOGO_TEMPLATE, "sogo://j:j@calendar/folderINBOX/1.eml");
	is_none(SOGO_TEMPLATE, "sogo://j:j@mail/folderINBOX/%zz.eml");
	is_none(SOGO_TEMPLATE, "sogo://j:j@mail/folderINBOX/%00.eml");
	is_none(SOGO_TEMPLATE, "sogo://j:j@mail/folderINBOX/%ff.eml");
	is_none(SOGO_TEMPLATE, "sogo://j:j@mail/folderINBOX//folderX/");
	is_none(SOGO_TEMPLATE, "");
	is_none(SOGO_TEMPLATE, "sogo:");
	is_none(UTF7_TEMPLATE, "imap://j@h/Entw%26-APw/1%");
	is_none(UTF7_TEMPLATE, "imap://j@h/R%26D/");
	is_none("s://{user}/{user}/{folder}", "s://a/b/c");
}

static void normal(const char *uri, const char *expected)
{
	char *got = ocs_uri_normalise(NULL, uri);

	ck_assert_pstr_eq(got, expected);
	talloc_free(got);
}

TEST(a_uri_has_one_normal_form)
{
	normal("SoGo://J:pw@MAIL/Folder%4aX/", "sogo://J@mail/FolderJX");
	normal("sogo://J@mail/FolderJX", "sogo://J@mail/FolderJX");
	normal("s://h/a&b%26c%2fd \xc3\xa4?x=%20#y/", "s://h/a%26b%26c%2Fd%20%C3%A4?x=%20#y");
	normal("sogo://u@notes/", "sogo://u@notes");
	normal("s://[2001:DB8::1]:99/", "s://[2001:db8::1]:99");
	normal("s://a%", NULL);
	normal("a b://c", NULL);
	normal("", NULL);
}

static void shown(const char *uri, const char *expected)
{
	char *got = ocs_uri_show(NULL, uri);

	ck_assert_str_eq(got, expected);
	talloc_free(got);
}

TEST(a_password_is_not_shown)
{
	shown("imap://jdoe:geheim@host/INBOX", "imap://jdoe:***@host/INBOX");
	shown("imap://{user}:ge@he{user}im@host/{folder:sogo}",
	      "imap://{user}:***@host/{folder:sogo}");
	shown("imap://a:b:c@host", "imap://a:***@host");
	shown("sogo://jdoe:*@mail/x:y@z", "sogo://jdoe:*@mail/x:y@z");
	shown("imap://jdoe@host:993/", "imap://jdoe@host:993/");
	shown("imap://:x@host", "imap://:***@host");
	shown("no uri a:b@c", "no uri a:b@c");
	/* What ought to be encoded, and ends the authority. */
	shown("imap://jdoe:ge/he?im@host/INBOX/1", "imap://jdoe:***@host/INBOX/1");
	shown("imap://{user}:#@host/{folder:sogo}", "imap://{user}:***@host/{folder:sogo}");
	shown("imap://host:993/a@b", "imap://host:993/a@b");
	shown("imap://[fe80::1]:993/a@b", "imap://[fe80::1]:993/a@b");
	shown("imap://{folder:sogo}/a@b", "imap://{folder:sogo}/a@b");
}

/* ---- there and back, with whatever names ---- */

static uint64_t random_state = 20260131;

static unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(random_state >> 33) % n;
}

static void random_name(char *out, size_t size)
{
	static const char *const pieces[] = {"%",
	                                     "%41",
	                                     "{",
	                                     "}",
	                                     "{user}",
	                                     "&",
	                                     "&-",
	                                     "&AOg-",
	                                     "_",
	                                     "_SP_",
	                                     "_AM_",
	                                     "_1",
	                                     "7",
	                                     "0x",
	                                     "a",
	                                     "Z",
	                                     ".eml",
	                                     ".",
	                                     "~",
	                                     "*",
	                                     "?",
	                                     "#",
	                                     ";UID=",
	                                     "=",
	                                     "@",
	                                     ":",
	                                     " ",
	                                     "'",
	                                     "\\",
	                                     "folder",
	                                     "\xc3\xa4",
	                                     "\xe2\x82\xac",
	                                     "\xf0\x9f\x93\xac",
	                                     "\x7f",
	                                     "\xc2\x85",
	                                     "+",
	                                     "$",
	                                     "-",
	                                     "INBOX",
	                                     ",",
	                                     "(",
	                                     "]",
	                                     "\""};
	unsigned n = 1 + random_below(8);

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];

		if (strlen(out) + strlen(piece) < size)
			strcat(out, piece);
	}
}

LOOP_TEST(every_name_comes_back_out_of_its_uri, 0, 5)
{
	static const char *const templates[] = {
	        SOGO_TEMPLATE, UTF7_TEMPLATE, "sogo://{user}:*@mail/{folder}/{message}.eml",
	        "imap://{user}@mail/{folder};UID={message}",
	        "x://h/{user}/{folder:sogo}/m-{message}/{folder:sogo}"};
	const char *template = templates[_i];

	for (int i = 0; i < 2000; i++) {
		char user[200], folder[800], level[200], message[200];
		char *uri, *again;

		random_name(user, sizeof(user));
		random_name(message, sizeof(message));
		random_name(folder, sizeof(level));
		for (unsigned n = random_below(3); n > 0; n--) {
			random_name(level, sizeof(level));
			strcat(strcat(folder, "/"), level);
		}
		uri = ocs_uri_format(NULL, template, user, folder, message);
		reads(template, uri, user, folder, message);
		again = ocs_uri_normalise(uri, uri);
		if (_i != 3)
			reads(template, again, user, folder, message);
		talloc_free(uri);
		if (_i == 3) /* `;UID=` parts what is then no `/` nor unreserved */
			continue;
		uri = ocs_uri_format(NULL, template, user, folder, NULL);
		reads(template, uri, user, folder, NULL);
		talloc_free(uri);
	}
}

TEST(the_longest_names_come_back)
{
	static const char *const fill[] = {"&", "\x7f", "a\x7f", "_"};
	char name[OCS_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		char *uri;

		name[0] = '\0';
		while (strlen(name) + strlen(fill[i]) <= OCS_NAME_MAX)
			strcat(name, fill[i]);
		uri = ocs_uri_format(NULL, SOGO_TEMPLATE, name, name, name);
		reads(SOGO_TEMPLATE, uri, name, name, name);
		talloc_free(uri);
	}
}

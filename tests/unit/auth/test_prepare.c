/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One preparation of passwords for every scheme and every mechanism. */
#include "auth/prepare.h"
#include "tests/unit/auth/auth_rig.h"

#include <crypt.h>

#define COMPOSED   "caf\xc3\xa9"          /* one character */
#define DECOMPOSED "cafe\xcc\x81"         /* the same as two */
#define SPACES     "a\xc2\xa0 b\xc2\xadz" /* a no-break space, a soft hyphen */
#define PREPARED   "a  bz"
#define EMOJI      "pw\xf0\x9f\x98\x80"
#define FORBIDDEN  "bell\x07"  /* a control character */
#define LATIN1     "caf\xe9"   /* no UTF-8 */
#define BIDI       "\xd7\x90z" /* right to left, then left to right */
#define NOTHING    "\xc2\xad"  /* all of it is taken out */

TESTS_HAVE(.setup = auth_setup, .teardown = auth_teardown);

TEST(what_it_makes_of_a_password)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	        {"test", "test"},       {COMPOSED, COMPOSED}, {DECOMPOSED, COMPOSED},
	        {SPACES, PREPARED},     {EMOJI, EMOJI},       {FORBIDDEN, NULL},
	        {LATIN1, NULL},         {BIDI, NULL},         {NOTHING, NULL},
	        {"\xef\xac\x81", "fi"},
	};
	char out[OCS_HASH_PASSWORD_MAX + 1];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ocs_error error = {.text = ""};
		int rc = ocs_password_prepare(rows[i].in, out, &error);

		ck_assert_msg(rc == (rows[i].out ? 0 : -1), "row %zu: %s", i, error.text);
		if (rc == 0)
			ck_assert_str_eq(out, rows[i].out);
		else
			ck_assert_ptr_nonnull(strstr(error.text, "SASLprep"));
	}
}

TEST(what_grows_past_the_limit_is_refused)
{
	char big[OCS_HASH_PASSWORD_MAX + 1] = "", out[OCS_HASH_PASSWORD_MAX + 1];
	struct ocs_error error;

	/* three bytes that become 33 */
	for (int i = 0; i < 100; i++)
		strcat(big, "\xef\xb7\xba");
	ck_assert_int_eq(ocs_password_prepare(big, out, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "longer than 512"));
}

static void serve(const char *hash)
{
	char line[700];

	snprintf(line, sizeof(line), "u:%s\n", hash);
	auth_write_accounts(line);
	auth_settings.backend = "file";
	auth_settings.file = auth_account_file;
	auth_settings.failed_logins = 100;
	auth_open();
}

TEST(an_account_of_ours_is_served_however_the_password_is_composed)
{
	static const char *const schemes[] = {"SCRAM-SHA-256", "SSHA", "CRYPT"};
	static const char *const made[] = {COMPOSED, DECOMPOSED};
	char hash[OCS_AUTH_HASH_SIZE];

	for (int scheme = 0; scheme < 3; scheme++) {
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(ocs_auth_make_hash(schemes[scheme], made[i], hash, NULL),
			                 0);
			serve(hash);
			for (int j = 0; j < 2; j++) {
				ck_assert_int_eq(auth_plain(NULL, "u", made[j]), OCS_AUTH_OK);
				if (scheme == 0)
					ck_assert_int_eq(auth_scram("u", made[j]), OCS_AUTH_OK);
			}
			/* an old client does not prepare: it sends what is most common */
			if (scheme == 1)
				ck_assert_int_eq(auth_ssha(NULL, "u", COMPOSED), OCS_AUTH_OK);
			ck_assert_int_eq(auth_plain(NULL, "u", "cafe"),
			                 OCS_AUTH_INVALID_CREDENTIALS);
			ocs_auth_close(auth);
			auth = NULL;
		}
	}
}

TEST(a_password_nobody_could_log_in_with_is_not_hashed)
{
	static const char *const schemes[] = {"SCRAM-SHA-256", "SSHA", "CRYPT"};
	static const char *const bad[] = {FORBIDDEN, LATIN1, BIDI, NOTHING};
	char hash[OCS_AUTH_HASH_SIZE];
	struct ocs_error error;

	for (int scheme = 0; scheme < 3; scheme++)
		for (int i = 0; i < 4; i++) {
			ck_assert_int_eq(ocs_auth_make_hash(schemes[scheme], bad[i], hash, &error),
			                 -1);
			ck_assert_ptr_nonnull(strstr(error.text, "SASLprep"));
			ck_assert_ptr_null(strstr(error.text, bad[i]));
		}
}

TEST(a_hash_made_elsewhere_of_any_bytes_is_served_by_plain)
{
	static const char *const raw[] = {DECOMPOSED, SPACES, FORBIDDEN, LATIN1, BIDI, NOTHING};

	for (int i = 0; i < 6; i++) {
		serve(crypt(raw[i], "$6$rounds=1000$abcdefgh"));
		ck_assert_int_eq(auth_plain(NULL, "u", raw[i]), OCS_AUTH_OK);
		ck_assert_int_eq(auth_plain(NULL, "u", "x"), OCS_AUTH_INVALID_CREDENTIALS);
		ocs_auth_close(auth);
		auth = NULL;
	}
	/* its password in another composition is another password: nobody can know better */
	serve(crypt(DECOMPOSED, "$6$rounds=1000$abcdefgh"));
	ck_assert_int_eq(auth_plain(NULL, "u", COMPOSED), OCS_AUTH_INVALID_CREDENTIALS);
}

TEST(a_plain_password_of_the_ini_serves_all_and_old_clients_as_it_stands)
{
	static const char *const both[] = {COMPOSED, DECOMPOSED};

	for (int i = 0; i < 2; i++) {
		auth_settings.password = both[i];
		auth_settings.failed_logins = 100;
		auth_open();
		for (int j = 0; j < 2; j++) {
			ck_assert_int_eq(auth_plain(NULL, "openchange", both[j]), OCS_AUTH_OK);
			ck_assert_int_eq(auth_scram("openchange", both[j]), OCS_AUTH_OK);
		}
		ck_assert_int_eq(auth_ssha(NULL, "openchange", COMPOSED), OCS_AUTH_OK);
		ck_assert_int_eq(auth_ssha(NULL, "openchange", both[i]), OCS_AUTH_OK);
		ck_assert_int_eq(auth_ssha(NULL, "openchange", "cafe"),
		                 OCS_AUTH_INVALID_CREDENTIALS);
		ocs_auth_close(auth);
		auth = NULL;
	}
	auth_settings.password = BIDI;
	auth_open();
	ck_assert_int_eq(auth_plain(NULL, "openchange", BIDI), OCS_AUTH_OK);
	ck_assert_int_eq(auth_ssha(NULL, "openchange", BIDI), OCS_AUTH_OK);
}

TEST(the_parts_of_a_plain_message)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum ocs_auth_result result;
	} rows[] = {
	        {"\0openchange\0test", 16, OCS_AUTH_OK},
	        {"openchange\0openchange\0test", 26, OCS_AUTH_OK},
	        {"other\0openchange\0test", 21, OCS_AUTH_INVALID_PARAMETER},
	        {"\0openchange\0test\0", 17, OCS_AUTH_INVALID_PARAMETER},
	        {"\0openchange\0", 12, OCS_AUTH_INVALID_CREDENTIALS},
	        {"\0openchange", 11, OCS_AUTH_INVALID_PARAMETER},
	        {"\0\0test", 6, OCS_AUTH_INVALID_PARAMETER},
	        {"\0", 1, OCS_AUTH_INVALID_PARAMETER},
	        {"\0\0", 2, OCS_AUTH_INVALID_PARAMETER},
	        {"x", 1, OCS_AUTH_INVALID_PARAMETER},
	};
	char text[200];

	auth_open();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ocs_auth_b64_encode(text, rows[i].bytes, rows[i].len);
		ck_assert_msg(ocs_auth_plain(auth, NULL, true, text, &auth_reply) == rows[i].result,
		              "row %zu: %s", i, auth_reply.text);
	}
}

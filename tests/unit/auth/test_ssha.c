/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Base64 in both alphabets, {SSHA}, and the worked example of the legacy login. */
#include <stdlib.h>
#include <string.h>

#include "auth/codec.h"
#include "auth/hash.h"
#include "auth/ssha.h"
#include "tests/unit/unit.h"

static const uint8_t salt[4] = {1, 2, 3, 4};

static void token_salt(uint8_t bytes[20])
{
	for (int i = 0; i < 20; i++)
		bytes[i] = (uint8_t)(0xa0 + i);
}

TEST(the_worked_example_gives_its_login_token)
{
	uint8_t t[20], answer[20];
	struct ocs_ssha ssha;
	char text[OCS_SSHA_TEXT], hex[41], b64[32];

	token_salt(t);
	ocs_ssha_make("test", salt, sizeof(salt), &ssha);
	ocs_auth_hex_encode(hex, ssha.digest, 20);
	ck_assert_str_eq(hex, "579bc0f3f39e3dfe8a15d95c0e554d49aabe1bdd");
	ocs_ssha_text(&ssha, text);
	ck_assert_str_eq(text, "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME");
	ocs_ssha_answer("openchange", &ssha, t, sizeof(t), answer);
	ocs_auth_hex_encode(hex, answer, 20);
	ck_assert_str_eq(hex, "105b5227e60ddeb60ed43be3d3879d1a4f900b8b");
	ocs_auth_b64_encode(b64, t, 20);
	ck_assert_str_eq(b64, "oKGio6SlpqeoqaqrrK2ur7CxsrM=");
	ocs_auth_b64_encode(b64, salt, 4);
	ck_assert_str_eq(b64, "AQIDBA==");
}

TEST(a_stored_hash_in_either_alphabet_is_the_same_hash)
{
	struct ocs_ssha a, b, c;
	char text[OCS_SSHA_TEXT];

	ck_assert_int_eq(ocs_ssha_parse("V5vA8_OePf6KFdlcDlVNSaq-G90BAgME", &a), 0);
	ck_assert_int_eq(ocs_ssha_parse("V5vA8/OePf6KFdlcDlVNSaq+G90BAgME", &b), 0);
	ck_assert(ocs_ssha_matches(&a, "test") && ocs_ssha_matches(&b, "test"));
	ck_assert(!ocs_ssha_matches(&a, "tesu"));
	ocs_ssha_text(&b, text);
	ck_assert_str_eq(text, "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME");
	ck_assert_int_eq(ocs_ssha_parse("I6Hy5Wv0wuxyXvMBFWFQDVVN12_CLaX9", &c), 0);
	ck_assert_uint_eq(c.salt_len, 4);
	ck_assert_mem_eq(c.salt, "\xc2\x2d\xa5\xfd", 4);
}

TEST(a_hash_without_salt_or_with_too_much_is_refused)
{
	struct ocs_ssha ssha;
	uint8_t bytes[20 + 65] = {0};
	char text[200];

	ocs_auth_b64_encode(text, bytes, 20);
	ck_assert_int_eq(ocs_ssha_parse(text, &ssha), -1);
	ocs_auth_b64_encode(text, bytes, 21);
	ck_assert_int_eq(ocs_ssha_parse(text, &ssha), 0);
	ocs_auth_b64_encode(text, bytes, 84);
	ck_assert_int_eq(ocs_ssha_parse(text, &ssha), 0);
	ocs_auth_b64_encode(text, bytes, 85);
	ck_assert_int_eq(ocs_ssha_parse(text, &ssha), -1);
	ck_assert_int_eq(ocs_ssha_parse("not base64!", &ssha), -1);
}

static int decodes(const char *text)
{
	uint8_t bytes[64];
	size_t len;

	return ocs_auth_b64_decode(text, strlen(text), bytes, sizeof(bytes), &len) == 0 ? (int)len
	                                                                                : -1;
}

TEST(base64_is_read_with_or_without_padding_and_nothing_else)
{
	ck_assert_int_eq(decodes(""), 0);
	ck_assert_int_eq(decodes("AQIDBA=="), 4);
	ck_assert_int_eq(decodes("AQIDBA"), 4);
	ck_assert_int_eq(decodes("AQIDBA="), -1);
	ck_assert_int_eq(decodes("AQIDBAU="), 5);
	ck_assert_int_eq(decodes("AQIDBAU"), 5);
	ck_assert_int_eq(decodes("-_+/"), 3);
	ck_assert_int_eq(decodes("AQIDB"), -1);    /* six bits are no byte */
	ck_assert_int_eq(decodes("AQIDBB=="), -1); /* stray bits */
	ck_assert_int_eq(decodes("AQ ID"), -1);
	ck_assert_int_eq(decodes("AQ==AQ=="), -1);
	ck_assert_int_eq(decodes("===="), -1);
	uint8_t two[2];
	size_t len;
	ck_assert_int_eq(ocs_auth_b64_decode("AQID", 4, two, 2, &len), -1);
}

TEST(base64_survives_every_length)
{
	uint8_t bytes[40], back[40];
	char text[64];
	size_t len;

	for (size_t n = 0; n <= sizeof(bytes); n++) {
		ck_assert_int_eq(ocs_auth_random(bytes, sizeof(bytes)), 0);
		ocs_auth_b64_encode(text, bytes, n);
		ck_assert_uint_eq(strlen(text) % 4, 0);
		ck_assert_int_eq(ocs_auth_b64_decode(text, strlen(text), back, sizeof(back), &len),
		                 0);
		ck_assert(len == n && memcmp(bytes, back, n) == 0);
		ocs_auth_b64_encode_bare(text, bytes, n);
		ck_assert_ptr_null(strchr(text, '='));
		ck_assert_int_eq(ocs_auth_b64_decode(text, strlen(text), back, sizeof(back), &len),
		                 0);
		ck_assert(len == n && memcmp(bytes, back, n) == 0);
	}
}

TEST(hex_takes_both_cases_and_the_exact_length)
{
	uint8_t b[2];

	ck_assert_int_eq(ocs_auth_hex_decode("a0Ff", b, 2), 0);
	ck_assert(b[0] == 0xa0 && b[1] == 0xff);
	ck_assert_int_eq(ocs_auth_hex_decode("a0f", b, 2), -1);
	ck_assert_int_eq(ocs_auth_hex_decode("a0ff0", b, 2), -1);
	ck_assert_int_eq(ocs_auth_hex_decode("a0fg", b, 2), -1);
}

TEST(every_scheme_makes_hashes_that_match_their_password_only)
{
	static const char *const schemes[] = {"SSHA", "{ssha}", "SCRAM-SHA-256", "CRYPT", NULL};
	static const enum ocs_hash_kind kinds[] = {OCS_HASH_SSHA, OCS_HASH_SSHA, OCS_HASH_SCRAM,
	                                           OCS_HASH_CRYPT, OCS_HASH_CRYPT};

	for (size_t i = 0; i < 5; i++) {
		char text[OCS_AUTH_HASH_SIZE], other[OCS_AUTH_HASH_SIZE];
		struct ocs_hash hash;
		struct ocs_error error;

		ck_assert_int_eq(ocs_auth_make_hash(schemes[i], "pa:ss w\xc3\xb6rd", text, &error),
		                 0);
		ck_assert_int_eq(ocs_auth_make_hash(schemes[i], "pa:ss w\xc3\xb6rd", other, &error),
		                 0);
		ck_assert_str_ne(text, other);
		ck_assert_msg(ocs_hash_parse(text, false, &hash, &error) == 0, "%s", error.text);
		ck_assert_int_eq(hash.kind, kinds[i]);
		ck_assert(ocs_hash_matches(&hash, "pa:ss w\xc3\xb6rd"));
		ck_assert(!ocs_hash_matches(&hash, "pa:ss w\xc3\xb6re"));
		ck_assert(!ocs_hash_matches(&hash, ""));
	}
}

TEST(unknown_schemes_and_empty_passwords_are_refused)
{
	char text[OCS_AUTH_HASH_SIZE], big[600];
	struct ocs_error error;
	struct ocs_hash hash;

	ck_assert_int_eq(ocs_auth_make_hash("MD5", "x", text, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "MD5"));
	ck_assert_int_eq(ocs_auth_make_hash(NULL, "", text, &error), -1);
	memset(big, 'x', sizeof(big));
	big[599] = '\0';
	ck_assert_int_eq(ocs_auth_make_hash(NULL, big, text, &error), -1);
	ck_assert_int_eq(ocs_hash_parse("{MD5}abc", true, &hash, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "{MD5}"));
	ck_assert_int_eq(ocs_hash_parse("secret", false, &hash, &error), -1);
	ck_assert_ptr_null(strstr(error.text, "secret"));
	ck_assert_int_eq(ocs_hash_parse("secret", true, &hash, &error), 0);
	ck_assert_int_eq(hash.kind, OCS_HASH_PLAIN);
	ck_assert(ocs_hash_matches(&hash, "secret") && !ocs_hash_matches(&hash, "secre"));
	ck_assert_int_eq(ocs_hash_parse("$y$j9T$short", false, &hash, &error), -1);
	ck_assert_int_eq(ocs_hash_parse("{SCRAM-SHA-256}4096,AAAA,AAAA,AAAA", false, &hash, &error),
	                 -1);
	ck_assert_int_eq(ocs_hash_parse("{SSHA}AAAA", true, &hash, &error), -1);
}

TEST(hashes_of_one_method_and_cost_are_one_kind)
{
	static const char *const text[] = {
	        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
	        "$y$j9T$AAAx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ8",
	        "$y$jCT$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
	        "$2b$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
	        "$2b$05$bbcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
	        "$2b$06$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
	};
	struct ocs_hash h[6];
	struct ocs_error error;

	for (int i = 0; i < 6; i++)
		ck_assert_msg(ocs_hash_parse(text[i], false, &h[i], &error) == 0, "%d %s", i,
		              error.text);
	ck_assert(ocs_hash_same_cost(&h[0], &h[1]) && !ocs_hash_same_cost(&h[0], &h[2]));
	ck_assert(ocs_hash_same_cost(&h[3], &h[4]) && !ocs_hash_same_cost(&h[3], &h[5]));
	ck_assert(!ocs_hash_same_cost(&h[0], &h[3]));
}

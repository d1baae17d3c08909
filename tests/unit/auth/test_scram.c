/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* SCRAM-SHA-256: the example of RFC 7677, a libgsasl client, unknown accounts, spent challenges. */
#include <gsasl.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>

#include "tests/unit/auth/auth_rig.h"

/* RFC 7677, section 3: user, pencil, salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations. */
static void rfc_keys(struct ocs_scram_keys *keys)
{
	*keys = (struct ocs_scram_keys){.iterations = 4096};
	ck_assert_int_eq(ocs_auth_b64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, keys->salt,
	                                     sizeof(keys->salt), &keys->salt_len),
	                 0);
	ck_assert_int_eq(ocs_scram_keys_derive(keys, "pencil"), 0);
}

TESTS_HAVE(.setup = auth_setup, .teardown = auth_teardown);

TEST(the_example_of_rfc_7677_verifies_with_our_keys)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	                              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	                              "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	                              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct ocs_scram_keys keys;
	struct hmac_sha256_ctx hmac;
	struct sha256_ctx sha;
	uint8_t mac[32], proof[32], stored[32];
	char text[48];
	size_t len;

	rfc_keys(&keys);
	hmac_sha256_set_key(&hmac, 32, keys.server_key);
	hmac_sha256_update(&hmac, strlen(message), (const uint8_t *)message);
	hmac_sha256_digest(&hmac, 32, mac);
	ocs_auth_b64_encode_standard(text, mac, 32);
	ck_assert_str_eq(text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

	hmac_sha256_set_key(&hmac, 32, keys.stored_key);
	hmac_sha256_update(&hmac, strlen(message), (const uint8_t *)message);
	hmac_sha256_digest(&hmac, 32, mac);
	ck_assert_int_eq(ocs_auth_b64_decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44,
	                                     proof, 32, &len),
	                 0);
	for (int i = 0; i < 32; i++)
		proof[i] ^= mac[i];
	sha256_init(&sha);
	sha256_update(&sha, 32, proof);
	sha256_digest(&sha, 32, stored);
	ck_assert_mem_eq(stored, keys.stored_key, 32);
}

TEST(a_libgsasl_client_logs_in_with_the_stored_keys_of_rfc_7677)
{
	struct ocs_scram_keys keys;
	char line[400], text[256];

	rfc_keys(&keys);
	ocs_scram_keys_text(&keys, text, sizeof(text));
	snprintf(line, sizeof(line), "user:{SCRAM-SHA-256}%s\n", text);
	auth_write_accounts(line);
	auth_settings.backend = "file";
	auth_settings.file = auth_account_file;
	auth_open();
	ck_assert_int_eq(auth_scram("user", "pencil"), OCS_AUTH_OK);
	ck_assert_uint_eq(auth_reply.ttl, 3600);
	ck_assert_int_eq(auth_check(auth_reply.token), OCS_AUTH_OK);
	ck_assert_int_eq(auth_scram("user", "pencils"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_plain(NULL, "user", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain(NULL, "user", "pencils"), OCS_AUTH_INVALID_CREDENTIALS);
	/* the hash cannot serve SSHA: like a wrong password */
	ck_assert_int_eq(auth_ssha(NULL, "user", "pencil"), OCS_AUTH_INVALID_CREDENTIALS);
}

static void server_first(const char *name, char salt[128], char iterations[32])
{
	char first[256], b64[400];
	uint8_t bytes[1024];
	size_t len;

	snprintf(first, sizeof(first), "n,,n=%s,r=abcdefghijkl", name);
	ocs_auth_b64_encode(b64, first, strlen(first));
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", b64, &auth_reply),
	                 OCS_AUTH_OK);
	ck_assert_uint_eq(auth_reply.ttl, 60);
	ck_assert_int_eq(
	        ocs_auth_b64_decode(auth_reply.sasl, strlen(auth_reply.sasl), bytes, 1023, &len),
	        0);
	bytes[len] = '\0';
	ck_assert_int_eq(
	        sscanf((char *)bytes, "r=abcdefghijkl%*[^,],s=%127[^,],i=%31s", salt, iterations),
	        2);
}

TEST(scram_asks_an_unknown_account_the_same_each_time_and_like_a_known_one)
{
	char known[128], a[128], b[128], i1[32], i2[32], line[700], hash[OCS_AUTH_HASH_SIZE];

	ck_assert_int_eq(ocs_auth_make_hash("SCRAM-SHA-256", "pw", hash, NULL), 0);
	snprintf(line, sizeof(line), "user:%s\n", hash);
	auth_write_accounts(line);
	auth_settings.backend = "file";
	auth_settings.file = auth_account_file;
	auth_open();
	server_first("user", known, i1);
	server_first("ghost", a, i2);
	ck_assert_str_eq(i1, i2);
	ck_assert_uint_eq(strlen(a), strlen(known));
	auth_reopen();
	server_first("ghost", b, i2);
	ck_assert_str_eq(a, b);
	server_first("ghast", b, i2);
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(auth_scram("ghost", "pw"), OCS_AUTH_INVALID_CREDENTIALS);
}

TEST(scram_refuses_to_act_for_another_and_channel_binding)
{
	static const char *const bad[] = {"n,a=root,n=openchange,r=abc",
	                                  "p=tls-unique,,n=openchange,r=abc", "n,,n=,r=abc",
	                                  "n,,n=a b,r=abc", "n,,n=openchange"};

	auth_settings.password = "pencil";
	auth_open();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char b64[100];

		ocs_auth_b64_encode(b64, bad[i], strlen(bad[i]));
		ck_assert_msg(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", b64,
		                                   &auth_reply) == OCS_AUTH_INVALID_PARAMETER,
		              "%s", bad[i]);
		ck_assert_str_eq(auth_reply.cookie_session, "");
	}
}

TEST(a_scram_challenge_is_spent_and_not_answered_by_the_other_mechanism)
{
	char text[1400], hex[41];

	auth_settings.password = "pencil";
	auth_open();
	auth_client_begin("openchange", "pencil", text);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", text, &auth_reply),
	                 OCS_AUTH_OK);
	ck_assert_int_eq(auth_client_step(auth_reply.sasl, text), GSASL_NEEDS_MORE);
	struct ocs_auth_cookies *c = auth_cookies();
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, NULL, c, "AAAA", &auth_reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, NULL, c, text, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	auth_client_end();

	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	auth_legacy_answer("openchange", "pencil", hex);
	c = auth_cookies();
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, NULL, c, "AAAA", &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
}

TEST(the_account_changed_between_the_two_steps_of_scram)
{
	char text[1400];

	auth_settings.password = "pencil";
	auth_open();
	auth_client_begin("openchange", "pencil", text);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", text, &auth_reply),
	                 OCS_AUTH_OK);
	ck_assert_int_eq(auth_client_step(auth_reply.sasl, text), GSASL_NEEDS_MORE);
	auth_settings.password = "feather";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(ocs_auth_scram_login(auth, NULL, NULL, auth_cookies(), text, &auth_reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(auth_reply.sasl, "");
	auth_client_end();
}

static const struct ocs_auth_binding here = {
        .exporter = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", .unique = "aGVyZQ=="};
static const struct ocs_auth_binding there = {
        .exporter = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=", .unique = "dGhlcmU="};

/* A client whose line is that one, while what we see of it in the two steps is these. */
static enum ocs_auth_result scram_plus(Gsasl_property kind, const char *binding,
                                       const struct ocs_auth_binding *first,
                                       const struct ocs_auth_binding *second)
{
	enum ocs_auth_result result;
	Gsasl_session *client;
	char text[1400], *out;
	uint8_t bytes[1500];
	Gsasl *context;
	size_t len;

	ck_assert_int_eq(gsasl_init(&context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(context, "SCRAM-SHA-256-PLUS", &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, "openchange");
	gsasl_property_set(client, GSASL_PASSWORD, "pencil");
	gsasl_property_set(client, kind, binding);
	ck_assert_int_eq(gsasl_step(client, NULL, 0, &out, &len), GSASL_NEEDS_MORE);
	ocs_auth_b64_encode(text, out, len);
	gsasl_free(out);
	result = ocs_auth_scram_start(auth, NULL, first, "SCRAM-SHA-256-PLUS", text, &auth_reply);
	if (result == OCS_AUTH_OK) {
		ck_assert_int_eq(ocs_auth_b64_decode(auth_reply.sasl, strlen(auth_reply.sasl),
		                                     bytes, sizeof(bytes), &len),
		                 0);
		ck_assert_int_eq(gsasl_step(client, (char *)bytes, len, &out, &len),
		                 GSASL_NEEDS_MORE);
		ocs_auth_b64_encode(text, out, len);
		gsasl_free(out);
		result =
		        ocs_auth_scram_login(auth, NULL, second, auth_cookies(), text, &auth_reply);
	}
	gsasl_finish(client);
	gsasl_done(context);
	return result;
}

TEST(plus_is_bound_to_the_line_that_both_sides_see)
{
	const struct ocs_auth_binding only_exporter = {.exporter = "AAAA", .unique = ""};
	const char *exporter = here.exporter, *unique = here.unique;

	auth_settings.password = "pencil";
	auth_open();
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_EXPORTER, exporter, &here, &here), OCS_AUTH_OK);
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_UNIQUE, unique, &here, &here), OCS_AUTH_OK);
	/* somebody is in between */
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_EXPORTER, exporter, &there, &there),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_UNIQUE, unique, &there, &there),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	/* the second step comes by another line, or an open one */
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_EXPORTER, exporter, &here, &there),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_EXPORTER, exporter, &here, NULL),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	/* the line has none, or none of that kind */
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_EXPORTER, exporter, NULL, NULL),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(scram_plus(GSASL_CB_TLS_UNIQUE, unique, &only_exporter, &only_exporter),
	                 OCS_AUTH_INVALID_PARAMETER);
}

TEST(a_client_that_is_told_that_we_cannot_bind_learns_of_it)
{
	static const char could[] = "y,,n=openchange,r=abc", cannot[] = "n,,n=openchange,r=abc";
	const char *names[OCS_AUTH_MECHANISMS];
	char text[100];

	auth_settings.password = "pencil";
	auth_open();
	ck_assert_uint_eq(ocs_auth_mechanisms(auth, &here, names), 4);
	ck_assert_str_eq(names[0], "SCRAM-SHA-256-PLUS");
	ocs_auth_b64_encode(text, could, strlen(could));
	ck_assert_int_eq(
	        ocs_auth_scram_start(auth, NULL, &here, "SCRAM-SHA-256", text, &auth_reply),
	        OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", text, &auth_reply),
	                 OCS_AUTH_OK);
	ocs_auth_b64_encode(text, cannot, strlen(cannot));
	ck_assert_int_eq(
	        ocs_auth_scram_start(auth, NULL, &here, "SCRAM-SHA-256", text, &auth_reply),
	        OCS_AUTH_OK);
}

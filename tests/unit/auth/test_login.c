/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The logins as the HTTP service drives them: SSHA, PLAIN, tokens, reloads, limits. */
#include "tests/unit/auth/auth_rig.h"

#include "base/peer.h"

TESTS_HAVE(.setup = auth_setup, .teardown = auth_teardown);

TEST(a_legacy_client_logs_in_and_its_token_is_good)
{
	char hex[41], account[OCS_AUTH_NAME_SIZE];

	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	ck_assert_str_eq(auth_reply.salt, "AQIDBA==");
	ck_assert_uint_eq(strlen(auth_reply.token_salt), 28);
	ck_assert_uint_eq(auth_reply.ttl, 60);
	ck_assert_uint_eq(strlen(auth_reply.cookie_token), 28);
	ck_assert_uint_eq(strlen(auth_reply.cookie_session), 32);
	auth_legacy_answer("openchange", "test", hex);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, auth_cookies(), hex, &auth_reply),
	                 OCS_AUTH_OK);
	ck_assert_uint_eq(auth_reply.ttl, 3600);
	ck_assert_str_eq(auth_reply.account, "openchange");
	ck_assert_int_eq(ocs_auth_check_token(auth, auth_reply.token, NULL, account), OCS_AUTH_OK);
	ck_assert_str_eq(account, "openchange");
	ck_assert_str_eq(auth_reported, "");
}

TEST(a_plain_password_in_the_ini_works_with_a_warning_and_every_mechanism)
{
	char salt[OCS_AUTH_SALT_SIZE];

	auth_settings.password = "pencil";
	auth_settings.config_file = "/nonexistent/ocsmanager.ini";
	auth_settings.password_line = 17;
	auth_open();
	ck_assert_ptr_nonnull(strstr(auth_reported, "ocsmanager.ini:17: [auth:single]"));
	ck_assert_ptr_nonnull(strstr(auth_reported, "plain text"));
	ck_assert_ptr_null(strstr(auth_reported, "pencil"));
	ck_assert_ptr_eq(strchr(auth_reported, '\n') + 1, auth_reported + strlen(auth_reported));
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_scram("openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_scram("openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_plain(NULL, "openchange", "pencil"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain(NULL, "openchange", "pencol"), OCS_AUTH_INVALID_CREDENTIALS);
	/* the made-up salt has 4 bytes and stays over a restart */
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	strcpy(salt, auth_reply.salt);
	ck_assert_uint_eq(strlen(salt), 8);
	auth_reopen();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	ck_assert_str_eq(auth_reply.salt, salt);
}

TEST(an_unknown_account_looks_like_a_known_one_and_fails_the_same)
{
	char salt[OCS_AUTH_SALT_SIZE], text[160];

	auth_settings.password =
	        "{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAABAgMEBQYHCA=="; /* 8 bytes of salt */
	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "nobody", &auth_reply), OCS_AUTH_OK);
	strcpy(salt, auth_reply.salt);
	ck_assert_uint_eq(strlen(salt), 12);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "somebody", &auth_reply), OCS_AUTH_OK);
	ck_assert_str_ne(auth_reply.salt, salt);
	auth_reopen();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "nobody", &auth_reply), OCS_AUTH_OK);
	ck_assert_str_eq(auth_reply.salt, salt);

	ck_assert_int_eq(auth_ssha(NULL, "nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	strcpy(text, auth_reply.text);
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(auth_reply.text, text);
	ck_assert_int_eq(auth_scram("nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(auth_reply.text, text);
	ck_assert_int_eq(auth_plain(NULL, "nobody", "x"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(auth_reply.text, text);
}

TEST(a_challenge_is_spent_by_its_first_answer)
{
	char hex[41], wrong[41];

	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	auth_legacy_answer("openchange", "test", hex);
	memset(wrong, '0', 40);
	wrong[40] = '\0';
	struct ocs_auth_cookies *c = auth_cookies();
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, wrong, &auth_reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_str_eq(auth_reply.token, "");
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);

	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	auth_legacy_answer("openchange", "test", hex);
	c = auth_cookies();
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &auth_reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
}

TEST(a_challenge_ends_with_its_ttl_to_the_millisecond)
{
	char hex[41];

	auth_settings.challenge_ttl = 1;
	auth_open();
	for (int late = 0; late <= 1; late++) {
		ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply),
		                 OCS_AUTH_OK);
		ck_assert_uint_eq(auth_reply.ttl, 1);
		auth_legacy_answer("openchange", "test", hex);
		auth_clock_ms += 999 + late;
		ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, auth_cookies(), hex, &auth_reply),
		                 late ? OCS_AUTH_INVALID_SESSION : OCS_AUTH_OK);
	}
}

TEST(both_cookies_are_needed_and_must_belong_together)
{
	char hex[41];
	struct ocs_auth_cookies c, a, b;
	char s1[40], t1[40];

	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	strcpy(s1, auth_reply.cookie_session);
	strcpy(t1, auth_reply.cookie_token);
	a = (struct ocs_auth_cookies){s1, t1};
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	auth_legacy_answer("openchange", "test", hex);
	b = *auth_cookies();
	c = (struct ocs_auth_cookies){b.session, NULL};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	c = (struct ocs_auth_cookies){NULL, b.token};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	c = (struct ocs_auth_cookies){b.session, a.token};
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &c, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, NULL, hex, &auth_reply),
	                 OCS_AUTH_INVALID_SESSION);
	/* none of that was an answer */
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, &b, hex, &auth_reply), OCS_AUTH_OK);
}

TEST(missing_and_malformed_parameters_are_named)
{
	static const char *const bad[] = {"a b", "a\n", "ä", "a/b", "a:b"};
	char name[130];

	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, NULL, &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "", &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, bad[i], &auth_reply),
		                 OCS_AUTH_INVALID_PARAMETER);
	memset(name, 'x', 129);
	name[129] = '\0';
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, name, &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	name[128] = '\0';
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, name, &auth_reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, auth_cookies(), NULL, &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, NULL, "biws", &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-1", "biws", &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(
	        ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", "biws", &auth_reply),
	        OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(
	        ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", "%%%", &auth_reply),
	        OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, NULL, &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, "AAAA", &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, "YWJj", &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
}

TEST(huge_input_is_refused_not_kept)
{
	static char big[65536];

	memset(big, 'A', sizeof(big) - 1);
	auth_open();
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, big, &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", big, &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, true, big, &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	ck_assert_int_eq(auth_check(big), OCS_AUTH_TOKEN_INVALID);
	ck_assert_int_eq(ocs_auth_ssha_start(auth, NULL, "openchange", &auth_reply), OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_ssha_login(auth, NULL, auth_cookies(), big, &auth_reply),
	                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_plain(NULL, "openchange", ""), OCS_AUTH_INVALID_CREDENTIALS);
}

TEST(plain_needs_a_private_line_before_it_is_looked_at)
{
	auth_open();
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, false, "%%%", &auth_reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_int_eq(ocs_auth_plain(auth, NULL, false, NULL, &auth_reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_str_eq(auth_reply.account, "");
	ck_assert(ocs_peer_is_loopback(NULL));
	ck_assert(ocs_peer_is_loopback(auth_from("127.9.9.9")));
	ck_assert(ocs_peer_is_loopback(auth_from("::1")));
	ck_assert(ocs_peer_is_loopback(auth_from("::ffff:127.0.0.1")));
	ck_assert(!ocs_peer_is_loopback(auth_from("192.0.2.1")));
	ck_assert(!ocs_peer_is_loopback(auth_from("2001:db8::1")));
}

TEST(mechanisms_can_be_switched_off)
{
	const char *names[OCS_AUTH_MECHANISMS];

	auth_open();
	ck_assert_uint_eq(ocs_auth_mechanisms(auth, NULL, names), 3);
	ck_assert_str_eq(names[0], "SCRAM-SHA-256");
	ck_assert_str_eq(names[1], "SSHA");
	ck_assert_str_eq(names[2], "PLAIN");
	auth_settings.mechanisms = "SCRAM-SHA-256";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_uint_eq(ocs_auth_mechanisms(auth, NULL, names), 1);
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_int_eq(auth_plain(NULL, "openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	auth_settings.mechanisms = "plain ,ssha";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_scram("openchange", "test"), OCS_AUTH_ACCESS_FORBIDDEN);
	struct ocs_error error;
	auth_settings.mechanisms = "SSHA, NTLM";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "NTLM"));
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
}

TEST(crypt_hashes_serve_plain_only)
{
	char hash[OCS_AUTH_HASH_SIZE], line[700];

	ck_assert_int_eq(ocs_auth_make_hash("CRYPT", "geheim", hash, NULL), 0);
	ck_assert(strncmp(hash, "$y$", 3) == 0);
	snprintf(line, sizeof(line),
	         "yes:%s\nsix:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI"
	         "FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1\nold:{SSHA}V5vA8_OePf6KFdlcDlVNSaq-"
	         "G90BAgME\n",
	         hash);
	auth_write_accounts(line);
	auth_settings.backend = "file";
	auth_settings.file = auth_account_file;
	auth_settings.failed_logins = 100;
	auth_open();
	ck_assert_int_eq(auth_plain(NULL, "yes", "geheim"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain(NULL, "yes", "geheime"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_plain(NULL, "six", "Hello world!"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain(NULL, "six", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_plain(NULL, "old", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain(NULL, "nobody", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_ssha(NULL, "yes", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(auth_scram("yes", "geheim"), OCS_AUTH_INVALID_CREDENTIALS);
}

static double cpu_ms(const char *name)
{
	struct timespec a, b;
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		ck_assert_int_eq(auth_plain(NULL, name, "wrong"), OCS_AUTH_INVALID_CREDENTIALS);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		double ms =
		        (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		if (ms < best)
			best = ms;
	}
	return best;
}

TEST(plain_costs_the_same_for_every_name)
{
	char crypt[OCS_AUTH_HASH_SIZE], scrams[OCS_AUTH_HASH_SIZE], line[1400];

	ck_assert_int_eq(ocs_auth_make_hash("CRYPT", "a", crypt, NULL), 0);
	ck_assert_int_eq(ocs_auth_make_hash("SCRAM-SHA-256", "a", scrams, NULL), 0);
	snprintf(line, sizeof(line), "a:%s\nb:%s\nc:{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME\n",
	         crypt, scrams);
	auth_write_accounts(line);
	auth_settings.backend = "file";
	auth_settings.file = auth_account_file;
	auth_settings.failed_logins = 1000;
	auth_open();
	double a = cpu_ms("a");
	static const char *const others[] = {"b", "c", "nobody"};
	for (int i = 0; i < 3; i++) {
		double other = cpu_ms(others[i]);
		ck_assert_msg(other > a * 0.6 && other < a * 1.6, "a %.2f ms, %s %.2f ms", a,
		              others[i], other);
	}
}

TEST(a_token_expires_and_survives_a_restart)
{
	char token[OCS_AUTH_TOKEN_SIZE];

	auth_settings.token_ttl = 1;
	auth_open();
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	ck_assert_uint_eq(auth_reply.ttl, 1);
	strcpy(token, auth_reply.token);
	auth_reopen();
	auth_clock_ms += 999;
	ck_assert_int_eq(auth_check(token), OCS_AUTH_OK);
	auth_clock_ms += 1;
	ck_assert_int_eq(auth_check(token), OCS_AUTH_TOKEN_EXPIRED);
	ck_assert_int_eq(ocs_auth_logout(auth, token, &auth_reply), OCS_AUTH_TOKEN_EXPIRED);
}

TEST(a_changed_or_removed_account_ends_its_tokens)
{
	char token[OCS_AUTH_TOKEN_SIZE];
	const char *hash = auth_settings.password;

	auth_open();
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
	strcpy(token, auth_reply.token);
	auth_settings.password = "other";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(auth_check(token), OCS_AUTH_TOKEN_INVALID);
	auth_settings.password = hash;
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(auth_check(token), OCS_AUTH_OK);
	auth_settings.username = "another";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(auth_check(token), OCS_AUTH_TOKEN_INVALID);
}

TEST(a_failed_reload_keeps_what_was)
{
	struct ocs_error error;

	auth_open();
	auth_settings.password = "{SSHA}broken";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, &error), -1);
	auth_settings.backend = "ldap";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, &error), -1);
	ck_assert_str_eq(error.text, "[auth:ldap] host: is missing");
	auth_settings.backend = "pam";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, &error), -1);
	ck_assert_str_eq(error.text, "auth = 'pam' is not single, file or ldap");
	ck_assert_int_eq(auth_ssha(NULL, "openchange", "test"), OCS_AUTH_OK);
}

TEST(ten_failures_of_a_pair_stop_it_alike_for_known_and_unknown)
{
	static const char *const names[] = {"openchange", "nobody"};

	auth_open();
	for (int n = 0; n < 2; n++) {
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(auth_ssha("192.0.2.1", names[n], "x"),
			                 OCS_AUTH_INVALID_CREDENTIALS);
		auth_clock_ms += 1000;
		ck_assert_int_eq(auth_ssha("192.0.2.1", names[n], "test"),
		                 OCS_AUTH_TOO_MANY_ATTEMPTS);
		ck_assert_uint_eq(auth_reply.retry_after, 299);
		ck_assert_int_eq(auth_plain("192.0.2.1", names[n], "test"),
		                 OCS_AUTH_TOO_MANY_ATTEMPTS);
	}
	/* another address is not concerned, and the wait is true */
	ck_assert_int_eq(auth_ssha("192.0.2.2", "openchange", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_check(auth_reply.token), OCS_AUTH_OK);
	auth_clock_ms += 299000;
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
}

TEST(a_full_table_of_challenges_refuses_nobody)
{
	char hex[41], session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	const struct ocs_auth_cookies cookies = {session, token};
	struct ocs_auth_counts counts;

	auth_settings.pending_challenges = 16;
	auth_open();
	for (int i = 0; i < 50; i++) {
		/* one address, and the own host */
		ck_assert_int_eq(ocs_auth_ssha_start(auth, i % 2 ? auth_from("192.0.2.1") : NULL,
		                                     "a", &auth_reply),
		                 OCS_AUTH_OK);
		ck_assert_uint_eq(auth_reply.retry_after, 0);
	}
	ck_assert_int_eq(
	        ocs_auth_ssha_start(auth, auth_from("192.0.2.3"), "openchange", &auth_reply),
	        OCS_AUTH_OK);
	auth_legacy_answer("openchange", "test", hex);
	strcpy(session, auth_reply.cookie_session);
	strcpy(token, auth_reply.cookie_token);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(auth_scram("nobody", "x"), i < 10 ? OCS_AUTH_INVALID_CREDENTIALS
		                                                   : OCS_AUTH_TOO_MANY_ATTEMPTS);
	ck_assert_int_eq(
	        ocs_auth_ssha_login(auth, auth_from("192.0.2.3"), &cookies, hex, &auth_reply),
	        OCS_AUTH_OK);
	ocs_auth_count(auth, &counts);
	ck_assert_uint_gt(counts.pending_challenges, 0);
	ck_assert_uint_le(counts.pending_challenges, 16);
	ck_assert_uint_gt(counts.displaced_challenges, 0);
	ck_assert_uint_eq(counts.accounts, 1);
	auth_clock_ms += 60000;
	ocs_auth_count(auth, &counts);
	ck_assert_uint_eq(counts.pending_challenges, 0);
}

TEST(a_look_at_plain_refuses_who_is_locked_and_counts_nothing)
{
	/* NUL openchange NUL test, NUL openchange NUL x */
	static const char right[] = "AG9wZW5jaGFuZ2UAdGVzdA==", wrong[] = "AG9wZW5jaGFuZ2UAeA==";
	struct sockaddr *peer = auth_from("192.0.2.1");

	auth_open();
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(ocs_auth_plain_look(auth, peer, true, wrong, &auth_reply),
		                 OCS_AUTH_OK);
	ck_assert_int_eq(ocs_auth_plain_look(auth, peer, false, right, &auth_reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
	ck_assert_int_eq(ocs_auth_plain_look(auth, peer, true, NULL, &auth_reply),
	                 OCS_AUTH_MISSING_PARAMETER);
	ck_assert_int_eq(ocs_auth_plain_look(auth, peer, true, "AAAA", &auth_reply),
	                 OCS_AUTH_INVALID_PARAMETER);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(ocs_auth_plain(auth, peer, true, wrong, &auth_reply),
		                 OCS_AUTH_INVALID_CREDENTIALS);
	ck_assert_int_eq(ocs_auth_plain_look(auth, peer, true, right, &auth_reply),
	                 OCS_AUTH_TOO_MANY_ATTEMPTS);
	ck_assert_uint_eq(auth_reply.retry_after, 300);
	ck_assert_str_eq(auth_reply.account, "openchange");
	auth_settings.mechanisms = "SSHA";
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(ocs_auth_plain_look(auth, peer, true, right, &auth_reply),
	                 OCS_AUTH_ACCESS_FORBIDDEN);
}

TEST(locks_are_shown_and_cleared)
{
	struct ocs_auth_lockout lockout;
	struct ocs_auth_counts counts;

	auth_open();
	for (int i = 0; i < 10; i++)
		auth_ssha("192.0.2.1", "OpenChange", "x");
	ck_assert_uint_eq(auth_reply.locked, 1u << OCS_ORIGIN_PAIR);
	ck_assert_uint_eq(auth_reply.locked_for, 300);
	ck_assert_uint_eq(ocs_auth_lockouts(auth, &lockout, 1), 1);
	ck_assert_str_eq(lockout.account, "openchange");
	ck_assert_str_eq(lockout.address, "192.0.2.1");
	ck_assert_str_eq(ocs_auth_kind_word(lockout.kind), "pair");
	ck_assert_uint_eq(lockout.failures, 10);
	ck_assert_uint_eq(lockout.seconds, 300);
	ocs_auth_count(auth, &counts);
	ck_assert_uint_eq(counts.locked[OCS_ORIGIN_PAIR], 1);
	ck_assert_uint_eq(counts.locks[OCS_ORIGIN_PAIR], 1);
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_TOO_MANY_ATTEMPTS);

	ck_assert_int_eq(ocs_auth_clear_lockouts(auth, "a b"), -1);
	ck_assert_int_eq(ocs_auth_clear_lockouts(auth, ""), -1);
	ck_assert_int_eq(ocs_auth_clear_lockouts(auth, "nobody"), 0);
	ck_assert_int_eq(ocs_auth_clear_lockouts(auth, "192.0.2.0/24"), 1);
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	ck_assert_uint_eq(ocs_auth_lockouts(auth, &lockout, 1), 0);
}

TEST(each_lock_is_told_with_its_own_length)
{
	static const unsigned seconds[] = {300, 600, 1200, 2400, 2400};

	auth_open();
	for (size_t n = 0; n < sizeof(seconds) / sizeof(seconds[0]); n++) {
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "x"),
			                 OCS_AUTH_INVALID_CREDENTIALS);
		ck_assert_uint_eq(auth_reply.locked_for, seconds[n]);
		auth_clock_ms += seconds[n] * 1000 - 1;
		ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "x"),
		                 OCS_AUTH_TOO_MANY_ATTEMPTS);
		ck_assert_uint_eq(auth_reply.retry_after, 1);
		auth_clock_ms += 1;
	}
}

TEST(a_right_login_makes_its_address_known)
{
	auth_open();
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(auth_ssha("192.0.2.1", name, "x"), OCS_AUTH_INVALID_CREDENTIALS);
	}
	ck_assert_uint_eq(auth_reply.locked, 1u << OCS_ORIGIN_ADDRESS);
	auth_clock_ms += 1000;
	ck_assert_int_eq(auth_ssha("192.0.2.1", "another", "x"), OCS_AUTH_TOO_MANY_ATTEMPTS);
	ck_assert_uint_eq(auth_reply.retry_after, 299);
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	ck_assert_int_eq(auth_plain("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	/* which nobody finds out by guessing */
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "x"),
		                 OCS_AUTH_TOO_MANY_ATTEMPTS);
		ck_assert_uint_eq(auth_reply.retry_after, 299);
		ck_assert_uint_eq(auth_reply.locked, i < 9 ? 0 : 1u << OCS_ORIGIN_PAIR);
	}
	ck_assert_int_eq(auth_ssha("192.0.2.1", "openchange", "test"), OCS_AUTH_TOO_MANY_ATTEMPTS);
	ck_assert_uint_eq(auth_reply.retry_after, 299);
	ck_assert_int_eq(auth_ssha("192.0.2.2", "another", "x"), OCS_AUTH_INVALID_CREDENTIALS);
}

TEST(loopback_counts_where_the_settings_say_so)
{
	auth_settings.count_loopback = true;
	auth_open();
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		auth_ssha("127.0.0.1", name, "x");
	}
	ck_assert_int_eq(auth_ssha("127.0.0.1", "openchange", "test"), OCS_AUTH_TOO_MANY_ATTEMPTS);
	/* from the next attempt on, and what was counted counts for nothing */
	auth_settings.count_loopback = false;
	ck_assert_int_eq(ocs_auth_reload(auth, &auth_settings, NULL), 0);
	ck_assert_int_eq(auth_ssha("127.0.0.1", "openchange", "test"), OCS_AUTH_OK);
}

TEST(result_names_are_the_protocols)
{
	ck_assert_str_eq(ocs_auth_result_name(OCS_AUTH_TOO_MANY_ATTEMPTS), "TOO_MANY_ATTEMPTS");
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_TOO_MANY_ATTEMPTS), 429);
	ck_assert_str_eq(ocs_auth_result_name(OCS_AUTH_OVERLOADED), "OVERLOADED");
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_OVERLOADED), 503);
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_INVALID_SESSION), 403);
	ck_assert_uint_eq(ocs_auth_result_status(OCS_AUTH_MISSING_PARAMETER), 422);
}

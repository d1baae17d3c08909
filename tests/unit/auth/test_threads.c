/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Many threads on one struct ocs_auth: logins, checks, logouts and reloads at once. Run it under
 * the thread sanitizer as well; CK_FORK=no keeps it in one process. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/codec.h"
#include "auth/ssha.h"
#include "tests/unit/rig.h"

#define THREADS 6
#define ROUNDS  40

static struct ocs_auth *auth;
static struct ocs_auth_settings settings;
static atomic_int logins, refused;

static enum ocs_auth_result ssha(struct ocs_auth_reply *reply)
{
	char hex[41], session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	uint8_t salt[64], t[20], digest[20];
	size_t salt_len, t_len;
	struct ocs_ssha s;

	if (ocs_auth_ssha_start(auth, NULL, "openchange", reply) != OCS_AUTH_OK ||
	    ocs_auth_b64_decode(reply->salt, strlen(reply->salt), salt, 64, &salt_len) < 0 ||
	    ocs_auth_b64_decode(reply->token_salt, strlen(reply->token_salt), t, 20, &t_len) < 0)
		return OCS_AUTH_INTERNAL;
	ocs_ssha_make("pencil", salt, salt_len, &s);
	ocs_ssha_answer("openchange", &s, t, t_len, digest);
	ocs_auth_hex_encode(hex, digest, 20);
	strcpy(session, reply->cookie_session);
	strcpy(token, reply->cookie_token);
	struct ocs_auth_cookies cookies = {session, token};
	return ocs_auth_ssha_login(auth, NULL, &cookies, hex, reply);
}

static enum ocs_auth_result scram(struct ocs_auth_reply *reply)
{
	/* the answer is wrong, the whole way through libgsasl is walked */
	char b64[200], session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	const char *first = "n,,n=someone,r=abcdefgh";

	ocs_auth_b64_encode(b64, first, strlen(first));
	if (ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", b64, reply) != OCS_AUTH_OK)
		return OCS_AUTH_INTERNAL;
	strcpy(session, reply->cookie_session);
	strcpy(token, reply->cookie_token);
	struct ocs_auth_cookies cookies = {session, token};
	return ocs_auth_scram_login(auth, NULL, NULL, &cookies, "Yz1iaXdzLHI9YWJjLHA9YWJj", reply);
}

static void *work(void *arg)
{
	struct ocs_auth_reply reply;
	char account[OCS_AUTH_NAME_SIZE], token[OCS_AUTH_TOKEN_SIZE];
	struct ocs_auth_shown *shown = NULL;

	for (int i = 0; i < ROUNDS; i++) {
		if (ssha(&reply) != OCS_AUTH_OK)
			continue;
		strcpy(token, reply.token);
		logins += ocs_auth_check_token(auth, token, &shown, account) == OCS_AUTH_OK;
		if (i % 8 == 0 && ocs_auth_logout(auth, token, &reply) == OCS_AUTH_OK)
			refused += ocs_auth_check_token(auth, token, &shown, account) ==
			           OCS_AUTH_TOKEN_INVALID;
		if (scram(&reply) == OCS_AUTH_OK)
			return arg;
		/* NUL openchange NUL pencil */
		if (i % 8 == 1 && ocs_auth_plain(auth, NULL, true, "AG9wZW5jaGFuZ2UAcGVuY2ls",
		                                 &reply) != OCS_AUTH_OK)
			return arg;
	}
	ocs_auth_shown_free(shown);
	return NULL;
}

/* Strangers: their guesses are counted and locked, their challenges displace each other. */
static void *guess(void *arg)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct ocs_auth_reply reply;

	for (uint32_t i = 0; i < 2000; i++) {
		char name[16], session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
		const struct sockaddr *peer = (const struct sockaddr *)&from;

		from.sin_addr.s_addr = htonl(0x0a000000 + i * 5 % 1000);
		snprintf(name, sizeof(name), "n%u", i % 7);
		if (ocs_auth_ssha_start(auth, peer, name, &reply) != OCS_AUTH_OK)
			return arg;
		strcpy(session, reply.cookie_session);
		strcpy(token, reply.cookie_token);
		struct ocs_auth_cookies cookies = {session, token};
		if (i % 4 == 0)
			continue;
		if (ocs_auth_ssha_login(auth, peer, &cookies, "00", &reply) == OCS_AUTH_OK)
			return arg;
	}
	return NULL;
}

static void *look(void *arg)
{
	static struct ocs_auth_lockout lockouts[100];
	struct ocs_auth_counts counts;

	for (int i = 0; i < 20; i++) {
		ocs_auth_count(auth, &counts);
		ocs_auth_lockouts(auth, lockouts, 100);
		if (counts.pending_challenges > settings.pending_challenges ||
		    ocs_auth_clear_lockouts(auth, i % 2 ? "n1" : "10.0.0.0/24") < 0)
			return arg;
	}
	return NULL;
}

static void *reload(void *arg)
{
	for (int i = 0; i < 20; i++)
		if (ocs_auth_reload(auth, &settings, NULL) < 0)
			return arg;
	return NULL;
}

TEST(threads_log_in_check_log_out_and_reload_together)
{
	char private_folder[RIG_FOLDER_SIZE + 16];
	pthread_t threads[THREADS + 4];
	struct ocs_error error;
	void *failed;

	rig_make_folder();
	snprintf(private_folder, sizeof(private_folder), "%s/private", rig_folder);
	settings = (struct ocs_auth_settings){.backend = "single",
	                                      .username = "openchange",
	                                      .password = "pencil",
	                                      .challenge_ttl = 60,
	                                      .token_ttl = 3600,
	                                      .failed_logins = 5,
	                                      .failure_window = 300,
	                                      .pending_challenges = 400,
	                                      .private_folder = private_folder};
	ck_assert_msg(ocs_auth_open(&settings, &auth, &error) == 0, "%s", error.text);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &settings), 0);
	ck_assert_int_eq(pthread_create(&threads[THREADS], NULL, reload, &settings), 0);
	ck_assert_int_eq(pthread_create(&threads[THREADS + 1], NULL, guess, &settings), 0);
	ck_assert_int_eq(pthread_create(&threads[THREADS + 2], NULL, guess, &settings), 0);
	ck_assert_int_eq(pthread_create(&threads[THREADS + 3], NULL, look, &settings), 0);
	for (int i = 0; i < THREADS + 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_int_eq(logins, THREADS * ROUNDS);
	ck_assert_int_eq(refused, THREADS * ROUNDS / 8);
	ocs_auth_close(auth);
	rig_remove_folder();
}

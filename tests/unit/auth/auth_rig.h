/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of logins share: an ocs_auth on a clock of its own, and clients of each mechanism.
 */
#ifndef OCS_UNIT_TEST_AUTH_SUPPORT_H
#define OCS_UNIT_TEST_AUTH_SUPPORT_H

#include <arpa/inet.h>
#include <ftw.h>
#include <gsasl.h>
#include <netinet/in.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/codec.h"
#include "auth/scramkeys.h"
#include "auth/ssha.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

/* not every program uses every client */
#define OCS_MAYBE __attribute__((unused))

static char folder[TEST_FOLDER_SIZE], private_folder[TEST_FOLDER_SIZE + 16],
        account_file[TEST_FOLDER_SIZE + 16];
static int64_t clock_ms;
static char reported[2048];
static struct ocs_auth_settings settings;
static struct ocs_auth *auth;
static struct ocs_auth_reply reply;

static OCS_MAYBE int64_t now(void *arg, bool wall)
{
	(void)arg;
	return clock_ms + (wall ? 1700000000000 : 0);
}

static OCS_MAYBE void on_report(int priority, const char *text, void *arg)
{
	size_t len = strlen(reported);

	(void)priority;
	(void)arg;
	snprintf(reported + len, sizeof(reported) - len, "%s\n", text);
}

static OCS_MAYBE void write_accounts(const char *text)
{
	FILE *f = fopen(account_file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(account_file, 0600), 0);
}

static OCS_MAYBE void open_auth(void)
{
	struct ocs_error error = {""};

	ck_assert_msg(ocs_auth_open(&settings, &auth, &error) == 0, "%s", error.text);
}

static OCS_MAYBE void reopen(void)
{
	ocs_auth_close(auth);
	open_auth();
}

static OCS_MAYBE void setup(void)
{
	test_folder(folder, "auth");
	snprintf(private_folder, sizeof(private_folder), "%s/private", folder);
	snprintf(account_file, sizeof(account_file), "%s/accounts", folder);
	clock_ms = 1000000;
	reported[0] = '\0';
	settings = (struct ocs_auth_settings){
	        .backend = "single",
	        .username = "openchange",
	        .password = "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME", /* test */
	        .challenge_ttl = 60,
	        .token_ttl = 3600,
	        .failed_logins = 10,
	        .failure_window = 300,
	        .pending_challenges = 4096,
	        .private_folder = private_folder,
	        .now = now,
	        .report = on_report,
	};
}

static OCS_MAYBE int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static OCS_MAYBE void teardown(void)
{
	ocs_auth_close(auth);
	auth = NULL;
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static OCS_MAYBE struct sockaddr *from(const char *address)
{
	static struct sockaddr_in6 in6;
	struct sockaddr_in *in = (void *)&in6;

	memset(&in6, 0, sizeof(in6));
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		in6.sin6_family = AF_INET6;
	}
	return (void *)&in6;
}

/* What a legacy client computes from the answer of step one. */
static OCS_MAYBE void legacy_answer(const char *name, const char *password, char hex[41])
{
	uint8_t salt[64], t[20], digest[20];
	size_t salt_len, t_len;
	struct ocs_ssha ssha;

	ck_assert_int_eq(ocs_auth_b64_decode(reply.salt, strlen(reply.salt), salt, 64, &salt_len),
	                 0);
	ck_assert_int_eq(
	        ocs_auth_b64_decode(reply.token_salt, strlen(reply.token_salt), t, 20, &t_len), 0);
	ck_assert_uint_eq(t_len, 20);
	ocs_ssha_make(password, salt, salt_len, &ssha);
	ocs_ssha_answer(name, &ssha, t, t_len, digest);
	ocs_auth_hex_encode(hex, digest, 20);
}

static OCS_MAYBE struct ocs_auth_cookies *cookies(void)
{
	static char session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	static struct ocs_auth_cookies c = {session, token};

	strcpy(session, reply.cookie_session);
	strcpy(token, reply.cookie_token);
	return &c;
}

static OCS_MAYBE enum ocs_auth_result ssha(const char *address, const char *name,
                                           const char *password)
{
	struct sockaddr *peer = address ? from(address) : NULL;
	char hex[41];
	enum ocs_auth_result result = ocs_auth_ssha_start(auth, peer, name, &reply);

	if (result != OCS_AUTH_OK)
		return result;
	legacy_answer(name, password, hex);
	return ocs_auth_ssha_login(auth, peer, cookies(), hex, &reply);
}

static OCS_MAYBE enum ocs_auth_result plain(const char *address, const char *name,
                                            const char *password)
{
	uint8_t bytes[1024] = {0};
	char text[1400];
	size_t n = strlen(name), p = strlen(password);

	memcpy(bytes + 1, name, n);
	memcpy(bytes + 2 + n, password, p);
	ocs_auth_b64_encode(text, bytes, 2 + n + p);
	return ocs_auth_plain(auth, address ? from(address) : NULL, true, text, &reply);
}

/* libgsasl as the client; its second message and the check of ours. */
static Gsasl *client_context;
static Gsasl_session *client;

static OCS_MAYBE void client_begin(const char *name, const char *password, char first[1400])
{
	char *out;
	size_t len;

	ck_assert_int_eq(gsasl_init(&client_context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(client_context, "SCRAM-SHA-256", &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, name);
	gsasl_property_set(client, GSASL_PASSWORD, password);
	ck_assert_int_eq(gsasl_step(client, NULL, 0, &out, &len), GSASL_NEEDS_MORE);
	ocs_auth_b64_encode(first, out, len);
	gsasl_free(out);
}

static OCS_MAYBE int client_step(const char *in, char next[1400])
{
	uint8_t bytes[1500];
	size_t len, out_len;
	char *out = NULL;

	ck_assert_int_eq(ocs_auth_b64_decode(in, strlen(in), bytes, sizeof(bytes), &len), 0);
	int rc = gsasl_step(client, (char *)bytes, len, &out, &out_len);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		ocs_auth_b64_encode(next, out, out_len);
	gsasl_free(out);
	return rc;
}

static OCS_MAYBE void client_end(void)
{
	gsasl_finish(client);
	gsasl_done(client_context);
}

static OCS_MAYBE enum ocs_auth_result scram(const char *name, const char *password)
{
	char text[1400];
	enum ocs_auth_result result;

	client_begin(name, password, text);
	result = ocs_auth_scram_start(auth, NULL, "SCRAM-SHA-256", text, &reply);
	if (result == OCS_AUTH_OK) {
		ck_assert_int_eq(client_step(reply.sasl, text), GSASL_NEEDS_MORE);
		result = ocs_auth_scram_login(auth, NULL, cookies(), text, &reply);
		if (result == OCS_AUTH_OK) /* the client checks that we know its password */
			ck_assert_int_eq(client_step(reply.sasl, text), GSASL_OK);
		else
			ck_assert_str_eq(reply.sasl, "");
	}
	client_end();
	return result;
}

static OCS_MAYBE enum ocs_auth_result check(const char *token)
{
	char account[OCS_AUTH_NAME_SIZE];

	return ocs_auth_check_token(auth, token, account);
}

#endif

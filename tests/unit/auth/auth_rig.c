/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of logins share: see auth_rig.h. */
#include "tests/unit/auth/auth_rig.h"

#include <arpa/inet.h>
#include <gsasl.h>
#include <netinet/in.h>

char auth_private_folder[RIG_FOLDER_SIZE + 16], auth_account_file[RIG_FOLDER_SIZE + 16];
int64_t auth_clock_ms;
char auth_reported[2048];
struct ocs_auth_settings auth_settings;
struct ocs_auth *auth;
struct ocs_auth_reply auth_reply;

static int64_t now(void *arg, bool wall)
{
	(void)arg;
	return auth_clock_ms + (wall ? 1700000000000 : 0);
}

static void on_report(int priority, const char *text, void *arg)
{
	size_t len = strlen(auth_reported);

	(void)priority;
	(void)arg;
	snprintf(auth_reported + len, sizeof(auth_reported) - len, "%s\n", text);
}

void auth_write_accounts(const char *text)
{
	FILE *f = fopen(auth_account_file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(auth_account_file, 0600), 0);
}

void auth_open(void)
{
	struct ocs_error error = {.text = ""};

	ck_assert_msg(ocs_auth_open(&auth_settings, &auth, &error) == 0, "%s", error.text);
}

void auth_reopen(void)
{
	ocs_auth_close(auth);
	auth_open();
}

void auth_setup(void)
{
	rig_make_folder();
	snprintf(auth_private_folder, sizeof(auth_private_folder), "%s/private", rig_folder);
	snprintf(auth_account_file, sizeof(auth_account_file), "%s/accounts", rig_folder);
	auth_clock_ms = 1000000;
	auth_reported[0] = '\0';
	auth_settings = (struct ocs_auth_settings){
	        .backend = "single",
	        .username = "openchange",
	        .password = "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME", /* test */
	        .challenge_ttl = 60,
	        .token_ttl = 3600,
	        .failed_logins = 10,
	        .failure_window = 300,
	        .pending_challenges = 4096,
	        .private_folder = auth_private_folder,
	        .now = now,
	        .report = on_report,
	};
}

void auth_teardown(void)
{
	ocs_auth_close(auth);
	auth = NULL;
	rig_remove_folder();
}

struct sockaddr *auth_from(const char *address)
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

void auth_legacy_answer(const char *name, const char *password, char hex[41])
{
	uint8_t salt[64], t[20], digest[20];
	size_t salt_len, t_len;
	struct ocs_ssha auth_ssha;

	ck_assert_int_eq(
	        ocs_auth_b64_decode(auth_reply.salt, strlen(auth_reply.salt), salt, 64, &salt_len),
	        0);
	ck_assert_int_eq(ocs_auth_b64_decode(auth_reply.token_salt, strlen(auth_reply.token_salt),
	                                     t, 20, &t_len),
	                 0);
	ck_assert_uint_eq(t_len, 20);
	ocs_ssha_make(password, salt, salt_len, &auth_ssha);
	ocs_ssha_answer(name, &auth_ssha, t, t_len, digest);
	ocs_auth_hex_encode(hex, digest, 20);
}

struct ocs_auth_cookies *auth_cookies(void)
{
	static char session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	static struct ocs_auth_cookies c = {session, token};

	strcpy(session, auth_reply.cookie_session);
	strcpy(token, auth_reply.cookie_token);
	return &c;
}

enum ocs_auth_result auth_ssha(const char *address, const char *name, const char *password)
{
	struct sockaddr *peer = address ? auth_from(address) : NULL;
	char hex[41];
	enum ocs_auth_result result = ocs_auth_ssha_start(auth, peer, name, &auth_reply);

	if (result != OCS_AUTH_OK)
		return result;
	auth_legacy_answer(name, password, hex);
	return ocs_auth_ssha_login(auth, peer, auth_cookies(), hex, &auth_reply);
}

enum ocs_auth_result auth_plain(const char *address, const char *name, const char *password)
{
	uint8_t bytes[1024] = {0};
	char text[1400];
	size_t n = strlen(name), p = strlen(password);

	memcpy(bytes + 1, name, n);
	memcpy(bytes + 2 + n, password, p);
	ocs_auth_b64_encode(text, bytes, 2 + n + p);
	return ocs_auth_plain(auth, address ? auth_from(address) : NULL, true, text, &auth_reply);
}

/* libgsasl as the client; its second message and the check of ours. */
static Gsasl *auth_client_context;
static Gsasl_session *auth_client;

void auth_client_begin(const char *name, const char *password, char first[1400])
{
	char *out;
	size_t len;

	ck_assert_int_eq(gsasl_init(&auth_client_context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(auth_client_context, "SCRAM-SHA-256", &auth_client),
	                 GSASL_OK);
	gsasl_property_set(auth_client, GSASL_AUTHID, name);
	gsasl_property_set(auth_client, GSASL_PASSWORD, password);
	ck_assert_int_eq(gsasl_step(auth_client, NULL, 0, &out, &len), GSASL_NEEDS_MORE);
	ocs_auth_b64_encode(first, out, len);
	gsasl_free(out);
}

int auth_client_step(const char *in, char next[1400])
{
	uint8_t bytes[1500];
	size_t len, out_len;
	char *out = NULL;

	ck_assert_int_eq(ocs_auth_b64_decode(in, strlen(in), bytes, sizeof(bytes), &len), 0);
	int rc = gsasl_step(auth_client, (char *)bytes, len, &out, &out_len);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		ocs_auth_b64_encode(next, out, out_len);
	gsasl_free(out);
	return rc;
}

void auth_client_end(void)
{
	gsasl_finish(auth_client);
	gsasl_done(auth_client_context);
}

enum ocs_auth_result auth_scram(const char *name, const char *password)
{
	char text[1400];
	enum ocs_auth_result result;

	auth_client_begin(name, password, text);
	result = ocs_auth_scram_start(auth, NULL, NULL, "SCRAM-SHA-256", text, &auth_reply);
	if (result == OCS_AUTH_OK) {
		ck_assert_int_eq(auth_client_step(auth_reply.sasl, text), GSASL_NEEDS_MORE);
		result = ocs_auth_scram_login(auth, NULL, NULL, auth_cookies(), text, &auth_reply);
		if (result == OCS_AUTH_OK) /* the client checks that we know its password */
			ck_assert_int_eq(auth_client_step(auth_reply.sasl, text), GSASL_OK);
		else
			ck_assert_str_eq(auth_reply.sasl, "");
	}
	auth_client_end();
	return result;
}

enum ocs_auth_result auth_check(const char *token)
{
	char account[OCS_AUTH_NAME_SIZE];

	return ocs_auth_check_token(auth, token, NULL, account);
}

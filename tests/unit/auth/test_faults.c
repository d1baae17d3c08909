/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Logins of which any call fails: who may log in gets in, or is told that it is not their fault; a
 * token that was ended stays so; the secret stays what it is. */
#include "tests/unit/auth/auth_rig.h"
#include "tests/unit/faults.h"

static char ended[64][OCS_AUTH_TOKEN_SIZE], kept[OCS_AUTH_TOKEN_SIZE];
static unsigned n_ended;
static enum ocs_auth_result last;

static int is_ours(enum ocs_auth_result result)
{
	last = result;
	return result == OCS_AUTH_OK ? 0 : (int)result;
}

/* Opens, logs in by each way, ends a token. */
static int use_auth(void)
{
	struct sockaddr *peer = auth_from("192.0.2.1");
	char token[OCS_AUTH_TOKEN_SIZE];
	int ret;

	last = OCS_AUTH_OK;
	rig_error.text[0] = '\0';
	if (ocs_auth_open(&auth_settings, &auth, &rig_error) != 0) {
		auth = NULL;
		return -1;
	}
	ret = is_ours(ocs_auth_plain(auth, peer, true, "AG9wZW5jaGFuZ2UAdGVzdA==", &auth_reply));
	strcpy(token, ret == 0 ? auth_reply.token : "");
	if (ret == 0)
		ret = is_ours(ocs_auth_ssha_start(auth, peer, "openchange", &auth_reply));
	if (ret == 0)
		ret = is_ours(ocs_auth_logout(auth, token, &auth_reply));
	if (ret == 0)
		strcpy(ended[n_ended++ % 64], token);
	ocs_auth_close(auth);
	auth = NULL;
	return ret;
}

static void nobody_is_refused(int result, bool failed)
{
	(void)failed;
	ck_assert_msg(last == OCS_AUTH_OK || last == OCS_AUTH_INTERNAL ||
	                      last == OCS_AUTH_OVERLOADED,
	              "%s: %s", ocs_auth_result_name(last), auth_reply.text);
	ck_assert_msg(result != -1 || rig_error.text[0] != '\0', "no text");
	auth_open();
	for (unsigned i = 0; i < n_ended && i < 64; i++)
		ck_assert_int_eq(auth_check(ended[i]), OCS_AUTH_TOKEN_INVALID);
	ck_assert_msg(auth_check(kept) == OCS_AUTH_OK, "%s: a token is lost: %s", faults_last(),
	              auth_reported);
	ck_assert_int_eq(auth_plain("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	ocs_auth_close(auth);
	auth = NULL;
	ck_assert_msg(strstr(auth_reported, "secret") == NULL, "%s", auth_reported);
}

TESTS_HAVE(.setup = auth_setup, .teardown = auth_teardown);

TEST(a_token_stands_or_is_ended_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "a login and a logout", .after = nobody_is_refused, .run = use_auth};

	auth_open();
	ck_assert_int_eq(auth_plain("192.0.2.1", "openchange", "test"), OCS_AUTH_OK);
	strcpy(kept, auth_reply.token);
	ocs_auth_close(auth);
	auth = NULL;
	ck_assert_int_eq(use_auth(), 0);
	auth_reported[0] = '\0';
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(50));
}

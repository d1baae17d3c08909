/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The three logins of the web service from the client's side: SCRAM-SHA-256 by libgsasl, the
 * challenge of the old clients (SSHA), and PLAIN.
 */
#include "ocsctl/login.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>

#include "auth/auth.h"
#include "auth/codec.h"
#include "auth/prepare.h"
#include "auth/ssha.h"

static const char *const mechanisms[] = {"SCRAM-SHA-256", "SSHA", "PLAIN"};
enum { SCRAM, SSHA, PLAIN, MECHANISM_COUNT };

const char *ocsctl_login_mechanism(const char *name)
{
	for (unsigned i = 0; i < MECHANISM_COUNT; i++)
		if (strcasecmp(name, mechanisms[i]) == 0)
			return mechanisms[i];
	return NULL;
}

/* One step: posts what stands inside <ocsmanager>, returns the reply if it is a success. */
static struct ocsctl_xml_reply *step(struct ocsctl_login *login, const void *mem_ctx,
                                     const char *path, const char *inside, struct ocs_error *error)
{
	char *url = talloc_asprintf(mem_ctx, "%s/authenticate/%s", login->url, path);
	char *body = talloc_asprintf(mem_ctx,
	                             "<?xml version='1.0' encoding='utf-8'?>\n"
	                             "<ocsmanager>%s</ocsmanager>",
	                             inside);
	struct ocsctl_xml_reply *reply;
	struct ocsctl_reply answer;

	if (url == NULL || body == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	login->status = 0;
	if (ocsctl_http_request(login->http, "POST", url, body, strlen(body), &answer, error) < 0)
		return NULL;
	login->status = answer.status;
	if (ocsctl_xml_read_reply(mem_ctx, answer.body, answer.len, &reply, error) < 0) {
		ocs_error_set(error, "%s answered HTTP %ld without a document of the web service",
		              url, answer.status);
		return NULL;
	}
	if (answer.status != 200 || reply->error != NULL) {
		const struct ocsctl_xml_result *said = reply->error;

		ocs_error_set(error, "login as %s was refused: %ld %s: %s", login->user,
		              answer.status, said != NULL && said->name != NULL ? said->name : "",
		              said != NULL && said->text != NULL ? said->text : "");
		return NULL;
	}
	return reply;
}

static char *take_token(struct ocsctl_xml_reply *reply, struct ocs_error *error)
{
	if (reply->token == NULL || reply->token[0] == '\0') {
		ocs_error_set(error, "the login was answered without a token");
		return NULL;
	}
	return reply->token;
}

/* What the other side sent, in either base64 alphabet. */
static char *decode(const void *mem_ctx, const char *text, size_t *len_r)
{
	size_t size = text != NULL ? strlen(text) : 0;
	uint8_t *bytes = talloc_array(mem_ctx, uint8_t, size + 1);

	if (text == NULL || bytes == NULL ||
	    ocs_auth_b64_decode(text, size, bytes, size, len_r) < 0)
		return NULL;
	bytes[*len_r] = '\0';
	return (char *)bytes;
}

static char *encode(const void *mem_ctx, const void *bytes, size_t len)
{
	char *text = talloc_array(mem_ctx, char, OCS_AUTH_B64_SIZE(len));

	if (text != NULL)
		ocs_auth_b64_encode(text, bytes, len);
	return text;
}

/* One move of libgsasl: takes the server's message in base64, returns ours. */
static char *scram_move(Gsasl_session *session, const void *mem_ctx, const char *received,
                        int expected, struct ocs_error *error)
{
	char *input = NULL, *output = NULL, *text;
	size_t input_len = 0, output_len = 0;
	int ret;

	if (received != NULL) {
		input = decode(mem_ctx, received, &input_len);
		if (input == NULL) {
			ocs_error_set(error, "the server's SCRAM message is not base64");
			return NULL;
		}
	}
	ret = gsasl_step(session, input, input_len, &output, &output_len);
	if (ret != expected) {
		ocs_error_set(error, "SCRAM-SHA-256: %s", gsasl_strerror(ret));
		gsasl_free(output);
		return NULL;
	}
	text = encode(mem_ctx, output != NULL ? output : "", output_len);
	gsasl_free(output);
	if (text == NULL)
		ocs_error_memory(error);
	return text;
}

static char *scram_talk(struct ocsctl_login *login, Gsasl_session *session, const void *mem_ctx,
                        struct ocs_error *error)
{
	struct ocsctl_xml_reply *reply;
	char *message, *inside;

	message = scram_move(session, mem_ctx, NULL, GSASL_NEEDS_MORE, error);
	if (message == NULL)
		return NULL;
	inside = talloc_asprintf(mem_ctx, "<sasl mechanism=\"SCRAM-SHA-256\">%s</sasl>", message);
	reply = inside != NULL ? step(login, mem_ctx, "token", inside, error) : NULL;
	if (reply == NULL)
		return NULL;
	message = scram_move(session, mem_ctx, reply->sasl != NULL ? reply->sasl : "",
	                     GSASL_NEEDS_MORE, error);
	if (message == NULL)
		return NULL;
	inside = talloc_asprintf(mem_ctx, "<sasl>%s</sasl>", message);
	reply = inside != NULL ? step(login, mem_ctx, "login", inside, error) : NULL;
	if (reply == NULL)
		return NULL;
	/* The last message proves that the server knows the password too. */
	if (scram_move(session, mem_ctx, reply->sasl != NULL ? reply->sasl : "", GSASL_OK, error) ==
	    NULL)
		return NULL;
	return take_token(reply, error);
}

static char *login_scram(struct ocsctl_login *login, const void *mem_ctx, struct ocs_error *error)
{
	Gsasl_session *session = NULL;
	Gsasl *gsasl = NULL;
	char *token = NULL;
	int ret;

	ret = gsasl_init(&gsasl);
	if (ret == GSASL_OK)
		ret = gsasl_client_start(gsasl, "SCRAM-SHA-256", &session);
	if (ret == GSASL_OK)
		ret = gsasl_property_set(session, GSASL_AUTHID, login->user);
	if (ret == GSASL_OK)
		ret = gsasl_property_set(session, GSASL_PASSWORD, login->password);
	if (ret != GSASL_OK)
		ocs_error_set(error, "SCRAM-SHA-256: %s", gsasl_strerror(ret));
	else
		token = scram_talk(login, session, mem_ctx, error);
	if (session != NULL)
		gsasl_finish(session);
	if (gsasl != NULL)
		gsasl_done(gsasl);
	return token;
}

static char *login_ssha(struct ocsctl_login *login, const void *mem_ctx, struct ocs_error *error)
{
	struct ocsctl_xml_reply *reply;
	size_t token_salt_len, salt_len;
	uint8_t answer[OCS_SSHA_DIGEST];
	char *inside, *token_salt, *salt;
	struct ocs_ssha ssha;
	char hex[2 * OCS_SSHA_DIGEST + 1];

	inside = talloc_asprintf(mem_ctx, "<login>%s</login>",
	                         ocsctl_xml_escape(mem_ctx, login->user));
	reply = inside != NULL ? step(login, mem_ctx, "token", inside, error) : NULL;
	if (reply == NULL)
		return NULL;
	token_salt = decode(mem_ctx, reply->token, &token_salt_len);
	salt = decode(mem_ctx, reply->salt, &salt_len);
	if (token_salt == NULL || salt == NULL || salt_len == 0 || salt_len > OCS_SSHA_SALT_MAX) {
		ocs_error_set(error, "the server's challenge cannot be read");
		return NULL;
	}
	ocs_ssha_make(login->password, (const uint8_t *)salt, salt_len, &ssha);
	ocs_ssha_answer(login->user, &ssha, (const uint8_t *)token_salt, token_salt_len, answer);
	explicit_bzero(&ssha, sizeof(ssha));
	ocs_auth_hex_encode(hex, answer, sizeof(answer));
	inside = talloc_asprintf(mem_ctx, "<token>%s</token>", hex);
	reply = inside != NULL ? step(login, mem_ctx, "login", inside, error) : NULL;
	return reply != NULL ? take_token(reply, error) : NULL;
}

/* PLAIN shows the password to whoever is on the way. The server refuses it, but too late. */
static bool line_is_private(const char *url)
{
	static const char *const local[] = {"http://127.", "http://[::1]",
	                                    "http://localhost:", "http://localhost/"};

	if (strncasecmp(url, "https://", 8) == 0 || strcasecmp(url, "http://localhost") == 0)
		return true;
	if (strchr(url, '@') != NULL)
		return false;
	for (unsigned i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (strncasecmp(url, local[i], strlen(local[i])) == 0)
			return true;
	return false;
}

static char *login_plain(struct ocsctl_login *login, const void *mem_ctx, struct ocs_error *error)
{
	size_t user_len = strlen(login->user), password_len = strlen(login->password);
	size_t len = user_len + password_len + 2;
	struct ocsctl_xml_reply *reply;
	char *message, *inside = NULL;

	if (!line_is_private(login->url)) {
		ocs_error_set(error,
		              "PLAIN would show the password on the way to %s: use https, or "
		              "another mechanism",
		              login->url);
		return NULL;
	}
	message = talloc_zero_array(mem_ctx, char, len);
	if (message != NULL) {
		memcpy(message + 1, login->user, user_len);
		memcpy(message + 2 + user_len, login->password, password_len);
		inside = talloc_asprintf(mem_ctx, "<sasl mechanism=\"PLAIN\">%s</sasl>",
		                         encode(mem_ctx, message, len));
		explicit_bzero(message, len);
	}
	reply = inside != NULL ? step(login, mem_ctx, "login", inside, error) : NULL;
	return reply != NULL ? take_token(reply, error) : NULL;
}

/* With the password prepared (auth/prepare.h), which is how it is hashed here. */
static char *login_prepared(struct ocsctl_login *login, const void *mem_ctx,
                            struct ocs_error *error)
{
	bool scram = login->mechanism == mechanisms[SCRAM];
	char prepared[OCS_HASH_PASSWORD_MAX + 1], *token;
	const char *typed = login->password;

	if (ocs_password_prepare(typed, prepared, error) < 0)
		return scram ? NULL : login_ssha(login, mem_ctx, error);
	login->password = prepared;
	token = scram ? login_scram(login, mem_ctx, error) : login_ssha(login, mem_ctx, error);
	login->password = typed;
	/* An {SSHA} made elsewhere may be one of other bytes. */
	if (token == NULL && !scram && login->status == 401 && strcmp(prepared, typed) != 0)
		token = login_ssha(login, mem_ctx, error);
	explicit_bzero(prepared, sizeof(prepared));
	return token;
}

char *ocsctl_login(struct ocsctl_login *login, const void *mem_ctx, struct ocs_error *error)
{
	ocs_error_memory(error);
	/* The server prepares: it has the password itself. */
	if (login->mechanism == mechanisms[PLAIN])
		return login_plain(login, mem_ctx, error);
	return login_prepared(login, mem_ctx, error);
}

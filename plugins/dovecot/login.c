/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The login of the web service, three mechanisms: see login.h. Touches memory only. */
#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "hex-binary.h"
#include "safe-memset.h"
#include "sha1.h"
#include "str.h"

#include "answer.h"
#include "credentials.h"
#include "login.h"
#include "prepare.h"
#include "scram.h"

#define TOKEN_MAX 2048
#define SALT_MAX  256

struct ocs_login {
	enum ocs_mechanism mechanism;
	char *username, *password;
	char *prepared; /* NULL: cannot be prepared, or is the same */
	bool raw;       /* this try is with the bytes as they are */
	struct ocs_scram *scram;
	unsigned int step;
};

static const char *const mechanism_names[] = {"SCRAM-SHA-256", "SSHA", "PLAIN"};

int ocs_mechanism_parse(const char *name, enum ocs_mechanism *mechanism_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(mechanism_names); i++) {
		if (strcasecmp(name, mechanism_names[i]) == 0) {
			*mechanism_r = (enum ocs_mechanism)i;
			return 0;
		}
	}
	return -1;
}

static void wipe(char **text)
{
	if (*text != NULL)
		safe_memset(*text, 0, strlen(*text));
	i_free(*text);
}

static const char *password_of(const struct ocs_login *login)
{
	return login->raw ? login->password : login->prepared;
}

static void set_form(struct ocs_login *login, bool raw)
{
	login->raw = raw;
	ocs_scram_free(&login->scram);
	if (login->mechanism == OCS_MECH_SCRAM_SHA_256)
		login->scram = ocs_scram_new(login->username, password_of(login));
}

struct ocs_login *ocs_login_new(enum ocs_mechanism mechanism, const struct ocs_credentials *cred)
{
	struct ocs_login *login = i_new(struct ocs_login, 1);

	login->mechanism = mechanism;
	login->username = i_strdup(cred->username);
	login->password = i_strdup(cred->password);
	/* the server prepares what PLAIN shows it */
	if (mechanism != OCS_MECH_PLAIN)
		login->prepared = ocs_password_prepare(cred->password);
	if (login->prepared != NULL && strcmp(login->prepared, login->password) == 0)
		wipe(&login->prepared);
	set_form(login, login->prepared == NULL);
	return login;
}

bool ocs_login_other_form(struct ocs_login *login)
{
	if (login->prepared == NULL)
		return FALSE;
	set_form(login, !login->raw);
	return login->raw;
}

void ocs_login_free(struct ocs_login **_login)
{
	struct ocs_login *login = *_login;

	*_login = NULL;
	if (login == NULL)
		return;
	ocs_scram_free(&login->scram);
	wipe(&login->password);
	wipe(&login->prepared);
	i_free(login->username);
	i_free(login);
}

static const char *sasl_body(const char *mechanism, const void *data, size_t size)
{
	return t_strdup_printf("<ocsmanager><sasl%s>%s</sasl></ocsmanager>\n", mechanism,
	                       str_c(t_base64url_encode(0, 0, data, size)));
}

static const char *plain_body(struct ocs_login *login)
{
	string_t *message = t_str_new(256);

	str_append_c(message, '\0');
	str_append(message, login->username);
	str_append_c(message, '\0');
	str_append(message, login->password);
	return sasl_body(" mechanism=\"PLAIN\"", str_data(message), str_len(message));
}

void ocs_login_start(struct ocs_login *login, struct ocs_login_request *request_r)
{
	const char *message;

	login->step = 0;
	request_r->path = "/authenticate/token";
	switch (login->mechanism) {
	case OCS_MECH_SCRAM_SHA_256:
		message = ocs_scram_first(login->scram);
		request_r->body =
		        sasl_body(" mechanism=\"SCRAM-SHA-256\"", message, strlen(message));
		break;
	case OCS_MECH_SSHA:
		request_r->body = t_strdup_printf("<ocsmanager><login>%s</login></ocsmanager>\n",
		                                  login->username);
		break;
	case OCS_MECH_PLAIN:
		request_r->path = "/authenticate/login";
		request_r->body = plain_body(login);
		break;
	}
}

/* Readers accept both base64 alphabets, with or without padding. */
static buffer_t *decode64(const char *text)
{
	const struct base64_scheme *scheme =
	        strpbrk(text, "+/") != NULL ? &base64_scheme : &base64url_scheme;

	return t_base64_scheme_decode(scheme, BASE64_DECODE_FLAG_IGNORE_PADDING, text,
	                              strlen(text));
}

/* sha1(NAME ":" "{SSHA}" B64(sha1(password salt) salt) ":" token_salt  token_salt) in hex */
static int ssha_proof(struct ocs_login *login, const struct ocs_answer *answer, const char **hex_r)
{
	const buffer_t *salt = decode64(answer->salt);
	const buffer_t *challenge = decode64(answer->token);
	unsigned char digest[SHA1_RESULTLEN];
	struct sha1_ctxt sha1;
	string_t *text = t_str_new(256);
	buffer_t *hash = t_buffer_create(SHA1_RESULTLEN + SALT_MAX);

	if (salt->used == 0 || salt->used > SALT_MAX || challenge->used == 0 ||
	    challenge->used > SALT_MAX)
		return -1;
	sha1_init(&sha1);
	sha1_loop(&sha1, password_of(login), strlen(password_of(login)));
	sha1_loop(&sha1, salt->data, salt->used);
	sha1_result(&sha1, digest);
	buffer_append(hash, digest, sizeof(digest));
	buffer_append(hash, salt->data, salt->used);

	str_printfa(text, "%s:{SSHA}", login->username);
	base64url_encode(0, 0, hash->data, hash->used, text);
	str_append_c(text, ':');
	str_append_data(text, challenge->data, challenge->used);
	str_append_data(text, challenge->data, challenge->used);
	sha1_get_digest(str_data(text), str_len(text), digest);
	*hex_r = binary_to_hex(digest, sizeof(digest));
	return 0;
}

static int second_step(struct ocs_login *login, const struct ocs_answer *answer,
                       struct ocs_login_request *request_r, const char **error_r)
{
	const char *message;

	request_r->path = "/authenticate/login";
	if (login->mechanism == OCS_MECH_SSHA) {
		if (ssha_proof(login, answer, &message) < 0) {
			*error_r = "the server's challenge is malformed";
			return -1;
		}
		request_r->body =
		        t_strdup_printf("<ocsmanager><token>%s</token></ocsmanager>\n", message);
		return 0;
	}
	message = ocs_scram_final(login->scram, str_c(decode64(answer->sasl)), error_r);
	if (message == NULL)
		return -1;
	request_r->body = sasl_body("", message, strlen(message));
	return 0;
}

int ocs_login_next(struct ocs_login *login, const char *body, size_t size,
                   struct ocs_login_request *request_r, const char **token_r, unsigned int *ttl_r,
                   const char **error_r)
{
	struct ocs_answer answer;

	if (ocs_answer_parse(body, size, &answer) < 0) {
		*error_r = "the answer to the login is not OCSManager's";
		return -1;
	}
	if (answer.error_code != 0) {
		*error_r = t_strdup_printf("login refused: %u %s", answer.error_code,
		                           answer.error_name);
		return -1;
	}
	if (login->mechanism != OCS_MECH_PLAIN && login->step == 0) {
		login->step = 1;
		return second_step(login, &answer, request_r, error_r);
	}
	if (login->mechanism == OCS_MECH_SCRAM_SHA_256 &&
	    !ocs_scram_verify(login->scram, str_c(decode64(answer.sasl)))) {
		*error_r = "the server could not prove that it knows the password";
		return -1;
	}
	/* it goes into a header: nothing but what RFC 6750 allows there */
	if (*answer.token == '\0' || strlen(answer.token) > TOKEN_MAX ||
	    strspn(answer.token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	                         "-._~+/=") != strlen(answer.token)) {
		*error_r = "the server's session token is malformed";
		return -1;
	}
	*token_r = answer.token;
	*ttl_r = answer.ttl;
	return 1;
}

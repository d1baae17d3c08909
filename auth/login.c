/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Answers each step of a login: checks the request, runs SCRAM, SSHA or PLAIN, and ends in a token
 * or a refusal, the same for all three. Opens no file; takes short locks and random bytes; PLAIN
 * hashes, and may wait for its turn to. With auth = ldap PLAIN and the first steps ask the
 * directory.
 */
#include <string.h>

#include <nettle/memops.h>
#include <talloc.h>

#include "auth/codec.h"
#include "auth/internal.h"

#define TEXT_OFF         "this mechanism is switched off"
#define TEXT_CREDENTIALS "invalid credentials"
#define TEXT_SESSION     "no pending login belongs to these cookies"
#define TEXT_ATTEMPTS    "too many failed logins"

/* What one step works with. */
struct step {
	struct ocs_auth *auth;
	struct ocs_auth_view *view;
	struct ocs_peer peer;
	struct ocs_origin origin; /* once the account is known */
	unsigned others_wait; /* s that all other accounts have to wait at this address; 0: none */
	struct ocs_auth_reply *reply;
};

static void begin(struct step *step, struct ocs_auth *auth, const struct sockaddr *peer,
                  struct ocs_auth_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	step->auth = auth;
	step->others_wait = 0;
	step->view = ocs_auth_view_hold(auth);
	step->reply = reply;
	ocs_peer_from(peer, &step->peer);
}

static enum ocs_auth_result end(struct step *step, enum ocs_auth_result result)
{
	ocs_auth_view_release(step->view);
	return result;
}

static enum ocs_auth_result fail(struct step *step, enum ocs_auth_result result, const char *text)
{
	return ocs_auth_fail(step->reply, result, text);
}

static enum ocs_auth_result fail_for_memory(struct step *step, enum ocs_auth_result result)
{
	step->reply->no_memory = true;
	return fail(step, result, "out of memory");
}

/* The step is about this account: for the log, and for what counts it. */
static void name_account(struct step *step, const char *account)
{
	strcpy(step->reply->account, account);
	ocs_origin_make(&step->auth->origin_key, &step->peer, account, &step->origin);
}

static bool offered(const struct step *step, enum ocs_mechanism mechanism)
{
	return (step->view->mechanisms & mechanism) != 0;
}

/* Puts the challenge among the pending ones; the reply gets cookies and ttl. */
static enum ocs_auth_result ask(struct step *step, struct ocs_challenge *challenge)
{
	const struct ocs_auth_view *view = step->view;
	const struct ocs_challenge_rule rule = {
	        .limit = view->pending_challenges,
	        .ttl = view->challenge_ttl,
	        .spared = ocs_limiter_spares(&view->rule, &step->peer),
	};
	enum ocs_auth_result result =
	        ocs_challenges_put(step->auth->challenges, challenge, &step->origin, &rule,
	                           ocs_auth_steady_ms(&step->auth->clock), step->reply);

	if (result == OCS_AUTH_OK)
		step->reply->ttl = view->challenge_ttl;
	else if (step->reply->no_memory)
		fail_for_memory(step, result);
	else
		fail(step, result, "cannot get random bytes");
	return result;
}

/* Takes the challenge; result says why there is none. Whatever follows, it is spent. */
static struct ocs_challenge *answer(struct step *step, const struct ocs_auth_cookies *cookies,
                                    enum ocs_challenge_kind kind)
{
	struct ocs_challenge *challenge = ocs_challenges_take(
	        step->auth->challenges, cookies, ocs_auth_steady_ms(&step->auth->clock));

	if (challenge && challenge->kind != kind) {
		ocs_challenge_free(challenge);
		challenge = NULL;
	}
	if (challenge)
		name_account(step, challenge->account);
	return challenge;
}

static enum ocs_auth_result too_many(struct step *step, unsigned wait)
{
	step->reply->retry_after = wait;
	return fail(step, OCS_AUTH_TOO_MANY_ATTEMPTS, TEXT_ATTEMPTS);
}

static enum ocs_auth_result may_try(struct step *step)
{
	bool spared;
	unsigned wait = ocs_limiter_wait(step->auth->limiter, &step->view->rule, &step->origin,
	                                 ocs_auth_steady_ms(&step->auth->clock), &spared);

	step->others_wait = wait;
	return wait > 0 && !spared ? too_many(step, wait) : OCS_AUTH_OK;
}

/* Where all others are refused, a wrong password must not tell that this account is not. */
static enum ocs_auth_result wrong(struct step *step)
{
	int64_t now = ocs_auth_steady_ms(&step->auth->clock);
	unsigned locked =
	        ocs_limiter_failed(step->auth->limiter, &step->view->rule, &step->origin, now);

	step->reply->locked = locked;
	if (locked)
		step->reply->locked_for = ocs_limiter_wait(step->auth->limiter, &step->view->rule,
		                                           &step->origin, now, NULL);
	return step->others_wait > 0 ? too_many(step, step->others_wait)
	                             : fail(step, OCS_AUTH_INVALID_CREDENTIALS, TEXT_CREDENTIALS);
}

static enum ocs_auth_result succeed(struct step *step, const struct ocs_account *account)
{
	enum ocs_auth_result result = ocs_auth_grant(step->auth, step->view, account, step->reply);

	if (result == OCS_AUTH_OK)
		ocs_limiter_succeeded(step->auth->limiter, &step->origin,
		                      ocs_auth_steady_ms(&step->auth->clock));
	return result;
}

static enum ocs_auth_result away(struct step *step)
{
	return fail(step, OCS_AUTH_DIRECTORY_UNAVAILABLE, "the directory cannot be asked");
}

/* A place to ask the directory from. */
static enum ocs_auth_result enter(struct step *step, struct ocs_directory_seat **seat_r)
{
	unsigned retry_after;
	enum ocs_directory_answer answer =
	        ocs_directory_enter(step->view->directory, seat_r, &retry_after);

	if (answer == OCS_DIRECTORY_YES)
		return OCS_AUTH_OK;
	step->reply->retry_after = retry_after;
	return answer == OCS_DIRECTORY_BUSY
	               ? fail(step, OCS_AUTH_OVERLOADED, "too many logins at the same time")
	               : away(step);
}

/* The first step, with auth = ldap: what the directory says of the name, for this step and the
 * next. */
static enum ocs_auth_result look_up(struct step *step, const char *name,
                                    struct ocs_challenge *challenge)
{
	struct ocs_directory *directory = step->view->directory;
	struct ocs_directory_seat *seat;

	if (!directory)
		return OCS_AUTH_OK;
	/* whoever is locked asks nobody */
	enum ocs_auth_result result = may_try(step);
	if (result != OCS_AUTH_OK)
		return result;
	challenge->known = talloc_zero(challenge, struct ocs_account);
	if (!challenge->known)
		return fail_for_memory(step, OCS_AUTH_INTERNAL);
	result = enter(step, &seat);
	if (result != OCS_AUTH_OK)
		return result;
	enum ocs_directory_answer answer =
	        ocs_directory_find(directory, seat, name, challenge->known);
	ocs_directory_leave(directory, seat);
	if (answer == OCS_DIRECTORY_AWAY) {
		step->reply->retry_after = ocs_directory_retry(directory);
		return away(step);
	}
	if (answer != OCS_DIRECTORY_YES)
		TALLOC_FREE(challenge->known);
	return OCS_AUTH_OK;
}

/* NULL: there is none. */
static const struct ocs_account *account_of(const struct step *step,
                                            const struct ocs_challenge *challenge)
{
	return step->view->directory ? challenge->known
	                             : ocs_accounts_find(step->view->accounts, challenge->account);
}

static void shape_of(const struct step *step, struct ocs_account_shape *shape)
{
	if (step->view->directory)
		ocs_directory_shape(step->view->directory, shape);
	else
		*shape = step->view->accounts->shape;
}

/* What salts are made up from. A directory finds an entry whatever the case of the letters, so it
 * must not tell an entry from none. */
static const char *fake_name(const struct step *step, const char *name)
{
	return step->view->directory ? step->origin.account : name;
}

/* What the login step compares with: the account's own, or made up. real_r: it may succeed. */
static void ssha_of(const struct step *step, const struct ocs_challenge *challenge,
                    struct ocs_ssha *ssha, const struct ocs_account **real_r)
{
	const struct ocs_account *account = account_of(step, challenge);
	struct ocs_account_shape shape;

	shape_of(step, &shape);
	ocs_accounts_fake_ssha(&shape, &step->auth->secret, fake_name(step, challenge->account),
	                       ssha);
	*real_r = account && account->has_ssha ? account : NULL;
	if (*real_r)
		*ssha = account->ssha;
}

static enum ocs_auth_result ssha_start(struct step *step, const char *login)
{
	const struct ocs_account *real;
	struct ocs_ssha ssha;

	if (!offered(step, OCS_MECHANISM_SSHA))
		return fail(step, OCS_AUTH_ACCESS_FORBIDDEN, TEXT_OFF);
	if (!login || !*login)
		return fail(step, OCS_AUTH_MISSING_PARAMETER, "login is missing");
	if (!ocs_account_name_valid(login))
		return fail(step, OCS_AUTH_INVALID_PARAMETER,
		            "login has 1 to 128 of A-Z a-z 0-9 _ . @ -");
	name_account(step, login);

	struct ocs_challenge *challenge = ocs_challenge_new();
	if (!challenge)
		return fail_for_memory(step, OCS_AUTH_INTERNAL);
	challenge->kind = OCS_CHALLENGE_SSHA;
	strcpy(challenge->account, login);
	if (ocs_auth_random(challenge->token_salt, OCS_CHALLENGE_SALT) < 0) {
		ocs_challenge_free(challenge);
		return fail(step, OCS_AUTH_INTERNAL, "cannot get random bytes");
	}
	enum ocs_auth_result result = look_up(step, login, challenge);
	if (result != OCS_AUTH_OK) {
		ocs_challenge_free(challenge);
		return result;
	}
	ssha_of(step, challenge, &ssha, &real);
	ocs_auth_b64_encode(step->reply->salt, ssha.salt, ssha.salt_len);
	ocs_auth_b64_encode(step->reply->token_salt, challenge->token_salt, OCS_CHALLENGE_SALT);

	result = ask(step, challenge);
	if (result != OCS_AUTH_OK)
		step->reply->salt[0] = step->reply->token_salt[0] = '\0';
	return result;
}

enum ocs_auth_result ocs_auth_ssha_start(struct ocs_auth *auth, const struct sockaddr *peer,
                                         const char *login, struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	return end(&step, ssha_start(&step, login));
}

static enum ocs_auth_result ssha_login(struct step *step, const struct ocs_challenge *challenge,
                                       const char *hex)
{
	uint8_t expected[OCS_SSHA_DIGEST], given[OCS_SSHA_DIGEST] = {0};
	const struct ocs_account *real;
	struct ocs_ssha ssha;
	enum ocs_auth_result result = may_try(step);

	if (result != OCS_AUTH_OK)
		return result;
	ssha_of(step, challenge, &ssha, &real);
	bool hexadecimal = ocs_auth_hex_decode(hex, given, sizeof(given)) == 0;
	ocs_ssha_answer(challenge->account, &ssha, challenge->token_salt, OCS_CHALLENGE_SALT,
	                expected);
	bool right = memeql_sec(expected, given, sizeof(given)) != 0;
	if (real && real->has_raw) {
		ocs_ssha_answer(challenge->account, &real->raw, challenge->token_salt,
		                OCS_CHALLENGE_SALT, expected);
		right |= memeql_sec(expected, given, sizeof(given)) != 0;
	}
	right &= hexadecimal;
	if (!right || !real)
		return wrong(step);
	return succeed(step, real);
}

enum ocs_auth_result ocs_auth_ssha_login(struct ocs_auth *auth, const struct sockaddr *peer,
                                         const struct ocs_auth_cookies *cookies, const char *hex,
                                         struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	if (!offered(&step, OCS_MECHANISM_SSHA))
		return end(&step, fail(&step, OCS_AUTH_ACCESS_FORBIDDEN, TEXT_OFF));
	if (!hex || !*hex)
		return end(&step, fail(&step, OCS_AUTH_MISSING_PARAMETER, "token is missing"));
	struct ocs_challenge *challenge = answer(&step, cookies, OCS_CHALLENGE_SSHA);
	if (!challenge)
		return end(&step, fail(&step, OCS_AUTH_INVALID_SESSION, TEXT_SESSION));
	enum ocs_auth_result result = ssha_login(&step, challenge, hex);
	ocs_challenge_free(challenge);
	return end(&step, result);
}

struct scram_lookup {
	struct step *step;
	struct ocs_challenge *challenge;
	enum ocs_auth_result result; /* what is not OK ends the step */
};

static void scram_of(void *arg, const char *name, struct ocs_scram_keys *keys)
{
	struct scram_lookup *lookup = arg;
	struct step *step = lookup->step;
	struct ocs_account_shape shape;

	strcpy(lookup->challenge->account, name);
	name_account(step, name);
	lookup->result = look_up(step, name, lookup->challenge);
	shape_of(step, &shape);
	ocs_accounts_fake_scram(&shape, &step->auth->secret, fake_name(step, name), keys);
	const struct ocs_account *account = account_of(step, lookup->challenge);
	if (account && account->has_scram) {
		*keys = account->scram;
		memcpy(lookup->challenge->account_mac, account->mac, OCS_ACCOUNT_MAC);
	}
}

static enum ocs_auth_result scram_start(struct step *step, const struct ocs_auth_binding *binding,
                                        const char *mechanism, const char *client_first)
{
	bool plus = binding && mechanism && strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0;

	if (!mechanism || !*mechanism)
		return fail(step, OCS_AUTH_MISSING_PARAMETER, "sasl has no mechanism");
	if (!plus && strcmp(mechanism, "SCRAM-SHA-256") != 0)
		return fail(step, OCS_AUTH_INVALID_PARAMETER,
		            "the only two-step mechanism is SCRAM-SHA-256, over TLS also -PLUS");
	if (!offered(step, OCS_MECHANISM_SCRAM))
		return fail(step, OCS_AUTH_ACCESS_FORBIDDEN, TEXT_OFF);
	if (!client_first || !*client_first)
		return fail(step, OCS_AUTH_MISSING_PARAMETER, "sasl is empty");

	struct ocs_challenge *challenge = ocs_challenge_new();
	if (!challenge)
		return fail_for_memory(step, OCS_AUTH_INTERNAL);
	challenge->kind = OCS_CHALLENGE_SCRAM;
	struct scram_lookup lookup = {step, challenge, OCS_AUTH_OK};
	enum ocs_auth_result result =
	        ocs_scram_start(step->auth->sasl, plus, binding, client_first, scram_of, &lookup,
	                        &challenge->scram, step->reply);
	if (result != OCS_AUTH_OK) {
		ocs_challenge_free(challenge);
		if (step->reply->no_memory)
			return fail_for_memory(step, result);
		return fail(step, result,
		            result == OCS_AUTH_INTERNAL
		                    ? "cannot start SCRAM-SHA-256"
		                    : "not a client-first message of SCRAM-SHA-256");
	}
	if (lookup.result == OCS_AUTH_OK)
		result = ask(step, challenge);
	else
		result = lookup.result, ocs_challenge_free(challenge);
	if (result != OCS_AUTH_OK)
		step->reply->sasl[0] = '\0';
	return result;
}

enum ocs_auth_result ocs_auth_scram_start(struct ocs_auth *auth, const struct sockaddr *peer,
                                          const struct ocs_auth_binding *binding,
                                          const char *mechanism, const char *client_first,
                                          struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	return end(&step, scram_start(&step, binding, mechanism, client_first));
}

static enum ocs_auth_result scram_login(struct step *step, const struct ocs_auth_binding *binding,
                                        const struct ocs_challenge *challenge,
                                        const char *client_final)
{
	enum ocs_auth_result result = may_try(step);

	if (result != OCS_AUTH_OK)
		return result;
	result = ocs_scram_finish(challenge->scram, binding, client_final, step->reply);
	/* the account may have gone or changed since it was asked; made-up keys have no MAC */
	const struct ocs_account *account = account_of(step, challenge);
	if (result == OCS_AUTH_OK && account &&
	    memeql_sec(account->mac, challenge->account_mac, OCS_ACCOUNT_MAC))
		return succeed(step, account);
	step->reply->sasl[0] = '\0';
	return wrong(step);
}

enum ocs_auth_result ocs_auth_scram_login(struct ocs_auth *auth, const struct sockaddr *peer,
                                          const struct ocs_auth_binding *binding,
                                          const struct ocs_auth_cookies *cookies,
                                          const char *client_final, struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	if (!offered(&step, OCS_MECHANISM_SCRAM))
		return end(&step, fail(&step, OCS_AUTH_ACCESS_FORBIDDEN, TEXT_OFF));
	if (!client_final || !*client_final)
		return end(&step, fail(&step, OCS_AUTH_MISSING_PARAMETER, "sasl is empty"));
	struct ocs_challenge *challenge = answer(&step, cookies, OCS_CHALLENGE_SCRAM);
	if (!challenge)
		return end(&step, fail(&step, OCS_AUTH_INVALID_SESSION, TEXT_SESSION));
	enum ocs_auth_result result = scram_login(&step, binding, challenge, client_final);
	ocs_challenge_free(challenge);
	return end(&step, result);
}

/* Within a slot, so that attempts that come together cannot overshoot the limit by more than the
 * slots there are. */
static enum ocs_auth_result plain_check(struct step *step, const char *name, const char *password)
{
	if (!ocs_slots_take(step->auth->hashing)) {
		step->reply->retry_after = 1;
		return fail(step, OCS_AUTH_OVERLOADED, "too many passwords are being checked");
	}
	enum ocs_auth_result result = may_try(step);
	if (result == OCS_AUTH_OK) {
		const struct ocs_account *account =
		        ocs_accounts_check_password(step->view->accounts, name, password);

		result = account ? succeed(step, account) : wrong(step);
	}
	ocs_slots_give(step->auth->hashing);
	return result;
}

/* The same at a place to ask from. */
static enum ocs_auth_result plain_ask(struct step *step, const char *name, const char *password)
{
	struct ocs_directory *directory = step->view->directory;
	struct ocs_directory_seat *seat;
	struct ocs_account account;
	enum ocs_auth_result result = enter(step, &seat);

	if (result != OCS_AUTH_OK)
		return result;
	result = may_try(step);
	if (result == OCS_AUTH_OK) {
		switch (ocs_directory_password(directory, seat, name, password, &account)) {
		case OCS_DIRECTORY_YES:
			result = succeed(step, &account);
			explicit_bzero(&account, sizeof(account));
			break;
		case OCS_DIRECTORY_NO:
			result = wrong(step);
			break;
		default:
			step->reply->retry_after = ocs_directory_retry(directory);
			result = away(step);
		}
	}
	ocs_directory_leave(directory, seat);
	return result;
}

/* look: not at the password. */
static enum ocs_auth_result plain(struct step *step, bool private_line, const char *message,
                                  bool look)
{
	char password[OCS_HASH_PASSWORD_MAX + 1], name[OCS_AUTH_NAME_SIZE];

	if (!offered(step, OCS_MECHANISM_PLAIN))
		return fail(step, OCS_AUTH_ACCESS_FORBIDDEN, TEXT_OFF);
	if (!private_line)
		return fail(step, OCS_AUTH_ACCESS_FORBIDDEN,
		            "PLAIN needs TLS or a connection from this host");
	if (!message || !*message)
		return fail(step, OCS_AUTH_MISSING_PARAMETER, "sasl is empty");
	enum ocs_auth_result result = ocs_plain_parse(message, name, password);
	if (result != OCS_AUTH_OK)
		return fail(step, result, "not a PLAIN message: NUL user NUL password");
	name_account(step, name);
	/* whoever is locked waits for no slot */
	result = may_try(step);
	if (result == OCS_AUTH_OK && !look)
		result = step->view->directory ? plain_ask(step, name, password)
		                               : plain_check(step, name, password);
	explicit_bzero(password, sizeof(password));
	return result;
}

enum ocs_auth_result ocs_auth_plain_look(struct ocs_auth *auth, const struct sockaddr *peer,
                                         bool private_line, const char *message,
                                         struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	return end(&step, plain(&step, private_line, message, true));
}

enum ocs_auth_result ocs_auth_plain(struct ocs_auth *auth, const struct sockaddr *peer,
                                    bool private_line, const char *message,
                                    struct ocs_auth_reply *reply)
{
	struct step step;

	begin(&step, auth, peer, reply);
	return end(&step, plain(&step, private_line, message, false));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Shared by auth.c (start, reload, stop), login.c (the steps of a login) and grant.c (tokens).
 * Declarations only. A step holds a view, so that a reload does not change it halfway.
 */
#ifndef OCS_AUTH_INTERNAL_H
#define OCS_AUTH_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/accounts.h"
#include "auth/auth.h"
#include "auth/challenge.h"
#include "auth/clock.h"
#include "auth/directory.h"
#include "auth/limiter.h"
#include "auth/revoke.h"
#include "auth/scram.h"
#include "auth/secret.h"
#include "auth/slots.h"

enum ocs_mechanism {
	OCS_MECHANISM_SCRAM = 1,
	OCS_MECHANISM_SSHA = 2,
	OCS_MECHANISM_PLAIN = 4,
};

/* What a reload replaces as a whole. A step holds one from beginning to end. */
struct ocs_auth_view {
	atomic_uint holders;
	struct ocs_accounts *accounts;   /* empty where there is a directory */
	struct ocs_directory *directory; /* auth = ldap, else NULL; held */
	unsigned mechanisms;             /* bits */
	unsigned challenge_ttl, token_ttl;
	unsigned pending_challenges;
	struct ocs_limiter_rule rule;
};

struct ocs_auth {
	pthread_rwlock_t lock; /* of the pointer to the view; held for moments only */
	struct ocs_auth_view *view;
	/* counts the views from 1, and the changes of a directory's accounts: told after they are
	 * made */
	_Atomic uint64_t generation;

	/* set at open, each with its own threads' rule */
	struct ocs_auth_secret secret;
	struct ocs_auth_secret origin_key; /* of this process, for auth/origin.h */
	struct ocs_auth_clock clock;
	struct ocs_sasl *sasl;
	struct ocs_challenges *challenges;
	struct ocs_limiter *limiter;
	struct ocs_revoked *revoked;
	char *secret_path;
	struct ocs_slots *hashing;
};

struct ocs_auth_view *ocs_auth_view_hold(struct ocs_auth *auth);
void ocs_auth_view_release(struct ocs_auth_view *view);

/* Sets reply->text and returns result. */
enum ocs_auth_result ocs_auth_fail(struct ocs_auth_reply *reply, enum ocs_auth_result result,
                                   const char *text);
/* The end of a login that was right: reply->token, ttl, account. */
enum ocs_auth_result ocs_auth_grant(struct ocs_auth *auth, const struct ocs_auth_view *view,
                                    const struct ocs_account *account,
                                    struct ocs_auth_reply *reply);

#endif

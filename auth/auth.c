/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Open, reload, close: from settings to a working struct ocs_auth. Touches the private folder, the
 * secret, auth.tdb and (through the sources) the account file.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "auth/codec.h"
#include "auth/internal.h"

#define REVOKED_MOST 1000000
#define HASH_QUEUE   64   /* PLAIN logins that may wait for a slot ... */
#define HASH_WAIT_MS 3000 /* ... and how long */

static const struct {
	const char *name;
	enum ocs_mechanism bit;
} mechanisms[] = {
        {"SCRAM-SHA-256", OCS_MECHANISM_SCRAM},
        {"SSHA", OCS_MECHANISM_SSHA},
        {"PLAIN", OCS_MECHANISM_PLAIN},
};

#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

static void report(const struct ocs_auth_settings *settings, const char *text)
{
	if (settings->report)
		settings->report(LOG_WARNING, text, settings->report_arg);
}

/* One name of a comma-separated list, without case. */
static unsigned mechanism_bit(const char *name, size_t len)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (strlen(mechanisms[i].name) == len &&
		    strncasecmp(mechanisms[i].name, name, len) == 0)
			return mechanisms[i].bit;
	return 0;
}

static int parse_mechanisms(const char *list, unsigned *bits_r, struct ocs_error *error)
{
	*bits_r = 0;
	if (!list) {
		*bits_r = OCS_MECHANISM_SCRAM | OCS_MECHANISM_SSHA | OCS_MECHANISM_PLAIN;
		return 0;
	}
	while (true) {
		list += strspn(list, " \t");
		size_t len = strcspn(list, ", \t");
		unsigned bit = mechanism_bit(list, len);

		if (!bit)
			return ocs_error_set(
			        error,
			        "mechanisms: '%.*s' is not one of SCRAM-SHA-256, SSHA, PLAIN",
			        len < 64 ? (int)len : 64, list);
		*bits_r |= bit;
		list += len;
		list += strspn(list, " \t");
		if (!*list)
			return 0;
		if (*list == ',')
			list++;
	}
}

/* An account that no mechanism on offer can serve is as good as none: its admin is to know. */
static void report_unserved(const struct ocs_auth_settings *settings,
                            const struct ocs_auth_view *view)
{
	const struct ocs_account *account, *next;

	HASH_ITER(hh, view->accounts->table, account, next)
	{
		bool single = account->line == 0;
		const char *file = single ? settings->config_file : settings->file;
		unsigned line = single ? settings->password_line : account->line;
		char text[600];

		if ((view->mechanisms & OCS_MECHANISM_PLAIN) ||
		    (account->has_ssha && (view->mechanisms & OCS_MECHANISM_SSHA)) ||
		    (account->has_scram && (view->mechanisms & OCS_MECHANISM_SCRAM)))
			continue;
		snprintf(text, sizeof(text),
		         "%.300s:%u: account %s cannot log in: its hash serves %sPLAIN, none of "
		         "which [main] mechanisms offers",
		         file ? file : "?", line, account->name,
		         account->has_ssha    ? "SSHA and "
		         : account->has_scram ? "SCRAM-SHA-256 and "
		                              : "");
		report(settings, text);
	}
}

static int view_free(struct ocs_auth_view *view)
{
	ocs_directory_release(view->directory);
	/* it may hold a plain password; the accounts wipe themselves */
	talloc_free(view->accounts);
	view->accounts = NULL;
	return 0;
}

static bool uses_directory(const struct ocs_auth_settings *settings)
{
	return settings->backend && strcmp(settings->backend, "ldap") == 0;
}

/* That of before, with its connections and what it knows, where nothing changed. auth NULL: the
 * settings are only checked. */
static int set_directory(struct ocs_auth_view *view, struct ocs_auth *auth,
                         const struct ocs_auth_settings *settings, struct ocs_error *error)
{
	struct ocs_ldap_config *config;
	struct ocs_directory *old = auth && auth->view ? auth->view->directory : NULL;

	if (!uses_directory(settings))
		return 0;
	if (ocs_ldap_config_new(NULL, settings, &config, error) < 0)
		return -1;
	if (auth && !(old && ocs_ldap_config_equal(config, ocs_directory_config(old))))
		return ocs_directory_open(config, &auth->secret, &auth->clock, &auth->generation,
		                          &view->directory, error);
	talloc_free(config);
	if (auth) {
		ocs_directory_hold(old);
		view->directory = old;
	}
	return 0;
}

/* auth: as for the directory. */
static struct ocs_auth_view *view_new(const struct ocs_auth_settings *settings,
                                      const struct ocs_auth_secret *secret, struct ocs_auth *auth,
                                      struct ocs_error *error)
{
	struct ocs_auth_view *view = talloc_zero(NULL, struct ocs_auth_view);

	if (!view) {
		ocs_error_memory(error);
		return NULL;
	}
	atomic_init(&view->holders, 1);
	talloc_set_destructor(view, view_free);
	view->challenge_ttl = settings->challenge_ttl;
	view->token_ttl = settings->token_ttl;
	view->pending_challenges = settings->pending_challenges;
	view->rule.failures = settings->failed_logins;
	view->rule.window = settings->failure_window;
	view->rule.count_loopback = settings->count_loopback;
	if (parse_mechanisms(settings->mechanisms, &view->mechanisms, error) < 0 ||
	    ocs_accounts_load(NULL, settings, secret, &view->accounts, error) < 0 ||
	    set_directory(view, auth, settings, error) < 0) {
		talloc_free(view);
		return NULL;
	}
	report_unserved(settings, view);
	return view;
}

struct ocs_auth_view *ocs_auth_view_hold(struct ocs_auth *auth)
{
	pthread_rwlock_rdlock(&auth->lock);
	struct ocs_auth_view *view = auth->view;
	atomic_fetch_add(&view->holders, 1);
	pthread_rwlock_unlock(&auth->lock);
	return view;
}

void ocs_auth_view_release(struct ocs_auth_view *view)
{
	if (view && atomic_fetch_sub(&view->holders, 1) == 1)
		talloc_free(view);
}

static int make_folder(const char *path, struct ocs_error *error)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	/* it may stand in a folder that others write to: what is there must be ours */
	if (lstat(path, &st) < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return ocs_error_set(error, "%s: not a folder", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return ocs_error_set(error, "%s: belongs to uid %u, must belong to root or uid %u",
		                     path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 077)
		return ocs_error_set(error, "%s: mode %04o is too open, must be 0700", path,
		                     (unsigned)st.st_mode & 07777);
	return 0;
}

/* Rotates first and repairs second: killed in between, the next start rotates once more, while the
 * other order would forget the revocations and keep the tokens. */
static int replace_secret(struct ocs_auth *auth, const struct ocs_auth_settings *settings,
                          const char *secret_path, const char *why, struct ocs_error *error)
{
	char text[OCS_ERROR_MAX + 200];

	if (ocs_auth_secret_rotate(secret_path, &auth->secret, error) < 0)
		return -1;
	snprintf(text, sizeof(text),
	         "cannot read the logged-out tokens (%.300s): the secret was replaced, so no "
	         "session token is valid any more",
	         why);
	report(settings, text);
	return 0;
}

/*
 * The secret, then the revocations. A missing auth.tdb beside a secret of our own means that it
 * was lost; beside a shared secret_file it is what a new node looks like.
 */
static int open_private(struct ocs_auth *auth, const struct ocs_auth_settings *settings,
                        struct ocs_error *error)
{
	char secret_path[PATH_MAX], revoked_path[PATH_MAX];
	bool created, shared = settings->secret_file && *settings->secret_file;
	int64_t now = ocs_auth_wall_ms(&auth->clock);

	if (!settings->private_folder || !*settings->private_folder)
		return ocs_error_set(error, "no private folder given");
	if (snprintf(revoked_path, sizeof(revoked_path), "%s/auth.tdb", settings->private_folder) >=
	            (int)sizeof(revoked_path) ||
	    snprintf(secret_path, sizeof(secret_path), "%s%s",
	             shared ? settings->secret_file : settings->private_folder,
	             shared ? "" : "/secret") >= (int)sizeof(secret_path))
		return ocs_error_set(error, "%s: path too long", settings->private_folder);
	if (make_folder(settings->private_folder, error) < 0 ||
	    ocs_auth_secret_load(secret_path, &auth->secret, &created, error) < 0)
		return -1;

	auth->secret_path = strdup(secret_path);
	if (!auth->secret_path)
		return ocs_error_memory(error);
	struct ocs_error why = {.text = ""};
	enum ocs_revoked_open rc = ocs_revoked_open(revoked_path, created || shared, false,
	                                            REVOKED_MOST, now, &auth->revoked, &why);
	if (rc == OCS_REVOKED_DAMAGED || rc == OCS_REVOKED_MISSING) {
		if (replace_secret(auth, settings, secret_path, why.text, error) < 0)
			return -1;
		rc = ocs_revoked_open(revoked_path, true, true, REVOKED_MOST, now, &auth->revoked,
		                      &why);
	}
	if (rc != OCS_REVOKED_OK)
		return ocs_error_pass(error, &why);
	return 0;
}

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

static int make_parts(struct ocs_auth *auth, const struct ocs_auth_settings *settings,
                      struct ocs_error *error)
{
	uint8_t key[OCS_AUTH_SECRET_BYTES];

	if (ocs_auth_random(key, sizeof(key)) < 0)
		return ocs_error_set(error, "cannot get random bytes: %s", strerror(errno));
	ocs_auth_secret_set(&auth->origin_key, key);
	explicit_bzero(key, sizeof(key));
	auth->sasl = ocs_sasl_new();
	auth->challenges = ocs_challenges_new();
	auth->limiter = ocs_limiter_new();
	auth->hashing = ocs_slots_new(settings->hash_slots != 0 ? settings->hash_slots : cores(),
	                              HASH_QUEUE, HASH_WAIT_MS);
	if (!auth->sasl || !auth->challenges || !auth->limiter || !auth->hashing)
		return ocs_error_memory(error);
	return 0;
}

int ocs_auth_open(const struct ocs_auth_settings *settings, struct ocs_auth **auth_r,
                  struct ocs_error *error)
{
	struct ocs_auth *auth = calloc(1, sizeof(*auth));
	pthread_rwlockattr_t attr;

	*auth_r = NULL;
	if (!auth || pthread_rwlockattr_init(&attr) != 0) {
		free(auth);
		return ocs_error_memory(error);
	}
	/* readers come without a pause; a reload must get in between them */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int rc = pthread_rwlock_init(&auth->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	if (rc != 0) {
		free(auth);
		return ocs_error_set(error, "cannot create a lock: %s", strerror(rc));
	}
	atomic_init(&auth->generation, 1);
	auth->clock.now = settings->now;
	auth->clock.arg = settings->now_arg;

	/* what can be wrong in the ini first, so that a bad one changes nothing on disk; what there
	 * is to report comes with the second reading */
	struct ocs_auth_settings quiet = *settings;
	quiet.report = NULL;
	if (ocs_auth_validate(&quiet, error) < 0 || make_parts(auth, settings, error) < 0 ||
	    open_private(auth, settings, error) < 0 ||
	    !(auth->view = view_new(settings, &auth->secret, auth, error))) {
		ocs_auth_close(auth);
		return -1;
	}
	*auth_r = auth;
	return 0;
}

int ocs_auth_reload(struct ocs_auth *auth, const struct ocs_auth_settings *settings,
                    struct ocs_error *error)
{
	struct ocs_auth_view *view = view_new(settings, &auth->secret, auth, error);

	if (!view)
		return -1;
	pthread_rwlock_wrlock(&auth->lock);
	struct ocs_auth_view *old = auth->view;
	auth->view = view;
	atomic_fetch_add(&auth->generation, 1);
	pthread_rwlock_unlock(&auth->lock);
	ocs_auth_view_release(old);
	return 0;
}

int ocs_auth_validate(const struct ocs_auth_settings *settings, struct ocs_error *error)
{
	uint8_t key[OCS_AUTH_SECRET_BYTES] = {0};
	struct ocs_auth_secret any;

	ocs_auth_secret_set(&any, key);
	struct ocs_auth_view *view = view_new(settings, &any, NULL, error);
	if (!view)
		return -1;
	ocs_auth_view_release(view);
	return 0;
}

int ocs_auth_try(const struct ocs_auth_settings *settings, struct ocs_error *error)
{
	struct ocs_ldap_config *config;

	if (!uses_directory(settings))
		return 0;
	if (ocs_ldap_config_new(NULL, settings, &config, error) < 0)
		return -1;
	int rc = ocs_directory_try(config, error);
	talloc_free(config);
	return rc;
}

unsigned ocs_auth_settings_askers(const struct ocs_auth_settings *settings)
{
	return uses_directory(settings) ? settings->ldap.connections : 0;
}

unsigned ocs_auth_askers(struct ocs_auth *auth)
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	unsigned askers = 0;

	if (view->directory)
		askers = ocs_directory_config(view->directory)->connections;
	ocs_auth_view_release(view);
	return askers;
}

bool ocs_auth_spares(struct ocs_auth *auth, const struct sockaddr *peer)
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	struct ocs_peer from;

	ocs_peer_from(peer, &from);
	bool spares = ocs_limiter_spares(&view->rule, &from);
	ocs_auth_view_release(view);
	return spares;
}

bool ocs_auth_away(struct ocs_auth *auth, struct ocs_error *why)
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	bool away = view->directory && ocs_directory_away(view->directory, why);

	ocs_auth_view_release(view);
	return away;
}

void ocs_auth_interrupt(struct ocs_auth *auth)
{
	if (!auth || !auth->view)
		return;
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	if (view->directory)
		ocs_directory_interrupt(view->directory);
	ocs_auth_view_release(view);
}

void ocs_auth_close(struct ocs_auth *auth)
{
	if (!auth)
		return;
	ocs_auth_interrupt(auth);
	if (auth->view && auth->view->directory)
		ocs_directory_join(auth->view->directory);
	ocs_auth_view_release(auth->view);
	ocs_revoked_close(auth->revoked);
	ocs_slots_free(auth->hashing);
	ocs_limiter_free(auth->limiter);
	ocs_challenges_free(auth->challenges);
	ocs_sasl_free(auth->sasl);
	pthread_rwlock_destroy(&auth->lock);
	free(auth->secret_path);
	explicit_bzero(auth, sizeof(*auth));
	free(auth);
}

int ocs_auth_look_secret(struct ocs_auth *auth, struct ocs_error *error)
{
	return ocs_auth_secret_mend(auth->secret_path, &auth->secret, error);
}

int ocs_auth_look_revoked(struct ocs_auth *auth, struct ocs_error *error)
{
	return ocs_revoked_look(auth->revoked, error);
}

size_t ocs_auth_mechanisms(struct ocs_auth *auth, const struct ocs_auth_binding *binding,
                           const char *names_r[OCS_AUTH_MECHANISMS])
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	size_t count = 0;

	if (binding && view->mechanisms & OCS_MECHANISM_SCRAM)
		names_r[count++] = "SCRAM-SHA-256-PLUS";
	for (size_t i = 0; i < MECHANISMS; i++)
		if (view->mechanisms & mechanisms[i].bit)
			names_r[count++] = mechanisms[i].name;
	ocs_auth_view_release(view);
	return count;
}

bool ocs_auth_has_account(struct ocs_auth *auth, const char *name)
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	bool has = ocs_accounts_find(view->accounts, name) != NULL;

	ocs_auth_view_release(view);
	return has;
}

void ocs_auth_count(struct ocs_auth *auth, struct ocs_auth_counts *counts_r)
{
	struct ocs_auth_view *view = ocs_auth_view_hold(auth);
	int64_t now = ocs_auth_steady_ms(&auth->clock);

	memset(counts_r, 0, sizeof(*counts_r));
	counts_r->accounts =
	        view->directory ? ocs_directory_count(view->directory) : view->accounts->count;
	ocs_challenges_count(auth->challenges, now, counts_r);
	counts_r->revoked_tokens = ocs_revoked_count(auth->revoked);
	ocs_limiter_count(auth->limiter, now, counts_r);
	ocs_auth_view_release(view);
}

size_t ocs_auth_lockouts(struct ocs_auth *auth, struct ocs_auth_lockout *out, size_t most)
{
	return ocs_limiter_list(auth->limiter, ocs_auth_steady_ms(&auth->clock), out, most);
}

int ocs_auth_clear_lockouts(struct ocs_auth *auth, const char *what)
{
	int64_t now = ocs_auth_steady_ms(&auth->clock);
	struct ocs_limiter_net net;
	bool is_net = what && ocs_limiter_net_parse(what, &net) == 0;
	bool is_name = what && ocs_account_name_valid(what);

	/* an address is a name too, which could be somebody's */
	if (what && !is_net && !is_name)
		return -1;
	return (int)ocs_limiter_clear(auth->limiter, is_name ? what : NULL, is_net ? &net : NULL,
	                              now);
}

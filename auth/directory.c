/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The life of a directory, its places to ask from, and its thread, which tries while it is away and
 * asks for the accounts that have tokens. Touches the network; logs what an admin should know.
 */
#include "auth/directory_internal.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_budget.h"

#define WAITING_MAX  32   /* logins that wait for a place */
#define PAUSE_MS     1000 /* between two tries while it is away, at first ... */
#define PAUSE_MAX_MS 8000 /* ... and at last */
#define JOIN_MS      1000
#define TRY_NAME     "ocsmanager-try" /* whether there is one or not */

static int64_t clock_now(void)
{
	return (int64_t)ocs_clock_ms();
}

static void directory_free(struct ocs_directory *directory)
{
	for (unsigned i = 0; i < OCS_LDAP_CONNECTIONS_MAX; i++) {
		ocs_ldap_link_close(&directory->seats[i].service, &directory->sockets);
		ocs_ldap_link_close(&directory->seats[i].person, &directory->sockets);
	}
	ocs_standing_clear(&directory->standing);
	ocs_ldap_sockets_destroy(&directory->sockets);
	pthread_cond_destroy(&directory->changed);
	pthread_mutex_destroy(&directory->lock);
	talloc_free(directory->config);
	explicit_bzero(directory, sizeof(*directory));
	free(directory);
}

void ocs_directory_set_away(struct ocs_directory *directory, const struct ocs_error *why)
{
	if (directory->away || directory->interrupted)
		return;
	directory->away = true;
	directory->why = *why;
	directory->pause_ms = PAUSE_MS;
	directory->try_at = clock_now() + PAUSE_MS;
	pthread_cond_broadcast(&directory->changed);
	ocs_log(LOG_WARNING,
	        "the directory cannot be asked: %s: logins are refused with 503 until it can; "
	        "sessions go on",
	        why->text);
}

/* Under the lock, which it gives up while it asks. -1: it is away. */
static int ask(struct ocs_directory *directory, struct ocs_ldap_link *link, const char *name,
               struct ocs_directory_found *found)
{
	int64_t deadline = clock_now() + directory->config->timeout_ms;
	struct ocs_error why = {.text = ""};

	pthread_mutex_unlock(&directory->lock);
	int rc = ocs_directory_search(directory->config, &directory->sockets, &directory->secret,
	                              link, name, deadline, found, &why);
	pthread_mutex_lock(&directory->lock);
	if (rc == 0 || directory->ending)
		return rc;
	if (directory->away && strcmp(directory->why.text, why.text) != 0)
		ocs_log(LOG_WARNING, "the directory still cannot be asked: %s", why.text);
	ocs_directory_set_away(directory, &why);
	directory->why = why;
	return -1;
}

/* Under the lock. While it is away: whether it still is. */
static void try_again(struct ocs_directory *directory, struct ocs_ldap_link *link)
{
	struct ocs_directory_found found;
	bool was_away = directory->away;

	if (ask(directory, link, TRY_NAME, &found) < 0) {
		if (was_away && directory->pause_ms < PAUSE_MAX_MS)
			directory->pause_ms *= 2;
		directory->try_at = clock_now() + directory->pause_ms;
		return;
	}
	ocs_directory_found_end(&found);
	if (directory->away && !directory->interrupted) {
		directory->away = false;
		memset(directory->mute, 0, sizeof(directory->mute));
		ocs_log(LOG_NOTICE, "the directory answers: %s", link->url);
	}
}

/* Under the lock. An account that has tokens. */
static void ask_again(struct ocs_directory *directory, struct ocs_ldap_link *link, const char *due)
{
	char name[OCS_AUTH_NAME_SIZE];
	struct ocs_directory_found found;

	strcpy(name, due);
	uint64_t told = ocs_standing_told(&directory->standing, name);
	if (ask(directory, link, name, &found) < 0)
		return;
	/* a login that came meanwhile may know better */
	if (ocs_standing_told(&directory->standing, name) != told) {
		ocs_directory_found_end(&found);
		return;
	}
	/* in other letters it is another account */
	bool there = found.there && strcmp(found.account.name, name) == 0;
	int64_t now = clock_now();
	bool changed =
	        ocs_standing_set(&directory->standing, name, there ? found.account.mac : NULL, 0,
	                         now + directory->config->recheck_ms, now);

	ocs_directory_found_end(&found);
	if (!changed || directory->ending)
		return;
	atomic_fetch_add(directory->generation, 1);
	if (!there)
		ocs_log_budgeted(LOG_NOTICE, "LDAP_GONE", "",
		                 "account %s is not in the directory: its tokens are not valid",
		                 name);
}

static void *directory_main(void *arg)
{
	struct ocs_directory *directory = arg;
	struct ocs_ldap_link link = {.kept = -1};
	bool last;

	pthread_mutex_lock(&directory->lock);
	try_again(directory, &link);
	while (!directory->ending) {
		int64_t now = clock_now(), due = directory->try_at;
		const char *name = NULL;

		if (!directory->away)
			name = ocs_standing_due(&directory->standing,
			                        ocs_auth_wall_ms(&directory->clock), now, &due);
		if (name) {
			ask_again(directory, &link, name);
		} else if (directory->away && due <= now) {
			try_again(directory, &link);
		} else if (due == INT64_MAX) {
			pthread_cond_wait(&directory->changed, &directory->lock);
		} else {
			const struct timespec until = ocs_clock_at_ms((uint64_t)due);

			pthread_cond_timedwait(&directory->changed, &directory->lock, &until);
		}
	}
	pthread_mutex_unlock(&directory->lock);
	ocs_ldap_link_close(&link, &directory->sockets);
	pthread_mutex_lock(&directory->lock);
	directory->running = false;
	last = directory->holders == 0;
	pthread_cond_broadcast(&directory->changed);
	pthread_mutex_unlock(&directory->lock);
	if (last)
		directory_free(directory);
	return NULL;
}

static int start_thread(struct ocs_directory *directory, struct ocs_error *error)
{
	pthread_t thread;
	int rc;

	directory->running = true;
	rc = pthread_create(&thread, NULL, directory_main, directory);
	if (rc != 0)
		return ocs_error_thread(error, rc);
	/* whoever is last frees, also if the thread hangs in the resolver */
	(void)pthread_detach(thread);
	return 0;
}

int ocs_directory_open(struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                       const struct ocs_auth_clock *clock, _Atomic uint64_t *generation,
                       struct ocs_directory **directory_r, struct ocs_error *error)
{
	struct ocs_directory *directory = calloc(1, sizeof(*directory));

	*directory_r = NULL;
	if (!directory || ocs_clock_condition(&directory->changed) != 0) {
		free(directory);
		talloc_free(config);
		return ocs_error_memory(error);
	}
	pthread_mutex_init(&directory->lock, NULL);
	ocs_ldap_link_begin();
	ocs_ldap_sockets_init(&directory->sockets);
	directory->config = talloc_steal(NULL, config);
	directory->secret = *secret;
	directory->clock = *clock;
	directory->generation = generation;
	directory->holders = 1;
	ocs_account_shape_init(&directory->shape);
	ocs_ldap_source_mac(config, secret, directory->source);
	for (unsigned i = 0; i < OCS_LDAP_CONNECTIONS_MAX; i++)
		directory->seats[i].service.kept = directory->seats[i].person.kept = -1;
	if (start_thread(directory, error) < 0) {
		directory_free(directory);
		return -1;
	}
	*directory_r = directory;
	return 0;
}

const struct ocs_ldap_config *ocs_directory_config(const struct ocs_directory *directory)
{
	return directory->config;
}

void ocs_directory_hold(struct ocs_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	directory->holders++;
	pthread_mutex_unlock(&directory->lock);
}

void ocs_directory_release(struct ocs_directory *directory)
{
	bool last = false;

	if (!directory)
		return;
	pthread_mutex_lock(&directory->lock);
	if (--directory->holders == 0) {
		directory->ending = true;
		last = !directory->running;
		/* under the lock: the thread that it wakes frees */
		ocs_ldap_sockets_cut(&directory->sockets);
		pthread_cond_broadcast(&directory->changed);
	}
	pthread_mutex_unlock(&directory->lock);
	if (last)
		directory_free(directory);
}

void ocs_directory_interrupt(struct ocs_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	directory->interrupted = directory->away = directory->ending = true;
	pthread_cond_broadcast(&directory->changed);
	pthread_mutex_unlock(&directory->lock);
	ocs_ldap_sockets_cut(&directory->sockets);
}

void ocs_directory_join(struct ocs_directory *directory)
{
	const struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + JOIN_MS);

	pthread_mutex_lock(&directory->lock);
	while (directory->running &&
	       pthread_cond_timedwait(&directory->changed, &directory->lock, &until) == 0)
		;
	pthread_mutex_unlock(&directory->lock);
}

static struct ocs_directory_seat *free_seat(struct ocs_directory *directory)
{
	for (unsigned i = 0; i < directory->config->connections; i++)
		if (!directory->seats[i].taken)
			return &directory->seats[i];
	return NULL;
}

/* Under the lock. */
static unsigned retry_after(const struct ocs_directory *directory)
{
	return directory->away ? ocs_auth_seconds_until(directory->try_at, clock_now()) : 1;
}

enum ocs_directory_answer ocs_directory_enter(struct ocs_directory *directory,
                                              struct ocs_directory_seat **seat_r, unsigned *retry_r)
{
	int64_t timeout = directory->config->timeout_ms;
	const struct timespec until = ocs_clock_at_ms((uint64_t)(clock_now() + timeout));
	struct ocs_directory_seat *seat = NULL;
	int rc = 0;

	pthread_mutex_lock(&directory->lock);
	if (directory->waiting < WAITING_MAX) {
		directory->waiting++;
		while (!directory->away && !(seat = free_seat(directory)) && rc == 0)
			rc = pthread_cond_timedwait(&directory->changed, &directory->lock, &until);
		directory->waiting--;
	}
	bool away = directory->away;
	if (seat) {
		seat->taken = true;
		seat->deadline = clock_now() + timeout;
	}
	*retry_r = retry_after(directory);
	pthread_mutex_unlock(&directory->lock);
	*seat_r = seat;
	return seat ? OCS_DIRECTORY_YES : away ? OCS_DIRECTORY_AWAY : OCS_DIRECTORY_BUSY;
}

void ocs_directory_leave(struct ocs_directory *directory, struct ocs_directory_seat *seat)
{
	pthread_mutex_lock(&directory->lock);
	seat->taken = false;
	pthread_cond_broadcast(&directory->changed);
	pthread_mutex_unlock(&directory->lock);
}

void ocs_directory_shape(struct ocs_directory *directory, struct ocs_account_shape *shape_r)
{
	pthread_mutex_lock(&directory->lock);
	*shape_r = directory->shape;
	pthread_mutex_unlock(&directory->lock);
}

unsigned ocs_directory_retry(struct ocs_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	unsigned seconds = retry_after(directory);
	pthread_mutex_unlock(&directory->lock);
	return seconds;
}

void ocs_directory_granted(struct ocs_directory *directory, const struct ocs_account *account,
                           int64_t expires)
{
	int64_t now = clock_now();

	pthread_mutex_lock(&directory->lock);
	if (ocs_standing_set(&directory->standing, account->name, account->mac, expires,
	                     now + directory->config->recheck_ms, now) &&
	    !directory->ending)
		atomic_fetch_add(directory->generation, 1);
	/* the thread may have had nothing to wait for */
	pthread_cond_broadcast(&directory->changed);
	pthread_mutex_unlock(&directory->lock);
}

bool ocs_directory_stands(struct ocs_directory *directory, const struct ocs_token *token)
{
	bool urgent = false, stands;

	/* of another directory, or of an account file */
	if (memcmp(token->account_mac, directory->source, OCS_LDAP_SOURCE_MAC) != 0)
		return false;
	pthread_mutex_lock(&directory->lock);
	stands = ocs_standing_ask(&directory->standing, token->account, token->account_mac,
	                          token->expires, clock_now(), &urgent);
	if (urgent)
		pthread_cond_broadcast(&directory->changed);
	pthread_mutex_unlock(&directory->lock);
	return stands;
}

size_t ocs_directory_count(struct ocs_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	size_t count = ocs_standing_count(&directory->standing);
	pthread_mutex_unlock(&directory->lock);
	return count;
}

bool ocs_directory_away(struct ocs_directory *directory, struct ocs_error *why)
{
	pthread_mutex_lock(&directory->lock);
	bool away = directory->away;
	if (away)
		*why = directory->why;
	pthread_mutex_unlock(&directory->lock);
	return away;
}

int ocs_directory_try(const struct ocs_ldap_config *config, struct ocs_error *error)
{
	static const uint8_t any_key[OCS_AUTH_SECRET_BYTES];
	struct ocs_ldap_link link = {.kept = -1};
	struct ocs_ldap_sockets sockets;
	struct ocs_directory_found found;
	struct ocs_auth_secret any;

	ocs_auth_secret_set(&any, any_key);
	ocs_ldap_sockets_init(&sockets);
	int rc = ocs_directory_search(config, &sockets, &any, &link, TRY_NAME,
	                              clock_now() + config->timeout_ms, &found, error);
	if (rc == 0)
		ocs_directory_found_end(&found);
	ocs_ldap_link_close(&link, &sockets);
	ocs_ldap_sockets_destroy(&sockets);
	return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a login asks of the directory, and what it costs: see directory.h. Touches the network; logs
 * binds that have no answer.
 */
#include "auth/directory_internal.h"

#include <string.h>
#include <sys/prctl.h>

#include "auth/prepare.h"
#include "base/clock.h"
#include "base/log_budget.h"

#define SPIN_NS 150000 /* what a sleep may be late by */

/* Under the lock. False: the daemon stops. */
static bool sleep_until(struct ocs_directory *directory, uint64_t end)
{
	const struct timespec until = ocs_clock_at(end);

	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* of this thread; else it is 50 us late */
	while (!directory->interrupted && ocs_clock_ns() < end)
		pthread_cond_timedwait(&directory->changed, &directory->lock, &until);
	return !directory->interrupted;
}

/* What a name that is not there is held back for, so that it takes as long as others do; but not
 * past the deadline, nor while the daemon stops. */
static void even_out(struct ocs_directory *directory, struct ocs_pace *pace, uint64_t start,
                     int64_t deadline, bool there)
{
	uint64_t now = ocs_clock_ns(), end = now, last = (uint64_t)deadline * 1000000;
	bool wait;

	pthread_mutex_lock(&directory->lock);
	ocs_pace_add(there ? &pace->known : &pace->unknown, now - start);
	if (!there)
		end += ocs_pace_owed(pace);
	if (end > last)
		end = last;
	wait = end < now + SPIN_NS || sleep_until(directory, end - SPIN_NS);
	pthread_mutex_unlock(&directory->lock);
	while (wait && ocs_clock_ns() < end)
		;
}

static enum ocs_directory_answer went_away(struct ocs_directory *directory,
                                           const struct ocs_error *why)
{
	pthread_mutex_lock(&directory->lock);
	ocs_directory_set_away(directory, why);
	pthread_mutex_unlock(&directory->lock);
	return OCS_DIRECTORY_AWAY;
}

static void see_shape(struct ocs_directory *directory, const struct ocs_account *account)
{
	pthread_mutex_lock(&directory->lock);
	ocs_account_shape_see(&directory->shape, account);
	pthread_mutex_unlock(&directory->lock);
}

enum ocs_directory_answer ocs_directory_find(struct ocs_directory *directory,
                                             struct ocs_directory_seat *seat, const char *name,
                                             struct ocs_account *account_r)
{
	uint64_t start = ocs_clock_ns();
	struct ocs_directory_found found;
	struct ocs_error why;

	if (ocs_directory_search(directory->config, &directory->sockets, &directory->secret,
	                         &seat->service, name, seat->deadline, &found, &why) < 0)
		return went_away(directory, &why);
	bool there = found.there;
	*account_r = found.account;
	ocs_directory_found_end(&found);
	see_shape(directory, account_r);
	even_out(directory, &directory->search_pace, start, seat->deadline, there);
	return there ? OCS_DIRECTORY_YES : OCS_DIRECTORY_NO;
}

/* As RFC 4511, section 4.2 has it: prepared where that is possible. */
static void prepare(const char *password, char out_r[OCS_HASH_PASSWORD_MAX + 1])
{
	if (ocs_password_prepare(password, out_r, NULL) < 0)
		strcpy(out_r, password);
}

enum ocs_directory_answer ocs_directory_password(struct ocs_directory *directory,
                                                 struct ocs_directory_seat *seat, const char *name,
                                                 const char *password,
                                                 struct ocs_account *account_r)
{
	char prepared[OCS_HASH_PASSWORD_MAX + 1];
	uint64_t start = ocs_clock_ns();
	struct ocs_directory_found found;
	struct ocs_error why;

	/* it would be an anonymous bind, which says nothing: of no name anything is asked */
	if (!*password)
		return OCS_DIRECTORY_NO;
	if (ocs_directory_search(directory->config, &directory->sockets, &directory->secret,
	                         &seat->service, name, seat->deadline, &found, &why) < 0)
		return went_away(directory, &why);
	prepare(password, prepared);
	int right = ocs_directory_bind(directory->config, &directory->sockets, &seat->person,
	                               found.there ? found.dn : directory->config->decoy, prepared,
	                               seat->deadline, &why);
	explicit_bzero(prepared, sizeof(prepared));
	bool there = found.there;
	*account_r = found.account;
	ocs_directory_found_end(&found);
	if (right < 0) {
		/* a search was answered, so this may be about the one account; if the directory is
		 * away, the next question of the service tells */
		explicit_bzero(account_r, sizeof(*account_r));
		ocs_log_budgeted(LOG_WARNING, "LDAP_BIND", "",
		                 "the directory does not say whether the password of %s is right: "
		                 "%.400s: the login is refused with 503",
		                 name, why.text);
		return OCS_DIRECTORY_AWAY;
	}
	even_out(directory, &directory->password_pace, start, seat->deadline, there);
	if (there && right > 0)
		return OCS_DIRECTORY_YES;
	explicit_bzero(account_r, sizeof(*account_r));
	return OCS_DIRECTORY_NO;
}

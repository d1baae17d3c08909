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

/* ---- entries whose passwords the directory does not answer for ---- */

#define PAUSE_MS     1000 /* between two tries, at first ... */
#define PAUSE_MAX_MS 8000 /* ... and at last */

static uint64_t entry_of(const struct ocs_directory *directory, const char *dn)
{
	uint8_t mac[OCS_AUTH_MAC_BYTES];
	uint64_t entry;

	ocs_auth_secret_mac(&directory->secret, "mute", dn, strlen(dn), mac);
	memcpy(&entry, mac, sizeof(entry));
	return entry == 0 ? 1 : entry;
}

/* Under the lock. NULL: it is not mute. */
static struct ocs_directory_mute *find_mute(struct ocs_directory *directory, uint64_t entry)
{
	for (unsigned i = 0; i < OCS_DIRECTORY_MUTE_MAX; i++)
		if (directory->mute[i].entry == entry)
			return &directory->mute[i];
	return NULL;
}

/* Of an entry that is mute one login at a time may wait for an answer, and now and then only: each
 * keeps its seat until the time is over, and there are few. */
static bool may_bind(struct ocs_directory *directory, uint64_t entry, int64_t deadline)
{
	struct ocs_directory_mute *mute;
	bool may;

	pthread_mutex_lock(&directory->lock);
	mute = find_mute(directory, entry);
	may = mute == NULL || mute->try_at <= (int64_t)ocs_clock_ms();
	if (may && mute != NULL)
		mute->try_at = deadline;
	pthread_mutex_unlock(&directory->lock);
	return may;
}

/* Past as many as are kept the one goes that would be tried first. */
static void note_bind(struct ocs_directory *directory, uint64_t entry, bool answered)
{
	int64_t now = (int64_t)ocs_clock_ms();
	struct ocs_directory_mute *mute;

	pthread_mutex_lock(&directory->lock);
	mute = find_mute(directory, entry);
	if (answered && mute != NULL)
		*mute = (struct ocs_directory_mute){.entry = 0};
	if (!answered && mute == NULL) {
		mute = &directory->mute[0];
		for (unsigned i = 1; i < OCS_DIRECTORY_MUTE_MAX; i++)
			if (directory->mute[i].try_at < mute->try_at)
				mute = &directory->mute[i];
		*mute = (struct ocs_directory_mute){.entry = entry, .pause_ms = PAUSE_MS / 2};
	}
	/* One step for all that were tried at once. */
	if (!answered && mute->try_at <= now) {
		if (mute->pause_ms < PAUSE_MAX_MS)
			mute->pause_ms *= 2;
		mute->try_at = now + mute->pause_ms;
	}
	pthread_mutex_unlock(&directory->lock);
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
	uint64_t entry = found.there ? entry_of(directory, found.dn) : 0;
	if (found.there && !may_bind(directory, entry, seat->deadline)) {
		ocs_directory_found_end(&found);
		explicit_bzero(account_r, sizeof(*account_r));
		return OCS_DIRECTORY_AWAY;
	}
	prepare(password, prepared);
	int right = ocs_directory_bind(directory->config, &directory->sockets, &seat->person,
	                               found.there ? found.dn : directory->config->decoy, prepared,
	                               seat->deadline, &why);
	explicit_bzero(prepared, sizeof(prepared));
	bool there = found.there;
	if (there)
		note_bind(directory, entry, right >= 0);
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

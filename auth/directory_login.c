/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a login asks of the directory, and what it costs: see directory.h. Touches the network.
 */
#include "auth/directory_internal.h"

#include <string.h>

#include "auth/prepare.h"
#include "base/clock.h"

#define CLOSE_NS 200000 /* nearer than that no sleep comes */

/* How long it took for a name that is there is remembered; one that is not waits until it took as
 * long, but never past the deadline, nor while the daemon stops. */
static void even_out(struct ocs_directory *directory, struct ocs_pace *pace, uint64_t start,
                     int64_t deadline, bool there)
{
	pthread_mutex_lock(&directory->lock);
	if (there) {
		ocs_pace_add(pace, ocs_clock_ns() - start);
	} else {
		uint64_t end = start + ocs_pace_draw(pace), last = (uint64_t)deadline * 1000000;
		const struct timespec until = ocs_clock_at(end < last ? end : last);

		if (ocs_clock_ns() + CLOSE_NS < end)
			while (!directory->interrupted &&
			       pthread_cond_timedwait(&directory->changed, &directory->lock,
			                              &until) == 0)
				;
	}
	pthread_mutex_unlock(&directory->lock);
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
		explicit_bzero(account_r, sizeof(*account_r));
		return went_away(directory, &why);
	}
	even_out(directory, &directory->password_pace, start, seat->deadline, there);
	if (there && right > 0)
		return OCS_DIRECTORY_YES;
	explicit_bzero(account_r, sizeof(*account_r));
	return OCS_DIRECTORY_NO;
}

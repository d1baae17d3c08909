/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Counters and states of the three connections. Touches nothing but what it is given. */
#include "cluster/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

void ocs_link_status_init(struct ocs_link_status *status)
{
	memset(status, 0, sizeof(*status));
	pthread_mutex_init(&status->lock, NULL);
}

void ocs_link_status_destroy(struct ocs_link_status *status)
{
	pthread_mutex_destroy(&status->lock);
}

enum ocs_link_state ocs_link_status_set(struct ocs_link_status *status,
                                        enum ocs_link_connection which, enum ocs_link_state state,
                                        const char *peer, const char *text)
{
	struct ocs_link_connection_status *connection = &status->connections[which];
	enum ocs_link_state before;

	pthread_mutex_lock(&status->lock);
	before = connection->state;
	connection->state = state;
	if (state != before || connection->since == 0)
		connection->since = ocs_clock_ms();
	/* They may be a broker's words, and go to pages. */
	ocs_utf8_show(peer != NULL ? peer : "", connection->peer, sizeof(connection->peer));
	ocs_utf8_show(text != NULL ? text : "", connection->text, sizeof(connection->text));
	pthread_mutex_unlock(&status->lock);
	return before;
}

enum ocs_link_state ocs_link_status_state(struct ocs_link_status *status,
                                          enum ocs_link_connection which)
{
	enum ocs_link_state state;

	pthread_mutex_lock(&status->lock);
	state = status->connections[which].state;
	pthread_mutex_unlock(&status->lock);
	return state;
}

void ocs_link_status_copy(struct ocs_link_status *status, enum ocs_link_connection which,
                          struct ocs_link_connection_status *out)
{
	pthread_mutex_lock(&status->lock);
	*out = status->connections[which];
	pthread_mutex_unlock(&status->lock);
}

const char *ocs_link_connection_word(enum ocs_link_connection which)
{
	static const char *const words[] = {"publish", "consume", "bind"};

	return words[which];
}

const char *ocs_link_state_word(enum ocs_link_state state)
{
	static const char *const words[] = {"off", "connecting", "up", "blocked", "refused"};

	return words[state];
}

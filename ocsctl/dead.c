/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl dead: the command, its options and its connection to the broker. Touches the network; what
 * it then does is in dead_list.c and dead_move.c.
 */
#include "ocsctl/dead.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/usage.h"
#include "config/cluster.h"

#define LISTED 20 /* unless --count says otherwise */

/* 1 to OCSCTL_DEAD_HELD_MAX, or `all` where that is allowed (all may be NULL). */
static bool parse_number(const char *text, uint64_t *number, bool *all)
{
	if (all != NULL && strcmp(text, "all") == 0) {
		*all = true;
		return true;
	}
	return ocs_usage_number(text, 10, 1, OCSCTL_DEAD_HELD_MAX, number);
}

static int dead_disconnect(struct ocsctl_dead *dead)
{
	ocs_broker_close(dead->broker);
	return 0;
}

int ocsctl_dead(struct ocsctl *ctl)
{
	bool all = false, moves = ctl->retry != NULL || ctl->purge != NULL;
	const char *number_text = ctl->retry != NULL ? ctl->retry : ctl->purge;
	uint64_t number = LISTED;
	enum ocs_broker_result result;
	struct ocsctl_dead *dead;
	struct ocs_error error;
	unsigned first = 0;

	if ((ctl->retry != NULL && ctl->purge != NULL) || (moves && ctl->count != NULL))
		return ocsctl_usage("dead takes one of --count, --retry and --purge");
	if (moves && !parse_number(number_text, &number, &all))
		return ocsctl_usage("'%s' is neither the number of a message nor `all`",
		                    number_text);
	if (ctl->count != NULL && !parse_number(ctl->count, &number, NULL))
		return ocsctl_usage("'%s' is not a number of messages", ctl->count);
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	dead = talloc_zero(ctl, struct ocsctl_dead);
	if (dead == NULL) {
		ocsctl_error("out of memory");
		return OCSCTL_FAILED;
	}
	talloc_set_destructor(dead, dead_disconnect);
	dead->ctl = ctl;
	dead->settings = ocs_config_link(ctl->config);
	if (dead->settings == NULL) {
		ocsctl_error("%s: no uri in [rabbitmq]: without a broker there are no dead letters",
		             ctl->ini);
		return OCSCTL_FAILED;
	}
	result = ocs_broker_open(dead->settings, "ocsctl dead", &first, &dead->broker, &error);
	if (ocsctl_dead_talked(result, &error) < 0)
		return OCSCTL_FAILED;
	dead->connection = ocs_broker_connection(dead->broker);
	return moves ? ocsctl_dead_move(dead, number, all, ctl->retry != NULL)
	             : ocsctl_dead_list(dead, number);
}

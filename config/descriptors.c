/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Sharing out the file descriptors of the process. Reads its limits, changes nothing. */
#include "config/descriptors.h"

#include <limits.h>
#include <sys/resource.h>

#include "cluster/settings.h"
#include "http/room.h"

/* Counted in /proc/PID/fd of one that idles (13, with the link 21 more than its threads), and some
 * for files that are read now and then, and for a second look at a file that is replaced. */
#define ITSELF     24
#define LINK       14
#define PER_ASKER  4 /* of a directory: two connections, each with a second descriptor */
#define PER_THREAD 2 /* of libmicrohttpd: epoll and eventfd */

#define OPERATIONS_MIN 6
#define OPERATIONS_MAX 64
#define REPORTS_MIN    2
#define REPORTS_MAX    64
#define LEAST          8    /* for connections and queues, at the least */
#define MISSED         4096 /* queues and lists of the default that many sites need */
#define QUEUES_PART    4    /* a quarter for queues where it is tight */

static unsigned least(unsigned long a, unsigned long b)
{
	return (unsigned)(a < b ? a : b);
}

int ocs_descriptors_share_of(unsigned long limit, const struct ocs_config *config,
                             struct ocs_descriptors *out, struct ocs_error *error)
{
	unsigned listeners = config->server.socket != NULL ? 2 : 1;
	unsigned long fixed, left, wanted = (unsigned long)config->server.connection_limit;

	out->limit = limit;
	out->operations = least(OPERATIONS_MAX, limit / 32);
	if (out->operations < OPERATIONS_MIN)
		out->operations = OPERATIONS_MIN;
	out->reports = least(REPORTS_MAX, limit / 32);
	if (out->reports < REPORTS_MIN)
		out->reports = REPORTS_MIN;
	fixed = ITSELF + (config->rabbitmq->uri != NULL ? LINK : 0) + out->operations +
	        (config->main.auth == OCS_CONFIG_AUTH_LDAP
	                 ? (config->auth_ldap.connections + 1) * PER_ASKER
	                 : 0) +
	        out->reports +
	        (unsigned long)listeners * config->server.threads *
	                (PER_THREAD + OCS_HTTP_ROOM_DOOR) +
	        2 * (PER_THREAD + OCS_HTTP_ROOM_DOOR);
	if (limit < fixed + LEAST)
		return ocs_error_set(error,
		                     "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are too "
		                     "few: at least %lu are needed",
		                     limit, fixed + LEAST);
	left = limit - fixed;
	wanted *= listeners;
	out->queues =
	        least(config->mqueue.descriptors,
	              wanted < left - left / QUEUES_PART ? left - wanted : left / QUEUES_PART);
	out->connections = least(wanted, left - out->queues) / listeners;
	return 0;
}

int ocs_descriptors_share(const struct ocs_config *config, struct ocs_descriptors *out,
                          struct ocs_error *error)
{
	struct rlimit limit;
	unsigned long most = ULONG_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		most = limit.rlim_cur;
	return ocs_descriptors_share_of(most, config, out, error);
}

bool ocs_descriptors_are_few(const struct ocs_config *config, const struct ocs_descriptors *share)
{
	unsigned asked = config->mqueue.descriptors;

	if (asked == ocs_config_default("mqueue", "descriptors"))
		asked = MISSED;
	return share->queues < asked;
}

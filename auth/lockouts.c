/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the limiter has locked: shown, counted, cleared. Walks its tables in parts, so that no login
 * waits for a whole walk. Memory only.
 */
#include "auth/limiter_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/clock.h"

#define STEP 1024 /* counters looked at in one go */

/* What walks: for each counter in use, under the lock. */
typedef void visit_fn(void *arg, enum ocs_origin_kind kind, struct ocs_counter *counter,
                      const char *name);

static void walk(struct ocs_limiter *limiter, enum ocs_origin_kind kind, visit_fn *visit, void *arg)
{
	struct ocs_counters *counters = limiter->counters[kind];
	size_t places = ocs_counters_places(counters);

	for (size_t from = 0; from < places; from += STEP) {
		pthread_mutex_lock(&limiter->mutex);
		for (size_t i = from; i < from + STEP && i < places; i++) {
			struct ocs_counter *counter = ocs_counters_at(counters, i);

			if (counter->key)
				visit(arg, kind, counter, ocs_counters_name(counters, i));
		}
		pthread_mutex_unlock(&limiter->mutex);
	}
}

/* "192.0.2.1", "192.0.2.0/24", "2001:db8:1:2::/64", "" of what has none. */
static void format_address(const struct ocs_peer *peer, unsigned bits,
                           char out[OCS_AUTH_LOCKOUT_ADDRESS_SIZE])
{
	uint8_t address[16] = {0};
	char text[INET6_ADDRSTRLEN];

	out[0] = '\0';
	memcpy(address, peer->address, bits / 8);
	if (bits == 0 ||
	    !inet_ntop(peer->family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text)))
		return;
	if (peer->family == 4 && bits == 32)
		snprintf(out, OCS_AUTH_LOCKOUT_ADDRESS_SIZE, "%s", text);
	else
		snprintf(out, OCS_AUTH_LOCKOUT_ADDRESS_SIZE, "%s/%u", text, bits);
}

struct listing {
	struct ocs_auth_lockout *out;
	size_t most, count;
	int64_t now;
};

static void list_one(void *arg, enum ocs_origin_kind kind, struct ocs_counter *counter,
                     const char *name)
{
	struct listing *listing = arg;
	struct ocs_auth_lockout *out;

	if (counter->until <= listing->now || listing->count++ >= listing->most)
		return;
	out = &listing->out[listing->count - 1];
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	out->failures = counter->total;
	out->seconds = ocs_auth_seconds_until(counter->until, listing->now);
	strcpy(out->account, name);
	format_address(&counter->peer, ocs_origin_bits(&counter->peer, kind), out->address);
}

size_t ocs_limiter_list(struct ocs_limiter *limiter, int64_t now, struct ocs_auth_lockout *out,
                        size_t most)
{
	struct listing listing = {.out = out, .most = most, .now = now};

	walk(limiter, OCS_ORIGIN_PREFIX, list_one, &listing);
	walk(limiter, OCS_ORIGIN_ADDRESS, list_one, &listing);
	walk(limiter, OCS_ORIGIN_ACCOUNT, list_one, &listing);
	walk(limiter, OCS_ORIGIN_PAIR, list_one, &listing);
	return listing.count;
}

int ocs_limiter_net_parse(const char *text, struct ocs_limiter_net *net)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	unsigned most;
	unsigned width = 128, before = 0; /* bits of the form of the text; so many say nothing */

	if (len >= sizeof(address))
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		width = 32;
		ocs_peer_from((const struct sockaddr *)&in, &net->peer);
	} else if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
		before = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) ? 96 : 0;
		ocs_peer_from((const struct sockaddr *)&in6, &net->peer);
	} else {
		return -1;
	}
	most = ocs_origin_bits(&net->peer, OCS_ORIGIN_ADDRESS);
	net->bits = most;
	if (slash) {
		char *end;
		unsigned long bits = strtoul(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end || bits > width || bits < before)
			return -1;
		bits -= before;
		net->bits = bits < most ? (unsigned)bits : most;
	}
	return 0;
}

/* Whether what the counter stands for and the net have an address in common. */
static bool meets(const struct ocs_limiter_net *net, const struct ocs_counter *counter,
                  unsigned bits)
{
	unsigned same = bits < net->bits ? bits : net->bits;
	uint8_t mask = (uint8_t)(0xff00 >> same % 8);

	if (bits == 0 || counter->peer.family != net->peer.family ||
	    memcmp(counter->peer.address, net->peer.address, same / 8) != 0)
		return false;
	return same % 8 == 0 ||
	       ((counter->peer.address[same / 8] ^ net->peer.address[same / 8]) & mask) == 0;
}

struct clearing {
	const char *account;
	const struct ocs_limiter_net *net;
	size_t count;
	int64_t now;
};

static void clear_one(void *arg, enum ocs_origin_kind kind, struct ocs_counter *counter,
                      const char *name)
{
	struct clearing *clearing = arg;
	bool all = !clearing->account && !clearing->net;

	if (!all && !(clearing->account && strcasecmp(name, clearing->account) == 0) &&
	    !(clearing->net &&
	      meets(clearing->net, counter, ocs_origin_bits(&counter->peer, kind))))
		return;
	clearing->count += counter->until > clearing->now;
	memset(counter, 0, sizeof(*counter));
}

size_t ocs_limiter_clear(struct ocs_limiter *limiter, const char *account,
                         const struct ocs_limiter_net *net, int64_t now)
{
	struct clearing clearing = {.account = account, .net = net, .now = now};

	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		walk(limiter, (enum ocs_origin_kind)kind, clear_one, &clearing);
	return clearing.count;
}

struct counting {
	struct ocs_auth_counts *counts;
	int64_t now;
};

static void count_one(void *arg, enum ocs_origin_kind kind, struct ocs_counter *counter,
                      const char *name)
{
	struct counting *counting = arg;

	(void)name;
	counting->counts->locked[kind] += counter->until > counting->now;
}

void ocs_limiter_count(struct ocs_limiter *limiter, int64_t now, struct ocs_auth_counts *counts)
{
	struct counting counting = {.counts = counts, .now = now};

	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		walk(limiter, (enum ocs_origin_kind)kind, count_one, &counting);
	pthread_mutex_lock(&limiter->mutex);
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		counts->locks[kind] += limiter->locks[kind];
	counts->uncounted += limiter->uncounted;
	pthread_mutex_unlock(&limiter->mutex);
}

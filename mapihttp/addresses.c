/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How many sessions each address has opened, so that one host cannot take what all the others need.
 * IPv6 counts by /64, which is what one host gets. The loop's thread alone.
 */
#include <uthash.h>

#include <stdlib.h>

#include "mapihttp/mapihttp.h"

/* Without the option, loopback is spared: a proxy on this host would be one address for all. */
#define DEFAULT_MAX 1000

struct mapihttp_address {
	struct ocs_peer peer; /* the key */
	unsigned sessions;
	UT_hash_handle hh;
};

static struct mapihttp_address *find(const struct mapihttp *server, const struct ocs_peer *peer)
{
	struct mapihttp_address *address;

	HASH_FIND(hh, server->addresses, peer, sizeof(*peer), address);
	return address;
}

bool mapihttp_address_has_room(const struct mapihttp *server, const struct ocs_peer *peer)
{
	unsigned max = server->options->sessions_per_address;
	const struct mapihttp_address *address = find(server, peer);

	if (max == 0 && peer->loopback)
		return true;
	return address == NULL || address->sessions < (max != 0 ? max : DEFAULT_MAX);
}

struct mapihttp_address *mapihttp_address_join(struct mapihttp *server, const struct ocs_peer *peer)
{
	struct mapihttp_address *address = find(server, peer);

	if (address == NULL) {
		address = calloc(1, sizeof(*address));
		if (address == NULL)
			return NULL;
		address->peer = *peer;
		HASH_ADD(hh, server->addresses, peer, sizeof(*peer), address);
		if (address->hh.tbl == NULL) {
			free(address);
			return NULL;
		}
	}
	address->sessions++;
	return address;
}

void mapihttp_address_leave(struct mapihttp *server, struct mapihttp_address *address)
{
	if (address == NULL || --address->sessions > 0)
		return;
	HASH_DEL(server->addresses, address);
	free(address);
}

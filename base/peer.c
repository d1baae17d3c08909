/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Turns a socket address into the key by which connections and failures of one address are counted.
 * Pure functions.
 */
#include "base/peer.h"

#include <netinet/in.h>
#include <string.h>

static void from_ipv4(const uint8_t bytes[4], struct ocs_peer *peer)
{
	peer->family = 4;
	memcpy(peer->address, bytes, 4);
	peer->loopback = bytes[0] == 127;
}

void ocs_peer_from(const struct sockaddr *address, struct ocs_peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	if (address && address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		from_ipv4((const uint8_t *)&in->sin_addr, peer);
	} else if (address && address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			from_ipv4(in6->sin6_addr.s6_addr + 12, peer);
			return;
		}
		peer->family = 6;
		memcpy(peer->address, in6->sin6_addr.s6_addr, 8);
		peer->loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	} else {
		peer->loopback = 1;
	}
}

bool ocs_peer_is_loopback(const struct sockaddr *address)
{
	struct ocs_peer peer;

	ocs_peer_from(address, &peer);
	return peer.loopback;
}

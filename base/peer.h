/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A remote address as the key by which its connections and failures are counted. No state.
 */
#ifndef OCS_BASE_PEER_H
#define OCS_BASE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4: the address; IPv6: its /64, since that is what one host gets; the rest is zero, so that
 * it can be hashed as bytes. */
struct ocs_peer {
	uint8_t family; /* 4, 6, or 0 for what has no address */
	uint8_t loopback;
	uint8_t address[8];
};

/* NULL and other families are loopback. IPv4 mapped into IPv6 is IPv4. */
void ocs_peer_from(const struct sockaddr *address, struct ocs_peer *peer);
/* The same answer alone. */
bool ocs_peer_is_loopback(const struct sockaddr *address);

#endif

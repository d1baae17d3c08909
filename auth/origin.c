/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The keys of an attempt: see origin.h. Pure functions. */
#include "auth/origin.h"

#include <stddef.h>
#include <string.h>

unsigned ocs_origin_bits(const struct ocs_peer *peer, enum ocs_origin_kind kind)
{
	if (kind == OCS_ORIGIN_ACCOUNT || peer->family == 0)
		return 0;
	if (kind == OCS_ORIGIN_PREFIX)
		return peer->family == 4 ? 24 : 48;
	return peer->family == 4 ? 32 : 64;
}

static void fold(const char *account, char out[OCS_AUTH_NAME_SIZE])
{
	size_t i = 0;

	for (; i < OCS_AUTH_NAME_MAX && account[i]; i++)
		out[i] = (char)(account[i] >= 'A' && account[i] <= 'Z' ? account[i] + 32
		                                                       : account[i]);
	out[i] = '\0';
}

void ocs_origin_make(const struct ocs_auth_secret *secret, const struct ocs_peer *peer,
                     const char *account, struct ocs_origin *origin)
{
	struct {
		uint8_t family, address[8];
		char account[OCS_AUTH_NAME_SIZE];
	} part;
	uint8_t mac[OCS_AUTH_MAC_BYTES];

	memset(origin, 0, sizeof(*origin));
	origin->peer = *peer;
	fold(account, origin->account);
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++) {
		size_t bytes = ocs_origin_bits(peer, (enum ocs_origin_kind)kind) / 8;
		bool named = kind == OCS_ORIGIN_PAIR || kind == OCS_ORIGIN_ACCOUNT;

		memset(&part, 0, sizeof(part));
		if (kind != OCS_ORIGIN_ACCOUNT)
			part.family = peer->family;
		memcpy(part.address, peer->address, bytes);
		if (named)
			strcpy(part.account, origin->account);
		ocs_auth_secret_mac(secret, ocs_auth_kind_word((enum ocs_origin_kind)kind), &part,
		                    offsetof(__typeof__(part), account) +
		                            (named ? strlen(part.account) : 0),
		                    mac);
		memcpy(&origin->key[kind], mac, sizeof(origin->key[kind]));
		if (origin->key[kind] == 0)
			origin->key[kind] = 1;
	}
}

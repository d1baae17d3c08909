/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Where attempts of the tests come from: see origin_rig.h. */
#include "tests/unit/auth/origin_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>

struct ocs_origin origin_of(const char *address, const char *account)
{
	static const uint8_t key[OCS_AUTH_SECRET_BYTES] = "any";
	static struct ocs_auth_secret secret;
	static bool keyed;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	const struct sockaddr *from = NULL;
	struct ocs_origin origin;
	struct ocs_peer peer;

	if (!keyed)
		ocs_auth_secret_set(&secret, key);
	keyed = true;
	if (address && inet_pton(AF_INET, address, &in.sin_addr) == 1)
		from = (const struct sockaddr *)&in;
	else if (address && inet_pton(AF_INET6, address, &in6.sin6_addr) == 1)
		from = (const struct sockaddr *)&in6;
	else
		ck_assert_ptr_null(address);
	ocs_peer_from(from, &peer);
	ocs_origin_make(&secret, &peer, account, &origin);
	return origin;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who has to go when too many logins wait (auth/turns). */
#include "auth/turns.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/unit.h"

#define MOST 16

/* The place of the one that goes, of those that wait in that order; "*" stands before who is
 * spared. */
static size_t goes(const char *const *addresses)
{
	struct ocs_turn turns[MOST];
	size_t n = 0;

	for (; addresses[n] != NULL; n++) {
		struct sockaddr_in in = {.sin_family = AF_INET};
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
		bool spared = addresses[n][0] == '*';

		ck_assert_uint_lt(n, MOST);
		if (inet_pton(AF_INET, addresses[n] + spared, &in.sin_addr) == 1) {
			ocs_peer_from((struct sockaddr *)&in, &turns[n].peer);
		} else {
			ck_assert_int_eq(inet_pton(AF_INET6, addresses[n] + spared, &in6.sin6_addr),
			                 1);
			ocs_peer_from((struct sockaddr *)&in6, &turns[n].peer);
		}
		turns[n].spared = spared;
	}
	return ocs_turns_heaviest(turns, n);
}

#define GOES(place, ...) ck_assert_uint_eq(goes((const char *const[]){__VA_ARGS__, NULL}), place)

TEST(of_the_address_that_has_most_the_youngest_goes)
{
	GOES(0, "192.0.2.1");
	GOES(2, "192.0.2.1", "198.51.100.1", "192.0.2.1", "203.0.113.1");
	GOES(3, "192.0.2.1", "192.0.2.1", "198.51.100.1", "192.0.2.1", "198.51.100.1");
}

TEST(the_prefix_counts_before_the_address)
{
	GOES(4, "192.0.2.1", "192.0.2.1", "198.51.100.1", "198.51.100.2", "198.51.100.2",
	     "203.0.113.1");
	GOES(2, "2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "192.0.2.1", "192.0.2.1");
}

TEST(of_an_ipv6_address_its_64_counts)
{
	GOES(1, "2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:2:1::1");
}

TEST(where_nobody_has_more_the_youngest_goes)
{
	GOES(2, "192.0.2.1", "198.51.100.1", "203.0.113.1");
}

TEST(who_is_spared_goes_only_where_all_are)
{
	GOES(1, "*127.0.0.1", "192.0.2.1", "*127.0.0.1", "*127.0.0.1");
	GOES(2, "*127.0.0.1", "*127.0.0.1", "*127.0.0.1");
}

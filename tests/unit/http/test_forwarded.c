/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The headers of proxies, and which proxies are meant. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/forwarded.h"
#include "http/proxies.h"
#include "tests/unit/unit.h"

static struct ocs_http_hops hops;

static const char *hop(unsigned i)
{
	static char text[INET6_ADDRSTRLEN + 8];
	const struct sockaddr_storage *from = &hops.list[i].from;
	const void *bytes = from->ss_family == AF_INET
	                            ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
	                            : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;

	ck_assert_uint_lt(i, hops.n);
	if (from->ss_family == AF_UNSPEC)
		strcpy(text, "?");
	else
		ck_assert_ptr_nonnull(inet_ntop(from->ss_family, bytes, text, INET6_ADDRSTRLEN));
	if (hops.list[i].https)
		strcat(text, " https");
	return text;
}

TEST(forwarded_is_read_from_the_right)
{
	ck_assert_int_eq(ocs_http_forwarded("for=192.0.2.43, for=198.51.100.17;proto=https;"
	                                    "by=203.0.113.60",
	                                    &hops),
	                 0);
	ck_assert_uint_eq(hops.n, 2);
	ck_assert_str_eq(hop(0), "198.51.100.17 https");
	ck_assert_str_eq(hop(1), "192.0.2.43");
}

TEST(forwarded_has_addresses_in_many_forms)
{
	ck_assert_int_eq(ocs_http_forwarded("For=\"[2001:db8:cafe::17]:4711\" ; Proto=HTTPS ,, "
	                                    "for=192.0.2.43:47011,for=\"2001:db8::1\","
	                                    "for=[2001:db8::2]",
	                                    &hops),
	                 0);
	ck_assert_uint_eq(hops.n, 4);
	ck_assert_str_eq(hop(3), "2001:db8:cafe::17 https");
	ck_assert_str_eq(hop(2), "192.0.2.43");
	ck_assert_str_eq(hop(1), "2001:db8::1");
	ck_assert_str_eq(hop(0), "2001:db8::2");
}

TEST(who_is_hidden_has_no_address)
{
	ck_assert_int_eq(ocs_http_forwarded("for=unknown,for=_gazonk;proto=https,proto=https,"
	                                    "for=\"[2001:db8::1\",for=192.0.2.1:x,for=\"\"",
	                                    &hops),
	                 0);
	ck_assert_uint_eq(hops.n, 6);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_str_eq(hop(i), i == 3 || i == 4 ? "? https" : "?");
}

TEST(a_forwarded_that_is_not_well_formed_is_not_believed)
{
	static const char *const wrong[] = {
	        "for",
	        "for=\"192.0.2.1",
	        "for=192.0.2.1 for=192.0.2.2",
	        "=192.0.2.1",
	        "for=\"192.0.2.1\\",
	        "for=192.0.2.1;for=192.0.2.2",
	        "for=\"a\"b",
	        "proto=https;proto=",
	        "for=192.0.2.1, \"for=192.0.2.2\"",
	        "192.0.2.1",
	        "for=(x)",
	        "for=192.0.2.1;;x",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(ocs_http_forwarded(wrong[i], &hops) == -1, "%s", wrong[i]);
	ck_assert_int_eq(ocs_http_forwarded("", &hops), 0);
	ck_assert_uint_eq(hops.n, 0);
	ck_assert_int_eq(ocs_http_forwarded("for=\"19\\2.0.2.1\"", &hops), 0);
	ck_assert_str_eq(hop(0), "192.0.2.1");
}

TEST(of_many_hops_the_nearest_are_known)
{
	char text[2000] = "";

	for (int i = 0; i < 40; i++)
		sprintf(text + strlen(text), "for=192.0.2.%d,", i);
	ck_assert_int_eq(ocs_http_forwarded(text, &hops), 0);
	ck_assert_uint_eq(hops.n, OCS_HTTP_HOPS);
	ck_assert_str_eq(hop(0), "192.0.2.39");
	ck_assert_str_eq(hop(OCS_HTTP_HOPS - 1), "192.0.2.24");
}

TEST(x_forwarded_for_has_schemes_apart)
{
	ck_assert_int_eq(ocs_http_forwarded_for(" 192.0.2.1 ,2001:db8::1, [2001:db8::2]:80,junk",
	                                        "https", &hops),
	                 0);
	ck_assert_uint_eq(hops.n, 4);
	ck_assert_str_eq(hop(0), "? https");
	ck_assert_str_eq(hop(1), "2001:db8::2 https");
	ck_assert_str_eq(hop(2), "2001:db8::1 https");
	ck_assert_str_eq(hop(3), "192.0.2.1 https");
	ck_assert_int_eq(
	        ocs_http_forwarded_for("192.0.2.1,192.0.2.2,192.0.2.3", "https, http", &hops), 0);
	ck_assert_str_eq(hop(0), "192.0.2.3");
	ck_assert_str_eq(hop(1), "192.0.2.2 https");
	ck_assert_str_eq(hop(2), "192.0.2.1");
	ck_assert_int_eq(ocs_http_forwarded_for("", NULL, &hops), 0);
	ck_assert_uint_eq(hops.n, 0);
}

static bool has(const struct ocs_http_proxies *proxies, const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return ocs_http_proxies_has(proxies, (const struct sockaddr *)&in);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return ocs_http_proxies_has(proxies, (const struct sockaddr *)&in6);
}

TEST(proxies_are_addresses_and_networks)
{
	const struct sockaddr local = {.sa_family = AF_UNIX};
	struct ocs_error error = {.text = ""};
	struct ocs_http_proxies *proxies = ocs_http_proxies_new(
	        "127.0.0.1, 192.0.2.128/26 ,2001:db8::/33", OCS_HTTP_X_FORWARDED_FOR, &error);

	ck_assert_ptr_nonnull(proxies);
	ck_assert_int_eq(ocs_http_proxies_header(proxies), OCS_HTTP_X_FORWARDED_FOR);
	ck_assert(has(proxies, "127.0.0.1"));
	ck_assert(has(proxies, "::ffff:127.0.0.1"));
	ck_assert(!has(proxies, "127.0.0.2"));
	ck_assert(has(proxies, "192.0.2.128"));
	ck_assert(has(proxies, "192.0.2.191"));
	ck_assert(has(proxies, "::ffff:192.0.2.150"));
	ck_assert(!has(proxies, "192.0.2.192"));
	ck_assert(!has(proxies, "192.0.2.127"));
	ck_assert(has(proxies, "2001:db8:7fff::1"));
	ck_assert(!has(proxies, "2001:db8:8000::1"));
	ck_assert(!has(proxies, "::1"));
	ck_assert(!ocs_http_proxies_has(proxies, &local));
	free(proxies);
}

TEST(what_names_no_proxy_is_refused)
{
	static const char *const wrong[] = {
	        "",          "127.0.0.1,",   "proxy.example.org", "192.0.2.0/33", "192.0.2.0/",
	        "0.0.0.0/0", "192.0.2.1/24", "2001:db8::1/64",    "::/129",       "192.0.2.0/-1",
	        "::/0",      "1.2.3.4.5",    "127.0.0.1 ::1",     "192.0.2.0/2x"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ocs_error error = {.text = ""};

		ck_assert_ptr_null(ocs_http_proxies_new(wrong[i], OCS_HTTP_FORWARDED, &error));
		ck_assert_str_ne(error.text, "");
	}
}

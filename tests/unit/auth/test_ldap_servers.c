/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* [auth:ldap] host and port. */
#include "auth/ldap_servers.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct ocs_ldap_servers servers;
static struct ocs_error error;

static int read_servers(const char *text)
{
	error.text[0] = '\0';
	memset(&servers, 0, sizeof(servers));
	return ocs_ldap_servers_read(text, 1389, &servers, &error);
}

static void one_is(const char *text, const char *host, const char *port, bool tls, const char *url)
{
	ck_assert_msg(read_servers(text) == 0, "%s: %s", text, error.text);
	ck_assert_uint_eq(servers.count, 1);
	ck_assert_str_eq(servers.server[0].host, host);
	ck_assert_str_eq(servers.server[0].port, port);
	ck_assert_str_eq(servers.server[0].url, url);
	ck_assert_int_eq(servers.server[0].tls, tls);
	ck_assert_str_eq(servers.server[0].path, "");
}

TEST(names_and_addresses_have_the_port_of_its_own_key)
{
	one_is("ldap.example.org", "ldap.example.org", "1389", false,
	       "ldap://ldap.example.org:1389");
	one_is("192.0.2.1", "192.0.2.1", "1389", false, "ldap://192.0.2.1:1389");
	one_is("2001:db8::1", "2001:db8::1", "1389", false, "ldap://[2001:db8::1]:1389");
}

TEST(a_uri_has_its_own_port)
{
	one_is("ldap://a.example", "a.example", "389", false, "ldap://a.example:389");
	one_is("LDAP://a.example/", "a.example", "389", false, "ldap://a.example:389");
	one_is("ldap://a:1234/", "a", "1234", false, "ldap://a:1234");
	one_is("ldaps://a", "a", "636", true, "ldaps://a:636");
	one_is("ldaps://[2001:db8::1]:1234", "2001:db8::1", "1234", true,
	       "ldaps://[2001:db8::1]:1234");
	one_is("ldaps://[::1]", "::1", "636", true, "ldaps://[::1]:636");
}

TEST(a_local_socket_has_a_path)
{
	ck_assert_int_eq(read_servers("ldapi://%2Frun%2Fslapd%2fx"), 0);
	ck_assert_str_eq(servers.server[0].path, "/run/slapd/x");
	ck_assert_str_eq(servers.server[0].host, "");
	ck_assert_int_eq(read_servers("ldapi:///"), 0);
	ck_assert_str_eq(servers.server[0].path, "/run/slapd/ldapi");
}

TEST(several_stand_in_a_list)
{
	ck_assert_int_eq(read_servers("a, ldaps://b:1 c,,d"), 0);
	ck_assert_uint_eq(servers.count, 4);
	ck_assert_str_eq(servers.server[1].url, "ldaps://b:1");
	ck_assert_str_eq(servers.server[3].url, "ldap://d:1389");
}

TEST(what_is_no_server_is_refused_with_a_reason)
{
	static const char *const bad[][2] = {
	        {"", "no server"},
	        {" , ", "no server"},
	        {"http://a", "begins with ldap://"},
	        {"a:389", "neither a host"},
	        {"a b*", "neither a host"},
	        {"ldap://", "neither a host"},
	        {"ldap://a:0", "bad port"},
	        {"ldap://a:65536", "bad port"},
	        {"ldap://a:+1", "bad port"},
	        {"ldap://a:1x", "bad port"},
	        {"ldap://a/o=x", "belong into the URI"},
	        {"ldap://[::1]x", "neither a host"},
	        {"ldapi://run", "%2F for each slash"},
	        {"ldapi://%2", "hexadecimal"},
	        {"ldapi://%", "hexadecimal"},
	        {"ldapi://%2Frun%00", "no NUL"},
	        {"1,2,3,4,5,6,7,8,9", "more than 8"},
	};
	char longer[600];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(read_servers(bad[i][0]) == -1, "%s", bad[i][0]);
		ck_assert_msg(strstr(error.text, bad[i][1]) != NULL, "%s: %s", bad[i][0],
		              error.text);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(read_servers(longer), -1);
	longer[300] = '\0';
	ck_assert_int_eq(read_servers(longer), -1);
	memcpy(longer, "ldap://", 7);
	ck_assert_int_eq(read_servers(longer), -1);
	memcpy(longer, "ldapi://%2F", 11);
	ck_assert_int_eq(read_servers(longer), -1);
}

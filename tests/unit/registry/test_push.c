/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* UDP push: what MS-OXCRPC 3.1.4.5 accepts and refuses, and datagrams that really arrive. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "registry/push.h"
#include "tests/vectors/push.h"
#include "tests/unit/unit.h"

static int missing_family; /* the host is said not to have it */
static int socket_error;   /* errno of the refusal */

/* Stands in for libc's in this program, so that a host without a family can be had. */
int socket(int family, int type, int protocol)
{
	if (family == missing_family) {
		errno = socket_error;
		return -1;
	}
	return (int)syscall(SYS_socket, family, type, protocol);
}

static void setup(void)
{
	missing_family = -1;
}

static const uint8_t context[17] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};

static size_t bytes_of(const char *hex, uint8_t out[64])
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

static uint32_t parse(const char *hex, struct ocs_push_target *out)
{
	uint8_t bytes[64];
	size_t len = bytes_of(hex, bytes);

	return ocs_push_parse(context, 8, bytes, len, out);
}

static void refused(const char *hex, uint32_t code)
{
	struct ocs_push_target target, before;

	memset(&target, 0x5a, sizeof(target));
	before = target;
	ck_assert_msg(parse(hex, &target) == code, "%s", hex);
	ck_assert_msg(memcmp(&target, &before, sizeof(target)) == 0, "touched by %s", hex);
}

static const char *text_of(const struct ocs_push_target *target)
{
	static char text[80];
	char address[INET6_ADDRSTRLEN];

	if (target->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&target->address;

		ck_assert_uint_eq(target->address_len, sizeof(*in));
		inet_ntop(AF_INET, &in->sin_addr, address, sizeof(address));
		snprintf(text, sizeof(text), "%s:%u", address, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const void *)&target->address;

		ck_assert_int_eq(in6->sin6_family, AF_INET6);
		ck_assert_uint_eq(target->address_len, sizeof(*in6));
		ck_assert_uint_eq(in6->sin6_scope_id, 0);
		ck_assert_uint_eq(in6->sin6_flowinfo, 0);
		inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
		snprintf(text, sizeof(text), "[%s]:%u", address, ntohs(in6->sin6_port));
	}
	return text;
}

static void accepted(const char *hex, const char *text)
{
	struct ocs_push_target target = {0};

	ck_assert_uint_eq(parse(hex, &target), OCS_EC_SUCCESS);
	ck_assert_str_eq(text_of(&target), text);
	ck_assert_uint_eq(target.context_len, 8);
	ck_assert_mem_eq(target.context, context, 8);
}

TESTS_HAVE(.setup = setup);

TEST(addresses_of_clients_become_local_ones)
{
	accepted(SOCKADDR_IN, "192.0.2.10:34567");
	accepted(SOCKADDR_IN6_WINDOWS, "[2001:db8::10]:34567");
	accepted(SOCKADDR_IN6_LINUX, "[2001:db8::10]:34567");
	/* sin_zero, flow and scope are the client's affair */
	accepted("02008707c000020affffffffffffffff", "192.0.2.10:34567");
	accepted("17008707ffffffff20010db800000000000000000000001005000000",
	         "[2001:db8::10]:34567");
}

TEST(mapped_ipv4_address_is_an_ipv4_address)
{
	accepted("17008707000000000000000000000000"
	         "0000ffffc000020a00000000",
	         "192.0.2.10:34567");
	refused("17008707000000000000000000000000"
	        "0000ffffffffffff00000000",
	        OCS_EC_INVALID_PARAM);
	refused("17008707000000000000000000000000"
	        "0000ffff0000000000000000",
	        OCS_EC_INVALID_PARAM);
	refused("17008707000000000000000000000000"
	        "0000ffffe000000100000000",
	        OCS_EC_INVALID_PARAM);
}

TEST(size_must_be_that_of_the_family)
{
	char hex[128];

	refused(SOCKADDR_SHORT_IN, OCS_EC_INVALID_PARAM);
	for (unsigned len = 2; len <= 40; len++) {
		for (int six = 0; six < 2; six++) {
			snprintf(hex, sizeof(hex), "%s%0*d", six ? "1700" : "0200",
			         2 * (int)len - 4 > 0 ? 2 * (int)len - 4 : 0, 0);
			hex[2 * len] = '\0';
			if (len == (six ? 28 : 16))
				continue;
			refused(hex, OCS_EC_INVALID_PARAM);
		}
	}
	refused(SOCKADDR_IN6_WINDOWS "00", OCS_EC_INVALID_PARAM);
	refused(SOCKADDR_IN "00", OCS_EC_INVALID_PARAM);
	/* the 24 bytes of the time before scopes */
	refused("170087070000000020010db8000000000000000000000010", OCS_EC_INVALID_PARAM);
}

TEST(other_families_are_refused)
{
	refused("00008707c000020a0000000000000000", OCS_EC_INVALID_PARAM);
	refused("01008707c000020a0000000000000000", OCS_EC_INVALID_PARAM);
	refused("00028707c000020a0000000000000000", OCS_EC_INVALID_PARAM); /* big-endian */
	refused("1e0087070000000020010db800000000000000000000001000000000", OCS_EC_INVALID_PARAM);
	refused("ffff8707c000020a0000000000000000", OCS_EC_INVALID_PARAM);
	refused("", OCS_EC_INVALID_PARAM);
	refused("02", OCS_EC_INVALID_PARAM);
}

TEST(addresses_that_reach_nobody_or_everybody_are_refused)
{
	refused("02000000c000020a0000000000000000", OCS_EC_INVALID_PARAM); /* port 0 */
	refused("02008707000000000000000000000000", OCS_EC_INVALID_PARAM); /* 0.0.0.0 */
	refused("02008707ffffffff0000000000000000", OCS_EC_INVALID_PARAM); /* broadcast */
	refused("02008707e00000010000000000000000", OCS_EC_INVALID_PARAM); /* 224.0.0.1 */
	refused("02008707effffffa0000000000000000", OCS_EC_INVALID_PARAM); /* 239.255.255.250 */
	refused("170000000000000020010db800000000000000000000001000000000", OCS_EC_INVALID_PARAM);
	refused("17008707000000000000000000000000000000000000000000000000", OCS_EC_INVALID_PARAM);
	refused("1700870700000000ff02000000000000000000000000000100000000", OCS_EC_INVALID_PARAM);
}

TEST(context_has_1_to_16_bytes)
{
	struct ocs_push_target target;
	uint8_t address[64];
	size_t len = bytes_of(SOCKADDR_IN, address);

	for (size_t size = 1; size <= 16; size++) {
		ck_assert_uint_eq(ocs_push_parse(context, size, address, len, &target),
		                  OCS_EC_SUCCESS);
		ck_assert_uint_eq(target.context_len, size);
		ck_assert_mem_eq(target.context, context, size);
	}
	ck_assert_uint_eq(ocs_push_parse(context, 17, address, len, &target), OCS_EC_TOO_BIG);
	ck_assert_uint_eq(ocs_push_parse(NULL, 0, address, len, &target), OCS_EC_INVALID_PARAM);
	ck_assert_uint_eq(target.context_len, 16);
}

TEST(checks_come_in_the_order_of_the_standard)
{
	struct ocs_push_target target;
	uint8_t address[64] = {0};

	missing_family = AF_INET;
	socket_error = EAFNOSUPPORT;
	/* everything is wrong: the context is looked at first */
	ck_assert_uint_eq(ocs_push_parse(context, 17, address, 0, &target), OCS_EC_TOO_BIG);
	/* size before support of the stack, support before what the address says */
	refused(SOCKADDR_SHORT_IN, OCS_EC_INVALID_PARAM);
	refused("02000000000000000000000000000000", OCS_EC_NOT_SUPPORTED);
}

TEST(family_that_the_host_lacks_is_not_supported)
{
	missing_family = AF_INET6;
	socket_error = EAFNOSUPPORT;
	refused(SOCKADDR_IN6_WINDOWS, OCS_EC_NOT_SUPPORTED);
	accepted(SOCKADDR_IN, "192.0.2.10:34567");
	/* out of descriptors says nothing of the family */
	socket_error = EMFILE;
	accepted(SOCKADDR_IN6_WINDOWS, "[2001:db8::10]:34567");
}

TEST(local_addresses_are_formatted_as_windows_would)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(34567)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(34567)};
	struct sockaddr other = {.sa_family = AF_UNIX};
	uint8_t expected[64], out[28];

	inet_pton(AF_INET, "192.0.2.10", &in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::10", &in6.sin6_addr);
	bytes_of(SOCKADDR_IN, expected);
	ck_assert_uint_eq(ocs_push_format((struct sockaddr *)&in, out), 16);
	ck_assert_mem_eq(out, expected, 16);
	bytes_of(SOCKADDR_IN6_WINDOWS, expected);
	ck_assert_uint_eq(ocs_push_format((struct sockaddr *)&in6, out), 28);
	ck_assert_mem_eq(out, expected, 28);
	ck_assert_uint_eq(ocs_push_format(&other, out), 0);
}

/* A receiver on loopback, its address as a client would register it, one push, the datagram. */
static void push_arrives(int family, int fd4, int fd6)
{
	struct sockaddr_storage local = {.ss_family = (sa_family_t)family};
	struct ocs_push_target target;
	uint8_t wire[28], payload[64], udp_context[64], received[64];
	size_t context_len = bytes_of(UDP_CONTEXT_LIBMAPI, udp_context), wire_len;
	socklen_t len = sizeof(local);
	struct pollfd ready = {.events = POLLIN};

	if (family == AF_INET)
		((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&local)->sin6_addr = in6addr_loopback;
	ready.fd = socket(family, SOCK_DGRAM, 0);
	ck_assert_int_ge(ready.fd, 0);
	ck_assert_int_eq(
	        bind(ready.fd, (struct sockaddr *)&local,
	             family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)),
	        0);
	ck_assert_int_eq(getsockname(ready.fd, (struct sockaddr *)&local, &len), 0);

	wire_len = ocs_push_format((struct sockaddr *)&local, wire);
	memcpy(payload, wire, wire_len);
	ck_assert_uint_eq(ocs_push_parse(udp_context, context_len, payload, wire_len, &target),
	                  OCS_EC_SUCCESS);
	ck_assert_int_eq(ocs_push_send(fd4, fd6, &target), 0);
	ck_assert_int_eq(poll(&ready, 1, 5000), 1);
	ck_assert_int_eq(recv(ready.fd, received, sizeof(received), 0), (ssize_t)context_len);
	ck_assert_mem_eq(received, "libmapi", 8);
	ck_assert_int_eq(poll(&ready, 1, 0), 0);
	close(ready.fd);
}

TEST(datagram_is_exactly_the_context)
{
	int fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd4, 0);
	ck_assert_int_ge(fd6, 0);
	push_arrives(AF_INET, fd4, -1);
	push_arrives(AF_INET6, -1, fd6);
	push_arrives(AF_INET, fd4, fd6);
	close(fd4);
	close(fd6);
}

TEST(what_cannot_be_sent_is_said)
{
	struct ocs_push_target target = {0};
	int fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd4, 0);
	ck_assert_int_eq(ocs_push_send(fd4, -1, &target), -EDESTADDRREQ);
	ck_assert_uint_eq(parse(SOCKADDR_IN6_WINDOWS, &target), OCS_EC_SUCCESS);
	ck_assert_int_eq(ocs_push_send(fd4, -1, &target), -EAFNOSUPPORT);
	ck_assert_uint_eq(parse(SOCKADDR_IN, &target), OCS_EC_SUCCESS);
	ck_assert_int_eq(ocs_push_send(-1, -1, &target), -EAFNOSUPPORT);
	close(fd4);
	ck_assert_int_eq(ocs_push_send(fd4, -1, &target), -EBADF);
}

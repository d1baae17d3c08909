/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * UDP push: the client's SOCKADDR checked and rebuilt in this host's form, and the datagram.
 * May open a socket for a moment to learn whether the host has the family; sends on the caller's.
 *
 * The callback address is the client's word. What is refused beyond the standard (port 0,
 * unspecified, multicast, broadcast) would make this host a tool against others, or reach nobody.
 */
#include "registry/push.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

/* Address families as the client numbers them; the local numbers may differ. */
#define WIRE_INET          2
#define WIRE_INET6_WINDOWS 23
#define WIRE_INET6_LINUX   10

/* Layouts of Windows Sockets: all but the family in network byte order. */
#define WIRE_INET_SIZE  16
#define WIRE_INET6_SIZE 28
#define AT_PORT         2
#define AT_ADDRESS4     4
#define AT_ADDRESS6     8

/* Any other failure (out of descriptors, say) is no word about the family. */
static bool stack_has(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	(void)close(fd);
	return true;
}

static bool may_send_to4(const struct in_addr *address)
{
	uint32_t host = ntohl(address->s_addr);

	return host != INADDR_ANY && host != INADDR_BROADCAST && !IN_MULTICAST(host);
}

static uint32_t parse4(const uint8_t *port, const uint8_t *address, struct ocs_push_target *out)
{
	struct sockaddr_in local = {.sin_family = AF_INET};

	memcpy(&local.sin_port, port, 2);
	memcpy(&local.sin_addr, address, 4);
	if (local.sin_port == 0 || !may_send_to4(&local.sin_addr))
		return OCS_EC_INVALID_PARAM;
	memcpy(&out->address, &local, sizeof(local));
	out->address_len = sizeof(local);
	return OCS_EC_SUCCESS;
}

static uint32_t parse6(const uint8_t *port, const uint8_t *address, struct ocs_push_target *out)
{
	/* The scope is an interface number of the client's host and means nothing here. */
	struct sockaddr_in6 local = {.sin6_family = AF_INET6};

	memcpy(&local.sin6_port, port, 2);
	memcpy(&local.sin6_addr, address, 16);
	/* A socket for IPv6 alone does not reach these, and the rules of IPv4 must hold for them.
	 */
	if (IN6_IS_ADDR_V4MAPPED(&local.sin6_addr))
		return parse4(port, address + 12, out);
	if (local.sin6_port == 0 || IN6_IS_ADDR_UNSPECIFIED(&local.sin6_addr) ||
	    IN6_IS_ADDR_MULTICAST(&local.sin6_addr))
		return OCS_EC_INVALID_PARAM;
	memcpy(&out->address, &local, sizeof(local));
	out->address_len = sizeof(local);
	return OCS_EC_SUCCESS;
}

uint32_t ocs_push_parse(const uint8_t *context, size_t context_len, const uint8_t *address,
                        size_t address_len, struct ocs_push_target *out)
{
	struct ocs_push_target target = {.context_len = context_len};
	uint32_t result;
	int family;

	if (context_len > OCS_PUSH_CONTEXT_MAX)
		return OCS_EC_TOO_BIG;
	if (context_len == 0 || address_len < 2)
		return OCS_EC_INVALID_PARAM;
	memcpy(target.context, context, context_len);

	switch (ocs_get16(address)) {
	case WIRE_INET:
		family = AF_INET;
		break;
	case WIRE_INET6_WINDOWS:
	case WIRE_INET6_LINUX:
		family = AF_INET6;
		break;
	default:
		return OCS_EC_INVALID_PARAM;
	}
	if (address_len != (family == AF_INET ? WIRE_INET_SIZE : WIRE_INET6_SIZE))
		return OCS_EC_INVALID_PARAM;
	if (!stack_has(family))
		return OCS_EC_NOT_SUPPORTED;

	if (family == AF_INET)
		result = parse4(address + AT_PORT, address + AT_ADDRESS4, &target);
	else
		result = parse6(address + AT_PORT, address + AT_ADDRESS6, &target);
	if (result == OCS_EC_SUCCESS)
		*out = target;
	return result;
}

size_t ocs_push_format(const struct sockaddr *address, uint8_t out[28])
{
	memset(out, 0, WIRE_INET6_SIZE);
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *local = (const void *)address;

		ocs_put16(out, WIRE_INET);
		memcpy(out + AT_PORT, &local->sin_port, 2);
		memcpy(out + AT_ADDRESS4, &local->sin_addr, 4);
		return WIRE_INET_SIZE;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *local = (const void *)address;

		ocs_put16(out, WIRE_INET6_WINDOWS);
		memcpy(out + AT_PORT, &local->sin6_port, 2);
		memcpy(out + AT_ADDRESS6, &local->sin6_addr, 16);
		return WIRE_INET6_SIZE;
	}
	return 0;
}

int ocs_push_send(int fd4, int fd6, const struct ocs_push_target *target)
{
	int fd = target->address.ss_family == AF_INET6 ? fd6 : fd4;

	if (target->context_len == 0)
		return -EDESTADDRREQ;
	if (fd < 0)
		return -EAFNOSUPPORT;
	if (sendto(fd, target->context, target->context_len, MSG_DONTWAIT,
	           (const struct sockaddr *)&target->address, target->address_len) < 0)
		return -errno;
	return 0;
}

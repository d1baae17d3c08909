/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads a list of networks and finds addresses in it. Memory only. */
#include "http/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network {
	int family;
	unsigned bits;
	uint8_t bytes[16];
};

struct ocs_http_proxies {
	enum ocs_http_proxy_header header;
	size_t n;
	struct network networks[];
};

static bool has_bits_behind(const struct network *network, unsigned size)
{
	for (unsigned i = network->bits; i < size * 8; i++)
		if (network->bytes[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

static int parse_network(const char *item, size_t len, struct network *out, struct ocs_error *error)
{
	char text[INET6_ADDRSTRLEN + 8], *slash, *end;
	unsigned size;

	if (len == 0)
		return ocs_error_set(error, "an address is empty");
	if (len >= sizeof(text))
		return ocs_error_set(error, "'%.*s' is not an address", (int)len, item);
	memcpy(text, item, len);
	text[len] = '\0';
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash = '\0';
	out->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	size = out->family == AF_INET ? 4 : 16;
	out->bits = size * 8;
	if (inet_pton(out->family, text, out->bytes) != 1)
		return ocs_error_set(error, "'%.*s' is not an IP address, or ADDRESS/PREFIX",
		                     (int)len, item);
	if (out->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((struct in6_addr *)out->bytes))
		return ocs_error_set(error, "'%.*s' is an IPv4 address: write it as one", (int)len,
		                     item);
	if (slash == NULL)
		return 0;
	if (slash[1] < '0' || slash[1] > '9')
		return ocs_error_set(error, "'%.*s': the prefix is not a number", (int)len, item);
	out->bits = (unsigned)strtoul(slash + 1, &end, 10);
	if (*end != '\0' || out->bits > size * 8)
		return ocs_error_set(error, "'%.*s': the prefix is not a number up to %u", (int)len,
		                     item, size * 8);
	if (out->bits == 0)
		return ocs_error_set(error, "'%.*s' is everybody: name the proxies", (int)len,
		                     item);
	if (has_bits_behind(out, size))
		return ocs_error_set(error, "'%.*s' has bits set behind its prefix", (int)len,
		                     item);
	return 0;
}

static size_t count_items(const char *list)
{
	size_t n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

struct ocs_http_proxies *ocs_http_proxies_new(const char *list, enum ocs_http_proxy_header header,
                                              struct ocs_error *error)
{
	size_t n = count_items(list), len;
	struct ocs_http_proxies *proxies = calloc(1, sizeof(*proxies) + n * sizeof(struct network));

	if (proxies == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	proxies->header = header;
	for (; proxies->n < n; proxies->n++) {
		list += strspn(list, " \t");
		len = strcspn(list, ",");
		while (len > 0 && strchr(" \t", list[len - 1]) != NULL)
			len--;
		if (parse_network(list, len, &proxies->networks[proxies->n], error) != 0) {
			free(proxies);
			return NULL;
		}
		list += strcspn(list, ",");
		list += *list == ',';
	}
	return proxies;
}

enum ocs_http_proxy_header ocs_http_proxies_header(const struct ocs_http_proxies *proxies)
{
	return proxies->header;
}

static bool within(const struct network *network, const uint8_t *bytes)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	return memcmp(network->bytes, bytes, whole) == 0 &&
	       (rest == 0 || (network->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool ocs_http_proxies_has(const struct ocs_http_proxies *proxies, const struct sockaddr *address)
{
	const uint8_t *bytes;
	int family = address->sa_family;

	if (family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
	} else if (family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		bytes = in6->s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(in6)) {
			bytes += 12;
			family = AF_INET;
		}
	} else {
		return false;
	}
	for (size_t i = 0; i < proxies->n; i++)
		if (proxies->networks[i].family == family && within(&proxies->networks[i], bytes))
			return true;
	return false;
}

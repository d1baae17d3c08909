/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: registry/push.c */
/* Fuzz target: where a client wants its UDP datagrams: a byte of the context's length, the context,
 * the address. What is taken is an address of one host that can be sent to. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "registry/push.h"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\4abcd\2\0\x04\xd2\xc0\0\2\1\0\0\0\0\0\0\0\0"),
        FUZZ_BLOB("\1x\x17\0\x04\xd2\0\0\0\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0"),
        FUZZ_BLOB("\1x\x0a\0\x04\xd2\0\0\0\0\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\0\0\0"),
        {NULL, 0},
};

static void check(const struct ocs_push_target *target)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&target->address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&target->address;
	uint8_t client[28];

	FUZZ_CHECK(target->context_len >= 1 && target->context_len <= OCS_PUSH_CONTEXT_MAX);
	if (target->address.ss_family == AF_INET) {
		FUZZ_CHECK(target->address_len == sizeof(*in) && in->sin_port != 0);
		FUZZ_CHECK(in->sin_addr.s_addr != INADDR_ANY &&
		           in->sin_addr.s_addr != INADDR_BROADCAST &&
		           !IN_MULTICAST(ntohl(in->sin_addr.s_addr)));
	} else {
		FUZZ_CHECK(target->address.ss_family == AF_INET6);
		FUZZ_CHECK(target->address_len == sizeof(*in6) && in6->sin6_port != 0);
		FUZZ_CHECK(!IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) &&
		           !IN6_IS_ADDR_MULTICAST(&in6->sin6_addr));
	}
	FUZZ_CHECK(ocs_push_format((const struct sockaddr *)&target->address, client) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_push_target target = {.context_len = 0};
	size_t context, len;
	uint8_t *exact;

	if (size < 1)
		return 0;
	context = data[0] < size - 1 ? data[0] : size - 1;
	len = size - 1 - context;
	exact = malloc(len + (len == 0)); /* nothing behind it can be read */
	FUZZ_CHECK(exact != NULL);
	memcpy(exact, data + 1 + context, len);
	if (ocs_push_parse(data + 1, context, exact, len, &target) == OCS_EC_SUCCESS)
		check(&target);
	else
		FUZZ_CHECK(target.context_len == 0 && target.address_len == 0);
	free(exact);
	return 0;
}

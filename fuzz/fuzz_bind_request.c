/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: registry/bind_request.c */
/* Fuzz target: packets of bind requests and their replies. What is taken is what would be sent. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "registry/bind_request.h"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\1Bjdoe"),
        FUZZ_BLOB("\1Bj\xc3\xb6hn@example.org"),
        FUZZ_BLOB("\1\0"),
        FUZZ_BLOB("\1\1the broker is away"),
        {NULL, 0},
};

static void check_request(const uint8_t *data, size_t size)
{
	char user[OCS_USER_MAX + 1];
	uint8_t again[OCS_BIND_REQUEST_MAX];

	if (ocs_bind_request_get(data, size, user) != 0)
		return;
	FUZZ_CHECK(user[0] != '\0' && strlen(user) <= OCS_USER_MAX);
	FUZZ_CHECK(ocs_bind_request_put(again, user) == size && memcmp(again, data, size) == 0);
}

static void check_reply(const uint8_t *data, size_t size)
{
	struct ocs_bind_reply reply;
	uint8_t again[OCS_BIND_REPLY_MAX];
	size_t len;

	if (ocs_bind_reply_get(data, size, &reply) != 0)
		return;
	FUZZ_CHECK(reply.status == OCS_BIND_BOUND || reply.status == OCS_BIND_UNBOUND);
	FUZZ_CHECK(strlen(reply.text) < OCS_BIND_TEXT_MAX);
	/* The text ends at its first NUL. */
	len = ocs_bind_reply_put(again, &reply);
	FUZZ_CHECK(len <= size && memcmp(again, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_request(data, size);
	check_reply(data, size);
	return 0;
}

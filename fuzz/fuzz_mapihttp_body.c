/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapihttp/body.c */
/* Request bodies of MAPI over HTTP: the first byte chooses the request, the rest is its body. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "mapihttp/body.h"

static bool inside(const void *p, size_t n, const uint8_t *body, size_t len)
{
	const uint8_t *q = p;

	return q >= body && q <= body + len && n <= (size_t)(body + len - q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mapihttp_connect connect;
	struct mapihttp_execute execute;

	if (size < 1)
		return 0;
	switch (data[0] % 4) {
	case 0:
		if (mapihttp_parse_connect(data + 1, size - 1, &connect) == 0)
			FUZZ_CHECK(inside(connect.user_dn, strlen(connect.user_dn) + 1, data + 1,
			                  size - 1));
		break;
	case 1:
		if (mapihttp_parse_execute(data + 1, size - 1, &execute) == 0)
			FUZZ_CHECK(inside(execute.rops, execute.rops_len, data + 1, size - 1));
		break;
	case 2:
		(void)mapihttp_parse_wait(data + 1, size - 1);
		break;
	default:
		(void)mapihttp_parse_disconnect(data + 1, size - 1);
	}
	return 0;
}

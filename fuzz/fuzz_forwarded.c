/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: http/forwarded.c */
/* Fuzz target: the headers in which proxies say for whom they ask, most of which clients wrote. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/forwarded.h"

const char *const fuzz_texts[] = {
        "for=192.0.2.43, for=\"[2001:db8:cafe::17]:4711\";proto=https;by=203.0.113.60",
        "For=\"_ga\\zonk\" , for=unknown;proto=http",
        "192.0.2.1, [2001:db8::2]:80 ,2001:db8::1",
        "https, http",
        NULL,
};

static void check(const struct ocs_http_hops *hops)
{
	FUZZ_CHECK(hops->n <= OCS_HTTP_HOPS);
	for (unsigned i = 0; i < hops->n; i++) {
		int family = hops->list[i].from.ss_family;

		FUZZ_CHECK(family == AF_UNSPEC || family == AF_INET || family == AF_INET6);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct ocs_http_hops hops;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (ocs_http_forwarded(text, &hops) == 0)
		check(&hops);
	if (ocs_http_forwarded_for(text, text, &hops) == 0)
		check(&hops);
	free(text);
	return 0;
}

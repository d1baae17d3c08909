/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: http/tls_names.c */
/* Fuzz target: the names in a client's certificate (DER). Whoever it is must be seen as they are:
 * no name is cut short by a NUL. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/tls_names.h"

/* The beginning of one; whole ones are in the corpus. */
const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\x30\x82\x01\x00\x30\x81\xb3\xa0\x03\x02\x01\x02"),
        {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	gnutls_datum_t der = {(unsigned char *)(uintptr_t)data, (unsigned)size};
	struct ocs_tls_names names;

	ocs_tls_names_parse(&der, &names);
	FUZZ_CHECK(names.n <= OCS_TLS_NAMES_MAX);
	for (unsigned i = 0; i < names.n; i++) {
		size_t len = strnlen(names.list[i], OCS_TLS_NAME_SIZE);

		FUZZ_CHECK(len > 0 && len < OCS_TLS_NAME_SIZE);
	}
	return 0;
}

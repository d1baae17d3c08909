/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: libocsemsmdb/ext.c libocsemsmdb/lz77.c */
/*
 * RPC_HEADER_EXT and DIRECT2: the input, without its first byte, as a chain of extended buffers;
 * and as a compressed payload by itself, whose size the first byte gives.
 */
#include "libocsemsmdb/lz77.h"
#include "ocsemsmdb.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[OCSEMSMDB_PAYLOAD_MAX];
	size_t at = 1, len, used;
	uint8_t *exact;
	bool last;

	if (size < 1)
		return 0;
	while (at < size && ocsemsmdb_ext_unwrap(data + at, size - at, out, sizeof(out), &len,
	                                         &used, &last) == 0) {
		FUZZ_CHECK(used >= 8 && used <= size - at && len <= sizeof(out));
		at += used;
	}
	/* Sizes of the vectors and around them. */
	len = data[0] < 16 ? 292u + data[0] : 16u + data[0];
	exact = malloc(len);
	FUZZ_CHECK(exact != NULL);
	(void)ocs_lz77_decompress(data + 1, size - 1, exact, len);
	free(exact);
	return 0;
}

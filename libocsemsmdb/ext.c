/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * RPC_HEADER_EXT, MS-OXCRPC 2.2.2.1, around a ROP buffer. Pure functions over the
 * caller's memory.
 */
#include "ocsemsmdb.h"

#include <string.h>

#include "libocsemsmdb/lz77.h"
#include "base/bytes.h"

#define HEADER_SIZE 8

#define COMPRESSED 0x0001
#define XOR_MAGIC  0x0002
#define LAST       0x0004

#define MAGIC 0xa5

uint32_t ocsemsmdb_ext_unwrap(const uint8_t *in, size_t in_len, uint8_t *out, size_t size,
                              size_t *len_r, size_t *used_r, bool *last_r)
{
	uint8_t clear[OCSEMSMDB_PAYLOAD_MAX];
	uint16_t flags, packed, actual;
	const uint8_t *payload;

	*len_r = *used_r = 0;
	*last_r = false;
	if (in_len < HEADER_SIZE)
		return OCSEMSMDB_EC_RPC_FAILED;
	flags = ocs_get16(in + 2);
	packed = ocs_get16(in + 4);
	actual = ocs_get16(in + 6);
	if (ocs_get16(in) != 0 || (flags & ~(COMPRESSED | XOR_MAGIC | LAST)) != 0 ||
	    packed > in_len - HEADER_SIZE || actual > OCSEMSMDB_PAYLOAD_MAX || actual > size)
		return OCSEMSMDB_EC_RPC_FORMAT;
	if ((flags & COMPRESSED) != 0 ? packed >= actual : packed != actual)
		return OCSEMSMDB_EC_RPC_FORMAT;

	payload = in + HEADER_SIZE;
	if ((flags & XOR_MAGIC) != 0) {
		for (size_t i = 0; i < packed; i++)
			clear[i] = payload[i] ^ MAGIC;
		payload = clear;
	}
	if ((flags & COMPRESSED) == 0)
		memcpy(out, payload, actual);
	else if (!ocs_lz77_decompress(payload, packed, out, actual))
		return OCSEMSMDB_EC_RPC_FORMAT;
	*len_r = actual;
	*used_r = HEADER_SIZE + (size_t)packed;
	*last_r = (flags & LAST) != 0;
	return OCSEMSMDB_EC_NONE;
}

void ocsemsmdb_ext_header(uint16_t payload_len, uint8_t out[8])
{
	ocs_put16(out, 0);
	ocs_put16(out + 2, LAST);
	ocs_put16(out + 4, payload_len);
	ocs_put16(out + 6, payload_len);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * DIRECT2 over LZ77, MS-OXCRPC 3.1.4.1.1.2: decompression only, since a server may always send
 * plain. Pure.
 */
#ifndef OCS_LIBOCSEMSMDB_LZ77_H
#define OCS_LIBOCSEMSMDB_LZ77_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decompresses all of in to exactly out_len bytes; false if it is malformed, cut or gives more or
 * less. */
bool ocs_lz77_decompress(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif

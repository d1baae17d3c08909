/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* FNV-1a, a hash against accidents and for tables: whoever chooses the data chooses the hash. Some
 * are kept in files or sent to other nodes, so the values stay what they are. Pure functions. */
#ifndef OCS_BASE_FNV_H
#define OCS_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* What the first one starts from; another goes on from the last hash. */
#define OCS_FNV32 2166136261u
#define OCS_FNV64 14695981039346656037ULL

/* One byte. */
static inline uint32_t ocs_fnv32_step(uint32_t hash, uint8_t byte)
{
	return (hash ^ byte) * 16777619u;
}

/* One byte, or a word where both sides agree on that. */
static inline uint64_t ocs_fnv64_step(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * 1099511628211ULL;
}

static inline uint32_t ocs_fnv32(uint32_t hash, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		hash = ocs_fnv32_step(hash, byte[i]);
	return hash;
}

static inline uint64_t ocs_fnv64(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		hash = ocs_fnv64_step(hash, byte[i]);
	return hash;
}

#endif

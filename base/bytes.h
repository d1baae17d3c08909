/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Little-endian integers in byte buffers; the caller has checked the lengths. */
#ifndef OCS_BASE_BYTES_H
#define OCS_BASE_BYTES_H

#include <stdint.h>

static inline void ocs_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void ocs_put32(uint8_t *p, uint32_t v)
{
	ocs_put16(p, (uint16_t)v);
	ocs_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void ocs_put64(uint8_t *p, uint64_t v)
{
	ocs_put32(p, (uint32_t)v);
	ocs_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t ocs_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ocs_get32(const uint8_t *p)
{
	return ocs_get16(p) | (uint32_t)ocs_get16(p + 2) << 16;
}

static inline uint64_t ocs_get64(const uint8_t *p)
{
	return ocs_get32(p) | (uint64_t)ocs_get32(p + 4) << 32;
}

#endif

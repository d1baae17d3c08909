/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Structs of the libraries' interfaces that a host allocates: they come with the size that the host
 * was compiled with, which may be smaller (an older header) or larger (a newer one) than ours. What
 * the other side does not know is zero. A struct grows at its end only, and a new field begins
 * where the struct ended: what was padding holds anything.
 */
#ifndef OCS_BASE_SIZED_H
#define OCS_BASE_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Out to the host: nothing is written past `size`. */
static inline void ocs_sized_give(void *theirs, size_t size, const void *ours, size_t our_size)
{
	memcpy(theirs, ours, size < our_size ? size : our_size);
	if (size > our_size)
		memset((uint8_t *)theirs + our_size, 0, size - our_size);
}

/* In from the host: nothing is read past `size`. false: it asks for what we do not know. */
static inline bool ocs_sized_take(void *ours, size_t our_size, const void *theirs, size_t size)
{
	memset(ours, 0, our_size);
	memcpy(ours, theirs, size < our_size ? size : our_size);
	for (size_t i = our_size; i < size; i++)
		if (((const uint8_t *)theirs)[i] != 0)
			return false;
	return true;
}

#endif

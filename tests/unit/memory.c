/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Allocations that fail when a test wants: see memory.h. */
#include "tests/unit/memory.h"

#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static atomic_int memory_left = -1; /* allocations until one fails; below 0 none does */

void *__wrap_malloc(size_t size)
{
	return atomic_fetch_sub(&memory_left, 1) == 0 ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return atomic_fetch_sub(&memory_left, 1) == 0 ? NULL : __real_calloc(n, size);
}

void memory_fail_after(int n)
{
	atomic_store(&memory_left, n);
}

bool memory_has_failed(void)
{
	return atomic_exchange(&memory_left, -1) < 0;
}

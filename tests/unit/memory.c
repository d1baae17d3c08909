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
static atomic_bool memory_lasts;    /* and all after it */

static bool memory_fails(void)
{
	int left = atomic_fetch_sub(&memory_left, 1);

	return left == 0 || (left < 0 && atomic_load(&memory_lasts));
}

void *__wrap_malloc(size_t size)
{
	return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return memory_fails() ? NULL : __real_calloc(n, size);
}

void memory_fail_after(int n)
{
	atomic_store(&memory_left, n);
}

void memory_fail_from(int n)
{
	atomic_store(&memory_left, n);
	atomic_store(&memory_lasts, true);
}

bool memory_has_failed(void)
{
	atomic_store(&memory_lasts, false);
	return atomic_exchange(&memory_left, -1) < 0;
}

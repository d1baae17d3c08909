/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests named test_*_memory: they are linked with malloc and calloc of this file, as far as
 * our own code calls them (the Makefile wraps them), uthash's tables with it.
 */
#ifndef OCS_UNIT_TEST_MEMORY_H
#define OCS_UNIT_TEST_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
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

/* After n more allocations one fails. */
static void memory_fail_after(int n)
{
	atomic_store(&memory_left, n);
}

/* None fails any more; whether one did. */
static bool memory_has_failed(void)
{
	return atomic_exchange(&memory_left, -1) < 0;
}

#endif

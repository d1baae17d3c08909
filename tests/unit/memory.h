/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests named test_memory: they are linked with the malloc and calloc of memory.c, as far
 * as our own code calls them (the Makefile wraps them), uthash's tables with it.
 */
#ifndef OCS_UNIT_MEMORY_H
#define OCS_UNIT_MEMORY_H

#include <stdbool.h>

/* After n more allocations one fails. */
void memory_fail_after(int n);

/* After n more allocations all fail. */
void memory_fail_from(int n);

/* None fails any more; whether one did. */
bool memory_has_failed(void);

#endif

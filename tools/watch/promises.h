/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What analysers, which read one file at a time, cannot see: that a function of another file
 * returns -1, always, or what it was given, as its header promises in words; and what they need not
 * see. `make analyze` reads it before each file but those that define these functions; nothing is
 * compiled with it.
 */
#ifndef OCS_WATCH_PROMISES_H
#define OCS_WATCH_PROMISES_H

#include <stddef.h>
#include <string.h>

/* What uthash makes of a key is any number, for who looks for faults of ours: to follow each bit of
 * it takes gcc minutes for a file. */
unsigned promised_hash(const void *key, size_t len) __attribute__((pure));
#define HASH_FUNCTION(key, len, out) ((out) = promised_hash(key, len))

/* glibc has a text for each number. */
char *strerror(int number) __attribute__((returns_nonnull));

#if __has_include("base/error.h")
#include "base/error.h"
#include "base/refusal.h"
#include "base/shared_file.h"

#define ocs_error_set(...)       ({ (void)ocs_error_set(__VA_ARGS__); -1; })
#define ocs_error_memory(...)    ({ (void)ocs_error_memory(__VA_ARGS__); -1; })
#define ocs_error_memory_of(...) ({ (void)ocs_error_memory_of(__VA_ARGS__); -1; })
#define ocs_error_wrap(...)      ({ (void)ocs_error_wrap(__VA_ARGS__); -1; })
#define ocs_error_pass(...)      ({ (void)ocs_error_pass(__VA_ARGS__); -1; })
#define ocs_error_thread(...)    ({ (void)ocs_error_thread(__VA_ARGS__); -1; })
#define ocs_refuse(...)          ({ (void)ocs_refuse(__VA_ARGS__); -1; })
#define ocs_refuse_memory(...)   ({ (void)ocs_refuse_memory(__VA_ARGS__); -1; })
#define ocs_shared_refuse(...)   ({ (void)ocs_shared_refuse(__VA_ARGS__); -1; })
#endif

#if __has_include("libocsnotify/internal.h")
#include "libocsnotify/internal.h"

#define libocsnotify_fail(context, code, ...)                                                      \
	({                                                                                         \
		const int promised_ = (code);                                                      \
		(void)libocsnotify_fail(context, promised_, __VA_ARGS__);                          \
		promised_;                                                                         \
	})
#endif

#endif

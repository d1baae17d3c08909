/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The text of an error, filled by the function that failed and logged by the caller who knows the
 * context, who does not read it: what a program acts upon is a code. No ownership: the caller has
 * it on its stack. Every function that takes one accepts NULL.
 */
#ifndef OCS_BASE_ERROR_H
#define OCS_BASE_ERROR_H

#include <stdbool.h>

#define OCS_ERROR_MAX 512

struct ocs_error {
	char text[OCS_ERROR_MAX];
	bool no_memory; /* it failed for want of memory */
};

/* Formats the text (cut to fit) and returns -1, so that a function can end with `return
 * ocs_error_set(...)`. */
int ocs_error_set(struct ocs_error *error, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* "out of memory", and that it is so; _of: of what, "PATH: out of memory". -1. */
int ocs_error_memory(struct ocs_error *error);
int ocs_error_memory_of(struct ocs_error *error, const char *what);

/* A text that says more than what another function said, with why's code; why: not error. -1. */
int ocs_error_wrap(struct ocs_error *error, const struct ocs_error *why, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Hands on what another function said, as it is. -1. */
int ocs_error_pass(struct ocs_error *error, const struct ocs_error *why);

/* That a thread cannot be started: what pthread_create() returned. -1. */
int ocs_error_thread(struct ocs_error *error, int number);

#endif

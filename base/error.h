/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The text of an error, filled by the function that failed and logged by the caller who knows the
 * context. No ownership: the caller has it on its stack. Every function that takes one accepts
 * NULL.
 */
#ifndef OCS_BASE_ERROR_H
#define OCS_BASE_ERROR_H

#define OCS_ERROR_MAX 512

struct ocs_error {
	char text[OCS_ERROR_MAX];
};

/* Formats the text (cut to fit) and returns -1, so that a function can end with `return
 * ocs_error_set(...)`. */
int ocs_error_set(struct ocs_error *error, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* That a thread cannot be started: what pthread_create() returned. -1. */
int ocs_error_thread(struct ocs_error *error, int number);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How a request or a notification is refused: the code and name of the protocol page, and a text
 * for people. Plain data; any thread.
 */
#ifndef OCS_BASE_REFUSAL_H
#define OCS_BASE_REFUSAL_H

#include <stdbool.h>

struct ocs_refusal {
	int code;
	const char *name; /* static string */
	char text[192];
	bool no_memory; /* for want of memory */
};

/* Fills *refusal (text cut to fit) and returns -1. */
int ocs_refuse(struct ocs_refusal *refusal, int code, const char *name, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* 500, INTERNAL, "out of memory", and that it is so. -1. */
int ocs_refuse_memory(struct ocs_refusal *refusal);

#endif

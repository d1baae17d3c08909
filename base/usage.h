/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The command line of a program: numbers in it, and what is wrong with it, which goes to standard
 * error. Any thread, but a command line is read by one.
 */
#ifndef OCS_BASE_USAGE_H
#define OCS_BASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Prints "PROGRAM: ..." and the hint. -1, so that a parser can end with `return
 * ocs_usage_error(...)`. */
int ocs_usage_error(const char *program, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Prints where help is: all that is left to say where getopt has said what is wrong. -1. */
int ocs_usage_hint(const char *program);

/* The whole word is a number from min to max, which becomes *number_r: no sign, no white space.
 * base: 10, or 0 for 0x and 0 too, as strtoull() takes them. */
bool ocs_usage_number(const char *word, int base, uint64_t min, uint64_t max, uint64_t *number_r);

#endif

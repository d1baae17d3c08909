/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* UTF-8 sequences, checked and measured. Pure functions; any thread. */
#ifndef OCS_BASE_UTF8_H
#define OCS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the UTF-8 sequence at p, 0 if it is none (or one that XML 1.0 does not allow: a
 * surrogate, U+FFFE, U+FFFF). p is NUL-terminated. */
size_t ocs_utf8_sequence(const char *p);
/* Whether all of a text is such sequences. */
bool ocs_utf8_text(const char *text);

#endif

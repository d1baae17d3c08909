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

/* The length of the character at p if it may be shown to people as it is; 0: its byte is to be
 * shown as \xHH instead. That is what is no sequence, a control character (C0, DEL, C1), a
 * separator of lines or paragraphs, and what has no shape of its own but changes how others are
 * shown, or in which order (U+202E and its like, zero width, tags): with it one name could look
 * like another, or a line like two. */
size_t ocs_utf8_seen(const char *p);
/* The whole text like that, cut where out ends, between two characters; returns its length. */
size_t ocs_utf8_show(const char *text, char *out, size_t size);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Bytes as text and back: base64 in both alphabets, hex; and random bytes. No state.
 */
#ifndef OCS_AUTH_CODEC_H
#define OCS_AUTH_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Characters of padded base64 with its NUL. */
#define OCS_AUTH_B64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Reads either alphabet, with or without padding; nothing else may be in the text (no white space,
 * no stray bits after the last byte). Returns 0 and the length, or -1 (also: more than max). */
int ocs_auth_b64_decode(const char *text, size_t text_len, uint8_t *bytes, size_t max,
                        size_t *len_r);
/* URL-safe alphabet, padded; text has OCS_AUTH_B64_SIZE(len). */
void ocs_auth_b64_encode(char *text, const void *bytes, size_t len);
/* The same without padding: for cookie values and tokens. */
void ocs_auth_b64_encode_bare(char *text, const void *bytes, size_t len);
/* The standard alphabet (+ and /), padded: for account files and SASL properties. */
void ocs_auth_b64_encode_standard(char *text, const void *bytes, size_t len);

/* Exactly len bytes from 2 * len digits of either case, else -1. */
int ocs_auth_hex_decode(const char *text, uint8_t *bytes, size_t len);
/* text has 2 * len + 1. */
void ocs_auth_hex_encode(char *text, const uint8_t *bytes, size_t len);

/* From the kernel's generator. -1 only where the kernel has none. */
int ocs_auth_random(void *bytes, size_t len);

#endif

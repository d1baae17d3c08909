/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bodies of MAPI over HTTP (MS-OXCMAPIHTTP 2.2.4): requests parsed, responses written. No
 * state, no input or output: bytes only. All integers are little-endian, nothing is aligned.
 *
 * Parsers refuse (-1) what is cut, has bytes left over, or a size above its limit. What they return
 * points into the body.
 */
#ifndef OCS_MAPIHTTP_BODY_H
#define OCS_MAPIHTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest request body: Execute with everything at its limit, in bytes. */
#define MAPIHTTP_BODY_MAX (4 + 4 + 0x40000 + 4 + 4 + 0x1008)

struct mapihttp_connect {
	const char *user_dn; /* NUL-terminated, in the body */
	uint32_t flags, code_page, lcid_sort, lcid_string;
};

struct mapihttp_execute {
	uint32_t flags, max_rop_out;
	const uint8_t *rops;
	size_t rops_len;
};

int mapihttp_parse_connect(const uint8_t *body, size_t len, struct mapihttp_connect *out);
int mapihttp_parse_execute(const uint8_t *body, size_t len, struct mapihttp_execute *out);
int mapihttp_parse_wait(const uint8_t *body, size_t len);
int mapihttp_parse_disconnect(const uint8_t *body, size_t len);

/* What a Connect answers beside the error. */
struct mapihttp_connected {
	uint32_t polls_max, retry_count, retry_delay;
	const char *display_name; /* UTF-8 */
};

/* Sizes in bytes that always suffice. */
#define MAPIHTTP_CONNECTED_SIZE(name_len) (4 + 4 + 12 + 1 + 2 * (name_len) + 2 + 4)
#define MAPIHTTP_EXECUTED_SIZE(rops_len)  (20 + (rops_len))
#define MAPIHTTP_WAITED_SIZE              16
#define MAPIHTTP_DISCONNECTED_SIZE        12
#define MAPIHTTP_FAILED_SIZE              8

/* Success bodies: the operation was carried out, error is what it returned. Return the length. */
size_t mapihttp_put_connected(uint8_t *out, uint32_t error,
                              const struct mapihttp_connected *connected);
size_t mapihttp_put_executed(uint8_t *out, uint32_t error, const uint8_t *rops, size_t rops_len);
size_t mapihttp_put_waited(uint8_t out[MAPIHTTP_WAITED_SIZE], uint32_t error, bool pending);
size_t mapihttp_put_disconnected(uint8_t out[MAPIHTTP_DISCONNECTED_SIZE], uint32_t error);
/* The failure body of all: the operation could not be carried out; status is not 0. */
size_t mapihttp_put_failed(uint8_t out[MAPIHTTP_FAILED_SIZE], uint32_t status);

#endif

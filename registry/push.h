/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * UDP push (EcRRegisterPushNotification, MS-OXCRPC 3.1.4.5; MS-OXCNOTIF 3.1.5.4): the client's
 * SOCKADDR bytes and opaque context, validated; and the datagram.
 */
#ifndef OCS_REGISTRY_PUSH_H
#define OCS_REGISTRY_PUSH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define OCS_PUSH_CONTEXT_MAX 16

/* MAPI error codes this module returns */
#define OCS_EC_SUCCESS       0x00000000u
#define OCS_EC_NOT_SUPPORTED 0x80040102u
#define OCS_EC_TOO_BIG       0x80040305u
#define OCS_EC_INVALID_PARAM 0x80070057u

struct ocs_push_target {
	struct sockaddr_storage address; /* this host's form; never the client's bytes */
	socklen_t address_len;
	uint8_t context[OCS_PUSH_CONTEXT_MAX];
	size_t context_len; /* 0: no push registered */
};

/* Validates in the order of MS-OXCRPC 3.1.4.5 (context over 16, context zero, address under 2
 * bytes, family, size, support of the stack) and fills *out. On any failure *out is untouched.
 * Family 2 is AF_INET; 23 (Windows) and 10 (Linux, a courtesy) are AF_INET6. Port 0, the
 * unspecified address, multicast and broadcast are refused with OCS_EC_INVALID_PARAM. */
uint32_t ocs_push_parse(const uint8_t *context, size_t context_len, const uint8_t *address,
                        size_t address_len, struct ocs_push_target *out);

/* The client's bytes of a local address, as Windows would send them (16 or 28 bytes); 0 for another
 * family. For tools. */
size_t ocs_push_format(const struct sockaddr *address, uint8_t out[28]);

/* Sends one datagram that is exactly the context; 0 or a negative errno. fd4 and fd6 are
 * unconnected non-blocking UDP sockets, -1 where the host has no such family. */
int ocs_push_send(int fd4, int fd6, const struct ocs_push_target *target);

#endif

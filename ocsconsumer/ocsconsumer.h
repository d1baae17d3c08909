/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsconsumer, the reference consumer of libocsnotify: what its files share (declarations
 * only; the program has one thread). main.c is the program, options.c its command line, print.c its
 * output.
 */
#ifndef OCSCONSUMER_OCSCONSUMER_H
#define OCSCONSUMER_OCSCONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ocsnotify.h"
#include "registry/push.h"

enum consumer_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_HEX };

#define CONSUMER_STORES_MAX 64

struct consumer_options {
	const char *ini;
	const char *user;
	char *stores[CONSUMER_STORES_MAX]; /* BACKEND, and behind its NUL the backend user */
	size_t n_stores;
	uint64_t folder; /* 0: the whole store */
	unsigned tables; /* bit 1 << enum ocs_table for each */
	uint16_t types;  /* of the subscriptions that are not to a table */
	struct sockaddr_storage push;
	bool has_push;
	uint8_t context[OCS_PUSH_CONTEXT_MAX];
	size_t context_len;
	unsigned idle_ms;
	uint64_t count; /* 0: no end */
	enum consumer_format format;
};

/* 0 to go on; else the program ends with *status_r (help and version: 0, a mistake: 2). */
int consumer_options(int argc, char **argv, struct consumer_options *options, int *status_r);

/* ADDRESS:PORT as --push takes it. */
#define CONSUMER_ADDRESS_MAX 80
void consumer_format_address(const struct sockaddr *address, char out[CONSUMER_ADDRESS_MAX]);

/* One line for an event; -1 if it could not be written. */
int consumer_print(const struct consumer_options *options, const struct ocsnotify_session *session,
                   const struct ocsnotify_event *event);
void consumer_print_datagram(const struct sockaddr *address, const uint8_t *payload, size_t len,
                             int error);

#endif

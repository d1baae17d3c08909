/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the bare AMQP programs share: a connection to the broker of the bench, the exchange and a
 * queue like a node's. Plain librabbitmq, none of link/: it is what link/ is compared to. Failures
 * end the program with a sentence on stderr (these are tools). One thread.
 */
#ifndef OCS_BENCH_AMQP_H
#define OCS_BENCH_AMQP_H

#include <stdint.h>

#include "cluster/librabbitmq.h"

#define BENCH_CHANNEL 1

/* Connects to the URI in the environment (OCS_BENCH_AMQP: it holds a password) and opens
 * BENCH_CHANNEL. Heartbeats are off: these programs run for seconds. */
amqp_connection_state_t bench_amqp_open(void);
void bench_amqp_close(amqp_connection_state_t connection);
/* Ends the program unless the synchronous call just made went well. */
void bench_amqp_check(amqp_connection_state_t connection, const char *doing);
void bench_amqp_check_status(int status, const char *doing);
/* Of a frame that should not come: says what it is, and ends the program. */
void bench_amqp_unexpected(const amqp_frame_t *frame);

/* A durable direct exchange, and a quorum queue with the arguments of a node's. */
void bench_amqp_declare(amqp_connection_state_t connection, const char *exchange, const char *queue,
                        int32_t queue_length);
void bench_amqp_bind(amqp_connection_state_t connection, const char *exchange, const char *queue,
                     const char *prefix, unsigned users);

#endif

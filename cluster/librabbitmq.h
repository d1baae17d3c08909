/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * librabbitmq's headers, which moved: 0.13 and later (Debian 13) have them in rabbitmq-c/ and warn
 * about the old place, 0.11 (Debian 12) knows the old place only.
 */
#ifndef OCS_CLUSTER_LIBRABBITMQ_H
#define OCS_CLUSTER_LIBRABBITMQ_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif

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

/* An entry of a table, which keeps what it is given by reference. */
static inline amqp_table_entry_t ocs_amqp_entry(const char *key, amqp_field_value_t value)
{
	return (amqp_table_entry_t){.key = amqp_cstring_bytes(key), .value = value};
}

static inline amqp_field_value_t ocs_amqp_text(const char *text)
{
	return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8,
	                            .value.bytes = amqp_cstring_bytes(text)};
}

static inline amqp_field_value_t ocs_amqp_number(int64_t number)
{
	return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = number};
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: cluster/inbox_properties.c */
/* Fuzz target: the properties of a RabbitMQ message, as they are on the wire; senders choose most
 * of them. What is read is clean, and a dead letter with them can be sent. */
#include <string.h>

#include "cluster/inbox_internal.h"
#include "fuzz/fuzz.h"

#define LIMIT 2048

const struct fuzz_blob fuzz_blobs[] = {
        /* content type, user id */
        FUZZ_BLOB("\x80\x10\x08text/xml\x04john"),
        /* headers: ocs-origin, ocs-accepted, CC */
        FUZZ_BLOB("\x20\0\0\0\0\x3d\x0aocs-originS\0\0\0\x02n1\x0cocs-acceptedT\0\0\0\0\x65\0\0\0"
                  "\x02"
                  "CCA\0\0\0\x10S\0\0\0\x06=a\0bcdS\0\0\0\0"),
        /* x-delivery-count and ocs-ids, message id */
        FUZZ_BLOB("\x20\x80\0\0\0\x2b\x10x-delivery-countl\0\0\0\0\0\0\0\x05\x07ocs-idsx\0\0\0\x01a"
                  "\x05"
                  "id-17"),
        {NULL, 0},
};

static void check_name(const char name[OCS_INBOX_NAME_SIZE])
{
	FUZZ_CHECK(memchr(name, '\0', OCS_INBOX_NAME_SIZE) != NULL);
	for (; *name != '\0'; name++)
		FUZZ_CHECK((unsigned char)*name >= 0x20 && *name != 0x7f);
}

static void check_dead(amqp_pool_t *pool, const amqp_basic_properties_t *original)
{
	static const struct ocs_inbox_death death = {
	        "422 UNKNOWN_BACKEND no", "ocsmanager.ingest", "n1", "account", "key", 1700000000};
	amqp_basic_properties_t dead;
	amqp_bytes_t wire;
	void *back = NULL;
	int len;

	if (ocs_inbox_dead_properties(pool, original, &death, LIMIT, &dead) != 0)
		return;
	FUZZ_CHECK((dead._flags & AMQP_BASIC_USER_ID_FLAG) == 0 && dead.headers.num_entries >= 6);
	amqp_pool_alloc_bytes(pool, LIMIT, &wire);
	FUZZ_CHECK(wire.bytes != NULL);
	len = amqp_encode_properties(AMQP_BASIC_CLASS, &dead, wire);
	FUZZ_CHECK(len > 0 && len <= LIMIT);
	wire.len = (size_t)len;
	FUZZ_CHECK(amqp_decode_properties(AMQP_BASIC_CLASS, pool, wire, &back) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	amqp_bytes_t wire = {size, (void *)(uintptr_t)data};
	struct ocs_inbox_envelope envelope;
	char id[OCS_ID_MAX + 1];
	amqp_pool_t pool;
	void *properties = NULL;

	init_amqp_pool(&pool, OCS_INBOX_POOL_PAGE);
	if (amqp_decode_properties(AMQP_BASIC_CLASS, &pool, wire, &properties) == 0) {
		ocs_inbox_read_properties(properties, &envelope);
		check_name(envelope.user);
		check_name(envelope.origin);
		check_name(envelope.account);
		FUZZ_CHECK(memchr(envelope.store, '\0', sizeof(envelope.store)) != NULL);
		FUZZ_CHECK(!envelope.bad_user || envelope.user[0] == '\0');
		if (ocs_inbox_item_id(envelope.message_id, 7, id))
			FUZZ_CHECK(id[0] != '\0' && strlen(id) <= OCS_ID_MAX);
		check_dead(&pool, properties);
	}
	empty_amqp_pool(&pool);
	return 0;
}

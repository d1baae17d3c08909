/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: cluster/message.c */
/* Fuzz target: messages as the spool keeps them. What is unpacked is packed to the same bytes. */
#include <string.h>
#include <talloc.h>

#include "cluster/message.h"
#include "fuzz/fuzz.h"

#define AT "\x00\x10\xa5\xd4\xe8\x00\x00\x00"

const struct fuzz_blob fuzz_blobs[] = {
        /* to the ingest queue */
        FUZZ_BLOB("\1\1" AT "\4\0\0\0n1-7\4\0\0\0acct\0\0\0\0\5\0\0\0<ocs>"),
        /* to two users */
        FUZZ_BLOB("\1\0" AT "\4\0\0\0n1-8\0\0\0\0\2\0\0\0\4\0\0\0jdoe\3\0\0\0x@y\6\0\0\0<body>"),
        /* with what the node calls it, and an answer */
        FUZZ_BLOB("\2\0" AT "\4\0\0\0n1-9\0\0\0\0\1\0\0\0\4\0\0\0jdoe\6\0\0\0<body>\3\0\0\0ids"),
        FUZZ_BLOB("\2\2" AT "\4\0\0\0n1-a\0\0\0\0\1\0\0\0\2\0\0\0\1b\6\0\0\0<body>\3\0\0\0ids"),
        {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_error error = {0};
	struct ocs_message *message = ocs_message_unpack(NULL, data, size, &error);
	uint8_t *again;
	size_t len;

	if (message == NULL) {
		FUZZ_CHECK(error.text[0] != '\0');
		return 0;
	}
	FUZZ_CHECK(strlen(message->id) < OCS_MESSAGE_ID_SIZE);
	FUZZ_CHECK(message->n_keys <= OCS_MESSAGE_KEYS_MAX);
	FUZZ_CHECK((message->n_keys == 0) == message->ingest);
	for (size_t i = 0; i < message->n_keys; i++)
		FUZZ_CHECK(strlen(message->keys[i]) < OCS_MESSAGE_KEY_SIZE);
	again = ocs_message_pack(message, message, &len);
	FUZZ_CHECK(again != NULL && len == size && memcmp(again, data, len) == 0);
	talloc_free(message);
	return 0;
}

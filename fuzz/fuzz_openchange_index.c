/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/openchange_index.c */
/* Fuzz target: a record of OpenChange's indexing.tdb; the key ends at the first line end. */
#include <string.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "mapistore/openchange_index.h"

const char *const fuzz_texts[] = {
        "0x2c00000000000001\nsogo://anna:anna@mail/folderINBOX/",
        "SOFT_DELETED:0x2d00000000000001\nsogo://anna@calendar/personal/ev1.ics",
        "GlobalCount\n0x0000000000000500",
        NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size != 0 ? memchr(data, '\n', size) : NULL;
	size_t key_len = end != NULL ? (size_t)(end - data) : size;
	size_t value_len = end != NULL ? size - key_len - 1 : 0;
	/* Neither has anything behind it that could be read. */
	uint8_t *key = malloc(key_len != 0 ? key_len : 1),
	        *value = malloc(value_len != 0 ? value_len : 1);
	struct ocs_openchange_record record;
	void *ctx = talloc_new(NULL);

	FUZZ_CHECK(key != NULL && value != NULL && ctx != NULL);
	memcpy(key, data, key_len);
	if (end != NULL)
		memcpy(value, end + 1, value_len);
	if (ocs_openchange_record(ctx, key, key_len, value, value_len, &record) == NULL) {
		FUZZ_CHECK((record.id == 0) == (record.uri == NULL));
		FUZZ_CHECK(record.uri == NULL || strlen(record.uri) == value_len);
		FUZZ_CHECK(record.counter <= 0xffffffffffffULL);
	}
	talloc_free(ctx);
	free(key);
	free(value);
	return 0;
}

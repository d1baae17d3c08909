/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: notify/ids.c */
/* Fuzz target: identifiers as nodes tell them. What is decoded is encoded to the same bytes. */
#include <string.h>
#include <talloc.h>

#include "fuzz/fuzz.h"
#include "notify/ids.h"

#define ID "\2\0\0\0\0\0\0\1"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\1\2\0\1\0\4\0jdoe\1\2\0" ID ID ID ID),
        FUZZ_BLOB("\1\2\0\2\0\1\0a\4\1\1" ID ID ID ID "\3\0b@c\3\0\0" ID ID),
        {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_ids_list *list = ocs_ids_decode(NULL, data, size);
	uint8_t *again;
	size_t len;

	if (list == NULL)
		return 0;
	FUZZ_CHECK(list->n > 0);
	for (size_t i = 0; i < list->n; i++)
		FUZZ_CHECK(list->ids[i].user[0] != '\0' &&
		           strlen(list->ids[i].user) <= OCS_NAME_MAX &&
		           list->ids[i].n_folder <= OCS_FOLDER_LEVELS_MAX + 1 &&
		           list->ids[i].n_old <= OCS_FOLDER_LEVELS_MAX + 1);
	if (size <= OCS_IDS_ENCODED_MAX) {
		again = ocs_ids_encode(list, list, &len);
		FUZZ_CHECK(again != NULL && len == size && memcmp(again, data, len) == 0);
	}
	talloc_free(list);
	return 0;
}

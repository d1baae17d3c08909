/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A record of OpenChange's indexing.tdb: the key is `0x` and the identifier in 16 hexadecimal
 * digits, or `SOFT_DELETED:` and that; the value is a URI; neither has a NUL at its end. The key
 * `GlobalCount` has the next counter. Pure functions.
 */
#ifndef OCS_MAPISTORE_OPENCHANGE_INDEX_H
#define OCS_MAPISTORE_OPENCHANGE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_OPENCHANGE_REPLICA 1
/* Counters up to this are those of public folders, whatever the files say. */
#define OCS_OPENCHANGE_PUBLIC 1000

struct ocs_openchange_record {
	uint64_t id; /* 0: the counter */
	bool deleted;
	char *uri;        /* talloc; NULL: the counter */
	uint64_t counter; /* the next one */
};

/* The URI is on mem_ctx. NULL, or what is wrong with it. */
const char *ocs_openchange_record(const void *mem_ctx, const void *key, size_t key_len,
                                  const void *value, size_t len, struct ocs_openchange_record *out);

#endif

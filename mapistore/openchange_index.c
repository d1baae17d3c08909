/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A record of OpenChange's indexing.tdb: see openchange_index.h. Pure functions. */
#include "mapistore/openchange_index.h"

#include <string.h>

#include <talloc.h>

#include "mapistore/index.h"

#define DELETED "SOFT_DELETED:"
#define COUNTER "GlobalCount"
#define NUMBER  18    /* characters of 0x0123456789abcdef */
#define URI_MAX 16384 /* more than its names can make */

static int digit_of(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static int read_number(const char *text, size_t len, uint64_t *out)
{
	*out = 0;
	if (len != NUMBER || text[0] != '0' || text[1] != 'x')
		return -1;
	for (size_t i = 2; i < NUMBER; i++) {
		if (digit_of(text[i]) < 0)
			return -1;
		*out = *out << 4 | (uint64_t)digit_of(text[i]);
	}
	return 0;
}

const char *ocs_openchange_record(const void *mem_ctx, const void *key, size_t key_len,
                                  const void *value, size_t len, struct ocs_openchange_record *out)
{
	const char *text = key;

	*out = (struct ocs_openchange_record){.id = 0};
	if (key_len == strlen(COUNTER) && memcmp(text, COUNTER, key_len) == 0)
		return read_number(value, len, &out->counter) == 0 &&
		                       out->counter <= 0xffffffffffffULL
		               ? NULL
		               : "the counter is no number of 48 bits";
	if (key_len > strlen(DELETED) && memcmp(text, DELETED, strlen(DELETED)) == 0) {
		out->deleted = true;
		text += strlen(DELETED);
		key_len -= strlen(DELETED);
	}
	if (read_number(text, key_len, &out->id) != 0)
		return "it is no key of an indexing.tdb";
	if (!ocs_index_id_possible(out->id))
		return "that is no identifier";
	if (len == 0 || len > URI_MAX || memchr(value, '\0', len) != NULL)
		return "its URI is empty, too long, or holds a NUL";
	out->uri = talloc_strndup(mem_ctx, value, len);
	return out->uri != NULL ? NULL : "out of memory";
}

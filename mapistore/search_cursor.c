/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Cursors of searches: see search_cursor.h. Pure functions. */
#include "mapistore/search_cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

#define FIELDS 6 /* and the plan behind the third */

uint32_t ocs_search_hash(uint32_t hash, const char *text)
{
	hash = ocs_fnv32(hash, text, strlen(text));
	return hash != 0 ? hash : 1;
}

void ocs_search_cursor_write(const struct ocs_search_position *at, uint32_t check,
                             char out[OCS_INDEX_CURSOR_SIZE])
{
	snprintf(out, OCS_INDEX_CURSOR_SIZE, "%x.%x.%x.%llx.%llx.%llx.%c", check, at->backend,
	         at->way, (unsigned long long)at->folder, (unsigned long long)at->list,
	         (unsigned long long)at->name, at->plan != 0 ? at->plan : '-');
}

int ocs_search_cursor_read(const char *text, uint32_t check, struct ocs_search_position *out)
{
	unsigned long long v[FIELDS];

	*out = (struct ocs_search_position){.backend = 0};
	if (text == NULL || text[0] == '\0')
		return 0;
	for (int i = 0; i < FIELDS; i++) {
		size_t len = strspn(text, "0123456789abcdef");

		if (len == 0 || len > 16 || text[len] != '.')
			return -1;
		v[i] = strtoull(text, NULL, 16);
		text += len + 1;
	}
	if (v[0] != check || v[1] == 0 || v[1] > UINT32_MAX || v[2] > UINT32_MAX ||
	    (*text != '-' && *text != 'm' && *text != 'f') || text[1] != '\0')
		return -1;
	*out = (struct ocs_search_position){
	        (uint32_t)v[1], (unsigned)v[2], *text == '-' ? '\0' : *text, v[3], v[4], v[5]};
	return 0;
}

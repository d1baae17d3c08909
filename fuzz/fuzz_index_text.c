/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/index_text.c */
/* Fuzz target: a line of the index as text. What is read is written again as a line that says the
 * same. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "mapistore/index_text.h"

const char *const fuzz_texts[] = {
        "ocsmanager-index\t1\t1\t281000000000000",
        "root\t0100000000000001\tanna",
        "folder\t0200000000000001\tlive\t7\tanna\tsogo\tanna\tINBOX/a\\x09b",
        "folder\t0300000000000001\tdeleted\t-\tanna\tsogo\t\tOld",
        "message\t0400000000000001\t0200000000000001\tquiet\t00000000000000aa\t17.eml",
        "end\t4",
        NULL,
};

static void check_same(const char *a, const char *b)
{
	FUZZ_CHECK((a == NULL) == (b == NULL));
	FUZZ_CHECK(a == NULL || strcmp(a, b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *again = NULL;
	struct ocs_index_line line, second;
	size_t len = 0;
	FILE *out;

	FUZZ_CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (ocs_index_line_read(text, size, &line) == NULL) {
		out = open_memstream(&again, &len);
		FUZZ_CHECK(out != NULL && ocs_index_line_write(&line, out) == 0);
		FUZZ_CHECK(fclose(out) == 0 && len > 0 && again[len - 1] == '\n');
		again[--len] = '\0';
		FUZZ_CHECK(strchr(again, '\n') == NULL);
		FUZZ_CHECK(ocs_index_line_read(again, len, &second) == NULL);
		FUZZ_CHECK(line.kind == second.kind && line.id == second.id &&
		           line.fid == second.fid && line.state == second.state &&
		           line.number == second.number && line.content == second.content);
		check_same(line.user, second.user);
		check_same(line.backend, second.backend);
		check_same(line.backend_user, second.backend_user);
		check_same(line.name, second.name);
	}
	free(again);
	free(text);
	return 0;
}

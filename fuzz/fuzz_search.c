/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/search_pattern.c mapistore/search_postings.c */
/* Fuzz target: patterns of searches, and the blocks and heads of the lists that they go by, which
 * any member of the registry's group can write. The first byte chooses. */
#include <string.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "mapistore/search_pattern.h"
#include "mapistore/search_postings.h"

const unsigned fuzz_cost = 8;
const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\0sogo://jdoe:*@mail/folderINBOX/17*"),
        FUZZ_BLOB("\0*%c3%bc*report*.eml"),
        FUZZ_BLOB("\1\377\377\377\377\377\377\377\377\3\0\1\0\0\0\0\0\0\0\1\200\1"),
        FUZZ_BLOB("\2\0\7\0\0\0\0\0\0\0\3\0\0\0\5\200\2"),
        {NULL, 0},
};

static void check_pattern(void *ctx, const char *text)
{
	struct ocs_error error = {.text = ""};
	char *pattern = ocs_search_pattern(ctx, text, &error);
	struct ocs_search_form *form;

	if (pattern == NULL)
		return;
	FUZZ_CHECK(strstr(pattern, "**") == NULL);
	(void)ocs_search_matches(pattern, text);
	form = ocs_search_form(ctx, pattern, "sogo://{user}:*@mail/{folder:sogo}/{message}.eml");
	FUZZ_CHECK(form != NULL);
	for (size_t i = 0; i < form->n_ways; i++)
		FUZZ_CHECK(form->ways[i].tail == NULL || strstr(pattern, form->ways[i].tail));
}

static void check_block(const uint8_t *data, size_t len)
{
	static struct ocs_postings block, same;
	uint8_t out[OCS_POSTINGS_SIZE];
	size_t written;

	if (ocs_postings_read(data, len, &block) != 0 || block.n == 0)
		return;
	for (size_t i = 1; i < block.n; i++)
		FUZZ_CHECK(block.ids[i - 1] < block.ids[i] && block.ids[i] < block.end);
	ocs_postings_write(out, sizeof(out), block.ids, block.n, block.end, &written);
	FUZZ_CHECK(written > 0 && ocs_postings_read(out, sizeof(out), &same) == 0);
	FUZZ_CHECK(same.n == written && memcmp(same.ids, block.ids, written * 8) == 0);
}

static void check_head(void *ctx, const uint8_t *data, size_t len)
{
	struct ocs_postings_head head, same;
	uint8_t *out;
	size_t n;

	if (ocs_postings_head_read(ctx, data, len, &head) != 0)
		return;
	for (uint32_t i = 1; i < head.blocks; i++)
		FUZZ_CHECK(head.lows[i - 1] < head.lows[i]);
	out = ocs_postings_head_write(ctx, &head, &n);
	FUZZ_CHECK(out != NULL && ocs_postings_head_read(ctx, out, n, &same) == 0);
	FUZZ_CHECK(same.blocks == head.blocks && same.count == head.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *ctx;

	if (size < 1)
		return 0;
	ctx = talloc_new(NULL);
	FUZZ_CHECK(ctx != NULL);
	if (data[0] % 3 == 0)
		check_pattern(ctx, talloc_strndup(ctx, (const char *)data + 1, size - 1));
	else if (data[0] % 3 == 1)
		check_block(data + 1, size - 1);
	else
		check_head(ctx, data + 1, size - 1);
	talloc_free(ctx);
	return 0;
}

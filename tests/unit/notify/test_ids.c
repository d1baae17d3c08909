/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Identifiers as they travel between nodes. */
#include "tests/unit/rig.h"

#include "notify/ids.h"

static const uint64_t inbox[] = {0x0101, 0x0201}, deep[] = {0x0101, 0, 0x0401, 0x0501};

static struct ocs_ids_list made(void *mem_ctx)
{
	struct ocs_ids_list list = {.replica_id = 0xfedc};
	const struct ocs_ids ann = {.user = "ann",
	                            .category = 3,
	                            .n_folder = 2,
	                            .folder = inbox,
	                            .n_old = 4,
	                            .old_folder = deep,
	                            .mid = 0x1122334455667788,
	                            .old_mid = 7},
	                     bob = {.user = "böb@example.org", .category = 1};

	ck_assert_int_eq(ocs_ids_add(mem_ctx, &list, &ann), 0);
	ck_assert_int_eq(ocs_ids_add(mem_ctx, &list, &bob), 0);
	return list;
}

TEST(they_read_as_what_was_written)
{
	void *mem_ctx = talloc_new(NULL);
	struct ocs_ids_list in = made(mem_ctx), *out;
	const struct ocs_ids *ann;
	size_t len;
	uint8_t *data = ocs_ids_encode(mem_ctx, &in, &len);

	ck_assert_ptr_nonnull(data);
	out = ocs_ids_decode(mem_ctx, data, len);
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(out->replica_id, 0xfedc);
	ck_assert_uint_eq(out->n, 2);
	ann = ocs_ids_of(out, "ann");
	ck_assert_ptr_nonnull(ann);
	ck_assert_uint_eq(ann->category, 3);
	ck_assert_uint_eq(ann->mid, 0x1122334455667788);
	ck_assert_uint_eq(ann->old_mid, 7);
	ck_assert_uint_eq(ann->n_folder, 2);
	ck_assert_uint_eq(ann->folder[1], 0x0201);
	ck_assert_uint_eq(ann->n_old, 4);
	ck_assert_uint_eq(ann->old_folder[3], 0x0501);
	ck_assert_uint_eq(ocs_ids_of(out, "böb@example.org")->n_folder, 0);
	ck_assert_ptr_null(ocs_ids_of(out, "an"));
	ck_assert_ptr_null(ocs_ids_of(NULL, "ann"));
	talloc_free(mem_ctx);
}

TEST(no_part_of_it_and_nothing_longer_is_one)
{
	void *mem_ctx = talloc_new(NULL);
	struct ocs_ids_list in = made(mem_ctx);
	size_t len;
	uint8_t *data = ocs_ids_encode(mem_ctx, &in, &len), *copy;

	for (size_t n = 0; n <= len + 1; n++) {
		copy = malloc(n + 1); /* so that a read past it is seen */
		memset(copy, 0, n + 1);
		memcpy(copy, data, n < len ? n : len);
		ck_assert_int_eq(ocs_ids_decode(mem_ctx, copy, n) != NULL, n == len);
		free(copy);
	}
	for (size_t i = 0; i < len; i++) { /* whatever comes: no more than is there */
		uint8_t was = data[i];

		for (int byte = 0; byte < 256; byte += 15) {
			data[i] = (uint8_t)byte;
			(void)ocs_ids_decode(mem_ctx, data, len);
		}
		data[i] = was;
	}
	talloc_free(mem_ctx);
}

TEST(who_does_not_fit_is_left_out)
{
	void *mem_ctx = talloc_new(NULL);
	struct ocs_ids_list in = {.replica_id = 1}, *out;
	char user[OCS_NAME_MAX + 1];
	size_t len;
	uint8_t *data;

	memset(user, 'u', sizeof(user) - 1);
	user[OCS_NAME_MAX] = '\0';
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(ocs_ids_add(mem_ctx, &in, &(struct ocs_ids){.user = user}), 0);
	data = ocs_ids_encode(mem_ctx, &in, &len);
	ck_assert_uint_le(len, OCS_IDS_ENCODED_MAX);
	out = ocs_ids_decode(mem_ctx, data, len);
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_gt(out->n, 25);
	in.n = 0;
	ck_assert_ptr_null(ocs_ids_encode(mem_ctx, &in, &len));
	talloc_free(mem_ctx);
}

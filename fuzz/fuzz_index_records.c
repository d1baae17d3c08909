/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers:
 * mapistore/index_folder.c mapistore/index_message.c mapistore/index_known.c
 * mapistore/index_layer.c mapistore/index_files.c */
/*
 * Fuzz target: records of the index, which every MAPI server may write. The input changes those of
 * a small index: which one (a byte), how (0 other data, 1 bytes from an offset on, 2 it goes), the
 * offset, a length, and bytes. Whatever they say, folders and messages are looked up, made, renamed
 * and deleted, in a transaction that is then cancelled.
 */
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#define FUZZ_COST 32
#include "fuzz/folder.h"
#include "mapistore/index_internal.h"

#define RECORDS_MAX 96
#define STEP        4

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\1\1\1\10\2\0\0\0\0\0\0\1"),
        FUZZ_BLOB("\4\0\0\3f\0\0\7\2\0\0"),
        FUZZ_BLOB("\11\1\0\1F\12\1\0\1d\13\1\0\1A"),
        {NULL, 0},
};

static struct {
	uint8_t *key, *data;
	size_t key_len, len;
} base[RECORDS_MAX];
static size_t n_base;
static uint64_t ids[RECORDS_MAX];
static size_t n_ids;

static struct ocs_folder_name named(const char *folder)
{
	return (struct ocs_folder_name){"jdoe", "sogo", "john", folder};
}

static void make_folder(struct ocs_index *index, const char *folder)
{
	struct ocs_folder_name name = named(folder);
	struct ocs_index_message message = {0};
	struct ocs_index_folder made;
	uint64_t mid;

	FUZZ_CHECK(ocs_index_folder(index, &name, true, &made, NULL) == OCS_STORE_OK);
	FUZZ_CHECK(ocs_index_reserve(index, 1, &mid, NULL) == OCS_STORE_OK);
	message.mid = mid;
	FUZZ_CHECK(ocs_index_message_put(index, &made, "1.eml", &message, NULL) == OCS_STORE_OK);
	ids[n_ids++] = made.fid;
	ids[n_ids++] = mid;
}

static int keep(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	(void)arg;
	if (n_base == RECORDS_MAX || data == NULL)
		return 0;
	base[n_base].key = talloc_memdup(NULL, key, key_len);
	base[n_base].data = talloc_memdup(NULL, data, len);
	FUZZ_CHECK(base[n_base].key != NULL && base[n_base].data != NULL);
	base[n_base].key_len = key_len;
	base[n_base++].len = len;
	return 0;
}

static struct ocs_index *make_index(void)
{
	struct ocs_index *index;

	FUZZ_CHECK(ocs_index_open(fuzz_folder(), 1, true, &index, NULL) == 0);
	FUZZ_CHECK(ocs_index_begin(index, NULL) == OCS_STORE_OK);
	make_folder(index, "INBOX");
	make_folder(index, "INBOX/a/b");
	make_folder(index, "Old");
	FUZZ_CHECK(ocs_index_folder_delete(index,
	                                   &(struct ocs_folder_name){"jdoe", "sogo", "john", "Old"},
	                                   NULL) == OCS_STORE_OK);
	FUZZ_CHECK(ocs_index_commit(index, NULL) == OCS_STORE_OK);
	FUZZ_CHECK(ocs_store_each(index->store, -1, keep, NULL, NULL) == 0 && n_base > 10);
	return index;
}

static void change(struct ocs_index *index, const uint8_t *data, size_t size)
{
	uint8_t record[8192];

	for (size_t len; size >= STEP; data += STEP + len, size -= STEP + len) {
		size_t which = data[0] % n_base, at = data[2], end;

		len = data[3] < size - STEP ? data[3] : size - STEP;
		if (data[1] % 3 == 2) {
			FUZZ_CHECK(ocs_store_delete(index->store, base[which].key,
			                            base[which].key_len, NULL) == OCS_STORE_OK);
			continue;
		}
		end = data[1] % 3 == 0 ? 0 : base[which].len;
		FUZZ_CHECK(end <= sizeof(record) / 2);
		memset(record, 0, sizeof(record));
		memcpy(record, base[which].data, end);
		at = data[1] % 3 == 0 ? 0 : at % (end + 1);
		memcpy(record + at, data + STEP, len);
		end = at + len > end ? at + len : end;
		FUZZ_CHECK(ocs_store_put(index->store, base[which].key, base[which].key_len, record,
		                         end, NULL) == OCS_STORE_OK);
	}
}

static void look_up(struct ocs_index *index)
{
	struct ocs_index_name name;
	void *ctx = talloc_new(NULL);

	for (size_t i = 0; i < n_ids; i++) {
		if (ocs_index_lookup(index, ctx, ids[i], &name, NULL) != OCS_STORE_OK)
			continue;
		FUZZ_CHECK(name.user != NULL && name.user[0] != '\0');
		FUZZ_CHECK(name.message_id == NULL || name.folder != NULL);
		(void)ocs_index_follow(index, ids[i]);
	}
	talloc_free(ctx);
}

static void use(struct ocs_index *index, const char *folder, bool create)
{
	struct ocs_folder_name name = named(folder);
	struct ocs_index_message message;
	struct ocs_index_folder found;

	if (ocs_index_folder(index, &name, create, &found, NULL) != OCS_STORE_OK)
		return;
	if (ocs_index_message(index, found.series, "1.eml", &message, NULL) == OCS_STORE_OK)
		(void)ocs_index_message_delete(index, found.series, "1.eml", 0, NULL);
	message = (struct ocs_index_message){.mid = ids[1]};
	(void)ocs_index_message_put(index, &found, "2.eml", &message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ocs_index *index;
	struct ocs_index_folder found;
	struct ocs_folder_name inbox = named("INBOX"), below = named("INBOX/a");

	if (index == NULL)
		index = make_index();
	FUZZ_CHECK(ocs_index_begin(index, NULL) == OCS_STORE_OK);
	change(index, data, size);
	look_up(index);
	use(index, "INBOX", false);
	use(index, "INBOX/a/b/c", true);
	(void)ocs_index_folder_set_uid_validity(index, &inbox, 7, &found, NULL);
	(void)ocs_index_folder_rename(index, &below, "Old", &found, NULL);
	(void)ocs_index_folder_delete(index, &inbox, NULL);
	look_up(index);
	ocs_index_cancel(index);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: store/store.c store/store_open.c store/store_check.c store/store_each.c
 * store/store_look.c */
/*
 * Fuzz target: a file of a store, which every member of the registry's group can write. The input
 * is bytes that are written over a good one, or over its end, each piece behind its offset (a byte:
 * odd to count from the end, then 16 bits) and length; a length of 0 cuts the file there. Then it
 * is opened as a daemon and as a library do it, and read, changed and read again.
 */
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#define FUZZ_COST 32
#include "fuzz/folder.h"
#include "store/store.h"

#define HASH_SIZE 7
#define KEYS      40
#define BASE_MAX  (1U << 21) /* libtdb's area for recoveries is half of it */

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\0\0\0\4xxxx"),
        FUZZ_BLOB("\0\1\0\4\xff\xff\xff\xff\0\0\x80\4\0\0\0\0"),
        FUZZ_BLOB("\0\2\0\0"),
        FUZZ_BLOB("\0\0\x48\4\0\x10\0\0\0\x10\0\x18\0\0\0\0\0\x80\0\0\0\x80\0\0\0\x80\0\0"
                  "\0\0\0\x34\x0e\xfe\x67"),
        {NULL, 0},
};

static uint8_t base[BASE_MAX];
static size_t base_len;

static void fill(struct ocs_store *store)
{
	char key[16], data[64];

	memset(data, 'd', sizeof(data));
	FUZZ_CHECK(ocs_store_begin(store, NULL) == OCS_STORE_OK);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		FUZZ_CHECK(ocs_store_put(store, key, strlen(key), data, (size_t)i % 64, NULL) ==
		           OCS_STORE_OK);
	}
	FUZZ_CHECK(ocs_store_commit(store, false, NULL) == OCS_STORE_OK);
	FUZZ_CHECK(ocs_store_begin(store, NULL) == OCS_STORE_OK);
	for (int i = 0; i < KEYS; i += 3) {
		snprintf(key, sizeof(key), "K%d", i);
		FUZZ_CHECK(ocs_store_delete(store, key, strlen(key), NULL) == OCS_STORE_OK);
	}
	FUZZ_CHECK(ocs_store_commit(store, false, NULL) == OCS_STORE_OK);
}

/* A good file, made once. */
static void make_base(const char *path)
{
	struct ocs_store *store;
	FILE *file;

	(void)unlink(path);
	FUZZ_CHECK(ocs_store_open(path, HASH_SIZE, OCS_STORE_CREATE, 0600, (gid_t)-1, &store, NULL,
	                          NULL) == OCS_STORE_OK);
	fill(store);
	ocs_store_close(store);
	file = fopen(path, "rb");
	FUZZ_CHECK(file != NULL);
	base_len = fread(base, 1, sizeof(base), file);
	FUZZ_CHECK(base_len > UINT16_MAX && base_len < sizeof(base) && fclose(file) == 0);
}

static void change(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, base, base_len) == (ssize_t)base_len);
	while (size >= 4) {
		size_t offset = (size_t)data[1] << 8 | data[2];
		off_t at = (off_t)((data[0] & 1) != 0 ? base_len - offset : offset);
		size_t len = data[3];

		data += 4;
		size -= 4;
		len = len < size ? len : size;
		if (len == 0)
			FUZZ_CHECK(ftruncate(fd, at) == 0);
		FUZZ_CHECK(pwrite(fd, data, len, at) == (ssize_t)len);
		data += len;
		size -= len;
	}
	close(fd);
}

static int each(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	unsigned *sum = arg;

	for (size_t i = 0; i < key_len; i++)
		*sum += ((const uint8_t *)key)[i];
	for (size_t i = 0; data != NULL && i < len; i++)
		*sum += data[i];
	return 0;
}

static void use(struct ocs_store *store)
{
	unsigned sum = 0;
	uint8_t *data;
	size_t len;

	(void)ocs_store_each(store, -1, each, &sum, NULL);
	if (ocs_store_fetch(store, NULL, "K7", 2, &data, &len, NULL) == OCS_STORE_OK)
		talloc_free(data);
	if (ocs_store_begin(store, NULL) == OCS_STORE_OK) {
		if (ocs_store_put(store, "K7", 2, "another", 7, NULL) == OCS_STORE_OK &&
		    ocs_store_put(store, "new", 3, base, 3000, NULL) == OCS_STORE_OK &&
		    ocs_store_delete(store, "K8", 2, NULL) == OCS_STORE_OK)
			(void)ocs_store_commit(store, true, NULL);
		else
			ocs_store_cancel(store);
	}
	(void)ocs_store_usable(store, NULL);
	(void)ocs_store_each(store, 'K', each, &sum, NULL);
}

static void try_open(const char *path, int flags)
{
	struct ocs_error error = {.text = ""};
	struct ocs_store *store;

	if (ocs_store_open(path, HASH_SIZE, flags, 0600, (gid_t)-1, &store, NULL, &error) !=
	    OCS_STORE_OK) {
		FUZZ_CHECK(error.text[0] != '\0');
		return;
	}
	use(store);
	ocs_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum ocs_store_result record;
	char path[256];

	snprintf(path, sizeof(path), "%s", fuzz_path("test.tdb"));
	ocs_store_wait_ms = 0;
	if (base_len == 0)
		make_base(path);
	change(path, data, size);
	(void)ocs_store_look(path, "K7", 2, &record, NULL);
	try_open(path, 0);
	change(path, data, size);
	try_open(path, OCS_STORE_CREATE | OCS_STORE_CHECK | OCS_STORE_SALVAGE);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mqueue/entry.c mqueue/name.c */
/* Fuzz target: entries of a message queue, and names of queues. What is taken is what would be
 * written. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "mqueue/entry.h"
#include "mqueue/name.h"
#include "ocsnotify.h"

const char *const fuzz_texts[] = {
        "/ocs.jdoe.store.newmail.0000001a",
        "/ocs.j%40x%2Ede.0123456789abcdef.contents.ffffffff",
        "/ocs.~0123456789abcdef0123456789abcdef01234567.store.search.00000000",
        NULL,
};

static void check_entry(const uint8_t *data, size_t size)
{
	uint8_t again[OCS_ENTRY_SIZE_MAX];
	struct ocs_entry entry, back;

	if (ocs_entry_decode(data, size, &entry) != 0)
		return;
	FUZZ_CHECK(ocs_entry_encode(&entry, again) == size && memcmp(again, data, size) == 0);
	FUZZ_CHECK(ocs_entry_decode(again, size, &back) == 0);
}

static void check_name(const uint8_t *data, size_t size)
{
	char text[512], again[OCS_QUEUE_NAME_MAX];
	struct ocs_queue_name name;

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (ocs_queue_name_parse(text, &name) != 0 || name.user_hashed)
		return;
	FUZZ_CHECK(ocs_queue_name_format(again, name.user, name.folder, name.table, name.pipe) ==
	           0);
	FUZZ_CHECK(strcmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_entry entry = {.category = OCS_NEWMAIL,
	                          .flags = OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE};
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];
	size_t len;

	check_name(data, size);
	check_entry(data, size);
	/* few mutations look like an entry: a valid one, changed by the input */
	strcpy(entry.message_class, "IPM.Note");
	len = ocs_entry_encode(&entry, bytes);
	FUZZ_CHECK(len != 0);
	check_entry(bytes, len);
	for (size_t i = 0; i + 1 < size && i < 16; i += 2)
		bytes[data[i] % len] = data[i + 1];
	check_entry(bytes, len);
	return 0;
}

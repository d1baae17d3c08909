/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: users/directory_text.c */
/*
 * Fuzz target: what a directory says of users, as values of any bytes. The first byte chooses the
 * rule for names; then values, each a byte (0 user, 1 backend user, 2 alias, 3 next entry), a byte
 * of length, and its bytes. Whatever they are, a user map comes of it that can be read.
 */
#include <string.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "users/directory_text.h"

#define VALUES_MAX 16
#define KINDS      3

const unsigned fuzz_cost = 8;
const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\0\0\4anna\1\4anna\1\12anna@x.org\2\1a\3\0\0\3bob\2\4anna"),
        FUZZ_BLOB("\1\0\4ANNA\1\1*\1\1=\2\2a\tb\0\0"),
        FUZZ_BLOB("\2\0\5a@b.c\2\1a\3\0\0\5A@b.c\1\1a"),
        {NULL, 0},
};

struct entry {
	struct ocs_users_text_value list[KINDS][VALUES_MAX];
	size_t count[KINDS];
};

static void add(struct ocs_users_text_lines *lines, struct entry *entry)
{
	struct ocs_users_text_values values[KINDS];

	for (int kind = 0; kind < KINDS; kind++)
		values[kind] =
		        (struct ocs_users_text_values){entry->list[kind], entry->count[kind]};
	FUZZ_CHECK(ocs_users_text_add(lines, &values[0], &values[1], &values[2], NULL) == 0);
	memset(entry, 0, sizeof(*entry));
}

static void add_all(struct ocs_users_text_lines *lines, const uint8_t *data, size_t size)
{
	struct entry entry = {.count = {0}};

	while (size >= 2) {
		unsigned kind = data[0] % (KINDS + 1);
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		if (kind == KINDS)
			add(lines, &entry);
		else if (entry.count[kind] < VALUES_MAX)
			entry.list[kind][entry.count[kind]++] =
			        (struct ocs_users_text_value){(const char *)data + 2, len};
		data += 2 + len;
		size -= 2 + len;
	}
	add(lines, &entry);
}

static void report(int priority, const char *text, void *arg)
{
	(void)priority;
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ocs_name_rule rules[] = {
	        {false, ""}, {true, ""}, {false, "*"}, {true, "b.c"}};
	const struct ocs_name_rule *rule;
	struct ocs_users_text_lines *lines;
	struct ocs_usermap *map;
	struct ocs_error error = {.text = ""};
	char *text;

	if (size < 1)
		return 0;
	rule = &rules[data[0] % 4];
	lines = ocs_users_text_new(NULL, rule);
	map = ocs_usermap_new(NULL, rule);
	FUZZ_CHECK(lines != NULL && map != NULL);
	add_all(lines, data + 1, size - 1);
	text = ocs_users_text_end(lines);
	FUZZ_CHECK(text != NULL);
	FUZZ_CHECK(ocs_usermap_read_text(map, "text", text, strlen(text), report, NULL, &error) ==
	           0);
	FUZZ_CHECK(ocs_usermap_finish(map, report, NULL, &error) == 0);
	talloc_free(map);
	talloc_free(lines);
	return 0;
}

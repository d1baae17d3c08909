/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: auth/hash.c auth/scramkeys.c auth/ssha.c auth/account_file.c */
/* Fuzz target: stored passwords, as an account file, an ini or an entry of a directory has them: a
 * file of lines, each NAME:HASH. */
#include <string.h>

#include "auth/account_file.h"
#include "auth/hash.h"
#include "fuzz/fuzz.h"

const char *const fuzz_texts[] = {
        "# comment\n\nopenchange:{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME\n",
        "a:{SCRAM-SHA-256}4096,AAECAwQFBgcICQoLDA0ODw==,"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "b:$y$j9T$AAAAAAAAAAAAAAAAAAAAA.$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
        "c:$6$rounds=1000$abc$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "plain:pass{word}\nd:{MD5}x\n",
        NULL,
};

static void check_hash(const char *text)
{
	struct ocs_error error = {.text = ""};
	struct ocs_hash hash, again;
	char keys[256];

	if (ocs_hash_parse(text, false, &hash, &error) != 0) {
		FUZZ_CHECK(error.text[0] != '\0');
		return;
	}
	FUZZ_CHECK(hash.kind != OCS_HASH_PLAIN && ocs_hash_same_cost(&hash, &hash));
	if (hash.kind != OCS_HASH_SCRAM)
		return;
	FUZZ_CHECK(hash.scram.iterations >= OCS_SCRAM_ITERATIONS_MIN &&
	           hash.scram.iterations <= OCS_SCRAM_ITERATIONS_MAX);
	FUZZ_CHECK(hash.scram.salt_len >= 1 && hash.scram.salt_len <= OCS_SCRAM_SALT_MAX);
	ocs_scram_keys_text(&hash.scram, keys, sizeof(keys));
	memset(&again, 0, sizeof(again));
	FUZZ_CHECK(ocs_scram_keys_parse(keys, &again.scram) == 0);
	FUZZ_CHECK(memcmp(&again.scram, &hash.scram, sizeof(again.scram)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct ocs_account_line line;

	FUZZ_CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (const char *at = text; at < text + size; at = line.next) {
		char *hash;

		if (ocs_account_line_read(at, text + size, &line) != 0)
			break;
		FUZZ_CHECK(line.start == at && line.end >= at && line.next > at);
		FUZZ_CHECK(line.next <= text + size && line.end <= line.next);
		if (line.colon == NULL)
			continue;
		FUZZ_CHECK(line.name >= at && line.colon >= line.name && line.colon < line.end);
		hash = strndup(line.colon + 1, (size_t)(line.end - line.colon - 1));
		FUZZ_CHECK(hash != NULL);
		check_hash(hash);
		free(hash);
	}
	free(text);
	return 0;
}

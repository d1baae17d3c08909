/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/names.c mapistore/utf7.c base/fold.c base/utf8.c */
/* Fuzz target: names of users and folders, in any bytes, which are compared, translated and
 * shown. The first byte chooses the rule. */
#include <string.h>

#include <talloc.h>

#include "base/fold.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "mapistore/names.h"
#include "mapistore/utf7.h"

const char *const fuzz_texts[] = {
        "0INBOX/W\xc3\xb6rk",
        "1John.DOE@Example.org",
        "2inbox/Stra\xc3\x9f"
        "e/\xcc\x81\xc4\xb0\xef\xac\x81\xed\x95\x9c",
        "3Entw&APw-rfe.&2D3eAA-.&-",
        "4\xff\x01 \x7f\xc2\x85\"\\",
        NULL,
};

static const struct ocs_name_rule rules[] = {
        {false, ""}, {true, ""}, {true, "example.org"}, {false, "*"}};

/* The form of a form is itself. */
static void check_forms(const struct ocs_name_rule *rule, const char *name)
{
	char key[OCS_NAME_MAX + 1], again[OCS_NAME_MAX + 1];

	ocs_name_user_key(rule, name, key);
	FUZZ_CHECK(strcmp(ocs_name_user_key(rule, key, again), key) == 0);
	if (ocs_folder_fault(name) != NULL)
		return;
	ocs_name_folder_key(rule, name, key);
	FUZZ_CHECK(strcmp(ocs_name_folder_key(rule, key, again), key) == 0);
	ocs_fold(name, key, sizeof(key));
	FUZZ_CHECK(strcmp(ocs_fold(key, again, sizeof(again)), key) == 0);
}

static void check_utf7(const char *name)
{
	char utf8[OCS_NAME_MAX + 1], again[8 * OCS_NAME_MAX];

	if (ocs_utf7_decode(name, utf8, sizeof(utf8)) == 0)
		FUZZ_CHECK(ocs_utf7_encode(utf8, again, sizeof(again)) == 0 &&
		           strcmp(again, name) == 0);
	if (ocs_utf7_encode(name, again, sizeof(again)) == 0 && strlen(name) <= OCS_NAME_MAX)
		FUZZ_CHECK(ocs_utf7_decode(again, utf8, sizeof(utf8)) == 0 &&
		           strcmp(utf8, name) == 0);
}

/* Nothing that a terminal obeys. */
static void check_shown(const char *name, size_t size)
{
	char shown[OCS_NAME_SHOWN_SIZE];

	FUZZ_CHECK(size <= sizeof(shown));
	ocs_name_show(name, shown, size);
	FUZZ_CHECK(strlen(shown) < size);
	if (size == sizeof(shown))
		FUZZ_CHECK(!ocs_name_has_control(shown));
}

static void check_translated(const char *name, struct ocs_folder_style style)
{
	char folder[OCS_NAME_MAX + 1];

	if (ocs_folder_translate(name, &style, folder) != NULL)
		return;
	FUZZ_CHECK(ocs_folder_fault(folder) == NULL);
	FUZZ_CHECK(ocs_folder_levels(folder) <= OCS_FOLDER_LEVELS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name;

	if (size < 1)
		return 0;
	name = talloc_strndup(NULL, (const char *)data + 1, size - 1);
	FUZZ_CHECK(name != NULL);
	check_utf7(name);
	check_shown(name, OCS_NAME_SHOWN_SIZE);
	check_shown(name, 40);
	check_translated(name, (struct ocs_folder_style){'/', false});
	check_translated(name, (struct ocs_folder_style){'.', true});
	if (ocs_name_fault(name) == NULL)
		check_forms(&rules[data[0] % 4], name);
	talloc_free(name);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: auth/ldap_filter.c */
/* Fuzz target: the filter of a directory, and names in it. A template, a line feed, a name: what
 * is in the name can say nothing but a name. */
#include <string.h>

#include <talloc.h>

#include "auth/ldap_filter.h"
#include "fuzz/fuzz.h"

const char *const fuzz_texts[] = {
        "(&(objectClass=person)(uid=%u))\nanna",
        "(|(mail=%s)(!(cn:caseExactMatch:=*%u\\2a)))\n*)(uid=*\\(\xc3\xa4",
        "(objectClass=inetOrgPerson)\n",
        "(uid>=%u)\n%u%s\x01",
        NULL,
};

/* Takes an escaped name apart at *at: what it stands for is the name. */
static void check_name(const char **at, const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned byte = (unsigned char)**at;

		FUZZ_CHECK(byte != '\0' && byte != '(' && byte != ')' && byte != '*');
		if (byte == '\\') {
			FUZZ_CHECK(sscanf(*at + 1, "%2x", &byte) == 1);
			*at += 3;
		} else {
			++*at;
		}
		FUZZ_CHECK(byte == name[i]);
	}
}

static void check_filled(const char *template, const char *filled, const uint8_t *name, size_t len)
{
	for (; *template != '\0'; template ++) {
		if (*template == '%') {
			check_name(&filled, name, len);
			template ++;
		} else {
			FUZZ_CHECK(*filled++ == *template);
		}
	}
	FUZZ_CHECK(*filled == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) : size;
	const uint8_t *name = data + len + (end != NULL);
	size_t name_len = size - (size_t)(name - data);
	char *template = talloc_strndup(NULL, (const char *)data, len), *filled;
	char attribute[OCS_LDAP_ATTRIBUTE_MAX + 1] = "";
	struct ocs_error error = {.text = ""};

	FUZZ_CHECK(template != NULL);
	if (ocs_ldap_filter_check_plain(template, &error) == 0)
		FUZZ_CHECK(strchr(template, '%') == NULL);
	if (ocs_ldap_filter_check(template, attribute, &error) == 0) {
		FUZZ_CHECK(attribute[0] != '\0' && strstr(template, attribute) != NULL);
		filled = ocs_ldap_filter_for(template, template, name, name_len);
		FUZZ_CHECK(filled != NULL);
		check_filled(template, filled, name, name_len);
	}
	talloc_free(template);
	return 0;
}

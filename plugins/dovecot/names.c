/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Checks names by the rules of the web service: see names.h. Touches memory only. */
#include "lib.h"
#include "unichar.h"

#include "names.h"

/* the web service's limit of a text */
#define NAME_MAX_BYTES 1024

const char *ocs_name_unsayable(const char *name)
{
	size_t length = strlen(name), i;

	if (length == 0)
		return "it is empty";
	if (length > NAME_MAX_BYTES)
		return "it is longer than 1024 bytes";
	if (!uni_utf8_str_is_valid(name))
		return "it is not UTF-8";
	for (i = 0; i < length; i++)
		if ((unsigned char)name[i] < 0x20)
			return "it has a control character";
	/* U+FFFE and U+FFFF are no characters of XML */
	if (strstr(name, "\xef\xbf\xbe") != NULL || strstr(name, "\xef\xbf\xbf") != NULL)
		return "it has a character that XML does not allow";
	return NULL;
}

bool ocs_name_needs_preserve(const char *name)
{
	size_t length = strlen(name), i;

	if (length > 0 && (name[0] == ' ' || name[length - 1] == ' '))
		return TRUE;
	for (i = 0; i < length; i++) {
		unsigned char c = name[i], next = name[i + 1];

		if (c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
			return TRUE;
	}
	return FALSE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Checking and filling in the filter of [auth:ldap]: see ldap_filter.h. Memory only. */
#include "auth/ldap_filter.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <talloc.h>

#define DEPTH_MAX 16

struct reader {
	const char *at;
	char *attribute;
	bool asks; /* for the name */
	struct ocs_error *error;
};

static int read_escape(struct reader *reader)
{
	if (!isxdigit((unsigned char)reader->at[1]) || !isxdigit((unsigned char)reader->at[2]))
		return ocs_error_set(reader->error, "a \\ needs two hexadecimal digits behind it");
	reader->at += 3;
	return 0;
}

/* "%u" of a value, which is then compared with the attribute. */
static int read_name(struct reader *reader, const char *attribute, size_t len)
{
	if (reader->at[1] != 'u' && reader->at[1] != 's')
		return ocs_error_set(reader->error,
		                     "%% is followed by u or s (the name); write a percent sign as "
		                     "\\25");
	if (!reader->asks) {
		memcpy(reader->attribute, attribute, len);
		reader->attribute[len] = '\0';
	}
	reader->asks = true;
	reader->at += 2;
	return 0;
}

/* ATTRIBUTE=VALUE, or with ~=, >=, <=, := */
static int read_item(struct reader *reader)
{
	const char *attribute = reader->at;
	size_t len = strspn(attribute, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                               "0123456789;.-");
	size_t bare = strcspn(attribute, ";=") < len ? strcspn(attribute, ";=") : len;

	reader->at += len + strspn(attribute + len, ":ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                            "abcdefghijklmnopqrstuvwxyz0123456789.-");
	reader->at += *reader->at == '~' || *reader->at == '>' || *reader->at == '<';
	if (bare == 0 || bare > OCS_LDAP_ATTRIBUTE_MAX || *reader->at != '=')
		return ocs_error_set(reader->error, "'%.40s' is not (ATTRIBUTE=VALUE)", attribute);
	reader->at++;
	while (*reader->at != ')') {
		int rc = 0;

		if (*reader->at == '\0' || *reader->at == '(')
			return ocs_error_set(reader->error,
			                     "a parenthesis is missing behind '%.40s' (within a "
			                     "value it is written as \\28 or \\29)",
			                     attribute);
		if (*reader->at == '\\')
			rc = read_escape(reader);
		else if (*reader->at == '%')
			rc = read_name(reader, attribute, bare);
		else
			reader->at++;
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int read_filter(struct reader *reader, int depth)
{
	bool one, many;

	if (*reader->at != '(')
		return ocs_error_set(reader->error,
		                     "a filter begins with a parenthesis, here is "
		                     "'%.40s'",
		                     reader->at);
	if (depth == DEPTH_MAX)
		return ocs_error_set(reader->error, "more than %d parentheses in each other",
		                     DEPTH_MAX);
	reader->at++;
	many = *reader->at == '&' || *reader->at == '|';
	one = *reader->at == '!';
	reader->at += many || one;
	if (!many && !one && read_item(reader) < 0)
		return -1;
	if (one && read_filter(reader, depth + 1) < 0)
		return -1;
	while (many && *reader->at == '(')
		if (read_filter(reader, depth + 1) < 0)
			return -1;
	if (*reader->at != ')')
		return ocs_error_set(reader->error, "a closing parenthesis is missing at '%.40s'",
		                     reader->at);
	reader->at++;
	return 0;
}

static int read_whole(struct reader *reader)
{
	if (strlen(reader->at) > OCS_LDAP_FILTER_MAX)
		return ocs_error_set(reader->error, "longer than %d bytes", OCS_LDAP_FILTER_MAX);
	if (read_filter(reader, 0) < 0)
		return -1;
	if (*reader->at != '\0')
		return ocs_error_set(reader->error, "'%.40s' follows the end of the filter",
		                     reader->at);
	return 0;
}

int ocs_ldap_filter_check(const char *filter, char attribute_r[OCS_LDAP_ATTRIBUTE_MAX + 1],
                          struct ocs_error *error)
{
	struct reader reader = {.at = filter, .attribute = attribute_r, .error = error};

	if (read_whole(&reader) < 0)
		return -1;
	if (!reader.asks)
		return ocs_error_set(error, "the name of the account, %%u, is not in it");
	return 0;
}

int ocs_ldap_filter_check_plain(const char *filter, struct ocs_error *error)
{
	char attribute[OCS_LDAP_ATTRIBUTE_MAX + 1];
	struct reader reader = {.at = filter, .attribute = attribute, .error = error};

	if (read_whole(&reader) < 0)
		return -1;
	if (reader.asks)
		return ocs_error_set(error, "no name is asked for here: %%%c cannot be in it", 'u');
	return 0;
}

/* RFC 4515, section 3, and all bytes that are not plain text. */
static char *put_escaped(char *out, const unsigned char *name, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		if (name[i] >= 0x20 && name[i] < 0x7f && !strchr("*()\\", name[i])) {
			*out++ = (char)name[i];
			continue;
		}
		*out++ = '\\';
		*out++ = digits[name[i] >> 4];
		*out++ = digits[name[i] & 15];
	}
	return out;
}

char *ocs_ldap_filter_for(const void *mem_ctx, const char *filter, const void *name, size_t len)
{
	size_t names = 0;

	for (const char *p = filter; *p != '\0'; p++)
		names += *p == '%';
	char *text = talloc_size(mem_ctx, strlen(filter) + names * 3 * len + 1), *out = text;
	if (!text)
		return NULL;
	for (const char *p = filter; *p != '\0'; p++) {
		if (*p == '%') {
			out = put_escaped(out, name, len);
			p++;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
	return text;
}

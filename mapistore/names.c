/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The rules for names of users, folders and messages, and the canonical folder. Pure functions. */
#include "mapistore/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "mapistore/utf7.h"

void ocs_index_canonical_backend(char *backend)
{
	/* Not tolower(): a name does not depend on the locale of a host. */
	for (; *backend != '\0'; backend++)
		if (*backend >= 'A' && *backend <= 'Z')
			*backend = (char)(*backend + ('a' - 'A'));
}

void ocs_index_canonical_folder(char *folder)
{
	if (strncasecmp(folder, "INBOX", 5) == 0 && (folder[5] == '\0' || folder[5] == '/'))
		memcpy(folder, "INBOX", 5);
}

/* Whether a domain is one that says nothing. */
static bool is_own_domain(const char *domains, const char *domain)
{
	size_t wanted = strlen(domain);

	while (*domains != '\0') {
		size_t len = strcspn(domains, ", \t");

		if ((len == 1 && *domains == '*') ||
		    (len == wanted && strncasecmp(domains, domain, len) == 0))
			return true;
		domains += len;
		domains += strspn(domains, ", \t");
	}
	return false;
}

char *ocs_name_user_key(const struct ocs_name_rule *rule, const char *user,
                        char out[OCS_NAME_MAX + 1])
{
	char *at;

	if (rule->fold)
		ocs_fold(user, out, OCS_NAME_MAX + 1);
	else
		snprintf(out, OCS_NAME_MAX + 1, "%s", user);
	while ((at = strrchr(out, '@')) != NULL && at > out && is_own_domain(rule->domains, at + 1))
		*at = '\0';
	return out;
}

char *ocs_name_folder_key(const struct ocs_name_rule *rule, const char *folder,
                          char out[OCS_NAME_MAX + 1])
{
	if (rule->fold) {
		char folded[OCS_NAME_MAX + 1];

		strcpy(out, ocs_fold(folder, folded, sizeof(folded)));
	} else if (out != folder) {
		snprintf(out, OCS_NAME_MAX + 1, "%s", folder);
	}
	ocs_index_canonical_folder(out);
	return out;
}

/* Past what no rule is about: printable ASCII, of which nearly all names are. */
static const char *skip_printable(const char *p)
{
	static const bool printable[256] = {[0x20 ... 0x7e] = true};

	while (printable[(unsigned char)*p])
		p++;
	return p;
}

bool ocs_name_has_control(const char *name)
{
	const unsigned char *p = (const unsigned char *)skip_printable(name);

	for (; *p != '\0'; p = (const unsigned char *)skip_printable((const char *)p + 1))
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return true;
	return false;
}

const char *ocs_name_fault(const char *name)
{
	const char *p;

	if (*name == '\0')
		return "is empty";
	for (p = skip_printable(name); *p != '\0'; p = skip_printable(p)) {
		size_t len = ocs_utf8_sequence(p);

		if (len == 0)
			return "is not UTF-8";
		if ((unsigned char)*p < 0x20)
			return "holds a tab, a line end or another C0 control character";
		p += len;
	}
	return p - name > OCS_NAME_MAX ? "has more than 1024 bytes" : NULL;
}

unsigned ocs_folder_levels(const char *folder)
{
	unsigned levels = 1;

	for (const char *p = folder; (p = strchr(p, '/')) != NULL; p++)
		levels++;
	return levels;
}

const char *ocs_folder_fault(const char *folder)
{
	const char *fault = ocs_name_fault(folder);
	size_t len = strlen(folder);

	if (fault != NULL)
		return fault;
	if (folder[0] == '/' || folder[len - 1] == '/' || strstr(folder, "//") != NULL)
		return "has an empty level: a '/' at one end, or two in a row";
	return ocs_folder_levels(folder) > OCS_FOLDER_LEVELS_MAX ? "has more than 64 levels" : NULL;
}

const char *ocs_folder_translate(const char *name, const struct ocs_folder_style *style,
                                 char out[OCS_NAME_MAX + 1])
{
	if (style->utf7) {
		if (ocs_utf7_decode(name, out, OCS_NAME_MAX + 1) != 0)
			return "is not modified UTF-7, or too long";
	} else if (strlen(name) > OCS_NAME_MAX) {
		return "has more than 1024 bytes";
	} else {
		strcpy(out, name);
	}
	if (style->separator != '/') {
		if (strchr(out, '/') != NULL)
			return "holds a '/' that separates no levels";
		for (char *p = out; *p != '\0'; p++)
			if (*p == style->separator)
				*p = '/';
	}
	return ocs_folder_fault(out);
}

static bool needs_quotes(const char *name)
{
	size_t len = strlen(name), n;

	if (len == 0 || name[0] == ' ' || name[0] == '"' || name[len - 1] == ' ' ||
	    strstr(name, "  ") != NULL)
		return true;
	for (; *name != '\0'; name += n) {
		n = ocs_utf8_seen(name);
		if (n == 0)
			return true;
	}
	return false;
}

char *ocs_name_show(const char *name, char *out, size_t size)
{
	size_t used = 0;

	if (!needs_quotes(name)) {
		snprintf(out, size, "%s", name);
		return out;
	}
	out[used++] = '"';
	while (*name != '\0' && used + 6 < size) {
		size_t n = ocs_utf8_seen(name);

		if (n == 0) {
			used += (size_t)snprintf(out + used, size - used, "\\x%02x",
			                         (unsigned char)*name++);
			continue;
		}
		if (*name == '"' || *name == '\\')
			out[used++] = '\\';
		memcpy(out + used, name, n);
		used += n;
		name += n;
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}

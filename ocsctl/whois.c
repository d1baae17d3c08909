/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* ocsctl whois: what an identifier names. Reads the registry and the index. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocsctl/registry.h"

/* 0x and hexadecimal digits, 16 of them as every tool here prints identifiers, or decimal. */
static int parse_id(const char *text, uint64_t *id_r)
{
	bool hex = strlen(text) == 16 && strspn(text, "0123456789abcdefABCDEF") == 16;
	char *end;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		hex = true;
		text += 2;
	}
	errno = 0;
	*id_r = strtoull(text, &end, hex ? 16 : 10);
	return isxdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 ? 0 : -1;
}

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? ocsctl_json_text(text) : json_null();
}

static const char *kind_of(const struct ocs_index_name *name)
{
	return name->message_id != NULL ? "message" : name->folder[0] == '\0' ? "root" : "folder";
}

static int print_json(uint64_t id, const struct ocs_index_name *name, const char *uri)
{
	return ocsctl_print_json(json_pack(
	        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id", ocsctl_json_id(id), "kind",
	        kind_of(name), "user", ocsctl_json_text(name->user), "backend",
	        text_or_null(name->backend), "backend_user", text_or_null(name->backend_user),
	        "folder", text_or_null(name->folder), "message", text_or_null(name->message_id),
	        "uri", text_or_null(uri), "deleted", (int)name->deleted));
}

static void print_line(struct ocsctl *ctl, const char *what, const char *name)
{
	if (name == NULL || name[0] == '\0')
		return;
	printf("%-13s ", what);
	ocsctl_print_safe(ocsctl_name(ctl, name));
	putchar('\n');
}

int ocsctl_whois(struct ocsctl *ctl)
{
	struct ocs_registry *registry;
	struct ocsctl_names *names;
	struct ocs_index_name name;
	struct ocs_error error = {.text = ""};
	uint64_t id;
	char *uri;
	int ret;

	if (parse_id(ctl->operands[0], &id) != 0)
		return ocsctl_usage("'%s' is no identifier: 0x and hexadecimal digits, 16 of them, "
		                    "or a decimal number",
		                    ctl->operands[0]);
	if (ocsctl_registry_open(ctl, &registry) < 0)
		return OCSCTL_FAILED;
	names = ocsctl_names_open(ctl, registry, &error);
	ret = names != NULL ? ocsctl_names_find(names, ctl, id, &name, &uri, &error)
	                    : OCS_STORE_ERROR;
	if (ret == OCS_STORE_MISSING)
		ocsctl_error("%016" PRIx64 ": not known here", id);
	else if (ret != OCS_STORE_OK)
		ocsctl_error("%s", error.text);
	if (ret != OCS_STORE_OK)
		return OCSCTL_FAILED;
	if (ctl->json)
		return print_json(id, &name, uri);
	printf("%-13s %016" PRIx64 "\n%-13s %s\n", "id", id, "kind", kind_of(&name));
	print_line(ctl, "user", name.user);
	print_line(ctl, "backend", name.backend);
	print_line(ctl, "backend user", name.backend_user);
	print_line(ctl, "folder", name.folder);
	print_line(ctl, "message", name.message_id);
	print_line(ctl, "uri", uri);
	printf("%-13s %s\n", "deleted", name.deleted ? "yes" : "no");
	return OCSCTL_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/uri.c mapistore/uri_parse.c mapistore/uri_folder.c mapistore/uri_text.c */
/* Fuzz target: URIs and their templates. A template, a line feed, a URI. */
#include <string.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "mapistore/names.h"
#include "mapistore/uri.h"

const char *const fuzz_texts[] = {
        "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml\n"
        "sogo://j%40x:j@mail/folder_2024/folderProbl_AM_AOg-mes_SP_de/17.eml",
        "sogo://{user}:*@mail/{folder:sogo}/{message}.eml\n"
        "SOGO://j:secret@Mail/folderProbl&AOg-mes/",
        "imap://{user}@mail/{folder:imap-utf7}/{message}\nimap://j@mail/Entw%26APw-rfe/1%2F2",
        "imap://{user}@mail/{folder};UID={message}\nimap://j@mail/INBOX/Sub;UID=17",
        "a://{user}{folder}{message}{user}\na://b?c#d:e@f",
        NULL,
};

static void compose(const char *template, const struct ocs_uri_names *names)
{
	struct ocs_uri_names again;
	char *uri = ocs_uri_format(NULL, template, names->user != NULL ? names->user : "u",
	                           names->folder != NULL ? names->folder : "f", names->message);

	FUZZ_CHECK(uri != NULL);
	/* How it is read back depends on the template: it may say one thing for two names. */
	if (ocs_uri_parse(uri, template, uri, &again) == 0)
		FUZZ_CHECK(again.folder == NULL || ocs_folder_fault(again.folder) == NULL);
	talloc_free(uri);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *ctx = talloc_new(NULL);
	char *template = talloc_strndup(ctx, (const char *)data, size), *uri, *normal;
	struct ocs_uri_names names;
	struct ocs_error error;

	FUZZ_CHECK(template != NULL);
	uri = strchr(template, '\n');
	if (uri != NULL)
		*uri++ = '\0';
	else
		uri = template;
	FUZZ_CHECK(ocs_uri_show(ctx, uri) != NULL);
	normal = ocs_uri_normalise(ctx, uri);
	if (normal != NULL)
		FUZZ_CHECK(strcmp(ocs_uri_normalise(ctx, normal), normal) == 0 ||
		           normal[strlen(normal) - 1] == '/');
	if (ocs_uri_check(template, &error) == 0 &&
	    ocs_uri_parse(ctx, template, uri, &names) == 0) {
		FUZZ_CHECK(names.user == NULL || ocs_name_fault(names.user) == NULL);
		FUZZ_CHECK(names.folder == NULL || ocs_folder_fault(names.folder) == NULL);
		FUZZ_CHECK(names.message == NULL || ocs_name_fault(names.message) == NULL);
		compose(template, &names);
	}
	talloc_free(ctx);
	return 0;
}

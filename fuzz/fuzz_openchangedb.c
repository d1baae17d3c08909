/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: users/openchangedb.c */
/* Fuzz target: records of an openchange.ldb, here as LDIF, which libldb turns into what it finds in
 * a file. */
#include <stdarg.h>
#include <stdlib.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "users/internal.h"

#define RECORDS_MAX 64

const char *const fuzz_texts[] = {
        "dn: CN=anna,CN=ou\ncn: anna\nMailboxGUID: 1\n\n"
        "dn: CN=1,CN=anna,CN=ou\nPidTagFolderId: 3170534137668829185\n"
        "MAPIStoreURI: sogo://anna:anna@mail/folderINBOX/\n",
        "dn: CN=1,CN=x\nmailboxDN: CN=anna,CN=ou\nPidTagFolderId: 1\n"
        "MAPIStoreURI:: c29nbzovL2E6YUBtYWlsL2ZvbGRlckE=\n\ndn: CN=anna,CN=ou\ncn: a@b\n"
        "MailboxGUID: 2\n",
        NULL,
};

static const struct ocs_users_backend backends[] = {
        {"sogo", "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"},
        {"imap", "imap://{user}@store/{folder:imap-utf7}/{message}"},
};
static const struct ocs_users_settings settings = {
        .names = {true, "*"}, .replica_id = 1, .backends = backends, .n_backends = 2};

static void report(int priority, const char *text, void *arg)
{
	(void)priority;
	(void)arg;
	FUZZ_CHECK(text[0] != '\0');
}

static void each(void *arg, const char *user, uint64_t fid)
{
	(void)fid;
	++*(size_t *)arg;
	FUZZ_CHECK(user[0] != '\0' && ocs_name_fault(user) == NULL);
}

/* The reader of LDIF would say each of its mistakes. */
static void silent(void *context, enum ldb_debug_level level, const char *format, va_list args)
{
	(void)context;
	(void)level;
	(void)format;
	(void)args;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ldb_context *ldb =
	        (setenv("LDB_MODULES_DISABLE_DEEPBIND", "1", 0), ldb_init(NULL, NULL));
	struct ocs_usermap *map = ocs_usermap_new(NULL, &settings.names);
	struct ldb_message *records[RECORDS_MAX];
	struct ocs_error error = {.text = ""};
	char *text = talloc_strndup(ldb, (const char *)data, size);
	const char *rest = text;
	struct ldb_ldif *record;
	size_t n = 0, count = 0;

	FUZZ_CHECK(ldb != NULL && map != NULL && text != NULL);
	ldb_set_debug(ldb, silent, NULL);
	while (n < RECORDS_MAX && (record = ldb_ldif_read_string(ldb, &rest)) != NULL)
		if (record->msg->dn != NULL && ldb_dn_validate(record->msg->dn))
			records[n++] = record->msg;
	FUZZ_CHECK(ocs_openchangedb_records(ldb, map, &settings, "file", records, n, report,
	                                    NULL) == 0);
	FUZZ_CHECK(ocs_usermap_finish(map, report, NULL, &error) == 0);
	FUZZ_CHECK(ocs_usermap_match(map, "sogo", "anna", "INBOX", each, &count) == count);
	talloc_free(map);
	talloc_free(ldb);
	return 0;
}

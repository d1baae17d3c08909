/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * OpenChange's openchange.ldb as a source of users: its mailboxes, and their folders that a backend
 * has, with their FIDs. Opens the file for reading, and only while it is read.
 *
 * A mailbox is a record with MailboxGUID; its cn is the groupware user. A folder of a backend is
 * one with MAPIStoreURI, and belongs to the mailbox above it in the tree, or to that which
 * mailboxDN names: real files lack the one or the other. A URI is read by the template of each
 * [backend:NAME]; those that no template reads (calendars, where only mail reports) are left out
 * without a word.
 *
 * The file lists the folders that clients have seen at logon, not all: so a user sees everything of
 * the store that is their own, which is that of their INBOX, or that of their own name.
 */
#include "users/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>
#include <uthash.h>

#include "mapistore/uri.h"
#include "mqueue/name.h"

struct mailbox {
	UT_hash_handle hh;
	const char *user;
	bool has_own; /* a store of their own is known */
	char dn[];    /* case folded */
};

/* A store that is a user's own, so that each gets one line. */
struct own_store {
	UT_hash_handle hh;
	char key[];
};

struct reader {
	struct ocs_usermap *map;
	struct ldb_context *ldb;
	const struct ocs_users_settings *settings;
	const char *path;
	ocs_report_fn *report;
	void *arg;
	void *mem_ctx;
	struct mailbox *mailboxes;
	struct own_store *stores;
	bool warned; /* of replica ids */
};

/* ---- values ---- */

static void complain(const struct reader *reader, const struct ldb_message *record,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));

static void complain(const struct reader *reader, const struct ldb_message *record,
                     const char *format, ...)
{
	char *message = talloc_asprintf(NULL, "%s: record '%.200s': ", reader->path,
	                                ldb_dn_get_linearized(record->dn) != NULL
	                                        ? ldb_dn_get_linearized(record->dn)
	                                        : "?");
	va_list args;

	va_start(args, format);
	if (message != NULL)
		message = talloc_vasprintf_append(message, format, args);
	va_end(args);
	if (message != NULL && reader->report != NULL)
		reader->report(LOG_WARNING, message, reader->arg);
	talloc_free(message);
}

/* The only value of an attribute that is text; NULL: none, or it holds a NUL. */
static const char *text_of(const struct ldb_message *record, const char *name)
{
	const struct ldb_val *value = ldb_msg_find_ldb_val(record, name);

	if (value == NULL || value->data == NULL ||
	    strnlen((const char *)value->data, value->length) != value->length ||
	    value->data[value->length] != '\0')
		return NULL;
	return (const char *)value->data;
}

/* An identifier as it is written there: unsigned decimal. 0: it is none. */
static uint64_t fid_of(const struct ldb_message *record)
{
	const char *text = text_of(record, "PidTagFolderId");
	unsigned long long fid;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	fid = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && fid != OCS_FOLDER_STORE && fid != UINT64_MAX ? fid : 0;
}

/* ---- mailboxes ---- */

static int add_mailbox(struct reader *reader, const struct ldb_message *record)
{
	const char *user = text_of(record, "cn"), *dn = ldb_dn_get_casefold(record->dn);
	struct mailbox *mailbox;
	const char *fault = user == NULL ? "is missing" : ocs_name_fault(user);

	/* Both mean something in the user map, as which libraries read it. */
	if (fault == NULL && strpbrk(user, "*=") != NULL)
		fault = "holds * or =";

	if (fault != NULL || dn == NULL) {
		complain(reader, record, "its cn %s: the mailbox is left out",
		         fault != NULL ? fault : "is in no tree");
		return 0;
	}
	HASH_FIND_STR(reader->mailboxes, dn, mailbox);
	if (mailbox != NULL)
		return 0;
	mailbox = talloc_zero_size(reader->mem_ctx, sizeof(*mailbox) + strlen(dn) + 1);
	if (mailbox == NULL)
		return -1;
	strcpy(mailbox->dn, dn);
	mailbox->user = user;
	HASH_ADD_STR(reader->mailboxes, dn, mailbox);
	return mailbox->hh.tbl != NULL ? 0 : -1;
}

static struct mailbox *mailbox_at(const struct reader *reader, struct ldb_dn *dn)
{
	const char *text = dn != NULL ? ldb_dn_get_casefold(dn) : NULL;
	struct mailbox *mailbox = NULL;

	if (text != NULL)
		HASH_FIND_STR(reader->mailboxes, text, mailbox);
	return mailbox;
}

/* NULL: none. */
static struct mailbox *mailbox_of(const struct reader *reader, const struct ldb_message *record)
{
	const char *said = text_of(record, "mailboxDN");
	struct ldb_dn *dn = ldb_dn_copy(reader->mem_ctx, record->dn);
	struct mailbox *found = NULL;

	while (found == NULL && dn != NULL && ldb_dn_get_comp_num(dn) > 0) {
		found = mailbox_at(reader, dn);
		if (!ldb_dn_remove_child_components(dn, 1))
			break;
	}
	talloc_free(dn);
	if (found == NULL && said != NULL) {
		dn = ldb_dn_new(reader->mem_ctx, reader->ldb, said);
		if (dn != NULL && ldb_dn_validate(dn))
			found = mailbox_at(reader, dn);
		talloc_free(dn);
	}
	return found;
}

/* ---- folders ---- */

/* Whether the backend user's store is the groupware user's own. */
static bool is_own(const struct reader *reader, const struct mailbox *mailbox,
                   const struct ocs_uri_names *names)
{
	char a[OCS_NAME_MAX + 1], b[OCS_NAME_MAX + 1];

	if (strcmp(names->folder, "INBOX") == 0)
		return true;
	ocs_name_user_key(&reader->settings->names, mailbox->user, a);
	ocs_name_user_key(&reader->settings->names, names->user, b);
	return strcmp(a, b) == 0;
}

/* One line for all folders of it. */
static int add_own_store(struct reader *reader, struct mailbox *mailbox, const char *backend,
                         const char *backend_user)
{
	const struct ocs_usermap_line line = {.backend = backend,
	                                      .backend_user = backend_user,
	                                      .user = mailbox->user,
	                                      .file = reader->path};
	char *key = talloc_asprintf(reader->mem_ctx, "%s\n%s\n%s", mailbox->user, backend,
	                            backend_user);
	struct own_store *store = NULL;

	mailbox->has_own = true;
	if (key == NULL)
		return -1;
	HASH_FIND_STR(reader->stores, key, store);
	if (store != NULL)
		return 0;
	store = talloc_zero_size(reader->mem_ctx, sizeof(*store) + strlen(key) + 1);
	if (store == NULL)
		return -1;
	strcpy(store->key, key);
	talloc_free(key);
	HASH_ADD_STR(reader->stores, key, store);
	return store->hh.tbl != NULL ? ocs_usermap_add(reader->map, &line) : -1;
}

/* OpenChange gives identifiers with the replica id 1, and so do we where nothing else is set. */
static void look_at_replica(struct reader *reader, const struct ldb_message *record, uint64_t fid)
{
	if (reader->warned || (uint16_t)fid != reader->settings->replica_id)
		return;
	reader->warned = true;
	complain(reader, record,
	         "its PidTagFolderId has the replica id %u, by which this daemon gives "
	         "identifiers of its own: give [main] replica_id another one",
	         (unsigned)reader->settings->replica_id);
}

static int add_folder(struct reader *reader, const struct ldb_message *record,
                      struct mailbox *mailbox, const char *backend,
                      const struct ocs_uri_names *names)
{
	struct ocs_usermap_line line = {.backend = backend,
	                                .backend_user = names->user,
	                                .folder = names->folder,
	                                .user = mailbox->user,
	                                .file = reader->path};

	ocs_index_canonical_folder(names->folder);
	if (ocs_name_fault(names->user) != NULL || ocs_folder_fault(names->folder) != NULL ||
	    strchr(names->user, '*') != NULL || strcmp(names->folder, "*") == 0) {
		complain(reader, record, "its MAPIStoreURI holds a name that none can be");
		return 0;
	}
	line.fid = fid_of(record);
	if (line.fid == 0) {
		complain(reader, record,
		         "its PidTagFolderId is missing, or no unsigned decimal number: the folder "
		         "is left out");
		return 0;
	}
	look_at_replica(reader, record, line.fid);
	if (ocs_usermap_add(reader->map, &line) != 0)
		return -1;
	return is_own(reader, mailbox, names) ? add_own_store(reader, mailbox, backend, names->user)
	                                      : 0;
}

/* With a `/` at its end, as a folder's. */
static int read_folder(struct reader *reader, const struct ldb_message *record)
{
	const char *text = text_of(record, "MAPIStoreURI");
	void *work = talloc_new(reader->mem_ctx);
	struct mailbox *mailbox = mailbox_of(reader, record);
	size_t len = text != NULL ? strlen(text) : 0;
	char *uri = NULL;
	int ret = 0;

	if (len > 0 && work != NULL)
		uri = talloc_asprintf(work, "%s%s", text, text[len - 1] == '/' ? "" : "/");
	if (len == 0 || mailbox == NULL) {
		complain(reader, record, "%s",
		         len == 0 ? "its MAPIStoreURI is empty, or no text"
		                  : "it is in no mailbox");
		talloc_free(work);
		return work != NULL ? 0 : -1;
	}
	if (uri == NULL)
		ret = -1;
	for (size_t i = 0; ret == 0 && i < reader->settings->n_backends; i++) {
		const struct ocs_users_backend *backend = &reader->settings->backends[i];
		struct ocs_uri_names names = {0};

		if (ocs_uri_parse(work, backend->uri, uri, &names) != 0 || names.folder == NULL ||
		    names.user == NULL)
			continue;
		ret = add_folder(reader, record, mailbox, backend->name, &names);
		break;
	}
	talloc_free(work);
	return ret;
}

/* ---- the file ---- */

/* Whose own store is not among the folders has that of their name. */
static int add_bare_mailboxes(struct reader *reader)
{
	struct mailbox *mailbox, *next;

	HASH_ITER(hh, reader->mailboxes, mailbox, next)
	{
		const struct ocs_usermap_line line = {
		        .backend_user = mailbox->user, .user = mailbox->user, .file = reader->path};

		if (!mailbox->has_own && ocs_usermap_add(reader->map, &line) != 0)
			return -1;
	}
	return 0;
}

static int read_records(struct reader *reader, struct ldb_message *const *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ldb_msg_find_element(records[i], "MailboxGUID") != NULL &&
		    add_mailbox(reader, records[i]) != 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (ldb_msg_find_element(records[i], "MAPIStoreURI") != NULL &&
		    read_folder(reader, records[i]) != 0)
			return -1;
	return add_bare_mailboxes(reader);
}

int ocs_openchangedb_records(struct ldb_context *ldb, struct ocs_usermap *map,
                             const struct ocs_users_settings *settings, const char *path,
                             struct ldb_message *const *records, size_t n, ocs_report_fn *report,
                             void *arg)
{
	struct reader reader = {
	        .ldb = ldb, .map = map, .settings = settings, .report = report, .arg = arg};
	int ret;

	reader.path = talloc_strdup(map, path); /* the lines keep it */
	reader.mem_ctx = talloc_new(NULL);
	ret = reader.path != NULL && reader.mem_ctx != NULL ? read_records(&reader, records, n)
	                                                    : -1;
	HASH_CLEAR(hh, reader.mailboxes);
	HASH_CLEAR(hh, reader.stores);
	talloc_free(reader.mem_ctx);
	return ret;
}

static void openchangedb_debug(void *context, enum ldb_debug_level level, const char *format,
                               va_list args)
{
	(void)context;
	(void)level;
	(void)format;
	(void)args;
}

/* Not its modules: @MODULES may name what only Samba has, and nothing of theirs is needed to read.
 * Not mapped: a file that is replaced in place would kill us. */
static int open_ldb(struct ldb_context *ldb, const char *path, struct ocs_error *error)
{
	static const char *options[] = {"modules:", NULL};
	char *url = talloc_asprintf(ldb, "tdb://%s", path);
	struct stat st;
	int ret;

	if (stat(path, &st) != 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ocs_error_set(error, "%s: not a regular file", path);
	if (url == NULL)
		return ocs_error_memory(error);
	ldb_set_debug(ldb, openchangedb_debug, NULL);
	ret = ldb_connect(ldb, url, LDB_FLG_RDONLY | LDB_FLG_DONT_CREATE_DB | LDB_FLG_NOMMAP,
	                  options);
	return ret == LDB_SUCCESS
	               ? 0
	               : ocs_error_set(error, "%s: cannot be read as an ldb file: %s", path,
	                               ldb_errstring(ldb) != NULL ? ldb_errstring(ldb)
	                                                          : ldb_strerror(ret));
}

static int openchangedb_read(struct ocs_usermap *map, const struct ocs_users_settings *settings,
                             ocs_report_fn *report, void *arg, struct ocs_error *error)
{
	static const char *const attributes[] = {"cn",        "MailboxGUID",    "MAPIStoreURI",
	                                         "mailboxDN", "PidTagFolderId", NULL};
	const char *path = settings->openchangedb;
	struct ldb_context *ldb = ldb_init(NULL, NULL);
	struct ldb_result *found = NULL;
	int ret;

	if (ldb == NULL)
		return ocs_error_memory(error);
	ret = open_ldb(ldb, path, error);
	if (ret == 0) {
		ret = ldb_search(ldb, ldb, &found, ldb_dn_new(ldb, ldb, NULL), LDB_SCOPE_SUBTREE,
		                 attributes, "(|(MailboxGUID=*)(MAPIStoreURI=*))");
		if (ret != LDB_SUCCESS)
			ret = ocs_error_set(error, "%s: cannot be searched: %s", path,
			                    ldb_errstring(ldb) != NULL ? ldb_errstring(ldb)
			                                               : ldb_strerror(ret));
		else if (ocs_openchangedb_records(ldb, map, settings, path, found->msgs,
		                                  found->count, report, arg) != 0)
			ret = ocs_error_memory(error);
	}
	talloc_free(ldb);
	ocs_usermap_set_decides(map);
	return ret;
}

static const char *openchangedb_where(const struct ocs_users_settings *settings)
{
	return settings->openchangedb;
}

const struct ocs_users_source ocs_users_openchangedb = {openchangedb_where, openchangedb_read};

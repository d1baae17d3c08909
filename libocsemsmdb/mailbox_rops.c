/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the built-in mailbox answers: RopLogon (MS-OXCSTOR 2.2.1.1), RopOpenFolder, the tables of no
 * rows (MS-OXCTABL 2.2.2), RopRegisterNotification. Reads the time of day.
 */
#include "libocsemsmdb/mailbox.h"

#include <string.h>
#include <time.h>

#include "base/bytes.h"

#define EC_NOT_FOUND        0x8004010fu
#define EC_INVALID_BOOKMARK 0x80040405u

/* ---- RopLogon ---- */

#define LOGON_PRIVATE  0x01
#define LOGON_RETURNED 0x07 /* Private, Undercover, Ghosted */
#define ESSDN_SIZE_AT  12

/* The folders of a private mailbox in the order of MS-OXCSTOR 2.2.1.1.3. Those no mail store has
 * are of a backend that reports nothing. The root is the subtree the user sees as well: mail stores
 * have nothing above it. */
static const struct {
	const char *name;
	bool is_mail;
} special_folders[] = {
        {"", true},
        {"Deferred Action", false},
        {"Spooler Queue", false},
        {"", true},
        {"INBOX", true},
        {"Outbox", false},
        {"Sent", true},
        {"Trash", true},
        {"Views", false},
        {"Schedule", false},
        {"Finder", false},
        {"My Views", false},
        {"Shortcuts", false},
};
#define SPECIAL_FOLDERS (sizeof(special_folders) / sizeof(special_folders[0]))
#define NO_STORE        "emsmdb"

static uint32_t folder_ids(const struct ocsemsmdb_session *session, uint64_t ids[SPECIAL_FOLDERS])
{
	const struct ocsemsmdb *server = session->server;

	for (size_t i = 0; i < SPECIAL_FOLDERS; i++) {
		const char *backend =
		        special_folders[i].is_mail ? server->settings.backend : NO_STORE;
		int code = ocsnotify_folder_fid(server->context, session->user, backend,
		                                session->user, special_folders[i].name, &ids[i]);

		if (code != OCSNOTIFY_OK)
			return emsmdb_mapi_error(code);
	}
	return OCSEMSMDB_EC_NONE;
}

static uint32_t check_essdn(const struct emsmdb_mailbox_call *call)
{
	const struct ocsemsmdb_settings *settings = &call->session->server->settings;
	const uint8_t *size = call->request->data + ESSDN_SIZE_AT;
	size_t len = strnlen((const char *)size + 2, ocs_get16(size));
	char dn[1024];

	if (len == 0)
		return OCSEMSMDB_EC_ACCESS_DENIED;
	if (len >= sizeof(dn))
		return OCSEMSMDB_EC_UNKNOWN_USER;
	if (settings->check_dn == NULL)
		return OCSEMSMDB_EC_NONE;
	memcpy(dn, size + 2, len);
	dn[len] = '\0';
	return settings->check_dn(call->session->user, dn, settings->arg);
}

/* 16 bytes that are a mailbox's own: its root folder's id, and this server's mark. */
static void put_guid(uint8_t *out, uint64_t id, const char mark[8])
{
	ocs_put64(out, id);
	memcpy(out + 8, mark, 8);
}

static void put_logon_time(uint8_t out[8])
{
	time_t now = time(NULL);
	struct tm tm = {0};

	(void)gmtime_r(&now, &tm);
	out[0] = (uint8_t)tm.tm_sec;
	out[1] = (uint8_t)tm.tm_min;
	out[2] = (uint8_t)tm.tm_hour;
	out[3] = (uint8_t)tm.tm_wday;
	out[4] = (uint8_t)tm.tm_mday;
	out[5] = (uint8_t)(tm.tm_mon + 1);
	ocs_put16(out + 6, (uint16_t)(tm.tm_year + 1900));
}

uint32_t emsmdb_mailbox_logon(struct emsmdb_mailbox_call *call)
{
	uint8_t flags = call->request->data[3], *p = call->out;
	uint64_t ids[SPECIAL_FOLDERS];
	uint32_t result;

	/* There are no public folders. */
	if ((flags & LOGON_PRIVATE) == 0)
		return OCSEMSMDB_EC_LOGIN_FAILURE;
	result = check_essdn(call);
	if (result == OCSEMSMDB_EC_NONE)
		result = folder_ids(call->session, ids);
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	emsmdb_mailbox_end_logon(call->session, call->request->logon_id);
	result = emsmdb_mailbox_add(call, EMSMDB_MAILBOX_LOGON, ids[0]);
	if (result != OCSEMSMDB_EC_NONE)
		return result;

	memset(p, 0, EMSMDB_MAILBOX_REPLY_MAX);
	*p++ = flags & LOGON_RETURNED;
	for (size_t i = 0; i < SPECIAL_FOLDERS; i++, p += 8)
		ocs_put64(p, ids[i]);
	*p++ = 0x07; /* ResponseFlags: Reserved, OwnerRight, SendAsRight */
	put_guid(p, ids[0], "ocs-mbox");
	p += 16;
	ocs_put16(p, (uint16_t)ids[0]); /* ReplId */
	p += 2;
	put_guid(p, 0, "ocs-repl");
	p += 16;
	put_logon_time(p);
	p += 8 + 8 + 4; /* GwartTime and StoreState are 0 */
	call->len = (size_t)(p - call->out);
	return OCSEMSMDB_EC_NONE;
}

/* ---- folders and subscriptions ---- */

uint32_t emsmdb_mailbox_open_folder(struct emsmdb_mailbox_call *call)
{
	uint64_t folder_id = ocs_get64(call->request->data + 4);

	if (folder_id == 0)
		return EC_NOT_FOUND;
	call->out[0] = call->out[1] = 0; /* HasRules, IsGhosted */
	call->len = 2;
	return emsmdb_mailbox_add(call, EMSMDB_MAILBOX_FOLDER, folder_id);
}

/* Ends the object that emsmdb_mailbox_add() made, since what it was for failed. */
static void undo_logon(struct emsmdb_mailbox_call *call)
{
	struct emsmdb_mailbox_object *object;

	if (emsmdb_mailbox_find(call->session, call->new_handle, call->request->logon_id,
	                        &object) == OCSEMSMDB_EC_NONE)
		emsmdb_mailbox_release(call->session, object);
	call->new_handle = EMSMDB_NO_HANDLE;
}

uint32_t emsmdb_mailbox_register(struct emsmdb_mailbox_call *call)
{
	uint8_t response[OCSEMSMDB_REGISTER_RESPONSE];
	uint32_t result = emsmdb_mailbox_add(call, EMSMDB_MAILBOX_SUBSCRIPTION, 0);
	size_t used;

	if (result != OCSEMSMDB_EC_NONE)
		return result;
	result = ocsemsmdb_rop_register(call->session, call->request->data, call->request->len,
	                                call->new_handle, &used, response);
	if (result != OCSEMSMDB_EC_NONE)
		undo_logon(call);
	return result;
}

/* ---- tables ---- */

#define ORIGIN_MAX 2 /* BOOKMARK_BEGINNING, _CURRENT, _END */

uint32_t emsmdb_mailbox_open_table(struct emsmdb_mailbox_call *call)
{
	uint64_t folder_id = call->object->folder_id;
	enum ocsnotify_table table = call->request->rop == OCS_ROP_GET_HIERARCHY_TABLE
	                                     ? OCSNOTIFY_HIERARCHY_TABLE
	                                     : OCSNOTIFY_CONTENTS_TABLE;
	uint32_t result = emsmdb_mailbox_add(call, EMSMDB_MAILBOX_TABLE, folder_id);

	if (result != OCSEMSMDB_EC_NONE)
		return result;
	result = ocsemsmdb_table_opened(call->session, call->new_handle, call->request->logon_id,
	                                table, folder_id, call->request->data[4]);
	if (result != OCSEMSMDB_EC_NONE)
		undo_logon(call);
	ocs_put32(call->out, 0); /* RowCount */
	call->len = 4;
	return result;
}

static uint32_t table_viewed(struct emsmdb_mailbox_call *call)
{
	return ocsemsmdb_table_viewed(call->session, call->object->handle);
}

/* RopSortTable, RopRestrict, RopGetStatus: done at once. */
uint32_t emsmdb_mailbox_table_status(struct emsmdb_mailbox_call *call)
{
	call->out[0] = 0; /* TBLSTAT_COMPLETE */
	call->len = 1;
	return OCSEMSMDB_EC_NONE;
}

uint32_t emsmdb_mailbox_set_columns(struct emsmdb_mailbox_call *call)
{
	call->object->has_columns = true;
	return emsmdb_mailbox_table_status(call);
}

uint32_t emsmdb_mailbox_query_rows(struct emsmdb_mailbox_call *call)
{
	bool forward = call->request->data[4] != 0;

	if (!call->object->has_columns)
		return OCSEMSMDB_EC_NULL_OBJECT;
	call->out[0] = forward ? 2 : 0; /* Origin: at the end, at the beginning */
	ocs_put16(call->out + 1, 0);    /* RowCount */
	call->len = 3;
	return table_viewed(call);
}

uint32_t emsmdb_mailbox_query_position(struct emsmdb_mailbox_call *call)
{
	ocs_put64(call->out, 0); /* Numerator, Denominator */
	call->len = 8;
	return table_viewed(call);
}

uint32_t emsmdb_mailbox_seek_row(struct emsmdb_mailbox_call *call)
{
	if (call->request->data[3] > ORIGIN_MAX)
		return OCSEMSMDB_EC_INVALID_PARAM;
	call->out[0] = ocs_get32(call->request->data + 4) != 0; /* HasSoughtLess */
	ocs_put32(call->out + 1, 0);                            /* RowsSought */
	call->len = 5;
	return table_viewed(call);
}

uint32_t emsmdb_mailbox_seek_fraction(struct emsmdb_mailbox_call *call)
{
	if (ocs_get32(call->request->data + 7) == 0)
		return EC_INVALID_BOOKMARK;
	return table_viewed(call);
}

uint32_t emsmdb_mailbox_query_columns(struct emsmdb_mailbox_call *call)
{
	ocs_put16(call->out, 0); /* PropertyTagCount */
	call->len = 2;
	return table_viewed(call);
}

uint32_t emsmdb_mailbox_find_row(struct emsmdb_mailbox_call *call)
{
	uint32_t result;

	if (!call->object->has_columns)
		return OCSEMSMDB_EC_NULL_OBJECT;
	result = table_viewed(call);
	return result != OCSEMSMDB_EC_NONE ? result : EC_NOT_FOUND;
}

uint32_t emsmdb_mailbox_reset_table(struct emsmdb_mailbox_call *call)
{
	call->object->has_columns = false;
	return ocsemsmdb_table_reset(call->session, call->object->handle);
}

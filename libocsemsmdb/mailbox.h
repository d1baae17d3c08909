/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The built-in ROP processor: an empty private mailbox. It has server object handles for logons,
 * folders, tables and subscriptions, and nothing behind them.
 */
#ifndef OCS_LIBOCSEMSMDB_MAILBOX_H
#define OCS_LIBOCSEMSMDB_MAILBOX_H

#include "libocsemsmdb/internal.h"
#include "libocsemsmdb/request.h"

enum emsmdb_mailbox_kind {
	EMSMDB_MAILBOX_LOGON = 1 << 0,
	EMSMDB_MAILBOX_FOLDER = 1 << 1,
	EMSMDB_MAILBOX_TABLE = 1 << 2,
	EMSMDB_MAILBOX_SUBSCRIPTION = 1 << 3,
};

struct emsmdb_mailbox_object {
	uint32_t handle; /* the key */
	enum emsmdb_mailbox_kind kind;
	uint8_t logon_id;
	uint64_t folder_id; /* of a folder; of a logon the root */
	bool has_columns;   /* of a table */
	UT_hash_handle hh;
};

struct emsmdb_mailbox {
	struct emsmdb_mailbox_object *objects;
	uint32_t next_handle; /* those below were given once */
};

/* One ROP being answered. */
struct emsmdb_mailbox_call {
	struct ocsemsmdb_session *session;
	const struct ocs_rop_request *request;
	struct emsmdb_mailbox_object *object; /* of the InputHandleIndex; NULL for RopLogon */
	uint32_t new_handle; /* what goes to the output index; EMSMDB_NO_HANDLE: none */
	uint8_t *out;        /* what follows ReturnValue in a response of success */
	size_t len;          /* bytes written there, at most EMSMDB_MAILBOX_REPLY_MAX */
};

#define EMSMDB_MAILBOX_REPLY_MAX 160 /* RopLogon's */

/* A result that is not 0 is the ReturnValue of a failure; then nothing else was changed. */
typedef uint32_t emsmdb_mailbox_rop_fn(struct emsmdb_mailbox_call *call);

emsmdb_mailbox_rop_fn emsmdb_mailbox_logon, emsmdb_mailbox_open_folder, emsmdb_mailbox_register;
emsmdb_mailbox_rop_fn emsmdb_mailbox_open_table, emsmdb_mailbox_set_columns,
        emsmdb_mailbox_table_status, emsmdb_mailbox_query_rows, emsmdb_mailbox_query_position,
        emsmdb_mailbox_seek_row, emsmdb_mailbox_seek_fraction, emsmdb_mailbox_query_columns,
        emsmdb_mailbox_find_row, emsmdb_mailbox_reset_table;

/* ---- mailbox_objects.c ---- */

/* A new object in call->new_handle; 0, or the MAPI error. */
uint32_t emsmdb_mailbox_add(struct emsmdb_mailbox_call *call, enum emsmdb_mailbox_kind kind,
                            uint64_t folder_id);
/* The object of a handle in a logon: 0, ecNullObject, ecInvalidObject, ecAccessDenied. */
uint32_t emsmdb_mailbox_find(const struct ocsemsmdb_session *session, uint32_t handle,
                             uint8_t logon_id, struct emsmdb_mailbox_object **object_r);
/* RopRelease: of a logon with all that is of it. */
void emsmdb_mailbox_release(struct ocsemsmdb_session *session,
                            struct emsmdb_mailbox_object *object);
/* Ends the logon of that id, if there is one. */
void emsmdb_mailbox_end_logon(struct ocsemsmdb_session *session, uint8_t logon_id);

#endif

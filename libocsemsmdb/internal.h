/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Inside libocsemsmdb: what its files share and nobody else may use. The public contract is
 * ocsemsmdb.h. No file, no lock, no thread: a server and its sessions belong to the thread of the
 * host that calls it.
 */
#ifndef OCS_LIBOCSEMSMDB_INTERNAL_H
#define OCS_LIBOCSEMSMDB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "ocsemsmdb.h"

#define EMSMDB_NO_HANDLE 0xffffffffu

/* What RopNotify may name: a subscription, or a table. */
struct emsmdb_subject {
	uint32_t handle; /* the key */
	uint8_t logon_id;
	bool is_table;
	bool subscribed; /* libocsnotify knows it; a table may wait for its first view */
	enum ocsnotify_table table;
	uint64_t folder_id;
	UT_hash_handle hh;
};

struct emsmdb_wait {
	void *call; /* NULL: none is parked */
	const void *connection;
	enum ocsemsmdb_wait_kind kind;
	uint64_t since;
};

/* A user with sessions; freed with the last of them. */
struct emsmdb_user {
	unsigned n_sessions;
	struct ocsemsmdb_session *sessions;
	UT_hash_handle hh;
	char name[];
};

struct ocsemsmdb_session {
	struct ocsemsmdb *server;
	struct emsmdb_user *owner;
	struct ocsemsmdb_session *prev, *next; /* of the owner */
	struct ocsnotify_session *notify;
	uint8_t cxh[OCSEMSMDB_HANDLE_SIZE], acxh[OCSEMSMDB_HANDLE_SIZE];
	uint16_t index;
	uint32_t time_stamp;
	const char *user; /* owner's name */
	const void *connection;
	void *data;
	struct ocsemsmdb_session *prev_linked, *next_linked; /* a ring; itself: not linked */

	uint64_t used;     /* when the last call came */
	uint64_t executed; /* when the last EcDoRpcExt2 came, or the time after it ran out */
	struct emsmdb_wait wait;

	struct emsmdb_subject *subjects;
	struct emsmdb_mailbox *mailbox; /* of the built-in processor; NULL until used */
	UT_hash_handle by_cxh, by_acxh, by_index;
};

struct ocsemsmdb {
	struct ocsnotify *context;
	struct ocsemsmdb_settings settings;
	char *backend;
	bool exiting;
	struct ocsemsmdb_session *by_cxh, *by_acxh, *by_index;
	struct emsmdb_user *users;
	uint16_t next_index;
	struct ocsemsmdb_stats stats;
	int woken; /* by the running ocsemsmdb_process() */
};

uint64_t emsmdb_now(const struct ocsemsmdb *server); /* clock.c */

/* ---- session.c ---- */

struct ocsemsmdb_session *emsmdb_session_by_acxh(const struct ocsemsmdb *server,
                                                 const uint8_t acxh[OCSEMSMDB_HANDLE_SIZE]);
/* Like ocsemsmdb_disconnect(), but a parked wait is forgotten without its callback if silent. */
void emsmdb_session_free(struct ocsemsmdb_session *session, bool silent);

/* ---- user.c: how much one user may have ---- */

/* Puts the session under its user, whom name is. false: out of memory. */
bool emsmdb_user_join(struct ocsemsmdb_session *session, const char *name);
void emsmdb_user_leave(struct ocsemsmdb_session *session);
/* Whether the user may have one more session: at settings.sessions_per_user after the caller has
 * ended *ends_r (else NULL), which was not used for the longest time of those on which no wait is
 * parked. false: all are waiting. */
bool emsmdb_user_may_add(struct ocsemsmdb *server, const char *name,
                         struct ocsemsmdb_session **ends_r);

/* ---- wait.c ---- */

/* Ends the parked wait, if there is one. */
void emsmdb_wait_end(struct ocsemsmdb_session *session, uint32_t flags, uint32_t result);
/* Forgets the parked wait, if there is one. */
void emsmdb_wait_forget(struct ocsemsmdb_session *session);
/* Ends the parked wait if something is pending. */
void emsmdb_wait_check(struct ocsemsmdb_session *session);
/* Ends the parked wait if its time is over or its client gone. */
void emsmdb_wait_tick(struct ocsemsmdb_session *session, uint64_t now);
/* When emsmdb_wait_tick() ends it; UINT64_MAX: nothing is parked. */
uint64_t emsmdb_wait_deadline(const struct ocsemsmdb_session *session);

/* ---- subject.c ---- */

void emsmdb_subjects_free(struct ocsemsmdb_session *session);
bool emsmdb_subject_is_open(const struct ocsemsmdb_session *session, uint32_t handle);
/* The MAPI error for a code of libocsnotify. */
uint32_t emsmdb_mapi_error(int code);

/* ---- mailbox.c: the built-in processor ---- */

ocsemsmdb_processor_fn emsmdb_mailbox_process;
void emsmdb_mailbox_free(struct ocsemsmdb_session *session);

#endif

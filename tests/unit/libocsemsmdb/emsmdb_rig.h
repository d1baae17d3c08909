/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of libocsemsmdb: a server with a clock of the test's, on the registry of
 * host_rig.h, and the bytes of vectors and ROP buffers.
 */
#ifndef OCS_UNIT_EMSMDB_RIG_H
#define OCS_UNIT_EMSMDB_RIG_H

#include "ocsemsmdb.h"
#include "tests/unit/libocsnotify/host_rig.h"
#include "tests/vectors/emsmdb.h"

#define EMSMDB_FOLDER  0x47ca79b403000001u
#define EMSMDB_FOLDER2 0x48ca79b403000001u
#define EMSMDB_MESSAGE 0xa75fe6b703000001u

struct emsmdb_done {
	void *call;
	uint32_t flags, result;
};

extern uint64_t emsmdb_clock_ms;
extern struct emsmdb_done emsmdb_dones[16];
extern unsigned emsmdb_n_dones;
extern void *emsmdb_dead_call; /* whose client is gone */
extern unsigned emsmdb_ended;

uint32_t emsmdb_check_dn(const char *user, const char *dn, void *arg);
struct ocsemsmdb_settings emsmdb_settings(enum ocsemsmdb_version version);
struct ocsemsmdb *emsmdb_server(struct ocsnotify *context, enum ocsemsmdb_version version);

/* A registry with an index, as the daemon makes it in a process of its own. */
void emsmdb_setup(void);

/* A session of the user, made over no connection. */
struct ocsemsmdb_session *emsmdb_connect(struct ocsemsmdb *server, const char *user);

/* ---- bytes ---- */

size_t emsmdb_hex(const char *hex, uint8_t *out);
size_t emsmdb_vector(const char *name, uint8_t *out);

/* A ROP buffer being written: begin, rops, handles. */
struct emsmdb_rops {
	uint8_t data[OCSEMSMDB_PAYLOAD_MAX];
	size_t len;
};

void emsmdb_begin(struct emsmdb_rops *b);
void emsmdb_rop(struct emsmdb_rops *b, const char *hex);
void emsmdb_handle(struct emsmdb_rops *b, uint32_t handle);

/* Executes the buffer; the response's payload (without RPC_HEADER_EXT) comes back in it. */
uint32_t emsmdb_execute(struct ocsemsmdb_session *session, struct emsmdb_rops *b, size_t size);
uint32_t emsmdb_handle_at(const struct emsmdb_rops *b, unsigned index);
void emsmdb_expect(const struct emsmdb_rops *b, const char *hex);

/* Logs on as LogonId 0: the logon's handle. */
uint32_t emsmdb_logon(struct ocsemsmdb_session *session);

/* Subscribes to all events of the whole store: the subscription's handle. */
uint32_t emsmdb_subscribe(struct ocsemsmdb_session *session, uint32_t logon);

/* An idle call: the response's payload. */
void emsmdb_idle(struct ocsemsmdb_session *session, struct emsmdb_rops *b, size_t size);
void emsmdb_mail(struct ocsnotify *context, const char *user);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Inside the Samba plugin: what its files share.
 *
 * The plugin is the transport of libocsemsmdb: Samba authenticates, decrypts and puts fragments
 * together; the stubs stay raw bytes and go to ocsemsmdb_rpc(). Runs in the process of Samba that
 * answers RPC, in its event loop, and must never block it.
 */
#ifndef OCS_SAMBA_PLUGIN_H
#define OCS_SAMBA_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

/* Samba's headers do not stand alone: these come first. */
#include <core/ntstatus.h>
#include <dcerpc_server.h>
#include <gen_ndr/auth.h>
#include <param.h>
#include <tevent.h>
#include <util/debug.h>

#include "ocsemsmdb.h"

/* ---- options.c: smb.conf ---- */

struct ocs_samba_options {
	const char *registry;
	const char *user_format;
	bool lower_case_users;
	struct ocsemsmdb_settings emsmdb; /* without callbacks */
};

/* Reads and checks all. False with a sentence in *error_r; both are allocated on mem_ctx. */
bool ocs_samba_options_read(TALLOC_CTX *mem_ctx, struct loadparm_context *lp_ctx,
                            struct ocs_samba_options *options, char **error_r);

/* ---- user.c ---- */

/* Whether a format is one, and whether it tells the domains' users apart (it must, or only users of
 * own_domain are let in). */
bool ocs_samba_user_format_check(const char *format, bool *tells_domain_r);

/* The groupware user of an authenticated session; NULL if it has none (a part the format asks for
 * is missing, another domain's user, out of memory). */
char *ocs_samba_user(TALLOC_CTX *mem_ctx, const struct ocs_samba_options *options,
                     struct loadparm_context *lp_ctx, const struct auth_user_info *info);

/* ---- host.c: the server of this process, in Samba's event loop ---- */

struct ocs_samba_host;

/* A call that EcDoAsyncWaitEx parked: a talloc child of the call. */
struct ocs_samba_wait;

/* Before any process is made. */
void ocs_samba_host_configure(const struct ocs_samba_options *options);
const struct ocs_samba_options *ocs_samba_host_options(void);

/* The host of this process, opened at first sight on the connection's event loop; NULL if the
 * registry cannot be opened (the log says why; the next call tries again). */
struct ocs_samba_host *ocs_samba_host_get(struct dcesrv_connection *conn);
void ocs_samba_host_close(void);

struct ocsemsmdb *ocs_samba_host_server(const struct ocs_samba_host *host);

/* The sessions of a connection end with it. Once or more for each connection. */
bool ocs_samba_host_watch(struct dcesrv_connection *conn);

/* A place for a wait; out gets the response's stub when it ends. Freed, it leaves the server. */
struct ocs_samba_wait *ocs_samba_wait_new(struct ocs_samba_host *host,
                                          struct dcesrv_call_state *call, DATA_BLOB *out);
/* The server has parked it. */
void ocs_samba_wait_parked(struct ocs_samba_wait *wait);

/* ---- calls.c ---- */

extern const struct dcesrv_interface ocs_samba_emsmdb, ocs_samba_async;

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A server with one session on the fake of libocsnotify, for the targets that need one. */
#ifndef OCS_FUZZ_EMSMDB_SESSION_H
#define OCS_FUZZ_EMSMDB_SESSION_H

#include <string.h>

#include "ocsemsmdb.h"
#include "fuzz/fuzz.h"

static const struct ocsemsmdb_caller fuzz_caller = {.user = "fuzz", .privacy = true};

static void fuzz_wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	(void)call;
	(void)flags;
	(void)result;
	(void)arg;
}

static inline struct ocsemsmdb *fuzz_open(unsigned version, struct ocsemsmdb_session **session_r)
{
	struct ocsemsmdb_connect connect = {.user_dn = "/cn=fuzz", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_settings settings;
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb *server;

	ocsemsmdb_settings_init(&settings, (enum ocsemsmdb_version)(version % 5));
	settings.wait_done = fuzz_wait_done;
	FUZZ_CHECK(ocsemsmdb_open(NULL, &settings, &server) == OCSNOTIFY_OK);
	FUZZ_CHECK(ocsemsmdb_connect(server, &fuzz_caller, &connect, &connected, session_r) == 0);
	return server;
}

#endif

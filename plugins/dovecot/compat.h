/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What differs between Dovecot 2.3 and 2.4, as the other files use it. compat_23.c or compat_24.c
 * does it; the Makefile compiles the one that suits the installed Dovecot. A plugin for one cannot
 * be loaded by the other.
 */
#ifndef OCS_COMPAT_H
#define OCS_COMPAT_H

#include <ctype.h>

struct http_client;
struct mail_user;
struct notify_context;

/* The settings of one user, as they stand in Dovecot's configuration and not checked. Strings are
   never NULL; "" and 0 are "not set" where no default is given. */
struct ocs_raw_settings {
	pool_t pool; /* 2.4 wants it */
	const char *transport, *socket, *url, *mechanism, *backend, *user_format;
	const char *public_user; /* default: OCS_PUBLIC_USER_DEFAULT; "" is none */
	const char *credentials; /* no variable in it is expanded */
	const char *events;      /* default: all kinds; "" is none */
	const char *spool;       /* default: OCS_SPOOL_DEFAULT; "" is none */
	/* 2.3: a file's name. 2.4: name, newline, content, as Dovecot's config process read it. */
	const char *ca;
	unsigned int queue_max;     /* default: OCS_QUEUE_MAX_DEFAULT */
	unsigned int timeout_msecs; /* 0: that of the transport */
	bool counts;                /* default: yes */
};

#define OCS_EVENTS_ALL                                                                             \
	"newmail created copied moved modified deleted folder-created folder-moved folder-deleted"
#define OCS_QUEUE_MAX_DEFAULT 1000
/* no name that anybody logs in under */
#define OCS_PUBLIC_USER_DEFAULT "@public"

/* Reads them into memory of the user's pool. -1 with *error_r, which holds no secret. */
int ocs_compat_settings(struct mail_user *user, struct ocs_raw_settings *raw_r,
                        const char **error_r);

/* Whether Dovecot takes a % in a "</path" setting for a variable. */
extern const bool ocs_compat_expands_percent;

bool ocs_compat_begins(const char *text, const char *prefix);

void ocs_compat_notify_unregister(struct notify_context **notify);

struct ocs_client_settings {
	const char *dns_socket;
	const char *ca; /* "": the system's certificates */
	bool tls;
	unsigned int timeout_msecs, idle_msecs;
};

/* lib-http's client: one connection, one request at a time, nothing tried twice, every step within
   the time limit; with TLS a server that cannot prove its name is refused. Copies the settings. */
struct http_client *ocs_compat_client(const struct ocs_client_settings *set);

#endif

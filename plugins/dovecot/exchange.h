/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One HTTP request at a time to the daemon, by Dovecot's lib-http or over a local socket, from the
 * process's root ioloop.
 * The whole exchange, from connect to the last byte of the answer, has one time limit and the
 * answer one size limit, whatever the server does. The callback never runs inside
 * ocs_exchange_send().
 */
#ifndef OCS_EXCHANGE_H
#define OCS_EXCHANGE_H

struct ioloop;

struct ocs_exchange_settings {
	const char *url;    /* http://HOST:PORT or https://HOST:PORT; only without socket */
	const char *socket; /* AF_UNIX socket the daemon listens on; NULL: url says where it is */
	unsigned int timeout_msecs;
	const char *ca;         /* https: ocsmanager_ca as compat.h has it; "": the system's */
	const char *dns_socket; /* Dovecot's dns-client socket */
};

struct ocs_reply {
	unsigned int status; /* HTTP status, or 0: no usable answer (see reason) */
	const char *reason;
	unsigned int retry_after; /* seconds, 0: not given */
	const char *cookies;      /* of Set-Cookie, as a Cookie header; NULL: none */
	const char *body;         /* NUL-terminated; may hold anything */
	size_t size;
	bool lost; /* a kept connection ended before an answer: worth one quick retry */
};

/* The reply is valid during the call. */
typedef void ocs_exchange_callback_t(const struct ocs_reply *reply);

/* Copies the settings. -1 with *error_r if the URL is none. */
int ocs_exchange_init(const struct ocs_exchange_settings *set, const char **error_r);
void ocs_exchange_deinit(void);

/* cookies and bearer may be NULL, and are not sent over a socket. Only one exchange may be under
 * way. */
void ocs_exchange_send(const char *method, const char *path, const char *cookies,
                       const char *bearer, const char *body, ocs_exchange_callback_t *callback);
bool ocs_exchange_busy(void);
/* Moves what is under way to the current ioloop (the bounded wait at the end of the process). */
void ocs_exchange_switch_ioloop(void);

#endif

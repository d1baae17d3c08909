/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of ocsctl share. One process runs one command: memory hangs on ctl (talloc) and
 * goes with it; errors are printed where they are found, by ocsctl_error(), and the command returns
 * its exit status.
 */
#ifndef OCSCTL_OCSCTL_H
#define OCSCTL_OCSCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "base/fold.h"
#include "base/error.h"

enum ocsctl_exit { OCSCTL_OK = 0, OCSCTL_FAILED = 1, OCSCTL_USAGE = 2 };

struct ocsctl {
	const char *ini;
	const struct ocs_config *config; /* NULL until ocsctl_config() */
	const char *const *needs;        /* sections of the ini that the command works with */
	const char *unseen;              /* why the registry could not be read; NULL: it was, or is
	                                    not there yet */
	bool json, take, yes, empty, dry_run, leave_out, deleted, clear;
	const char *scheme, *user, *password_file, *password_fd, *url, *ca, *mechanism, *count,
	        *retry, *purge, *limit, *after;
	int n_operands;
	char **operands;
};

/* "ocsctl: TEXT" on stderr. */
void ocsctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same and how to get help; returns OCSCTL_USAGE. */
int ocsctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Loads the ini once; errors in what the command needs are printed. A required key may be missing:
 * whoever uses a string that has no default looks whether it is NULL. */
int ocsctl_config(struct ocsctl *ctl);

/* Prints and releases; returns an exit status. NULL counts as out of memory. */
int ocsctl_print_json(json_t *json);
/* A 64-bit identifier: 16 hex digits. JSON numbers do not carry 64 bits everywhere. */
json_t *ocsctl_json_id(uint64_t id);
/* Like json_string(), but with `?` for every byte beyond ASCII where the text is not UTF-8. */
json_t *ocsctl_json_text(const char *text);
/* UTC, as in 2026-01-31T12:00:00.123456Z; talloc. */
char *ocsctl_time(const void *mem_ctx, uint64_t microseconds);

/* The commands. */
int ocsctl_status(struct ocsctl *ctl);
int ocsctl_queues(struct ocsctl *ctl);
int ocsctl_sessions(struct ocsctl *ctl);
int ocsctl_peek(struct ocsctl *ctl);
int ocsctl_purge(struct ocsctl *ctl);
int ocsctl_whois(struct ocsctl *ctl);
int ocsctl_search(struct ocsctl *ctl);
int ocsctl_dead(struct ocsctl *ctl);
int ocsctl_passwd(struct ocsctl *ctl);
int ocsctl_reload(struct ocsctl *ctl);
int ocsctl_lockouts(struct ocsctl *ctl);
int ocsctl_notify(struct ocsctl *ctl);
int ocsctl_index(struct ocsctl *ctl);
int ocsctl_index_check(struct ocsctl *ctl);
int ocsctl_index_export(struct ocsctl *ctl);
int ocsctl_index_import(struct ocsctl *ctl);
int ocsctl_users(struct ocsctl *ctl);
int ocsctl_user(struct ocsctl *ctl);
int ocsctl_folders(struct ocsctl *ctl);

/* How far a long one is, on a terminal: "WHAT: 12345", over and over in one line of stderr; done:
 * that line is cleared. */
void ocsctl_progress(const char *what, uint64_t n);
void ocsctl_progress_done(void);

/* The lock of the registry folder, which a daemon has while it runs: its descriptor; -1 after
 * saying who has it. */
int ocsctl_lock_registry(struct ocsctl *ctl);
int ocsctl_index_rebuild(struct ocsctl *ctl); /* a part of it */

/* ---- tables for people: table.c ---- */

struct ocsctl_table;

/* heads is NULL-terminated; a head that begins with '>' has its column aligned right. */
struct ocsctl_table *ocsctl_table_new(const void *mem_ctx, const char *const *heads);
/* One string for each column (NULL shows as nothing); copied. */
void ocsctl_table_row(struct ocsctl_table *table, ...);
void ocsctl_table_print(const struct ocsctl_table *table);
/* To stdout, as of base/utf8.h: the text is not the terminal's to obey. */
void ocsctl_print_safe(const char *text);
/* A name as people are shown it: as of ocs_name_show(); on mem_ctx, "?" when out of memory. */
const char *ocsctl_name(const void *mem_ctx, const char *name);

/* ---- passwords: secret.c ---- */

#define OCSCTL_PASSWORD_MAX 512

/* From the terminal without echo, twice if `confirm`; or, where stdin is no terminal and
 * from_stdin is allowed, one line of it. An error is printed. Wipe it with explicit_bzero(). */
int ocsctl_read_password(const char *prompt, bool confirm, bool from_stdin,
                         char out[OCSCTL_PASSWORD_MAX + 1]);
/* The first line of a file that others cannot read. */
int ocsctl_read_password_file(const char *path, char out[OCSCTL_PASSWORD_MAX + 1]);
/* The same of a descriptor that the caller has left open; text is its number. */
int ocsctl_read_password_fd(const char *text, char out[OCSCTL_PASSWORD_MAX + 1]);

/* ---- the daemon as seen from outside: daemon.c ---- */

struct ocsctl_daemon {
	int pid;       /* of the process that holds the registry, 0: none */
	char why[300]; /* why it cannot be seen whether there is one; "": it can */
	char service[300], operations[300];         /* base URLs, "" where not known */
	const char *service_cert, *operations_cert; /* of the ini, for https; NULL: none */
};

void ocsctl_daemon_find(const struct ocs_config *config, struct ocsctl_daemon *out);

/* ---- HTTP: http.c ---- */

struct ocsctl_http;

struct ocsctl_reply {
	long status;
	char *body; /* NUL-terminated; valid until the next request */
	size_t len;
};

/* Who answers at daemon->operations: NULL if it is the daemon of this registry, or one too old to
 * tell; else a text that says who it is. talloc. */
char *ocsctl_other_daemon(const void *mem_ctx, struct ocsctl_http *http,
                          const struct ocs_config *config, const struct ocsctl_daemon *daemon);

/* One connection that is kept, with cookies. mem_ctx frees it. */
struct ocsctl_http *ocsctl_http_new(const void *mem_ctx);
/* Of https, instead of what the system trusts and the name in the URL: the daemon's own
 * certificate, as the ini names it; NULL: nothing changes. */
int ocsctl_http_expect(struct ocsctl_http *http, const char *cert, struct ocs_error *error);
/* The certificates (PEM) that one must lead back to. */
int ocsctl_http_trust(struct ocsctl_http *http, const char *ca, struct ocs_error *error);
/* The public key of a certificate, in the words of libcurl; talloc. NULL on failure. pin.c */
char *ocsctl_pin(const void *mem_ctx, const char *cert, struct ocs_error *error);
/* body NULL: GET. -1: no answer, with the reason. */
int ocsctl_http_request(struct ocsctl_http *http, const char *method, const char *url,
                        const char *body, size_t len, struct ocsctl_reply *reply,
                        struct ocs_error *error);
/* Whether the last request got no answer because nobody listens there. */
bool ocsctl_http_nobody(const struct ocsctl_http *http);

#endif

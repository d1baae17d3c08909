/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Authentication without a transport: who may log in, the two-step logins, session tokens.
 *
 * The HTTP service takes texts out of the XML and values out of cookies, calls one function a
 * step, and turns the reply into XML, headers and Set-Cookie lines. Nothing here knows of HTTP.
 *
 * Threads: one struct ocs_auth serves any number of threads; only open and close are for one.
 * Times: calls marked SLOW belong on a worker thread:
 *   - ocs_auth_plain() hashes (yescrypt: about 20 ms each, and it may queue for a free slot), or
 *     asks a directory; so do the two ocs_auth_..._start() where ocs_auth_askers() is not 0;
 *   - ocs_auth_logout() commits with a sync (about 1 ms, an fsync on a busy disk);
 *   - ocs_auth_open(), ocs_auth_reload() read files.
 * All others take microseconds and only short locks; ocs_auth_check_token() is for each request.
 *
 * Texts that come in are UTF-8 without white space around them, NUL-terminated, at most 64 KiB;
 * NULL or "" means that the element or cookie was absent. Nothing in a reply is allocated.
 */
#ifndef OCS_AUTH_AUTH_H
#define OCS_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/error.h"

#define OCS_AUTH_NAME_MAX    128 /* bytes in an account name */
#define OCS_AUTH_NAME_SIZE   (OCS_AUTH_NAME_MAX + 1)
#define OCS_AUTH_COOKIE_SIZE 40   /* a cookie value and its NUL */
#define OCS_AUTH_SALT_SIZE   96   /* base64 of a salt and its NUL */
#define OCS_AUTH_SASL_SIZE   2048 /* base64 of a server's SASL message and its NUL */
#define OCS_AUTH_TOKEN_SIZE  288  /* a session token and its NUL */

#define OCS_AUTH_COOKIE_SESSION "ocsmanager" /* names of the two cookies */
#define OCS_AUTH_COOKIE_TOKEN   "token"

/* One to one the error names of the protocol. */
enum ocs_auth_result {
	OCS_AUTH_OK = 0,
	OCS_AUTH_INVALID_CREDENTIALS, /* 401 */
	OCS_AUTH_TOKEN_EXPIRED,       /* 401 */
	OCS_AUTH_TOKEN_INVALID,       /* 401, also: none given, revoked, account gone or changed */
	OCS_AUTH_INVALID_SESSION,     /* 403, no, unknown, expired, spent or foreign challenge */
	OCS_AUTH_ACCESS_FORBIDDEN,    /* 403, mechanism switched off, PLAIN on an open line */
	OCS_AUTH_MISSING_PARAMETER,   /* 422 */
	OCS_AUTH_INVALID_PARAMETER,   /* 422 */
	OCS_AUTH_TOO_MANY_ATTEMPTS,   /* 429, with retry_after */
	OCS_AUTH_INTERNAL,            /* 500 */
	OCS_AUTH_OVERLOADED,          /* 503, with retry_after */
	OCS_AUTH_DIRECTORY_UNAVAILABLE, /* 503, with retry_after */
	OCS_AUTH_RESULTS,
};

/* "INVALID_CREDENTIALS", 401 and so on; "OK", 200. */
const char *ocs_auth_result_name(enum ocs_auth_result result);
unsigned ocs_auth_result_status(enum ocs_auth_result result);

/* Milliseconds; wall is since 1970 (it dates tokens), else any steady clock. For tests. */
typedef int64_t ocs_auth_now_fn(void *arg, bool wall);
/* [auth:ldap] of the ini, key by key. */
struct ocs_auth_ldap_settings {
	const char *host; /* servers */
	unsigned port;
	bool start_tls;
	const char *ca_file;      /* NULL: what the system trusts */
	const char *bind_dn;      /* NULL: the search is anonymous */
	const char *bind_pw;      /* one of these with bind_dn, none without */
	const char *bind_pw_file; /* read at open and reload */
	const char *basedn;
	const char *filter;
	const char *attrs;    /* comma-separated; "*": the usual ones */
	unsigned timeout;     /* seconds */
	unsigned connections; /* logins at the same time */
	unsigned recheck;     /* seconds */
	/* The line of the ini that a key stands in, for error texts; may be NULL. */
	unsigned (*line)(const void *arg, const char *key);
	const void *line_arg;
};

/* The ini as auth sees it. Copied: nothing is kept after the call returns. Paths are absolute. */
struct ocs_auth_settings {
	const char *backend;  /* [main] auth: "single", "file" or "ldap" */
	const char *username; /* [auth:single] */
	const char *password;
	const char *config_file; /* where these stand, for error texts; may be NULL */
	unsigned password_line;
	const char *file; /* [auth:file] file */
	unsigned file_line;
	struct ocs_auth_ldap_settings ldap;
	const char *mechanisms; /* comma-separated; NULL: all */
	const char
	        *private_folder; /* REGISTRY/private; created 0700 if missing, its parent is not */
	const char *secret_file; /* NULL: private_folder/secret */
	unsigned challenge_ttl;  /* seconds */
	unsigned token_ttl;
	unsigned failed_logins;
	unsigned failure_window; /* seconds */
	/* Loopback is spared where one address stands for many clients (auth/limiter.h); true: it
	 * counts like any other, as behind a proxy that tells whom it speaks for. */
	bool count_loopback;
	unsigned pending_challenges;
	unsigned hash_slots;  /* PLAIN logins hashed at the same time; 0: as many as cores */
	ocs_auth_now_fn *now; /* NULL: the clocks of the system */
	void *now_arg;
	ocs_report_fn
	        *report; /* what an admin should read, during open and reload only; may be NULL */
	void *report_arg;
};

struct ocs_auth;

/* SLOW. Reads accounts, secret and revocations; what cannot be trusted is refused with a text
 * (FILE:LINE: ...) and -1. If the revocations cannot be read, the secret is replaced and that is
 * reported. At most one ocs_auth per private folder in a process. */
int ocs_auth_open(const struct ocs_auth_settings *settings, struct ocs_auth **auth_r,
                  struct ocs_error *error);
/* SLOW. Accounts, mechanisms, times and limits anew; on -1 all stays as it was. The secret and the
 * private folder stay in any case. Tokens of removed or changed accounts end here. */
int ocs_auth_reload(struct ocs_auth *auth, const struct ocs_auth_settings *settings,
                    struct ocs_error *error);
/* Like open and reload, reading the accounts but changing and creating nothing (for -t). */
int ocs_auth_validate(const struct ocs_auth_settings *settings, struct ocs_error *error);
void ocs_auth_close(struct ocs_auth *auth);

/* SLOW. With auth = ldap: connects and asks, as a login would, for -t. -1 with a text; it is no
 * reason not to start. */
int ocs_auth_try(const struct ocs_auth_settings *settings, struct ocs_error *error);
/* How many logins a directory is asked for at the same time, so how many threads may wait for it;
 * 0: the accounts are in memory. */
unsigned ocs_auth_askers(struct ocs_auth *auth);
/* The same of settings that are not used yet. */
unsigned ocs_auth_settings_askers(const struct ocs_auth_settings *settings);
/* Whether what comes from this address is not counted by it, as one of loopback that speaks for
 * many. */
bool ocs_auth_spares(struct ocs_auth *auth, const struct sockaddr *peer);
/* Whether there is a directory that cannot be asked, and why. */
bool ocs_auth_away(struct ocs_auth *auth, struct ocs_error *why);
/* Before the stop: whoever waits for a directory is refused at once. NULL is allowed. */
void ocs_auth_interrupt(struct ocs_auth *auth);

/* Where a file of its own was removed it is written again from memory: 1 with the error saying what
 * was gone; 0: all is there; -1: it cannot be written. Any thread; quick unless it has to write. */
int ocs_auth_look_secret(struct ocs_auth *auth, struct ocs_error *error);
int ocs_auth_look_revoked(struct ocs_auth *auth, struct ocs_error *error);

/* What failed logins are counted by, and what they lock. */
enum ocs_origin_kind {
	OCS_ORIGIN_PAIR,    /* this account from this address */
	OCS_ORIGIN_ADDRESS, /* IPv4: the address; IPv6: its /64 */
	OCS_ORIGIN_PREFIX,  /* IPv4: its /24; IPv6: its /48 */
	OCS_ORIGIN_ACCOUNT, /* this account from anywhere: refuses nobody, but allows less */
	OCS_ORIGIN_KINDS
};

/* What a step answers. Which members are set stands at each step, the others are empty. */
struct ocs_auth_reply {
	unsigned retry_after; /* seconds, at least 1: with TOO_MANY_ATTEMPTS and the 503s */
	unsigned ttl;         /* seconds */
	/* With a wrong password: this failure was the last that is allowed. Bits
	 * (1 << OCS_ORIGIN_...) say of what; further ones from here are refused for locked_for
	 * seconds, which is 0 if only OCS_ORIGIN_ACCOUNT is among them. */
	unsigned locked, locked_for;
	bool no_memory; /* with INTERNAL: that is why */
	char text[160]; /* on any failure: for people, safe to send to the client */
	char account[OCS_AUTH_NAME_SIZE]; /* who (claims to) log in, for the log; also on failures
	                                   */
	char cookie_session[OCS_AUTH_COOKIE_SIZE]; /* value of cookie "ocsmanager" */
	char cookie_token[OCS_AUTH_COOKIE_SIZE];   /* value of cookie "token" */
	char token_salt[32];                       /* base64 */
	char salt[OCS_AUTH_SALT_SIZE];             /* base64 */
	char sasl[OCS_AUTH_SASL_SIZE];             /* base64 */
	char token[OCS_AUTH_TOKEN_SIZE];
};

/* Values of the two cookies of a request. */
struct ocs_auth_cookies {
	const char *session;
	const char *token;
};

/* peer: the remote address (AF_INET, AF_INET6; anything else and NULL count as loopback). It is
 * used for counting only: IPv6 by its /64 and /48, IPv4 in IPv6 as IPv4. */

/* What tells the client's TLS session from any other, by the kinds that there are, in base64: "" if
 * this line has none. NULL in its place: no TLS, or it ends before us. */
#define OCS_AUTH_BINDING_SIZE 64
struct ocs_auth_binding {
	char exporter[OCS_AUTH_BINDING_SIZE]; /* tls-exporter, RFC 9266 */
	char unique[OCS_AUTH_BINDING_SIZE];   /* tls-unique, RFC 5929, of TLS 1.2 */
};

/* Names of the mechanisms offered, in the order of GET /authenticate. Returns how many. */
#define OCS_AUTH_MECHANISMS 4
size_t ocs_auth_mechanisms(struct ocs_auth *auth, const struct ocs_auth_binding *binding,
                           const char *names_r[OCS_AUTH_MECHANISMS]);

/* SLOW with a directory, and refused where a login would be (TOO_MANY_ATTEMPTS). POST
 * /authenticate/token with <login>. OK: cookie_*, token_salt, salt, ttl (challenge_ttl). */
enum ocs_auth_result ocs_auth_ssha_start(struct ocs_auth *auth, const struct sockaddr *peer,
                                         const char *login, struct ocs_auth_reply *reply);
/* POST /authenticate/login with <token>. OK: account, token, ttl (token_ttl). */
enum ocs_auth_result ocs_auth_ssha_login(struct ocs_auth *auth, const struct sockaddr *peer,
                                         const struct ocs_auth_cookies *cookies, const char *hex,
                                         struct ocs_auth_reply *reply);
/* Likewise. POST /authenticate/token with <sasl mechanism=MECHANISM>. OK: cookie_*,
 * sasl, ttl (challenge_ttl). A mechanism other than SCRAM-SHA-256, or with a binding
 * SCRAM-SHA-256-PLUS, is MISSING_PARAMETER (none) or INVALID_PARAMETER; so is a client that can
 * bind and believes that we cannot. */
enum ocs_auth_result ocs_auth_scram_start(struct ocs_auth *auth, const struct sockaddr *peer,
                                          const struct ocs_auth_binding *binding,
                                          const char *mechanism, const char *client_first,
                                          struct ocs_auth_reply *reply);
/* POST /authenticate/login with <sasl> (no mechanism, or the same). What was bound must come over
 * the same TLS session. OK: account, sasl, token, ttl (token_ttl). */
enum ocs_auth_result ocs_auth_scram_login(struct ocs_auth *auth, const struct sockaddr *peer,
                                          const struct ocs_auth_binding *binding,
                                          const struct ocs_auth_cookies *cookies,
                                          const char *client_final, struct ocs_auth_reply *reply);
/* What ocs_auth_plain() would refuse without a look at the password: its result and reply. OK: it
 * is to be called; whoever is locked out need not wait for a thread that hashes. */
enum ocs_auth_result ocs_auth_plain_look(struct ocs_auth *auth, const struct sockaddr *peer,
                                         bool private_line, const char *message,
                                         struct ocs_auth_reply *reply);
/* SLOW. POST /authenticate/login with <sasl mechanism="PLAIN">. private_line: TLS, or the peer is
 * loopback; without it the answer is ACCESS_FORBIDDEN at once. OK: account, token, ttl. */
enum ocs_auth_result ocs_auth_plain(struct ocs_auth *auth, const struct sockaddr *peer,
                                    bool private_line, const char *message,
                                    struct ocs_auth_reply *reply);

/* Whether there is an account of that name, by a certificate of whom a client has shown who it is.
 */
bool ocs_auth_has_account(struct ocs_auth *auth, const char *name);

/* A token that was shown before, for a connection: mostly the same one comes again and again. Made
 * and filled by ocs_auth_check_token(), for one auth and one thread at a time. */
struct ocs_auth_shown;
/* The fast path: OK and the account, TOKEN_INVALID (also for NULL and ""), or TOKEN_EXPIRED. What
 * is kept in *shown, NULL at first, is not decoded and verified again while its text is the same;
 * whether it still stands (account, logout, expiry) is asked each time. shown NULL: nothing is
 * kept.
 */
enum ocs_auth_result ocs_auth_check_token(struct ocs_auth *auth, const char *token,
                                          struct ocs_auth_shown **shown,
                                          char account_r[OCS_AUTH_NAME_SIZE]);
/* NULL is allowed. */
void ocs_auth_shown_free(struct ocs_auth_shown *shown);
/* SLOW. Ends a token; once this returns OK, it is invalid after any restart as well. OK: account.
 */
enum ocs_auth_result ocs_auth_logout(struct ocs_auth *auth, const char *token,
                                     struct ocs_auth_reply *reply);

/* For the metrics. */
struct ocs_auth_counts {
	size_t accounts; /* of a directory: those that have tokens */
	size_t pending_challenges;
	uint64_t displaced_challenges; /* that ended to make room for others */
	size_t revoked_tokens;
	size_t locked[OCS_ORIGIN_KINDS];  /* now */
	uint64_t locks[OCS_ORIGIN_KINDS]; /* that began */
	uint64_t uncounted;               /* failures that found no counter */
};
/* Walks the tables of the limiter: some milliseconds. */
void ocs_auth_count(struct ocs_auth *auth, struct ocs_auth_counts *counts_r);

/* What is locked by failed logins now. */
#define OCS_AUTH_LOCKOUT_ADDRESS_SIZE 64
struct ocs_auth_lockout {
	enum ocs_origin_kind kind;
	char account[OCS_AUTH_NAME_SIZE];            /* in lower case; "": of any */
	char address[OCS_AUTH_LOCKOUT_ADDRESS_SIZE]; /* or ADDRESS/BITS; "": any, or a local one */
	unsigned failures;
	unsigned seconds; /* left */
};
/* "pair", "address", "prefix", "account". */
const char *ocs_auth_kind_word(enum ocs_origin_kind kind);
/* At most `most` of them, addresses first. Returns how many there are in all. */
size_t ocs_auth_lockouts(struct ocs_auth *auth, struct ocs_auth_lockout *out, size_t most);
/* Forgets the failures of an account; those that refuse logins from ADDRESS or ADDRESS/BITS; all
 * with NULL. Returns how many locks that ended; -1: what is neither a name nor an address. */
int ocs_auth_clear_lockouts(struct ocs_auth *auth, const char *what);

/* For ocsctl passwd (needs no struct ocs_auth). SLOW. */
#define OCS_AUTH_HASH_SIZE 512
/* scheme: "SSHA", "SCRAM-SHA-256" or "CRYPT" (yescrypt), braces allowed, any case; NULL: CRYPT. */
int ocs_auth_make_hash(const char *scheme, const char *password, char hash_r[OCS_AUTH_HASH_SIZE],
                       struct ocs_error *error);
/* Puts NAME:HASH into an account file, in place of NAME's line or at the end. Replaced in one
 * step (a reader sees the old or the new file) and synced; created 0600 if missing; comments and
 * other lines stay. A file that does not parse is left alone. */
int ocs_auth_file_set(const char *path, const char *name, const char *hash,
                      struct ocs_error *error);

#endif

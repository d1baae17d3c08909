/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of configuration keys. Data only; nothing outside is touched.
 */
#include "config/keys.h"

#include <limits.h>
#include <syslog.h>

#include "mqueue/entry.h"
#include "cluster/settings.h"
#include "config/config.h"

#ifndef OCS_LOCALSTATEDIR
#define OCS_LOCALSTATEDIR "/var"
#endif

/* A key and the member that has its name: of a struct in struct ocs_config, of the link's settings,
 * or of the element that a named section makes. */
#define KEY(section, group, key, kind)                                                             \
	section, #key, OCS_KEY_##kind, offsetof(struct ocs_config, group.key)
#define LINK_KEY(key, kind)                                                                        \
	"rabbitmq", #key, OCS_KEY_##kind, offsetof(struct ocs_link_settings, key)
#define NAMED_KEY(section, element, key, kind)                                                     \
	section, #key, OCS_KEY_##kind, offsetof(struct ocs_config_##element, key)

static const char *const auth_words[] = {"single", "file", "ldap", NULL};
static const char *const level_words[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const sync_words[] = {"interval", "always", "never", NULL};
static const char *const case_words[] = {"exact", "fold", NULL};
static const char *const unknown_words[] = {"accept", "refuse", NULL};
static const char *const name_words[] = {"utf-8", "utf-7", NULL};
static const char *const identifier_words[] = {"own", "host", NULL};
static const char *const yes_words[] = {"no", "yes", NULL};
static const char *const proxy_words[] = {"Forwarded", "X-Forwarded-For", NULL};
static const char *const mechanism_words[] = {"SCRAM-SHA-256", "SSHA", "PLAIN", NULL};

/* Sections in the order of the shipped file. */
const struct ocs_key_section ocs_key_sections[] = {
        {"main", "main", "The daemon as a whole."},
        {"auth:single", "auth:single", "The one account there is with auth = single."},
        {"auth:file", "auth:file", "The accounts with auth = file."},
        {"auth:ldap", "auth:ldap",
         "A directory (LDAPv3): with auth = ldap the accounts are in it, and it is asked at each "
         "login; [users] ldap_user reads users from it."},
        {"server:main", "server:main", "The web service that remote systems report to."},
        {"limits", "limits", "What one client may take."},
        {"operations", "operations",
         "Health check, metrics and status page. Anyone who reaches this address can read them."},
        {"mqueue", "mqueue",
         "Message queues between the daemon and the MAPI servers. The kernel charges max_messages "
         "x (message_size + 96) bytes for a queue against the limit of its owner "
         "(RLIMIT_MSGQUEUE), and has fs.mqueue.queues_max queues in all."},
        {"push", "push", "UDP datagrams to clients with something pending."},
        {"users", "users", "Who sees which folder."},
        {"rabbitmq", "rabbitmq",
         "Several machines, joined by RabbitMQ. Without uri there is one, and the other keys here "
         "mean nothing."},
        {"backend:", "backend:NAME",
         "A mail store that reports, one section each; NAME is what it calls itself in <backend>, "
         "compared without case. A notification of any other is refused."},
        {"account:", "account:NAME",
         "What the account NAME may report about. An account without a section may report "
         "everything. `local` is who reports over [server:main] socket, `registry` are the MAPI "
         "servers, which report what they change themselves."},
};
const size_t ocs_n_key_sections = sizeof(ocs_key_sections) / sizeof(ocs_key_sections[0]);

const struct ocs_key ocs_keys[] = {
        {KEY("main", main, auth, WORD), .fallback = "single", .words = auth_words, .reload = true,
         .help = "Where the accounts are: single (one, in this file), file (an account file) or "
                 "ldap (a directory)."},
        {KEY("main", main, registry, PATH), .fallback = OCS_LOCALSTATEDIR "/lib/ocsmanager",
         .help = "Folder of the registry, the identifier index and the secrets, shared with the "
                 "MAPI servers through its group. Created with mode 3770 if missing. A relative "
                 "path, here and in every other key, starts at the folder of this file."},
        {KEY("main", main, log_level, WORD), .fallback = "info", .words = level_words,
         .word_base = LOG_ERR, .reload = true,
         .help = "How much is logged: error, warning, notice, info or debug."},
        {KEY("main", main, user, TEXT), .example = "ocsmanager",
         .help = "Started as root, the daemon continues as this user and keeps one capability, "
                 "CAP_FOWNER, to remove the queues of dead MAPI servers. It must be able to read "
                 "this file, or SIGHUP cannot. Not set: the user who started it."},
        {KEY("main", main, group, TEXT), .example = "ocsmanager",
         .help = "Group of the daemon and of the registry folder; the MAPI servers must be in it. "
                 "Not set: the group of user, else of the user who started it."},
        {KEY("main", main, secret_file, PATH), .example = "/etc/ocsmanager.secret",
         .help = "The secret that session tokens are signed with, made at the first start. Nodes "
                 "that share it accept each other's tokens. Not set: private/secret in the "
                 "registry."},
        {KEY("main", main, dedupe_window, NUMBER), .fallback = "600", .min = 1, .max = 86400,
         .reload = true,
         .help = "Seconds in which a second notification with the same id is a duplicate."},
        {KEY("main", main, challenge_ttl, NUMBER), .fallback = "60", .min = 1, .max = 3600,
         .reload = true, .help = "Seconds a client has between the two steps of a login."},
        {KEY("main", main, token_ttl, NUMBER), .fallback = "3600", .min = 1, .max = 31536000,
         .reload = true, .help = "Seconds a session token is good for."},
        {KEY("main", main, mechanisms, WORDS), .fallback = "SCRAM-SHA-256, SSHA, PLAIN",
         .words = mechanism_words, .reload = true,
         .help = "Ways to log in that are offered. SSHA is what old OCSManager clients use: leave "
                 "it out if there are none, since a stolen {SSHA} value is as good as the "
                 "password. SCRAM-SHA-256 stands for SCRAM-SHA-256-PLUS, too. PLAIN is accepted "
                 "over TLS and from loopback only."},
        {KEY("main", main, replica_id, NUMBER), .fallback = "1", .min = 1, .max = 65535,
         .help = "Replica id of the identifiers this node gives out: another one on each node. "
                 "Never change it back to one that another registry had."},
        {KEY("main", main, identifiers, WORD), .fallback = "own", .words = identifier_words,
         .help = "Whose FIDs and MIDs clients get: own (those of the index here) or host, where "
                 "the "
                 "MAPI server has identifiers of its own and says which (see "
                 "ocsnotify_set_identifiers(3)). The FIDs of the user map do not reach clients "
                 "then. MAPI servers must be restarted with it."},
        {KEY("main", main, index_limit, NUMBER), .fallback = "16384", .min = 8, .max = 65536,
         .reload = true,
         .help = "MiB that the files of the identifier index (index.tdb, past 32 MiB also "
                 "index.1.tdb and so on) may have together; 1,024 hold about 7 million messages. "
                 "From half of it there is a warning; past it new messages and folders are "
                 "refused, everything known goes on."},
        {KEY("main", main, sync, WORD), .fallback = "interval", .words = sync_words, .reload = true,
         .help = "When soft state (subscriptions) is put on the disk: interval (50 ms), always "
                 "or never. Identifiers always are; entries that wait never are, since the "
                 "sessions that they wait for end with the machine."},
        {"main", "case", OCS_KEY_WORD, offsetof(struct ocs_config, main.name_case),
         .fallback = "exact", .words = case_words, .reload = true,
         .help = "Whether names of users and folders that differ in case alone are one: exact (no) "
                 "or fold (yes, for every script, and however accents are composed; a folder is "
                 "shown as it was first said). fold is for original OpenChange clients, which "
                 "capitalise the user and lower-case the folder. Choose it before the first "
                 "identifiers are given: a folder with capitals in its name, other than INBOX, "
                 "keeps them only as long as it is named as before. Restart MAPI servers after a "
                 "change: their sessions keep the names they were opened by. The same on all "
                 "nodes."},
        {KEY("main", main, unknown, WORD), .fallback = "accept", .words = unknown_words,
         .reload = true,
         .help = "What is done where nothing says who there is (no [users] map and no "
                 "openchangedb) "
                 "with a notification of a user who has no session and no identifier, and is no "
                 "alias: accept (nosubscriber; its messages are remembered, see unknown_users) or "
                 "refuse (422 UNKNOWN_USER; where other nodes are linked, one that has a session "
                 "of the user is asked first)."},
        {KEY("main", main, unknown_users, NUMBER), .fallback = "10000", .max = 100000000,
         .reload = true,
         .help = "Of so many users who never had a session new messages are remembered, so that "
                 "one that is reported again is a duplicate: about 600 bytes for each user and 300 "
                 "for each message. Those of further ones are accepted and forgotten, which costs "
                 "nothing on the disk; whoever logs on is remembered in any case."},
        {KEY("main", main, openchangedb, PATH), .example = "/var/lib/samba/private/openchange.ldb",
         .reload = true,
         .help = "OpenChange's database of mailboxes, which is read like a user map, in place of "
                 "one "
                 "or beside it (then the map's FIDs win): each mailbox is a groupware user, who "
                 "sees the folders whose MAPIStoreURI the template of a backend reads, under "
                 "their PidTagFolderId, and everything of the store that has their INBOX or their "
                 "name. The daemon's user must be able to read the file, which it never changes. "
                 "SIGHUP reads it again; a record that is wrong is left out with a warning."},

        {KEY("auth:single", auth_single, username, TEXT), .example = "openchange", .reload = true,
         .help = "Name of the account. Required."},
        {KEY("auth:single", auth_single, password, SECRET), .example = "{SSHA}...", .reload = true,
         .help = "Its password, hashed by `ocsctl passwd`: {SSHA}, {SCRAM-SHA-256} or crypt(3). "
                 "Plain text is accepted with a warning. Required. Everything after the equal sign "
                 "counts, except white space at both ends."},

        {KEY("auth:file", auth_file, file, PATH), .example = "/etc/ocsmanager.passwd",
         .reload = true,
         .help = "Account file: NAME:HASH a line. `ocsctl passwd` writes it. Required."},

        {KEY("auth:ldap", auth_ldap, host, TEXT), .example = "ldaps://ldap.example.org",
         .reload = true,
         .help = "The server: a name, an address, or a URI (ldap://HOST:PORT, ldaps://HOST:PORT, "
                 "or ldapi://%2Frun%2Fslapd%2Fldapi for a local socket). Several that hold the "
                 "same are separated by commas and tried in turn. Required."},
        {KEY("auth:ldap", auth_ldap, port, NUMBER), .fallback = "389", .min = 1, .max = 65535,
         .reload = true, .help = "TCP port where host is not a URI."},
        {KEY("auth:ldap", auth_ldap, start_tls, WORD), .fallback = "no", .words = yes_words,
         .reload = true,
         .help = "Whether a connection by ldap:// goes over to TLS before anything is asked: yes "
                 "or no. Without TLS, passwords can be read on the way; the certificate of the "
                 "server must be valid for its name, always."},
        {KEY("auth:ldap", auth_ldap, ca_file, PATH), .example = "/etc/ssl/ldap-ca.pem",
         .reload = true,
         .help = "Certificates (PEM) that the server's must lead back to. Not set: those the "
                 "system trusts."},
        {KEY("auth:ldap", auth_ldap, bind_dn, TEXT),
         .example = "cn=ocsmanager,ou=services,dc=example,dc=org", .reload = true,
         .help = "DN that the daemon searches as. What it may read decides what accounts can do: "
                 "see attrs. Not set: the search is anonymous."},
        {KEY("auth:ldap", auth_ldap, bind_pw, SECRET), .example = "PASSWORD", .reload = true,
         .help = "Its password. Everything after the equal sign counts, except white space at "
                 "both ends."},
        {KEY("auth:ldap", auth_ldap, bind_pw_file, PATH), .example = "/etc/ocsmanager.ldap",
         .reload = true,
         .help = "File with the password, one line, in place of bind_pw; nobody but its owner "
                 "and its group may read it."},
        {KEY("auth:ldap", auth_ldap, basedn, TEXT), .example = "ou=people,dc=example,dc=org",
         .reload = true, .help = "DN below which the accounts are, at any depth. Required."},
        {KEY("auth:ldap", auth_ldap, filter, TEXT), .fallback = "(cn=%s)",
         .example = "(&(objectClass=person)(uid=%u))", .reload = true,
         .help = "Filter that finds the account: %u, or %s, is the name that was given, escaped. "
                 "It must find one entry; with none or several the login fails like one with a "
                 "wrong password. The attribute that is compared first with the name is the "
                 "account's name, which [account:NAME] limits, as the directory writes it."},
        {KEY("auth:ldap", auth_ldap, attrs, TEXT), .fallback = "*",
         .example = "userPassword, authPassword", .reload = true,
         .help = "Attributes that may hold hashes, separated by commas: {SSHA} for the mechanism "
                 "SSHA, {SCRAM-SHA-256} as in an account file or SCRAM-SHA-256$ of RFC 5803 for "
                 "SCRAM-SHA-256. Where bind_dn may not read one, only PLAIN works, for which the "
                 "directory checks the password. `*`: userPassword and authPassword."},
        {KEY("auth:ldap", auth_ldap, timeout, NUMBER), .fallback = "5", .min = 1, .max = 60,
         .reload = true,
         .help = "Seconds in which all that is asked for a login must be answered, connecting "
                 "included; else it gets 503, and so do others until the directory answers. Less "
                 "than [limits] request_deadline."},
        {KEY("auth:ldap", auth_ldap, connections, NUMBER), .fallback = "4", .min = 1, .max = 8,
         .reload = true,
         .help = "Logins that ask the directory at the same time; each has two connections. "
                 "Others wait."},
        {KEY("auth:ldap", auth_ldap, recheck, NUMBER), .fallback = "60", .min = 1, .max = 86400,
         .reload = true,
         .help = "Seconds after which an account with tokens is looked up again: tokens of one "
                 "that is gone, or has another password or hash, end then. While the directory "
                 "does not answer they stay valid until they expire."},

        {KEY("server:main", server, host, HOST), .fallback = "127.0.0.1",
         .help = "Address to listen on: one of loopback, or any with tls_cert."},
        {KEY("server:main", server, port, NUMBER), .fallback = "5000", .max = 65535,
         .help = "TCP port; 0 is any free one, told in the log."},
        {KEY("server:main", server, threads, NUMBER), .fallback = "0", .max = 256,
         .help = "Threads that serve connections. 0 is the larger of 4 and the number of cores, "
                 "and as many more as connection_limit needs."},
        {KEY("server:main", server, connection_limit, NUMBER), .fallback = "400", .min = 1,
         .max = 30000,
         .help = "Connections at the same time. For one more, the oldest silent one of the address "
                 "that has the most is closed; where none is silent, the newcomer gets 503. socket "
                 "has as many of its own. A thread serves less than 120: with threads set, this is "
                 "at most 119 x threads, and the default is that if it is less than 400. Less "
                 "where the limit of file descriptors is too low; the log says so."},
        {KEY("server:main", server, keepalive_timeout, NUMBER), .fallback = "30", .min = 1,
         .max = 3600,
         .help = "Seconds after which a connection on which nothing happens is closed."},
        {KEY("server:main", server, max_body, NUMBER), .fallback = "65536", .min = 1024,
         .max = 16777216, .reload = true, .help = "Largest request body, in bytes."},
        {KEY("server:main", server, max_batch, NUMBER), .fallback = "256", .min = 1, .max = 10000,
         .reload = true, .help = "Notifications in one request."},
        {KEY("server:main", server, socket, PATH), .example = "/run/ocsmanager/ocsmanager.sock",
         .help = "Local socket (AF_UNIX) to listen on as well, for the Dovecot plugin with "
                 "ocsmanager_transport = amqp and other programs of this host. Whoever may write "
                 "to it (mode 0660) needs no password and counts as the account `local`, which "
                 "[account:local] limits. Other limits hold as well, that of an address for each "
                 "user (uid). A missing folder is made. Not set: none."},
        {KEY("server:main", server, socket_group, TEXT), .example = "vmail",
         .help = "Group of socket: that of the processes that report. Not set: the daemon's own; "
                 "whoever is in that can write to the registry too."},
        {KEY("server:main", server, tls_cert, PATH), .example = "/etc/ocsmanager.pem",
         .reload = true,
         .help = "TLS, 1.2 or later: the certificate (PEM), followed by those between it and a "
                 "root. It needs tls_key. SIGHUP reads both again, and keeps what it has if "
                 "anything is wrong with them; to begin or end with TLS takes a restart. socket "
                 "has none."},
        {KEY("server:main", server, tls_key, PATH), .example = "/etc/ssl/private/ocsmanager.key",
         .reload = true,
         .help = "Its private key (PEM, not encrypted), a file of the daemon's user or of root "
                 "that nobody else but its group may read. The daemon's user must be able to."},
        {KEY("server:main", server, tls_client_ca, PATH), .example = "/etc/ocsmanager-clients.pem",
         .reload = true,
         .help = "Certificates (PEM) that one of a client may lead back to. A client that shows "
                 "such a certificate needs no login: it is the first account there is among its "
                 "alternative names (e-mail addresses, host names) and the common name of its "
                 "subject; a token, where it sends one, counts instead. A certificate of any other "
                 "issuer, or one that has expired, fails in the handshake; who shows none logs in "
                 "as usual. What a proxy shows is nobody's. Not with auth = ldap. An issuer that "
                 "another one here has revoked is refused: take it out. Not set: clients are not "
                 "asked."},
        {KEY("server:main", server, tls_client_crl, PATH), .example = "/etc/ocsmanager-clients.crl",
         .reload = true,
         .help = "Revocation lists (PEM), one of each certificate authority in tls_client_ca. A "
                 "certificate that is in one fails in the handshake, and from a SIGHUP on that "
                 "brings it, on open connections too; one of an authority that is not itself in "
                 "tls_client_ca counts for nobody. Once the next update that a list announces is "
                 "past, no certificate counts, since nobody knows what was revoked: who shows one "
                 "then logs in like others. /healthz warns in the last quarter of its time. Not "
                 "set: nothing is known to be revoked."},
        {KEY("server:main", server, plain_http, WORD), .fallback = "no", .words = yes_words,
         .help = "yes: host may be an address that others can reach though there is no tls_cert. "
                 "Everyone on the way can then read what is reported, and use the tokens they "
                 "see. PLAIN logins are refused from there in any case."},
        {KEY("server:main", server, proxies, TEXT), .example = "127.0.0.1, 192.0.2.0/28",
         .help = "Addresses of proxies, alone or with a prefix, that are believed when they say "
                 "for "
                 "whom they ask: the first address in their header, from the right, that is not "
                 "one of these is the client, which limits, log and PLAIN logins go by. The "
                 "header of anybody else is ignored. One of these that says nothing is taken for "
                 "the client itself, and its line for one that others read. ocsmapihttp(8) goes "
                 "by it, too."},
        {KEY("server:main", server, proxy_header, WORD), .fallback = "Forwarded",
         .words = proxy_words,
         .help = "The header that each of proxies sets: Forwarded (RFC 7239, with for and proto), "
                 "or X-Forwarded-For and X-Forwarded-Proto. The other one is ignored, since a "
                 "proxy that does not know it would hand on what a client says. A PLAIN login "
                 "needs proto=https there."},

        {KEY("limits", limits, failed_logins, NUMBER), .fallback = "10", .min = 1, .max = 1000000,
         .reload = true,
         .help = "Failed logins of an account from one address within failure_window; then they "
                 "are refused for as long, and next time for twice, four and eight times as long. "
                 "Ten times as many from one address (of IPv6 a /64) and forty times from its /24 "
                 "(/48), loopback excepted unless proxies are named. `ocsctl lockouts` shows and "
                 "clears them. "
                 "Behind a proxy that is not in [server:main] proxies all clients have one "
                 "address, so that anyone can lock an account for everybody."},
        {KEY("limits", limits, failure_window, NUMBER), .fallback = "300", .min = 1, .max = 86400,
         .reload = true,
         .help = "Seconds in which failed logins count, and which the first lock lasts."},
        {KEY("limits", limits, request_deadline, NUMBER), .fallback = "10", .min = 1, .max = 300,
         .reload = true,
         .help = "Seconds a request may take, from its first byte to its answer. On socket the "
                 "first byte is not seen: there keepalive_timeout comes before it."},
        {KEY("limits", limits, connections_per_address, NUMBER), .fallback = "256", .min = 1,
         .max = 30000,
         .help = "Connections from one address at the same time; more are closed at once. An "
                 "address is an IPv4 address or the /64 of an IPv6 one. Of proxies any number is "
                 "taken; a client of theirs has those on which its requests are at work, and gets "
                 "503 past this."},
        {KEY("limits", limits, pending_challenges, NUMBER), .fallback = "4096", .min = 1,
         .max = 1000000, .reload = true,
         .help = "Logins between their first and second step at the same time. Beyond them the "
                 "oldest of whoever has begun most makes room for a new one."},

        {KEY("operations", operations, host, HOST), .fallback = "127.0.0.1",
         .help = "Address to listen on: one of loopback, or any with tls_cert."},
        {KEY("operations", operations, port, NUMBER), .fallback = "5001", .max = 65535,
         .help = "TCP port; 0 is any free one, told in the log."},

        {KEY("operations", operations, tls_cert, PATH), .example = "/etc/ocsmanager.pem",
         .reload = true,
         .help = "TLS certificate, as in [server:main], whose own has no effect here."},
        {KEY("operations", operations, tls_key, PATH), .example = "/etc/ssl/private/ocsmanager.key",
         .reload = true, .help = "And its key."},
        {KEY("operations", operations, plain_http, WORD), .fallback = "no", .words = yes_words,
         .help = "yes: host may be an address that others can reach though there is no tls_cert."},

        {KEY("mqueue", mqueue, max_messages, NUMBER), .fallback = "10", .min = 1, .max = 65536,
         .reload = true,
         .help = "Entries a queue holds. Above fs.mqueue.msg_max the kernel refuses. A change "
                 "concerns queues made from then on."},
        {KEY("mqueue", mqueue, message_size, NUMBER), .fallback = "256", .min = OCS_ENTRY_SIZE_MAX,
         .max = 16777216, .reload = true,
         .help = "Bytes an entry may have, at least 224. Above fs.mqueue.msgsize_max the kernel "
                 "refuses."},
        {KEY("mqueue", mqueue, spill_max, NUMBER), .fallback = "10000", .min = 1, .max = 100000000,
         .reload = true,
         .help = "Entries that wait in the spill list of one queue that is full or could not "
                 "be made: 256 bytes each, in spill/ of the registry folder. Past it a table is "
                 "told to read itself anew, other queues lose their "
                 "oldest entry; what is lost is in the log, in /status and in `ocsctl queues`."},
        {KEY("mqueue", mqueue, spill_total, NUMBER), .fallback = "1000000", .min = 1,
         .max = 1000000000, .reload = true, .help = "The same over all queues."},
        {KEY("mqueue", mqueue, descriptors, NUMBER), .fallback = "16384", .min = 1, .max = 1000000,
         .reload = true,
         .help = "Queues and spill lists the daemon keeps open, with the sockets by which it wakes "
                 "MAPI servers. Less where the limit of file "
                 "descriptors (LimitNOFILE=) is too low for this and connection_limit."},

        {KEY("push", push, interval, NUMBER), .fallback = "60", .min = 1, .max = 86400,
         .reload = true,
         .help = "Seconds after which a datagram is sent again while something is still pending."},

        {KEY("users", users, map, PATH), .example = "/etc/ocsmanager.users", .reload = true,
         .help = "The user map, a text file with a line each and tabs between the fields: backend, "
                 "backend user, folder, groupware user, FID. UTF-8. `*` alone in the first three "
                 "is any, `=` as groupware user is the backend user, `-` as FID gives one at first "
                 "sight. White space beside a tab belongs to the name, as it may in the mail "
                 "store. A line of three fields, `alias`, a name and a user, says that the name is "
                 "that user's, too, wherever a user is named. Without a map, or with one that has "
                 "aliases alone, the groupware user is the backend user. SIGHUP reads the file "
                 "again."},
        {KEY("users", users, domains, PATTERNS), .example = "example.org, example.net",
         .reload = true,
         .help = "Domains that say nothing: a user NAME@DOMAIN is the user NAME. Commas between "
                 "several; `*` is every domain. The same on all nodes."},
        {KEY("users", users, ldap_user, TEXT), .example = "uid", .reload = true,
         .help = "Attribute with the name of the groupware user: with it the users of the "
                 "directory "
                 "of [auth:ldap], whatever [main] auth is, are read like a user map, in place of "
                 "one or beside it. Each sees all folders of the stores of their backend users. "
                 "An entry that has not exactly one is left out. Not set: no such users."},
        {KEY("users", users, ldap_backend_user, TEXT), .example = "mail", .reload = true,
         .help = "Attribute with the names of an entry's backend users, one or more. Not set: that "
                 "of ldap_user."},
        {KEY("users", users, ldap_alias, TEXT), .example = "mailAlternateAddress", .reload = true,
         .help = "Attribute with other names of the user, as by lines `alias` of a map. Not set: "
                 "none."},
        {KEY("users", users, ldap_filter, TEXT), .example = "(objectClass=inetOrgPerson)",
         .reload = true,
         .help = "Filter that finds the users. Not set: every entry that has ldap_user."},
        {KEY("users", users, ldap_basedn, TEXT), .example = "ou=people,dc=example,dc=org",
         .reload = true, .help = "DN below which the users are. Not set: basedn of [auth:ldap]."},
        {KEY("users", users, ldap_refresh, NUMBER), .fallback = "300", .min = 1, .max = 86400,
         .reload = true,
         .help = "Seconds after which the users are read again. What was read last, kept in "
                 "private/users.ldap of the registry folder, stands until then, and while the "
                 "directory cannot be read."},

        {LINK_KEY(uri, SECRET), .example = "amqps://node1:PASSWORD@broker.example.org/ocsmanager",
         .help = "The broker: amqps://USER:PASSWORD@HOST:PORT/VHOST, or amqp:// without TLS. "
                 "Several of one cluster, separated by commas, are tried in turn. PORT is 5671 or "
                 "5672 and VHOST `/` unless they are there; special characters are written as "
                 "%XX."},
        {LINK_KEY(node, TEXT), .example = "node1",
         .help = "Name of this node, of at most 64 letters, digits, `_`, `.` and `-`. No two nodes "
                 "may have the same. Not set: the host name up to the first dot."},
        {LINK_KEY(exchange, AMQP), .fallback = "ocsmanager.users",
         .help = "Direct exchange through which nodes reach each other, keyed by groupware user: "
                 "the same on all nodes. It and the queues are made if missing."},
        {LINK_KEY(ingest_queue, AMQP), .fallback = "ocsmanager.ingest",
         .help = "Queue that remote systems may publish notifications to, shared by all nodes."},
        {LINK_KEY(dead_queue, AMQP), .fallback = "ocsmanager.dead",
         .help = "Queue for messages that can never succeed; `ocsctl dead` shows them."},
        {LINK_KEY(node_queue, AMQP), .example = "ocsmanager.node.node1",
         .help = "Queue of this node alone. Not set: `ocsmanager.node.` and the node's name."},
        {LINK_KEY(ingest, WORD), .fallback = "yes", .words = yes_words,
         .help = "Whether this node takes its share of the ingest queue: yes or no. A relay does "
                 "not."},
        {LINK_KEY(relay, WORD), .fallback = "no", .words = yes_words,
         .help = "yes on a mail host without MAPI servers: nothing is delivered here, every "
                 "notification is handed to the ingest queue."},
        {LINK_KEY(ingest_account, ACCOUNT), .fallback = "anonymous",
         .help = "Account that a message of the ingest queue without a user-id counts as: "
                 "[account:NAME] limits it. Empty: such messages are refused. A user-id, which the "
                 "broker checks, is the name of the account."},
        {LINK_KEY(json_backend, TEXT), .example = "sogo",
         .help = "Backend that JSON documents of the ingest queue are about, since they name none. "
                 "Not set: the only [backend:NAME]; where there are several, they are refused."},
        {LINK_KEY(ca_file, PATH), .example = "/etc/ssl/broker-ca.pem",
         .help = "Certificates (PEM) that the broker's must lead back to. Not set: those the "
                 "system trusts."},
        {LINK_KEY(cert_file, PATH), .example = "/etc/ssl/node1.pem",
         .help = "Certificate (PEM) this node shows to the broker; it needs key_file."},
        {LINK_KEY(key_file, PATH), .example = "/etc/ssl/private/node1.key",
         .help = "Its private key (PEM, not encrypted), readable by the daemon's user only."},
        {LINK_KEY(tls_verify, WORD), .fallback = "yes", .words = yes_words,
         .help = "Whether the broker's certificate must be valid for its host name. Without, "
                 "anyone in between can pose as the broker."},
        {LINK_KEY(heartbeat, NUMBER), .fallback = "10", .min = 1, .max = 300,
         .help = "Seconds: a broker from which nothing was heard for twice as long is given up."},
        {LINK_KEY(prefetch, NUMBER), .fallback = "256", .min = 1, .max = 10000,
         .help = "Messages the broker hands out before one is acknowledged, for each of the two "
                 "queues."},
        {LINK_KEY(confirm_timeout, NUMBER), .fallback = "5", .min = 1, .max = 60,
         .help = "Seconds in which the broker must confirm a message; then it is spooled or "
                 "refused. Less than [limits] request_deadline."},
        {LINK_KEY(pending_max, NUMBER), .fallback = "20000", .min = 1, .max = 1000000,
         .help = "Messages that wait for the broker in memory; more are spooled or refused."},
        {LINK_KEY(queue_length, NUMBER), .fallback = "100000", .min = 1, .max = 100000000,
         .help = "Messages this node's queue holds; the broker refuses more. To change it, delete "
                 "the queue first."},
        {LINK_KEY(queue_expires, NUMBER), .fallback = "1800", .min = 1, .max = 4294967,
         .help = "Seconds after which the broker removes this node's queue when the node is gone. "
                 "To change it, delete the queue first."},
        {LINK_KEY(unbind_after, NUMBER), .fallback = "60", .min = 1, .max = 86400,
         .help = "Seconds after a user's last session ended in which their notifications still "
                 "come here."},
        {LINK_KEY(spool_max, NUMBER), .fallback = "0", .max = 1048576,
         .help = "MiB of disk, in private/spool of the registry, for notifications that the broker "
                 "cannot take. Past it they are refused. 0: no spool."},

        {NAMED_KEY("backend:", backend, uri, URI),
         .example = "sogo://{user}@mail/{folder}/{message}", .reload = true,
         .help = "Template of the URIs of its messages, made of {user}, {folder} and {message}, "
                 "each percent-encoded. {folder:imap-utf7} writes the folder in IMAP's modified "
                 "UTF-7; {folder:sogo} as SOGo does (folderINBOX/folderMy_SP_mail). A folder's URI "
                 "ends where {message} begins. Every MAPI server here is told it; tools show a "
                 "password in it as ***. Required."},
        {NAMED_KEY("backend:", backend, separator, SEPARATOR), .fallback = "/",
         .help = "The character between the levels of a folder in the JSON documents of this "
                 "backend ([rabbitmq] json_backend), such as `.`; in XML it is always `/`."},
        {NAMED_KEY("backend:", backend, names, WORD), .fallback = "utf-8", .words = name_words,
         .help = "How folders are written in the JSON documents of this backend: utf-8, or utf-7, "
                 "IMAP's modified UTF-7 (Entw&APw-rfe); in XML it is always UTF-8."},

        {NAMED_KEY("account:", account, backends, PATTERNS), .example = "sogo, dovecot*",
         .reload = true,
         .help = "Backends, separated by commas; `*` is any run of characters. Not set: all; "
                 "empty: none."},
        {NAMED_KEY("account:", account, users, PATTERNS), .example = "*@example.org",
         .reload = true, .help = "Backend users, in the same way."},
};
const size_t ocs_n_keys = sizeof(ocs_keys) / sizeof(ocs_keys[0]);

const struct ocs_old_key ocs_old_keys[] = {
        {"DEFAULT", NULL, NULL},
        {"main", "debug", "log_level = debug in [main]"},
        {"main", "mapistore_root", "registry in [main]"},
        {"main", "mapistore_data", "registry in [main]"},
        {"server:main", "use", NULL},
        {"server:main", "protocol_version", NULL},
        {"server:main", "use_threadpool", NULL},
        {"server:main", "threadpool_workers", "threads in [server:main]"},
        {"server:main", "threadpool_options", NULL},
        {"server:main", "request_queue_size", NULL},
        {"server:main", "daemon_threads", NULL},
        {"server:main", "socket_timeout", "keepalive_timeout in [server:main]"},
        {"app:*", NULL, NULL},
        {"composite:*", NULL, NULL},
        {"filter:*", NULL, NULL},
        {"filter-app:*", NULL, NULL},
        {"pipeline:*", NULL, NULL},
        {"loggers", NULL, "log_level in [main]"},
        {"handlers", NULL, NULL},
        {"formatters", NULL, NULL},
        {"logger_*", NULL, "log_level in [main]"},
        {"handler_*", NULL, NULL},
        {"formatter_*", NULL, NULL},
        {"rpcproxy:*", NULL, NULL},
        {"ntlm*", NULL, NULL},
        {"autodiscover*", NULL, NULL},
        {"outofoffice", NULL, NULL},
};
const size_t ocs_n_old_keys = sizeof(ocs_old_keys) / sizeof(ocs_old_keys[0]);

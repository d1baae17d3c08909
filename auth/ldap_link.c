/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A connection by libldap: see ldap_link.h. Touches the network and ca_file. */
#include "auth/ldap_link.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openldap.h>

#include "base/clock.h"

#define ENTRIES_MAX 2

void ocs_ldap_link_begin(void)
{
	int version;

	(void)ldap_get_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
}

static struct timeval left_until(int64_t deadline)
{
	int64_t now = (int64_t)ocs_clock_ms(), left = deadline > now ? deadline - now : 1;

	return (struct timeval){.tv_sec = (time_t)(left / 1000),
	                        .tv_usec = (suseconds_t)(left % 1000 * 1000)};
}

/* What the server or TLS had to say is behind libldap's words for the code. */
static int link_error(struct ocs_ldap_link *link, int code, const char *what,
                      struct ocs_error *error)
{
	char *more = NULL;

	if (link->ld)
		(void)ldap_get_option(link->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	ocs_error_set(error, "%s: %s: %s%s%.200s%s", link->url, what, ldap_err2string(code),
	              more && *more ? " (" : "", more && *more ? more : "",
	              more && *more ? ")" : "");
	ldap_memfree(more);
	return -1;
}

/* Set for each connection, whatever ldap.conf(5) says. */
static int set_options(LDAP *ld, const struct ocs_ldap_config *config)
{
	const int version = LDAP_VERSION3, never = LDAP_DEREF_NEVER, demand = LDAP_OPT_X_TLS_DEMAND,
	          least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
	const struct {
		int option;
		const void *value;
	} options[] = {
	        {LDAP_OPT_PROTOCOL_VERSION, &version},
	        {LDAP_OPT_REFERRALS, LDAP_OPT_OFF},
	        {LDAP_OPT_DEREF, &never},
	        {LDAP_OPT_X_TLS_REQUIRE_CERT, &demand},
	        {LDAP_OPT_X_TLS_CACERTDIR, NULL},
	        {LDAP_OPT_X_TLS_CACERTFILE, config->ca_file},
	        {LDAP_OPT_X_TLS_PROTOCOL_MIN, &least},
	        {LDAP_OPT_X_TLS_NEWCTX, &client},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (ldap_set_option(ld, options[i].option, options[i].value) != LDAP_OPT_SUCCESS)
			return -1;
	return 0;
}

static void set_timeouts(LDAP *ld, int64_t deadline)
{
	struct timeval left = left_until(deadline);

	(void)ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	(void)ldap_set_option(ld, LDAP_OPT_TIMEOUT, &left);
}

static int start_tls(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                     const struct ocs_ldap_server *server, int64_t deadline,
                     struct ocs_error *error)
{
	int rc;

	if (!server->tls && !config->start_tls)
		return 0;
	set_timeouts(link->ld, deadline);
	rc = server->tls ? ldap_install_tls(link->ld) : ldap_start_tls_s(link->ld, NULL, NULL);
	return rc == LDAP_SUCCESS ? 0 : link_error(link, rc, "TLS", error);
}

static int open_one(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                    struct ocs_ldap_sockets *sockets, const struct ocs_ldap_server *server,
                    int64_t deadline, struct ocs_error *error)
{
	int fd = ocs_ldap_sockets_connect(sockets, server, deadline, &link->kept, error);

	if (fd < 0)
		return -1;
	snprintf(link->url, sizeof(link->url), "%s", server->url);
	int rc = ldap_init_fd(fd, server->path[0] ? LDAP_PROTO_IPC : LDAP_PROTO_TCP, server->url,
	                      &link->ld);
	if (rc != LDAP_SUCCESS) {
		link->ld = NULL;
		close(fd);
		link_error(link, rc, "cannot be used", error);
	} else if (set_options(link->ld, config) < 0) {
		ocs_error_set(error, "%s: cannot set up TLS; can %s be read?", link->url,
		              config->ca_file);
		rc = -1;
	} else {
		rc = start_tls(link, config, server, deadline, error);
	}
	/* libldap makes it block after TLS; half an answer is not to be waited for without end */
	if (rc == 0 && fcntl(link->kept, F_SETFL, O_NONBLOCK) < 0)
		rc = ocs_error_set(error, "%s: cannot set up the socket", link->url);
	if (rc == 0)
		return 0;
	ocs_ldap_link_close(link, sockets);
	return -1;
}

int ocs_ldap_link_open(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                       struct ocs_ldap_sockets *sockets, int64_t deadline, struct ocs_error *error)
{
	unsigned count = config->servers.count, first = atomic_load(&sockets->first);

	for (unsigned i = 0; i < count; i++) {
		unsigned number = (first + i) % count;
		int64_t now = (int64_t)ocs_clock_ms(), left = deadline > now ? deadline - now : 0;

		if (open_one(link, config, sockets, &config->servers.server[number],
		             now + left / (count - i), error) < 0)
			continue;
		link->server = number;
		link->proven = false;
		link->last_used = now;
		return 0;
	}
	return -1;
}

void ocs_ldap_link_note(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                        struct ocs_ldap_sockets *sockets, enum ocs_ldap_outcome outcome)
{
	unsigned failed = link->server;
	bool good = outcome == OCS_LDAP_DONE || outcome == OCS_LDAP_REFUSED;

	if (good && !link->proven)
		atomic_store(&sockets->first, link->server);
	link->proven = link->proven || good;
	/* one that was good may have ended while it was idle */
	if (outcome == OCS_LDAP_FAILED || (outcome == OCS_LDAP_LOST && !link->proven))
		(void)atomic_compare_exchange_strong(&sockets->first, &failed,
		                                     (failed + 1) % config->servers.count);
}

void ocs_ldap_link_close(struct ocs_ldap_link *link, struct ocs_ldap_sockets *sockets)
{
	if (link->ld)
		(void)ldap_unbind_ext(link->ld, NULL, NULL);
	ocs_ldap_sockets_end(sockets, link->kept);
	link->ld = NULL;
	link->kept = -1;
}

/* Of a request that was not sent, or whose answer did not come. */
static enum ocs_ldap_outcome no_answer(struct ocs_ldap_link *link, const char *what,
                                       struct ocs_error *error)
{
	int code = LDAP_OTHER;

	(void)ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE, &code);
	link_error(link, code, what, error);
	return code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR ? OCS_LDAP_LOST
	                                                              : OCS_LDAP_FAILED;
}

/* The whole answer and its code. Not DONE: there is none, or the server is going. */
static enum ocs_ldap_outcome await(struct ocs_ldap_link *link, int id, const char *what,
                                   int64_t deadline, LDAPMessage **answer_r, int *code_r,
                                   struct ocs_error *error)
{
	struct timeval left = left_until(deadline);
	int rc = ldap_result(link->ld, id, LDAP_MSG_ALL, &left, answer_r);

	if (rc == 0) {
		*answer_r = NULL;
		ocs_error_set(error, "%s: %s: no answer in time", link->url, what);
		return OCS_LDAP_FAILED;
	}
	if (rc < 0) {
		*answer_r = NULL;
		return no_answer(link, what, error);
	}
	rc = ldap_parse_result(link->ld, *answer_r, code_r, NULL, NULL, NULL, NULL, 0);
	if (rc == LDAP_SUCCESS)
		link->last_used = (int64_t)ocs_clock_ms();
	else
		*code_r = rc;
	if (*code_r != LDAP_UNAVAILABLE)
		return OCS_LDAP_DONE;
	link_error(link, *code_r, what, error);
	return OCS_LDAP_LOST;
}

/* Codes that say something of the server or of how it is asked, whoever is bound. */
static bool is_about_server(int code)
{
	return code < 0 || code == LDAP_OPERATIONS_ERROR || code == LDAP_PROTOCOL_ERROR ||
	       code == LDAP_AUTH_METHOD_NOT_SUPPORTED || code == LDAP_STRONG_AUTH_REQUIRED ||
	       code == LDAP_ADMINLIMIT_EXCEEDED || code == LDAP_CONFIDENTIALITY_REQUIRED ||
	       code == LDAP_BUSY || code == LDAP_OTHER;
}

enum ocs_ldap_outcome ocs_ldap_link_bind(struct ocs_ldap_link *link, const char *dn,
                                         const char *password, int64_t deadline,
                                         struct ocs_error *error)
{
	struct berval secret = {.bv_len = strlen(password), .bv_val = (char *)(uintptr_t)password};
	LDAPMessage *answer = NULL;
	int id = 0, code = LDAP_OTHER;

	/* it would be an anonymous one, which succeeds */
	if (secret.bv_len == 0)
		return OCS_LDAP_REFUSED;
	if (ldap_sasl_bind(link->ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &id) !=
	    LDAP_SUCCESS)
		return no_answer(link, "bind", error);
	enum ocs_ldap_outcome outcome = await(link, id, "bind", deadline, &answer, &code, error);
	if (outcome == OCS_LDAP_DONE && code != LDAP_SUCCESS) {
		link_error(link, code, "bind", error);
		outcome = is_about_server(code) ? OCS_LDAP_FAILED : OCS_LDAP_REFUSED;
	}
	ldap_msgfree(answer);
	return outcome;
}

enum ocs_ldap_outcome ocs_ldap_link_search(struct ocs_ldap_link *link,
                                           const struct ocs_ldap_config *config, const char *filter,
                                           int64_t deadline, LDAPMessage **result_r, bool *more_r,
                                           struct ocs_error *error)
{
	struct timeval left = left_until(deadline);
	int id = 0, code = LDAP_OTHER;

	*result_r = NULL;
	left.tv_sec++; /* whole seconds count, and 0 would be any time */
	if (ldap_search_ext(link->ld, config->basedn, LDAP_SCOPE_SUBTREE, filter, config->wanted, 0,
	                    NULL, NULL, &left, ENTRIES_MAX, &id) != LDAP_SUCCESS)
		return no_answer(link, "search", error);
	enum ocs_ldap_outcome outcome = await(link, id, "search", deadline, result_r, &code, error);
	*more_r = code == LDAP_SIZELIMIT_EXCEEDED;
	if (outcome == OCS_LDAP_DONE && code != LDAP_SUCCESS && !*more_r) {
		char what[300];

		snprintf(what, sizeof(what), "search in %.250s", config->basedn);
		link_error(link, code, what, error);
		outcome = OCS_LDAP_FAILED;
	}
	if (outcome != OCS_LDAP_DONE) {
		ldap_msgfree(*result_r);
		*result_r = NULL;
	}
	return outcome;
}

int ocs_ldap_link_open_service(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                               struct ocs_ldap_sockets *sockets, int64_t deadline,
                               struct ocs_error *error)
{
	struct ocs_error why = {.text = ""};

	if (ocs_ldap_link_open(link, config, sockets, deadline, error) < 0)
		return -1;
	if (!config->bind_dn)
		return 0;
	enum ocs_ldap_outcome outcome =
	        ocs_ldap_link_bind(link, config->bind_dn, config->bind_pw, deadline, &why);
	/* another server may know of that password */
	ocs_ldap_link_note(link, config, sockets,
	                   outcome == OCS_LDAP_REFUSED ? OCS_LDAP_FAILED : outcome);
	if (outcome == OCS_LDAP_DONE)
		return 0;
	ocs_ldap_link_close(link, sockets);
	return ocs_error_wrap(error, &why, "%s%.400s",
	                      outcome == OCS_LDAP_REFUSED ? "bind_dn or its password is refused: "
	                                                  : "",
	                      why.text);
}

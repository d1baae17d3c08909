/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * [rabbitmq]: what must hold between its keys, and what of the link's settings follows from other
 * keys and from the host. Looks at the host name; changes nothing.
 */
#include "config/cluster.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "cluster/broker.h"
#include "config/check.h"

#define SECTION "rabbitmq"

static bool node_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= OCS_NODE_NAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
	               len;
}

static void name_node(struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems)
{
	char host[HOST_NAME_MAX + 1] = "";
	bool set = config->rabbitmq->node != NULL;

	if (!set && gethostname(host, sizeof(host)) == 0) {
		host[HOST_NAME_MAX] = '\0';
		config->rabbitmq->node = talloc_strndup(config, host, strcspn(host, "."));
	}
	if (config->rabbitmq->node == NULL)
		problems->lost = true;
	else if (!node_valid(config->rabbitmq->node))
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, SECTION, "node"),
		                "[rabbitmq] node: '%s'%s is not a valid node name (1 to %d of A-Z "
		                "a-z 0-9 _ . -)",
		                config->rabbitmq->node, set ? "" : ", from the host name,",
		                OCS_NODE_NAME_MAX);
	if (config->rabbitmq->node_queue == NULL && config->rabbitmq->node != NULL)
		config->rabbitmq->node_queue =
		        talloc_asprintf(config, "ocsmanager.node.%s", config->rabbitmq->node);
	if (config->rabbitmq->node_queue == NULL)
		problems->lost = true;
}

static bool is_loopback(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
	       strcmp(host, "::1") == 0;
}

static bool is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* The host of a well-formed URI, on mem_ctx. */
static char *host_of(const void *mem_ctx, const char *uri)
{
	const char *authority = strstr(uri, "://") + 3;
	size_t len = strcspn(authority, "/, \t");
	const char *at = memrchr(authority, '@', len), *host = at != NULL ? at + 1 : authority;

	return *host == '[' ? talloc_strndup(mem_ctx, host + 1, strcspn(host + 1, "]"))
	                    : talloc_strndup(mem_ctx, host, strcspn(host, ":/, \t"));
}

/* The URIs are well-formed: what an admin may not have meant. Returns whether one is amqps. */
static bool look_at_uris(const struct ocs_config *config, unsigned line,
                         struct ocs_problems *problems)
{
	const char *uri = config->rabbitmq->uri;
	bool any_tls = false;

	do {
		uri += strspn(uri, ", \t");
		char *host = host_of(problems, uri);

		if (host == NULL) {
			problems->lost = true;
		} else if (strncmp(uri, "amqps:", 6) == 0) {
			any_tls = true;
			/* librabbitmq compares with the DNS names of the certificate only. */
			if (config->rabbitmq->tls_verify && is_address(host))
				ocs_problem_add(
				        problems, LOG_WARNING, line,
				        "[rabbitmq] uri: the certificate cannot be verified for an "
				        "address (%s); use the broker's DNS name",
				        host);
		} else if (!is_loopback(host)) {
			ocs_problem_add(
			        problems, LOG_WARNING, line,
			        "[rabbitmq] uri: the password is sent to %s in clear; use amqps://",
			        host);
		}
		talloc_free(host);
		uri += strcspn(uri, ",");
	} while (*uri != '\0');
	return any_tls;
}

void ocs_config_link_resolve(const struct ocs_config *config, ocs_report_fn *report, void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *uri = config->rabbitmq->uri;

	for (; uri != NULL && *uri != '\0'; uri += strcspn(uri, ",")) {
		struct addrinfo *addresses = NULL;
		char *host, *text;
		int result;

		uri += strspn(uri, ", \t");
		host = host_of(NULL, uri);
		result = host == NULL ? 0 : getaddrinfo(host, NULL, &hints, &addresses);
		if (addresses != NULL)
			freeaddrinfo(addresses);
		text = result == 0 ? NULL
		                   : talloc_asprintf(NULL, "%s:%u: [rabbitmq] uri: %s: %s",
		                                     config->path,
		                                     ocs_problem_line(config->ini, SECTION, "uri"),
		                                     host, gai_strerror(result));
		if (text != NULL)
			report(LOG_WARNING, text, arg);
		talloc_free(text);
		talloc_free(host);
	}
}

static void check_uri(const struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems)
{
	unsigned line = ocs_problem_line(ini, SECTION, "uri");
	struct ocs_error error = {.text = ""};

	if (ocs_broker_check_uris(config->rabbitmq->uri, &error) < 0)
		ocs_problem_add(problems, LOG_ERR, line, "[rabbitmq] uri: %s", error.text);
	else if (look_at_uris(config, line, problems) && !config->rabbitmq->tls_verify)
		ocs_problem_add(problems, LOG_WARNING, ocs_problem_line(ini, SECTION, "tls_verify"),
		                "[rabbitmq] tls_verify: without verification anyone on the network "
		                "can impersonate the broker");
	if ((config->rabbitmq->cert_file == NULL) != (config->rabbitmq->key_file == NULL))
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, SECTION,
		                                 config->rabbitmq->cert_file != NULL ? "cert_file"
		                                                                     : "key_file"),
		                "[rabbitmq] %s: %s must be set as well",
		                config->rabbitmq->cert_file != NULL ? "cert_file" : "key_file",
		                config->rabbitmq->cert_file != NULL ? "key_file" : "cert_file");
}

static void check_names(const struct ocs_config *config, const struct ocs_ini *ini,
                        struct ocs_problems *problems)
{
	const struct {
		const char *key, *name;
	} queues[] = {{"ingest_queue", config->rabbitmq->ingest_queue},
	              {"dead_queue", config->rabbitmq->dead_queue},
	              {"node_queue", config->rabbitmq->node_queue}};

	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < i; j++) {
			if (queues[i].name != NULL && strcmp(queues[i].name, queues[j].name) == 0)
				ocs_problem_add(problems, LOG_ERR,
				                ocs_problem_line(ini, SECTION, queues[i].key),
				                "[rabbitmq] %s: '%s' is already the name of %s",
				                queues[i].key, queues[i].name, queues[j].key);
		}
	}
}

static void check_roles(struct ocs_config *config, const struct ocs_ini *ini,
                        struct ocs_problems *problems)
{
	if (config->rabbitmq->relay && config->rabbitmq->ingest) {
		if (ocs_ini_find(ini, SECTION, "ingest") != NULL)
			ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, SECTION, "ingest"),
			                "[rabbitmq] ingest: must be no with relay = yes (a relay "
			                "does not consume the ingest queue)");
		config->rabbitmq->ingest = 0;
	}
	if (config->rabbitmq->confirm_timeout >= config->limits.request_deadline)
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, SECTION, "confirm_timeout"),
		                "[rabbitmq] confirm_timeout: %u is not less than [limits] "
		                "request_deadline (%u)",
		                config->rabbitmq->confirm_timeout, config->limits.request_deadline);
}

/* The backend of JSON documents, and how it writes its folders. */
static void find_json_backend(struct ocs_config *config, const struct ocs_ini *ini,
                              struct ocs_problems *problems)
{
	struct ocs_link_settings *settings = config->rabbitmq;

	settings->json_folders.separator = '/';
	if (settings->json_backend == NULL && config->n_backends == 1)
		settings->json_backend = config->backends[0].name;
	if (settings->json_backend == NULL)
		return;
	for (size_t i = 0; i < config->n_backends; i++) {
		const struct ocs_config_backend *backend = &config->backends[i];

		if (strcasecmp(backend->name, settings->json_backend) == 0) {
			settings->json_folders = (struct ocs_folder_style){
			        .separator = backend->separator[0],
			        .utf7 = backend->names == OCS_CONFIG_NAMES_UTF7};
			return;
		}
	}
	ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, SECTION, "json_backend"),
	                "[rabbitmq] json_backend: no section [backend:%s]", settings->json_backend);
}

void ocs_config_check_link(struct ocs_config *config, const struct ocs_ini *ini,
                           struct ocs_problems *problems)
{
	if (config->rabbitmq->uri != NULL) {
		name_node(config, ini, problems);
		check_uri(config, ini, problems);
		check_names(config, ini, problems);
		check_roles(config, ini, problems);
		find_json_backend(config, ini, problems);
		config->rabbitmq->max_batch = config->server.max_batch;
		config->rabbitmq->spool_folder =
		        talloc_asprintf(config, "%s/private/spool", config->main.registry);
		if (config->rabbitmq->spool_folder == NULL)
			problems->lost = true;
		return;
	}
	const struct ocs_ini_value *header = ocs_ini_find(ini, SECTION, "");
	/* A uri that is there with a bad value has its own error. */
	if (header == NULL || ocs_ini_find(ini, SECTION, "uri") != NULL)
		return;
	for (const struct ocs_ini_value *value = header->section->values; value != NULL;
	     value = value->next)
		ocs_problem_add(problems, LOG_WARNING, value->line,
		                "[rabbitmq] %s has no effect without uri", value->key);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads the certificates of the ini: see certificates.h. Touches their files. */
#include "ocsmanager/certificates.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "config/check.h"
#include "http/tls.h"

static bool begins_with(const char *text, const char *path)
{
	return path != NULL && strncmp(text, path, strlen(path)) == 0 && text[strlen(path)] == ':';
}

/* The key of the file with which the text begins. */
static const char *to_blame(const struct ocs_tls_files *files, const char *text)
{
	if (begins_with(text, files->key))
		return "tls_key";
	if (begins_with(text, files->client_crl))
		return "tls_client_crl";
	return begins_with(text, files->client_ca) ? "tls_client_ca" : "tls_cert";
}

static int read_pair(const struct ocs_config *config, const char *section,
                     const struct ocs_tls_files *files, ocs_report_fn *report, void *arg,
                     struct ocs_tls_keys **keys_r, struct ocs_error *error)
{
	char what[100], text[PATH_MAX + 300];
	struct ocs_error why = {.text = ""};
	const char *key;

	if (files->cert == NULL)
		return 0;
	if (ocs_tls_keys_read(files, keys_r, &why) != 0) {
		const char *name = to_blame(files, why.text);

		return ocs_error_wrap(error, &why, "%.300s:%u: [%s] %s: %s", config->path,
		                      ocs_problem_line(config->ini, section, name), section, name,
		                      why.text);
	}
	key = report == NULL ? NULL : ocs_tls_keys_doubt(*keys_r, what, sizeof(what));
	if (key == NULL)
		return 0;
	snprintf(text, sizeof(text), "%s:%u: [%s] %s: %s: %s", config->path,
	         ocs_problem_line(config->ini, section, key), section, key,
	         strcmp(key, "tls_cert") == 0 ? files->cert : files->client_crl, what);
	report(LOG_WARNING, text, arg);
	return 0;
}

int ocs_certificates_read(const struct ocs_config *config, ocs_report_fn *report, void *arg,
                          struct ocs_certificates *out, struct ocs_error *error)
{
	const struct ocs_tls_files web = {.cert = config->server.tls_cert,
	                                  .key = config->server.tls_key,
	                                  .client_ca = config->server.tls_client_ca,
	                                  .client_crl = config->server.tls_client_crl};
	const struct ocs_tls_files operations = {.cert = config->operations.tls_cert,
	                                         .key = config->operations.tls_key};

	*out = (struct ocs_certificates){NULL, NULL};
	if (read_pair(config, "server:main", &web, report, arg, &out->web, error) == 0 &&
	    read_pair(config, "operations", &operations, report, arg, &out->operations, error) == 0)
		return 0;
	ocs_certificates_release(out);
	return -1;
}

void ocs_certificates_release(struct ocs_certificates *certificates)
{
	ocs_tls_keys_release(certificates->web);
	ocs_tls_keys_release(certificates->operations);
	*certificates = (struct ocs_certificates){NULL, NULL};
}

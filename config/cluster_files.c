/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The certificates and the key that [rabbitmq] names: there, readable, what they should be, and
 * belonging together. Reads the files; GnuTLS takes them apart.
 */
#include "config/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "config/check.h"

struct looker {
	const struct ocs_config *config;
	ocs_report_fn *report;
	void *arg;
	int result;
};

static void say(struct looker *looker, int priority, const char *key, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static void say(struct looker *looker, int priority, const char *key, const char *format, ...)
{
	unsigned line = ocs_problem_line(looker->config->ini, "rabbitmq", key);
	char text[2 * PATH_MAX + 256], what[PATH_MAX + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s:%u: [rabbitmq] %s: %s", looker->config->path, line, key,
	         what);
	looker->report(priority, text, looker->arg);
	if (priority <= LOG_ERR)
		looker->result = -1;
}

static bool readable(struct looker *looker, const char *key, const char *path, bool secret)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &status) < 0) {
		say(looker, LOG_ERR, key, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	if (!S_ISREG(status.st_mode)) {
		say(looker, LOG_ERR, key, "%s: not a regular file", path);
		return false;
	}
	if (secret && (status.st_mode & S_IROTH))
		say(looker, LOG_WARNING, key,
		    "%s: private key, and every user can read it: chmod o-r", path);
	return true;
}

static bool look_at_certificates(struct looker *looker, const char *key, const char *path)
{
	gnutls_x509_crt_t *list = NULL;
	gnutls_datum_t data = {NULL, 0};
	unsigned count = 0;
	time_t now = time(NULL);
	int rc;

	if (path == NULL || !readable(looker, key, path, false))
		return false;
	rc = gnutls_load_file(path, &data);
	if (rc == 0)
		rc = gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(data.data);
	if (rc < 0 || count == 0) {
		say(looker, LOG_ERR, key, "%s: no certificate in it can be read (PEM)", path);
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (gnutls_x509_crt_get_expiration_time(list[i]) < now)
			say(looker, LOG_WARNING, key, "%s: certificate has expired", path);
		gnutls_x509_crt_deinit(list[i]);
	}
	gnutls_free(list);
	return true;
}

static void look_at_pair(struct looker *looker, const char *cert, const char *key)
{
	gnutls_certificate_credentials_t credentials;
	bool there = key != NULL && readable(looker, "key_file", key, true);
	int rc;

	if (!look_at_certificates(looker, "cert_file", cert) || !there ||
	    gnutls_certificate_allocate_credentials(&credentials) < 0)
		return;
	rc = gnutls_certificate_set_x509_key_file(credentials, cert, key, GNUTLS_X509_FMT_PEM);
	if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		say(looker, LOG_ERR, "key_file", "%s: not the key of the certificate in %s", key,
		    cert);
	else if (rc < 0)
		say(looker, LOG_ERR, "key_file",
		    "%s: no key in it can be read (PEM, not encrypted)", key);
	gnutls_certificate_free_credentials(credentials);
}

int ocs_config_link_files(const struct ocs_config *config, ocs_report_fn *report, void *arg)
{
	struct looker looker = {config, report, arg, 0};

	if (config->rabbitmq->uri == NULL)
		return 0;
	look_at_certificates(&looker, "ca_file", config->rabbitmq->ca_file);
	look_at_pair(&looker, config->rabbitmq->cert_file, config->rabbitmq->key_file);
	return looker.result;
}

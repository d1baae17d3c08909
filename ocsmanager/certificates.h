/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The certificates and keys that the ini names for the daemon's listeners: read for the check, for
 * a start and for a reload, as the user that the daemon runs as. Main thread. */
#ifndef OCSMANAGER_CERTIFICATES_H
#define OCSMANAGER_CERTIFICATES_H

#include "base/error.h"
#include "base/log.h"

struct ocs_config;
struct ocs_tls_keys;

struct ocs_certificates {
	struct ocs_tls_keys *web, *operations; /* NULL: without TLS */
};

/* What is there to warn about is reported; NULL: nobody is told. On -1 the error says where in the
 * ini, and nothing is left to release. */
int ocs_certificates_read(const struct ocs_config *config, ocs_report_fn *report, void *arg,
                          struct ocs_certificates *out, struct ocs_error *error);
/* What of it was not handed on, which is NULL then. */
void ocs_certificates_release(struct ocs_certificates *certificates);

#endif

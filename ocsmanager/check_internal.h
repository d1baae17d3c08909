/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of the check share: check.c (the order, the child), check_machine.c (what it looks
 * at), check_report.c (what it says). */
#ifndef OCSMANAGER_CHECK_INTERNAL_H
#define OCSMANAGER_CHECK_INTERNAL_H

#include "ocsmanager/check.h"
#include "base/privilege.h"

struct ocs_check {
	const struct ocs_config *config;
	struct ocs_identity identity;
	bool starts;  /* before a start, whose parts look at their files themselves */
	bool running; /* a daemon serves this registry now: its addresses are taken, by itself */
	ocs_report_fn *report;
	void *arg;
	unsigned errors;
};

/* "FILE:LINE: [section] key: ..." */
void ocs_check_report(struct ocs_check *check, int priority, const char *section, const char *key,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* As who starts the daemon, and as who it will be. */
void ocs_check_as_starter(struct ocs_check *check);
void ocs_check_as_user(struct ocs_check *check);

#endif

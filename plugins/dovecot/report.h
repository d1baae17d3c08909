/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The process's one client of the daemon. ocs_report_add() copies and returns: logging in, sending,
 * waiting and retrying happen in the process's root ioloop, after the delivery was answered.
 */
#ifndef OCS_REPORT_H
#define OCS_REPORT_H

#include "login.h"
#include "waiting.h"

struct ocs_report_settings {
	const char *url; /* of the daemon; where socket is set: what the log calls it */
	/* AF_UNIX socket of a daemon on this host, which asks for no login: credentials and
	   mechanism mean nothing. NULL: HTTP to url. */
	const char *socket;
	const char *credentials;
	enum ocs_mechanism mechanism;
	unsigned int timeout_msecs; /* of each exchange */
	unsigned int queue_max;
	const char *spool; /* folder of the spools; "": none */
	const char *ca, *dns_socket;
	bool oneshot; /* the process exits to answer (LDA): its end may not be held up */
};

/* The first call of a process counts, later ones do nothing. Copies the settings. */
int ocs_report_init(const struct ocs_report_settings *set, const char **error_r);
/* Reports what is waiting, for a bounded time, and frees everything. */
void ocs_report_deinit(void);

void ocs_report_add(const struct ocs_report *report);

#endif

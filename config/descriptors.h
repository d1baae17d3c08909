/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How the file descriptors of the process are shared out, so that none of its parts takes those
 * that another one needs: what the daemon itself has open, the operations address (its share is
 * kept back, so that health answers when all else is full), connections, kernel queues. What the
 * configuration asks for is cut where RLIMIT_NOFILE has not enough for it.
 */
#ifndef OCS_CONFIG_DESCRIPTORS_H
#define OCS_CONFIG_DESCRIPTORS_H

#include "config/config.h"
#include "base/error.h"

struct ocs_descriptors {
	unsigned long limit;
	unsigned connections; /* of the web service; as many more of the local socket, if there is
	                         one */
	unsigned operations;  /* connections */
	unsigned reports;     /* connections of MAPI servers that report */
	unsigned queues;      /* kept open */
};

/* By the soft limit as it is, which ocs_privilege_raise_descriptors() has raised. -1: too few to
 * run with. */
int ocs_descriptors_share(const struct ocs_config *config, struct ocs_descriptors *out,
                          struct ocs_error *error);
/* The same for any limit; a function of its arguments alone. */
int ocs_descriptors_share_of(unsigned long limit, const struct ocs_config *config,
                             struct ocs_descriptors *out, struct ocs_error *error);
/* Whether an admin should know how few queues are kept open: fewer than were asked for; the default
 * is more than most need, so of it no more than a part is missed. */
bool ocs_descriptors_are_few(const struct ocs_config *config, const struct ocs_descriptors *share);

#endif

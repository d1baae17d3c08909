/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The line of the log for the moment at which failed logins lock something: from then on even
 * the right password is refused. Of every server that takes logins. Any thread.
 */
#ifndef OCS_AUTH_LOCKS_H
#define OCS_AUTH_LOCKS_H

#include "auth/auth.h"

/* sender: the address without its port. Nothing unless the reply says that this login locked
 * something. */
void ocs_auth_log_locks(const char *sender, const struct ocs_auth_reply *reply);

#endif

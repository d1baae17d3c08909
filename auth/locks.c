/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Logs a lockout by failed logins. Touches the log only. */
#include "auth/locks.h"

#include <syslog.h>

#include "base/log.h"
#include "base/log_budget.h"

void ocs_auth_log_locks(const char *sender, const struct ocs_auth_reply *reply)
{
	if (reply->locked_account)
		ocs_log_budgeted(
		        LOG_WARNING, "locked account", sender,
		        "locked: logins as %s from %s are refused for %u s, too many failed "
		        "([limits] failed_logins)",
		        reply->account, sender, reply->locked_for);
	if (reply->locked_address)
		ocs_log_budgeted(
		        LOG_WARNING, "locked address", sender,
		        "locked: all logins from %s are refused for %u s, too many failed, "
		        "the last as %s ([limits] failed_logins)",
		        sender, reply->locked_for, reply->account);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Logs a lockout by failed logins. Touches the log only. */
#include "auth/locks.h"

#include <stdbool.h>
#include <syslog.h>

#include "base/log.h"
#include "base/log_budget.h"

static bool has_locked(const struct ocs_auth_reply *reply, enum ocs_origin_kind kind)
{
	return (reply->locked & 1u << kind) != 0;
}

void ocs_auth_log_locks(const char *sender, const struct ocs_auth_reply *reply)
{
	if (has_locked(reply, OCS_ORIGIN_PAIR))
		ocs_log_budgeted(
		        LOG_WARNING, "locked account", sender,
		        "locked: logins as %s from %s are refused for %u s, too many failed "
		        "([limits] failed_logins)",
		        reply->account, sender, reply->locked_for);
	if (has_locked(reply, OCS_ORIGIN_ADDRESS))
		ocs_log_budgeted(
		        LOG_WARNING, "locked address", sender,
		        "locked: all logins from %s are refused for %u s, too many failed, "
		        "the last as %s ([limits] failed_logins)",
		        sender, reply->locked_for, reply->account);
	if (has_locked(reply, OCS_ORIGIN_PREFIX))
		ocs_log_budgeted(
		        LOG_WARNING, "locked prefix", sender,
		        "locked: all logins from addresses near %s (/24, or /48 of IPv6) are "
		        "refused for %u s, too many failed, the last as %s ([limits] "
		        "failed_logins)",
		        sender, reply->locked_for, reply->account);
	if (has_locked(reply, OCS_ORIGIN_ACCOUNT))
		ocs_log_budgeted(LOG_WARNING, "attacked account", sender,
		                 "attacked: too many logins as %s failed, the last from %s; where "
		                 "it never logged in from, it has fewer attempts for a while "
		                 "([limits] failed_logins)",
		                 reply->account, sender);
}

/* See http_locks.h. */
#include "ocsmanager/http_locks.h"

#include <syslog.h>

#include "ocsmanager/log.h"
#include "ocsmanager/log_budget.h"

void ocs_http_log_locks(const struct ocs_http_connection *peer, const struct ocs_auth_reply *reply)
{
	char sender[OCS_HTTP_PEER_SIZE];

	if (!reply->locked_account && !reply->locked_address)
		return;
	ocs_http_format_sender(peer, sender);
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

/*
 * The line of the log for the moment at which failed logins lock an account or an address: from
 * then on even the right password is refused. Of every server that takes logins.
 */
#ifndef OCS_OCSMANAGER_HTTP_LOCKS_H
#define OCS_OCSMANAGER_HTTP_LOCKS_H

#include "auth/auth.h"
#include "ocsmanager/http_guard.h"

/* Nothing unless the reply says that this login locked something. */
void ocs_http_log_locks(const struct ocs_http_connection *peer, const struct ocs_auth_reply *reply);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* See http_local.h. */
#include "ocsmanager/http_local.h"

#include <string.h>

#include "ocsmanager/http_request.h"

bool ocs_http_local_account(const struct ocs_http_request *request,
                            char account[OCS_AUTH_NAME_SIZE])
{
	if (!request->peer->local)
		return false;
	strcpy(account, OCS_HTTP_LOCAL_ACCOUNT);
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who a request over the local socket is: the kernel decided at the connect, by the mode of the
 * socket file, that its process may report; no password or token is needed.
 */
#ifndef OCSMANAGER_HTTP_LOCAL_H
#define OCSMANAGER_HTTP_LOCAL_H

#include <stdbool.h>

#include "auth/auth.h"

struct ocs_http_request;

/* What such requests count as: [account:local] limits them. */
#define OCS_HTTP_LOCAL_ACCOUNT "local"

/* True, and the account, if the request came over the local socket. */
bool ocs_http_local_account(const struct ocs_http_request *request,
                            char account[OCS_AUTH_NAME_SIZE]);

#endif

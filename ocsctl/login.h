/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Logging in to the web service, as any of its clients would.
 */
#ifndef OCSCTL_LOGIN_H
#define OCSCTL_LOGIN_H

#include "ocsctl/ocsctl.h"
#include "ocsctl/xml.h"

struct ocsctl_login {
	struct ocsctl_http *http;
	const char *url;       /* base, without a slash at the end */
	const char *mechanism; /* of ocsctl_login_mechanism() */
	const char *user;
	const char *password; /* as typed */
	long status;          /* HTTP status of the last step; 0: there was no answer */
};

/* The mechanism as the protocol spells it, whatever the case; NULL if there is no such one. */
const char *ocsctl_login_mechanism(const char *name);

/* The session token, on mem_ctx; NULL with the reason. */
char *ocsctl_login(struct ocsctl_login *login, const void *mem_ctx, struct ocs_error *error);

#endif

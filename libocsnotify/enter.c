/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How a call gets to the registry: takes the lock; if the daemon has replaced the registry file,
 * opens the new one and registers in it first. Touches the registry and the files of the context.
 */
#include "libocsnotify/internal.h"

#include <unistd.h>

bool libocsnotify_forked(const struct ocsnotify *context)
{
	return context->pid != getpid();
}

/* (locked) A new registry file: everything goes there again; the whole folder may be new. */
static int register_again(struct ocsnotify *context, struct ocs_error *error)
{
	bool renewed;

	if (libocsnotify_files_renew(context, &renewed, error) != 0)
		return OCS_STORE_ERROR;
	return libocsnotify_registration_all(context, error);
}

int libocsnotify_enter(struct ocsnotify *context)
{
	struct ocs_error error = {.text = ""};
	bool again;
	int code;

	for (;;) {
		libocsnotify_lock();
		code = libocsnotify_shared_refresh(context->shared, &error);
		again = code == OCSNOTIFY_OK && context->generation != context->shared->generation;
		if (again)
			code = libocsnotify_store_code(register_again(context, &error));
		if (code == OCSNOTIFY_OK && !again)
			return OCSNOTIFY_OK;
		libocsnotify_unlock();
		if (code != OCSNOTIFY_OK)
			return libocsnotify_fail(context, code, "%s", error.text);
		context->damaged_seen = 0;
		context->settings_known = false;
		libocsnotify_warn(context, "%s: the registry is a new one; registered again",
		                  context->shared->path);
	}
}

int libocsnotify_leave(struct ocsnotify *context, int result, const struct ocs_error *error)
{
	libocsnotify_unlock();
	libocsnotify_warn_damaged(context);
	return result == OCS_STORE_OK ? OCSNOTIFY_OK
	                              : libocsnotify_fail(context, libocsnotify_store_code(result),
	                                                  "%s", error->text);
}

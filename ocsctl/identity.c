/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether the daemon that answers on the operations address is the one of the ini: two inis may
 * name one port, and then the other daemon's health says nothing about this registry.
 */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "ocsctl/ocsctl.h"

static bool same_folder(const char *a, const char *b)
{
	char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
	bool same = strcmp(real_a != NULL ? real_a : a, real_b != NULL ? real_b : b) == 0;

	free(real_a);
	free(real_b);
	return same;
}

char *ocsctl_other_daemon(const void *mem_ctx, struct ocsctl_http *http,
                          const struct ocs_config *config, const struct ocsctl_daemon *daemon)
{
	struct ocsctl_reply reply;
	struct ocs_error error;
	const char *registry;
	char url[400], *text = NULL;
	json_t *object = NULL;
	int pid;

	snprintf(url, sizeof(url), "%s/identity", daemon->operations);
	if (ocsctl_http_request(http, "GET", url, NULL, 0, &reply, &error) == 0 &&
	    reply.status == 200)
		object = json_loadb(reply.body, reply.len, 0, NULL);
	registry = json_string_value(json_object_get(object, "registry"));
	pid = (int)json_integer_value(json_object_get(object, "pid"));
	/* The holder of the lock is ours, whatever a container calls the folder. */
	if (registry != NULL && (daemon->pid == 0 || daemon->pid != pid) &&
	    !same_folder(registry, config->main.registry))
		text = talloc_asprintf(mem_ctx,
		                       "%s is answered by another daemon: process %d, which serves "
		                       "the registry %s",
		                       daemon->operations, pid, registry);
	json_decref(object);
	return text;
}

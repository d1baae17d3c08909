/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A crowd of users with a session each, written straight into a registry: what a node finds that
 * starts beside MAPI servers with very many sessions. No kernel queues: their limits are far below
 * the number; every queue lives on its spill list.
 *
 * Prints `ready` when all are there, then stands in for the MAPI servers (the sockets that tell the
 * daemon that they are alive) until SIGTERM. Touches the registry folder it is given and no other.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "registry/registry.h"

#define A_CONTEXT 500 /* sessions of one MAPI server process */
#define A_COMMIT  2000

static int add_context(struct ocs_registry *registry, uint64_t *id_r, struct ocs_error *error)
{
	struct ocs_registry_context context = {
	        .id = ocs_random_id(), .pid = getpid(), .uid = getuid(), .started = ocs_now_us()};
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*id_r = context.id;
	if (fd < 0 || ocs_registry_wake_address(registry, context.id, &address) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return ocs_error_set(error, "no socket");
	return ocs_registry_context_add(registry, &context, error);
}

static int add_user(struct ocs_registry *registry, uint64_t context, const char *name,
                    struct ocs_error *error)
{
	static struct ocs_registry_session session;
	static struct ocs_registry_queue queue;
	struct ocs_registry_user user = {.n_queues = 1, .queues = &queue};
	char copy[64];
	int result;

	session = (struct ocs_registry_session){
	        .id = ocs_random_id(), .context = context, .opened = ocs_now_us()};
	snprintf(session.user, sizeof(session.user), "%s", name);
	result = ocs_registry_session_put(registry, &session, error);
	if (result != OCS_STORE_OK)
		return result;
	snprintf(copy, sizeof(copy), "%s", name);
	user.user = copy;
	queue = (struct ocs_registry_queue){.id = ocs_random_id(),
	                                    .session = session.id,
	                                    .context = context,
	                                    .folder = OCS_FOLDER_STORE,
	                                    .table = OCS_TABLE_NEWMAIL,
	                                    .spill_only = true,
	                                    .n_matchers = 1,
	                                    .matchers = {{.types = 0x0002}}};
	if (ocs_queue_name_format(queue.name, name, queue.folder, queue.table,
	                          (uint32_t)queue.id) != 0)
		return ocs_error_set(error, "no queue name");
	return ocs_registry_user_put(registry, &user, error);
}

static int fill(struct ocs_registry *registry, const char *prefix, unsigned users,
                struct ocs_error *error)
{
	uint64_t context = 0;
	int result = ocs_registry_begin(registry, error);

	for (unsigned i = 0; i < users && result == OCS_STORE_OK; i++) {
		char name[64];

		if (i % A_COMMIT == A_COMMIT - 1) {
			result = ocs_registry_commit(registry, false, error);
			if (result == OCS_STORE_OK)
				result = ocs_registry_begin(registry, error);
		}
		if (i % A_CONTEXT == 0 && result == OCS_STORE_OK)
			result = add_context(registry, &context, error);
		snprintf(name, sizeof(name), "%s%06u", prefix, i);
		if (result == OCS_STORE_OK)
			result = add_user(registry, context, name, error);
	}
	return result == OCS_STORE_OK ? ocs_registry_commit(registry, true, error) : result;
}

int main(int argc, char **argv)
{
	const char *folder = NULL, *prefix = NULL;
	struct ocs_registry *registry;
	struct ocs_error error = {0};
	unsigned users = 0;
	sigset_t ends;
	int option, signal_number;

	while ((option = getopt(argc, argv, "r:u:U:")) != -1) {
		if (option == 'r')
			folder = optarg;
		else if (option == 'u')
			users = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'U')
			prefix = optarg;
	}
	if (!folder || !prefix || strlen(prefix) > 40 || users == 0) {
		fputs("usage: crowd -r REGISTRY -U USER-PREFIX -u USERS\n", stderr);
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
		return 1;
	if (ocs_registry_open(folder, false, &registry, NULL, &error) != OCS_STORE_OK ||
	    fill(registry, prefix, users, &error) != OCS_STORE_OK) {
		fprintf(stderr, "crowd: %s\n", error.text);
		return 1;
	}
	ocs_registry_close(registry);
	puts("ready");
	fflush(stdout);
	return sigwait(&ends, &signal_number) == 0 ? 0 : 1;
}

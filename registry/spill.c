/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spill lists of a registry's queues, for those who look and for those who remove a queue. The
 * files are mqueue/spill.h's. */
#include "registry/internal.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

static struct ocs_spill_name name_of(const struct ocs_registry *registry, uint64_t context,
                                     uint64_t queue)
{
	return (struct ocs_spill_name){registry->folder, context, queue};
}

static int result(const struct ocs_registry *registry, int ret, struct ocs_error *error)
{
	if (ret == 0)
		return OCS_STORE_OK;
	/* What a callback returned is its own. */
	return ret > 0 ? ret
	               : ocs_error_set(error, "%s/" OCS_SPILL_FOLDER ": %s", registry->folder,
	                               strerror(-ret));
}

int ocs_registry_spill_state(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                             struct ocs_spill_state *out, struct ocs_error *error)
{
	struct ocs_spill_name name = name_of(registry, context, queue);

	return result(registry, ocs_spill_state(&name, out), error);
}

int ocs_registry_spill_each(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                            ocs_spill_each_fn *each, void *arg, struct ocs_error *error)
{
	struct ocs_spill_name name = name_of(registry, context, queue);

	return result(registry, ocs_spill_each(&name, each, arg), error);
}

static void wake_consumer(const struct ocs_registry *registry, uint64_t context, uint64_t queue)
{
	int fd = ocs_registry_wake_connect(registry, context);
	uint8_t id[8];

	if (fd < 0)
		return;
	ocs_put64(id, queue);
	(void)send(fd, id, sizeof(id), MSG_NOSIGNAL);
	close(fd);
}

int ocs_registry_spill_clear(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                             struct ocs_error *error)
{
	struct ocs_spill_name name = name_of(registry, context, queue);
	int ret = ocs_spill_clear(&name);

	/* Its consumer may have read on meanwhile, and we have written less than it: it puts that
	 * right when it looks, and the daemon would not wake it. */
	if (ret == 0)
		wake_consumer(registry, context, queue);
	return result(registry, ret, error);
}

void ocs_registry_spill_forget(const struct ocs_registry *registry, uint64_t context,
                               uint64_t queue)
{
	struct ocs_spill_name name = name_of(registry, context, queue);

	ocs_spill_remove(&name);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: registry/reap.c */
/*
 * Fuzz target: a queue list, which a MAPI server leaves and the daemon reads when that is dead. The
 * input is the file. Whatever it says, it goes, and the queue of another group that it may name
 * stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "fuzz/folder.h"
#include "registry/internal.h"
#include "registry/reap.h"

#define ID    7
#define QUEUE "/ocs.fuzz.store.newmail.0000f022"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB(QUEUE "\n"),
        FUZZ_BLOB("/ocs.jdoe.store.newmail.00000001\n" QUEUE "\n"),
        FUZZ_BLOB("/etc/passwd\n\n\n" QUEUE),
        FUZZ_BLOB("\0\0\0\n" QUEUE "\n"),
        {NULL, 0},
};

static void remove_queue(void)
{
	(void)mq_unlink(QUEUE);
}

static struct ocs_registry *make_registry(void)
{
	struct ocs_registry *registry = talloc_zero(NULL, struct ocs_registry);
	char path[4096];

	FUZZ_CHECK(registry != NULL);
	registry->folder = talloc_strdup(registry, fuzz_folder());
	registry->wake_fd = -1;
	registry->gid = getegid() + 1;
	snprintf(path, sizeof(path), "%s", fuzz_path("wake"));
	FUZZ_CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
	return registry;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ocs_registry *registry;
	static mqd_t queue = (mqd_t)-1;
	unsigned left = 0;
	char path[4096];
	struct stat st;
	int fd;

	if (registry == NULL) {
		registry = make_registry();
		/* Of another run of this it is theirs to look at. */
		queue = mq_open(QUEUE, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
		if (queue != (mqd_t)-1)
			FUZZ_CHECK(atexit(remove_queue) == 0);
	}
	FUZZ_CHECK(ocs_registry_queue_list_path(registry, ID, path, sizeof(path)) == 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	(void)ocs_reap_files(registry, ID, &left);
	FUZZ_CHECK(access(path, F_OK) != 0);
	/* Where there are no queues at all, nothing can go. */
	FUZZ_CHECK(queue == (mqd_t)-1 || (fstat(queue, &st) == 0 && st.st_nlink == 1));
	return 0;
}

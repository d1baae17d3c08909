/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Writes what was read of a directory: see directory_file.h. */
#include "users/directory_file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "base/private_file.h"

/* Counted from 1, so that what a process that died has left is written over. */
char *ocs_users_directory_new_name(const void *mem_ctx, const char *file)
{
	static atomic_uint writers;

	return talloc_asprintf(mem_ctx, "%s.new%u", file, atomic_fetch_add(&writers, 1) + 1);
}

int ocs_users_directory_write(const char *file, const char *new_name, const char *text,
                              pthread_mutex_t *lock, const bool *ending, struct ocs_error *error)
{
	int ret = 0;

	if (unlink(new_name) != 0 && errno != ENOENT)
		return ocs_error_set(error, "cannot remove %s: %s", new_name, strerror(errno));
	if (ocs_privfile_create(new_name, text, strlen(text), 0600, error) < 0)
		return -1;
	pthread_mutex_lock(lock);
	if (*ending)
		ret = ocs_error_set(error, "%s is not written any more", file);
	else if (rename(new_name, file) != 0)
		ret = ocs_error_set(error, "cannot rename %s to %s: %s", new_name, file,
		                    strerror(errno));
	pthread_mutex_unlock(lock);
	if (ret != 0)
		(void)unlink(new_name);
	return ret;
}

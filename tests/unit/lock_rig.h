/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Locks of files as another process has them: fcntl() shows none of one's own. */
#ifndef OCS_UNIT_LOCK_RIG_H
#define OCS_UNIT_LOCK_RIG_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

/* A process that holds this lock until lock_let_go(). len 0: to the end. */
pid_t lock_held(const char *path, short type, off_t start, off_t len);
void lock_let_go(pid_t holder);

/* Whether another process could have it now. */
bool lock_is_free(const char *path, short type, off_t start, off_t len);

#endif

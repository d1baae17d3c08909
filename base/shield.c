/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Blocks SIGXFSZ in this thread while our files are written. Touches the thread's signal mask. */
#include "base/shield.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static void only_xfsz(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGXFSZ);
}

void ocs_shield_up(struct ocs_shield *shield)
{
	sigset_t set;

	shield->pending = sigpending(&set) == 0 && sigismember(&set, SIGXFSZ) == 1;
	only_xfsz(&set);
	if (pthread_sigmask(SIG_BLOCK, &set, &shield->before) != 0)
		sigemptyset(&shield->before);
}

void ocs_shield_down(const struct ocs_shield *shield)
{
	const struct timespec now = {0};
	int saved = errno;
	sigset_t set;

	only_xfsz(&set);
	if (!shield->pending)
		while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
			;
	if (pthread_sigmask(SIG_SETMASK, &shield->before, NULL) != 0)
		errno = EINVAL;
	errno = saved;
}

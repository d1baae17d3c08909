/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Keeps SIGXFSZ from ending the process while our files are written. A write past RLIMIT_FSIZE is
 * answered with EFBIG and with that signal. A library may neither end its host nor install a
 * handler in it, so the signal is blocked in this thread meanwhile, and taken away. Any thread;
 * does not nest.
 */
#ifndef OCS_BASE_SHIELD_H
#define OCS_BASE_SHIELD_H

#include <signal.h>
#include <stdbool.h>

struct ocs_shield {
	sigset_t before;
	bool pending; /* it waited for this thread before: not ours to take */
};

void ocs_shield_up(struct ocs_shield *shield);
void ocs_shield_down(const struct ocs_shield *shield); /* leaves errno alone */

#endif

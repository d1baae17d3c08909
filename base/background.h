/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Going into the background the classic way: the starting process waits until the daemon is ready
 * or has failed, and ends with its status. Before any thread exists.
 */
#ifndef OCS_BASE_BACKGROUND_H
#define OCS_BASE_BACKGROUND_H

#include "base/error.h"

/* Returns 0 in the daemon (its own session, working directory /), with stdin, stdout and stderr
 * still open. The starting process never returns from here unless a fork fails (-1). */
int ocs_background_enter(struct ocs_error *error);
/* Tells the starting process that the daemon is ready, and lets go of the terminal. Does nothing
 * if ocs_background_enter() was not called. */
void ocs_background_ready(void);

#endif

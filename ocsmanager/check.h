/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a start will find: the folders, files, addresses and users that the ini names, looked at as
 * the user that `[main] user` names would. For `ocsmanager -t`, and first thing of a start, so that
 * both say the same. Opens and reads; changes and creates nothing.
 */
#ifndef OCSMANAGER_CHECK_H
#define OCSMANAGER_CHECK_H

#include "config/config.h"

/* Reports every problem, as FILE:LINE where a line is to blame; -1 if one of them keeps the daemon
 * from starting. starts: a start follows, which says itself what the files it reads have to warn
 * of. From the main thread, before there is another one: where root is to be dropped it looks from
 * a child process. */
int ocs_check(const struct ocs_config *config, bool starts, ocs_report_fn *report, void *arg);

#endif

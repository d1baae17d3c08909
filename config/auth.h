/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What logins read of the configuration.
 */
#ifndef OCS_CONFIG_AUTH_H
#define OCS_CONFIG_AUTH_H

#include "auth/auth.h"
#include "config/config.h"

/* [main], [auth:...] and [limits] as auth's settings, for a program whose private folder is that
 * one. Points into the configuration and to the folder. A program that needs something else changes
 * it afterwards. */
struct ocs_auth_settings ocs_config_auth(const struct ocs_config *config,
                                         const char *private_folder, ocs_report_fn *report,
                                         void *arg);

#endif

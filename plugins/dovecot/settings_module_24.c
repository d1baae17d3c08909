/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * libocsmanager_settings.so, for Dovecot 2.4: what its config process loads from modules/settings
 * to know the plugin's settings. Without it Dovecot refuses them, and does not start.
 */
#include "lib.h"
#include "settings-parser.h"

#include "ocsmanager-plugin.h"
#include "settings_24.h"

extern OCS_EXPORT const struct setting_parser_info *ocsmanager_settings_set_infos[];
extern OCS_EXPORT const char *ocsmanager_settings_version;

const struct setting_parser_info *ocsmanager_settings_set_infos[] = {&ocs_setting_parser_info,
                                                                     NULL};
const char *ocsmanager_settings_version = DOVECOT_ABI_VERSION;

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The plugin's settings as Dovecot 2.4 knows them. The plugin and the settings module, by which
 * Dovecot's config process learns of them, are both compiled with this.
 */
#ifndef OCS_SETTINGS_24_H
#define OCS_SETTINGS_24_H

struct setting_parser_info;

extern const struct setting_parser_info ocs_setting_parser_info;

#endif

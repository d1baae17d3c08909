/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The settings of Dovecot 2.4: see settings_24.h. Touches nothing. */
#include "lib.h"
#include "settings-parser.h"

#include "compat.h"
#include "settings_24.h"
#include "spool.h"

#define SETTING(type, name)                                                                        \
	SETTING_DEFINE_STRUCT_##type("ocsmanager_" #name, name, struct ocs_raw_settings)

static const struct setting_define defines[] = {
        SETTING(STR, transport),
        SETTING(STR, socket),
        SETTING(STR, url),
        SETTING(STR, mechanism),
        SETTING(STR, backend),
        SETTING(STR, user_format),
        SETTING(STR, public_user),
        SETTING(STR_NOVARS, credentials),
        SETTING(STR, events),
        SETTING(STR, spool),
        SETTING(FILE, ca),
        SETTING(UINT, queue_max),
        SETTING_DEFINE_STRUCT_TIME_MSECS("ocsmanager_timeout", timeout_msecs,
                                         struct ocs_raw_settings),
        SETTING(BOOL, counts),
        SETTING_DEFINE_LIST_END,
};

static const struct ocs_raw_settings defaults = {
        .transport = "",
        .socket = "",
        .url = "",
        .mechanism = "",
        .backend = "",
        .user_format = "",
        .public_user = OCS_PUBLIC_USER_DEFAULT,
        .credentials = "",
        .events = OCS_EVENTS_ALL,
        .spool = OCS_SPOOL_DEFAULT,
        .ca = "",
        .queue_max = OCS_QUEUE_MAX_DEFAULT,
        .timeout_msecs = 0,
        .counts = TRUE,
};

/* No check function: it would keep Dovecot from starting where the plugin alone should be off. */
const struct setting_parser_info ocs_setting_parser_info = {
        .name = "ocsmanager",
        .defines = defines,
        .defaults = &defaults,
        .struct_size = sizeof(struct ocs_raw_settings),
        .pool_offset1 = 1 + offsetof(struct ocs_raw_settings, pool),
};

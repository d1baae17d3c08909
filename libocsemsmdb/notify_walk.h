/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * RopNotify responses as bytes (MS-OXCNOTIF 2.2.1.4.1.2): how long one is, and the one field of it
 * that differs by version.
 */
#ifndef OCS_LIBOCSEMSMDB_NOTIFY_WALK_H
#define OCS_LIBOCSEMSMDB_NOTIFY_WALK_H

#include <stddef.h>
#include <stdint.h>

/* The shortest one there is: a table's that has changed. */
#define OCS_NOTIFY_MIN 10

/* The length of the RopNotify that begins at data, 0 if it is none or is cut. */
size_t ocs_notify_length(const uint8_t *data, size_t len);

/* Sets MessageFlags of a complete NewMail to 0; leaves all others alone. */
void ocs_notify_clear_message_flags(uint8_t *data);

#endif

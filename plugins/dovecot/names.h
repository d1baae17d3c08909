/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What names the web service can be told ("Names are exact" in doc/protocol.md). Touches memory
 * only. */
#ifndef OCS_NAMES_H
#define OCS_NAMES_H

/* NULL, or why a user's or folder's name cannot be told under any circumstances. */
const char *ocs_name_unsayable(const char *name);

/* Whether the name is only told exactly with xml:space="preserve": white space at an end, DEL, C1.
 */
bool ocs_name_needs_preserve(const char *name);

#endif

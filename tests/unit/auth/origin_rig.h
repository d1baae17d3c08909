/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Where attempts of the tests come from. */
#ifndef OCS_UNIT_ORIGIN_RIG_H
#define OCS_UNIT_ORIGIN_RIG_H

#include "auth/origin.h"

/* address NULL: a local socket. Always under the same key. */
struct ocs_origin origin_of(const char *address, const char *account);

#endif

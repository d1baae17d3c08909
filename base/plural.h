/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * "1 message" and "2 messages" in texts for people. No state.
 */
#ifndef OCS_BASE_PLURAL_H
#define OCS_BASE_PLURAL_H

static inline const char *ocs_plural(unsigned long long n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

#endif

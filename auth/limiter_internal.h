/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Shared by limiter.c (counting, refusing) and lockouts.c (showing, clearing). Declarations only.
 */
#ifndef OCS_AUTH_LIMITER_INTERNAL_H
#define OCS_AUTH_LIMITER_INTERNAL_H

#include <pthread.h>

#include "auth/counters.h"
#include "auth/known.h"
#include "auth/limiter.h"

struct ocs_limiter {
	pthread_mutex_t mutex; /* of all below */
	struct ocs_counters *counters[OCS_ORIGIN_KINDS];
	struct ocs_known *known;
	uint64_t locks[OCS_ORIGIN_KINDS]; /* that began */
	uint64_t uncounted;               /* failures that found no place */
};

#endif

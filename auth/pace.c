/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Times taken and drawn: see pace.h. Memory and random bytes. */
#include "auth/pace.h"

#include "auth/codec.h"

void ocs_pace_add(struct ocs_pace *pace, uint64_t ns)
{
	pace->took[pace->next] = ns;
	pace->next = (pace->next + 1) % OCS_PACE_KEPT;
	if (pace->count < OCS_PACE_KEPT)
		pace->count++;
}

uint64_t ocs_pace_draw(const struct ocs_pace *pace)
{
	uint32_t number = 0;

	if (pace->count == 0 || ocs_auth_random(&number, sizeof(number)) < 0)
		return 0;
	return pace->took[number % pace->count];
}

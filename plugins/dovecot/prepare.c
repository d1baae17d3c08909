/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Prepares the password with libidn's SASLprep: see prepare.h. Touches memory only. */
#include "lib.h"
#include "safe-memset.h"

#include <stringprep.h>

#include "prepare.h"

char *ocs_password_prepare(const char *password)
{
	char *out = NULL, *copy = NULL;

	/* 0: code points that Unicode 3.2 had not assigned are allowed */
	if (stringprep_profile(password, &out, "SASLprep", 0) != STRINGPREP_OK)
		return NULL;
	if (*out != '\0')
		copy = i_strdup(out);
	safe_memset(out, 0, strlen(out));
	free(out);
	return copy;
}

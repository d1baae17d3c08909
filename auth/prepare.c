/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Prepares passwords with SASLprep, by libgsasl. Memory only.
 */
#include "auth/prepare.h"

#include <string.h>

#include <gsasl.h>

int ocs_password_prepare(const char *password, char out_r[OCS_HASH_PASSWORD_MAX + 1],
                         struct ocs_error *error)
{
	char *prepared = NULL;
	int rc = gsasl_saslprep(password, 0, &prepared, NULL);

	if (rc == GSASL_MALLOC_ERROR)
		return ocs_error_memory(error);
	if (rc != GSASL_OK)
		return ocs_error_set(error, "the password is not UTF-8 text, or has characters "
		                            "that SASLprep (RFC 4013) forbids");
	size_t len = strlen(prepared);
	if (len == 0)
		ocs_error_set(error, "nothing of the password is left after SASLprep (RFC 4013)");
	else if (len > OCS_HASH_PASSWORD_MAX)
		ocs_error_set(error, "the password is longer than %d bytes", OCS_HASH_PASSWORD_MAX);
	else
		memcpy(out_r, prepared, len + 1);
	explicit_bzero(prepared, len);
	gsasl_free(prepared);
	return len == 0 || len > OCS_HASH_PASSWORD_MAX ? -1 : 0;
}

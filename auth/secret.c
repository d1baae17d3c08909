/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The server secret. Touches its file only.
 */
#include "auth/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/codec.h"
#include "base/private_file.h"

void ocs_auth_secret_set(struct ocs_auth_secret *secret, const uint8_t key[OCS_AUTH_SECRET_BYTES])
{
	hmac_sha256_set_key(&secret->keyed, OCS_AUTH_SECRET_BYTES, key);
	memcpy(secret->key, key, OCS_AUTH_SECRET_BYTES);
}

static int load(const char *path, struct ocs_auth_secret *secret, struct ocs_error *error)
{
	char *data = NULL;
	size_t len = 0;
	/* a little more than needed, so that a wrong size gets the better text below */
	int rc = ocs_privfile_read(path, false, 4096, &data, &len, error);

	if (rc != OCS_PRIVFILE_OK)
		return rc;
	if (len == OCS_AUTH_SECRET_BYTES)
		ocs_auth_secret_set(secret, (const uint8_t *)data);
	else
		rc = ocs_error_set(
		        error,
		        "%s: wrong size %zu, a secret is %d random bytes: put back what "
		        "it was, or remove it for a new one, with which all log in again",
		        path, len, OCS_AUTH_SECRET_BYTES);
	ocs_privfile_wipe(data, len);
	return rc;
}

int ocs_auth_secret_look(const char *path, struct ocs_error *error)
{
	struct ocs_auth_secret secret;
	int rc = load(path, &secret, error);

	explicit_bzero(&secret, sizeof(secret));
	return rc;
}

int ocs_auth_secret_load(const char *path, struct ocs_auth_secret *secret, bool *created_r,
                         struct ocs_error *error)
{
	uint8_t key[OCS_AUTH_SECRET_BYTES];
	int rc = load(path, secret, error);

	*created_r = false;
	if (rc != OCS_PRIVFILE_MISSING)
		return rc;
	if (ocs_auth_random(key, sizeof(key)) < 0)
		return ocs_error_set(error, "cannot get random bytes: %s", strerror(errno));
	rc = ocs_privfile_create(path, key, sizeof(key), 0600, error);
	if (rc == 0) {
		ocs_auth_secret_set(secret, key);
		*created_r = true;
	} else if (errno == EEXIST) {
		/* another node of a shared folder was faster: its secret is the one */
		rc = load(path, secret, error);
	}
	explicit_bzero(key, sizeof(key));
	return rc < 0 ? -1 : 0;
}

int ocs_auth_secret_rotate(const char *path, struct ocs_auth_secret *secret,
                           struct ocs_error *error)
{
	uint8_t key[OCS_AUTH_SECRET_BYTES];
	struct stat st;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	if (ocs_auth_random(key, sizeof(key)) < 0)
		return ocs_error_set(error, "cannot get random bytes: %s", strerror(errno));
	if (stat(path, &st) == 0) {
		uid = st.st_uid;
		gid = st.st_gid;
	}
	int rc = ocs_privfile_replace(path, key, sizeof(key), 0600, uid, gid, error);
	if (rc == 0)
		ocs_auth_secret_set(secret, key);
	explicit_bzero(key, sizeof(key));
	return rc;
}

int ocs_auth_secret_mend(const char *path, const struct ocs_auth_secret *secret,
                         struct ocs_error *error)
{
	struct ocs_error why;

	if (access(path, F_OK) == 0 || errno != ENOENT)
		return 0;
	ocs_error_set(error, "%s: is gone", path);
	if (ocs_privfile_create(path, secret->key, OCS_AUTH_SECRET_BYTES, 0600, &why) == 0)
		return 1;
	return errno == EEXIST ? 0
	                       : ocs_error_wrap(error, &why, "%s: is gone; %.200s", path, why.text);
}

void ocs_auth_secret_mac(const struct ocs_auth_secret *secret, const char *label, const void *data,
                         size_t len, uint8_t mac[OCS_AUTH_MAC_BYTES])
{
	struct hmac_sha256_ctx ctx = secret->keyed;

	hmac_sha256_update(&ctx, strlen(label) + 1, (const uint8_t *)label);
	hmac_sha256_update(&ctx, len, data);
	hmac_sha256_digest(&ctx, OCS_AUTH_MAC_BYTES, mac);
}

void ocs_auth_secret_derive(const struct ocs_auth_secret *secret, const char *label,
                            const char *name, uint8_t *bytes, size_t len)
{
	uint8_t block[OCS_AUTH_MAC_BYTES];

	for (uint8_t counter = 1; len > 0; counter++) {
		struct hmac_sha256_ctx ctx = secret->keyed;
		size_t part = len < sizeof(block) ? len : sizeof(block);

		hmac_sha256_update(&ctx, strlen(label) + 1, (const uint8_t *)label);
		hmac_sha256_update(&ctx, strlen(name) + 1, (const uint8_t *)name);
		hmac_sha256_update(&ctx, 1, &counter);
		hmac_sha256_digest(&ctx, sizeof(block), block);
		memcpy(bytes, block, part);
		bytes += part;
		len -= part;
	}
}

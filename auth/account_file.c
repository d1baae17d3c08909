/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The account file's reader, and its rewriter for `ocsctl passwd`. Touches the file it is given.
 */
#include "auth/account_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/private_file.h"

int ocs_account_line_read(const char *at, const char *limit, struct ocs_account_line *line)
{
	const char *newline = memchr(at, '\n', (size_t)(limit - at));

	memset(line, 0, sizeof(*line));
	line->start = at;
	line->end = newline ? newline : limit;
	line->next = newline ? newline + 1 : limit;
	while (line->end > at &&
	       (line->end[-1] == ' ' || line->end[-1] == '\t' || line->end[-1] == '\r'))
		line->end--;
	while (at < line->end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == line->end || *at == '#')
		return 0;
	line->name = at;
	line->colon = memchr(at, ':', (size_t)(line->end - at));
	return line->colon ? 0 : -1;
}

/* What some editors put before the first line. */
static const char *behind_mark(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

static int add_line(struct ocs_accounts *accounts, const struct ocs_account_line *line,
                    unsigned number, const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	char name[OCS_AUTH_NAME_SIZE + 1], hash[OCS_HASH_PASSWORD_MAX + 2];
	size_t name_len = (size_t)(line->colon - line->name);
	size_t hash_len = (size_t)(line->end - line->colon - 1);

	if (memchr(line->start, '\0', (size_t)(line->end - line->start)))
		return ocs_error_set(error, "a NUL byte in the line");
	/* one byte more than allowed is kept, so that the check behind refuses, not cuts */
	snprintf(name, sizeof(name), "%.*s", (int)(name_len < 1000 ? name_len : 1000), line->name);
	snprintf(hash, sizeof(hash), "%.*s", (int)(hash_len < 1000 ? hash_len : 1000),
	         line->colon + 1);
	int rc = ocs_accounts_add(accounts, name, hash, false, secret, error);
	explicit_bzero(hash, sizeof(hash));
	if (rc == 0)
		ocs_accounts_set_line(accounts, name, number);
	return rc;
}

static int load_text(struct ocs_accounts *accounts, const char *path, const char *text, size_t len,
                     const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	const char *at = behind_mark(text, len), *limit = text + len;

	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return ocs_error_set(error, "%s: is UTF-16, must be UTF-8", path);
	for (unsigned number = 1; at < limit; number++) {
		struct ocs_account_line line;
		struct ocs_error why;

		if (ocs_account_line_read(at, limit, &line) < 0)
			return ocs_error_set(error, "%s:%u: not NAME:HASH", path, number);
		if (line.colon && add_line(accounts, &line, number, secret, &why) < 0)
			return ocs_error_wrap(error, &why, "%s:%u: %.300s", path, number, why.text);
		at = line.next;
	}
	return 0;
}

int ocs_account_file_load(struct ocs_accounts *accounts, const char *path,
                          const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	char *text = NULL;
	size_t len = 0;

	if (ocs_privfile_read(path, true, OCS_ACCOUNT_FILE_MAX, &text, &len, error) < 0)
		return -1;
	int rc = load_text(accounts, path, text, len, secret, error);
	ocs_privfile_wipe(text, len);
	return rc;
}

/* The text with NAME's line replaced or added; malloc()ed. */
static char *edit(const char *text, size_t len, const char *name, const char *hash, size_t *len_r)
{
	size_t name_len = strlen(name), size = len + name_len + strlen(hash) + 4;
	const char *at = behind_mark(text, len), *limit = text + len;
	char *out = malloc(size);
	bool done = false;

	if (!out)
		return NULL;
	*len_r = 0;
	while (at < limit) {
		struct ocs_account_line line;

		/* parsed before, so it cannot fail */
		if (ocs_account_line_read(at, limit, &line) == 0 && line.colon &&
		    (size_t)(line.colon - line.name) == name_len &&
		    memcmp(line.name, name, name_len) == 0) {
			*len_r += (size_t)snprintf(out + *len_r, size - *len_r, "%s:%s\n", name,
			                           hash);
			done = true;
		} else {
			memcpy(out + *len_r, line.start, (size_t)(line.next - line.start));
			*len_r += (size_t)(line.next - line.start);
		}
		at = line.next;
	}
	if (!done) {
		if (*len_r > 0 && out[*len_r - 1] != '\n')
			out[(*len_r)++] = '\n';
		*len_r += (size_t)snprintf(out + *len_r, size - *len_r, "%s:%s\n", name, hash);
	}
	return out;
}

/* Checks the file as the daemon will, and the new line with it. */
static int check_text(const char *path, const char *text, size_t len, struct ocs_error *error)
{
	static const uint8_t any_key[OCS_AUTH_SECRET_BYTES];
	struct ocs_auth_secret secret;
	struct ocs_accounts *accounts = ocs_accounts_new(NULL);

	if (!accounts)
		return ocs_error_memory(error);
	ocs_auth_secret_set(&secret, any_key);
	int rc = load_text(accounts, path, text, len, &secret, error);
	talloc_free(accounts);
	return rc;
}

static int set_locked(const char *path, const char *name, const char *hash, struct ocs_error *error)
{
	struct stat st;
	mode_t mode = 0600;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	char *old = NULL, *new = NULL;
	size_t old_len = 0, new_len = 0;
	int rc = ocs_privfile_read(path, true, OCS_ACCOUNT_FILE_MAX, &old, &old_len, error);

	if (rc == OCS_PRIVFILE_ERROR)
		return -1;
	if (rc == OCS_PRIVFILE_OK) {
		/* root edits a file that the daemon's user or group reads: it must stay readable */
		if (stat(path, &st) == 0) {
			mode = 0600 | (st.st_mode & 040);
			uid = st.st_uid;
			gid = st.st_gid;
		}
		rc = check_text(path, old, old_len, error);
	} else {
		rc = 0;
	}
	if (rc == 0) {
		new = edit(old ? old : "", old_len, name, hash, &new_len);
		rc = new ? check_text(path, new, new_len, error) : ocs_error_memory_of(error, path);
	}
	if (rc == 0)
		rc = ocs_privfile_replace(path, new, new_len, mode, uid, gid, error);
	ocs_privfile_wipe(old, old_len);
	ocs_privfile_wipe(new, new_len);
	return rc;
}

int ocs_auth_file_set(const char *path, const char *name, const char *hash, struct ocs_error *error)
{
	char resolved[PATH_MAX], folder[PATH_MAX];

	if (!ocs_account_name_valid(name))
		return ocs_error_set(error, "an account name has 1 to %d of A-Z a-z 0-9 _ . @ -",
		                     OCS_AUTH_NAME_MAX);
	if (strpbrk(hash, "\r\n"))
		return ocs_error_set(error, "a hash is one line");
	/* a link to the file stays a link */
	if (realpath(path, resolved))
		path = resolved;
	if (strlen(path) >= sizeof(folder))
		return ocs_error_set(error, "%s: path too long", path);
	strcpy(folder, path);

	/* two admins at once: one folder, one writer; the lock ends with the descriptor */
	int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int rc = set_locked(path, name, hash, error);
	close(fd);
	return rc;
}

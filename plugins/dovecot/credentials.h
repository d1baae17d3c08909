/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The name and password the plugin logs in with.
 *
 * The setting ocsmanager_credentials is either an absolute path, read when the first login is due
 * (LMTP does that as root, so that only root needs to read it), or the text itself, which is what
 * Dovecot's "</path" makes of it: its config process reads the file as root and hands it to
 * processes that have no privileges any more (IMAP).
 *
 * Format: lines "username=NAME" and "password=TEXT" (or "password64=BASE64"); empty lines and lines
 * with # are skipped. With Dovecot 2.3 a % is refused anywhere: in the second form it would take it
 * for a variable, and fail every user with a log line that holds the whole text.
 */
#ifndef OCS_CREDENTIALS_H
#define OCS_CREDENTIALS_H

struct ocs_credentials {
	char *username; /* [A-Za-z0-9_.@-]{1,128} */
	char *password; /* 1 to 1024 bytes */
};

/* Fills *cred_r (freed by ocs_credentials_free). -1 with *error_r, which never holds a secret. */
int ocs_credentials_read(const char *setting, struct ocs_credentials *cred_r, const char **error_r);
/* Frees and wipes. */
void ocs_credentials_free(struct ocs_credentials *cred);

#endif

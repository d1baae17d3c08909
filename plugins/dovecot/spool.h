/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Events that could not be reported, on disk, for whichever process comes next: an IMAP or LDA
 * process ends with its client, and so does an LMTP process of Dovecot 2.4 by default.
 *
 * The folder is SPOOL/UID, UID being the process's effective one; it belongs to that user and is
 * nobody else's to read or write, so that who cannot report cannot make others report. A process of
 * root's makes its own (LMTP reports as root); for other uids the admin does.
 *
 *   lock   locked (flock) by the one process that sends what is in the folder; says until when no
 *          process tries the daemon
 *   NAME   16 hex digits, growing: records in order. A record is "\n+CRC XML\n", written at once; a
 *          reader passes over what a killed writer left of one. + becomes - once it was reported.
 *          A writer holds a shared lock while it writes, and who removes the file an exclusive one.
 *
 * Nothing here waits for a lock or syncs: what is kept outlives the process, not a power cut.
 * All of it is called from the root ioloop, never within a delivery.
 */
#ifndef OCS_SPOOL_H
#define OCS_SPOOL_H

#define OCS_SPOOL_DEFAULT OCS_LOCALSTATEDIR "/spool/ocsmanager"

/* folder: SPOOL; "" switches it off. Copies it and touches nothing yet. */
void ocs_spool_init(const char *folder);
void ocs_spool_deinit(void);

/* Whether there is a spool that this process may use. Logs once why not, if it should be there. */
bool ocs_spool_usable(void);
/* What is missing for it to be usable, for the log ("" if it is switched off). */
const char *ocs_spool_hint(void);
/* Its folder, for the log. */
const char *ocs_spool_folder(void);

/* Whether any file is there; what it holds may be reported already. */
bool ocs_spool_waiting(void);
/* FALSE: it is full, or cannot be written (logged once). */
bool ocs_spool_append(const char *xml);

/* The right to send: FALSE while another process has it. */
bool ocs_spool_lock(void);
void ocs_spool_unlock(void);

/* Longer than anybody holds the others back; more is a clock that was set. */
#define OCS_SPOOL_AWAY_MAX_MSECS (100 * 1000)

/* Since and until when nobody tries the daemon. */
struct ocs_spool_away {
	long long since_msecs, until_msecs; /* 0: it is not away */
	unsigned int backoff_msecs;
};
void ocs_spool_away_get(struct ocs_spool_away *away_r);
/* Only with the lock. */
void ocs_spool_away_set(const struct ocs_spool_away *away);

/* With the lock: the next record that was not reported. *xml_r is on the data stack, *place_r is
   for ocs_spool_done(). 1: read; 0: the end of a file: what was read of it has to be done first;
   -1: nothing is there. */
int ocs_spool_read(const char **xml_r, off_t *place_r);
/* After a 0, with all of it done: removes the file; the next read goes on with the next one. */
void ocs_spool_next(void);
/* It was reported, or refused for good. */
void ocs_spool_done(off_t place);
/* Reading begins again with what was not reported. */
void ocs_spool_rewind(void);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What waits to be reported: a bounded list of events in order, and, once that is full, the folders
 * that had more (bounded too). Belongs to the process; uses memory only.
 */
#ifndef OCS_WAITING_H
#define OCS_WAITING_H

struct ocs_event {
	struct ocs_event *prev, *next;
	char *xml;   /* <notification>...</notification>, with its id */
	off_t place; /* in the spool, from which it was read; -1: in memory only */
};

/* One report, before it is encoded. Texts are copied; names.h says what they may be. */
struct ocs_report {
	const char *category; /* as the web service names it */
	const char *backend, *username, *folder;
	const char *old_folder; /* or NULL */
	const char *guid;       /* which mail it is, or NULL */
	uint32_t uid, old_uid;  /* 0: absent */
	uint32_t uid_validity;  /* 0: unknown */
	uint32_t message_flags; /* PidTagMessageFlags */
	bool counts;
	uint32_t total, unread;
};

void ocs_waiting_init(unsigned int max);
void ocs_waiting_deinit(void);

/* Encodes and appends; when the list is full its folder is remembered instead. */
void ocs_waiting_add(const struct ocs_report *report);
/* Appends one of the spool, however many there are. */
void ocs_waiting_put(const char *xml, off_t place);
unsigned int ocs_waiting_count(void);
/* The oldest event, or NULL. */
struct ocs_event *ocs_waiting_head(void);
/* Takes it out and frees it. */
void ocs_waiting_drop(struct ocs_event *event);

/* Folders remembered, and events lost even of that (counted since the last call with clear). */
unsigned int ocs_waiting_folders(void);
unsigned int ocs_waiting_lost(bool clear);
/* Queues up to max `modified` events for remembered folders, and forgets these folders. */
void ocs_waiting_refill(unsigned int max);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The notification: one thing that happened in a mail store, as a remote system reports it, and
 * what became of it. Plain data; strings belong to whoever made it (usually one talloc context).
 */
#ifndef OCS_NOTIFY_NOTIFICATION_H
#define OCS_NOTIFY_NOTIFICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "mapistore/names.h"
#include "mqueue/entry.h"

#define OCS_ID_MAX 128

struct ocs_notification {
	enum ocs_category category;
	const char *backend;
	const char *backend_user;
	const char *folder;
	const char *message_id;     /* NULL: about the folder */
	const char *old_folder;     /* moved, copied; else NULL */
	const char *old_message_id; /* moved, copied of a message; else NULL */
	const char *old_backend;    /* moved, copied from another store; NULL: from this one */
	const char *message_class;  /* NULL: IPM.Note */
	const char *id;             /* sender's; NULL: none */
	const char *guid;           /* which mail message_id names; NULL: not known */
	bool has_uid_validity, has_total, has_unread;
	uint32_t uid_validity;
	uint32_t message_flags;
	uint32_t total, unread;
};

/* A folder of it (or above) as a user sees it; the strings stay the notification's. */
struct ocs_folder_name ocs_notification_folder(const struct ocs_notification *notification,
                                               const char *user, const char *folder);

/* The same for its old folder, which may be in another store. */
struct ocs_folder_name ocs_notification_old_folder(const struct ocs_notification *notification,
                                                   const char *user);

enum ocs_status {
	OCS_STATUS_QUEUED,
	OCS_STATUS_NOSUBSCRIBER,
	OCS_STATUS_DUPLICATE,
	OCS_STATUS_REFUSED,
};

struct ocs_result {
	enum ocs_status status;
	unsigned queues;            /* queues and spill lists written, when queued */
	struct ocs_refusal refusal; /* when refused */
};

void ocs_result_refuse(struct ocs_result *result, int code, const char *name, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));
void ocs_result_refuse_memory(struct ocs_result *result);

#endif

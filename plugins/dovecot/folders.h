/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Callbacks of Dovecot's notify plugin about folders: each is reported at once. */
#ifndef OCS_FOLDERS_H
#define OCS_FOLDERS_H

struct mailbox;

void ocs_folder_created(struct mailbox *box);
/* context: what the callback at the begin of the deletion returned, NULL */
void ocs_folder_deleted(void *context, struct mailbox *box);
void ocs_folder_renamed(struct mailbox *src, struct mailbox *dest);

#endif

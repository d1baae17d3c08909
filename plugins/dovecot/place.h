/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whose folder a mailbox is, and its one name. The owner of the store decides, not who acts: a
 * folder of another user, opened through a shared namespace, is that user's and has the name it
 * has there; public folders belong to ocsmanager_public_user. However a folder is opened (alias,
 * prefix, shared namespace), its name is the same.
 */
#ifndef OCS_PLACE_H
#define OCS_PLACE_H

struct mailbox;

struct ocs_place {
	const char *backend, *username;
	const char *folder; /* UTF-8, / between its parts */
};

/* FALSE: nothing is reported about this mailbox. Strings live on the data stack or longer. */
bool ocs_place_get(struct mailbox *box, struct ocs_place *place_r);
bool ocs_place_same_user(const struct ocs_place *a, const struct ocs_place *b);

#endif

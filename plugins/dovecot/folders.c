/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What happens to folders: see folders.h. Reads the mailbox; changes nothing. */
#include "lib.h"
#include "mail-storage-private.h"

#include "folders.h"
#include "ocsmanager-plugin.h"
#include "order.h"
#include "place.h"
#include "waiting.h"

static void add_folder(struct mailbox *box, const struct ocs_place *place, enum ocs_kind kind,
                       const char *category, const char *old_folder)
{
	struct ocs_report event = {
	        .category = category,
	        .backend = place->backend,
	        .username = place->username,
	        .folder = place->folder,
	        .old_folder = old_folder,
	};
	struct mailbox_status status;

	if (!ocs_user_wants(ocs_user_get(box->storage->user), kind))
		return;
	if (box->opened) {
		mailbox_get_open_status(box, STATUS_UIDVALIDITY, &status);
		event.uid_validity = status.uidvalidity;
	}
	ocs_order_add(NULL, &event);
}

static void report_folder(struct mailbox *box, enum ocs_kind kind, const char *category)
{
	struct ocs_place place;

	T_BEGIN
	{
		if (ocs_place_get(box, &place))
			add_folder(box, &place, kind, category, NULL);
	}
	T_END;
}

void ocs_folder_created(struct mailbox *box)
{
	report_folder(box, OCS_FOLDER_CREATED, "created");
}

void ocs_folder_deleted(void *context ATTR_UNUSED, struct mailbox *box)
{
	report_folder(box, OCS_FOLDER_DELETED, "deleted");
}

void ocs_folder_renamed(struct mailbox *src, struct mailbox *dest)
{
	struct ocs_place from, to;

	T_BEGIN
	{
		bool had = ocs_place_get(src, &from), has = ocs_place_get(dest, &to);

		if (had && has && ocs_place_same_user(&from, &to)) {
			add_folder(dest, &to, OCS_FOLDER_MOVED, "moved", from.folder);
		} else {
			if (had)
				add_folder(src, &from, OCS_FOLDER_DELETED, "deleted", NULL);
			if (has)
				add_folder(dest, &to, OCS_FOLDER_CREATED, "created", NULL);
		}
	}
	T_END;
}

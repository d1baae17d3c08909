/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The user's own stores and others under the user's name: see own.h. Touches memory only. */
#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "mailbox-list-private.h"
#include "master-service-private.h"

#include "own.h"

/* All mail_users of the process that somebody logged in or delivered as, the oldest first. */
static ARRAY(struct mail_user *) users;

void ocs_own_user_add(struct mail_user *user)
{
	if (!array_is_created(&users))
		i_array_init(&users, 8);
	array_push_back(&users, &user);
}

void ocs_own_user_remove(struct mail_user *user)
{
	unsigned int i;

	if (!array_is_created(&users))
		return;
	for (i = 0; i < array_count(&users); i++) {
		if (*array_idx(&users, i) == user) {
			array_delete(&users, i, 1);
			break;
		}
	}
	if (array_count(&users) == 0)
		array_free(&users);
}

static struct mail_user *first_of_name(struct mail_user *user)
{
	unsigned int i;

	for (i = 0; array_is_created(&users) && i < array_count(&users); i++) {
		struct mail_user *other = *array_idx(&users, i);

		if (strcmp(other->username, user->username) == 0)
			return other;
	}
	return user;
}

/* `doveadm -o` with a setting that says where the mail is: a backup, a restored home. */
static bool location_overridden(void)
{
	static const char *const keys[] = {"mail_location",   "location",
	                                   "mail_home",       "mail_path",
	                                   "mail_driver",     "mailbox_list_layout",
	                                   "mail_inbox_path", "mail_index_path"};
	unsigned int i, k;

	if (strcmp(master_service_get_name(master_service), "doveadm") != 0 ||
	    !array_is_created(&master_service->config_overrides))
		return FALSE;
	for (i = 0; i < array_count(&master_service->config_overrides); i++) {
		const char *line = *array_idx(&master_service->config_overrides, i);
		const char *end = strchr(line, '='), *key;

		if (end == NULL)
			continue;
		/* namespace/NAME/location */
		for (key = end; key > line && key[-1] != '/'; key--)
			;
		for (k = 0; k < N_ELEMENTS(keys); k++)
			if (strlen(keys[k]) == (size_t)(end - key) &&
			    strncmp(keys[k], key, end - key) == 0)
				return TRUE;
	}
	return FALSE;
}

static bool same_place(struct mail_namespace *a, struct mail_namespace *b)
{
	const char *root_a, *root_b;

	return strcmp(a->storage->name, b->storage->name) == 0 &&
	       mailbox_list_get_root_path(a->list, MAILBOX_LIST_PATH_TYPE_MAILBOX, &root_a) &&
	       mailbox_list_get_root_path(b->list, MAILBOX_LIST_PATH_TYPE_MAILBOX, &root_b) &&
	       strcmp(root_a, root_b) == 0;
}

bool ocs_own_store(struct mail_namespace *ns)
{
	struct mail_user *user = ns->user, *first;
	struct mail_namespace *own;

	if (location_overridden())
		return FALSE;
	/* another user's folders: their place is in the namespace's setting, which nobody overrides
	 */
	if (user->autocreated || (ns->flags & NAMESPACE_FLAG_AUTOCREATED) != 0)
		return TRUE;
	first = first_of_name(user);
	if (first == user)
		return TRUE;
	for (own = first->namespaces; own != NULL; own = own->next)
		if (same_place(own, ns))
			return TRUE;
	return FALSE;
}

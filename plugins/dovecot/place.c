/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Users and names of folders: see place.h. Touches memory only; of a user who has more than one
   private namespace the home folder is asked for, as Dovecot does itself. */
#include "lib.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "mailbox-list-private.h"
#include "str-sanitize.h"
#include "str.h"

#include "names.h"
#include "ocsmanager-plugin.h"
#include "own.h"
#include "place.h"

static bool is_private(const struct mail_namespace *ns)
{
	return ns->type == MAIL_NAMESPACE_TYPE_PRIVATE && ns->alias_for == NULL &&
	       (ns->flags & NAMESPACE_FLAG_AUTOCREATED) == 0;
}

/* Where the namespace's mail is, seen from its owner's home; NULL: elsewhere. */
static const char *below_home(struct mail_namespace *ns, struct mail_user *owner)
{
	const char *home, *root;
	size_t length;

	if (mail_user_get_home(owner, &home) <= 0 ||
	    !mailbox_list_get_root_path(ns->list, MAILBOX_LIST_PATH_TYPE_MAILBOX, &root))
		return NULL;
	length = strlen(home);
	return strncmp(root, home, length) == 0 && (root[length] == '/' || root[length] == '\0')
	               ? root + length
	               : NULL;
}

/* The namespace in which the owner of a shared folder has it. All users have the namespaces of the
   one who acts: the one with mail at the same place of the home, else that of the INBOX. */
static struct mail_namespace *owners_namespace(struct mail_namespace *shared,
                                               struct mail_user *acting)
{
	struct mail_namespace *inbox = mail_namespace_find_inbox(acting->namespaces), *ns;
	const char *wanted, *place;
	unsigned int candidates = 0;

	for (ns = acting->namespaces; ns != NULL; ns = ns->next)
		candidates += is_private(ns) ? 1 : 0;
	if (candidates < 2 || (wanted = below_home(shared, shared->owner)) == NULL)
		return inbox;
	wanted = t_strdup(wanted);
	for (ns = acting->namespaces; ns != NULL; ns = ns->next) {
		if (is_private(ns) && (place = below_home(ns, acting)) != NULL &&
		    strcmp(place, wanted) == 0)
			return ns;
	}
	return inbox;
}

/* A / that is part of a name, where another character separates, becomes %2F, and a name that
   already looks like that stays another one. */
static void append_part(string_t *name, const char *part, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (part[i] == '/')
			str_append(name, "%2F");
		else if (part[i] == '%' && length - i > 2 && part[i + 1] == '2' &&
		         (part[i + 2] == 'F' || part[i + 2] == '5'))
			str_append(name, "%25");
		else
			str_append_c(name, part[i]);
	}
}

static const char *with_slashes(const char *vname, char separator)
{
	string_t *name;
	const char *end;

	if (separator == '/')
		return t_strdup(vname);
	name = t_str_new(128);
	for (; (end = strchr(vname, separator)) != NULL; vname = end + 1) {
		append_part(name, vname, end - vname);
		str_append_c(name, '/');
	}
	append_part(name, vname, strlen(vname));
	return str_c(name);
}

/* Under the prefix of an alias, INBOX can be a folder of its own. */
static bool same_folder(struct mail_namespace *a, struct mail_namespace *b, const char *name)
{
	const char *path_a, *path_b;

	if (mailbox_list_get_path(a->list, name, MAILBOX_LIST_PATH_TYPE_MAILBOX, &path_a) <= 0)
		return TRUE;
	path_a = t_strdup(path_a);
	return mailbox_list_get_path(b->list, name, MAILBOX_LIST_PATH_TYPE_MAILBOX, &path_b) <= 0 ||
	       strcmp(path_a, path_b) == 0;
}

/* The folder's name in the namespace, taken from its name in the store: the one it was opened by is
   one of several. */
static const char *folder_name(struct mailbox *box, struct mail_namespace *ns)
{
	struct mail_namespace *opened = box->list->ns;

	if (opened->alias_for == ns && !same_folder(opened, ns, box->name))
		return with_slashes(mailbox_get_vname(box), mail_namespace_get_sep(opened));
	return with_slashes(mailbox_list_get_vname(ns->list, box->name),
	                    mail_namespace_get_sep(ns));
}

/* A name that the web service has no way to say: the folder is left out, and this is said once. */
static bool sayable(const struct ocs_place *place)
{
	static bool said;
	const char *user_why = ocs_name_unsayable(place->username);
	const char *why = user_why != NULL ? user_why : ocs_name_unsayable(place->folder);

	if (why == NULL)
		return TRUE;
	if (!said)
		i_warning("ocsmanager: the name of %s '%s' cannot be reported: %s; no "
		          "events in it are reported",
		          user_why != NULL ? "user" : "folder",
		          str_sanitize(user_why != NULL ? place->username : place->folder, 200),
		          why);
	said = TRUE;
	return FALSE;
}

bool ocs_place_get(struct mailbox *box, struct ocs_place *place_r)
{
	struct mail_namespace *ns = box->list->ns;
	struct ocs_user *acting = ocs_user_get(ns->user), *owner;

	if (acting == NULL || !ocs_own_store(ns))
		return FALSE;
	if (ns->alias_for != NULL)
		ns = ns->alias_for;
	place_r->backend = acting->backend;
	if (ns->owner == NULL) {
		place_r->username = acting->public_user;
	} else if (ns->owner->autocreated) {
		owner = ocs_user_get(ns->owner);
		if (owner == NULL || ns->owner->creator == NULL)
			return FALSE;
		place_r->username = owner->username;
		ns = owners_namespace(ns, ns->owner->creator);
	} else {
		place_r->username = acting->username;
	}
	if (*place_r->username == '\0')
		return FALSE;
	place_r->folder = folder_name(box, ns);
	return sayable(place_r);
}

bool ocs_place_same_user(const struct ocs_place *a, const struct ocs_place *b)
{
	return strcmp(a->backend, b->backend) == 0 && strcmp(a->username, b->username) == 0;
}

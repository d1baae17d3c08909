/* Users and names of folders: see place.h. Touches memory only; of a user who has more than one
   private namespace the home folder is asked for, as Dovecot does itself. */
#include "lib.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "mailbox-list-private.h"
#include "str.h"

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

static const char *folder_name(struct mailbox *box, struct mail_namespace *ns)
{
	/* by the name in the store: the name it was opened by is one of several */
	const char *vname = mailbox_list_get_vname(ns->list, box->name), *end;
	const char separator[] = {mail_namespace_get_sep(ns), '\0'};
	string_t *name;

	if (*separator == '/')
		return t_strdup(vname);
	name = t_str_new(128);
	for (; (end = strchr(vname, *separator)) != NULL; vname = end + 1) {
		append_part(name, vname, end - vname);
		str_append_c(name, '/');
	}
	append_part(name, vname, strlen(vname));
	return str_c(name);
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
	place_r->folder = folder_name(box, ns);
	return *place_r->username != '\0';
}

bool ocs_place_same_user(const struct ocs_place *a, const struct ocs_place *b)
{
	return strcmp(a->backend, b->backend) == 0 && strcmp(a->username, b->username) == 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Callbacks of Dovecot's notify plugin about mail: collects what a transaction does and, once it is
 * committed, hands it to report.c (what happens to folders: folders.c). Reads the mailbox's index;
 * changes nothing but the flag that makes Dovecot tell the UIDs of saved mail.
 */
#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "mail-index.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "notify-plugin.h"
#include "seq-range-array.h"
#include "str.h"

#include "compat.h"
#include "folders.h"
#include "guid.h"
#include "ocsmanager-plugin.h"
#include "order.h"
#include "own.h"
#include "place.h"
#include "report.h"

/* Past this many changed or expunged mails a transaction is one `modified` of the folder. */
#define CHANGES_MAX 256
/* A mail that dsync brings is new where it was received this recently: on the other host, while a
   migration or a restore brings old mail too. */
#define DSYNC_NEW_SECS (24 * 3600)

/* PidTagMessageFlags, as far as IMAP knows it (MS-OXCMSG 2.2.1.6) */
#define MF_READ       0x01U
#define MF_UNSENT     0x08U
#define MF_HAS_ATTACH 0x10U

/* A mail that was saved or copied; its UID is known at commit. */
struct ocs_saved {
	enum ocs_kind kind;
	const char *old_folder; /* copied, moved */
	uint32_t old_uid;
	uint32_t flags;   /* PidTagMessageFlags */
	const char *guid; /* or NULL */
};

struct ocs_txn {
	struct ocs_txn *prev, *next;
	struct mailbox_transaction_context *t;
	struct mailbox *box; /* t is gone when the commit is reported */
	struct ocs_user *user;
	pool_t pool;            /* of the next two */
	struct ocs_place place; /* folder is NULL until it is needed */
	ARRAY(struct ocs_saved) saved;
	ARRAY_TYPE(seq_range) modified, expunged, moved_away;
	unsigned int expunged_count, expunged_unseen; /* all of them, for the counts */
};

static struct notify_context *notify;
/* Transactions that are open: a move touches two of them. */
static struct ocs_txn *transactions;

static void *ocs_transaction_begin(struct mailbox_transaction_context *t)
{
	struct ocs_user *user = ocs_user_get(t->box->storage->user);
	struct ocs_txn *txn;

	if (user == NULL || !ocs_own_store(t->box->list->ns))
		return NULL;
	txn = i_new(struct ocs_txn, 1);
	txn->t = t;
	txn->box = t->box;
	txn->user = user;
	DLLIST_PREPEND(&transactions, txn);
	return txn;
}

static pool_t txn_pool(struct ocs_txn *txn)
{
	if (txn->pool == NULL)
		txn->pool = pool_alloconly_create("ocsmanager transaction", 512);
	return txn->pool;
}

/* Whose folder it is; NULL: nobody's who would hear of it. */
static const struct ocs_place *txn_place(struct ocs_txn *txn)
{
	struct ocs_place place;

	if (txn->place.folder == NULL) {
		T_BEGIN
		{
			txn->place.folder = "";
			if (ocs_place_get(txn->box, &place)) {
				txn->place.backend = p_strdup(txn_pool(txn), place.backend);
				txn->place.username = p_strdup(txn_pool(txn), place.username);
				txn->place.folder = p_strdup(txn_pool(txn), place.folder);
			}
		}
		T_END;
	}
	return *txn->place.folder == '\0' ? NULL : &txn->place;
}

static void txn_free(struct ocs_txn *txn)
{
	DLLIST_REMOVE(&transactions, txn);
	ocs_order_end(txn);
	if (array_is_created(&txn->saved))
		array_free(&txn->saved);
	if (array_is_created(&txn->modified))
		array_free(&txn->modified);
	if (array_is_created(&txn->expunged))
		array_free(&txn->expunged);
	if (array_is_created(&txn->moved_away))
		array_free(&txn->moved_away);
	if (txn->pool != NULL)
		pool_unref(&txn->pool);
	i_free(txn);
}

static void add_uid(ARRAY_TYPE(seq_range) * uids, uint32_t uid)
{
	if (!array_is_created(uids))
		i_array_init(uids, 8);
	seq_range_array_add(uids, uid);
}

/* What Dovecot finds with mail_attachment_detection_options = add-flags. */
static bool has_attachment(struct mail *mail)
{
	const char *const *keyword = mail_get_keywords(mail);

	for (; *keyword != NULL; keyword++)
		if (strcasecmp(*keyword, MAIL_KEYWORD_HAS_ATTACHMENT) == 0)
			return TRUE;
	return FALSE;
}

static struct ocs_saved *add_saved(struct ocs_txn *txn, enum ocs_kind kind, struct mail *mail)
{
	enum mail_flags flags = mail_get_flags(mail);
	struct ocs_saved *saved;
	const char *guid;

	if (!array_is_created(&txn->saved))
		i_array_init(&txn->saved, 4);
	/* without it LMTP leaves the UID to a later sync whenever another delivery runs in parallel
	 */
	txn->t->flags |= MAILBOX_TRANSACTION_FLAG_ASSIGN_UIDS;
	saved = array_append_space(&txn->saved);
	saved->kind = kind;
	guid = ocs_guid(mail);
	if (guid != NULL)
		saved->guid = p_strdup(txn_pool(txn), guid);
	saved->flags = ((flags & MAIL_SEEN) != 0 ? MF_READ : 0) |
	               ((flags & MAIL_DRAFT) != 0 ? MF_UNSENT : 0) |
	               (has_attachment(mail) ? MF_HAS_ATTACH : 0);
	return saved;
}

/* What a mail is that comes from outside the user's folders. */
static enum ocs_kind arrival_kind(const struct ocs_txn *txn, struct mail *mail)
{
	time_t received;

	if (txn->user->delivering)
		return OCS_NEWMAIL;
	if (txn->box->storage->user->dsyncing &&
	    (mail_get_flags(mail) & (MAIL_SEEN | MAIL_DRAFT | MAIL_DELETED)) == 0 &&
	    mail_get_received_date(mail, &received) == 0 &&
	    received >= ioloop_time - DSYNC_NEW_SECS)
		return OCS_NEWMAIL;
	return OCS_CREATED;
}

static void ocs_mail_save(void *context, struct mail *mail)
{
	struct ocs_txn *txn = context;

	if (txn != NULL)
		(void)add_saved(txn, arrival_kind(txn, mail), mail);
}

static struct ocs_txn *txn_find(const struct mailbox_transaction_context *t)
{
	struct ocs_txn *txn;

	for (txn = transactions; txn != NULL && txn->t != t; txn = txn->next)
		;
	return txn;
}

/* To another user's folder a mail does not move: it appears there, and here it is deleted. */
static bool same_user(struct ocs_txn *txn, struct ocs_txn *source)
{
	const struct ocs_place *to, *from;

	if (source == NULL || (to = txn_place(txn)) == NULL || (from = txn_place(source)) == NULL)
		return FALSE;
	return ocs_place_same_user(to, from);
}

static void ocs_mail_copy(void *context, struct mail *src, struct mail *dst)
{
	struct ocs_txn *txn = context, *source = txn_find(src->transaction);
	struct ocs_saved *saved;
	bool moving;

	if (txn == NULL)
		return;
	if (!same_user(txn, source)) {
		(void)add_saved(txn, arrival_kind(txn, dst), dst);
		return;
	}
	moving = dst->transaction->save_ctx != NULL && dst->transaction->save_ctx->moving;
	saved = add_saved(txn, moving ? OCS_MOVED : OCS_COPIED, dst);
	saved->old_folder = p_strdup(txn_pool(txn), txn_place(source)->folder);
	saved->old_uid = src->uid;
	/* the expunge of the source that follows belongs to the move */
	if (moving && ocs_user_wants(txn->user, OCS_MOVED))
		add_uid(&source->moved_away, src->uid);
}

static void ocs_mail_expunge(void *context, struct mail *mail)
{
	struct ocs_txn *txn = context;

	/* a folder that is deleted is reported as one event */
	if (txn == NULL || mail->box->deleting)
		return;
	if (txn->user->counts) {
		txn->expunged_count++;
		if ((mail_get_flags(mail) & MAIL_SEEN) == 0)
			txn->expunged_unseen++;
	}
	if (array_is_created(&txn->moved_away) && seq_range_exists(&txn->moved_away, mail->uid))
		return;
	if (ocs_user_wants(txn->user, OCS_DELETED))
		add_uid(&txn->expunged, mail->uid);
}

static void mail_modified(struct ocs_txn *txn, const struct mail *mail)
{
	/* flags of a mail that is being saved are part of its arrival */
	if (txn != NULL && mail->uid != 0 && !mail->saving &&
	    ocs_user_wants(txn->user, OCS_MODIFIED))
		add_uid(&txn->modified, mail->uid);
}

static void ocs_mail_update_flags(void *context, struct mail *mail,
                                  enum mail_flags old_flags ATTR_UNUSED)
{
	mail_modified(context, mail);
}

static void ocs_mail_update_keywords(void *context, struct mail *mail,
                                     const char *const *old_keywords ATTR_UNUSED)
{
	mail_modified(context, mail);
}

/* The folder as it is after the commit. The open view still shows the state before it, and the
   index counts an expunged mail until the sync that follows. */
static void read_counts(struct ocs_txn *txn, struct ocs_report *event)
{
	const struct mail_index_header *header;
	struct mail_index_view *view;

	if (txn->box->index == NULL || mail_index_refresh(txn->box->index) < 0)
		return;
	view = mail_index_view_open(txn->box->index);
	header = mail_index_get_header(view);
	if (header->messages_count >= txn->expunged_count &&
	    header->messages_count >= header->seen_messages_count) {
		uint32_t unread = header->messages_count - header->seen_messages_count;

		event->counts = TRUE;
		event->total = header->messages_count - txn->expunged_count;
		event->unread = unread >= txn->expunged_unseen ? unread - txn->expunged_unseen : 0;
	}
	mail_index_view_close(&view);
}

static void report_saved(struct ocs_txn *txn, struct ocs_report *event,
                         const struct mail_transaction_commit_changes *changes)
{
	static const char *const categories[] = {"newmail", "created", "copied", "moved"};
	const struct ocs_saved *saved;
	struct seq_range_iter iter;
	unsigned int n = 0;
	bool folder_reported = FALSE;

	seq_range_array_iter_init(&iter, &changes->saved_uids);
	array_foreach(&txn->saved, saved)
	{
		uint32_t uid;

		if (!seq_range_array_iter_nth(&iter, n++, &uid))
			uid = 0;
		if (!ocs_user_wants(txn->user, saved->kind))
			continue;
		event->uid = uid;
		if (uid == 0) {
			/* no message to name: the folder has changed */
			if (folder_reported)
				continue;
			folder_reported = TRUE;
			event->category = "modified";
			event->old_folder = NULL;
			event->old_uid = event->message_flags = 0;
			event->guid = NULL;
		} else {
			event->category = categories[saved->kind];
			event->old_folder = saved->old_folder;
			event->old_uid = saved->old_uid;
			event->message_flags = saved->flags;
			event->guid = saved->guid;
		}
		ocs_order_add(txn, event);
	}
	event->old_folder = NULL;
	event->old_uid = 0;
	event->message_flags = 0;
	event->guid = NULL;
}

static unsigned int uids_count(const ARRAY_TYPE(seq_range) * uids)
{
	return array_is_created(uids) ? seq_range_count(uids) : 0;
}

static void report_uids(const struct ocs_txn *txn, struct ocs_report *event, const char *category,
                        const ARRAY_TYPE(seq_range) * uids)
{
	struct seq_range_iter iter;
	unsigned int n = 0;

	if (!array_is_created(uids))
		return;
	event->category = category;
	seq_range_array_iter_init(&iter, uids);
	while (seq_range_array_iter_nth(&iter, n++, &event->uid))
		ocs_order_add(txn, event);
}

static void report_changes(struct ocs_txn *txn, struct ocs_report *event)
{
	if (uids_count(&txn->modified) + uids_count(&txn->expunged) <= CHANGES_MAX) {
		report_uids(txn, event, "modified", &txn->modified);
		report_uids(txn, event, "deleted", &txn->expunged);
	} else {
		event->category = "modified";
		event->uid = 0;
		ocs_order_add(txn, event);
	}
}

static void report_txn(struct ocs_txn *txn, const struct ocs_place *place,
                       const struct mail_transaction_commit_changes *changes)
{
	struct ocs_report event = {
	        .backend = place->backend,
	        .username = place->username,
	        .folder = place->folder,
	        .uid_validity = changes->uid_validity,
	};

	if (event.uid_validity == 0) {
		struct mailbox_status status;

		mailbox_get_open_status(txn->box, STATUS_UIDVALIDITY, &status);
		event.uid_validity = status.uidvalidity;
	}
	/* whose \Seen is private, each user has a count of their own */
	if (txn->user->counts && (mailbox_get_private_flags_mask(txn->box) & MAIL_SEEN) == 0)
		read_counts(txn, &event);
	if (array_is_created(&txn->saved))
		report_saved(txn, &event, changes);
	report_changes(txn, &event);
}

static void ocs_transaction_commit(void *context, struct mail_transaction_commit_changes *changes)
{
	struct ocs_txn *txn = context;

	if (txn == NULL)
		return;
	if (array_is_created(&txn->saved) || uids_count(&txn->modified) > 0 ||
	    uids_count(&txn->expunged) > 0) {
		T_BEGIN
		{
			const struct ocs_place *place = txn_place(txn);

			if (place != NULL)
				report_txn(txn, place, changes);
		}
		T_END;
	}
	txn_free(txn);
}

static void ocs_transaction_rollback(void *context)
{
	if (context != NULL)
		txn_free(context);
}

/* -- the beginning of a commit, of which the notify plugin does not tell */

static MODULE_CONTEXT_DEFINE_INIT(ocs_storage_module, &mail_storage_module_register);

static int ocs_box_transaction_commit(struct mailbox_transaction_context *t,
                                      struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *ctx = MODULE_CONTEXT_REQUIRE(t->box, ocs_storage_module);
	struct ocs_txn *txn = txn_find(t);

	if (txn != NULL && array_is_created(&txn->saved))
		ocs_order_begin(txn);
	return ctx->super.transaction_commit(t, changes_r);
}

void ocs_events_mailbox_allocated(struct mailbox *box)
{
	union mailbox_module_context *ctx;

	if (ocs_user_get(box->storage->user) == NULL)
		return;
	ctx = p_new(box->pool, union mailbox_module_context, 1);
	ctx->super = *box->vlast;
	box->vlast->transaction_commit = ocs_box_transaction_commit;
	box->vlast = &ctx->super;
	MODULE_CONTEXT_SET_SELF(box, ocs_storage_module, ctx);
}

static void *ocs_mailbox_delete_begin(struct mailbox *box ATTR_UNUSED)
{
	return NULL;
}

static const struct notify_vfuncs ocs_vfuncs = {
        .mail_transaction_begin = ocs_transaction_begin,
        .mail_save = ocs_mail_save,
        .mail_copy = ocs_mail_copy,
        .mail_expunge = ocs_mail_expunge,
        .mail_update_flags = ocs_mail_update_flags,
        .mail_update_keywords = ocs_mail_update_keywords,
        .mail_transaction_commit = ocs_transaction_commit,
        .mail_transaction_rollback = ocs_transaction_rollback,
        .mailbox_create = ocs_folder_created,
        .mailbox_delete_begin = ocs_mailbox_delete_begin,
        .mailbox_delete_commit = ocs_folder_deleted,
        .mailbox_rename = ocs_folder_renamed,
};

void ocs_events_register(void)
{
	notify = notify_register(&ocs_vfuncs);
}

void ocs_events_unregister(void)
{
	ocs_compat_notify_unregister(&notify);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Names to users and folders, on the store thread: what a notification is about, for each groupware
 * user that sees it; and what is recorded once its entries are sent. Messages:
 * dispatch_message.c.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <talloc.h>

/* ---- users ---- */

struct user_list {
	const void *mem_ctx;
	const struct dispatch_config *config;
	const struct ocs_notification *notification;
	const char **users;
	size_t n, room;
	bool failed;
};

static void resolve_add_user(void *arg, const char *user, uint64_t fid)
{
	struct user_list *list = arg;

	(void)fid; /* the index asks the map itself */
	if (list->n == list->room) {
		size_t room = list->room == 0 ? 4 : 2 * list->room;
		const char **grown = talloc_realloc(list->mem_ctx, list->users, const char *, room);

		if (grown == NULL) {
			list->failed = true;
			return;
		}
		list->users = grown;
		list->room = room;
	}
	list->users[list->n++] = user;
}

static bool is_in(const char *const *users, size_t n, const char *user)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(users[i], user) == 0)
			return true;
	return false;
}

/* Those who see one of the two stores since a session said so, unless they are there already. 0 or
 * -1 with resolve->error. */
static int add_mapped(struct resolve *resolve, const void *mem_ctx, const char *backend,
                      const char *backend_user, const char ***users, size_t *n)
{
	const char **mapped, **grown;
	size_t n_mapped;

	if (ocs_dispatch_store_users(resolve, mem_ctx, backend, backend_user, &mapped, &n_mapped) !=
	    0)
		return -1;
	if (n_mapped == 0)
		return 0;
	grown = talloc_realloc(mem_ctx, *users, const char *, *n + n_mapped + 1);
	if (grown == NULL)
		return ocs_error_memory(&resolve->error);
	*users = grown;
	for (size_t i = 0; i < n_mapped; i++)
		if (!is_in(grown, *n, mapped[i]))
			grown[(*n)++] = mapped[i];
	return 0;
}

/* All users: those of the map, and behind them, from *n_map_r on, those of sessions. NULL with
 * resolve->error. */
static const char **all_users(struct resolve *resolve, const void *mem_ctx,
                              const struct ocs_notification *notification, size_t *n_map_r,
                              size_t *n_r)
{
	const char **users = ocs_dispatch_users(resolve->config, mem_ctx, notification, n_r);

	if (users == NULL) {
		ocs_error_memory(&resolve->error);
		return NULL;
	}
	*n_map_r = *n_r;
	if (add_mapped(resolve, mem_ctx, notification->backend, notification->backend_user, &users,
	               n_r) != 0)
		return NULL;
	if (notification->old_backend != NULL &&
	    add_mapped(resolve, mem_ctx, notification->old_backend, notification->backend_user,
	               &users, n_r) != 0)
		return NULL;
	return users;
}

static bool sees(const struct dispatch_config *config, struct ocs_folder_name name)
{
	uint64_t fid;

	return ocs_usermap_sees(config->map, &name, &fid);
}

/* Who sees the new folder is in the list already. */
static void resolve_add_old_user(void *arg, const char *user, uint64_t fid)
{
	const struct user_list *list = arg;

	if (!sees(list->config,
	          ocs_notification_folder(list->notification, user, list->notification->folder)))
		resolve_add_user(arg, user, fid);
}

const char **ocs_dispatch_users(const struct dispatch_config *config, const void *mem_ctx,
                                const struct ocs_notification *notification, size_t *n_r)
{
	struct user_list list = {
	        .mem_ctx = mem_ctx, .config = config, .notification = notification};

	list.users = talloc_array(mem_ctx, const char *, 1);
	if (list.users == NULL)
		return NULL;
	ocs_usermap_match(config->map, notification->backend, notification->backend_user,
	                  notification->folder, resolve_add_user, &list);
	if (notification->old_folder != NULL) {
		struct ocs_folder_name old = ocs_notification_old_folder(notification, NULL);

		ocs_usermap_match(config->map, old.backend, old.backend_user, old.folder,
		                  resolve_add_old_user, &list);
	}
	*n_r = list.n;
	if (list.failed)
		TALLOC_FREE(list.users);
	return list.users;
}

/* ---- the index ---- */

static int find_folder(struct resolve *resolve, const struct ocs_notification *notification,
                       const char *user, const char *folder, bool create,
                       struct ocs_index_folder *out)
{
	return ocs_dispatch_find_name(resolve, ocs_notification_folder(notification, user, folder),
	                              create, out);
}

static int check_uid_validity(struct resolve *resolve, const struct ocs_notification *notification,
                              struct target *target)
{
	struct ocs_folder_name name =
	        ocs_notification_folder(notification, target->user, notification->folder);
	struct ocs_index_folder *folder = &target->folder;

	if (!notification->has_uid_validity ||
	    (folder->has_uid_validity && folder->uid_validity == notification->uid_validity))
		return 0;
	/* Another one begins a new series; the first one is noted only. */
	if ((folder->has_uid_validity && !ocs_dispatch_index_may_grow(resolve)) ||
	    ocs_dispatch_need_transaction(resolve) != 0 ||
	    ocs_index_folder_set_uid_validity(resolve->dispatch->index, &name,
	                                      notification->uid_validity, folder,
	                                      &resolve->error) != OCS_STORE_OK)
		return -1;
	ocs_dispatch_cache_folder_drop(resolve->dispatch, &name);
	return 0;
}

/* ---- one user's view ---- */

static int resolve_message(struct resolve *resolve, const struct ocs_notification *notification,
                           struct target *target)
{
	const char *message_id = notification->message_id;
	struct ocs_fanout_ids *ids = &target->ids;
	uint64_t told = resolve->told != NULL ? resolve->told->mid : 0,
	         old_told = resolve->told != NULL ? resolve->told->old_mid : 0;
	struct dispatch_message found;

	if (notification->category == OCS_DELETED) {
		target->delete_message = true;
		return ocs_dispatch_message_leaving(resolve, &target->folder, message_id, told,
		                                    &ids->mid, &ids->mid_known);
	}
	if (ocs_dispatch_message_assign(resolve, &target->folder, message_id,
	                                ocs_dispatch_content(notification), told, &found) != 0)
		return -1;
	ids->mid = found.mid;
	ids->mid_known = found.known;
	ids->replaced_mid = found.replaced;
	target->content = found.content;
	target->announce = found.announced || notification->category != OCS_MODIFIED;
	target->put_message = !found.known || target->announce != found.announced;
	if (notification->category == OCS_NEWMAIL)
		target->duplicate = found.announced;
	if (notification->category == OCS_MOVED) {
		target->delete_old_message = true;
		return ocs_dispatch_message_leaving(resolve, &target->old_folder,
		                                    notification->old_message_id, old_told,
		                                    &ids->old_mid, &ids->old_mid_known);
	}
	if (notification->category == OCS_COPIED) {
		if (ocs_dispatch_message_assign(resolve, &target->old_folder,
		                                notification->old_message_id, 0, old_told,
		                                &found) != 0)
			return -1;
		ids->old_mid = found.mid;
		ids->old_mid_known = found.known;
		target->put_old_message = !found.known;
	}
	return 0;
}

static int rename_folder(struct resolve *resolve, const struct ocs_notification *notification,
                         struct target *target)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	const char *old_name = notification->old_folder, *slash = strrchr(old_name, '/');
	struct ocs_folder_name name = ocs_notification_folder(notification, target->user, old_name);
	struct ocs_index_folder parent;
	char path[OCS_NAME_MAX + 1];
	size_t len = slash == NULL ? 0 : (size_t)(slash - old_name);
	bool old_there, new_there;
	int ret;

	memcpy(path, old_name, len);
	path[len] = '\0';
	if (find_folder(resolve, notification, target->user, path, true, &parent) != OCS_STORE_OK)
		return -1;
	target->ids.old_parent_fid = parent.fid;
	ret = find_folder(resolve, notification, target->user, old_name, false,
	                  &target->old_folder);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	old_there = ret == OCS_STORE_OK;
	ret = find_folder(resolve, notification, target->user, notification->folder, false,
	                  &target->folder);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	new_there = ret == OCS_STORE_OK;
	/* Reported again after this process was killed: the rename is done already. INBOX is there
	 * all the same. */
	if (new_there && (!old_there || strcmp(old_name, "INBOX") == 0))
		return 0;
	if (ocs_dispatch_need_transaction(resolve) != 0 ||
	    ocs_index_folder_rename(dispatch->index, &name, notification->folder, &target->folder,
	                            &resolve->error) != OCS_STORE_OK)
		return -1;
	ocs_dispatch_cache_folders_clear(dispatch);
	return 0;
}

static int resolve_target(struct resolve *resolve, const struct job *job, const struct item *item,
                          struct target *target)
{
	const struct ocs_notification *notification = target->notification;
	struct ocs_fanout_ids *ids = &target->ids;
	bool about_folder = notification->message_id == NULL;

	if (about_folder && notification->category == OCS_MOVED &&
	    notification->old_backend == NULL) {
		if (rename_folder(resolve, notification, target) != 0)
			return -1;
		/* INBOX stays where it is; its messages have moved to a new folder. */
		ids->old_fid = target->folder.fid;
		if (strcmp(notification->old_folder, "INBOX") == 0 && target->old_folder.fid != 0)
			ids->old_fid = target->old_folder.fid;
	} else {
		if (find_folder(resolve, notification, target->user, notification->folder, true,
		                &target->folder) != OCS_STORE_OK)
			return -1;
		if (notification->old_folder != NULL) {
			if (ocs_dispatch_find_name(
			            resolve,
			            ocs_notification_old_folder(notification, target->user), true,
			            &target->old_folder) != OCS_STORE_OK)
				return -1;
			ids->old_fid = target->old_folder.fid;
			ids->old_parent_fid = target->old_folder.parent_fid;
		}
	}
	if (check_uid_validity(resolve, notification, target) != 0)
		return -1;
	ids->fid = target->folder.fid;
	ids->parent_fid = target->folder.parent_fid;
	ids->accepted_at = job->accepted_at;
	ids->sequence = item->sequence;
	memcpy(ids->id_hash, item->id_hash, sizeof(ids->id_hash));
	target->delete_folder = about_folder && notification->category == OCS_DELETED;
	/* Another store names its messages anew: the folder that was there is gone with them. */
	target->delete_old_folder = about_folder && notification->category == OCS_MOVED &&
	                            notification->old_backend != NULL;
	if (about_folder || notification->category == OCS_SEARCH_COMPLETED)
		return 0;
	return resolve_message(resolve, notification, target);
}

static bool moves_into_itself(const struct dispatch_config *config,
                              const struct ocs_notification *notification)
{
	const struct ocs_name_rule *rule = &config->settings.published.names;
	char from[OCS_NAME_MAX + 1], to[OCS_NAME_MAX + 1];
	size_t len;

	if (notification->category != OCS_MOVED || notification->message_id != NULL ||
	    notification->old_backend != NULL)
		return false;
	len = strlen(ocs_name_folder_key(rule, notification->old_folder, from));
	ocs_name_folder_key(rule, notification->folder, to);
	return strncmp(to, from, len) == 0 && to[len] == '/';
}

/* As the map or a session says. 1, 0; -1 with resolve->error. */
static int sees_now(struct resolve *resolve, const void *mem_ctx, struct ocs_folder_name name)
{
	const char **mapped;
	size_t n;

	if (sees(resolve->config, name))
		return 1;
	if (ocs_dispatch_store_users(resolve, mem_ctx, name.backend, name.backend_user, &mapped,
	                             &n) != 0)
		return -1;
	return is_in(mapped, n, name.user) ? 1 : 0;
}

/* What a move or copy is to a user whom the map shows only one of the two folders: something came,
 * or something went. 0: as it is; 1: nothing at all; -1 with resolve->error. */
static int make_view(struct resolve *resolve, const void *mem_ctx,
                     const struct ocs_notification *notification, struct target *target)
{
	struct ocs_notification *view;
	int source, destination;

	target->notification = notification;
	if (notification->old_folder == NULL)
		return 0;
	source =
	        sees_now(resolve, mem_ctx, ocs_notification_old_folder(notification, target->user));
	destination =
	        sees_now(resolve, mem_ctx,
	                 ocs_notification_folder(notification, target->user, notification->folder));
	if (source < 0 || destination < 0)
		return -1;
	if (source && destination)
		return 0;
	if (!destination && notification->category == OCS_COPIED)
		return 1;
	view = talloc_memdup(mem_ctx, notification, sizeof(*notification));
	if (view == NULL)
		return ocs_error_memory(&resolve->error);
	view->category = destination ? OCS_CREATED : OCS_DELETED;
	if (!destination) { /* counts and uid validity are the destination's */
		if (notification->old_backend != NULL)
			view->backend = notification->old_backend;
		view->folder = notification->old_folder;
		view->message_id = notification->old_message_id;
		view->has_total = view->has_unread = view->has_uid_validity = false;
	}
	view->old_folder = view->old_message_id = view->old_backend = NULL;
	target->notification = view;
	return 0;
}

static bool too_deep(const char *folder)
{
	return ocs_folder_levels(folder) > OCS_FOLDER_LEVELS_MAX;
}

/* What is refused whoever sees it. */
static bool cannot_be(const struct dispatch_config *config,
                      const struct ocs_notification *notification, struct ocs_result *result)
{
	if (moves_into_itself(config, notification)) {
		ocs_result_refuse(result, 422, "INVALID_PARAMETER",
		                  "a folder cannot move below itself");
		return true;
	}
	/* What came from another node, or by a way of its own, was not a document here. */
	if (too_deep(notification->folder) ||
	    (notification->old_folder != NULL && too_deep(notification->old_folder))) {
		ocs_result_refuse(result, 422, "INVALID_PARAMETER",
		                  "a folder has more than %d levels", OCS_FOLDER_LEVELS_MAX);
		return true;
	}
	return false;
}

int ocs_dispatch_resolve(struct resolve *resolve, struct job *job, struct item *item)
{
	const struct ocs_notification *notification = item->notification;
	const char **users;
	size_t n_users, n_map, from = 0, duplicates = 0;

	if (cannot_be(resolve->config, notification, item->result))
		return 1;
	if (job->request->ids_only)
		return ocs_dispatch_agree_only(resolve, job, notification) != 0 ? -1 : 1;
	users = all_users(resolve, job->request, notification, &n_map, &n_users);
	if (users == NULL)
		return -1;
	item->targets = talloc_zero_array(job->request, struct target, n_users + 1);
	if (item->targets == NULL)
		return ocs_error_memory(&resolve->error);
	if (n_users == 0) {
		ocs_result_refuse(item->result, 422, "UNKNOWN_USER",
		                  "no groupware user sees folder '%.60s' of '%.60s'",
		                  notification->folder, notification->backend_user);
		return 1;
	}
	if (!ocs_usermap_decides(resolve->config->map)) {
		int ret = ocs_dispatch_unknown(resolve, notification, item->result);

		/* Whom a session sees the store for is known all the same. */
		if (ret > 0 && n_users > n_map) {
			memset(item->result, 0, sizeof(*item->result));
			from = n_map;
		} else if (ret != 0) {
			/* Nobody is told, and its id is remembered as others are. */
			return ret < 0 || item->result->status == OCS_STATUS_REFUSED ? ret : 0;
		}
	}
	for (size_t i = from; i < n_users; i++) {
		struct target *target = &item->targets[item->n_targets];
		int ret;

		target->user = users[i];
		ret = make_view(resolve, job->request, notification, target);
		if (ret < 0)
			return -1;
		if (ret > 0)
			continue;
		ocs_dispatch_agree_tell(resolve, job, target);
		ret = resolve_target(resolve, job, item, target);
		if (ret == 0)
			ret = ocs_dispatch_agree(resolve, job, target);
		if (ret == 0 &&
		    ocs_dispatch_agree_known(resolve->dispatch, resolve, job, item, target) != 0)
			ret = ocs_error_memory(&resolve->error);
		if (ret != 0 && resolve->index_full) {
			resolve->index_full = false;
			ocs_result_refuse(item->result, 503, "REGISTRY_UNAVAILABLE", "%s",
			                  resolve->error.text);
			return 1;
		}
		if (ret != 0)
			return -1;
		item->n_targets++;
		duplicates += target->duplicate;
	}
	if (duplicates > 0 && duplicates == item->n_targets) {
		item->result->status = OCS_STATUS_DUPLICATE;
		return 1;
	}
	return 0;
}

/* ---- done ---- */

/* Whether it is recorded that a message is gone: of one that nothing was known of before, clients
 * are told an identifier that should stay known too, if there is room. */
static bool keeps(const struct resolve *resolve, bool known)
{
	return known || !ocs_index_full(resolve->dispatch->index);
}

static int record_target(struct resolve *resolve, const struct ocs_notification *notification,
                         const struct target *target)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	struct ocs_folder_name name;
	const struct ocs_index_message message = {
	        .mid = target->ids.mid, .announced = target->announce, .content = target->content};
	const struct ocs_index_message old_message = {.mid = target->ids.old_mid};

	if (target->put_message &&
	    ocs_dispatch_message_put(resolve, &target->folder, notification->message_id,
	                             &message) != 0)
		return -1;
	if (target->put_old_message &&
	    ocs_dispatch_message_put(resolve, &target->old_folder, notification->old_message_id,
	                             &old_message) != 0)
		return -1;
	if (target->delete_message && keeps(resolve, target->ids.mid_known) &&
	    ocs_dispatch_message_delete(resolve, &target->folder, notification->message_id,
	                                target->ids.mid) != 0)
		return -1;
	if (target->delete_old_message && keeps(resolve, target->ids.old_mid_known) &&
	    ocs_dispatch_message_delete(resolve, &target->old_folder, notification->old_message_id,
	                                target->ids.old_mid) != 0)
		return -1;
	if (!target->delete_folder && !target->delete_old_folder)
		return 0;
	if (ocs_dispatch_need_transaction(resolve) != 0)
		return -1;
	ocs_dispatch_cache_folders_clear(dispatch);
	name = target->delete_folder
	               ? ocs_notification_folder(notification, target->user, notification->folder)
	               : ocs_notification_old_folder(notification, target->user);
	return ocs_index_folder_delete(dispatch->index, &name, &resolve->error) == OCS_STORE_OK
	               ? 0
	               : -1;
}

int ocs_dispatch_record(struct resolve *resolve, struct item *item)
{
	for (size_t i = 0; i < item->n_targets; i++)
		if (!item->targets[i].duplicate &&
		    record_target(resolve, item->targets[i].notification, &item->targets[i]) != 0)
			return -1;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What other nodes call folders and messages: taken over where there is no identifier here, settled
 * where there is another (mapistore/agree.h), and what they are told in turn. Store thread, unless
 * dispatch_internal.h says otherwise. Touches the index.
 */
#include "notify/dispatch_agree.h"

#include <string.h>
#include <syslog.h>

#include <talloc.h>

#define ORIGINS_MAX 64
#define LEVELS_MAX  (OCS_FOLDER_LEVELS_MAX + 1)

/* NULL: no room. */
static struct dispatch_origin *origin_of(struct dispatch_agree *agree, const char *name)
{
	struct dispatch_origin *origin;

	HASH_FIND_STR(agree->origins, name, origin);
	if (origin != NULL || HASH_COUNT(agree->origins) >= ORIGINS_MAX)
		return origin;
	origin = talloc_zero_size(agree, sizeof(*origin) + strlen(name) + 1);
	if (origin == NULL)
		return NULL;
	strcpy(origin->name, name);
	HASH_ADD_STR(agree->origins, name, origin);
	if (origin->hh.tbl == NULL)
		TALLOC_FREE(origin);
	return origin;
}

/* ---- nodes with one replica id ---- */

/* One that told something before the other did, and now again: both live. A node that was given
 * another name is not heard of under the old one any more. */
static const struct dispatch_origin *twin_of(const struct dispatch_agree *agree,
                                             const struct dispatch_origin *origin)
{
	const struct dispatch_origin *other = agree->origins;

	for (; other != NULL; other = other->hh.next)
		if (other != origin && other->replica_id == origin->replica_id &&
		    origin->heard != 0 && other->heard > origin->heard)
			return other;
	return NULL;
}

/* What two others give out both would mean two things here, and neither may have heard of the
 * other. */
static void hear(struct ocs_dispatch *dispatch, const struct ocs_ids_list *told)
{
	struct dispatch_agree *agree = ocs_dispatch_agree_of(dispatch);
	struct dispatch_origin *origin =
	        agree != NULL && told->origin != NULL ? origin_of(agree, told->origin) : NULL;
	const struct dispatch_origin *twin;

	if (origin == NULL || (origin == agree->last && origin->replica_id == told->replica_id))
		return;
	if (origin->replica_id != told->replica_id) {
		if (agree->twins != 0 && origin->replica_id == agree->twins) {
			agree->twins = 0;
			ocs_health_set(dispatch->health, OCS_HEALTH_REPLICA, OCS_HEALTH_WELL, NULL);
		}
		origin->replica_id = told->replica_id;
		origin->heard = 0;
	}
	twin = twin_of(agree, origin);
	if (twin != NULL &&
	    ocs_health_state(dispatch->health, OCS_HEALTH_REPLICA) == OCS_HEALTH_WELL) {
		agree->twins = told->replica_id;
		ocs_health_set(dispatch->health, OCS_HEALTH_REPLICA, OCS_HEALTH_WARNING,
		               "nodes %.100s and %.100s both have [main] replica_id %u: one "
		               "identifier may mean two things; give one of them a number never "
		               "used",
		               twin->name, origin->name, (unsigned)told->replica_id);
	}
	origin->heard = ++agree->heard;
	agree->last = origin;
}

/* ---- what is told ---- */

/* What the other node told of this user, as they see the notification; NULL: nothing. One with our
 * replica id gives identifiers that we give too. */
static const struct ocs_ids *told_of(struct ocs_dispatch *dispatch,
                                     const struct dispatch_config *config, const struct job *job,
                                     const char *user, const struct ocs_notification *notification)
{
	const struct ocs_ids_list *told = job->request->told;
	const struct ocs_ids *ids;
	unsigned ours = config->settings.published.replica_id;

	if (told == NULL || job->request->count != 1)
		return NULL;
	if (told->replica_id == ours) {
		if (ocs_health_state(dispatch->health, OCS_HEALTH_REPLICA) == OCS_HEALTH_WELL)
			ocs_health_set(dispatch->health, OCS_HEALTH_REPLICA, OCS_HEALTH_WARNING,
			               "node %.100s has [main] replica_id %u too: identifiers of "
			               "one are not taken over by the other; give one of them a "
			               "number never used, and start both daemons again",
			               told->origin != NULL ? told->origin : "?", ours);
		return NULL;
	}
	hear(dispatch, told);
	ids = ocs_ids_of(told, user);
	return ids != NULL && ids->category == (uint8_t)notification->category ? ids : NULL;
}

/* Whether path is the first levels of folder, which of them in *level_r: 0 the root. */
static bool is_on_the_way(const char *path, const char *folder, size_t n_told, size_t *level_r)
{
	size_t len = strlen(path);

	*level_r = len > 0 ? ocs_folder_levels(path) : 0;
	return folder != NULL && n_told == ocs_folder_levels(folder) + 1u &&
	       strncmp(path, folder, len) == 0 &&
	       (len == 0 || folder[len] == '/' || folder[len] == '\0');
}

static uint64_t told_folder_id(const struct resolve *resolve, const struct ocs_folder_name *name)
{
	const struct ocs_notification *of = resolve->told_of;
	const struct ocs_folder_name old = ocs_notification_old_folder(of, name->user);
	const struct ocs_ids *told = resolve->told;
	size_t level;

	if (strcmp(name->user, told->user) != 0)
		return 0;
	if (of->old_folder != NULL && strcmp(name->backend, old.backend) == 0 &&
	    is_on_the_way(name->folder, old.folder, told->n_old, &level))
		return told->old_folder[level];
	if (strcmp(name->backend, of->backend) == 0 &&
	    is_on_the_way(name->folder, of->folder, told->n_folder, &level))
		return told->folder[level];
	return 0;
}

static uint64_t told_folder(void *arg, const struct ocs_folder_name *name)
{
	const struct resolve *resolve = arg;
	uint64_t told = told_folder_id(resolve, name);

	return ocs_dispatch_agree_taken(resolve->dispatch, told) ? 0 : told;
}

void ocs_dispatch_agree_tell(struct resolve *resolve, const struct job *job,
                             const struct target *target)
{
	resolve->told_of = target->notification;
	resolve->told = told_of(resolve->dispatch, resolve->config, job, target->user,
	                        target->notification);
	ocs_index_set_told(resolve->dispatch->index, resolve->told != NULL ? told_folder : NULL,
	                   resolve);
}

/* ---- identifiers of all levels ---- */

/* Of a folder and all above it, as they are used here: the root's first; 0 for one that is not
 * known. Returns how many. resolve NULL: from memory alone. */
static size_t levels_of(struct ocs_dispatch *dispatch, struct resolve *resolve,
                        struct ocs_folder_name name, uint64_t parent_fid, uint64_t fid,
                        uint64_t out[LEVELS_MAX])
{
	unsigned n = ocs_folder_levels(name.folder);
	struct ocs_index_folder folder;
	char path[OCS_NAME_MAX + 1], *slash;

	if (n > OCS_FOLDER_LEVELS_MAX || strlen(name.folder) > OCS_NAME_MAX)
		return 0;
	strcpy(path, name.folder);
	name.folder = path;
	out[n] = fid;
	for (unsigned level = n; level-- > 0;) {
		slash = strrchr(path, '/');
		*(slash != NULL ? slash : path) = '\0';
		folder.fid = level == n - 1 ? parent_fid : 0;
		if (folder.fid == 0 &&
		    !(resolve != NULL ? ocs_dispatch_find_name(resolve, name, false, &folder) ==
		                                OCS_STORE_OK
		                      : ocs_dispatch_cache_folder(dispatch, &name, &folder)))
			folder.fid = 0;
		out[level] = folder.fid;
	}
	return n + 1;
}

struct levels {
	uint64_t folder[LEVELS_MAX], old_folder[LEVELS_MAX];
	size_t n_folder, n_old;
};

static void all_levels(struct ocs_dispatch *dispatch, struct resolve *resolve,
                       const struct target *target, struct levels *out)
{
	const struct ocs_notification *notification = target->notification;

	out->n_folder =
	        levels_of(dispatch, resolve,
	                  ocs_notification_folder(notification, target->user, notification->folder),
	                  target->ids.parent_fid, target->ids.fid, out->folder);
	out->n_old = 0;
	if (notification->old_folder != NULL)
		out->n_old = levels_of(
		        dispatch, resolve, ocs_notification_old_folder(notification, target->user),
		        target->ids.old_parent_fid, target->ids.old_fid, out->old_folder);
}

/* ---- settling ---- */

static void say_refused(struct ocs_dispatch *dispatch, const struct ocs_ids_list *told,
                        const struct dispatch_later *what)
{
	struct dispatch_agree *agree = ocs_dispatch_agree_of(dispatch);
	const char *name = told->origin != NULL ? told->origin : "?";
	struct dispatch_origin *origin = agree != NULL ? origin_of(agree, name) : NULL;

	if (origin == NULL || origin->said)
		return;
	origin->said = true;
	ocs_dispatch_log(dispatch, LOG_WARNING,
	                 "node %.100s calls folder '%.100s' of user '%.60s' %016llx, which is "
	                 "something else here: it stays %016llx here (its name may have changed "
	                 "while nobody was told here; if two nodes have the same [main] "
	                 "replica_id, change one; this is told once for each node)",
	                 name, what->name.folder, what->name.user, (unsigned long long)what->theirs,
	                 (unsigned long long)what->ours);
}

static int settle(struct resolve *resolve, const struct ocs_ids_list *told,
                  const struct dispatch_later *what)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	enum ocs_index_settled settled;

	if (what->ours == 0 || what->theirs == 0 || what->ours == what->theirs)
		return 0;
	settled = ocs_index_settle(dispatch->index, what->ours, what->theirs);
	if (settled == OCS_SETTLED_FREE && ocs_dispatch_agree_taken(dispatch, what->theirs))
		settled = OCS_SETTLED_REFUSED;
	if (settled == OCS_SETTLED_FREE) {
		/* No room: it is told again. */
		if (ocs_index_full(dispatch->index))
			return 0;
		if (ocs_dispatch_need_transaction(resolve) != 0 ||
		    ocs_index_alias(dispatch->index, what->theirs, what->ours, &resolve->error) !=
		            OCS_STORE_OK)
			return -1;
		settled = ocs_index_settle(dispatch->index, what->ours, what->theirs);
	}
	if (settled == OCS_SETTLED_THEIRS)
		ocs_dispatch_later_add(dispatch, what);
	else if (settled == OCS_SETTLED_REFUSED)
		say_refused(dispatch, told, what);
	return 0;
}

/* All levels of a folder. */
static int settle_levels(struct resolve *resolve, const struct ocs_ids_list *told,
                         struct ocs_folder_name name, const uint64_t *ours, size_t n_ours,
                         const uint64_t *theirs, size_t n_theirs)
{
	char path[OCS_NAME_MAX + 1], *slash;

	if (n_ours != n_theirs || n_ours == 0)
		return 0;
	strcpy(path, name.folder);
	name.folder = path;
	for (size_t level = n_ours; level-- > 0;) {
		const struct dispatch_later what = {
		        .ours = ours[level], .theirs = theirs[level], .name = name};

		if (settle(resolve, told, &what) != 0)
			return -1;
		slash = strrchr(path, '/');
		*(slash != NULL ? slash : path) = '\0';
	}
	return 0;
}

static int settle_message(struct resolve *resolve, const struct ocs_ids_list *told,
                          struct ocs_folder_name name, const struct ocs_index_folder *folder,
                          const char *message_id, uint64_t ours, uint64_t theirs)
{
	const struct dispatch_later what = {.ours = ours,
	                                    .theirs = theirs,
	                                    .name = name,
	                                    .series = folder->series,
	                                    .message_id = message_id};

	return settle(resolve, told, &what);
}

int ocs_dispatch_agree(struct resolve *resolve, const struct job *job, const struct target *target)
{
	const struct ocs_notification *notification = target->notification;
	const struct ocs_ids *ids = resolve->told;
	const struct ocs_ids_list *told = job->request->told;
	struct ocs_folder_name name, old;
	struct levels ours;

	if (ids == NULL)
		return 0;
	name = ocs_notification_folder(notification, target->user, notification->folder);
	all_levels(resolve->dispatch, resolve, target, &ours);
	if (settle_levels(resolve, told, name, ours.folder, ours.n_folder, ids->folder,
	                  ids->n_folder) != 0)
		return -1;
	if (notification->message_id != NULL &&
	    settle_message(resolve, told, name, &target->folder, notification->message_id,
	                   target->ids.mid, ids->mid) != 0)
		return -1;
	if (notification->old_folder == NULL)
		return 0;
	old = ocs_notification_old_folder(notification, target->user);
	/* A folder that was renamed has the identifier that was settled above. */
	if (notification->message_id == NULL && target->ids.old_fid == target->ids.fid)
		return 0;
	if (settle_levels(resolve, told, old, ours.old_folder, ours.n_old, ids->old_folder,
	                  ids->n_old) != 0)
		return -1;
	return notification->old_message_id == NULL
	               ? 0
	               : settle_message(resolve, told, old, &target->old_folder,
	                                notification->old_message_id, target->ids.old_mid,
	                                ids->old_mid);
}

int ocs_dispatch_agree_only(struct resolve *resolve, const struct job *job,
                            const struct ocs_notification *notification)
{
	const struct ocs_ids_list *told = job->request->told;

	for (size_t i = 0; told != NULL && i < told->n; i++) {
		const char *user = told->ids[i].user;
		const struct ocs_ids *ids =
		        told_of(resolve->dispatch, resolve->config, job, user, notification);
		struct ocs_folder_name name =
		        ocs_notification_folder(notification, user, notification->folder);
		struct ocs_index_message message = {0};
		struct ocs_index_folder folder;
		uint64_t ours[LEVELS_MAX];
		size_t n;

		if (ids == NULL ||
		    ocs_dispatch_find_name(resolve, name, false, &folder) != OCS_STORE_OK)
			continue;
		n = levels_of(resolve->dispatch, resolve, name, folder.parent_fid, folder.fid,
		              ours);
		if (settle_levels(resolve, told, name, ours, n, ids->folder, ids->n_folder) != 0)
			return -1;
		if (notification->message_id != NULL &&
		    ocs_message_log_get(resolve->dispatch->message_log, folder.series,
		                        notification->message_id, &message,
		                        &resolve->error) == OCS_STORE_OK &&
		    settle_message(resolve, told, name, &folder, notification->message_id,
		                   message.mid, ids->mid) != 0)
			return -1;
	}
	return 0;
}

/* ---- what other nodes are told ---- */

bool ocs_dispatch_agree_same(const struct job *job, const struct target *target)
{
	const struct ocs_ids_list *told = job->request->told;
	const struct ocs_ids *ids = ocs_ids_of(told, target->user);
	size_t n;

	if (told == NULL)
		return true;
	if (ids == NULL || ids->category != (uint8_t)target->notification->category)
		return true;
	n = ids->n_folder;
	return (n == 0 || ids->folder[n - 1] == target->ids.fid) &&
	       (n < 2 || ids->folder[n - 2] == target->ids.parent_fid) &&
	       (ids->mid == 0 || ids->mid == target->ids.mid);
}

int ocs_dispatch_agree_known(struct ocs_dispatch *dispatch, struct resolve *resolve,
                             const struct job *job, const struct item *item,
                             const struct target *target)
{
	struct ocs_request *request = job->request;
	struct ocs_ids ids = {
	        .user = target->user,
	        .category = (uint8_t)target->notification->category,
	        .mid = ocs_dispatch_agreed_on(dispatch, target->ids.mid),
	        .old_mid = ocs_dispatch_agreed_on(dispatch, target->ids.old_mid),
	};
	struct dispatch_config *config;
	struct levels levels;

	if (request->known == NULL)
		return 0;
	config = ocs_dispatch_config_get(dispatch);
	request->known[item - job->items].replica_id = config->settings.published.replica_id;
	ocs_dispatch_config_put(dispatch, config);
	all_levels(dispatch, resolve, target, &levels);
	for (size_t i = 0; i < levels.n_folder; i++)
		levels.folder[i] = ocs_dispatch_agreed_on(dispatch, levels.folder[i]);
	for (size_t i = 0; i < levels.n_old; i++)
		levels.old_folder[i] = ocs_dispatch_agreed_on(dispatch, levels.old_folder[i]);
	ids.folder = levels.folder;
	ids.n_folder = levels.n_folder;
	ids.old_folder = levels.old_folder;
	ids.n_old = levels.n_old;
	return ocs_ids_add(request, &request->known[item - job->items], &ids);
}

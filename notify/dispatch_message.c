/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Identifiers of folders and messages, on the store thread: found, assigned, recorded, and told
 * from those of another mail that had the same name before.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <nettle/sha2.h>

#include "base/bytes.h"

/* Identifiers reserved at once, so that most notifications reserve none: few at first, then twice
 * as many each time. What is left of them when the daemon ends is lost; many at each of many starts
 * would run ahead of the clock, which alone keeps a new registry from giving them again. */
#define RANGE_FIRST 256
#define RANGE_MAX   16384

int ocs_dispatch_need_transaction(struct resolve *resolve)
{
	struct ocs_index *index = resolve->dispatch->index;

	return ocs_store_in_transaction(ocs_index_store(index))
	               ? 0
	               : ocs_index_begin(index, &resolve->error);
}

int ocs_dispatch_find_name(struct resolve *resolve, struct ocs_folder_name name, bool create,
                           struct ocs_index_folder *out)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	int ret;

	if (ocs_dispatch_cache_folder(dispatch, &name, out))
		return OCS_STORE_OK;
	ret = ocs_index_folder(dispatch->index, &name, false, out, &resolve->error);
	if (ret == OCS_STORE_MISSING && create) {
		if (!ocs_dispatch_index_may_grow(resolve) ||
		    ocs_dispatch_need_transaction(resolve) != 0)
			return OCS_STORE_ERROR;
		ret = ocs_index_folder(dispatch->index, &name, true, out, &resolve->error);
	}
	/* What is not committed may never be: no other thread may see it. */
	if (ret == OCS_STORE_OK && !ocs_store_in_transaction(ocs_index_store(dispatch->index)))
		ocs_dispatch_cache_folder_add(dispatch, &name, out);
	return ret;
}

static int new_id(struct resolve *resolve, uint64_t *id_r)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;

	if (dispatch->range_left == 0) {
		unsigned n = dispatch->range_size == 0 ? RANGE_FIRST : dispatch->range_size;

		if (ocs_dispatch_need_transaction(resolve) != 0 ||
		    ocs_index_reserve(dispatch->index, n, &dispatch->range_next, &resolve->error) !=
		            OCS_STORE_OK)
			return -1;
		dispatch->range_left = n;
		dispatch->range_size = n < RANGE_MAX ? 2 * n : n;
	}
	*id_r = dispatch->range_next;
	dispatch->range_next = ocs_index_id_next(dispatch->range_next);
	dispatch->range_left--;
	return 0;
}

static int told_or_new_id(struct resolve *resolve, uint64_t told, uint64_t *id_r)
{
	*id_r = told;
	return told != 0 && ocs_dispatch_agree_take(resolve, told) ? 0 : new_id(resolve, id_r);
}

uint64_t ocs_dispatch_content(const struct ocs_notification *notification)
{
	const char *guid = notification->guid;
	uint8_t digest[8];
	struct sha256_ctx sha;
	uint64_t content;

	/* What merely happens to a mail makes no other mail of it. */
	if (guid == NULL || notification->category == OCS_MODIFIED ||
	    notification->category == OCS_DELETED)
		return 0;
	sha256_init(&sha);
	sha256_update(&sha, strlen(guid), (const uint8_t *)guid);
	sha256_digest(&sha, sizeof(digest), digest);
	content = ocs_get64(digest);
	return content != 0 ? content : 1;
}

int ocs_dispatch_message_assign(struct resolve *resolve, const struct ocs_index_folder *folder,
                                const char *message_id, uint64_t content, uint64_t told,
                                struct dispatch_message *out)
{
	struct ocs_message_log *message_log = resolve->dispatch->message_log;
	struct ocs_index_message message = {0};
	int ret = ocs_message_log_get(message_log, folder->series, message_id, &message,
	                              &resolve->error);

	*out = (struct dispatch_message){.content = content};
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	if (ret == OCS_STORE_OK && content != 0 && message.content != 0 &&
	    message.content != content) {
		out->replaced = message.mid;
	} else if (ret == OCS_STORE_OK) {
		out->known = true;
		out->announced = message.announced;
		out->mid = message.mid;
		if (content == 0)
			out->content = message.content;
		return 0;
	}
	out->mid = ocs_message_log_assigned(message_log, folder->series, message_id, content);
	if (out->mid != 0)
		return 0;
	if (!ocs_dispatch_index_may_grow(resolve) || told_or_new_id(resolve, told, &out->mid) != 0)
		return -1;
	message = (struct ocs_index_message){.mid = out->mid, .content = content};
	return ocs_message_log_assign(message_log, folder->series, message_id, &message,
	                              out->replaced != 0, &resolve->error);
}

int ocs_dispatch_message_leaving(struct resolve *resolve, const struct ocs_index_folder *folder,
                                 const char *message_id, uint64_t told, uint64_t *mid_r,
                                 bool *known_r)
{
	struct ocs_index_message message;
	int ret = ocs_message_log_get(resolve->dispatch->message_log, folder->series, message_id,
	                              &message, &resolve->error);

	*known_r = ret == OCS_STORE_OK;
	if (*known_r) {
		*mid_r = message.mid;
		return 0;
	}
	return ret == OCS_STORE_MISSING ? told_or_new_id(resolve, told, mid_r) : -1;
}

int ocs_dispatch_message_put(struct resolve *resolve, const struct ocs_index_folder *folder,
                             const char *message_id, const struct ocs_index_message *message)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;

	ocs_dispatch_cache_message_add(dispatch, folder->series, message_id, message->mid);
	return ocs_message_log_put(dispatch->message_log, folder->series, message_id, message,
	                           &resolve->error);
}

int ocs_dispatch_message_delete(struct resolve *resolve, const struct ocs_index_folder *folder,
                                const char *message_id, uint64_t mid)
{
	ocs_dispatch_cache_message_drop(resolve->dispatch, folder->series, message_id);
	return ocs_message_log_delete(resolve->dispatch->message_log, folder->series, message_id,
	                              mid, &resolve->error);
}

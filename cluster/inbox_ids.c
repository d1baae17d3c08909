/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What another node told of its identifiers along with a notification, and the answer where it
 * has to hear of another one. Pure functions on the caller's memory.
 */
#include "cluster/inbox_internal.h"

#include <string.h>

#include <talloc.h>

#include "mapistore/agree.h"

void ocs_inbox_read_ids(const struct ocs_inbox_envelope *envelope, struct ocs_request *request)
{
	struct ocs_ids_list *told;

	request->ids_only = envelope->ids_only;
	request->known = talloc_zero_array(request, struct ocs_ids_list, request->count);
	if (envelope->ids.len == 0 || envelope->ids.len > OCS_IDS_ENCODED_MAX ||
	    envelope->origin[0] == '\0' || request->count != 1)
		return;
	told = ocs_ids_decode(request, envelope->ids.bytes, envelope->ids.len);
	if (told != NULL)
		told->origin = talloc_strdup(told, envelope->origin);
	request->told = told;
}

/* Whether any of ours wins over what was told. */
static bool any_wins(const uint64_t *ours, size_t n_ours, const uint64_t *told, size_t n_told)
{
	for (size_t i = 0; n_ours == n_told && i < n_ours; i++)
		if (ours[i] != 0 && told[i] != 0 && ocs_index_wins(ours[i], told[i]))
			return true;
	return false;
}

static bool wins(const struct ocs_ids *ours, const struct ocs_ids *told)
{
	return any_wins(ours->folder, ours->n_folder, told->folder, told->n_folder) ||
	       any_wins(ours->old_folder, ours->n_old, told->old_folder, told->n_old) ||
	       any_wins(&ours->mid, 1, &told->mid, 1) ||
	       any_wins(&ours->old_mid, 1, &told->old_mid, 1);
}

struct ocs_message *ocs_inbox_answer(const void *mem_ctx, const struct ocs_request *request)
{
	const struct ocs_ids_list *told = request->told, *known = request->known;
	struct ocs_ids_list answer = {0};
	struct ocs_message *message = NULL;

	if (told == NULL || known == NULL || request->ids_only || told->origin == NULL ||
	    request->count != 1 || told->replica_id == known->replica_id)
		return NULL;
	answer.replica_id = known->replica_id;
	answer.ids = talloc_array(NULL, struct ocs_ids, known->n + 1);
	for (size_t i = 0; answer.ids != NULL && i < known->n; i++) {
		const struct ocs_ids *theirs = ocs_ids_of(told, known->ids[i].user);

		if (theirs != NULL && theirs->category == known->ids[i].category &&
		    wins(&known->ids[i], theirs))
			answer.ids[answer.n++] = known->ids[i];
	}
	if (answer.n > 0)
		message = ocs_message_new_ids(mem_ctx, told->origin, &request->items[0], &answer);
	talloc_free(answer.ids);
	return message;
}

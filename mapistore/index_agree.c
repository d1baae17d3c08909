/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One identifier for one thing on every node: see agree.h. Touches the open index. */
#include "mapistore/agree.h"

#include <talloc.h>

#include "base/bytes.h"
#include "mapistore/index_internal.h"

static uint64_t counter_of(uint64_t id)
{
	return __builtin_bswap64(id & ~0xffffULL);
}

bool ocs_index_wins(uint64_t a, uint64_t b)
{
	if (counter_of(a) != counter_of(b))
		return counter_of(a) < counter_of(b);
	return (uint16_t)a < (uint16_t)b;
}

void ocs_index_set_told(struct ocs_index *index, ocs_index_told_fn *told, void *arg)
{
	index->told = told;
	index->told_arg = arg;
}

uint64_t ocs_index_told_id(struct ocs_index *index, const struct ocs_folder_name *whose,
                           const char *path)
{
	struct ocs_folder_name name = *whose;
	uint64_t id;

	if (index->told == NULL)
		return 0;
	name.folder = path;
	id = index->told(index->told_arg, &name);
	return id != 0 && ocs_index_is_free(index, id) ? id : 0;
}

bool ocs_index_is_free(struct ocs_index *index, uint64_t id)
{
	uint8_t *data = NULL;
	size_t len;
	int ret;

	if (!ocs_index_id_possible(id) || (uint16_t)id == index->replica_id)
		return false;
	ret = ocs_index_name_get(index, index, id, &data, &len, NULL);
	talloc_free(data);
	return ret == OCS_STORE_MISSING;
}

enum ocs_index_settled ocs_index_settle(struct ocs_index *index, uint64_t ours, uint64_t theirs)
{
	if (ours == theirs)
		return OCS_SETTLED_SAME;
	if (ocs_index_is_free(index, theirs))
		return OCS_SETTLED_FREE;
	if (ocs_index_follow(index, theirs) != ours)
		return OCS_SETTLED_REFUSED;
	return ocs_index_wins(theirs, ours) ? OCS_SETTLED_THEIRS : OCS_SETTLED_OURS;
}

int ocs_index_alias(struct ocs_index *index, uint64_t alias, uint64_t id, struct ocs_error *error)
{
	uint8_t data[8];

	ocs_put64(data, id);
	return ocs_index_name_put(index, alias, OCS_KIND_ALIAS, data, sizeof(data), error);
}

int ocs_index_message_switch(struct ocs_index *index, uint64_t series, const char *message_id,
                             uint64_t ours, uint64_t theirs, struct ocs_error *error)
{
	const struct ocs_index_folder folder = {.series = series};
	struct ocs_index_message message;
	int ret = ocs_index_message(index, series, message_id, &message, error);

	if (ret == OCS_STORE_OK && message.mid != ours)
		ret = OCS_STORE_MISSING;
	if (ret != OCS_STORE_OK)
		return ret;
	message.mid = theirs;
	ret = ocs_index_message_put(index, &folder, message_id, &message, error);
	return ret == OCS_STORE_OK ? ocs_index_alias(index, ours, theirs, error) : ret;
}

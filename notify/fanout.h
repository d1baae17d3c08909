/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Fan-out: the entries that one notification makes, by table. Pure; any thread.
 */
#ifndef OCS_NOTIFY_FANOUT_H
#define OCS_NOTIFY_FANOUT_H

#include "mqueue/name.h"
#include "notify/notification.h"

/* What the names of a notification are for one groupware user. */
struct ocs_fanout_ids {
	uint64_t fid, parent_fid, mid;
	uint64_t old_fid, old_parent_fid, old_mid;
	bool mid_known, old_mid_known; /* a client can have seen the identifier */
	uint64_t replaced_mid;         /* another mail of that name, gone unseen; 0: none */
	uint64_t accepted_at, sequence;
	uint8_t id_hash[16];
};

struct ocs_fanout_item {
	enum ocs_table table;
	struct ocs_entry entry;
};

#define OCS_FANOUT_MAX 10

/* Returns how many items were filled. */
size_t ocs_fanout(const struct ocs_notification *notification, const struct ocs_fanout_ids *ids,
                  struct ocs_fanout_item items[OCS_FANOUT_MAX]);

#endif

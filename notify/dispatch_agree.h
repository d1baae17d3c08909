/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What dispatch_agree.c and dispatch_later.c share. Nobody else includes it. */
#ifndef OCS_NOTIFY_DISPATCH_AGREE_H
#define OCS_NOTIFY_DISPATCH_AGREE_H

#include "notify/dispatch_internal.h"

/* What is to be another one when its user has no session. */
struct dispatch_later {
	UT_hash_handle hh; /* by ours */
	uint64_t ours, theirs;
	struct ocs_folder_name name;
	uint64_t series;
	const char *message_id; /* NULL: the folder */
};

/* What a message took that the index has not heard of. */
struct dispatch_taken {
	UT_hash_handle hh;
	uint64_t id;
};

/* A node that told something. */
struct dispatch_origin {
	UT_hash_handle hh;
	uint64_t heard; /* when it began to tell what it told last: a count of such times */
	uint16_t replica_id;
	bool said; /* what it calls something else was logged */
	char name[];
};

struct dispatch_agree {
	struct dispatch_later *later; /* changed under cache_lock */
	struct dispatch_taken *taken;
	struct dispatch_origin *origins, *last; /* who told something last */
	uint64_t heard;
	uint16_t twins;      /* the replica id of two nodes, as is reported */
	bool fresh;          /* later has some that were not looked at */
	uint32_t seqnum;     /* of the registry, when they were */
	uint64_t not_before; /* CLOCK_MONOTONIC, ns: when they are looked at again */
};

/* Made at first sight; NULL: out of memory. */
struct dispatch_agree *ocs_dispatch_agree_of(struct ocs_dispatch *dispatch);
/* A copy. Without memory, or with too many, the next message tells it again. */
void ocs_dispatch_later_add(struct ocs_dispatch *dispatch, const struct dispatch_later *what);
/* What all nodes settled on for what is ours: that itself as a rule. Any thread. */
uint64_t ocs_dispatch_agreed_on(struct ocs_dispatch *dispatch, uint64_t ours);

/* Whether a message took that one, and the index does not know it yet. Store thread. */
bool ocs_dispatch_agree_taken(struct ocs_dispatch *dispatch, uint64_t told);

#endif

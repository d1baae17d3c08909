/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The shares of addresses, prefixes and accounts in the table of challenges: see shares.h. Memory
 * only. Prefixes are in a heap, the heaviest on top, so that a full table is no dearer than
 * another.
 */
#include "auth/shares.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define HEAP_FIRST   64
#define ACCOUNT_LOOK 256 /* oldest challenges of an account that are looked at */

/* Kinds that are counted here: all but the pair. */
static const enum ocs_origin_kind kinds[OCS_CHALLENGE_SHARES] = {
        [OCS_CHALLENGE_OF_ADDRESS] = OCS_ORIGIN_ADDRESS,
        [OCS_CHALLENGE_OF_PREFIX] = OCS_ORIGIN_PREFIX,
        [OCS_CHALLENGE_OF_ACCOUNT] = OCS_ORIGIN_ACCOUNT,
};

/* The challenges of one address, prefix or account. */
struct ocs_share {
	uint64_t key;
	unsigned count;
	size_t place;                 /* in the heap; of a prefix only */
	struct ocs_challenge *oldest; /* head of their list */
	UT_hash_handle hh;
};

struct ocs_shares {
	struct ocs_share *table[OCS_CHALLENGE_SHARES];
	size_t count; /* of challenges */
	struct ocs_share **heap;
	size_t heap_len, heap_size;
};

struct ocs_shares *ocs_shares_new(void)
{
	return calloc(1, sizeof(struct ocs_shares));
}

void ocs_shares_free(struct ocs_shares *shares)
{
	if (!shares)
		return;
	free(shares->heap);
	free(shares);
}

/* ---- the heap of prefixes ---- */

static bool is_heavier(const struct ocs_share *a, const struct ocs_share *b)
{
	return a->count != b->count ? a->count > b->count : a->oldest->number < b->oldest->number;
}

static void put_at(struct ocs_shares *shares, size_t place, struct ocs_share *share)
{
	shares->heap[place] = share;
	share->place = place;
}

/* Its weight has changed. */
static void settle(struct ocs_shares *shares, struct ocs_share *share)
{
	size_t at = share->place;

	while (at > 0 && is_heavier(share, shares->heap[(at - 1) / 2])) {
		put_at(shares, at, shares->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < shares->heap_len &&
		    is_heavier(shares->heap[child + 1], shares->heap[child]))
			child++;
		if (child >= shares->heap_len || !is_heavier(shares->heap[child], share))
			break;
		put_at(shares, at, shares->heap[child]);
		at = child;
	}
	put_at(shares, at, share);
}

static void take_out(struct ocs_shares *shares, struct ocs_share *share)
{
	struct ocs_share *last = shares->heap[--shares->heap_len];

	if (last == share)
		return;
	put_at(shares, share->place, last);
	settle(shares, last);
}

static int heap_room(struct ocs_shares *shares)
{
	size_t size = shares->heap_size ? shares->heap_size * 2 : HEAP_FIRST;
	struct ocs_share **heap;

	if (shares->heap_len < shares->heap_size)
		return 0;
	heap = realloc(shares->heap, size * sizeof(struct ocs_share *));
	if (!heap)
		return -1;
	shares->heap = heap;
	shares->heap_size = size;
	return 0;
}

/* ---- shares ---- */

static struct ocs_share *find(const struct ocs_shares *shares, enum ocs_challenge_share of,
                              const struct ocs_origin *origin)
{
	struct ocs_share *share;

	HASH_FIND(hh, shares->table[of], &origin->key[kinds[of]], sizeof(share->key), share);
	return share;
}

static struct ocs_share *find_or_make(struct ocs_shares *shares, enum ocs_challenge_share of,
                                      const struct ocs_origin *origin)
{
	struct ocs_share *share = find(shares, of, origin);

	if (share || (of == OCS_CHALLENGE_OF_PREFIX && heap_room(shares) < 0))
		return share;
	share = calloc(1, sizeof(*share));
	if (!share)
		return NULL;
	share->key = origin->key[kinds[of]];
	HASH_ADD(hh, shares->table[of], key, sizeof(share->key), share);
	if (!share->hh.tbl) {
		free(share);
		return NULL;
	}
	return share;
}

static void join_one(struct ocs_shares *shares, enum ocs_challenge_share of,
                     struct ocs_share *share, struct ocs_challenge *challenge)
{
	challenge->share[of] = share;
	DL_APPEND2(share->oldest, challenge, link[of].prev, link[of].next);
	share->count++;
	if (of != OCS_CHALLENGE_OF_PREFIX)
		return;
	if (share->count == 1)
		put_at(shares, shares->heap_len++, share);
	settle(shares, share);
}

static void leave_one(struct ocs_shares *shares, enum ocs_challenge_share of,
                      struct ocs_challenge *challenge)
{
	struct ocs_share *share = challenge->share[of];

	challenge->share[of] = NULL;
	DL_DELETE2(share->oldest, challenge, link[of].prev, link[of].next);
	share->count--;
	if (share->count > 0) {
		if (of == OCS_CHALLENGE_OF_PREFIX)
			settle(shares, share);
		return;
	}
	if (of == OCS_CHALLENGE_OF_PREFIX)
		take_out(shares, share);
	HASH_DEL(shares->table[of], share);
	free(share);
}

int ocs_shares_join(struct ocs_shares *shares, struct ocs_challenge *challenge)
{
	for (int of = 0; of < OCS_CHALLENGE_SHARES; of++) {
		struct ocs_share *share =
		        find_or_make(shares, (enum ocs_challenge_share)of, &challenge->origin);

		if (!share) {
			while (--of >= 0)
				leave_one(shares, (enum ocs_challenge_share)of, challenge);
			return -1;
		}
		join_one(shares, (enum ocs_challenge_share)of, share, challenge);
	}
	shares->count++;
	return 0;
}

void ocs_shares_leave(struct ocs_shares *shares, struct ocs_challenge *challenge)
{
	for (int of = 0; of < OCS_CHALLENGE_SHARES; of++)
		leave_one(shares, (enum ocs_challenge_share)of, challenge);
	shares->count--;
}

/* ---- who goes ---- */

static bool has_all(const struct ocs_share *share, unsigned limit, unsigned part)
{
	unsigned most = limit / part ? limit / part : 1;

	return share && share->count >= most;
}

/* The oldest of those from the heaviest prefix. */
static struct ocs_challenge *of_heaviest(const struct ocs_share *account)
{
	struct ocs_challenge *c = account->oldest, *victim = c;

	for (int i = 0; c && i < ACCOUNT_LOOK; i++) {
		if (c->share[OCS_CHALLENGE_OF_PREFIX]->count >
		    victim->share[OCS_CHALLENGE_OF_PREFIX]->count)
			victim = c;
		c = c->link[OCS_CHALLENGE_OF_ACCOUNT].next;
	}
	return victim;
}

struct ocs_challenge *ocs_shares_victim(const struct ocs_shares *shares,
                                        const struct ocs_origin *origin, unsigned limit,
                                        bool spared)
{
	const struct ocs_share *address = find(shares, OCS_CHALLENGE_OF_ADDRESS, origin);
	const struct ocs_share *prefix = find(shares, OCS_CHALLENGE_OF_PREFIX, origin);
	const struct ocs_share *account = find(shares, OCS_CHALLENGE_OF_ACCOUNT, origin);

	if (!spared && has_all(address, limit, OCS_SHARE_ADDRESS))
		return address->oldest;
	if (!spared && has_all(prefix, limit, OCS_SHARE_PREFIX))
		return prefix->oldest;
	if (has_all(account, limit, OCS_SHARE_ACCOUNT))
		return of_heaviest(account);
	return shares->count >= limit ? shares->heap[0]->oldest : NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The addresses that accounts have logged in from: see known.h. Memory only. */
#include "auth/known.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNTS 4096
#define WAYS     8
#define KEPT_MS  (OCS_KNOWN_DAYS * 86400000LL)

struct seen {
	uint64_t pair; /* key of account and address; 0: free */
	int64_t last;
};

struct known_account {
	uint64_t key; /* 0: free */
	int64_t last;
	struct seen seen[OCS_KNOWN_ADDRESSES];
};

struct ocs_known {
	struct known_account accounts[ACCOUNTS];
};

struct ocs_known *ocs_known_new(void)
{
	return calloc(1, sizeof(struct ocs_known));
}

void ocs_known_free(struct ocs_known *known)
{
	free(known);
}

size_t ocs_known_size(const struct ocs_known *known)
{
	return sizeof(*known);
}

static size_t first_place(uint64_t key)
{
	return (size_t)(key % (ACCOUNTS / WAYS)) * WAYS;
}

bool ocs_known_has(const struct ocs_known *known, const struct ocs_origin *origin, int64_t now)
{
	const struct known_account *set =
	        &known->accounts[first_place(origin->key[OCS_ORIGIN_ACCOUNT])];

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key != origin->key[OCS_ORIGIN_ACCOUNT])
			continue;
		for (int j = 0; j < OCS_KNOWN_ADDRESSES; j++)
			if (set[i].seen[j].pair == origin->key[OCS_ORIGIN_PAIR])
				return now - set[i].seen[j].last < KEPT_MS;
	}
	return false;
}

/* The account's own place, a free one, or that of the one that logged in longest ago. */
static struct known_account *place_of(struct ocs_known *known, uint64_t key)
{
	struct known_account *set = &known->accounts[first_place(key)], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (oldest->key && (!set[i].key || set[i].last < oldest->last))
			oldest = &set[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->key = key;
	return oldest;
}

void ocs_known_add(struct ocs_known *known, const struct ocs_origin *origin, int64_t now)
{
	struct known_account *account = place_of(known, origin->key[OCS_ORIGIN_ACCOUNT]);
	struct seen *place = &account->seen[0];

	account->last = now;
	for (int i = 0; i < OCS_KNOWN_ADDRESSES; i++) {
		struct seen *seen = &account->seen[i];

		if (seen->pair == origin->key[OCS_ORIGIN_PAIR]) {
			seen->last = now;
			return;
		}
		if (place->pair && (!seen->pair || seen->last < place->last))
			place = seen;
	}
	place->pair = origin->key[OCS_ORIGIN_PAIR];
	place->last = now;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who stands: see standing.h. */
#include "auth/standing.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/memops.h>
#include <utlist.h>

#define AGAIN_MS 1000 /* a token that does not fit makes the name asked again, but not sooner */

struct ocs_standing_account {
	char name[OCS_AUTH_NAME_SIZE];
	enum { UNASKED, THERE, GONE } state;
	uint8_t mac[OCS_ACCOUNT_MAC]; /* THERE */
	int64_t expires;              /* of its last token */
	int64_t asked, due;
	uint64_t told; /* the number of what was said last; 0: nothing */
	struct ocs_standing_account *prev, *next;
	UT_hash_handle hh;
};

static void forget(struct ocs_standing *standing, struct ocs_standing_account *account)
{
	DL_DELETE(standing->queue, account);
	HASH_DEL(standing->table, account);
	free(account);
}

void ocs_standing_clear(struct ocs_standing *standing)
{
	while (standing->queue)
		forget(standing, standing->queue);
}

size_t ocs_standing_count(const struct ocs_standing *standing)
{
	return HASH_COUNT(standing->table);
}

static struct ocs_standing_account *find(const struct ocs_standing *standing, const char *name)
{
	struct ocs_standing_account *account;

	HASH_FIND_STR(standing->table, name, account);
	return account;
}

/* Who is due last of those that may be forgotten: the tokens of one who is GONE would stand again
 * until it is asked for. */
static struct ocs_standing_account *victim(struct ocs_standing *standing)
{
	struct ocs_standing_account *last = standing->queue->prev, *account = last;

	while (account->state == GONE && account != standing->queue)
		account = account->prev;
	return account->state == GONE ? last : account;
}

/* In no place of the queue yet. NULL: out of memory. */
static struct ocs_standing_account *add(struct ocs_standing *standing, const char *name,
                                        int64_t now)
{
	struct ocs_standing_account *account = calloc(1, sizeof(*account));

	if (!account)
		return NULL;
	if (HASH_COUNT(standing->table) >= OCS_STANDING_MAX)
		forget(standing, victim(standing));
	strcpy(account->name, name);
	account->due = account->asked = now;
	HASH_ADD_STR(standing->table, name, account);
	if (!account->hh.tbl) {
		free(account);
		return NULL;
	}
	return account;
}

bool ocs_standing_ask(struct ocs_standing *standing, const char *name,
                      const uint8_t mac[OCS_ACCOUNT_MAC], int64_t expires, int64_t now,
                      bool *urgent_r)
{
	struct ocs_standing_account *account = find(standing, name);

	*urgent_r = false;
	if (!account) {
		/* without memory it is as if it were known: the token is genuine, and it ends */
		account = add(standing, name, now);
		if (!account)
			return true;
		DL_PREPEND(standing->queue, account);
		*urgent_r = true;
	}
	if (account->expires < expires)
		account->expires = expires;
	if (account->state == UNASKED)
		return true;
	if (account->state == THERE && memeql_sec(account->mac, mac, OCS_ACCOUNT_MAC))
		return true;
	/* another node may know better than this one does */
	if (now - account->asked >= AGAIN_MS && account->due > now) {
		account->due = now;
		DL_DELETE(standing->queue, account);
		DL_PREPEND(standing->queue, account);
		*urgent_r = true;
	}
	return false;
}

bool ocs_standing_set(struct ocs_standing *standing, const char *name,
                      const uint8_t mac[OCS_ACCOUNT_MAC], int64_t expires, int64_t next,
                      int64_t now)
{
	struct ocs_standing_account *account = find(standing, name);
	bool changed;

	if (account)
		DL_DELETE(standing->queue, account);
	else if (!mac || !(account = add(standing, name, now)))
		return false;
	changed = mac ? account->state != THERE || !memeql_sec(account->mac, mac, OCS_ACCOUNT_MAC)
	              : account->state != GONE;
	account->state = mac ? THERE : GONE;
	if (mac)
		memcpy(account->mac, mac, OCS_ACCOUNT_MAC);
	if (account->expires < expires)
		account->expires = expires;
	account->told = ++standing->told;
	account->asked = now;
	account->due = next;
	DL_APPEND(standing->queue, account);
	return changed;
}

uint64_t ocs_standing_told(const struct ocs_standing *standing, const char *name)
{
	const struct ocs_standing_account *account = find(standing, name);

	return account ? account->told : 0;
}

const char *ocs_standing_due(struct ocs_standing *standing, int64_t wall, int64_t now,
                             int64_t *due_r)
{
	while (standing->queue && standing->queue->expires <= wall)
		forget(standing, standing->queue);
	*due_r = standing->queue ? standing->queue->due : INT64_MAX;
	return *due_r <= now ? standing->queue->name : NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The queue entry: what the daemon writes and the library reads, one message of a queue.
 *
 * Little-endian, fixed header, then the length-prefixed message class. Decoding rejects anything
 * that is not exact: wrong magic, version, length, unknown category, class that is not ASCII.
 */
#ifndef OCS_MQUEUE_ENTRY_H
#define OCS_MQUEUE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#define OCS_CLASS_MAX 127 /* bytes of ASCII */

enum ocs_category {
	OCS_NEWMAIL = 1,
	OCS_CREATED,
	OCS_DELETED,
	OCS_MODIFIED,
	OCS_MOVED,
	OCS_COPIED,
	OCS_SEARCH_COMPLETED,
};

struct ocs_entry {
	uint8_t category;     /* enum ocs_category */
	uint16_t flags;       /* NotificationFlags: OCSNOTIFY_ types and flags of ocsnotify.h */
	uint16_t table_event; /* TableEventType: OCSNOTIFY_TABLE_; 0: not about a table */
	uint64_t fid,
	        mid; /* as 64-bit C values (MS-OXCDATA 2.2.1): replica id in the low 16 bits */
	uint64_t old_fid, old_mid; /* for folders old_mid is the old parent FID */
	uint64_t parent_fid;
	uint32_t total, unread; /* valid with OCSNOTIFY_FLAG_TOTAL, _UNREAD */
	uint32_t message_flags; /* PidTagMessageFlags */
	uint64_t accepted_at;   /* microseconds since 1970, UTC */
	uint64_t sequence;      /* accept sequence: orders the entries of all queues of a node */
	uint8_t id_hash[16];    /* of SHA-256 of account NUL id; zero without an id */
	char message_class[OCS_CLASS_MAX + 1];
};

#define OCS_ENTRY_HEADER_SIZE 96
#define OCS_ENTRY_SIZE_MAX    (OCS_ENTRY_HEADER_SIZE + 1 + OCS_CLASS_MAX)

/* Returns the encoded size, or 0 if the entry is not valid. */
size_t ocs_entry_encode(const struct ocs_entry *entry, uint8_t out[OCS_ENTRY_SIZE_MAX]);
/* 0, or -1 if the bytes are not exactly one entry. */
int ocs_entry_decode(const uint8_t *data, size_t len, struct ocs_entry *out);

const char *ocs_category_word(enum ocs_category category);
int ocs_category_from_word(const char *word, enum ocs_category *category_r);

#endif

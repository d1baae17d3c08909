/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * RopNotify (0x2A) and RopPending (0x6E) response bytes: MS-OXCNOTIF 2.2.1.4.1.2, MS-OXCROPS
 * 2.2.14.2 and 2.2.14.3. libocsnotify writes them, libocsemsmdb reads them again. Pure functions;
 * any thread.
 */
#ifndef OCS_ROPNOTIFY_ROPNOTIFY_H
#define OCS_ROPNOTIFY_ROPNOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All fields a RopNotify can carry; which of them are encoded follows from flags and table_event.
 * Ids are 64-bit C values, written little-endian. */
struct ocs_ropnotify {
	uint32_t handle;
	uint8_t logon_id;
	uint16_t flags;       /* NotificationFlags */
	uint16_t table_event; /* TableEventType */
	uint64_t row_fid, row_mid;
	uint32_t row_instance;
	uint64_t after_fid, after_mid;
	uint32_t after_instance;
	const uint8_t *row_data;
	uint16_t row_data_len;
	uint64_t fid, mid, parent_fid, old_fid, old_mid, old_parent_fid;
	uint16_t tag_count; /* 0 and 0xffff: no tags follow */
	const uint32_t *tags;
	uint32_t total, unread, message_flags;
	bool unicode;              /* message_class as UTF-16LE */
	const char *message_class; /* ASCII, NUL-terminated */
	/* Set by decode only: the class as it stands in the data, without its terminating NUL. */
	const uint8_t *class_bytes;
	size_t class_len; /* in bytes */
};

/* Bytes the encoded form needs, 0 if the combination is not one the standard knows. */
size_t ocs_ropnotify_size(const struct ocs_ropnotify *notify);
/* Writes at most size bytes; returns the length, or 0 if it does not fit or is not valid. */
size_t ocs_ropnotify_encode(const struct ocs_ropnotify *notify, uint8_t *out, size_t size);
/* Decodes one RopNotify at data; returns its length, 0 if it is cut or malformed. tags, row_data
 * and an ASCII message_class point into data; tags may be unaligned there (read with ocs_get32); a
 * Unicode class is left NULL with unicode set (its bytes are class_bytes). */
size_t ocs_ropnotify_decode(const uint8_t *data, size_t len, struct ocs_ropnotify *out);
/* Sets MessageFlags of an encoded NewMail to 0; leaves all others alone. */
void ocs_ropnotify_clear_message_flags(uint8_t *data);

/* The shortest one there is: a table's that has changed. */
#define OCS_ROPNOTIFY_MIN 10

#define OCS_ROPPENDING_SIZE 3
size_t ocs_roppending_encode(uint16_t session_index, uint8_t *out, size_t size);

#endif

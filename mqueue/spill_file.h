/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The file of a spill list, for spill.c and spill_read.c alone.
 *
 *      0  the consumer's: number of the entry it reads next, and the same with all bits turned
 *    256  the writer's: magic "OCSP", version 1, slots 32, id 64, base 64, first 64, dropped 64,
 *         number of a TableChanged that stands for all (0: none) 64, check 64
 *    512  slots of 256 bytes: number 64, check 32, length 16, zero 16, the entry
 *
 * Slot (n - base) % slots has entry n, base <= first <= n. Numbers begin at 1.
 */
#ifndef OCS_MQUEUE_SPILL_FILE_H
#define OCS_MQUEUE_SPILL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqueue/entry.h"
#include "mqueue/spill.h"

#define OCS_SPILL_READ_SIZE   16
#define OCS_SPILL_HEADER_AT   256
#define OCS_SPILL_HEADER_SIZE 64
#define OCS_SPILL_SLOTS_AT    512
#define OCS_SPILL_SLOT_SIZE   256
#define OCS_SPILL_SLOTS_MAX   100000000

struct ocs_spill_header {
	uint64_t id, base, first, dropped, changed;
	uint32_t slots;
};

int ocs_spill_path(const struct ocs_spill_name *name, char *path, size_t size);
/* -ELOOP: what has the name is no file; -EPERM: it is not the daemon's. */
int ocs_spill_open_file(const struct ocs_spill_name *name, int access, int *fd_r);
/* Whether the open file is still the one of that name: that it has some name tells nothing, anybody
 * in the group may have given it another. What cannot be told: yes. */
bool ocs_spill_has_name(int fd, const struct ocs_spill_name *name);
void ocs_spill_header_put(uint8_t *out, const struct ocs_spill_header *header);
/* -1: it is none, or half of one. */
int ocs_spill_header_get(const uint8_t *data, struct ocs_spill_header *out);
void ocs_spill_read_put(uint8_t out[OCS_SPILL_READ_SIZE], uint64_t next);
/* 0: nobody has read. */
uint64_t ocs_spill_read_get(const uint8_t data[OCS_SPILL_READ_SIZE]);
void ocs_spill_slot_put(uint8_t out[OCS_SPILL_SLOT_SIZE], uint64_t number, const uint8_t *entry,
                        size_t len);
/* The bytes of a slot that count. */
size_t ocs_spill_slot_len(size_t entry_len);
/* The entry in the slot, of which so many bytes are there, if it is that number. NULL: another
 * one's, or half written. */
const uint8_t *ocs_spill_slot_get(const uint8_t *slot, size_t size, uint64_t number, size_t *len_r);
/* 1: the entry is there; 0 or a negative errno. */
int ocs_spill_has(int fd, const struct ocs_spill_header *header, uint64_t number);
/* Whether one of the next entries is there, though that number may not be. 1, 0 or a negative
 * errno. */
int ocs_spill_later(int fd, const struct ocs_spill_header *header, uint64_t number);
uint64_t ocs_spill_slot_at(const struct ocs_spill_header *header, uint64_t number);
/* The number after the last entry. */
int ocs_spill_tail(int fd, const struct ocs_spill_header *header, uint64_t *tail_r);

#endif

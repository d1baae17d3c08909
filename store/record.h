/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The records that the journals and the spool are made of, and walking along a file of them, past
 * what is damaged. Reads the file it is given, changes none.
 *
 * A record is, little endian: magic 32, checksum 32 of the rest of the header, checksum 32 of the
 * data, length 32, number 64, time of its writing 64 (CLOCK_REALTIME ms), data. The header has a
 * checksum of its own so that damaged data cost one record and are stepped over; where a header is
 * damaged, the next magic shows where it goes on. Numbers have no gaps, so a gap tells how many
 * records are lost.
 *
 * Threads: whoever owns a window or a buffer serialises the calls.
 */
#ifndef OCS_STORE_RECORD_H
#define OCS_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_RECORD_HEADER 32
#define OCS_RECORD_WINDOW 65536

struct ocs_record {
	uint64_t number, when;
	uint32_t len, check;
};

uint32_t ocs_record_checksum(const uint8_t *data, size_t len);

/* ---- writing: records are collected in a buffer, one behind the other, and numbered when it is
 * written ---- */

/* Puts a record that has no header yet, OCS_RECORD_HEADER + len bytes. */
void ocs_record_put(uint8_t *out, const void *data, size_t len);
/* Gives the records that were put their headers, numbered from `first` on, with the time; returns
 * the number after the last. */
uint64_t ocs_record_number(uint8_t *buffer, size_t len, uint64_t first);

/* ---- reading ---- */

/* What a file may hold; what says otherwise is no record. */
struct ocs_record_bounds {
	uint64_t size;       /* bytes of it that hold records */
	uint64_t first, end; /* numbers: of its first record, and past the highest */
	uint32_t len_max;    /* bytes of data */
};

/* The part of a file that was read last. */
struct ocs_record_window {
	int fd;
	uint64_t at;
	size_t len;
	bool unreadable; /* the last look failed, with errno: what is there is not known */
	uint8_t bytes[OCS_RECORD_WINDOW];
};

void ocs_record_window_set(struct ocs_record_window *window, int fd);

/* Moves *at to the first record from there on whose header is sound: 1; 0: there is none to the end
 * (*at is past it then); -1 with errno: what is at *at cannot be read now. */
int ocs_record_find(struct ocs_record_window *window, const struct ocs_record_bounds *bounds,
                    uint64_t *at, struct ocs_record *record);
/* The data of the record found there, into record->len bytes: 1; 0: they do not verify; -1 with
 * errno: they cannot be read now. */
int ocs_record_data(struct ocs_record_window *window, const struct ocs_record_bounds *bounds,
                    uint64_t at, const struct ocs_record *record, uint8_t *out);

#endif

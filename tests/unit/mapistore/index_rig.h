/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the index share: one in a temporary folder, and its names of one user. */
#ifndef OCS_UNIT_INDEX_RIG_H
#define OCS_UNIT_INDEX_RIG_H

#include "mapistore/index.h"
#include "tests/unit/rig.h"

extern struct ocs_index *index_db;
extern struct ocs_index_folder index_found; /* of the last call */

int index_open(uint16_t replica_id);
void index_setup(void);
void index_teardown(void);
void index_reopen(void);
uint64_t index_make(const char *folder);
int index_find(const char *folder);
void index_rename(const char *from, const char *to);
void index_delete(const char *folder);

/* Registers a message of a folder; returns its MID. */
uint64_t index_put_message(const char *folder, const char *id);
int index_get_message(const char *folder, const char *id, uint64_t *mid);

/* "user backend b.user folder [message]", or "" if the identifier leads nowhere. */
const char *index_name_of(uint64_t id);
void index_set_uid_validity(const char *folder, uint32_t value);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who sees what, read from wherever the ini says: sources of users. Each source adds lines to one
 * user map (mapistore/usermap.h), the text file's first; all are read or nothing is, but for the
 * directory's, which an admin does not write: they give way to the others. What the
 * libraries need of the map stands in a file of the registry folder, so that they know what the
 * daemon knows, and need neither the sources nor what reads them.
 *
 * One thread but where said.
 */
#ifndef OCS_USERS_USERS_H
#define OCS_USERS_USERS_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "mapistore/usermap.h"

struct ocs_users_backend {
	const char *name; /* canonical */
	const char *uri;  /* template */
};

struct ocs_users_settings {
	const char *map;          /* [users] map; NULL: none */
	const char *openchangedb; /* [main] openchangedb; NULL: none */
	const char *directory;    /* what users/directory.h writes; NULL: none */
	/* Where to say why its users are not in the map, or ""; NULL: nowhere. */
	struct ocs_error *directory_fault;
	struct ocs_name_rule names;
	uint16_t replica_id; /* of this node */
	const struct ocs_users_backend *backends;
	size_t n_backends;
};

/* A source: the text map, an openchange.ldb, what was read from a directory. */
struct ocs_users_source {
	/* Where it is, by the settings; NULL: it is not used. */
	const char *(*where)(const struct ocs_users_settings *settings);
	/* Adds its lines. What is wrong is reported with its place: as LOG_ERR if the source is
	 * refused for it, which is -1 with the error; as LOG_WARNING if it is left out. */
	int (*read)(struct ocs_usermap *map, const struct ocs_users_settings *settings,
	            ocs_report_fn *report, void *arg, struct ocs_error *error);
};
extern const struct ocs_users_source ocs_users_text, ocs_users_openchangedb,
        ocs_users_from_directory;

/* In main(), while there is one thread: sets what libldb reads in the environment. */
void ocs_users_begin(void);
/* Whether the settings name a source. */
bool ocs_users_wanted(const struct ocs_users_settings *settings);
/* *map_r, a talloc object on mem_ctx, is NULL where no source is named. -1 and no map: one could
 * not be read, or is wrong. */
int ocs_users_load(const struct ocs_users_settings *settings, const void *mem_ctx,
                   ocs_report_fn *report, void *arg, struct ocs_usermap **map_r,
                   struct ocs_error *error);

/* ---- what the libraries read: file.c ---- */

struct ocs_users_file;

/* FOLDER/users.map; nothing is written yet. NULL: out of memory. Talloc object. */
struct ocs_users_file *ocs_users_file_new(const void *mem_ctx, const char *folder);
const char *ocs_users_file_path(const struct ocs_users_file *file);
/* Puts the map beside it under another name: what can fail does so here. map NULL: none. */
int ocs_users_file_prepare(struct ocs_users_file *file, const struct ocs_usermap *map,
                           struct ocs_error *error);
/* What was prepared is not wanted. */
void ocs_users_file_cancel(struct ocs_users_file *file);
/* What was prepared last takes its place, or none does. */
int ocs_users_file_commit(struct ocs_users_file *file, struct ocs_error *error);
/* Writes it again if it is gone: 1 with the error saying so; 0: it is there, or none is wanted; -1:
 * it cannot be. Any thread. */
int ocs_users_file_look(struct ocs_users_file *file, struct ocs_error *error);

#endif

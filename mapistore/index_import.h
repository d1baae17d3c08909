/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of the import share; nobody else may use it. From the roof to the floor:
 * index_import.c tells the files apart; import_text.c reads our text, import_openchange.c an
 * OpenChange's index, of whose records openchange_index.c knows; import_records.c puts records into
 * the index.
 */
#ifndef OCS_MAPISTORE_INDEX_IMPORT_H
#define OCS_MAPISTORE_INDEX_IMPORT_H

#include <uthash.h>

#include "mapistore/index_internal.h"
#include "mapistore/index_text.h"
#include "mapistore/index_tools.h"

struct ocs_placed; /* a folder that messages were put into */

struct ocs_import {
	struct ocs_index *index;
	const struct ocs_index_source *source;
	const struct ocs_index_watch *watch;
	struct ocs_index_imported *out;
	struct ocs_error *error;
	void *mem_ctx;
	struct ocs_placed *placed;
	uint64_t *inside; /* numbers that the index uses for itself, sorted */
	size_t n_inside, room;
	uint64_t least; /* counter that is above all that come */
	uint64_t done;
};

/* Where it is: a line of text that holds until the next call. */
const char *ocs_import_where(const struct ocs_import *import, uint64_t line);
/* Says why one is refused, and counts it. Returns 0: others follow. */
int ocs_import_refuse(struct ocs_import *import, const char *where, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The counter that an identifier of ours uses up. */
void ocs_import_count(struct ocs_import *import, uint64_t id);

/* The transaction. begin: before the first record, when least is known. end: commits if nothing was
 * refused and it is no trial. 0 or -1; on -1 nothing was changed. */
int ocs_import_begin(struct ocs_import *import);
int ocs_import_end(struct ocs_import *import);
/* Gives up what was not committed, and frees all. */
void ocs_import_done(struct ocs_import *import);

/* A record of each kind: 0, also where it was refused at `where`; or -1. */
int ocs_import_root(struct ocs_import *import, const char *where,
                    const struct ocs_index_line *line);
int ocs_import_folder(struct ocs_import *import, const char *where,
                      const struct ocs_index_line *line);
int ocs_import_message(struct ocs_import *import, const char *where,
                       const struct ocs_index_line *line);
int ocs_import_alias(struct ocs_import *import, const char *where,
                     const struct ocs_index_line *line);

/* The files: everything from begin to end. */
int ocs_import_text(struct ocs_import *import, FILE *file);
int ocs_import_openchange(struct ocs_import *import);

#endif

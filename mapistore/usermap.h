/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The user map: which groupware users see a backend user's folder, and its FID there; and which
 * names are one user.
 *
 * A table of lines, whatever they were read from: a text file (usermap_text.c), an openchange.ldb
 * (users/openchangedb.c). A line has backend, backend user and folder, where NULL is any, and the
 * groupware user, where NULL is the backend user, and the folder's FID, or 0. Every line that
 * matches counts; the first FID of a user wins. An alias is another name of a user, wherever a user
 * is named. Found by hash: what a look costs does not depend on how many lines there are.
 *
 * Made by one thread: new, add, merge, finish. Immutable after that: any number of threads may read
 * it.
 */
#ifndef OCS_MAPISTORE_USERMAP_H
#define OCS_MAPISTORE_USERMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "base/error.h"
#include "mapistore/names.h"

/* The map that the daemon writes for the libraries, in the registry folder. */
#define OCS_USERMAP_FILE "users.map"

struct ocs_usermap;

struct ocs_usermap_line {
	const char *backend, *backend_user, *folder; /* canonical backend and folder; NULL: any */
	const char *user;                            /* NULL: the backend user */
	uint64_t fid;                                /* 0: none */
	const char *file;                            /* where it was read, for messages; kept */
	unsigned number;                             /* line of the file; 0: it has no lines */
};

/* A map that names nobody, as a talloc object. NULL: out of memory. */
struct ocs_usermap *ocs_usermap_new(const void *mem_ctx, const struct ocs_name_rule *rule);
/* Both copy the names. -1: out of memory. */
int ocs_usermap_add(struct ocs_usermap *map, const struct ocs_usermap_line *line);
int ocs_usermap_add_alias(struct ocs_usermap *map, const char *alias, const char *user,
                          const char *file, unsigned number);
/* Adds the lines of another map of the same rule (finished or not), and its aliases as far as they
 * give way: left out, with a warning, is one that is another user's name in this map already (the
 * name of a groupware user, of a backend user, an alias), or that two users of the other map claim.
 * So the other map cannot contradict this one. Returns how many are left out; -1: out of memory. */
int ocs_usermap_merge(struct ocs_usermap *map, const struct ocs_usermap *other,
                      ocs_report_fn *report, void *arg);
/* A source that knows every user was read: it decides, also where it names nobody. */
void ocs_usermap_set_decides(struct ocs_usermap *map);
/* Reports aliases that contradict each other, with file and line; returns how many, or -1 with the
 * error set: out of memory. The map can be used only after 0. */
int ocs_usermap_finish(struct ocs_usermap *map, ocs_report_fn *report, void *arg,
                       struct ocs_error *error);

/*
 * usermap_text.c. A text file, a line each, fields separated by tabs: backend, backend user,
 * folder, groupware user, FID or `-`; `*` in the first three is any, `=` as groupware user is the
 * backend user; or three fields: `alias`, the alias, the user; `#` starts a comment line. UTF-8,
 * with or without a byte order mark. A field is what stands between two tabs, white space included.
 */
/* Adds the lines of a file; reports every bad one with file and line. Returns 0, or -1 with the
 * error set: the map is of no use then. */
int ocs_usermap_read(struct ocs_usermap *map, const char *path, ocs_report_fn *report, void *arg,
                     struct ocs_error *error);
/* The same for such a text in memory; path: what messages call it. */
int ocs_usermap_read_text(struct ocs_usermap *map, const char *path, const char *bytes, size_t len,
                          ocs_report_fn *report, void *arg, struct ocs_error *error);
/* A map of one text file alone. rule NULL: each name is itself. -1 (and no map) if anything is
 * wrong. talloc object on mem_ctx. */
int ocs_usermap_load(const char *path, const struct ocs_name_rule *rule, const void *mem_ctx,
                     ocs_report_fn *report, void *arg, struct ocs_usermap **map_r,
                     struct ocs_error *error);
/* The lines with a FID and the aliases as such a text: what a library needs. -1: errno. */
int ocs_usermap_write_fixed(const struct ocs_usermap *map, FILE *out);

/* Reports each line about a backend that is none of these (NULL-terminated): it has no effect. */
void ocs_usermap_check_backends(const struct ocs_usermap *map, char *const *backends,
                                ocs_report_fn *report, void *arg);
/* Reports the names that hold what is not seen: control characters, white space at an end. */
void ocs_usermap_doubt(const struct ocs_usermap *map, ocs_report_fn *report, void *arg);

/* Whether it says who sees what; a map of aliases alone does not, and who is named is then who is
 * meant, as without a map. */
bool ocs_usermap_decides(const struct ocs_usermap *map);

/* Whether an alias names the user. */
bool ocs_usermap_names(const struct ocs_usermap *map, const char *user);

/* The one name of a user, by the rule and the aliases. map NULL: by the rule alone. Every way in
 * goes through here. Returns out. */
char *ocs_usermap_user(const struct ocs_usermap *map, const struct ocs_name_rule *rule,
                       const char *user, char out[OCS_NAME_MAX + 1]);

/* The groupware users of a backend user's folder, each once, in the order of the lines: calls
 * each() with the user and the fixed FID (0: none). Without a map that decides: the backend user.
 * Returns how many. backend canonical, backend_user as of ocs_usermap_user(); user lives as long as
 * both the map and backend_user. */
typedef void ocs_usermap_each_fn(void *arg, const char *user, uint64_t fid);
size_t ocs_usermap_match(const struct ocs_usermap *map, const char *backend,
                         const char *backend_user, const char *folder, ocs_usermap_each_fn *each,
                         void *arg);
/* Whether a groupware user sees the folder; *fid_r is its fixed FID for them, 0 if none. */
bool ocs_usermap_sees(const struct ocs_usermap *map, const struct ocs_folder_name *name,
                      uint64_t *fid_r);
/* Every line by which the user sees something, for people: names NULL as in the line. */
typedef void ocs_usermap_line_fn(void *arg, const struct ocs_usermap_line *line);
void ocs_usermap_each_of(const struct ocs_usermap *map, const char *user, ocs_usermap_line_fn *each,
                         void *arg);
/* The fixed FID of a folder for one groupware user, 0 if none. */
uint64_t ocs_usermap_fid(const struct ocs_usermap *map, const struct ocs_folder_name *name);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a name is: the rules for users, folders and message ids, in one place for every way in
 * (documents, JSON, user map, the library's public functions, options of the tools).
 *
 * A name is what the mail store says, byte for byte: 1 to 1,024 bytes of UTF-8, without NUL and
 * the other C0 controls (XML 1.0 cannot express most of them) and without U+FFFE and U+FFFF. White
 * space at its ends, DEL and C1 controls belong to it.
 *
 * A folder is such a name whose `/` separate levels; no level is empty, so there is none at either
 * end and no two in a row. It is refused, never mended: a store whose names really hold an empty
 * level would otherwise have two folders become one, and deleting one would report the other.
 *
 * Pure functions; any thread.
 */
#ifndef OCS_MAPISTORE_NAMES_H
#define OCS_MAPISTORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fold.h"

#define OCS_NAME_MAX 1024 /* bytes of a name */
/* Levels of a folder: each is three records in the index for every user that sees it. */
#define OCS_FOLDER_LEVELS_MAX 64

/* What is wrong with a name, as the end of a sentence ("is empty", "holds ..."), or NULL. */
const char *ocs_name_fault(const char *name);
/* The same for a folder: its levels too, and that there are at most OCS_FOLDER_LEVELS_MAX. */
const char *ocs_folder_fault(const char *folder);
unsigned ocs_folder_levels(const char *folder);

/* How a program outside writes the names of folders. */
struct ocs_folder_style {
	char separator; /* of the levels */
	bool utf7;      /* IMAP's modified UTF-7, else UTF-8 */
};

/* Such a name as ours (INBOX in capitals is left to ocs_index_canonical_folder). NULL, or what is
 * wrong with it as of ocs_name_fault(). A `/` within a level cannot be said in our names: where the
 * separator is another one, it is a fault. */
const char *ocs_folder_translate(const char *name, const struct ocs_folder_style *style,
                                 char out[OCS_NAME_MAX + 1]);

/* Lower-cases a backend name; INBOX as first component in capitals; strips nothing else. In place.
 */
void ocs_index_canonical_backend(char *backend);
void ocs_index_canonical_folder(char *folder);

/* The one form of a user's name: without its domain where the rule says so, and case folded.
 * Aliases are the user map's (ocs_usermap_user()). The form of a form is itself. Returns out. */
char *ocs_name_user_key(const struct ocs_name_rule *rule, const char *user,
                        char out[OCS_NAME_MAX + 1]);
/* The same for a folder, or one level of it, by which folders are found; it is shown as it was said
 * first. INBOX as first component stays in capitals. out may be the folder itself. */
char *ocs_name_folder_key(const struct ocs_name_rule *rule, const char *folder,
                          char out[OCS_NAME_MAX + 1]);

/* A folder as the mail store names it, and which groupware user sees it. */
struct ocs_folder_name {
	const char *user, *backend, *backend_user, *folder;
};

/* A name as people are shown it: as it is, or, where something would not be seen (white space at an
 * end, two blanks in a row, what base/utf8.h does not show) or a quote begins it, in double quotes,
 * with `\"`, `\\` and `\xHH`. What does not fit is cut. Returns out. */
#define OCS_NAME_SHOWN_SIZE (4 * OCS_NAME_MAX + 3)
char *ocs_name_show(const char *name, char *out, size_t size);

/* C0, DEL and C1 controls. */
bool ocs_name_has_control(const char *name);

#endif

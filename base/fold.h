/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Names without regard to case. Pure; any thread; no locale matters. */
#ifndef OCS_BASE_FOLD_H
#define OCS_BASE_FOLD_H

#include <stdbool.h>
#include <stddef.h>

/* The case folded form of valid UTF-8 (Unicode's full case folding, then NFC): two names that
 * differ in case alone, or in how their accents are composed, have the same one, and it is its own.
 * Returns out; a text whose folded form does not fit stays as it is, cut if it must be. */
char *ocs_fold(const char *text, char *out, size_t size);

/* Which names are one: [main] case and [users] domains of the daemon's ini, which the libraries
 * read in the registry. All zero: each name is itself. Applied by mapistore/names.h. */
#define OCS_NAME_DOMAINS_SIZE 512
struct ocs_name_rule {
	bool fold;                           /* names that differ in case alone are one */
	char domains[OCS_NAME_DOMAINS_SIZE]; /* user@DOMAIN is user: separated by commas; `*`: any;
	                                        "": none */
};

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * IMAP's modified UTF-7 (RFC 3501, 5.1.3), the names of folders on the wire of older IMAP clients
 * and on the disk of some stores: `Entw&APw-rfe`. Strict: each name has one spelling, and no other
 * is read. Pure functions; any thread.
 */
#ifndef OCS_MAPISTORE_UTF7_H
#define OCS_MAPISTORE_UTF7_H

#include <stddef.h>

/* Both write a NUL-terminated text of at most size bytes. -1: it does not fit, or the input is not
 * what it should be (not modified UTF-7 or spelt in another way than encode does; not UTF-8). */
int ocs_utf7_decode(const char *utf7, char *utf8, size_t size);
int ocs_utf7_encode(const char *utf8, char *utf7, size_t size);

#endif

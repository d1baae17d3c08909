/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * SASLprep (RFC 4013) as the daemon has it: what a password is before it is hashed. Dovecot has
 * none; this is libidn, which is what the daemon's libgsasl calls too. Touches memory only.
 */
#ifndef OCS_PREPARE_H
#define OCS_PREPARE_H

/* i_malloc()ed, to be wiped and freed; NULL: not UTF-8, forbidden characters, or nothing is left.
 */
char *ocs_password_prepare(const char *password);

#endif

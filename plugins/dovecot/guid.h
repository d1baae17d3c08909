/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which mail it is, so that a UID that is given again (a home restored from a snapshot) is not
 * taken for the mail that had it before. Dovecot's own GUID is not known while a mail is saved;
 * this is a digest of what stays the same when a mail is copied or replicated: the time it was
 * received and the headers that make it one of its kind.
 */
#ifndef OCS_GUID_H
#define OCS_GUID_H

struct mail;

/* 32 hexadecimal digits on the data stack, or NULL where the mail cannot be read. The mail may be
   one that is being saved. */
const char *ocs_guid(struct mail *mail);

#endif

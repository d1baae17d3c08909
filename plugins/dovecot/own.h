/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which stores are the user's own. Dovecot opens others under the user's name as well: the second
 * location of `doveadm sync` and `backup`, the source of `doveadm import`, whatever `doveadm -o
 * mail_location=` says. What happens there does not happen in the user's mailbox.
 */
#ifndef OCS_OWN_H
#define OCS_OWN_H

struct mail_namespace;
struct mail_user;

/* Of every mail_user but the autocreated; the first one alive with a name is the user. Both calls
   belong together. */
void ocs_own_user_add(struct mail_user *user);
void ocs_own_user_remove(struct mail_user *user);

/* Whether the namespace is one that the user has by the configuration. */
bool ocs_own_store(struct mail_namespace *ns);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * URIs of folders and messages, made and read by the template of [backend:NAME] uri: text with
 * these, each replaced by the percent-encoded name (RFC 3986 unreserved characters stay):
 *
 *   {user}              the backend user
 *   {folder}            the folder as it is named here: UTF-8, `/` between its levels
 *   {folder:imap-utf7}  the same in IMAP's modified UTF-7
 *   {folder:sogo}       as SOGo's OpenChange backend writes it: each level is `folder` and the
 *                       escaped name, so that INBOX/My mail is folderINBOX/folderMy_SP_mail
 *   {message}           the message id, `/` encoded
 *
 * Of a folder there is no {message}: its URI ends behind the last `/` before that, or behind the
 * folder where that comes later.
 *
 * A password (SCHEME://USER:PASSWORD@HOST) is a credential, not a name: it is never compared, and
 * ocs_uri_show() is how people are shown a URI. Pure functions; any thread.
 */
#ifndef OCS_MAPISTORE_URI_H
#define OCS_MAPISTORE_URI_H

#include "base/error.h"

/* -1 with a text if the template has another placeholder, a lone brace, or no scheme. */
int ocs_uri_check(const char *template, struct ocs_error *error);

/* The URI on mem_ctx (talloc); message NULL: the folder's. NULL if out of memory, or the folder
 * cannot be written so (it is not UTF-8). */
char *ocs_uri_format(const void *mem_ctx, const char *template, const char *user,
                     const char *folder, const char *message);

/* What a URI says; NULL: not in it. */
struct ocs_uri_names {
	char *user, *folder, *message;
};

/* Reads a URI by a template: 0, or -1 if it is none that ocs_uri_format() could have made of names
 * that are allowed here, spelt in whatever way names the same. One that ends with `/` is a
 * folder's; any other is a message's if it can be. The names are on mem_ctx. */
int ocs_uri_parse(const void *mem_ctx, const char *template, const char *uri,
                  struct ocs_uri_names *out);

/* One spelling for all that mean the same: scheme and host in lower case, every byte of the path
 * percent-encoded but the unreserved ones and `/`, no password, no `/` at the end. On mem_ctx;
 * NULL if it is no URI, or out of memory. */
char *ocs_uri_normalise(const void *mem_ctx, const char *uri);

/* A URI or template as people are shown it: with `***` for a password, unless that is `*`, which is
 * none. On mem_ctx; NULL if out of memory. */
char *ocs_uri_show(const void *mem_ctx, const char *uri);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Searching the identifier index for URIs by a pattern in which `*` is any run of characters, page
 * by page. What it costs is decided by what it returns: names are found by three characters in a
 * row of them (index_layer.h). A pattern that demands no three of any name goes through all of
 * them, in order, a bounded step a call.
 *
 * Threads, transactions: as store/store.h; a search writes nothing.
 */
#ifndef OCS_MAPISTORE_INDEX_SEARCH_H
#define OCS_MAPISTORE_INDEX_SEARCH_H

#include "mapistore/index.h"

#define OCS_INDEX_CURSOR_SIZE 96
#define OCS_INDEX_EFFORT      20000 /* names looked at in one call: some tens of milliseconds */

/* A result beside those of ocs_store_result: the pattern or the cursor is none. */
#define OCS_INDEX_INVALID (-60)

struct ocs_index_template {
	const char *backend, *template; /* canonical; as of [backend:NAME] uri */
};

struct ocs_index_query {
	const char *pattern; /* of the URI as people are shown it: a password is `***` */
	const char *user;    /* the groupware user (their one name); NULL: all */
	bool deleted;        /* what is deleted too */
	const char *cursor;  /* of the page before; NULL or "": from the beginning */
	unsigned limit;      /* hits a page, at least 1 */
	unsigned effort;     /* 0: OCS_INDEX_EFFORT */
	const struct ocs_index_template *templates;
	size_t n_templates;
};

struct ocs_index_hit {
	uint64_t id;
	struct ocs_index_name name;
};

struct ocs_index_page {
	struct ocs_index_hit *hits; /* each identifier once in all pages */
	size_t n; /* fewer than the limit, or none, does not mean that there are no more */
	char cursor[OCS_INDEX_CURSOR_SIZE]; /* "": there are no more */
	bool walked; /* the pattern demands too little of names, so that many were looked at */
};

/* Folders first, then messages. What is there from the first page to the last, and matches, is
 * found; what comes or goes meanwhile may be. Allocated on mem_ctx. OCS_STORE_BUSY: the layer is
 * not built yet; OCS_INDEX_INVALID. */
int ocs_index_search(struct ocs_index *index, const void *mem_ctx,
                     const struct ocs_index_query *query, struct ocs_index_page *page,
                     struct ocs_error *error);

/* ---- the layer ---- */

/* How much of it is built, in thousandths; 1000: it is ready. -1: none is being built. */
int ocs_index_search_built(struct ocs_index *index);
/* One step of building it, in a transaction of its own: about so many names. OK: there is more to
 * do; 1: it is ready. Any process, also several at once. */
int ocs_index_search_build(struct ocs_index *index, unsigned names, struct ocs_error *error);
/* Drops it, in a transaction of its own: then it is to be built. */
int ocs_index_search_drop(struct ocs_index *index, struct ocs_error *error);
/* Whether a folder or message can be found, for a check of the index: 1, 0; or an
 * ocs_store_result: MISSING where the layer is not ready or the identifier names neither. */
int ocs_index_search_has(struct ocs_index *index, uint64_t id, struct ocs_error *error);

#endif

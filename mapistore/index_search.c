/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Searches by pattern: see index_search.h. Reads the open index.
 *
 * A search goes through the backends, in the order of their names, and of each through the ways in
 * which its URIs can match (search_pattern.h): folders first, then messages. A way with messages is
 * gone by their own grams (plan m, in the order of their numbers), or folder by folder (plan f, in
 * the order of the folders' numbers), where their ids demand nothing or few folders match. What an
 * earlier way has is not given again by a later one. A cursor is where the next page begins in
 * that: numbers only grow, so nothing is missed or given twice, whatever comes and goes.
 */
#include "mapistore/index_search.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"
#include "base/fnv.h"
#include "mapistore/index_stream.h"
#include "mapistore/search_cursor.h"
#include "mapistore/uri.h"

#define FOLDERS_FEW 8   /* so many are gone through one by one */
#define PROBES      24  /* folders that are looked at to see whether there are few */
#define MESSAGES    100 /* that a folder has, as a guess */

struct backend {
	const char *name;
	char *template;               /* without a password */
	struct ocs_search_form *form; /* NULL: not made yet */
};

/* A folder that was looked at. */
struct folder {
	uint64_t fid;
	struct ocs_index_name name;
	const struct backend *backend; /* NULL: not to be found */
	char *head;                    /* of the URIs of its messages */
	UT_hash_handle hh;
};

struct search {
	struct ocs_index *index;
	const struct ocs_index_query *query;
	struct ocs_index_page *page;
	const void *page_ctx;
	void *mem_ctx;
	char *pattern;
	struct backend *backends;
	size_t n_backends;
	struct ocs_stream_tail *tail;
	struct folder *folders;
	struct ocs_search_position at;
	uint32_t check; /* of what is asked for */
	unsigned looked;
	struct ocs_error *error;
};

#define STOPPED 1 /* the page is full, or it took enough */

/* ---- what is looked at ---- */

/* The next call goes on there. */
static int look(struct search *search)
{
	unsigned effort = search->query->effort != 0 ? search->query->effort : OCS_INDEX_EFFORT;

	if (search->page->n >= search->query->limit || search->looked >= effort)
		return STOPPED;
	search->looked++;
	return OCS_STORE_OK;
}

static const struct backend *backend_of(const struct search *search, const char *name)
{
	for (size_t i = 0; i < search->n_backends; i++)
		if (strcmp(search->backends[i].name, name) == 0)
			return &search->backends[i];
	return NULL;
}

static int read_folder(struct search *search, struct folder *folder)
{
	const struct backend *backend;
	int ret;

	/* Another node's identifier of a folder: it is found by its own. */
	if (ocs_index_follow(search->index, folder->fid) != folder->fid)
		return OCS_STORE_OK;
	ret = ocs_index_lookup(search->index, folder, folder->fid, &folder->name, search->error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (folder->name.message_id != NULL || folder->name.folder == NULL ||
	    folder->name.folder[0] == '\0' || folder->name.backend == NULL ||
	    (folder->name.deleted && !search->query->deleted) ||
	    (search->query->user != NULL && strcmp(folder->name.user, search->query->user) != 0))
		return OCS_STORE_OK;
	backend = backend_of(search, folder->name.backend);
	if (backend == NULL || backend->form == NULL)
		return OCS_STORE_OK;
	/* One that cannot be written so has no URI. */
	folder->head = ocs_uri_format(folder, backend->form->head, folder->name.backend_user,
	                              folder->name.folder, "");
	folder->backend = folder->head != NULL ? backend : NULL;
	return OCS_STORE_OK;
}

static int get_folder(struct search *search, uint64_t fid, struct folder **folder_r)
{
	struct folder *folder;
	int ret;

	HASH_FIND(hh, search->folders, &fid, sizeof(fid), folder);
	*folder_r = folder;
	if (folder != NULL)
		return OCS_STORE_OK;
	folder = talloc_zero(search->mem_ctx, struct folder);
	if (folder == NULL)
		return ocs_error_memory(search->error);
	folder->fid = fid;
	ret = read_folder(search, folder);
	if (ret != OCS_STORE_OK)
		return ret;
	HASH_ADD(hh, search->folders, fid, sizeof(folder->fid), folder);
	*folder_r = folder;
	return folder->hh.tbl != NULL ? OCS_STORE_OK : ocs_error_memory(search->error);
}

/* ---- hits ---- */

static char *copy(const struct search *search, const char *text)
{
	return text != NULL ? talloc_strdup(search->page_ctx, text) : NULL;
}

static int add_hit(struct search *search, uint64_t id, const struct folder *folder,
                   const char *message_id, bool deleted)
{
	struct ocs_index_page *page = search->page;
	struct ocs_index_hit *hit;

	if (page->n % 64 == 0) {
		hit = talloc_realloc(search->page_ctx, page->hits, struct ocs_index_hit,
		                     (unsigned)page->n + 64);
		if (hit == NULL)
			return ocs_error_memory(search->error);
		page->hits = hit;
	}
	hit = &page->hits[page->n];
	hit->id = id;
	hit->name = (struct ocs_index_name){
	        .user = copy(search, folder->name.user),
	        .backend = copy(search, folder->name.backend),
	        .backend_user = copy(search, folder->name.backend_user),
	        .folder = copy(search, folder->name.folder),
	        .message_id = copy(search, message_id),
	        .deleted = deleted,
	};
	if (hit->name.user == NULL || hit->name.backend == NULL || hit->name.backend_user == NULL ||
	    hit->name.folder == NULL || (message_id != NULL && hit->name.message_id == NULL))
		return ocs_error_memory(search->error);
	page->n++;
	return OCS_STORE_OK;
}

/* Whether the URI matches as a whole. */
static bool is_match(const struct search *search, const struct backend *backend,
                     const struct folder *folder, const char *message_id)
{
	char *uri = ocs_uri_format(search->mem_ctx, backend->template, folder->name.backend_user,
	                           folder->name.folder, message_id);
	bool match = uri != NULL && ocs_search_matches(search->pattern, uri);

	talloc_free(uri);
	return match;
}

/* Whether a way has the message: one head, one tail. */
static bool goes_by(const struct ocs_search_way *way, const char *head, const char *tail)
{
	return way->tail != NULL && ocs_search_matches(way->tail, tail) &&
	       ocs_search_matches(way->head, head);
}

/* The id and series of a message, on mem_ctx. MISSING: it is none. */
static int read_message(struct search *search, const void *mem_ctx, uint64_t mid,
                        uint64_t *series_r, char **message_id_r)
{
	const char *pending;
	uint8_t *data;
	size_t len;
	int ret = ocs_index_name_get(search->index, mem_ctx, mid, &data, &len, search->error);

	if (ret == OCS_STORE_MISSING &&
	    ocs_index_pending_name(search->index, mid, series_r, &pending)) {
		*message_id_r = talloc_strdup(mem_ctx, pending);
		return *message_id_r != NULL ? OCS_STORE_OK : ocs_error_memory(search->error);
	}
	if (ret != OCS_STORE_OK)
		return ret;
	if (len <= 9 || data[0] != OCS_KIND_MESSAGE || data[9] == '\0')
		return OCS_STORE_MISSING;
	*series_r = ocs_get64(data + 1);
	*message_id_r = (char *)data + 9; /* fetch has put a NUL behind it */
	return OCS_STORE_OK;
}

/* A message that may be a hit; fid: of this folder only, 0: of any. */
static int see_message(struct search *search, const struct backend *backend, unsigned n,
                       uint64_t mid, uint64_t fid, const void *mem_ctx)
{
	const struct ocs_search_form *form = backend->form;
	struct ocs_index_message message = {0};
	uint64_t series, of = 0;
	struct folder *folder;
	char *message_id, *tail;
	bool retired = false, deleted;
	int ret = read_message(search, mem_ctx, mid, &series, &message_id);

	if (ret != OCS_STORE_OK)
		return ret;
	tail = ocs_uri_format(mem_ctx, form->tail, "", "", message_id);
	if (tail == NULL)
		return ocs_error_memory(search->error);
	if (form->plain && !ocs_search_matches(form->ways[n].tail, tail))
		return OCS_STORE_OK;
	ret = ocs_index_series_get(search->index, series, &of, &retired, search->error);
	of = ocs_index_follow(search->index, of);
	if (ret == OCS_STORE_OK && (fid == 0 || of == fid))
		ret = get_folder(search, of, &folder);
	else
		return ret;
	if (ret != OCS_STORE_OK || folder->backend != backend ||
	    !goes_by(&form->ways[n], folder->head, form->plain ? tail : ""))
		return ret;
	for (unsigned i = 0; i < n; i++)
		if (goes_by(&form->ways[i], folder->head, tail))
			return OCS_STORE_OK;
	if (!is_match(search, backend, folder, message_id))
		return OCS_STORE_OK;
	ret = ocs_index_message(search->index, series, message_id, &message, search->error);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	deleted = ret == OCS_STORE_MISSING || message.mid != mid || retired || folder->name.deleted;
	if (deleted && !search->query->deleted)
		return OCS_STORE_OK;
	return add_hit(search, mid, folder, message_id, deleted);
}

static int try_message(struct search *search, const struct backend *backend, unsigned n,
                       uint64_t mid, uint64_t fid)
{
	void *mem_ctx = talloc_new(search->mem_ctx);
	int ret = mem_ctx != NULL ? see_message(search, backend, n, mid, fid, mem_ctx)
	                          : ocs_error_memory(search->error);

	talloc_free(mem_ctx);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

/* ---- folders of a way ---- */

static int open_folders(struct search *search, const struct backend *backend, unsigned n,
                        const void *mem_ctx, struct ocs_stream **stream_r)
{
	struct ocs_search_grams grams = backend->form->ways[n].folder;
	const char *user = search->query->user;

	if (search->n_backends > 1)
		ocs_search_gram_set(&grams, ocs_search_gram_backend(backend->name));
	return ocs_stream_open(search->index, mem_ctx, search->tail, 'f', &grams,
	                       user != NULL ? 'u' : '\0', user != NULL ? ocs_layer_user(user) : 0,
	                       stream_r, search->error);
}

static bool folder_goes(const struct search *search, const struct backend *backend, unsigned n,
                        const struct folder *folder)
{
	const struct ocs_search_way *way = &backend->form->ways[n];

	if (folder->backend != backend)
		return false;
	return way->tail == NULL ? is_match(search, backend, folder, NULL)
	                         : ocs_search_matches(way->head, folder->head);
}

/* Whether few folders match, for so many messages as may match at most: 1, 0, or an error. */
static int are_few(struct search *search, const struct backend *backend, unsigned n,
                   uint64_t n_messages)
{
	void *mem_ctx = talloc_new(search->mem_ctx);
	struct ocs_stream *stream = NULL;
	unsigned found = 0, looked = 0;
	struct folder *folder;
	uint64_t number = 0;
	int ret = mem_ctx != NULL ? open_folders(search, backend, n, mem_ctx, &stream)
	                          : ocs_error_memory(search->error);

	if (ret == OCS_STORE_OK && ocs_stream_most(stream) < n_messages / MESSAGES) {
		talloc_free(mem_ctx);
		return 1;
	}
	while (ret == OCS_STORE_OK && found <= FOLDERS_FEW && looked++ <= PROBES) {
		ret = ocs_stream_next(stream, number, &number, search->error);
		if (ret == OCS_STORE_OK)
			ret = get_folder(search, ocs_postings_id(number), &folder);
		if (ret == OCS_STORE_OK)
			found += folder_goes(search, backend, n, folder);
		number++;
	}
	talloc_free(mem_ctx);
	return ret == OCS_STORE_MISSING ? 1 : ret == OCS_STORE_OK ? 0 : ret;
}

/* ---- ways ---- */

/* The messages of a stream, which ends with it; fid: those of that folder only, 0: of any. */
static int go_through(struct search *search, const struct backend *backend, unsigned n,
                      struct ocs_stream *stream, uint64_t fid)
{
	int ret = OCS_STORE_OK;

	while (ret == OCS_STORE_OK) {
		uint64_t number;

		ret = ocs_stream_next(stream, search->at.name, &number, search->error);
		if (ret == OCS_STORE_OK) {
			search->at.name = number;
			ret = look(search);
		}
		if (ret == OCS_STORE_OK)
			ret = try_message(search, backend, n, ocs_postings_id(number), fid);
		if (ret == OCS_STORE_OK)
			search->at.name++;
	}
	talloc_free(stream);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

static int go_by_messages(struct search *search, const struct backend *backend, unsigned n)
{
	const struct ocs_search_way *way = &backend->form->ways[n];
	struct ocs_stream *stream;
	int ret = ocs_stream_open(search->index, search->mem_ctx, search->tail, 'm', &way->message,
	                          '\0', 0, &stream, search->error);

	if (ret == OCS_STORE_OK && ocs_stream_is_blind(stream)) {
		ocs_error_set(search->error, "what leads to them has changed: search anew");
		ret = OCS_STORE_BUSY;
	}
	return ret == OCS_STORE_OK ? go_through(search, backend, n, stream, 0) : ret;
}

/* The messages of a folder that are in the list of one. */
static int go_by_list(struct search *search, const struct backend *backend, unsigned n,
                      uint64_t fid, uint64_t list)
{
	const struct ocs_search_way *way = &backend->form->ways[n];
	struct ocs_stream *stream;
	int ret = ocs_stream_open(search->index, search->mem_ctx, search->tail, 'm', &way->message,
	                          's', list, &stream, search->error);

	return ret == OCS_STORE_OK ? go_through(search, backend, n, stream, fid) : ret;
}

/* All messages of a folder. */
static int go_by_folder(struct search *search, const struct backend *backend, unsigned n,
                        uint64_t number)
{
	struct ocs_list *others = NULL;
	uint64_t fid = ocs_postings_id(number);
	int ret = OCS_STORE_OK;

	if (search->at.list == 0) {
		ret = go_by_list(search, backend, n, fid, number);
		if (ret != OCS_STORE_OK)
			return ret;
		search->at.list = 1;
		search->at.name = 0;
	}
	ret = ocs_stream_others(search->index, search->mem_ctx, search->tail, number, &others,
	                        search->error);
	while (ret == OCS_STORE_OK) {
		uint64_t list;

		ret = ocs_list_seek(others, search->at.list, &list, search->error);
		if (ret == OCS_STORE_OK && list != search->at.list)
			search->at.list = list;
		if (ret == OCS_STORE_OK)
			ret = go_by_list(search, backend, n, fid, list);
		if (ret != OCS_STORE_OK)
			break;
		search->at.list++;
		search->at.name = 0;
	}
	talloc_free(others);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

/* One folder of a way. */
static int see_folder(struct search *search, const struct backend *backend, unsigned n,
                      uint64_t number)
{
	struct folder *folder;
	int ret;

	if (number != search->at.folder) {
		search->at.folder = number;
		search->at.list = search->at.name = 0;
	}
	/* Once: a call that looks at one name only gets on too. */
	ret = search->at.list == 0 && search->at.name == 0 ? look(search) : OCS_STORE_OK;
	if (ret == OCS_STORE_OK)
		ret = get_folder(search, ocs_postings_id(number), &folder);
	if (ret != OCS_STORE_OK || !folder_goes(search, backend, n, folder))
		return ret;
	return backend->form->ways[n].tail == NULL
	               ? add_hit(search, folder->fid, folder, NULL, folder->name.deleted)
	               : go_by_folder(search, backend, n, number);
}

static int go_by_folders(struct search *search, const struct backend *backend, unsigned n)
{
	struct ocs_stream *stream;
	int ret = open_folders(search, backend, n, search->mem_ctx, &stream);

	while (ret == OCS_STORE_OK) {
		uint64_t number;

		ret = ocs_stream_next(stream, search->at.folder, &number, search->error);
		if (ret == OCS_STORE_OK)
			ret = see_folder(search, backend, n, number);
		if (ret != OCS_STORE_OK)
			break;
		search->at.folder++;
		search->at.list = search->at.name = 0;
	}
	talloc_free(stream);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

/* 'm' or 'f'; an error: negative. */
static int make_plan(struct search *search, const struct backend *backend, unsigned n)
{
	const struct ocs_search_way *way = &backend->form->ways[n];
	struct ocs_stream *stream;
	uint64_t most;
	bool blind;
	int ret;

	if (way->tail == NULL || ocs_search_grams_count(&way->message) == 0)
		return 'f';
	ret = ocs_stream_open(search->index, search->mem_ctx, search->tail, 'm', &way->message,
	                      '\0', 0, &stream, search->error);
	blind = ret == OCS_STORE_OK && ocs_stream_is_blind(stream);
	most = ret == OCS_STORE_OK ? ocs_stream_most(stream) : 0;
	talloc_free(stream);
	if (ret != OCS_STORE_OK || blind)
		return blind ? 'f' : ret;
	if (ocs_search_grams_count(&way->folder) == 0 && search->query->user == NULL)
		return 'm';
	ret = are_few(search, backend, n, most);
	return ret < 0 ? ret : ret == 1 ? 'f' : 'm';
}

static int go_way(struct search *search, const struct backend *backend, unsigned n)
{
	const struct ocs_search_way *way = &backend->form->ways[n];
	int plan = search->at.plan;

	if (plan == 0)
		plan = make_plan(search, backend, n);
	if (plan < 0)
		return plan;
	search->at.plan = (char)plan;
	if (plan == 'f' && search->query->user == NULL && ocs_search_grams_count(&way->folder) == 0)
		search->page->walked = true;
	return plan == 'm' ? go_by_messages(search, backend, n) : go_by_folders(search, backend, n);
}

/* ---- the whole ---- */

static int search_compare_backends(const void *a, const void *b)
{
	const struct backend *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int begin(struct search *search)
{
	const struct ocs_index_query *query = search->query;

	if (query->limit == 0) {
		ocs_error_set(search->error, "a page has at least one hit");
		return OCS_INDEX_INVALID;
	}
	search->pattern = ocs_search_pattern(search->mem_ctx, query->pattern, search->error);
	if (search->pattern == NULL)
		return OCS_INDEX_INVALID;
	search->check =
	        ocs_search_hash(ocs_search_hash(OCS_FNV32 + query->deleted, search->pattern),
	                        query->user != NULL ? query->user : "");
	search->backends = talloc_zero_array(search->mem_ctx, struct backend,
	                                     (unsigned)query->n_templates + 1);
	if (search->backends == NULL)
		return ocs_error_memory(search->error);
	for (size_t i = 0; i < query->n_templates; i++) {
		struct backend *backend = &search->backends[search->n_backends++];

		backend->name = query->templates[i].backend;
		backend->template = ocs_uri_show(search->mem_ctx, query->templates[i].template);
		if (backend->template == NULL)
			return ocs_error_memory(search->error);
	}
	qsort(search->backends, search->n_backends, sizeof(*search->backends),
	      search_compare_backends);
	for (size_t i = 0; i < search->n_backends; i++) {
		struct backend *backend = &search->backends[i];

		backend->form =
		        ocs_search_form(search->mem_ctx, search->pattern, backend->template);
		if (backend->form == NULL)
			return ocs_error_memory(search->error);
	}
	if (ocs_search_cursor_read(query->cursor, search->check, &search->at) == 0)
		return OCS_STORE_OK;
	ocs_error_set(search->error, "the cursor is not one of this search");
	return OCS_INDEX_INVALID;
}

static int go_on(struct search *search)
{
	bool found = search->at.backend == 0;

	for (size_t i = 0; i < search->n_backends; i++) {
		const struct backend *backend = &search->backends[i];
		uint32_t hash = ocs_search_hash(OCS_FNV32, backend->name);

		if (!found && search->at.backend != hash)
			continue;
		if (search->at.backend != hash)
			search->at = (struct ocs_search_position){.backend = hash};
		found = true;
		while (search->at.way < backend->form->n_ways) {
			int ret = go_way(search, backend, search->at.way);

			if (ret != OCS_STORE_OK)
				return ret;
			search->at =
			        (struct ocs_search_position){hash, search->at.way + 1, 0, 0, 0, 0};
		}
	}
	if (!found) {
		ocs_error_set(search->error, "the backend that the cursor is in is gone");
		return OCS_INDEX_INVALID;
	}
	return OCS_STORE_OK;
}

int ocs_index_search(struct ocs_index *index, const void *mem_ctx,
                     const struct ocs_index_query *query, struct ocs_index_page *page,
                     struct ocs_error *error)
{
	struct search search = {
	        .index = index, .query = query, .page = page, .page_ctx = mem_ctx, .error = error};
	int ret;

	memset(page, 0, sizeof(*page));
	search.mem_ctx = talloc_new(mem_ctx);
	if (search.mem_ctx == NULL)
		return ocs_error_memory(error);
	ocs_index_refresh(index);
	ret = begin(&search);
	if (ret == OCS_STORE_OK)
		ret = ocs_stream_tail_read(index, search.mem_ctx, &search.tail, error);
	if (ret == OCS_STORE_MISSING) {
		ocs_error_set(error, "the search layer of the index is not built yet: the daemon "
		                     "does, or `ocsctl index rebuild`");
		ret = OCS_STORE_BUSY;
	}
	if (ret == OCS_STORE_OK)
		ret = go_on(&search);
	if (ret == STOPPED) {
		ocs_search_cursor_write(&search.at, search.check, page->cursor);
		ret = OCS_STORE_OK;
	}
	if (ret == OCS_STORE_DAMAGED)
		ocs_error_set(error, "the search layer of the index is damaged: `ocsctl index "
		                     "rebuild` makes it anew");
	HASH_CLEAR(hh, search.folders);
	talloc_free(search.mem_ctx);
	return ret;
}

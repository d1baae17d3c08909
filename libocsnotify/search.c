/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Searching for URIs by a pattern. Reads the index and the registry.
 */
#include "libocsnotify/internal.h"

#include <string.h>

#include <talloc.h>

#include "base/sized.h"
#include "mapistore/index_search.h"
#include "mapistore/uri.h"

/* The templates as a query wants them, on mem_ctx. */
static int take_templates(struct libocsnotify_shared *shared, const void *mem_ctx,
                          struct ocs_index_query *query, struct ocs_error *error)
{
	struct ocs_index_template *out;
	char **backends, **templates;
	size_t n;
	int ret = ocs_registry_templates_get(shared->registry, mem_ctx, &backends, &templates, &n,
	                                     error);

	if (ret != OCS_STORE_OK)
		return ret;
	out = talloc_array(mem_ctx, struct ocs_index_template, (unsigned)n + 1);
	if (out == NULL)
		return ocs_error_memory(error);
	for (size_t i = 0; i < n; i++)
		out[i] = (struct ocs_index_template){backends[i], templates[i]};
	query->templates = out;
	query->n_templates = n;
	return OCS_STORE_OK;
}

static const char *template_of(const struct ocs_index_query *query, const char *backend)
{
	for (size_t i = 0; i < query->n_templates; i++)
		if (strcmp(query->templates[i].backend, backend) == 0)
			return query->templates[i].template;
	return NULL;
}

/* Hits as the host sees them, with their URIs. */
static int to_page(const struct ocs_index_query *query, const void *mem_ctx,
                   const struct ocs_index_page *page, struct ocsnotify_page *out,
                   struct ocs_error *error)
{
	struct ocsnotify_found **found =
	        talloc_array(mem_ctx, struct ocsnotify_found *, (unsigned)page->n + 1);

	if (found == NULL)
		return ocs_error_memory(error);
	for (size_t i = 0; i < page->n; i++) {
		const struct ocs_index_hit *hit = &page->hits[i];
		struct libocsnotify_named named = {.name = hit->name};
		const char *template = template_of(query, hit->name.backend);

		found[i] = talloc_zero(mem_ctx, struct ocsnotify_found);
		if (template != NULL)
			named.uri = ocs_uri_format(mem_ctx, template, hit->name.backend_user,
			                           hit->name.folder, hit->name.message_id);
		if (found[i] == NULL || (template != NULL && named.uri == NULL))
			return ocs_error_memory(error);
		found[i]->id = hit->id;
		libocsnotify_to_object(&named, &found[i]->object);
	}
	out->found = (const struct ocsnotify_found *const *)found;
	out->n = page->n;
	out->walked = page->walked;
	if (page->cursor[0] == '\0')
		return OCS_STORE_OK;
	out->next = talloc_strdup(mem_ctx, page->cursor);
	return out->next != NULL ? OCS_STORE_OK : ocs_error_memory(error);
}

/* (locked) */
static int search_locked(struct ocsnotify *context, const struct ocsnotify_search *search,
                         const void *mem_ctx, struct ocsnotify_page *out, struct ocs_error *error)
{
	struct ocs_index_query query = {
	        .pattern = search->pattern,
	        .deleted = search->deleted,
	        .cursor = search->after,
	        .limit = search->limit != 0 ? search->limit : OCSNOTIFY_SEARCH_DEFAULT,
	};
	struct libocsnotify_shared *shared = context->shared;
	char user[OCS_NAME_MAX + 1];
	struct ocs_index_page page;
	int ret = libocsnotify_shared_index(shared, &context->settings, error);

	if (ret == OCS_STORE_MISSING) /* the index itself */
		return OCS_STORE_ERROR;
	if (ret == OCS_STORE_OK)
		ret = take_templates(shared, mem_ctx, &query, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (search->user != NULL)
		query.user = ocs_usermap_user(shared->usermap, &context->settings.names,
		                              search->user, user);
	ret = ocs_index_search(shared->index, mem_ctx, &query, &page, error);
	return ret == OCS_STORE_OK ? to_page(&query, mem_ctx, &page, out, error) : ret;
}

int ocsnotify_search_sized(struct ocsnotify *context, const struct ocsnotify_search *search,
                           size_t search_size, struct ocsnotify_page *page, size_t page_size)
{
	struct ocsnotify_search ours;
	struct ocsnotify_page out = {.found = NULL};
	struct ocs_error error = {.text = ""};
	void *mem_ctx;
	int code, ret;

	ocs_sized_give(page, page_size, &out, sizeof(out));
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	if (!ocs_sized_take(&ours, sizeof(ours), search, search_size) || ours.pattern == NULL ||
	    ours.limit > OCSNOTIFY_SEARCH_MAX ||
	    (ours.user != NULL && ocs_name_fault(ours.user) != NULL))
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID,
		                         "a search has a pattern, at most %d results a page, and "
		                         "a user that is a name",
		                         OCSNOTIFY_SEARCH_MAX);
	mem_ctx = talloc_new(NULL);
	if (mem_ctx == NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code == OCSNOTIFY_OK) {
		ret = search_locked(context, &ours, mem_ctx, &out, &error);
		code = libocsnotify_leave(context, ret == OCS_INDEX_INVALID ? OCS_STORE_OK : ret,
		                          &error);
		if (code == OCSNOTIFY_OK && ret == OCS_INDEX_INVALID)
			code = libocsnotify_fail(context, OCSNOTIFY_E_INVALID, "%s", error.text);
	}
	/* The cursor may have been of the page before, whose strings end here. */
	talloc_free(context->found);
	context->found = mem_ctx;
	if (code == OCSNOTIFY_OK)
		ocs_sized_give(page, page_size, &out, sizeof(out));
	return code;
}

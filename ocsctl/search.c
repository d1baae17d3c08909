/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl search: URIs by a pattern; ocsctl index rebuild: what searches need, made anew. Both work
 * while the daemon runs: the latter in short transactions, between which it delivers. Reads the
 * registry and the index; rebuild writes the index.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "mapistore/index_search.h"
#include "mapistore/uri.h"
#include "ocsctl/registry.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     100000
#define PAGE          1000
#define BUILD_STEP    1000

struct results {
	struct ocsctl *ctl;
	struct ocs_index_query query;
	json_t *json;
	struct ocsctl_table *table;
	unsigned n, limit;
	bool walked;
	char cursor[OCS_INDEX_CURSOR_SIZE];
};

static int take_templates(struct results *results, struct ocs_registry *registry,
                          struct ocs_error *error)
{
	struct ocs_index_template *out;
	char **backends, **templates;
	size_t n;

	if (ocs_registry_templates_get(registry, results->ctl, &backends, &templates, &n, error) !=
	    OCS_STORE_OK)
		return -1;
	out = talloc_array(results->ctl, struct ocs_index_template, (unsigned)n + 1);
	if (out == NULL)
		return ocs_error_memory(error);
	for (size_t i = 0; i < n; i++)
		out[i] = (struct ocs_index_template){backends[i], templates[i]};
	results->query.templates = out;
	results->query.n_templates = n;
	return 0;
}

/* As people are shown it. */
static const char *uri_of(const struct results *results, const struct ocs_index_name *name)
{
	const char *uri = NULL;

	for (size_t i = 0; i < results->query.n_templates && uri == NULL; i++)
		if (strcmp(results->query.templates[i].backend, name->backend) == 0)
			uri = ocs_uri_format(results->ctl, results->query.templates[i].template,
			                     name->backend_user, name->folder, name->message_id);
	if (uri != NULL)
		uri = ocs_uri_show(results->ctl, uri);
	return uri != NULL ? uri : "";
}

static void add_result(struct results *results, const struct ocs_index_hit *hit)
{
	const struct ocs_index_name *name = &hit->name;
	const char *kind = name->message_id != NULL ? "message" : "folder",
	           *uri = uri_of(results, name);

	if (results->ctl->json) {
		json_array_append_new(
		        results->json,
		        json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id",
		                  ocsctl_json_id(hit->id), "kind", kind, "user",
		                  ocsctl_json_text(name->user), "backend",
		                  ocsctl_json_text(name->backend), "backend_user",
		                  ocsctl_json_text(name->backend_user), "folder",
		                  ocsctl_json_text(name->folder), "message",
		                  name->message_id != NULL ? ocsctl_json_text(name->message_id)
		                                           : json_null(),
		                  "uri", ocsctl_json_text(uri), "deleted", (int)name->deleted));
		return;
	}
	ocsctl_table_row(results->table,
	                 talloc_asprintf(results->ctl, "%016" PRIx64 "%s", hit->id,
	                                 name->deleted ? " deleted" : ""),
	                 ocsctl_name(results->ctl, name->user), kind, uri);
}

/* Pages, until there are as many as are wanted. */
static int find_all(struct results *results, struct ocs_index *index, struct ocs_error *error)
{
	int ret = OCS_STORE_OK;

	do {
		void *mem_ctx = talloc_new(results->ctl);
		struct ocs_index_page page;

		results->query.cursor = results->cursor;
		results->query.limit =
		        results->limit - results->n < PAGE ? results->limit - results->n : PAGE;
		ret = mem_ctx != NULL
		              ? ocs_index_search(index, mem_ctx, &results->query, &page, error)
		              : ocs_error_memory(error);
		if (ret == OCS_STORE_OK) {
			for (size_t i = 0; i < page.n; i++)
				add_result(results, &page.hits[i]);
			results->n += (unsigned)page.n;
			results->walked = results->walked || page.walked;
			memcpy(results->cursor, page.cursor, sizeof(page.cursor));
		}
		talloc_free(mem_ctx);
	} while (ret == OCS_STORE_OK && results->cursor[0] != '\0' && results->n < results->limit);
	return ret;
}

static int print_results(const struct results *results)
{
	const char *cursor = results->cursor;

	if (results->ctl->json)
		return ocsctl_print_json(
		        json_pack("{s:o, s:o, s:b}", "found", results->json, "next",
		                  cursor[0] != '\0' ? json_string(cursor) : json_null(), "walked",
		                  (int)results->walked));
	ocsctl_table_print(results->table);
	if (results->walked)
		fputs("names were gone through one by one: the pattern has no three characters in "
		      "a row of any\n",
		      stderr);
	if (cursor[0] != '\0')
		fprintf(stderr, "there may be more: --after %s\n", cursor);
	return OCSCTL_OK;
}

/* The index of the registry, closed with ctl. NULL after an error, which is printed. */
static int search_close_index(struct ocs_index **index)
{
	ocs_index_close(*index);
	return 0;
}

static struct ocs_index *open_index(struct ocsctl *ctl, struct ocs_registry *registry,
                                    struct ocs_registry_settings *settings, struct ocs_error *error)
{
	struct ocs_index **index = talloc_zero(ctl, struct ocs_index *);

	if (index == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	if (ocs_registry_settings_get(registry, settings, error) != OCS_STORE_OK ||
	    ocs_index_open(ocs_registry_folder(registry), settings->replica_id, false, index,
	                   error) != OCS_STORE_OK)
		return NULL;
	talloc_set_destructor(index, search_close_index);
	return *index;
}

static int take_limit(const struct ocsctl *ctl, unsigned *limit_r)
{
	char *end;
	unsigned long n;

	*limit_r = LIMIT_DEFAULT;
	if (ctl->limit == NULL)
		return 0;
	n = strtoul(ctl->limit, &end, 10);
	if (ctl->limit[0] < '0' || ctl->limit[0] > '9' || *end != '\0' || n == 0 || n > LIMIT_MAX)
		return -1;
	*limit_r = (unsigned)n;
	return 0;
}

int ocsctl_search(struct ocsctl *ctl)
{
	static const char *const heads[] = {"ID", "USER", "KIND", "URI", NULL};
	struct results results = {
	        .ctl = ctl,
	        .query = {.pattern = ctl->operands[0], .user = ctl->user, .deleted = ctl->deleted}};
	struct ocs_registry_settings settings;
	struct ocs_registry *registry;
	struct ocs_error error = {.text = ""};
	struct ocs_index *index;
	char user[OCS_NAME_MAX + 1];
	int ret = OCS_STORE_ERROR;

	if (take_limit(ctl, &results.limit) != 0)
		return ocsctl_usage("--limit is 1 to %d", LIMIT_MAX);
	if (ctl->after != NULL && strlen(ctl->after) >= sizeof(results.cursor))
		return ocsctl_usage("--after is what an earlier page said");
	if (ctl->after != NULL)
		strcpy(results.cursor, ctl->after);
	if (ocsctl_registry_open(ctl, &registry) < 0)
		return OCSCTL_FAILED;
	results.json = ctl->json ? json_array() : NULL;
	results.table = ctl->json ? NULL : ocsctl_table_new(ctl, heads);
	index = open_index(ctl, registry, &settings, &error);
	if (index != NULL && ctl->user != NULL)
		results.query.user = ocs_name_user_key(&settings.names, ctl->user, user);
	if (index != NULL && take_templates(&results, registry, &error) == 0)
		ret = find_all(&results, index, &error);
	if (ret == OCS_STORE_OK)
		return print_results(&results);
	json_decref(results.json);
	if (ret == OCS_INDEX_INVALID)
		return ocsctl_usage("%s", error.text);
	if (ret == OCS_STORE_BUSY && ocs_index_search_built(index) >= 0)
		ocsctl_error("%s; %d %% are done", error.text, ocs_index_search_built(index) / 10);
	else
		ocsctl_error("%s", error.text);
	return OCSCTL_FAILED;
}

/* ---- rebuild ---- */

static void show_progress(struct ocs_index *index, bool terminal, int *shown)
{
	int done = ocs_index_search_built(index) / 10;

	if (!terminal || done < 0 || done == *shown)
		return;
	fprintf(stderr, "\r%3d %%", done);
	*shown = done;
}

int ocsctl_index_rebuild(struct ocsctl *ctl)
{
	struct ocs_registry_settings settings;
	struct ocs_registry *registry;
	struct ocs_error error = {.text = ""};
	struct ocs_index *index;
	bool terminal = isatty(STDERR_FILENO) != 0;
	int ret = OCS_STORE_ERROR, shown = -1;

	if (ctl->n_operands != 1 || ctl->empty || ctl->yes)
		return ocsctl_usage("usage: ocsctl index rebuild");
	if (ocsctl_registry_open(ctl, &registry) < 0)
		return OCSCTL_FAILED;
	index = open_index(ctl, registry, &settings, &error);
	if (index != NULL)
		ret = ocs_index_search_drop(index, &error);
	while (ret == OCS_STORE_OK) {
		ret = ocs_index_search_build(index, BUILD_STEP, &error);
		show_progress(index, terminal, &shown);
	}
	if (terminal && shown >= 0)
		fputs("\n", stderr);
	if (ret != 1) {
		ocsctl_error("%s", error.text);
		return OCSCTL_FAILED;
	}
	if (ctl->json)
		return ocsctl_print_json(json_pack("{s:b}", "rebuilt", 1));
	puts("the index can be searched");
	return OCSCTL_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl users, user and folders: the groupware users, by what the index, the registry and the
 * sources of users in the ini know of them. Reads them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "mapistore/index_tools.h"
#include "mapistore/usermap.h"
#include "users/users.h"
#include "ocsctl/registry.h"

struct seen_folder {
	uint64_t fid;
	struct ocs_index_name name;
};

struct seen {
	struct ocsctl *ctl;
	struct ocs_index *index;
	const char *user; /* NULL: all */
	char **users;     /* with a root in the index */
	size_t n_users;
	struct seen_folder *folders;
	size_t n_folders;
	struct ocs_error error;
};

/* ---- the index ---- */

static uint64_t fixed_fid(void *arg, const struct ocs_folder_name *name)
{
	return ocs_usermap_fid(arg, name);
}

static int keep_user(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct seen *seen = arg;
	const char *user = (const char *)key + 1;
	char **grown;

	(void)len;
	if (data == NULL || key_len < 2 || (seen->user != NULL && strcmp(seen->user, user) != 0))
		return 0;
	grown = talloc_realloc(seen->ctl, seen->users, char *, seen->n_users + 1);
	if (grown == NULL)
		return ocs_error_memory(&seen->error);
	seen->users = grown;
	grown[seen->n_users] = talloc_strdup(grown, user);
	return grown[seen->n_users++] != NULL ? 0 : ocs_error_memory(&seen->error);
}

/* Of the identifiers of a folder, the one that clients are told. */
static bool is_told(struct seen *seen, uint64_t id, const struct ocs_index_name *name)
{
	const struct ocs_folder_name of = {name->user, name->backend, name->backend_user,
	                                   name->folder};
	struct ocs_index_folder folder;
	int ret = ocs_index_folder(seen->index, &of, false, &folder, &seen->error);

	return ret != OCS_STORE_OK || folder.fid == id;
}

static int keep_folder(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct seen *seen = arg;
	struct ocs_index_name name;
	struct seen_folder *grown;
	uint64_t id;
	int ret;

	if (data == NULL || !ocs_index_names_folder(key, key_len, data, len, &id))
		return 0;
	ret = ocs_index_lookup(seen->index, seen->ctl, id, &name, &seen->error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? 0 : ret;
	if (name.deleted || (seen->user != NULL && strcmp(seen->user, name.user) != 0) ||
	    !is_told(seen, id, &name))
		return 0;
	grown = talloc_realloc(seen->ctl, seen->folders, struct seen_folder, seen->n_folders + 1);
	if (grown == NULL)
		return ocs_error_memory(&seen->error);
	seen->folders = grown;
	grown[seen->n_folders++] = (struct seen_folder){id, name};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct ocs_index_name *left = &((const struct seen_folder *)a)->name,
	                            *right = &((const struct seen_folder *)b)->name;
	int ret = strcmp(left->user, right->user);

	if (ret == 0)
		ret = strcmp(left->backend, right->backend);
	if (ret == 0)
		ret = strcmp(left->backend_user, right->backend_user);
	return ret != 0 ? ret : strcmp(left->folder, right->folder);
}

/* 0, or -1 after saying why. Without an index nobody is known by it. */
static int look_at_index(struct seen *seen, bool folders)
{
	struct ocs_usermap *map = NULL;
	bool failed;
	int ret;

	seen->index = ocsctl_snapshot(seen->ctl);
	if (seen->index == NULL)
		return -1;
	map = ocsctl_users_map(seen->ctl, &failed);
	if (map != NULL)
		ocs_index_set_fixed(seen->index, fixed_fid, map);
	ret = failed ? -1 : ocs_index_each(seen->index, 'R', keep_user, seen, &seen->error);
	if (ret == 0 && folders)
		ret = ocs_index_each(seen->index, 'I', keep_folder, seen, &seen->error);
	if (ret != 0 && !failed)
		ocsctl_error("%s", seen->error.text);
	if (seen->n_folders != 0)
		qsort(seen->folders, seen->n_folders, sizeof(*seen->folders), by_name);
	ocs_index_close(seen->index);
	seen->index = NULL;
	return ret == 0 ? 0 : -1;
}

/* The one name of the operand; NULL after saying why not. */
static const char *one_user(struct ocsctl *ctl)
{
	struct ocs_name_rule rule;
	struct ocs_usermap *map;
	char key[OCS_NAME_MAX + 1];
	const char *user;
	bool failed;

	if (ocs_name_fault(ctl->operands[0]) != NULL) {
		ocsctl_error("the user's name %s", ocs_name_fault(ctl->operands[0]));
		return NULL;
	}
	if (ocsctl_config(ctl) < 0)
		return NULL;
	ocs_config_name_rule(ctl->config, &rule);
	map = ocsctl_users_map(ctl, &failed);
	user = failed ? NULL
	              : talloc_strdup(ctl, ocs_usermap_user(map, &rule, ctl->operands[0], key));
	if (user == NULL && !failed)
		ocsctl_error("out of memory");
	return user;
}

/* ---- users ---- */

struct row {
	const char *user;
	uint64_t folders, sessions, queues, waiting;
	bool unseen; /* a queue that may not be looked into: waiting is not known */
};

struct rows {
	struct row *list;
	size_t n;
};

static int row_before(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->user, ((const struct row *)b)->user);
}

static void add_row(struct ocsctl *ctl, struct rows *rows, struct row row)
{
	struct row *grown = talloc_realloc(ctl, rows->list, struct row, rows->n + 1);

	if (grown == NULL)
		return;
	rows->list = grown;
	grown[rows->n++] = row;
}

static void add_queues(struct ocsctl *ctl, struct rows *rows, const struct ocsctl_view *view)
{
	for (size_t i = 0; i < view->n_queues; i++) {
		const struct ocsctl_queue *queue = &view->queues[i];
		struct row row = {.user = queue->user,
		                  .queues = 1,
		                  .waiting = queue->spill.count,
		                  .unseen = ocsctl_queue_unseen(queue)};

		if (queue->kernel_error == 0)
			row.waiting += (uint64_t)queue->kernel.messages;
		add_row(ctl, rows, row);
	}
}

/* Sorted; those of one user are one. */
static void merge_rows(struct rows *rows)
{
	size_t n = 0;

	if (rows->n == 0)
		return;
	qsort(rows->list, rows->n, sizeof(*rows->list), row_before);
	for (size_t i = 1; i < rows->n; i++) {
		struct row *to = &rows->list[n];
		const struct row *from = &rows->list[i];

		if (strcmp(to->user, from->user) != 0) {
			rows->list[++n] = *from;
			continue;
		}
		to->folders += from->folders;
		to->sessions += from->sessions;
		to->queues += from->queues;
		to->waiting += from->waiting;
		to->unseen |= from->unseen;
	}
	rows->n = n + 1;
}

static int print_rows(struct ocsctl *ctl, const struct rows *rows)
{
	static const char *const heads[] = {">FOLDERS", ">SESSIONS", ">QUEUES",
	                                    ">WAITING", "USER",      NULL};
	struct ocsctl_table *table;
	json_t *list = json_array();

	for (size_t i = 0; i < rows->n && ctl->json; i++) {
		const struct row *row = &rows->list[i];

		json_array_append_new(
		        list,
		        json_pack("{s:o, s:I, s:I, s:I, s:o}", "user", ocsctl_json_text(row->user),
		                  "folders", (json_int_t)row->folders, "sessions",
		                  (json_int_t)row->sessions, "queues", (json_int_t)row->queues,
		                  "waiting",
		                  row->unseen ? json_null()
		                              : json_integer((json_int_t)row->waiting)));
	}
	if (ctl->json)
		return ocsctl_print_json(list);
	json_decref(list);
	table = ocsctl_table_new(ctl, heads);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->list[i];

		ocsctl_table_row(table, talloc_asprintf(ctl, "%" PRIu64, row->folders),
		                 talloc_asprintf(ctl, "%" PRIu64, row->sessions),
		                 talloc_asprintf(ctl, "%" PRIu64, row->queues),
		                 row->unseen ? "?" : talloc_asprintf(ctl, "%" PRIu64, row->waiting),
		                 ocsctl_name(ctl, row->user));
	}
	ocsctl_table_print(table);
	return OCSCTL_OK;
}

int ocsctl_users(struct ocsctl *ctl)
{
	struct ocsctl_view *view = ocsctl_view_load(ctl, false);
	struct seen seen = {.ctl = ctl};
	struct rows rows = {.n = 0};

	if (view == NULL || look_at_index(&seen, true) != 0)
		return OCSCTL_FAILED;
	for (size_t i = 0; i < seen.n_users; i++)
		add_row(ctl, &rows, (struct row){.user = seen.users[i]});
	for (size_t i = 0; i < seen.n_folders; i++)
		add_row(ctl, &rows, (struct row){.user = seen.folders[i].name.user, .folders = 1});
	for (size_t i = 0; i < view->n_sessions; i++)
		add_row(ctl, &rows, (struct row){.user = view->sessions[i].user, .sessions = 1});
	add_queues(ctl, &rows, view);
	merge_rows(&rows);
	return print_rows(ctl, &rows);
}

/* ---- folders ---- */

static int print_folders(struct ocsctl *ctl, const struct seen *seen, struct ocsctl_names *names)
{
	static const char *const heads[] = {"FID",    "BACKEND", "BACKEND USER",
	                                    "FOLDER", "URI",     NULL};
	struct ocsctl_table *table = ocsctl_table_new(ctl, heads);
	json_t *list = json_array();

	for (size_t i = 0; i < seen->n_folders; i++) {
		const struct seen_folder *folder = &seen->folders[i];
		const char *uri = ocsctl_names_uri_of(names, ctl, &folder->name);

		if (ctl->json)
			json_array_append_new(
			        list,
			        json_pack("{s:o, s:o, s:o, s:o, s:o}", "fid",
			                  ocsctl_json_id(folder->fid), "backend",
			                  ocsctl_json_text(folder->name.backend), "backend_user",
			                  ocsctl_json_text(folder->name.backend_user), "folder",
			                  ocsctl_json_text(folder->name.folder), "uri",
			                  uri != NULL ? ocsctl_json_text(uri) : json_null()));
		else
			ocsctl_table_row(table, talloc_asprintf(ctl, "%016" PRIx64, folder->fid),
			                 ocsctl_name(ctl, folder->name.backend),
			                 ocsctl_name(ctl, folder->name.backend_user),
			                 ocsctl_name(ctl, folder->name.folder), uri);
	}
	if (ctl->json)
		return ocsctl_print_json(list);
	json_decref(list);
	ocsctl_table_print(table);
	return OCSCTL_OK;
}

int ocsctl_folders(struct ocsctl *ctl)
{
	struct seen seen = {.ctl = ctl, .user = one_user(ctl)};
	struct ocs_registry *registry;
	struct ocsctl_names *names;
	struct ocs_error error = {.text = ""};

	if (seen.user == NULL || ocsctl_registry_open(ctl, &registry) < 0 ||
	    look_at_index(&seen, true) != 0)
		return OCSCTL_FAILED;
	if (seen.n_users == 0) {
		ocsctl_error("%s has no folders here: `ocsctl users` lists who has", seen.user);
		return OCSCTL_FAILED;
	}
	names = ocsctl_names_open(ctl, registry, &error);
	if (names == NULL) {
		ocsctl_error("%s", error.text);
		return OCSCTL_FAILED;
	}
	return print_folders(ctl, &seen, names);
}

/* ---- one user ---- */

struct store {
	const char *backend, *backend_user, *folder; /* NULL: any */
	uint64_t folders;
	const char *from;
};

struct user {
	struct ocsctl *ctl;
	const char *name;
	struct store *stores;
	size_t n_stores;
};

static void add_store(struct user *user, struct store store)
{
	struct store *grown =
	        talloc_realloc(user->ctl, user->stores, struct store, user->n_stores + 1);

	if (grown == NULL)
		return;
	user->stores = grown;
	grown[user->n_stores++] = store;
}

static void add_line(void *arg, const struct ocs_usermap_line *line)
{
	struct user *user = arg;

	add_store(user,
	          (struct store){
	                  .backend = line->backend,
	                  .backend_user = line->backend_user != NULL
	                                          ? talloc_strdup(user->ctl, line->backend_user)
	                                          : NULL,
	                  .folder = line->folder,
	                  .from = line->number != 0 ? talloc_asprintf(user->ctl, "%s:%u",
	                                                              line->file, line->number)
	                                            : line->file});
}

static void report_source(int priority, const char *text, void *arg)
{
	(void)priority;
	(void)arg;
	ocsctl_error("%s", text);
}

/* The map and the database of the ini, as the daemon would read them now. */
static int add_sources(struct user *user)
{
	const struct ocs_config *config = user->ctl->config;
	struct ocs_users_backend *backends =
	        talloc_array(user->ctl, struct ocs_users_backend, config->n_backends + 1);
	struct ocs_users_settings settings = {.map = config->users.map,
	                                      .openchangedb = config->main.openchangedb,
	                                      .replica_id = (uint16_t)config->main.replica_id,
	                                      .backends = backends};
	struct ocs_usermap *map;
	struct ocs_error error = {.text = ""};

	if (backends == NULL)
		return -1;
	if (config->users.ldap_user != NULL) {
		settings.directory =
		        talloc_asprintf(user->ctl, "%s/private/users.ldap", config->main.registry);
		if (settings.directory == NULL)
			return -1;
	}
	for (size_t i = 0; i < config->n_backends; i++)
		if (config->backends[i].uri != NULL)
			backends[settings.n_backends++] = (struct ocs_users_backend){
			        config->backends[i].name, config->backends[i].uri};
	ocs_config_name_rule(config, &settings.names);
	if (ocs_users_load(&settings, user->ctl, report_source, NULL, &map, &error) != 0) {
		ocsctl_error("%s", error.text);
		return -1;
	}
	ocs_usermap_each_of(map, user->name, add_line, user);
	return 0;
}

static void add_index(struct user *user, const struct seen *seen)
{
	for (size_t i = 0; i < seen->n_folders; i++) {
		const struct ocs_index_name *name = &seen->folders[i].name;
		struct store *last = user->n_stores > 0 ? &user->stores[user->n_stores - 1] : NULL;

		if (last != NULL && strcmp(last->backend, name->backend) == 0 &&
		    strcmp(last->backend_user, name->backend_user) == 0)
			last->folders++;
		else
			add_store(user, (struct store){name->backend, name->backend_user, NULL, 1,
			                               "index"});
	}
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? ocsctl_json_text(text) : json_null();
}

static int print_user_json(const struct user *user, const struct ocsctl_view *view)
{
	json_t *stores = json_array(), *sessions = json_array(), *queues = json_array();

	for (size_t i = 0; i < user->n_stores; i++) {
		const struct store *store = &user->stores[i];

		json_array_append_new(stores,
		                      json_pack("{s:o, s:o, s:o, s:I, s:o}", "backend",
		                                text_or_null(store->backend), "backend_user",
		                                text_or_null(store->backend_user), "folder",
		                                text_or_null(store->folder), "folders",
		                                (json_int_t)store->folders, "known_by",
		                                text_or_null(store->from)));
	}
	for (size_t i = 0; i < view->n_sessions; i++)
		if (strcmp(view->sessions[i].user, user->name) == 0)
			json_array_append_new(
			        sessions, ocsctl_session_json(user->ctl, view, &view->sessions[i]));
	for (size_t i = 0; i < view->n_queues; i++)
		if (strcmp(view->queues[i].user, user->name) == 0)
			json_array_append_new(queues, ocsctl_queue_json(&view->queues[i]));
	return ocsctl_print_json(json_pack("{s:o, s:o, s:o, s:o}", "user",
	                                   ocsctl_json_text(user->name), "stores", stores,
	                                   "sessions", sessions, "queues", queues));
}

static void print_stores(const struct user *user)
{
	static const char *const heads[] = {"BACKEND",  "BACKEND USER", "FOLDER",
	                                    ">FOLDERS", "KNOWN BY",     NULL};
	struct ocsctl_table *table = ocsctl_table_new(user->ctl, heads);

	for (size_t i = 0; i < user->n_stores; i++) {
		const struct store *store = &user->stores[i];
		const char *const names[] = {store->backend, store->backend_user, store->folder};
		const char *shown[3];

		for (size_t j = 0; j < 3; j++)
			shown[j] = names[j] != NULL ? ocsctl_name(user->ctl, names[j]) : "*";
		ocsctl_table_row(table, shown[0], shown[1], shown[2],
		                 store->folders != 0
		                         ? talloc_asprintf(user->ctl, "%" PRIu64, store->folders)
		                         : "",
		                 store->from);
	}
	ocsctl_table_print(table);
}

static int print_user(const struct user *user, const struct ocsctl_view *view)
{
	static const char *const heads[] = {"SESSION", "OPENED", "OWNER", NULL};
	struct ocsctl_table *table = ocsctl_table_new(user->ctl, heads);
	struct rows rows = {.n = 0};
	size_t sessions = 0;

	fputs("user  ", stdout);
	ocsctl_print_safe(ocsctl_name(user->ctl, user->name));
	fputs("\n\n", stdout);
	if (user->n_stores != 0)
		print_stores(user);
	for (size_t i = 0; i < view->n_sessions; i++) {
		const struct ocs_registry_session *session = &view->sessions[i];

		if (strcmp(session->user, user->name) != 0)
			continue;
		sessions++;
		ocsctl_table_row(
		        table, talloc_asprintf(user->ctl, "%016" PRIx64, session->id),
		        ocsctl_time(user->ctl, session->opened),
		        ocsctl_owner_text(user->ctl, ocsctl_context_of(view, session->context)));
	}
	if (sessions != 0) {
		putchar('\n');
		ocsctl_table_print(table);
	}
	add_queues(user->ctl, &rows, view);
	merge_rows(&rows);
	for (size_t i = 0; i < rows.n; i++)
		if (strcmp(rows.list[i].user, user->name) == 0)
			printf("\nwaiting  %s%" PRIu64 " in %" PRIu64 " queues\n",
			       rows.list[i].unseen ? "at least " : "", rows.list[i].waiting,
			       rows.list[i].queues);
	return OCSCTL_OK;
}

static bool has_anything(const struct user *user, const struct ocsctl_view *view)
{
	for (size_t i = 0; i < view->n_sessions; i++)
		if (strcmp(view->sessions[i].user, user->name) == 0)
			return true;
	for (size_t i = 0; i < view->n_queues; i++)
		if (strcmp(view->queues[i].user, user->name) == 0)
			return true;
	return false;
}

int ocsctl_user(struct ocsctl *ctl)
{
	struct user user = {.ctl = ctl, .name = one_user(ctl)};
	struct seen seen = {.ctl = ctl, .user = user.name};
	struct ocsctl_view *view;

	if (user.name == NULL)
		return OCSCTL_FAILED;
	/* One after the other: a file can be open once in a process. */
	if (look_at_index(&seen, true) != 0)
		return OCSCTL_FAILED;
	view = ocsctl_view_load(ctl, ctl->json);
	if (view == NULL)
		return OCSCTL_FAILED;
	add_index(&user, &seen);
	if (add_sources(&user) != 0)
		return OCSCTL_FAILED;
	if (user.n_stores == 0 && seen.n_users == 0 && !has_anything(&user, view)) {
		ocsctl_error("%s is not known here: `ocsctl users` lists who is", user.name);
		return OCSCTL_FAILED;
	}
	return ctl->json ? print_user_json(&user, view) : print_user(&user, view);
}

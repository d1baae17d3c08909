/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl queues and sessions: the registry, as people and scripts want to see it.
 */
#include "ocsctl/registry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <talloc.h>
#include <unistd.h>

static int close_registry(struct ocs_registry **holder)
{
	ocs_registry_close(*holder);
	return 0;
}

int ocsctl_registry_open(struct ocsctl *ctl, struct ocs_registry **registry_r)
{
	struct ocs_registry **holder;
	struct ocs_error error;
	const char *folder;
	bool moved;
	int ret;

	if (ocsctl_config(ctl) < 0)
		return -1;
	folder = ctl->config->main.registry;
	ret = ocs_registry_open(folder, false, registry_r, &moved, &error);
	if (ret == OCS_STORE_MISSING) {
		ocsctl_error(
		        "there is no registry in %s: it is made when ocsmanager starts for the "
		        "first time",
		        folder);
		return -1;
	}
	if (ret != OCS_STORE_OK) {
		ctl->unseen = talloc_strdup(ctl, error.text);
		ocsctl_error("cannot read the registry: %s (root and the members of the folder's "
		             "group may)",
		             error.text);
		return -1;
	}
	holder = talloc(ctl, struct ocs_registry *);
	if (holder == NULL) {
		ocs_registry_close(*registry_r);
		ocsctl_error("out of memory");
		return -1;
	}
	*holder = *registry_r;
	talloc_set_destructor(holder, close_registry);
	return 0;
}

/* Connecting tells whether somebody has the socket, and wakes nobody. */
static enum ocsctl_owner ask_socket(struct ocs_registry *registry, uint64_t context)
{
	int fd = ocs_registry_wake_connect(registry, context);

	if (fd < 0)
		return fd == -ENOENT || fd == -ECONNREFUSED ? OCSCTL_OWNER_DEAD
		                                            : OCSCTL_OWNER_UNKNOWN;
	(void)close(fd);
	return OCSCTL_OWNER_ALIVE;
}

const struct ocsctl_context *ocsctl_context_of(const struct ocsctl_view *view, uint64_t id)
{
	for (size_t i = 0; i < view->n_contexts; i++)
		if (view->contexts[i].r.id == id)
			return &view->contexts[i];
	return NULL;
}

static int load_contexts(struct ocsctl_view *view, struct ocs_error *error)
{
	struct ocs_registry_context *list;

	if (ocs_registry_context_list(view->registry, view, &list, &view->n_contexts, error) !=
	    OCS_STORE_OK)
		return -1;
	view->contexts = talloc_zero_array(view, struct ocsctl_context, view->n_contexts);
	if (view->contexts == NULL)
		return ocs_error_memory(error);
	for (size_t i = 0; i < view->n_contexts; i++) {
		view->contexts[i].r = list[i];
		view->contexts[i].state = ask_socket(view->registry, list[i].id);
	}
	return 0;
}

int ocsctl_queue_open(const struct ocsctl_queue *queue, mqd_t *kernel_r)
{
	char why[160];
	ino_t inode = 0;
	int ret = ocs_queue_open_read(queue->r->name, kernel_r);

	/* One without an owner in the registry is whoever's: it is only looked at as it is. */
	if (ret != 0 || queue->owner == NULL ||
	    ocs_queue_verify(*kernel_r, queue->owner->r.uid, (gid_t)-1, &inode, why, sizeof(why)) ==
	            0)
		return ret;
	ocs_queue_close(*kernel_r);
	return OCSCTL_QUEUE_FOREIGN;
}

const char *ocsctl_queue_trouble(int kernel_error)
{
	return kernel_error == OCSCTL_QUEUE_FOREIGN ? "belongs to another user: the name was taken"
	                                            : strerror(-kernel_error);
}

static int kernel_state(const struct ocsctl_queue *of, struct ocs_queue_state *out)
{
	mqd_t queue;
	int ret = ocsctl_queue_open(of, &queue);

	if (ret < 0)
		return ret;
	ret = ocs_queue_state(queue, out);
	ocs_queue_close(queue);
	return ret;
}

static int load_queues(struct ocsctl_view *view, struct ocs_error *error)
{
	struct ocs_registry_user **users;
	size_t n_users, total = 0;

	if (ocs_registry_user_list(view->registry, view, &users, &n_users, error) != OCS_STORE_OK)
		return -1;
	for (size_t i = 0; i < n_users; i++)
		total += users[i]->n_queues;
	view->queues = talloc_zero_array(view, struct ocsctl_queue, total);
	if (view->queues == NULL)
		return ocs_error_memory(error);
	for (size_t i = 0; i < n_users; i++) {
		for (size_t j = 0; j < users[i]->n_queues; j++) {
			struct ocsctl_queue *queue = &view->queues[view->n_queues++];

			queue->r = &users[i]->queues[j];
			queue->user = users[i]->user;
			queue->owner = ocsctl_context_of(view, queue->r->context);
			if (queue->r->folder != OCS_FOLDER_STORE)
				queue->uri =
				        ocsctl_names_uri(view->names, view, 0, queue->r->folder);
			queue->kernel_error = queue->r->spill_only
			                              ? -ENOENT
			                              : kernel_state(queue, &queue->kernel);
			if (ocs_registry_spill_state(view->registry, queue->r->context,
			                             queue->r->id, &queue->spill,
			                             error) != OCS_STORE_OK)
				return -1;
		}
	}
	return 0;
}

struct ocsctl_view *ocsctl_view_load(struct ocsctl *ctl, bool named)
{
	struct ocsctl_view *view = talloc_zero(ctl, struct ocsctl_view);
	struct ocs_error error, unnamed;

	ocs_error_memory(&error); /* unless something else is said */
	if (view == NULL || ocsctl_registry_open(ctl, &view->registry) < 0)
		return NULL;
	/* Without them everything else is shown all the same. */
	if (named)
		view->names = ocsctl_names_open(ctl, view->registry, &unnamed);
	if (load_contexts(view, &error) < 0 ||
	    ocs_registry_session_list(view->registry, view, &view->sessions, &view->n_sessions,
	                              &error) != OCS_STORE_OK ||
	    load_queues(view, &error) < 0) {
		ctl->unseen = talloc_strdup(ctl, error.text);
		ocsctl_error("%s: %s", ocs_registry_folder(view->registry), error.text);
		return NULL;
	}
	return view;
}

const char *ocsctl_owner_text(const void *mem_ctx, const struct ocsctl_context *owner)
{
	const char *text;

	if (owner == NULL)
		return "none";
	text = talloc_asprintf(mem_ctx, "%d%s", (int)owner->r.pid,
	                       owner->state == OCSCTL_OWNER_DEAD      ? " (dead)"
	                       : owner->state == OCSCTL_OWNER_UNKNOWN ? " (?)"
	                                                              : "");
	return text != NULL ? text : "?";
}

static const char *owner_word(const struct ocsctl_context *owner)
{
	switch (owner != NULL ? owner->state : OCSCTL_OWNER_NONE) {
	case OCSCTL_OWNER_ALIVE:
		return "alive";
	case OCSCTL_OWNER_DEAD:
		return "dead";
	case OCSCTL_OWNER_UNKNOWN:
		return "unknown";
	default:
		return "none";
	}
}

const char *ocsctl_folder_text(const void *mem_ctx, uint64_t folder)
{
	if (folder == OCS_FOLDER_STORE)
		return "store";
	return talloc_asprintf(mem_ctx, "%016" PRIx64, folder);
}

static json_t *folder_json(uint64_t folder)
{
	return folder == OCS_FOLDER_STORE ? json_string("store") : ocsctl_json_id(folder);
}

bool ocsctl_queue_unseen(const struct ocsctl_queue *queue)
{
	return !queue->r->spill_only && queue->kernel_error != 0 && queue->kernel_error != -ENOENT;
}

json_t *ocsctl_queue_json(const struct ocsctl_queue *queue)
{
	json_t *kernel = json_null(), *error = json_null();

	if (ocsctl_queue_unseen(queue))
		error = json_string(ocsctl_queue_trouble(queue->kernel_error));
	if (queue->kernel_error == 0)
		kernel =
		        json_pack("{s:I, s:I, s:I}", "messages", (json_int_t)queue->kernel.messages,
		                  "max_messages", (json_int_t)queue->kernel.max_messages,
		                  "message_size", (json_int_t)queue->kernel.message_size);
	return json_pack(
	        "{s:s, s:o, s:o, s:o, s:s, s:o, s:i, s:s, s:o, s:o, s:{s:I, s:I, s:b}}", "queue",
	        queue->r->name, "user", ocsctl_json_text(queue->user), "folder",
	        folder_json(queue->r->folder), "uri",
	        queue->uri != NULL ? json_string(queue->uri) : json_null(), "table",
	        ocs_table_word(queue->r->table), "session", ocsctl_json_id(queue->r->session),
	        "pid", queue->owner != NULL ? (int)queue->owner->r.pid : 0, "owner",
	        owner_word(queue->owner), "kernel", kernel, "kernel_error", error, "spill",
	        "entries", (json_int_t)queue->spill.count, "dropped",
	        (json_int_t)queue->spill.dropped, "collapsed", (int)queue->spill.collapsed);
}

static const char *kernel_text(const void *mem_ctx, const struct ocsctl_queue *queue)
{
	if (queue->r->spill_only)
		return "-";
	if (queue->kernel_error != 0)
		return ocsctl_queue_trouble(queue->kernel_error);
	return talloc_asprintf(mem_ctx, "%ld/%ld", queue->kernel.messages,
	                       queue->kernel.max_messages);
}

int ocsctl_queues(struct ocsctl *ctl)
{
	static const char *const heads[] = {"QUEUE", ">KERNEL", ">SPILLED", ">DROPPED",
	                                    "OWNER", "USER",    NULL};
	struct ocsctl_view *view = ocsctl_view_load(ctl, ctl->json);
	struct ocsctl_table *table;

	if (view == NULL)
		return OCSCTL_FAILED;
	if (ctl->json) {
		json_t *list = json_array();

		for (size_t i = 0; i < view->n_queues; i++)
			json_array_append_new(list, ocsctl_queue_json(&view->queues[i]));
		return ocsctl_print_json(list);
	}
	table = ocsctl_table_new(view, heads);
	for (size_t i = 0; i < view->n_queues; i++) {
		const struct ocsctl_queue *queue = &view->queues[i];

		ocsctl_table_row(table, queue->r->name, kernel_text(view, queue),
		                 talloc_asprintf(view, "%" PRIu64 "%s", queue->spill.count,
		                                 queue->spill.collapsed ? " (collapsed)" : ""),
		                 talloc_asprintf(view, "%" PRIu64, queue->spill.dropped),
		                 ocsctl_owner_text(view, queue->owner),
		                 ocsctl_name(view, queue->user));
	}
	ocsctl_table_print(table);
	return OCSCTL_OK;
}

/* "192.0.2.1:4000", "[2001:db8::1]:4000", NULL without a push address. */
static char *push_address(const void *mem_ctx, const struct ocs_push_target *push)
{
	char text[INET6_ADDRSTRLEN];

	if (push->context_len == 0)
		return NULL;
	if (push->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&push->address;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return talloc_asprintf(mem_ctx, "%s:%u", text, ntohs(in->sin_port));
	}
	if (push->address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&push->address;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		return talloc_asprintf(mem_ctx, "[%s]:%u", text, ntohs(in6->sin6_port));
	}
	return talloc_strdup(mem_ctx, "?");
}

struct session_sums {
	size_t queues;
	uint64_t pending; /* in the kernel's queues and the spill lists */
	bool unseen;      /* one of the kernel's may not be looked into: pending is not known */
};

static struct session_sums sum_up(const struct ocsctl_view *view, uint64_t session)
{
	struct session_sums sums = {0};

	for (size_t i = 0; i < view->n_queues; i++) {
		const struct ocsctl_queue *queue = &view->queues[i];

		if (queue->r->session != session)
			continue;
		sums.queues++;
		sums.pending += queue->spill.count;
		if (queue->kernel_error == 0)
			sums.pending += (uint64_t)queue->kernel.messages;
		sums.unseen |= ocsctl_queue_unseen(queue);
	}
	return sums;
}

json_t *ocsctl_session_json(const void *mem_ctx, const struct ocsctl_view *view,
                            const struct ocs_registry_session *session)
{
	const struct ocsctl_context *owner = ocsctl_context_of(view, session->context);
	struct session_sums sums = sum_up(view, session->id);
	const char *push = push_address(mem_ctx, &session->push);

	return json_pack("{s:o, s:o, s:s, s:i, s:s, s:i, s:I, s:o, s:o}", "session",
	                 ocsctl_json_id(session->id), "user", ocsctl_json_text(session->user),
	                 "opened", ocsctl_time(mem_ctx, session->opened), "pid",
	                 owner != NULL ? (int)owner->r.pid : 0, "owner", owner_word(owner), "uid",
	                 owner != NULL ? (int)owner->r.uid : -1, "queues", (json_int_t)sums.queues,
	                 "pending",
	                 sums.unseen ? json_null() : json_integer((json_int_t)sums.pending), "push",
	                 push != NULL ? json_string(push) : json_null());
}

int ocsctl_sessions(struct ocsctl *ctl)
{
	static const char *const heads[] = {"SESSION",  "OPENED", "OWNER", ">QUEUES",
	                                    ">PENDING", "PUSH",   "USER",  NULL};
	struct ocsctl_view *view = ocsctl_view_load(ctl, false);
	struct ocsctl_table *table;

	if (view == NULL)
		return OCSCTL_FAILED;
	if (ctl->json) {
		json_t *list = json_array();

		for (size_t i = 0; i < view->n_sessions; i++)
			json_array_append_new(list,
			                      ocsctl_session_json(view, view, &view->sessions[i]));
		return ocsctl_print_json(list);
	}
	table = ocsctl_table_new(view, heads);
	for (size_t i = 0; i < view->n_sessions; i++) {
		const struct ocs_registry_session *session = &view->sessions[i];
		struct session_sums sums = sum_up(view, session->id);
		const char *push = push_address(view, &session->push);

		ocsctl_table_row(table, talloc_asprintf(view, "%016" PRIx64, session->id),
		                 ocsctl_time(view, session->opened),
		                 ocsctl_owner_text(view, ocsctl_context_of(view, session->context)),
		                 talloc_asprintf(view, "%zu", sums.queues),
		                 sums.unseen ? "?"
		                             : talloc_asprintf(view, "%" PRIu64, sums.pending),
		                 push != NULL ? push : "-", ocsctl_name(view, session->user));
	}
	ocsctl_table_print(table);
	return OCSCTL_OK;
}

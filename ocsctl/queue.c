/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl peek and purge: what waits in one queue, and throwing it away.
 *
 * A queue of the kernel without a record in the registry (its session is gone, or never was) can
 * be named too; it then has no spill list.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "mqueue/entry.h"
#include "ocsctl/registry.h"
#include "base/plural.h"
#include "ocsnotify.h"

#define MESSAGE_SIZE_MAX (16L << 20) /* HARD_MSGSIZEMAX of the kernel */

/* The queue the operand names, with or without its slash. NULL: not one of ours; it is said. */
static struct ocsctl_queue *find_queue(struct ocsctl *ctl, struct ocsctl_view *view)
{
	const char *operand = ctl->operands[0];
	char *name = talloc_asprintf(ctl, "%s%s", operand[0] == '/' ? "" : "/", operand);
	struct ocs_registry_queue *stray;
	struct ocsctl_queue *queue;
	struct ocs_queue_name parsed;
	mqd_t kernel;

	if (name == NULL || ocs_queue_name_parse(name, &parsed) < 0) {
		ocsctl_error("'%s' is not a queue name of ocsmanager: `ocsctl queues` lists them",
		             operand);
		return NULL;
	}
	for (size_t i = 0; i < view->n_queues; i++)
		if (strcmp(view->queues[i].r->name, name) == 0)
			return &view->queues[i];

	queue = talloc_zero(view, struct ocsctl_queue);
	stray = talloc_zero(view, struct ocs_registry_queue);
	if (queue == NULL || stray == NULL)
		return NULL;
	queue->r = stray;
	queue->user = talloc_strdup(view, parsed.user);
	stray->folder = parsed.folder;
	stray->table = parsed.table;
	memcpy(stray->name, name, strlen(name) + 1); /* the parser has checked the length */
	queue->kernel_error = ocs_queue_open_read(name, &kernel);
	if (queue->kernel_error == 0) {
		queue->kernel_error = ocs_queue_state(kernel, &queue->kernel);
		ocs_queue_close(kernel);
	}
	if (queue->kernel_error == -ENOENT) {
		ocsctl_error("there is no queue %s: `ocsctl queues` lists them", name);
		return NULL;
	}
	return queue;
}

/* ---- taking entries out of the kernel's queue ---- */

typedef void take_fn(const uint8_t *data, size_t len, void *arg);

/* Receives until the queue is empty. Returns how many, or a negative errno. */
static long take_all(const struct ocsctl_queue *queue, take_fn *take, void *arg)
{
	struct ocs_queue_state state;
	uint8_t *buffer = NULL;
	long taken = 0;
	mqd_t kernel;
	int ret;

	ret = ocsctl_queue_open(queue, &kernel);
	if (ret < 0)
		return ret;
	ret = ocs_queue_state(kernel, &state);
	if (ret == 0 && (state.message_size < 1 || state.message_size > MESSAGE_SIZE_MAX))
		ret = -EMSGSIZE;
	if (ret == 0) {
		buffer = talloc_array(NULL, uint8_t, (size_t)state.message_size);
		ret = buffer != NULL ? 0 : -ENOMEM;
	}
	while (ret == 0) {
		size_t len;

		ret = ocs_queue_receive(kernel, buffer, (size_t)state.message_size, &len);
		if (ret == 0) {
			take(buffer, len, arg);
			taken++;
		}
	}
	talloc_free(buffer);
	ocs_queue_close(kernel);
	return ret == -EAGAIN ? taken : ret;
}

/* ---- peek ---- */

struct listing {
	const void *mem_ctx;
	struct ocsctl_names *names;
	const char *source;
	struct ocsctl_table *table; /* or */
	json_t *list;
	unsigned damaged;
};

static char *hex(const void *mem_ctx, const uint8_t *bytes, size_t len)
{
	char *text = talloc_zero_array(mem_ctx, char, 2 * len + 1);

	for (size_t i = 0; text != NULL && i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static json_t *entry_json(const void *mem_ctx, const char *source, const struct ocs_entry *entry,
                          const char *uri)
{
	json_t *object = json_pack(
	        "{s:s, s:s, s:s, s:I, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "in", source, "time",
	        ocsctl_time(mem_ctx, entry->accepted_at), "category",
	        ocs_category_word((enum ocs_category)entry->category), "sequence",
	        (json_int_t)entry->sequence, "notification_flags", (int)entry->flags, "table_event",
	        (int)entry->table_event, "fid", ocsctl_json_id(entry->fid), "mid",
	        ocsctl_json_id(entry->mid), "parent_fid", ocsctl_json_id(entry->parent_fid),
	        "old_fid", ocsctl_json_id(entry->old_fid), "old_mid",
	        ocsctl_json_id(entry->old_mid));

	if ((entry->flags & OCSNOTIFY_FLAG_TOTAL) != 0)
		json_object_set_new(object, "total", json_integer(entry->total));
	if ((entry->flags & OCSNOTIFY_FLAG_UNREAD) != 0)
		json_object_set_new(object, "unread", json_integer(entry->unread));
	json_object_set_new(object, "message_flags", json_integer(entry->message_flags));
	json_object_set_new(object, "message_class", json_string(entry->message_class));
	json_object_set_new(object, "id",
	                    json_string(hex(mem_ctx, entry->id_hash, sizeof(entry->id_hash))));
	json_object_set_new(object, "uri", uri != NULL ? json_string(uri) : json_null());
	return object;
}

static void queue_list_entry(const uint8_t *data, size_t len, void *arg)
{
	struct listing *listing = arg;
	const void *mem_ctx = listing->mem_ctx;
	struct ocs_entry entry;
	const char *uri;

	if (ocs_entry_decode(data, len, &entry) < 0) {
		listing->damaged++;
		return;
	}
	uri = ocsctl_names_uri(listing->names, mem_ctx, entry.mid, entry.fid);
	if (listing->list != NULL) {
		json_array_append_new(listing->list,
		                      entry_json(mem_ctx, listing->source, &entry, uri));
		return;
	}
	ocsctl_table_row(listing->table, listing->source, ocsctl_time(mem_ctx, entry.accepted_at),
	                 ocs_category_word((enum ocs_category)entry.category),
	                 talloc_asprintf(mem_ctx, "0x%04x", entry.flags),
	                 talloc_asprintf(mem_ctx, "%u", entry.table_event),
	                 talloc_asprintf(mem_ctx, "%016" PRIx64, entry.fid),
	                 talloc_asprintf(mem_ctx, "%016" PRIx64, entry.mid),
	                 (entry.flags & OCSNOTIFY_FLAG_TOTAL) != 0
	                         ? talloc_asprintf(mem_ctx, "%u", entry.total)
	                         : "-",
	                 (entry.flags & OCSNOTIFY_FLAG_UNREAD) != 0
	                         ? talloc_asprintf(mem_ctx, "%u", entry.unread)
	                         : "-",
	                 entry.message_class, uri != NULL ? uri : "-");
}

static int queue_list_spilled(const uint8_t *data, size_t len, void *arg)
{
	queue_list_entry(data, len, arg);
	return 0;
}

static void print_attributes(const struct ocsctl_view *view, const struct ocsctl_queue *queue)
{
	printf("queue   %s\nuser    ", queue->r->name);
	ocsctl_print_safe(queue->user != NULL ? ocsctl_name(view, queue->user) : "?");
	printf("\nfolder  %s\n", ocsctl_folder_text(view, queue->r->folder));
	if (queue->uri != NULL)
		printf("uri     %s\n", queue->uri);
	printf("table   %s\nowner   %s\n", ocs_table_word(queue->r->table),
	       ocsctl_owner_text(view, queue->owner));
	if (queue->r->spill_only)
		puts("kernel  none: the kernel gave no queue, the spill list alone serves it");
	else if (queue->kernel_error != 0)
		printf("kernel  %s\n", ocsctl_queue_trouble(queue->kernel_error));
	else
		printf("kernel  %ld of %ld %s, %ld bytes each\n", queue->kernel.messages,
		       queue->kernel.max_messages,
		       ocs_plural((unsigned long)queue->kernel.max_messages, "entry", "entries"),
		       queue->kernel.message_size);
	printf("spill   %" PRIu64 " %s, %" PRIu64 " dropped%s\n", queue->spill.count,
	       ocs_plural(queue->spill.count, "entry", "entries"), queue->spill.dropped,
	       queue->spill.collapsed ? ", collapsed to one TableChanged" : "");
}

/* Nobody may be left who would miss what is taken. */
static int may_take(const struct ocsctl_queue *queue)
{
	if (queue->r->spill_only || queue->kernel_error == -ENOENT) {
		ocsctl_error("%s has no queue in the kernel to take from", queue->r->name);
		return -1;
	}
	if (queue->owner == NULL || queue->owner->state == OCSCTL_OWNER_DEAD)
		return 0;
	ocsctl_error("--take is refused: %s belongs to process %d, which is running; its client "
	             "would miss the entries",
	             queue->r->name, (int)queue->owner->r.pid);
	return -1;
}

int ocsctl_peek(struct ocsctl *ctl)
{
	static const char *const heads[] = {"IN",  "TIME",   "CATEGORY", "FLAGS", ">EVENT", "FID",
	                                    "MID", ">TOTAL", ">UNREAD",  "CLASS", "URI",    NULL};
	struct ocsctl_view *view = ocsctl_view_load(ctl, true);
	struct listing listing = {.mem_ctx = view, .source = "spill"};
	struct ocsctl_queue *queue;
	struct ocs_error error;
	int status = OCSCTL_OK;
	json_t *result = NULL;
	long taken;

	queue = view != NULL ? find_queue(ctl, view) : NULL;
	if (queue == NULL || (ctl->take && may_take(queue) < 0))
		return OCSCTL_FAILED;
	listing.names = view->names;
	if (ctl->json) {
		result = ocsctl_queue_json(queue);
		listing.list = json_array();
	} else {
		listing.table = ocsctl_table_new(view, heads);
	}
	if (ctl->take) {
		listing.source = "kernel";
		taken = take_all(queue, queue_list_entry, &listing);
		if (taken < 0) {
			ocsctl_error("%s: %s", queue->r->name, ocsctl_queue_trouble((int)taken));
			status = OCSCTL_FAILED;
		}
		listing.source = "spill";
	}
	if (queue->r->id != 0 &&
	    ocs_registry_spill_each(view->registry, queue->r->context, queue->r->id,
	                            queue_list_spilled, &listing, &error) != OCS_STORE_OK) {
		ocsctl_error("%s", error.text);
		status = OCSCTL_FAILED;
	}
	if (listing.damaged > 0)
		ocsctl_error("%u %s could not be read", listing.damaged,
		             ocs_plural(listing.damaged, "entry", "entries"));

	if (ctl->json) {
		if (json_object_set_new(result, "entries", listing.list) < 0)
			status = OCSCTL_FAILED;
		return ocsctl_print_json(result) == OCSCTL_OK ? status : OCSCTL_FAILED;
	}
	print_attributes(view, queue);
	putchar('\n');
	ocsctl_table_print(listing.table);
	return status;
}

/* ---- purge ---- */

static void queue_drop_entry(const uint8_t *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	(void)arg;
}

/* Drains what there is, counts it in *n. A kernel queue that is gone has nothing. */
static int drain(const struct ocsctl_queue *queue, uint64_t *n, struct ocs_error *error)
{
	long taken;

	if (queue->r->spill_only)
		return 0;
	taken = take_all(queue, queue_drop_entry, NULL);
	if (taken == -ENOENT)
		return 0;
	if (taken < 0)
		return ocs_error_set(error, "%s: %s", queue->r->name,
		                     ocsctl_queue_trouble((int)taken));
	*n += (uint64_t)taken;
	return 0;
}

/* As a consumer does it: the daemon sends to the kernel's queue again only once the spill list is
 * read, so what the queue holds when there is one is older. */
static int purge(const struct ocs_registry *registry, const struct ocsctl_queue *queue,
                 uint64_t *kernel_r, uint64_t *spill_r, struct ocs_error *error)
{
	uint64_t context = queue->r->context, id = queue->r->id;
	struct ocs_spill_state spill;

	if (drain(queue, kernel_r, error) < 0)
		return -1;
	if (id == 0)
		return 0;
	if (ocs_registry_spill_state(registry, context, id, &spill, error) != OCS_STORE_OK)
		return -1;
	if (spill.count == 0)
		return 0;
	if (drain(queue, kernel_r, error) < 0 ||
	    ocs_registry_spill_clear(registry, context, id, error) != OCS_STORE_OK)
		return -1;
	*spill_r = spill.count;
	return 0;
}

int ocsctl_purge(struct ocsctl *ctl)
{
	struct ocsctl_view *view = ocsctl_view_load(ctl, false);
	uint64_t kernel = 0, spill = 0;
	struct ocsctl_queue *queue;
	struct ocs_error error;

	queue = view != NULL ? find_queue(ctl, view) : NULL;
	if (queue == NULL)
		return OCSCTL_FAILED;
	if (purge(view->registry, queue, &kernel, &spill, &error) < 0) {
		ocsctl_error("%s", error.text);
		return OCSCTL_FAILED;
	}
	if (ctl->json)
		return ocsctl_print_json(json_pack("{s:s, s:I, s:I}", "queue", queue->r->name,
		                                   "kernel", (json_int_t)kernel, "spill",
		                                   (json_int_t)spill));
	printf("%s: %" PRIu64 " %s thrown away (%" PRIu64 " in the kernel, %" PRIu64 " spilled)\n",
	       queue->r->name, kernel + spill, ocs_plural(kernel + spill, "entry", "entries"),
	       kernel, spill);
	return OCSCTL_OK;
}

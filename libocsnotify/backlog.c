/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The backlog of a session: takes entries in from the kernel's queues and from spill lists, puts
 * them in order, and gives them out handle by handle. Touches the kernel's queues, the files of the
 * lists and the session.
 *
 * The race with the daemon (which alone decides whether an entry goes to the queue or to the spill
 * list): while a spill list is not read to its end all entries go there. So the queue is read to
 * its end, and if there is something in the spill list, read again before the list: what the queue
 * holds then is older.
 *
 * Queues are read one after the other, and meanwhile a notification may go to one that was read and
 * the next notification to one that was not. So they are gone through until a whole round finds
 * nothing: of all that was taken before that round began, nothing older is left.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "mqueue/queue.h"
#include "registry/match.h"
#include "base/plural.h"

/* Entries of one queue that one call takes while the daemon keeps filling it. */
#define TAKE_MAX 4096

/* How often queues and lists are gone through while more keeps coming. */
#define ROUNDS_MAX 16

/* Spill lists of the process whose files stay open, a quarter of the descriptors that it may have,
 * but no more than that; the others are opened for each reading. */
#define OPEN_LISTS_PART 4
#define OPEN_LISTS_MAX  16384

static atomic_uint open_lists; /* contexts may be in several threads */

/* The backlog's memory is given back when it is empty and larger than this many items. */
#define KEEP_ITEMS 64

static int backlog_reserve(struct ocsnotify_session *session)
{
	struct libocsnotify_item *items;
	size_t max;

	if (session->n_items < session->max_items)
		return 0;
	if (session->head > session->max_items / 2) {
		memmove(session->items, session->items + session->head,
		        (session->n_items - session->head) * sizeof(*items));
		session->n_items -= session->head;
		session->head = 0;
		return 0;
	}
	max = session->max_items == 0 ? KEEP_ITEMS : session->max_items * 2;
	items = realloc(session->items, max * sizeof(*items));
	if (items == NULL)
		return -1;
	session->items = items;
	session->max_items = max;
	return 0;
}

/* There is room for it. */
static void backlog_add(struct libocsnotify_queue *queue, const uint8_t *data, size_t len)
{
	struct ocsnotify_session *session = queue->session;
	struct libocsnotify_item *item = &session->items[session->n_items];

	if (ocs_entry_decode(data, len, &item->entry) != 0) {
		session->context->damaged_queued++;
		return;
	}
	item->queue = queue;
	session->n_items++;
}

static int read_queue(struct libocsnotify_queue *queue, mqd_t mq, uint8_t *buffer, size_t max)
{
	size_t len;
	int ret = 0;

	for (size_t n = 0; n < max && ret == 0; n++) {
		if (backlog_reserve(queue->session) != 0)
			return -ENOMEM;
		ret = ocs_queue_receive(mq, buffer, queue->message_size, &len);
		if (ret == 0)
			backlog_add(queue, buffer, len);
		else if (ret == -EINTR)
			ret = 0;
	}
	return ret == -EAGAIN ? 0 : ret;
}

/* Reads the kernel queue to its end, or max entries: 0, or -ENOMEM before anything is lost. */
static int take_queue(struct libocsnotify_queue *queue, size_t max)
{
	uint8_t small[512], *buffer = small, *large = NULL;
	int ret = 0;

	if (queue->mq == LIBOCSNOTIFY_NO_QUEUE && queue->old_mq == LIBOCSNOTIFY_NO_QUEUE)
		return 0;
	if (queue->message_size > sizeof(small)) {
		buffer = large = malloc(queue->message_size);
		if (large == NULL)
			return -ENOMEM;
	}
	if (queue->old_mq != LIBOCSNOTIFY_NO_QUEUE)
		ret = read_queue(queue, queue->old_mq, buffer, SIZE_MAX);
	if (ret == 0 && queue->mq != LIBOCSNOTIFY_NO_QUEUE)
		ret = read_queue(queue, queue->mq, buffer, max);
	free(large);
	return ret;
}

static int backlog_add_spilled(const uint8_t *entry, size_t len, void *arg)
{
	struct libocsnotify_queue *queue = arg;

	if (backlog_reserve(queue->session) != 0)
		return -ENOMEM;
	backlog_add(queue, entry, len);
	return 0;
}

static unsigned open_lists_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur / OPEN_LISTS_PART > OPEN_LISTS_MAX)
		return OPEN_LISTS_MAX;
	return (unsigned)(limit.rlim_cur / OPEN_LISTS_PART);
}

void libocsnotify_list_close(struct libocsnotify_queue *queue)
{
	if (queue->list.fd >= 0)
		atomic_fetch_sub(&open_lists, 1);
	ocs_spill_reader_close(&queue->list);
}

/* The files of all lists that nobody is reading. */
static void close_lists(struct ocsnotify *context)
{
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		for (struct libocsnotify_queue *queue = s->queues; queue != NULL;
		     queue = queue->next)
			libocsnotify_list_close(queue);
}

static struct ocs_spill_name list_name(const struct libocsnotify_queue *queue)
{
	return (struct ocs_spill_name){queue->session->context->shared->path, queue->r.context,
	                               queue->r.id};
}

/* Counts whether its file is open, which it was or was not. */
static void list_count(struct libocsnotify_queue *queue, bool was_open)
{
	if (was_open && queue->list.fd < 0)
		atomic_fetch_sub(&open_lists, 1);
	if (!was_open && queue->list.fd >= 0 &&
	    atomic_fetch_add(&open_lists, 1) >= open_lists_max())
		libocsnotify_list_close(queue);
}

static int list_once(struct libocsnotify_queue *queue, bool take)
{
	const struct ocs_spill_name name = list_name(queue);
	bool was_open = queue->list.fd >= 0;
	int ret = take ? ocs_spill_take(&queue->list, &name, backlog_add_spilled, queue)
	               : ocs_spill_waiting(&queue->list, &name);

	list_count(queue, was_open);
	return ret;
}

/* Takes what is in its spill list, or tells whether there is something: 1 if there is (more), 0 or
 * a negative errno. */
static int list_read(struct libocsnotify_queue *queue, bool take)
{
	uint64_t damaged = queue->list.damaged;
	int ret = list_once(queue, take);

	if (ret == -EMFILE || ret == -ENFILE) {
		close_lists(queue->session->context);
		ret = list_once(queue, take);
	}
	queue->session->context->damaged_queued += queue->list.damaged - damaged;
	return ret;
}

void libocsnotify_backlog_look(struct ocsnotify *context)
{
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		for (struct libocsnotify_queue *q = s->queues; q != NULL; q = q->next) {
			const struct ocs_spill_name name = list_name(q);

			if (!ocs_spill_reader_is_old(&q->list, &name))
				continue;
			list_count(q, true);
			q->spilled = true;
			libocsnotify_news(s);
		}
}

static int take_list(struct libocsnotify_queue *queue)
{
	int ret = 1;

	/* Told again while we read, we look again. */
	queue->spilled = false;
	if (queue->mq != LIBOCSNOTIFY_NO_QUEUE || queue->old_mq != LIBOCSNOTIFY_NO_QUEUE)
		ret = list_read(queue, false);
	if (ret == 1)
		ret = take_queue(queue, SIZE_MAX) == -ENOMEM ? -ENOMEM : list_read(queue, true);
	/* What came while we read: after what the kernel's queue holds by now. */
	if (ret != 0)
		queue->spilled = true;
	return ret;
}

/* By acceptance; of one notification the tables in their order; of one queue as they came. The
 * serial, given in the order of taking, makes the sort stable. */
static int backlog_compare(const void *a, const void *b)
{
	const struct libocsnotify_item *x = a, *y = b;

	if (x->entry.sequence != y->entry.sequence)
		return x->entry.sequence < y->entry.sequence ? -1 : 1;
	if (x->queue->r.table != y->queue->r.table)
		return x->queue->r.table < y->queue->r.table ? -1 : 1;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static void warn_bad_entries(struct ocsnotify *context, uint64_t before)
{
	if (context->damaged_queued != before)
		libocsnotify_warn(
		        context, "%llu queue %s not valid and skipped (%llu so far)",
		        (unsigned long long)(context->damaged_queued - before),
		        ocs_plural(context->damaged_queued - before, "entry was", "entries were"),
		        (unsigned long long)context->damaged_queued);
}

/* Reads the kernel's queues: a library code. */
static int take_queues(struct ocsnotify_session *session)
{
	for (struct libocsnotify_queue *queue = session->queues; queue != NULL;
	     queue = queue->next) {
		int ret = take_queue(queue, TAKE_MAX);

		if (ret == -ENOMEM)
			return libocsnotify_fail(session->context, OCSNOTIFY_E_NOMEM,
			                         "out of memory");
		if (ret != 0 && !queue->failed) {
			queue->failed = true;
			libocsnotify_warn(session->context, "cannot read the queue %s: %s",
			                  queue->r.name, strerror(-ret));
		}
	}
	return OCSNOTIFY_OK;
}

static int list_failed(const struct libocsnotify_queue *queue, int ret)
{
	if (ret == -ENOMEM)
		return libocsnotify_fail(queue->session->context, OCSNOTIFY_E_NOMEM,
		                         "out of memory");
	return libocsnotify_fail(queue->session->context, OCSNOTIFY_E_REGISTRY,
	                         "%s/" OCS_SPILL_FOLDER ": cannot read the spill list of %s: %s",
	                         queue->session->context->shared->path, queue->r.name,
	                         strerror(-ret));
}

/* Reads the spill lists of which the daemon has told: a library code. */
static int take_lists(struct ocsnotify_session *session)
{
	int failed = OCSNOTIFY_OK;

	libocsnotify_wakes_read(session->context);
	for (struct libocsnotify_queue *queue = session->queues; queue != NULL;
	     queue = queue->next) {
		int ret = queue->spilled ? take_list(queue) : 0;

		if (ret == -ENOMEM)
			return list_failed(queue, ret);
		/* One that cannot be read keeps no other back. */
		if (ret < 0)
			failed = list_failed(queue, ret);
	}
	return failed;
}

/* Nothing has come: whether the registry is still the one that this context is registered in. */
static int look_for_registry(struct ocsnotify *context)
{
	int code = libocsnotify_enter(context);

	if (code == OCSNOTIFY_OK)
		libocsnotify_unlock();
	return code;
}

int libocsnotify_backlog_take(struct ocsnotify_session *session)
{
	uint64_t bad_before = session->context->damaged_queued;
	size_t before = session->n_items - session->head, first, had;
	uint64_t now = libocsnotify_now_ms();
	unsigned rounds = 0;
	int code;

	do {
		had = session->n_items - session->head;
		code = take_queues(session);
		/* The lists once the queues are empty, or it would be long until they are. */
		rounds++;
		if (code == OCSNOTIFY_OK &&
		    (session->n_items - session->head == had || rounds == ROUNDS_MAX))
			code = take_lists(session);
	} while (code == OCSNOTIFY_OK && session->n_items - session->head > had &&
	         rounds < ROUNDS_MAX);
	if (code == OCSNOTIFY_OK && session->n_items - session->head == before)
		code = look_for_registry(session->context);
	first = session->head + before;
	for (size_t i = first; i < session->n_items; i++) {
		session->items[i].serial = session->next_serial++;
		session->items[i].taken_at = now;
	}
	if (session->n_items - first > 1)
		qsort(&session->items[first], session->n_items - first, sizeof(session->items[0]),
		      backlog_compare);
	warn_bad_entries(session->context, bad_before);
	return code;
}

int libocsnotify_backlog_waiting(struct ocsnotify_session *session)
{
	struct ocs_queue_state state;

	for (struct libocsnotify_queue *queue = session->queues; queue != NULL; queue = queue->next)
		if (queue->mq != LIBOCSNOTIFY_NO_QUEUE && ocs_queue_state(queue->mq, &state) == 0 &&
		    state.messages > 0)
			return 1;
	for (struct libocsnotify_queue *queue = session->queues; queue != NULL;
	     queue = queue->next) {
		int ret = queue->spilled ? list_read(queue, false) : 0;

		if (ret < 0)
			return list_failed(queue, ret);
		if (ret > 0)
			return 1;
		queue->spilled = false;
	}
	return 0;
}

static void backlog_advance(struct ocsnotify_session *session)
{
	session->given = 0;
	session->head++;
	if (session->head < session->n_items)
		return;
	session->head = session->n_items = 0;
	if (session->max_items > KEEP_ITEMS) {
		free(session->items);
		session->items = NULL;
		session->max_items = 0;
	}
}

static bool handle_wants(const struct libocsnotify_handle *handle,
                         const struct libocsnotify_item *item)
{
	return item->serial >= handle->since &&
	       ocs_match_entry(&item->entry, item->queue->r.table, handle->types,
	                       item->queue->r.folder, handle->mid);
}

const struct libocsnotify_item *
libocsnotify_backlog_peek(struct ocsnotify_session *session,
                          const struct libocsnotify_handle **handle_r)
{
	while (session->head < session->n_items) {
		const struct libocsnotify_item *item = &session->items[session->head];

		for (size_t i = 0; i < item->queue->n_users; i++) {
			const struct libocsnotify_handle *handle = item->queue->users[i];

			if (handle->order > session->given && handle_wants(handle, item)) {
				*handle_r = handle;
				return item;
			}
		}
		backlog_advance(session);
	}
	return NULL;
}

void libocsnotify_backlog_next(struct ocsnotify_session *session,
                               const struct libocsnotify_handle *handle)
{
	session->given = handle->order;
}

void libocsnotify_backlog_drop(struct ocsnotify_session *session,
                               const struct libocsnotify_queue *queue)
{
	size_t kept = session->head;

	if (session->head < session->n_items && session->items[session->head].queue == queue)
		session->given = 0;
	for (size_t i = session->head; i < session->n_items; i++)
		if (session->items[i].queue != queue)
			session->items[kept++] = session->items[i];
	session->n_items = kept;
	if (session->head == kept)
		session->head = session->n_items = 0;
}

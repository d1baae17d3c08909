/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl status: whether the daemon runs and delivers, what it counted, what waits, and how near
 * the kernel's limits are.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <talloc.h>

#include "ocsctl/registry.h"
#include "cluster/settings.h"
#include "base/plural.h"

#define MQUEUE_FOLDER  "/dev/mqueue"
#define MQUEUE_MAGIC   0x19800202 /* the type of its file system, of linux/magic.h */
#define QUEUE_OVERHEAD 96         /* bytes the kernel charges for a message beyond its size */

struct facts {
	struct ocsctl_daemon daemon;
	bool asked;        /* the operations address is known */
	bool answered;     /* the operations address did */
	long health;       /* HTTP status of /healthz */
	const char *text;  /* its body, or why there was no answer */
	char *metrics;     /* NULL: none */
	json_t *link;      /* of /link; NULL: a single machine, or not known */
	const char *other; /* who answers instead of the ini's daemon; NULL: it does */
	bool seen;         /* the registry could be read, or there is none yet */
	size_t queues, spill_only, unseen_queues;
	uint64_t in_kernel, in_spill, dropped;
	size_t contexts, dead, sessions;
	long system_queues, queues_max, msg_max, msgsize_max; /* -1: not known */
	uint64_t msgqueue; /* RLIMIT_MSGQUEUE, UINT64_MAX: unlimited */
	uint64_t queue_cost;
};

static void ask_daemon(struct ocsctl *ctl, struct facts *facts)
{
	struct ocsctl_http *http = ocsctl_http_new(ctl);
	struct ocsctl_reply reply;
	struct ocs_error error;
	char url[400];

	ocsctl_daemon_find(ctl->config, &facts->daemon);
	facts->text = "";
	if (facts->daemon.operations[0] == '\0') {
		facts->text = "not known: [operations] port is 0 in the ini";
		return;
	}
	facts->asked = true;
	if (http == NULL)
		return;
	snprintf(url, sizeof(url), "%s/healthz", facts->daemon.operations);
	if (ocsctl_http_expect(http, facts->daemon.operations_cert, &error) < 0 ||
	    ocsctl_http_request(http, "GET", url, NULL, 0, &reply, &error) < 0) {
		facts->text = talloc_strdup(ctl, error.text);
		return;
	}
	facts->answered = true;
	facts->health = reply.status;
	facts->text = talloc_strndup(ctl, reply.body, strcspn(reply.body, "\r\n"));
	facts->other = ocsctl_other_daemon(ctl, http, ctl->config, &facts->daemon);
	if (facts->other != NULL) {
		facts->answered = false;
		facts->text = facts->other;
		return;
	}
	snprintf(url, sizeof(url), "%s/metrics", facts->daemon.operations);
	if (ocsctl_http_request(http, "GET", url, NULL, 0, &reply, &error) == 0 &&
	    reply.status == 200)
		facts->metrics = talloc_strdup(ctl, reply.body);
	snprintf(url, sizeof(url), "%s/link", facts->daemon.operations);
	if (ctl->config->rabbitmq->uri != NULL &&
	    ocsctl_http_request(http, "GET", url, NULL, 0, &reply, &error) == 0 &&
	    reply.status == 200)
		facts->link = json_loadb(reply.body, reply.len, 0, NULL);
}

static void count_registry(const struct ocsctl_view *view, struct facts *facts)
{
	facts->contexts = view->n_contexts;
	facts->sessions = view->n_sessions;
	facts->queues = view->n_queues;
	for (size_t i = 0; i < view->n_contexts; i++)
		facts->dead += view->contexts[i].state == OCSCTL_OWNER_DEAD;
	for (size_t i = 0; i < view->n_queues; i++) {
		const struct ocsctl_queue *queue = &view->queues[i];

		facts->spill_only += queue->r->spill_only;
		facts->unseen_queues += ocsctl_queue_unseen(queue);
		if (queue->kernel_error == 0)
			facts->in_kernel += (uint64_t)queue->kernel.messages;
		facts->in_spill += queue->spill.count;
		facts->dropped += queue->spill.dropped;
	}
}

static long kernel_limit(const char *name)
{
	char path[64];
	long value;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	stream = fopen(path, "re");
	if (stream == NULL)
		return -1;
	if (fscanf(stream, "%ld", &value) != 1)
		value = -1;
	(void)fclose(stream);
	return value;
}

/* -1 where it is not mounted: the kernel tells which queues there are in no other way. */
static long count_system_queues(void)
{
	DIR *folder = opendir(MQUEUE_FOLDER);
	struct dirent *entry;
	struct statfs type;
	long n = 0;

	if (folder == NULL)
		return -1;
	if (fstatfs(dirfd(folder), &type) != 0 || type.f_type != MQUEUE_MAGIC) {
		(void)closedir(folder);
		return -1;
	}
	while ((errno = 0, entry = readdir(folder)) != NULL)
		n += entry->d_name[0] != '.';
	if (errno != 0)
		n = -1;
	(void)closedir(folder);
	return n;
}

static void read_limits(const struct ocs_config *config, struct facts *facts)
{
	struct rlimit limit;

	facts->system_queues = count_system_queues();
	facts->queues_max = kernel_limit("queues_max");
	facts->msg_max = kernel_limit("msg_max");
	facts->msgsize_max = kernel_limit("msgsize_max");
	facts->msgqueue = UINT64_MAX;
	if (getrlimit(RLIMIT_MSGQUEUE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		facts->msgqueue = limit.rlim_cur;
	facts->queue_cost = (uint64_t)config->mqueue.max_messages *
	                    (config->mqueue.message_size + QUEUE_OVERHEAD);
}

/* Calls each() with every "name{labels}" and its value. */
static void each_metric(const char *text, void (*each)(const char *name, double value, void *arg),
                        void *arg)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");
		char line[300], *space;

		if (text[0] != '#' && len > 0 && len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			space = strrchr(line, ' ');
			if (space != NULL) {
				*space = '\0';
				each(line, strtod(space + 1, NULL), arg);
			}
		}
		text += len;
		text += *text == '\n';
	}
}

static void status_metric_to_json(const char *name, double value, void *arg)
{
	json_t *number = value >= 0 && value < 9e15 && value == (double)(int64_t)value
	                         ? json_integer((json_int_t)value)
	                         : json_real(value);

	json_object_set_new(arg, name, number);
}

/* People look for what happened; scripts get the zeros too. */
static void status_metric_to_table(const char *name, double value, void *arg)
{
	char text[40];

	if (value == 0)
		return;
	snprintf(text, sizeof(text), "%.15g", value);
	ocsctl_table_row(arg, name, text);
}

static const char *state_word(const struct facts *facts)
{
	if (facts->answered)
		return facts->health == 200 ? "running" : "running, cannot deliver";
	if (facts->daemon.pid == 0 && facts->daemon.why[0] != '\0')
		return "cannot be seen";
	if (facts->daemon.pid == 0)
		return "not running";
	return facts->asked ? "running, not answering" : "running";
}

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? ocsctl_json_text(text) : json_null();
}

/* What the registry says: null where it could not be read. */
static json_t *count_or_null(const struct facts *facts, uint64_t value)
{
	return facts->seen ? json_integer((json_int_t)value) : json_null();
}

static json_t *limit_or_null(long value)
{
	return value >= 0 ? json_integer(value) : json_null();
}

/* What the registry knows: queues of our sessions that are in the kernel. */
static size_t own_queues(const struct facts *facts)
{
	return facts->queues - facts->spill_only;
}

static int print_json(const struct ocsctl *ctl, const struct facts *facts)
{
	json_t *counters = json_object(), *object;

	each_metric(facts->metrics, status_metric_to_json, counters);
	object = json_pack(
	        "{s:{s:s, s:o, s:b, s:o, s:o, s:o}, s:s, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o, "
	        "s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:I}, s:o, s:o}",
	        "daemon", "state", state_word(facts), "pid",
	        facts->daemon.why[0] != '\0' ? json_null() : json_integer(facts->daemon.pid),
	        "healthy", (int)(facts->answered && facts->health == 200), "health",
	        text_or_null(facts->text), "service", text_or_null(facts->daemon.service),
	        "operations", text_or_null(facts->daemon.operations), "registry",
	        ctl->config->main.registry, "unseen", text_or_null(ctl->unseen), "sessions", "open",
	        count_or_null(facts, facts->sessions), "contexts",
	        count_or_null(facts, facts->contexts), "dead_contexts",
	        count_or_null(facts, facts->dead), "queues", "registered",
	        count_or_null(facts, facts->queues), "spill_only",
	        count_or_null(facts, facts->spill_only), "unseen",
	        count_or_null(facts, facts->unseen_queues), "kernel_entries",
	        facts->unseen_queues != 0 ? json_null() : count_or_null(facts, facts->in_kernel),
	        "spilled_entries", count_or_null(facts, facts->in_spill), "dropped_entries",
	        count_or_null(facts, facts->dropped), "limits", "system_queues",
	        limit_or_null(facts->system_queues), "own_queues",
	        count_or_null(facts, own_queues(facts)), "queues_max",
	        limit_or_null(facts->queues_max), "msg_max", limit_or_null(facts->msg_max),
	        "msgsize_max", limit_or_null(facts->msgsize_max), "rlimit_msgqueue",
	        facts->msgqueue == UINT64_MAX ? json_null()
	                                      : json_integer((json_int_t)facts->msgqueue),
	        "queue_bytes", (json_int_t)facts->queue_cost, "counters", counters, "link",
	        facts->link != NULL ? json_incref(facts->link) : json_null());
	return ocsctl_print_json(object);
}

static const char *figure(const void *mem_ctx, long value)
{
	return value >= 0 ? talloc_asprintf(mem_ctx, "%ld", value) : "?";
}

static void print_limits(struct ocsctl *ctl, const struct facts *facts)
{
	static const char *const heads[] = {"LIMIT", ">USED", ">ALLOWED", "HOW TO RAISE IT", NULL};
	struct ocsctl_table *table = ocsctl_table_new(ctl, heads);
	uint64_t bytes = own_queues(facts) * facts->queue_cost;

	ocsctl_table_row(table, "queues in the system",
	                 facts->system_queues >= 0 ? figure(ctl, facts->system_queues)
	                 : facts->seen ? talloc_asprintf(ctl, "at least %zu", own_queues(facts))
	                               : "?",
	                 figure(ctl, facts->queues_max), "sysctl fs.mqueue.queues_max");
	ocsctl_table_row(table, "max_messages of the ini",
	                 figure(ctl, (long)ctl->config->mqueue.max_messages),
	                 figure(ctl, facts->msg_max), "sysctl fs.mqueue.msg_max");
	ocsctl_table_row(table, "message_size of the ini",
	                 figure(ctl, (long)ctl->config->mqueue.message_size),
	                 figure(ctl, facts->msgsize_max), "sysctl fs.mqueue.msgsize_max");
	ocsctl_table_row(table, "bytes in queues, for each user of the system",
	                 facts->seen ? talloc_asprintf(ctl, "%" PRIu64, bytes) : "?",
	                 facts->msgqueue == UINT64_MAX
	                         ? "unlimited"
	                         : talloc_asprintf(ctl, "%" PRIu64, facts->msgqueue),
	                 "LimitMSGQUEUE= of the MAPI server, or ulimit -q");
	ocsctl_table_print(table);
	if (facts->system_queues < 0)
		puts("\nQueues of other programs count too, but are seen only where " MQUEUE_FOLDER
		     " is mounted:\n`mkdir -p " MQUEUE_FOLDER
		     " && mount -t mqueue none " MQUEUE_FOLDER "` as root. Nothing else needs it.");
}

static json_int_t link_counter(const struct facts *facts, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(facts->link, "counters"), name));
}

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void print_connections(struct ocsctl *ctl, const struct facts *facts)
{
	static const char *const heads[] = {"LINK", "STATE", ">SECONDS", "BROKER", "WHY", NULL};
	struct ocsctl_table *table = ocsctl_table_new(ctl, heads);
	json_t *connection;
	const char *name;

	json_object_foreach(json_object_get(facts->link, "connections"), name, connection)
	{
		json_int_t seconds = json_integer_value(json_object_get(connection, "seconds"));

		if (strcmp(member(connection, "state"), "off") != 0)
			ocsctl_table_row(table, name, member(connection, "state"),
			                 figure(ctl, (long)seconds), member(connection, "peer"),
			                 member(connection, "reason"));
	}
	ocsctl_table_print(table);
}

/* It takes nothing from the broker. */
static bool relays(const struct facts *facts)
{
	const json_t *connections = json_object_get(facts->link, "connections");

	return strcmp(member(json_object_get(connections, "bind"), "state"), "off") == 0;
}

/* The daemon tells one age, of what is in memory and in the spool together. */
static void print_waiting(const struct facts *facts)
{
	json_int_t pending = link_counter(facts, "pending");
	json_int_t spooled = link_counter(facts, "spool_messages");

	printf("to others   %" JSON_INTEGER_FORMAT " in memory for the broker, ", pending);
	if (json_is_true(json_object_get(facts->link, "spools")))
		printf("%" JSON_INTEGER_FORMAT " in the spool (%" JSON_INTEGER_FORMAT " bytes)",
		       spooled, link_counter(facts, "spool_bytes"));
	else
		fputs("no spool", stdout);
	if (pending != 0 || spooled != 0)
		printf("; the oldest %sfor %" JSON_INTEGER_FORMAT " ms",
		       spooled == 0   ? "in memory "
		       : pending == 0 ? "in the spool "
		                      : "of both ",
		       link_counter(facts, "oldest_ms"));
	putchar('\n');
}

static void print_link(struct ocsctl *ctl, const struct facts *facts)
{
	putchar('\n');
	print_connections(ctl, facts);
	putchar('\n');
	print_waiting(facts);
	if (relays(facts)) {
		printf("relayed     %" JSON_INTEGER_FORMAT "\n", link_counter(facts, "relayed"));
		return;
	}
	printf("from others %" JSON_INTEGER_FORMAT
	       " in the queue of this node, %" JSON_INTEGER_FORMAT
	       " in the ingest queue; the last one took %" JSON_INTEGER_FORMAT " ms\n",
	       link_counter(facts, "node_messages"), link_counter(facts, "ingest_messages"),
	       link_counter(facts, "lag_ms"));
	printf("bound users %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " under way\n",
	       link_counter(facts, "bound_users"), link_counter(facts, "bind_waiting"));
	printf("dead        %" JSON_INTEGER_FORMAT "%s\n", link_counter(facts, "dead_messages"),
	       link_counter(facts, "dead_messages") != 0 ? ": `ocsctl dead` shows them" : "");
}

static void print_registry(const struct ocsctl *ctl, const struct facts *facts)
{
	if (!facts->seen) {
		fputs("sessions    cannot be seen: ", stdout);
		ocsctl_print_safe(ctl->unseen);
		puts("\nqueues      cannot be seen\nwaiting     cannot be seen\n");
		return;
	}
	printf("sessions    %zu, of %zu library %s (%zu dead)\n", facts->sessions, facts->contexts,
	       ocs_plural(facts->contexts, "context", "contexts"), facts->dead);
	printf("queues      %zu, %zu of them without a kernel queue\n", facts->queues,
	       facts->spill_only);
	printf("waiting     %" PRIu64 " in the kernel", facts->in_kernel);
	if (facts->unseen_queues != 0)
		printf(" and what is in %zu %s that may not be looked into", facts->unseen_queues,
		       ocs_plural(facts->unseen_queues, "queue", "queues"));
	printf(", %" PRIu64 " spilled; %" PRIu64 " dropped\n\n", facts->in_spill, facts->dropped);
}

static void print_text(struct ocsctl *ctl, const struct facts *facts)
{
	static const char *const heads[] = {"COUNTER (not 0)", ">VALUE", NULL};

	printf("daemon      %s", state_word(facts));
	if (facts->daemon.pid != 0)
		printf(", process %d", facts->daemon.pid);
	if (facts->daemon.why[0] != '\0') {
		fputs(facts->answered ? ", process cannot be seen (" : " (", stdout);
		ocsctl_print_safe(facts->daemon.why);
		putchar(')');
	}
	fputs("\nhealth      ", stdout);
	ocsctl_print_safe(facts->text != NULL ? facts->text : "");
	printf("\nservice     %s\noperations  %s\nregistry    %s\n",
	       facts->daemon.service[0] != '\0' ? facts->daemon.service : "?",
	       facts->daemon.operations[0] != '\0' ? facts->daemon.operations : "?",
	       ctl->config->main.registry);
	print_registry(ctl, facts);
	print_limits(ctl, facts);
	if (facts->link != NULL)
		print_link(ctl, facts);
	if (facts->metrics != NULL) {
		struct ocsctl_table *table = ocsctl_table_new(ctl, heads);

		putchar('\n');
		each_metric(facts->metrics, status_metric_to_table, table);
		ocsctl_table_print(table);
	}
}

int ocsctl_status(struct ocsctl *ctl)
{
	struct facts facts = {0};
	struct ocsctl_view *view = ocsctl_view_load(ctl, false);
	int status = OCSCTL_OK;

	/* Without a registry the rest is still worth knowing. */
	if (ctl->config == NULL)
		return OCSCTL_FAILED;
	ask_daemon(ctl, &facts);
	facts.seen = ctl->unseen == NULL;
	if (view != NULL)
		count_registry(view, &facts);
	read_limits(ctl->config, &facts);
	if (ctl->json)
		status = print_json(ctl, &facts);
	else
		print_text(ctl, &facts);
	json_decref(facts.link);
	/* Where nobody can be asked, the lock alone has to tell. */
	if (view == NULL ||
	    (facts.asked ? !facts.answered || facts.health != 200 : facts.daemon.pid == 0))
		status = OCSCTL_FAILED;
	return status;
}

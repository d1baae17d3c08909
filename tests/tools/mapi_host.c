/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A MAPI server without its MAPI: does with libocsnotify what lines of its input say, for tests.
 *
 *     mapi_host REGISTRY-FOLDER
 *
 * Words are separated by tabs; `-` stands for NULL or 0. Each line is answered by what it has to
 * say, then `end CODE TEXT`. Sessions are numbered from 0, identifiers hexadecimal.
 *
 *     session USER
 *     subscribe SESSION HANDLE TYPES FOLDER|store [MESSAGE]
 *     table SESSION HANDLE contents|hierarchy FOLDER
 *     drain SESSION                  event HANDLE WORD FLAGS TABLE-EVENT FID MID OLD-FID OLD-MID
 *                                          PARENT
 *     pending SESSION
 *     event TYPE BACKEND USER FOLDER MESSAGE OLD-FOLDER OLD-MESSAGE ID     gathered for
 *     identifiers                    of its own, from here on
 *     know ID KIND BACKEND USER FOLDER MESSAGE
 *     report SESSION|-               result STATUS QUEUES CODE NAME
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocsnotify.h"

#define SESSIONS_MAX 64
#define EVENTS_MAX   4096
#define WORDS_MAX    10

static struct ocsnotify *context;
static struct ocsnotify_session *sessions[SESSIONS_MAX];
static size_t n_sessions;
static struct ocsnotify_report_event events[EVENTS_MAX];
static size_t n_events;

static void warn(const char *text, void *arg)
{
	(void)arg;
	printf("warning %s\n", text);
}

static uint64_t hex(const char *word)
{
	return strtoull(word, NULL, 16);
}

static struct ocsnotify_session *session_of(const char *word)
{
	size_t i = strtoul(word, NULL, 10);

	return word[0] != '-' && i < n_sessions ? sessions[i] : NULL;
}

/* NULL for `-`. */
static const char *keep(const char *word)
{
	return strcmp(word, "-") == 0 ? NULL : strdup(word);
}

static int do_session(char **w)
{
	return n_sessions == SESSIONS_MAX
	               ? OCSNOTIFY_E_LIMIT
	               : ocsnotify_session_open(context, w[0], NULL, &sessions[n_sessions++]);
}

static int do_subscribe(char **w)
{
	bool store = strcmp(w[3], "store") == 0;

	return ocsnotify_subscribe(session_of(w[0]), (uint32_t)hex(w[1]), 0, (uint16_t)hex(w[2]),
	                           store, store ? 0 : hex(w[3]), hex(w[4]));
}

static int do_table(char **w)
{
	return ocsnotify_subscribe_table(
	        session_of(w[0]), (uint32_t)hex(w[1]), 0,
	        w[2][0] == 'c' ? OCSNOTIFY_CONTENTS_TABLE : OCSNOTIFY_HIERARCHY_TABLE, hex(w[3]));
}

static int do_drain(char **w)
{
	struct ocsnotify_event event;
	int ret;

	while ((ret = ocsnotify_next_event(session_of(w[0]), &event)) == 1)
		printf("event %x %s %04x %x %llx %llx %llx %llx %llx\n", event.handle, event.event,
		       event.flags, event.table_event, (unsigned long long)event.folder_id,
		       (unsigned long long)event.message_id,
		       (unsigned long long)event.old_folder_id,
		       (unsigned long long)event.old_message_id,
		       (unsigned long long)event.parent_folder_id);
	return ret;
}

static int do_pending(char **w)
{
	int ret = ocsnotify_process(context, NULL, NULL);

	return ret < 0 ? ret : ocsnotify_pending(session_of(w[0]));
}

static int do_event(char **w)
{
	if (n_events == EVENTS_MAX)
		return OCSNOTIFY_E_LIMIT;
	events[n_events++] = (struct ocsnotify_report_event){
	        .type = (uint16_t)hex(w[0]),
	        .backend = keep(w[1]),
	        .backend_user = keep(w[2]),
	        .folder = keep(w[3]),
	        .message = keep(w[4]),
	        .old_folder = keep(w[5]),
	        .old_message = keep(w[6]),
	        .id = keep(w[7]),
	};
	return 0;
}

/* What this server knows, by identifiers of its own. */
static struct {
	uint64_t id;
	struct ocsnotify_object object;
} known[EVENTS_MAX];
static size_t n_known;

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool host_identify(const struct ocsnotify_object *object, uint64_t *id_r, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n_known; i++) {
		const struct ocsnotify_object *k = &known[i].object;

		if (k->kind == object->kind && same(k->backend, object->backend) &&
		    same(k->backend_user, object->backend_user) &&
		    same(k->folder, object->folder) && same(k->message, object->message)) {
			*id_r = known[i].id;
			return true;
		}
	}
	return false;
}

static bool host_name(struct ocsnotify_session *session, uint64_t folder_id, uint64_t message_id,
                      struct ocsnotify_object *object, void *arg)
{
	(void)session;
	(void)arg;
	for (size_t i = 0; i < n_known; i++)
		if (known[i].id == (message_id != 0 ? message_id : folder_id)) {
			*object = known[i].object;
			return true;
		}
	return false;
}

static int do_identifiers(char **w)
{
	(void)w;
	ocsnotify_set_identifiers(context, host_identify, host_name, NULL);
	return 0;
}

static int do_know(char **w)
{
	if (n_known == EVENTS_MAX)
		return OCSNOTIFY_E_LIMIT;
	known[n_known].id = hex(w[0]);
	known[n_known++].object = (struct ocsnotify_object){
	        .kind = (enum ocsnotify_kind)hex(w[1]),
	        .backend = keep(w[2]),
	        .backend_user = keep(w[3]),
	        .folder = keep(w[4]),
	        .message = keep(w[5]),
	};
	return 0;
}

static void forget(const struct ocsnotify_report_event *event)
{
	const char *const kept[] = {event->backend, event->backend_user, event->folder,
	                            event->message, event->old_folder,   event->old_message,
	                            event->id};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		free((void *)(uintptr_t)kept[i]);
}

static int do_report(char **w)
{
	static const char *const words[] = {"unanswered", "queued", "nosubscriber", "duplicate",
	                                    "refused"};
	static struct ocsnotify_report_result results[EVENTS_MAX];
	int ret = ocsnotify_report(context, events, results, n_events, session_of(w[0]));

	for (size_t i = 0; i < n_events; i++)
		printf("result %s %u %d %s\n", words[results[i].status], results[i].queues,
		       results[i].code, results[i].name[0] != '\0' ? results[i].name : "-");
	for (size_t i = 0; i < n_events; i++)
		forget(&events[i]);
	n_events = 0;
	return ret;
}

static const char *shown(const char *text)
{
	return text != NULL ? text : "-";
}

/* Names with blanks in them are not for this. */
static int do_lookup(char **w)
{
	static const char *const kinds[] = {"root", "folder", "message"};
	struct ocsnotify_object object;
	int ret = ocsnotify_lookup(context, hex(w[0]), &object);

	if (ret == OCSNOTIFY_OK)
		printf("object %s %d %s %s %s %s %s %s\n", kinds[object.kind - OCSNOTIFY_ROOT],
		       object.deleted, shown(object.user), shown(object.backend),
		       shown(object.backend_user), shown(object.folder), shown(object.message),
		       shown(object.uri));
	return ret;
}

static const struct {
	const char *word;
	int (*act)(char **words);
} commands[] = {
        {"session", do_session}, {"subscribe", do_subscribe}, {"table", do_table},
        {"drain", do_drain},     {"pending", do_pending},     {"event", do_event},
        {"report", do_report},   {"know", do_know},           {"identifiers", do_identifiers},
        {"lookup", do_lookup},
};

static int obey(char *line)
{
	static char none[] = "-";
	char *words[WORDS_MAX + 1], *rest = line;

	for (size_t i = 0; i <= WORDS_MAX; i++) {
		words[i] = strsep(&rest, "\t");
		if (words[i] == NULL)
			words[i] = none;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].word, words[0]) == 0)
			return commands[i].act(words + 1);
	return OCSNOTIFY_E_INVALID;
}

int main(int argc, char **argv)
{
	char line[16384], text[512];
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: mapi_host REGISTRY-FOLDER\n");
		return 2;
	}
	ret = ocsnotify_open(argv[1], &context, text, sizeof(text));
	if (ret != OCSNOTIFY_OK) {
		fprintf(stderr, "%s: %s\n", ocsnotify_strerror(ret), text);
		return 1;
	}
	ocsnotify_set_warning(context, warn, NULL);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		ret = obey(line);
		printf("end %d %s\n", ret, ret < 0 ? ocsnotify_last_error(context) : "");
		fflush(stdout);
	}
	ocsnotify_close(context);
	return 0;
}

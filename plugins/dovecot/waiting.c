/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The process's list of waiting events: see waiting.h. Touches memory only. */
#include "lib.h"
#include "hash.h"
#include "hostpid.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "time-util.h"

#include "names.h"
#include "waiting.h"

#include <ctype.h>
#include <sys/time.h>

#define FOLDERS_MAX 1000
/* of an id */
#define HOST_MAX 64

static struct {
	struct ocs_event *head, *tail;
	unsigned int count, max;
	HASH_TABLE(char *, char *) folders;
	unsigned int lost;
	char *id_prefix;
	unsigned int id_counter;
} waiting;

void ocs_waiting_init(unsigned int max)
{
	struct timeval now;
	string_t *prefix = t_str_new(128);
	const char *p;

	/* host, pid and start time: no other process, now or later, makes the same id */
	i_gettimeofday(&now);
	for (p = my_hostname; *p != '\0' && str_len(prefix) < HOST_MAX; p++)
		str_append_c(prefix, i_isalnum(*p) || *p == '.' || *p == '-' ? *p : '_');
	str_printfa(prefix, "-%s-%llx.%05lx-", my_pid, (unsigned long long)now.tv_sec,
	            (unsigned long)now.tv_usec);
	waiting.id_prefix = i_strdup(str_c(prefix));
	waiting.max = max;
	hash_table_create(&waiting.folders, default_pool, 0, str_hash, strcmp);
}

void ocs_waiting_deinit(void)
{
	struct hash_iterate_context *iter;
	char *key, *value;

	while (waiting.head != NULL)
		ocs_waiting_drop(waiting.head);
	iter = hash_table_iterate_init(waiting.folders);
	while (hash_table_iterate(iter, waiting.folders, &key, &value))
		i_free(key);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&waiting.folders);
	i_free(waiting.id_prefix);
}

static void append_text(string_t *xml, const char *element, const char *text)
{
	str_printfa(xml, "<%s%s>", element,
	            ocs_name_needs_preserve(text) ? " xml:space=\"preserve\"" : "");
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			str_append(xml, "&lt;");
			break;
		case '>':
			str_append(xml, "&gt;");
			break;
		case '&':
			str_append(xml, "&amp;");
			break;
		default:
			str_append_c(xml, *text);
		}
	}
	str_printfa(xml, "</%s>", element);
}

static void append_number(string_t *xml, const char *element, uint32_t number)
{
	str_printfa(xml, "<%s>%u</%s>", element, number, element);
}

static struct ocs_event *encode(const struct ocs_report *report)
{
	struct ocs_event *event = i_new(struct ocs_event, 1);
	string_t *xml = t_str_new(512);

	str_printfa(xml, "<notification category=\"%s\" id=\"%s%u\">", report->category,
	            waiting.id_prefix, ++waiting.id_counter);
	append_text(xml, "backend", report->backend);
	append_text(xml, "username", report->username);
	append_text(xml, "folder", report->folder);
	if (report->uid != 0)
		append_number(xml, "messageID", report->uid);
	if (report->uid_validity != 0)
		append_number(xml, "uidValidity", report->uid_validity);
	if (report->guid != NULL)
		append_text(xml, "guid", report->guid);
	if (report->old_folder != NULL)
		append_text(xml, "oldFolder", report->old_folder);
	if (report->old_uid != 0)
		append_number(xml, "oldMessageID", report->old_uid);
	if (report->message_flags != 0)
		append_number(xml, "messageFlags", report->message_flags);
	if (report->counts) {
		append_number(xml, "total", report->total);
		append_number(xml, "unread", report->unread);
	}
	str_append(xml, "</notification>\n");
	event->xml = i_strdup(str_c(xml));
	event->place = -1;
	return event;
}

static void remember_folder(const char *backend, const char *username, const char *folder)
{
	const char *key = t_strdup_printf("%s\n%s\n%s", backend, username, folder);
	char *copy;

	if (hash_table_lookup(waiting.folders, key) != NULL)
		return;
	if (hash_table_count(waiting.folders) >= FOLDERS_MAX) {
		waiting.lost++;
		return;
	}
	copy = i_strdup(key);
	hash_table_insert(waiting.folders, copy, copy);
}

void ocs_waiting_add(const struct ocs_report *report)
{
	T_BEGIN
	{
		if (waiting.count >= waiting.max) {
			remember_folder(report->backend, report->username, report->folder);
			if (report->old_folder != NULL)
				remember_folder(report->backend, report->username,
				                report->old_folder);
		} else {
			struct ocs_event *event = encode(report);

			DLLIST2_APPEND(&waiting.head, &waiting.tail, event);
			waiting.count++;
		}
	}
	T_END;
}

void ocs_waiting_put(const char *xml, off_t place)
{
	struct ocs_event *event = i_new(struct ocs_event, 1);

	event->xml = i_strdup(xml);
	event->place = place;
	DLLIST2_APPEND(&waiting.head, &waiting.tail, event);
	waiting.count++;
}

unsigned int ocs_waiting_count(void)
{
	return waiting.count;
}

struct ocs_event *ocs_waiting_head(void)
{
	return waiting.head;
}

void ocs_waiting_drop(struct ocs_event *event)
{
	DLLIST2_REMOVE(&waiting.head, &waiting.tail, event);
	waiting.count--;
	i_free(event->xml);
	i_free(event);
}

unsigned int ocs_waiting_folders(void)
{
	return hash_table_count(waiting.folders);
}

unsigned int ocs_waiting_lost(bool clear)
{
	unsigned int lost = waiting.lost;

	if (clear)
		waiting.lost = 0;
	return lost;
}

void ocs_waiting_refill(unsigned int max)
{
	struct hash_iterate_context *iter = hash_table_iterate_init(waiting.folders);
	char *key, *value;

	while (max > 0 && waiting.count < waiting.max &&
	       hash_table_iterate(iter, waiting.folders, &key, &value)) {
		T_BEGIN
		{
			const char *const *part = t_strsplit(key, "\n");
			struct ocs_report report = {.category = "modified",
			                            .backend = part[0],
			                            .username = part[1],
			                            .folder = part[2]};

			hash_table_remove(waiting.folders, key);
			i_free(key);
			ocs_waiting_add(&report);
		}
		T_END;
		max--;
	}
	hash_table_iterate_deinit(&iter);
}

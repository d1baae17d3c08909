/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What ocsconsumer prints: a line an event, flushed, so that a pipe sees it at once. */
#include "ocsconsumer/ocsconsumer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "mapistore/uri.h"
#include "mqueue/name.h"

#define RESPONSE_MAX 32768

static void print_hex(FILE *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", data[i]);
}

void consumer_format_address(const struct sockaddr *address, char out[CONSUMER_ADDRESS_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, CONSUMER_ADDRESS_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, CONSUMER_ADDRESS_MAX, "%s:%u", host, ntohs(in->sin_port));
	}
}

void consumer_print_datagram(const struct sockaddr *address, const uint8_t *payload, size_t len,
                             int error)
{
	char text[CONSUMER_ADDRESS_MAX];

	consumer_format_address(address, text);
	if (error != 0) {
		fprintf(stderr, "ocsconsumer: udp %s failed: %s\n", text, strerror(error));
		return;
	}
	fprintf(stderr, "udp %s bytes=", text);
	print_hex(stderr, payload, len);
	fputc('\n', stderr);
}

/* YYYY-MM-DDTHH:MM:SS.ffffffZ */
static void format_time(uint64_t us, char out[32])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + len, 32 - len, ".%06uZ", (unsigned)(us % 1000000));
}

static bool has_id(const struct ocsnotify_event *event)
{
	static const uint8_t none[sizeof(event->id_hash)];

	return memcmp(event->id_hash, none, sizeof(none)) != 0;
}

static void print_id(const char *key, uint64_t id)
{
	if (id != 0)
		printf(" %s=%016" PRIx64, key, id);
}

static void print_text(const struct ocsnotify_event *event)
{
	char time[32];

	format_time(event->accepted_at, time);
	printf("%s %s %s %016" PRIx64, time, event->event, event->queue, event->folder_id);
	if (event->message_id != 0)
		printf(" %016" PRIx64, event->message_id);
	else
		fputs(" -", stdout);
	print_id("parent_fid", event->parent_folder_id);
	print_id("old_fid", event->old_folder_id);
	print_id("old_mid", event->old_message_id);
	print_id("old_parent_fid", event->old_parent_folder_id);
	if ((event->flags & OCSNOTIFY_FLAG_TOTAL) != 0)
		printf(" total=%" PRIu32, event->total);
	if ((event->flags & OCSNOTIFY_FLAG_UNREAD) != 0)
		printf(" unread=%" PRIu32, event->unread);
	if (event->table_event != 0)
		printf(" table_event=0x%04x", event->table_event);
	if ((event->flags & OCSNOTIFY_FLAG_MESSAGE) != 0)
		printf(" message_flags=0x%" PRIx32 " message_class=%s", event->message_flags,
		       event->message_class);
	printf(" notification_flags=0x%04x handle=0x%x sequence=%" PRIu64, event->flags,
	       event->handle, event->sequence);
	if (has_id(event)) {
		fputs(" id=", stdout);
		print_hex(stdout, event->id_hash, sizeof(event->id_hash));
	}
	if (event->uri != NULL) {
		char *uri = ocs_uri_show(NULL, event->uri);

		printf(" uri=%s", uri != NULL ? uri : "?");
		talloc_free(uri);
	}
	putchar('\n');
}

/* What an event does not have is null. */
static json_t *json_id(uint64_t id)
{
	return id != 0 ? json_sprintf("%016" PRIx64, id) : json_null();
}

static json_t *json_hash(const struct ocsnotify_event *event)
{
	char hex[2 * sizeof(event->id_hash) + 1];

	if (!has_id(event))
		return json_null();
	for (size_t i = 0; i < sizeof(event->id_hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", event->id_hash[i]);
	return json_string(hex);
}

/* What is not UTF-8, which the daemon writes nowhere, is shown by a question mark for each byte
 * that is not ASCII: others can write to the registry too. */
static json_t *json_text(const char *text)
{
	json_t *value = text != NULL ? json_string(text) : json_null();
	char *shown;

	if (value != NULL)
		return value;
	shown = talloc_strdup(NULL, text);
	for (char *p = shown; p != NULL && *p != '\0'; p++)
		if (((unsigned char)*p & 0x80) != 0)
			*p = '?';
	value = shown != NULL ? json_string(shown) : NULL;
	talloc_free(shown);
	return value;
}

/* What the event's identifiers name. */
static int set_names(json_t *object, const struct ocsnotify_event *event)
{
	char *uri = event->uri != NULL ? ocs_uri_show(NULL, event->uri) : NULL;
	int ret = json_object_set_new(object, "backend", json_text(event->backend)) |
	          json_object_set_new(object, "backend_user", json_text(event->backend_user)) |
	          json_object_set_new(object, "folder", json_text(event->folder)) |
	          json_object_set_new(object, "message", json_text(event->message)) |
	          json_object_set_new(object, "old_folder", json_text(event->old_folder)) |
	          json_object_set_new(object, "old_message", json_text(event->old_message)) |
	          json_object_set_new(object, "uri", json_text(uri));

	talloc_free(uri);
	return ret;
}

static int print_json(const char *user, const struct ocsnotify_event *event)
{
	bool about_message = (event->flags & OCSNOTIFY_FLAG_MESSAGE) != 0;
	char time[32];
	json_t *object;
	int ret;

	format_time(event->accepted_at, time);
	object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "time", time,
	                   "event", event->event, "queue", event->queue, "user", user, "fid",
	                   json_id(event->folder_id), "mid", json_id(event->message_id),
	                   "parent_fid", json_id(event->parent_folder_id), "old_fid",
	                   json_id(event->old_folder_id), "old_mid", json_id(event->old_message_id),
	                   "old_parent_fid", json_id(event->old_parent_folder_id));
	if (object == NULL ||
	    json_object_set_new(object, "total",
	                        (event->flags & OCSNOTIFY_FLAG_TOTAL) != 0
	                                ? json_integer(event->total)
	                                : json_null()) != 0 ||
	    json_object_set_new(object, "unread",
	                        (event->flags & OCSNOTIFY_FLAG_UNREAD) != 0
	                                ? json_integer(event->unread)
	                                : json_null()) != 0 ||
	    json_object_set_new(object, "message_flags",
	                        about_message ? json_integer(event->message_flags) : json_null()) !=
	            0 ||
	    json_object_set_new(object, "message_class",
	                        about_message ? json_text(event->message_class) : json_null()) !=
	            0 ||
	    json_object_set_new(object, "notification_flags", json_integer(event->flags)) != 0 ||
	    json_object_set_new(object, "table_event", json_integer(event->table_event)) != 0 ||
	    json_object_set_new(object, "handle", json_integer(event->handle)) != 0 ||
	    json_object_set_new(object, "id", json_hash(event)) != 0 ||
	    json_object_set_new(object, "sequence", json_integer((json_int_t)event->sequence)) !=
	            0 ||
	    set_names(object, event) != 0) {
		json_decref(object);
		return -1;
	}
	ret = json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(object);
	putchar('\n');
	return ret;
}

static int print_response(const struct ocsnotify_session *session,
                          const struct ocsnotify_event *event)
{
	uint8_t response[RESPONSE_MAX];
	size_t len = ocsnotify_encode(session, event, response, sizeof(response));

	/* One that somebody else than the daemon has written. */
	if (len == 0) {
		fprintf(stderr, "ocsconsumer: an event cannot be encoded, left out\n");
		return 0;
	}
	print_hex(stdout, response, len);
	putchar('\n');
	return 0;
}

int consumer_print(const struct consumer_options *options, const struct ocsnotify_session *session,
                   const struct ocsnotify_event *event)
{
	int ret = 0;

	switch (options->format) {
	case FORMAT_TEXT:
		print_text(event);
		break;
	case FORMAT_JSON:
		ret = print_json(options->user, event);
		break;
	case FORMAT_HEX:
		ret = print_response(session, event);
		break;
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return -1;
	return ret;
}

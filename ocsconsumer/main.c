/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsconsumer: a consumer of notifications, as a MAPI server is one, for admins, tests and authors
 * of MAPI servers. Uses nothing of the library but ocsnotify.h.
 */
#include "ocsconsumer/ocsconsumer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/clock.h"
#include "mqueue/name.h"
#include "config/config.h"

static void consumer_warning(const char *text, void *arg)
{
	(void)arg;
	fprintf(stderr, "ocsconsumer: %s\n", text);
}

static void consumer_config_error(int priority, const char *text, void *arg)
{
	(void)arg;
	if (priority <= LOG_ERR)
		fprintf(stderr, "ocsconsumer: %s\n", text);
}

static void consumer_on_datagram(struct ocsnotify_session *session, const void *address,
                                 size_t address_len, const uint8_t *payload, size_t payload_len,
                                 int error, void *arg)
{
	(void)session;
	(void)address_len;
	(void)arg;
	consumer_print_datagram(address, payload, payload_len, error);
}

static int complain(struct ocsnotify *context, const char *what, int error)
{
	const char *text = ocsnotify_last_error(context);

	fprintf(stderr, "ocsconsumer: %s: %s%s%s\n", what, ocsnotify_strerror(error),
	        text[0] != '\0' ? ": " : "", text);
	return -1;
}

/* A handle for each table, numbered from 1 as a server would number its objects. */
static int subscribe(struct ocsnotify *context, struct ocsnotify_session *session,
                     const struct consumer_options *options)
{
	static const uint16_t types[OCS_TABLE_COUNT] = {
	        [OCS_TABLE_NEWMAIL] = OCSNOTIFY_NEWMAIL,
	        [OCS_TABLE_OBJECT] = OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED |
	                             OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_OBJECT_MOVED |
	                             OCSNOTIFY_OBJECT_COPIED,
	        [OCS_TABLE_CONTENTS] = OCSNOTIFY_TABLE_MODIFIED,
	        [OCS_TABLE_HIERARCHY] = OCSNOTIFY_TABLE_MODIFIED,
	        [OCS_TABLE_SEARCH] = OCSNOTIFY_SEARCH_COMPLETED,
	};
	uint32_t handle = 0;

	for (int table = 0; table < OCS_TABLE_COUNT; table++) {
		uint16_t wanted = options->types & types[table];
		int ret;

		if ((options->tables & 1u << table) == 0 || wanted == 0)
			continue;
		handle++;
		if (table == OCS_TABLE_CONTENTS)
			ret = ocsnotify_subscribe_table(session, handle, 0,
			                                OCSNOTIFY_CONTENTS_TABLE, options->folder);
		else if (table == OCS_TABLE_HIERARCHY)
			ret = ocsnotify_subscribe_table(session, handle, 0,
			                                OCSNOTIFY_HIERARCHY_TABLE, options->folder);
		else
			ret = ocsnotify_subscribe(session, handle, 0, wanted, options->folder == 0,
			                          options->folder, 0);
		if (ret != OCSNOTIFY_OK)
			return complain(context, "cannot subscribe", ret);
	}
	return 0;
}

/* As a client asks for it with EcRRegisterPushNotification. */
static int register_push(struct ocsnotify_session *session, const struct consumer_options *options)
{
	char text[CONSUMER_ADDRESS_MAX];
	uint8_t address[28];
	size_t len;
	uint32_t result;

	if (!options->has_push)
		return 0;
	len = ocs_push_format((const struct sockaddr *)&options->push, address);
	result = ocsnotify_set_push(session, options->context, options->context_len, address, len);
	if (result == 0)
		return 0;
	consumer_format_address((const struct sockaddr *)&options->push, text);
	fprintf(stderr, "ocsconsumer: --push %s: refused with 0x%08x\n", text, result);
	return -1;
}

/* What a MAPI server does in an idle call: 1 to go on, 0 when --count is reached, -1 on failure. */
static int idle_call(struct ocsnotify *context, struct ocsnotify_session *session,
                     const struct consumer_options *options, uint64_t *printed)
{
	struct ocsnotify_event event;
	int ret;

	while ((ret = ocsnotify_next_event(session, &event)) == 1) {
		if (consumer_print(options, session, &event) != 0) {
			fprintf(stderr, "ocsconsumer: cannot write: %s\n", strerror(errno));
			return -1;
		}
		if (++*printed == options->count)
			return 0;
	}
	/* The next idle call may find the trouble gone. */
	if (ret < 0)
		complain(context, "cannot drain", ret);
	return 1;
}

static int ocsconsumer_run(struct ocsnotify *context, struct ocsnotify_session *session,
                           const struct consumer_options *options, int signals)
{
	struct pollfd fds[2] = {
	        {.fd = ocsnotify_fd(context), .events = POLLIN},
	        {.fd = signals, .events = POLLIN},
	};
	uint64_t due = ocs_clock_ms() + options->idle_ms, now;
	uint64_t printed = 0;
	int ret;

	for (;;) {
		now = ocs_clock_ms();
		ret = poll(fds, 2, due > now ? (int)(due - now) : 0);
		if (ret < 0 && errno != EINTR) {
			fprintf(stderr, "ocsconsumer: poll: %s\n", strerror(errno));
			return -1;
		}
		if (ret > 0 && (fds[1].revents & POLLIN) != 0)
			return 0;
		if (ret > 0 && fds[0].revents != 0) {
			ret = ocsnotify_process(context, NULL, NULL);
			if (ret < 0)
				return complain(context, "cannot process news", ret);
		}
		if (ocs_clock_ms() < due)
			continue;
		ret = idle_call(context, session, options, &printed);
		if (ret <= 0)
			return ret;
		due = ocs_clock_ms() + options->idle_ms;
	}
}

static int consume(struct ocsnotify *context, const struct consumer_options *options, int signals)
{
	struct ocsnotify_session *session;
	int ret;

	ocsnotify_set_warning(context, consumer_warning, NULL);
	ocsnotify_set_datagram(context, consumer_on_datagram, NULL);
	ret = ocsnotify_session_open(context, options->user, NULL, &session);
	if (ret != OCSNOTIFY_OK)
		return complain(context, "cannot open a session", ret);
	/* A RopNotify has none. */
	ret = ocsnotify_session_set_names(session, options->format != FORMAT_HEX);
	if (ret != OCSNOTIFY_OK)
		return complain(context, "cannot ask for names", ret);
	for (size_t i = 0; i < options->n_stores; i++) {
		const char *backend = options->stores[i];

		ret = ocsnotify_session_map(session, backend, backend + strlen(backend) + 1);
		if (ret != OCSNOTIFY_OK)
			return complain(context, "cannot map a mail store", ret);
	}
	if (register_push(session, options) != 0 || subscribe(context, session, options) != 0)
		return -1;
	fputs("subscribed\n", stderr);
	return ocsconsumer_run(context, session, options, signals);
}

int main(int argc, char **argv)
{
	struct consumer_options options;
	struct ocs_config *config;
	struct ocsnotify *context;
	char text[512];
	sigset_t ending;
	int status, signals, ret;

	if (consumer_options(argc, argv, &options, &status) != 0)
		return status;
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	if (sigprocmask(SIG_BLOCK, &ending, NULL) != 0 ||
	    (signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
		fprintf(stderr, "ocsconsumer: signals: %s\n", strerror(errno));
		return 1;
	}
	if (ocs_config_load(options.ini, NULL, consumer_config_error, NULL, &config) != 0) {
		close(signals);
		return 1;
	}
	ret = ocsnotify_open(config->main.registry, &context, text, sizeof(text));
	if (ret == OCSNOTIFY_OK) {
		ret = consume(context, &options, signals);
		ocsnotify_close(context);
	} else {
		fprintf(stderr, "ocsconsumer: %s: %s\n", ocsnotify_strerror(ret), text);
	}
	talloc_free(config);
	close(signals);
	return ret == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The races: a daemon of its own process that fills queues and spill lists while they are drained,
 * and several contexts in several threads. Made for the thread sanitizer too.
 */
#include "tests/unit/libocsnotify/host_rig.h"

#include <pthread.h>

#define INBOX   0x0000000000010001ULL
#define ENTRIES 3000

static int go[2];

/* A daemon that, once told, delivers ENTRIES new mails to the user, numbered in their MIDs, as fast
 * as it can. */
static void be_the_daemon(void)
{
	struct ocs_registry *registry;
	char told;

	close(go[1]);
	if (read(go[0], &told, 1) != 1 ||
	    ocs_registry_open(rig_folder, true, &registry, NULL, NULL) != OCS_STORE_OK)
		_exit(2);
	for (uint64_t i = 1; i <= ENTRIES; i++) {
		struct ocs_entry entry = entry_newmail(INBOX, i << 16 | 1);

		if (daemon_deliver(registry, host_user, OCS_TABLE_NEWMAIL, &entry) < 1)
			_exit(3);
	}
	ocs_registry_close(registry);
	_exit(0);
}

/* Before the library opens the registry in this process: a child would inherit it. */
static pid_t make_daemon(void)
{
	pid_t pid;

	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	if (pid == 0)
		be_the_daemon();
	ck_assert_int_gt(pid, 0);
	close(go[0]);
	return pid;
}

static void start_daemon(void)
{
	ck_assert_int_eq(write(go[1], "", 1), 1);
	close(go[1]);
}

static void end_daemon(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

struct client {
	struct ocsnotify *context;
	struct ocsnotify_session *session;
	uint64_t next; /* number expected next */
	const char *wrong;
};

static void drain(struct ocsnotify_session *session, void *arg)
{
	struct client *client = arg;
	struct ocsnotify_event event;
	int ret;

	while ((ret = ocsnotify_next_event(session, &event)) == 1) {
		if (event.message_id != (client->next << 16 | 1))
			client->wrong = "an entry is lost, doubled or out of order";
		client->next++;
	}
	if (ret < 0)
		client->wrong = "an error";
}

/* As a host does: waits at the descriptor, processes, drains. */
static void receive_all(struct client *client)
{
	while (client->next <= ENTRIES && client->wrong == NULL) {
		if (!host_readable(client->context, HOST_WAIT_MS))
			client->wrong = "no news for too long";
		else if (ocsnotify_process(client->context, drain, client) < 0)
			client->wrong = "process failed";
	}
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(a_queue_driven_past_full_while_it_is_drained_is_exact)
{
	pid_t pid = make_daemon();
	struct client client = {.context = host_open(), .next = 1};

	client.session = host_session(client.context, host_user);
	ck_assert_int_eq(ocsnotify_subscribe(client.session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
	                 0);
	start_daemon();
	receive_all(&client);
	end_daemon(pid);
	ck_assert_msg(client.wrong == NULL, "%s after %llu", client.wrong,
	              (unsigned long long)client.next);
	ck_assert_uint_eq(client.next, ENTRIES + 1);
	ck_assert_int_eq(ocsnotify_pending(client.session), 0);
	ocsnotify_close(client.context);
	ck_assert_str_eq(host_warnings, "");
}

static void *run_client(void *arg)
{
	struct client *client = arg;

	receive_all(client);
	ocsnotify_session_close(client->session);
	return NULL;
}

TEST(two_contexts_in_two_threads_hear_of_everything)
{
	struct client clients[2] = {{.next = 1}, {.next = 1}};
	pthread_t threads[2];
	pid_t pid = make_daemon();

	for (int i = 0; i < 2; i++) {
		clients[i].context = host_open();
		clients[i].session = host_session(clients[i].context, host_user);
		ck_assert_int_eq(ocsnotify_subscribe(clients[i].session, 1, 0, OCSNOTIFY_NEWMAIL,
		                                     true, 0, 0),
		                 0);
	}
	start_daemon();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(clients[i].wrong == NULL, "%s after %llu", clients[i].wrong,
		              (unsigned long long)clients[i].next);
		ck_assert_uint_eq(clients[i].next, ENTRIES + 1);
	}
	end_daemon(pid);
	for (int i = 0; i < 2; i++)
		ocsnotify_close(clients[i].context);
}

/* Opens, subscribes, hears, closes: over and over. */
static void *live_a_lot(void *arg)
{
	for (int i = 0; i < 20; i++) {
		struct ocsnotify *context;
		struct ocsnotify_session *session;
		struct ocsnotify_event event;
		struct ocs_entry entry = {.category = OCS_NEWMAIL,
		                          .flags = OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE,
		                          .fid = INBOX,
		                          .mid = 1 << 16,
		                          .message_class = "IPM.Note"};
		char user[64];

		snprintf(user, sizeof(user), "%s-%d", host_user, *(int *)arg);
		if (ocsnotify_open(rig_folder, &context, NULL, 0) != 0)
			return "open";
		if (ocsnotify_session_open(context, user, NULL, &session) != 0 ||
		    ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0) != 0 ||
		    ocsnotify_subscribe_table(session, 2, 0, OCSNOTIFY_CONTENTS_TABLE, INBOX) != 0)
			return "subscribe";
		if (daemon_send(context, user, OCS_TABLE_NEWMAIL, &entry) != 1 ||
		    ocsnotify_process(context, NULL, NULL) != 1 ||
		    ocsnotify_next_event(session, &event) != 1 ||
		    ocsnotify_next_event(session, &event) != 0)
			return "hear";
		if (ocsnotify_unsubscribe(session, 2) != 0)
			return "unsubscribe";
		ocsnotify_close(context);
	}
	return NULL;
}

TEST(contexts_come_and_go_in_many_threads)
{
	pthread_t threads[4];
	int numbers[4];
	void *wrong;

	for (int i = 0; i < 4; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, live_a_lot, &numbers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
		ck_assert_msg(wrong == NULL, "%s", (const char *)wrong);
	}
	ck_assert_int_eq(host_count_wake_files(), 0);
}

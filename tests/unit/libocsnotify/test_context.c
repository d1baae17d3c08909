/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Opening, closing, dying, forking, and doing without kernel queues. */
#include "tests/unit/libocsnotify/host_rig.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#define INBOX 0x0000000000010001ULL
#define MAIL  0x0000000001010001ULL

static void subscribe_all(struct ocsnotify_session *session)
{
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	ck_assert_int_eq(ocsnotify_subscribe(session, 2, 0, OCSNOTIFY_OBJECT_DELETED, true, 0, 0),
	                 0);
}

static size_t registered_queues(struct ocsnotify *context, const char *user)
{
	struct ocs_registry_user *record;
	size_t n;

	libocsnotify_lock();
	ck_assert_int_eq(
	        ocs_registry_user_get(context->shared->registry, NULL, user, &record, NULL), 0);
	libocsnotify_unlock();
	n = record->n_queues;
	talloc_free(record);
	return n;
}

static size_t registered_contexts(struct ocsnotify *context)
{
	struct ocs_registry_context *list;
	size_t n;

	libocsnotify_lock();
	ck_assert_int_eq(
	        ocs_registry_context_list(context->shared->registry, NULL, &list, &n, NULL), 0);
	libocsnotify_unlock();
	talloc_free(list);
	return n;
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(a_missing_registry_is_told_from_a_broken_one)
{
	struct ocsnotify *context = (void *)1;
	char text[256] = "", path[128];

	ck_assert_int_eq(ocsnotify_open("/tmp/ocs-lib-none", &context, text, sizeof(text)),
	                 OCSNOTIFY_E_NO_REGISTRY);
	ck_assert_ptr_null(context);
	ck_assert_str_ne(text, "");
	snprintf(path, sizeof(path), "%s/registry.tdb", rig_folder);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(ocsnotify_open(rig_folder, &context, NULL, 0), OCSNOTIFY_E_NO_REGISTRY);
}

TEST(closing_removes_everything)
{
	struct ocsnotify *context = host_open(), *other = host_open();

	subscribe_all(host_session(context, host_user));
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_uint_eq(registered_queues(other, host_user), 2);
	ck_assert_uint_eq(registered_contexts(other), 2);
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_uint_eq(registered_queues(other, host_user), 0);
	ck_assert_uint_eq(registered_contexts(other), 1);
	ck_assert_int_eq(host_count_wake_files(), 2);
	ocsnotify_close(other);
	ck_assert_int_eq(host_count_wake_files(), 0);
	ocsnotify_close(NULL);
}

TEST(closing_a_session_leaves_the_others)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *first = host_session(context, host_user);
	struct ocsnotify_session *second = host_session(context, host_user);

	subscribe_all(first);
	subscribe_all(second);
	ck_assert_int_eq(host_count_queues(host_user), 4);
	ocsnotify_session_close(first);
	ocsnotify_session_close(NULL);
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_uint_eq(registered_queues(context, host_user), 2);
	ocsnotify_close(context);
}

TEST(users_need_a_sensible_name)
{
	static const char *const bad[] = {
	        "",           "\xff", "a\xc0\x80", "\xed\xa0\x80", "tab\tbed", "\xf4\x90\x80\x80",
	        "cut\xe2\x82"};
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session;
	char name[1026];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(ocsnotify_session_open(context, bad[i], NULL, &session),
		                 OCSNOTIFY_E_INVALID);
	memset(name, 'x', sizeof(name));
	name[1025] = '\0';
	ck_assert_int_eq(ocsnotify_session_open(context, name, NULL, &session),
	                 OCSNOTIFY_E_INVALID);
	name[1024] = '\0';
	ck_assert_int_eq(ocsnotify_session_open(context, name, NULL, &session), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	ck_assert_int_eq(
	        ocsnotify_session_open(context, "j\xc3\xbcrgen@example.org", name, &session),
	        OCSNOTIFY_OK);
	ck_assert_ptr_eq(ocsnotify_session_data(session), name);
	ocsnotify_close(context);
}

/* A MAPI server that is killed with subscriptions open. */
static void die_with_queues(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		subscribe_all(host_session(host_open(), host_user));
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

TEST(what_a_killed_process_left_is_swept_by_the_next_open)
{
	struct ocsnotify *alive = host_open(), *context;

	subscribe_all(host_session(alive, host_user));
	die_with_queues();
	ck_assert_int_eq(host_count_queues(host_user), 4);
	ck_assert_uint_eq(registered_queues(alive, host_user), 4);
	ck_assert_int_eq(host_count_wake_files(), 4);
	context = host_open();
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_uint_eq(registered_queues(alive, host_user), 2);
	ck_assert_uint_eq(registered_contexts(alive), 2);
	ck_assert_int_eq(host_count_wake_files(), 4);
	ocsnotify_close(context);
	ocsnotify_close(alive);
}

TEST(a_queue_that_never_was_registered_is_swept_by_its_queue_list)
{
	char queue_list[160], socket_path[160], queue[64];
	struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct ocsnotify *context;
	FILE *file;
	mqd_t mq;

	snprintf(queue_list, sizeof(queue_list), "%s/wake/00000000000000aa.queues", rig_folder);
	snprintf(socket_path, sizeof(socket_path), "%s/wake/00000000000000aa.sock", rig_folder);
	ocsnotify_close(host_open());
	file = fopen(queue_list, "w");
	ck_assert_ptr_nonnull(file);
	snprintf(queue, sizeof(queue), "/ocs.%s.store.newmail.0000abcd", host_user);
	fprintf(file, "%s\n/ocs.bad\n", queue);
	fclose(file);
	ck_assert_int_eq(ocs_queue_create(queue, 10, 256, (gid_t)-1, &mq), 0);
	ocs_queue_close(mq);
	/* It might be about to register: left alone while it is young. */
	ocsnotify_close(host_open());
	ck_assert_int_eq(host_count_queues(host_user), 1);
	ck_assert_int_eq(utimensat(AT_FDCWD, queue_list, old, 0), 0);
	context = host_open();
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_int_ne(access(queue_list, F_OK), 0);
	ck_assert_int_ne(access(socket_path, F_OK), 0);
	ocsnotify_close(context);
}

TEST(a_forked_child_may_do_nothing_but_close_and_open_anew)
{
	struct ocsnotify *context = host_open(), *own;
	struct ocsnotify_session *session = host_session(context, host_user), *unused;
	uint8_t buffer[8];
	size_t used;
	bool more;
	pid_t pid;
	int status;

	subscribe_all(session);
	pid = fork();
	if (pid == 0) {
		struct ocsnotify_event event;
		uint64_t fid;

		ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_session_open(context, host_user, NULL, &unused),
		                 OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_subscribe(session, 9, 0, 2, true, 0, 0),
		                 OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_subscribe_table(session, 9, 0, 0, 0),
		                 OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_pending(session), OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_next_event(session, &event), OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_drain(session, buffer, 8, &used, &more),
		                 OCSNOTIFY_E_FORKED);
		ck_assert_int_eq(ocsnotify_folder_fid(context, host_user, "b", "u", "f", &fid),
		                 OCSNOTIFY_E_FORKED);
		ck_assert_uint_eq(ocsnotify_set_push(session, buffer, 8, buffer, 8), 0x80004005);
		own = host_open();
		ck_assert_uint_eq(registered_queues(own, host_user), 2);
		subscribe_all(host_session(own, host_user));
		ocsnotify_close(context);
		ocsnotify_close(own);
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_uint_eq(registered_queues(context, host_user), 2);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	ocsnotify_close(context);
}

/* The sanitizer's own allocator does not hold its locks across a fork: the child can hang in it. */
#ifndef __SANITIZE_ADDRESS__
static bool stop_opening;

/* Without libcheck's macros, whose mutex the forked child would find locked. */
static int open_once(void)
{
	struct ocsnotify *context;
	int ret = ocsnotify_open(rig_folder, &context, NULL, 0);

	ocsnotify_close(context);
	return ret;
}

static void *open_and_close(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop_opening, __ATOMIC_RELAXED))
		if (open_once() != OCSNOTIFY_OK)
			return &stop_opening;
	return NULL;
}

TEST(a_fork_in_the_middle_of_another_threads_call_leaves_the_child_usable)
{
	pthread_t thread;
	void *failed;
	int status;

	ck_assert_int_eq(pthread_create(&thread, NULL, open_and_close, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(10); /* would wait for ever for a lock that nobody holds */
			_exit(open_once() == OCSNOTIFY_OK ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	__atomic_store_n(&stop_opening, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(thread, &failed), 0);
	ck_assert_ptr_null(failed);
}
#endif

/* In a child, as the limit cannot be raised again. */
static void without_queues(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = {0, 0};

		ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
		body();
		exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void live_on_spill_lists(void)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocsnotify_event event;
	const char *once;

	subscribe_all(session);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	once = strstr(host_warnings, "RLIMIT_MSGQUEUE");
	ck_assert_ptr_nonnull(once);
	ck_assert_ptr_null(strstr(once + 1, "RLIMIT_MSGQUEUE"));
	for (uint64_t i = 1; i <= 50; i++) {
		struct ocs_entry entry = entry_newmail(INBOX, i << 16 | 1);

		ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
	}
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 1);
	for (uint64_t i = 1; i <= 50; i++) {
		ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
		ck_assert_uint_eq(event.message_id, i << 16 | 1);
	}
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 0);
	ocsnotify_close(context);
}

TEST(without_kernel_queues_everything_goes_through_the_registry)
{
	without_queues(live_on_spill_lists);
}

/* A quarter of the descriptors that the process may have. */
static void keep_some_lists_open(void)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocsnotify_event event;
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (uint32_t i = 1; i <= 20; i++)
		ck_assert_int_eq(ocsnotify_subscribe(session, i, 0, OCSNOTIFY_NEWMAIL, false,
		                                     i << 16 | 1, 0),
		                 OCSNOTIFY_OK);
	for (int round = 0; round < 2; round++) {
		unsigned open = 0;

		for (uint64_t i = 1; i <= 20; i++) {
			struct ocs_entry entry = entry_newmail(i << 16 | 1, i << 16 | 1);

			ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry),
			                 1);
			libocsnotify_wakes_read(context); /* its socket takes ten */
		}
		for (uint64_t i = 1; i <= 20; i++) {
			ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
			ck_assert_uint_eq(event.folder_id, i << 16 | 1);
		}
		ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
		for (struct libocsnotify_queue *q = session->queues; q != NULL; q = q->next)
			open += q->list.fd >= 0;
		ck_assert_uint_eq(open, 16);
	}
	ocsnotify_close(context);
}

TEST(no_more_lists_stay_open_than_the_process_can_spare)
{
	without_queues(keep_some_lists_open);
}

TEST(a_new_registry_file_is_noticed_and_registered_in)
{
	struct ocsnotify *context = host_open(), *second = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocsnotify_session *other = host_session(second, host_user);
	struct ocs_entry entry = entry_newmail(INBOX, MAIL);
	struct ocsnotify_event event;
	char path[128], aside[128];

	subscribe_all(session);
	subscribe_all(other);
	snprintf(path, sizeof(path), "%s/registry.tdb", rig_folder);
	snprintf(aside, sizeof(aside), "%s/registry.tdb.corrupt-1", rig_folder);
	ck_assert_int_eq(rename(path, aside), 0);
	daemon_make_registry();
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
	ck_assert_int_eq(ocsnotify_next_event(other, &event), 0);
	ck_assert_ptr_nonnull(strstr(host_warnings, "registered again"));
	ck_assert_uint_eq(registered_contexts(context), 2);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 2);
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
	ck_assert_int_eq(ocsnotify_next_event(other, &event), 1);
	ocsnotify_close(context);
	ocsnotify_close(second);
	ck_assert_int_eq(host_count_queues(host_user), 0);
}

TEST(a_new_registry_folder_is_noticed_too)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocs_entry entry = entry_newmail(INBOX, MAIL);
	struct ocsnotify_event event;

	subscribe_all(session);
	rig_remove_folder();
	ck_assert_int_eq(mkdir(rig_folder, 0700), 0);
	ck_assert_int_eq(chmod(rig_folder, 03770), 0);
	daemon_make_registry();
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
	ck_assert_int_eq(host_count_wake_files(), 2);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 1);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_wake_files(), 0);
	ck_assert_int_eq(host_count_queues(host_user), 0);
}

TEST(a_queue_list_does_not_grow_for_ever)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	char path[160];
	struct stat st;

	subscribe_all(session);
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(
		        libocsnotify_queue_list_add(context, "/ocs.x.store.newmail.00000001"), 0);
	ck_assert_int_eq(ocs_registry_queue_list_path(context->shared->registry, context->r.id,
	                                              path, sizeof(path)),
	                 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt(st.st_size, 100000);
	ck_assert_int_eq(ocsnotify_subscribe_table(session, 3, 0, OCSNOTIFY_HIERARCHY_TABLE, 0), 0);
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_int_eq(host_count_wake_files(), 0);
}

TEST(each_error_has_a_text)
{
	for (int i = OCSNOTIFY_E_BUSY; i <= 0; i++)
		ck_assert_str_ne(ocsnotify_strerror(i), "unknown error");
	ck_assert_str_eq(ocsnotify_strerror(1), "unknown error");
}

TEST(a_user_has_so_many_sessions_and_a_session_so_many_subscriptions)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session, *more, *all[1024];
	uint32_t handle;

	for (int i = 0; i < 1024; i++)
		ck_assert_int_eq(ocsnotify_session_open(context, "t-many", NULL, &all[i]),
		                 OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_session_open(context, "t-many", NULL, &more), OCSNOTIFY_E_LIMIT);
	ck_assert_ptr_null(more);
	ck_assert_int_eq(ocsnotify_session_open(context, "t-other", NULL, &session), OCSNOTIFY_OK);
	ocsnotify_session_close(all[0]);
	ck_assert_int_eq(ocsnotify_session_open(context, "t-many", NULL, &more), OCSNOTIFY_OK);
	/* All of one queue, which is what makes them cheap. */
	for (handle = 1; handle <= 4096; handle++)
		ck_assert_int_eq(
		        ocsnotify_subscribe(session, handle, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
		        OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_subscribe(session, handle, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
	                 OCSNOTIFY_E_LIMIT);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_subscribe(session, handle, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
	                 OCSNOTIFY_OK);
	ocsnotify_close(context);
}

static void put_settings(struct ocsnotify *context)
{
	libocsnotify_lock();
	ck_assert_int_eq(ocs_registry_begin(context->shared->registry, NULL), 0);
	ck_assert_int_eq(
	        ocs_registry_settings_put(context->shared->registry, &daemon_settings, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(context->shared->registry, false, NULL), 0);
	libocsnotify_unlock();
}

static void look(struct ocsnotify *context)
{
	context->look_due = 0;
	libocsnotify_look(context);
}

static unsigned count_events(struct ocsnotify_session *session)
{
	struct ocsnotify_event event;
	unsigned n = 0;

	while (ocsnotify_next_event(session, &event) == 1)
		n++;
	return n;
}

/* The first look makes queues and cannot register them; those they replace have longer messages. */
TEST(queues_that_were_made_again_are_registered_later_if_need_be)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, host_user);
	struct ocs_entry entry = entry_newmail(INBOX, MAIL);
	char wake[128], away[128];

	snprintf(wake, sizeof(wake), "%s/wake", rig_folder);
	snprintf(away, sizeof(away), "%s/away", rig_folder);
	subscribe_all(session);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
	daemon_settings.message_size = 200;
	put_settings(context);
	for (struct libocsnotify_queue *q = session->queues; q != NULL; q = q->next)
		ck_assert_int_eq(ocs_queue_unlink(q->r.name), 0);
	ck_assert_int_eq(rename(wake, away), 0);
	ck_assert_int_eq(close(open(wake, O_WRONLY | O_CREAT | O_EXCL, 0600)), 0);
	look(context);
	ck_assert_str_ne(host_warnings, "");
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_int_eq(unlink(wake), 0);
	ck_assert_int_eq(rename(away, wake), 0);
	look(context);
	ck_assert_int_eq(host_count_queues(host_user), 2);
	entry = entry_newmail(INBOX, MAIL + 0x10000);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
	ck_assert_int_eq(ocsnotify_process(context, NULL, NULL), 1);
	ck_assert_uint_eq(count_events(session), 2);
	ck_assert_msg(strstr(host_warnings, "Message too long") == NULL, "%s", host_warnings);
	ocsnotify_close(context);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Another process holds the index's lock and is stopped: who waits is answered in time. */
#include "tests/unit/notify/dispatch_rig.h"

static struct rig_child holder;
static struct ocs_registry_queue queues[2];
static mqd_t mq;

static int hold(int to_parent)
{
	struct ocs_store *store;
	char path[128];

	snprintf(path, sizeof(path), "%s/index.tdb", rig_folder);
	if (ocs_store_open(path, 0, 0, 0, (gid_t)-1, &store, NULL, NULL) != 0 ||
	    ocs_store_begin(store, NULL) != 0 || write(to_parent, "h", 1) != 1)
		return 1;
	raise(SIGSTOP);
	ocs_store_close(store);
	return 0;
}

/* One queue in the kernel for INBOX, one that only spills for Sent; the lock is held. */
static void setup(void)
{
	struct ocs_notification inbox = dispatch_event(OCS_MODIFIED, "INBOX", NULL),
	                        sent = dispatch_event(OCS_MODIFIED, "Sent", NULL);
	struct ocs_index_folder folders[2];
	struct ocs_entry entry;
	int status;
	char byte;

	dispatch_setup();
	rig_child_fork(&holder, hold);
	dispatch_open();
	ck_assert_ok(ocs_index_begin(dispatch_index, &rig_error));
	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                              true, &folders[0], &rig_error));
	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "Sent"},
	                              true, &folders[1], &rig_error));
	ck_assert_ok(ocs_index_commit(dispatch_index, &rig_error));
	dispatch_close();
	queues[0] = dispatch_queue(1, OCS_TABLE_OBJECT, folders[0].fid, 0x10, 0, &mq);
	queues[1] = dispatch_queue(1, OCS_TABLE_OBJECT, folders[1].fid, 0x10, 0, NULL);
	dispatch_subscribe(queues, 2);
	dispatch_deadline = 1;
	dispatch_start();
	/* Both are known from now on, and the state of the registry too. */
	ck_assert_int_eq(dispatch_report(&sent).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_report(&inbox).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ck_assert_int_eq(ocs_dispatch_health(dispatch, &rig_error), 0);
	rig_child_go(&holder);
	ck_assert_int_eq(read(holder.from, &byte, 1), 1);
	ck_assert_int_eq(waitpid(holder.pid, &status, WUNTRACED), holder.pid);
	ck_assert(WIFSTOPPED(status));
}

static void teardown(void)
{
	dispatch_drop(&queues[0], mq);
	dispatch_teardown();
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* A folder that is not known has to be written down. */
static void stuck_and_in_time(const char *folder)
{
	struct ocs_notification fresh = dispatch_event(OCS_MODIFIED, folder, NULL);
	struct timespec start;
	struct ocs_result result;

	clock_gettime(CLOCK_MONOTONIC, &start);
	result = dispatch_report(&fresh);
	ck_assert_int_eq(result.status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(result.refusal.name, "REGISTRY_UNAVAILABLE");
	ck_assert_int_eq(result.refusal.code, 503);
	ck_assert_double_ge(seconds_since(&start), 0.9);
	ck_assert_double_lt(seconds_since(&start), 4.0);
}

static bool is_healthy(void *unused)
{
	(void)unused;
	return ocs_dispatch_health(dispatch, NULL) == 0;
}

static bool is_ill(void *unused)
{
	return !is_healthy(unused);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

LOOP_TEST(a_commit_is_refused_in_time_and_all_recovers_when_the_holder_goes_on_or_dies, 0, 2)
{
	struct ocs_notification inbox = dispatch_event(OCS_MODIFIED, "INBOX", NULL),
	                        sent = dispatch_event(OCS_MODIFIED, "Sent", NULL);
	struct ocs_spill_state state;
	struct ocs_result result;
	struct timespec start;
	struct ocs_entry entry;
	char pid[16];

	stuck_and_in_time("Fresh");
	/* A second one, which the store thread has not even begun. */
	stuck_and_in_time("Fresh too");
	/* What needs no commit goes on. */
	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(dispatch_report(&inbox).status, OCS_STATUS_QUEUED);
	ck_assert_double_lt(seconds_since(&start), 0.5);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ck_assert(rig_wait_for(is_ill, NULL));
	ck_assert_int_eq(ocs_dispatch_health(dispatch, &rig_error), -1);
	snprintf(pid, sizeof(pid), "%d", (int)holder.pid);
	ck_assert_msg(strstr(rig_error.text, pid) != NULL, "%s", rig_error.text);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "index.tdb"));

	kill(holder.pid, _i == 0 ? SIGCONT : SIGKILL);
	ck_assert_int_eq(rig_child_wait(&holder), _i == 0 ? 0 : -SIGKILL);
	ck_assert_msg(rig_wait_for(is_healthy, NULL), "still ill");
	result = dispatch_report(&sent);
	ck_assert_int_eq(result.status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_report(&inbox).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ck_assert_int_eq(ocs_dispatch_stop(dispatch), 0);
	dispatch = NULL;
	ck_assert_ok(ocs_registry_spill_state(dispatch_registry, queues[1].context, queues[1].id,
	                                      &state, &rig_error));
	ck_assert_uint_eq(state.count, 2);
}

TEST(a_stop_while_stuck_answers_whoever_waits_and_says_so)
{
	struct ocs_notification fresh = dispatch_event(OCS_MODIFIED, "Fresh", NULL);
	struct dispatch_waiter waiter = DISPATCH_WAITER;
	struct timespec start;

	dispatch_submit(&waiter, &fresh);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(ocs_dispatch_stop(dispatch), -1);
	ck_assert_double_lt(seconds_since(&start), 5.0);
	ck_assert_int_eq(dispatch_wait(&waiter).status, OCS_STATUS_REFUSED);
	kill(holder.pid, SIGKILL);
	rig_child_wait(&holder);
	ocs_queue_close(mq);
	ocs_queue_unlink(queues[0].name);
	rig_remove_folder();
	/* What the store thread uses stays; the process ends with it, as the daemon does. */
	_exit(0);
}

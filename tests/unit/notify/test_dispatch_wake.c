/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists as the daemon uses them: who is woken, and what bounds them all together. */
#include "tests/unit/notify/dispatch_rig.h"

#include <poll.h>
#include <sys/socket.h>

static struct ocs_registry_queue queues[2];
static struct ocs_notification change;
static int wake;

/* Two queues of jdoe's without the kernel's, and the socket of their owner. */
static void setup(void)
{
	const struct ocs_registry_context owner = {.id = 1, .pid = getpid(), .uid = geteuid()};
	struct sockaddr_un address;

	dispatch_spill_total = 1000000;
	dispatch_setup();
	queues[0] = dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x7c, 0, NULL);
	queues[1] = dispatch_queue(2, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x7c, 0, NULL);
	dispatch_subscribe(queues, 2);
	dispatch_open();
	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	ck_assert_ok(ocs_registry_context_add(dispatch_registry, &owner, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	dispatch_close();
	wake = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(wake, 0);
	ck_assert_int_eq(bind(wake, (const struct sockaddr *)&address, sizeof(address)), 0);
	change = dispatch_event(OCS_MODIFIED, "INBOX", NULL);
	dispatch_start();
}

static void teardown(void)
{
	close(wake);
	dispatch_teardown();
}

static void report(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(dispatch_report(&change).status, OCS_STATUS_QUEUED);
}

/* The next datagram: its ids, sorted to 1 and 2; 0: all. */
static const char *woken(bool wait)
{
	static char text[80];
	uint8_t data[256];
	ssize_t len;

	text[0] = '\0';
	if (wait)
		ck_assert_int_eq(poll(&(struct pollfd){.fd = wake, .events = POLLIN}, 1, 60000), 1);
	len = recv(wake, data, sizeof(data), 0);
	for (ssize_t at = 0; at + 8 <= len; at += 8) {
		uint64_t id = ocs_get64(data + at);

		strcat(text, id == queues[0].id            ? "1 "
		             : id == queues[1].id          ? "2 "
		             : id == OCS_REGISTRY_WAKE_ALL ? "all "
		                                           : "? ");
	}
	return text;
}

static int count(const uint8_t *entry, size_t len, void *arg)
{
	(void)entry;
	(void)len;
	++*(uint64_t *)arg;
	return 0;
}

static uint64_t take_all(int i, struct ocs_spill_reader *reader)
{
	const struct ocs_spill_name name = {rig_folder, queues[i].context, queues[i].id};
	uint64_t n = 0;

	ck_assert_int_eq(ocs_spill_take(reader, &name, count, &n), 0);
	return n;
}

static struct ocs_spill_state state(int i)
{
	const struct ocs_spill_name name = {rig_folder, queues[i].context, queues[i].id};
	struct ocs_spill_state out;

	ck_assert_int_eq(ocs_spill_state(&name, &out), 0);
	return out;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(an_owner_is_told_of_all_its_lists_at_once_and_only_when_it_had_read_them)
{
	struct ocs_spill_reader reader;

	ocs_spill_reader_init(&reader);
	report(1);
	ck_assert_str_eq(woken(false), "1 2 ");
	report(5);
	ck_assert_str_eq(woken(false), "");
	ck_assert_uint_eq(take_all(1, &reader), 6);
	report(1);
	ck_assert_str_eq(woken(false), "2 ");
	ocs_spill_reader_close(&reader);
}

/* A member of the group makes it: that socket would be sent ids of its choice. */
TEST(no_other_socket_is_sent_to_through_a_link)
{
	struct sockaddr_un address;
	char aside[sizeof(address.sun_path) + 8];

	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	snprintf(aside, sizeof(aside), "%s.aside", address.sun_path);
	ck_assert_int_eq(rename(address.sun_path, aside), 0);
	ck_assert_int_eq(symlink(aside, address.sun_path), 0);
	report(1);
	ck_assert_str_eq(woken(false), "");
	/* the janitor may have removed what is no socket */
	ck_assert(unlink(address.sun_path) == 0 || errno == ENOENT);
	ck_assert_int_eq(rename(aside, address.sun_path), 0);
}

/* A cleaner of folders has removed the name, and nobody looks it up again. */
TEST(an_owner_is_woken_by_the_socket_that_it_was_woken_by_before)
{
	struct ocs_spill_reader reader;
	struct sockaddr_un address;

	ocs_spill_reader_init(&reader);
	report(1);
	ck_assert_str_eq(woken(false), "1 2 ");
	ck_assert_uint_eq(take_all(0, &reader), 1);
	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	ck_assert_int_eq(unlink(address.sun_path), 0);
	report(1);
	ck_assert_str_eq(woken(false), "1 ");
	ocs_spill_reader_close(&reader);
}

/* 0: the old one is closed; 1: it is shut, and somebody still has it, as a child of the owner. */
LOOP_TEST(an_owner_that_has_another_socket_is_woken_there, 0, 2)
{
	struct ocs_spill_reader reader;
	struct sockaddr_un address;
	int old = wake;

	ocs_spill_reader_init(&reader);
	report(1);
	ck_assert_str_eq(woken(false), "1 2 ");
	ck_assert_uint_eq(take_all(0, &reader), 1);
	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	ck_assert_int_eq(unlink(address.sun_path), 0);
	wake = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(_i == 0 ? close(old) : shutdown(old, SHUT_RDWR), 0);
	ck_assert_int_eq(bind(wake, (const struct sockaddr *)&address, sizeof(address)), 0);
	report(1);
	ck_assert_str_eq(woken(false), "1 ");
	if (_i == 1)
		close(old);
	ocs_spill_reader_close(&reader);
}

TEST(an_owner_that_could_not_be_woken_is_woken_later)
{
	struct sockaddr_un address;
	int fill = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), n = 0;

	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, &address), 0);
	while (sendto(fill, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)) == 1)
		n++;
	ck_assert_int_eq(errno, EAGAIN);
	report(3);
	while (n-- > 0)
		ck_assert_str_eq(woken(false), "");
	/* Together or one after the other. */
	for (size_t told = 0; told < strlen("1 2 ");)
		told += strlen(woken(true));
	close(fill);
}

TEST(a_new_daemon_wakes_the_owners_of_lists_that_have_something)
{
	struct ocs_spill_reader readers[2];

	ocs_spill_reader_init(&readers[0]);
	ocs_spill_reader_init(&readers[1]);
	report(2);
	ck_assert_str_eq(woken(false), "1 2 ");
	dispatch_stop();
	dispatch_start();
	ck_assert_str_eq(woken(true), "all ");
	ck_assert_uint_eq(take_all(0, &readers[0]), 2);
	ck_assert_uint_eq(take_all(1, &readers[1]), 2);
	dispatch_stop();
	dispatch_start();
	report(1);
	ck_assert_str_eq(woken(true), "1 2 ");
	ocs_spill_reader_close(&readers[0]);
	ocs_spill_reader_close(&readers[1]);
}

/* The first of the queues is jane's from now on. The daemon is stopped. */
static void share_with_jane(void)
{
	struct ocs_registry_user jane = {
	        .user = (char *)(uintptr_t) "jane", .n_queues = 1, .queues = &queues[0]};

	dispatch_stop();
	dispatch_subscribe(&queues[1], 1);
	dispatch_open();
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	ck_assert_ok(ocs_registry_user_put(dispatch_registry, &jane, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	dispatch_close();
}

/* One request about jdoe, jane and jdoe again. */
static void report_three(void)
{
	static const char *const users[] = {"jdoe", "jane", "jdoe"};
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct dispatch_waiter waiter = DISPATCH_WAITER;
	struct ocs_notification *items = talloc_zero_array(request, struct ocs_notification, 3);

	for (size_t i = 0; i < 3; i++) {
		items[i] = change;
		items[i].backend_user = users[i];
	}
	request->account = "tester";
	request->count = 3;
	request->items = items;
	request->results = talloc_zero_array(request, struct ocs_result, 3);
	request->done = dispatch_done;
	request->owner = &waiter;
	ocs_dispatch_submit(dispatch, request);
	ck_assert_int_eq(dispatch_wait(&waiter).status, OCS_STATUS_QUEUED);
}

/* The first request is the store thread's, the second is done where it came in. */
TEST(an_owner_is_told_of_the_lists_of_a_whole_request_at_once)
{
	struct ocs_spill_reader readers[2];

	ocs_spill_reader_init(&readers[0]);
	ocs_spill_reader_init(&readers[1]);
	share_with_jane();
	dispatch_start();
	for (int i = 0; i < 2; i++) {
		report_three();
		ck_assert_str_eq(woken(false), "2 1 ");
		ck_assert_str_eq(woken(false), "");
		ck_assert_uint_eq(take_all(0, &readers[0]), 1);
		ck_assert_uint_eq(take_all(1, &readers[1]), 2);
	}
	ocs_spill_reader_close(&readers[0]);
	ocs_spill_reader_close(&readers[1]);
}

TEST(what_was_read_does_not_count_in_the_sum_of_all_lists)
{
	struct ocs_spill_reader reader;

	ocs_spill_reader_init(&reader);
	share_with_jane();
	dispatch_spill_total = 20;
	dispatch_start();
	report(10);
	change.backend_user = "jane";
	report(10);
	/* Read, and the daemon does not look at that list again. */
	ck_assert_uint_eq(take_all(0, &reader), 10);
	change.backend_user = "jdoe";
	report(5);
	ck_assert_uint_eq(state(1).count, 15);
	ck_assert_uint_eq(state(1).dropped, 0);
	/* Now it is reached. */
	report(10);
	ck_assert_uint_eq(state(1).count, 20);
	ck_assert_uint_eq(state(1).dropped, 5);
	change.backend_user = "jane";
	report(1);
	ck_assert_uint_eq(state(0).count, 1);
	ocs_spill_reader_close(&reader);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The descriptor, process() and the UDP datagrams: who is woken, when, and how often. */
#include "tests/unit/libocsnotify/host_rig.h"

#include <netinet/in.h>

#define INBOX 0x0000000000010001ULL
#define MAIL  0x0000000001010001ULL

static struct ocsnotify *context;
static struct ocsnotify_session *session;
static int calls; /* of pending() */

static const uint8_t push_context[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void start(uint32_t interval)
{
	host_setup();
	daemon_settings.push_interval = interval;
	daemon_make_registry();
	context = host_open();
	/* The descriptor is for news and datagrams alone in these tests. */
	context->look_due = libocsnotify_now_ms() + 3600000;
	session = host_session(context, host_user);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
	calls = 0;
}

static void setup(void)
{
	start(60);
}

static void setup_fast(void)
{
	start(1);
}

static void teardown(void)
{
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	rig_remove_folder();
}

static void on_pending(struct ocsnotify_session *of, void *arg)
{
	ck_assert_ptr_eq(of, session);
	ck_assert_ptr_eq(arg, &calls);
	ck_assert_int_eq(ocsnotify_pending(of), 1);
	calls++;
}

static int process(void)
{
	return ocsnotify_process(context, on_pending, &calls);
}

static void send_newmail(void)
{
	struct ocs_entry entry = entry_newmail(INBOX, MAIL);

	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), 1);
}

static int drain_all(void)
{
	struct ocsnotify_event event;
	int n = 0, ret;

	while ((ret = ocsnotify_next_event(session, &event)) == 1)
		n++;
	ck_assert_int_eq(ret, 0);
	return n;
}

static int udp_listen(int family, uint8_t address[28], size_t *len_r)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof(local);
	int fd = socket(family, SOCK_DGRAM, 0);

	ck_assert_int_ge(fd, 0);
	local.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		len = sizeof(struct sockaddr_in);
	} else {
		((struct sockaddr_in6 *)&local)->sin6_addr = in6addr_loopback;
		len = sizeof(struct sockaddr_in6);
	}
	if (bind(fd, (struct sockaddr *)&local, len) != 0) {
		close(fd);
		return -1;
	}
	len = sizeof(local);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&local, &len), 0);
	*len_r = ocs_push_format((struct sockaddr *)&local, address);
	return fd;
}

static int udp_listen_and_register(int family)
{
	uint8_t address[28];
	size_t len;
	int fd = udp_listen(family, address, &len);

	if (fd >= 0)
		ck_assert_uint_eq(ocsnotify_set_push(session, push_context, sizeof(push_context),
		                                     address, len),
		                  0);
	return fd;
}

static bool udp_received(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t data[64];

	if (poll(&p, 1, ms) != 1)
		return false;
	ck_assert_int_eq(recv(fd, data, sizeof(data), 0), sizeof(push_context));
	ck_assert_mem_eq(data, push_context, sizeof(push_context));
	return true;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(the_descriptor_is_readable_on_news_and_not_while_something_waits)
{
	ck_assert(!host_readable(context, 0));
	ck_assert_int_eq(process(), 0);
	send_newmail();
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(process(), 1);
	ck_assert_int_eq(calls, 1);
	ck_assert(!host_readable(context, 0));
	ck_assert_int_eq(process(), 0);
	ck_assert_int_eq(ocsnotify_pending(session), 1);
	ck_assert_int_eq(drain_all(), 1);
	ck_assert(!host_readable(context, 0));
}

TEST(news_that_an_idle_call_took_first_is_no_news)
{
	send_newmail();
	ck_assert_int_eq(drain_all(), 1);
	ck_assert_int_eq(process(), 0);
	ck_assert_int_eq(calls, 0);
}

TEST(what_an_idle_call_left_over_is_news)
{
	uint8_t buffer[40];
	size_t used;
	bool more;

	send_newmail();
	send_newmail();
	ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more), 0);
	ck_assert(more);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(process(), 1);
	ck_assert_int_eq(drain_all(), 1);
}

TEST(entries_that_only_the_registry_had_room_for_are_news_too)
{
	for (int i = 0; i < 12; i++)
		send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert_int_eq(drain_all(), 12);
	ck_assert_int_eq(process(), 0);
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert_int_eq(drain_all(), 1);
}

TEST(a_datagram_goes_out_once_when_something_comes_to_be_pending)
{
	int fd = udp_listen_and_register(AF_INET);

	ck_assert_int_ge(fd, 0);
	send_newmail();
	ck_assert(!udp_received(fd, 0));
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(!udp_received(fd, 50));
	ck_assert_int_eq(drain_all(), 2);
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	close(fd);
}

TEST(the_datagram_reaches_an_ipv6_client)
{
	int fd = udp_listen_and_register(AF_INET6);

	if (fd < 0)
		return; /* this machine has no IPv6 */
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	close(fd);
}

TEST(a_registration_while_something_waits_is_served_by_the_next_process)
{
	int fd;

	send_newmail();
	ck_assert_int_eq(process(), 1);
	fd = udp_listen_and_register(AF_INET);
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(process(), 0);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	close(fd);
}

TEST(a_refused_registration_leaves_the_earlier_one)
{
	static const uint8_t bad[16] = {99};
	int fd = udp_listen_and_register(AF_INET);
	uint8_t long_context[17] = {0};

	ck_assert_uint_eq(ocsnotify_set_push(session, push_context, 8, bad, 16), 0x80070057);
	ck_assert_uint_eq(ocsnotify_set_push(session, long_context, 17, bad, 16), 0x80040305);
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	close(fd);
}

TEST(a_later_registration_replaces_the_earlier)
{
	int first = udp_listen_and_register(AF_INET), second = udp_listen_and_register(AF_INET);

	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(second, HOST_WAIT_MS));
	ck_assert(!udp_received(first, 50));
	close(first);
	close(second);
}

TESTS_HAVE(.setup = setup_fast, .teardown = teardown);

TEST(the_datagram_is_repeated_until_the_session_is_drained)
{
	int fd = udp_listen_and_register(AF_INET);
	uint64_t before;

	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	for (int i = 0; i < 2; i++) {
		before = libocsnotify_now_ms();
		ck_assert(host_readable(context, HOST_WAIT_MS));
		ck_assert_int_eq(process(), 0);
		ck_assert(udp_received(fd, HOST_WAIT_MS));
		ck_assert_uint_ge(libocsnotify_now_ms() - before, 900);
	}
	ck_assert_int_eq(drain_all(), 1);
	ck_assert(!host_readable(context, 1500));
	ck_assert_int_eq(process(), 0);
	ck_assert(!udp_received(fd, 0));
	close(fd);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_new_interval_of_the_daemon_is_taken_over)
{
	int fd = udp_listen_and_register(AF_INET);

	daemon_settings.push_interval = 1;
	libocsnotify_lock();
	ck_assert_int_eq(ocs_registry_begin(context->shared->registry, NULL), 0);
	ck_assert_int_eq(
	        ocs_registry_settings_put(context->shared->registry, &daemon_settings, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(context->shared->registry, false, NULL), 0);
	libocsnotify_unlock();
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	ck_assert(host_readable(context, HOST_WAIT_MS));
	ck_assert_int_eq(process(), 0);
	ck_assert(udp_received(fd, HOST_WAIT_MS));
	close(fd);
}

static int datagrams, last_error;

static void on_datagram(struct ocsnotify_session *of, const void *sockaddr, size_t sockaddr_len,
                        const uint8_t *payload, size_t payload_len, int error, void *arg)
{
	(void)arg;
	ck_assert_ptr_eq(of, session);
	ck_assert_int_eq(((const struct sockaddr *)sockaddr)->sa_family, AF_INET);
	ck_assert_uint_eq(sockaddr_len, sizeof(struct sockaddr_in));
	ck_assert_uint_eq(payload_len, sizeof(push_context));
	ck_assert_mem_eq(payload, push_context, payload_len);
	datagrams++;
	last_error = error;
}

TEST(the_host_is_told_of_each_datagram)
{
	int fd = udp_listen_and_register(AF_INET);

	datagrams = 0;
	ocsnotify_set_datagram(context, on_datagram, NULL);
	send_newmail();
	ck_assert_int_eq(process(), 1);
	ck_assert_int_eq(datagrams, 1);
	ck_assert_int_eq(last_error, 0);
	close(fd);
}

static uint8_t drain_buffer[4096];

static void drain_in_callback(struct ocsnotify_session *of, void *arg)
{
	size_t used;
	bool more;

	(void)arg;
	ck_assert_int_eq(ocsnotify_drain(of, drain_buffer, sizeof(drain_buffer), &used, &more), 0);
	ck_assert_uint_gt(used, 0);
}

TEST(pending_may_drain)
{
	send_newmail();
	ck_assert_int_eq(ocsnotify_process(context, drain_in_callback, NULL), 1);
	ck_assert_int_eq(ocsnotify_pending(session), 0);
	ck_assert(!host_readable(context, 0));
}

/* It lives on its spill list. */
static void give_up_queue(struct ocsnotify_session *of)
{
	of->queues->r.spill_only = true;
	libocsnotify_lock();
	ck_assert_int_eq(libocsnotify_registration_begin(context, NULL), 0);
	ck_assert_int_eq(libocsnotify_registration_end(
	                         context, libocsnotify_registration_store(of, NULL), NULL),
	                 0);
	libocsnotify_unlock();
}

TEST(a_flood_of_wake_ups_hides_no_session)
{
	struct ocsnotify_session *others[40];
	int n = 0;

	/* More than the socket holds: the later datagrams come when there is room again. */
	for (int i = 0; i < 40; i++) {
		char user[64];

		snprintf(user, sizeof(user), "%s-%d", host_user, i);
		others[i] = host_session(context, user);
		ck_assert_int_eq(
		        ocsnotify_subscribe(others[i], 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0), 0);
		give_up_queue(others[i]);
	}
	for (int i = 0; i < 40; i++) {
		struct ocs_entry entry = entry_newmail(INBOX, MAIL);

		ck_assert_int_eq(daemon_send(context, others[i]->r.user, OCS_TABLE_NEWMAIL, &entry),
		                 1);
	}
	while (host_readable(context, 0)) {
		n += ocsnotify_process(context, NULL, NULL);
		daemon_wake_owed(context);
	}
	ck_assert_int_eq(n, 40);
}

static struct ocsnotify_session *three[3];

/* What the second could not do is told while the first waits to be called and the third is not
 * looked at yet. */
static void wake_the_first_again(const char *text, void *arg)
{
	(void)arg;
	if (strstr(text, "spill list") != NULL)
		ck_assert_int_eq(daemon_wake_again(three[0]), 0);
}

static void drain_and_count(struct ocsnotify_session *of, void *arg)
{
	struct ocsnotify_event event;

	while (ocsnotify_next_event(of, &event) == 1)
		++*(int *)arg;
}

TEST(a_session_that_is_woken_while_others_are_looked_at_hides_none)
{
	struct ocs_entry entry = entry_newmail(INBOX, MAIL);
	char path[160], user[64];
	int n = 0;

	for (int i = 0; i < 3; i++) {
		snprintf(user, sizeof(user), "%s-%d", host_user, i);
		three[i] = host_session(context, user);
		ck_assert_int_eq(ocsnotify_subscribe(three[i], 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
		                 0);
		give_up_queue(three[i]);
	}
	ck_assert_int_eq(daemon_send(context, three[0]->r.user, OCS_TABLE_NEWMAIL, &entry), 1);
	/* Its list cannot be read. */
	snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER "/%016llx.%016llx", rig_folder,
	         (unsigned long long)context->r.id, (unsigned long long)three[1]->queues->r.id);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(daemon_wake_again(three[1]), 0);
	ck_assert_int_eq(daemon_send(context, three[2]->r.user, OCS_TABLE_NEWMAIL, &entry), 1);
	ocsnotify_set_warning(context, wake_the_first_again, NULL);
	while (host_readable(context, 0))
		ck_assert_int_ge(ocsnotify_process(context, drain_and_count, &n), 0);
	ck_assert_int_eq(n, 2);
	ck_assert_int_eq(rmdir(path), 0);
}

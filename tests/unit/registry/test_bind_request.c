/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Bind requests from the library's side: packets, the settings that say that there is a link, and
 * what a subscription does with each answer. The daemon's side is the real one
 * (cluster/bind_socket.c) with the test behind it.
 */
#include "tests/unit/libocsnotify/host_rig.h"

#include <pthread.h>
#include <sys/un.h>

#include "cluster/bind_socket.h"

static struct ocs_link_status status;
static struct ocs_bind_socket *bind_socket;

/* What the daemon says of anybody, and what it was asked. */
static _Atomic int says;
static atomic_int asked_first, asked_again;
static char asked_user[OCS_USER_MAX + 1];

static enum ocs_bind_socket_answer ask(void *arg, const char *user, bool first,
                                       char text[OCS_BIND_TEXT_MAX])
{
	(void)arg;
	snprintf(text, OCS_BIND_TEXT_MAX, "the broker is on holiday");
	if (first) {
		snprintf(asked_user, sizeof(asked_user), "%s", user);
		atomic_fetch_add(&asked_first, 1);
	} else {
		atomic_fetch_add(&asked_again, 1);
	}
	return (enum ocs_bind_socket_answer)says;
}

static void start_bind_socket(void)
{
	struct ocs_error error;

	ck_assert_msg(ocs_bind_socket_start(rig_folder, ask, NULL, &status, &bind_socket, &error) ==
	                      0,
	              "%s", error.text);
}

static void setup(void)
{
	host_setup();
	ocs_link_status_init(&status);
	says = OCS_BIND_YES;
	atomic_store(&asked_first, 0);
	atomic_store(&asked_again, 0);
	asked_user[0] = '\0';
	bind_socket = NULL;
}

static void teardown(void)
{
	ocs_bind_socket_stop(bind_socket);
	ocs_link_status_destroy(&status);
	rig_remove_folder();
}

static void make_linked(void)
{
	daemon_settings.linked = true;
	daemon_make_registry();
}

static uint64_t subscribe(struct ocsnotify_session *session, uint32_t handle)
{
	uint64_t start = libocsnotify_now_ms();

	ck_assert_int_eq(ocsnotify_subscribe(session, handle, 0, OCSNOTIFY_NEWMAIL, true, 0, 0),
	                 OCSNOTIFY_OK);
	return libocsnotify_now_ms() - start;
}

struct wanted {
	atomic_int *value;
	int least;
};

static bool is_reached(void *arg)
{
	const struct wanted *wanted = arg;

	return atomic_load(wanted->value) >= wanted->least;
}

static void wait_for(atomic_int *value, int least)
{
	struct wanted wanted = {value, least};

	ck_assert_msg(rig_wait_for(is_reached, &wanted), "%d", atomic_load(value));
}

/* Each look at its events is a chance to ask again, or to hear the answer; it does not wait. */
static void look_at_events(struct ocsnotify_session *session)
{
	uint64_t start = libocsnotify_now_ms();
	struct ocsnotify_event event;

	ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
	ck_assert_uint_lt(libocsnotify_now_ms() - start, OCS_BIND_ANSWER_MS);
}

static bool becomes_bound(void *session)
{
	look_at_events(session);
	return libocsnotify_bound(session);
}

static bool asks(void *session)
{
	look_at_events(session);
	return ((struct ocsnotify_session *)session)->context->asking != NULL;
}

static unsigned count_warnings(const char *text)
{
	unsigned n = 0;

	for (const char *p = host_warnings; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

/* ---- packets ---- */

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_packet_is_what_was_put_into_it_and_nothing_else_is_taken)
{
	struct ocs_bind_reply in = {OCS_BIND_UNBOUND, "why"}, out;
	uint8_t packet[OCS_BIND_REQUEST_MAX + 1];
	char user[OCS_USER_MAX + 1], longest[OCS_USER_MAX + 2];
	size_t len = ocs_bind_request_put(packet, "jdoe");

	ck_assert_uint_eq(len, 6);
	ck_assert_mem_eq(packet, "\001Bjdoe", 6);
	ck_assert_int_eq(ocs_bind_request_get(packet, len, user), 0);
	ck_assert_str_eq(user, "jdoe");
	ck_assert_int_eq(ocs_bind_request_get(packet, 2, user), -1);
	packet[3] = '\0';
	ck_assert_int_eq(ocs_bind_request_get(packet, len, user), -1);
	packet[3] = 'd';
	packet[0] = 2;
	ck_assert_int_eq(ocs_bind_request_get(packet, len, user), -1);
	packet[0] = 1;
	packet[1] = 'U';
	ck_assert_int_eq(ocs_bind_request_get(packet, len, user), -1);

	memset(longest, 'x', sizeof(longest));
	longest[OCS_USER_MAX + 1] = '\0';
	ck_assert_uint_eq(ocs_bind_request_put(packet, longest), 0);
	ck_assert_uint_eq(ocs_bind_request_put(packet, ""), 0);
	longest[OCS_USER_MAX] = '\0';
	ck_assert_uint_eq(ocs_bind_request_put(packet, longest), OCS_BIND_REQUEST_MAX);
	ck_assert_int_eq(ocs_bind_request_get(packet, OCS_BIND_REQUEST_MAX, user), 0);
	ck_assert_str_eq(user, longest);
	ck_assert_int_eq(ocs_bind_request_get(packet, OCS_BIND_REQUEST_MAX + 1, user), -1);

	len = ocs_bind_reply_put(packet, &in);
	ck_assert_uint_eq(len, 5);
	ck_assert_int_eq(ocs_bind_reply_get(packet, len, &out), 0);
	ck_assert_int_eq(out.status, OCS_BIND_UNBOUND);
	ck_assert_str_eq(out.text, "why");
	ck_assert_int_eq(ocs_bind_reply_get(packet, 1, &out), -1);
	ck_assert_int_eq(ocs_bind_reply_get(packet, OCS_BIND_REPLY_MAX + 1, &out), -1);
	packet[1] = 2;
	ck_assert_int_eq(ocs_bind_reply_get(packet, len, &out), -1);
}

/* ---- settings ---- */

TEST(settings_say_whether_there_is_a_link_and_old_ones_say_no)
{
	static const char path[] = "/etc/ocsmanager/users.map";
	struct ocs_registry_settings settings = daemon_settings, out;
	struct ocs_registry *registry;
	uint8_t *data, old[512];
	size_t len;

	ck_assert_int_eq(ocs_registry_open(rig_folder, false, &registry, NULL, NULL), 0);
	strcpy(settings.usermap, path);
	settings.linked = true;
	ck_assert_int_eq(ocs_registry_begin(registry, NULL), 0);
	ck_assert_int_eq(ocs_registry_settings_put(registry, &settings, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(registry, false, NULL), 0);
	ck_assert_int_eq(ocs_registry_settings_get(registry, &out, NULL), 0);
	ck_assert(out.linked);
	ck_assert_str_eq(out.usermap, path);
	ck_assert_uint_eq(out.replica_id, settings.replica_id);

	/* As it was written before there were links: the path is the end. */
	ck_assert_int_eq(
	        ocs_store_fetch(ocs_registry_store(registry), NULL, "Ms", 2, &data, &len, NULL), 0);
	ck_assert_uint_lt(len, sizeof(old));
	memcpy(old, data, len);
	talloc_free(data);
	ck_assert_int_eq(ocs_registry_begin(registry, NULL), 0);
	ck_assert_int_eq(
	        ocs_store_put(ocs_registry_store(registry), "Ms", 2, old, 22 + strlen(path), NULL),
	        0);
	ck_assert_int_eq(ocs_registry_commit(registry, false, NULL), 0);
	ck_assert_int_eq(ocs_registry_settings_get(registry, &out, NULL), 0);
	ck_assert(!out.linked);
	ck_assert_str_eq(out.usermap, path);

	/* The longest path there may be. */
	memset(settings.usermap, 'p', sizeof(settings.usermap) - 1);
	ck_assert_int_eq(ocs_registry_begin(registry, NULL), 0);
	ck_assert_int_eq(ocs_registry_settings_put(registry, &settings, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(registry, false, NULL), 0);
	ck_assert_int_eq(ocs_registry_settings_get(registry, &out, NULL), 0);
	ck_assert(out.linked);
	ck_assert_str_eq(out.usermap, settings.usermap);
	ocs_registry_close(registry);
}

/* ---- subscriptions ---- */

TEST(without_a_link_nobody_asks)
{
	struct ocsnotify *context;

	start_bind_socket();
	context = host_open();
	subscribe(host_session(context, host_user), 1);
	ck_assert_int_eq(atomic_load(&asked_first), 0);
	ck_assert_str_eq(host_warnings, "");
	ocsnotify_close(context);
}

TEST(the_first_subscription_asks_and_later_ones_need_not)
{
	struct ocsnotify_session *session;
	struct ocsnotify *context;

	make_linked();
	start_bind_socket();
	context = host_open();
	session = host_session(context, host_user);
	subscribe(session, 1);
	ck_assert_int_eq(atomic_load(&asked_first), 1);
	ck_assert_str_eq(asked_user, host_user);
	subscribe(session, 2);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	subscribe(session, 3);
	ck_assert_int_eq(atomic_load(&asked_first), 1);

	/* Without any subscription the user may have been unbound. */
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 2), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 3), OCSNOTIFY_OK);
	subscribe(session, 4);
	ck_assert_int_eq(atomic_load(&asked_first), 2);
	ck_assert_str_eq(host_warnings, "");
	ocsnotify_close(context);
}

TEST(a_subscription_waits_until_the_daemon_has_bound)
{
	struct ocsnotify *context;
	pid_t pid;
	int ended;

	make_linked();
	says = OCS_BIND_LATER;
	start_bind_socket();
	pid = fork();
	if (pid == 0) {
		context = host_open();
		subscribe(host_session(context, host_user), 1);
		ck_assert_str_eq(host_warnings, "");
		ocsnotify_close(context);
		_exit(0);
	}
	wait_for(&asked_first, 1);
	/* Something else happened first. */
	ocs_bind_socket_poke(bind_socket);
	wait_for(&asked_again, 1);
	ck_assert_int_eq(waitpid(pid, &ended, WNOHANG), 0);
	says = OCS_BIND_YES;
	ocs_bind_socket_poke(bind_socket);
	ck_assert_int_eq(waitpid(pid, &ended, 0), pid);
	ck_assert_int_eq(ended, 0);
}

TEST(a_daemon_that_cannot_bind_costs_two_seconds_and_a_warning)
{
	struct ocsnotify *context;
	uint64_t took;

	make_linked();
	says = OCS_BIND_LATER;
	start_bind_socket();
	context = host_open();
	took = subscribe(host_session(context, host_user), 1);
	ck_assert_uint_ge(took, 1500);
	ck_assert_uint_eq(count_warnings("until the binding is made: the broker is on "
	                                 "holiday"),
	                  1);
	ck_assert_uint_eq(OCS_LINK_GET(&status, bind_timeouts), 1);
	ocsnotify_close(context);
}

TEST(a_no_is_said_once_and_costs_no_time)
{
	struct ocsnotify *context;

	make_linked();
	says = OCS_BIND_NO;
	start_bind_socket();
	context = host_open();
	ck_assert_uint_lt(subscribe(host_session(context, host_user), 1), OCS_BIND_ANSWER_MS);
	ck_assert_uint_lt(subscribe(host_session(context, host_user), 1), OCS_BIND_ANSWER_MS);
	ck_assert_uint_eq(count_warnings("the broker is on holiday"), 1);
	ocsnotify_close(context);
}

/* Neither of them waits: nobody is there. */
TEST(without_a_daemon_a_subscription_warns_once_and_goes_on)
{
	struct ocsnotify *context;

	make_linked();
	context = host_open();
	ck_assert_uint_lt(subscribe(host_session(context, host_user), 1), OCS_BIND_ANSWER_MS);
	ck_assert_uint_lt(subscribe(host_session(context, host_user), 1), OCS_BIND_ANSWER_MS);
	ck_assert_uint_eq(count_warnings("ocsmanager is not running"), 1);
	ocsnotify_close(context);
}

/* A daemon that was killed leaves its socket; the next one takes the place. */
TEST(the_socket_of_a_dead_daemon_is_in_nobodys_way)
{
	struct sockaddr_un address;
	struct ocsnotify *context;
	int fd, folder_fd;

	make_linked();
	ck_assert_int_eq(ocs_bind_request_address(rig_folder, &address, &folder_fd), 0);
	ck_assert_int_eq(folder_fd, -1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	context = host_open();
	ck_assert_uint_lt(subscribe(host_session(context, host_user), 1), OCS_BIND_ANSWER_MS);
	ck_assert_uint_eq(count_warnings("ocsmanager is not running"), 1);
	start_bind_socket();
	subscribe(host_session(context, host_user), 1);
	ck_assert_int_eq(atomic_load(&asked_first), 1);
	ocsnotify_close(context);
}

/* A daemon that is stopped: the socket is there, and nobody behind it. */
TEST(a_daemon_that_hangs_makes_one_subscription_wait_and_not_each)
{
	struct sockaddr_un address;
	struct ocsnotify *context;
	uint64_t took;
	int fd, folder_fd;

	make_linked();
	ck_assert_int_eq(ocs_bind_request_address(rig_folder, &address, &folder_fd), 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	/* Its backlog is full after one. */
	ck_assert_int_eq(listen(fd, 0), 0);
	context = host_open();
	took = subscribe(host_session(context, host_user), 1);
	ck_assert_uint_ge(took, 1500);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_lt(subscribe(host_session(context, host_user), 1),
		                  OCS_BIND_ANSWER_MS);
	ck_assert_uint_eq(count_warnings("ocsmanager does not answer"), 1);
	ocsnotify_close(context);
	close(fd);
}

TEST(an_unbound_session_asks_again_when_it_drains)
{
	struct ocsnotify_session *session;
	struct ocsnotify_event event;
	struct ocsnotify *context;

	make_linked();
	says = OCS_BIND_NO;
	start_bind_socket();
	context = host_open();
	session = host_session(context, host_user);
	subscribe(session, 1);
	ck_assert(!libocsnotify_bound(session));
	/* Not at once. */
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 0);
	ck_assert_int_eq(atomic_load(&asked_first), 1);
	says = OCS_BIND_YES;
	ck_assert(rig_wait_for(becomes_bound, session));
	ck_assert_int_eq(atomic_load(&asked_first), 2);
	ocsnotify_close(context);
}

/* The one that asks may go away before the answer comes. */
TEST(a_session_may_close_while_it_asks)
{
	struct ocsnotify_session *session;
	struct ocsnotify *context;

	make_linked();
	says = OCS_BIND_NO;
	start_bind_socket();
	context = host_open();
	session = host_session(context, host_user);
	subscribe(session, 1);
	says = OCS_BIND_LATER;
	ck_assert(rig_wait_for(asks, session));
	ck_assert_ptr_eq(context->asking, session);
	ocsnotify_session_close(session);
	ck_assert_ptr_null(context->asking);
	ocsnotify_close(context);
}

/* ---- who asks without being the library ---- */

static int request_with(const void *data, size_t len)
{
	struct sockaddr_un address;
	int fd, folder_fd;

	ck_assert_int_eq(ocs_bind_request_address(rig_folder, &address, &folder_fd), 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (len > 0)
		ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
	return fd;
}

TEST(who_hangs_or_talks_nonsense_is_hung_up_on_and_harms_nobody)
{
	static uint8_t big[60000] = {1, 'B'};
	struct ocs_bind_reply reply;
	int silent, fds[3];

	start_bind_socket();
	silent = request_with(NULL, 0);
	fds[0] = request_with("\002Bjdoe", 6);
	fds[1] = request_with(big, sizeof(big));
	memset(big + 2, 'x', sizeof(big) - 2);
	fds[2] = request_with(big, sizeof(big));
	close(request_with("\001Bgone", 6));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ocs_bind_reply_read(fds[i], HOST_WAIT_MS, &reply), -1);
		close(fds[i]);
	}
	fds[0] = ocs_bind_request_send(rig_folder, "jdoe", 1000);
	ck_assert_int_ge(fds[0], 0);
	ck_assert_int_eq(ocs_bind_reply_read(fds[0], HOST_WAIT_MS, &reply), 1);
	ck_assert_int_eq(reply.status, OCS_BIND_BOUND);
	close(fds[0]);
	ck_assert_int_eq(ocs_bind_reply_read(silent, HOST_WAIT_MS, &reply), -1);
	close(silent);
}

TEST(the_socket_belongs_to_the_group_of_the_folder_and_goes_with_the_daemon)
{
	struct stat st, folder;
	char path[128];

	start_bind_socket();
	snprintf(path, sizeof(path), "%s/bind.sock", rig_folder);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_int_eq(stat(rig_folder, &folder), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	ck_assert_uint_eq(st.st_gid, folder.st_gid);
	ocs_bind_socket_stop(bind_socket);
	bind_socket = NULL;
	ck_assert_int_eq(lstat(path, &st), -1);
}

TEST(a_folder_deeper_than_a_socket_address_works_too)
{
	struct ocs_bind_reply reply;
	struct ocs_bind_socket *deep;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%0120d", rig_folder, 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(ocs_bind_socket_start(path, ask, NULL, &status, &deep, NULL), 0);
	fd = ocs_bind_request_send(path, "jdoe", 1000);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ocs_bind_reply_read(fd, HOST_WAIT_MS, &reply), 1);
	close(fd);
	ocs_bind_socket_stop(deep);
}

/* More at a time than it has places for: the others wait their turn. */
TEST(a_storm_of_bind_requests_is_answered)
{
	enum { REQUESTS = 600 };
	struct ocs_bind_reply reply;
	int fds[REQUESTS];

	says = OCS_BIND_LATER;
	start_bind_socket();
	for (int i = 0; i < REQUESTS; i++) {
		char user[16];

		snprintf(user, sizeof(user), "u%d", i);
		fds[i] = ocs_bind_request_send(rig_folder, user, 1000);
		ck_assert_int_ge(fds[i], 0);
	}
	wait_for(&asked_first, REQUESTS);
	says = OCS_BIND_YES;
	ocs_bind_socket_poke(bind_socket);
	for (int i = 0; i < REQUESTS; i++) {
		ck_assert_int_eq(ocs_bind_reply_read(fds[i], HOST_WAIT_MS, &reply), 1);
		ck_assert_int_eq(reply.status, OCS_BIND_BOUND);
		close(fds[i]);
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The socket for bind requests. Touches the socket file in the registry folder. Everything here
 * belongs to the socket's thread, except the two descriptors that wake it.
 *
 * A connection lives for two deadlines at most: one for its request, one for our answer; so those
 * who hang or die cost a descriptor for a moment, and the list by deadline is in order by itself.
 */
#include "cluster/bind_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/file.h"

#define CONNECTIONS_MAX 4096 /* the rest waits in the backlog */
#define BACKLOG         4096
#define EVENTS_MAX      128
#define ACCEPT_MAX      64  /* in a row, so that answers do not wait for a storm */
#define PAUSE_MS        100 /* after the system had no descriptor for us */

struct bind_request {
	struct bind_request *prev, *next;
	int fd;
	uint64_t deadline;
	char *user; /* NULL: the request has not come yet */
};

struct ocs_bind_socket {
	ocs_bind_socket_ask_fn *ask;
	void *arg;
	struct ocs_link_status *status;
	struct sockaddr_un address;
	int folder_fd; /* -1: the address needs none */
	int listener, epoll, wake;
	atomic_bool stopping;
	pthread_t thread;
	struct bind_request *requests; /* the earliest deadline first */
	unsigned n_requests;
	bool listening; /* the listener is in the epoll set */
	uint64_t pause; /* no accepting before */
};

/* ---- connections ---- */

static void hang_up(struct ocs_bind_socket *bind_socket, struct bind_request *request)
{
	DL_DELETE(bind_socket->requests, request);
	bind_socket->n_requests--;
	close(request->fd);
	free(request->user);
	free(request);
}

/* Who does not take the answer is not waited for. */
static void answer(struct ocs_bind_socket *bind_socket, struct bind_request *request,
                   const struct ocs_bind_reply *reply)
{
	uint8_t packet[OCS_BIND_REPLY_MAX];
	size_t len = ocs_bind_reply_put(packet, reply);

	if (reply->status == OCS_BIND_UNBOUND)
		OCS_LINK_COUNT(bind_socket->status, bind_timeouts, 1);
	(void)!send(request->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	hang_up(bind_socket, request);
}

/* Asks, and answers unless it takes longer; late: this is the last time. */
static void ask(struct ocs_bind_socket *bind_socket, struct bind_request *request, bool first,
                bool late)
{
	struct ocs_bind_reply reply = {OCS_BIND_BOUND, ""};

	switch (bind_socket->ask(bind_socket->arg, request->user, first, reply.text)) {
	case OCS_BIND_YES:
		reply.text[0] = '\0';
		break;
	case OCS_BIND_LATER:
		if (!late)
			return;
		reply.status = OCS_BIND_UNBOUND;
		break;
	case OCS_BIND_NO:
		reply.status = OCS_BIND_UNBOUND;
		break;
	}
	answer(bind_socket, request, &reply);
}

static void set_deadline(struct ocs_bind_socket *bind_socket, struct bind_request *request)
{
	request->deadline = ocs_clock_ms() + OCS_BIND_ANSWER_MS;
	DL_APPEND(bind_socket->requests, request);
}

static void read_request(struct ocs_bind_socket *bind_socket, struct bind_request *request)
{
	uint8_t packet[OCS_BIND_REQUEST_MAX + 1];
	char user[OCS_USER_MAX + 1];
	ssize_t n = recv(request->fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Gone, or says more than it may. */
	if (n <= 0 || request->user != NULL || ocs_bind_request_get(packet, (size_t)n, user) != 0 ||
	    (request->user = strdup(user)) == NULL) {
		hang_up(bind_socket, request);
		return;
	}
	DL_DELETE(bind_socket->requests, request);
	set_deadline(bind_socket, request);
	ask(bind_socket, request, true, false);
}

static void take(struct ocs_bind_socket *bind_socket, int fd)
{
	struct bind_request *request = calloc(1, sizeof(*request));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = request};

	if (request == NULL || epoll_ctl(bind_socket->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		close(fd);
		free(request);
		return;
	}
	request->fd = fd;
	bind_socket->n_requests++;
	set_deadline(bind_socket, request);
	/* Mostly the request is there already. */
	read_request(bind_socket, request);
}

static void accept_some(struct ocs_bind_socket *bind_socket)
{
	for (int i = 0; i < ACCEPT_MAX && bind_socket->n_requests < CONNECTIONS_MAX; i++) {
		int fd = accept4(bind_socket->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(bind_socket, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (errno != EAGAIN)
				bind_socket->pause = ocs_clock_ms() + PAUSE_MS;
			return;
		}
	}
}

/* ---- the thread ---- */

static void listen_if(struct ocs_bind_socket *bind_socket, uint64_t now)
{
	bool wanted = bind_socket->n_requests < CONNECTIONS_MAX && now >= bind_socket->pause;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &bind_socket->listener};

	if (wanted != bind_socket->listening &&
	    epoll_ctl(bind_socket->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
	              bind_socket->listener, &event) == 0)
		bind_socket->listening = wanted;
}

static int wait_ms(const struct ocs_bind_socket *bind_socket, uint64_t now)
{
	const struct bind_request *first = bind_socket->requests;
	int wait = first == NULL ? -1 : first->deadline <= now ? 0 : (int)(first->deadline - now);

	return !bind_socket->listening && (wait < 0 || wait > PAUSE_MS) ? PAUSE_MS : wait;
}

static void end_late(struct ocs_bind_socket *bind_socket)
{
	uint64_t now = ocs_clock_ms();
	struct bind_request *request;

	while ((request = bind_socket->requests) != NULL && request->deadline <= now) {
		if (request->user == NULL)
			hang_up(bind_socket, request);
		else
			ask(bind_socket, request, false, true);
	}
}

static void ask_all(struct ocs_bind_socket *bind_socket)
{
	struct bind_request *request, *next;

	DL_FOREACH_SAFE(bind_socket->requests, request, next)
	{
		if (request->user != NULL)
			ask(bind_socket, request, false, false);
	}
}

static void *bind_socket_serve(void *arg)
{
	struct ocs_bind_socket *bind_socket = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load(&bind_socket->stopping)) {
		uint64_t now = ocs_clock_ms(), pokes;
		bool poked = false;
		int n;

		listen_if(bind_socket, now);
		n = epoll_wait(bind_socket->epoll, events, EVENTS_MAX, wait_ms(bind_socket, now));
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &bind_socket->wake)
				poked = read(bind_socket->wake, &pokes, sizeof(pokes)) > 0;
			else if (events[i].data.ptr == &bind_socket->listener)
				accept_some(bind_socket);
			else
				read_request(bind_socket, events[i].data.ptr);
		}
		/* Only now: it ends connections that the loop above may still have named. */
		if (poked)
			ask_all(bind_socket);
		end_late(bind_socket);
	}
	return NULL;
}

/* ---- start and stop ---- */

static void bind_socket_free(struct ocs_bind_socket *bind_socket)
{
	while (bind_socket->requests != NULL)
		hang_up(bind_socket, bind_socket->requests);
	if (bind_socket->listener >= 0)
		close(bind_socket->listener);
	if (bind_socket->epoll >= 0)
		close(bind_socket->epoll);
	if (bind_socket->wake >= 0)
		close(bind_socket->wake);
	if (bind_socket->folder_fd >= 0)
		close(bind_socket->folder_fd);
	free(bind_socket);
}

/* Who may use the registry may ask: the group of the folder. One daemon serves a registry, so what
 * is there is of one that was killed. */
static int make_socket(struct ocs_bind_socket *bind_socket, const char *folder,
                       struct ocs_error *error)
{
	const char *path = bind_socket->address.sun_path;
	struct stat st;

	if (stat(folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	bind_socket->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind_socket->listener < 0)
		return ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	if (unlink(path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "%s/" OCS_BIND_FILE ": cannot remove: %s", folder,
		                     strerror(errno));
	if (bind(bind_socket->listener, (const struct sockaddr *)&bind_socket->address,
	         sizeof(bind_socket->address)) != 0)
		return ocs_error_set(error, "%s/" OCS_BIND_FILE ": cannot bind: %s", folder,
		                     strerror(errno));
	if (ocs_file_set_owner(AT_FDCWD, path, (uid_t)-1, st.st_gid) == 0 &&
	    chmod(path, 0660) == 0 && listen(bind_socket->listener, BACKLOG) == 0)
		return 0;
	ocs_error_set(error, "%s/" OCS_BIND_FILE ": cannot set up: %s", folder, strerror(errno));
	unlink(path);
	return -1;
}

int ocs_bind_socket_start(const char *folder, ocs_bind_socket_ask_fn *ask_fn, void *arg,
                          struct ocs_link_status *status, struct ocs_bind_socket **socket_r,
                          struct ocs_error *error)
{
	struct ocs_bind_socket *bind_socket = calloc(1, sizeof(*bind_socket));
	struct epoll_event event = {.events = EPOLLIN};
	int ret;

	*socket_r = NULL;
	if (bind_socket == NULL)
		return ocs_error_memory(error);
	bind_socket->ask = ask_fn;
	bind_socket->arg = arg;
	bind_socket->status = status;
	bind_socket->listener = bind_socket->folder_fd = -1;
	bind_socket->epoll = epoll_create1(EPOLL_CLOEXEC);
	bind_socket->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	event.data.ptr = &bind_socket->wake;
	ret = ocs_bind_request_address(folder, &bind_socket->address, &bind_socket->folder_fd);
	if (ret != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(-ret));
	} else if (bind_socket->epoll < 0 || bind_socket->wake < 0 ||
	           epoll_ctl(bind_socket->epoll, EPOLL_CTL_ADD, bind_socket->wake, &event) != 0) {
		ret = ocs_error_set(error, "cannot create a descriptor: %s", strerror(errno));
	} else {
		ret = make_socket(bind_socket, folder, error);
	}
	if (ret == 0) {
		ret = pthread_create(&bind_socket->thread, NULL, bind_socket_serve, bind_socket);
		if (ret != 0) {
			unlink(bind_socket->address.sun_path);
			ocs_error_thread(error, ret);
		}
	}
	if (ret != 0) {
		bind_socket_free(bind_socket);
		return -1;
	}
	*socket_r = bind_socket;
	return 0;
}

void ocs_bind_socket_poke(struct ocs_bind_socket *bind_socket)
{
	const uint64_t one = 1;

	/* It can fail only if it is full of pokes. */
	(void)!write(bind_socket->wake, &one, sizeof(one));
}

void ocs_bind_socket_stop(struct ocs_bind_socket *bind_socket)
{
	if (bind_socket == NULL)
		return;
	unlink(bind_socket->address.sun_path);
	atomic_store(&bind_socket->stopping, true);
	ocs_bind_socket_poke(bind_socket);
	pthread_join(bind_socket->thread, NULL);
	bind_socket_free(bind_socket);
}

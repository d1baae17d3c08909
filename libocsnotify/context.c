/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A context of libocsnotify: opening, closing, the descriptor and what process() does. See
 * ocsnotify.h. Touches the registry folder, an epoll set, a timer and the wake-up socket.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "registry/reap.h"
#include "base/bytes.h"

/* What one process() takes from the kernel at most; the rest keeps the descriptor readable. */
#define EVENTS_MAX    64
#define ROUNDS_MAX    16
#define DATAGRAMS_MAX 256

/* The kernel keeps at least this many datagrams for a slow reader (net.unix.max_dgram_qlen is 10
 * by default); who finds as many cannot know whether more were lost. */
#define DATAGRAMS_LOST 8

unsigned ocsnotify_library_version(void)
{
	return OCSNOTIFY_VERSION;
}

/* ---- errors and warnings ---- */

const char *ocsnotify_strerror(int error)
{
	switch (error) {
	case OCSNOTIFY_OK:
		return "no error";
	case OCSNOTIFY_E_INVALID:
		return "a parameter is out of range";
	case OCSNOTIFY_E_NOMEM:
		return "out of memory";
	case OCSNOTIFY_E_NO_REGISTRY:
		return "the registry folder is missing or not set up: start ocsmanager";
	case OCSNOTIFY_E_REGISTRY:
		return "reading or writing the registry failed";
	case OCSNOTIFY_E_PERMISSION:
		return "this user may not use the registry folder";
	case OCSNOTIFY_E_SYSTEM:
		return "a socket, timer or descriptor was not to be had";
	case OCSNOTIFY_E_EXISTS:
		return "the handle is subscribed already";
	case OCSNOTIFY_E_NOT_FOUND:
		return "no such handle";
	case OCSNOTIFY_E_LIMIT:
		return "identifiers or queues are exhausted";
	case OCSNOTIFY_E_FORKED:
		return "the context was opened before a fork";
	case OCSNOTIFY_E_BUSY:
		return "somebody else holds the registry; try again";
	default:
		return "unknown error";
	}
}

int lib_fail(struct ocsnotify *context, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vsnprintf(context->error, sizeof(context->error), format, args) < 0)
		context->error[0] = '\0';
	va_end(args);
	return code;
}

void lib_warn(struct ocsnotify *context, const char *format, ...)
{
	char text[OCS_ERROR_MAX];
	va_list args;

	if (context->warning == NULL)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	context->warning(text, context->warning_arg);
}

void lib_warn_damaged(struct ocsnotify *context)
{
	uint64_t damaged;

	lib_lock();
	damaged = context->shared->registry == NULL
	                  ? context->damaged_seen
	                  : ocs_registry_damaged(context->shared->registry);
	lib_unlock();
	if (damaged > context->damaged_seen)
		lib_warn(context, "%s/registry.tdb: %llu records were damaged and were skipped",
		         context->shared->path,
		         (unsigned long long)(damaged - context->damaged_seen));
	context->damaged_seen = damaged;
}

const char *ocsnotify_last_error(const struct ocsnotify *context)
{
	return context->error;
}

void ocsnotify_set_warning(struct ocsnotify *context, ocsnotify_warning_fn *warning, void *arg)
{
	context->warning = warning;
	context->warning_arg = arg;
}

void ocsnotify_set_datagram(struct ocsnotify *context, ocsnotify_datagram_fn *datagram, void *arg)
{
	context->datagram = datagram;
	context->datagram_arg = arg;
}

bool lib_forked(const struct ocsnotify *context)
{
	return context->pid != getpid();
}

int ocsnotify_fd(const struct ocsnotify *context)
{
	return lib_forked(context) ? OCSNOTIFY_E_FORKED : context->epoll;
}

/* ---- the registry ---- */

int lib_socket_open(struct ocsnotify *context, struct ocs_error *error)
{
	const struct lib_shared *shared = context->shared;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &context->wake};
	struct sockaddr_un address;
	struct stat st;
	int fd;

	if (context->wake >= 0)
		close(context->wake);
	context->wake = -1;
	if (ocs_registry_wake_address(shared->registry, context->r.id, &address) != 0)
		return ocs_error_set(error, "%s: path too long for a socket", shared->path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ocs_error_set(error, "cannot make a socket: %s", strerror(errno));
	/* What is there is not ours: the name is random. */
	unlink(address.sun_path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		ocs_error_set(error, "%s: cannot bind: %s", address.sun_path, strerror(errno));
		close(fd);
		return -1;
	}
	if (lchown(address.sun_path, (uid_t)-1, shared->gid) != 0 ||
	    chmod(address.sun_path, 0660) != 0 || lstat(address.sun_path, &st) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", address.sun_path,
		              strerror(errno));
	} else if (epoll_ctl(context->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		ocs_error_set(error, "cannot watch a socket: %s", strerror(errno));
	} else {
		context->wake_device = st.st_dev;
		context->wake_inode = st.st_ino;
		context->wake = fd;
		return 0;
	}
	unlink(address.sun_path);
	close(fd);
	return -1;
}

/* The socket the daemon wakes this context by, and the journal. (locked) */
static int make_files(struct ocsnotify *context, struct ocs_error *error)
{
	if (lib_socket_open(context, error) != 0)
		return -1;
	/* The caller removes the socket. */
	return lib_journal_open(context, error);
}

/* (locked) A new registry file: everything goes there again; the whole folder may be new. */
static int register_again(struct ocsnotify *context, struct ocs_error *error)
{
	bool renewed;

	if (lib_files_renew(context, &renewed, error) != 0)
		return OCS_STORE_ERROR;
	return lib_registration_all(context, error);
}

int lib_enter(struct ocsnotify *context)
{
	struct ocs_error error = {""};
	bool again;
	int code;

	for (;;) {
		lib_lock();
		code = lib_shared_refresh(context->shared, &error);
		again = code == OCSNOTIFY_OK && context->generation != context->shared->generation;
		if (again)
			code = lib_store_code(register_again(context, &error));
		if (code == OCSNOTIFY_OK && !again)
			return OCSNOTIFY_OK;
		lib_unlock();
		if (code != OCSNOTIFY_OK)
			return lib_fail(context, code, "%s", error.text);
		context->damaged_seen = 0;
		context->settings_known = false;
		lib_warn(context, "%s: the registry is a new one; registered again",
		         context->shared->path);
	}
}

int lib_leave(struct ocsnotify *context, int result, const struct ocs_error *error)
{
	lib_unlock();
	lib_warn_damaged(context);
	return result == OCS_STORE_OK
	               ? OCSNOTIFY_OK
	               : lib_fail(context, lib_store_code(result), "%s", error->text);
}

void lib_settings(struct ocsnotify *context)
{
	struct ocs_registry_settings settings;
	struct ocs_registry *registry;
	uint32_t seqnum;

	lib_lock();
	registry = context->shared->registry;
	if (registry != NULL) {
		seqnum = ocs_registry_seqnum(registry);
		if ((!context->settings_known || context->settings_seqnum != seqnum) &&
		    ocs_registry_settings_get(registry, &settings, NULL) == OCS_STORE_OK) {
			if (settings.push_interval == 0)
				settings.push_interval = 1;
			context->settings = settings;
			context->settings_known = true;
			context->settings_seqnum = seqnum;
		}
	}
	lib_unlock();
}

/* ---- open and close ---- */

static int make_descriptors(struct ocsnotify *context, struct ocs_error *error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &context->timer};

	context->epoll = epoll_create1(EPOLL_CLOEXEC);
	context->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (context->epoll < 0 || context->timer < 0 ||
	    epoll_ctl(context->epoll, EPOLL_CTL_ADD, context->timer, &event) != 0)
		return ocs_error_set(error, "cannot make a descriptor: %s", strerror(errno));
	return 0;
}

/* Files first: whoever finds the record must find that the context lives. */
static int register_context(struct ocsnotify *context, struct ocs_error *error)
{
	int code = OCSNOTIFY_E_SYSTEM;

	lib_lock();
	context->generation = context->shared->generation;
	if (make_files(context, error) == 0)
		code = lib_store_code(lib_registration_all(context, error));
	lib_unlock();
	return code;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_context(struct ocsnotify *context)
{
	close_fd(context->epoll);
	close_fd(context->timer);
	close_fd(context->wake);
	close_fd(context->journal);
	close_fd(context->udp4);
	close_fd(context->udp6);
	if (context->shared != NULL)
		lib_shared_put(context->shared);
	free(context->unremoved);
	free(context);
}

int ocsnotify_open(const char *registry_folder, struct ocsnotify **context_r, char *error_text,
                   size_t error_size)
{
	struct ocsnotify *context = calloc(1, sizeof(*context));
	struct ocs_error error = {""};
	int code;

	*context_r = NULL;
	if (context == NULL) {
		if (error_text != NULL && error_size > 0)
			snprintf(error_text, error_size, "out of memory");
		return OCSNOTIFY_E_NOMEM;
	}
	context->pid = getpid();
	context->epoll = context->timer = context->wake = context->journal = -1;
	context->udp4 = context->udp6 = -1;
	context->settings = (struct ocs_registry_settings){
	        .max_messages = 10, .message_size = 256, .push_interval = 60, .replica_id = 1};
	TAILQ_INIT(&context->news);
	TAILQ_INIT(&context->pushes);
	context->r.id = ocs_random_id();
	context->r.pid = context->pid;
	context->r.uid = geteuid();
	context->r.started = ocs_now_us();
	code = lib_shared_get(registry_folder, &context->shared, &error);
	if (code == OCSNOTIFY_OK && make_descriptors(context, &error) != 0)
		code = OCSNOTIFY_E_SYSTEM;
	if (code == OCSNOTIFY_OK)
		code = register_context(context, &error);
	if (code != OCSNOTIFY_OK) {
		if (context->wake >= 0) {
			lib_lock();
			(void)ocs_reap_files(context->shared->registry, context->r.id, NULL);
			lib_unlock();
		}
		free_context(context);
		if (error_text != NULL && error_size > 0)
			snprintf(error_text, error_size, "%s", error.text);
		return code;
	}
	lib_sweep(context);
	lib_settings(context);
	context->look_due = lib_now_ms() + LIB_LOOK_MS;
	lib_arm(context);
	*context_r = context;
	return OCSNOTIFY_OK;
}

static void unregister_context(struct ocsnotify *context)
{
	struct ocs_error error = {""};
	struct ocs_registry *registry;
	int ret = OCS_STORE_OK;

	if (lib_enter(context) != OCSNOTIFY_OK) {
		lib_warn(context, "cannot remove the context from the registry: %s",
		         context->error);
		return;
	}
	registry = context->shared->registry;
	ret = lib_registration_begin(context, &error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_context_remove(registry, context->r.id, NULL, NULL, NULL,
		                                  &error);
	ret = lib_registration_end(context, ret, &error);
	lib_unlock();
	if (ret != OCS_STORE_OK)
		lib_warn(context, "cannot remove the context from the registry: %s", error.text);
}

void ocsnotify_close(struct ocsnotify *context)
{
	bool ours;

	if (context == NULL)
		return;
	ours = !lib_forked(context);
	if (ours)
		unregister_context(context);
	while (context->sessions != NULL)
		lib_session_free(context->sessions, ours);
	if (ours) {
		lib_lock();
		if (context->shared->registry != NULL)
			(void)ocs_reap_files(context->shared->registry, context->r.id, NULL);
		lib_unlock();
	}
	free_context(context);
}

/* ---- process ---- */

/* Which session has news, by the datagrams of the daemon: each carries the id of a queue whose
 * spill list was written. */
static void read_wakes(struct ocsnotify *context)
{
	uint8_t data[16];
	int n;

	for (n = 0; n < DATAGRAMS_MAX; n++) {
		ssize_t len = recv(context->wake, data, sizeof(data), MSG_DONTWAIT);
		struct lib_queue *queue;

		if (len < 0)
			break;
		if (len == 0)
			context->look_due = 0; /* the registry lacks us, says the daemon */
		if (len != 8)
			continue;
		queue = lib_queue_by_id(context, ocs_get64(data));
		if (queue != NULL)
			lib_news(queue->session);
	}
	if (n < DATAGRAMS_LOST)
		return;
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		lib_news(s);
}

static void read_timer(struct ocsnotify *context)
{
	uint64_t expirations;

	/* Not due after all: it was set anew meanwhile. */
	if (read(context->timer, &expirations, sizeof(expirations)) == sizeof(expirations))
		context->armed = 0;
}

static int take_events(struct ocsnotify *context)
{
	struct epoll_event events[EVENTS_MAX];
	int n = EVENTS_MAX;

	for (int round = 0; round < ROUNDS_MAX && n == EVENTS_MAX; round++) {
		n = epoll_wait(context->epoll, events, EVENTS_MAX, 0);
		if (n < 0)
			return errno == EINTR
			               ? OCSNOTIFY_OK
			               : lib_fail(context, OCSNOTIFY_E_SYSTEM,
			                          "cannot wait for events: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			void *source = events[i].data.ptr;

			if (source == &context->wake)
				read_wakes(context);
			else if (source == &context->timer)
				read_timer(context);
			else
				lib_news(((struct lib_queue *)source)->session);
		}
	}
	return OCSNOTIFY_OK;
}

int ocsnotify_process(struct ocsnotify *context, ocsnotify_pending_fn *pending, void *arg)
{
	struct lib_sessions ready = TAILQ_HEAD_INITIALIZER(ready);
	struct ocsnotify_session *session;
	int count = 0, code;

	if (lib_forked(context))
		return OCSNOTIFY_E_FORKED;
	code = take_events(context);
	lib_look(context);
	while ((session = TAILQ_FIRST(&context->news)) != NULL) {
		int waiting = lib_session_pending(session);

		TAILQ_REMOVE(&context->news, session, news);
		session->listed = false;
		/* What cannot be told now is for the idle call to find out. */
		if (waiting < 0)
			lib_warn(context, "%s", context->error);
		if (waiting == 0)
			continue;
		if (!session->pending) {
			session->pending = true;
			lib_push_now(session);
		}
		TAILQ_INSERT_TAIL(&ready, session, ready);
		count++;
	}
	lib_push_due(context);
	while ((session = TAILQ_FIRST(&ready)) != NULL) {
		TAILQ_REMOVE(&ready, session, ready);
		if (pending != NULL)
			pending(session, arg);
	}
	lib_arm(context);
	return code != OCSNOTIFY_OK ? code : count;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * An admin's questions to a running program: see control_socket.h. Touches the socket file in the
 * private folder.
 */
#include "base/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define BACKLOG    16
#define SLOW_MS    2000      /* for a question, and for taking an answer */
#define PAUSE_MS   100       /* after the system had no descriptor for us */
#define ANSWER_MS  10000     /* that who asks waits for each part of an answer */
#define ANSWER_MAX (8 << 20) /* bytes that who asks takes */

struct ocs_control_socket {
	ocs_control_answer_fn *answer;
	void *arg;
	int folder, listener, stop;
	struct stat st; /* of the file */
	pthread_t thread;
};

/* Through the folder's descriptor: the path may be longer than an address holds. */
static void make_address(int folder, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/" OCS_CONTROL_FILE,
	         folder);
}

/* ---- who answers ---- */

/* false: it is late, gone, or time to stop. */
static bool control_ready(const struct ocs_control_socket *control, int fd, short events,
                          uint64_t deadline)
{
	struct pollfd fds[] = {{.fd = fd, .events = events},
	                       {.fd = control->stop, .events = POLLIN}};
	uint64_t now = ocs_clock_ms();
	int n = now < deadline ? poll(fds, 2, (int)(deadline - now)) : 0;

	if (n < 0 && errno == EINTR)
		return true;
	return n > 0 && fds[1].revents == 0;
}

/* The line without its end. */
static bool read_question(const struct ocs_control_socket *control, int fd,
                          char line[OCS_CONTROL_LINE])
{
	uint64_t deadline = ocs_clock_ms() + SLOW_MS;
	size_t len = 0;

	while (len < OCS_CONTROL_LINE && control_ready(control, fd, POLLIN, deadline)) {
		ssize_t n = recv(fd, line + len, OCS_CONTROL_LINE - len, MSG_DONTWAIT);
		char *end = n > 0 ? memchr(line + len, '\n', (size_t)n) : NULL;

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (end) {
			*end = '\0';
			return true;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	return false;
}

static void send_answer(const struct ocs_control_socket *control, int fd, const char *text,
                        size_t len)
{
	uint64_t deadline = ocs_clock_ms() + SLOW_MS;

	while (len > 0 && control_ready(control, fd, POLLOUT, deadline)) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void serve_one(const struct ocs_control_socket *control, int fd)
{
	char question[OCS_CONTROL_LINE], *text = NULL;
	size_t len = 0;
	FILE *out;
	int failed;

	if (!read_question(control, fd, question))
		return;
	out = open_memstream(&text, &len);
	if (out == NULL)
		return;
	control->answer(control->arg, question, out);
	failed = ferror(out);
	/* Half an answer is none. */
	if (fclose(out) == 0 && !failed)
		send_answer(control, fd, text, len);
	free(text);
}

static void *control_thread(void *arg)
{
	struct ocs_control_socket *control = arg;
	struct pollfd fds[] = {{.fd = control->listener, .events = POLLIN},
	                       {.fd = control->stop, .events = POLLIN}};

	for (;;) {
		int fd;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			break;
		fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve_one(control, fd);
			close(fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			(void)poll(&fds[1], 1, PAUSE_MS);
		}
	}
	return NULL;
}

static int fault(const char *folder, const char *what, struct ocs_error *error)
{
	return ocs_error_set(error, "%s/" OCS_CONTROL_FILE ": cannot %s: %s", folder, what,
	                     strerror(errno));
}

static int listen_there(struct ocs_control_socket *control, const char *folder,
                        struct ocs_error *error)
{
	struct sockaddr_un address;

	control->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (control->folder < 0)
		return fault(folder, "open its folder", error);
	control->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->stop < 0 || control->listener < 0)
		return fault(folder, "create a descriptor", error);
	make_address(control->folder, &address);
	if (unlinkat(control->folder, OCS_CONTROL_FILE, 0) != 0 && errno != ENOENT)
		return fault(folder, "remove", error);
	if (bind(control->listener, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return fault(folder, "bind", error);
	if (fchmodat(control->folder, OCS_CONTROL_FILE, 0600, 0) != 0 ||
	    fstatat(control->folder, OCS_CONTROL_FILE, &control->st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    listen(control->listener, BACKLOG) != 0)
		return fault(folder, "set up", error);
	return 0;
}

/* A program that was started later may have put its own in place. */
static void remove_file(const struct ocs_control_socket *control)
{
	struct stat st;

	if (control->st.st_ino != 0 &&
	    fstatat(control->folder, OCS_CONTROL_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == control->st.st_dev && st.st_ino == control->st.st_ino)
		(void)unlinkat(control->folder, OCS_CONTROL_FILE, 0);
}

static void control_free(struct ocs_control_socket *control)
{
	remove_file(control);
	if (control->listener >= 0)
		close(control->listener);
	if (control->stop >= 0)
		close(control->stop);
	if (control->folder >= 0)
		close(control->folder);
	free(control);
}

int ocs_control_socket_start(const char *folder, ocs_control_answer_fn *answer, void *arg,
                             struct ocs_control_socket **socket_r, struct ocs_error *error)
{
	struct ocs_control_socket *control = calloc(1, sizeof(*control));
	int result;

	*socket_r = NULL;
	if (control == NULL)
		return ocs_error_memory(error);
	control->answer = answer;
	control->arg = arg;
	control->folder = control->listener = control->stop = -1;
	if (listen_there(control, folder, error) != 0) {
		control_free(control);
		return -1;
	}
	result = pthread_create(&control->thread, NULL, control_thread, control);
	if (result != 0) {
		control_free(control);
		return ocs_error_thread(error, result);
	}
	*socket_r = control;
	return 0;
}

void ocs_control_socket_stop(struct ocs_control_socket *control)
{
	const uint64_t one = 1;

	if (control == NULL)
		return;
	(void)!write(control->stop, &one, sizeof(one));
	pthread_join(control->thread, NULL);
	control_free(control);
}

/* ---- who asks ---- */

static int send_question(int fd, const char *question)
{
	char line[OCS_CONTROL_LINE + 1];
	int len = snprintf(line, sizeof(line), "%s\n", question);

	if (len < 0 || len > OCS_CONTROL_LINE || strchr(question, '\n') != NULL) {
		errno = EMSGSIZE;
		return -1;
	}
	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

static int read_answer(int fd, char **answer_r, size_t *len_r)
{
	size_t len = 0, size = 0;
	char *text = NULL;
	ssize_t n = 1;

	while (n > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};

		if (size - len < 2) {
			char *grown = size < ANSWER_MAX ? realloc(text, size * 2 + 4096) : NULL;

			if (grown == NULL) {
				errno = size < ANSWER_MAX ? ENOMEM : EMSGSIZE;
				break;
			}
			text = grown;
			size = size * 2 + 4096;
		}
		if (poll(&ready, 1, ANSWER_MS) == 0) {
			errno = ETIMEDOUT;
			break;
		}
		n = recv(fd, text + len, size - len - 1, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n != 0) {
		free(text);
		return -1;
	}
	text[len] = '\0';
	*answer_r = text;
	*len_r = len;
	return 0;
}

int ocs_control_ask(const char *folder, const char *question, char **answer_r, size_t *len_r)
{
	int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, result = -1, why;
	struct sockaddr_un address;

	if (folder_fd < 0)
		return -1;
	make_address(folder_fd, &address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send_question(fd, question) == 0)
		result = read_answer(fd, answer_r, len_r);
	why = errno;
	if (fd >= 0)
		close(fd);
	close(folder_fd);
	errno = why;
	return result;
}

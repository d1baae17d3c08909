/*
 * See doorbell.h. Touches the socket file in the registry folder. Everything here belongs to the
 * doorbell's thread, except the two descriptors that wake it.
 *
 * A connection lives for two deadlines at most: one for its request, one for our answer; so those
 * who hang or die cost a descriptor for a moment, and the list by deadline is in order by itself.
 */
#include "link/doorbell.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096 /* the rest waits in the backlog */
#define BACKLOG         4096
#define EVENTS_MAX      128
#define ACCEPT_MAX      64  /* in a row, so that answers do not wait for a storm */
#define PAUSE_MS        100 /* after the system had no descriptor for us */

struct ring {
	TAILQ_ENTRY(ring) next;
	int fd;
	uint64_t deadline;
	char *user; /* NULL: the request has not come yet */
};

TAILQ_HEAD(rings, ring);

struct ocs_doorbell {
	ocs_doorbell_ask_fn *ask;
	void *arg;
	struct ocs_link_status *status;
	struct sockaddr_un address;
	int folder_fd; /* -1: the address needs none */
	int listener, epoll, wake;
	atomic_bool stopping;
	pthread_t thread;
	struct rings rings; /* the earliest deadline first */
	unsigned n_rings;
	bool listening; /* the listener is in the epoll set */
	uint64_t pause; /* no accepting before */
};

/* ---- connections ---- */

static void hang_up(struct ocs_doorbell *doorbell, struct ring *ring)
{
	TAILQ_REMOVE(&doorbell->rings, ring, next);
	doorbell->n_rings--;
	close(ring->fd);
	free(ring->user);
	free(ring);
}

/* Who does not take the answer is not waited for. */
static void answer(struct ocs_doorbell *doorbell, struct ring *ring,
                   const struct ocs_doorbell_reply *reply)
{
	uint8_t packet[OCS_DOORBELL_REPLY_MAX];
	size_t len = ocs_doorbell_put_reply(packet, reply);

	if (reply->status == OCS_DOORBELL_UNBOUND)
		OCS_LINK_COUNT(doorbell->status, bind_timeouts, 1);
	(void)!send(ring->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	hang_up(doorbell, ring);
}

/* Asks, and answers unless it takes longer; late: this is the last time. */
static void ask(struct ocs_doorbell *doorbell, struct ring *ring, bool first, bool late)
{
	struct ocs_doorbell_reply reply = {OCS_DOORBELL_BOUND, ""};

	switch (doorbell->ask(doorbell->arg, ring->user, first, reply.text)) {
	case OCS_DOORBELL_YES:
		reply.text[0] = '\0';
		break;
	case OCS_DOORBELL_LATER:
		if (!late)
			return;
		reply.status = OCS_DOORBELL_UNBOUND;
		break;
	case OCS_DOORBELL_NO:
		reply.status = OCS_DOORBELL_UNBOUND;
		break;
	}
	answer(doorbell, ring, &reply);
}

static void set_deadline(struct ocs_doorbell *doorbell, struct ring *ring)
{
	ring->deadline = ocs_link_now_ms() + OCS_DOORBELL_ANSWER_MS;
	TAILQ_INSERT_TAIL(&doorbell->rings, ring, next);
}

static void read_request(struct ocs_doorbell *doorbell, struct ring *ring)
{
	uint8_t packet[OCS_DOORBELL_REQUEST_MAX + 1];
	char user[OCS_USER_MAX + 1];
	ssize_t n = recv(ring->fd, packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Gone, or says more than he may. */
	if (n <= 0 || ring->user != NULL ||
	    ocs_doorbell_get_request(packet, (size_t)n, user) != 0 ||
	    (ring->user = strdup(user)) == NULL) {
		hang_up(doorbell, ring);
		return;
	}
	TAILQ_REMOVE(&doorbell->rings, ring, next);
	set_deadline(doorbell, ring);
	ask(doorbell, ring, true, false);
}

static void take(struct ocs_doorbell *doorbell, int fd)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ring};

	if (ring == NULL || epoll_ctl(doorbell->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		close(fd);
		free(ring);
		return;
	}
	ring->fd = fd;
	doorbell->n_rings++;
	set_deadline(doorbell, ring);
	/* Mostly the request is there already. */
	read_request(doorbell, ring);
}

static void accept_some(struct ocs_doorbell *doorbell)
{
	for (int i = 0; i < ACCEPT_MAX && doorbell->n_rings < CONNECTIONS_MAX; i++) {
		int fd = accept4(doorbell->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(doorbell, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (errno != EAGAIN)
				doorbell->pause = ocs_link_now_ms() + PAUSE_MS;
			return;
		}
	}
}

/* ---- the thread ---- */

static void listen_if(struct ocs_doorbell *doorbell, uint64_t now)
{
	bool wanted = doorbell->n_rings < CONNECTIONS_MAX && now >= doorbell->pause;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &doorbell->listener};

	if (wanted != doorbell->listening &&
	    epoll_ctl(doorbell->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, doorbell->listener,
	              &event) == 0)
		doorbell->listening = wanted;
}

static int wait_ms(const struct ocs_doorbell *doorbell, uint64_t now)
{
	const struct ring *first = TAILQ_FIRST(&doorbell->rings);
	int wait = first == NULL ? -1 : first->deadline <= now ? 0 : (int)(first->deadline - now);

	return !doorbell->listening && (wait < 0 || wait > PAUSE_MS) ? PAUSE_MS : wait;
}

static void end_late(struct ocs_doorbell *doorbell)
{
	uint64_t now = ocs_link_now_ms();
	struct ring *ring;

	while ((ring = TAILQ_FIRST(&doorbell->rings)) != NULL && ring->deadline <= now) {
		if (ring->user == NULL)
			hang_up(doorbell, ring);
		else
			ask(doorbell, ring, false, true);
	}
}

static void ask_all(struct ocs_doorbell *doorbell)
{
	struct ring *ring, *next;

	for (ring = TAILQ_FIRST(&doorbell->rings); ring != NULL; ring = next) {
		next = TAILQ_NEXT(ring, next);
		if (ring->user != NULL)
			ask(doorbell, ring, false, false);
	}
}

static void *serve(void *arg)
{
	struct ocs_doorbell *doorbell = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load(&doorbell->stopping)) {
		uint64_t now = ocs_link_now_ms(), pokes;
		bool poked = false;
		int n;

		listen_if(doorbell, now);
		n = epoll_wait(doorbell->epoll, events, EVENTS_MAX, wait_ms(doorbell, now));
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &doorbell->wake)
				poked = read(doorbell->wake, &pokes, sizeof(pokes)) > 0;
			else if (events[i].data.ptr == &doorbell->listener)
				accept_some(doorbell);
			else
				read_request(doorbell, events[i].data.ptr);
		}
		/* Only now: it ends connections that the loop above may still have named. */
		if (poked)
			ask_all(doorbell);
		end_late(doorbell);
	}
	return NULL;
}

/* ---- start and stop ---- */

static void doorbell_free(struct ocs_doorbell *doorbell)
{
	struct ring *ring;

	while ((ring = TAILQ_FIRST(&doorbell->rings)) != NULL)
		hang_up(doorbell, ring);
	if (doorbell->listener >= 0)
		close(doorbell->listener);
	if (doorbell->epoll >= 0)
		close(doorbell->epoll);
	if (doorbell->wake >= 0)
		close(doorbell->wake);
	if (doorbell->folder_fd >= 0)
		close(doorbell->folder_fd);
	free(doorbell);
}

/* Who may use the registry may ring: the group of the folder. One daemon serves a registry, so what
 * is there is of one that was killed. */
static int make_socket(struct ocs_doorbell *doorbell, const char *folder, struct ocs_error *error)
{
	const char *path = doorbell->address.sun_path;
	struct stat st;

	if (stat(folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	doorbell->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (doorbell->listener < 0)
		return ocs_error_set(error, "cannot make a socket: %s", strerror(errno));
	if (unlink(path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "%s/" OCS_DOORBELL_FILE ": cannot remove: %s", folder,
		                     strerror(errno));
	if (bind(doorbell->listener, (const struct sockaddr *)&doorbell->address,
	         sizeof(doorbell->address)) != 0)
		return ocs_error_set(error, "%s/" OCS_DOORBELL_FILE ": cannot bind: %s", folder,
		                     strerror(errno));
	if (lchown(path, (uid_t)-1, st.st_gid) == 0 && chmod(path, 0660) == 0 &&
	    listen(doorbell->listener, BACKLOG) == 0)
		return 0;
	ocs_error_set(error, "%s/" OCS_DOORBELL_FILE ": cannot set up: %s", folder,
	              strerror(errno));
	unlink(path);
	return -1;
}

int ocs_doorbell_start(const char *folder, ocs_doorbell_ask_fn *ask_fn, void *arg,
                       struct ocs_link_status *status, struct ocs_doorbell **doorbell_r,
                       struct ocs_error *error)
{
	struct ocs_doorbell *doorbell = calloc(1, sizeof(*doorbell));
	struct epoll_event event = {.events = EPOLLIN};
	int ret;

	*doorbell_r = NULL;
	if (doorbell == NULL)
		return ocs_error_set(error, "out of memory");
	TAILQ_INIT(&doorbell->rings);
	doorbell->ask = ask_fn;
	doorbell->arg = arg;
	doorbell->status = status;
	doorbell->listener = doorbell->folder_fd = -1;
	doorbell->epoll = epoll_create1(EPOLL_CLOEXEC);
	doorbell->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	event.data.ptr = &doorbell->wake;
	ret = ocs_doorbell_address(folder, &doorbell->address, &doorbell->folder_fd);
	if (ret != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(-ret));
	} else if (doorbell->epoll < 0 || doorbell->wake < 0 ||
	           epoll_ctl(doorbell->epoll, EPOLL_CTL_ADD, doorbell->wake, &event) != 0) {
		ret = ocs_error_set(error, "cannot make a descriptor: %s", strerror(errno));
	} else {
		ret = make_socket(doorbell, folder, error);
	}
	if (ret == 0) {
		ret = pthread_create(&doorbell->thread, NULL, serve, doorbell);
		if (ret != 0) {
			unlink(doorbell->address.sun_path);
			ocs_error_thread(error, ret);
		}
	}
	if (ret != 0) {
		doorbell_free(doorbell);
		return -1;
	}
	*doorbell_r = doorbell;
	return 0;
}

void ocs_doorbell_poke(struct ocs_doorbell *doorbell)
{
	const uint64_t one = 1;

	/* It can fail only if it is full of pokes. */
	(void)!write(doorbell->wake, &one, sizeof(one));
}

void ocs_doorbell_stop(struct ocs_doorbell *doorbell)
{
	if (doorbell == NULL)
		return;
	unlink(doorbell->address.sun_path);
	atomic_store(&doorbell->stopping, true);
	ocs_doorbell_poke(doorbell);
	pthread_join(doorbell->thread, NULL);
	doorbell_free(doorbell);
}

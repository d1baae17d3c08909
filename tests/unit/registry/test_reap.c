/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What dead contexts leave is removed; what the living have is not touched. */
#include "tests/unit/spill_rig.h"

#include <sys/socket.h>

#include "mqueue/queue.h"
#include "registry/reap.h"

static struct ocs_registry *registry;
static struct ocs_reap_missing *missing;
static struct ocs_reap_report last;
static int reports;

static void setup(void)
{
	rig_make_folder();
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	missing = ocs_reap_missing_new();
	ocs_reap_grace_ms = OCS_REAP_GRACE_MS;
}

static void teardown(void)
{
	ocs_reap_missing_free(missing);
	ocs_registry_close(registry);
	rig_remove_folder();
}

static int wake_socket(uint64_t context)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ocs_registry_wake_address(registry, context, &address), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A context with a session, a kernel queue, an entry on its spill list and a wake-up socket. */
/* ... of that user id, where we may give things away. */
static int make_context(uint64_t id, const char *user, uid_t uid, struct ocs_registry_queue *queue)
{
	struct sockaddr_un address;

	struct ocs_registry_context context = {.id = id, .pid = 4711, .uid = uid, .started = 1};
	struct ocs_registry_session session = {.id = id + 1, .context = id};
	struct ocs_registry_user owner = {
	        .user = (char *)(uintptr_t)user, .n_queues = 1, .queues = queue};
	int fd = wake_socket(id);
	mqd_t mq;

	*queue = (struct ocs_registry_queue){.id = id + 2,
	                                     .session = id + 1,
	                                     .context = id,
	                                     .table = OCS_TABLE_OBJECT,
	                                     .n_matchers = 1,
	                                     .matchers = {{0x7c, 0}}};
	strcpy(session.user, user);
	ck_assert_int_eq(ocs_queue_name_format(queue->name, user, 0, OCS_TABLE_OBJECT,
	                                       (uint32_t)ocs_random_id()),
	                 0);
	ck_assert_int_eq(ocs_queue_create(queue->name, 10, 256, (gid_t)-1, &mq), 0);
	ck_assert_int_eq(ocs_registry_wake_address(registry, id, &address), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(fchown(mq, uid, (gid_t)-1), 0);
		ck_assert_int_eq(chown(address.sun_path, uid, (gid_t)-1), 0);
	} else {
		context.uid = geteuid();
	}
	ocs_queue_close(mq);
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
	ck_assert_ok(ocs_registry_context_add(registry, &context, &rig_error));
	ck_assert_ok(ocs_registry_session_put(registry, &session, &rig_error));
	ck_assert_ok(ocs_registry_user_put(registry, &owner, &rig_error));
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
	spill_append(id, queue->id, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 9);
	return fd;
}

static void report(void *arg, const struct ocs_reap_report *what)
{
	(void)arg;
	last = *what;
	reports++;
}

static void reap(uid_t owner)
{
	reports = 0;
	ck_assert_ok(ocs_reap(registry, owner, missing, report, NULL, &rig_error));
}

static bool is_reaped(void *arg)
{
	(void)arg;
	reap(OCS_REAP_ALL);
	return reports > 0;
}

static bool queue_exists(const char *name)
{
	mqd_t mq;

	if (ocs_queue_open_read(name, &mq) != 0)
		return false;
	ocs_queue_close(mq);
	return true;
}

static size_t queues_of(const char *user)
{
	struct ocs_registry_user *got;
	size_t n;

	ck_assert_ok(ocs_registry_user_get(registry, NULL, user, &got, &rig_error));
	n = got->n_queues;
	talloc_free(got);
	return n;
}

static size_t contexts(void)
{
	struct ocs_registry_context *list;
	size_t n;

	ck_assert_ok(ocs_registry_context_list(registry, NULL, &list, &n, &rig_error));
	talloc_free(list);
	return n;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(the_dead_lose_everything_and_the_living_nothing)
{
	struct ocs_registry_queue dead, living;
	int dead_fd = make_context(0x100, "dead", 0, &dead),
	    living_fd = make_context(0x200, "living", 0, &living);
	char byte;

	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 0); /* both answer */
	close(dead_fd);               /* now a send to it is refused */
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(last.pid, 4711);
	ck_assert_uint_eq(last.sessions, 1);
	ck_assert_uint_eq(last.queues, 1);
	ck_assert_uint_eq(last.left, 0);
	ck_assert(!queue_exists(dead.name));
	ck_assert(queue_exists(living.name));
	ck_assert_uint_eq(queues_of("dead"), 0);
	ck_assert_uint_eq(queues_of("living"), 1);
	ck_assert_uint_eq(spill_total(), 1);
	ck_assert_uint_eq(contexts(), 1);
	ck_assert_int_ne(access(rig_path("wake/0000000000000100.sock"), F_OK), 0);
	ck_assert_int_eq(access(rig_path("wake/0000000000000200.sock"), F_OK), 0);
	/* Looking wakes nobody. */
	ck_assert_int_eq(recv(living_fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 0);
	/* A missing socket is a dead one too, when nobody binds it again for a while. */
	unlink(rig_path("wake/0000000000000200.sock"));
	reap(OCS_REAP_ALL);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 0);
	ocs_reap_grace_ms = 1;
	ck_assert(rig_wait_for(is_reaped, NULL));
	ck_assert_int_eq(reports, 1);
	ck_assert(!queue_exists(living.name));
	ck_assert_uint_eq(contexts(), 0);
	ck_assert_uint_eq(spill_total(), 0);
	close(living_fd);
}

TEST(an_owner_sweeps_only_its_own)
{
	struct ocs_registry_queue mine, other;

	if (geteuid() != 0)
		return; /* there is nobody else */
	close(make_context(0x100, "mine", 1001, &mine));
	close(make_context(0x200, "other", 1002, &other));
	reap(1001);
	ck_assert_int_eq(reports, 1);
	ck_assert_uint_eq(queues_of("mine"), 0);
	ck_assert_uint_eq(queues_of("other"), 1);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 1);
	ck_assert(!queue_exists(other.name));
}

static void age(const char *name)
{
	struct timespec times[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};

	ck_assert_int_eq(utimensat(AT_FDCWD, rig_path(name), times, 0), 0);
}

TEST(queues_that_only_a_queue_list_names_are_removed_once_they_are_old)
{
	char name[OCS_QUEUE_NAME_MAX], path[512];
	FILE *list;
	mqd_t mq;

	ck_assert_int_eq(
	        ocs_queue_name_format(name, "half", 0, OCS_TABLE_OBJECT, (uint32_t)ocs_random_id()),
	        0);
	ck_assert_int_eq(ocs_queue_create(name, 10, 256, (gid_t)-1, &mq), 0);
	ocs_queue_close(mq);
	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x300, path, sizeof(path)), 0);
	list = fopen(path, "w");
	fprintf(list, "/not-one-of-ours\n../../etc/passwd\n\n%s\n/ocs.gone.store.object.00000001\n",
	        name);
	fclose(list);
	reap(OCS_REAP_ALL);
	ck_assert(queue_exists(name)); /* its context may be about to register */
	age("wake/0000000000000300.queues");
	ocs_reap_grace_ms = 0;
	reap(OCS_REAP_ALL);
	ck_assert(!queue_exists(name));
	ck_assert_int_ne(access(path, F_OK), 0);
}

TEST(a_socket_that_comes_back_was_never_missing)
{
	struct ocs_registry_queue queue;
	int fd = make_context(0x100, "mine", geteuid(), &queue), again;

	unlink(rig_path("wake/0000000000000100.sock"));
	reap(OCS_REAP_ALL);
	again = wake_socket(0x100);
	reap(OCS_REAP_ALL);
	unlink(rig_path("wake/0000000000000100.sock"));
	ocs_reap_grace_ms = 3600000;
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 0);
	ck_assert(queue_exists(queue.name));
	/* Who does not remember takes nobody for dead whose socket is missing. */
	ck_assert_ok(ocs_reap(registry, OCS_REAP_ALL, NULL, report, NULL, &rig_error));
	ck_assert_int_eq(reports, 0);
	ck_assert(queue_exists(queue.name));
	ocs_queue_unlink(queue.name);
	close(fd);
	close(again);
}

TEST(a_queue_of_somebody_else_is_not_removed_whoever_names_it)
{
	struct ocs_registry_queue dead, foreign;
	char path[512];
	FILE *list;
	int living;

	if (geteuid() != 0)
		return; /* there is nobody else */
	living = make_context(0x200, "living", 1002, &foreign);
	/* Under the dead one's name there is a queue that another user has made. */
	close(make_context(0x100, "dead", 1001, &dead));
	ocs_queue_unlink(dead.name);
	{
		mqd_t mq;

		ck_assert_int_eq(ocs_queue_create(dead.name, 10, 256, (gid_t)-1, &mq), 0);
		ck_assert_int_eq(fchown(mq, 1003, (gid_t)-1), 0);
		ocs_queue_close(mq);
	}
	/* And its queue list names one of the living. */
	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x100, path, sizeof(path)), 0);
	list = fopen(path, "w");
	fprintf(list, "%s\n", foreign.name);
	fclose(list);
	ck_assert_int_eq(chown(path, 1001, (gid_t)-1), 0);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(reports, 1);
	ck_assert_uint_eq(last.queues, 0);
	ck_assert(queue_exists(dead.name));
	ck_assert(queue_exists(foreign.name));
	ocs_queue_unlink(dead.name);
	ocs_queue_unlink(foreign.name);
	close(living);
}

TEST(an_old_queue_list_of_a_living_context_stays)
{
	char path[512];
	FILE *list;
	int fd = wake_socket(0x300);

	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x300, path, sizeof(path)), 0);
	list = fopen(path, "w");
	fclose(list);
	age("wake/0000000000000300.queues");
	age("wake/0000000000000300.sock");
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(access(path, F_OK), 0);
	close(fd);
	reap(OCS_REAP_ALL);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_ne(access(rig_path("wake/0000000000000300.sock"), F_OK), 0);
}

static void age_list(uint64_t context, uint64_t queue)
{
	const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	char path[300];

	snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER "/%016llx.%016llx", rig_folder,
	         (unsigned long long)context, (unsigned long long)queue);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* 0: of a context that lives; 1: of one that is not registered yet. */
LOOP_TEST(a_list_whose_queue_was_unsubscribed_goes_and_the_others_stay, 0, 2)
{
	struct ocs_registry_queue queue;
	int fd = make_context(0x10, "jdoe", geteuid(), &queue), other;

	spill_append(0x10, 0x99, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 9);
	age_list(0x10, queue.id);
	age_list(0x10, 0x99);
	other = wake_socket(0x20);
	spill_append(0x20, 0x98, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 9);
	if (_i == 1)
		age_list(0x20, 0x98);
	/* One just made may be of a queue that is registered by now. */
	spill_append(0x10, 0x97, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 9);
	reap(OCS_REAP_ALL);
	ck_assert_uint_eq(spill_total(), 3);
	ck_assert_int_eq(ocs_queue_unlink(queue.name), 0);
	close(fd);
	close(other);
}

TEST(a_link_to_a_socket_that_lives_is_no_context_that_lives)
{
	char path[300];
	int fd = wake_socket(0x40);

	snprintf(path, sizeof(path), "%s", rig_path("wake/0000000000000041.sock"));
	ck_assert_int_eq(symlink("0000000000000040.sock", path), 0);
	ck_assert(!ocs_reap_is_dead(registry, 0x40));
	ck_assert(ocs_reap_is_dead(registry, 0x41));
	ck_assert_int_eq(ocs_registry_wake_connect(registry, 0x41), -ECONNREFUSED);
	ck_assert_int_eq(ocs_registry_wake_connect(registry, 0x42), -ENOENT);
	close(fd);
}

LOOP_TEST(what_is_no_queue_list_stops_nobody_and_goes, 0, 2)
{
	const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	char path[300];

	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x30, path, sizeof(path)), 0);
	if (_i == 0)
		ck_assert_int_eq(mkfifo(path, 0660), 0);
	else
		ck_assert_int_eq(symlink("/dev/zero", path), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW), 0);
	ocs_reap_grace_ms = 0;
	reap(OCS_REAP_ALL);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(unlink(path), -1);
}

static void write_list(uint64_t context, int lines)
{
	char path[300], name[OCS_QUEUE_NAME_MAX];
	FILE *list;

	ck_assert_int_eq(ocs_registry_queue_list_path(registry, context, path, sizeof(path)), 0);
	list = fopen(path, "w");
	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(ocs_queue_name_format(name, "nobody-has-it", 0, OCS_TABLE_OBJECT, 1), 0);
	for (int i = 0; i < lines; i++)
		fprintf(list, "%s\n", name);
	ck_assert_int_eq(fclose(list), 0);
	snprintf(path, sizeof(path), "wake/%016llx.queues", (unsigned long long)context);
	age(path);
}

static int lists(void)
{
	int n = 0;

	for (unsigned context = 0x50; context < 0x58; context++) {
		char name[40];

		snprintf(name, sizeof(name), "wake/%016x.queues", context);
		n += access(rig_path(name), F_OK) == 0;
	}
	return n;
}

/* The store thread does it, and all senders wait. */
TEST(only_so_many_lines_of_lists_are_read_in_one_round)
{
	for (unsigned context = 0x50; context < 0x58; context++)
		write_list(context, 60000);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(lists(), 7);
	for (int i = 0; i < 20 && lists() > 0; i++)
		reap(OCS_REAP_ALL);
	ck_assert_int_eq(lists(), 0);
	/* One that is longer stands in nobody's way. */
	write_list(0x50, 70000);
	reap(OCS_REAP_ALL);
	ck_assert_int_eq(lists(), 0);
}

TEST(a_list_with_many_names_is_none)
{
	struct ocs_registry_queue queue;
	char path[300], other[300];
	FILE *list;

	close(make_context(0x60, "jdoe", geteuid(), &queue));
	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x51, path, sizeof(path)), 0);
	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 0x52, other, sizeof(other)), 0);
	list = fopen(path, "w");
	fprintf(list, "%s\n", queue.name);
	fclose(list);
	ck_assert_int_eq(link(path, other), 0);
	ck_assert_uint_eq(ocs_reap_files(registry, 0x51, NULL), 0);
	ck_assert_int_eq(lists(), 1);
	ck_assert(queue_exists(queue.name));
	ck_assert_uint_eq(ocs_reap_files(registry, 0x52, NULL), 1);
}

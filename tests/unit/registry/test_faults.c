/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A registry of which any call fails: what dead contexts left is removed, by the next round if not
 * by this one, and what the living have is not touched. */
#include "tests/unit/spill_rig.h"
#include "tests/unit/faults.h"

#include <dirent.h>
#include <sys/socket.h>

#include "mqueue/queue.h"
#include "registry/reap.h"

#define CONTEXT 0x77
#define LIVING  0x99

static struct ocs_registry *registry;
static struct ocs_reap_missing *missing;
static char registered[OCS_QUEUE_NAME_MAX], listed[OCS_QUEUE_NAME_MAX], lives[OCS_QUEUE_NAME_MAX];
static int living_socket;

static bool queue_exists(const char *name)
{
	mqd_t mq;

	if (ocs_queue_open_read(name, &mq) != 0)
		return false;
	ocs_queue_close(mq);
	return true;
}

static void make_queue(const char *user, char name[OCS_QUEUE_NAME_MAX])
{
	mqd_t mq;

	ck_assert_int_eq(
	        ocs_queue_name_format(name, user, 0, OCS_TABLE_OBJECT, (uint32_t)ocs_random_id()),
	        0);
	ck_assert_int_eq(ocs_queue_create(name, 10, 256, (gid_t)-1, &mq), 0);
	ocs_queue_close(mq);
}

static int wake_socket(uint64_t context)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ocs_registry_wake_address(registry, context, &address), 0);
	unlink(address.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Old enough for files whose context has no record. */
static void write_queue_list(uint64_t context, const char *name, const char *other)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char path[300];
	FILE *list;

	ck_assert_int_eq(ocs_registry_queue_list_path(registry, context, path, sizeof(path)), 0);
	list = fopen(path, "we");
	ck_assert_ptr_nonnull(list);
	fprintf(list, "%s\n%s\n", name, other);
	fclose(list);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* With a session, a queue that is registered, one that is only in its list, and a spill list. */
static void make_context(uint64_t id, const char *user, char name[OCS_QUEUE_NAME_MAX])
{
	struct ocs_registry_context context = {.id = id, .pid = 4711, .uid = geteuid()};
	struct ocs_registry_session session = {.id = id + 1, .context = id};
	struct ocs_registry_queue queue = {.id = id + 2,
	                                   .session = id + 1,
	                                   .context = id,
	                                   .table = OCS_TABLE_OBJECT,
	                                   .n_matchers = 1,
	                                   .matchers = {{0x7c, 0}}};
	struct ocs_registry_user owner = {
	        .user = (char *)(uintptr_t)user, .n_queues = 1, .queues = &queue};

	make_queue(user, name);
	memcpy(queue.name, name, sizeof(queue.name));
	strcpy(session.user, user);
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
	ck_assert_ok(ocs_registry_context_add(registry, &context, &rig_error));
	ck_assert_ok(ocs_registry_session_put(registry, &session, &rig_error));
	ck_assert_ok(ocs_registry_user_put(registry, &owner, &rig_error));
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
	spill_append(id, queue.id, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 9);
}

static void a_context_dies(void)
{
	close(wake_socket(CONTEXT));
	make_context(CONTEXT, "jdoe", registered);
	make_queue("jdoe", listed);
	write_queue_list(CONTEXT, registered, listed);
}

static int reap(void)
{
	return ocs_reap(registry, OCS_REAP_ALL, missing, NULL, NULL, &rig_error);
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

static unsigned wake_files(void)
{
	DIR *folder = opendir(rig_path("wake"));
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		n += strstr(entry->d_name, "77.") != NULL;
	closedir(folder);
	return n;
}

static void all_is_removed(int result, bool failed)
{
	(void)result;
	if (failed) {
		struct sockaddr_un address;

		/* What is left has an age by now. */
		const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
		char path[300];

		ck_assert_int_eq(ocs_registry_wake_address(registry, CONTEXT, &address), 0);
		(void)utimensat(AT_FDCWD, address.sun_path, old, 0);
		ck_assert_int_eq(
		        ocs_registry_queue_list_path(registry, CONTEXT, path, sizeof(path)), 0);
		(void)utimensat(AT_FDCWD, path, old, 0);
		ck_assert_ok(reap());
	}
	ck_assert_msg(!queue_exists(registered), "%s: its queue is left", faults_last());
	ck_assert_msg(!queue_exists(listed), "%s: a listed queue is left", faults_last());
	ck_assert_uint_eq(queues_of("jdoe"), 0);
	ck_assert_uint_eq(wake_files(), 0);
	ck_assert(queue_exists(lives));
	ck_assert_uint_eq(queues_of("mary"), 1);
}

static void setup(void)
{
	rig_make_folder();
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	missing = ocs_reap_missing_new();
	ocs_reap_grace_ms = 0;
	living_socket = wake_socket(LIVING);
	make_context(LIVING, "mary", lives);
	write_queue_list(LIVING, lives, "");
}

static void teardown(void)
{
	ocs_queue_unlink(lives);
	close(living_socket);
	ocs_reap_missing_free(missing);
	ocs_registry_close(registry);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(what_the_dead_left_goes_whatever_fails)
{
	static const struct faults_operation operation = {.name = "a dead context is removed",
	                                                  .before = a_context_dies,
	                                                  .after = all_is_removed,
	                                                  .run = reap};

	a_context_dies();
	ck_assert_ok(reap());
	all_is_removed(0, false);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(50));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Real kernel queues. The name carries the pid of the runner: each test removes what one that was
 * killed before it has left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mqueue/queue.h"
#include "tests/unit/unit.h"

#define SIZE 64

static char name[64];

static void setup(void)
{
	snprintf(name, sizeof(name), "/ocs.test-%d.store.object.00000001", (int)getppid());
	ck_assert_int_eq(ocs_queue_unlink(name), 0);
}

static void teardown(void)
{
	ck_assert_int_eq(ocs_queue_unlink(name), 0);
}

static mqd_t create(long messages)
{
	mqd_t queue;

	ck_assert_int_eq(ocs_queue_create(name, messages, SIZE, (gid_t)-1, &queue), 0);
	return queue;
}

static int file_exists(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/dev/mqueue%s", name);
	return access(path, F_OK) == 0;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(messages_come_out_in_the_order_they_went_in)
{
	mqd_t writer, reader = create(4);
	char buffer[SIZE];
	size_t len;

	ck_assert_int_eq(ocs_queue_open_write(name, &writer), 0);
	ck_assert_int_eq(ocs_queue_send(writer, "first", 5), 0);
	ck_assert_int_eq(ocs_queue_send(writer, "", 0), 0);
	ck_assert_int_eq(ocs_queue_send(writer, "third", 5), 0);
	ck_assert_int_eq(ocs_queue_receive(reader, buffer, sizeof(buffer), &len), 0);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(buffer, "first", 5);
	ck_assert_int_eq(ocs_queue_receive(reader, buffer, sizeof(buffer), &len), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(ocs_queue_receive(reader, buffer, sizeof(buffer), &len), 0);
	ck_assert_mem_eq(buffer, "third", 5);
	ocs_queue_close(writer);
	ocs_queue_close(reader);
}

TEST(empty_and_full_are_eagain_and_nothing_blocks)
{
	mqd_t queue = create(2);
	char buffer[SIZE];
	size_t len;

	ck_assert_int_eq(ocs_queue_receive(queue, buffer, sizeof(buffer), &len), -EAGAIN);
	ck_assert_int_eq(ocs_queue_send(queue, "1", 1), 0);
	ck_assert_int_eq(ocs_queue_send(queue, "2", 1), 0);
	ck_assert_int_eq(ocs_queue_send(queue, "3", 1), -EAGAIN);
	ck_assert_int_eq(ocs_queue_receive(queue, buffer, sizeof(buffer), &len), 0);
	ck_assert_int_eq(ocs_queue_send(queue, "3", 1), 0);
	ocs_queue_close(queue);
}

TEST(opened_descriptors_do_not_block_either)
{
	mqd_t reader, writer, queue = create(1);
	char buffer[SIZE];
	size_t len;

	ck_assert_int_eq(ocs_queue_open_read(name, &reader), 0);
	ck_assert_int_eq(ocs_queue_open_write(name, &writer), 0);
	ck_assert_int_eq(ocs_queue_receive(reader, buffer, sizeof(buffer), &len), -EAGAIN);
	ck_assert_int_eq(ocs_queue_send(writer, "1", 1), 0);
	ck_assert_int_eq(ocs_queue_send(writer, "2", 1), -EAGAIN);
	ck_assert_int_eq(ocs_queue_send(reader, "2", 1), -EBADF);
	ck_assert_int_eq(ocs_queue_receive(writer, buffer, sizeof(buffer), &len), -EBADF);
	ocs_queue_close(reader);
	ocs_queue_close(writer);
	ocs_queue_close(queue);
}

TEST(a_name_is_created_once)
{
	mqd_t second, queue = create(1);

	ck_assert_int_eq(ocs_queue_create(name, 1, SIZE, (gid_t)-1, &second), -EEXIST);
	ck_assert_int_eq(ocs_queue_send(queue, "still there", 11), 0);
	ocs_queue_close(queue);
}

TEST(message_size_is_a_limit_of_both_sides)
{
	mqd_t queue = create(1);
	char buffer[SIZE + 1] = {0};
	size_t len;

	ck_assert_int_eq(ocs_queue_send(queue, buffer, SIZE + 1), -EMSGSIZE);
	ck_assert_int_eq(ocs_queue_send(queue, buffer, SIZE), 0);
	ck_assert_int_eq(ocs_queue_receive(queue, buffer, SIZE - 1, &len), -EMSGSIZE);
	ck_assert_int_eq(ocs_queue_receive(queue, buffer, SIZE, &len), 0);
	ck_assert_uint_eq(len, SIZE);
	ocs_queue_close(queue);
}

TEST(state_tells_the_attributes_and_what_waits)
{
	struct ocs_queue_state state;
	mqd_t queue = create(3);

	ck_assert_int_eq(ocs_queue_send(queue, "1", 1), 0);
	ck_assert_int_eq(ocs_queue_send(queue, "2", 1), 0);
	ck_assert_int_eq(ocs_queue_state(queue, &state), 0);
	ck_assert_int_eq(state.messages, 2);
	ck_assert_int_eq(state.max_messages, 3);
	ck_assert_int_eq(state.message_size, SIZE);
	ocs_queue_close(queue);
	ck_assert_int_eq(ocs_queue_state(queue, &state), -EBADF);
}

TEST(mode_is_0660_whatever_the_umask)
{
	mode_t before = umask(0777);
	mqd_t queue = create(1);
	struct stat status;

	umask(before);
	ck_assert_int_eq(fstat(queue, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0660);
	ck_assert_uint_eq(status.st_uid, geteuid());
	ocs_queue_close(queue);
}

TEST(group_is_the_one_asked_for)
{
	gid_t groups[64], wanted = getegid();
	int count = getgroups(64, groups);
	struct stat status;
	mqd_t queue;

	for (int i = 0; i < count; i++)
		if (groups[i] != getegid())
			wanted = groups[i];
	if (geteuid() == 0)
		wanted = 12345;
	ck_assert_int_eq(ocs_queue_create(name, 1, SIZE, wanted, &queue), 0);
	ck_assert_int_eq(fstat(queue, &status), 0);
	ck_assert_uint_eq(status.st_gid, wanted);
	ck_assert_uint_eq(status.st_mode & 07777, 0660);
	ocs_queue_close(queue);
}

TEST(a_group_that_is_refused_leaves_no_queue)
{
	mqd_t queue;

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(ocs_queue_create(name, 1, SIZE, 54321, &queue), -EPERM);
	ck_assert(!file_exists());
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}

TEST(an_unlinked_queue_is_gone_and_unlinking_again_is_no_error)
{
	mqd_t other, queue = create(1);

	ck_assert(file_exists());
	ck_assert_int_eq(ocs_queue_unlink(name), 0);
	ck_assert(!file_exists());
	ck_assert_int_eq(ocs_queue_unlink(name), 0);
	ck_assert_int_eq(ocs_queue_open_write(name, &other), -ENOENT);
	ck_assert_int_eq(ocs_queue_open_read(name, &other), -ENOENT);
	/* The trap behind names that are never used twice: the orphan takes what it is sent. */
	ck_assert_int_eq(ocs_queue_send(queue, "1", 1), 0);
	ocs_queue_close(queue);
}

TEST(attributes_the_kernel_refuses_are_einval)
{
	mqd_t queue;

	ck_assert_int_eq(ocs_queue_create(name, 0, SIZE, (gid_t)-1, &queue), -EINVAL);
	ck_assert_int_eq(ocs_queue_create(name, 1, 0, (gid_t)-1, &queue), -EINVAL);
	ck_assert_int_eq(ocs_queue_create(name, 1, 1L << 30, (gid_t)-1, &queue), -EINVAL);
	ck_assert(!file_exists());
}

TEST(meeting_rlimit_msgqueue_is_emfile_and_the_advice_has_the_figures)
{
	struct rlimit none = {.rlim_cur = 100, .rlim_max = 100};
	const char *advice;
	mqd_t queue;

	/* The check process of this test is its own: the limit ends with it. */
	ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
	ck_assert_int_eq(ocs_queue_create(name, 10, 256, (gid_t)-1, &queue), -EMFILE);
	advice = ocs_queue_limit_advice(-EMFILE);
	ck_assert_ptr_nonnull(strstr(advice, "RLIMIT_MSGQUEUE (100 bytes"));
	ck_assert_ptr_nonnull(strstr(advice, "RLIMIT_NOFILE"));
}

TEST(advice_names_the_limit)
{
	char *einval;

	ck_assert_ptr_nonnull(strstr(ocs_queue_limit_advice(-ENOSPC), "fs.mqueue.queues_max"));
	einval = strdup(ocs_queue_limit_advice(-EINVAL));
	ck_assert_ptr_nonnull(strstr(einval, "fs.mqueue.msg_max"));
	ck_assert_ptr_nonnull(strstr(einval, "fs.mqueue.msgsize_max"));
	ck_assert_str_eq(ocs_queue_limit_advice(EINVAL), einval);
	free(einval);
	ck_assert_ptr_nonnull(strstr(ocs_queue_limit_advice(-EACCES), "registry"));
	ck_assert_ptr_nonnull(strstr(ocs_queue_limit_advice(-EIO), "Input/output"));
	ck_assert_ptr_nonnull(strstr(ocs_queue_limit_advice(-99999), "unknown"));
}

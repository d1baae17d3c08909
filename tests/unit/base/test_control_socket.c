/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The socket over which a program's admin asks it. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/control_socket.h"
#include "tests/unit/rig.h"

static struct ocs_control_socket *control;

static void echo(void *arg, const char *question, FILE *out)
{
	atomic_uint *times = arg;

	for (unsigned i = 0; i < atomic_load(times); i++)
		fprintf(out, "%s;", question);
}

static void start(atomic_uint *times)
{
	struct ocs_error error = {.text = ""};

	ck_assert_msg(ocs_control_socket_start(rig_folder, echo, times, &control, &error) == 0,
	              "%s", error.text);
}

static void setup(void)
{
	rig_make_folder();
}

static void teardown(void)
{
	ocs_control_socket_stop(control);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_question_gets_its_answer)
{
	atomic_uint times = 2;
	char *answer;
	size_t len;

	start(&times);
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), 0);
	ck_assert_str_eq(answer, "who;who;");
	ck_assert_uint_eq(len, 8);
	free(answer);
	times = 0;
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), 0);
	ck_assert_str_eq(answer, "");
	free(answer);
	times = 300000;
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), 0);
	ck_assert_uint_eq(len, 1200000);
	free(answer);
}

TEST(a_question_is_one_line_of_bounded_length)
{
	char line[OCS_CONTROL_LINE + 1];
	atomic_uint times = 1;
	char *answer;
	size_t len;

	start(&times);
	memset(line, 'x', sizeof(line));
	line[OCS_CONTROL_LINE - 1] = '\0';
	ck_assert_int_eq(ocs_control_ask(rig_folder, line, &answer, &len), 0);
	ck_assert_uint_eq(len, OCS_CONTROL_LINE);
	free(answer);
	line[OCS_CONTROL_LINE - 1] = 'x';
	line[OCS_CONTROL_LINE] = '\0';
	ck_assert_int_eq(ocs_control_ask(rig_folder, line, &answer, &len), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(ocs_control_ask(rig_folder, "a\nb", &answer, &len), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
}

TEST(who_is_not_there_cannot_be_asked)
{
	atomic_uint times = 1;
	char path[RIG_FOLDER_SIZE + 40];
	char *answer;
	size_t len;
	struct stat st;

	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), -1);
	ck_assert_int_eq(errno, ENOENT);
	start(&times);
	snprintf(path, sizeof(path), "%s/" OCS_CONTROL_FILE, rig_folder);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ocs_control_socket_stop(control);
	control = NULL;
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), -1);
	ck_assert_int_eq(errno, ENOENT);
	snprintf(path, sizeof(path), "%s/nowhere", rig_folder);
	ck_assert_int_eq(ocs_control_ask(path, "who", &answer, &len), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(ocs_control_socket_start(path, echo, &times, &control, NULL), -1);
	ck_assert_ptr_null(control);
}

TEST(what_a_killed_one_left_is_replaced_and_a_later_one_stays)
{
	struct ocs_control_socket *later;
	atomic_uint times = 1, twice = 2;
	char *answer;
	size_t len;

	start(&times);
	ck_assert_int_eq(ocs_control_socket_start(rig_folder, echo, &twice, &later, NULL), 0);
	ocs_control_socket_stop(control);
	control = later;
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), 0);
	ck_assert_str_eq(answer, "who;who;");
	free(answer);
}

/* Connects, and says that. */
static int say(const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/" OCS_CONTROL_FILE, rig_folder);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return fd;
}

TEST(who_is_slow_keeps_neither_others_nor_a_stop_waiting)
{
	atomic_uint times = 1;
	char *answer, byte;
	size_t len;

	start(&times);
	int silent = say(""), half = say("wh");
	ck_assert_int_eq(ocs_control_ask(rig_folder, "who", &answer, &len), 0);
	ck_assert_str_eq(answer, "who;");
	free(answer);
	ck_assert_int_eq(recv(silent, &byte, 1, 0), 0);
	ck_assert_int_eq(recv(half, &byte, 1, 0), 0);
	close(silent);
	close(half);
	/* one that does not take its answer, when it is stopped */
	times = 2000000;
	int deaf = say("who\n");
	ck_assert_int_eq(recv(deaf, &byte, 1, 0), 1);
	ocs_control_socket_stop(control);
	control = NULL;
	close(deaf);
}

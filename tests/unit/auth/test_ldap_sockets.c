/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Why a server of a directory cannot be reached. */
#include "auth/ldap_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

static const struct ocs_ldap_server server = {.path = "/nonexistent/ldapi", .url = "ldapi://x"};
static struct ocs_ldap_sockets sockets;
static struct ocs_error error;

static void setup(void)
{
	ocs_ldap_sockets_init(&sockets);
}

static void teardown(void)
{
	ocs_ldap_sockets_destroy(&sockets);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

static void is_refused_for(int number)
{
	int kept;

	ck_assert_int_lt(ocs_ldap_sockets_connect(&sockets, &server, (int64_t)ocs_clock_ms() + 1000,
	                                          &kept, &error),
	                 0);
	ck_assert_int_eq(kept, -1);
	ck_assert_msg(strstr(error.text, strerror(number)) != NULL, "%s", error.text);
}

TEST(a_server_that_is_not_there)
{
	is_refused_for(ENOENT);
}

TEST(no_descriptor_is_left_for_the_second_one)
{
	struct rlimit before, few;
	int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), after;

	ck_assert_int_ge(next, 0);
	after = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_gt(after, next);
	close(next);
	close(after);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	is_refused_for(EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	is_refused_for(ENOENT);
}

TEST(they_are_cut)
{
	ocs_ldap_sockets_cut(&sockets);
	is_refused_for(ECANCELED);
}

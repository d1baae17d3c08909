/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The daemon and a library name the same messages at the same time. */
#include "tests/unit/notify/dispatch_rig.h"

#include <sys/wait.h>

#include "ocsnotify.h"

#define MESSAGES 400

static const char *message_id(unsigned n)
{
	static char text[16];

	snprintf(text, sizeof(text), "m%u", n);
	return text;
}

/* A MAPI server: gives each MID when it is told to, then says which. */
static int library(int in, int out)
{
	struct ocsnotify *context;
	struct ocsnotify_object object;
	static uint64_t mids[MESSAGES];
	char byte, text[256];

	if (read(in, &byte, 1) != 1 ||
	    ocsnotify_open(rig_folder, &context, text, sizeof(text)) != OCSNOTIFY_OK)
		return 2;
	if (write(out, "", 1) != 1)
		return 3;
	for (unsigned n = 0; n < MESSAGES; n++) {
		int ret;

		if (read(in, &byte, 1) != 1)
			return 7;
		do
			ret = ocsnotify_message_mid(context, "jdoe", "sogo", "jdoe", "INBOX",
			                            message_id(n), true, &mids[n]);
		while (ret == OCSNOTIFY_E_BUSY);
		if (ret != OCSNOTIFY_OK) {
			fprintf(stderr, "%s\n", ocsnotify_last_error(context));
			return 4;
		}
	}
	for (unsigned n = 0; n < MESSAGES; n++)
		if (ocsnotify_lookup(context, mids[n], &object) != OCSNOTIFY_OK || object.deleted ||
		    strcmp(object.message, message_id(n)) != 0)
			return 5;
	ocsnotify_close(context);
	return write(out, mids, sizeof(mids)) == sizeof(mids) ? 0 : 6;
}

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(a_message_has_one_mid_whoever_names_it_first)
{
	static uint64_t theirs[MESSAGES], ours[MESSAGES];
	struct ocs_registry_queue queue;
	int to_library[2], from_library[2], status;
	struct ocs_entry entry;
	char byte;
	size_t had = 0;
	pid_t pid;
	mqd_t mq;

	ck_assert(pipe(to_library) == 0 && pipe(from_library) == 0);
	pid = fork();
	if (pid == 0)
		_exit(library(to_library[0], from_library[1]));
	close(from_library[1]);
	queue = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, 0x02, 0, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	ck_assert_int_eq(write(to_library[1], "", 1), 1);
	ck_assert_int_eq(read(from_library[0], &byte, 1), 1);
	for (unsigned n = 0; n < MESSAGES; n++) {
		struct ocs_notification mail = dispatch_event(OCS_NEWMAIL, "INBOX", message_id(n));

		ck_assert_int_eq(write(to_library[1], "", 1), 1);
		ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
		ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
		ours[n] = entry.mid;
	}
	while (had < sizeof(theirs)) {
		ssize_t got = read(from_library[0], (char *)theirs + had, sizeof(theirs) - had);

		ck_assert_int_gt(got, 0);
		had += (size_t)got;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (unsigned n = 0; n < MESSAGES; n++)
		ck_assert_msg(ours[n] == theirs[n], "message %u: %016lx, %016lx", n, ours[n],
		              theirs[n]);
	dispatch_drop(&queue, mq);
}

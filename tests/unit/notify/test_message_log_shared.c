/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The message log read along by libraries, who name messages too: one process at a time. */
#include "tests/unit/notify/message_log_rig.h"

#include <sys/resource.h>

TESTS_HAVE(.setup = log_setup, .teardown = log_teardown);

/* As a library opens it, which may be done once in a process. */
static int as_library(void (*fn)(struct ocs_index *library))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct ocs_index *library;

		ocs_index_close(log_index);
		if (ocs_index_open(rig_folder, 1, false, &library, NULL) != OCS_STORE_OK)
			_exit(2);
		fn(library);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static const char *name_seen(struct ocs_index *library, uint64_t mid)
{
	static char text[100];
	struct ocs_index_name name;

	if (ocs_index_lookup(library, library, mid, &name, &rig_error) != OCS_STORE_OK)
		return "-";
	snprintf(text, sizeof(text), "%s%s/%s", name.deleted ? "was " : "", name.folder,
	         name.message_id);
	return text;
}

static void see_all(struct ocs_index *library)
{
	struct ocs_index_message message = {0};

	ck_assert_str_eq(name_seen(library, log_mid_at(1)), "INBOX/put");
	ck_assert_str_eq(name_seen(library, log_mid_at(2)), "INBOX/assigned");
	ck_assert_str_eq(name_seen(library, log_mid_at(3)), "was INBOX/deleted");
	ck_assert_str_eq(name_seen(library, log_mid_at(4)), "was INBOX/replaced");
	ck_assert_str_eq(name_seen(library, log_mid_at(5)), "INBOX/replaced");
	ck_assert_str_eq(name_seen(library, log_mid_at(6)), "was INBOX/never seen");
	ck_assert_str_eq(name_seen(library, log_mid_at(7)), "-");
	ck_assert_ok(ocs_index_message(library, log_series, "put", &message, NULL));
	ck_assert_uint_eq(message.mid, log_mid_at(1));
	ck_assert_ok(ocs_index_message(library, log_series, "assigned", &message, NULL));
	ck_assert_uint_eq(message.mid, log_mid_at(2));
	ck_assert_int_eq(ocs_index_message(library, log_series, "deleted", &message, NULL),
	                 OCS_STORE_MISSING);
}

TEST(identifiers_lead_back_before_and_after_the_index_has_them)
{
	struct ocs_index_message other = {.mid = log_mid_at(5), .content = 2};

	ck_assert_ok(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error));
	log_put("put", 1, true);
	log_assign("assigned", 2);
	log_put("deleted", 3, true);
	ck_assert_ok(ocs_message_log_delete(message_log, log_series, "deleted", log_mid_at(3),
	                                    &rig_error));
	log_put("replaced", 4, true);
	ck_assert_ok(ocs_message_log_assign(message_log, log_series, "replaced", &other, true,
	                                    &rig_error));
	ck_assert_ok(ocs_message_log_put(message_log, log_series, "replaced", &other, &rig_error));
	ck_assert_ok(ocs_message_log_delete(message_log, log_series, "never seen", log_mid_at(6),
	                                    &rig_error));
	log_flush();
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(as_library(see_all), 0);
		if (round == 1)
			log_close_all(), log_open_all();
		else
			log_apply();
	}
}

TEST(what_is_no_folder_of_ours_is_not_used)
{
	char *elsewhere = strdup(rig_path("elsewhere"));
	struct stat st;

	ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
	ck_assert_int_eq(symlink(elsewhere, rig_path("messages")), 0);
	ck_assert_int_eq(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "messages"));
	ck_assert_int_eq(rmdir(elsewhere), 0);
	ck_assert_int_eq(unlink(rig_path("messages")), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(mkdir(rig_path("messages"), 0700), 0);
		ck_assert_int_eq(chown(rig_path("messages"), 12345, (gid_t)-1), 0);
		/* Another member of the group was there first. */
		ck_assert_ok(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error));
		ck_assert_int_eq(lstat(rig_path("messages"), &st), 0);
		ck_assert(S_ISDIR(st.st_mode) && st.st_uid == 0);
	}
	free(elsewhere);
}

TEST(a_library_reads_along_while_the_journal_goes_on_and_starts_anew)
{
	int to_child[2], to_parent[2];
	char byte;
	pid_t pid;

	ck_assert_ok(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error));
	ck_assert(pipe(to_child) == 0 && pipe(to_parent) == 0);
	pid = fork();
	if (pid != 0)
		close(to_parent[1]);
	if (pid == 0) {
		struct ocs_index *library;
		struct ocs_index_message message;
		char id[16];

		ocs_index_close(log_index);
		if (ocs_index_open(rig_folder, 1, false, &library, NULL) != OCS_STORE_OK)
			_exit(2);
		while (read(to_child[0], &byte, 1) == 1 && byte != 0) {
			snprintf(id, sizeof(id), "m%d", byte);
			if (ocs_index_message(library, log_series, id, &message, NULL) != 0 ||
			    message.mid != log_mid_at((unsigned)byte) ||
			    strcmp(name_seen(library, message.mid) + strlen("INBOX/"), id) != 0)
				_exit(1);
			if (write(to_parent[1], "", 1) != 1)
				_exit(3);
		}
		_exit(0);
	}
	for (unsigned n = 1; n < 40; n++) {
		char id[16];
		char now = (char)n;

		snprintf(id, sizeof(id), "m%u", n);
		log_put(id, n, true);
		log_flush();
		if (n % 7 == 0)
			log_apply();
		ck_assert(write(to_child[1], &now, 1) == 1);
		ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
	}
	ck_assert(write(to_child[1], "", 1) == 1);
	ck_assert_int_eq(waitpid(pid, &(int){0}, 0), pid);
}

static void lock_as_library(struct ocs_index *library)
{
	int ret = ocs_index_lock_names(library, &rig_error);

	ocs_index_unlock_names(library);
	if (ret != OCS_STORE_OK)
		_exit(10 - ret);
}

TEST(one_process_names_messages_at_a_time)
{
	ck_assert_int_eq(ocs_index_lock_names(log_index, &rig_error), OCS_STORE_MISSING);
	ck_assert_ok(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error));
	ck_assert_ok(ocs_index_lock_names(log_index, &rig_error));
	ck_assert_int_eq(WEXITSTATUS(as_library(lock_as_library)), 10 - OCS_STORE_BUSY);
	ocs_index_unlock_names(log_index);
	ck_assert_int_eq(as_library(lock_as_library), 0);
}

static void name_again(struct ocs_index *library)
{
	struct ocs_index_folder folder = {.series = log_series};
	struct ocs_index_message message = {.mid = log_mid_at(5)}, seen_now;

	if (ocs_index_message(library, log_series, "1", &seen_now, NULL) != OCS_STORE_MISSING ||
	    ocs_index_message_leaves(library, log_series, "1"))
		_exit(1);
	if (ocs_index_begin(library, NULL) != 0 ||
	    ocs_index_message_put(library, &folder, "1", &message, NULL) != 0 ||
	    ocs_index_commit(library, NULL) != 0)
		_exit(2);
	if (ocs_index_message(library, log_series, "1", &seen_now, NULL) != 0 ||
	    seen_now.mid != message.mid)
		_exit(3);
}

static void may_not_name(struct ocs_index *library)
{
	struct ocs_index_message seen_now;

	if (ocs_index_message(library, log_series, "1", &seen_now, NULL) != OCS_STORE_MISSING ||
	    !ocs_index_message_leaves(library, log_series, "1"))
		_exit(1);
}

TEST(a_name_whose_deletion_waits_can_be_given_again_and_only_once)
{
	ck_assert_ok(ocs_message_log_share(message_log, rig_folder, getgid(), &rig_error));
	log_put("1", 1, true);
	log_flush();
	log_apply();
	ck_assert_ok(
	        ocs_message_log_delete(message_log, log_series, "1", log_mid_at(1), &rig_error));
	log_flush();
	ck_assert_int_eq(as_library(name_again), 0);
	ck_assert_str_eq(log_known("1"), "5");
	log_apply();
	ck_assert_str_eq(log_indexed("1"), "5");
	/* Not where the daemon takes out whatever is there. */
	log_put("1", 2, true);
	ck_assert_ok(
	        ocs_message_log_delete(message_log, log_series, "1", log_mid_at(2), &rig_error));
	log_flush();
	ck_assert_int_eq(as_library(may_not_name), 0);
	log_apply();
	ck_assert_str_eq(log_indexed("1"), "-");
}

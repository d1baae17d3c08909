/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the message log share: see message_log_rig.h. */
#include "tests/unit/notify/message_log_rig.h"

struct ocs_index *log_index;
struct ocs_message_log *message_log;
struct ocs_journal_damage log_damage;
uint64_t log_series, log_mids; /* of INBOX; the first of a hundred */

void log_open_all(void)
{
	memset(&log_damage, 0, sizeof(log_damage));
	ck_assert_ok(ocs_index_open(rig_folder, 1, true, &log_index, &rig_error));
	ck_assert_ok(
	        ocs_message_log_open(rig_folder, log_index, &message_log, &log_damage, &rig_error));
}

void log_close_all(void)
{
	ocs_message_log_close(message_log);
	ocs_index_close(log_index);
}

void log_setup(void)
{
	struct ocs_index_folder inbox;

	rig_make_folder();
	log_open_all();
	ck_assert_ok(ocs_index_begin(log_index, &rig_error));
	ck_assert_ok(ocs_index_folder(log_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                              true, &inbox, &rig_error));
	ck_assert_ok(ocs_index_reserve(log_index, 100, &log_mids, &rig_error));
	ck_assert_ok(ocs_index_commit(log_index, &rig_error));
	log_series = inbox.series;
}

void log_teardown(void)
{
	log_close_all();
	rig_remove_folder();
}

void log_kill_after(void (*fn)(void))
{
	int status;
	pid_t pid;

	log_close_all();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		log_open_all();
		fn();
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WIFSIGNALED(status) ? WTERMSIG(status) : -1, SIGKILL);
	log_open_all();
}

uint64_t log_mid_at(unsigned n)
{
	uint64_t mid = log_mids;

	while (n-- > 0)
		mid = ocs_index_id_next(mid);
	return mid;
}

void log_put(const char *id, unsigned n, bool announced)
{
	struct ocs_index_message message = {.mid = log_mid_at(n), .announced = announced};

	ck_assert_ok(ocs_message_log_put(message_log, log_series, id, &message, &rig_error));
}

void log_assign(const char *id, unsigned n)
{
	struct ocs_index_message message = {.mid = log_mid_at(n)};

	ck_assert_ok(
	        ocs_message_log_assign(message_log, log_series, id, &message, false, &rig_error));
}

void log_forget(const char *id)
{
	ck_assert_ok(ocs_message_log_delete(message_log, log_series, id, 0, &rig_error));
}

void log_flush(void)
{
	ck_assert_ok(ocs_message_log_flush(message_log, true, &rig_error));
}

void log_apply(void)
{
	ck_assert_ok(ocs_message_log_apply(message_log, &rig_error));
}

static const char *text_of(int ret, const struct ocs_index_message *message)
{
	static char text[32];

	if (ret == OCS_STORE_MISSING)
		return "-";
	ck_assert_int_eq(ret, OCS_STORE_OK);
	for (unsigned n = 0; n < 100; n++)
		if (log_mid_at(n) == message->mid)
			snprintf(text, sizeof(text), "%u%s", n, message->announced ? "!" : "");
	return text;
}

const char *log_known(const char *id)
{
	struct ocs_index_message message = {0};

	return text_of(ocs_message_log_get(message_log, log_series, id, &message, &rig_error),
	               &message);
}

const char *log_indexed(const char *id)
{
	struct ocs_index_message message = {0};

	return text_of(ocs_index_message(log_index, log_series, id, &message, &rig_error),
	               &message);
}

uint64_t log_assigned(const char *id)
{
	return ocs_message_log_assigned(message_log, log_series, id, 0);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of the daemon's own files: what is missing of them is made again from memory where
 * nothing is lost by it, and said. Looked at every second by the store thread, which alone calls
 * what stands here; those that hold what is acknowledged also before each group of notifications.
 *
 *   file                     what is done when it is gone
 *   ocsmanager.lock          made and locked again; the lock of the folder kept a second daemon out
 *   private/secret           written again (also where [main] secret_file is)
 *   private/auth.tdb         written again with every token that was logged out
 *   private/sequence.log     written again with the mark
 *   private/messages.log     what waits goes into the index, the rest into a new journal
 *   private/recent.log, ...  written again with all ids of the window
 *   replica_ids              written again with all that stood in it
 *   id_mark.REPLICA          made again from where the counter stands
 *   private/spool            made again if nothing waits in it, else what is gone is said
 *   spill/                   lists are made again with what waits in them: dispatch_mend.c
 *   registry.tdb, wake/, index files, the folders themselves: dispatch_watch.c
 *
 * The first four and the spool belong to others, who put them in by ocs_dispatch_files_add().
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <talloc.h>

#include "base/clock.h"

#define FILES_MAX 16

struct row {
	struct ocs_dispatch_file file;
	bool holds; /* what is acknowledged: looked at before it is */
};

struct dispatch_files {
	pthread_mutex_t lock; /* held during a look */
	struct row rows[FILES_MAX];
	size_t n;
};

static int look_sequence(void *arg, struct ocs_error *error)
{
	return ocs_sequence_look(((struct ocs_dispatch *)arg)->sequence, error);
}

static int look_messages(void *arg, struct ocs_error *error)
{
	return ocs_message_log_look(((struct ocs_dispatch *)arg)->message_log, error);
}

static int look_recent(void *arg, struct ocs_error *error)
{
	return ocs_recent_look(((struct ocs_dispatch *)arg)->recent, error);
}

static int look_replicas(void *arg, struct ocs_error *error)
{
	return ocs_index_look_replicas(((struct ocs_dispatch *)arg)->index, error);
}

static int look_mark(void *arg, struct ocs_error *error)
{
	return ocs_index_look_mark(((struct ocs_dispatch *)arg)->index, error);
}

int ocs_dispatch_files_start(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	static const char restart[] =
	        "what is accepted now would be forgotten at a restart; put it back, or restart (a "
	        "repeated report may then be delivered twice)";
	struct dispatch_files *files = talloc_zero(dispatch, struct dispatch_files);
	const struct row own[] = {
	        {{look_sequence, dispatch, OCS_HEALTH_UNWELL, restart}, true},
	        {{look_messages, dispatch, OCS_HEALTH_UNWELL, restart}, true},
	        {{look_recent, dispatch, OCS_HEALTH_UNWELL, restart}, true},
	        {{look_replicas, dispatch, OCS_HEALTH_WARNING,
	          "without it and index.tdb, identifiers could be given twice"},
	         false},
	        {{look_mark, dispatch, OCS_HEALTH_WARNING,
	          "without it and with an older index.tdb, identifiers could be given twice"},
	         true},
	};

	if (files == NULL)
		return ocs_error_memory(error);
	pthread_mutex_init(&files->lock, NULL);
	memcpy(files->rows, own, sizeof(own));
	files->n = sizeof(own) / sizeof(own[0]);
	dispatch->files = files;
	return 0;
}

void ocs_dispatch_files_free(struct ocs_dispatch *dispatch)
{
	if (dispatch->files != NULL)
		pthread_mutex_destroy(&dispatch->files->lock);
}

int ocs_dispatch_files_add(struct ocs_dispatch *dispatch, const struct ocs_dispatch_file *file)
{
	struct dispatch_files *files = dispatch->files;
	int ret = -1;

	pthread_mutex_lock(&files->lock);
	if (files->n < FILES_MAX) {
		files->rows[files->n++] = (struct row){*file, false};
		ret = 0;
	}
	pthread_mutex_unlock(&files->lock);
	return ret;
}

int ocs_dispatch_files_end(struct ocs_dispatch *dispatch)
{
	struct dispatch_files *files = dispatch->files;
	struct timespec until = ocs_clock_at(ocs_clock_ns() + OCS_CLOCK_SECOND);
	size_t kept = 0;

	if (pthread_mutex_clocklock(&files->lock, CLOCK_MONOTONIC, &until) != 0)
		return -1;
	for (size_t i = 0; i < files->n; i++)
		if (files->rows[i].file.arg == dispatch)
			files->rows[kept++] = files->rows[i];
	files->n = kept;
	pthread_mutex_unlock(&files->lock);
	return 0;
}

/* The worse of what is wrong is what health tells. */
int ocs_dispatch_files_look(struct ocs_dispatch *dispatch, bool all)
{
	struct dispatch_files *files = dispatch->files;
	enum ocs_health_state worst = OCS_HEALTH_WELL;
	struct ocs_error what, first = {.text = ""};
	const char *advice = "";

	pthread_mutex_lock(&files->lock);
	for (size_t i = 0; i < files->n; i++) {
		const struct row *row = &files->rows[i];
		enum ocs_file_state state = OCS_FILE_PRESENT;

		if (all || row->holds)
			state = (enum ocs_file_state)row->file.look(row->file.arg, &what);
		if (state == OCS_FILE_MENDED)
			ocs_dispatch_log(dispatch, LOG_WARNING, "%s: made again, nothing is lost",
			                 what.text);
		if (state != OCS_FILE_GONE || row->file.gone <= worst)
			continue;
		worst = row->file.gone;
		first = what;
		advice = row->file.advice;
	}
	pthread_mutex_unlock(&files->lock);
	/* Of those that were not looked at nothing new is known. */
	if (all || worst == OCS_HEALTH_UNWELL)
		ocs_health_set(dispatch->health, OCS_HEALTH_FILES, worst, "%.300s: %s", first.text,
		               advice);
	return worst == OCS_HEALTH_UNWELL ? -1 : 0;
}

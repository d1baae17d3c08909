/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What dead contexts have left: found by their sockets and queue lists, and removed. Touches the
 * registry, its wake folder and the kernel's queues.
 */
#include "registry/internal.h"
#include "registry/reap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "mqueue/queue.h"

/* A socket is made before its context is registered: files without a record are left alone for this
 * long. */
#define ORPHAN_AGE 10 /* seconds */

/* Of what a member of the group can write, so much is looked at in one round, and the rest in the
 * next ones; or not believed. */
#define CONTEXTS_MAX  64 /* dead ones that are removed */
#define FILES_MAX     4096
#define LIST_SIZE_MAX (16 * 1024 * 1024) /* a queue list, which is not longer */
#define ROUNDS_KEPT   60    /* what is missing, where the files are too many for one round */
#define BAD_LINES_MAX 1000  /* in one */
#define LINES_MAX     65536 /* of all lists: each may cost a few system calls */

/* In one of so many rounds it is asked which queues are registered. */
#define LISTS_ROUNDS 120

/* ---- who is dead ---- */

uint64_t ocs_reap_grace_ms = OCS_REAP_GRACE_MS;

struct missing {
	UT_hash_handle hh;
	uint64_t context, since; /* since: CLOCK_MONOTONIC ms */
	unsigned round;          /* in which it was last found missing */
};

struct ocs_reap_missing {
	struct missing *table; /* talloc */
	unsigned round;
	size_t files_seen; /* of the wake folder, in the rounds before: the next one begins there */
};

static int missing_destroy(struct ocs_reap_missing *missing)
{
	HASH_CLEAR(hh, missing->table);
	return 0;
}

struct ocs_reap_missing *ocs_reap_missing_new(void)
{
	struct ocs_reap_missing *missing = talloc_zero(NULL, struct ocs_reap_missing);

	if (missing != NULL)
		talloc_set_destructor(missing, missing_destroy);
	return missing;
}

void ocs_reap_missing_free(struct ocs_reap_missing *missing)
{
	talloc_free(missing);
}

/* Whether it has been missing for so long that nobody will make it again. */
static bool missing_long(struct ocs_reap_missing *missing, uint64_t context)
{
	struct missing *found;
	uint64_t now = ocs_clock_ms();

	if (missing == NULL)
		return false;
	HASH_FIND(hh, missing->table, &context, sizeof(context), found);
	if (found == NULL) {
		found = talloc_zero(missing, struct missing);
		if (found == NULL)
			return ocs_reap_grace_ms == 0;
		found->context = context;
		found->since = now;
		HASH_ADD(hh, missing->table, context, sizeof(context), found);
		if (found->hh.tbl == NULL) {
			talloc_free(found);
			return ocs_reap_grace_ms == 0;
		}
	}
	found->round = missing->round;
	return now - found->since >= ocs_reap_grace_ms;
}

/* Those that were not missing for a while have their socket again, or are no more. */
static void forget_found(struct ocs_reap_missing *missing)
{
	struct missing *one, *next;

	HASH_ITER(hh, missing->table, one, next)
	{
		if (missing->round - one->round <= (missing->files_seen > 0 ? ROUNDS_KEPT : 0))
			continue;
		HASH_DEL(missing->table, one);
		talloc_free(one);
	}
}

/* Whether what has failed so may work the next time: nobody is there, or may not, says no more. */
static bool is_passing(int error)
{
	return error != ENOENT && error != ENOTDIR && error != ELOOP && error != ENXIO &&
	       error != EACCES && error != EPERM;
}

/* Of a context without a socket: 1 if its queue list is locked, so that it lives, or that cannot be
 * told now, 0 if it is not, -1 if there is none. */
static int queue_list_locked(const struct ocs_registry *registry, uint64_t context)
{
	char path[PATH_MAX];
	int fd, locked;

	if (ocs_registry_queue_list_path(registry, context, path, sizeof(path)) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return is_passing(errno) ? 1 : -1;
	locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
	close(fd);
	return locked;
}

/* Nobody answers at the socket. What cannot be told counts as alive. Connecting, unlike sending,
 * wakes nobody. */
static bool is_dead(const struct ocs_registry *registry, uint64_t context,
                    struct ocs_reap_missing *missing)
{
	int fd = ocs_registry_wake_connect(registry, context);

	if (fd >= 0)
		close(fd);
	if (fd == -ENOENT) {
		int locked = queue_list_locked(registry, context);

		return locked < 0 ? missing_long(missing, context) : locked == 0;
	}
	return fd == -ECONNREFUSED;
}

bool ocs_reap_is_dead(const struct ocs_registry *registry, uint64_t context)
{
	return is_dead(registry, context, NULL);
}

/* ---- what they left ---- */

/* The system was short of something. */
#define NOT_NOW (-2)

/* 1 or 0; NOT_NOW: there is no memory to tell. */
static int is_queue_name(const char *name)
{
	struct ocs_queue_name *parsed = malloc(sizeof(*parsed));
	int is = parsed == NULL ? NOT_NOW : ocs_queue_name_parse(name, parsed) == 0;

	free(parsed);
	return is;
}

/* Unlinks a queue of that user and the registry's group, or empties it where that is not allowed
 * (the folder of queues is sticky). Returns 1 if it was there and is gone, 0 if it was gone before,
 * -1 if it is left, NOT_NOW if it is to be tried again. A queue of somebody else's under that name
 * is not touched: gone before. */
static int remove_queue(const struct ocs_registry *registry, const char *name, uid_t owner)
{
	char buffer[8192], why[160];
	ino_t inode = 0;
	mqd_t queue;
	size_t len;
	int ret = is_queue_name(name);

	if (ret <= 0)
		return ret;
	ret = ocs_queue_open_read(name, &queue);
	if (ret == 0) {
		int gone;

		ret = ocs_queue_verify(queue, owner, registry->gid, &inode, why, sizeof(why));
		if (ret != 0) {
			ocs_queue_close(queue);
			return ret == -EPERM ? 0 : NOT_NOW;
		}
		gone = ocs_queue_unlink(name);
		while (gone != 0 && ocs_queue_receive(queue, buffer, sizeof(buffer), &len) == 0)
			;
		ocs_queue_close(queue);
		return gone == 0 ? 1 : is_passing(-gone) ? NOT_NOW : -1;
	}
	/* Not readable for us: then it is not open to the registry's group, so none of ours. */
	return is_passing(-ret) ? NOT_NOW : 0;
}

/* The queue list at that path, or NULL; what has its name and is none goes. st: of the list. */
static FILE *open_queue_list(const char *path, struct stat *st)
{
	/* Members of the group may have put anything there: a FIFO would stop us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	FILE *list = NULL;

	if (fd >= 0 && fstat(fd, st) != 0) {
		close(fd);
		return NULL;
	}
	/* One with many names would be read as often. */
	if (fd >= 0 && S_ISREG(st->st_mode) && st->st_nlink <= 1 && st->st_size <= LIST_SIZE_MAX)
		list = fdopen(fd, "r");
	else if (fd >= 0 || errno == ELOOP || errno == ENXIO)
		(void)ocs_shared_remove(path);
	if (list == NULL && fd >= 0)
		close(fd);
	return list;
}

/* It names queues; those that are its owner's are removed. *lines: so many lines are read at most,
 * and taken off. *again_r: not all of them could be, now. */
static unsigned remove_listed(const struct ocs_registry *registry, FILE *list, uid_t owner,
                              unsigned *lines, unsigned *left_r, bool *again_r)
{
	char line[OCS_QUEUE_NAME_MAX + 1];
	unsigned removed = 0, bad = 0;

	while (bad<BAD_LINES_MAX && * lines> 0 && fgets(line, sizeof(line), list) != NULL) {
		int gone;

		--*lines;
		line[strcspn(line, "\n")] = '\0';
		if (is_queue_name(line) == 0) {
			bad++;
			continue;
		}
		gone = remove_queue(registry, line, owner);
		removed += gone > 0;
		*again_r |= gone == NOT_NOW;
		if (gone < 0 && left_r != NULL)
			(*left_r)++;
	}
	*again_r |= ferror(list) != 0;
	return removed;
}

/* A list that could not be read through stays for the next time, unless it is longer than that. */
static unsigned remove_files(const struct ocs_registry *registry, uint64_t context, unsigned *lines,
                             unsigned *left_r)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];
	struct sockaddr_un address;
	unsigned removed = 0, before = *lines;
	FILE *list = NULL;
	bool again = false;
	struct stat st;

	if (before == 0)
		return 0;
	if (ocs_registry_queue_list_path(registry, context, path, sizeof(path)) == 0)
		list = open_queue_list(path, &st);
	if (list != NULL) {
		removed = remove_listed(registry, list, st.st_uid, lines, left_r, &again);
		fclose(list);
		if (again || (*lines == 0 && before < LINES_MAX))
			return removed;
		unlink(path);
		if (snprintf(fresh, sizeof(fresh), "%s.new", path) < (int)sizeof(fresh))
			unlink(fresh);
	}
	if (ocs_registry_wake_address(registry, context, &address) == 0)
		(void)ocs_shared_remove(address.sun_path);
	return removed;
}

unsigned ocs_reap_files(const struct ocs_registry *registry, uint64_t context, unsigned *left_r)
{
	unsigned lines = LINES_MAX;

	return remove_files(registry, context, &lines, left_r);
}

static int remove_context(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                          char ***queues_r, size_t *n_r, struct ocs_error *error)
{
	int ret = ocs_registry_begin(registry, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_registry_context_remove(registry, id, mem_ctx, queues_r, n_r, error);
	if (ret != OCS_STORE_OK) {
		ocs_registry_cancel(registry);
		return ret;
	}
	return ocs_registry_commit(registry, false, error);
}

static int reap_registered(struct ocs_registry *registry, uid_t owner,
                           struct ocs_reap_missing *missing, unsigned *lines, const void *mem_ctx,
                           ocs_reap_report_fn *report, void *arg, struct ocs_error *error)
{
	struct ocs_registry_context *list;
	size_t n, n_queues;
	char **queues;
	bool known;
	uid_t uid;
	int ret = ocs_registry_context_list(registry, mem_ctx, &list, &n, error);
	unsigned removed = 0;

	for (size_t i = 0; i < n && ret == OCS_STORE_OK && removed < CONTEXTS_MAX; i++) {
		struct ocs_reap_report what = {.pid = list[i].pid, .sessions = list[i].sessions};

		/* One without a record (pid 0) belongs to nobody we could ask. */
		if ((owner != OCS_REAP_ALL && (list[i].uid != owner || list[i].pid == 0)) ||
		    !is_dead(registry, list[i].id, missing))
			continue;
		/* Before its record and its files are gone; of one nobody vouches for they are
		 * left. */
		removed++;
		ret = ocs_registry_context_uid(registry, list[i].id, &uid, error);
		known = ret == OCS_STORE_OK;
		/* Nobody says whose it is; or that cannot be told now. */
		if (!known && ret != OCS_STORE_MISSING)
			break;
		ret = remove_context(registry, list[i].id, mem_ctx, &queues, &n_queues, error);
		if (ret != OCS_STORE_OK)
			break;
		for (size_t q = 0; q < n_queues && known; q++) {
			int gone = remove_queue(registry, queues[q], uid);

			what.queues += gone > 0;
			what.left += gone < 0;
		}
		what.queues += remove_files(registry, list[i].id, lines, NULL);
		if (report != NULL)
			report(arg, &what);
	}
	return ret;
}

/* One from the future is old: the clock was set back since. */
static bool is_new(const struct stat *st)
{
	time_t now = time(NULL);

	return st->st_mtime > now - ORPHAN_AGE && st->st_mtime <= now + ORPHAN_AGE;
}

/* ---- their spill lists: of queues that were not registered, or no longer ---- */

/* What is known of a context in one round. */
struct list_owner {
	uint64_t context;
	bool dead, registered;
};

struct lists {
	const struct ocs_registry *registry;
	struct ocs_reap_missing *missing;
	void *mem_ctx;
	struct list_owner *owners; /* talloc */
	size_t n_owners;
	/* Not asked in every round; (talloc) */
	struct ocs_registry_context *registered;
	uint64_t *queues; /* registered ones, ascending */
	size_t n_registered, n_queues;
};

/* NULL: out of memory. */
static const struct list_owner *owner_of(struct lists *lists, uint64_t context)
{
	struct list_owner *grown;

	for (size_t i = lists->n_owners; i-- > 0;)
		if (lists->owners[i].context == context)
			return &lists->owners[i];
	grown = talloc_realloc(lists->mem_ctx, lists->owners, struct list_owner,
	                       lists->n_owners + 1);
	if (grown == NULL)
		return NULL;
	lists->owners = grown;
	grown += lists->n_owners++;
	grown->context = context;
	grown->dead = is_dead(lists->registry, context, lists->missing);
	grown->registered = false;
	for (size_t i = 0; i < lists->n_registered && !grown->registered; i++)
		grown->registered = lists->registered[i].id == context;
	return grown;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int reap_note_queues(struct ocs_registry_user *user, void *arg)
{
	struct lists *lists = arg;
	uint64_t *grown = talloc_realloc(lists->mem_ctx, lists->queues, uint64_t,
	                                 lists->n_queues + user->n_queues + 1);

	if (grown == NULL)
		return OCS_STORE_ERROR;
	lists->queues = grown;
	for (size_t q = 0; q < user->n_queues; q++)
		grown[lists->n_queues++] = user->queues[q].id;
	return 0;
}

/* Without them the lists of living contexts are left alone. */
static void ask_for_queues(struct lists *lists, struct ocs_registry *registry)
{
	struct ocs_registry_context *contexts;
	struct ocs_error ignored;
	size_t n_contexts;

	/* The contexts first: with each come its queues. */
	if (ocs_registry_context_list(registry, lists->mem_ctx, &contexts, &n_contexts, &ignored) !=
	            OCS_STORE_OK ||
	    ocs_registry_user_each(registry, reap_note_queues, lists, &ignored) != OCS_STORE_OK)
		return;
	if (lists->n_queues > 0)
		qsort(lists->queues, lists->n_queues, sizeof(uint64_t), compare_ids);
	lists->registered = contexts;
	lists->n_registered = n_contexts;
}

/* Its owner may have ended the subscription: the file is the daemon's, so it cannot remove it. */
static bool list_is_left(struct lists *lists, uint64_t context, uint64_t queue)
{
	const struct list_owner *owner = owner_of(lists, context);

	if (owner == NULL)
		return false;
	return owner->dead ||
	       (owner->registered &&
	        (lists->n_queues == 0 || bsearch(&queue, lists->queues, lists->n_queues,
	                                         sizeof(uint64_t), compare_ids) == NULL));
}

static void reap_lists(struct ocs_registry *registry, uid_t owner, struct ocs_reap_missing *missing)
{
	struct lists lists = {.registry = registry, .missing = missing};
	uint64_t context, queue;
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *folder;

	if (owner != OCS_REAP_ALL ||
	    snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER, ocs_registry_folder(registry)) >=
	            (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	lists.mem_ctx = talloc_new(NULL);
	/* One just made may be of a queue that is registered since. */
	if (missing != NULL && missing->round % LISTS_ROUNDS == 1)
		ask_for_queues(&lists, registry);
	while (lists.mem_ctx != NULL && (entry = readdir(folder)) != NULL)
		if (ocs_spill_parse(entry->d_name, &context, &queue) == 0 &&
		    list_is_left(&lists, context, queue) &&
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !is_new(&st))
			ocs_registry_spill_forget(registry, context, queue);
	closedir(folder);
	talloc_free(lists.mem_ctx);
}

static void reap_file(const struct ocs_registry *registry, int folder, const char *name,
                      uid_t owner, struct ocs_reap_missing *missing, unsigned *lines)
{
	unsigned long long id;
	struct stat st;
	char kind[8];

	if (strlen(name) < 16 || sscanf(name, "%16llx.%7s", &id, kind) != 2 ||
	    fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (owner != OCS_REAP_ALL && st.st_uid != owner) || is_new(&st))
		return;
	if (is_dead(registry, id, missing))
		remove_files(registry, id, lines, NULL);
}

/* Files of contexts that died before they were registered, or half swept. */
static void reap_files(const struct ocs_registry *registry, uid_t owner,
                       struct ocs_reap_missing *missing, unsigned *lines)
{
	size_t at = 0, from = missing != NULL ? missing->files_seen : 0;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/wake", ocs_registry_folder(registry)) >=
	            (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	while ((entry = readdir(folder)) != NULL && *lines > 0 &&
	       (missing == NULL || at < from + FILES_MAX))
		if (at++ >= from)
			reap_file(registry, dirfd(folder), entry->d_name, owner, missing, lines);
	/* Some are gone since: a few are not looked at before the round after. */
	if (missing != NULL)
		missing->files_seen = entry != NULL ? at : 0;
	closedir(folder);
}

int ocs_reap(struct ocs_registry *registry, uid_t owner, struct ocs_reap_missing *missing,
             ocs_reap_report_fn *report, void *arg, struct ocs_error *error)
{
	void *mem_ctx = talloc_new(NULL);
	unsigned lines = LINES_MAX;
	int ret;

	if (mem_ctx == NULL)
		return ocs_error_memory(error);
	if (missing != NULL)
		missing->round++;
	ret = reap_registered(registry, owner, missing, &lines, mem_ctx, report, arg, error);
	if (ret == OCS_STORE_OK) {
		reap_files(registry, owner, missing, &lines);
		reap_lists(registry, owner, missing);
		if (missing != NULL)
			forget_found(missing);
	}
	talloc_free(mem_ctx);
	return ret;
}

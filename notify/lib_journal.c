/*
 * The journal: the names of a context's queues, written before each queue is made, so that nothing
 * is left behind by a process that dies at any point. And the sweep that reads the journals of dead
 * contexts. Touches the wake folder of the registry and the kernel's queues.
 */
#include "notify/lib_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "mqueue/queue.h"

/* A journal is written anew when it has this many more names than there are queues. */
#define SLACK 4096

/* A socket is made before its context is registered: files without a record are left alone for this
 * long. */
#define ORPHAN_AGE 10 /* seconds */

static int journal_create(const char *path, gid_t gid, struct ocs_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
	if (fchown(fd, (uid_t)-1, gid) != 0 || fchmod(fd, 0660) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return -1;
	}
	return fd;
}

static int append(int fd, const char *name)
{
	char line[OCS_QUEUE_NAME_MAX + 1];
	size_t len = (size_t)snprintf(line, sizeof(line), "%s\n", name);

	return write(fd, line, len) == (ssize_t)len ? 0 : -1;
}

int lib_journal_open(struct ocsnotify *context, struct ocs_error *error)
{
	char path[PATH_MAX];

	if (ocs_registry_journal_path(context->shared->registry, context->r.id, path,
	                              sizeof(path)) != 0)
		return ocs_error_set(error, "%s: path too long", context->shared->path);
	context->journal = journal_create(path, context->shared->gid, error);
	return context->journal < 0 ? -1 : 0;
}

/* Only the queues there are now; the old journal stays until the new one is complete. */
static int compact(struct ocsnotify *context)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	size_t lines = 0;
	int fd, ret = 0;

	if (ocs_registry_journal_path(context->shared->registry, context->r.id, path,
	                              sizeof(path)) != 0 ||
	    snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return -1;
	unlink(fresh);
	fd = journal_create(fresh, context->shared->gid, NULL);
	if (fd < 0)
		return -1;
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		for (struct lib_queue *q = s->queues; q != NULL && ret == 0; q = q->next) {
			if (q->mq == LIB_NO_QUEUE)
				continue;
			ret = append(fd, q->r.name);
			lines++;
		}
	if (ret != 0 || rename(fresh, path) != 0) {
		close(fd);
		unlink(fresh);
		return -1;
	}
	close(context->journal);
	context->journal = fd;
	context->journal_lines = lines;
	return 0;
}

int lib_journal_add(struct ocsnotify *context, const char *name)
{
	if (context->journal_lines > 2 * context->live_queues + SLACK && compact(context) != 0)
		return -1;
	if (append(context->journal, name) != 0)
		return -1;
	context->journal_lines++;
	return 0;
}

void lib_journal_clean(const struct ocs_registry *registry, uint64_t context)
{
	struct sockaddr_un address;
	struct ocs_queue_name *parsed = malloc(sizeof(*parsed));
	char path[PATH_MAX], fresh[PATH_MAX], line[OCS_QUEUE_NAME_MAX + 1];
	FILE *journal = NULL;
	struct stat st;
	int fd;

	if (ocs_registry_journal_path(registry, context, path, sizeof(path)) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		/* Somebody else's journal could name queues that are not ours to remove. */
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
			journal = fdopen(fd, "r");
		if (journal == NULL && fd >= 0)
			close(fd);
	}
	while (journal != NULL && parsed != NULL && fgets(line, sizeof(line), journal) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (ocs_queue_name_parse(line, parsed) == 0)
			(void)ocs_queue_unlink(line); /* not ours any more: the daemon's task */
	}
	if (journal != NULL) {
		fclose(journal);
		unlink(path);
		if (snprintf(fresh, sizeof(fresh), "%s.new", path) < (int)sizeof(fresh))
			unlink(fresh);
	}
	if (ocs_registry_wake_address(registry, context, &address) == 0)
		unlink(address.sun_path);
	free(parsed);
}

/* Nobody answers at the socket; what cannot be told counts as alive. Connecting, unlike sending,
 * wakes nobody. */
static bool is_dead(const struct ocs_registry *registry, uint64_t context)
{
	struct sockaddr_un address;
	bool dead = false;
	int fd;

	if (ocs_registry_wake_address(registry, context, &address) != 0)
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		dead = errno == ECONNREFUSED || errno == ENOENT;
	close(fd);
	return dead;
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

/* (locked) */
static int sweep_registered(struct ocs_registry *registry, const void *mem_ctx,
                            struct ocs_error *error)
{
	struct ocs_registry_context *list;
	size_t n, n_queues;
	char **queues;
	int ret = ocs_registry_context_list(registry, mem_ctx, &list, &n, error);

	for (size_t i = 0; i < n && ret == OCS_STORE_OK; i++) {
		if (list[i].uid != geteuid() || list[i].pid == 0 || !is_dead(registry, list[i].id))
			continue;
		ret = remove_context(registry, list[i].id, mem_ctx, &queues, &n_queues, error);
		if (ret != OCS_STORE_OK)
			break;
		for (size_t q = 0; q < n_queues; q++)
			(void)ocs_queue_unlink(queues[q]); /* not ours: the daemon's task */
		lib_journal_clean(registry, list[i].id);
	}
	return ret;
}

/* (locked) Files of contexts that died before they were registered, or half swept. */
static void sweep_files(const struct lib_shared *shared, uint64_t own)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/wake", shared->path) >= (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		unsigned long long id;
		struct stat st;
		char kind[8];

		if (strlen(entry->d_name) < 16 ||
		    sscanf(entry->d_name, "%16llx.%7s", &id, kind) != 2 || id == own ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_uid != geteuid() || st.st_mtime > time(NULL) - ORPHAN_AGE)
			continue;
		if (is_dead(shared->registry, id))
			lib_journal_clean(shared->registry, id);
	}
	closedir(folder);
}

void lib_sweep(struct ocsnotify *context)
{
	struct ocs_error error = {""};
	void *mem_ctx = talloc_new(NULL);
	int ret;

	lib_lock();
	ret = sweep_registered(context->shared->registry, mem_ctx, &error);
	if (ret == OCS_STORE_OK)
		sweep_files(context->shared, context->r.id);
	lib_unlock();
	talloc_free(mem_ctx);
	if (ret != OCS_STORE_OK)
		lib_warn(context, "cannot remove what dead processes left: %s", error.text);
}

/* See reap.h. Touches the registry, its wake folder and the kernel's queues. */
#include "notify/reap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "mqueue/queue.h"

/* A socket is made before its context is registered: files without a record are left alone for this
 * long. */
#define ORPHAN_AGE 10 /* seconds */

/* Nobody answers at the socket. What cannot be told counts as alive. Connecting, unlike sending,
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

/* Unlinks a queue, or empties it where that is not allowed (the folder of queues is sticky).
 * Returns 1 if it was there and is gone, 0 if it was gone before, -1 if it is left. */
static int remove_queue(const char *name)
{
	char buffer[8192];
	mqd_t queue;
	size_t len;

	if (ocs_queue_open_read(name, &queue) == 0) {
		int gone = ocs_queue_unlink(name);

		while (gone != 0 && ocs_queue_receive(queue, buffer, sizeof(buffer), &len) == 0)
			;
		ocs_queue_close(queue);
		return gone == 0 ? 1 : -1;
	}
	return ocs_queue_unlink(name) == 0 ? 0 : -1;
}

unsigned ocs_reap_files(const struct ocs_registry *registry, uint64_t context, unsigned *left_r)
{
	struct ocs_queue_name *parsed = malloc(sizeof(*parsed));
	char path[PATH_MAX], fresh[PATH_MAX + 8], line[OCS_QUEUE_NAME_MAX + 1];
	struct sockaddr_un address;
	unsigned removed = 0;
	FILE *journal = NULL;
	struct stat st;
	int fd;

	if (ocs_registry_journal_path(registry, context, path, sizeof(path)) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		/* Only of the owner or, for root, of anybody in the group: names are checked, so
		 * nothing but queues of ours can be named. */
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			journal = fdopen(fd, "r");
		if (journal == NULL && fd >= 0)
			close(fd);
	}
	while (journal != NULL && parsed != NULL && fgets(line, sizeof(line), journal) != NULL) {
		int gone;

		line[strcspn(line, "\n")] = '\0';
		if (ocs_queue_name_parse(line, parsed) != 0)
			continue;
		gone = remove_queue(line);
		removed += gone > 0;
		if (gone < 0 && left_r != NULL)
			(*left_r)++;
	}
	free(parsed);
	if (journal != NULL) {
		fclose(journal);
		unlink(path);
		if (snprintf(fresh, sizeof(fresh), "%s.new", path) < (int)sizeof(fresh))
			unlink(fresh);
	}
	if (ocs_registry_wake_address(registry, context, &address) == 0)
		unlink(address.sun_path);
	return removed;
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

static int reap_registered(struct ocs_registry *registry, uid_t owner, const void *mem_ctx,
                           ocs_reap_report_fn *report, void *arg, struct ocs_error *error)
{
	struct ocs_registry_context *list;
	size_t n, n_queues;
	char **queues;
	int ret = ocs_registry_context_list(registry, mem_ctx, &list, &n, error);

	for (size_t i = 0; i < n && ret == OCS_STORE_OK; i++) {
		struct ocs_reap_report what = {.pid = list[i].pid, .sessions = list[i].sessions};

		/* One without a record (pid 0) belongs to nobody we could ask. */
		if ((owner != OCS_REAP_ALL && (list[i].uid != owner || list[i].pid == 0)) ||
		    !is_dead(registry, list[i].id))
			continue;
		ret = remove_context(registry, list[i].id, mem_ctx, &queues, &n_queues, error);
		if (ret != OCS_STORE_OK)
			break;
		for (size_t q = 0; q < n_queues; q++) {
			int gone = remove_queue(queues[q]);

			what.queues += gone > 0;
			what.left += gone < 0;
		}
		what.queues += ocs_reap_files(registry, list[i].id, NULL);
		if (report != NULL)
			report(arg, &what);
	}
	return ret;
}

/* Files of contexts that died before they were registered, or half swept. */
static void reap_files(const struct ocs_registry *registry, uid_t owner)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/wake", ocs_registry_folder(registry)) >=
	            (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		unsigned long long id;
		struct stat st;
		char kind[8];

		if (strlen(entry->d_name) < 16 ||
		    sscanf(entry->d_name, "%16llx.%7s", &id, kind) != 2 ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    (owner != OCS_REAP_ALL && st.st_uid != owner) ||
		    st.st_mtime > time(NULL) - ORPHAN_AGE)
			continue;
		if (is_dead(registry, id))
			ocs_reap_files(registry, id, NULL);
	}
	closedir(folder);
}

int ocs_reap(struct ocs_registry *registry, uid_t owner, ocs_reap_report_fn *report, void *arg,
             struct ocs_error *error)
{
	void *mem_ctx = talloc_new(NULL);
	int ret;

	if (mem_ctx == NULL)
		return ocs_error_set(error, "out of memory");
	ret = reap_registered(registry, owner, mem_ctx, report, arg, error);
	if (ret == OCS_STORE_OK)
		reap_files(registry, owner);
	talloc_free(mem_ctx);
	return ret;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of libocsnotify share: see host_rig.h. */
#include "tests/unit/libocsnotify/host_rig.h"

#include <dirent.h>
#include <sys/vfs.h>

#include "registry/match.h"

char host_user[32];
char host_warnings[4096];
struct ocs_registry_settings daemon_settings;

static void host_warn(const char *text, void *arg)
{
	size_t len = strlen(host_warnings);

	(void)arg;
	snprintf(host_warnings + len, sizeof(host_warnings) - len, "%s\n", text);
}

void daemon_make_registry(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct ocs_registry *registry;

		if (ocs_registry_open(rig_folder, true, &registry, NULL, NULL) != OCS_STORE_OK ||
		    ocs_registry_begin(registry, NULL) != 0 ||
		    ocs_registry_settings_put(registry, &daemon_settings, NULL) != 0 ||
		    ocs_registry_commit(registry, false, NULL) != 0)
			_exit(1);
		ocs_registry_close(registry);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

void daemon_make_index(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		static char *const names[] = {(char *)"sogo", (char *)"dovecot", NULL};
		static char *const templates[] = {
		        (char *)"sogo://{user}:*@mail/{folder:sogo}/{message}.eml",
		        (char *)"imap://{user}@mail/{folder}/{message}", NULL};
		struct ocs_registry *registry;
		struct ocs_index *index;
		struct ocs_error error = {.text = ""};

		if (ocs_index_open(rig_folder, 1, true, &index, &error) != OCS_STORE_OK ||
		    mkdir(rig_path("messages"), 0750) != 0 ||
		    ocs_registry_open(rig_folder, false, &registry, NULL, &error) != 0 ||
		    ocs_registry_begin(registry, &error) != 0 ||
		    ocs_registry_templates_put(registry, names, templates, &error) != 0 ||
		    ocs_registry_commit(registry, false, &error) != 0) {
			fprintf(stderr, "%s\n", error.text);
			_exit(1);
		}
		ocs_registry_close(registry);
		ocs_index_close(index);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

void host_setup(void)
{
	rig_make_folder();
	snprintf(host_user, sizeof(host_user), "t-%d", (int)getpid());
	ck_assert_int_eq(chmod(rig_folder, 03770), 0);
	host_warnings[0] = '\0';
	daemon_settings = (struct ocs_registry_settings){
	        .max_messages = 10,
	        .message_size = 256,
	        .spill_max = 10000,
	        .spill_total = 1000000,
	        .push_interval = 60,
	        .replica_id = 1,
	};
	daemon_make_registry();
}

struct ocsnotify *host_open(void)
{
	struct ocsnotify *context;
	char text[256] = "";
	int ret = ocsnotify_open(rig_folder, &context, text, sizeof(text));

	ck_assert_msg(ret == OCSNOTIFY_OK, "%d: %s", ret, text);
	ocsnotify_set_warning(context, host_warn, NULL);
	return context;
}

struct ocsnotify_session *host_session(struct ocsnotify *context, const char *user)
{
	struct ocsnotify_session *session;

	ck_assert_int_eq(ocsnotify_session_open(context, user, NULL, &session), OCSNOTIFY_OK);
	return session;
}

int host_count_queues(const char *user)
{
	char prefix[64];
	struct dirent *entry;
	DIR *folder = opendir("/dev/mqueue");
	struct statfs type;
	int n = 0;

	/* A folder that is not mounted would look like no queues. */
	ck_assert_msg(folder != NULL && fstatfs(dirfd(folder), &type) == 0 &&
	                      type.f_type == 0x19800202,
	              "/dev/mqueue is not mounted: tests/run.py does it as root");
	snprintf(prefix, sizeof(prefix), "ocs.%s.", user);
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			n++;
	closedir(folder);
	return n;
}

int host_count_wake_files(void)
{
	char path[128];
	struct dirent *entry;
	DIR *folder;
	int n = 0;

	snprintf(path, sizeof(path), "%s/wake", rig_folder);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			n++;
	closedir(folder);
	return n;
}

/* ---- the daemon's side ---- */

static int daemon_wake(struct ocs_registry *registry, const struct ocs_registry_queue *queue)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret;
	struct sockaddr_un address;
	uint8_t id[8];

	if (fd < 0 || ocs_registry_wake_address(registry, queue->context, &address) != 0)
		return -1;
	ocs_put64(id, queue->id);
	ret = sendto(fd, id, sizeof(id), 0, (const struct sockaddr *)&address, sizeof(address)) == 8
	              ? 0
	              : -errno;
	close(fd);
	return ret;
}

/* Whom no wake-up reached. */
static struct ocs_registry_queue daemon_owed[64];
static size_t daemon_n_owed;

void daemon_wake_owed(struct ocsnotify *context)
{
	size_t kept = 0;

	for (size_t i = 0; i < daemon_n_owed; i++)
		if (daemon_wake(context->shared->registry, &daemon_owed[i]) == -EAGAIN)
			daemon_owed[kept++] = daemon_owed[i];
	daemon_n_owed = kept;
}

int daemon_wake_again(const struct ocsnotify_session *session)
{
	return daemon_wake(session->context->shared->registry, &session->queues->r);
}

static int daemon_deliver_to(struct ocs_registry *registry, const struct ocs_registry_queue *queue,
                             const uint8_t *data, size_t len)
{
	const struct ocs_spill_name name = {ocs_registry_folder(registry), queue->context,
	                                    queue->id};
	enum ocs_spill_outcome outcome;
	struct ocs_spill_state state;
	struct ocs_spill spill;
	bool wake = false;
	mqd_t mq;
	int ret = -EAGAIN;

	if (ocs_spill_state(&name, &state) != 0)
		return -1;
	if (state.count == 0 && !queue->spill_only) {
		ret = ocs_queue_open_write(queue->name, &mq);
		if (ret != 0)
			return ret;
		ret = ocs_queue_send(mq, data, len);
		ocs_queue_close(mq);
	}
	if (ret != -EAGAIN)
		return ret;
	/* Nothing but the daemon lengthens the list, but the library may have taken it. */
	ocs_spill_init(&spill);
	ret = ocs_spill_open(&spill, &name, true, (gid_t)-1);
	if (ret == 0)
		ret = ocs_spill_append(&spill, queue->table, data, len, daemon_settings.spill_max,
		                       false, &outcome, &wake);
	ocs_spill_close(&spill);
	if (ret == 0 && wake)
		ret = daemon_wake(registry, queue);
	for (size_t i = 0; ret == -EAGAIN && i < daemon_n_owed; i++)
		if (daemon_owed[i].id == queue->id)
			return 0;
	if (ret == -EAGAIN && daemon_n_owed < sizeof(daemon_owed) / sizeof(daemon_owed[0])) {
		daemon_owed[daemon_n_owed++] = *queue;
		return 0;
	}
	return ret;
}

int daemon_deliver(struct ocs_registry *registry, const char *user, enum ocs_table table,
                   const struct ocs_entry *entry)
{
	uint8_t data[OCS_ENTRY_SIZE_MAX];
	size_t len = ocs_entry_encode(entry, data);
	struct ocs_registry_user *record;
	int n = 0;

	if (len == 0 || ocs_registry_user_get(registry, NULL, user, &record, NULL) != 0)
		return -1;
	for (size_t i = 0; i < record->n_queues && n >= 0; i++) {
		const struct ocs_registry_queue *queue = &record->queues[i];
		bool wanted = false;

		for (size_t m = 0; m < queue->n_matchers; m++)
			wanted |= queue->table == table &&
			          ocs_match_entry(entry, table, queue->matchers[m].types,
			                          queue->folder, queue->matchers[m].mid);
		if (wanted)
			n = daemon_deliver_to(registry, queue, data, len) == 0 ? n + 1 : -1;
	}
	talloc_free(record);
	return n;
}

int daemon_send(struct ocsnotify *context, const char *user, enum ocs_table table,
                const struct ocs_entry *entry)
{
	int n;

	libocsnotify_lock();
	n = daemon_deliver(context->shared->registry, user, table, entry);
	libocsnotify_unlock();
	return n;
}

/* ---- entries ---- */

static uint64_t entry_sequence = 1;

struct ocs_entry entry_newmail(uint64_t fid, uint64_t mid)
{
	return (struct ocs_entry){
	        .category = OCS_NEWMAIL,
	        .flags = OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE,
	        .fid = fid,
	        .mid = mid,
	        .accepted_at = 1700000000000000,
	        .sequence = entry_sequence++,
	        .message_class = "IPM.Note",
	};
}

struct ocs_entry entry_object(uint16_t type, uint64_t fid, uint64_t mid)
{
	return (struct ocs_entry){
	        .category = OCS_MODIFIED,
	        .flags = (uint16_t)(type | (mid != 0 ? OCSNOTIFY_FLAG_MESSAGE : 0)),
	        .fid = fid,
	        .mid = mid,
	        .accepted_at = 1700000000000000,
	        .sequence = entry_sequence++,
	        .message_class = "IPM.Note",
	};
}

struct ocs_entry entry_row(uint16_t table_event, uint64_t fid, uint64_t mid)
{
	struct ocs_entry entry = entry_object(OCSNOTIFY_TABLE_MODIFIED, fid, mid);

	entry.table_event = table_event;
	return entry;
}

bool host_readable(struct ocsnotify *context, int ms)
{
	struct pollfd fd = {.fd = ocsnotify_fd(context), .events = POLLIN};

	return poll(&fd, 1, ms) == 1;
}

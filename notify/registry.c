/*
 * The registry's file, settings, contexts and sessions: see registry.h. The queues of a user are
 * in registry_user.c, the spill lists in spill.c.
 */
#include "notify/registry_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <talloc.h>

#include "store/bytes.h"

/* The default of 131 makes a fetch 23 times slower at 100,000 records. */
#define HASH_SIZE    131071
#define BOOT_ID_SIZE 36

static const char key_meta[] = {'M'};
static const char key_settings[] = {'M', 's'};
static const char key_contexts[] = {'L'};

/* ---- file ---- */

static int read_boot_id(char out[BOOT_ID_SIZE], struct ocs_error *error)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	n = read(fd, out, BOOT_ID_SIZE);
	close(fd);
	if (n != BOOT_ID_SIZE)
		return ocs_error_set(error, "%s: cut short", path);
	return 0;
}

/* Soft state does not outlive the kernel that holds the queues. */
static int check_boot_id(struct ocs_registry *registry, struct ocs_error *error)
{
	char boot_id[BOOT_ID_SIZE];
	uint8_t *data;
	size_t len;
	int ret;

	if (read_boot_id(boot_id, error) != 0)
		return OCS_STORE_ERROR;
	ret = ocs_registry_fetch(registry, registry, key_meta, sizeof(key_meta), &data, &len,
	                         error);
	if (ret == OCS_STORE_OK) {
		bool same = len == BOOT_ID_SIZE && memcmp(data, boot_id, BOOT_ID_SIZE) == 0;

		talloc_free(data);
		if (same)
			return OCS_STORE_OK;
	} else if (ret != OCS_STORE_MISSING) {
		return ret;
	}
	ret = ocs_registry_begin(registry, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_store_wipe(registry->store, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_put(registry->store, key_meta, sizeof(key_meta), boot_id,
		                    BOOT_ID_SIZE, error);
	if (ret != OCS_STORE_OK) {
		ocs_registry_cancel(registry);
		return ret;
	}
	return ocs_registry_commit(registry, false, error);
}

/* Where the library's wake-up sockets are: as open as the registry folder itself. */
static int make_wake_folder(struct ocs_registry *registry, const struct stat *folder, bool create,
                            struct ocs_error *error)
{
	char *path = talloc_asprintf(registry, "%s/wake", registry->folder);

	if (path == NULL)
		return ocs_error_set(error, "out of memory");
	if (create && mkdir(path, 0700) == 0) {
		if (chown(path, (uid_t)-1, folder->st_gid) != 0 || chmod(path, 03770) != 0)
			return ocs_error_set(error, "%s: cannot set group and mode: %s", path,
			                     strerror(errno));
	} else if (create && errno != EEXIST) {
		return ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
	}
	registry->wake_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (registry->wake_fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	talloc_free(path);
	return OCS_STORE_OK;
}

static int registry_destroy(struct ocs_registry *registry)
{
	ocs_store_close(registry->store);
	if (registry->wake_fd >= 0)
		close(registry->wake_fd);
	return 0;
}

int ocs_registry_open(const char *folder, bool create, struct ocs_registry **registry_r,
                      bool *moved_r, struct ocs_error *error)
{
	struct ocs_registry *registry = talloc_zero(NULL, struct ocs_registry);
	struct stat st;
	char *path;
	int ret;

	*registry_r = NULL;
	if (registry == NULL)
		return ocs_error_set(error, "out of memory");
	registry->wake_fd = -1;
	talloc_set_destructor(registry, registry_destroy);
	registry->folder = talloc_strdup(registry, folder);
	path = talloc_asprintf(registry, "%s/registry.tdb", folder);
	if (registry->folder == NULL || path == NULL) {
		ret = ocs_error_set(error, "out of memory");
	} else if (stat(folder, &st) != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(errno));
		ret = errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	} else {
		ret = ocs_store_open(path, HASH_SIZE,
		                     create ? OCS_STORE_CREATE | OCS_STORE_CHECK |
		                                      OCS_STORE_SALVAGE | OCS_STORE_MOVE_CORRUPT
		                            : 0,
		                     0660, st.st_gid, &registry->store, moved_r, error);
	}
	if (ret == OCS_STORE_OK)
		ret = make_wake_folder(registry, &st, create, error);
	if (ret == OCS_STORE_OK)
		ret = check_boot_id(registry, error);
	if (ret != OCS_STORE_OK) {
		talloc_free(registry);
		return ret;
	}
	talloc_free(path);
	*registry_r = registry;
	return OCS_STORE_OK;
}

void ocs_registry_close(struct ocs_registry *registry)
{
	talloc_free(registry);
}

const char *ocs_registry_folder(const struct ocs_registry *registry)
{
	return registry->folder;
}

struct ocs_store *ocs_registry_store(struct ocs_registry *registry)
{
	return registry->store;
}

uint32_t ocs_registry_seqnum(const struct ocs_registry *registry)
{
	return ocs_store_seqnum(registry->store);
}

uint64_t ocs_registry_damaged(const struct ocs_registry *registry)
{
	return __atomic_load_n(&registry->damaged, __ATOMIC_RELAXED);
}

int ocs_registry_begin(struct ocs_registry *registry, struct ocs_error *error)
{
	return ocs_store_begin(registry->store, error);
}

int ocs_registry_commit(struct ocs_registry *registry, bool sync, struct ocs_error *error)
{
	return ocs_store_commit(registry->store, sync, error);
}

void ocs_registry_cancel(struct ocs_registry *registry)
{
	ocs_store_cancel(registry->store);
}

/* ---- records ---- */

int ocs_registry_reject(struct ocs_registry *registry, const void *key, size_t key_len,
                        struct ocs_error *error)
{
	__atomic_add_fetch(&registry->damaged, 1, __ATOMIC_RELAXED);
	if (ocs_store_in_transaction(registry->store) &&
	    ocs_store_quarantine(registry->store, key, key_len, error) != 0)
		return OCS_STORE_ERROR;
	return OCS_STORE_MISSING;
}

int ocs_registry_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                       size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = ocs_store_fetch(registry->store, mem_ctx, key, key_len, data_r, len_r, error);

	return ret == OCS_STORE_DAMAGED ? ocs_registry_reject(registry, key, key_len, error) : ret;
}

void ocs_registry_id_key(uint8_t key[OCS_ID_KEY_SIZE], char prefix, uint64_t id)
{
	key[0] = (uint8_t)prefix;
	ocs_put64(key + 1, id);
}

/* ---- settings ---- */

#define SETTINGS_HEADER 22

int ocs_registry_settings_get(struct ocs_registry *registry, struct ocs_registry_settings *out,
                              struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret;

	*out = (struct ocs_registry_settings){
	        .max_messages = 10,
	        .message_size = 256,
	        .spill_max = 10000,
	        .spill_total = 1000000,
	        .push_interval = 60,
	        .replica_id = 1,
	};
	ret = ocs_registry_fetch(registry, registry, key_settings, sizeof(key_settings), &data,
	                         &len, error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	if (len >= SETTINGS_HEADER && len - SETTINGS_HEADER < sizeof(out->usermap)) {
		out->max_messages = ocs_get32(data);
		out->message_size = ocs_get32(data + 4);
		out->spill_max = ocs_get32(data + 8);
		out->spill_total = ocs_get32(data + 12);
		out->push_interval = ocs_get32(data + 16);
		out->replica_id = ocs_get16(data + 20);
		memcpy(out->usermap, data + SETTINGS_HEADER, len - SETTINGS_HEADER);
	}
	talloc_free(data);
	return OCS_STORE_OK;
}

int ocs_registry_settings_put(struct ocs_registry *registry,
                              const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	uint8_t data[SETTINGS_HEADER + sizeof(settings->usermap)];
	size_t path_len = strlen(settings->usermap);

	ocs_put32(data, settings->max_messages);
	ocs_put32(data + 4, settings->message_size);
	ocs_put32(data + 8, settings->spill_max);
	ocs_put32(data + 12, settings->spill_total);
	ocs_put32(data + 16, settings->push_interval);
	ocs_put16(data + 20, settings->replica_id);
	memcpy(data + SETTINGS_HEADER, settings->usermap, path_len);
	return ocs_store_put(registry->store, key_settings, sizeof(key_settings), data,
	                     SETTINGS_HEADER + path_len, error);
}

/* ---- lists of 64-bit ids: the contexts, and the sessions of one ---- */

static int ids_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                     size_t key_len, size_t skip, uint8_t **data_r, size_t *len_r,
                     struct ocs_error *error)
{
	int ret = ocs_registry_fetch(registry, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret == OCS_STORE_OK && (*len_r < skip || (*len_r - skip) % 8 != 0)) {
		talloc_free(*data_r);
		ret = ocs_registry_reject(registry, key, key_len, error);
	}
	return ret;
}

/* Adds or removes an id after the first `skip` bytes of a record that may be missing if skip is 0.
 */
static int ids_change(struct ocs_registry *registry, const void *key, size_t key_len, size_t skip,
                      uint64_t id, bool add, struct ocs_error *error)
{
	uint8_t *data;
	size_t len, i;
	int ret = ids_fetch(registry, registry, key, key_len, skip, &data, &len, error);

	if (ret == OCS_STORE_MISSING && skip == 0) {
		data = talloc_size(registry, 8);
		len = 0;
	} else if (ret != OCS_STORE_OK) {
		return ret == OCS_STORE_MISSING && !add ? OCS_STORE_OK : ret;
	} else {
		data = talloc_realloc_size(registry, data, len + 8);
	}
	if (data == NULL)
		return ocs_error_set(error, "out of memory");
	for (i = skip; i < len && ocs_get64(data + i) != id; i += 8)
		;
	if (add && i == len) {
		ocs_put64(data + len, id);
		len += 8;
	} else if (!add && i < len) {
		memmove(data + i, data + i + 8, len - i - 8);
		len -= 8;
	}
	ret = len == 0 ? ocs_store_delete(registry->store, key, key_len, error)
	               : ocs_store_put(registry->store, key, key_len, data, len, error);
	talloc_free(data);
	return ret;
}

/* Appends to a talloc array of names that starts as NULL, 0. */
static int add_name(const void *mem_ctx, const char *name, char ***names_r, size_t *n_r,
                    struct ocs_error *error)
{
	char **names = talloc_realloc(mem_ctx, *names_r, char *, *n_r + 1);

	if (names == NULL)
		return ocs_error_set(error, "out of memory");
	*names_r = names;
	names[*n_r] = talloc_strdup(names, name);
	if (names[*n_r] == NULL)
		return ocs_error_set(error, "out of memory");
	(*n_r)++;
	return OCS_STORE_OK;
}

static int session_get(struct ocs_registry *registry, uint64_t id, struct ocs_registry_session *out,
                       struct ocs_error *error);

/* ---- contexts: C<id> is pid, uid, started, then the ids of its sessions ---- */

#define CONTEXT_HEADER 16

int ocs_registry_context_add(struct ocs_registry *registry,
                             const struct ocs_registry_context *context, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], data[CONTEXT_HEADER];
	int ret;

	ocs_registry_id_key(key, 'C', context->id);
	ocs_put32(data, (uint32_t)context->pid);
	ocs_put32(data + 4, context->uid);
	ocs_put64(data + 8, context->started);
	ret = ocs_store_put(registry->store, key, sizeof(key), data, sizeof(data), error);
	if (ret == OCS_STORE_OK)
		ret = ids_change(registry, key_contexts, sizeof(key_contexts), 0, context->id, true,
		                 error);
	return ret;
}

struct session_list {
	struct ocs_registry_session *list;
	size_t n;
};

static int session_each(const void *key, size_t key_len, const uint8_t *data, size_t len,
                        void *arg);

/* The long way, for when the records that lead to a context's queues are damaged or gone: looks at
 * every session and every user. */
static int sweep_context(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                         char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	struct session_list sessions = {NULL, 0};
	struct ocs_registry_user **users;
	uint8_t key[OCS_ID_KEY_SIZE];
	size_t n_users;
	int ret = ocs_registry_user_list(registry, registry, &users, &n_users, error);

	for (size_t u = 0; u < n_users && ret == OCS_STORE_OK; u++) {
		size_t kept = 0, had = users[u]->n_queues;

		for (size_t q = 0; q < had && ret == OCS_STORE_OK; q++) {
			struct ocs_registry_queue *queue = &users[u]->queues[q];

			if (queue->context != id) {
				users[u]->queues[kept++] = *queue;
				continue;
			}
			ret = ocs_registry_spill_forget(registry, queue->id, error);
			if (ret == OCS_STORE_OK && queues_r != NULL && !queue->spill_only)
				ret = add_name(mem_ctx, queue->name, queues_r, n_queues_r, error);
		}
		users[u]->n_queues = kept;
		if (ret == OCS_STORE_OK && kept != had)
			ret = ocs_registry_user_put(registry, users[u], error);
	}
	talloc_free(users);
	if (ret == OCS_STORE_OK &&
	    ocs_store_each(registry->store, 'S', session_each, &sessions, error) != 0)
		ret = OCS_STORE_ERROR;
	for (size_t i = 0; i < sessions.n && ret == OCS_STORE_OK; i++) {
		if (sessions.list[i].context != id)
			continue;
		ocs_registry_id_key(key, 'S', sessions.list[i].id);
		ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	}
	talloc_free(sessions.list);
	return ret;
}

int ocs_registry_context_remove(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                                char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	bool damaged = false;
	size_t len, i;
	int ret;

	if (queues_r != NULL) {
		*queues_r = NULL;
		*n_queues_r = 0;
	}
	ocs_registry_id_key(key, 'C', id);
	ret = ids_fetch(registry, registry, key, sizeof(key), CONTEXT_HEADER, &data, &len, error);
	if (ret == OCS_STORE_OK) {
		for (i = CONTEXT_HEADER; i < len && ret == OCS_STORE_OK; i += 8) {
			uint64_t session = ocs_get64(data + i);
			struct ocs_registry_session unused;

			if (session_get(registry, session, &unused, error) != OCS_STORE_OK)
				damaged = true;
			if (queues_r != NULL)
				ret = ocs_registry_session_queues(registry, session, mem_ctx,
				                                  queues_r, n_queues_r, error);
			if (ret == OCS_STORE_OK)
				ret = ocs_registry_session_remove(registry, session, error);
		}
		talloc_free(data);
		if (ret == OCS_STORE_OK)
			ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	} else if (ret == OCS_STORE_MISSING) {
		ret = OCS_STORE_OK;
		damaged = true;
	}
	if (ret == OCS_STORE_OK && damaged)
		ret = sweep_context(registry, id, mem_ctx, queues_r, n_queues_r, error);
	if (ret == OCS_STORE_OK)
		ret = ids_change(registry, key_contexts, sizeof(key_contexts), 0, id, false, error);
	return ret;
}

int ocs_registry_context_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_context **list_r, size_t *n_r,
                              struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *ids, *data;
	size_t ids_len, len, i;
	int ret;

	*list_r = NULL;
	*n_r = 0;
	ret = ids_fetch(registry, registry, key_contexts, sizeof(key_contexts), 0, &ids, &ids_len,
	                error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	*list_r = talloc_zero_array(mem_ctx, struct ocs_registry_context, ids_len / 8 + 1);
	if (*list_r == NULL) {
		talloc_free(ids);
		return ocs_error_set(error, "out of memory");
	}
	for (i = 0; i < ids_len; i += 8) {
		struct ocs_registry_context *context = &(*list_r)[*n_r];

		/* One whose record is gone or damaged is listed all the same: the janitor ends it.
		 */
		context->id = ocs_get64(ids + i);
		(*n_r)++;
		ocs_registry_id_key(key, 'C', context->id);
		ret = ids_fetch(registry, registry, key, sizeof(key), CONTEXT_HEADER, &data, &len,
		                error);
		if (ret == OCS_STORE_MISSING)
			continue;
		if (ret != OCS_STORE_OK)
			break;
		context->pid = (pid_t)ocs_get32(data);
		context->uid = ocs_get32(data + 4);
		context->started = ocs_get64(data + 8);
		context->sessions = (uint32_t)((len - CONTEXT_HEADER) / 8);
		talloc_free(data);
	}
	talloc_free(ids);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING) {
		TALLOC_FREE(*list_r);
		*n_r = 0;
		return ret;
	}
	return OCS_STORE_OK;
}

/* ---- sessions: S<id> is context, opened, push target, user ---- */

/* context 8, opened 8, family 1 (0, 4, 6), port 2, address 16, scope 4, context length 1, context
 * 16 */
#define SESSION_HEADER 56

static void push_encode(uint8_t *p, const struct ocs_push_target *push)
{
	memset(p, 0, SESSION_HEADER - 16);
	if (push->context_len == 0 || push->context_len > OCS_PUSH_CONTEXT_MAX)
		return;
	if (push->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&push->address;

		p[0] = 4;
		ocs_put16(p + 1, ntohs(in->sin_port));
		memcpy(p + 3, &in->sin_addr, 4);
	} else if (push->address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&push->address;

		p[0] = 6;
		ocs_put16(p + 1, ntohs(in6->sin6_port));
		memcpy(p + 3, &in6->sin6_addr, 16);
		ocs_put32(p + 19, in6->sin6_scope_id);
	} else {
		return;
	}
	p[23] = (uint8_t)push->context_len;
	memcpy(p + 24, push->context, push->context_len);
}

static int push_decode(const uint8_t *p, struct ocs_push_target *push)
{
	memset(push, 0, sizeof(*push));
	if (p[0] == 0)
		return 0;
	if (p[23] == 0 || p[23] > OCS_PUSH_CONTEXT_MAX)
		return -1;
	if (p[0] == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)&push->address;

		in->sin_family = AF_INET;
		in->sin_port = htons(ocs_get16(p + 1));
		memcpy(&in->sin_addr, p + 3, 4);
		push->address_len = sizeof(*in);
	} else if (p[0] == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&push->address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(ocs_get16(p + 1));
		memcpy(&in6->sin6_addr, p + 3, 16);
		in6->sin6_scope_id = ocs_get32(p + 19);
		push->address_len = sizeof(*in6);
	} else {
		return -1;
	}
	push->context_len = p[23];
	memcpy(push->context, p + 24, push->context_len);
	return 0;
}

static int session_decode(uint64_t id, const uint8_t *data, size_t len,
                          struct ocs_registry_session *out)
{
	memset(out, 0, sizeof(*out));
	if (len <= SESSION_HEADER || len - SESSION_HEADER > OCS_USER_MAX ||
	    memchr(data + SESSION_HEADER, '\0', len - SESSION_HEADER) != NULL ||
	    push_decode(data + 16, &out->push) != 0)
		return -1;
	out->id = id;
	out->context = ocs_get64(data);
	out->opened = ocs_get64(data + 8);
	memcpy(out->user, data + SESSION_HEADER, len - SESSION_HEADER);
	return 0;
}

static int session_get(struct ocs_registry *registry, uint64_t id, struct ocs_registry_session *out,
                       struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	size_t len;
	int ret;

	ocs_registry_id_key(key, 'S', id);
	ret = ocs_registry_fetch(registry, registry, key, sizeof(key), &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (session_decode(id, data, len, out) != 0)
		ret = ocs_registry_reject(registry, key, sizeof(key), error);
	talloc_free(data);
	return ret;
}

int ocs_registry_session_put(struct ocs_registry *registry,
                             const struct ocs_registry_session *session, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], data[SESSION_HEADER + OCS_USER_MAX];
	size_t user_len = strlen(session->user);
	int ret;

	if (user_len == 0)
		return ocs_error_set(error, "a session without a user");
	ocs_registry_id_key(key, 'S', session->id);
	ocs_put64(data, session->context);
	ocs_put64(data + 8, session->opened);
	push_encode(data + 16, &session->push);
	memcpy(data + SESSION_HEADER, session->user, user_len);
	ret = ocs_store_put(registry->store, key, sizeof(key), data, SESSION_HEADER + user_len,
	                    error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'C', session->context);
	return ids_change(registry, key, sizeof(key), CONTEXT_HEADER, session->id, true, error);
}

int ocs_registry_session_queues(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                                char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	struct ocs_registry_session session;
	struct ocs_registry_user *user;
	int ret = session_get(registry, id, &session, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_registry_user_get(registry, mem_ctx, session.user, &user, error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t i = 0; i < user->n_queues && ret == OCS_STORE_OK; i++)
		if (user->queues[i].session == id && !user->queues[i].spill_only)
			ret = add_name(mem_ctx, user->queues[i].name, queues_r, n_queues_r, error);
	talloc_free(user);
	return ret;
}

int ocs_registry_session_remove(struct ocs_registry *registry, uint64_t id, struct ocs_error *error)
{
	struct ocs_registry_session session;
	struct ocs_registry_user *user;
	uint8_t key[OCS_ID_KEY_SIZE];
	size_t kept = 0;
	int ret = session_get(registry, id, &session, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_registry_user_get(registry, registry, session.user, &user, error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t i = 0; i < user->n_queues && ret == OCS_STORE_OK; i++) {
		if (user->queues[i].session == id)
			ret = ocs_registry_spill_forget(registry, user->queues[i].id, error);
		else
			user->queues[kept++] = user->queues[i];
	}
	if (ret == OCS_STORE_OK && kept != user->n_queues) {
		user->n_queues = kept;
		ret = ocs_registry_user_put(registry, user, error);
	}
	talloc_free(user);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'C', session.context);
	ret = ids_change(registry, key, sizeof(key), CONTEXT_HEADER, id, false, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'S', id);
	return ocs_store_delete(registry->store, key, sizeof(key), error);
}

static int session_each(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct session_list *sessions = arg;
	struct ocs_registry_session *grown;

	if (data == NULL || key_len != OCS_ID_KEY_SIZE)
		return 0;
	grown = talloc_realloc(NULL, sessions->list, struct ocs_registry_session, sessions->n + 1);
	if (grown == NULL)
		return OCS_STORE_ERROR;
	sessions->list = grown;
	if (session_decode(ocs_get64((const uint8_t *)key + 1), data, len, &grown[sessions->n]) ==
	    0)
		sessions->n++;
	return 0;
}

int ocs_registry_session_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_session **list_r, size_t *n_r,
                              struct ocs_error *error)
{
	struct session_list sessions = {NULL, 0};
	int ret = ocs_store_each(registry->store, 'S', session_each, &sessions, error);

	*list_r = NULL;
	*n_r = 0;
	if (ret != 0) {
		talloc_free(sessions.list);
		return OCS_STORE_ERROR;
	}
	*list_r = talloc_steal(mem_ctx, sessions.list);
	*n_r = sessions.n;
	return OCS_STORE_OK;
}

/* ---- wake-up sockets ---- */

int ocs_registry_wake_address(const struct ocs_registry *registry, uint64_t context,
                              struct sockaddr_un *address)
{
	int n;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/wake/%016llx.sock",
	             registry->folder, (unsigned long long)context);
	/* A deep folder: the same place by the descriptor, as socket addresses hold 107 bytes. */
	if (n < 0 || (size_t)n >= sizeof(address->sun_path))
		n = snprintf(address->sun_path, sizeof(address->sun_path),
		             "/proc/self/fd/%d/%016llx.sock", registry->wake_fd,
		             (unsigned long long)context);
	return n < 0 || (size_t)n >= sizeof(address->sun_path) ? -1 : 0;
}

int ocs_registry_journal_path(const struct ocs_registry *registry, uint64_t context, char *path,
                              size_t size)
{
	int n = snprintf(path, size, "%s/wake/%016llx.queues", registry->folder,
	                 (unsigned long long)context);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* ---- small things ---- */

uint64_t ocs_random_id(void)
{
	uint64_t id = 0;

	while (id == 0) {
		/* 8 bytes come whole or not at all once the pool is ready. */
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	}
	return id;
}

uint64_t ocs_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

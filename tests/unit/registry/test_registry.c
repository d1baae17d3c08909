/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The registry: contexts, sessions, users, settings; soft state that damage does not spread in. */
#include "tests/unit/spill_rig.h"

#include <netinet/in.h>

#include "registry/registry.h"

static struct ocs_registry *registry;
static void *ctx;

static void setup(void)
{
	rig_make_folder();
	ctx = talloc_new(NULL);
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
}

static void teardown(void)
{
	talloc_free(ctx);
	ocs_registry_close(registry);
	rig_remove_folder();
}

static void begin(void)
{
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
}

static void commit(void)
{
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
}

static void reopen(void)
{
	ocs_registry_close(registry);
	registry = NULL;
	ck_assert_ok(ocs_registry_open(rig_folder, false, &registry, NULL, &rig_error));
}

static void add_context(uint64_t id, pid_t pid)
{
	struct ocs_registry_context context = {.id = id, .pid = pid, .uid = 1000, .started = 5};

	ck_assert_ok(ocs_registry_context_add(registry, &context, &rig_error));
}

static void add_session(uint64_t id, uint64_t context, const char *user)
{
	struct ocs_registry_session session = {.id = id, .context = context, .opened = 6};

	strcpy(session.user, user);
	ck_assert_ok(ocs_registry_session_put(registry, &session, &rig_error));
}

static struct ocs_registry_queue queue(uint64_t id, uint64_t session, uint64_t context)
{
	struct ocs_registry_queue q = {.id = id,
	                               .session = session,
	                               .context = context,
	                               .folder = 0x33,
	                               .table = OCS_TABLE_OBJECT,
	                               .n_matchers = 2,
	                               .matchers = {{0x7c, 0}, {0x10, 0x44}}};

	snprintf(q.name, sizeof(q.name), "/ocs.u.0000000000000033.object.%08x", (unsigned)id);
	return q;
}

static void put_user(const char *name, struct ocs_registry_queue *queues, size_t n)
{
	struct ocs_registry_user user = {
	        .user = (char *)(uintptr_t)name, .n_queues = n, .queues = queues};

	ck_assert_ok(ocs_registry_user_put(registry, &user, &rig_error));
}

static struct ocs_registry_user *get_user(const char *name)
{
	struct ocs_registry_user *user;

	ck_assert_ok(ocs_registry_user_get(registry, ctx, name, &user, &rig_error));
	ck_assert_str_eq(user->user, name);
	return user;
}

static size_t count_sessions(void)
{
	struct ocs_registry_session *list;
	size_t n;

	ck_assert_ok(ocs_registry_session_list(registry, ctx, &list, &n, &rig_error));
	return n;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_users_queues_come_back_as_they_were_put)
{
	struct ocs_registry_queue queues[2] = {queue(1, 10, 100), queue(2, 11, 100)};
	struct ocs_registry_user *user;

	queues[1].spill_only = true;
	queues[1].table = OCS_TABLE_HIERARCHY;
	queues[1].folder = OCS_FOLDER_STORE;
	queues[1].n_matchers = OCS_MATCHERS_MAX;
	for (uint16_t i = 0; i < OCS_MATCHERS_MAX; i++)
		queues[1].matchers[i] = (struct ocs_matcher){i, i * 3u};
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 0);
	begin();
	put_user("jdoe", queues, 2);
	commit();
	reopen();
	user = get_user("jdoe");
	ck_assert_uint_eq(user->n_queues, 2);
	for (int i = 0; i < 2; i++) {
		const struct ocs_registry_queue *got = &user->queues[i];

		ck_assert_uint_eq(got->id, queues[i].id);
		ck_assert_uint_eq(got->session, queues[i].session);
		ck_assert_uint_eq(got->context, queues[i].context);
		ck_assert_uint_eq(got->folder, queues[i].folder);
		ck_assert_int_eq(got->table, queues[i].table);
		ck_assert_int_eq(got->spill_only, queues[i].spill_only);
		ck_assert_str_eq(got->name, queues[i].name);
		ck_assert_uint_eq(got->n_matchers, queues[i].n_matchers);
		for (int m = 0; m < got->n_matchers; m++) {
			ck_assert_uint_eq(got->matchers[m].types, queues[i].matchers[m].types);
			ck_assert_uint_eq(got->matchers[m].mid, queues[i].matchers[m].mid);
		}
	}
	begin();
	put_user("jdoe", NULL, 0);
	commit();
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 0);
}

TEST(the_limits_of_a_user_are_kept)
{
	struct ocs_registry_queue *queues =
	        talloc_zero_array(ctx, struct ocs_registry_queue, OCS_USER_QUEUES_MAX + 1);
	char name[OCS_USER_MAX + 2];
	struct ocs_registry_user user = {.user = name, .queues = queues}, *got;

	for (unsigned i = 0; i <= OCS_USER_QUEUES_MAX; i++)
		queues[i] = queue(i + 1, 10, 100);
	memset(name, 'u', sizeof(name));
	name[OCS_USER_MAX] = '\0';
	user.n_queues = OCS_USER_QUEUES_MAX;
	begin();
	ck_assert_ok(ocs_registry_user_put(registry, &user, &rig_error));
	user.n_queues++;
	ck_assert_int_ne(ocs_registry_user_put(registry, &user, &rig_error), 0);
	commit();
	ck_assert_uint_eq(get_user(name)->n_queues, OCS_USER_QUEUES_MAX);
	name[OCS_USER_MAX] = 'u';
	name[OCS_USER_MAX + 1] = '\0';
	ck_assert_int_ne(ocs_registry_user_get(registry, ctx, name, &got, &rig_error), 0);
	ck_assert_int_ne(ocs_registry_user_get(registry, ctx, "", &got, &rig_error), 0);
}

TEST(every_user_is_listed)
{
	struct ocs_registry_queue q = queue(1, 10, 100);
	struct ocs_registry_user **list;
	size_t n;

	ck_assert_ok(ocs_registry_user_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 0);
	begin();
	put_user("a", &q, 1);
	put_user("b\xff", &q, 1);
	commit();
	ck_assert_ok(ocs_registry_user_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 2);
	ck_assert(strcmp(list[0]->user, "a") == 0 || strcmp(list[1]->user, "a") == 0);
}

TEST(a_damaged_user_is_skipped_counted_set_aside_and_the_others_stand)
{
	struct ocs_registry_queue a = queue(0x1122334455667788, 10, 100), b = queue(2, 10, 100);
	struct ocs_registry_user **list;
	uint8_t bytes[8], *aside;
	size_t n;

	begin();
	put_user("hit", &a, 1);
	put_user("well", &b, 1);
	commit();
	ocs_registry_close(registry);
	ocs_put64(bytes, a.id);
	rig_flip(rig_path("registry.tdb"), bytes, 8);
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	ck_assert_uint_eq(ocs_registry_damaged(registry), 0);
	ck_assert_uint_eq(get_user("hit")->n_queues, 0);
	ck_assert_uint_eq(ocs_registry_damaged(registry), 1);
	ck_assert_uint_eq(get_user("well")->n_queues, 1);
	ck_assert_ok(ocs_registry_user_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 1);
	begin();
	ck_assert_uint_eq(get_user("hit")->n_queues, 0);
	commit();
	ck_assert_int_eq(ocs_store_fetch(ocs_registry_store(registry), ctx, "Uhit", 4, &aside, &n,
	                                 &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_int_eq(ocs_store_fetch(ocs_registry_store(registry), ctx, "QUhit", 5, &aside, &n,
	                                 &rig_error),
	                 OCS_STORE_DAMAGED);
}

TEST(a_record_that_verifies_but_does_not_decode_reads_as_missing)
{
	static const char *const bad[] = {"", "\x01", "\x01\x00 nonsense", "\xff\xff"};

	for (size_t i = 0; i < 4; i++) {
		begin();
		ck_assert_ok(ocs_store_put(ocs_registry_store(registry), "Ux", 2, bad[i],
		                           i == 1 ? 1 : strlen(bad[i]) + (i > 1), &rig_error));
		commit();
		ck_assert_uint_eq(get_user("x")->n_queues, 0);
		ck_assert_uint_eq(ocs_registry_damaged(registry), i + 1);
	}
}

TEST(contexts_and_their_sessions_are_listed)
{
	struct ocs_registry_context *list;
	size_t n;

	begin();
	add_context(100, 1234);
	add_context(200, 5678);
	add_session(10, 100, "jdoe");
	add_session(11, 100, "mary");
	add_session(10, 100, "jdoe"); /* replaced, not added */
	commit();
	reopen();
	ck_assert_ok(ocs_registry_context_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(list[0].id, 100);
	ck_assert_int_eq(list[0].pid, 1234);
	ck_assert_uint_eq(list[0].uid, 1000);
	ck_assert_uint_eq(list[0].started, 5);
	ck_assert_uint_eq(list[0].sessions, 2);
	ck_assert_uint_eq(list[1].sessions, 0);
	ck_assert_uint_eq(count_sessions(), 2);
}

TEST(a_sessions_push_target_comes_back)
{
	struct ocs_registry_session session = {.id = 10, .context = 100}, *list;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&session.push.address;
	size_t n;

	strcpy(session.user, "jdoe");
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(4711);
	in6->sin6_addr = in6addr_loopback;
	in6->sin6_scope_id = 3;
	session.push.address_len = sizeof(*in6);
	session.push.context_len = OCS_PUSH_CONTEXT_MAX;
	memset(session.push.context, 0xab, OCS_PUSH_CONTEXT_MAX);
	begin();
	add_context(100, 1);
	ck_assert_ok(ocs_registry_session_put(registry, &session, &rig_error));
	commit();
	ck_assert_ok(ocs_registry_session_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 1);
	ck_assert_mem_eq(&list[0].push.address, in6, sizeof(*in6));
	ck_assert_uint_eq(list[0].push.context_len, OCS_PUSH_CONTEXT_MAX);
	ck_assert_mem_eq(list[0].push.context, session.push.context, OCS_PUSH_CONTEXT_MAX);
}

static uint64_t spill(uint64_t id)
{
	struct ocs_spill_state state;

	ck_assert_ok(ocs_registry_spill_state(registry, 100, id, &state, &rig_error));
	return state.count;
}

TEST(removing_a_session_takes_its_queues_and_spills_and_no_others)
{
	struct ocs_registry_queue queues[2] = {queue(1, 10, 100), queue(2, 11, 100)};
	struct ocs_registry_user *user;

	begin();
	add_context(100, 1);
	add_session(10, 100, "jdoe");
	add_session(11, 100, "jdoe");
	put_user("jdoe", queues, 2);
	for (uint64_t id = 1; id <= 2; id++)
		spill_append(100, id, OCS_TABLE_OBJECT, (const uint8_t *)"x", 1, 10);
	ck_assert_ok(ocs_registry_session_remove(registry, 10, &rig_error));
	ck_assert_ok(ocs_registry_session_remove(registry, 10, &rig_error));
	commit();
	user = get_user("jdoe");
	ck_assert_uint_eq(user->n_queues, 1);
	ck_assert_uint_eq(user->queues[0].id, 2);
	ck_assert_uint_eq(spill(1), 0);
	ck_assert_uint_eq(spill(2), 1);
	ck_assert_uint_eq(count_sessions(), 1);
}

TEST(removing_a_context_takes_all_and_names_its_kernel_queues)
{
	struct ocs_registry_queue queues[3] = {queue(1, 10, 100), queue(2, 10, 100),
	                                       queue(3, 20, 200)};
	struct ocs_registry_context *list;
	char **names;
	size_t n;

	queues[1].spill_only = true;
	begin();
	add_context(100, 1);
	add_context(200, 2);
	add_session(10, 100, "jdoe");
	add_session(20, 200, "jdoe");
	put_user("jdoe", queues, 3);
	ck_assert_ok(ocs_registry_context_remove(registry, 100, ctx, &names, &n, &rig_error));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(names[0], queues[0].name);
	commit();
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 1);
	ck_assert_uint_eq(count_sessions(), 1);
	ck_assert_ok(ocs_registry_context_list(registry, ctx, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(list[0].id, 200);
	begin();
	ck_assert_ok(ocs_registry_context_remove(registry, 100, NULL, NULL, NULL, &rig_error));
	commit();
}

TEST(another_boot_id_empties_the_registry)
{
	struct ocs_registry_queue q = queue(1, 10, 100);

	begin();
	put_user("jdoe", &q, 1);
	add_context(100, 1);
	commit();
	reopen();
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 1);
	begin();
	ck_assert_ok(ocs_store_put(ocs_registry_store(registry), "M", 1,
	                           "00000000-0000-0000-0000-000000000000", 36, &rig_error));
	commit();
	reopen();
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 0);
	ck_assert_uint_eq(count_sessions(), 0);
	begin();
	put_user("jdoe", &q, 1);
	commit();
	reopen();
	ck_assert_uint_eq(get_user("jdoe")->n_queues, 1);
}

static const char *template_of(const char *backend)
{
	static char *template;
	int ret;

	talloc_free(template);
	ret = ocs_registry_template_get(registry, NULL, backend, &template, &rig_error);
	ck_assert_int_eq(ret, template != NULL ? OCS_STORE_OK : OCS_STORE_MISSING);
	return template != NULL ? template : "none";
}

TEST(the_templates_of_the_backends_are_found_by_name)
{
	char *const names[] = {"sogo", "dovecot", "bare", NULL};
	char *const templates[] = {"sogo://{user}/{folder:sogo}", "imap://x", "", NULL};

	ck_assert_str_eq(template_of("sogo"), "none");
	begin();
	ck_assert_ok(ocs_registry_templates_put(registry, names, templates, &rig_error));
	commit();
	reopen();
	ck_assert_str_eq(template_of("sogo"), templates[0]);
	ck_assert_str_eq(template_of("dovecot"), templates[1]);
	ck_assert_str_eq(template_of("bare"), "none");
	ck_assert_str_eq(template_of("imap://x"), "none");
	begin();
	ck_assert_ok(ocs_registry_templates_put(registry, names + 2, NULL, &rig_error));
	commit();
	ck_assert_str_eq(template_of("sogo"), "none");
}

TEST(settings_have_the_defaults_of_the_ini_and_keep_what_is_put)
{
	struct ocs_registry_settings s;

	ck_assert_ok(ocs_registry_settings_get(registry, &s, &rig_error));
	ck_assert_uint_eq(s.max_messages, 10);
	ck_assert_uint_eq(s.message_size, 256);
	ck_assert_uint_eq(s.spill_max, 10000);
	ck_assert_uint_eq(s.spill_total, 1000000);
	ck_assert_uint_eq(s.push_interval, 60);
	ck_assert_uint_eq(s.replica_id, 1);
	ck_assert_str_eq(s.usermap, "");
	ck_assert(!s.linked);
	ck_assert(!s.names.fold);
	ck_assert_str_eq(s.names.domains, "");
	ck_assert(!s.host_identifiers);
	s = (struct ocs_registry_settings){1,  300,  3,          4,    5,         6,
	                                   "", true, 1ULL << 40, true, {true, ""}};
	memset(s.usermap, 'p', sizeof(s.usermap) - 1);
	memset(s.names.domains, 'd', sizeof(s.names.domains) - 1);
	begin();
	ck_assert_ok(ocs_registry_settings_put(registry, &s, &rig_error));
	commit();
	reopen();
	memset(&s, 0, sizeof(s));
	ck_assert_ok(ocs_registry_settings_get(registry, &s, &rig_error));
	ck_assert_uint_eq(s.max_messages + 10 * s.message_size + 100 * s.spill_max +
	                          1000 * s.spill_total + 10000 * s.push_interval +
	                          100000u * s.replica_id,
	                  1 + 3000 + 300 + 4000 + 50000 + 600000);
	ck_assert_uint_eq(s.index_limit, 1ULL << 40);
	ck_assert_uint_eq(strlen(s.usermap), sizeof(s.usermap) - 1);
	ck_assert(s.linked);
	ck_assert(s.names.fold);
	ck_assert_uint_eq(strlen(s.names.domains), sizeof(s.names.domains) - 1);
	ck_assert(s.host_identifiers);
	s.linked = false;
	begin();
	ck_assert_ok(ocs_registry_settings_put(registry, &s, &rig_error));
	commit();
	ck_assert_ok(ocs_registry_settings_get(registry, &s, &rig_error));
	ck_assert(!s.linked && s.host_identifiers);
}

/* What no ini can say is not the daemon's: a member of the group has written it. */
TEST(settings_out_of_range_are_the_defaults)
{
	struct ocs_registry_settings s = {.message_size = 1, .push_interval = 0, .replica_id = 1};

	s.max_messages = s.spill_max = s.spill_total = UINT32_MAX;
	begin();
	ck_assert_ok(ocs_registry_settings_put(registry, &s, &rig_error));
	commit();
	ck_assert_ok(ocs_registry_settings_get(registry, &s, &rig_error));
	ck_assert_uint_eq(s.max_messages, 10);
	ck_assert_uint_eq(s.message_size, 256);
	ck_assert_uint_eq(s.spill_max, 10000);
	ck_assert_uint_eq(s.spill_total, 1000000);
	ck_assert_uint_eq(s.push_interval, 60);
}

TEST(a_template_that_is_no_text_is_none)
{
	char *backends[] = {(char *)"bad", (char *)"good", NULL};
	char *templates[] = {(char *)"x://\xff/{user}", (char *)"x://{user}", NULL};
	char *found, **names, **texts;
	size_t n;

	begin();
	ck_assert_ok(ocs_registry_templates_put(registry, backends, templates, &rig_error));
	commit();
	ck_assert_int_eq(ocs_registry_template_get(registry, NULL, "bad", &found, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_ok(ocs_registry_template_get(registry, registry, "good", &found, &rig_error));
	ck_assert_str_eq(found, "x://{user}");
	ck_assert_ok(
	        ocs_registry_templates_get(registry, registry, &names, &texts, &n, &rig_error));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(names[0], "good");
}

/* A list of any length, as a member of the group may write it. */
TEST(no_more_contexts_are_listed_than_there_can_be)
{
	static const char key[] = {'L'};
	struct ocs_registry_context *list;
	uint64_t *ids = malloc(100000 * sizeof(*ids));
	size_t n;

	for (size_t i = 0; i < 100000; i++)
		ids[i] = i + 1;
	begin();
	ck_assert_ok(ocs_store_put(ocs_registry_store(registry), key, sizeof(key), ids,
	                           100000 * sizeof(*ids), &rig_error));
	commit();
	ck_assert_ok(ocs_registry_context_list(registry, NULL, &list, &n, &rig_error));
	ck_assert_uint_eq(n, 65536);
	talloc_free(list);
	free(ids);
}

TEST(without_create_there_is_no_registry_and_a_corrupt_one_is_moved_by_the_daemon_only)
{
	struct ocs_registry *other;
	bool moved = false;
	FILE *file;

	ocs_registry_close(registry);
	registry = NULL;
	unlink(rig_path("registry.tdb"));
	ck_assert_int_eq(ocs_registry_open(rig_folder, false, &other, NULL, &rig_error),
	                 OCS_STORE_MISSING);
	file = fopen(rig_path("registry.tdb"), "w");
	fputs("garbage", file);
	fclose(file);
	ck_assert_int_eq(ocs_registry_open(rig_folder, false, &other, NULL, &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, &moved, &rig_error));
	ck_assert(moved);
}

TEST(the_wake_address_fits_however_deep_the_folder_is)
{
	char deep[256];
	struct ocs_registry *other;
	struct sockaddr_un address;

	snprintf(deep, sizeof(deep), "%s/%0150d", rig_folder, 0);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	ck_assert_ok(ocs_registry_open(deep, true, &other, NULL, &rig_error));
	ck_assert_int_eq(ocs_registry_wake_address(other, 5, &address), 0);
	ck_assert_ptr_nonnull(strstr(address.sun_path, "/0000000000000005.sock"));
	ocs_registry_close(other);
	ck_assert_int_eq(ocs_registry_wake_address(registry, 5, &address), 0);
	ck_assert_str_eq(address.sun_path, rig_path("wake/0000000000000005.sock"));
}

TEST(a_file_that_somebody_made_longer_is_damaged_and_one_that_is_large_is_not)
{
	const size_t size = 80 << 20;
	uint8_t *bytes = malloc(size);
	int fd = open(rig_path("registry.tdb"), O_WRONLY);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(ocs_registry_intact(registry, &rig_error), OCS_STORE_CORRUPT);
	memset(bytes, 0x42, size);
	ck_assert_int_eq(pwrite(fd, bytes, size / 2, (off_t)(size / 2)), (ssize_t)(size / 2));
	ck_assert_ok(ocs_registry_intact(registry, &rig_error));
	free(bytes);
	close(fd);
}

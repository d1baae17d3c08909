/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who is to be bound and unbound: the table step by step with the test in the binder's place, what
 * a visit makes of the registry, and the whole without a broker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/bindings_internal.h"
#include "registry/registry.h"
#include "tests/unit/rig.h"

static struct ocs_link_status status;
static struct ocs_link_settings settings;
static struct ocs_bindings bindings;
static struct ocs_registry *registry;
static char logged[1024];

static void log_text(int priority, const char *text)
{
	(void)priority;
	snprintf(logged, sizeof(logged), "%s", text);
}

static void setup(void)
{
	rig_make_folder();
	ck_assert_int_eq(ocs_registry_open(rig_folder, true, &registry, NULL, NULL), 0);
	ocs_link_status_init(&status);
	settings = (struct ocs_link_settings){
	        .uri = "amqp://u:p@127.0.0.1:1/", /* nobody listens there */
	        .node = "a",
	        .exchange = "ocsmanager.users",
	        .ingest_queue = "ocsmanager.ingest",
	        .dead_queue = "ocsmanager.dead",
	        .node_queue = "ocsmanager.node.a",
	        .heartbeat = 5,
	        .unbind_after = 1,
	};
	memset(&bindings, 0, sizeof(bindings));
	bindings.settings = &settings;
	bindings.status = &status;
	bindings.log = log_text;
	ck_assert_int_eq(ocs_broker_loop_init(&bindings.loop, &settings, &status, log_text,
	                                      &ocs_bindings_calls, &bindings, NULL),
	                 0);
	pthread_mutex_init(&bindings.lock, NULL);
}

static void teardown(void)
{
	ocs_bindings_table_free(&bindings);
	ocs_broker_loop_destroy(&bindings.loop);
	ocs_registry_close(registry);
	ocs_link_status_destroy(&status);
	rig_remove_folder();
}

/* The user has a session, or has none. */
static void set_session(const char *user, bool present)
{
	struct ocs_registry_queue queue = {.id = 1,
	                                   .session = 2,
	                                   .context = 3,
	                                   .name = "/ocs.q",
	                                   .n_matchers = 1,
	                                   .matchers = {{2, 0}}};
	struct ocs_registry_user record = {
	        .user = (char *)(uintptr_t)user, .n_queues = present, .queues = &queue};

	ck_assert_int_eq(ocs_registry_begin(registry, NULL), 0);
	ck_assert_int_eq(ocs_registry_user_put(registry, &record, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(registry, false, NULL), 0);
}

static struct ocs_binding *add(const char *user, enum ocs_binding_state state)
{
	struct ocs_binding *binding = ocs_bindings_add(&bindings, user, user, state);

	ck_assert_ptr_nonnull(binding);
	return binding;
}

/* What the binder takes next must be that. */
static struct ocs_binding *take(const char *key, bool bind)
{
	struct ocs_binding *binding;
	bool is_bind;

	binding = ocs_bindings_take(&bindings, &is_bind);
	ck_assert_ptr_nonnull(binding);
	ck_assert_str_eq(binding->key, key);
	ck_assert(is_bind == bind);
	return binding;
}

static void take_nothing(void)
{
	bool bind;

	ck_assert_ptr_null(ocs_bindings_take(&bindings, &bind));
}

/* Without a session for as long as it takes. */
static void be_absent_for_long(struct ocs_binding *binding)
{
	binding->absent_since = ocs_clock_ms() - 1500;
}

/* ---- the table ---- */

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(who_is_waited_for_goes_first)
{
	struct ocs_binding *late;

	ocs_bindings_want(&bindings, add("bulk1", OCS_BINDING_WANTED), false);
	ocs_bindings_want(&bindings, add("bulk2", OCS_BINDING_WANTED), false);
	late = add("late", OCS_BINDING_WANTED);
	ocs_bindings_want(&bindings, late, true);
	ck_assert(ocs_bindings_done(&bindings, take("late", true)));
	ck_assert_int_eq(late->state, OCS_BINDING_BOUND);
	ck_assert(!ocs_bindings_done(&bindings, take("bulk1", true)));
	/* One of many becomes urgent. */
	ocs_bindings_want(&bindings, add("bulk3", OCS_BINDING_WANTED), false);
	ocs_bindings_want(&bindings, ocs_bindings_find(&bindings, "bulk3"), true);
	ck_assert(ocs_bindings_done(&bindings, take("bulk3", true)));
	ck_assert(!ocs_bindings_done(&bindings, take("bulk2", true)));
	take_nothing();
	ocs_bindings_gauge(&bindings);
	ck_assert_uint_eq(OCS_LINK_GET(&status, bound_users), 4);
	ck_assert_uint_eq(OCS_LINK_GET(&status, bind_waiting), 0);
	ck_assert_uint_eq(OCS_LINK_GET(&status, binds), 4);
}

TEST(asked_for_while_the_unbind_is_on_its_way_it_is_bound_again)
{
	struct ocs_binding *binding = add("jdoe", OCS_BINDING_BOUND);

	ocs_bindings_unwant(&bindings, binding);
	take("jdoe", false);
	ocs_bindings_want(&bindings, binding, true);
	ck_assert_int_ne(binding->state, OCS_BINDING_BOUND);
	take_nothing();
	ck_assert(!ocs_bindings_done(&bindings, binding));
	ck_assert(ocs_bindings_done(&bindings, take("jdoe", true)));
	ck_assert_int_eq(binding->state, OCS_BINDING_BOUND);
	take_nothing();
}

TEST(asked_for_before_the_unbind_was_sent_it_is_not_unbound)
{
	struct ocs_binding *binding = add("jdoe", OCS_BINDING_BOUND);

	ocs_bindings_unwant(&bindings, binding);
	ocs_bindings_want(&bindings, binding, true);
	ocs_bindings_done(&bindings, take("jdoe", true));
	take_nothing();
	ck_assert_int_eq(binding->state, OCS_BINDING_BOUND);
	ck_assert_uint_eq(OCS_LINK_GET(&status, unbinds), 0);
}

TEST(what_was_bound_just_before_the_connection_was_lost_is_bound_again)
{
	struct ocs_binding *old = add("old", OCS_BINDING_WANTED);
	struct ocs_binding *young = add("young", OCS_BINDING_WANTED);
	uint64_t now = ocs_clock_ms(), lost_at = now + 3600 * 1000; /* the clock begins at boot */

	ocs_bindings_done(&bindings, take("old", true));
	ocs_bindings_done(&bindings, take("young", true));
	ck_assert_uint_ge(young->bound_at, now);
	young->bound_at = lost_at - 5000;
	ck_assert_uint_eq(ocs_bindings_young_again(&bindings, lost_at), 1);
	ocs_bindings_done(&bindings, take("young", true));
	take_nothing();
	ck_assert_int_eq(old->state, OCS_BINDING_BOUND);
}

TEST(what_was_on_its_way_when_the_connection_was_lost_is_done_once_more)
{
	struct ocs_binding *binding = add("in", OCS_BINDING_WANTED),
	                   *leaving = add("out", OCS_BINDING_BOUND),
	                   *again = add("again", OCS_BINDING_BOUND);

	ocs_bindings_unwant(&bindings, leaving);
	ocs_bindings_unwant(&bindings, again);
	take("in", true);
	take("out", false);
	take("again", false);
	ocs_bindings_want(&bindings, again, false);
	ocs_bindings_undone(&bindings, binding);
	ocs_bindings_undone(&bindings, leaving);
	ocs_bindings_undone(&bindings, again);
	take("in", true);
	take("out", false);
	take("again", true);
	take_nothing();
}

TEST(a_queue_without_bindings_gets_them_all_again)
{
	add("one", OCS_BINDING_BOUND);
	add("two", OCS_BINDING_BOUND);
	ocs_bindings_unwant(&bindings, add("gone", OCS_BINDING_BOUND));
	ck_assert_uint_eq(ocs_bindings_all_again(&bindings), 2);
	take("gone", false);
	take("one", true);
	take("two", true);
	take_nothing();
}

TEST(entries_come_and_go_and_the_rest_stays_whole)
{
	char user[16];

	for (int i = 0; i < 3000; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		add(user, OCS_BINDING_GONE);
	}
	for (int i = 0; i < 3000; i += 2) {
		snprintf(user, sizeof(user), "u%d", i);
		ocs_bindings_remove(&bindings, ocs_bindings_find(&bindings, user));
	}
	ck_assert_uint_eq(bindings.n_all, 1500);
	for (int i = 0; i < 3000; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		ck_assert((ocs_bindings_find(&bindings, user) != NULL) == (i % 2 == 1));
	}
	for (size_t i = 0; i < bindings.n_all; i++)
		ck_assert_uint_eq(bindings.all[i]->index, i);
}

/* ---- visits ---- */

TEST(the_first_visit_wants_everybody_who_has_a_session)
{
	set_session("jdoe", true);
	set_session("asmith", true);
	ocs_bindings_visit(&bindings, registry);
	ck_assert_uint_eq(OCS_LINK_GET(&status, bind_waiting), 2);
	ck_assert_ptr_nonnull(ocs_bindings_find(&bindings, "jdoe"));
	ck_assert(ocs_bindings_find(&bindings, "asmith")->present);
	/* Who comes later asks. */
	set_session("late", true);
	ocs_bindings_visit(&bindings, registry);
	ck_assert_ptr_null(ocs_bindings_find(&bindings, "late"));
}

TEST(a_user_is_unbound_after_their_time_without_a_session_and_not_before)
{
	struct ocs_binding *binding = add("jdoe", OCS_BINDING_BOUND);

	ocs_bindings_visit(&bindings, registry);
	ck_assert_uint_ne(binding->absent_since, 0);
	ck_assert_int_eq(binding->state, OCS_BINDING_BOUND);
	/* A session in between starts it anew. */
	be_absent_for_long(binding);
	set_session("jdoe", true);
	ocs_bindings_visit(&bindings, registry);
	ck_assert_uint_eq(binding->absent_since, 0);
	set_session("jdoe", false);
	ocs_bindings_visit(&bindings, registry);
	ck_assert_int_eq(binding->state, OCS_BINDING_BOUND);
	be_absent_for_long(binding);
	ocs_bindings_visit(&bindings, registry);
	ocs_bindings_done(&bindings, take("jdoe", false));
	ocs_bindings_visit(&bindings, registry);
	ck_assert_ptr_null(ocs_bindings_find(&bindings, "jdoe"));
	ck_assert_uint_eq(bindings.n_all, 0);
}

TEST(a_session_that_came_with_the_unbinding_is_found_by_the_visit_after_it)
{
	struct ocs_binding *binding = add("jdoe", OCS_BINDING_BOUND);

	be_absent_for_long(binding);
	ocs_bindings_visit(&bindings, registry);
	take("jdoe", false);
	/* It subscribed and could not ask. */
	set_session("jdoe", true);
	ocs_bindings_done(&bindings, binding);
	take_nothing();
	ocs_bindings_visit(&bindings, registry);
	ocs_bindings_done(&bindings, take("jdoe", true));
	ck_assert_int_eq(binding->state, OCS_BINDING_BOUND);
	ck_assert(binding->present);
}

TEST(visits_come_round_to_everybody)
{
	char user[16];
	size_t seen = 0;

	for (int i = 0; i < 950; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		add(user, OCS_BINDING_BOUND);
	}
	for (int i = 0; i < 5; i++)
		ocs_bindings_visit(&bindings, registry);
	for (size_t i = 0; i < bindings.n_all; i++)
		seen += bindings.all[i]->absent_since != 0;
	ck_assert_uint_eq(seen, 950);
}

TEST(a_message_for_a_stranger_makes_them_known_and_in_time_unbound)
{
	char digest[66] = "~";

	memset(digest + 1, 'a', 64);
	ck_assert(!ocs_bindings_saw(&bindings, "stranger"));
	ck_assert(!ocs_bindings_saw(&bindings, digest));
	ck_assert(!ocs_bindings_saw(&bindings, ""));
	ck_assert(!ocs_bindings_saw(&bindings, "\001a"));
	ck_assert_uint_eq(bindings.n_all, 2);
	be_absent_for_long(ocs_bindings_find(&bindings, "stranger"));
	be_absent_for_long(ocs_bindings_find(&bindings, digest));
	ocs_bindings_visit(&bindings, registry);
	ocs_bindings_done(&bindings, take(digest, false));
	ocs_bindings_done(&bindings, take("stranger", false));
	ocs_bindings_visit(&bindings, registry);
	ck_assert_uint_eq(bindings.n_all, 0);

	set_session("jdoe", true);
	ocs_bindings_want(&bindings, add("jdoe", OCS_BINDING_WANTED), false);
	ck_assert(ocs_bindings_saw(&bindings, "jdoe"));
}

/* ---- the binder ---- */

TEST(a_broker_that_blocks_the_new_connection_too_is_given_its_pause)
{
	struct ocs_error error;

	bindings.loop.blocked = true;
	ck_assert_int_eq(ocs_bindings_calls.blocked(&bindings, &error), OCS_BROKER_LOST);
	ck_assert(bindings.loop.quiet);
	ck_assert_uint_gt(bindings.binder.probe_after, ocs_clock_ms());
	ck_assert_int_eq(ocs_bindings_calls.blocked(&bindings, &error), OCS_BROKER_LOST);
	ck_assert(!bindings.loop.quiet);

	/* Long after, it is news again. */
	bindings.binder.probe_after = ocs_clock_ms();
	ck_assert_int_eq(ocs_bindings_calls.blocked(&bindings, &error), OCS_BROKER_LOST);
	ck_assert(bindings.loop.quiet);

	bindings.loop.quiet = bindings.loop.blocked = false;
	ck_assert_int_eq(ocs_bindings_calls.blocked(&bindings, &error), OCS_BROKER_OK);
	ck_assert(!bindings.loop.quiet);
}

/* ---- without a broker ---- */

TEST(with_the_broker_away_it_starts_says_so_and_stops)
{
	struct ocs_bind_reply reply;
	struct ocs_link_connection_status link;
	struct ocs_bindings *running;
	struct ocs_error error;
	uint64_t start;
	int fd;

	ck_assert_msg(
	        ocs_bindings_start(&settings, rig_folder, &status, log_text, &running, &error) == 0,
	        "%s", error.text);
	ocs_bindings_visit(running, registry);
	fd = ocs_bind_request_send(rig_folder, "jdoe", 1000);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ocs_bind_reply_read(fd, 3000, &reply), 1);
	close(fd);
	ck_assert_int_eq(reply.status, OCS_BIND_UNBOUND);
	ck_assert_ptr_nonnull(strstr(reply.text, "no connection to the message broker"));
	ck_assert_uint_eq(OCS_LINK_GET(&status, bind_timeouts), 1);
	ck_assert_uint_eq(OCS_LINK_GET(&status, bind_waiting), 1);
	ocs_link_status_copy(&status, OCS_LINK_BIND, &link);
	ck_assert_int_eq(link.state, OCS_LINK_CONNECTING);
	ck_assert_str_ne(link.text, "");

	/* By now nobody waits for it any more. */
	for (int i = 0; i < 100; i++) {
		start = ocs_clock_ms();
		fd = ocs_bind_request_send(rig_folder, "asmith", 1000);
		ck_assert_int_eq(ocs_bind_reply_read(fd, 3000, &reply), 1);
		close(fd);
		ck_assert_int_eq(reply.status, OCS_BIND_UNBOUND);
		if (ocs_clock_ms() - start < 100)
			break;
		ck_assert_int_lt(i, 99);
	}
	ck_assert_int_eq(ocs_bindings_stop(running), 0);
	ck_assert_int_eq(ocs_bind_request_send(rig_folder, "jdoe", 1000), -2 /* ENOENT */);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A link that cannot start. The outbox is this file's own: it has a thread that hangs, or none. */
#include "tests/unit/notify/dispatch_rig.h"

#include "cluster/link.h"
#include "cluster/outbox.h"

static struct ocs_link_settings settings = {.node = "a", .spool_max = 1};
static struct ocs_link_status *used_status;
static struct ocs_spool *used_spool;
static bool thread_hangs;
static unsigned stops;
static char spool_folder[128];

int ocs_outbox_start(const struct ocs_link_settings *its_settings, struct ocs_spool *spool,
                     struct ocs_link_status *status, ocs_log_fn *log, struct ocs_outbox **outbox_r,
                     struct ocs_error *error)
{
	static char object;

	(void)its_settings;
	(void)log;
	(void)error;
	used_spool = spool;
	used_status = status;
	*outbox_r = (struct ocs_outbox *)&object;
	return 0;
}

int ocs_outbox_stop(struct ocs_outbox *outbox)
{
	(void)outbox;
	stops++;
	return thread_hangs ? -1 : 0;
}

void ocs_outbox_watch(struct ocs_outbox *outbox)
{
	(void)outbox;
}

int ocs_outbox_health(struct ocs_outbox *outbox, struct ocs_error *reason)
{
	(void)outbox;
	(void)reason;
	return 0;
}

void ocs_outbox_put(struct ocs_outbox *outbox, struct ocs_message *message,
                    ocs_outbox_done_fn *done, void *owner)
{
	(void)outbox;
	(void)message;
	(void)done;
	(void)owner;
}

static void log_it(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

static void setup(void)
{
	dispatch_setup();
	dispatch_start();
	snprintf(spool_folder, sizeof(spool_folder), "%s/spool", rig_folder);
	settings.spool_folder = spool_folder;
	stops = 0;
}

static void teardown(void)
{
	dispatch_stop();
	dispatch_teardown();
}

/* Bindings need the registry's folder, which is not there. */
static bool start_fails(void)
{
	const struct ocs_link_host host = {0};
	struct ocs_link *link = (struct ocs_link *)&settings;
	struct ocs_error error = {.text = ""};
	bool hangs = !thread_hangs;

	ck_assert_int_eq(ocs_link_start(&settings, "/nonexistent/registry", dispatch, &host, log_it,
	                                &link, &hangs, &error),
	                 -1);
	ck_assert_ptr_null(link);
	ck_assert_str_ne(error.text, "");
	ck_assert_uint_eq(stops, 1);
	return hangs;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_start_that_fails_with_a_thread_in_the_network_says_so_and_frees_nothing_it_uses)
{
	struct ocs_spool_state state;

	thread_hangs = true;
	ck_assert(start_fails());
	/* What the thread does once the network lets go of it. */
	ocs_link_status_set(used_status, OCS_LINK_PUBLISH, OCS_LINK_OFF, NULL, "late");
	ck_assert_int_eq(ocs_spool_append(used_spool, (const uint8_t *)"x", 1, NULL), OCS_SPOOL_OK);
	ck_assert_int_eq(ocs_spool_flush(used_spool, NULL), OCS_SPOOL_OK);
	ocs_spool_state(used_spool, &state);
	ck_assert_uint_eq(state.messages, 1);
}

TEST(a_start_that_fails_otherwise_leaves_nothing_behind)
{
	struct ocs_spool *spool;
	struct ocs_error error;

	thread_hangs = false;
	ck_assert(!start_fails());
	ck_assert_msg(ocs_spool_open(spool_folder, 1 << 20, &spool, NULL, &error) == 0, "%s",
	              error.text);
	ocs_spool_close(spool);
}

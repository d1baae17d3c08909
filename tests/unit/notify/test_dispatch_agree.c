/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What other nodes call folders and messages: taken over, settled, told in turn. */
#include "tests/unit/notify/dispatch_rig.h"

#include <stdatomic.h>
#include <sys/file.h>

#include <tdb.h>

#include "mapistore/agree.h"
#include "notify/dispatch_agree.h"
#include "store/fault.h"

#define THEIR_ROOT  0x0100000000000002
#define THEIR_INBOX 0x0200000000000002
#define THEIR_MAIL  0x0300000000000002
/* Above every counter that the clock lets this node begin with. */
#define THEIR_LATE 0xffffffffffff0002

static struct {
	struct dispatch_waiter waiter;
	struct ocs_request *request;
	uint64_t folder[3], mid;
	size_t n, users;
	uint16_t replica_id;
} asked = {.waiter = DISPATCH_WAITER};

static const char *origin = "other"; /* who tells */

static void done(void *owner, const struct ocs_result *results, size_t n)
{
	const struct ocs_ids_list *known = asked.request->known;

	asked.n = 0;
	asked.mid = 0;
	asked.users = known->n;
	asked.replica_id = known->replica_id;
	if (known->n > 0) {
		asked.n = known->ids[0].n_folder;
		ck_assert_uint_le(asked.n, 3);
		memcpy(asked.folder, known->ids[0].folder, asked.n * sizeof(uint64_t));
		asked.mid = known->ids[0].mid;
	}
	dispatch_done(owner, results, n);
}

/* What another node reports, with what it calls the folder and the mail. */
static enum ocs_status tell(const struct ocs_notification *event, uint16_t replica_id,
                            const uint64_t folder[2], uint64_t mid, bool only)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_ids_list *told = talloc_zero(request, struct ocs_ids_list);
	const struct ocs_ids ids = {.user = event->backend_user,
	                            .category = (uint8_t)event->category,
	                            .n_folder = folder != NULL ? 2 : 0,
	                            .folder = folder,
	                            .mid = mid};

	told->replica_id = replica_id;
	told->origin = origin;
	ck_assert_int_eq(ocs_ids_add(request, told, &ids), 0);
	request->account = "tester";
	request->count = 1;
	request->items = talloc_memdup(request, event, sizeof(*event));
	request->results = talloc_zero_array(request, struct ocs_result, 1);
	request->known = talloc_zero_array(request, struct ocs_ids_list, 1);
	request->told = folder != NULL || mid != 0 ? told : NULL;
	request->ids_only = only;
	request->done = done;
	request->owner = &asked.waiter;
	asked.request = request;
	asked.waiter.done = false;
	ocs_dispatch_submit(dispatch, request);
	return dispatch_wait(&asked.waiter).status;
}

static enum ocs_status report(const struct ocs_notification *event)
{
	return tell(event, 0, NULL, 0, false);
}

/* While all is closed. */
static void session(bool there)
{
	struct ocs_registry_session jdoe = {.id = 7, .context = 1, .user = "jdoe"};

	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	if (there)
		ck_assert_ok(ocs_registry_session_put(dispatch_registry, &jdoe, &rig_error));
	else
		ck_assert_ok(ocs_registry_session_remove(dispatch_registry, 7, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
}

/* As the library does, which is how the janitor tells who lives. */
static void stay_alive(void)
{
	static int fd = -1;
	char path[300];

	if (fd >= 0)
		return;
	ck_assert_int_eq(ocs_registry_queue_list_path(dispatch_registry, 1, path, sizeof(path)), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
}

static void start_with_session(void)
{
	const struct ocs_registry_context context = {.id = 1, .pid = getpid(), .uid = geteuid()};

	dispatch_open();
	dispatch_own(1);
	stay_alive();
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	ck_assert_ok(ocs_registry_context_add(dispatch_registry, &context, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	session(true);
	dispatch_close();
	dispatch_start();
}

static const uint64_t theirs[] = {THEIR_ROOT, THEIR_INBOX}, late[] = {THEIR_LATE, THEIR_LATE};

/* What clients are told, and not only other nodes. */
static bool switched(void *arg)
{
	static unsigned number = 100;
	struct ocs_notification event;
	struct ocs_entry entry;
	char message[16];
	mqd_t mq = *(const mqd_t *)arg;

	snprintf(message, sizeof(message), "%u", number++);
	event = dispatch_event(OCS_NEWMAIL, "INBOX", message);
	(void)report(&event);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	return entry.fid == THEIR_INBOX;
}

/* Somebody listens, and has no session. */
static mqd_t start_with_queue(struct ocs_registry_queue *queue)
{
	mqd_t mq;

	*queue = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, 0x02, 0, &mq);
	dispatch_subscribe(queue, 1);
	dispatch_open();
	stay_alive();
	dispatch_close();
	dispatch_start();
	return mq;
}

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(what_has_no_identifier_here_takes_the_other_nodes)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");

	dispatch_start();
	ck_assert_int_eq(tell(&event, 2, theirs, THEIR_MAIL, false), OCS_STATUS_NOSUBSCRIBER);
	ck_assert_uint_eq(asked.users, 1);
	ck_assert_uint_eq(asked.replica_id, 1);
	ck_assert_uint_eq(asked.n, 2);
	ck_assert_uint_eq(asked.folder[0], THEIR_ROOT);
	ck_assert_uint_eq(asked.folder[1], THEIR_INBOX);
	ck_assert_uint_eq(asked.mid, THEIR_MAIL);
	/* A duplicate says the same, and so does what is known from memory alone. */
	ck_assert_int_eq(report(&event), OCS_STATUS_DUPLICATE);
	ck_assert_uint_eq(asked.mid, THEIR_MAIL);
	event.category = OCS_MODIFIED;
	(void)report(&event);
	ck_assert_uint_eq(asked.folder[1], THEIR_INBOX);
	ck_assert_uint_eq(asked.mid, THEIR_MAIL);
}

static atomic_bool fails;

static int fail_to_commit(struct tdb_context *tdb)
{
	if (!atomic_load(&fails))
		return tdb_transaction_commit(tdb);
	tdb_transaction_cancel(tdb);
	return -1;
}

/* What was given in a transaction that is cancelled is given to something else later. */
TEST(what_was_cancelled_is_not_told)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");

	ocs_store_tdb_commit = fail_to_commit; /* while no thread reads it */
	dispatch_start();
	atomic_store(&fails, true);
	ck_assert_int_eq(report(&event), OCS_STATUS_REFUSED);
	ck_assert_uint_eq(asked.users, 0);
	atomic_store(&fails, false);
	ck_assert_int_ne(report(&event), OCS_STATUS_REFUSED);
	ck_assert_uint_eq(asked.users, 1);
}

TEST(one_identifier_told_of_two_mails_is_that_of_the_first)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");

	dispatch_start();
	(void)tell(&event, 2, theirs, THEIR_MAIL, false);
	event.message_id = "2";
	(void)tell(&event, 2, theirs, THEIR_MAIL, false);
	ck_assert_uint_ne(asked.mid, THEIR_MAIL);
	ck_assert_uint_eq((uint16_t)asked.mid, 1);
}

TEST(without_a_session_the_one_that_wins_is_used_and_the_other_stays_known)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	uint64_t ours, our_mail;
	struct ocs_index_name name;
	void *ctx = talloc_new(NULL);
	struct ocs_registry_queue queue;
	mqd_t mq = start_with_queue(&queue);
	struct ocs_entry entry;

	(void)report(&event);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ours = asked.folder[1];
	our_mail = asked.mid;
	(void)tell(&event, 2, theirs, THEIR_MAIL, false);
	/* Other nodes are told what was settled on from here on. */
	ck_assert_uint_eq(asked.folder[1], THEIR_INBOX);
	ck_assert_uint_eq(asked.mid, THEIR_MAIL);
	ck_assert(rig_wait_for(switched, &mq));
	dispatch_stop();
	dispatch_open();
	ck_assert_ok(ocs_index_lookup(dispatch_index, ctx, ours, &name, &rig_error));
	ck_assert_str_eq(name.folder, "INBOX");
	ck_assert_ok(ocs_index_lookup(dispatch_index, ctx, our_mail, &name, &rig_error));
	ck_assert_str_eq(name.message_id, "1");
	ck_assert(!name.deleted);
	talloc_free(ctx);
	dispatch_close();
	dispatch_start();
	event.message_id = "1";
	(void)report(&event);
	ck_assert_uint_eq(asked.folder[0], THEIR_ROOT);
	ck_assert_uint_eq(asked.mid, THEIR_MAIL);
	dispatch_drop(&queue, mq);
}

/* It is in use: nothing is left to be switched for it. */
static bool is_in_use(void *arg)
{
	uint64_t ours = *(const uint64_t *)arg;

	return ocs_dispatch_agreed_on(dispatch, ours) == ours;
}

TEST(while_its_user_has_a_session_what_was_told_stays)
{
	static const uint64_t hers[] = {0x0110000000000002, 0x0210000000000002};
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1"), other = event;
	struct ocs_registry_queue queue;
	struct ocs_index_folder found;
	uint64_t ours, others;
	mqd_t mq;

	start_with_session();
	(void)report(&event);
	ours = asked.folder[1];
	(void)tell(&event, 2, theirs, THEIR_MAIL, false);
	event.message_id = "2";
	/* One without a session is switched; in the same look this one was left. */
	other.backend_user = "anna";
	(void)report(&other);
	others = asked.folder[1];
	ck_assert_uint_eq(ocs_dispatch_agreed_on(dispatch, ours), THEIR_INBOX);
	(void)tell(&other, 2, hers, 0, false);
	ck_assert(rig_wait_for(is_in_use, &others));
	ck_assert_uint_eq(ocs_dispatch_agreed_on(dispatch, ours), THEIR_INBOX);
	dispatch_stop();
	dispatch_open();
	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                              false, &found, &rig_error));
	ck_assert_uint_eq(found.fid, ours);
	session(false);
	dispatch_close();
	mq = start_with_queue(&queue);
	(void)tell(&event, 2, theirs, 0, false);
	ck_assert(rig_wait_for(switched, &mq));
	dispatch_drop(&queue, mq);
}

TEST(ours_stays_where_it_wins)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	uint64_t ours, mid;

	dispatch_start();
	(void)report(&event);
	ours = asked.folder[1];
	mid = asked.mid;
	(void)tell(&event, 2, (const uint64_t[]){0, THEIR_LATE}, 0, false);
	ck_assert_uint_eq(asked.folder[1], ours);
	ck_assert_uint_eq(asked.mid, mid);
}

TEST(an_answer_makes_nothing_and_tells_nobody)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_registry_queue queue;
	mqd_t mq = start_with_queue(&queue);
	struct ocs_entry entry;

	(void)tell(&event, 2, theirs, THEIR_MAIL, true);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 0);
	ck_assert_uint_eq(asked.users, 0);
	(void)report(&event);
	ck_assert_uint_eq((uint16_t)asked.folder[1], 1);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	(void)tell(&event, 2, theirs, THEIR_MAIL, true);
	ck_assert(rig_wait_for(switched, &mq));
	dispatch_drop(&queue, mq);
}

TEST(a_node_with_our_replica_id_is_not_believed_and_is_told_of)
{
	struct ocs_notification event = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_error reason = {.text = ""};

	dispatch_start();
	(void)tell(&event, 1, late, THEIR_MAIL, false);
	ck_assert_uint_eq((uint16_t)asked.folder[1], 1);
	ck_assert_uint_eq((uint16_t)asked.mid, 1);
	/* Everything is delivered all the same. */
	ck_assert_int_eq(ocs_dispatch_health(dispatch, &reason), 0);
	ck_assert_int_eq(ocs_health_state(ocs_dispatch_health_of(dispatch), OCS_HEALTH_REPLICA),
	                 OCS_HEALTH_WARNING);
}

static enum ocs_health_state told_by(const char *name, uint16_t replica_id)
{
	static unsigned number = 0;
	struct ocs_notification event;
	char message[16];

	/* One that is nowhere yet: what is known is told from memory. */
	snprintf(message, sizeof(message), "%u", number++);
	event = dispatch_event(OCS_NEWMAIL, "INBOX", message);
	origin = name;
	(void)tell(&event, replica_id, late, 0, false);
	return ocs_health_state(ocs_dispatch_health_of(dispatch), OCS_HEALTH_REPLICA);
}

TEST(two_others_with_one_replica_id_are_told_of)
{
	dispatch_start();
	ck_assert_int_eq(told_by("a", 2), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("a", 2), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("b", 3), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("a", 2), OCS_HEALTH_WELL);
	/* One that was given another name: the old one is not heard of any more. */
	ck_assert_int_eq(told_by("c", 2), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("b", 3), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("c", 2), OCS_HEALTH_WELL);
	/* It is one more. */
	ck_assert_int_eq(told_by("a", 2), OCS_HEALTH_WARNING);
	ck_assert_int_eq(told_by("c", 2), OCS_HEALTH_WARNING);
	ck_assert_int_eq(told_by("c", 4), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("a", 2), OCS_HEALTH_WELL);
	ck_assert_int_eq(told_by("c", 4), OCS_HEALTH_WELL);
}

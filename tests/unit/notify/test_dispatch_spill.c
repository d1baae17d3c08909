/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists in the daemon: who is woken, what counts, what one bad list does to others. */
#include "tests/unit/notify/dispatch_rig.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

#include "notify/dispatch_internal.h"

static struct ocs_registry_queue queues[2]; /* of INBOX and Sent; without one in the kernel */

/* The file that cannot be written. */
static ino_t full_inode;

/* In the place of libc's. */
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	struct stat st;

	if (full_inode != 0 && fstat(fd, &st) == 0 && st.st_ino == full_inode) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, size, at);
}

static void setup(void)
{
	static const char *const names[] = {"INBOX", "Sent"};
	struct ocs_index_folder folders[2];

	dispatch_setup();
	dispatch_open();
	ck_assert_ok(ocs_index_begin(dispatch_index, &rig_error));
	for (int i = 0; i < 2; i++)
		ck_assert_ok(ocs_index_folder(
		        dispatch_index, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", names[i]},
		        true, &folders[i], &rig_error));
	ck_assert_ok(ocs_index_commit(dispatch_index, &rig_error));
	dispatch_close();
	for (int i = 0; i < 2; i++)
		queues[i] = dispatch_queue(1, OCS_TABLE_OBJECT, folders[i].fid, 0x10, 0, NULL);
	dispatch_subscribe(queues, 2);
	full_inode = 0;
	dispatch_spill_total = 1000000;
	dispatch_descriptors = 64;
}

static const char *list_path(int which)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER "/%016llx.%016llx", rig_folder, 1ULL,
	         (unsigned long long)queues[which].id);
	return path;
}

static struct ocs_result report(const char *folder)
{
	struct ocs_notification item = dispatch_event(OCS_MODIFIED, folder, NULL);

	return dispatch_report(&item);
}

static void reported(const char *folder)
{
	ck_assert_int_eq(report(folder).status, OCS_STATUS_QUEUED);
}

static int no_matter(const uint8_t *entry, size_t len, void *arg)
{
	(void)entry;
	(void)len;
	++*(unsigned *)arg;
	return 0;
}

static unsigned take(int which)
{
	const struct ocs_spill_name name = {rig_folder, 1, queues[which].id};
	struct ocs_spill_reader reader;
	unsigned n = 0;

	ocs_spill_reader_init(&reader);
	ck_assert_int_eq(ocs_spill_take(&reader, &name, no_matter, &n), 0);
	ocs_spill_reader_close(&reader);
	return n;
}

TESTS_HAVE(.setup = setup, .teardown = dispatch_teardown);

/* ---- who is woken ---- */

static int owner_socket(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 1, address), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

/* The owner is stopped, and its socket takes no more. */
static int fill(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	uint8_t byte = 0;

	while (sendto(fd, &byte, 1, 0, (const struct sockaddr *)address, sizeof(*address)) == 1)
		;
	ck_assert_int_eq(errno, EAGAIN);
	return fd;
}

/* The first id that comes. */
static uint64_t woken(int fd)
{
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];
	ssize_t len = 1;

	while (len == 1) { /* one of fill()'s */
		struct pollfd ready = {.fd = fd, .events = POLLIN};

		ck_assert_msg(poll(&ready, 1, 20000) == 1, "nobody was woken");
		len = recv(fd, data, sizeof(data), 0);
	}
	ck_assert_int_ge(len, 8);
	return ocs_get64(data);
}

/* Of a queue that is remembered its list, else all. */
LOOP_TEST(whoever_could_not_be_woken_is_woken_later, 0, 2)
{
	struct sockaddr_un address;
	int owner, filler;

	dispatch_start();
	owner = owner_socket(&address);
	filler = fill(&address);
	reported("INBOX");
	if (_i == 1) {
		ocs_dispatch_queues_free(dispatch);
		ck_assert_ptr_null(dispatch->queues);
	}
	ck_assert_uint_eq(woken(owner), _i == 1 ? OCS_REGISTRY_WAKE_ALL : queues[0].id);
	ck_assert_uint_eq(take(0), 1);
	close(filler);
	close(owner);
}

/* What they have not read is charged to the daemon's socket, up to net.core.wmem_default. */
TEST(many_stopped_owners_keep_no_wake_up_from_another)
{
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX] = {0};
	struct sockaddr_un address;
	int owners[60];
	unsigned reached = 0;

	dispatch_start();
	for (uint64_t i = 0; i < 60; i++) {
		owners[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 100 + i, &address),
		                 0);
		ck_assert_int_eq(bind(owners[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	/* All but the last until they take no more. */
	for (uint64_t i = 0; i < 59; i++)
		while (ocs_dispatch_datagram(dispatch, 100 + i, data, sizeof(data)))
			reached++;
	ck_assert_uint_ge(reached, 59);
	ck_assert(ocs_dispatch_datagram(dispatch, 100 + 59, data, sizeof(data)));
	ck_assert_int_eq(recv(owners[59], data, sizeof(data), 0), (int)sizeof(data));
	for (size_t i = 0; i < 60; i++)
		close(owners[i]);
}

TEST(few_sockets_stay_open_where_descriptors_are_few_and_idle_ones_do_not)
{
	struct sockaddr_un address;
	int owners[3];

	dispatch_descriptors = 8;
	dispatch_start();
	for (uint64_t i = 0; i < 3; i++) {
		ck_assert_int_eq(ocs_registry_wake_address(dispatch_registry, 100 + i, &address),
		                 0);
		owners[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(owners[i], (struct sockaddr *)&address, sizeof(address)), 0);
		ck_assert(ocs_dispatch_datagram(dispatch, 100 + i, (const uint8_t *)"", 0));
		ck_assert_int_eq(recv(owners[i], &address, sizeof(address), 0), 0);
	}
	ck_assert_uint_eq(dispatch->open_wake_sockets, 2);
	ocs_dispatch_wake_sockets_close(dispatch, true);
	ocs_dispatch_wake_sockets_close(dispatch, true);
	ck_assert_uint_eq(dispatch->open_wake_sockets, 0);
	for (int i = 0; i < 3; i++)
		close(owners[i]);
}

TEST(a_queue_that_is_remembered_again_wakes_whoever_waits)
{
	struct sockaddr_un address;
	int owner;

	dispatch_start();
	reported("INBOX"); /* nobody is there yet */
	ocs_dispatch_queues_free(dispatch);
	owner = owner_socket(&address);
	reported("INBOX");
	ck_assert_uint_eq(woken(owner), queues[0].id);
	close(owner);
}

/* ---- what counts ---- */

/* Three in one list, which is closed then, by one more in another. */
static void close_a_list(void)
{
	dispatch_spill_total = 4;
	dispatch_descriptors = 1;
	dispatch_start();
	for (int i = 0; i < 3; i++)
		reported("INBOX");
	reported("Sent");
}

TEST(what_was_read_from_a_list_that_is_closed_waits_no_longer)
{
	struct ocs_dispatch_counters counters;

	close_a_list();
	ck_assert_uint_eq(take(0), 3);
	reported("Sent");
	ck_assert_uint_eq(take(1), 2);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.entries_dropped, 0);
}

TEST(what_waits_in_a_list_that_is_closed_does_wait)
{
	struct ocs_dispatch_counters counters;

	close_a_list();
	reported("Sent");
	ck_assert_uint_eq(take(1), 1);
	ck_assert_uint_eq(take(0), 3);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.entries_dropped, 1);
}

/* ---- removed by whom it is for ---- */

enum { SUBSCRIBED, ENDED, DONE };

static atomic_int mends;

/* In the store thread, which alone may, and which mends by itself too: not in between. Removed is
 * what has its name as far as is known, so that no list is looked at until something changes. */
static void mend(void *arg, struct ocs_registry *registry)
{
	struct ocs_registry_user user = {.user = (char *)"jdoe"};
	struct ocs_error error;

	if (atomic_load(&mends) != SUBSCRIBED && atomic_load(&mends) != ENDED)
		return;
	if (ocs_dispatch_spill_mend(arg, &error) != 0)
		abort();
	if (dispatch->named.st_nlink == 0)
		return;
	if (unlink(list_path(0)) != 0)
		abort();
	if (atomic_load(&mends) == ENDED && (ocs_registry_begin(registry, &error) != 0 ||
	                                     ocs_registry_user_put(registry, &user, &error) != 0 ||
	                                     ocs_registry_commit(registry, false, &error) != 0))
		abort();
	if (ocs_dispatch_spill_mend(arg, &error) != 0)
		abort();
	atomic_store(&mends, DONE);
}

static bool is_mended(void *unused)
{
	(void)unused;
	return atomic_load(&mends) == DONE;
}

LOOP_TEST(a_removed_list_is_made_again_for_a_queue_that_there_is, SUBSCRIBED, DONE)
{
	dispatch_start();
	reported("INBOX");
	atomic_store(&mends, _i);
	ck_assert_int_eq(ocs_dispatch_set_visit(dispatch, mend, dispatch), 0);
	ck_assert(rig_wait_for(is_mended, NULL));
	ck_assert_int_eq(ocs_dispatch_set_visit(dispatch, NULL, NULL), 0);
	ck_assert_int_eq(access(list_path(0), F_OK), _i == SUBSCRIBED ? 0 : -1);
	ck_assert_uint_eq(take(0), _i == SUBSCRIBED);
}

/* ---- one that cannot be written ---- */

static pthread_mutex_t both_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t both_done = PTHREAD_COND_INITIALIZER;
static enum ocs_status both[2];
static bool both_known;

static void note_both(void *owner, const struct ocs_result *results, size_t n)
{
	(void)owner;
	pthread_mutex_lock(&both_lock);
	for (size_t i = 0; i < n; i++)
		both[i] = results[i].status;
	both_known = true;
	pthread_cond_signal(&both_done);
	pthread_mutex_unlock(&both_lock);
}

/* One group of the store thread. */
static void report_both(void)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_notification *items = talloc_zero_array(request, struct ocs_notification, 2);

	items[0] = dispatch_event(OCS_MODIFIED, "INBOX", NULL);
	items[1] = dispatch_event(OCS_MODIFIED, "Sent", NULL);
	items[0].id = "one";
	items[1].id = "two";
	request->account = "tester";
	request->count = 2;
	request->items = items;
	request->results = talloc_zero_array(request, struct ocs_result, 2);
	request->done = note_both;
	both_known = false;
	ocs_dispatch_submit(dispatch, request);
	pthread_mutex_lock(&both_lock);
	while (!both_known)
		pthread_cond_wait(&both_done, &both_lock);
	pthread_mutex_unlock(&both_lock);
}

static bool is_healthy(void *unused)
{
	(void)unused;
	return ocs_dispatch_health(dispatch, NULL) == 0;
}

TEST(a_list_that_cannot_be_written_refuses_what_is_for_it_alone)
{
	struct stat st;

	dispatch_start();
	reported("INBOX");
	ck_assert_int_eq(stat(list_path(0), &st), 0);
	full_inode = st.st_ino;
	report_both();
	ck_assert_int_eq(both[0], OCS_STATUS_REFUSED);
	ck_assert_int_eq(both[1], OCS_STATUS_QUEUED);
	ck_assert_int_eq(report("INBOX").refusal.code, 503);
	ck_assert_int_eq(ocs_dispatch_health(dispatch, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "No space"));
	full_inode = 0;
	report_both();
	ck_assert_int_eq(both[0], OCS_STATUS_QUEUED);
	ck_assert_int_eq(both[1], OCS_STATUS_DUPLICATE);
	ck_assert_uint_eq(take(0), 2);
	ck_assert_uint_eq(take(1), 1);
	ck_assert(rig_wait_for(is_healthy, NULL));
}

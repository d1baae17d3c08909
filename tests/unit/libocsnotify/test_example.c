/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The lines of C in README.md and doc/integration.md, compiled and run as they stand there
 * (tests/service/test_ocsconsumer.py compares them); only the registry folder is the test's.
 */
#include "tests/unit/libocsnotify/host_rig.h"

#include <netinet/in.h>

#define ocsnotify_open(folder, context_r, text, size)                                              \
	(ocsnotify_open)((folder) != NULL ? rig_folder : NULL, context_r, text, size)

static int woken;

static void wake_parked_waits(struct ocsnotify_session *session, void *arg)
{
	(void)arg;
	if (ocsnotify_session_data(session) == &woken)
		woken++;
}

/* Where a client would listen for its datagram. */
static int listen_as_a_client(uint8_t rgbCallbackAddress[28])
{
	struct sockaddr_in local = {.sin_family = AF_INET,
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(local);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&local, &len), 0);
	ck_assert_uint_eq(ocs_push_format((struct sockaddr *)&local, rgbCallbackAddress), 16);
	return fd;
}

TESTS_HAVE(.setup = host_setup, .teardown = rig_remove_folder);

TEST(the_ten_lines_do_what_the_page_says)
{
	static const uint8_t rgbContext[4] = {0xde, 0xad, 0xbe, 0xef};
	const size_t cbContext = sizeof(rgbContext), cbCallbackAddress = 16;
	const uint32_t handle = 0x0a;
	const uint8_t logon_id = 0;
	struct ocs_entry entry = entry_newmail(0x10001, 0x20001);
	uint8_t rgbCallbackAddress[28], buffer[32760], datagram[32];
	size_t room = sizeof(buffer), used;
	bool more;
	int fd = listen_as_a_client(rgbCallbackAddress);
	void *client = &woken;

	struct ocsnotify *context;
	struct ocsnotify_session *session;
	ocsnotify_open("/var/lib/ocsmanager", &context, NULL, 0);
	ocsnotify_session_open(context, "jdoe", client, &session);
	ocsnotify_subscribe(session, handle, logon_id, OCSNOTIFY_NEWMAIL, true, 0, 0);
	ocsnotify_set_push(session, rgbContext, cbContext, rgbCallbackAddress, cbCallbackAddress);

	ck_assert_int_eq(daemon_send(context, "jdoe", OCS_TABLE_NEWMAIL, &entry), 1);
	ck_assert(host_readable(context, HOST_WAIT_MS));

	ocsnotify_process(context, wake_parked_waits, NULL);

	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(recv(fd, datagram, sizeof(datagram), 0), sizeof(rgbContext));
	ck_assert_mem_eq(datagram, rgbContext, sizeof(rgbContext));

	ocsnotify_drain(session, buffer, room, &used, &more);

	ck_assert_uint_eq(used, 38);
	ck_assert(!more);
	ck_assert_uint_eq(buffer[0], 0x2a);
	ck_assert_uint_eq(buffer[1], handle);
	close(fd);
	ocsnotify_close(context);
}

static char logged[512];

#define log(text) snprintf(logged, sizeof(logged), "%s", text)

TEST(what_is_reported_while_the_daemon_is_away_is_logged)
{
	struct ocsnotify *context = host_open();
	struct ocsnotify_session *session = host_session(context, "jdoe");

	logged[0] = '\0';
	struct ocsnotify_report_event moved = {
	        .type = OCSNOTIFY_OBJECT_MOVED,
	        .backend = "sogo",
	        .backend_user = "jdoe",
	        .folder = "Archive",
	        .message = "77.eml",
	        .old_folder = "INBOX",
	        .old_message = "17.eml",
	};
	struct ocsnotify_report_result result;
	if (ocsnotify_report(context, &moved, &result, 1, session) != OCSNOTIFY_OK)
		log(ocsnotify_last_error(context));

	ck_assert_str_ne(logged, "");
	ocsnotify_close(context);
}

static unsigned named;
static bool identify(const struct ocsnotify_object *object, uint64_t *id_r, void *arg);
static bool name(struct ocsnotify_session *session, uint64_t folder_id, uint64_t message_id,
                 struct ocsnotify_object *object, void *arg);

static bool identify(const struct ocsnotify_object *object, uint64_t *id_r, void *arg)
{
	(void)object;
	*id_r = 4711;
	return arg == &named;
}

static bool name(struct ocsnotify_session *session, uint64_t folder_id, uint64_t message_id,
                 struct ocsnotify_object *object, void *arg)
{
	(void)session;
	ck_assert_uint_eq(folder_id, 4711);
	ck_assert_uint_eq(message_id, 0);
	object->backend = "sogo";
	object->backend_user = "jdoe";
	object->folder = "INBOX";
	++*(unsigned *)arg;
	return true;
}

TEST(a_server_with_identifiers_of_its_own_subscribes_by_them)
{
	struct ocsnotify *context;
	struct ocsnotify_session *session;
	void *server = &named;

	daemon_settings.host_identifiers = true;
	daemon_make_registry();
	daemon_make_index();
	context = host_open();
	ocsnotify_set_identifiers(context, identify, name, server);
	session = host_session(context, "jdoe");
	ck_assert_int_eq(
	        ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_OBJECT_MODIFIED, false, 4711, 0),
	        OCSNOTIFY_OK);
	ck_assert_uint_eq(named, 1);
	ocsnotify_close(context);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the host reports: answers of the daemon read as they are written (xml/xml_write.c), and what
 * becomes of those that are not its own. The whole way is in tests/service/test_report.py.
 */
#include "tests/unit/libocsnotify/host_rig.h"

#include <pthread.h>
#include <sys/un.h>

#include "registry/socket_address.h"
#include "xml/xml.h"

static struct ocsnotify_report_result results[3];

static int read_body(int code, const char *body, size_t n)
{
	const struct libocsnotify_answer answer = {.code = code, .body = body, .len = strlen(body)};

	return libocsnotify_answer_results(&answer, results, n);
}

TEST(results_are_read_as_the_daemon_writes_them)
{
	struct ocs_result given[3] = {{.status = OCS_STATUS_QUEUED, .queues = 4294},
	                              {.status = OCS_STATUS_DUPLICATE},
	                              {.status = OCS_STATUS_REFUSED}};
	struct ocs_xml_writer xml = {0};
	struct libocsnotify_answer answer = {.code = 200};

	ocs_refuse(&given[2].refusal, 422, "UNKNOWN_BACKEND", "no '<&\"' > status=\"queued\" is");
	ocs_xml_begin(&xml);
	ocs_xml_result(&xml, "an id > status=\"duplicate\"/>", &given[0]);
	ocs_xml_result(&xml, NULL, &given[1]);
	ocs_xml_result(&xml, "x", &given[2]);
	ocs_xml_finish(&xml);
	answer.body = xml.data;
	answer.len = xml.len;
	ck_assert_int_eq(libocsnotify_answer_results(&answer, results, 3), 0);
	ck_assert_int_eq(results[0].status, OCSNOTIFY_REPORT_QUEUED);
	ck_assert_uint_eq(results[0].queues, 4294);
	ck_assert_int_eq(results[1].status, OCSNOTIFY_REPORT_DUPLICATE);
	ck_assert_int_eq(results[2].status, OCSNOTIFY_REPORT_REFUSED);
	ck_assert_int_eq(results[2].code, 422);
	ck_assert_str_eq(results[2].name, "UNKNOWN_BACKEND");
	ck_assert_str_eq(results[2].text, "no '<&\"' > status=\"queued\" is");
	/* As many as were asked about, no more and no fewer. */
	ck_assert_int_eq(libocsnotify_answer_results(&answer, results, 2), -1);
	ck_assert_int_eq(results[0].status, OCSNOTIFY_REPORT_UNANSWERED);
	free(xml.data);
}

TEST(a_request_that_is_refused_refuses_each)
{
	ck_assert_int_eq(read_body(503,
	                           "<?xml version='1.0'?><ocsmanager><error code=\"503\" "
	                           "name=\"OVERLOADED\">later</error></ocsmanager>",
	                           2),
	                 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(results[i].status, OCSNOTIFY_REPORT_REFUSED);
		ck_assert_int_eq(results[i].code, 503);
		ck_assert_str_eq(results[i].name, "OVERLOADED");
		ck_assert_str_eq(results[i].text, "later");
	}
	ck_assert_int_eq(read_body(500, "<html>whatever", 1), 0);
	ck_assert_int_eq(results[0].code, 500);
	ck_assert_str_eq(results[0].text, "ocsmanager answers 500");
}

static const char *const nonsense[] = {
        "",
        "<notification status=\"queued\"/>",
        "<notification status=\"queued\" queues=\"-1\"/>",
        "<notification status=\"queued\" queues=\"99999999999\"/>",
        "<notification status=\"eaten\"/>",
        "<notification status=\"refused\"/>",
        "<notification status=\"refused\"><error>x</error></notification>",
        "<notification status=\"refused\"><error code=\"1\" name=\"A\">x</notification>",
        "<notification status=queued queues=1/>",
        "<notification status=\"queued",
        "<notification",
};

LOOP_TEST(what_is_no_answer_is_not_taken_for_one, 0, sizeof(nonsense) / sizeof(nonsense[0]))
{
	ck_assert_int_eq(read_body(200, nonsense[_i], 1), -1);
	ck_assert_int_eq(results[0].status, OCSNOTIFY_REPORT_UNANSWERED);
}

TEST(an_answer_is_whole_when_its_length_says_so)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 3\r\n\r\nabc";
	struct libocsnotify_answer answer;

	for (size_t len = 0; len < sizeof(text) - 1; len++)
		ck_assert_int_eq(libocsnotify_answer_read(text, len, &answer), 0);
	ck_assert_int_eq(libocsnotify_answer_read(text, sizeof(text) - 1, &answer), 1);
	ck_assert_int_eq(answer.code, 200);
	ck_assert_uint_eq(answer.len, 3);
	ck_assert_int_eq(memcmp(answer.body, "abc", 3), 0);
}

static const char *const no_http[] = {
        "\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
};

LOOP_TEST(what_is_not_http_is_none, 0, sizeof(no_http) / sizeof(no_http[0]))
{
	struct libocsnotify_answer answer;

	ck_assert_int_eq(libocsnotify_answer_read(no_http[_i], strlen(no_http[_i]), &answer), -1);
}

/* ---- with somebody else behind the socket ---- */

static struct ocsnotify *context;
static int listener;

static void setup(void)
{
	struct sockaddr_un address;
	int folder_fd;

	host_setup();
	context = host_open();
	ck_assert_int_eq(
	        ocs_registry_socket_address(rig_folder, OCS_REPORT_FILE, &address, &folder_fd), 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
}

static void teardown(void)
{
	ocsnotify_close(context);
	close(listener);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

/* Reads what comes, answers so, hangs up. NULL: at once. */
static void *answer_once(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	char buffer[65536];

	if (arg != NULL && (read(fd, buffer, sizeof(buffer)) < 0 ||
	                    write(fd, arg, strlen(arg)) != (ssize_t)strlen(arg)))
		abort();
	close(fd);
	return NULL;
}

static const struct ocsnotify_report_event event = {
        .type = OCSNOTIFY_NEWMAIL,
        .backend = "sogo",
        .backend_user = "jdoe",
        .folder = "INBOX",
        .message = "1",
};

static int report_to(const char *text)
{
	pthread_t thread;
	int code;

	memset(results, 0xff, sizeof(results));
	ck_assert_int_eq(pthread_create(&thread, NULL, answer_once, (void *)(uintptr_t)text), 0);
	code = ocsnotify_report(context, &event, results, 1, NULL);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	return code;
}

TEST(who_hangs_up_or_answers_something_else_has_not_answered)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	        {NULL, "closed the connection"},
	        {"", "closed the connection"},
	        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n<", "closed the connection"},
	        {"220 mail ESMTP\r\n\r\n", "not ocsmanager's"},
	        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "not ocsmanager's"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(report_to(cases[i].text), OCSNOTIFY_E_DAEMON);
		ck_assert_msg(strstr(ocsnotify_last_error(context), cases[i].why) != NULL,
		              "%zu: %s", i, ocsnotify_last_error(context));
		ck_assert_int_eq(results[0].status, OCSNOTIFY_REPORT_UNANSWERED);
	}
}

TEST(a_result_fits_into_what_an_older_host_has)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
	                           "<notification status=\"queued\" queues=\"3\"/> ";
	const size_t size = offsetof(struct ocsnotify_report_result, code);
	pthread_t thread;

	memset(results, 0xff, sizeof(results));
	ck_assert_int_eq(pthread_create(&thread, NULL, answer_once, (void *)(uintptr_t)text), 0);
	ck_assert_int_eq(
	        ocsnotify_report_sized(context, &event, sizeof(event), results, size, 1, NULL),
	        OCSNOTIFY_OK);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(results[0].status, OCSNOTIFY_REPORT_QUEUED);
	ck_assert_uint_eq(results[0].queues, 3);
	ck_assert_int_eq(results[0].code, -1);
}

TEST(what_cannot_be_reported_sends_nothing)
{
	struct ocsnotify_report_event events[2] = {event, event};

	events[1].type = OCSNOTIFY_TABLE_MODIFIED;
	ck_assert_int_eq(ocsnotify_report(context, events, results, 2, NULL), OCSNOTIFY_E_INVALID);
	/* What a document cannot carry would be another name there. */
	events[0].folder = "a\x01";
	events[1] = event;
	events[1].message = "\xff";
	ck_assert_int_eq(ocsnotify_report(context, events, results, 2, NULL), OCSNOTIFY_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(results[i].status, OCSNOTIFY_REPORT_REFUSED);
		ck_assert_str_eq(results[i].name, "INVALID_PARAMETER");
	}
	ck_assert_int_eq(ocsnotify_report(context, NULL, NULL, 0, NULL), OCSNOTIFY_OK);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* HTTP over a local socket: see local.h. Touches that socket only. */
#include "lib.h"
#include "http-header.h"
#include "http-response-parser.h"
#include "ioloop.h"
#include "istream.h"
#include "net.h"
#include "ostream.h"

#include "local.h"

#include <fcntl.h>
#include <unistd.h>

#define INPUT_MAX   (16 * 1024)
#define INTERIM_MAX 10 /* in one call: more would keep the loop of Dovecot busy */

static const struct http_header_limits limits = {.max_size = 16 * 1024, .max_fields = 100};

static struct {
	bool open;
	int fd;
	struct istream *input;
	struct ostream *output;
	struct http_response_parser *parser;
	struct io *io;
	ocs_local_callback_t *callback;
} local;

static void local_input_ready(void *context ATTR_UNUSED)
{
	struct http_response response;
	const char *error = NULL;
	unsigned int interim = 0;
	int ret;

	do {
		ret = http_response_parse_next(local.parser, HTTP_RESPONSE_PAYLOAD_TYPE_ALLOWED,
		                               &response, &error);
	} while (ret > 0 && response.status / 100 == 1 && ++interim <= INTERIM_MAX);
	if (ret == 0 && !local.input->eof)
		return;
	io_remove(&local.io);
	if (interim > INTERIM_MAX)
		local.callback(NULL, "too many interim answers");
	else if (ret > 0)
		local.callback(&response, NULL);
	else
		local.callback(NULL, local.input->eof || local.input->stream_errno != 0
		                             ? "the connection was closed without an answer"
		                             : error);
}

/* A socket that this process may not write to is an admin's to fix: say who lacks what. */
static const char *connect_error(const char *socket_path)
{
	int error = errno;

	if (error == EACCES)
		return t_strdup_printf("permission denied for uid %u, gid %u ([server:main] "
		                       "socket_group of the daemon)",
		                       (unsigned int)geteuid(), (unsigned int)getegid());
	return t_strdup_printf("connect(%s) failed: %s", socket_path, strerror(error));
}

int ocs_local_send(const char *socket_path, const char *method, const char *path, const char *body,
                   ocs_local_callback_t *callback, const char **error_r)
{
	const char *head;

	i_assert(!local.open);
	/* does not wait: a full backlog is EAGAIN */
	local.fd = net_connect_unix(socket_path);
	if (local.fd == -1) {
		*error_r = connect_error(socket_path);
		return -1;
	}
	local.open = TRUE;
	local.callback = callback;
	local.input = i_stream_create_fd(local.fd, INPUT_MAX);
	local.output = o_stream_create_fd(local.fd, (size_t)-1);
	/* the other side's end shows when its answer is read */
	o_stream_set_no_error_handling(local.output, TRUE);
	local.parser = http_response_parser_init(local.input, &limits, 0);
	local.io = io_add_istream(local.input, local_input_ready, NULL);
	head = t_strdup_printf("%s %s HTTP/1.1\r\nHost: localhost\r\n"
	                       "User-Agent: ocsmanager-dovecot\r\nConnection: close\r\n"
	                       "Content-Type: text/xml; charset=utf-8\r\n"
	                       "Content-Length: %zu\r\n\r\n",
	                       method, path, strlen(body));
	o_stream_cork(local.output);
	o_stream_nsend_str(local.output, head);
	o_stream_nsend_str(local.output, body);
	o_stream_uncork(local.output);
	return 0;
}

void ocs_local_close(void)
{
	if (!local.open)
		return;
	local.open = FALSE;
	io_remove(&local.io);
	http_response_parser_deinit(&local.parser);
	i_stream_destroy(&local.input);
	o_stream_destroy(&local.output);
	i_close_fd(&local.fd);
}

void ocs_local_switch_ioloop(void)
{
	if (!local.open)
		return;
	if (local.io != NULL)
		local.io = io_loop_move_io(&local.io);
	o_stream_switch_ioloop(local.output);
}

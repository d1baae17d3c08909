/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* HTTP for the plugin: see exchange.h. Touches the network through lib-http only. */
#include "lib.h"
#include "array.h"
#include "http-client.h"
#include "http-url.h"
#include "ioloop.h"
#include "istream.h"
#include "str.h"

#include "compat.h"
#include "exchange.h"
#include "local.h"

/* 256 results of at most 128 bytes of id and a line of text each stay far below */
#define ANSWER_MAX  (256 * 1024)
#define COOKIES_MAX 4096
#define IDLE_MSECS  (30 * 1000)

static struct {
	pool_t pool;
	struct ocs_exchange_settings set;
	struct http_url *url;

	struct http_client *client;
	bool client_broken; /* an answer was left half read: the next request takes a new client */

	struct http_client_request *request;
	struct istream *payload;
	struct io *io;
	struct timeout *to_limit, *to_done;
	bool busy;
	bool on_kept_connection;
	bool connection_used;

	unsigned int status, retry_after;
	string_t *reason, *cookies, *body;
	bool lost;
	ocs_exchange_callback_t *callback;
} exchange;

static void create_client(void)
{
	struct ocs_client_settings set = {
	        .dns_socket = exchange.set.dns_socket,
	        .ca = exchange.set.ca,
	        .tls = exchange.url->have_ssl,
	        .timeout_msecs = exchange.set.timeout_msecs,
	        .idle_msecs = IDLE_MSECS,
	};

	exchange.client_broken = FALSE;
	exchange.connection_used = FALSE;
	exchange.client = ocs_compat_client(&set);
}

int ocs_exchange_init(const struct ocs_exchange_settings *set, const char **error_r)
{
	pool_t pool = pool_alloconly_create("ocsmanager exchange", 512);
	struct http_url *url = NULL;

	if (set->socket == NULL && http_url_parse(set->url, NULL, 0, pool, &url, error_r) < 0) {
		*error_r = t_strdup_printf("ocsmanager_url = %s: %s", set->url, *error_r);
		pool_unref(&pool);
		return -1;
	}
	i_zero(&exchange);
	exchange.pool = pool;
	exchange.url = url;
	exchange.set.socket = p_strdup(pool, set->socket);
	exchange.set.timeout_msecs = set->timeout_msecs;
	exchange.set.ca = p_strdup(pool, set->ca);
	exchange.set.dns_socket = p_strdup(pool, set->dns_socket);
	exchange.reason = str_new(default_pool, 128);
	exchange.cookies = str_new(default_pool, 256);
	exchange.body = str_new(default_pool, 1024);
	return 0;
}

static void release_answer(void)
{
	timeout_remove(&exchange.to_limit);
	io_remove(&exchange.io);
	i_stream_unref(&exchange.payload);
	ocs_local_close();
	if (exchange.request != NULL)
		http_client_request_abort(&exchange.request);
}

void ocs_exchange_deinit(void)
{
	release_answer();
	timeout_remove(&exchange.to_done);
	if (exchange.client != NULL)
		http_client_deinit(&exchange.client);
	str_free(&exchange.reason);
	str_free(&exchange.cookies);
	str_free(&exchange.body);
	pool_unref(&exchange.pool);
}

static void exchange_done(void *context ATTR_UNUSED)
{
	struct ocs_reply reply = {
	        .status = exchange.status,
	        .reason = str_c(exchange.reason),
	        .retry_after = exchange.retry_after,
	        .cookies = str_len(exchange.cookies) > 0 ? str_c(exchange.cookies) : NULL,
	        .body = str_c(exchange.body),
	        .size = str_len(exchange.body),
	        .lost = exchange.lost && exchange.on_kept_connection,
	};

	timeout_remove(&exchange.to_done);
	exchange.busy = FALSE;
	if (exchange.client_broken && exchange.client != NULL)
		http_client_deinit(&exchange.client);
	T_BEGIN
	{
		/* the next request may be sent from here and reuses the buffers */
		reply.reason = t_strdup(reply.reason);
		reply.cookies = t_strdup(reply.cookies);
		reply.body = t_strndup(reply.body, reply.size);
		exchange.callback(&reply);
	}
	T_END;
}

/* Ends the exchange; the callback runs from the ioloop, never from inside lib-http. */
static void finish(void)
{
	release_answer();
	if (exchange.to_done == NULL)
		exchange.to_done = timeout_add_short(0, exchange_done, NULL);
}

static void fail(const char *reason)
{
	exchange.status = 0;
	str_truncate(exchange.reason, 0);
	str_append(exchange.reason, reason);
	finish();
}

static void exchange_limit_reached(void *context ATTR_UNUSED)
{
	exchange.client_broken = TRUE;
	fail("no complete answer in time");
}

static void exchange_read_body(void *context ATTR_UNUSED)
{
	const unsigned char *data;
	size_t size;
	int ret;

	while ((ret = i_stream_read_more(exchange.payload, &data, &size)) > 0) {
		if (str_len(exchange.body) + size > ANSWER_MAX) {
			exchange.client_broken = TRUE;
			fail("the answer is too large");
			return;
		}
		str_append_data(exchange.body, data, size);
		i_stream_skip(exchange.payload, size);
	}
	if (ret == 0)
		return;
	if (exchange.payload->stream_errno != 0) {
		exchange.client_broken = TRUE;
		fail("the answer broke off");
		return;
	}
	finish();
}

static void keep_cookies(const struct http_response *response)
{
	const ARRAY_TYPE(http_header_field) *fields = http_response_header_get_fields(response);
	const struct http_header_field *field;

	if (fields == NULL)
		return;
	array_foreach(fields, field)
	{
		size_t length = strcspn(field->value, "; \t\r\n");

		if (strcasecmp(field->name, "Set-Cookie") != 0 ||
		    str_len(exchange.cookies) + length + 2 > COOKIES_MAX)
			continue;
		if (str_len(exchange.cookies) > 0)
			str_append(exchange.cookies, "; ");
		str_append_data(exchange.cookies, field->value, length);
	}
}

static void take_response(const struct http_response *response)
{
	exchange.status = response->status;
	str_append(exchange.reason, response->reason == NULL ? "" : response->reason);
	if (response->retry_after != (time_t)-1 && response->retry_after > ioloop_time)
		exchange.retry_after =
		        (unsigned int)I_MIN(response->retry_after - ioloop_time, 3600);
	keep_cookies(response);
	if (response->payload == NULL) {
		finish();
		return;
	}
	exchange.payload = response->payload;
	i_stream_ref(exchange.payload);
	exchange.io = io_add_istream(exchange.payload, exchange_read_body, NULL);
	exchange_read_body(NULL);
}

static void exchange_client_callback(const struct http_response *response,
                                     void *context ATTR_UNUSED)
{
	exchange.request = NULL;
	if (http_response_is_internal_error(response)) {
		exchange.lost = response->status == HTTP_CLIENT_REQUEST_ERROR_CONNECTION_LOST;
		fail(response->reason);
		return;
	}
	exchange.connection_used = TRUE;
	take_response(response);
}

static void exchange_local_callback(const struct http_response *response, const char *error)
{
	if (response == NULL)
		fail(error);
	else
		take_response(response);
}

static void send_by_client(const char *method, const char *path, const char *cookies,
                           const char *bearer, const char *body)
{
	struct http_url target = *exchange.url;

	if (exchange.client == NULL)
		create_client();
	target.path = path;
	exchange.request = http_client_request_url(exchange.client, method, &target,
	                                           exchange_client_callback, NULL);
	http_client_request_add_header(exchange.request, "Content-Type", "text/xml; charset=utf-8");
	if (cookies != NULL)
		http_client_request_add_header(exchange.request, "Cookie", cookies);
	if (bearer != NULL)
		http_client_request_add_header(exchange.request, "Authorization",
		                               t_strconcat("Bearer ", bearer, NULL));
	http_client_request_set_payload_data(exchange.request, (const unsigned char *)body,
	                                     strlen(body));
	http_client_request_submit(exchange.request);
}

void ocs_exchange_send(const char *method, const char *path, const char *cookies,
                       const char *bearer, const char *body, ocs_exchange_callback_t *callback)
{
	const char *error;

	i_assert(!exchange.busy);
	exchange.busy = TRUE;
	exchange.callback = callback;
	exchange.status = 0;
	exchange.retry_after = 0;
	exchange.lost = FALSE;
	exchange.on_kept_connection = exchange.connection_used;
	str_truncate(exchange.reason, 0);
	str_truncate(exchange.cookies, 0);
	str_truncate(exchange.body, 0);

	exchange.to_limit = timeout_add(exchange.set.timeout_msecs, exchange_limit_reached, NULL);
	if (exchange.set.socket == NULL)
		send_by_client(method, path, cookies, bearer, body);
	else if (ocs_local_send(exchange.set.socket, method, path, body, exchange_local_callback,
	                        &error) < 0)
		fail(error);
}

bool ocs_exchange_busy(void)
{
	return exchange.busy;
}

void ocs_exchange_switch_ioloop(void)
{
	if (exchange.client != NULL)
		(void)http_client_switch_ioloop(exchange.client);
	ocs_local_switch_ioloop();
	if (exchange.io != NULL)
		exchange.io = io_loop_move_io(&exchange.io);
	if (exchange.to_limit != NULL)
		exchange.to_limit = io_loop_move_timeout(&exchange.to_limit);
	if (exchange.to_done != NULL)
		exchange.to_done = io_loop_move_timeout(&exchange.to_done);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Opening and closing a connection. The only file that sees the password, which goes
 * into the login and nowhere else.
 *
 * librabbitmq writes with MSG_NOSIGNAL (TLS too), sets TCP_NODELAY, SO_KEEPALIVE and O_NONBLOCK,
 * and its writes end when nothing was heard for two heartbeats.
 */
#include "cluster/broker_internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MS      5000 /* connecting, TLS, login and the first channel of one URI */
#define RPC_SECONDS  10   /* a quorum queue that elects a leader takes its time to declare */
#define CLOSE_MS     700
#define CHANNELS_MAX OCS_BROKER_TRIAL_CHANNEL
#define FRAME_MAX    131072
#define SYSTEM_CAS   "/etc/ssl/certs/ca-certificates.crt"

static struct timeval left_until(uint64_t end)
{
	uint64_t now = ocs_clock_ms(), left = end > now ? end - now : 1;

	return (struct timeval){.tv_sec = (time_t)(left / 1000),
	                        .tv_usec = (suseconds_t)(left % 1000 * 1000)};
}

static amqp_socket_t *new_tls_socket(const struct ocs_link_settings *settings,
                                     amqp_connection_state_t connection, struct ocs_error *error)
{
	amqp_socket_t *socket = amqp_ssl_socket_new(connection);
	const char *ca = settings->ca_file != NULL ? settings->ca_file : SYSTEM_CAS;

	if (socket == NULL) {
		ocs_error_set(error, "cannot set up TLS");
		return NULL;
	}
	amqp_ssl_socket_set_verify_peer(socket, settings->tls_verify);
	amqp_ssl_socket_set_verify_hostname(socket, settings->tls_verify);
	if (amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) !=
	    AMQP_STATUS_OK) {
		ocs_error_set(error, "cannot set the versions of TLS");
		return NULL;
	}
	if (settings->tls_verify && amqp_ssl_socket_set_cacert(socket, ca) != AMQP_STATUS_OK) {
		ocs_error_set(error, "cannot load the certificates of %s", ca);
		return NULL;
	}
	if (settings->cert_file != NULL &&
	    amqp_ssl_socket_set_key(socket, settings->cert_file, settings->key_file) !=
	            AMQP_STATUS_OK) {
		ocs_error_set(error, "cannot load the client certificate %s and its key",
		              settings->cert_file);
		return NULL;
	}
	return socket;
}

static amqp_table_entry_t yes_entry(const char *key)
{
	return ocs_amqp_entry(
	        key, (amqp_field_value_t){.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1});
}

static amqp_rpc_reply_t login(struct ocs_broker *broker, const struct ocs_broker_uri *uri,
                              unsigned heartbeat, const char *name)
{
	amqp_table_entry_t capabilities[] = {
	        yes_entry("connection.blocked"),
	        yes_entry("publisher_confirms"),
	        yes_entry("basic.nack"),
	        yes_entry("consumer_cancel_notify"),
	        yes_entry("authentication_failure_close"),
	};
	amqp_table_entry_t properties[] = {
	        ocs_amqp_entry("product", ocs_amqp_text("OCSManager")),
	        ocs_amqp_entry("version", ocs_amqp_text(OCS_VERSION)),
	        ocs_amqp_entry("connection_name", ocs_amqp_text(name)),
	        ocs_amqp_entry("capabilities",
	                       (amqp_field_value_t){
	                               .kind = AMQP_FIELD_KIND_TABLE,
	                               .value.table = {sizeof(capabilities) / sizeof(*capabilities),
	                                               capabilities}}),
	};
	amqp_table_t table = {sizeof(properties) / sizeof(*properties), properties};

	return amqp_login_with_properties(broker->connection, uri->info.vhost, CHANNELS_MAX,
	                                  FRAME_MAX, (int)heartbeat, &table, AMQP_SASL_METHOD_PLAIN,
	                                  uri->info.user, uri->info.password);
}

/* What the kernel has to do for us, and the duplicate for ocs_broker_abort(). */
static int set_socket(struct ocs_broker *broker, unsigned heartbeat, struct ocs_error *error)
{
	unsigned limit = 2 * heartbeat * 1000;
	int fd = amqp_get_sockfd(broker->connection);

	broker->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (broker->fd < 0 || (limit > 0 && setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit,
	                                               sizeof(limit)) != 0))
		return ocs_error_set(error, "cannot set up the socket: %m");
	return 0;
}

static enum ocs_broker_result say_login(struct ocs_broker *broker, const amqp_rpc_reply_t *reply,
                                        struct ocs_error *error)
{
	struct ocs_error why;
	enum ocs_broker_result result = ocs_broker_judge(broker, 0, reply, "login", &why);
	unsigned code = 0;

	if (result == OCS_BROKER_OK)
		return result;
	if (reply->reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
	    reply->reply.id == AMQP_CONNECTION_CLOSE_METHOD)
		code = ((amqp_connection_close_t *)reply->reply.decoded)->reply_code;
	if (code == AMQP_ACCESS_REFUSED) {
		ocs_error_set(error,
		              "%s refuses user \"%s\": the user is unknown or the password is "
		              "wrong; correct "
		              "uri in [rabbitmq], or at the broker: rabbitmqctl add_user, "
		              "change_password",
		              broker->peer, broker->user);
		return OCS_BROKER_REFUSED;
	}
	if (code == AMQP_NOT_ALLOWED) {
		ocs_error_set(error,
		              "%s: no such vhost, or user \"%s\" may not use it, or too many "
		              "connections; at the broker: rabbitmqctl add_vhost, set_permissions "
		              "(%.200s)",
		              broker->peer, broker->user, why.text);
		return OCS_BROKER_REFUSED;
	}
	ocs_error_wrap(error, &why, "%s: %.400s", broker->peer, why.text);
	return result;
}

static enum ocs_broker_result say_connect(const struct ocs_broker *broker, int status, bool verify,
                                          struct ocs_error *error)
{
	/* librabbitmq compares with the DNS names of the certificate only. */
	if (status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED) {
		ocs_error_set(error,
		              "%s: its certificate is for another host name than that in uri (an "
		              "address does not work)",
		              broker->peer);
		return OCS_BROKER_REFUSED;
	}
	if (status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED) {
		ocs_error_set(error,
		              "%s: its certificate is not trusted (%s); see ca_file in "
		              "[rabbitmq]",
		              broker->peer, amqp_error_string2(status));
		return OCS_BROKER_REFUSED;
	}
	if (status == AMQP_STATUS_SSL_CONNECTION_FAILED)
		ocs_error_set(error, "%s: no TLS%s", broker->peer,
		              verify ? ", or a certificate that is not trusted; see ca_file "
		                       "in [rabbitmq]"
		                     : "");
	else if (status == AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED)
		ocs_error_set(error, "%s: no such host", broker->peer);
	else if (status == AMQP_STATUS_TIMEOUT)
		ocs_error_set(error, "%s: no answer", broker->peer);
	else
		ocs_error_set(error, "%s: cannot connect", broker->peer);
	return OCS_BROKER_LOST;
}

static enum ocs_broker_result open_uri(struct ocs_broker *broker,
                                       const struct ocs_link_settings *settings,
                                       const struct ocs_broker_uri *uri, const char *name,
                                       struct ocs_error *error)
{
	uint64_t end = ocs_clock_ms() + OPEN_MS;
	struct timeval left = left_until(end);
	enum ocs_broker_result result;
	struct ocs_error why;
	amqp_rpc_reply_t reply;
	amqp_socket_t *socket;
	int status;

	if (uri->info.ssl)
		socket = new_tls_socket(settings, broker->connection, &why);
	else if ((socket = amqp_tcp_socket_new(broker->connection)) == NULL)
		ocs_error_memory(&why);
	if (socket == NULL) {
		ocs_error_wrap(error, &why, "%s: %.400s", broker->peer, why.text);
		return why.no_memory ? OCS_BROKER_LOST : OCS_BROKER_REFUSED;
	}
	status = amqp_socket_open_noblock(socket, uri->info.host, uri->info.port, &left);
	if (status != AMQP_STATUS_OK)
		return say_connect(broker, status, settings->tls_verify, error);
	if (set_socket(broker, settings->heartbeat, error) != 0)
		return OCS_BROKER_LOST;
	left = left_until(end);
	if (amqp_set_handshake_timeout(broker->connection, &left) != AMQP_STATUS_OK)
		return OCS_BROKER_LOST;
	reply = login(broker, uri, settings->heartbeat, name);
	result = say_login(broker, &reply, error);
	if (result != OCS_BROKER_OK)
		return result;
	left = left_until(end);
	if (amqp_set_rpc_timeout(broker->connection, &left) != AMQP_STATUS_OK)
		return OCS_BROKER_LOST;
	result = ocs_broker_open_channel(broker, 1, error);
	if (result != OCS_BROKER_OK)
		return result;
	left = (struct timeval){.tv_sec = RPC_SECONDS};
	status = amqp_set_rpc_timeout(broker->connection, &left);
	return ocs_broker_status(broker, status, "setting up", error);
}

static enum ocs_broker_result try_uri(const struct ocs_link_settings *settings, unsigned n,
                                      const char *name, struct ocs_broker **broker_r,
                                      struct ocs_error *error)
{
	enum ocs_broker_result result;
	struct ocs_broker_uri uri;
	struct ocs_broker *broker;

	if (ocs_broker_uri_parse(settings->uri, n, &uri, error) != 0)
		return OCS_BROKER_REFUSED;
	broker = calloc(1, sizeof(*broker));
	if (broker == NULL || (broker->connection = amqp_new_connection()) == NULL) {
		free(broker);
		ocs_broker_uri_free(&uri);
		ocs_error_memory(error);
		return OCS_BROKER_LOST;
	}
	broker->fd = -1;
	ocs_broker_uri_peer(&uri, broker->peer);
	snprintf(broker->user, sizeof(broker->user), "%s", uri.info.user);
	ocs_error_set(error, "%s: cannot set up the connection", broker->peer);
	result = open_uri(broker, settings, &uri, name, error);
	ocs_broker_uri_free(&uri);
	if (result == OCS_BROKER_OK) {
		*broker_r = broker;
		return result;
	}
	broker->dead = true;
	ocs_broker_close(broker);
	return result;
}

enum ocs_broker_result ocs_broker_open(const struct ocs_link_settings *settings, const char *name,
                                       unsigned *next, struct ocs_broker **broker_r,
                                       struct ocs_error *error)
{
	unsigned count = ocs_broker_uri_count(settings->uri);
	enum ocs_broker_result worst = OCS_BROKER_LOST;
	struct ocs_error first = {.text = ""};

	for (unsigned i = 0; i < count; i++) {
		enum ocs_broker_result result =
		        try_uri(settings, *next % count, name, broker_r, error);

		if (result == OCS_BROKER_OK)
			return result;
		*next = (*next + 1) % count;
		/* What an admin can do something about is said rather than what they cannot. */
		if (first.text[0] == '\0' ||
		    (result == OCS_BROKER_REFUSED && worst != OCS_BROKER_REFUSED)) {
			first = error != NULL ? *error : first;
			worst = result == OCS_BROKER_REFUSED ? result : OCS_BROKER_LOST;
		}
	}
	if (error != NULL)
		*error = first;
	return worst;
}

void ocs_broker_close(struct ocs_broker *broker)
{
	struct timeval limit = {.tv_usec = CLOSE_MS * 1000};
	struct pollfd ready = {.fd = broker != NULL ? broker->fd : -1, .events = POLLOUT};

	if (broker == NULL)
		return;
	/* A full socket would hold the good-bye up for two heartbeats. */
	if (!broker->dead && poll(&ready, 1, 0) == 1 &&
	    (ready.revents & (POLLERR | POLLHUP)) == 0 &&
	    amqp_set_rpc_timeout(broker->connection, &limit) == AMQP_STATUS_OK)
		amqp_connection_close(broker->connection, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(broker->connection);
	if (broker->fd >= 0)
		close(broker->fd);
	free(broker);
}

void ocs_broker_abort(struct ocs_broker *broker)
{
	shutdown(broker->fd, SHUT_RDWR);
}

amqp_connection_state_t ocs_broker_connection(const struct ocs_broker *broker)
{
	return broker->connection;
}

int ocs_broker_fd(const struct ocs_broker *broker)
{
	return broker->fd;
}

const char *ocs_broker_peer(const struct ocs_broker *broker)
{
	return broker->peer;
}

const char *ocs_broker_user(const struct ocs_broker *broker)
{
	return broker->user;
}

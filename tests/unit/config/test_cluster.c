/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* [rabbitmq] of the ini: defaults, contradictions, doubts, and the link's settings made of it. */
#include <limits.h>

#include "config/cluster.h"
#include "tests/unit/config/config_rig.h"

/* What stands before the keys: 8 lines. */
#define BEFORE                                                                                     \
	"[auth:single]\nusername = a\npassword = b\n[main]\nregistry = run\n[backend:sogo]\n"      \
	"uri = sogo://{user}/{folder}/{message}\n[rabbitmq]\n"
#define URI "uri = amqp://guest:s3cret@127.0.0.1:5672\n"

/* Keys of [rabbitmq], the first in line 9. */
static void link_with(const char *keys)
{
	config_load(talloc_asprintf(config_memory, BEFORE "%s", keys));
}

static const struct ocs_link_settings *settings(void)
{
	return ocs_config_link(config);
}

TESTS_HAVE(.setup = config_setup, .teardown = config_teardown);

TEST(without_uri_there_is_no_link_and_nothing_to_set)
{
	link_with("");
	config_is_fine();
	ck_assert_ptr_null(settings());
	link_with("node = n1\nspool_max = 5\n");
	config_says_only("W:9: [rabbitmq] node has no effect without uri\n"
	                 "W:10: [rabbitmq] spool_max has no effect without uri\n");
	ck_assert_ptr_null(settings());
}

TEST(a_uri_alone_is_enough)
{
	char host[HOST_NAME_MAX + 1], queue[HOST_NAME_MAX + 32], spool[RIG_FOLDER_SIZE + 40];

	link_with(URI);
	config_is_fine();
	ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
	host[strcspn(host, ".")] = '\0';
	snprintf(queue, sizeof(queue), "ocsmanager.node.%s", host);
	snprintf(spool, sizeof(spool), "%s/run/private/spool", rig_folder);

	const struct ocs_link_settings *link = settings();
	ck_assert_ptr_nonnull(link);
	ck_assert_str_eq(link->uri, "amqp://guest:s3cret@127.0.0.1:5672");
	ck_assert_str_eq(link->node, host);
	ck_assert_str_eq(link->exchange, "ocsmanager.users");
	ck_assert_str_eq(link->ingest_queue, "ocsmanager.ingest");
	ck_assert_str_eq(link->dead_queue, "ocsmanager.dead");
	ck_assert_str_eq(link->node_queue, queue);
	ck_assert(link->ingest);
	ck_assert(!link->relay);
	ck_assert_str_eq(link->ingest_account, "anonymous");
	ck_assert_str_eq(link->json_backend, "sogo");
	ck_assert_ptr_null(link->ca_file);
	ck_assert_ptr_null(link->cert_file);
	ck_assert_ptr_null(link->key_file);
	ck_assert(link->tls_verify);
	ck_assert_uint_eq(link->heartbeat, 10);
	ck_assert_uint_eq(link->prefetch, 256);
	ck_assert_uint_eq(link->confirm_timeout, 5);
	ck_assert_uint_eq(link->pending_max, 20000);
	ck_assert_uint_eq(link->queue_length, 100000);
	ck_assert_uint_eq(link->queue_expires, 1800);
	ck_assert_uint_eq(link->unbind_after, 60);
	ck_assert_uint_eq(link->max_batch, 256);
	ck_assert_str_eq(link->spool_folder, spool);
	ck_assert_uint_eq(link->spool_max, 0);
}

TEST(every_key_arrives_in_the_settings)
{
	link_with("uri = amqps://a:b@one/v,amqps://a:b@two/v\nnode = n-1.x_Y\nexchange = e\n"
	          "ingest_queue = i\ndead_queue = d\nnode_queue = n\ningest = no\nrelay = yes\n"
	          "ingest_account =\njson_backend = SOGO\nca_file = ca.pem\ncert_file = /c.pem\n"
	          "key_file = /k.pem\ntls_verify = yes\nheartbeat = 300\nprefetch = 1\n"
	          "confirm_timeout = 9\npending_max = 2\nqueue_length = 3\nqueue_expires = 4\n"
	          "unbind_after = 5\nspool_max = 1048576\n[server:main]\nmax_batch = 7\n");
	config_is_fine();

	const struct ocs_link_settings *link = settings();
	ck_assert_str_eq(link->uri, "amqps://a:b@one/v,amqps://a:b@two/v");
	ck_assert_str_eq(link->node, "n-1.x_Y");
	ck_assert_str_eq(link->exchange, "e");
	ck_assert_str_eq(link->ingest_queue, "i");
	ck_assert_str_eq(link->dead_queue, "d");
	ck_assert_str_eq(link->node_queue, "n");
	ck_assert(!link->ingest);
	ck_assert(link->relay);
	ck_assert_str_eq(link->ingest_account, "");
	ck_assert_str_eq(link->json_backend, "SOGO");
	ck_assert_str_eq(link->ca_file, talloc_asprintf(config_memory, "%s/ca.pem", rig_folder));
	ck_assert_str_eq(link->cert_file, "/c.pem");
	ck_assert_str_eq(link->key_file, "/k.pem");
	ck_assert_uint_eq(link->heartbeat, 300);
	ck_assert_uint_eq(link->prefetch, 1);
	ck_assert_uint_eq(link->confirm_timeout, 9);
	ck_assert_uint_eq(link->pending_max, 2);
	ck_assert_uint_eq(link->queue_length, 3);
	ck_assert_uint_eq(link->queue_expires, 4);
	ck_assert_uint_eq(link->unbind_after, 5);
	ck_assert_uint_eq(link->spool_max, 1048576);
	ck_assert_uint_eq(link->max_batch, 7);
}

TEST(a_node_name_fits_into_a_queue_name_and_a_routing_key)
{
	link_with(URI "node = a b\n");
	config_says_only(
	        "E:10: [rabbitmq] node: 'a b' is not a valid node name (1 to 64 of A-Z a-z 0-9 _ . "
	        "-)\n");
	char *name = talloc_zero_array(config_memory, char, 66);
	memset(name, 'n', 64);
	link_with(talloc_asprintf(config_memory, URI "node = %s\n", name));
	config_is_fine();
	name[64] = 'n';
	link_with(talloc_asprintf(config_memory, URI "node = %s\n", name));
	ck_assert_int_eq(config_result, -1);
}

TEST(names_are_what_amqp_allows)
{
	char *name = talloc_zero_array(config_memory, char, 257);

	memset(name, 'q', 255);
	link_with(talloc_asprintf(config_memory, URI "exchange = %s\n", name));
	config_is_fine();
	name[255] = 'q';
	link_with(talloc_asprintf(config_memory, URI "exchange = %s\n", name));
	config_says_only(
	        "E:10: [rabbitmq] exchange: the name has 256 bytes; RabbitMQ allows 255\n");
	link_with(URI "dead_queue = amq.dead\n");
	config_says_only(
	        "E:10: [rabbitmq] dead_queue: 'amq.dead': names that begin with amq. are reserved "
	        "by RabbitMQ\n");
	link_with(URI "ingest_queue = x\ndead_queue = x\n");
	config_says_only("E:11: [rabbitmq] dead_queue: 'x' is already the name of ingest_queue\n");
	link_with(URI "node = n\ndead_queue = ocsmanager.node.n\n");
	config_says_only("E:8: [rabbitmq] node_queue: 'ocsmanager.node.n' is already the name of "
	                 "dead_queue\n");
}

TEST(a_relay_takes_nothing_from_the_ingest_queue)
{
	link_with(URI "relay = yes\n");
	config_is_fine();
	ck_assert(settings()->relay);
	ck_assert(!settings()->ingest);
	link_with(URI "relay = yes\ningest = no\n");
	config_is_fine();
	link_with(URI "relay = yes\ningest = yes\n");
	config_says_only(
	        "E:11: [rabbitmq] ingest: must be no with relay = yes (a relay does not consume "
	        "the ingest queue)\n");
}

TEST(a_relay_needs_no_backend)
{
	config_load("[auth:single]\nusername = a\npassword = b\n[rabbitmq]\n" URI "relay = yes\n");
	config_is_fine();
	config_load("[auth:single]\nusername = a\npassword = b\n[rabbitmq]\n" URI);
	ck_assert_ptr_nonnull(strstr(config_problems, "W: no section [backend:NAME]"));
}

TEST(a_confirm_comes_before_the_request_is_given_up)
{
	link_with(URI "[limits]\nrequest_deadline = 5\n");
	config_says_only("E:8: [rabbitmq] confirm_timeout: 5 is not less than [limits] "
	                 "request_deadline (5)\n");
	link_with(URI "confirm_timeout = 4\n[limits]\nrequest_deadline = 5\n");
	config_is_fine();
	link_with("[limits]\nrequest_deadline = 5\n");
	config_is_fine();
}

TEST(json_is_about_the_only_backend_or_the_one_named)
{
	link_with(URI "json_backend = dovecot\n");
	config_says_only("E:10: [rabbitmq] json_backend: no section [backend:dovecot]\n");
	link_with(URI "[backend:dovecot]\nuri = d://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_ptr_null(settings()->json_backend);
	link_with(
	        URI
	        "json_backend = dovecot\n[backend:dovecot]\nuri = d://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_str_eq(settings()->json_backend, "dovecot");
}

TEST(folders_in_json_are_as_their_backend_writes_them)
{
	link_with(
	        URI
	        "json_backend = dovecot\n[backend:dovecot]\nuri = d://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_int_eq(settings()->json_folders.separator, '/');
	ck_assert(!settings()->json_folders.utf7);
	link_with(URI "json_backend = Dovecot\n[backend:dovecot]\nuri = "
	              "d://{user}/{folder}/{message}\nseparator = .\n"
	              "names = UTF-7\n");
	config_is_fine();
	ck_assert_int_eq(settings()->json_folders.separator, '.');
	ck_assert(settings()->json_folders.utf7);
}

TEST(an_account_may_be_empty_but_not_nonsense)
{
	link_with(URI "ingest_account =\n");
	config_is_fine();
	link_with(URI "ingest_account = a b\n");
	config_says_only("E:10: [rabbitmq] ingest_account: 'a b' is not a valid account name (1 to "
	                 "128 of A-Z "
	                 "a-z "
	                 "0-9 _ . @ -)\n");
}

TEST(numbers_and_words_are_checked)
{
	static const char *const bad[] = {
	        "heartbeat = 0",
	        "heartbeat = 301",
	        "prefetch = 0",
	        "prefetch = 10001",
	        "confirm_timeout = 0",
	        "confirm_timeout = 61",
	        "pending_max = 0",
	        "queue_length = 0",
	        "queue_expires = 0",
	        "unbind_after = 0",
	        "spool_max = 1 MiB",
	        "queue_expires = 4294968",
	        "tls_verify = 1",
	        "relay = true",
	        "ingest = maybe",
	        "node =",
	        "uri =",
	        "ca_file =",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		link_with(talloc_asprintf(config_memory, "%s%s\n",
		                          strncmp(bad[i], "uri", 3) == 0 ? "" : URI, bad[i]));
		ck_assert_msg(config_result == -1, "%s was taken", bad[i]);
	}
}

TEST(a_certificate_needs_its_key)
{
	link_with(URI "cert_file = /c\n");
	config_says_only("E:10: [rabbitmq] cert_file: key_file must be set as well\n");
	link_with(URI "key_file = /k\n");
	config_says_only("E:10: [rabbitmq] key_file: cert_file must be set as well\n");
}

TEST(a_password_in_clear_across_the_network_is_a_warning)
{
	link_with("uri = amqp://a:s3cret@mq.example.org:5672/v,amqps://a:s3cret@other\n");
	config_says_only("W:9: [rabbitmq] uri: the password is sent to mq.example.org in clear; "
	                 "use "
	                 "amqps://\n");
	link_with("uri = amqp://a:b@localhost , "
	          "amqp://a:b@127.0.1.5:5672/v,amqp://a:b@[::1]:5672/v\n");
	config_is_fine();
	link_with("uri = amqp://a:b@localhost, amqp://\xc3\xa4:%40@[2001:db8::1]\n");
	config_says_only("W:9: [rabbitmq] uri: the password is sent to 2001:db8::1 in clear; use "
	                 "amqps://\n");
}

TEST(tls_without_verification_is_a_warning)
{
	link_with("uri = amqps://a:b@broker\ntls_verify = no\n");
	config_says_only(
	        "W:10: [rabbitmq] tls_verify: without verification anyone on the network can "
	        "impersonate "
	        "the broker\n");
	link_with(URI "tls_verify = no\n");
	config_is_fine();
}

TEST(an_address_with_tls_is_a_warning_unless_nothing_is_verified)
{
	link_with("uri = amqps://a:s3cret@192.0.2.1/v, amqps://a:b@mq.example.org, "
	          "amqps://a:b@[2001:db8::1]:5671\n");
	config_says_only("W:9: [rabbitmq] uri: the certificate cannot be verified for an address "
	                 "(192.0.2.1); "
	                 "use the broker's DNS name\n"
	                 "W:9: [rabbitmq] uri: the certificate cannot be verified for an address "
	                 "(2001:db8::1); "
	                 "use the broker's DNS name\n");
	link_with("uri = amqps://a:b@192.0.2.1\ntls_verify = no\n");
	config_says_only(
	        "W:10: [rabbitmq] tls_verify: without verification anyone on the network can "
	        "impersonate "
	        "the broker\n");
}

TEST(a_bad_uri_is_an_error_that_shows_no_password)
{
	link_with("uri = amqp://guest:s3cret@host:port/x/y\n");
	ck_assert_int_eq(config_result, -1);
	ck_assert_ptr_nonnull(strstr(config_problems, "E:9: [rabbitmq] uri: "));
	ck_assert_ptr_null(strstr(config_problems, "s3cret"));
	link_with("uri = http://guest:s3cret@host\n");
	ck_assert_int_eq(config_result, -1);
	ck_assert_ptr_null(strstr(config_problems, "s3cret"));
}

TEST(a_uri_that_others_can_read_is_a_warning)
{
	config_load("[main]\nauth = file\n[auth:file]\nfile = f\n[backend:a]\nuri = "
	            "a://{user}/{folder}/{message}\n"
	            "[rabbitmq]\n" URI);
	config_is_fine();
	ck_assert_int_eq(chmod(config_path, 0644), 0);
	config_load_file();
	config_says_only("W: contains a password and every user can read it: chmod o-r\n");
}

TEST(a_change_takes_a_restart_and_shows_no_password)
{
	struct ocs_config *before;

	link_with(URI);
	before = config;
	link_with("uri = amqp://guest:other@127.0.0.1:5672\nnode = other\n");
	config_problems[0] = '\0';
	ocs_config_report_restart(before, config, config_collect, NULL);
	config_says_only("W[rabbitmq] uri has changed: restart to apply it\n"
	                 "W[rabbitmq] node has changed: restart to apply it\n"
	                 "W[rabbitmq] node_queue has changed: restart to apply it\n");
}

/* Made for this test alone: a certificate of 100 years, and its key. */
static const char certificate[] =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBdTCCARugAwIBAgIUGzoRIpwRIaqJgUockzZRsMJLgPwwCgYIKoZIzj0EAwIw\n"
        "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgxMDA0NTdaGA8yMTI2MTEwNDEwMDQ1\n"
        "N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBjQ\n"
        "I0Njj/KaYJpVI/Kc6M6T+Jp9Np4TZ/n53S5DD/2I8ZOjtZixkMEx7KmbRqmFO5zz\n"
        "XDUdcC5PeV2B35XA8cijUzBRMB0GA1UdDgQWBBQbzu+vZtBOOFzqtrWwaG6Rprjr\n"
        "aDAfBgNVHSMEGDAWgBQbzu+vZtBOOFzqtrWwaG6RprjraDAPBgNVHRMBAf8EBTAD\n"
        "AQH/MAoGCCqGSM49BAMCA0gAMEUCIARhKr0w+9VK0F7ZYL53kegWW/1lTgnqRFj3\n"
        "E3v3D48vAiEA1wNZizG2/1niju0gthdWatMQEMgX5FmhbeXhoNLcIco=\n"
        "-----END CERTIFICATE-----\n";
static const char its_key[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLjbeDGyghgnTtaUY\n"
                              "rtzPhuQVH2uZsbBFqCHnHYZ7tAShRANCAAQY0CNDY4/ymmCaVSPynOjOk/iafTae\n"
                              "E2f5+d0uQw/9iPGTo7WYsZDBMeypm0aphTuc81w1HXAuT3ldgd+VwPHI\n"
                              "-----END PRIVATE KEY-----\n";

static void make_file(const char *name, const char *text, mode_t mode)
{
	char *whole = talloc_asprintf(config_memory, "%s/%s", rig_folder, name);
	FILE *file = fopen(whole, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(whole, mode), 0);
}

TEST(files_exist_and_can_be_read)
{
	link_with(URI "ca_file = ca\ncert_file = cert\nkey_file = .\n");
	config_is_fine();
	make_file("cert", certificate, 0644);
	ck_assert_int_eq(ocs_config_link_files(config, config_collect, NULL), -1);
	ck_assert_ptr_nonnull(strstr(config_problems, "[rabbitmq] ca_file: "));
	ck_assert_ptr_nonnull(strstr(config_problems, "/ca: No such file or directory\n"));
	ck_assert_ptr_nonnull(strstr(config_problems, "[rabbitmq] key_file: "));
	ck_assert_ptr_nonnull(strstr(config_problems, "/.: not a regular file\n"));
	ck_assert_ptr_null(strstr(config_problems, "] cert_file"));

	link_with(URI "ca_file = cert\ncert_file = cert\nkey_file = key\n");
	make_file("key", its_key, 0640);
	ck_assert_int_eq(ocs_config_link_files(config, config_collect, NULL), 0);
	config_is_fine();
	make_file("key", its_key, 0644);
	ck_assert_int_eq(ocs_config_link_files(config, config_collect, NULL), 0);
	ck_assert_ptr_nonnull(
	        strstr(config_problems, "/key: private key, and every user can read it"));
	make_file("key", certificate, 0640);
	ck_assert_int_eq(ocs_config_link_files(config, config_collect, NULL), -1);
	ck_assert_ptr_nonnull(strstr(config_problems, "/key: no key in it can be read"));
	make_file("cert", "", 0644);
	ck_assert_int_eq(ocs_config_link_files(config, config_collect, NULL), -1);
	ck_assert_ptr_nonnull(strstr(config_problems, "/cert: no certificate in it can be read"));
	ck_assert_int_eq(unlink(talloc_asprintf(config_memory, "%s/cert", rig_folder)), 0);
	ck_assert_int_eq(unlink(talloc_asprintf(config_memory, "%s/key", rig_folder)), 0);
}

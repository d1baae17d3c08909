/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The configuration: what must hold between keys, and what is told of it. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/config/config_rig.h"

TESTS_HAVE(.setup = config_setup, .teardown = config_teardown);

TEST(the_lines_of_the_design_are_enough)
{
	char expected[128];

	config_load("[main]\nauth = single\nregistry = run\n"
	            "[server:main]\nhost = 127.0.0.1\nport = 5000\n"
	            "[auth:single]\nusername = openchange\npassword = {SSHA}abc\n"
	            "[backend:sogo]\nuri = sogo://{user}@mail/{folder}/{message}\n");
	config_is_fine();
	ck_assert_uint_eq(config->main.auth, OCS_CONFIG_AUTH_SINGLE);
	ck_assert_str_eq(config->auth_single.username, "openchange");
	ck_assert_str_eq(config->auth_single.password, "{SSHA}abc");
	ck_assert_uint_eq(config->auth_single.password_line, 9);
	ck_assert_str_eq(config->server.host, "127.0.0.1");
	ck_assert_uint_eq(config->server.port, 5000);
	ck_assert_uint_eq(config->n_backends, 1);
	ck_assert_str_eq(config->backends[0].name, "sogo");
	ck_assert_str_eq(config->backends[0].uri, "sogo://{user}@mail/{folder}/{message}");
	ck_assert_str_eq(config->backend_names[0], "sogo");
	ck_assert_ptr_null(config->backend_names[1]);
	snprintf(expected, sizeof(expected), "%s/run", rig_folder);
	ck_assert_str_eq(config->main.registry, expected);
	snprintf(expected, sizeof(expected), "%s/run/private/secret", rig_folder);
	ck_assert_str_eq(config->main.secret_file, expected);
}

TEST(no_thread_gets_120_connections)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	config_load(CONFIG_MINIMAL);
	ck_assert_uint_eq(config->server.threads, cores > 4 ? (unsigned)cores : 4);

	config_load("[operations]\nport = 0\n" CONFIG_MINIMAL
	            "[server:main]\nconnection_limit = 12000\n");
	config_is_fine();
	ck_assert_uint_ge(config->server.threads * (OCS_CONFIG_THREAD_CONNECTIONS - 1), 12000);

	config_load(CONFIG_MINIMAL "[server:main]\nthreads = 2\n");
	config_is_fine();
	ck_assert_uint_eq(config->server.threads, 2);
	ck_assert_uint_eq(config->server.connection_limit, 238);

	config_load(CONFIG_MINIMAL "[server:main]\nthreads = 2\nconnection_limit = 239\n");
	config_says("E", 8, "2 threads serve at most 238 connections");
}

TEST(every_problem_is_reported_in_the_order_of_lines)
{
	config_load_with(
	        "[limits]\nfailed_logins = x\nrequest_deadline = -1\n[push]\ninterval = 0\n"
	        "[mqueue]\nmessage_size = 223\n[backend:b]\nuri = b://{usr}\n");
	ck_assert_int_eq(config_result, -1);
	config_says("E", 7, "[limits] failed_logins: 'x' is not a whole number from 1");
	config_says("E", 8, "'-1' is not a whole number");
	config_says("E", 10, "'0' is not a whole number from 1");
	config_says("E", 12, "'223' is not a whole number from 224");
	config_says("E", 14, "[backend:b] uri: ");
	ck_assert(strstr(config_problems, ":7: ") < strstr(config_problems, ":8: "));
	ck_assert(strstr(config_problems, ":12: ") < strstr(config_problems, ":14: "));
}

TEST(an_empty_file_lacks_what_is_required)
{
	config_load("");
	ck_assert_int_eq(config_result, -1);
	ck_assert_ptr_nonnull(strstr(config_problems, "E: username is missing"));
	ck_assert_ptr_nonnull(
	        strstr(config_problems, "write `username = NAME` in section [auth:single]"));
	ck_assert_ptr_nonnull(strstr(config_problems, "W: no section [backend:NAME]"));
}

TEST(a_tool_reads_what_it_needs_of_an_ini_that_is_wrong_elsewhere)
{
	static const char *const main_only[] = {"main", NULL};
	static const char *const both[] = {"main", "push", NULL};

	config_load("");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        0);
	ck_assert_ptr_null(config->auth_single.password);
	config_load("[push]\ninterval = x\nnonsense\n[main]\nauth = file\n[limits]\nfailed_logins "
	            "= y\n");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        0);
	ck_assert_ptr_null(config->auth_file.file);
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, both, NULL, NULL, &config), -1);
	config_load("[push]\ninterval = 5\n[main]\nauth = pam\n");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        -1);
	config_load("auth = file\n[main]\n");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        -1);
	config_load("[backend:a]\n[main]\nauth = file\n[backend:A]\nuri = x\n");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        0);
	ck_assert_uint_eq(config->n_backends, 1);
	config_load("[main]\n[push]\n[MAIN]\n");
	ck_assert_int_eq(
	        ocs_config_load_part(config_path, config_memory, main_only, NULL, NULL, &config),
	        -1);
}

TEST(what_is_required_depends_on_auth)
{
	config_load("[main]\nauth = file\n[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	ck_assert_ptr_nonnull(strstr(config_problems, "E: file is missing (auth = file)"));
	config_load("[main]\nauth = file\n[auth:file]\nfile = accounts\n[backend:a]\nuri = "
	            "a://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_msg(config->auth_file.file[0] == '/', "relative to the ini's folder");
	config_load("[main]\nauth = ldap\n[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	ck_assert_ptr_nonnull(strstr(config_problems, "E: host is missing (auth = ldap)"));
	ck_assert_ptr_nonnull(strstr(config_problems, "E: basedn is missing (auth = ldap)"));
	config_load("[main]\nauth = ldap\n[auth:ldap]\nhost = ldap.example.org\nport = 389\n"
	            "bind_dn = cn=x\nbind_pw = y\nbasedn = o=x\nfilter = (cn=%s)\nattrs = *\n"
	            "start_tls = yes\n[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_uint_eq(config->auth_ldap.timeout, 5);
	config_load_with("[backend:b]\n");
	config_says("E", 6, "uri is missing");
}

TEST(what_cannot_be_meant_of_a_directory_is_a_warning)
{
	config_load("[main]\nauth = ldap\n[auth:ldap]\nhost = localhost, ldap.example.org\n"
	            "basedn = o=x\ntimeout = 10\n"
	            "[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	config_says("W", 4, "passwords go to ldap://ldap.example.org:389 without TLS");
	config_says("W", 6, "is not less than [limits] request_deadline (10 s)");
	ck_assert_ptr_null(strstr(config_problems, "localhost"));
	ck_assert_int_eq(config_result, 0);
}

TEST(a_directory_of_users_alone_has_a_password_too)
{
	config_load_with("[users]\nldap_user = uid\n[auth:ldap]\nhost = ldap.example.org\n"
	                 "basedn = o=x\ntimeout = 10\nbind_dn = cn=x\nbind_pw = y\n");
	ck_assert_ptr_nonnull(strstr(config_problems, "passwords go to ldap://ldap.example.org"));
	ck_assert_ptr_null(strstr(config_problems, "request_deadline"));
	config_load_with("[users]\nldap_user = uid\n[auth:ldap]\nhost = ldap.example.org\n"
	                 "basedn = o=x\ntimeout = 10\n");
	config_is_fine();
}

TEST(a_directory_is_not_asked_about_certificates)
{
	config_load(
	        "[main]\nauth = ldap\n[auth:ldap]\nhost = localhost\nbasedn = o=x\n[server:main]\n"
	        "tls_cert = /x\ntls_key = /y\ntls_client_ca = /z\n"
	        "[backend:a]\nuri = a://{user}/{folder}/{message}\n");
	config_says("E", 9, "tls_client_ca does not go with auth = ldap");
}

TEST(a_certificate_and_its_key_belong_together)
{
	config_load_with("[server:main]\ntls_cert = /x\ntls_key = y\n[operations]\ntls_key = /z\n");
	config_says("E", 10, "[operations] tls_cert is missing: tls_cert and tls_key belong");
	config_load_with("[operations]\ntls_cert = /x\n");
	config_says("E", 7, "[operations] tls_key is missing");
	config_load_with("[server:main]\ntls_cert = /x\ntls_key = y\nplain_http = yes\n");
	config_is_fine();
	ck_assert_str_eq(config->server.tls_cert, "/x");
	ck_assert_msg(config->server.tls_key[0] == '/', "relative to the ini's folder");
	ck_assert_uint_eq(config->server.plain_http, 1);
	ck_assert_uint_eq(config->operations.plain_http, 0);
}

TEST(accounts_have_lists_of_patterns)
{
	config_load_with("[account:bob]\nbackends = sogo, x*\n[account:al@ex.org]\nusers =\n"
	                 "[account:local]\nusers = j*\n[account:registry]\nusers = j*\n");
	config_says("W", 6, "[account:bob]: no such account");
	config_says("W", 8, "[account:al@ex.org]: no such account");
	ck_assert_ptr_null(strstr(config_problems, "[account:local]"));
	ck_assert_ptr_null(strstr(config_problems, "[account:registry]"));
	ck_assert_uint_eq(config->n_accounts, 4);
	ck_assert_str_eq(ocs_config_account(config, "bob")->backends, "sogo, x*");
	ck_assert_ptr_null(ocs_config_account(config, "bob")->users);
	ck_assert_str_eq(ocs_config_account(config, "al@ex.org")->users, "");
	ck_assert_ptr_null(ocs_config_account(config, "nobody"));
	config_load_with("[account:bob]\nbackends = a,,b\n[account:b b]\n[account:]\n");
	config_says("E", 7, "empty pattern in the list");
	config_says("E", 8, "[account:b b]");
	config_says("E", 9, "[account:NAME]");
}

TEST(backends_are_in_lower_case)
{
	config_load_with("[backend:Dovecot]\nuri = a://{user}/{folder}/{message}\n");
	config_is_fine();
	ck_assert_str_eq(config->backends[1].name, "dovecot");
}

TEST(hosts_users_and_ports_are_checked)
{
	config_load("[main]\nuser = no-such-user-here\ngroup = no-such-group-here\n"
	            "[server:main]\nhost = [::1]\nport = 5001\n[operations]\nhost = a b\n");
	config_says("E", 2, "unknown user 'no-such-user-here'");
	config_says("E", 3, "unknown group 'no-such-group-here'");
	config_says("E", 5, "write an IPv6 address without brackets");
	config_says("E", 8, "is neither a host name nor an address");
	config_load_with("[operations]\nport = 5000\n");
	config_says("E", 7, "is already used by [server:main]");
}

/* Keys of [server:main], the first in line 7. */
static void load_server(const char *keys)
{
	config_load(talloc_asprintf(config_memory, CONFIG_MINIMAL "[server:main]\n%s", keys));
}

TEST(a_socket_can_be_made_where_it_is_named)
{
	char *made = talloc_asprintf(config_memory, "%s/made", rig_folder);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	load_server("socket = new\n");
	config_is_fine();
	load_server("socket = folder/new\nsocket_group = daemon\n");
	config_is_fine();
	load_server("socket = /ocs-new\n");
	config_is_fine();
	load_server("socket = one/two/new\n");
	config_says("E", 7, "/one does not exist");
	load_server("socket = ocsmanager.ini\n");
	config_says("E", 7, "/ocsmanager.ini exists and is not a socket");
	load_server("socket = .\n");
	config_says("E", 7, "exists and is not a socket");
	strcpy(address.sun_path, made);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	load_server("socket = made\n");
	ck_assert_int_eq(unlink(made), 0);
	close(fd);
	config_is_fine();
	load_server("socket_group = daemon\n");
	ck_assert_str_eq(config_problems,
	                 "W:7: [server:main] socket_group has no effect without socket\n");
	ck_assert_int_eq(config_result, 0);
}

TEST(a_problem_never_shows_a_password)
{
	config_load(
	        "[auth:single]\nusername = a\npassword = s3cret\npassword = s3cret2\npasswort = "
	        "s3cret\n"
	        "s3cret line\n[main]\nauth = ldap\n");
	ck_assert_int_eq(config_result, -1);
	ck_assert_ptr_null(strstr(config_problems, "s3cret"));
}

TEST(a_change_that_takes_a_restart_is_told)
{
	struct ocs_config *before;

	config_load(CONFIG_MINIMAL);
	before = config;
	config_load_with("[operations]\nport = 6000\n[limits]\nfailed_logins = 3\n");
	config_problems[0] = '\0';
	ocs_config_report_restart(before, config, config_collect, NULL);
	ck_assert_str_eq(config_problems, "W[operations] port has changed: restart to apply it\n");
}

TEST(a_change_of_a_backend_that_takes_a_restart_is_told)
{
	struct ocs_config *before;

	config_load_with("[backend:s]\nuri = s://x\n[backend:t]\nuri = t://x\n");
	before = config;
	config_load_with(
	        "[backend:s]\nuri = s://y\nseparator = .\n[backend:u]\nuri = u://x\nnames = "
	        "utf-7\n");
	config_problems[0] = '\0';
	ocs_config_report_restart(before, config, config_collect, NULL);
	ck_assert_str_eq(config_problems,
	                 "W[backend:s] separator has changed: restart to apply it\n");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The requests of a login. */
#include "tests/unit/xml/xml_rig.h"

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

static struct ocs_xml_auth *read_auth(const char *text)
{
	struct ocs_xml_auth *out = NULL;
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	if (ocs_xml_read_auth(xml_memory, copy, len, &out, &xml_refusal) != 0)
		out = NULL;
	free(copy);
	return out;
}

TEST(the_steps_of_a_login_are_read)
{
	struct ocs_xml_auth *auth =
	        read_auth("<?xml version='1.0' encoding='utf-8'?>\n"
	                  "<ocsmanager><login> openchange </login></ocsmanager>");

	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->login, "openchange");
	ck_assert(auth->token == NULL && auth->sasl == NULL && !auth->has_sasl);
	auth = read_auth("<ocsmanager><token>00ff</token></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->token, "00ff");
	auth = read_auth(
	        "<ocsmanager><sasl mechanism=\"SCRAM-SHA-256\">bixuPXU=</sasl></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->sasl, "bixuPXU=");
	ck_assert_str_eq(auth->mechanism, "SCRAM-SHA-256");
	auth = read_auth("<ocsmanager><sasl/></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert(auth->has_sasl && auth->sasl == NULL && auth->mechanism == NULL);
	auth = read_auth(
	        "<ocsmanager><sasl mechanism='PLAINPLAINPLAINPLAINPLAIN'>x</sasl></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->mechanism, "");
	auth = read_auth("<ocsmanager/>");
	ck_assert_ptr_nonnull(auth);
	ck_assert(auth->login == NULL && auth->token == NULL && !auth->has_sasl);
}

TEST(a_login_with_an_element_twice_is_refused)
{
	ck_assert_ptr_null(read_auth("<ocsmanager><login>a</login><login>b</login></ocsmanager>"));
	ck_assert_int_eq(xml_refusal.code, 422);
	ck_assert_str_eq(xml_refusal.name, "INVALID_PARAMETER");
	ck_assert_ptr_null(read_auth("<ocsmanager><sasl/><sasl>b</sasl></ocsmanager>"));
	ck_assert_ptr_null(read_auth("<ocsmanager><login>a</login>"));
	ck_assert_str_eq(xml_refusal.name, "MALFORMED_XML");
}

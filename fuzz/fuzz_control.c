/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: auth/control.c auth/lockouts.c */
/*
 * Fuzz target: an admin's questions about locks, and answers to them. The first byte: `0` lines of
 * failed logins, each an address, a blank, a name, and behind an empty line a question; `1` an
 * answer. What is answered can be read.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "auth/control.h"
#define FUZZ_COST 32
#include "fuzz/folder.h"

#define INPUT_MAX 4096
#define ATTEMPTS  12 /* more than failed_logins */

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("02001:db8::1 anna\n192.0.2.7 b@c\n\nlockouts"),
        FUZZ_BLOB("0192.0.2.7 anna\n\nlockouts clear 192.0.2.0/24"),
        FUZZ_BLOB("0192.0.2.7 Anna\n\nlockouts clear anna"),
        FUZZ_BLOB("0\nlockouts clear 2001:db8::/48"),
        FUZZ_BLOB("1ok 2\npair\tanna\t2001:db8::/64\t10\t300\naddress\t\t192.0.2.7\t20\t7\n"),
        FUZZ_BLOB("1error this version does not know the question\n"),
        {NULL, 0},
};

static struct ocs_auth *open_auth(void)
{
	char private_folder[256];
	struct ocs_auth_settings settings = {
	        .backend = "single",
	        .username = "openchange",
	        .password = "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME",
	        .challenge_ttl = 60,
	        .token_ttl = 3600,
	        .failed_logins = 3,
	        .failure_window = 300,
	        .count_loopback = true,
	        .pending_challenges = 64,
	        .private_folder = private_folder,
	};
	struct ocs_auth *auth;

	snprintf(private_folder, sizeof(private_folder), "%s", fuzz_path("private"));
	FUZZ_CHECK(ocs_auth_open(&settings, &auth, NULL) == 0);
	return auth;
}

static void fail_logins(struct ocs_auth *auth, const char *address, const char *name)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	struct ocs_auth_cookies cookies = {"no", "no"};
	struct ocs_auth_reply reply;

	if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&from)->sin_addr) == 1)
		from.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&from)->sin6_addr) == 1)
		from.ss_family = AF_INET6;
	else
		return;
	for (int i = 0; i < ATTEMPTS; i++) {
		if (ocs_auth_ssha_start(auth, (struct sockaddr *)&from, name, &reply) !=
		    OCS_AUTH_OK)
			return;
		cookies = (struct ocs_auth_cookies){reply.cookie_session, reply.cookie_token};
		(void)ocs_auth_ssha_login(auth, (struct sockaddr *)&from, &cookies,
		                          "0000000000000000000000000000000000000000", &reply);
	}
}

static void read_answer(char *answer, bool ours)
{
	struct ocs_auth_lockout one;
	const char *rest;
	size_t count;
	int more;

	if (ocs_auth_control_read_head(answer, &count, &rest) != 0) {
		FUZZ_CHECK(strchr(rest, '\n') == NULL);
		return;
	}
	while ((more = ocs_auth_control_read_one(&rest, &one)) > 0) {
		FUZZ_CHECK(one.kind < OCS_ORIGIN_KINDS);
		FUZZ_CHECK(strlen(one.account) < sizeof(one.account));
		FUZZ_CHECK(strlen(one.address) < sizeof(one.address));
	}
	FUZZ_CHECK(more == 0 || !ours);
}

static void ask(char *text)
{
	static struct ocs_auth *auth;
	char *end, *answer = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&answer, &len);

	if (auth == NULL)
		auth = open_auth();
	(void)ocs_auth_clear_lockouts(auth, NULL);
	for (; *text != '\0' && *text != '\n'; text = end + 1) {
		char *name = text + strcspn(text, " \n");

		end = text + strcspn(text, "\n");
		if (*end == '\0')
			end--; /* no question behind it */
		else
			*end = '\0';
		if (*name == ' ') {
			*name = '\0';
			fail_logins(auth, text, name + 1);
		}
	}
	FUZZ_CHECK(out != NULL);
	ocs_auth_control(auth, *text == '\n' ? text + 1 : OCS_AUTH_CONTROL_LOCKOUTS, out);
	FUZZ_CHECK(fclose(out) == 0 && len > 0 && answer[len - 1] == '\n');
	read_answer(answer, true);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	text = malloc(size);
	FUZZ_CHECK(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == '1')
		read_answer(text, false);
	else
		ask(text);
	free(text);
	return 0;
}

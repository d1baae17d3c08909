/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* An admin's questions about logins: see control.h. Touches the limiter, through auth.h. */
#include "auth/control.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "base/plural.h"

#define LISTED_MAX 10000

static void tell_lockouts(struct ocs_auth *auth, FILE *out)
{
	struct ocs_auth_lockout *all = calloc(LISTED_MAX, sizeof(*all));
	size_t count, listed;

	if (!all) {
		fputs("error out of memory\n", out);
		return;
	}
	count = ocs_auth_lockouts(auth, all, LISTED_MAX);
	listed = count < LISTED_MAX ? count : LISTED_MAX;
	fprintf(out, "ok %zu\n", count);
	for (size_t i = 0; i < listed; i++)
		fprintf(out, "%s\t%s\t%s\t%u\t%u\n", ocs_auth_kind_word(all[i].kind),
		        all[i].account, all[i].address, all[i].failures, all[i].seconds);
	free(all);
}

/* what NULL: all. */
static void clear_lockouts(struct ocs_auth *auth, const char *what, FILE *out)
{
	int count = ocs_auth_clear_lockouts(auth, what);

	if (count < 0) {
		fputs("error neither the name of an account nor an address\n", out);
		return;
	}
	fprintf(out, "ok %d\n", count);
	ocs_log(LOG_NOTICE, "failed logins of %s are forgotten, which ended %d %s: ocsctl lockouts",
	        what ? what : "everybody", count, ocs_plural((size_t)count, "lock", "locks"));
}

void ocs_auth_control(void *arg, const char *question, FILE *out)
{
	static const char clear[] = OCS_AUTH_CONTROL_CLEAR;
	struct ocs_auth *auth = arg;

	if (strcmp(question, OCS_AUTH_CONTROL_LOCKOUTS) == 0)
		tell_lockouts(auth, out);
	else if (strcmp(question, clear) == 0)
		clear_lockouts(auth, NULL, out);
	else if (strncmp(question, clear, sizeof(clear) - 1) == 0 &&
	         question[sizeof(clear) - 1] == ' ')
		clear_lockouts(auth, question + sizeof(clear), out);
	else
		fputs("error this version does not know the question\n", out);
}

int ocs_auth_control_read_head(char *answer, size_t *count_r, const char **text_r)
{
	unsigned long count;
	int len = 0;

	if (sscanf(answer, "ok %lu%n", &count, &len) == 1 && answer[len] == '\n') {
		*count_r = count;
		*text_r = answer + len + 1;
		return 0;
	}
	answer[strcspn(answer, "\n")] = '\0';
	*text_r = strncmp(answer, "error ", 6) == 0 ? answer + 6 : "no answer that can be read";
	return -1;
}

/* Up to the tab; false: there is none, or too much before it. */
static bool take_field(const char **rest, char *out, size_t size)
{
	size_t len = strcspn(*rest, "\t\n");

	if ((*rest)[len] != '\t' || len >= size)
		return false;
	memcpy(out, *rest, len);
	out[len] = '\0';
	*rest += len + 1;
	return true;
}

int ocs_auth_control_read_one(const char **rest, struct ocs_auth_lockout *out)
{
	char kind[16];
	int n = 0, len = 0;

	if (**rest == '\0')
		return 0;
	memset(out, 0, sizeof(*out));
	if (!take_field(rest, kind, sizeof(kind)) ||
	    !take_field(rest, out->account, sizeof(out->account)) ||
	    !take_field(rest, out->address, sizeof(out->address)) ||
	    sscanf(*rest, "%u\t%u%n", &out->failures, &out->seconds, &len) != 2 ||
	    (*rest)[len] != '\n')
		return -1;
	*rest += len + 1;
	while (n < OCS_ORIGIN_KINDS &&
	       strcmp(kind, ocs_auth_kind_word((enum ocs_origin_kind)n)) != 0)
		n++;
	out->kind = (enum ocs_origin_kind)n;
	return n < OCS_ORIGIN_KINDS ? 1 : -1;
}

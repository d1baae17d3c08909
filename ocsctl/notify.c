/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl notify: a full client of the web service. Reads documents, logs in, posts, shows what
 * became of each notification.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

#include "ocsctl/ocsctl.h"
#include "ocsctl/login.h"
#include "ocsctl/xml.h"
#include "base/plural.h"

#define FILE_MAX (64u << 20)
#define ENVELOPE 512u /* more than the rest of a request takes, its token included */

struct item {
	const char *file;
	size_t number; /* in its file, from 1 */
	struct ocsctl_xml_notification notification;
};

struct job {
	struct ocsctl *ctl;
	struct ocsctl_login login;
	const char *url;  /* of the notifications */
	const char *cert; /* the daemon's own; NULL: not known, or there is no TLS */
	char *token;
	size_t max_body, max_batch;
	struct item *items;
	size_t n_items;
	json_t *results; /* NULL: print lines */
	size_t refused;
};

/* ---- the files ---- */

static char *read_all(const void *mem_ctx, const char *path, size_t *len_r)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, size = 65536;
	char *data = talloc_array(mem_ctx, char, size);
	ssize_t got = -1;

	if (fd < 0) {
		ocsctl_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	while (data != NULL && (got = read(fd, data + len, size - len)) > 0) {
		len += (size_t)got;
		if (len > FILE_MAX) {
			errno = EFBIG;
			got = -1;
			break;
		}
		if (len == size) {
			size *= 2;
			data = talloc_realloc(mem_ctx, data, char, size);
		}
	}
	if (got != 0)
		ocsctl_error("%s: %s", path, data != NULL ? strerror(errno) : "out of memory");
	if (!standard)
		(void)close(fd);
	*len_r = len;
	return got == 0 ? data : NULL;
}

static int add_file(struct job *job, const char *path)
{
	struct ocsctl_xml_notification *list;
	struct ocs_error error;
	struct item *items;
	size_t len, n;
	char *data = read_all(job->ctl, path, &len);

	if (data == NULL)
		return -1;
	if (ocsctl_xml_read(job->ctl, data, len, &list, &n, &error) < 0) {
		ocsctl_error("%s: %s", path, error.text);
		return -1;
	}
	items = talloc_realloc(job->ctl, job->items, struct item, job->n_items + n);
	if (items == NULL) {
		ocsctl_error("out of memory");
		return -1;
	}
	job->items = items;
	for (size_t i = 0; i < n; i++)
		items[job->n_items++] = (struct item){path, i + 1, list[i]};
	return 0;
}

/* ---- the requests ---- */

/* What the service says, whoever it is: of what is no number 0, of what is too large the largest.
 */
static json_int_t number_of(const char *text)
{
	return strtoll(text, NULL, 10);
}

/* What happened to one notification, for people or as a member of the JSON list. */
static void report(struct job *job, const struct item *item, const struct ocsctl_xml_result *result)
{
	const char *status = result->status != NULL ? result->status : "refused";
	const char *code = result->code != NULL ? result->code : "";
	const char *name = result->name != NULL ? result->name : "";
	const char *text = result->text != NULL ? result->text : "";
	const char *id = item->notification.id;
	bool refused = strcmp(status, "refused") == 0;

	job->refused += refused;
	if (job->results != NULL) {
		json_t *object =
		        json_pack("{s:o, s:i, s:o}", "file", ocsctl_json_text(item->file), "number",
		                  (int)item->number, "status", ocsctl_json_text(status));

		if (id != NULL)
			json_object_set_new(object, "id", ocsctl_json_text(id));
		if (result->queues != NULL)
			json_object_set_new(object, "queues",
			                    json_integer(number_of(result->queues)));
		if (refused) {
			json_object_set_new(object, "code", json_integer(number_of(code)));
			json_object_set_new(object, "name", ocsctl_json_text(name));
			json_object_set_new(object, "text", ocsctl_json_text(text));
		}
		json_array_append_new(job->results, object);
		return;
	}
	ocsctl_print_safe(item->file);
	printf("#%zu", item->number);
	if (id != NULL) {
		fputs(" id=", stdout);
		ocsctl_print_safe(id);
	}
	fputs(": ", stdout);
	ocsctl_print_safe(status);
	if (result->queues != NULL) {
		fputs(", queues=", stdout);
		ocsctl_print_safe(result->queues);
	}
	if (refused) {
		printf(": ");
		ocsctl_print_safe(code);
		putchar(' ');
		ocsctl_print_safe(name);
		fputs(": ", stdout);
		ocsctl_print_safe(text);
	}
	putchar('\n');
}

static char *make_body(const struct job *job, const void *mem_ctx, const struct item *items,
                       size_t n)
{
	char *body = talloc_asprintf(mem_ctx,
	                             "<?xml version='1.0' encoding='utf-8'?>\n"
	                             "<ocsmanager><token>%s</token>",
	                             job->token);

	for (size_t i = 0; i < n && body != NULL; i++)
		body = talloc_strdup_append_buffer(body, items[i].notification.xml);
	if (body != NULL)
		body = talloc_strdup_append_buffer(body, "</ocsmanager>");
	return body;
}

static bool token_ran_out(const struct ocsctl_reply *answer, const struct ocsctl_xml_reply *reply)
{
	return answer->status == 401 && reply->error != NULL && reply->error->name != NULL &&
	       strncmp(reply->error->name, "TOKEN_", 6) == 0;
}

/* One request. -1: it failed as a whole, and so will the next one. */
static int post(struct job *job, const struct item *items, size_t n)
{
	void *mem_ctx = talloc_new(job->ctl);
	struct ocsctl_xml_reply *reply;
	struct ocsctl_reply answer;
	struct ocs_error error;
	int ret = -1;

	for (int attempt = 0; attempt < 2; attempt++) {
		char *body = make_body(job, mem_ctx, items, n);

		if (body == NULL) {
			ocs_error_memory(&error);
			break;
		}
		if (ocsctl_http_request(job->login.http, "PUT", job->url, body, strlen(body),
		                        &answer, &error) < 0)
			break;
		if (ocsctl_xml_read_reply(mem_ctx, answer.body, answer.len, &reply, &error) < 0) {
			ocs_error_set(&error,
			              "%s answered HTTP %ld without a document of the web service",
			              job->url, answer.status);
			break;
		}
		if (attempt == 0 && token_ran_out(&answer, reply)) {
			job->token = ocsctl_login(&job->login, job->ctl, &error);
			if (job->token == NULL)
				break;
			continue;
		}
		if (reply->error != NULL) {
			for (size_t i = 0; i < n; i++)
				report(job, &items[i], reply->error);
			ret = 0;
		} else if (reply->n_results == n) {
			for (size_t i = 0; i < n; i++)
				report(job, &items[i], &reply->results[i]);
			ret = 0;
		} else {
			ocs_error_set(&error, "%s answered HTTP %ld with %zu %s for %zu %s",
			              job->url, answer.status, reply->n_results,
			              ocs_plural(reply->n_results, "result", "results"), n,
			              ocs_plural(n, "notification", "notifications"));
		}
		break;
	}
	if (ret < 0)
		ocsctl_error("%s", error.text);
	talloc_free(mem_ctx);
	return ret;
}

/* As many to a request as the daemon takes, in order. */
static int post_all(struct job *job)
{
	size_t done = 0;

	while (done < job->n_items) {
		size_t n = 0, len = ENVELOPE;

		do {
			len += strlen(job->items[done + n].notification.xml);
			n++;
		} while (done + n < job->n_items && n < job->max_batch &&
		         len + strlen(job->items[done + n].notification.xml) <= job->max_body);
		if (post(job, job->items + done, n) < 0) {
			ocsctl_error("no answer for %zu of %zu %s", job->n_items - done,
			             job->n_items,
			             ocs_plural(job->n_items, "notification", "notifications"));
			return -1;
		}
		done += n;
	}
	return 0;
}

/* ---- where, as whom, and how ---- */

/* What the hash of the one account can serve; the daemon's strongest where that is not known. */
static const char *default_mechanism(const struct ocsctl *ctl, const char *user)
{
	const struct ocs_config *config = ctl->config;

	/* A directory need not show hashes. */
	if (config != NULL && config->main.auth == OCS_CONFIG_AUTH_LDAP)
		return "PLAIN";
	if (config != NULL && config->main.auth == OCS_CONFIG_AUTH_SINGLE &&
	    config->auth_single.username != NULL && config->auth_single.password != NULL &&
	    strcmp(user, config->auth_single.username) == 0) {
		if (strncmp(config->auth_single.password, "{SSHA}", 6) == 0)
			return "SSHA";
		if (config->auth_single.password[0] == '$')
			return "PLAIN";
	}
	return "SCRAM-SHA-256";
}

static int find_service(struct job *job)
{
	struct ocsctl *ctl = job->ctl;
	struct ocsctl_daemon daemon;
	char *url;

	/* The ini is not needed where the command line says all it would tell. */
	if ((ctl->url == NULL || ctl->user == NULL) && ocsctl_config(ctl) < 0)
		return -1;
	if (ctl->config != NULL) {
		job->max_body = ctl->config->server.max_body;
		job->max_batch = ctl->config->server.max_batch;
	}
	if (ctl->url != NULL) {
		url = talloc_strdup(ctl, ctl->url);
	} else {
		ocsctl_daemon_find(ctl->config, &daemon);
		if (daemon.service[0] == '\0') {
			ocsctl_error("[server:main] port is 0 in %s and %s%s%s: give --url URL",
			             ctl->ini,
			             daemon.why[0] == '\0' ? "no daemon is running"
			                                   : "the one in use cannot be seen (",
			             daemon.why, daemon.why[0] == '\0' ? "" : ")");
			return -1;
		}
		url = talloc_strdup(ctl, daemon.service);
		job->cert = daemon.service_cert;
	}
	if (url == NULL)
		return -1;
	while (url[0] != '\0' && url[strlen(url) - 1] == '/')
		url[strlen(url) - 1] = '\0';
	job->login.url = url;
	job->url = talloc_asprintf(ctl, "%s/notification", url);

	job->login.user = ctl->user != NULL ? ctl->user : ctl->config->auth_single.username;
	if (job->login.user == NULL || job->login.user[0] == '\0') {
		ocsctl_error("%s has no [auth:single] username: give --user NAME", ctl->ini);
		return -1;
	}
	return job->url != NULL ? 0 : -1;
}

/* Whom to believe that they are the daemon, where it is asked over https. */
static int prepare_tls(struct job *job)
{
	struct ocs_error error;
	int result = job->ctl->ca != NULL ? ocsctl_http_trust(job->login.http, job->ctl->ca, &error)
	                                  : ocsctl_http_expect(job->login.http, job->cert, &error);

	if (result < 0)
		ocsctl_error("%s", error.text);
	return result;
}

static int log_in(struct job *job)
{
	const struct ocsctl *ctl = job->ctl;
	struct ocs_error error;

	job->token = ocsctl_login(&job->login, ctl, &error);
	if (job->token == NULL) {
		ocsctl_error("%s", error.text);
		if (ocsctl_http_nobody(job->login.http))
			ocsctl_error("cannot reach the daemon at %s: does it run there? `ocsctl "
			             "status` tells; start it, or give its address with --url",
			             job->login.url);
		else if (ctl->mechanism == NULL &&
		         (job->login.status == 401 || job->login.status == 403))
			ocsctl_error("the login used %s: if the account's hash is for another "
			             "mechanism, name it with --mechanism",
			             job->login.mechanism);
		return -1;
	}
	return 0;
}

/* The command line says more than the environment, in which a script may have set it for all. */
static int read_password(const struct ocsctl *ctl, char out[OCSCTL_PASSWORD_MAX + 1])
{
	const char *file =
	        ctl->password_file != NULL ? ctl->password_file : getenv("OCSCTL_PASSWORD_FILE");

	if (ctl->password_fd != NULL)
		return ocsctl_read_password_fd(ctl->password_fd, out);
	if (file != NULL && file[0] != '\0')
		return ocsctl_read_password_file(file, out);
	return ocsctl_read_password("password", false, false, out);
}

int ocsctl_notify(struct ocsctl *ctl)
{
	/* The daemon's defaults, where its ini is not at hand. */
	struct job job = {.ctl = ctl,
	                  .max_body = ocs_config_default("server:main", "max_body"),
	                  .max_batch = ocs_config_default("server:main", "max_batch")};
	char password[OCSCTL_PASSWORD_MAX + 1];
	int ret = 0;

	if (ctl->password_file != NULL && ctl->password_fd != NULL)
		return ocsctl_usage("notify takes one of --password-file and --password-fd");
	job.login.mechanism =
	        ocsctl_login_mechanism(ctl->mechanism != NULL ? ctl->mechanism : "SCRAM-SHA-256");
	if (job.login.mechanism == NULL)
		return ocsctl_usage("unknown mechanism '%s': use SCRAM-SHA-256, SSHA or PLAIN",
		                    ctl->mechanism);
	/* Everything is read before anything is sent: a typing error in the last file costs
	 * nothing. */
	for (int i = 0; i < ctl->n_operands; i++)
		if (add_file(&job, ctl->operands[i]) < 0)
			return OCSCTL_FAILED;
	if (find_service(&job) < 0)
		return OCSCTL_FAILED;
	job.login.mechanism = ocsctl_login_mechanism(
	        ctl->mechanism != NULL ? ctl->mechanism : default_mechanism(ctl, job.login.user));
	if (read_password(ctl, password) < 0)
		return OCSCTL_FAILED;

	job.login.password = password;
	job.login.http = ocsctl_http_new(ctl);
	job.results = ctl->json ? json_array() : NULL;
	if (job.login.http == NULL || (ctl->json && job.results == NULL)) {
		ocsctl_error("out of memory");
		ret = -1;
	}
	if (ret == 0)
		ret = prepare_tls(&job);
	if (ret == 0)
		ret = log_in(&job);
	if (ret == 0)
		ret = post_all(&job);
	explicit_bzero(password, sizeof(password));
	if (job.results != NULL && ocsctl_print_json(job.results) != OCSCTL_OK)
		ret = -1;
	return ret == 0 && job.refused == 0 ? OCSCTL_OK : OCSCTL_FAILED;
}

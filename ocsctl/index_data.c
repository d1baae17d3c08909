/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl index check, export and import: the index as a whole. Check and export look at a snapshot
 * and hold nobody up; import takes the daemon's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "mapistore/index_tools.h"
#include "ocsctl/names.h"
#include "ocsctl/ocsctl.h"
#include "base/plural.h"

#define TOLD_MAX 1000 /* faults that people are told one by one */

struct data {
	struct ocsctl *ctl;
	const char *doing;
	json_t *faults; /* NULL: they are printed */
	FILE *to;
	uint64_t n;
};

static void tell_fault(void *arg, const char *where, const char *what)
{
	struct data *data = arg;
	json_t *fault;

	if (data->faults != NULL) {
		fault = json_object();
		json_object_set_new(fault, "where", ocsctl_json_text(where));
		json_object_set_new(fault, "what", ocsctl_json_text(what));
		json_array_append_new(data->faults, fault);
		return;
	}
	if (++data->n > TOLD_MAX)
		return;
	ocsctl_progress_done();
	if (data->to == stderr) {
		ocsctl_error("%s: %s", where, what);
		return;
	}
	ocsctl_print_safe(where);
	fputs(": ", stdout);
	ocsctl_print_safe(what);
	putchar('\n');
}

static void tell_progress(void *arg, uint64_t records)
{
	struct data *data = arg;

	ocsctl_progress(data->doing, records);
}

static void tell_rest(const struct data *data)
{
	if (data->n > TOLD_MAX)
		fprintf(data->to, "%s%" PRIu64 " more like these (--json has all)\n",
		        data->to == stderr ? "ocsctl: " : "", data->n - TOLD_MAX);
}

static struct ocs_index_watch watch_of(struct data *data)
{
	return (struct ocs_index_watch){
	        .fault = tell_fault, .progress = tell_progress, .arg = data};
}

/* ---- check ---- */

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static int print_checked(const struct data *data, const struct ocs_index_checked *checked)
{
	int status = checked->faults == 0 ? OCSCTL_OK : OCSCTL_FAILED;

	if (data->ctl->json) {
		int printed = ocsctl_print_json(json_pack(
		        "{s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "records", count(checked->records),
		        "users", count(checked->users), "folders", count(checked->folders),
		        "messages", count(checked->messages), "aside", count(checked->aside),
		        "faults", count(checked->faults), "list", data->faults));

		return printed != OCSCTL_OK ? printed : status;
	}
	tell_rest(data);
	printf("%" PRIu64 " records: %" PRIu64 " users, %" PRIu64 " folders, %" PRIu64
	       " messages (deleted ones too)\n",
	       checked->records, checked->users, checked->folders, checked->messages);
	if (checked->aside != 0)
		printf("%" PRIu64 " damaged %s set aside before\n", checked->aside,
		       ocs_plural(checked->aside, "record was", "records were"));
	if (checked->faults == 0)
		puts("all of it fits together");
	else if (checked->faults == checked->files)
		puts("what is in it fits together: the next start of the daemon makes a new file "
		     "of it, and keeps this one");
	else
		printf("%" PRIu64 " %s wrong: `ocsctl index restore` puts a backup in place\n",
		       checked->faults, ocs_plural(checked->faults, "thing is", "things are"));
	return status;
}

int ocsctl_index_check(struct ocsctl *ctl)
{
	struct data data = {.ctl = ctl, .doing = "checked", .to = stdout};
	struct ocs_index_watch watch = watch_of(&data);
	struct ocs_index_checked checked;
	struct ocs_error error = {.text = ""};
	struct ocs_index *index;
	int status = OCSCTL_FAILED;

	if (ctl->n_operands != 1 || ctl->yes || ctl->empty || ctl->dry_run || ctl->leave_out ||
	    ctl->user != NULL)
		return ocsctl_usage("usage: ocsctl index check");
	index = ocsctl_snapshot(ctl);
	if (index == NULL)
		return OCSCTL_FAILED;
	data.faults = ctl->json ? json_array() : NULL;
	if (ocs_index_check(index, &watch, &checked, &error) == 0) {
		ocsctl_progress_done();
		status = print_checked(&data, &checked);
	} else {
		ocsctl_progress_done();
		ocsctl_error("%s", error.text);
	}
	json_decref(data.faults);
	ocs_index_close(index);
	return status;
}

/* ---- export ---- */

/* Beside it first, so that what was there stays until all is written; for its owner alone. */
static FILE *open_new(const char *path, char fresh[PATH_MAX])
{
	FILE *file = NULL;
	int fd;

	if (snprintf(fresh, PATH_MAX, "%s.new", path) >= PATH_MAX) {
		ocsctl_error("%s: the path is too long", path);
		return NULL;
	}
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && (file = fdopen(fd, "w")) == NULL)
		close(fd);
	if (file == NULL)
		ocsctl_error("cannot create %s: %s", fresh, strerror(errno));
	return file;
}

/* 0, or -1 after saying why. */
static int put_in_place(FILE *file, const char *fresh, const char *path)
{
	int ret = fflush(file) == 0 ? fsync(fileno(file)) : -1;

	if (fclose(file) == 0 && ret == 0 && rename(fresh, path) == 0)
		return 0;
	ocsctl_error("cannot write %s: %s", path, strerror(errno));
	(void)unlink(fresh);
	return -1;
}

static int print_exported(const struct data *data, const char *path,
                          const struct ocs_index_exported *exported)
{
	int status = exported->left_out == 0 ? OCSCTL_OK : OCSCTL_FAILED;

	tell_rest(data);
	if (exported->left_out != 0)
		ocsctl_error("%" PRIu64 " damaged %s left out: `ocsctl index check` says more",
		             exported->left_out,
		             ocs_plural(exported->left_out, "record was", "records were"));
	if (path == NULL)
		return status;
	if (data->ctl->json) {
		int printed = ocsctl_print_json(json_pack(
		        "{s:s, s:o, s:o, s:o, s:o}", "file", path, "users", count(exported->users),
		        "folders", count(exported->folders), "messages", count(exported->messages),
		        "left_out", count(exported->left_out)));

		return printed != OCSCTL_OK ? printed : status;
	}
	printf("wrote %" PRIu64 " users, %" PRIu64 " folders, %" PRIu64 " messages into %s\n",
	       exported->users, exported->folders, exported->messages, path);
	return status;
}

static int export_to(struct data *data, struct ocs_index *index, const char *path)
{
	struct ocs_index_watch watch = watch_of(data);
	struct ocs_index_exported exported;
	struct ocs_error error = {.text = ""};
	char fresh[PATH_MAX] = "";
	FILE *file = path == NULL ? stdout : open_new(path, fresh);
	int ret;

	if (file == NULL)
		return OCSCTL_FAILED;
	ret = ocs_index_export(index, file, &watch, &exported, &error);
	ocsctl_progress_done();
	if (ret != 0) {
		ocsctl_error("%s%s%s", path != NULL ? fresh : "", path != NULL ? ": " : "",
		             error.text);
		if (path != NULL) {
			(void)fclose(file);
			(void)unlink(fresh);
		}
		return OCSCTL_FAILED;
	}
	if (path != NULL && put_in_place(file, fresh, path) != 0)
		return OCSCTL_FAILED;
	return print_exported(data, path, &exported);
}

int ocsctl_index_export(struct ocsctl *ctl)
{
	struct data data = {.ctl = ctl, .doing = "written", .to = stderr};
	const char *path = ctl->n_operands > 1 ? ctl->operands[1] : NULL;
	struct ocs_index *index;
	int status;

	if (ctl->yes || ctl->empty || ctl->dry_run || ctl->leave_out || ctl->user != NULL)
		return ocsctl_usage("usage: ocsctl index export [FILE|-]");
	if (path != NULL && strcmp(path, "-") == 0)
		path = NULL;
	if (ctl->json && path == NULL)
		return ocsctl_usage("ocsctl index export: with --json name a FILE; standard output "
		                    "has the result then");
	index = ocsctl_snapshot(ctl);
	if (index == NULL)
		return OCSCTL_FAILED;
	status = export_to(&data, index, path);
	ocs_index_close(index);
	return status;
}

/* ---- import ---- */

static void print_imported_text(const struct ocsctl *ctl, const struct ocs_index_imported *in)
{
	if (in->refused != 0) {
		ocsctl_error("%" PRIu64 " %s refused: nothing was changed", in->refused,
		             ocs_plural(in->refused, "record is", "records are"));
		return;
	}
	printf("%s %" PRIu64 " users, %" PRIu64 " folders, %" PRIu64 " messages, %" PRIu64
	       " deleted ones; %" PRIu64 " were there already\n",
	       ctl->dry_run ? "would take in" : "took in", in->users, in->folders, in->messages,
	       in->deleted, in->known);
	if (in->made != 0)
		printf("%" PRIu64 " folders that had to be there as well got new identifiers\n",
		       in->made);
	if (in->left_out != 0)
		printf("%" PRIu64 " were left out: no [backend:NAME] uri reads theirs\n",
		       in->left_out);
	if (in->respelt != 0)
		printf("%" PRIu64 " URIs are written by [backend:NAME] uri in another way than "
		       "they were\n",
		       in->respelt);
	if (!ctl->dry_run)
		printf("identifiers go on at counter %" PRIu64
		       ", above all that came; start the daemon, then the MAPI servers\n",
		       in->counter);
}

static int print_imported(const struct data *data, const struct ocs_index_imported *in)
{
	int status = in->refused == 0 ? OCSCTL_OK : OCSCTL_FAILED, printed;

	if (!data->ctl->json) {
		tell_rest(data);
		print_imported_text(data->ctl, in);
		return status;
	}
	printed = ocsctl_print_json(
	        json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "changed",
	                  in->refused == 0 && !data->ctl->dry_run, "users", count(in->users),
	                  "folders", count(in->folders), "messages", count(in->messages), "deleted",
	                  count(in->deleted), "known", count(in->known), "made", count(in->made),
	                  "left_out", count(in->left_out), "respelt", count(in->respelt), "refused",
	                  count(in->refused), "counter", count(in->counter), "list", data->faults));
	return printed != OCSCTL_OK ? printed : status;
}

static int import_file(struct data *data)
{
	struct ocsctl *ctl = data->ctl;
	const struct ocs_config *config = ctl->config;
	struct ocs_index_backend *backends =
	        talloc_array(ctl, struct ocs_index_backend, config->n_backends + 1);
	struct ocs_index_source source = {.path = ctl->operands[1],
	                                  .dry_run = ctl->dry_run,
	                                  .user = ctl->user,
	                                  .leave_out = ctl->leave_out,
	                                  .backends = backends};
	struct ocs_index_watch watch = watch_of(data);
	struct ocs_index_imported in;
	struct ocs_error error = {.text = ""};
	struct ocs_index *index;
	bool failed;
	int ret;

	ocs_config_name_rule(config, &source.names);
	source.map = ocsctl_users_map(ctl, &failed);
	if (failed || backends == NULL)
		return OCSCTL_FAILED;
	for (size_t i = 0; i < config->n_backends; i++)
		if (config->backends[i].uri != NULL)
			backends[source.n_backends++] = (struct ocs_index_backend){
			        config->backends[i].name, config->backends[i].uri};
	ret = ocs_index_open(config->main.registry, (uint16_t)config->main.replica_id, false,
	                     &index, &error);
	if (ret != OCS_STORE_OK) {
		ocsctl_error("%s%s", error.text,
		             ret == OCS_STORE_MISSING ? ": start ocsmanager once, which makes it, "
		                                        "and stop it"
		                                      : "");
		return OCSCTL_FAILED;
	}
	ocs_index_set_limits(index, 0, (uint64_t)config->main.index_limit << 20);
	ocs_index_set_fold(index, source.names.fold);
	ret = ocs_index_import(index, &source, &watch, &in, &error);
	ocs_index_close(index);
	ocsctl_progress_done();
	if (ret == 0)
		return print_imported(data, &in);
	ocsctl_error("%s: nothing was changed", error.text);
	return OCSCTL_FAILED;
}

int ocsctl_index_import(struct ocsctl *ctl)
{
	struct data data = {.ctl = ctl, .doing = "taken in", .to = stderr};
	int fd, status;

	if (ctl->n_operands != 2 || ctl->yes || ctl->empty)
		return ocsctl_usage(
		        "usage: ocsctl index import FILE [--dry-run] [--user NAME] [--leave-out]");
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	fd = ocsctl_lock_registry(ctl);
	if (fd < 0)
		return OCSCTL_FAILED;
	data.faults = ctl->json ? json_array() : NULL;
	status = import_file(&data);
	json_decref(data.faults);
	close(fd);
	return status;
}

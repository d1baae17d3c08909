/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl index: what an admin does to the identifier index while the daemon is stopped, under the
 * daemon's lock on the registry folder, so that none starts meanwhile. What takes all of it in or
 * out is in index_data.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mapistore/index_restore.h"
#include "ocsctl/ocsctl.h"

/* ---- restore ---- */

static int print_restored(const struct ocsctl *ctl, const struct ocs_index_restored *restored)
{
	if (ctl->json)
		return ocsctl_print_json(
		        json_pack("{s:i, s:s*, s:I}", "files", (int)restored->files, "kept",
		                  restored->kept[0] != '\0' ? restored->kept : NULL, "counter",
		                  (json_int_t)restored->counter));
	if (ctl->empty)
		printf("made an empty index in %s\n", ctl->config->main.registry);
	else
		printf("put %u file%s in place in %s\n", restored->files,
		       restored->files == 1 ? "" : "s", ctl->config->main.registry);
	if (restored->kept[0] != '\0')
		printf("what was there is kept as %s\n", restored->kept);
	printf("identifiers go on at counter %llu, above all that were given; start the daemon, "
	       "then the MAPI servers\n",
	       (unsigned long long)restored->counter);
	return OCSCTL_OK;
}

static int index_restore(struct ocsctl *ctl)
{
	struct ocs_index_restored restored;
	struct ocs_error error;
	int fd, ret;

	if (ctl->empty != (ctl->n_operands == 1) || ctl->yes)
		return ocsctl_usage("usage: ocsctl index restore FILE|FOLDER, or --empty");
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	fd = ocsctl_lock_registry(ctl);
	if (fd < 0)
		return OCSCTL_FAILED;
	ret = ocs_index_restore(ctl->config->main.registry, (uint16_t)ctl->config->main.replica_id,
	                        ctl->empty ? NULL : ctl->operands[1], &restored, &error);
	close(fd);
	if (ret == 0)
		return print_restored(ctl, &restored);
	ocsctl_error("%s", error.text);
	return OCSCTL_FAILED;
}

/* ---- adopt ---- */

static bool is_agreed(const struct ocsctl *ctl)
{
	char line[16] = "";

	if (ctl->yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		ocsctl_error("not done: it takes a terminal to ask at, or --yes");
		return false;
	}
	fputs("go on? [y/N] ", stderr);
	if (fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y'))
		return true;
	ocsctl_error("not done");
	return false;
}

static int print_adopted(const struct ocsctl *ctl, const struct ocs_index_user *user, bool changed)
{
	if (ctl->json)
		return ocsctl_print_json(json_pack("{s:b, s:s, s:s, s:I}", "adopted", changed,
		                                   "machine", user->machine, "folder", user->place,
		                                   "counter", (json_int_t)user->counter));
	if (!changed)
		printf("%s is this machine's already: nothing to do\n", ctl->config->main.registry);
	else
		printf("%s is this machine's now; identifiers go on at counter %llu; start the "
		       "daemon\n",
		       ctl->config->main.registry, (unsigned long long)user->counter);
	return OCSCTL_OK;
}

static int adopt(struct ocsctl *ctl, const char *folder, uint16_t replica_id)
{
	struct ocs_index_user user;
	struct ocs_error error;
	int found = ocs_index_user_look(folder, replica_id, &user, &error);

	if (found == 0)
		return print_adopted(ctl, &user, false);
	if (found > 0) {
		fprintf(stderr,
		        "%s with replica id %u was used by machine %s in %s. From now on it is "
		        "this machine's. If a daemon goes on there with that replica id, both give "
		        "out the same identifiers, and clients mix up mails.\n",
		        folder, replica_id, user.machine[0] != '\0' ? user.machine : "(unknown)",
		        user.place);
		if (!is_agreed(ctl))
			return OCSCTL_FAILED;
		if (ocs_index_adopt(folder, replica_id, &user, &error) == 0)
			return print_adopted(ctl, &user, true);
	}
	ocsctl_error("%s", error.text);
	return OCSCTL_FAILED;
}

static int index_adopt(struct ocsctl *ctl)
{
	int fd, status;

	if (ctl->n_operands != 1 || ctl->empty)
		return ocsctl_usage("usage: ocsctl index adopt [--yes]");
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	fd = ocsctl_lock_registry(ctl);
	if (fd < 0)
		return OCSCTL_FAILED;
	status = adopt(ctl, ctl->config->main.registry, (uint16_t)ctl->config->main.replica_id);
	close(fd);
	return status;
}

int ocsctl_index(struct ocsctl *ctl)
{
	static const struct {
		const char *word;
		int (*run)(struct ocsctl *ctl);
	} words[] = {
	        {"check", ocsctl_index_check},   {"export", ocsctl_index_export},
	        {"import", ocsctl_index_import}, {"restore", index_restore},
	        {"adopt", index_adopt},          {"rebuild", ocsctl_index_rebuild},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(ctl->operands[0], words[i].word) == 0)
			return words[i].run(ctl);
	return ocsctl_usage("ocsctl index: unknown command '%s': check, export, import, restore, "
	                    "adopt, rebuild",
	                    ctl->operands[0]);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who uses a registry: two that go on from copies of one folder would give the same identifiers
 * twice. Reads /etc/machine-id, and looks whether the folder that a mark names still has a mark.
 */
#include "mapistore/index_mark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ocs_index_machine_id = "/etc/machine-id";

/* "": there is none, as in many containers. */
static void read_machine(char out[OCS_MACHINE_MAX + 1])
{
	FILE *file = fopen(ocs_index_machine_id, "re");

	out[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(out, OCS_MACHINE_MAX + 1, file) == NULL)
		out[0] = '\0';
	(void)fclose(file);
	out[strcspn(out, " \r\n")] = '\0';
	if (strcmp(out, "uninitialized") == 0)
		out[0] = '\0';
}

/* Its mark is still where this one says: 1; 0: it is not; -1: it cannot be seen. */
static int stands_there(const struct ocs_index_mark *mark)
{
	char path[PATH_MAX];
	struct stat st;

	if (ocs_index_mark_path(mark->place, mark->replica_id, path, NULL) != 0)
		return 0;
	if (stat(path, &st) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
}

/* The same folder, under whatever name. */
static bool is_folder(const char *folder, const char *place)
{
	struct stat here, there;

	return stat(folder, &here) == 0 && stat(place, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int ocs_index_place_judge(const char *folder, const struct ocs_index_mark *mark,
                          struct ocs_error *error)
{
	char machine[OCS_MACHINE_MAX + 1];

	if (!mark->placed)
		return OCS_PLACE_UNKNOWN;
	read_machine(machine);
	if (machine[0] != '\0' && mark->machine[0] != '\0' && strcmp(machine, mark->machine) != 0)
		return ocs_error_set(
		        error,
		        "%.150s: this registry with replica id %u is of another machine "
		        "(machine-id %.40s), which may still give out identifiers: set [main] "
		        "replica_id to a number never used; or, if that machine is gone for good, "
		        "run `ocsctl index adopt`",
		        folder, mark->replica_id, mark->machine);
	if (is_folder(folder, mark->place))
		return machine[0] != '\0' && mark->machine[0] == '\0' ? OCS_PLACE_UNKNOWN
		                                                      : OCS_PLACE_SAME;
	if (stands_there(mark) != 0)
		return ocs_error_set(
		        error,
		        "%.120s: this registry is a copy of %.120s, which has replica id %u too "
		        "and may still give out identifiers: set [main] replica_id to a number "
		        "never used; or, if that one is given up, remove it or run `ocsctl index "
		        "adopt`",
		        folder, mark->place, mark->replica_id);
	ocs_error_set(error, "%.200s: the registry was moved here from %.200s", folder,
	              mark->place);
	return OCS_PLACE_MOVED;
}

int ocs_index_place_take(const char *folder, struct ocs_index_mark *mark, struct ocs_error *error)
{
	char machine[OCS_MACHINE_MAX + 1];

	if (realpath(folder, mark->place) == NULL)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	/* One that cannot be read now is no other one. */
	read_machine(machine);
	if (machine[0] != '\0')
		strcpy(mark->machine, machine);
	mark->placed = true;
	return 0;
}

/*
 * The registry folder: made if missing, with its private subfolder, and locked so that there is one
 * daemon to a registry. Called from the main thread while the daemon starts and stops.
 */
#ifndef OCS_OCSMANAGER_FOLDER_H
#define OCS_OCSMANAGER_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/error.h"

/* Makes the folder with mode 3770 for that user and group, if it is missing; -1 if it cannot be
 * made, is no folder, or belongs to someone else. Before root is dropped. */
int ocs_folder_prepare(const char *folder, uid_t uid, gid_t gid, struct ocs_error *error);

/* What ocs_folder_prepare() says of one that is there; changes nothing. */
int ocs_folder_look(const char *folder, uid_t uid, struct ocs_error *error);

/* Whether a daemon holds the lock of that folder now. It is looked up, not tried. */
bool ocs_folder_locked(const char *folder);

/* Makes and checks `private` (0700) in it; *path_r is talloc on mem_ctx. After root is dropped. */
int ocs_folder_private(const char *folder, const void *mem_ctx, const char **path_r,
                       struct ocs_error *error);

/* Takes the lock, which lasts until *lock_r is closed or the process ends. The text of a failure
 * says which process holds it. */
int ocs_folder_lock(const char *folder, int *lock_r, struct ocs_error *error);

#endif

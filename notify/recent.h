/*
 * What was done lately: the sender ids within the dedupe window, and the identifiers that were
 * assigned to new mail whose delivery is not yet known to be done. private/recent.tdb, the daemon's
 * alone, so that no other process can hold it up; in memory while it runs. Soft state.
 *
 * Threads: the store thread alone.
 */
#ifndef OCS_NOTIFY_RECENT_H
#define OCS_NOTIFY_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/error.h"

struct ocs_recent;

/* folder: the private one. A damaged file is moved aside (*moved_r). */
int ocs_recent_open(const char *folder, struct ocs_recent **recent_r, bool *moved_r,
                    struct ocs_error *error);
void ocs_recent_close(struct ocs_recent *recent);

/* Whether an id was done within the last `window` seconds. now in seconds since 1970. */
bool ocs_recent_done(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                     unsigned window);
/* The identifier assigned to a message of a series before, 0 if none. */
uint64_t ocs_recent_assigned(struct ocs_recent *recent, uint64_t series, const char *message_id);

/* Changes are collected, then committed together; commit with nothing collected costs nothing. */
int ocs_recent_assign(struct ocs_recent *recent, uint64_t series, const char *message_id,
                      uint64_t mid, struct ocs_error *error);
int ocs_recent_unassign(struct ocs_recent *recent, uint64_t series, const char *message_id,
                        struct ocs_error *error);
int ocs_recent_add(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                   struct ocs_error *error);
/* Also forgets what has left the window. */
int ocs_recent_commit(struct ocs_recent *recent, uint64_t now, unsigned window,
                      struct ocs_error *error);
void ocs_recent_cancel(struct ocs_recent *recent);

#endif

/*
 * The daemon's side of the doorbell (notify/doorbell.h): a socket in the registry folder and a
 * thread of its own that never waits for anything but its sockets. Who binds is asked by callback.
 */
#ifndef OCS_LINK_DOORBELL_H
#define OCS_LINK_DOORBELL_H

#include <stdbool.h>

#include "link/status.h"
#include "notify/doorbell.h"

struct ocs_doorbell;

enum ocs_doorbell_answer { OCS_DOORBELL_YES, OCS_DOORBELL_NO, OCS_DOORBELL_LATER };

/* Is the user bound? first: he is asked for; false: whether it has come true meanwhile. With NO and
 * LATER text says why not yet. On the doorbell's thread; must not block. */
typedef enum ocs_doorbell_answer ocs_doorbell_ask_fn(void *arg, const char *user, bool first,
                                                     char text[OCS_DOORBELL_TEXT_MAX]);

int ocs_doorbell_start(const char *folder, ocs_doorbell_ask_fn *ask, void *arg,
                       struct ocs_link_status *status, struct ocs_doorbell **doorbell_r,
                       struct ocs_error *error);
/* Something has changed: asks again for those who wait. Any thread; does not block. */
void ocs_doorbell_poke(struct ocs_doorbell *doorbell);
/* Removes the socket; who waits is hung up on. NULL is allowed. */
void ocs_doorbell_stop(struct ocs_doorbell *doorbell);

#endif

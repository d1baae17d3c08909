/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * POSIX message queues, always non-blocking. This is the only place that calls mq_*.
 * Every function returns 0 or a negative errno, so that the caller can tell EAGAIN (full, empty)
 * from the ways in which a queue is not available. No locking of its own; descriptors may be shared
 * by threads.
 */
#ifndef OCS_MQUEUE_QUEUE_H
#define OCS_MQUEUE_QUEUE_H

#include <mqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ocs_queue_state {
	long messages, max_messages, message_size;
};

/* Creates (O_EXCL) for reading and writing, mode 0660, group gid ((gid_t)-1: as it is). -EEXIST:
 * draw another name. */
int ocs_queue_create(const char *name, long max_messages, long message_size, gid_t gid,
                     mqd_t *queue_r);
int ocs_queue_open_write(const char *name, mqd_t *queue_r);
int ocs_queue_open_read(const char *name, mqd_t *queue_r);
int ocs_queue_send(mqd_t queue, const void *data, size_t len);
/* buffer must hold message_size of the queue; *len_r is what came. */
int ocs_queue_receive(mqd_t queue, void *buffer, size_t size, size_t *len_r);
int ocs_queue_state(mqd_t queue, struct ocs_queue_state *out);
/* A name that was free for a moment can be another user's by the next opening. Whether the open
 * queue is one that `owner` made for `group` ((gid_t)-1: any): its owner, its group, closed to all
 * others, and the one that *inode tells (0: not known yet; then it is set). 0, -EPERM if not, or
 * what kept us from looking, with why in words. */
int ocs_queue_verify(mqd_t queue, uid_t owner, gid_t group, ino_t *inode, char *why, size_t size);
/* Whether the queue's name is gone: the descriptor then only keeps its memory charged. */
bool ocs_queue_unlinked(mqd_t queue);
void ocs_queue_close(mqd_t queue);
int ocs_queue_unlink(const char *name); /* -ENOENT is returned as 0 */

/* A sentence that says which limit a failure of create is about and how to raise it. */
const char *ocs_queue_limit_advice(int error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The only place that calls mq_*. On Linux a queue descriptor is a file descriptor, closed on exec,
 * and fchown, fchmod and epoll work on it.
 */
#include "mqueue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define QUEUE_MODE 0660

int ocs_queue_create(const char *name, long max_messages, long message_size, gid_t gid,
                     mqd_t *queue_r)
{
	struct mq_attr attributes = {.mq_maxmsg = max_messages, .mq_msgsize = message_size};
	mqd_t queue;
	int error;

	/* 0600 until the group is the right one; fchmod because the umask cuts the mode of mq_open.
	 */
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
	if (queue == (mqd_t)-1)
		return -errno;
	if (ocs_file_set_owner(queue, "", (uid_t)-1, gid) < 0 || fchmod(queue, QUEUE_MODE) < 0) {
		error = errno;
		(void)mq_close(queue);
		(void)mq_unlink(name);
		return -error;
	}
	*queue_r = queue;
	return 0;
}

static int open_existing(const char *name, int access, mqd_t *queue_r)
{
	mqd_t queue = mq_open(name, access | O_NONBLOCK);

	if (queue == (mqd_t)-1)
		return -errno;
	*queue_r = queue;
	return 0;
}

int ocs_queue_open_write(const char *name, mqd_t *queue_r)
{
	return open_existing(name, O_WRONLY, queue_r);
}

int ocs_queue_open_read(const char *name, mqd_t *queue_r)
{
	return open_existing(name, O_RDONLY, queue_r);
}

int ocs_queue_send(mqd_t queue, const void *data, size_t len)
{
	/* One priority for all: the kernel then keeps the order of sending. */
	return mq_send(queue, data, len, 0) < 0 ? -errno : 0;
}

int ocs_queue_receive(mqd_t queue, void *buffer, size_t size, size_t *len_r)
{
	ssize_t len = mq_receive(queue, buffer, size, NULL);

	if (len < 0)
		return -errno;
	*len_r = (size_t)len;
	return 0;
}

int ocs_queue_state(mqd_t queue, struct ocs_queue_state *out)
{
	struct mq_attr attributes;

	if (mq_getattr(queue, &attributes) < 0)
		return -errno;
	out->messages = attributes.mq_curmsgs;
	out->max_messages = attributes.mq_maxmsg;
	out->message_size = attributes.mq_msgsize;
	return 0;
}

int ocs_queue_verify(mqd_t queue, uid_t owner, gid_t group, ino_t *inode, char *why, size_t size)
{
	struct stat st;

	if (fstat(queue, &st) < 0) {
		int error = errno;

		snprintf(why, size, "it cannot be looked at: %s", strerror(error));
		return -error;
	}
	if (st.st_uid != owner)
		snprintf(why, size, "it belongs to uid %u, not to uid %u who registered it",
		         (unsigned)st.st_uid, (unsigned)owner);
	else if (group != (gid_t)-1 && st.st_gid != group)
		snprintf(why, size, "its group is gid %u, not that of the registry folder (%u)",
		         (unsigned)st.st_gid, (unsigned)group);
	else if ((st.st_mode & S_IRWXO) != 0)
		snprintf(why, size, "every user may use it (mode %o)", (unsigned)st.st_mode & 0777);
	else if (*inode != 0 && st.st_ino != *inode)
		snprintf(why, size, "it is another queue than before under the same name");
	else {
		*inode = st.st_ino;
		return 0;
	}
	return -EPERM;
}

bool ocs_queue_unlinked(mqd_t queue)
{
	struct stat st;

	/* On Linux a queue descriptor is a file descriptor. */
	return fstat(queue, &st) == 0 && st.st_nlink == 0;
}

void ocs_queue_close(mqd_t queue)
{
	(void)mq_close(queue);
}

int ocs_queue_unlink(const char *name)
{
	if (mq_unlink(name) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* A figure of /proc/sys/fs/mqueue, for people: "?" where it cannot be read. */
static const char *kernel_figure(const char *file, char *out, size_t size)
{
	char path[64];
	FILE *stream;

	snprintf(out, size, "?");
	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", file);
	stream = fopen(path, "re");
	if (stream == NULL)
		return out;
	if (fgets(out, (int)size, stream) == NULL)
		snprintf(out, size, "?");
	out[strcspn(out, "\n")] = '\0';
	(void)fclose(stream);
	return out;
}

static const char *process_limit(int resource, char *out, size_t size)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		snprintf(out, size, "?");
	else if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(out, size, "unlimited");
	else
		snprintf(out, size, "%llu", (unsigned long long)limit.rlim_cur);
	return out;
}

const char *ocs_queue_limit_advice(int error)
{
	static _Thread_local char text[400];
	char first[24], second[24];

	switch (error < 0 ? -error : error) {
	case ENOSPC:
		snprintf(text, sizeof(text),
		         "the system has as many message queues as fs.mqueue.queues_max allows "
		         "(%s): "
		         "raise it with sysctl",
		         kernel_figure("queues_max", first, sizeof(first)));
		break;
	case EMFILE:
		/* One errno for two limits; the kernel does not say which was met. */
		snprintf(
		        text, sizeof(text),
		        "this user's message queues would need more than RLIMIT_MSGQUEUE (%s "
		        "bytes; a "
		        "queue takes max_messages x (message_size + 96)), or the process is out of "
		        "descriptors (RLIMIT_NOFILE %s): raise LimitMSGQUEUE= or ulimit -q, or "
		        "LimitNOFILE= or ulimit -n",
		        process_limit(RLIMIT_MSGQUEUE, first, sizeof(first)),
		        process_limit(RLIMIT_NOFILE, second, sizeof(second)));
		break;
	case EINVAL:
		snprintf(text, sizeof(text),
		         "max_messages or message_size of [mqueue] is more than the kernel allows: "
		         "raise "
		         "fs.mqueue.msg_max (%s) or fs.mqueue.msgsize_max (%s) with sysctl, or "
		         "lower "
		         "the ini's values",
		         kernel_figure("msg_max", first, sizeof(first)),
		         kernel_figure("msgsize_max", second, sizeof(second)));
		break;
	case ENFILE:
		snprintf(text, sizeof(text),
		         "the system is out of open files: raise fs.file-max with sysctl");
		break;
	case ENOMEM:
		snprintf(text, sizeof(text), "the kernel has no memory for another message queue");
		break;
	case EACCES:
	case EPERM:
		snprintf(text, sizeof(text),
		         "not permitted: the process must belong to the group of the registry "
		         "folder");
		break;
	case ENOSYS:
		snprintf(text, sizeof(text), "this kernel is built without POSIX message queues");
		break;
	default:
		snprintf(text, sizeof(text), "message queue: %s",
		         strerrordesc_np(error < 0 ? -error : error) != NULL
		                 ? strerrordesc_np(error < 0 ? -error : error)
		                 : "unknown error");
	}
	return text;
}

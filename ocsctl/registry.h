/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What ocsctl reads of the registry, at one moment and copied: no lock is held while it prints.
 */
#ifndef OCSCTL_REGISTRY_H
#define OCSCTL_REGISTRY_H

#include "mqueue/queue.h"
#include "registry/registry.h"
#include "ocsctl/names.h"
#include "ocsctl/ocsctl.h"

enum ocsctl_owner {
	OCSCTL_OWNER_NONE, /* no such context in the registry */
	OCSCTL_OWNER_ALIVE,
	OCSCTL_OWNER_DEAD,
	OCSCTL_OWNER_UNKNOWN, /* its socket may not be asked */
};

struct ocsctl_context {
	struct ocs_registry_context r;
	enum ocsctl_owner state;
};

struct ocsctl_queue {
	const struct ocs_registry_queue *r;
	const char *user;
	const struct ocsctl_context *owner; /* NULL: none */
	int kernel_error; /* 0, or why the kernel's queue cannot be seen: see ocsctl_queue_open() */
	struct ocs_queue_state kernel;
	struct ocs_spill_state spill;
	const char *uri; /* of its folder; NULL: none, or not known */
};

struct ocsctl_view {
	struct ocs_registry *registry;
	struct ocsctl_context *contexts;
	size_t n_contexts;
	struct ocs_registry_session *sessions;
	size_t n_sessions;
	struct ocsctl_queue *queues;
	size_t n_queues;
	struct ocsctl_names *names; /* NULL: not wanted, or the index cannot be read */
};

/* Opens the registry of the ini; errors are printed. Closed with ctl. */
int ocsctl_registry_open(struct ocsctl *ctl, struct ocs_registry **registry_r);
/* The same and everything in it; named: also what identifiers name. NULL after an error, which is
 * printed. */
struct ocsctl_view *ocsctl_view_load(struct ocsctl *ctl, bool named);

/* Opens the kernel's queue for reading: 0, a negative errno, or this: a queue of that name is there
 * and belongs to another user than its session. */
#define OCSCTL_QUEUE_FOREIGN (-4096)
int ocsctl_queue_open(const struct ocsctl_queue *queue, mqd_t *kernel_r);
const char *ocsctl_queue_trouble(int kernel_error);

/* NULL: none of that id. */
const struct ocsctl_context *ocsctl_context_of(const struct ocsctl_view *view, uint64_t id);
/* "1234", "1234 (dead)", "?" */
const char *ocsctl_owner_text(const void *mem_ctx, const struct ocsctl_context *owner);
/* "store" or 16 hex digits */
const char *ocsctl_folder_text(const void *mem_ctx, uint64_t folder);
/* It is in the kernel, but may not be looked into: what waits there is not known. */
bool ocsctl_queue_unseen(const struct ocsctl_queue *queue);
/* A queue of the registry as an object. */
json_t *ocsctl_queue_json(const struct ocsctl_queue *queue);
/* The same of a session. */
json_t *ocsctl_session_json(const void *mem_ctx, const struct ocsctl_view *view,
                            const struct ocs_registry_session *session);

#endif

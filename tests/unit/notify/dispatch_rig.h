/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of dispatch: a registry in a temporary folder, subscriptions put there before the
 * dispatch starts, requests that are waited for.
 */
#ifndef OCS_UNIT_DISPATCH_RIG_H
#define OCS_UNIT_DISPATCH_RIG_H

#include <pthread.h>

#include "mapistore/index.h"
#include "mqueue/queue.h"
#include "notify/dispatch.h"
#include "registry/registry.h"
#include "tests/unit/spill_rig.h"

extern struct ocs_registry *dispatch_registry;
extern struct ocs_index *dispatch_index;
extern struct ocs_dispatch *dispatch;
extern unsigned dispatch_deadline, dispatch_spill_total, dispatch_descriptors;

void dispatch_open(void);
void dispatch_close(void);
void dispatch_start(void);
void dispatch_stop(void);

/* Folders and files, all closed. */
void dispatch_setup(void);
void dispatch_teardown(void);

/* A queue of jdoe's; mq NULL: it lives on its spill list. */
struct ocs_registry_queue dispatch_queue(uint64_t session, enum ocs_table table, uint64_t folder,
                                         uint16_t types, uint64_t mid, mqd_t *mq);
void dispatch_drop(const struct ocs_registry_queue *queue, mqd_t mq);

/* The context is this user's: it has a queue list. */
void dispatch_own(uint64_t context);

/* While all is closed. */
void dispatch_subscribe(struct ocs_registry_queue *queues, size_t n);
int dispatch_receive(mqd_t mq, struct ocs_entry *entry);

/* ---- requests ---- */

struct dispatch_waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct ocs_result result; /* of the last item */
};

#define DISPATCH_WAITER                                                                            \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER                \
	}

void dispatch_done(void *owner, const struct ocs_result *results, size_t n);
/* To be submitted. */
struct ocs_request *dispatch_request(struct dispatch_waiter *waiter,
                                     const struct ocs_notification *item);
void dispatch_submit(struct dispatch_waiter *waiter, const struct ocs_notification *item);
struct ocs_result dispatch_wait(struct dispatch_waiter *waiter);
struct ocs_result dispatch_report(const struct ocs_notification *item);
struct ocs_notification dispatch_event(enum ocs_category category, const char *folder,
                                       const char *message_id);

#endif

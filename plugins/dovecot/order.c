/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Holds back reports of nested transactions: see order.h. Touches memory only. */
#include "lib.h"
#include "array.h"

#include "order.h"
#include "report.h"

static struct {
	const void *owner; /* of the outermost commit, or NULL */
	pool_t pool;
	ARRAY(struct ocs_report) waiting;
} order;

void ocs_order_begin(const void *owner)
{
	if (order.owner == NULL)
		order.owner = owner;
}

void ocs_order_end(const void *owner)
{
	const struct ocs_report *report;

	if (order.owner == NULL || order.owner != owner)
		return;
	order.owner = NULL;
	if (order.pool == NULL)
		return;
	array_foreach(&order.waiting, report)
	{
		ocs_report_add(report);
	}
	array_free(&order.waiting);
	pool_unref(&order.pool);
}

void ocs_order_add(const void *owner, const struct ocs_report *report)
{
	struct ocs_report *copy;

	if (order.owner == NULL || order.owner == owner) {
		ocs_report_add(report);
		return;
	}
	if (order.pool == NULL) {
		order.pool = pool_alloconly_create("ocsmanager order", 1024);
		i_array_init(&order.waiting, 8);
	}
	copy = array_append_space(&order.waiting);
	*copy = *report;
	copy->category = p_strdup(order.pool, report->category);
	copy->backend = p_strdup(order.pool, report->backend);
	copy->username = p_strdup(order.pool, report->username);
	copy->folder = p_strdup(order.pool, report->folder);
	copy->old_folder = p_strdup(order.pool, report->old_folder);
	copy->guid = p_strdup(order.pool, report->guid);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the link to other machines reads of the configuration.
 */
#ifndef OCS_CONFIG_CLUSTER_H
#define OCS_CONFIG_CLUSTER_H

#include "cluster/settings.h"
#include "config/config.h"

/* [rabbitmq] as the link's settings, with strings of their own, one talloc object on mem_ctx. NULL:
 * the ini has no uri, so there is no link; or out of memory, where *failed_r is true. */
struct ocs_link_settings *ocs_config_link(const struct ocs_config *config, const void *mem_ctx,
                                          bool *failed_r);

/* Reports what is wrong with the files that [rabbitmq] names: missing or not readable for who asks.
 * -1 if one of them is. */
int ocs_config_link_files(const struct ocs_config *config, ocs_report_fn *report, void *arg);

/* Reports the brokers whose names cannot be resolved, or not now. Asks the name servers. */
void ocs_config_link_resolve(const struct ocs_config *config, ocs_report_fn *report, void *arg);

#endif

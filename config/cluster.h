/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the link to other machines reads of the configuration.
 */
#ifndef OCS_CONFIG_CLUSTER_H
#define OCS_CONFIG_CLUSTER_H

#include "cluster/settings.h"
#include "config/config.h"

/* The link's settings, which are a part of the configuration. NULL: the ini has no uri, so there is
 * no link. */
static inline const struct ocs_link_settings *ocs_config_link(const struct ocs_config *config)
{
	return config->rabbitmq->uri != NULL ? config->rabbitmq : NULL;
}

/* Reports what is wrong with the files that [rabbitmq] names: missing or not readable for who asks.
 * -1 if one of them is. */
int ocs_config_link_files(const struct ocs_config *config, ocs_report_fn *report, void *arg);

/* Reports the brokers whose names cannot be resolved, or not now. Asks the name servers. */
void ocs_config_link_resolve(const struct ocs_config *config, ocs_report_fn *report, void *arg);

#endif

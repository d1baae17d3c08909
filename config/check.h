/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Inside the config module: collected problems, and the checks that need more than one key.
 */
#ifndef OCS_CONFIG_CHECK_H
#define OCS_CONFIG_CHECK_H

#include "config/config.h"
#include "config/ini.h"

struct ocs_problem {
	unsigned line; /* 0: the whole file */
	int priority;
	const char *text;
};

struct ocs_problems { /* a talloc object */
	size_t n, errors;
	struct ocs_problem *list;
	int missing; /* priority of a required key that is missing */
	bool lost;   /* out of memory: there are more */
};

void ocs_problem_add(struct ocs_problems *problems, int priority, unsigned line, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

/* Where a key stands, else its section, else 0. */
unsigned ocs_problem_line(const struct ocs_ini *ini, const char *section, const char *key);

/* Fills in the defaults that depend on other keys, and checks keys against each other and against
 * the machine. */
void ocs_config_check(struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems);
/* What is allowed and cannot be meant: config/doubt.c. Warnings only. */
void ocs_config_doubt(const struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems);
/* The part of it about [rabbitmq]: config/cluster.c. */
void ocs_config_check_link(struct ocs_config *config, const struct ocs_ini *ini,
                           struct ocs_problems *problems);

#endif

/*
 * Inside the config module: collected problems, and the checks that need more than one key.
 */
#ifndef OCS_OCSMANAGER_CONFIG_CHECK_H
#define OCS_OCSMANAGER_CONFIG_CHECK_H

#include "ocsmanager/config.h"
#include "ocsmanager/config_ini.h"

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

/* Fills in the defaults that depend on other keys, and checks keys against each other and against
 * the machine. */
void ocs_config_check(struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems);

#endif

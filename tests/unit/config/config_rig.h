/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the tests of the configuration share: an ini written to a temporary folder and loaded, and
 * what was said about it.
 */
#ifndef OCS_UNIT_CONFIG_RIG_H
#define OCS_UNIT_CONFIG_RIG_H

#include "config/config.h"
#include "tests/unit/rig.h"

/* The least there is: 5 lines, about which there is nothing to say. */
#define CONFIG_MINIMAL                                                                             \
	"[auth:single]\nusername = a\npassword = b\n"                                              \
	"[backend:sogo]\nuri = sogo://{user}@mail/{folder}/{message}\n"

extern char config_path[RIG_FOLDER_SIZE + 16];
extern void *config_memory; /* of one test */
extern struct ocs_config *config;
extern int config_result;
extern char config_problems[16384]; /* a line each: E or W, the text without the path */

void config_collect(int priority, const char *text, void *arg);
void config_load_file(void);
void config_load_bytes(const char *text, size_t len);
void config_load(const char *text);

/* The minimal lines, and more from line 6 on. */
void config_load_with(const char *more);
void config_is_fine(void);

/* These problems and no others. */
void config_says_only(const char *expected);

/* Among others: E or W, the line, words of it. */
void config_says(const char *priority, unsigned line, const char *words);
void config_setup(void);
void config_teardown(void);

#endif

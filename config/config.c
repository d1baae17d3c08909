/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Loading the configuration: the ini's values through the key table into struct ocs_config, every
 * problem collected and reported in the order of the lines. Reads the ini; changes nothing.
 */
#include "config/config.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "cluster/settings.h"
#include "config/check.h"
#include "config/ini.h"
#include "config/keys.h"
#include "config/value.h"
#include "base/error.h"

#define SECTION_NAME_LONGEST 200

struct loader {
	struct ocs_config *config;
	struct ocs_ini *ini;
	struct ocs_problems *problems;
	const char *folder;
	const char *const *sections; /* NULL: all are needed */
};

static void ini_fault(unsigned line, const char *text, void *arg)
{
	struct loader *loader = arg;

	ocs_problem_add(loader->problems, LOG_ERR, line, "%s", text);
}

/* What the keys of a section without a name fill. */
static void *config_base(const struct ocs_config *config, const char *section)
{
	return strcmp(section, "rabbitmq") == 0 ? (void *)config->rabbitmq
	                                        : (void *)(uintptr_t)config;
}

static bool takes_name(const char *section)
{
	return section[strlen(section) - 1] == ':';
}

/* Of the sections without a name (row NULL), or of the element of a named one. */
static int set_defaults(struct loader *loader, const char *row, void *element)
{
	for (size_t i = 0; i < ocs_n_keys; i++) {
		const struct ocs_key *key = &ocs_keys[i];

		if (row == NULL ? takes_name(key->section) : strcmp(key->section, row) != 0)
			continue;
		void *base = row != NULL ? element : config_base(loader->config, key->section);
		if (key->fallback != NULL &&
		    ocs_config_value_set(key, base, loader->config, loader->folder, key->fallback,
		                         NULL) < 0)
			return -1;
	}
	return 0;
}

/* The list with room for one more: it doubles, so that n are made in n steps. */
static void *grow(const void *mem_ctx, void *list, size_t size, size_t n)
{
	if ((n & (n - 1)) != 0)
		return list;
	return talloc_realloc_size(mem_ctx, list, size * (n != 0 ? 2 * n : 1));
}

static struct ocs_config_backend *add_backend(struct loader *loader, const char *name)
{
	struct ocs_config *config = loader->config;
	struct ocs_config_backend *list =
	        grow(config, config->backends, sizeof(*list), config->n_backends);

	if (list == NULL)
		return NULL;
	config->backends = list;
	list += config->n_backends;
	*list = (struct ocs_config_backend){.name = talloc_strdup(config, name)};
	if (list->name == NULL || set_defaults(loader, "backend:", list) < 0)
		return NULL;
	for (char *p = (char *)(uintptr_t)list->name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	config->n_backends++;
	return list;
}

static struct ocs_config_account *add_account(struct loader *loader, const char *name)
{
	struct ocs_config *config = loader->config;
	struct ocs_config_account *list =
	        grow(config, config->accounts, sizeof(*list), config->n_accounts);

	if (list == NULL)
		return NULL;
	config->accounts = list;
	list += config->n_accounts;
	*list = (struct ocs_config_account){.name = talloc_strdup(config, name)};
	if (list->name == NULL)
		return NULL;
	config->n_accounts++;
	return list;
}

static void warn_old(struct loader *loader, unsigned line, const char *what,
                     const struct ocs_old_key *old)
{
	ocs_problem_add(loader->problems, LOG_WARNING, line, "%s is obsolete and ignored%s%s", what,
	                old->instead != NULL ? "; see " : "",
	                old->instead != NULL ? old->instead : "");
}

static void unknown_section(struct loader *loader, const struct ocs_ini_section *section)
{
	const struct ocs_old_key *old = ocs_old_key_find(section->name, NULL);
	const char *nearest = ocs_key_section_nearest(section->name);
	char shown[SECTION_NAME_LONGEST + 2];

	snprintf(shown, sizeof(shown), "[%.*s]", SECTION_NAME_LONGEST - 1, section->name);
	if (old != NULL)
		warn_old(loader, section->header.line, shown, old);
	else
		ocs_problem_add(loader->problems, LOG_WARNING, section->header.line,
		                "unknown section %s%s%s%s", shown,
		                nearest != NULL ? "; did you mean [" : "",
		                nearest != NULL ? nearest : "", nearest != NULL ? "]?" : "");
}

/* The element that a named section makes, which its keys go into. NULL: it is not to be, or out of
 * memory; reported. */
static void *named_element(struct loader *loader, const struct ocs_key_section *row,
                           const struct ocs_ini_section *section)
{
	const char *name = ocs_key_section_suffix(section->name);
	bool account = strcmp(row->name, "account:") == 0;
	void *element;

	if (*name == '\0' || strlen(section->name) > SECTION_NAME_LONGEST) {
		ocs_problem_add(loader->problems, LOG_ERR, section->header.line,
		                "[%s]: NAME must have 1 to %d characters", row->shown,
		                SECTION_NAME_LONGEST - 8);
		return NULL;
	}
	if (account && !ocs_config_account_name_valid(name)) {
		ocs_problem_add(loader->problems, LOG_ERR, section->header.line,
		                "[%s]: not a valid account name (1 to 128 of A-Z a-z 0-9 _ . @ -)",
		                section->name);
		return NULL;
	}
	element = account ? (void *)add_account(loader, name) : add_backend(loader, name);
	if (element == NULL)
		loader->problems->lost = true;
	return element;
}

static void unknown_key(struct loader *loader, const struct ocs_key_section *row,
                        const struct ocs_ini_value *value)
{
	const struct ocs_old_key *old = ocs_old_key_find(value->section->name, value->key);
	const char *nearest = ocs_key_nearest(value->section->name, value->key);

	if (old != NULL)
		warn_old(loader, value->line, value->key, old);
	else
		ocs_problem_add(loader->problems, LOG_WARNING, value->line,
		                "unknown key '%s' in [%s]%s%s%s", value->key, row->shown,
		                nearest != NULL ? "; did you mean '" : "",
		                nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static void load_value(struct loader *loader, const struct ocs_key_section *row, void *base,
                       const struct ocs_ini_value *value)
{
	const char *section = value->section->name, *doubt;
	const struct ocs_key *key = ocs_key_find(section, value->key);
	struct ocs_error error;

	if (key == NULL) {
		unknown_key(loader, row, value);
		return;
	}
	doubt = ocs_config_value_doubt(key, value->value);
	if (ocs_config_value_set(key, base, loader->config, loader->folder, value->value, &error) <
	    0)
		ocs_problem_add(loader->problems, LOG_ERR, value->line, "[%s] %s: %s", section,
		                key->name, error.text);
	else if (doubt != NULL)
		ocs_problem_add(loader->problems, LOG_WARNING, value->line, "[%s] %s: %s", section,
		                key->name, doubt);
}

static void load_section(struct loader *loader, const struct ocs_ini_section *section)
{
	const struct ocs_key_section *row = ocs_key_section_find(section->name);
	union {
		struct ocs_config_backend backend;
		struct ocs_config_account account;
	} nowhere = {
	        0}; /* for the keys of a section that is wrong: they are checked all the same */
	void *base;

	if (row == NULL) {
		unknown_section(loader, section);
		return;
	}
	base = config_base(loader->config, row->name);
	if (takes_name(row->name) && (base = named_element(loader, row, section)) == NULL)
		base = &nowhere;
	for (const struct ocs_ini_value *value = section->values; value != NULL;
	     value = value->next)
		load_value(loader, row, base, value);
}

static int list_backends(struct ocs_config *config)
{
	config->backend_names = talloc_zero_array(config, char *, config->n_backends + 1);
	config->backend_uris = talloc_zero_array(config, char *, config->n_backends + 1);
	if (config->backend_names == NULL || config->backend_uris == NULL)
		return -1;
	for (size_t i = 0; i < config->n_backends; i++) {
		config->backend_names[i] = talloc_strdup(config, config->backends[i].name);
		/* Its absence is an error of its own. */
		config->backend_uris[i] = talloc_strdup(
		        config, config->backends[i].uri != NULL ? config->backends[i].uri : "");
		if (config->backend_names[i] == NULL || config->backend_uris[i] == NULL)
			return -1;
	}
	return 0;
}

static int by_line(const void *a, const void *b)
{
	const struct ocs_problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->priority - y->priority;
}

static bool is_needed(const struct loader *loader, const struct ocs_ini_section *section)
{
	for (const char *const *name = loader->sections; *name != NULL; name++) {
		if (strcasecmp(section->name, *name) == 0)
			return true;
	}
	return false;
}

/* Makes warnings of the errors in sections that are not needed. Problems and sections are in the
 * order of lines; what stands before the first section is needed. */
static void forgive(struct loader *loader)
{
	const struct ocs_ini_section *in = NULL,
	                             *next = loader->ini != NULL ? loader->ini->sections : NULL;

	for (size_t i = 0; loader->sections != NULL && i < loader->problems->n; i++) {
		struct ocs_problem *problem = &loader->problems->list[i];

		for (; next != NULL && next->header.line <= problem->line; next = next->next)
			in = next;
		if (problem->priority > LOG_ERR || in == NULL || is_needed(loader, in))
			continue;
		problem->priority = LOG_WARNING;
		loader->problems->errors--;
	}
}

/* Takes no memory: else whoever starts us would be told nothing. */
static void report_memory(const char *path, ocs_report_fn *report, void *arg)
{
	char text[512];

	snprintf(text, sizeof(text), "%.400s: out of memory", path);
	if (report != NULL)
		report(LOG_ERR, text, arg);
}

static void report_all(struct loader *loader, const char *path, ocs_report_fn *report, void *arg)
{
	struct ocs_problems *problems = loader->problems;

	if (problems->n > 1)
		qsort(problems->list, problems->n, sizeof(problems->list[0]), by_line);
	forgive(loader);
	if (problems->lost) {
		problems->errors++;
		report_memory(path, report, arg);
	}
	if (report == NULL)
		return;
	for (size_t i = 0; i < problems->n; i++) {
		const struct ocs_problem *problem = &problems->list[i];
		char *text = problem->line != 0
		                     ? talloc_asprintf(problems, "%s:%u: %s", path, problem->line,
		                                       problem->text)
		                     : talloc_asprintf(problems, "%s: %s", path, problem->text);

		report(problem->priority, text != NULL ? text : problem->text, arg);
	}
}

static char *absolute(const void *mem_ctx, const char *path)
{
	char *cwd, *result;

	if (path[0] == '/')
		return talloc_strdup(mem_ctx, path);
	cwd = getcwd(NULL, 0);
	result = cwd != NULL ? talloc_asprintf(mem_ctx, "%s/%s", cwd, path) : NULL;
	free(cwd);
	return result;
}

static int load(struct loader *loader, const char *path)
{
	struct ocs_config *config = loader->config;
	const char *slash;

	config->path = absolute(config, path);
	if (config->path == NULL)
		return -1;
	slash = strrchr(config->path, '/');
	loader->folder = talloc_strndup(config, config->path, (size_t)(slash - config->path));
	if (loader->folder == NULL || set_defaults(loader, NULL, NULL) < 0)
		return -1;
	loader->ini = ocs_ini_read(config->path, config, ini_fault, loader);
	if (loader->ini == NULL)
		return 0; /* reported */
	config->ini = loader->ini;
	for (const struct ocs_ini_section *section = loader->ini->sections; section != NULL;
	     section = section->next) {
		if (!section->repeated)
			load_section(loader, section);
	}
	ocs_config_check(config, loader->ini, loader->problems);
	ocs_config_doubt(config, loader->ini, loader->problems);
	return list_backends(config);
}

static int load_and_report(const char *path, const void *mem_ctx, const char *const *sections,
                           ocs_report_fn *report, void *arg, struct ocs_config **config_r)
{
	struct loader loader = {.sections = sections};
	int result = -1;

	loader.config = talloc_zero(mem_ctx, struct ocs_config);
	if (loader.config == NULL) {
		report_memory(path, report, arg);
		return -1;
	}
	loader.config->rabbitmq = talloc_zero(loader.config, struct ocs_link_settings);
	loader.problems = talloc_zero(loader.config, struct ocs_problems);
	if (loader.config->rabbitmq != NULL && loader.problems != NULL) {
		loader.problems->missing = sections != NULL ? LOG_WARNING : LOG_ERR;
		if (load(&loader, path) < 0)
			loader.problems->lost = true;
		report_all(&loader, path, report, arg);
		result = loader.problems->errors == 0 ? 0 : -1;
		talloc_free(loader.problems);
	} else {
		report_memory(path, report, arg);
	}
	if (result == 0)
		*config_r = loader.config;
	else
		talloc_free(loader.config);
	return result;
}

int ocs_config_load(const char *path, const void *mem_ctx, ocs_report_fn *report, void *arg,
                    struct ocs_config **config_r)
{
	return load_and_report(path, mem_ctx, NULL, report, arg, config_r);
}

int ocs_config_load_part(const char *path, const void *mem_ctx, const char *const *sections,
                         ocs_report_fn *report, void *arg, struct ocs_config **config_r)
{
	return load_and_report(path, mem_ctx, sections, report, arg, config_r);
}

const struct ocs_config_account *ocs_config_account(const struct ocs_config *config,
                                                    const char *name)
{
	for (size_t i = 0; i < config->n_accounts; i++) {
		if (strcmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	}
	return NULL;
}

void ocs_config_name_rule(const struct ocs_config *config, struct ocs_name_rule *out)
{
	*out = (struct ocs_name_rule){.fold = config->main.name_case == OCS_CONFIG_CASE_FOLD};
	if (config->users.domains != NULL)
		snprintf(out->domains, sizeof(out->domains), "%s", config->users.domains);
}

/* NULL: there is none. Looks from *at on, and leaves it behind what it found: in two inis the order
 * is nearly always the same, so that all of one are found in the other in as many steps. */
static const struct ocs_config_backend *find_backend(const struct ocs_config *config,
                                                     const char *name, size_t *at)
{
	for (size_t n = 0; n < config->n_backends; n++) {
		size_t i = (*at + n) % config->n_backends;

		if (strcmp(config->backends[i].name, name) == 0) {
			*at = i + 1;
			return &config->backends[i];
		}
	}
	return NULL;
}

static void report_backends(const struct ocs_key *key, const struct ocs_config *running,
                            const struct ocs_config *loaded, ocs_report_fn *report, void *arg)
{
	size_t at = 0;

	for (size_t i = 0; i < loaded->n_backends; i++) {
		const struct ocs_config_backend *now = &loaded->backends[i];
		const struct ocs_config_backend *before = find_backend(running, now->name, &at);
		char text[160];

		if (before == NULL || ocs_config_value_equal(key, before, now))
			continue;
		snprintf(text, sizeof(text), "[backend:%.64s] %s has changed: restart to apply it",
		         now->name, key->name);
		report(LOG_WARNING, text, arg);
	}
}

/* Another certificate is taken over, but a listener stays with TLS or without it. */
static void report_tls(const char *section, const char *before, const char *now,
                       ocs_report_fn *report, void *arg)
{
	char text[160];

	if ((before != NULL) == (now != NULL))
		return;
	snprintf(text, sizeof(text), "[%s] tls_cert is %s: restart to apply it", section,
	         now != NULL ? "new" : "gone");
	report(LOG_WARNING, text, arg);
}

void ocs_config_report_restart(const struct ocs_config *running, const struct ocs_config *loaded,
                               ocs_report_fn *report, void *arg)
{
	for (size_t i = 0; i < ocs_n_keys; i++) {
		const struct ocs_key *key = &ocs_keys[i];
		char text[160];

		if (!key->reload && strcmp(key->section, "backend:") == 0)
			report_backends(key, running, loaded, report, arg);
		if (key->reload || takes_name(key->section) ||
		    ocs_config_value_equal(key, config_base(running, key->section),
		                           config_base(loaded, key->section)))
			continue;
		snprintf(text, sizeof(text), "[%s] %s has changed: restart to apply it",
		         key->section, key->name);
		report(LOG_WARNING, text, arg);
	}
	report_tls("server:main", running->server.tls_cert, loaded->server.tls_cert, report, arg);
	report_tls("operations", running->operations.tls_cert, loaded->operations.tls_cert, report,
	           arg);
}

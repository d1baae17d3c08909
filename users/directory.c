/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread that reads the users of a directory: see directory.h. Touches the network and the file
 * it writes; logs what an admin should know.
 */
#include "users/directory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "auth/ldap_link.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/private_file.h"
#include "mapistore/usermap.h"
#include "users/directory_file.h"
#include "users/directory_text.h"

#define AGAIN_MS 10000 /* after a failure */
#define JOIN_MS  1000
#define FILE_MAX (1 << 30)

/* The settings, copied, as one talloc object. */
struct users_ask {
	struct ocs_ldap_config *config;
	const char *filter;
	char *attributes[4]; /* user, backend users, aliases or NULL; NULL */
	struct ocs_name_rule names;
	unsigned refresh_ms;
	const char *file, *new_file; /* new_file: of who writes */
};

struct ocs_users_directory {
	struct users_ask *ask;
	struct ocs_ldap_sockets sockets;
	/* the thread's alone: */
	char *last;                /* what stands in the file, malloc()ed */
	struct ocs_error left_out; /* what the log was told of last, or "" */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	bool running, owned, ending, tried, changed, late;
	struct ocs_error why;
};

static int ask_new(const struct ocs_users_directory_settings *settings, struct users_ask **ask_r,
                   struct ocs_error *error)
{
	struct users_ask *ask = talloc_zero(NULL, struct users_ask);
	struct ocs_error why;

	*ask_r = NULL;
	if (ask == NULL)
		return ocs_error_memory(error);
	if (ocs_ldap_config_new(ask, &settings->server, &ask->config, error) < 0) {
		talloc_free(ask);
		return -1;
	}
	ask->filter = settings->filter != NULL ? talloc_strdup(ask, settings->filter)
	                                       : talloc_asprintf(ask, "(%s=*)", settings->user);
	ask->attributes[0] = talloc_strdup(ask, settings->user);
	ask->attributes[1] = talloc_strdup(ask, settings->backend_user);
	ask->attributes[2] = settings->alias != NULL ? talloc_strdup(ask, settings->alias) : NULL;
	ask->names = settings->names;
	ask->refresh_ms = settings->refresh * 1000;
	ask->file = talloc_strdup(ask, settings->file);
	if (ask->filter == NULL || ask->attributes[0] == NULL || ask->attributes[1] == NULL ||
	    (settings->alias != NULL && ask->attributes[2] == NULL) || ask->file == NULL) {
		talloc_free(ask);
		return ocs_error_memory(error);
	}
	if (ocs_ldap_filter_check_plain(ask->filter, &why) < 0) {
		talloc_free(ask);
		return ocs_error_set(error, "[users] %s: %.400s",
		                     settings->filter != NULL ? "ldap_filter" : "ldap_user",
		                     why.text);
	}
	*ask_r = ask;
	return 0;
}

/* ---- reading ---- */

struct reading {
	const struct users_ask *ask;
	struct ocs_users_text_lines *lines;
};

/* The values of an attribute, on mem_ctx; they point into the entry's. NULL: out of memory. */
static struct ocs_users_text_values *values_of(const void *mem_ctx, struct berval **found)
{
	struct ocs_users_text_values *values = talloc_zero(mem_ctx, struct ocs_users_text_values);
	size_t count = (size_t)ldap_count_values_len(found);
	struct ocs_users_text_value *list;

	if (values == NULL)
		return NULL;
	list = talloc_array(values, struct ocs_users_text_value, count + 1);
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct ocs_users_text_value){found[i]->bv_val, found[i]->bv_len};
	values->list = list;
	values->count = count;
	return values;
}

static int users_entry(void *arg, LDAP *ld, LDAPMessage *entry, struct ocs_error *error)
{
	struct reading *reading = arg;
	void *memory = talloc_new(NULL);
	struct ocs_users_text_values *values[3] = {NULL, NULL, NULL};
	struct berval **found[3] = {NULL, NULL, NULL};
	int ret = 0;

	for (size_t i = 0; i < 3; i++) {
		const char *attribute = reading->ask->attributes[i];

		if (attribute != NULL)
			found[i] = ldap_get_values_len(ld, entry, attribute);
		values[i] = memory != NULL ? values_of(memory, found[i]) : NULL;
		if (values[i] == NULL)
			ret = ocs_error_memory(error);
	}
	if (ret == 0)
		ret = ocs_users_text_add(reading->lines, values[0], values[1], values[2], error);
	for (size_t i = 0; i < 3; i++)
		ldap_value_free_len(found[i]);
	talloc_free(memory);
	return ret;
}

static void first_report(int priority, const char *text, void *arg)
{
	struct ocs_error *first = arg;

	if (priority <= LOG_ERR && first->text[0] == '\0')
		ocs_error_set(first, "%s", text);
}

/* Whether it is a map that can be used. */
static int users_check(const struct users_ask *ask, const char *text, struct ocs_error *error)
{
	struct ocs_usermap *map = ocs_usermap_new(NULL, &ask->names);
	struct ocs_error first = {.text = ""};
	int bad;

	if (map == NULL)
		return ocs_error_memory(error);
	bad = ocs_usermap_read_text(map, "the directory", text, strlen(text), first_report, &first,
	                            error);
	if (bad == 0)
		bad = ocs_usermap_finish(map, first_report, &first, error);
	talloc_free(map);
	if (bad != 0 && first.text[0] != '\0')
		return ocs_error_pass(error, &first);
	return bad > 0 ? ocs_error_memory(error) : bad; /* not even told which */
}

/* All users, as a map, on lines. NULL: with the error. */
static const char *users_read(const struct users_ask *ask, struct ocs_ldap_sockets *sockets,
                              struct ocs_users_text_lines *lines, struct ocs_error *error)
{
	struct reading reading = {ask, lines};
	struct ocs_ldap_link link = {.kept = -1};
	int64_t deadline = (int64_t)ocs_clock_ms() + ask->config->timeout_ms;
	const char *text = NULL;

	if (ocs_ldap_link_open_service(&link, ask->config, sockets, deadline, error) < 0)
		return NULL;
	int ret = ocs_ldap_link_each(&link, ask->config, ask->filter, ask->attributes, users_entry,
	                             &reading, error);
	ocs_ldap_link_note(&link, ask->config, sockets, ret == 0 ? OCS_LDAP_DONE : OCS_LDAP_FAILED);
	ocs_ldap_link_close(&link, sockets);
	if (ret != 0)
		return NULL;
	/* that is more likely a filter or a right that is wrong than a directory without users */
	if (lines->users == 0) {
		ocs_error_set(error, "[users] ldap_filter %s finds nobody with one usable %s",
		              ask->filter, ask->attributes[0]);
		return NULL;
	}
	text = ocs_users_text_end(lines);
	if (text == NULL)
		ocs_error_memory(error);
	return text != NULL && users_check(ask, text, error) == 0 ? text : NULL;
}

/* "" where nothing is. */
static void tell_left_out(const struct users_ask *ask, const struct ocs_users_text_lines *lines,
                          struct ocs_error *text)
{
	const char *refused = lines->refused.text;

	text->text[0] = '\0';
	if (lines->left_out > 0)
		ocs_error_set(text,
		              "%u of the directory are left out: entries without exactly one "
		              "%.60s, names that a user map cannot hold, aliases that are another "
		              "user's name or claimed by two%s%.200s%s",
		              lines->left_out, ask->attributes[0], refused[0] != '\0' ? " (" : "",
		              refused, refused[0] != '\0' ? ")" : "");
}

/* ---- the file ---- */

/* 1: the file is another one now; 0: nothing changed; -1: it could not be read or written. */
static int users_refresh(struct ocs_users_directory *directory, struct ocs_error *left_out,
                         struct ocs_error *error)
{
	struct ocs_users_text_lines *lines = ocs_users_text_new(NULL, &directory->ask->names);
	const char *text;
	char *copy = NULL;
	int ret = -1;

	if (lines == NULL)
		return ocs_error_memory(error);
	text = users_read(directory->ask, &directory->sockets, lines, error);
	tell_left_out(directory->ask, lines, left_out);
	if (text != NULL && directory->last != NULL && strcmp(text, directory->last) == 0 &&
	    access(directory->ask->file, F_OK) == 0) {
		ret = 0;
	} else if (text != NULL &&
	           ocs_users_directory_write(directory->ask->file, directory->ask->new_file, text,
	                                     &directory->lock, &directory->ending, error) == 0) {
		copy = strdup(text); /* NULL: it is written once more next time */
		free(directory->last);
		directory->last = copy;
		ret = 1;
	}
	talloc_free(lines);
	return ret;
}

/* ---- the thread ---- */

static void directory_free(struct ocs_users_directory *directory)
{
	free(directory->last);
	ocs_ldap_sockets_destroy(&directory->sockets);
	pthread_cond_destroy(&directory->wake);
	pthread_mutex_destroy(&directory->lock);
	talloc_free(directory->ask);
	free(directory);
}

/* Under the lock. */
static void take_outcome(struct ocs_users_directory *directory, int ret,
                         const struct ocs_error *left_out, const struct ocs_error *error)
{
	directory->tried = true;
	directory->changed |= ret > 0;
	if (ret < 0 && !directory->ending &&
	    (!directory->late || strcmp(directory->why.text, error->text) != 0))
		ocs_log(LOG_WARNING,
		        "the users of the directory cannot be read: %s: those that were read last "
		        "stay",
		        error->text);
	else if (ret >= 0 && directory->late)
		ocs_log(LOG_NOTICE, "the users of the directory can be read again");
	/* once, and not at each reading; also where it leaves no trace in the file */
	if (ret >= 0 && left_out->text[0] != '\0' &&
	    strcmp(left_out->text, directory->left_out.text) != 0)
		ocs_log(LOG_WARNING, "%s", left_out->text);
	if (ret >= 0)
		directory->left_out = *left_out;
	directory->late = ret < 0;
	if (ret < 0)
		directory->why = *error;
	pthread_cond_broadcast(&directory->wake);
}

static void *users_directory_main(void *arg)
{
	struct ocs_users_directory *directory = arg;
	bool last;

	pthread_mutex_lock(&directory->lock);
	while (!directory->ending) {
		struct ocs_error error = {.text = ""}, left_out = {.text = ""};
		unsigned pause = directory->ask->refresh_ms;

		pthread_mutex_unlock(&directory->lock);
		int ret = users_refresh(directory, &left_out, &error);
		pthread_mutex_lock(&directory->lock);
		take_outcome(directory, ret, &left_out, &error);
		if (ret < 0 && pause > AGAIN_MS)
			pause = AGAIN_MS;
		const struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + pause);
		while (!directory->ending &&
		       pthread_cond_timedwait(&directory->wake, &directory->lock, &until) == 0)
			;
	}
	directory->running = false;
	last = !directory->owned;
	pthread_cond_broadcast(&directory->wake);
	pthread_mutex_unlock(&directory->lock);
	if (last)
		directory_free(directory);
	return NULL;
}

static void read_last(struct ocs_users_directory *directory)
{
	struct ocs_error ignored;
	size_t len;

	if (ocs_privfile_read(directory->ask->file, false, FILE_MAX, &directory->last, &len,
	                      &ignored) != OCS_PRIVFILE_OK)
		directory->last = NULL;
}

/* Of the very first time. */
static void wait_for_users(struct ocs_users_directory *directory)
{
	const struct timespec until =
	        ocs_clock_at_ms(ocs_clock_ms() + directory->ask->config->timeout_ms);

	pthread_mutex_lock(&directory->lock);
	while (!directory->tried &&
	       pthread_cond_timedwait(&directory->wake, &directory->lock, &until) == 0)
		;
	pthread_mutex_unlock(&directory->lock);
}

int ocs_users_directory_start(const struct ocs_users_directory_settings *settings, bool wait,
                              struct ocs_users_directory **directory_r, struct ocs_error *error)
{
	struct ocs_users_directory *directory = calloc(1, sizeof(*directory));
	pthread_t thread;
	int rc;

	*directory_r = NULL;
	if (directory == NULL || ocs_clock_condition(&directory->wake) != 0) {
		free(directory);
		return ocs_error_memory(error);
	}
	pthread_mutex_init(&directory->lock, NULL);
	ocs_ldap_link_begin();
	ocs_ldap_sockets_init(&directory->sockets);
	if (ask_new(settings, &directory->ask, error) < 0) {
		directory_free(directory);
		return -1;
	}
	directory->ask->new_file =
	        ocs_users_directory_new_name(directory->ask, directory->ask->file);
	if (directory->ask->new_file == NULL) {
		directory_free(directory);
		return ocs_error_memory(error);
	}
	read_last(directory);
	bool known = directory->last != NULL;
	directory->running = directory->owned = true;
	rc = pthread_create(&thread, NULL, users_directory_main, directory);
	if (rc != 0) {
		directory_free(directory);
		return ocs_error_thread(error, rc);
	}
	(void)pthread_detach(thread);
	if (wait && !known)
		wait_for_users(directory);
	*directory_r = directory;
	return 0;
}

bool ocs_users_directory_same(const struct ocs_users_directory *directory,
                              const struct ocs_users_directory_settings *settings)
{
	const struct users_ask *now = directory->ask;
	struct users_ask *asked;
	bool same;

	if (ask_new(settings, &asked, NULL) < 0)
		return false;
	same = ocs_ldap_config_equal(now->config, asked->config) &&
	       strcmp(now->filter, asked->filter) == 0 &&
	       strcmp(now->attributes[0], asked->attributes[0]) == 0 &&
	       strcmp(now->attributes[1], asked->attributes[1]) == 0 &&
	       (now->attributes[2] != NULL) == (asked->attributes[2] != NULL) &&
	       (now->attributes[2] == NULL ||
	        strcmp(now->attributes[2], asked->attributes[2]) == 0) &&
	       now->refresh_ms == asked->refresh_ms && now->names.fold == asked->names.fold &&
	       strcmp(now->names.domains, asked->names.domains) == 0;
	talloc_free(asked);
	return same;
}

bool ocs_users_directory_changed(struct ocs_users_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	bool changed = directory->changed;
	directory->changed = false;
	pthread_mutex_unlock(&directory->lock);
	return changed;
}

bool ocs_users_directory_late(struct ocs_users_directory *directory, struct ocs_error *why)
{
	pthread_mutex_lock(&directory->lock);
	bool late = directory->late;
	if (late)
		*why = directory->why;
	pthread_mutex_unlock(&directory->lock);
	return late;
}

void ocs_users_directory_stop(struct ocs_users_directory *directory)
{
	const struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + JOIN_MS);

	if (directory == NULL)
		return;
	ocs_ldap_sockets_cut(&directory->sockets);
	pthread_mutex_lock(&directory->lock);
	directory->ending = true;
	pthread_cond_broadcast(&directory->wake);
	while (directory->running &&
	       pthread_cond_timedwait(&directory->wake, &directory->lock, &until) == 0)
		;
	directory->owned = false;
	bool last = !directory->running;
	pthread_mutex_unlock(&directory->lock);
	if (last)
		directory_free(directory);
}

int ocs_users_directory_check(const struct ocs_users_directory_settings *settings,
                              struct ocs_error *error)
{
	struct users_ask *ask;

	if (ask_new(settings, &ask, error) < 0)
		return -1;
	talloc_free(ask);
	return 0;
}

int ocs_users_directory_try(const struct ocs_users_directory_settings *settings,
                            struct ocs_error *warning, struct ocs_error *error)
{
	struct ocs_users_text_lines *lines;
	struct ocs_ldap_sockets sockets;
	struct users_ask *ask;
	int ret;

	warning->text[0] = '\0';
	if (ask_new(settings, &ask, error) < 0)
		return -1;
	lines = ocs_users_text_new(ask, &ask->names);
	ocs_ldap_sockets_init(&sockets);
	ret = lines != NULL ? 0 : ocs_error_memory(error);
	if (ret == 0 && users_read(ask, &sockets, lines, error) == NULL)
		ret = -1;
	if (ret == 0)
		tell_left_out(ask, lines, warning);
	ocs_ldap_sockets_destroy(&sockets);
	talloc_free(ask);
	return ret;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bindings as a whole: start, stop, and what the bind socket and the inbox ask. Touches the
 * table under its lock; the binder does the rest.
 */
#include "cluster/bindings_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOWN_MS 2000 /* without a connection: nobody waits for it any more */
#define STOP_MS 1000 /* once the connection is cut, which happens at once */

/* ---- what others ask ---- */

/* Whether waiting is of use. text: why they are not bound. Lock held. */
static enum ocs_bind_socket_answer judge_link(const struct ocs_bindings *bindings,
                                              char text[OCS_BIND_TEXT_MAX])
{
	if (bindings->refused) {
		snprintf(text, OCS_BIND_TEXT_MAX,
		         "the message broker refuses what ocsmanager asks for (see its log)");
		return OCS_BIND_NO;
	}
	if (bindings->down_since != 0) {
		uint64_t down = ocs_clock_ms() - bindings->down_since;

		snprintf(text, OCS_BIND_TEXT_MAX,
		         "ocsmanager has had no connection to the message broker for %llu s",
		         (unsigned long long)(down / 1000));
		return down > DOWN_MS ? OCS_BIND_NO : OCS_BIND_LATER;
	}
	snprintf(text, OCS_BIND_TEXT_MAX, "the message broker has not confirmed it yet");
	return OCS_BIND_LATER;
}

/* The bind socket's callback. */
static enum ocs_bind_socket_answer ask(void *arg, const char *user, bool first,
                                       char text[OCS_BIND_TEXT_MAX])
{
	struct ocs_bindings *bindings = arg;
	enum ocs_bind_socket_answer answer;
	char key[OCS_MESSAGE_KEY_SIZE];
	struct ocs_binding *binding;
	bool asked = false;

	if (user[0] == OCS_MESSAGE_OWN_KEY) {
		snprintf(text, OCS_BIND_TEXT_MAX, "not a valid user name");
		return OCS_BIND_NO;
	}
	if (atomic_load(&bindings->status->name_taken)) {
		snprintf(text, OCS_BIND_TEXT_MAX, OCS_LINK_NAME_TAKEN);
		return OCS_BIND_NO;
	}
	ocs_message_key(user, key);
	pthread_mutex_lock(&bindings->lock);
	binding = ocs_bindings_find(bindings, key);
	if (first && binding == NULL)
		binding = ocs_bindings_add(bindings, key, user, OCS_BINDING_WANTED);
	if (first && binding != NULL) {
		if (binding->user == NULL)
			binding->user = strdup(user);
		ocs_bindings_want(bindings, binding, true);
		asked = binding->state != OCS_BINDING_BOUND;
	}
	if (binding != NULL && binding->state == OCS_BINDING_BOUND) {
		answer = OCS_BIND_YES;
	} else if (binding != NULL) {
		answer = judge_link(bindings, text);
	} else {
		snprintf(text, OCS_BIND_TEXT_MAX, "too many users");
		answer = OCS_BIND_NO;
	}
	if (asked)
		ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (asked)
		ocs_broker_loop_wake(&bindings->loop);
	return answer;
}

/* A key that stands for a name too long for one. */
static bool is_digest(const char *key)
{
	return key[0] == '~' && strlen(key) == 65 && strspn(key + 1, "0123456789abcdef") == 64;
}

bool ocs_bindings_saw(struct ocs_bindings *bindings, const char *key)
{
	size_t len = strnlen(key, OCS_MESSAGE_KEY_SIZE);
	struct ocs_binding *binding;
	bool present;

	if (len == 0 || len == OCS_MESSAGE_KEY_SIZE || key[0] == OCS_MESSAGE_OWN_KEY)
		return false;
	pthread_mutex_lock(&bindings->lock);
	binding = ocs_bindings_find(bindings, key);
	if (binding == NULL) {
		binding = ocs_bindings_add(bindings, key, is_digest(key) ? NULL : key,
		                           OCS_BINDING_BOUND);
		ocs_bindings_gauge(bindings);
	}
	present = binding != NULL && binding->present;
	pthread_mutex_unlock(&bindings->lock);
	return present;
}

bool ocs_bindings_has(struct ocs_bindings *bindings, const char *key)
{
	bool found;

	pthread_mutex_lock(&bindings->lock);
	found = ocs_bindings_find(bindings, key) != NULL;
	pthread_mutex_unlock(&bindings->lock);
	return found;
}

/* ---- start and stop ---- */

static void bindings_free(struct ocs_bindings *bindings)
{
	ocs_bindings_table_free(bindings);
	ocs_broker_loop_destroy(&bindings->loop);
	pthread_mutex_destroy(&bindings->lock);
	free(bindings);
}

int ocs_bindings_start(const struct ocs_link_settings *settings, const char *registry_folder,
                       struct ocs_link_status *status, ocs_log_fn *log,
                       struct ocs_bindings **bindings_r, struct ocs_error *error)
{
	struct ocs_bindings *bindings = calloc(1, sizeof(*bindings));

	*bindings_r = NULL;
	if (bindings == NULL)
		return ocs_error_memory(error);
	bindings->settings = settings;
	bindings->status = status;
	bindings->log = log;
	bindings->down_since = ocs_clock_ms();
	pthread_mutex_init(&bindings->lock, NULL);
	if (ocs_broker_loop_init(&bindings->loop, settings, status, log, &ocs_bindings_calls,
	                         bindings, error) != 0 ||
	    ocs_bind_socket_start(registry_folder, ask, bindings, status, &bindings->bind_socket,
	                          error) != 0 ||
	    ocs_broker_loop_start(&bindings->loop, error) != 0) {
		ocs_bind_socket_stop(bindings->bind_socket);
		bindings_free(bindings);
		return -1;
	}
	*bindings_r = bindings;
	return 0;
}

int ocs_bindings_stop(struct ocs_bindings *bindings)
{
	if (ocs_broker_loop_stop(&bindings->loop, 0, STOP_MS) != 0)
		return -1;
	ocs_bind_socket_stop(bindings->bind_socket);
	bindings_free(bindings);
	return 0;
}

void ocs_bindings_watch(struct ocs_bindings *bindings)
{
	ocs_broker_loop_watch(&bindings->loop);
}

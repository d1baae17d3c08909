/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl dead: --retry and --purge. A message is published with a confirm to the ingest queue, and
 * acknowledged in the dead-letter queue only then: at worst it is in both.
 */
#include "ocsctl/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "cluster/settings.h"
#include "base/plural.h"

#define CONFIRM_LIMIT 30 /* seconds; a queue that elects a leader takes its time */

static bool has_name(const amqp_table_entry_t *entry, const char *name)
{
	return entry->key.len == strlen(name) &&
	       memcmp(entry->key.bytes, name, entry->key.len) == 0;
}

/* What we or the broker added is left out; when it was accepted is the sender's. */
static bool is_ours(const amqp_table_entry_t *entry)
{
	return has_name(entry, "x-delivery-count") ||
	       (entry->key.len > 4 && memcmp(entry->key.bytes, "ocs-", 4) == 0 &&
	        !has_name(entry, "ocs-accepted"));
}

/* The broker takes no user-id but that of our login, so what a user sent now counts as sent by that
 * one. A message that had none goes on without. */
static bool had_user(const struct ocsctl_dead *dead, const amqp_table_t *headers)
{
	const char *nobody = dead->settings->ingest_account;

	for (int i = 0; i < headers->num_entries; i++) {
		const amqp_table_entry_t *entry = &headers->entries[i];
		amqp_bytes_t account = entry->value.value.bytes;

		if (has_name(entry, "ocs-account") && entry->value.kind == AMQP_FIELD_KIND_UTF8)
			return account.len > 0 &&
			       (nobody == NULL || account.len != strlen(nobody) ||
			        memcmp(account.bytes, nobody, account.len) != 0);
	}
	return false;
}

/* Waits for the broker's word about the one message that was published. */
static int wait_confirm(struct ocsctl_dead *dead)
{
	const char *queue = dead->settings->ingest_queue;
	bool returned = false;
	struct ocs_error error;

	for (;;) {
		struct timeval limit = {.tv_sec = CONFIRM_LIMIT};
		amqp_frame_t frame;
		int status = amqp_simple_wait_frame_noblock(dead->connection, &frame, &limit);

		if (status != AMQP_STATUS_OK)
			return ocsctl_dead_talked(ocs_broker_status(dead->broker, status,
			                                            "waiting for the confirm",
			                                            &error),
			                          &error);
		/* Header and body of what is returned. */
		if (frame.frame_type != AMQP_FRAME_METHOD)
			continue;
		switch (frame.payload.method.id) {
		case AMQP_BASIC_RETURN_METHOD:
			returned = true;
			break;
		case AMQP_BASIC_ACK_METHOD:
			if (returned)
				ocsctl_error("there is no queue %s to put it into", queue);
			return returned ? -1 : 0;
		case AMQP_BASIC_NACK_METHOD:
			ocsctl_error("the broker does not accept it into %s now", queue);
			return -1;
		case AMQP_CONNECTION_BLOCKED_METHOD:
			ocsctl_error("the broker takes no messages: its memory or disk alarm");
			return -1;
		default:
			return ocsctl_dead_talked(ocs_broker_closed(dead->broker, &frame, &error),
			                          &error);
		}
	}
}

static int retry(struct ocsctl_dead *dead, const amqp_message_t *message)
{
	amqp_bytes_t queue = amqp_cstring_bytes(dead->settings->ingest_queue);
	amqp_basic_properties_t properties = message->properties;
	amqp_table_t old = {0, NULL}, kept = {0, NULL};
	struct ocs_error error;
	int status;

	if (properties._flags & AMQP_BASIC_HEADERS_FLAG)
		old = properties.headers;
	kept.entries = talloc_array(dead, amqp_table_entry_t, (size_t)old.num_entries);
	if (kept.entries == NULL) {
		ocsctl_error("out of memory");
		return -1;
	}
	for (int i = 0; i < old.num_entries; i++)
		if (!is_ours(&old.entries[i]))
			kept.entries[kept.num_entries++] = old.entries[i];
	properties.headers = kept;
	properties._flags &= ~(amqp_flags_t)(AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_USER_ID_FLAG);
	if (kept.num_entries > 0)
		properties._flags |= AMQP_BASIC_HEADERS_FLAG;
	if (had_user(dead, &old)) {
		properties._flags |= AMQP_BASIC_USER_ID_FLAG;
		properties.user_id = amqp_cstring_bytes(ocs_broker_user(dead->broker));
	}
	status = amqp_basic_publish(dead->connection, OCSCTL_DEAD_CHANNEL, amqp_empty_bytes, queue,
	                            1, 0, &properties, message->body);
	talloc_free(kept.entries);
	if (ocsctl_dead_talked(ocs_broker_status(dead->broker, status, "publishing", &error),
	                       &error) < 0)
		return -1;
	return wait_confirm(dead);
}

static int select_confirms(struct ocsctl_dead *dead)
{
	struct ocs_error error;

	amqp_confirm_select(dead->connection, OCSCTL_DEAD_CHANNEL);
	return ocsctl_dead_talked(ocs_broker_reply(dead->broker, "asking for confirms", &error),
	                          &error);
}

/* Retries or drops the one last taken. */
static int end_one(struct ocsctl_dead *dead, const amqp_message_t *message, bool again)
{
	if (again && retry(dead, message) < 0)
		return -1;
	return ocsctl_dead_acknowledge(dead);
}

static int end_number(struct ocsctl_dead *dead, uint64_t number, bool again)
{
	amqp_message_t message;
	int ret;

	dead->hold = true;
	for (uint64_t n = 1;; n++) {
		ret = ocsctl_dead_take(dead, &message);
		if (ret == 0)
			ocsctl_error("there is no message %" PRIu64 ": %s holds %" PRIu64, number,
			             dead->settings->dead_queue, n - 1);
		if (ret <= 0)
			return -1;
		if (n == number)
			break;
		amqp_destroy_message(&message);
	}
	ret = ocsctl_dead_hold_rest(dead);
	if (ret == 0)
		ret = end_one(dead, &message, again);
	amqp_destroy_message(&message);
	return ret;
}

/* As many as there are at the first: what dies anew meanwhile comes behind them. */
static int end_all(struct ocsctl_dead *dead, bool again, uint64_t *done)
{
	amqp_message_t message;
	int ret;

	do {
		ret = ocsctl_dead_take(dead, &message);
		if (ret <= 0)
			return ret;
		ret = end_one(dead, &message, again);
		amqp_destroy_message(&message);
	} while (ret == 0 && ++*done < dead->messages);
	return ret;
}

int ocsctl_dead_move(struct ocsctl_dead *dead, uint64_t number, bool all, bool again)
{
	const char *queue = dead->settings->dead_queue;
	const char *target = dead->settings->ingest_queue;
	int ret = again ? select_confirms(dead) : 0;
	uint64_t done = 0;

	if (ret == 0 && all)
		ret = end_all(dead, again, &done);
	else if (ret == 0 && (ret = end_number(dead, number, again)) == 0)
		done = 1;
	if (ret == 0)
		ret = ocsctl_dead_give_back(dead);
	if (dead->ctl->json) {
		if (ocsctl_print_json(json_pack("{s:s, s:I}", "queue", queue,
		                                again ? "retried" : "purged", (json_int_t)done)) !=
		    OCSCTL_OK)
			ret = -1;
	} else {
		printf("%s: %" PRIu64 " %s %s%s\n", queue, done,
		       ocs_plural(done, "message", "messages"), again ? "put into " : "thrown away",
		       again ? target : "");
	}
	return ret == 0 ? OCSCTL_OK : OCSCTL_FAILED;
}

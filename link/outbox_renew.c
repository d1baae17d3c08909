/*
 * See outbox_internal.h: a new channel in place of one that refuses for ever. RabbitMQ 3.10 does
 * that to who first publishes to a quorum queue while it has no leader, as one does who connects
 * anew because a broker of a cluster died. The publisher's thread.
 */
#include "link/outbox_internal.h"

#include <utlist.h>

#define SILENCE    1000  /* ms */
#define RENEW_MOST 60000 /* ms between two renewals; a queue that is full looks the same */

enum ocs_broker_result ocs_outbox_confirms(struct ocs_outbox *outbox, struct ocs_error *error)
{
	amqp_confirm_select(ocs_broker_connection(outbox->own), OCS_OUTBOX_CHANNEL);
	return ocs_broker_reply(outbox->own, "asking for confirms", error);
}

enum ocs_broker_result ocs_outbox_renew(struct ocs_outbox *outbox, struct ocs_error *error)
{
	enum ocs_broker_result result =
	        ocs_broker_close_channel(outbox->own, OCS_OUTBOX_CHANNEL, error);
	struct ocs_outbox_item *item;
	bool any;

	/* Confirms that were under way have the old channel's tags. */
	if (result == OCS_BROKER_OK)
		result = ocs_outbox_frames(outbox, &any, error);
	if (result == OCS_BROKER_OK)
		result = ocs_broker_open_channel(outbox->own, OCS_OUTBOX_CHANNEL, error);
	if (result == OCS_BROKER_OK)
		result = ocs_outbox_confirms(outbox, error);
	pthread_mutex_lock(&outbox->lock);
	ocs_outbox_window_reset(outbox);
	DL_FOREACH(outbox->delayed, item)
	item->due = 0;
	pthread_mutex_unlock(&outbox->lock);
	outbox->renew_at = ocs_link_now_ms() + outbox->renew_wait;
	outbox->renew_wait *= 2;
	if (outbox->renew_wait > RENEW_MOST)
		outbox->renew_wait = RENEW_MOST;
	outbox->renewing = 0;
	outbox->stuck = outbox->returning = false;
	outbox->body_left = 0;
	return result;
}

/* Such a channel refuses most, and says nothing of the rest. */
static bool is_stuck(const struct ocs_outbox *outbox, uint64_t now)
{
	const struct ocs_outbox_slot *oldest = &outbox->window[outbox->low % OCS_OUTBOX_WINDOW];

	return outbox->stuck ||
	       (outbox->low < outbox->next && oldest->open && now - oldest->at >= SILENCE);
}

bool ocs_outbox_time_to_renew(struct ocs_outbox *outbox)
{
	uint64_t now;

	if (!outbox->nacked || outbox->blocked)
		return false;
	now = ocs_link_now_ms();
	if (now < outbox->renew_at || !is_stuck(outbox, now))
		return false;
	if (outbox->renewing == 0) {
		outbox->renewing = now;
		if (now - outbox->renew_at > 2 * RENEW_MOST)
			outbox->renew_wait = OCS_OUTBOX_RENEW;
	}
	return outbox->low == outbox->next || now - outbox->renewing >= OCS_OUTBOX_PAUSE;
}

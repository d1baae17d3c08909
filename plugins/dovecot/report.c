/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Sends what waits: batches, login, pace and retries; see report.h. Touches the waiting list, the
 * spool through keep.c, the network through exchange.c, the credentials file and the log. One
 * request is under way at a time, and a batch leaves the list only when it was answered, so events
 * arrive in order and keep their ids over retries.
 */
#include "lib.h"
#include "http-url.h"
#include "ioloop.h"
#include "randgen.h"
#include "safe-memset.h"
#include "str.h"
#include "str-sanitize.h"
#include "time-util.h"

#include "answer.h"
#include "credentials.h"
#include "exchange.h"
#include "keep.h"
#include "report.h"

/* The service takes 256 events and by default 64 KiB in one request. */
#define BATCH_MAX         256
#define BODY_MAX          (60 * 1024)
#define BACKOFF_MIN_MSECS 500
#define BACKOFF_MAX_MSECS (60 * 1000)
/* The service counts failed logins: wrong credentials are not tried again soon. */
#define BACKOFF_LOGIN_MSECS (300 * 1000)
#define RENEW_MAX_MSECS     (60 * 1000)
#define REFUSED_LOG_SECS    300
/* A lone event leaves at once; in a stream of deliveries a request each would cost each of them
   some 15 %, so they are gathered for that long. */
#define PACE_MSECS           10
#define DEINIT_MSECS         1000
#define DEINIT_ONESHOT_MSECS 250

static struct {
	bool initialized, off, finishing, oneshot;
	bool local; /* over a socket of this host: no login */
	char *url, *credentials;
	enum ocs_mechanism mechanism;
	struct ocs_login *login;

	char *token;
	long long token_end_msecs; /* when to renew; 0: never */
	bool token_fresh;          /* no request was answered with it yet */

	struct timeout *to_pump, *to_keep;
	bool keeping;          /* what comes now goes to the spool */
	bool progress;         /* while finishing: the daemon answers */
	unsigned int sent;     /* events in the request under way */
	long long sent_msecs;  /* when it left */
	bool one_by_one;       /* the last batch was refused as a whole: find the culprit */
	unsigned int culprits; /* how many events still go one by one */
	unsigned int backoff_msecs;
	bool quick_retry_used;

	time_t away_since; /* 0: the daemon answers */
	unsigned int refused;
	time_t refused_logged;
} report;

static void report_pump(void *context);

/* "1 event", "2 events" */
static const char *counted(unsigned int n, const char *one, const char *many)
{
	return t_strdup_printf("%u %s", n, n == 1 ? one : many);
}

static long long now_msecs(void)
{
	struct timeval now;

	i_gettimeofday(&now);
	return (long long)now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* The delivery that calls is still under way; the root loop runs after its reply has left. */
static void schedule(unsigned int msecs)
{
	struct ioloop *loop = report.finishing ? current_ioloop : io_loop_get_root();

	timeout_remove(&report.to_pump);
	report.to_pump = msecs == 0 ? timeout_add_short_to(loop, 0, report_pump, NULL)
	                            : timeout_add_to(loop, msecs, report_pump, NULL);
}

static void schedule_next(void)
{
	long long wait = report.sent_msecs + PACE_MSECS - now_msecs();

	/* a clock that was set back must not stop us */
	schedule(report.finishing || wait < 0 || wait > PACE_MSECS ? 0 : (unsigned int)wait);
}

static void stop_waiting(void)
{
	if (report.finishing)
		io_loop_stop(current_ioloop);
}

static void forget_token(void)
{
	if (report.token != NULL)
		safe_memset(report.token, 0, strlen(report.token));
	i_free(report.token);
}

/* The daemon cannot be reported to now: say so once, come back later. Where there is a spool, all
   processes that share it have one pace. */
static void away(const char *reason, unsigned int at_least_msecs)
{
	long long since = ocs_keep_since_msecs();
	unsigned int wait;

	if (report.away_since == 0 && since == 0)
		i_warning("ocsmanager: %s: %s; mail is stored as usual, %s waiting to be reported",
		          report.url, reason,
		          counted(ocs_waiting_count(), "event is", "events are"));
	if (report.away_since == 0)
		report.away_since = since == 0 ? ioloop_time : (time_t)(since / 1000);
	wait = I_MAX(report.backoff_msecs, ocs_keep_backoff_msecs());
	report.backoff_msecs = wait == 0 ? BACKOFF_MIN_MSECS : I_MIN(wait * 2, BACKOFF_MAX_MSECS);
	wait = I_MAX(report.backoff_msecs, at_least_msecs);
	report.keeping = TRUE;
	ocs_keep_away(since == 0 ? now_msecs() : since, wait, report.backoff_msecs);
	if (report.finishing) {
		stop_waiting();
		return;
	}
	/* spread, so that many processes do not come back together */
	schedule(wait + i_rand_limit(wait / 4 + 1));
}

/* kept: the events that were waiting when the answer came, those it is about included */
static void answered(unsigned int kept)
{
	unsigned int kept_earlier, lost;

	report.backoff_msecs = 0;
	report.quick_retry_used = FALSE;
	report.token_fresh = FALSE;
	report.progress = TRUE;
	if (report.away_since == 0)
		return;
	ocs_keep_answered();
	kept_earlier = ocs_keep_count(TRUE);
	lost = ocs_waiting_lost(TRUE);
	i_info("ocsmanager: %s answers again after %lld s: %s kept, %s reported as modified, %s "
	       "lost",
	       report.url, (long long)(ioloop_time - report.away_since),
	       counted(I_MAX(kept, kept_earlier), "event was", "events were"),
	       counted(ocs_waiting_folders(), "folder is", "folders are"),
	       counted(lost, "event was", "events were"));
	report.away_since = 0;
}

static void refused(unsigned int count, const char *name)
{
	report.refused += count;
	if (report.refused_logged != 0 && ioloop_time - report.refused_logged < REFUSED_LOG_SECS)
		return;
	i_warning("ocsmanager: %s refused %s, the last with %s", report.url,
	          counted(report.refused, "event", "events"), name);
	report.refused = 0;
	report.refused_logged = ioloop_time;
}

/* -- login */

static void login_failed(const char *error, unsigned int status)
{
	bool wrong = status == 401 || status == 403;

	if (wrong)
		error = t_strdup_printf(
		        "%s (wrong username= or password=, or the account cannot use "
		        "ocsmanager_mechanism)",
		        error);
	away(error, wrong ? BACKOFF_LOGIN_MSECS : 0);
}

static const char *status_text(const struct ocs_reply *reply)
{
	struct ocs_answer answer;

	if (reply->status == 0)
		return str_sanitize(reply->reason, 200);
	if (ocs_answer_parse(reply->body, reply->size, &answer) == 0 && *answer.error_name != '\0')
		return t_strdup_printf("%u %s", reply->status, answer.error_name);
	return t_strdup_printf("HTTP status %u", reply->status);
}

/* -1: the exchange did not work and this was dealt with. */
static int check_transport(const struct ocs_reply *reply, const char *what)
{
	if (reply->status == 200)
		return 0;
	/* a server may close an idle connection just as it is used again */
	if (reply->lost && !report.quick_retry_used) {
		report.quick_retry_used = TRUE;
		schedule(0);
	} else {
		away(t_strdup_printf("%s: %s", what, status_text(reply)),
		     reply->retry_after * 1000);
	}
	return -1;
}

static void report_login_answered(const struct ocs_reply *reply)
{
	struct ocs_login_request request;
	const char *token, *error;
	unsigned int ttl;
	int ret;

	if (reply->status == 401 && ocs_login_other_form(report.login)) {
		report_pump(NULL);
		return;
	}
	if (reply->status == 401 || reply->status == 403) {
		login_failed(t_strdup_printf("login: %s", status_text(reply)), reply->status);
		return;
	}
	if (check_transport(reply, "login") < 0)
		return;
	ret = ocs_login_next(report.login, reply->body, reply->size, &request, &token, &ttl,
	                     &error);
	if (ret < 0) {
		login_failed(error, 0);
	} else if (ret == 0) {
		ocs_exchange_send("POST", request.path, reply->cookies, NULL, request.body,
		                  report_login_answered);
	} else {
		forget_token();
		report.token = i_strdup(token);
		report.token_fresh = TRUE;
		/* before its end, by a tenth of its life */
		report.token_end_msecs =
		        ttl == 0 ? 0
		                 : now_msecs() + (long long)ttl * 1000 -
		                           I_MIN((long long)ttl * 100, RENEW_MAX_MSECS);
		report_pump(NULL);
	}
}

static void login(void)
{
	struct ocs_login_request request;
	struct ocs_credentials cred;
	const char *error;

	if (report.login == NULL) {
		if (ocs_credentials_read(report.credentials, &cred, &error) < 0) {
			i_error("ocsmanager: %s; nothing is reported", error);
			report.off = TRUE;
			stop_waiting();
			return;
		}
		report.login = ocs_login_new(report.mechanism, &cred);
		ocs_credentials_free(&cred);
	}
	ocs_login_start(report.login, &request);
	ocs_exchange_send("POST", request.path, NULL, NULL, request.body, report_login_answered);
}

/* -- notifications */

/* Takes the results of a batch; what is to be sent again stays at the head of the list, in order.
 */
static void take_results(const struct ocs_answer *answer)
{
	struct ocs_event *event = ocs_waiting_head(), *next;
	unsigned int i, kept = ocs_waiting_count(), refused_count = 0, later = 0;

	for (i = 0; i < answer->result_count; i++, event = next) {
		next = event->next;
		if (answer->results[i] == OCS_RESULT_LATER) {
			later++;
			continue;
		}
		if (answer->results[i] == OCS_RESULT_REFUSED)
			refused_count++;
		ocs_keep_drop(event);
	}
	if (refused_count > 0)
		refused(refused_count, answer->error_name);
	if (later > 0) {
		away(t_strdup_printf("%s: %s", counted(later, "event", "events"),
		                     answer->error_name),
		     0);
		return;
	}
	answered(kept);
	schedule_next();
}

/* 4xx for the request as a whole. */
static void request_refused(const struct ocs_reply *reply)
{
	if (report.sent > 1) {
		report.one_by_one = TRUE;
		report.culprits = report.sent;
		report_pump(NULL);
		return;
	}
	answered(ocs_waiting_count());
	ocs_keep_drop(ocs_waiting_head());
	refused(1, status_text(reply));
	report_pump(NULL);
}

static void report_batch_answered(const struct ocs_reply *reply)
{
	struct ocs_answer answer;

	if (report.one_by_one && --report.culprits == 0)
		report.one_by_one = FALSE;

	if (reply->status == 401 && !report.local) {
		bool fresh = report.token_fresh;

		forget_token();
		if (fresh)
			away(t_strdup_printf("a new session token is refused: %s",
			                     status_text(reply)),
			     0);
		else
			report_pump(NULL);
	} else if (reply->status == 400 || reply->status == 403 || reply->status == 413 ||
	           reply->status == 422) {
		if (ocs_answer_parse(reply->body, reply->size, &answer) < 0 ||
		    answer.error_code != reply->status)
			away(t_strdup_printf("HTTP status %u that is not OCSManager's",
			                     reply->status),
			     0);
		else
			request_refused(reply);
	} else if (check_transport(reply, "report") == 0) {
		if (ocs_answer_parse(reply->body, reply->size, &answer) < 0 ||
		    answer.error_code != 0 || answer.result_count != report.sent)
			away("the answer is not OCSManager's", 0);
		else
			take_results(&answer);
	}
}

static void send_batch(void)
{
	string_t *body = t_str_new(4096);
	const struct ocs_event *event;
	unsigned int max = report.one_by_one ? 1 : BATCH_MAX;

	str_append(body, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ocsmanager>\n");
	report.sent = 0;
	for (event = ocs_waiting_head(); event != NULL && report.sent < max; event = event->next) {
		if (report.sent > 0 && str_len(body) + strlen(event->xml) > BODY_MAX)
			break;
		str_append(body, event->xml);
		report.sent++;
	}
	str_append(body, "</ocsmanager>\n");
	report.sent_msecs = now_msecs();
	ocs_exchange_send("PUT", "/notification", NULL, report.token, str_c(body),
	                  report_batch_answered);
}

/* Does the next thing there is to do, if none is under way. */
static void report_pump(void *context ATTR_UNUSED)
{
	unsigned int wait;

	timeout_remove(&report.to_pump);
	if (report.off || ocs_exchange_busy())
		return;
	report.keeping = !ocs_keep_ready(BATCH_MAX, &wait);
	if (report.keeping) {
		stop_waiting();
		if (!report.finishing)
			schedule(wait + i_rand_limit(wait / 4 + 1));
		return;
	}
	if (report.away_since == 0 && ocs_keep_sending())
		report.away_since = (time_t)(ocs_keep_since_msecs() / 1000);
	if (ocs_waiting_count() == 0)
		ocs_waiting_refill(BATCH_MAX);
	if (ocs_waiting_count() == 0) {
		stop_waiting();
		return;
	}
	T_BEGIN
	{
		if (!report.local &&
		    (report.token == NULL ||
		     (report.token_end_msecs != 0 && now_msecs() >= report.token_end_msecs)))
			login();
		else
			send_batch();
	}
	T_END;
}

static void report_keep_events(void *context ATTR_UNUSED)
{
	timeout_remove(&report.to_keep);
	if (!ocs_exchange_busy())
		ocs_keep_events();
}

void ocs_report_add(const struct ocs_report *event)
{
	if (!report.initialized || report.off)
		return;
	ocs_waiting_add(event);
	if (report.to_pump == NULL && !ocs_exchange_busy())
		schedule_next();
	else if (report.keeping && report.to_keep == NULL)
		report.to_keep =
		        timeout_add_short_to(io_loop_get_root(), 0, report_keep_events, NULL);
}

/* -- life */

int ocs_report_init(const struct ocs_report_settings *set, const char **error_r)
{
	struct ocs_exchange_settings exchange = {
	        .url = set->url,
	        .socket = set->socket,
	        .timeout_msecs = set->timeout_msecs,
	        .ca = set->ca,
	        .dns_socket = set->dns_socket,
	};

	if (report.initialized)
		return 0;
	if (ocs_exchange_init(&exchange, error_r) < 0)
		return -1;
	i_zero(&report);
	report.url = i_strdup(set->url);
	report.local = set->socket != NULL;
	report.credentials = i_strdup(set->credentials);
	report.mechanism = set->mechanism;
	report.oneshot = set->oneshot;
	ocs_waiting_init(set->queue_max);
	ocs_keep_init(set->spool);
	report.initialized = TRUE;
	/* what others left */
	schedule(0);
	return 0;
}

static void report_wait_over(struct ioloop *loop)
{
	io_loop_stop(loop);
}

static void finish_waiting(void)
{
	struct ioloop *previous = current_ioloop, *loop;
	struct timeout *limit;

	/* The daemon is away: what it did not take in all this time it will not take now. */
	if (report.off || report.keeping || (report.away_since != 0 && !ocs_keep_sending()) ||
	    (ocs_waiting_count() == 0 && ocs_waiting_folders() == 0 && !ocs_keep_sending()))
		return;
	/* a loop of our own: the process's still listens for connections */
	loop = io_loop_create();
	ocs_exchange_switch_ioloop();
	report.finishing = TRUE;
	report.progress = FALSE;
	limit = timeout_add_to(loop, report.oneshot ? DEINIT_ONESHOT_MSECS : DEINIT_MSECS,
	                       report_wait_over, loop);
	if (!ocs_exchange_busy())
		schedule(0);
	io_loop_run(loop);
	timeout_remove(&limit);
	if (ocs_waiting_count() > 0 && !report.keeping && !report.progress)
		/* so that not every process waits as long */
		away("no answer in time", 0);
	timeout_remove(&report.to_pump);
	io_loop_set_current(previous);
	ocs_exchange_switch_ioloop();
	io_loop_set_current(loop);
	io_loop_destroy(&loop);
}

void ocs_report_deinit(void)
{
	if (!report.initialized)
		return;
	finish_waiting();
	timeout_remove(&report.to_pump);
	timeout_remove(&report.to_keep);
	if (!report.off)
		ocs_keep_finish();
	if (!report.off && (ocs_waiting_count() > 0 || ocs_waiting_folders() > 0))
		i_warning("ocsmanager: the process ends with %s and %s not reported to %s%s",
		          counted(ocs_waiting_count(), "event", "events"),
		          counted(ocs_waiting_folders(), "folder", "folders"), report.url,
		          ocs_keep_hint());
	ocs_keep_deinit();
	ocs_exchange_deinit();
	ocs_waiting_deinit();
	ocs_login_free(&report.login);
	forget_token();
	if (report.credentials != NULL)
		safe_memset(report.credentials, 0, strlen(report.credentials));
	i_free(report.credentials);
	i_free(report.url);
	report.initialized = FALSE;
}

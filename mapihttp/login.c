/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * HTTP Basic for ocsmapihttp, by the accounts of auth/. A client sends its password with every
 * request and checking one takes milliseconds of hashing by design, so that is done by threads
 * while the request is suspended, and a password once found right is remembered for some minutes:
 * as an HMAC under a key of this process, never the password itself.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <utlist.h>

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <uthash.h>

#include "auth/locks.h"
#include "auth/turns.h"
#include "base/private_file.h"
#include "mapihttp/mapihttp.h"

#define THREADS        2
#define REMEMBER_MS    (5 * 60 * 1000)
#define REMEMBERED_MAX 4096
#define QUEUE_MAX      256
/* Bytes of user:password; what is longer is no account's. */
#define CREDENTIALS_MAX 1024

struct remembered {
	uint8_t digest[SHA256_DIGEST_SIZE];
	char account[OCS_AUTH_NAME_SIZE];
	uint64_t until;
	UT_hash_handle hh;
};

struct job {
	struct job *prev, *next;
	struct mapihttp_request *request; /* suspended until the job is done */
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sockaddr_storage peer;
	struct ocs_turn turn;
	char *message; /* the SASL PLAIN message, base64 */
	size_t message_len;
	struct ocs_auth_reply reply;
	enum ocs_auth_result result;
};

struct mapihttp_login {
	struct mapihttp *server;
	uint8_t key[32];
	int fd;               /* counts finished jobs */
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	struct job *waiting, *finished; /* the oldest first */
	unsigned n_waiting;
	struct remembered *known;
	uint64_t forgotten; /* how often all were */
	bool stopping;
	pthread_t threads[THREADS];
	unsigned n_threads;
};

/* Under the lock. */
static const struct remembered *recall(struct mapihttp_login *login, const uint8_t *digest)
{
	struct remembered *entry;

	HASH_FIND(hh, login->known, digest, SHA256_DIGEST_SIZE, entry);
	if (entry != NULL && entry->until <= ocs_clock_ms()) {
		HASH_DELETE(hh, login->known, entry);
		free(entry);
		entry = NULL;
	}
	return entry;
}

/* Under the lock. Without memory it is only checked again next time. */
static void remember(struct mapihttp_login *login, const struct job *job)
{
	struct remembered *entry;

	if (recall(login, job->digest) != NULL)
		return;
	if (HASH_COUNT(login->known) >= REMEMBERED_MAX) {
		entry = login->known; /* the oldest */
		HASH_DELETE(hh, login->known, entry);
		free(entry);
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return;
	memcpy(entry->digest, job->digest, sizeof(entry->digest));
	strcpy(entry->account, job->reply.account);
	entry->until = ocs_clock_ms() + REMEMBER_MS;
	HASH_ADD(hh, login->known, digest, SHA256_DIGEST_SIZE, entry);
	if (entry->hh.tbl == NULL)
		free(entry);
}

void mapihttp_login_forget(struct mapihttp_login *login)
{
	struct remembered *entry, *next;

	pthread_mutex_lock(&login->lock);
	login->forgotten++;
	HASH_ITER(hh, login->known, entry, next)
	{
		HASH_DELETE(hh, login->known, entry);
		free(entry);
	}
	pthread_mutex_unlock(&login->lock);
}

static void free_job(struct job *job)
{
	ocs_privfile_wipe(job->message, job->message_len);
	free(job);
}

/* Under the lock, which it gives up while it hashes. */
static void work(struct mapihttp_login *login, struct job *job)
{
	const struct remembered *known = recall(login, job->digest);
	uint64_t forgotten = login->forgotten;

	if (login->stopping) {
		job->result = OCS_AUTH_OVERLOADED;
		return;
	}
	/* Another request of the same client may have brought the password meanwhile. */
	if (known != NULL) {
		strcpy(job->reply.account, known->account);
		job->result = OCS_AUTH_OK;
		return;
	}
	pthread_mutex_unlock(&login->lock);
	job->result = ocs_auth_plain(login->server->auth, (const struct sockaddr *)&job->peer, true,
	                             job->message, &job->reply);
	pthread_mutex_lock(&login->lock);
	/* Not by the accounts of before a reload. */
	if (job->result == OCS_AUTH_OK && login->forgotten == forgotten)
		remember(login, job);
}

/* Under the lock. */
static void finish(struct mapihttp_login *login, struct job *job)
{
	const uint64_t one = 1;

	DL_APPEND(login->finished, job);
	/* Fails only if 2^64 are uncounted. */
	(void)!write(login->fd, &one, sizeof(one));
}

/* Under the lock. */
static void take(struct mapihttp_login *login, struct job *job)
{
	DL_DELETE(login->waiting, job);
	login->n_waiting--;
}

static void *login_worker(void *arg)
{
	struct mapihttp_login *login = arg;

	pthread_mutex_lock(&login->lock);
	for (;;) {
		struct job *job = login->waiting;

		if (job == NULL) {
			if (login->stopping)
				break;
			pthread_cond_wait(&login->wake, &login->lock);
			continue;
		}
		take(login, job);
		work(login, job);
		finish(login, job);
	}
	pthread_mutex_unlock(&login->lock);
	return NULL;
}

int mapihttp_login_start(struct mapihttp *server, struct mapihttp_login **out,
                         struct ocs_error *error)
{
	struct mapihttp_login *login = calloc(1, sizeof(*login));

	if (login == NULL)
		return ocs_error_memory(error);
	login->server = server;
	login->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&login->lock, NULL);
	pthread_cond_init(&login->wake, NULL);
	if (login->fd < 0 || getrandom(login->key, sizeof(login->key), 0) != sizeof(login->key)) {
		ocs_error_set(error, "cannot create an event descriptor or get random bytes: %s",
		              strerror(errno));
		mapihttp_login_stop(login);
		return -1;
	}
	while (login->n_threads < THREADS) {
		int result = pthread_create(&login->threads[login->n_threads], NULL, login_worker,
		                            login);

		if (result != 0) {
			mapihttp_login_stop(login);
			return ocs_error_set(error, "cannot start a thread: %s", strerror(result));
		}
		login->n_threads++;
	}
	*out = login;
	return 0;
}

void mapihttp_login_stop(struct mapihttp_login *login)
{
	if (login == NULL)
		return;
	pthread_mutex_lock(&login->lock);
	login->stopping = true;
	pthread_cond_broadcast(&login->wake);
	pthread_mutex_unlock(&login->lock);
	for (unsigned i = 0; i < login->n_threads; i++)
		pthread_join(login->threads[i], NULL);
	mapihttp_login_results(login);
	mapihttp_login_forget(login);
	if (login->fd >= 0)
		close(login->fd);
	pthread_cond_destroy(&login->wake);
	pthread_mutex_destroy(&login->lock);
	explicit_bzero(login->key, sizeof(login->key));
	free(login);
}

int mapihttp_login_fd(const struct mapihttp_login *login)
{
	return login->fd;
}

void mapihttp_login_results(struct mapihttp_login *login)
{
	struct job *finished, *job, *next;
	uint64_t count;

	(void)!read(login->fd, &count, sizeof(count));
	pthread_mutex_lock(&login->lock);
	finished = login->finished;
	login->finished = NULL;
	pthread_mutex_unlock(&login->lock);
	DL_FOREACH_SAFE(finished, job, next)
	{
		struct mapihttp_request *request = job->request;
		char sender[OCS_HTTP_PEER_SIZE];

		request->checking = false;
		request->login = job->result;
		request->retry_after = job->reply.retry_after;
		if (job->result == OCS_AUTH_OK)
			strcpy(request->account, job->reply.account);
		ocs_http_format_sender(request->http.peer, sender);
		ocs_auth_log_locks(sender, &job->reply);
		MHD_resume_connection(request->http.connection);
		free_job(job);
	}
}

/* "Basic " and base64 of user:password, which goes into out (CREDENTIALS_MAX bytes); its length, 0
 * if it is anything else. */
static size_t decode_basic(const char *header, uint8_t *out)
{
	struct base64_decode_ctx base64;
	size_t len, text_len;

	if (header == NULL || strncasecmp(header, "Basic ", 6) != 0)
		return 0;
	header += 6 + strspn(header + 6, " ");
	text_len = strlen(header);
	if (BASE64_DECODE_LENGTH(text_len) > CREDENTIALS_MAX)
		return 0;
	base64_decode_init(&base64);
	if (!base64_decode_update(&base64, &len, out, text_len, header) ||
	    !base64_decode_final(&base64) || memchr(out, ':', len) == NULL ||
	    memchr(out, '\0', len) != NULL)
		return 0;
	return len;
}

/* The SASL PLAIN message (RFC 4616) of user:password, in base64. NULL: out of memory. */
static char *make_message(const uint8_t *credentials, size_t len, size_t *message_len_r)
{
	uint8_t plain[CREDENTIALS_MAX + 1] = {0};
	char *message = calloc(1, BASE64_ENCODE_RAW_LENGTH(len + 1) + 1);

	if (message == NULL)
		return NULL;
	memcpy(plain + 1, credentials, len);
	*(uint8_t *)memchr(plain, ':', len + 1) = '\0';
	base64_encode_raw(message, len + 1, plain);
	explicit_bzero(plain, sizeof(plain));
	*message_len_r = BASE64_ENCODE_RAW_LENGTH(len + 1);
	return message;
}

/* Under the lock: the one that has to go. */
static struct job *heaviest(const struct mapihttp_login *login)
{
	struct ocs_turn turns[QUEUE_MAX + 1];
	struct job *job;
	size_t n = 0, place;

	DL_FOREACH(login->waiting, job)
	{
		turns[n++] = job->turn;
	}
	place = ocs_turns_heaviest(turns, n);
	for (job = login->waiting; place > 0; place--)
		job = job->next;
	return job;
}

/* Under the lock. Whether there is room for it, which another one may have had to make. */
static bool queue(struct mapihttp_login *login, struct job *job)
{
	struct job *displaced;

	DL_APPEND(login->waiting, job);
	if (++login->n_waiting <= QUEUE_MAX)
		return true;
	displaced = heaviest(login);
	take(login, displaced);
	if (displaced == job)
		return false;
	displaced->result = OCS_AUTH_OVERLOADED;
	displaced->reply.retry_after = 1;
	finish(login, displaced);
	return true;
}

/* Under the lock: a job for the request, which is suspended with it, or why there is none. */
static enum ocs_auth_result submit(struct mapihttp_login *login, struct mapihttp_request *request,
                                   const uint8_t *digest, const uint8_t *credentials, size_t len)
{
	enum ocs_auth_result result;
	struct job *job;

	request->retry_after = 1;
	if (login->stopping)
		return OCS_AUTH_OVERLOADED;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return OCS_AUTH_INTERNAL;
	job->message = make_message(credentials, len, &job->message_len);
	if (job->message == NULL) {
		free(job);
		return OCS_AUTH_INTERNAL;
	}
	job->peer = request->http.peer->client.address;
	ocs_peer_from((const struct sockaddr *)&job->peer, &job->turn.peer);
	job->turn.spared =
	        ocs_auth_spares(login->server->auth, (const struct sockaddr *)&job->peer);
	/* Whoever is locked out takes no thread from others. */
	result = ocs_auth_plain_look(login->server->auth, (const struct sockaddr *)&job->peer, true,
	                             job->message, &job->reply);
	if (result != OCS_AUTH_OK) {
		request->retry_after = job->reply.retry_after;
		free_job(job);
		return result;
	}
	job->request = request;
	memcpy(job->digest, digest, sizeof(job->digest));
	if (!queue(login, job)) {
		free_job(job);
		return OCS_AUTH_OVERLOADED;
	}
	MHD_suspend_connection(request->http.connection);
	request->checking = true;
	pthread_cond_signal(&login->wake);
	return OCS_AUTH_INVALID_CREDENTIALS; /* until it is checked */
}

void mapihttp_login_check(struct mapihttp_login *login, struct mapihttp_request *request)
{
	uint8_t credentials[CREDENTIALS_MAX], digest[SHA256_DIGEST_SIZE];
	const struct remembered *known;
	struct hmac_sha256_ctx hmac;
	size_t len = decode_basic(ocs_http_value(&request->http, "Authorization"), credentials);

	request->login = OCS_AUTH_INVALID_CREDENTIALS;
	if (len == 0)
		return;
	/* Behind a proxy that is believed, the way to it may be open. */
	if (!ocs_http_is_private(request->http.peer)) {
		request->login = OCS_AUTH_ACCESS_FORBIDDEN;
		explicit_bzero(credentials, sizeof(credentials));
		return;
	}
	hmac_sha256_set_key(&hmac, sizeof(login->key), login->key);
	hmac_sha256_update(&hmac, len, credentials);
	hmac_sha256_digest(&hmac, sizeof(digest), digest);
	pthread_mutex_lock(&login->lock);
	known = recall(login, digest);
	if (known != NULL) {
		strcpy(request->account, known->account);
		request->login = OCS_AUTH_OK;
	} else {
		request->login = submit(login, request, digest, credentials, len);
	}
	pthread_mutex_unlock(&login->lock);
	explicit_bzero(credentials, sizeof(credentials));
	explicit_bzero(&hmac, sizeof(hmac));
}

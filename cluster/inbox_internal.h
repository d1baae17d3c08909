/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of the inbox share. Nobody else includes it but their tests.
 *
 *   inbox.c             a turn of the thread; start and stop
 *   inbox_channels.c    the three channels: what is declared and consumed on them, and again
 *   inbox_read.c        frames into messages
 *   inbox_consumer.c    the messages of one queue: taking and acknowledging them
 *   inbox_submit.c      submitting them, trying again
 *   inbox_mailbox.c     the answers
 *   inbox_dead.c        dead letters
 *   inbox_ids.c         identifiers that another node told, and what it is answered
 *   inbox_document.c    bodies into notifications; what a refusal means (pure)
 *   inbox_properties.c  headers, and the properties of a dead letter (pure)
 *
 * Threads: everything belongs to the inbox's thread, except the mailbox, which takes the answers of
 * dispatch in whatever thread they come.
 */
#ifndef OCS_CLUSTER_INBOX_INTERNAL_H
#define OCS_CLUSTER_INBOX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/broker_loop.h"
#include "cluster/inbox.h"
#include "cluster/message.h"
#include "xml/xml.h"

#define OCS_INBOX_BODY_MAX   (1024 * 1024)
#define OCS_INBOX_REASON_MAX 320
#define OCS_INBOX_NAME_SIZE  256 /* a short string of AMQP, with a NUL */

/* Deliveries without an end after which a message is handled with nothing beside it, so that what
 * it may do to this process is done to it alone; and after which it is a dead letter. Such messages
 * come back in their order: the first one on a connection is the one that ended the last process,
 * those behind it just lay there when it died, and have their own turn. Nothing has it for ever. */
#define OCS_INBOX_ALONE    3
#define OCS_INBOX_POISON   20
#define OCS_INBOX_HOPELESS 40

#define OCS_INBOX_TRIES_INTERNAL 5
#define OCS_INBOX_POOL_PAGE      1024 /* the properties of a message, decoded */

/* ---- inbox_properties.c ---- */

/* What is read of a message's properties. Strings are empty when they are missing; one that is not
 * printable UTF-8 without NUL is not what any of our nodes sends, and counts as missing too, apart
 * from bad_user. */
struct ocs_inbox_envelope {
	amqp_bytes_t content_type, content_encoding, message_id; /* as they came */
	char user[OCS_INBOX_NAME_SIZE];    /* the user-id, which the broker has checked */
	bool bad_user;                     /* there is one that cannot be an account */
	char origin[OCS_INBOX_NAME_SIZE];  /* ocs-origin */
	char account[OCS_INBOX_NAME_SIZE]; /* ocs-account */
	uint64_t accepted_at;              /* ocs-accepted, microseconds since 1970; 0: missing */
	uint64_t deliveries;               /* x-delivery-count: times it was delivered before */
	bool has_cc;                       /* there are further routing keys, of users */
	char store[OCS_INBOX_NAME_SIZE];   /* one of a mail store; "": none */
	amqp_bytes_t ids;                  /* ocs-ids, as it came */
	bool ids_only;                     /* an answer, of which nothing is delivered */
};

void ocs_inbox_read_properties(const amqp_basic_properties_t *properties,
                               struct ocs_inbox_envelope *out);

/* Copies text (cut to size - 1); what is not printable UTF-8 becomes `?`. */
void ocs_inbox_printable(const char *text, size_t len, char *out, size_t size);

struct ocs_inbox_death {
	const char *reason;
	const char *queue;   /* it came from */
	const char *node;    /* this one */
	const char *account; /* who sent it, as far as that is known */
	const char *key;     /* its routing key */
	uint64_t at;         /* seconds since 1970 */
};

/* The properties of a dead letter: the original's, apart from what the broker would act on
 * (user-id, expiration, CC, BCC), and headers that tell of its death. They lie in pool and in what
 * original and death point to. limit: bytes that they may have on the wire; when they have more,
 * the original's headers are left out. 0; -1: out of memory, or too long all the same. */
int ocs_inbox_dead_properties(amqp_pool_t *pool, const amqp_basic_properties_t *original,
                              const struct ocs_inbox_death *death, size_t limit,
                              amqp_basic_properties_t *out);

/* ---- inbox_document.c ---- */

struct ocs_inbox_input {
	const struct ocs_inbox_envelope *envelope;
	const char *body;
	size_t len;
	const char *json_backend; /* NULL: none */
	struct ocs_folder_style json_folders;
	unsigned max_batch;
	bool takes_ids; /* it is an answer of another node */
};

/* The body of a message. On 0 *out is on mem_ctx as of ocs_xml_read_notifications(), and its items
 * have ids where the message has one; *sender_ids_r: the first came with one of its own. -1:
 * nothing of it can be done; *refusal says why, with a code below 500 if it never can. */
int ocs_inbox_read_document(const void *mem_ctx, const struct ocs_inbox_input *input,
                            struct ocs_xml_notifications **out, bool *sender_ids_r,
                            struct ocs_refusal *refusal);

/* The id of an item without one of its own: "MESSAGE_ID/INDEX", or a hash of it where it is not fit
 * to be an id. false: there is no message id. */
bool ocs_inbox_item_id(amqp_bytes_t message_id, size_t index, char id[OCS_ID_MAX + 1]);

/* Whether a refusal may be another one next time. */
bool ocs_inbox_is_transient(const struct ocs_refusal *refusal);

/* "item 2 of 3: 422 UNKNOWN_BACKEND no backend ... (and 1 more)": the first permanent refusal among
 * the results, or with `all` the first of any kind. false: there is none. */
bool ocs_inbox_reason(const struct ocs_result *results, size_t count, bool all,
                      char reason[OCS_INBOX_REASON_MAX]);
/* "422 UNKNOWN_BACKEND no backend ..." */
void ocs_inbox_say(const struct ocs_refusal *refusal, char reason[OCS_INBOX_REASON_MAX]);

/* ---- the inbox ---- */

enum inbox_state {
	INBOX_WAITING,    /* to be submitted, at retry_at */
	INBOX_RUNNING,    /* submitted */
	INBOX_DEAD,       /* to be put into the dead-letter queue, at retry_at */
	INBOX_CONFIRMING, /* put there; the broker has not confirmed it */
	INBOX_DONE,       /* to be acknowledged */
};

struct inbox_consumer;

/* A message that is delivered and not acknowledged. talloc, with all it points to. */
struct inbox_message {
	struct ocs_inbox *inbox;
	struct inbox_message *prev, *next; /* in the consumer, or among the orphans */
	struct inbox_consumer *consumer;   /* NULL: an orphan; its channel is closed */
	enum inbox_state state;
	uint64_t tag;
	bool redelivered, alone;
	bool probe;     /* of bindings_watch.c: nobody's notification, so it counts nowhere */
	bool no_user;   /* its routing key is no user's */
	bool for_store; /* for a mail store that a session here sees, or saw just now */
	bool unread;    /* too large: its body was not kept */
	char key[OCS_INBOX_NAME_SIZE];
	uint64_t body_size;
	size_t len;
	char *body;
	amqp_bytes_t properties; /* encoded */

	char account[OCS_INBOX_NAME_SIZE]; /* who sent it; "": not known */
	uint64_t since, retry_at;          /* ms */
	uint32_t user;                     /* hash of the first backend user, for the order */
	unsigned tries, internal;          /* answers that were trouble; of these INTERNAL */
	size_t count;                      /* of notifications; 0: not read yet */
	struct ocs_result *results;
	bool *open; /* not ended yet */
	uint64_t dead_number;
	char reason[OCS_INBOX_REASON_MAX];
};

/* A channel, and when it is tried again. */
struct inbox_channel {
	amqp_channel_t number; /* 0: not open */
	bool ready;
	uint64_t retry_at; /* ms; while not ready */
	bool waits;        /* for that on a new connection too: opening it lost the last one */
	struct ocs_backoff backoff;
	char text[OCS_ERROR_MAX]; /* why it is not ready; "": soon, and needs nobody */
	bool passes;              /* that may pass by itself; else an admin must act */
};

/* A message that is being read from a channel. */
struct inbox_reading {
	struct inbox_message *message; /* NULL: it is passed over */
	bool content;                  /* a header, or the rest of a body, is to come */
	bool header;                   /* it is the header */
	bool forward;                  /* the body goes on to the dead-letter queue */
	uint64_t left;                 /* bytes of the body */
};

enum { INBOX_INGEST, INBOX_NODE, INBOX_CONSUMERS };

struct inbox_consumer {
	struct ocs_inbox *inbox;
	bool ingest; /* else it is this node's own queue */
	const char *queue;
	struct inbox_channel channel;
	struct inbox_reading reading;
	struct inbox_message *list; /* in the order of delivery */
	size_t n, waiting, running, n_alone;
	uint64_t taken;       /* on this channel */
	unsigned name_taken;  /* times in a row that somebody else was found consuming */
	uint64_t taken_since; /* ms: the first of them */
	bool had_name;        /* this process has consumed it before */
	bool paused;          /* closed so that other nodes get the messages */
};

struct inbox_dead {
	struct inbox_channel channel;
	uint64_t published; /* on this channel: the number of the last one */
	uint64_t look_at;   /* the earliest retry_at of those that wait; UINT64_MAX: none */
	bool forwarding;    /* a large body is on its way: nothing may come between */
};

/* Where the answers of dispatch arrive. It outlives the inbox if they come late. */
struct inbox_mailbox {
	pthread_mutex_t lock;
	struct inbox_attempt *attempts;
	bool closed;
	struct ocs_broker_loop *loop; /* to be woken, until it is closed */
	atomic_uint references;
};

/* One submission. The request is dispatch's; this is the mailbox's until its answer is there, and
 * the inbox's from then on. talloc, a hierarchy of its own. */
struct inbox_attempt {
	struct inbox_attempt *prev, *next;
	struct inbox_mailbox *mailbox;
	struct inbox_message *message; /* the inbox's thread alone looks at it */
	size_t count, room;
	size_t *which;                     /* items of the message */
	struct ocs_result *results;        /* count of them, or none: dispatch was out of memory */
	const struct ocs_request *request; /* valid in done() if it is done */
	const struct ocs_result *its_results; /* by which that is told: to be compared only */
	struct ocs_message *answer;           /* to the node that told an identifier; NULL: none */
};

struct ocs_inbox {
	const struct ocs_link_settings *settings;
	struct ocs_inbox_host host;
	struct ocs_link_status *status;
	ocs_log_fn *log;
	struct ocs_broker_loop loop;
	struct inbox_mailbox *mailbox;
	uint64_t stop_at; /* ms: what is under way is not waited for any longer */
	amqp_channel_t last_channel;

	struct inbox_consumer consumers[INBOX_CONSUMERS];
	struct inbox_dead dead;
	struct inbox_message *orphans; /* of closed channels, with an answer outstanding */
	uint64_t health_at;            /* when the host's health is looked at again, ms */
	bool healthy;
	struct ocs_error trouble; /* what it said last */
	struct ocs_error told;    /* what was last told about the channels */
	bool told_passes;         /* that nobody need act */
};

/* ---- inbox.c ---- */

extern const struct ocs_broker_loop_calls ocs_inbox_calls; /* arg: the inbox */

/* ---- inbox_channels.c: results other than OK mean that the connection is lost ---- */

/* Opens what is due and sets what an admin is told. */
enum ocs_broker_result ocs_inbox_open_due(struct ocs_inbox *inbox, struct ocs_error *error);
/* Closes a channel that works, or forgets one that the broker has closed: what is not acknowledged
 * goes back to the broker. It is opened again after a while. */
enum ocs_broker_result ocs_inbox_close_consumer(struct inbox_consumer *consumer,
                                                enum ocs_broker_result why,
                                                const struct ocs_error *text,
                                                struct ocs_error *error);
enum ocs_broker_result ocs_inbox_close_dead(struct ocs_inbox *inbox, enum ocs_broker_result why,
                                            const struct ocs_error *text, struct ocs_error *error);
/* Forgets all channels: the connection is gone. */
void ocs_inbox_forget_channels(struct ocs_inbox *inbox);
/* When the next channel is to be opened, ms; UINT64_MAX: none. */
uint64_t ocs_inbox_next_due(const struct ocs_inbox *inbox);

/* ---- inbox_read.c ---- */

enum ocs_broker_result ocs_inbox_frame(void *inbox, const amqp_frame_t *frame,
                                       struct ocs_error *error);
/* What came cannot be decoded; the connection ends. */
void ocs_inbox_unreadable(void *inbox);

/* ---- inbox_consumer.c ---- */

/* What of its properties is read; it points into the pool and the message. */
void ocs_inbox_read_envelope(const struct inbox_message *message, amqp_pool_t *pool,
                             struct ocs_inbox_envelope *envelope);

/* A message is complete: takes it. */
void ocs_inbox_take(struct inbox_consumer *consumer, struct inbox_message *message);
/* Acknowledges what is done. idle: everything, else only what costs little. */
enum ocs_broker_result ocs_inbox_acknowledge(struct inbox_consumer *consumer, bool idle,
                                             struct ocs_error *error);
/* The messages of a closed channel. */
void ocs_inbox_orphan(struct inbox_consumer *consumer);
/* Changes the state, with the consumer's figures. An orphan that nobody answers for is freed. */
void ocs_inbox_set_state(struct inbox_message *message, enum inbox_state state);
void ocs_inbox_kill(struct inbox_message *message, const char *reason);
void ocs_inbox_forget(struct inbox_message *message); /* out of the consumer */
void ocs_inbox_update_held(struct ocs_inbox *inbox);
/* Frees all messages. */
void ocs_inbox_free_messages(struct ocs_inbox *inbox);

/* ---- inbox_submit.c ---- */

/* The host's health, not asked more than some times a second. */
bool ocs_inbox_healthy(struct ocs_inbox *inbox);
/* Submits what is due. Returns when the next is, ms; UINT64_MAX: none. */
uint64_t ocs_inbox_submit_due(struct inbox_consumer *consumer);
/* Works on the answers that have arrived. */
void ocs_inbox_take_answers(struct ocs_inbox *inbox);

/* ---- inbox_mailbox.c ---- */

struct inbox_mailbox *ocs_inbox_mailbox_new(struct ocs_broker_loop *loop);
/* Lets go of it, before the loop ends to be; answers that come later are thrown away. */
void ocs_inbox_mailbox_close(struct inbox_mailbox *mailbox);
/* All answers that have arrived, in their order, as a list of attempts to be freed. */
struct inbox_attempt *ocs_inbox_mailbox_take(struct inbox_mailbox *mailbox, bool close_it);
/* With room for that many items. NULL: out of memory. */
struct inbox_attempt *ocs_inbox_attempt_new(struct inbox_message *message, size_t room);
void ocs_inbox_attempt_free(struct inbox_attempt *attempt);
/* done() of the request, whose owner is the attempt. Any thread. */
void ocs_inbox_attempt_done(void *owner, const struct ocs_result *results, size_t count);

/* ---- inbox_ids.c ---- */

/* What another node tells, as a part of the request. */
void ocs_inbox_read_ids(const struct ocs_inbox_envelope *envelope, struct ocs_request *request);
/* After the request was done: an answer on mem_ctx where what this node has wins; NULL: none. */
struct ocs_message *ocs_inbox_answer(const void *mem_ctx, const struct ocs_request *request);

/* ---- inbox_dead.c ---- */

/* Publishes what is due. Returns OCS_BROKER_OK, or the connection is lost. */
enum ocs_broker_result ocs_inbox_dead_letter_due(struct ocs_inbox *inbox, struct ocs_error *error);
/* When something is to be published, ms; UINT64_MAX: nothing. */
uint64_t ocs_inbox_next_burial(const struct ocs_inbox *inbox);
/* The start and the parts of a body that is too large to be kept. begin: false if it cannot be sent
 * on now. */
enum ocs_broker_result ocs_inbox_forward_begin(struct inbox_message *message, bool *forward_r,
                                               struct ocs_error *error);
enum ocs_broker_result ocs_inbox_forward(struct ocs_inbox *inbox, amqp_bytes_t part,
                                         struct ocs_error *error);
/* A confirm or a refusal of the dead-letter queue. */
void ocs_inbox_dead_letter_confirmed(struct ocs_inbox *inbox, uint64_t number, bool multiple,
                                     bool ok);
/* Nobody knows what became of those that were not confirmed: they are published again. */
void ocs_inbox_dead_letter_again(struct ocs_inbox *inbox);

#endif

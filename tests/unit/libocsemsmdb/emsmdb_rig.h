/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of libocsemsmdb: a server with a clock of the test's, on the registry of
 * test_libocsnotify_rig.h, and the bytes of vectors and ROP buffers.
 */
#ifndef OCS_UNIT_TEST_LIBOCSEMSMDB_RIG_H
#define OCS_UNIT_TEST_LIBOCSEMSMDB_RIG_H

#include "ocsemsmdb.h"
#include "tests/unit/libocsnotify/host_rig.h"
#include "tests/vectors/emsmdb.h"

#define FOLDER  0x47ca79b403000001u
#define FOLDER2 0x48ca79b403000001u
#define MESSAGE 0xa75fe6b703000001u

struct rig_done {
	void *call;
	uint32_t flags, result;
};

static uint64_t rig_now;
static struct rig_done rig_dones[16];
static unsigned rig_n_dones;
static void *rig_dead_call; /* whose client is gone */
static unsigned rig_ended;

static void rig_wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(rig_n_dones, 16);
	rig_dones[rig_n_dones++] = (struct rig_done){call, flags, result};
}

static bool rig_wait_alive(void *call, void *arg)
{
	(void)arg;
	return call != rig_dead_call;
}

static uint64_t rig_clock(void *arg)
{
	(void)arg;
	return rig_now;
}

static void rig_session_ended(struct ocsemsmdb_session *session, void *data, void *arg)
{
	(void)session;
	(void)data;
	(void)arg;
	rig_ended++;
}

__attribute__((unused)) static uint32_t rig_check_dn(const char *user, const char *dn, void *arg)
{
	(void)arg;
	if (strstr(dn, user) != NULL)
		return OCSEMSMDB_EC_NONE;
	return strstr(dn, "nobody") != NULL ? OCSEMSMDB_EC_UNKNOWN_USER
	                                    : OCSEMSMDB_EC_ACCESS_DENIED;
}

__attribute__((unused)) static struct ocsemsmdb_settings
rig_emsmdb_settings(enum ocsemsmdb_version version)
{
	struct ocsemsmdb_settings settings;

	ocsemsmdb_settings_init(&settings, version);
	settings.wait_done = rig_wait_done;
	settings.wait_alive = rig_wait_alive;
	settings.session_ended = rig_session_ended;
	settings.clock = rig_clock;
	rig_now = 1000000;
	rig_n_dones = 0;
	rig_dead_call = NULL;
	rig_ended = 0;
	return settings;
}

__attribute__((unused)) static struct ocsemsmdb *rig_server(struct ocsnotify *context,
                                                            enum ocsemsmdb_version version)
{
	struct ocsemsmdb_settings settings = rig_emsmdb_settings(version);
	struct ocsemsmdb *server;

	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	return server;
}

/* A registry with an index, as the daemon makes it in a process of its own. */
__attribute__((unused)) static void rig_setup_all(void)
{
	int status;
	pid_t pid;

	rig_setup();
	pid = fork();
	if (pid == 0) {
		struct ocs_index *index;

		if (ocs_index_open(rig_folder, 1, true, &index, NULL) != OCS_STORE_OK)
			_exit(1);
		ocs_index_close(index);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* A session of the user, made over no connection. */
__attribute__((unused)) static struct ocsemsmdb_session *rig_connect(struct ocsemsmdb *server,
                                                                     const char *user)
{
	struct ocsemsmdb_caller caller = {.user = user, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=y", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;

	ck_assert_uint_eq(ocsemsmdb_connect(server, &caller, &connect, &connected, &session), 0);
	return session;
}

/* ---- bytes ---- */

__attribute__((unused)) static size_t rig_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

__attribute__((unused)) static size_t rig_vector(const char *name, uint8_t *out)
{
	for (size_t i = 0; i < EMSMDB_VECTOR_COUNT; i++)
		if (strcmp(emsmdb_vectors[i].name, name) == 0)
			return rig_hex(emsmdb_vectors[i].hex, out);
	ck_abort_msg("no vector %s", name);
	return 0;
}

/* A ROP buffer being written: begin, rops, handles. */
struct rig_rops {
	uint8_t data[OCSEMSMDB_PAYLOAD_MAX];
	size_t len;
};

__attribute__((unused)) static void rig_begin(struct rig_rops *b)
{
	b->len = 2;
	ocs_put16(b->data, 2);
}

__attribute__((unused)) static void rig_rop(struct rig_rops *b, const char *hex)
{
	b->len += rig_hex(hex, b->data + b->len);
	ocs_put16(b->data, (uint16_t)b->len);
}

__attribute__((unused)) static void rig_handle(struct rig_rops *b, uint32_t handle)
{
	ocs_put32(b->data + b->len, handle);
	b->len += 4;
}

/* Executes the buffer; the response's payload (without RPC_HEADER_EXT) comes back in it. */
__attribute__((unused)) static uint32_t rig_execute(struct ocsemsmdb_session *session,
                                                    struct rig_rops *b, size_t size)
{
	uint8_t in[OCSEMSMDB_EXT_MAX], out[OCSEMSMDB_EXT_MAX];
	size_t len;
	uint32_t result;

	ocsemsmdb_ext_header((uint16_t)b->len, in);
	memcpy(in + 8, b->data, b->len);
	result = ocsemsmdb_execute(session, in, 8 + b->len, out, size, &len);
	if (result != 0) {
		ck_assert_uint_eq(len, 0);
		return result;
	}
	ck_assert_uint_ge(len, 10);
	ck_assert_uint_le(len, size);
	ck_assert_uint_eq(ocs_get16(out + 4), len - 8);
	b->len = len - 8;
	memcpy(b->data, out + 8, b->len);
	return 0;
}

__attribute__((unused)) static uint32_t rig_handle_at(const struct rig_rops *b, unsigned index)
{
	return ocs_get32(b->data + ocs_get16(b->data) + 4 * (size_t)index);
}

__attribute__((unused)) static void rig_expect(const struct rig_rops *b, const char *hex)
{
	uint8_t expected[OCSEMSMDB_PAYLOAD_MAX];
	size_t len = rig_hex(hex, expected);

	ck_assert_uint_eq(ocs_get16(b->data), 2 + len);
	ck_assert_mem_eq(b->data + 2, expected, len);
}

/* Logs on as LogonId 0: the logon's handle. */
__attribute__((unused)) static uint32_t rig_logon(struct ocsemsmdb_session *session)
{
	struct rig_rops b;

	rig_begin(&b);
	rig_rop(&b, "fe0000010000000000000000"
	            "0600"
	            "2f636e3d7900");
	rig_handle(&b, 0xffffffff);
	ck_assert_uint_eq(rig_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	ck_assert_uint_eq(b.data[2], 0xfe);
	ck_assert_uint_eq(ocs_get32(b.data + 4), 0);
	return rig_handle_at(&b, 0);
}

/* Subscribes to all events of the whole store: the subscription's handle. */
__attribute__((unused)) static uint32_t rig_subscribe(struct ocsemsmdb_session *session,
                                                      uint32_t logon)
{
	struct rig_rops b;

	rig_begin(&b);
	rig_rop(&b, "29000001fe0001");
	rig_handle(&b, logon);
	rig_handle(&b, 0xffffffff);
	ck_assert_uint_eq(rig_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	rig_expect(&b, "290100000000");
	return rig_handle_at(&b, 1);
}

/* An idle call: the response's payload. */
__attribute__((unused)) static void rig_idle(struct ocsemsmdb_session *session, struct rig_rops *b,
                                             size_t size)
{
	rig_begin(b);
	ck_assert_uint_eq(rig_execute(session, b, size), 0);
}

__attribute__((unused)) static void rig_mail(struct ocsnotify *context, const char *user)
{
	struct ocs_entry entry = rig_newmail(FOLDER, MESSAGE);

	ck_assert_int_ge(rig_send(context, user, OCS_TABLE_NEWMAIL, &entry), 1);
}

#endif

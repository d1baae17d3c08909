/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of libocsemsmdb share: see emsmdb_rig.h. */
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

uint64_t emsmdb_clock_ms;
struct emsmdb_done emsmdb_dones[16];
unsigned emsmdb_n_dones;
void *emsmdb_dead_call;
unsigned emsmdb_ended;

static void emsmdb_wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(emsmdb_n_dones, 16);
	emsmdb_dones[emsmdb_n_dones++] = (struct emsmdb_done){call, flags, result};
}

static bool emsmdb_wait_alive(void *call, void *arg)
{
	(void)arg;
	return call != emsmdb_dead_call;
}

static uint64_t emsmdb_clock(void *arg)
{
	(void)arg;
	return emsmdb_clock_ms;
}

static void emsmdb_session_ended(struct ocsemsmdb_session *session, void *data, void *arg)
{
	(void)session;
	(void)data;
	(void)arg;
	emsmdb_ended++;
}

uint32_t emsmdb_check_dn(const char *user, const char *dn, void *arg)
{
	(void)arg;
	if (strstr(dn, user) != NULL)
		return OCSEMSMDB_EC_NONE;
	return strstr(dn, "nobody") != NULL ? OCSEMSMDB_EC_UNKNOWN_USER
	                                    : OCSEMSMDB_EC_ACCESS_DENIED;
}

struct ocsemsmdb_settings emsmdb_settings(enum ocsemsmdb_version version)
{
	struct ocsemsmdb_settings settings;

	ocsemsmdb_settings_init(&settings, version);
	settings.wait_done = emsmdb_wait_done;
	settings.wait_alive = emsmdb_wait_alive;
	settings.session_ended = emsmdb_session_ended;
	settings.clock = emsmdb_clock;
	emsmdb_clock_ms = 1000000;
	emsmdb_n_dones = 0;
	emsmdb_dead_call = NULL;
	emsmdb_ended = 0;
	return settings;
}

struct ocsemsmdb *emsmdb_server(struct ocsnotify *context, enum ocsemsmdb_version version)
{
	struct ocsemsmdb_settings settings = emsmdb_settings(version);
	struct ocsemsmdb *server;

	ck_assert_int_eq(ocsemsmdb_open(context, &settings, &server), OCSNOTIFY_OK);
	return server;
}

void emsmdb_setup(void)
{
	int status;
	pid_t pid;

	host_setup();
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

struct ocsemsmdb_session *emsmdb_connect(struct ocsemsmdb *server, const char *user)
{
	struct ocsemsmdb_caller caller = {.user = user, .privacy = true};
	struct ocsemsmdb_connect connect = {.user_dn = "/o=x/cn=y", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;

	ck_assert_uint_eq(ocsemsmdb_connect(server, &caller, &connect, &connected, &session), 0);
	return session;
}

/* ---- bytes ---- */

size_t emsmdb_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

size_t emsmdb_vector(const char *name, uint8_t *out)
{
	for (size_t i = 0; i < EMSMDB_VECTOR_COUNT; i++)
		if (strcmp(emsmdb_vectors[i].name, name) == 0)
			return emsmdb_hex(emsmdb_vectors[i].hex, out);
	ck_abort_msg("no vector %s", name);
	return 0;
}

void emsmdb_begin(struct emsmdb_rops *b)
{
	b->len = 2;
	ocs_put16(b->data, 2);
}

void emsmdb_rop(struct emsmdb_rops *b, const char *hex)
{
	b->len += emsmdb_hex(hex, b->data + b->len);
	ocs_put16(b->data, (uint16_t)b->len);
}

void emsmdb_handle(struct emsmdb_rops *b, uint32_t handle)
{
	ocs_put32(b->data + b->len, handle);
	b->len += 4;
}

uint32_t emsmdb_execute(struct ocsemsmdb_session *session, struct emsmdb_rops *b, size_t size)
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

uint32_t emsmdb_handle_at(const struct emsmdb_rops *b, unsigned index)
{
	return ocs_get32(b->data + ocs_get16(b->data) + 4 * (size_t)index);
}

void emsmdb_expect(const struct emsmdb_rops *b, const char *hex)
{
	uint8_t expected[OCSEMSMDB_PAYLOAD_MAX];
	size_t len = emsmdb_hex(hex, expected);

	ck_assert_uint_eq(ocs_get16(b->data), 2 + len);
	ck_assert_mem_eq(b->data + 2, expected, len);
}

uint32_t emsmdb_logon(struct ocsemsmdb_session *session)
{
	struct emsmdb_rops b;

	emsmdb_begin(&b);
	emsmdb_rop(&b, "fe0000010000000000000000"
	               "0600"
	               "2f636e3d7900");
	emsmdb_handle(&b, 0xffffffff);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	ck_assert_uint_eq(b.data[2], 0xfe);
	ck_assert_uint_eq(ocs_get32(b.data + 4), 0);
	return emsmdb_handle_at(&b, 0);
}

uint32_t emsmdb_subscribe(struct ocsemsmdb_session *session, uint32_t logon)
{
	struct emsmdb_rops b;

	emsmdb_begin(&b);
	emsmdb_rop(&b, "29000001fe0001");
	emsmdb_handle(&b, logon);
	emsmdb_handle(&b, 0xffffffff);
	ck_assert_uint_eq(emsmdb_execute(session, &b, OCSEMSMDB_EXT_MAX), 0);
	emsmdb_expect(&b, "290100000000");
	return emsmdb_handle_at(&b, 1);
}

void emsmdb_idle(struct ocsemsmdb_session *session, struct emsmdb_rops *b, size_t size)
{
	emsmdb_begin(b);
	ck_assert_uint_eq(emsmdb_execute(session, b, size), 0);
}

void emsmdb_mail(struct ocsnotify *context, const char *user)
{
	struct ocs_entry entry = entry_newmail(EMSMDB_FOLDER, EMSMDB_MESSAGE);

	ck_assert_int_ge(daemon_send(context, user, OCS_TABLE_NEWMAIL, &entry), 1);
}

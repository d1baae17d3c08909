/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * libocsnotify for the fuzz targets: the calls of ocsnotify.h that libocsemsmdb makes, in memory
 * alone. Each subscription has a mail pending for each drain, so that responses always have
 * something to append.
 */
#include <ocsnotify.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "base/bytes.h"

#define HANDLES_MAX 64
#define NOTIFY_SIZE 38

struct ocsnotify {
	int nothing;
};

struct ocsnotify_session {
	void *data;
	uint32_t handles[HANDLES_MAX];
	size_t n_handles;
};

static size_t find(const struct ocsnotify_session *session, uint32_t handle)
{
	size_t i = 0;

	while (i < session->n_handles && session->handles[i] != handle)
		i++;
	return i;
}

int ocsnotify_session_open(struct ocsnotify *context, const char *user, void *data,
                           struct ocsnotify_session **session_r)
{
	(void)context;
	(void)user;
	*session_r = calloc(1, sizeof(**session_r));
	if (*session_r == NULL)
		return OCSNOTIFY_E_NOMEM;
	(*session_r)->data = data;
	return OCSNOTIFY_OK;
}

void ocsnotify_session_close(struct ocsnotify_session *session)
{
	free(session);
}

void *ocsnotify_session_data(const struct ocsnotify_session *session)
{
	return session->data;
}

static int add(struct ocsnotify_session *session, uint32_t handle)
{
	FUZZ_CHECK(handle != 0xffffffff && find(session, handle) == session->n_handles);
	if (session->n_handles == HANDLES_MAX)
		return OCSNOTIFY_E_LIMIT;
	session->handles[session->n_handles++] = handle;
	return OCSNOTIFY_OK;
}

int ocsnotify_subscribe(struct ocsnotify_session *session, uint32_t handle, uint8_t logon_id,
                        uint16_t types, bool whole_store, uint64_t folder_id, uint64_t message_id)
{
	(void)logon_id;
	(void)message_id;
	if ((types & ~0x05fe) != 0 || (!whole_store && folder_id == 0))
		return OCSNOTIFY_E_INVALID;
	return add(session, handle);
}

int ocsnotify_subscribe_table(struct ocsnotify_session *session, uint32_t handle, uint8_t logon_id,
                              enum ocsnotify_table table, uint64_t folder_id)
{
	(void)logon_id;
	(void)table;
	(void)folder_id;
	return add(session, handle);
}

int ocsnotify_unsubscribe(struct ocsnotify_session *session, uint32_t handle)
{
	size_t i = find(session, handle);

	FUZZ_CHECK(i < session->n_handles);
	session->handles[i] = session->handles[--session->n_handles];
	return OCSNOTIFY_OK;
}

uint32_t ocsnotify_set_push(struct ocsnotify_session *session, const uint8_t *context,
                            size_t context_len, const uint8_t *address, size_t address_len)
{
	uint8_t sum = 0;

	(void)session;
	/* All of both can be read. */
	for (size_t i = 0; i < context_len; i++)
		sum ^= context[i];
	for (size_t i = 0; i < address_len; i++)
		sum ^= address[i];
	return sum == 0 ? 0 : 0x80070057;
}

int ocsnotify_pending(struct ocsnotify_session *session)
{
	return session->n_handles > 0;
}

int ocsnotify_drain(struct ocsnotify_session *session, uint8_t *buffer, size_t size, size_t *used_r,
                    bool *more_r)
{
	*used_r = 0;
	*more_r = false;
	for (size_t i = 0; i < session->n_handles; i++) {
		uint8_t *p = buffer + *used_r;

		if (size - *used_r < NOTIFY_SIZE) {
			*more_r = true;
			break;
		}
		memset(p, 0x11, NOTIFY_SIZE);
		p[0] = 0x2a;
		ocs_put32(p + 1, session->handles[i]);
		ocs_put16(p + 6, 0x8002);
		p[28] = 0;
		memcpy(p + 29, "IPM.Note", 9);
		*used_r += NOTIFY_SIZE;
	}
	return OCSNOTIFY_OK;
}

int ocsnotify_process(struct ocsnotify *context, ocsnotify_pending_fn *pending, void *arg)
{
	(void)context;
	(void)pending;
	(void)arg;
	return 0;
}

int ocsnotify_folder_fid(struct ocsnotify *context, const char *user, const char *backend,
                         const char *backend_user, const char *folder, uint64_t *folder_id_r)
{
	(void)context;
	*folder_id_r =
	        (strlen(user) + strlen(backend) + strlen(backend_user) + strlen(folder)) << 16 | 1;
	return OCSNOTIFY_OK;
}

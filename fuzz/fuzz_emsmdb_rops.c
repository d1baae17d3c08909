/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers:
 * libocsemsmdb/request.c libocsemsmdb/execute.c libocsemsmdb/append.c libocsemsmdb/mailbox.c
 * libocsemsmdb/mailbox_objects.c libocsemsmdb/mailbox_rops.c */
/*
 * The ROP buffer: the first byte chooses the version (low bits) and the room of the response, the
 * rest is a RopsList (behind a RopLogon and four handles) or, with bit 4, a whole rgbIn.
 */
#include "fuzz/emsmdb_session.h"
#include "base/bytes.h"

static const uint8_t logon[] = "\xfe\0\0\1\0\0\0\0\0\0\0\0\x02\0x";

/* What every answer must be. */
static void check(const uint8_t *out, size_t len, size_t size)
{
	size_t payload = ocs_get16(out + 4), rops = ocs_get16(out + 8);

	FUZZ_CHECK(len <= size && len >= 10 && payload == len - 8);
	FUZZ_CHECK(ocs_get16(out) == 0 && ocs_get16(out + 2) == 4 && ocs_get16(out + 6) == payload);
	FUZZ_CHECK(rops >= 2 && rops <= payload && (payload - rops) % 4 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t in[OCSEMSMDB_EXT_MAX + 8];
	static const size_t rooms[] = {OCSEMSMDB_EXT_MAX, 7, 10, 40, 100, 300, 0x40000, 0};
	size_t len, in_len, room;
	struct ocsemsmdb_session *session;
	struct ocsemsmdb *server;
	uint8_t *out;

	if (size < 1 || size > OCSEMSMDB_PAYLOAD_MAX - 64)
		return 0;
	room = rooms[data[0] % 8];
	if ((data[0] & 16) != 0) {
		in_len = size - 1;
		memcpy(in, data + 1, in_len);
	} else {
		size_t rops = 2 + sizeof(logon) - 1 + size - 1;

		ocsemsmdb_ext_header((uint16_t)(rops + 16), in);
		ocs_put16(in + 8, (uint16_t)rops);
		memcpy(in + 10, logon, sizeof(logon) - 1);
		memcpy(in + 10 + sizeof(logon) - 1, data + 1, size - 1);
		for (uint32_t i = 0; i < 4; i++)
			ocs_put32(in + 8 + rops + 4 * (size_t)i, i == 3 ? 0xffffffff : i);
		in_len = 8 + rops + 16;
	}
	server = fuzz_open(data[0] >> 2, &session);
	out = malloc(room > OCSEMSMDB_EXT_MAX ? OCSEMSMDB_EXT_MAX : room + (room == 0));
	FUZZ_CHECK(out != NULL);
	/* Twice, so that the second meets handles. */
	for (int i = 0; i < 2; i++) {
		if (ocsemsmdb_execute(session, in, in_len, out, room, &len) == 0)
			check(out, len, room);
		else
			FUZZ_CHECK(len == 0);
	}
	free(out);
	ocsemsmdb_close(server);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The stub codec. Pure functions over the caller's memory.
 *
 * A reader or writer remembers that it failed and then does nothing more, so that a stub reads as
 * the list of its parameters and is judged once, at its end.
 */
#include "libocsemsmdb/ndr.h"

#include <string.h>

#include "ocsemsmdb.h"
#include "base/bytes.h"

/* ---- reading ---- */

struct reader {
	const uint8_t *data;
	size_t len, at;
	bool failed;
};

static const uint8_t *ndr_take(struct reader *r, size_t align, size_t n)
{
	size_t at = (r->at + align - 1) & ~(align - 1);

	if (r->failed || at > r->len || r->len - at < n) {
		r->failed = true;
		return NULL;
	}
	r->at = at + n;
	return r->data + at;
}

static uint16_t get16(struct reader *r)
{
	const uint8_t *p = ndr_take(r, 2, 2);

	return p == NULL ? 0 : ocs_get16(p);
}

static uint32_t get32(struct reader *r)
{
	const uint8_t *p = ndr_take(r, 4, 4);

	return p == NULL ? 0 : ocs_get32(p);
}

static void ndr_expect(struct reader *r, bool good)
{
	if (!good)
		r->failed = true;
}

static void get_handle(struct reader *r, struct ocs_ndr_handle *out)
{
	const uint8_t *p;

	out->attributes = get32(r);
	p = ndr_take(r, 1, sizeof(out->uuid));
	if (p != NULL)
		memcpy(out->uuid, p, sizeof(out->uuid));
}

/* [size_is(n)] byte []; its length comes again as a parameter of its own. */
static void get_bytes(struct reader *r, struct ocs_ndr_bytes *out)
{
	out->len = get32(r);
	out->data = ndr_take(r, 1, out->len);
}

/* [string] char *: a maximum, an offset, a count that includes the NUL. */
static const char *get_string(struct reader *r)
{
	uint32_t max = get32(r), offset = get32(r), count = get32(r);
	const char *text;

	ndr_expect(r, offset == 0 && count >= 1 && count <= max);
	text = (const char *)ndr_take(r, 1, count);
	if (text == NULL || memchr(text, '\0', count) != text + count - 1) {
		r->failed = true;
		return NULL;
	}
	return text;
}

static bool ndr_complete(const struct reader *r)
{
	return !r->failed && r->at == r->len;
}

bool ocs_ndr_handle_is_null(const struct ocs_ndr_handle *handle)
{
	static const struct ocs_ndr_handle null;

	return handle->attributes == 0 && memcmp(handle->uuid, null.uuid, sizeof(null.uuid)) == 0;
}

bool ocs_ndr_pull_handle(const uint8_t *stub, size_t len, struct ocs_ndr_handle *out)
{
	struct reader r = {.data = stub, .len = len};

	get_handle(&r, out);
	return ndr_complete(&r);
}

bool ocs_ndr_pull_register_push(const uint8_t *stub, size_t len, struct ocs_ndr_push_in *out)
{
	struct reader r = {.data = stub, .len = len};

	get_handle(&r, &out->cxh);
	out->rpc = get32(&r);
	get_bytes(&r, &out->context);
	ndr_expect(&r, get16(&r) == out->context.len);
	out->advise_bits = get32(&r);
	get_bytes(&r, &out->address);
	ndr_expect(&r, get16(&r) == out->address.len);
	return ndr_complete(&r);
}

static void get_aux(struct reader *r, struct ocs_ndr_bytes *in, uint32_t *out)
{
	get_bytes(r, in);
	ndr_expect(r, in->len <= OCSEMSMDB_AUX_MAX);
	ndr_expect(r, get32(r) == in->len);
	*out = get32(r);
	ndr_expect(r, *out <= OCSEMSMDB_AUX_MAX);
}

bool ocs_ndr_pull_connect(const uint8_t *stub, size_t len, struct ocs_ndr_connect_in *out)
{
	struct reader r = {.data = stub, .len = len};

	out->user_dn = get_string(&r);
	out->flags = get32(&r);
	out->con_mod = get32(&r);
	out->limit = get32(&r);
	out->code_page = get32(&r);
	out->lcid_string = get32(&r);
	out->lcid_sort = get32(&r);
	out->link = get32(&r);
	out->can_convert = get16(&r);
	for (int i = 0; i < 3; i++)
		out->client_version[i] = get16(&r);
	out->time_stamp = get32(&r);
	get_aux(&r, &out->aux, &out->aux_out);
	return ndr_complete(&r);
}

bool ocs_ndr_pull_rpc(const uint8_t *stub, size_t len, struct ocs_ndr_rpc_in *out)
{
	struct reader r = {.data = stub, .len = len};

	get_handle(&r, &out->cxh);
	out->flags = get32(&r);
	get_bytes(&r, &out->rops);
	ndr_expect(&r, out->rops.len <= OCSEMSMDB_CB_MAX);
	ndr_expect(&r, get32(&r) == out->rops.len);
	out->rops_out = get32(&r);
	ndr_expect(&r, out->rops_out <= OCSEMSMDB_CB_MAX);
	get_aux(&r, &out->aux, &out->aux_out);
	return ndr_complete(&r);
}

bool ocs_ndr_pull_wait(const uint8_t *stub, size_t len, struct ocs_ndr_handle *acxh_r,
                       uint32_t *flags_r)
{
	struct reader r = {.data = stub, .len = len};

	get_handle(&r, acxh_r);
	*flags_r = get32(&r);
	return ndr_complete(&r);
}

/* ---- writing ---- */

struct writer {
	uint8_t *data;
	size_t size, at;
	bool failed;
};

static uint8_t *ndr_room(struct writer *w, size_t align, size_t n)
{
	size_t at = (w->at + align - 1) & ~(align - 1);

	if (w->failed || at > w->size || w->size - at < n) {
		w->failed = true;
		return NULL;
	}
	memset(w->data + w->at, 0, at - w->at);
	w->at = at + n;
	return w->data + at;
}

static void put16(struct writer *w, uint16_t value)
{
	uint8_t *p = ndr_room(w, 2, 2);

	if (p != NULL)
		ocs_put16(p, value);
}

static void put32(struct writer *w, uint32_t value)
{
	uint8_t *p = ndr_room(w, 4, 4);

	if (p != NULL)
		ocs_put32(p, value);
}

static void put_handle(struct writer *w, const struct ocs_ndr_handle *handle)
{
	uint8_t *p;

	put32(w, handle->attributes);
	p = ndr_room(w, 1, sizeof(handle->uuid));
	if (p != NULL)
		memcpy(p, handle->uuid, sizeof(handle->uuid));
}

/* [out, string] char **: a referent id of the writer's choice, then the string itself. */
static void put_string(struct writer *w, uint32_t referent, const char *text)
{
	size_t count = strlen(text) + 1;
	uint8_t *p;

	put32(w, referent);
	put32(w, (uint32_t)count);
	put32(w, 0);
	put32(w, (uint32_t)count);
	p = ndr_room(w, 1, count);
	if (p != NULL)
		memcpy(p, text, count);
}

/* [size_is(n), length_is(n)] byte [] of no bytes, and n. */
static void put_no_bytes(struct writer *w)
{
	for (int i = 0; i < 4; i++)
		put32(w, 0);
}

static size_t ndr_written(const struct writer *w)
{
	return w->failed ? 0 : w->at;
}

size_t ocs_ndr_push_handle(const struct ocs_ndr_handle *handle, uint32_t result, uint8_t *out,
                           size_t size)
{
	struct writer w = {.data = out, .size = size};

	put_handle(&w, handle);
	put32(&w, result);
	return ndr_written(&w);
}

size_t ocs_ndr_push_register_push(const struct ocs_ndr_handle *cxh, uint32_t notification,
                                  uint32_t result, uint8_t *out, size_t size)
{
	struct writer w = {.data = out, .size = size};

	put_handle(&w, cxh);
	put32(&w, notification);
	put32(&w, result);
	return ndr_written(&w);
}

size_t ocs_ndr_push_connect(const struct ocs_ndr_connect_out *connect, uint8_t *out, size_t size)
{
	struct writer w = {.data = out, .size = size};

	put_handle(&w, &connect->cxh);
	put32(&w, connect->polls_max);
	put32(&w, connect->retry);
	put32(&w, connect->retry_delay);
	put16(&w, connect->index);
	put_string(&w, 0x00020000, connect->dn_prefix);
	put_string(&w, 0x00020004, connect->display_name);
	for (int i = 0; i < 3; i++)
		put16(&w, connect->server_version[i]);
	for (int i = 0; i < 3; i++)
		put16(&w, connect->best_version[i]);
	put32(&w, connect->time_stamp);
	put_no_bytes(&w);
	put32(&w, connect->result);
	return ndr_written(&w);
}

size_t ocs_ndr_push_rpc(const struct ocs_ndr_handle *cxh, size_t rops_len, uint32_t transfer_time,
                        uint32_t result, uint8_t *out, size_t size)
{
	struct writer w = {.data = out, .size = size};

	put_handle(&w, cxh);
	put32(&w, 0); /* pulFlags */
	put32(&w, (uint32_t)rops_len);
	put32(&w, 0);
	put32(&w, (uint32_t)rops_len);
	ndr_room(&w, 1, rops_len);
	put32(&w, (uint32_t)rops_len);
	put_no_bytes(&w);
	put32(&w, transfer_time);
	put32(&w, result);
	return ndr_written(&w);
}

void ocs_ndr_push_wait(uint32_t flags, uint32_t result, uint8_t out[OCS_NDR_WAIT_OUT])
{
	ocs_put32(out, flags);
	ocs_put32(out + 4, result);
}

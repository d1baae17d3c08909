/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The layout of ROP requests. Pure functions over the caller's memory.
 *
 * The table has one row for each ROP, with its fields after RopId, LogonId and the first handle
 * index. ROPs whose requests carry property values are missing (RopModifyRules and
 * RopModifyPermissions, and the importers of RopSynchronizationImport*): without a store there is
 * nothing they could be sent for, and what is not known ends the call, as the standard has it.
 */
#include "libocsemsmdb/request.h"

#include <string.h>

#include "ocsemsmdb.h"
#include "base/bytes.h"

/*
 * Fields, one letter each: B W D Q fixed of 1, 2, 4, 8 bytes; G a GUID, L a LongTermID; o a handle
 * index that the response carries, h one that it does not, i the InputHandleIndex where the first
 * one is the response's; s S bytes behind a size of 16 or 32 bits; t q w a count of 16 bits and
 * that many of 4, 8, 2 bytes; a a string of single bytes, U a UseUnicode byte, u a string by it; g
 * a Boolean and if it is set a GUID; r R a size that, when it is 0xBABE, 4 or 2 more bytes follow;
 * and c sort orders, p property names, n recipients, N what RopRegisterNotification has.
 */
static const struct layout {
	uint8_t rop;
	const char *fields;
	uint8_t failure_more; /* zero bytes behind ReturnValue in a response that fails */
} layouts[] = {
        {0x01, "", 0},        {0x02, "oQB", 0},  {0x03, "oWQBQ", 0}, {0x04, "oB", 0},
        {0x05, "oB", 0},      {0x06, "oWQB", 0}, {0x07, "WWt", 0},   {0x08, "WW", 0},
        {0x09, "", 0},        {0x0a, "s", 0},    {0x0b, "t", 0},     {0x0c, "iB", 0},
        {0x0d, "D", 0},       {0x0e, "tn", 0},   {0x0f, "DW", 0},    {0x10, "W", 0},
        {0x11, "iB", 0},      {0x12, "Bt", 0},   {0x13, "Bc", 0},    {0x14, "Bs", 0},
        {0x15, "BBW", 0},     {0x16, "", 0},     {0x17, "", 0},      {0x18, "BDB", 0},
        {0x19, "sDB", 0},     {0x1a, "DD", 0},   {0x1b, "", 0},      {0x1c, "oBUBBuu", 0},
        {0x1d, "BQ", 1},      {0x1e, "BBq", 1},  {0x1f, "Q", 0},     {0x20, "QDD", 0},
        {0x21, "oB", 0},      {0x22, "oBD", 0},  {0x23, "o", 0},     {0x24, "D", 0},
        {0x25, "iB", 0},      {0x26, "Qa", 0},   {0x27, "a", 0},     {0x29, "oN", 0},
        {0x2b, "oDB", 0},     {0x2c, "r", 2},    {0x2d, "s", 2},     {0x2e, "BQ", 0},
        {0x2f, "Q", 0},       {0x30, "sqD", 0},  {0x31, "BBB", 0},   {0x32, "B", 0},
        {0x33, "hqBB", 1},    {0x34, "QQ", 0},   {0x35, "hBUQu", 1}, {0x36, "hBBUQu", 1},
        {0x37, "", 0},        {0x38, "", 0},     {0x39, "hBBBt", 0}, {0x3a, "hQ", 16},
        {0x3b, "o", 0},       {0x3e, "oB", 0},   {0x3f, "oB", 0},    {0x42, "Q", 0},
        {0x43, "Q", 0},       {0x44, "L", 0},    {0x45, "Q", 0},     {0x46, "oWB", 0},
        {0x47, "", 0},        {0x48, "QB", 0},   {0x49, "", 0},      {0x4a, "", 0},
        {0x4b, "oqBB", 0},    {0x4c, "oBB", 0},  {0x4d, "oBDBt", 0}, {0x4e, "R", 9},
        {0x4f, "BsBs", 0},    {0x50, "B", 0},    {0x51, "QQaD", 0},  {0x52, "", 0},
        {0x53, "oBB", 0},     {0x54, "s", 9},    {0x55, "w", 0},     {0x56, "Bp", 0},
        {0x57, "ss", 0},      {0x58, "BB", 1},   {0x59, "WQ", 0},    {0x5a, "Q", 0},
        {0x5b, "QQD", 0},     {0x5c, "QQD", 0},  {0x5d, "", 0},      {0x5e, "", 0},
        {0x5f, "Bg", 0},      {0x60, "G", 0},    {0x61, "L", 0},     {0x63, "LBDW", 0},
        {0x66, "BBq", 1},     {0x67, "hBBt", 0}, {0x68, "", 0},      {0x69, "oBBBt", 0},
        {0x6b, "QD", 0},      {0x6c, "s", 0},    {0x6d, "", 0},      {0x6f, "aB", 0},
        {0x70, "oBBWsDt", 0}, {0x75, "DD", 0},   {0x76, "S", 0},     {0x77, "", 0},
        {0x79, "s", 0},       {0x7a, "t", 0},    {0x7b, "", 0},      {0x7e, "oB", 0},
        {0x7f, "D", 0},       {0x80, "s", 0},    {0x81, "", 0},      {0x82, "o", 0},
        {0x86, "WWW", 0},     {0x89, "s", 0},    {0x90, "s", 2},     {0x91, "BBq", 1},
        {0x92, "BB", 1},      {0x93, "s", 0},    {0xfe, "BDDs", 0},
};

#define ROP_SET_MESSAGE_STATUS 0x20
#define ROP_GET_MESSAGE_STATUS 0x1f

#define SIZE_IS_ELSEWHERE 0xbabe

struct cursor {
	const uint8_t *data;
	size_t len, at;
	bool failed, unicode;
};

static const uint8_t *rop_skip(struct cursor *c, size_t n)
{
	const uint8_t *p = c->data + c->at;

	if (c->failed || c->len - c->at < n) {
		c->failed = true;
		return NULL;
	}
	c->at += n;
	return p;
}

static uint8_t get8(struct cursor *c)
{
	const uint8_t *p = rop_skip(c, 1);

	return p == NULL ? 0 : *p;
}

static uint16_t get16(struct cursor *c)
{
	const uint8_t *p = rop_skip(c, 2);

	return p == NULL ? 0 : ocs_get16(p);
}

static void skip_string(struct cursor *c, size_t width)
{
	const uint8_t *p;

	do
		p = rop_skip(c, width);
	while (p != NULL && (p[0] != 0 || p[width - 1] != 0));
}

/* PropertyName, MS-OXCDATA 2.6.1 */
static void skip_name(struct cursor *c)
{
	uint8_t kind = get8(c);

	rop_skip(c, 16);
	if (kind == 0)
		rop_skip(c, 4);
	else if (kind == 1)
		rop_skip(c, get8(c));
	else if (kind != 0xff)
		c->failed = true;
}

static void skip_names(struct cursor *c)
{
	for (unsigned n = get16(c); n > 0 && !c->failed; n--)
		skip_name(c);
}

static void skip_recipients(struct cursor *c)
{
	for (unsigned n = get16(c); n > 0 && !c->failed; n--) {
		rop_skip(c, 5); /* RowId, RecipientType */
		rop_skip(c, get16(c));
	}
}

/* MS-OXCROPS 2.2.5.2.1 */
static void skip_sort_orders(struct cursor *c)
{
	size_t count = get16(c);

	rop_skip(c, 4); /* CategoryCount, ExpandedCount */
	rop_skip(c, 5 * count);
}

static void skip_registration(struct cursor *c)
{
	const uint8_t *p = rop_skip(c, 2);

	/* MS-OXCROPS 2.2.14.1.1: Reserved is there only with Extended. */
	if (p != NULL && (ocs_get16(p) & 0x0400) != 0)
		rop_skip(c, 1);
	if (get8(c) == 0)
		rop_skip(c, 16);
}

static void skip_field(struct cursor *c, char field)
{
	size_t n;

	switch (field) {
	case 'B':
	case 'o':
	case 'h':
	case 'i':
		rop_skip(c, 1);
		break;
	case 'U':
		c->unicode = get8(c) != 0;
		break;
	case 'W':
		rop_skip(c, 2);
		break;
	case 'D':
		rop_skip(c, 4);
		break;
	case 'Q':
		rop_skip(c, 8);
		break;
	case 'G':
		rop_skip(c, 16);
		break;
	case 'L':
		rop_skip(c, 24);
		break;
	case 's':
		rop_skip(c, get16(c));
		break;
	case 'S':
		n = get16(c);
		rop_skip(c, n | (size_t)get16(c) << 16);
		break;
	case 't':
		rop_skip(c, 4 * (size_t)get16(c));
		break;
	case 'q':
		rop_skip(c, 8 * (size_t)get16(c));
		break;
	case 'w':
		rop_skip(c, 2 * (size_t)get16(c));
		break;
	case 'a':
		skip_string(c, 1);
		break;
	case 'u':
		skip_string(c, c->unicode ? 2 : 1);
		break;
	case 'g':
		if (get8(c) != 0)
			rop_skip(c, 16);
		break;
	case 'r':
	case 'R':
		if (get16(c) == SIZE_IS_ELSEWHERE)
			rop_skip(c, field == 'r' ? 4 : 2);
		break;
	case 'c':
		skip_sort_orders(c);
		break;
	case 'p':
		skip_names(c);
		break;
	case 'n':
		skip_recipients(c);
		break;
	case 'N':
		skip_registration(c);
		break;
	default:
		c->failed = true;
	}
}

static const struct layout *find_layout(uint8_t rop)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].rop == rop)
			return &layouts[i];
	return NULL;
}

bool ocs_rop_request_read(const uint8_t *data, size_t len, struct ocs_rop_request *out)
{
	struct cursor c = {.data = data, .len = len};
	const struct layout *layout;

	if (len < 3)
		return false;
	layout = find_layout(data[0]);
	if (layout == NULL)
		return false;
	rop_skip(&c, 3);
	for (const char *field = layout->fields; *field != '\0'; field++)
		skip_field(&c, *field);
	if (c.failed)
		return false;
	*out = (struct ocs_rop_request){
	        .rop = data[0],
	        .logon_id = data[1],
	        .data = data,
	        .len = c.at,
	        .input = data[2],
	        .response = data[2],
	};
	if (layout->fields[0] == 'o') {
		out->has_output = true;
		out->output = out->response = data[3];
	} else if (layout->fields[0] == 'i') {
		out->input = data[3];
	}
	return true;
}

size_t ocs_rop_failure(const struct ocs_rop_request *request, uint32_t result,
                       uint8_t out[OCS_ROP_FAILURE_MAX])
{
	const struct layout *layout = find_layout(request->rop);

	/* RopGetMessageStatus is answered as RopSetMessageStatus: MS-OXCROPS 2.2.6.9.2. */
	out[0] = request->rop == ROP_GET_MESSAGE_STATUS ? ROP_SET_MESSAGE_STATUS : request->rop;
	out[1] = request->response;
	ocs_put32(out + 2, result);
	memset(out + 6, 0, layout->failure_more);
	return 6 + (size_t)layout->failure_more;
}

size_t ocs_rop_register_read(const uint8_t *data, size_t len, struct ocs_rop_register *out)
{
	struct ocs_rop_request request;
	const uint8_t *p;

	if (!ocs_rop_request_read(data, len, &request) ||
	    request.rop != OCS_ROP_REGISTER_NOTIFICATION)
		return 0;
	*out = (struct ocs_rop_register){
	        .logon_id = request.logon_id,
	        .input = request.input,
	        .output = request.output,
	        .types = ocs_get16(data + 4),
	};
	p = data + 6;
	if ((out->types & 0x0400) != 0)
		out->reserved = *p++;
	out->whole_store = *p++ != 0;
	if (!out->whole_store) {
		out->folder_id = ocs_get64(p);
		out->message_id = ocs_get64(p + 8);
	}
	return request.len;
}

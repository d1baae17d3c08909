/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ROP requests as MS-OXCROPS 2.2 lays them out: where one ends, which handles it names, and the
 * response it gets when it fails.
 */
#ifndef OCS_LIBOCSEMSMDB_REQUEST_H
#define OCS_LIBOCSEMSMDB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ocs_rop {
	OCS_ROP_RELEASE = 0x01,
	OCS_ROP_OPEN_FOLDER = 0x02,
	OCS_ROP_GET_HIERARCHY_TABLE = 0x04,
	OCS_ROP_GET_CONTENTS_TABLE = 0x05,
	OCS_ROP_SET_COLUMNS = 0x12,
	OCS_ROP_SORT_TABLE = 0x13,
	OCS_ROP_RESTRICT = 0x14,
	OCS_ROP_QUERY_ROWS = 0x15,
	OCS_ROP_GET_STATUS = 0x16,
	OCS_ROP_QUERY_POSITION = 0x17,
	OCS_ROP_SEEK_ROW = 0x18,
	OCS_ROP_SEEK_ROW_FRACTIONAL = 0x1a,
	OCS_ROP_REGISTER_NOTIFICATION = 0x29,
	OCS_ROP_NOTIFY = 0x2a,
	OCS_ROP_QUERY_COLUMNS_ALL = 0x37,
	OCS_ROP_FIND_ROW = 0x4f,
	OCS_ROP_PENDING = 0x6e,
	OCS_ROP_RESET_TABLE = 0x81,
	OCS_ROP_LOGON = 0xfe,
	OCS_ROP_BUFFER_TOO_SMALL = 0xff,
};

struct ocs_rop_request {
	uint8_t rop, logon_id;
	const uint8_t *data; /* from its RopId on */
	size_t len;
	uint8_t input;    /* InputHandleIndex; of RopLogon the output's */
	bool has_output;  /* output is valid */
	uint8_t output;   /* OutputHandleIndex */
	uint8_t response; /* handle index that a response carries */
};

/* Reads the request that begins at data. False if its RopId is not known (the rest is then not
 * parsable) or if it is cut. */
bool ocs_rop_request_read(const uint8_t *data, size_t len, struct ocs_rop_request *out);

/* The response of a request that fails: its length, at most OCS_ROP_FAILURE_MAX. */
#define OCS_ROP_FAILURE_MAX 22
size_t ocs_rop_failure(const struct ocs_rop_request *request, uint32_t result,
                       uint8_t out[OCS_ROP_FAILURE_MAX]);

/* RopRegisterNotification, MS-OXCROPS 2.2.14.1.1. */
struct ocs_rop_register {
	uint8_t logon_id, input, output;
	uint16_t types;
	uint8_t reserved;
	bool whole_store;
	uint64_t folder_id, message_id;
};
/* The request's length, 0 if it is cut. */
size_t ocs_rop_register_read(const uint8_t *data, size_t len, struct ocs_rop_register *out);

#endif

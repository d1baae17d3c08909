/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* RPC_HEADER_EXT and DIRECT2: every vector, every length checked. */
#include "libocsemsmdb/lz77.h"
#include "tests/unit/libocsemsmdb/emsmdb_rig.h"

static uint8_t out[OCSEMSMDB_PAYLOAD_MAX];
static size_t len, used;
static bool last;

static uint32_t unwrap(const uint8_t *in, size_t in_len)
{
	return ocsemsmdb_ext_unwrap(in, in_len, out, sizeof(out), &len, &used, &last);
}

static uint32_t unwrap_hex(const char *hex)
{
	uint8_t in[4096];

	return unwrap(in, emsmdb_hex(hex, in));
}

TEST(the_idle_request_is_two_bytes_plain_or_xored)
{
	static const char *const names[] = {"ext_idle_request", "ext_idle_request_xormagic"};
	uint8_t in[64];

	for (int i = 0; i < 2; i++) {
		size_t n = emsmdb_vector(names[i], in);

		ck_assert_uint_eq(unwrap(in, n), 0);
		ck_assert_uint_eq(len, 2);
		ck_assert_mem_eq(out, "\x02\x00", 2);
		ck_assert_uint_eq(used, n);
		ck_assert(last);
	}
}

TEST(plain_and_xored_vectors_carry_the_same_payload)
{
	uint8_t plain[64], magic[64];
	size_t n = emsmdb_vector("ext_response_one_newmail", plain);

	ck_assert_uint_eq(emsmdb_vector("ext_response_one_newmail_xormagic", magic), n);
	ck_assert_uint_eq(unwrap(magic, n), 0);
	ck_assert_uint_eq(len, n - 8);
	ck_assert_mem_eq(out, plain + 8, len);
}

TEST(a_header_is_written_as_in_the_vectors)
{
	uint8_t vector[64], header[8];

	emsmdb_vector("ext_register_response", vector);
	ocsemsmdb_ext_header(16, header);
	ck_assert_mem_eq(header, vector, 8);
	emsmdb_vector("rpc_header_ext_response_example", vector);
	ocsemsmdb_ext_header(0x52, header);
	ck_assert_mem_eq(header, vector, 8);
}

TEST(fewer_than_eight_bytes_are_rpc_failed)
{
	uint8_t in[16];
	size_t n = emsmdb_vector("neg_rgbin_7_bytes", in);

	for (; n > 0; n--)
		ck_assert_uint_eq(unwrap(in, n), OCSEMSMDB_EC_RPC_FAILED);
	ck_assert_uint_eq(unwrap(in, 0), OCSEMSMDB_EC_RPC_FAILED);
}

TEST(a_header_that_does_not_fit_its_data_is_rpc_format)
{
	static const char *const bad[] = {
	        "01000400020002000200",     /* Version 1 */
	        "00000c00020002000200",     /* an unknown flag */
	        "00000400030003000200",     /* Size past the end */
	        "00000400020003000200",     /* plain, Size and SizeActual differ */
	        "0000040002000100020000",   /* the same, the other way */
	        "00000500020002000200",     /* compressed, not smaller */
	        "000005000200010002000000", /* compressed, larger */
	        "00000400ffffffff0200",     /* more than 32 KB */
	        "00000500020001800200",     /* 32 KB + 1 unpacked */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(unwrap_hex(bad[i]) == OCSEMSMDB_EC_RPC_FORMAT, "%s", bad[i]);
}

TEST(a_payload_larger_than_the_callers_buffer_is_refused)
{
	uint8_t in[16], small[5];
	size_t n = emsmdb_vector("ext_idle_request_one_handle", in);

	ck_assert_uint_eq(ocsemsmdb_ext_unwrap(in, n, small, sizeof(small), &len, &used, &last),
	                  OCSEMSMDB_EC_RPC_FORMAT);
}

TEST(a_chain_is_taken_apart_one_payload_at_a_time)
{
	uint8_t in[32];
	size_t n = emsmdb_hex("00000000020002000200"
	                      "0000060002000200a7a5",
	                      in);

	ck_assert_uint_eq(unwrap(in, n), 0);
	ck_assert_uint_eq(used, 10);
	ck_assert(!last);
	ck_assert_uint_eq(unwrap(in + used, n - used), 0);
	ck_assert_uint_eq(used, 10);
	ck_assert(last);
}

TEST(a_compressed_payload_is_xored_first_then_decompressed)
{
	uint8_t in[64] = {0}, expected[300];
	size_t n = emsmdb_vector("lz77_long_match", in + 8);

	ocs_put16(in + 2, 0x0007);
	ocs_put16(in + 4, (uint16_t)n);
	ocs_put16(in + 6, 300);
	for (size_t i = 0; i < n; i++)
		in[8 + i] ^= 0xa5;
	for (size_t i = 0; i < 300; i++)
		expected[i] = (uint8_t) "abc"[i % 3];
	ck_assert_uint_eq(unwrap(in, 8 + n), 0);
	ck_assert_uint_eq(len, 300);
	ck_assert_mem_eq(out, expected, 300);
	ocs_put16(in + 6, 301);
	ck_assert_uint_eq(unwrap(in, 8 + n), OCSEMSMDB_EC_RPC_FORMAT);
	ocs_put16(in + 6, 299);
	ck_assert_uint_eq(unwrap(in, 8 + n), OCSEMSMDB_EC_RPC_FORMAT);
}

/* ---- DIRECT2 ---- */

static bool inflate(const char *hex, size_t out_len)
{
	uint8_t in[256];

	return ocs_lz77_decompress(in, emsmdb_hex(hex, in), out, out_len);
}

TEST(literals_stand_for_themselves)
{
	uint8_t in[64];
	size_t n = emsmdb_vector("lz77_literals_only", in);

	ck_assert(ocs_lz77_decompress(in, n, out, 26));
	ck_assert_mem_eq(out, "abcdefghijklmnopqrstuvwxyz", 26);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert(!ocs_lz77_decompress(in, cut, out, 26));
	ck_assert(!ocs_lz77_decompress(in, n, out, 25));
	ck_assert(!ocs_lz77_decompress(in, n, out, 27));
}

TEST(each_form_of_length_is_read)
{
	/* One literal, then a match of distance 1 of each form. */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0600",
	                  1 + 9)); /* code 6: 9 */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "00",
	                  1 + 10)); /* nibble 0: 10 */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "0e",
	                  1 + 24)); /* nibble 14: 24 */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "0f"
	                  "00",
	                  1 + 25)); /* byte 0: 25 */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "0f"
	                  "fe",
	                  1 + 279)); /* byte 254: 279 */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "0f"
	                  "ff"
	                  "0010",
	                  1 + 4099)); /* word: itself and 3 */
	for (size_t i = 0; i < 4100; i++)
		ck_assert_uint_eq(out[i], 'a');
}

TEST(two_long_matches_share_the_byte_of_their_nibbles)
{
	/* Low half 1 (11 bytes), then after another match's word the high half 2 (12 bytes). */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "21"
	                  "0700",
	                  1 + 11 + 12));
	/* A third one takes a fresh byte. */
	ck_assert(inflate("ffffff7f"
	                  "61"
	                  "0700"
	                  "21"
	                  "0700"
	                  "0700"
	                  "03",
	                  1 + 11 + 12 + 13));
}

TEST(a_match_before_the_beginning_is_refused)
{
	ck_assert(!inflate("ffffff7f"
	                   "61"
	                   "0800",
	                   4)); /* distance 2, one byte is there */
	ck_assert(!inflate("ffffffff"
	                   "0000",
	                   3)); /* nothing is there */
}

TEST(what_ends_within_an_item_is_refused)
{
	ck_assert(!inflate("ffffff", 1));
	ck_assert(!inflate("ffffff7f6100", 4));
	ck_assert(!inflate("ffffff7f610700", 11));
	ck_assert(!inflate("ffffff7f6107000f", 26));
	ck_assert(!inflate("ffffff7f6107000fff00", 1000));
	ck_assert(!inflate("", 1));
	ck_assert(inflate("", 0));
}

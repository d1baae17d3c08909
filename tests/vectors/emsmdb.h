/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Vectors of MS-OXCROPS, MS-OXCRPC and MS-OXCTABL: published examples, and some derived from the
 * field tables. */
#ifndef OCS_VECTORS_EMSMDB_H
#define OCS_VECTORS_EMSMDB_H

#include <stddef.h>
#include <string.h>

struct emsmdb_vector {
	const char *name;
	const char *hex;
};

static const struct emsmdb_vector emsmdb_vectors[] = {
        {"rop_buffer_empty", "0200"},
        {"rop_getcontentstable_request", "0500000100"},
        {"rop_gethierarchytable_response", "04020000000015000000"},
        {"rop_setcolumns_request", "1200010006001400486714004a6714004d6703004e671f0037004000060e"},
        {"rop_abortsubmit_request_fid_mid", "34000001000003b479ca4701000003b7e65fa7"},
        {"rpc_header_ext_request_example", "00000400520152014201"},
        {"rpc_header_ext_response_example", "00000400520052004200"},
        {"ropregister_newmail_whole_store", "29000001020001"},
        {"ropregister_object_events_whole_store", "290000017e0001"},
        {"ropregister_newmail_folder", "2900000102000001000003b479ca470000000000000000"},
        {"ropregister_all_folder", "29000001fe010001000003b479ca470000000000000000"},
        {"ropregister_table_whole_store", "29000001000101"},
        {"ropregister_response_success", "290100000000"},
        {"ropregister_response_null_object", "2901b9040000"},
        {"ropregister_response_invalid_param", "290157000780"},
        {"rop_release_subscription", "010000"},
        {"rop_getcontentstable_nonotifications", "0500000110"},
        {"rop_gethierarchytable_nonotifications", "0400000110"},
        {"rop_gethierarchytable_depth", "0400000104"},
        {"roppending_session5", "6e0500"},
        {"roppending_session_ffff", "6effff"},
        {"rop_buffertoosmall", "ff00800500000100"},
        {"ext_idle_request", "00000400020002000200"},
        {"ext_idle_request_xormagic", "0000060002000200a7a5"},
        {"ext_idle_request_one_handle", "00000400060006000200ffffffff"},
        {"ext_idle_response_nothing", "00000400020002000200"},
        {"ext_response_one_newmail", "000004002800280028002a0a00000000028001000003b479ca4701000003b"
                                     "7e65fa7000000000049504d2e4e6f746500"},
        {"ext_response_one_newmail_xormagic", "00000600280028008da58fafa5a5a5a5a725a4a5a5a611dc6fe2"
                                              "a4a5a5a61243fa02a5a5a5a5a5ecf5e88bebcad1c0a5"},
        {"ext_register_request", "000004001100110009002900000102000111000000ffffffff"},
        {"ext_register_response", "00000400100010000800290100000000110000000a000000"},
        {"lz77_literals_only", "3f0000006162636465666768696a6b6c6d6e6f707172737475767778797a"},
        {"lz77_long_match", "ffffff1f61626317000fff2601"},
        {"ndr_disconnect_in", "0000000033221100554477668899aabbccddeeff"},
        {"ndr_disconnect_out", "000000000000000000000000000000000000000000000000"},
        {"ndr_registerpush_in_ipv4",
         "0000000033221100554477668899aabbccddeeff0000000008000000010203040506070808000000ffffffff1"
         "000000002008707c000020a00000000000000001000"},
        {"ndr_registerpush_in_ipv6",
         "0000000033221100554477668899aabbccddeeff0000000008000000010203040506070808000000ffffffff1"
         "c000000170087070000000020010db8000000000000000000000010000000001c00"},
        {"ndr_registerpush_in_ctx16",
         "0000000033221100554477668899aabbccddeeff0000000010000000000102030405060708090a0b0c0d0e0f1"
         "0000000ffffffff1000000002008707c000020a00000000000000001000"},
        {"ndr_registerpush_out_ok", "0000000033221100554477668899aabbccddeeff0100000000000000"},
        {"ndr_registerpush_out_notsupported",
         "0000000033221100554477668899aabbccddeeff0000000002010480"},
        {"ndr_rpcext2_in_idle", "0000000033221100554477668899aabbccddeeff030000000a0000000000040002"
                                "000200020000000a00000008800100000000000000000008100000"},
        {"ndr_rpcext2_out_rpcformat",
         "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "0000000000000000000000000000000b6040000"},
        {"ndr_asyncconnect_in", "0000000033221100554477668899aabbccddeeff"},
        {"ndr_asyncconnect_out", "0000000044332211665588779900aabbccddeeff00000000"},
        {"ndr_asyncconnect_out_rejected", "0000000000000000000000000000000000000000ee070000"},
        {"ndr_asyncwait_in", "0000000044332211665588779900aabbccddeeff00000000"},
        {"ndr_asyncwait_out_pending", "0100000000000000"},
        {"ndr_asyncwait_out_timeout", "0000000000000000"},
        {"ndr_asyncwait_out_rejected", "00000000ee070000"},
        {"ndr_asyncwait_out_exiting", "00000000ed030000"},
        {"ndr_connectex_in",
         "4d000000000000004d0000002f6f3d4669727374204f7267616e697a6174696f6e2f6f753d466972737420416"
         "46d696e6973747261746976652047726f75702f434e3d726563697069656e74732f434e3d6a616e65646f7700"
         "000000000000006705340000000000e40400000904000009040000ffffffff01000c003e18e80300000000000"
         "000000000000008100000"},
        {"ndr_connectex_out",
         "0000000033221100554477668899aabbccddeeff60ea000006000000102700000500000000000200010000000"
         "00000000100000000000000040002000900000000000000090000004a616e6520446f770000000f4f83c80f0c"
         "003e18e8030000785634120000000000000000000000000000000000000000"},
        {"neg_rgbin_7_bytes", "00000400020002"},
};
#define EMSMDB_VECTOR_COUNT (sizeof(emsmdb_vectors) / sizeof(emsmdb_vectors[0]))

#endif

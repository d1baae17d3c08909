/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Fuzz targets: each is one file with LLVMFuzzerTestOneInput(), for libFuzzer (clang
 * -fsanitize=fuzzer,address,undefined) or with driver.c as a plain program that runs the vectors,
 * the files given to it, and a fixed number of mutations of both, the same in each run.
 */
#ifndef OCS_FUZZ_FUZZ_H
#define OCS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs of a target that is fed text, up to a NULL; of one that is fed other bytes, up to one
 * without any. One that has neither is fed the vectors. */
struct fuzz_blob {
	const char *bytes;
	size_t len;
};
#define FUZZ_BLOB(literal)                                                                         \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}
extern const char *const fuzz_texts[] __attribute__((weak));
extern const struct fuzz_blob fuzz_blobs[] __attribute__((weak));
/* How many times fewer mutations of them a target can afford than others. */
extern const unsigned fuzz_cost __attribute__((weak));

/* What must hold for any input: a crash that says where. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif

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
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs of a target that is fed text, up to a NULL. One that has none is fed the vectors. */
extern const char *const fuzz_texts[] __attribute__((weak));

/* What must hold for any input: a crash that says where. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#endif

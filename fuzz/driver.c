/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Runs a fuzz target without libFuzzer:  PROGRAM [-n MUTATIONS] [FILE...]
 *
 * Inputs are the target's texts or blobs, or the vectors behind each of the first bytes that
 * targets choose by; and the files. Reads the files, writes one line to stdout; ends by a signal if
 * the target finds something.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "tests/vectors/emsmdb.h"

#define INPUT_MAX     4096
#define CHOICES       32
#define MUTATIONS_MAX 8
/* The same ones in each build: without a sanitizer there is less that can be seen. */
#ifdef __SANITIZE_ADDRESS__
#define MUTATIONS 40
#else
#define MUTATIONS 10
#endif
#define TEXT_SHARE 256 /* there are few of them, and the vectors come CHOICES times */

static uint64_t state = 0x9e3779b97f4a7c15u;
static unsigned long runs;

/* xorshift64 */
static size_t pick(size_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % below);
}

/* In memory of its own, so that a read past the end is seen. */
static void fuzz_try(const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len + (len == 0));

	if (exact == NULL)
		exit(2);
	memcpy(exact, data, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	runs++;
}

static size_t mutate_once(uint8_t *data, size_t len)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x02, 0x03, 0x7f, 0x80, 0xfe, 0xff, 0xbe, 0xba};
	size_t at = pick(len), n;

	switch (pick(6)) {
	case 0:
		data[at] ^= (uint8_t)(1u << pick(8));
		return len;
	case 1:
		data[at] = edges[pick(sizeof(edges))];
		return len;
	case 2:
		data[at] = (uint8_t)pick(256);
		return len;
	case 3: /* cut out */
		n = 1 + pick(len - at);
		if (n == len)
			return len;
		memmove(data + at, data + at + n, len - at - n);
		return len - n;
	case 4: /* double */
		n = 1 + pick(len - at);
		if (len + n > INPUT_MAX)
			return len;
		memmove(data + at + n, data + at, len - at);
		return len + n;
	default: /* cut off */
		return at == 0 ? len : at;
	}
}

static void mutate(const uint8_t *seed, size_t len, unsigned long count)
{
	uint8_t data[INPUT_MAX];

	fuzz_try(seed, len);
	for (unsigned long i = 0; i < count && len > 0; i++) {
		size_t n = len;

		memcpy(data, seed, len);
		for (size_t steps = 1 + pick(MUTATIONS_MAX); steps > 0; steps--)
			n = mutate_once(data, n);
		fuzz_try(data, n);
	}
}

static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t len = 0;
	unsigned byte;

	for (; len < INPUT_MAX - 1 && sscanf(hex + 2 * len, "%2x", &byte) == 1; len++)
		out[len] = (uint8_t)byte;
	return len;
}

static unsigned cost(void)
{
	return &fuzz_cost == NULL ? 1 : fuzz_cost;
}

static int run_file(const char *path, unsigned long count)
{
	uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t len;

	if (file == NULL) {
		perror(path);
		return -1;
	}
	len = fread(data, 1, sizeof(data), file);
	(void)fclose(file);
	mutate(data, len, (count + cost() - 1) / cost());
	return 0;
}

/* Those of the target itself; whether it has any. */
static int run_own(unsigned long count)
{
	count = count * TEXT_SHARE / cost();
	for (size_t i = 0; fuzz_texts != NULL && fuzz_texts[i] != NULL; i++)
		mutate((const uint8_t *)fuzz_texts[i], strlen(fuzz_texts[i]), count);
	for (size_t i = 0; fuzz_blobs != NULL && fuzz_blobs[i].len > 0; i++)
		mutate((const uint8_t *)fuzz_blobs[i].bytes, fuzz_blobs[i].len, count);
	return fuzz_texts != NULL || fuzz_blobs != NULL;
}

static void run_vectors(unsigned long count)
{
	uint8_t data[INPUT_MAX];

	for (size_t i = 0; i < EMSMDB_VECTOR_COUNT; i++) {
		size_t len = 1 + bytes_of(emsmdb_vectors[i].hex, data + 1);

		for (data[0] = 0; data[0] < CHOICES; data[0]++)
			mutate(data, len, count);
	}
}

int main(int argc, char **argv)
{
	unsigned long count = MUTATIONS;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		count = strtoul(argv[2], NULL, 10);
		first = 3;
	}
	if (!run_own(count))
		run_vectors(count);
	for (int i = first; i < argc; i++)
		if (run_file(argv[i], count) != 0)
			return 2;
	/* As libcheck sums up, for who reads its programs. */
	printf("100%%: Checks: 1, Failures: 0, Errors: 0 (%lu inputs)\n", runs);
	return 0;
}

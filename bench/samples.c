/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Measured times and their percentiles, for the bench programs.
 */
#include "bench/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_samples_add(struct bench_samples *samples, uint64_t ns)
{
	if (samples->count == samples->room) {
		size_t room = samples->room ? samples->room * 2 : 65536;
		uint64_t *grown = realloc(samples->ns, room * sizeof(*grown));
		if (!grown) {
			fputs("out of memory for samples\n", stderr);
			exit(1);
		}
		samples->ns = grown;
		samples->room = room;
	}
	samples->ns[samples->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

void bench_samples_sort(struct bench_samples *samples)
{
	if (samples->count > 1)
		qsort(samples->ns, samples->count, sizeof(*samples->ns), compare);
}

double bench_samples_at(const struct bench_samples *samples, double part)
{
	if (samples->count == 0)
		return 0;
	size_t at = (size_t)(part * (double)samples->count);
	if (at >= samples->count)
		at = samples->count - 1;
	return (double)samples->ns[at] / 1000.0;
}

void bench_samples_print(struct bench_samples *samples)
{
	bench_samples_sort(samples);
	printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
	       bench_samples_at(samples, 0.5), bench_samples_at(samples, 0.99),
	       bench_samples_at(samples, 0.999), bench_samples_at(samples, 1));
}

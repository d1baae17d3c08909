/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Measured times: a growing list of nanoseconds, and its percentiles. One thread.
 */
#ifndef OCS_BENCH_SAMPLES_H
#define OCS_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct bench_samples {
	uint64_t *ns;
	size_t count, room;
};

uint64_t bench_now(void); /* CLOCK_MONOTONIC, nanoseconds */
/* Ends the program where memory is out: a bench with holes in its figures is worth nothing. */
void bench_samples_add(struct bench_samples *samples, uint64_t ns);
void bench_samples_sort(struct bench_samples *samples);
/* Of sorted samples, in microseconds; part is 0 to 1; 0 where there are none. */
double bench_samples_at(const struct bench_samples *samples, double part);
/* Prints `"p50_us":..,"p99_us":..,"p999_us":..,"max_us":..`; sorts. */
void bench_samples_print(struct bench_samples *samples);

#endif

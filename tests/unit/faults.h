/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests named test_faults, which are linked with calls.o: an operation is repeated, and
 * its first call of a kind fails, then its second, and so on until it passes. Nothing of libcheck
 * may run in the operation: it has no call to lose.
 */
#ifndef OCS_UNIT_FAULTS_H
#define OCS_UNIT_FAULTS_H

#include "tests/faults/calls.h"

/* Of a kind, spread over all that there are; with OCS_TEST_LONG it is all of them. */
#define FAULTS_POINTS 24

struct faults_operation {
	const char *name;
	/* What comes before each try and after it, without faults; may be NULL. After a fault it
	 * also checks that nothing is lost, and that the same passes now. */
	void (*before)(void);
	void (*after)(int result, bool failed);
	int (*run)(void); /* 0: it passed */
	/* Kinds that it need not survive by passing: a bit of 1 << kind each; 0: all are tried. */
	unsigned spared;
	bool without_all; /* one alone is enough: not all from the nth on */
	int cached;       /* so many descriptors may be open from then on */
	int points;       /* of a kind, so many of them; 0: FAULTS_POINTS */
};

/* What failed last, for messages; and whether removing a name could not help failing too. */
const char *faults_last(void);
bool faults_no_names(void);

/* Descriptors of the process. */
int faults_descriptors(void);

/* All kinds, each with one failure and with all from it on. Returns how many points were tried: of
 * many, some, unless OCS_TEST_LONG is set. */
unsigned faults_each(const struct faults_operation *operation);
unsigned faults_each_of(const struct faults_operation *operation, enum calls_kind kind);

#endif

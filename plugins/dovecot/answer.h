/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the plugin reads from an answer of the web service. Answers come from outside: a document
 * type declaration, another root or broken XML is no answer at all.
 */
#ifndef OCS_ANSWER_H
#define OCS_ANSWER_H

enum ocs_result {
	OCS_RESULT_DONE,    /* queued, nosubscriber, duplicate */
	OCS_RESULT_REFUSED, /* for good */
	OCS_RESULT_LATER    /* refused with a code of 5xx or 429 */
};

#define OCS_RESULTS_MAX 256

struct ocs_answer {
	/* data stack strings; "" where the element is missing */
	const char *token, *salt, *sasl;
	unsigned int ttl;        /* 0: missing */
	unsigned int error_code; /* 0: no error element under the root */
	const char *error_name;  /* letters and _ only, of the first error anywhere */
	enum ocs_result results[OCS_RESULTS_MAX]; /* one for each notification element, in order */
	unsigned int result_count;
};

/* Returns -1 if the text is no answer of the web service. */
int ocs_answer_parse(const char *body, size_t size, struct ocs_answer *answer_r);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the search layer of the index costs and what it is good for: an index of many messages is
 * filled, with the layer or without, and searched by patterns of several kinds; a full traverse of
 * the same file, which only reads every record, is measured beside them. Prints one line of JSON.
 *
 * Touches the folder it is given, which must hold no index.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "bench/samples.h"
#include "mapistore/index_search.h"

#define FOLDERS  5     /* of a user */
#define MESSAGES 200   /* of a folder */
#define A_COMMIT 2000  /* messages: the daemon brings up to 8,192 into the index at once */
#define RANGE    16384 /* identifiers at once, as the daemon */
#define TIMES    25

static const char *const names[FOLDERS] = {"INBOX", "Sent", "Archive/2024", "Projects/Roadmap",
                                           "Entw\xc3\xbcrfe"};
static const struct ocs_index_template template = {"sogo",
                                                   "sogo://{user}:*@mail/{folder:sogo}/{message}"};

static struct ocs_index *bench_index;
static struct ocs_error error;
static uint64_t state = 0x9e3779b97f4a7c15u;

static void die(const char *what)
{
	fprintf(stderr, "search: %s\n", what);
	exit(2);
}

static void must(int ret)
{
	if (ret != OCS_STORE_OK)
		die(error.text);
}

static unsigned pick(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 16);
}

/* Half of them as an IMAP server numbers them, half as a groupware server names its objects. */
static void message_name(unsigned n, char out[40])
{
	if (n % 2 == 0)
		snprintf(out, 40, "%u.eml", n + 100000);
	else
		snprintf(out, 40, "%04X-%08X-%X.ics", pick() & 0xffff, pick(), n % 16);
}

static void fill(unsigned count)
{
	struct ocs_index_folder folder = {0};
	char user[32], message_id[40];
	uint64_t mid = 0;

	must(ocs_index_begin(bench_index, &error));
	for (unsigned i = 0; i < count; i++) {
		struct ocs_index_message message = {.announced = true};
		unsigned n = i / MESSAGES;

		if (i % MESSAGES == 0) {
			snprintf(user, sizeof(user), "user%06u", n / FOLDERS);
			must(ocs_index_folder(
			        bench_index,
			        &(struct ocs_folder_name){user, "sogo", user, names[n % FOLDERS]},
			        true, &folder, &error));
		}
		message_name(i, message_id);
		if (i % RANGE == 0)
			must(ocs_index_reserve(bench_index, RANGE, &mid, &error));
		message.mid = mid;
		mid = ocs_index_id_next(mid);
		must(ocs_index_message_put(bench_index, &folder, message_id, &message, &error));
		if (i % A_COMMIT == A_COMMIT - 1) {
			must(ocs_index_commit(bench_index, &error));
			must(ocs_index_begin(bench_index, &error));
		}
	}
	must(ocs_index_commit(bench_index, &error));
}

static int search_read(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	uint64_t *n = arg;

	(void)key;
	(void)data;
	*n += key_len + len;
	return 0;
}

static double traverse(void)
{
	uint64_t begin = bench_now(), n = 0;

	must(ocs_store_each(ocs_index_store(bench_index), -1, search_read, &n, &error));
	return (double)(bench_now() - begin) / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median, in microseconds. */
static double measure(const char *pattern, size_t *found_r)
{
	double times[TIMES];

	for (int i = 0; i < TIMES; i++) {
		struct ocs_index_query query = {
		        .pattern = pattern, .limit = 10, .templates = &template, .n_templates = 1};
		void *ctx = talloc_new(NULL);
		struct ocs_index_page page;
		uint64_t begin = bench_now();

		must(ocs_index_search(bench_index, ctx, &query, &page, &error));
		times[i] = (double)(bench_now() - begin) / 1e3;
		*found_r = page.n;
		talloc_free(ctx);
	}
	qsort(times, TIMES, sizeof(*times), compare);
	return times[TIMES / 2];
}

static void search(unsigned count)
{
	static const char *const kinds[] = {"prefix", "suffix", "substring",
	                                    "border", "inner",  "three stars"};
	unsigned users = count / MESSAGES / FOLDERS;
	char patterns[6][120];

	/* Somewhere in the middle of the store. */
	snprintf(patterns[0], 120, "sogo://user%06u:*", users / 2);
	snprintf(patterns[1], 120, "*%02u8.eml", users % 50);
	snprintf(patterns[2], 120, "*-A3F*");
	snprintf(patterns[3], 120, "*INBOX/%u*", (count / 2 + 100000) / 1000);
	snprintf(patterns[4], 120, "sogo://user*/folderEntw*8%02u.eml", users % 100);
	snprintf(patterns[5], 120, "*user%04u*Roadmap/*F0*.ics", users / 300);
	printf("\"traverse_us\":%.0f,\"searches\":[", traverse());
	for (int i = 0; i < 6; i++) {
		size_t found = 0;
		double us = measure(patterns[i], &found);

		printf("%s{\"kind\":\"%s\",\"pattern\":\"%s\",\"found\":%zu,\"us\":%.1f}",
		       i > 0 ? "," : "", kinds[i], patterns[i], found, us);
	}
	printf("],");
}

int main(int argc, char **argv)
{
	const char *folder = NULL;
	unsigned count = 1000000;
	bool with = true, searched = true;
	uint64_t begin;
	double seconds;
	int c;

	while ((c = getopt(argc, argv, "d:n:wf")) != -1) {
		if (c == 'd')
			folder = optarg;
		else if (c == 'n')
			count = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			with = false;
		else if (c == 'f')
			searched = false;
		else
			return 2;
	}
	if (folder == NULL || count < 10000)
		die("usage: search -d FOLDER [-n COUNT] [-w|-f]; -w: without the layer, -f: fill "
		    "only");
	must(ocs_index_open(folder, 1, true, &bench_index, &error));
	if (!with)
		must(ocs_index_search_drop(bench_index, &error));
	begin = bench_now();
	fill(count);
	seconds = (double)(bench_now() - begin) / 1e9;
	printf("{");
	if (with && searched)
		search(count);
	printf("\"count\":%u,\"fill_s\":%.2f,\"bytes\":%" PRIu64 "}\n", count, seconds,
	       ocs_store_size(ocs_index_store(bench_index)));
	ocs_index_close(bench_index);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The ways in which a pattern can match the URIs of a template: see search_pattern.h. Pure
 * functions.
 *
 * Of a run of characters between two `*` every place is tried where it may be in the URI: within
 * text of the template, within a name, over the border of both. What the names must have in all of
 * these places is what they must have.
 */
#include "mapistore/search_pattern.h"

#include <ctype.h>
#include <string.h>

#include <talloc.h>

#include "mapistore/uri_internal.h"

#define PARTS_MAX 64
#define TRIES_MAX 20000 /* then nothing is demanded: a search takes longer, and finds the same */

/* A template in pieces. */
struct part {
	bool is_name;
	enum ocs_uri_name name;
	const char *text; /* of what is no name */
	size_t len;
};

struct parts {
	struct part part[PARTS_MAX];
	size_t n;
};

/* -1: too many. */
static int take_apart(const char *template, struct parts *out)
{
	struct ocs_uri_place place;

	out->n = 0;
	while (*template != '\0') {
		struct part *last = out->n > 0 ? &out->part[out->n - 1] : NULL;

		if (*template == '{' && ocs_uri_place_at(template, &place)) {
			if (out->n == PARTS_MAX)
				return -1;
			out->part[out->n++] = (struct part){.is_name = true, .name = place.name};
			template += place.len;
			continue;
		}
		if (last == NULL || last->is_name) {
			if (out->n == PARTS_MAX)
				return -1;
			last = &out->part[out->n++];
			*last = (struct part){.text = template};
		}
		last->len++;
		template ++;
	}
	return 0;
}

/* Whether a name can have that character when it is percent-encoded. */
static bool can_hold(enum ocs_uri_name name, char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~%", c) != NULL) ||
	       (c == '/' && name == OCS_URI_FOLDER);
}

/* ---- where a run of characters can be ---- */

struct run {
	const struct parts *parts;
	const char *text;
	size_t len;
	bool at_end; /* it ends the URI */
	unsigned tries;
	unsigned places; /* where it can be */
	/* In all of them, and in the one that is tried. */
	struct ocs_search_grams folder, message;
};

/* What of the run is in which part, on the way to the present one. */
struct taken {
	const struct taken *before;
	enum ocs_uri_name name;
	size_t from, len;
	bool first, last; /* the name's beginning, and its end, are in it */
};

static void and_grams(struct ocs_search_grams *all, const struct ocs_search_grams *one, bool any)
{
	for (size_t i = 0; i < OCS_SEARCH_GRAMS / 64; i++)
		all->bits[i] = any ? all->bits[i] & one->bits[i] : one->bits[i];
}

static void found_place(struct run *run, const struct taken *taken)
{
	struct ocs_search_grams folder = {{0}}, message = {{0}};

	for (; taken != NULL; taken = taken->before)
		ocs_search_grams_add(taken->name == OCS_URI_MESSAGE ? &message : &folder,
		                     run->text + taken->from, taken->len, taken->first,
		                     taken->last);
	and_grams(&run->folder, &folder, run->places > 0);
	and_grams(&run->message, &message, run->places > 0);
	run->places++;
}

static void try_part(struct run *run, size_t p, size_t offset, bool first, size_t k,
                     const struct taken *before);

/* The name takes some of the run, perhaps all that is left. */
static void try_name(struct run *run, size_t p, bool first, size_t k, const struct taken *before)
{
	struct taken taken = {before, run->parts->part[p].name, k, 0, first, false};
	bool last_part = p + 1 == run->parts->n;

	for (;; taken.len++) {
		bool nothing = first && taken.len == 0; /* no name is empty */

		if (k + taken.len == run->len) {
			taken.last = run->at_end;
			if (!run->at_end || (last_part && !nothing))
				found_place(run, &taken);
			/* It may be the name's end without being the URI's: the same, or less. */
			return;
		}
		taken.last = true;
		if (!nothing && !last_part)
			try_part(run, p + 1, 0, true, k + taken.len, &taken);
		taken.last = false;
		if (run->tries > TRIES_MAX || !can_hold(taken.name, run->text[k + taken.len]))
			return;
	}
}

/* The run goes on, from its character k, at an offset in a part. */
static void try_part(struct run *run, size_t p, size_t offset, bool first, size_t k,
                     const struct taken *before)
{
	const struct part *part = &run->parts->part[p];
	size_t left = run->len - k, n;

	if (++run->tries > TRIES_MAX)
		return;
	if (part->is_name) {
		try_name(run, p, first, k, before);
		return;
	}
	n = part->len - offset < left ? part->len - offset : left;
	if (memcmp(part->text + offset, run->text + k, n) != 0)
		return;
	if (n == left) {
		if (!run->at_end || (p + 1 == run->parts->n && offset + n == part->len))
			found_place(run, before);
	} else if (p + 1 < run->parts->n) {
		try_part(run, p + 1, 0, true, k + n, before);
	}
}

/* Whether it can be anywhere; what it demands is added. */
static bool place_run(const struct parts *parts, const char *text, size_t len, bool at_start,
                      bool at_end, struct ocs_search_way *way)
{
	struct run run = {.parts = parts, .text = text, .len = len, .at_end = at_end};

	if (len == 0)
		return true;
	if (parts->n == 0)
		return false;
	if (at_start)
		try_part(&run, 0, 0, true, 0, NULL);
	for (size_t p = 0; p < parts->n && !at_start; p++) {
		if (parts->part[p].is_name)
			try_part(&run, p, 0, false, 0, NULL);
		for (size_t o = 0; !parts->part[p].is_name && o < parts->part[p].len; o++)
			try_part(&run, p, o, true, 0, NULL);
	}
	if (run.tries > TRIES_MAX)
		return true;
	for (size_t i = 0; i < OCS_SEARCH_GRAMS / 64; i++) {
		way->folder.bits[i] |= run.folder.bits[i];
		way->message.bits[i] |= run.message.bits[i];
	}
	return run.places > 0;
}

/* All runs of a pattern. */
static bool place_runs(const struct parts *parts, const char *pattern, struct ocs_search_way *way)
{
	const char *run = pattern;

	for (;;) {
		size_t len = strcspn(run, "*");
		bool at_start = run == pattern, at_end = run[len] == '\0';

		if (len == 0 && at_start && at_end)
			return parts->n == 0;
		if (!place_run(parts, run, len, at_start, at_end, way))
			return false;
		if (at_end)
			return true;
		run += len + 1;
	}
}

/* ---- ways ---- */

struct building {
	struct ocs_search_form *form;
	struct parts head, tail, folder;
	const char *pattern;
};

static int add_way(struct building *building, const struct ocs_search_way *way)
{
	struct ocs_search_form *form = building->form;
	struct ocs_search_way *more =
	        talloc_realloc(form, form->ways, struct ocs_search_way, (unsigned)form->n_ways + 1);

	if (more == NULL || way->head == NULL)
		return -1;
	form->ways = more;
	more[form->n_ways++] = *way;
	return 0;
}

/* The tail may begin at a place of the pattern; a `*` there belongs to both. */
static int add_split(struct building *building, size_t at, bool star)
{
	struct ocs_search_way way = {
	        .head = talloc_strndup(building->form, building->pattern, at + star),
	        .tail = building->pattern + at,
	};

	if (way.head == NULL)
		return -1;
	return place_runs(&building->head, way.head, &way) &&
	                       place_runs(&building->tail, way.tail, &way)
	               ? add_way(building, &way)
	               : 0;
}

/* Whether a template can be cut in two where the message begins. */
static bool is_plain(const struct building *building)
{
	const struct parts *head = &building->head, *tail = &building->tail;

	for (size_t i = 0; i < head->n; i++)
		if (head->part[i].is_name && head->part[i].name == OCS_URI_MESSAGE)
			return false;
	for (size_t i = 1; i < tail->n; i++)
		if (tail->part[i].is_name)
			return false;
	return true;
}

static int add_ways(struct building *building)
{
	struct ocs_search_way whole = {.head = building->pattern};
	size_t len = strlen(building->pattern);

	if (place_runs(&building->folder, building->pattern, &whole) &&
	    add_way(building, &whole) != 0)
		return -1;
	building->form->plain = is_plain(building);
	if (!building->form->plain) {
		struct ocs_search_way any = {.head = "*", .tail = "*"};

		return add_way(building, &any);
	}
	/* Right behind a `*` it begins in the `*` too. */
	for (size_t i = 0; i <= len; i++)
		if ((i == 0 || building->pattern[i - 1] != '*') &&
		    add_split(building, i, building->pattern[i] == '*') != 0)
			return -1;
	return 0;
}

struct ocs_search_form *ocs_search_form(const void *mem_ctx, const char *pattern,
                                        const char *template)
{
	struct ocs_search_form *form = talloc_zero(mem_ctx, struct ocs_search_form);
	struct building *building = talloc_zero(form, struct building);
	const char *message;
	int ret = -1;

	if (form == NULL || building == NULL) {
		talloc_free(form);
		return NULL;
	}
	*building = (struct building){.form = form, .pattern = pattern};
	form->template = template;
	message = strstr(template, "{message}");
	if (message == NULL)
		message = template + strlen(template);
	form->head = talloc_strndup(form, template, (size_t)(message - template));
	form->tail = message;
	form->folder = talloc_strndup(form, template, ocs_uri_folder_part(template));
	if (form->head != NULL && form->folder != NULL &&
	    take_apart(form->head, &building->head) == 0 &&
	    take_apart(form->tail, &building->tail) == 0 &&
	    take_apart(form->folder, &building->folder) == 0)
		ret = add_ways(building);
	talloc_free(building);
	if (ret != 0)
		TALLOC_FREE(form);
	return form;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Finding rows of the key table by the names in an ini, and guessing what a wrong name meant.
 * Touches nothing but the table.
 */
#include "config/config.h"
#include "config/keys.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_LONGEST 64 /* longer names are not compared: none of the table is */

const char *ocs_key_section_suffix(const char *section)
{
	const char *colon = strchr(section, ':');

	return colon != NULL ? colon + 1 : "";
}

static bool section_is(const char *row, const char *section)
{
	size_t len = strlen(row);

	if (row[len - 1] == ':')
		return strncasecmp(row, section, len) == 0;
	return strcasecmp(row, section) == 0;
}

const struct ocs_key_section *ocs_key_section_find(const char *section)
{
	for (size_t i = 0; i < ocs_n_key_sections; i++) {
		if (section_is(ocs_key_sections[i].name, section))
			return &ocs_key_sections[i];
	}
	return NULL;
}

const struct ocs_key *ocs_key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < ocs_n_keys; i++) {
		if (section_is(ocs_keys[i].section, section) &&
		    strcasecmp(ocs_keys[i].name, key) == 0)
			return &ocs_keys[i];
	}
	return NULL;
}

const struct ocs_old_key *ocs_old_key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < ocs_n_old_keys; i++) {
		const struct ocs_old_key *old = &ocs_old_keys[i];
		size_t len = strlen(old->section);
		bool same = old->section[len - 1] == '*'
		                    ? strncasecmp(old->section, section, len - 1) == 0
		                    : strcasecmp(old->section, section) == 0;

		if (same && (old->key == NULL || (key != NULL && strcasecmp(old->key, key) == 0)))
			return old;
	}
	return NULL;
}

/* Levenshtein distance without case; past NAME_LONGEST bytes simply far. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned row[NAME_LONGEST + 1];

	if (a_len > NAME_LONGEST || b_len > NAME_LONGEST)
		return NAME_LONGEST;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned change = diagonal + (tolower((unsigned char)a[i - 1]) !=
			                              tolower((unsigned char)b[j - 1]));
			unsigned best = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = change < best ? change : best;
		}
	}
	return row[b_len];
}

/* Near enough to be a slip of the hand: a third of the name. */
static bool is_near(const char *name, unsigned by)
{
	return by <= 1 + strlen(name) / 3;
}

const char *ocs_key_section_nearest(const char *section)
{
	const char *nearest = NULL;
	unsigned least = NAME_LONGEST;
	char head[NAME_LONGEST];

	/* Of [bakend:sogo] only what stands before the colon is ours. */
	size_t len = strcspn(section, ":") + (strchr(section, ':') != NULL);
	if (len >= sizeof(head))
		return NULL;
	memcpy(head, section, len);
	head[len] = '\0';
	for (size_t i = 0; i < ocs_n_key_sections; i++) {
		const struct ocs_key_section *row = &ocs_key_sections[i];
		bool named = row->name[strlen(row->name) - 1] == ':';
		unsigned by = distance(named ? head : section, row->name);

		if (by < least && is_near(row->name, by)) {
			least = by;
			nearest = row->shown;
		}
	}
	return nearest;
}

const char *ocs_key_nearest(const char *section, const char *key)
{
	const char *nearest = NULL;
	unsigned least = NAME_LONGEST;

	for (size_t i = 0; i < ocs_n_keys; i++) {
		if (!section_is(ocs_keys[i].section, section))
			continue;
		unsigned by = distance(key, ocs_keys[i].name);

		if (by < least && is_near(key, by)) {
			least = by;
			nearest = ocs_keys[i].name;
		}
	}
	return nearest;
}

unsigned ocs_config_default(const char *section, const char *key)
{
	return (unsigned)strtoul(ocs_key_find(section, key)->fallback, NULL, 10);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of configuration keys: one row a key. The parser, the shipped ocsmanager.ini, the key
 * list of ocsmanager.ini(5) and `ocsmanager -t` all come from it. Constant data; any thread.
 */
#ifndef OCS_CONFIG_KEYS_H
#define OCS_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum ocs_key_type {
	OCS_KEY_NUMBER,    /* unsigned; min and max */
	OCS_KEY_WORD,      /* unsigned: index in words, plus word_base */
	OCS_KEY_WORDS,     /* const char *: comma-separated, each one of words */
	OCS_KEY_TEXT,      /* const char *: anything but empty */
	OCS_KEY_SECRET,    /* likewise, and never shown */
	OCS_KEY_PATH,      /* const char *: made absolute */
	OCS_KEY_HOST,      /* const char *: host name or address */
	OCS_KEY_PATTERNS,  /* const char *: comma-separated, none of them empty; or "": nothing */
	OCS_KEY_URI,       /* const char *: a URI template */
	OCS_KEY_ACCOUNT,   /* const char *: name of an account; or "": nobody */
	OCS_KEY_AMQP,      /* const char *: name of an exchange or a queue of RabbitMQ */
	OCS_KEY_SEPARATOR, /* const char *: one character between the levels of a folder */
};

struct ocs_key {
	const char *section; /* ends with `:` where the ini adds a name: [backend:NAME] */
	const char *name;
	enum ocs_key_type type;
	size_t offset;        /* in what the section fills, or in the element of a named section */
	const char *fallback; /* as it would stand in the ini; NULL: not set */
	unsigned min, max;
	const char *const *words; /* NULL-terminated */
	unsigned word_base;
	const char *example; /* for the shipped ini where fallback is NULL or says nothing */
	bool reload;         /* SIGHUP puts a change into effect */
	const char *help;    /* a paragraph for the shipped ini and the man page */
};

struct ocs_key_section {
	const char *name;  /* as in struct ocs_key */
	const char *shown; /* as in the documentation: backend:NAME */
	const char *help;
};

/* What a Pylons ini of the old OCSManager had and nothing replaces. */
struct ocs_old_key {
	const char *section; /* `*` at the end: any that begins so */
	const char *key;     /* NULL: the whole section */
	const char *instead; /* a hint, or NULL */
};

extern const struct ocs_key ocs_keys[];
extern const size_t ocs_n_keys;
extern const struct ocs_key_section ocs_key_sections[];
extern const size_t ocs_n_key_sections;
extern const struct ocs_old_key ocs_old_keys[];
extern const size_t ocs_n_old_keys;

/* The row of a key in a section as it stands in the ini; names compare without case. */
const struct ocs_key_section *ocs_key_section_find(const char *section);
const struct ocs_key *ocs_key_find(const char *section, const char *key);
const struct ocs_old_key *ocs_old_key_find(const char *section, const char *key);
/* What comes nearest to a name that is not known, or NULL if nothing comes near. */
const char *ocs_key_section_nearest(const char *section);
const char *ocs_key_nearest(const char *section, const char *key);
/* The part of a section name after the first colon: NAME of [backend:NAME]. */
const char *ocs_key_section_suffix(const char *section);

#endif

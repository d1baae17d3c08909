/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The common form of a document. It is copied to the arena as a whole; names and texts end where
 * they stand, by a NUL over the markup behind them. Touches nothing but the arena, in which a NUL
 * behind the document ends every loop.
 */
#include "xml/xml_common.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

/* Longer ones are left to the parser, which has limits of its own. */
#define COMMON_MAX (1u << 20)

#define SPACE  1 /* may stand between elements and attributes */
#define LETTER 2 /* of the names that are known */
#define VALUE  4 /* means itself in the value of an attribute, whatever the quotes */
#define TEXT   8 /* means itself in a text */

#define SIGN  (VALUE | TEXT)
#define ALPHA (LETTER | SIGN)

/* Controls, CR (which is changed), the characters of markup and those above ASCII are nothing. */
static const uint8_t kinds[256] = {
        ['\t'] = SPACE | TEXT, ['\n'] = SPACE | TEXT, ['\r'] = SPACE,        [' '] = SPACE | SIGN,
        ['!'] = SIGN,          ['"'] = TEXT,          ['#' ... '%'] = SIGN,  ['\''] = TEXT,
        ['(' ... ';'] = SIGN,  ['='] = SIGN,          ['?' ... '@'] = SIGN,  ['A' ... 'Z'] = ALPHA,
        ['[' ... '`'] = SIGN,  ['a' ... 'z'] = ALPHA, ['{' ... 0x7f] = SIGN,
};

static char *skip(char *p, uint8_t kind)
{
	while (kinds[(unsigned char)*p] & kind)
		p++;
	return p;
}

/* The same beyond ASCII. */
static char *skip_text(char *p, uint8_t kind)
{
	size_t len;

	do {
		p = skip(p, kind);
		len = (unsigned char)*p < 0x80 ? 0 : ocs_utf8_sequence(p);
		p += len;
	} while (len != 0);
	return p;
}

/* Behind the word; NULL: it does not stand there. */
static char *skip_word(char *p, const char *word)
{
	size_t len = strlen(word);

	return strncmp(p, word, len) == 0 ? p + len : NULL;
}

struct scan {
	const struct ocs_xml_handler *handler;
	unsigned elements;
};

static bool is_counted(struct scan *scan)
{
	return ++scan->elements <= scan->handler->elements_max;
}

/* An element with nothing but text in it, from its name on. Behind it, or NULL. */
static char *scan_text_element(struct scan *scan, int depth, char *name)
{
	static const struct ocs_xml_attributes none = {NULL, 0};
	const struct ocs_xml_handler *handler = scan->handler;
	char *begin = skip(name, LETTER), *end, *next;
	enum ocs_xml_visit visit;

	if (begin == name || *begin != '>' || !is_counted(scan))
		return NULL;
	*begin++ = '\0';
	visit = handler->start(handler->arg, depth, name, &none);
	if (visit != OCS_XML_TEXT && visit != OCS_XML_NAME)
		return NULL;
	end = skip_text(begin, TEXT);
	next = skip_word(end, "</");
	next = next == NULL ? NULL : skip_word(next, name);
	if (next == NULL || *next != '>')
		return NULL;
	begin = skip(begin, SPACE);
	while (end > begin && kinds[(unsigned char)end[-1]] & SPACE)
		end--;
	*end = '\0';
	handler->end(handler->arg, depth, name, begin, (size_t)(end - begin), false);
	return next + 1;
}

/* The attributes of a notification, each at most once, and the end of the tag. Behind it, or NULL.
 */
static char *scan_attributes(char *p, struct ocs_xml_attributes *attributes)
{
	static const char *const known[] = {"category", "id"};
	const unsigned char **fields = attributes->values;
	unsigned seen = 0;

	while (kinds[(unsigned char)*p] & SPACE) {
		char *name = skip(p, SPACE), *behind = NULL, *value, *end;
		unsigned i = 0;

		if (*name == '>')
			return name + 1;
		while (i < 2 && (behind = skip_word(name, known[i])) == NULL)
			i++;
		if (behind == NULL || *behind != '=' || seen & 1u << i ||
		    (behind[1] != '"' && behind[1] != '\''))
			return NULL;
		seen |= 1u << i;
		value = behind + 2;
		end = skip_text(value, VALUE);
		if (*end != behind[1])
			return NULL;
		*behind = '\0';
		fields[0] = (unsigned char *)name;
		fields[1] = fields[2] = NULL;
		fields[3] = (unsigned char *)value;
		fields[4] = (unsigned char *)end;
		fields += 5;
		attributes->count++;
		p = end + 1;
	}
	return *p == '>' ? p + 1 : NULL;
}

/* A notification, from behind its name on. Behind it, or NULL. */
static char *scan_notification(struct scan *scan, char *p)
{
	static const char name[] = "notification";
	const struct ocs_xml_handler *handler = scan->handler;
	const unsigned char *values[10];
	struct ocs_xml_attributes attributes = {values, 0};

	p = scan_attributes(p, &attributes);
	if (p == NULL || !is_counted(scan) ||
	    handler->start(handler->arg, 2, name, &attributes) != OCS_XML_ENTER)
		return NULL;
	for (;;) {
		p = skip(p, SPACE);
		if (*p != '<')
			return NULL;
		if (p[1] == '/')
			break;
		p = scan_text_element(scan, 3, p + 1);
		if (p == NULL)
			return NULL;
	}
	p = skip_word(p + 2, "notification>");
	if (p != NULL)
		handler->end(handler->arg, 2, name, NULL, 0, false);
	return p;
}

/* Behind the declaration, if there is one in one of the forms that are common. */
static char *skip_declaration(char *p)
{
	static const char *const known[] = {
	        "<?xml version='1.0' encoding='utf-8'?>",
	        "<?xml version='1.0' encoding='UTF-8'?>",
	        "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char *behind = skip_word(p, known[i]);

		if (behind != NULL)
			return skip(behind, SPACE);
	}
	return p;
}

bool ocs_xml_walk_common(const char *data, size_t len, const struct ocs_xml_handler *handler)
{
	struct scan scan = {handler, 1};
	char *p = handler->arena;

	if (len == 0 || len > COMMON_MAX) /* an empty body is NULL */
		return false;
	memcpy(p, data, len);
	p[len] = '\0';
	p = skip_word(skip_declaration(p), "<ocsmanager>");
	while (p != NULL) {
		char *behind;

		p = skip(p, SPACE);
		if (*p != '<')
			return false;
		if (p[1] == '/')
			break;
		behind = skip_word(p + 1, "notification");
		p = behind != NULL ? scan_notification(&scan, behind)
		                   : scan_text_element(&scan, 2, p + 1);
	}
	p = p == NULL ? NULL : skip_word(p + 2, "ocsmanager>");
	return p != NULL && skip(p, SPACE) == handler->arena + len;
}

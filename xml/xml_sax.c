/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The XML walker over libxml2's SAX2 interface. Touches nothing but the caller's arena. */
#include "xml/xml_sax.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "xml/xml.h"

/* Names of a document stay in the dictionary of a parser context that is used again; they come from
 * outside, so a context is replaced before they are many. */
#define DICT_MAX 2000

#define ROOT "ocsmanager"

struct walk {
	const struct ocs_xml_handler *handler;
	struct ocs_refusal *refusal;
	xmlParserCtxtPtr parser;
	bool refused;
	bool foreign; /* the root is not ours */
	int depth;
	int entered;    /* the deepest open level whose children are reported */
	int collecting; /* the level whose text is collected, 0: none */
	bool name;      /* what is collected is a name */
	bool preserve[OCS_XML_DEPTH_MAX + 1]; /* xml:space of each open level */
	unsigned elements;
	char *text; /* begin of the text being collected */
	char *free; /* first unused byte of the arena */
	char *last; /* its last byte: for a NUL */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t parser_key;

static void refuse(struct walk *walk, const char *name, const char *text)
{
	if (!walk->refused) {
		walk->refused = true;
		ocs_refuse(walk->refusal, 400, name, "%s", text);
	}
	xmlStopParser(walk->parser);
}

static void sax_on_doctype(void *ctx, const xmlChar *name, const xmlChar *external_id,
                           const xmlChar *system_id)
{
	(void)name;
	(void)external_id;
	(void)system_id;
	refuse(ctx, "FORBIDDEN_XML", "a document type declaration is not allowed");
}

/* Asked for each entity that XML itself does not define. */
static xmlEntityPtr sax_on_entity(void *ctx, const xmlChar *name)
{
	(void)name;
	refuse(ctx, "FORBIDDEN_XML", "entities are not allowed");
	return NULL;
}

/* XML 1.0, 2.10: inherited until an element says otherwise. A word that is neither of the two would
 * leave open which name is meant. */
static void read_space(struct walk *walk, const struct ocs_xml_attributes *attributes)
{
	walk->preserve[walk->depth] = walk->preserve[walk->depth - 1];
	for (int i = 0; i < attributes->count; i++) {
		const xmlChar **fields = attributes->values + 5 * i;
		size_t len = (size_t)(fields[4] - fields[3]);

		if (fields[2] == NULL || strcmp((const char *)fields[0], "space") != 0 ||
		    !xmlStrEqual(fields[2], XML_XML_NAMESPACE))
			continue;
		if (len == 8 && memcmp(fields[3], "preserve", 8) == 0)
			walk->preserve[walk->depth] = true;
		else if (len == 7 && memcmp(fields[3], "default", 7) == 0)
			walk->preserve[walk->depth] = false;
		else
			refuse(walk, "MALFORMED_REQUEST",
			       "xml:space is neither preserve nor default");
	}
}

static void sax_on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                         int n_namespaces, const xmlChar **namespaces, int n_attributes,
                         int n_defaulted, const xmlChar **values)
{
	struct walk *walk = ctx;
	const struct ocs_xml_attributes attributes = {values, n_attributes};
	enum ocs_xml_visit visit;

	(void)prefix;
	(void)n_namespaces;
	(void)namespaces;
	(void)n_defaulted;
	if (walk->refused)
		return;
	if (++walk->depth > OCS_XML_DEPTH_MAX) {
		refuse(walk, "FORBIDDEN_XML", "elements are nested too deeply");
		return;
	}
	if (++walk->elements > walk->handler->elements_max) {
		refuse(walk, "FORBIDDEN_XML", "too many elements");
		return;
	}
	read_space(walk, &attributes);
	if (walk->refused)
		return;
	if (walk->depth == 1) {
		/* A document that is cut has cut names too, so this is told at its end. */
		walk->foreign = uri != NULL || strcmp((const char *)name, ROOT) != 0;
		walk->entered = walk->foreign ? 0 : 1;
		return;
	}
	if (walk->entered != walk->depth - 1 || uri != NULL)
		return;
	visit = walk->handler->start(walk->handler->arg, walk->depth, (const char *)name,
	                             &attributes);
	switch (visit) {
	case OCS_XML_ENTER:
		walk->entered = walk->depth;
		break;
	case OCS_XML_TEXT:
	case OCS_XML_NAME:
		walk->name = visit == OCS_XML_NAME;
		walk->collecting = walk->depth;
		walk->text = walk->free;
		break;
	case OCS_XML_SKIP:
		break;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void sax_on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct walk *walk = ctx;
	const struct ocs_xml_handler *handler = walk->handler;

	(void)prefix;
	(void)uri;
	if (walk->refused)
		return;
	if (walk->collecting == walk->depth) {
		char *begin = walk->text, *end = walk->free;
		bool exact = walk->name && walk->preserve[walk->depth];

		while (!exact && begin < end && is_space(*begin))
			begin++;
		while (!exact && end > begin && is_space(end[-1]))
			end--;
		*end = '\0';
		walk->free = end < walk->last ? end + 1 : end;
		walk->collecting = 0;
		handler->end(handler->arg, walk->depth, (const char *)name, begin,
		             (size_t)(end - begin), exact);
	} else if (walk->entered == walk->depth) {
		walk->entered--;
		if (walk->depth > 1)
			handler->end(handler->arg, walk->depth, (const char *)name, NULL, 0, false);
	}
	walk->depth--;
}

/* Text and CDATA of the element itself, not of its children. A text is never longer than its
 * source, and the end tag has room for the NUL; that the arena holds does not depend on it, though.
 */
static void sax_on_text(void *ctx, const xmlChar *text, int len)
{
	struct walk *walk = ctx;

	if (walk->refused || walk->collecting != walk->depth || walk->depth == 0)
		return;
	if (len > walk->last - walk->free) {
		refuse(walk, "MALFORMED_XML", "the body is not UTF-8 text");
		return;
	}
	memcpy(walk->free, text, (size_t)len);
	walk->free += len;
}

/* The context keeps the last error; nothing may be printed. */
static void sax_on_error(void *ctx, xmlErrorPtr error)
{
	(void)ctx;
	(void)error;
}

static xmlParserInputPtr sax_no_external_entity(const char *url, const char *id,
                                                xmlParserCtxtPtr parser)
{
	(void)url;
	(void)id;
	(void)parser;
	return NULL;
}

static void sax_free_parser(void *parser)
{
	xmlFreeParserCtxt(parser);
}

static void sax_init_once(void)
{
	xmlInitParser();
	xmlSetExternalEntityLoader(sax_no_external_entity);
	if (pthread_key_create(&parser_key, sax_free_parser) != 0)
		__builtin_trap(); /* a process always gets its first keys */
}

static const xmlSAXHandler handlers = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = sax_on_doctype,
        .getEntity = sax_on_entity,
        .getParameterEntity = sax_on_entity,
        .startElementNs = sax_on_start,
        .endElementNs = sax_on_end,
        .characters = sax_on_text,
        .ignorableWhitespace = sax_on_text,
        .cdataBlock = sax_on_text,
        .serror = sax_on_error,
};

/* The parser context of this thread. */
static xmlParserCtxtPtr thread_parser(void)
{
	xmlParserCtxtPtr parser;

	pthread_once(&once, sax_init_once);
	parser = pthread_getspecific(parser_key);
	if (parser != NULL && xmlDictSize(parser->dict) > DICT_MAX) {
		xmlFreeParserCtxt(parser);
		parser = NULL;
		if (pthread_setspecific(parser_key, NULL) != 0)
			return NULL;
	}
	if (parser == NULL) {
		parser = xmlNewParserCtxt();
		if (parser == NULL)
			return NULL;
		if (pthread_setspecific(parser_key, parser) != 0) {
			xmlFreeParserCtxt(parser);
			return NULL;
		}
	}
	*parser->sax = handlers;
	return parser;
}

/* The byte after the first `mark` at or after p; end if there is none (the parser will complain).
 */
static const char *skip_past(const char *p, const char *end, const char *mark)
{
	const char *found = memmem(p, (size_t)(end - p), mark, strlen(mark));

	return found == NULL ? end : found + strlen(mark);
}

/* Parsing the attributes of an element takes libxml2 quadratic time (64 KB: 60 ms), before it tells
 * anybody. So they are counted first: `=` outside quotes, between `<` and `>`. */
static bool too_many_attributes(const char *p, const char *end)
{
	while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		unsigned count = 0;

		if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
			p = skip_past(p + 4, end, "-->");
			continue;
		}
		if (end - p >= 9 && memcmp(p, "<![CDATA[", 9) == 0) {
			p = skip_past(p + 9, end, "]]>");
			continue;
		}
		if (end - p >= 2 && p[1] == '?') {
			p = skip_past(p + 2, end, "?>");
			continue;
		}
		while (++p < end && *p != '>') {
			if (*p == '=' && ++count > OCS_XML_ATTRIBUTES_MAX)
				return true;
			if (*p == '"' || *p == '\'') {
				p = memchr(p + 1, *p, (size_t)(end - p - 1));
				if (p == NULL)
					return false;
			}
		}
	}
	return false;
}

/* The value of the declaration's encoding (XML 1.0, 4.3.3); NULL: it has none, or the parser will
 * find it malformed. */
static const char *declared_encoding(const char *data, size_t len, size_t *value_len)
{
	const char *end = memmem(data, len, "?>", 2), *p, *close;

	if (len < 6 || end == NULL || memcmp(data, "<?xml", 5) != 0 || !is_space(data[5]))
		return NULL;
	p = memmem(data, (size_t)(end - data), "encoding", 8);
	if (p == NULL)
		return NULL;
	for (p += 8; p < end && (is_space(*p) || *p == '='); p++)
		;
	if (p == end || (*p != '"' && *p != '\''))
		return NULL;
	close = memchr(p + 1, *p, (size_t)(end - p - 1));
	if (close == NULL)
		return NULL;
	*value_len = (size_t)(close - p - 1);
	return p + 1;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool is_ascii(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] > 0x7f)
			return false;
	return true;
}

/* Whether the bytes are what is declared, and that is UTF-8 or a part of it. The parser is told to
 * look at no declaration: it would convert, in ways of its own, and its guess at other encodings
 * needs a NUL or a first byte that no document has. */
static bool encoding_fits(const char *data, size_t len)
{
	static const char *const utf8[] = {"UTF-8", "UTF8"};
	static const char *const ascii[] = {"US-ASCII", "ASCII", "ANSI_X3.4-1968"};
	size_t bom = len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0, value_len = 0;
	const char *value = declared_encoding(data + bom, len - bom, &value_len);

	if (len > bom && data[bom] != '<' && !is_space(data[bom]))
		return false;
	if (value == NULL)
		return true;
	for (size_t i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++)
		if (is_word(value, value_len, utf8[i]))
			return true;
	for (size_t i = 0; i < sizeof(ascii) / sizeof(ascii[0]); i++)
		if (is_word(value, value_len, ascii[i]))
			return is_ascii(data, len);
	return false;
}

int ocs_xml_walk(const char *data, size_t len, const struct ocs_xml_handler *handler,
                 struct ocs_refusal *refusal)
{
	struct walk walk = {
	        .handler = handler,
	        .refusal = refusal,
	        .free = handler->arena,
	        .last = handler->arena + len,
	};
	xmlParserCtxtPtr parser;
	xmlDocPtr document;

	if (len == 0)
		return ocs_refuse(refusal, 400, "MALFORMED_XML", "the body is empty");
	if (len > INT_MAX || memchr(data, '\0', len) != NULL)
		return ocs_refuse(refusal, 400, "MALFORMED_XML", "the body is not UTF-8 text");
	if (!encoding_fits(data, len))
		return ocs_refuse(refusal, 400, "MALFORMED_XML",
		                  "the body is not XML in UTF-8, or not in the encoding that "
		                  "it declares");
	if (too_many_attributes(data, data + len))
		return ocs_refuse(refusal, 400, "FORBIDDEN_XML", "too many attributes");
	parser = thread_parser();
	if (parser == NULL)
		return ocs_refuse_memory(refusal);

	walk.parser = parser;
	parser->userData = &walk;
	/* The whole document is in memory. libxml2 would still try to read on before each token of
	 * the last 250 bytes, which in a short document is most of its time. */
	parser->progressive = 1;
	document = xmlCtxtReadMemory(parser, data, (int)len, NULL, NULL,
	                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
	                                     XML_PARSE_IGNORE_ENC);
	if (document != NULL)
		xmlFreeDoc(document);
	parser->myDoc = NULL;
	parser->userData = NULL;

	if (walk.refused)
		return -1;
	if (!parser->wellFormed || !parser->nsWellFormed) {
		const xmlError *error = xmlCtxtGetLastError(parser);

		if (error != NULL && error->code == XML_ERR_NO_MEMORY)
			return ocs_refuse_memory(refusal);
		return ocs_refuse(refusal, 400, "MALFORMED_XML",
		                  "the body is not well-formed XML (line %d)",
		                  error == NULL ? 1 : error->line);
	}
	if (walk.foreign)
		return ocs_refuse(refusal, 400, "MALFORMED_REQUEST",
		                  "the root element is not <" ROOT ">");
	return 0;
}

long ocs_xml_attribute_get(const struct ocs_xml_attributes *attributes, const char *name, char *out,
                           size_t size)
{
	for (int i = 0; i < attributes->count; i++) {
		const xmlChar **fields = attributes->values + 5 * i;
		const char *p = (const char *)fields[3], *end = (const char *)fields[4];
		size_t len = 0;

		if (fields[2] != NULL || strcmp((const char *)fields[0], name) != 0)
			continue;
		while (p < end) {
			char c = *p++;

			/* libxml2 hands out an ampersand as "&#38;" unless it expands all entities.
			 */
			if (c == '&' && end - p >= 4 && memcmp(p, "#38;", 4) == 0)
				p += 4;
			if (len < size)
				out[len] = c;
			len++;
		}
		return (long)len;
	}
	return -1;
}

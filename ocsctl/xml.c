/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The only file of ocsctl that knows libxml2. Documents with a DTD are refused before any of their
 * content is looked at, so that no entity is ever expanded; nothing is fetched from anywhere.
 */
#include "ocsctl/xml.h"

#include <libxml/parser.h>
#include <libxml/xmlsave.h>
#include <limits.h>
#include <string.h>
#include <talloc.h>

#define ROOT         "ocsmanager"
#define NOTIFICATION "notification"

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static xmlDoc *parse(const char *data, size_t len, struct ocs_error *error)
{
	xmlParserCtxt *context;
	xmlDoc *document;
	const xmlError *last;

	if (len > INT_MAX) {
		ocs_error_set(error, "too long");
		return NULL;
	}
	context = xmlNewParserCtxt();
	if (context == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	document = xmlCtxtReadMemory(context, data, (int)len, NULL, NULL,
	                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	last = xmlCtxtGetLastError(context);
	if (document == NULL || !context->wellFormed || !context->nsWellFormed) {
		const char *message = last != NULL && last->message != NULL ? last->message : "";

		ocs_error_set(error, "line %d: not well-formed XML: %.*s",
		              last != NULL ? last->line : 1, (int)strcspn(message, "\n"), message);
		xmlFreeDoc(document);
		document = NULL;
	} else if (document->intSubset != NULL || document->extSubset != NULL) {
		ocs_error_set(error, "a document type declaration is not allowed");
		xmlFreeDoc(document);
		document = NULL;
	}
	xmlFreeParserCtxt(context);
	return document;
}

static char *attribute(const void *mem_ctx, xmlNode *node, const char *name)
{
	xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
	char *copy = NULL;

	if (value != NULL)
		copy = talloc_strdup(mem_ctx, (const char *)value);
	xmlFree(value);
	return copy;
}

/* All text of an element without the white space around it. */
static char *content(const void *mem_ctx, xmlNode *node)
{
	static const char blank[] = " \t\r\n";
	xmlChar *value = xmlNodeGetContent(node);
	char *copy = NULL;

	if (value != NULL) {
		const char *start = (const char *)value + strspn((const char *)value, blank);
		size_t len = strlen(start);

		while (len > 0 && strchr(blank, start[len - 1]) != NULL)
			len--;
		copy = talloc_strndup(mem_ctx, start, len);
	}
	xmlFree(value);
	return copy;
}

static char *serialise(const void *mem_ctx, xmlNode *node)
{
	xmlBuffer *buffer = xmlBufferCreate();
	xmlSaveCtxt *save;
	char *copy = NULL;

	if (buffer == NULL)
		return NULL;
	save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_NO_DECL);
	if (save != NULL && xmlSaveTree(save, node) >= 0 && xmlSaveClose(save) >= 0)
		copy = talloc_strdup(mem_ctx, (const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return copy;
}

/* xml:space of the root holds for a notification that is taken out of it as well. */
static int inherit_space(xmlNode *node)
{
	int preserve = xmlNodeGetSpacePreserve(node);

	if (preserve < 0 || xmlHasNsProp(node, BAD_CAST "space", XML_XML_NAMESPACE) != NULL)
		return 0;
	xmlNodeSetSpacePreserve(node, preserve);
	return xmlHasNsProp(node, BAD_CAST "space", XML_XML_NAMESPACE) != NULL ? 0 : -1;
}

static int add_notification(const void *mem_ctx, xmlNode *node,
                            struct ocsctl_xml_notification **list, size_t *n)
{
	struct ocsctl_xml_notification *longer;

	longer = talloc_realloc(mem_ctx, *list, struct ocsctl_xml_notification, *n + 1);
	if (longer == NULL || inherit_space(node) < 0)
		return -1;
	*list = longer;
	longer[*n].xml = serialise(longer, node);
	longer[*n].id = attribute(longer, node, "id");
	return longer[(*n)++].xml != NULL ? 0 : -1;
}

int ocsctl_xml_read(const void *mem_ctx, const char *data, size_t len,
                    struct ocsctl_xml_notification **list_r, size_t *n_r, struct ocs_error *error)
{
	xmlDoc *document = parse(data, len, error);
	xmlNode *root, *node;
	int ret = 0;

	*list_r = NULL;
	*n_r = 0;
	if (document == NULL)
		return -1;
	root = xmlDocGetRootElement(document);
	if (is_named(root, NOTIFICATION)) {
		ret = add_notification(mem_ctx, root, list_r, n_r);
	} else if (is_named(root, ROOT)) {
		for (node = root->children; node != NULL && ret == 0; node = node->next)
			if (is_named(node, NOTIFICATION))
				ret = add_notification(mem_ctx, node, list_r, n_r);
	}
	if (ret < 0)
		ocs_error_memory(error);
	else if (*n_r == 0)
		ret = ocs_error_set(error, "holds no <" NOTIFICATION ">, alone or in <" ROOT ">");
	xmlFreeDoc(document);
	return ret;
}

static void read_error(const void *mem_ctx, xmlNode *node, struct ocsctl_xml_result *out)
{
	out->code = attribute(mem_ctx, node, "code");
	out->name = attribute(mem_ctx, node, "name");
	out->text = content(mem_ctx, node);
}

static int add_result(struct ocsctl_xml_reply *reply, xmlNode *node)
{
	struct ocsctl_xml_result *longer, *result;

	longer = talloc_realloc(reply, reply->results, struct ocsctl_xml_result,
	                        reply->n_results + 1);
	if (longer == NULL)
		return -1;
	reply->results = longer;
	result = &longer[reply->n_results++];
	memset(result, 0, sizeof(*result));
	result->status = attribute(reply, node, "status");
	result->queues = attribute(reply, node, "queues");
	for (node = node->children; node != NULL; node = node->next)
		if (is_named(node, "error"))
			read_error(reply, node, result);
	return result->status != NULL ? 0 : -1;
}

int ocsctl_xml_read_reply(const void *mem_ctx, const char *data, size_t len,
                          struct ocsctl_xml_reply **reply_r, struct ocs_error *error)
{
	xmlDoc *document = parse(data, len, error);
	struct ocsctl_xml_reply *reply;
	xmlNode *node;
	int ret = 0;

	if (document == NULL)
		return -1;
	reply = talloc_zero(mem_ctx, struct ocsctl_xml_reply);
	node = xmlDocGetRootElement(document);
	if (reply == NULL || !is_named(node, ROOT))
		ret = -1;
	for (node = ret == 0 ? node->children : NULL; node != NULL && ret == 0; node = node->next) {
		if (is_named(node, NOTIFICATION)) {
			ret = add_result(reply, node);
		} else if (is_named(node, "error")) {
			reply->error = talloc_zero(reply, struct ocsctl_xml_result);
			if (reply->error == NULL)
				ret = -1;
			else
				read_error(reply, node, reply->error);
		} else if (is_named(node, "token")) {
			reply->token = content(reply, node);
		} else if (is_named(node, "salt")) {
			reply->salt = content(reply, node);
		} else if (is_named(node, "sasl")) {
			reply->sasl = content(reply, node);
		}
	}
	xmlFreeDoc(document);
	if (ret < 0) {
		talloc_free(reply);
		return ocs_error_set(error, "the reply is not one of the web service");
	}
	*reply_r = reply;
	return 0;
}

char *ocsctl_xml_escape(const void *mem_ctx, const char *text)
{
	char *out = talloc_strdup(mem_ctx, "");

	for (; *text != '\0' && out != NULL; text++) {
		if (*text == '&')
			out = talloc_strdup_append_buffer(out, "&amp;");
		else if (*text == '<')
			out = talloc_strdup_append_buffer(out, "&lt;");
		else if (*text == '>')
			out = talloc_strdup_append_buffer(out, "&gt;");
		else
			out = talloc_strndup_append_buffer(out, text, 1);
	}
	return out;
}

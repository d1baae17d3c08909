/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads answers of the web service with expat: see answer.h. Touches memory only. */
#include "lib.h"
#include "str.h"

#include "answer.h"

#include <expat.h>

#define DEPTH_MAX 8

struct parser {
	XML_Parser expat;
	struct ocs_answer *answer;
	unsigned int depth;
	bool in_notification;
	const char **field; /* where the text of the open element goes, or NULL */
	const char *ttl;
	string_t *text;
};

static const char *attribute(const XML_Char **attributes, const char *name)
{
	for (; attributes[0] != NULL; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return "";
}

static const char *error_name(const char *name)
{
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return name[length] == '\0' && length > 0 && length <= 64 ? t_strdup(name)
	                                                          : "unnamed error";
}

static void start_result(struct parser *p, const XML_Char **attributes)
{
	struct ocs_answer *answer = p->answer;
	const char *status = attribute(attributes, "status");

	if (answer->result_count == OCS_RESULTS_MAX) {
		XML_StopParser(p->expat, XML_FALSE);
		return;
	}
	p->in_notification = TRUE;
	answer->results[answer->result_count++] =
	        strcmp(status, "queued") == 0 || strcmp(status, "nosubscriber") == 0 ||
	                        strcmp(status, "duplicate") == 0
	                ? OCS_RESULT_DONE
	                : OCS_RESULT_REFUSED;
}

static void start_error(struct parser *p, const XML_Char **attributes)
{
	struct ocs_answer *answer = p->answer;
	unsigned int code;

	if (str_to_uint(attribute(attributes, "code"), &code) < 0)
		code = 500;
	if (*answer->error_name == '\0')
		answer->error_name = error_name(attribute(attributes, "name"));
	if (!p->in_notification)
		answer->error_code = code;
	else if (code >= 500 || code == 429)
		answer->results[answer->result_count - 1] = OCS_RESULT_LATER;
}

static void answer_start_element(void *context, const XML_Char *name, const XML_Char **attributes)
{
	struct parser *p = context;

	p->field = NULL;
	if (++p->depth > DEPTH_MAX || (p->depth == 1 && strcmp(name, "ocsmanager") != 0)) {
		XML_StopParser(p->expat, XML_FALSE);
		return;
	}
	if (strcmp(name, "error") == 0 && (p->depth == 2 || (p->depth == 3 && p->in_notification)))
		start_error(p, attributes);
	if (p->depth != 2)
		return;
	if (strcmp(name, "notification") == 0)
		start_result(p, attributes);
	else if (strcmp(name, "token") == 0)
		p->field = &p->answer->token;
	else if (strcmp(name, "salt") == 0)
		p->field = &p->answer->salt;
	else if (strcmp(name, "sasl") == 0)
		p->field = &p->answer->sasl;
	else if (strcmp(name, "ttl") == 0)
		p->field = &p->ttl;
	str_truncate(p->text, 0);
}

static void answer_end_element(void *context, const XML_Char *name ATTR_UNUSED)
{
	struct parser *p = context;

	if (p->field != NULL)
		*p->field = t_str_trim(str_c(p->text), " \t\r\n");
	p->field = NULL;
	if (p->depth == 2)
		p->in_notification = FALSE;
	p->depth--;
}

static void answer_text(void *context, const XML_Char *data, int length)
{
	struct parser *p = context;

	if (p->field != NULL)
		str_append_data(p->text, data, length);
}

static void answer_doctype(void *context, const XML_Char *name ATTR_UNUSED,
                           const XML_Char *sysid ATTR_UNUSED, const XML_Char *pubid ATTR_UNUSED,
                           int internal ATTR_UNUSED)
{
	struct parser *p = context;

	XML_StopParser(p->expat, XML_FALSE);
}

int ocs_answer_parse(const char *body, size_t size, struct ocs_answer *answer_r)
{
	struct parser p = {.answer = answer_r, .ttl = ""};
	int ret;

	i_zero(answer_r);
	answer_r->token = answer_r->salt = answer_r->sasl = answer_r->error_name = "";
	p.text = t_str_new(256);
	p.expat = XML_ParserCreate(NULL);
	if (p.expat == NULL)
		return -1;
	XML_SetUserData(p.expat, &p);
	XML_SetElementHandler(p.expat, answer_start_element, answer_end_element);
	XML_SetCharacterDataHandler(p.expat, answer_text);
	XML_SetStartDoctypeDeclHandler(p.expat, answer_doctype);
	ret = XML_Parse(p.expat, body, (int)size, XML_TRUE) == XML_STATUS_OK ? 0 : -1;
	XML_ParserFree(p.expat);
	if (ret == 0 && str_to_uint(p.ttl, &answer_r->ttl) < 0)
		answer_r->ttl = 0;
	return ret;
}

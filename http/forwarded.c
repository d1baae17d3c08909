/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads Forwarded and X-Forwarded-For. Memory only. */
#include "http/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX 256 /* bytes of a value that mean something to us */

static void skip_space(const char **at)
{
	*at += strspn(*at, " \t");
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len >= 1 && len <= 5 && text[len] == '\0';
}

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT; an IPv6 one also without brackets. The text is changed.
 * AF_UNSPEC: none of these. */
static void take_address(char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	char *colon = strchr(text, ':'), *end;

	memset(out, 0, sizeof(*out));
	out->ss_family = AF_UNSPEC;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && (end[1] != ':' || !is_port(end + 2))))
			return;
		*end = '\0';
		text++;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		if (!is_port(colon + 1))
			return;
		*colon = '\0';
	}
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
	}
}

/* The nearest comes last, and the list begins with it. */
static struct ocs_http_hop *add_hop(struct ocs_http_hops *hops)
{
	if (hops->n < OCS_HTTP_HOPS)
		hops->n++;
	memmove(hops->list + 1, hops->list, (hops->n - 1) * sizeof(hops->list[0]));
	memset(&hops->list[0], 0, sizeof(hops->list[0]));
	return &hops->list[0];
}

/* RFC 9110 section 5.6.2, and the colons and brackets of addresses, which many do not quote. */
static size_t word_length(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                    "abcdefghijklmnopqrstuvwxyz:[]");
}

static int take_quoted(const char **at, char out[VALUE_MAX])
{
	size_t len = 0;

	for ((*at)++; **at != '"'; (*at)++) {
		if (**at == '\\')
			(*at)++;
		if (**at == '\0' || len + 1 >= VALUE_MAX)
			return -1;
		out[len++] = **at;
	}
	(*at)++;
	out[len] = '\0';
	return 0;
}

static int take_value(const char **at, char out[VALUE_MAX])
{
	size_t len;

	if (**at == '"')
		return take_quoted(at, out);
	len = word_length(*at);
	if (len >= VALUE_MAX)
		return -1;
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len;
	return 0;
}

/* NAME=VALUE of an element. A second one of the same name contradicts the first. */
static int take_pair(const char **at, struct ocs_http_hop *hop, bool *has_for, bool *has_proto)
{
	const char *name = *at;
	size_t len = word_length(name);
	char value[VALUE_MAX];

	*at += len;
	if (len == 0 || **at != '=')
		return -1;
	(*at)++;
	if (take_value(at, value) != 0)
		return -1;
	if (len == 3 && strncasecmp(name, "for", len) == 0) {
		if (*has_for)
			return -1;
		*has_for = true;
		take_address(value, &hop->from);
	} else if (len == 5 && strncasecmp(name, "proto", len) == 0) {
		if (*has_proto)
			return -1;
		*has_proto = true;
		hop->https = strcasecmp(value, "https") == 0;
	}
	return 0;
}

static int take_element(const char **at, struct ocs_http_hops *hops)
{
	struct ocs_http_hop *hop = add_hop(hops);
	bool has_for = false, has_proto = false;

	for (;;) {
		skip_space(at);
		if (**at != ';' && **at != ',' && **at != '\0' &&
		    take_pair(at, hop, &has_for, &has_proto) != 0)
			return -1;
		skip_space(at);
		if (**at == ',' || **at == '\0')
			return 0;
		if (**at != ';')
			return -1;
		(*at)++;
	}
}

int ocs_http_forwarded(const char *text, struct ocs_http_hops *hops)
{
	hops->n = 0;
	for (;;) {
		skip_space(&text);
		if (*text != ',' && *text != '\0' && take_element(&text, hops) != 0)
			return -1;
		if (*text == '\0')
			return 0;
		text++;
	}
}

/* The next item of a list, without the white space around it. false: there is no more. */
static bool next_item(const char **at, const char **item, size_t *len)
{
	*at += strspn(*at, " \t,");
	*item = *at;
	*len = strcspn(*at, ",");
	*at += *len;
	while (*len > 0 && strchr(" \t", (*item)[*len - 1]) != NULL)
		(*len)--;
	return *len > 0;
}

static void take_schemes(const char *protos, struct ocs_http_hops *hops)
{
	bool https[OCS_HTTP_HOPS] = {false};
	unsigned n = 0;
	const char *item;
	size_t len;

	while (next_item(&protos, &item, &len)) {
		memmove(https + 1, https, sizeof(https) - sizeof(https[0]));
		https[0] = len == 5 && strncasecmp(item, "https", len) == 0;
		n++;
	}
	for (unsigned i = 0; i < hops->n; i++)
		hops->list[i].https = n == 1 ? https[0] : https[i];
}

int ocs_http_forwarded_for(const char *text, const char *protos, struct ocs_http_hops *hops)
{
	char value[VALUE_MAX];
	const char *item;
	size_t len;

	hops->n = 0;
	while (next_item(&text, &item, &len)) {
		struct ocs_http_hop *hop = add_hop(hops);

		if (len >= VALUE_MAX)
			return -1;
		memcpy(value, item, len);
		value[len] = '\0';
		take_address(value, &hop->from);
	}
	if (protos != NULL)
		take_schemes(protos, hops);
	return 0;
}

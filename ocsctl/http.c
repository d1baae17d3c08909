/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * HTTP for ocsctl: libcurl with one connection that is kept and a cookie jar in memory. The only
 * file that knows libcurl.
 *
 * No proxy, whatever the environment says, and no redirects: what is sent holds credentials, and
 * they go to the address the admin gave or nowhere.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "ocsctl/ocsctl.h"

#define REPLY_MAX       (4L << 20)
#define CONNECT_SECONDS 30L /* TLS too: on a host with a load of 50 the handshake took over 5 */
#define TOTAL_SECONDS   60L

struct ocsctl_http {
	CURL *curl;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	bool nobody; /* the last request found nobody listening */
	char *body;
	size_t len;
};

static size_t http_take_body(char *data, size_t size, size_t count, void *arg)
{
	struct ocsctl_http *http = arg;
	size_t len = size * count;
	char *body;

	if (len > (size_t)REPLY_MAX - http->len)
		return 0;
	body = talloc_realloc(http, http->body, char, http->len + len + 1);
	if (body == NULL)
		return 0;
	memcpy(body + http->len, data, len);
	http->body = body;
	http->len += len;
	http->body[http->len] = '\0';
	return len;
}

static int http_destroy(struct ocsctl_http *http)
{
	curl_slist_free_all(http->headers);
	if (http->curl != NULL)
		curl_easy_cleanup(http->curl);
	curl_global_cleanup();
	return 0;
}

/* What holds for every request. Set once: curl_easy_reset() of 7.88 leaks the cookie file. */
static bool set_up(struct ocsctl_http *http)
{
	CURL *curl = http->curl;

	return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT, TOTAL_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "ocsctl/" OCS_VERSION) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_take_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

struct ocsctl_http *ocsctl_http_new(const void *mem_ctx)
{
	struct ocsctl_http *http;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	http = talloc_zero(mem_ctx, struct ocsctl_http);
	if (http == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	talloc_set_destructor(http, http_destroy);
	http->curl = curl_easy_init();
	/* An empty Expect: spares the wait for 100-continue. */
	http->headers = curl_slist_append(NULL, "Content-Type: text/xml; charset=utf-8");
	if (http->curl == NULL || http->headers == NULL ||
	    curl_slist_append(http->headers, "Expect:") == NULL || !set_up(http)) {
		talloc_free(http);
		return NULL;
	}
	return http;
}

int ocsctl_http_expect(struct ocsctl_http *http, const char *cert, struct ocs_error *error)
{
	char *pin;

	if (cert == NULL)
		return 0;
	pin = ocsctl_pin(http, cert, error);
	if (pin == NULL)
		return -1;
	/* Whoever has the key is the daemon, whatever name and issuer the certificate has. */
	if (curl_easy_setopt(http->curl, CURLOPT_PINNEDPUBLICKEY, pin) != CURLE_OK ||
	    curl_easy_setopt(http->curl, CURLOPT_SSL_VERIFYPEER, 0L) != CURLE_OK ||
	    curl_easy_setopt(http->curl, CURLOPT_SSL_VERIFYHOST, 0L) != CURLE_OK)
		return ocs_error_set(error, "libcurl cannot be told to expect a certificate");
	return 0;
}

int ocsctl_http_trust(struct ocsctl_http *http, const char *ca, struct ocs_error *error)
{
	if (curl_easy_setopt(http->curl, CURLOPT_CAINFO, ca) != CURLE_OK ||
	    curl_easy_setopt(http->curl, CURLOPT_CAPATH, NULL) != CURLE_OK)
		return ocs_error_set(error, "%s: libcurl cannot be told to trust it", ca);
	return 0;
}

/* What the libraries say of a key that is not the expected one does not help. */
static int refuse_pin(const char *url, struct ocs_error *error)
{
	return ocs_error_set(error,
	                     "%s: it shows another certificate than the ini's tls_cert: if that is "
	                     "new, `ocsctl reload`",
	                     url);
}

static bool prepare(struct ocsctl_http *http, const char *method, const char *url, const char *body,
                    size_t len)
{
	CURL *curl = http->curl;

	if (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK)
		return false;
	if (body == NULL)
		return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL) == CURLE_OK;
	return curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

bool ocsctl_http_nobody(const struct ocsctl_http *http)
{
	return http->nobody;
}

int ocsctl_http_request(struct ocsctl_http *http, const char *method, const char *url,
                        const char *body, size_t len, struct ocsctl_reply *reply,
                        struct ocs_error *error)
{
	CURLcode code;

	http->len = 0;
	http->error[0] = '\0';
	http->nobody = false;
	if (!prepare(http, method, url, body, len))
		return ocs_error_set(error, "%s: cannot prepare the request", url);
	code = curl_easy_perform(http->curl);
	http->nobody = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return refuse_pin(url, error);
	if (code != CURLE_OK)
		return ocs_error_set(error, "%s: %s", url,
		                     http->error[0] != '\0' ? http->error
		                                            : curl_easy_strerror(code));
	if (curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &reply->status) != CURLE_OK)
		return ocs_error_set(error, "%s: no HTTP status", url);
	if (http->body == NULL)
		http->body = talloc_zero_array(http, char, 1);
	if (http->body == NULL)
		return ocs_error_memory(error);
	http->body[http->len] = '\0';
	reply->body = http->body;
	reply->len = http->len;
	return 0;
}

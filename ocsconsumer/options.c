/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Parses the command line of ocsconsumer; prints usage and mistakes to stderr. */
#include "ocsconsumer/ocsconsumer.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/usage.h"
#include "mqueue/name.h"
#include "registry/match.h"

#define PROGRAM     "ocsconsumer"
#define DEFAULT_INI OCS_SYSCONFDIR "/ocsmanager.ini"

/* What an Outlook client sends as its context is this long. */
#define DEFAULT_CONTEXT_LEN 8

/* The interval of idle calls: a MAPI client's is 60 s (pcmsPollsMax), which is long to watch. */
#define DEFAULT_IDLE_MS 5000
#define MAX_IDLE_S      3600

static const char help[] =
        "usage: ocsconsumer [OPTIONS] -u USER\n"
        "\n"
        "Subscribes through libocsnotify as a MAPI server does for a client, makes an idle call\n"
        "every few seconds, and prints a line for each event.\n"
        "\n"
        "  -c, --config FILE    the ini of ocsmanager (" DEFAULT_INI ")\n"
        "  -u, --user USER      whose notifications\n"
        "      --folder FID     16 hex digits, as printed; or `store`, the whole store (default)\n"
        "      --table TABLE    newmail (default), object, contents, hierarchy, search;\n"
        "                       may be given several times\n"
        "      --types BITS     NotificationTypes of MS-OXCNOTIF (0x for hex): 2 new mail,\n"
        "                       4 created, 8 deleted, 0x10 modified, 0x20 moved, 0x40 copied,\n"
        "                       0x80 search completed, 0x100 table modified.\n"
        "                       Default: all of the tables; without --table: the tables of the "
        "types\n"
        "      --map BACKEND:USER  the user sees this mail store too; may be repeated\n"
        "      --push ADDR:PORT send the client's UDP datagram there ([ADDR]:PORT for IPv6)\n"
        "      --context HEX    what the datagram carries, 1 to 16 bytes (default: 8 random "
        "ones)\n"
        "      --idle SECONDS   between two idle calls, 0.01 to 3600 (5)\n"
        "      --count N        end after N events\n"
        "      --format FORMAT  text (default), json: an object a line, hex: the bytes of each\n"
        "                       RopNotify response\n"
        "  -h, --help           this text\n"
        "  -V, --version        the version\n"
        "\n"
        "Text lines are: time of acceptance, event, queue, FID, MID, other fields as key=value.\n"
        "On standard error: `subscribed` once it is ready, `udp ADDR bytes=HEX` for each datagram\n"
        "sent, and warnings. Ends with 0 by SIGTERM, SIGINT or --count; 1: failed; 2: usage.\n";

enum long_option {
	OPTION_FOLDER = 256,
	OPTION_TABLE,
	OPTION_TYPES,
	OPTION_MAP,
	OPTION_PUSH,
	OPTION_CONTEXT,
	OPTION_IDLE,
	OPTION_COUNT,
	OPTION_FORMAT,
};

static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"user", required_argument, NULL, 'u'},
        {"folder", required_argument, NULL, OPTION_FOLDER},
        {"table", required_argument, NULL, OPTION_TABLE},
        {"types", required_argument, NULL, OPTION_TYPES},
        {"map", required_argument, NULL, OPTION_MAP},
        {"push", required_argument, NULL, OPTION_PUSH},
        {"context", required_argument, NULL, OPTION_CONTEXT},
        {"idle", required_argument, NULL, OPTION_IDLE},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
};

static int parse_table(const char *word, struct consumer_options *options)
{
	enum ocs_table table;

	if (ocs_table_from_word(word, &table) != 0)
		return ocs_usage_error(
		        PROGRAM,
		        "--table %s: not one of newmail, object, contents, hierarchy, search",
		        word);
	options->tables |= 1u << table;
	return 0;
}

/* What ocsnotify_subscribe() takes: the types that are given, and one that MS-OXCNOTIF 2.2.1.2.1.1
 * reserves. */
#define TYPES_GIVEN                                                                                \
	(OCSNOTIFY_NEWMAIL | OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED |                 \
	 OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_COPIED |            \
	 OCSNOTIFY_SEARCH_COMPLETED | OCSNOTIFY_TABLE_MODIFIED)
#define TYPES (TYPES_GIVEN | 0x0400ul)

static int parse_types(const char *word, struct consumer_options *options)
{
	uint64_t value;

	if (!ocs_usage_number(word, 0, 1, TYPES, &value) || (value & ~TYPES) != 0)
		return ocs_usage_error(
		        PROGRAM, "--types %s: not a set of notification types (bits of 0x%lx)",
		        word, TYPES);
	options->types = (uint16_t)value;
	return 0;
}

static int parse_map(char *word, struct consumer_options *options)
{
	char *colon = strchr(word, ':');

	if (colon == NULL || colon == word || colon[1] == '\0')
		return ocs_usage_error(PROGRAM, "--map %s: not BACKEND:USER", word);
	if (options->n_stores == CONSUMER_STORES_MAX)
		return ocs_usage_error(PROGRAM, "--map: more than %d", CONSUMER_STORES_MAX);
	*colon = '\0';
	options->stores[options->n_stores++] = word;
	return 0;
}

static int parse_push(const char *word, struct consumer_options *options)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&options->push;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&options->push;
	const char *colon = strrchr(word, ':');
	char host[INET6_ADDRSTRLEN];
	bool bracketed = word[0] == '[';
	uint64_t port;
	size_t len;

	if (colon != NULL) {
		len = (size_t)(colon - word);
		if (bracketed && len >= 2 && word[len - 1] == ']') {
			word++;
			len -= 2;
		}
		if (len < sizeof(host) && ocs_usage_number(colon + 1, 10, 1, 65535, &port)) {
			memcpy(host, word, len);
			host[len] = '\0';
			options->has_push = true;
			if (!bracketed && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
				in->sin_family = AF_INET;
				in->sin_port = htons((uint16_t)port);
				return 0;
			}
			if (bracketed && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
				in6->sin6_family = AF_INET6;
				in6->sin6_port = htons((uint16_t)port);
				return 0;
			}
		}
	}
	return ocs_usage_error(
	        PROGRAM, "--push: not an address and port, such as 127.0.0.1:4000 or [::1]:4000");
}

static int parse_context(const char *word, struct consumer_options *options)
{
	size_t len = strlen(word);

	if (len < 2 || len > 2 * sizeof(options->context) || len % 2 != 0 ||
	    strspn(word, "0123456789abcdefABCDEF") != len)
		return ocs_usage_error(PROGRAM, "--context %s: not 1 to %zu bytes in hex", word,
		                       sizeof(options->context));
	for (size_t i = 0; i < len; i += 2) {
		char digits[3] = {word[i], word[i + 1], '\0'};

		options->context[i / 2] = (uint8_t)strtoul(digits, NULL, 16);
	}
	options->context_len = len / 2;
	return 0;
}

static int parse_idle(const char *word, struct consumer_options *options)
{
	char *end;
	double seconds = strtod(word, &end);

	if (word[0] < '0' || word[0] > '9' || *end != '\0' ||
	    !(seconds >= 0.01 && seconds <= MAX_IDLE_S))
		return ocs_usage_error(PROGRAM,
		                       "--idle %s: not a number of seconds from 0.01 to %d", word,
		                       MAX_IDLE_S);
	options->idle_ms = (unsigned)(seconds * 1000);
	return 0;
}

static int parse_count(const char *word, struct consumer_options *options)
{
	if (!ocs_usage_number(word, 10, 1, UINT64_MAX, &options->count))
		return ocs_usage_error(PROGRAM, "--count %s: not a number of events", word);
	return 0;
}

static int parse_format(const char *word, struct consumer_options *options)
{
	if (strcmp(word, "text") == 0)
		options->format = FORMAT_TEXT;
	else if (strcmp(word, "json") == 0)
		options->format = FORMAT_JSON;
	else if (strcmp(word, "hex") == 0)
		options->format = FORMAT_HEX;
	else
		return ocs_usage_error(PROGRAM, "--format %s: not one of text, json, hex", word);
	return 0;
}

static int parse(int option, struct consumer_options *options)
{
	switch (option) {
	case 'c':
		options->ini = optarg;
		return 0;
	case 'u':
		options->user = optarg;
		return 0;
	case OPTION_FOLDER:
		return ocs_folder_from_word(optarg, &options->folder) == 0
		               ? 0
		               : ocs_usage_error(
		                         PROGRAM,
		                         "--folder %s: must be 16 hex digits, not all 0, or "
		                         "`store`",
		                         optarg);
	case OPTION_TABLE:
		return parse_table(optarg, options);
	case OPTION_TYPES:
		return parse_types(optarg, options);
	case OPTION_MAP:
		return parse_map(optarg, options);
	case OPTION_PUSH:
		return parse_push(optarg, options);
	case OPTION_CONTEXT:
		return parse_context(optarg, options);
	case OPTION_IDLE:
		return parse_idle(optarg, options);
	case OPTION_COUNT:
		return parse_count(optarg, options);
	case OPTION_FORMAT:
		return parse_format(optarg, options);
	default:
		return ocs_usage_hint(PROGRAM);
	}
}

static int complete(struct consumer_options *options)
{
	if (options->user == NULL)
		return ocs_usage_error(PROGRAM, "-u USER is missing");
	if (options->tables == 0)
		options->tables = options->types != 0 ? ocs_match_tables(options->types)
		                                      : 1u << OCS_TABLE_NEWMAIL;
	if (options->types == 0)
		options->types = TYPES_GIVEN;
	if ((ocs_match_tables(options->types) & options->tables) == 0)
		return ocs_usage_error(PROGRAM,
		                       "--types 0x%x: no type belongs to the requested tables",
		                       options->types);
	if (options->context_len > 0 && !options->has_push)
		return ocs_usage_error(PROGRAM, "--context means nothing without --push");
	if (options->context_len == 0) {
		if (getrandom(options->context, DEFAULT_CONTEXT_LEN, 0) != DEFAULT_CONTEXT_LEN)
			return ocs_usage_error(PROGRAM,
			                       "cannot get random bytes: give a --context");
		options->context_len = DEFAULT_CONTEXT_LEN;
	}
	return 0;
}

int consumer_options(int argc, char **argv, struct consumer_options *options, int *status_r)
{
	int option;

	memset(options, 0, sizeof(*options));
	options->ini = DEFAULT_INI;
	options->idle_ms = DEFAULT_IDLE_MS;
	*status_r = 2;
	while ((option = getopt_long(argc, argv, "c:u:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			fputs(option == 'h' ? help : "ocsconsumer " OCS_VERSION "\n", stdout);
			*status_r = 0;
			return -1;
		}
		if (parse(option, options) != 0)
			return -1;
	}
	if (optind < argc)
		return ocs_usage_error(PROGRAM, "unexpected argument '%s'", argv[optind]);
	return complete(options);
}

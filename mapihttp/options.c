/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Parses the command line of ocsmapihttp; prints usage and mistakes. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/usage.h"
#include "mapihttp/mapihttp.h"

#define PROGRAM     "ocsmapihttp"
#define DEFAULT_INI OCS_SYSCONFDIR "/ocsmanager.ini"

static const char help[] =
        "usage: ocsmapihttp [OPTIONS]\n"
        "\n"
        "A MAPI over HTTP endpoint (POST /mapi/emsmdb/) that tells clients what ocsmanager\n"
        "accepts: Connect, Execute, NotificationWait, Disconnect, PING. Its mailboxes are empty;\n"
        "clients can log on, subscribe, idle and get notifications.\n"
        "\n"
        "  -c, --config FILE      the ini of ocsmanager (" DEFAULT_INI "): registry,\n"
        "                         accounts, user. An account's mailbox has the account's name\n"
        "      --listen ADDR:PORT where to answer (127.0.0.1:8443); [ADDR]:PORT for IPv6; port 0:\n"
        "                         any free one; the log says which\n"
        "      --cert FILE        certificate and chain, PEM. Without it there is no TLS, and it\n"
        "                         listens on loopback addresses only\n"
        "      --key FILE         its private key, PEM, readable by its owner only\n"
        "      --private FOLDER   for the secrets of this program, one that nobody else uses\n"
        "                         (private-mapihttp in the registry)\n"
        "      --exchange VERSION behave as this Exchange: 2013, 2016 (default), 2019, se\n"
        "      --pending-period MS    between two PENDING tags of a waiting answer (15000)\n"
        "      --wait-limit MS        a NotificationWait without an event ends after (300000)\n"
        "      --session-idle MS      a session without requests ends after (900000)\n"
        "      --connections N        open at the same time (4096)\n"
        "      --sessions N           open at the same time (10000)\n"
        "      --sessions-per-user N  of one user (128): one more ends the session of that user\n"
        "                             that was not used for the longest time and waits for "
        "nothing\n"
        "      --sessions-per-address N   opened from one address (1000; loopback is exempt)\n"
        "      --subscriptions N      tables and subscriptions of a session (500)\n"
        "  -f, --foreground       stay in the foreground and log to standard error\n"
        "  -h, --help             this text\n"
        "  -V, --version          the version\n"
        "\n"
        "SIGHUP: reads accounts, certificate and key again. SIGTERM, SIGINT: ends the waits and "
        "stops.\n"
        "Ends with 0 when stopped; 1: failed; 2: usage.\n";

enum long_option {
	OPTION_LISTEN = 256,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_PRIVATE,
	OPTION_EXCHANGE,
	OPTION_PENDING_PERIOD,
	OPTION_WAIT_LIMIT,
	OPTION_SESSION_IDLE,
	OPTION_CONNECTIONS,
	OPTION_SESSIONS,
	OPTION_SESSIONS_PER_USER,
	OPTION_SESSIONS_PER_ADDRESS,
	OPTION_SUBSCRIPTIONS,
};

static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"cert", required_argument, NULL, OPTION_CERT},
        {"key", required_argument, NULL, OPTION_KEY},
        {"private", required_argument, NULL, OPTION_PRIVATE},
        {"exchange", required_argument, NULL, OPTION_EXCHANGE},
        {"pending-period", required_argument, NULL, OPTION_PENDING_PERIOD},
        {"wait-limit", required_argument, NULL, OPTION_WAIT_LIMIT},
        {"session-idle", required_argument, NULL, OPTION_SESSION_IDLE},
        {"connections", required_argument, NULL, OPTION_CONNECTIONS},
        {"sessions", required_argument, NULL, OPTION_SESSIONS},
        {"sessions-per-user", required_argument, NULL, OPTION_SESSIONS_PER_USER},
        {"sessions-per-address", required_argument, NULL, OPTION_SESSIONS_PER_ADDRESS},
        {"subscriptions", required_argument, NULL, OPTION_SUBSCRIPTIONS},
        {"foreground", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
};

static int parse_number(const char *name, const char *word, unsigned min, unsigned max,
                        unsigned *out)
{
	uint64_t value;

	if (!ocs_usage_number(word, 10, min, max, &value))
		return ocs_usage_error(PROGRAM, "--%s %s: not a number from %u to %u", name, word,
		                       min, max);
	*out = (unsigned)value;
	return 0;
}

/* Cuts the word into address and port. */
static int parse_listen(char *word, struct mapihttp_options *options)
{
	char *colon = strrchr(word, ':');
	unsigned port = 0;

	if (colon == NULL || colon == word)
		return ocs_usage_error(PROGRAM, "--listen %s: not ADDRESS:PORT", word);
	if (parse_number("listen port", colon + 1, 0, 65535, &port) != 0)
		return -1;
	*colon = '\0';
	options->port = (uint16_t)port;
	options->host = word;
	if (word[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		options->host = word + 1;
	} else if (strchr(word, ':') != NULL) {
		return ocs_usage_error(PROGRAM, "--listen: an IPv6 address stands in brackets");
	}
	return 0;
}

static int parse_exchange(const char *word, struct mapihttp_options *options)
{
	if (!ocsemsmdb_version_parse(word, &options->version) || options->version < OCSEMSMDB_2013)
		return ocs_usage_error(PROGRAM, "--exchange %s: not one of 2013, 2016, 2019, se",
		                       word);
	return 0;
}

/* The program may change its folder. Kept as long as it runs. */
static int parse_path(const char *word, const char **out)
{
	char *folder, *path = NULL;

	if (word[0] == '/') {
		*out = word;
		return 0;
	}
	folder = getcwd(NULL, 0);
	if (folder == NULL || asprintf(&path, "%s/%s", folder, word) < 0) {
		free(folder);
		return ocs_usage_error(PROGRAM, "%s: %s", word, strerror(errno));
	}
	free(folder);
	*out = path;
	return 0;
}

static int parse(int option, struct mapihttp_options *options)
{
	switch (option) {
	case 'c':
		options->ini = optarg;
		return 0;
	case 'f':
		options->foreground = true;
		return 0;
	case OPTION_LISTEN:
		return parse_listen(optarg, options);
	case OPTION_CERT:
		return parse_path(optarg, &options->cert);
	case OPTION_KEY:
		return parse_path(optarg, &options->key);
	case OPTION_PRIVATE:
		return parse_path(optarg, &options->private_folder);
	case OPTION_EXCHANGE:
		return parse_exchange(optarg, options);
	case OPTION_PENDING_PERIOD:
		return parse_number("pending-period", optarg, 10, 300000, &options->pending_period);
	case OPTION_WAIT_LIMIT:
		return parse_number("wait-limit", optarg, 10, 3600000, &options->wait_limit);
	case OPTION_SESSION_IDLE:
		return parse_number("session-idle", optarg, 10, 86400000, &options->session_idle);
	case OPTION_CONNECTIONS:
		return parse_number("connections", optarg, 1, 100000, &options->connections);
	case OPTION_SESSIONS:
		return parse_number("sessions", optarg, 1, 65535, &options->sessions);
	case OPTION_SESSIONS_PER_USER:
		return parse_number("sessions-per-user", optarg, 1, 65535,
		                    &options->sessions_per_user);
	case OPTION_SESSIONS_PER_ADDRESS:
		return parse_number("sessions-per-address", optarg, 1, 65535,
		                    &options->sessions_per_address);
	case OPTION_SUBSCRIPTIONS:
		return parse_number("subscriptions", optarg, 1, 65535, &options->subscriptions);
	default:
		return ocs_usage_hint(PROGRAM);
	}
}

int mapihttp_options(int argc, char **argv, struct mapihttp_options *options, int *status_r)
{
	int option;

	*options = (struct mapihttp_options){
	        .ini = DEFAULT_INI,
	        .host = "127.0.0.1",
	        .port = 8443,
	        .version = OCSEMSMDB_2016,
	        .pending_period = 15000,
	        .wait_limit = 300000,
	        .session_idle = 900000,
	        .connections = 4096,
	        .sessions = 10000,
	        .sessions_per_user = 128,
	        .subscriptions = 500,
	};
	*status_r = 2;
	while ((option = getopt_long(argc, argv, "c:fhV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			fputs(option == 'h' ? help : "ocsmapihttp " OCS_VERSION "\n", stdout);
			*status_r = 0;
			return -1;
		}
		if (parse(option, options) != 0)
			return -1;
	}
	if (optind < argc)
		return ocs_usage_error(PROGRAM, "unexpected argument '%s'", argv[optind]);
	if ((options->cert == NULL) != (options->key == NULL))
		return ocs_usage_error(PROGRAM, "--cert and --key belong together");
	return 0;
}

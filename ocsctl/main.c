/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl: the admin's tool. Options, help, and the table of commands; each command is in a file of
 * its own. It reads the ini and the registry like any member of the registry's group; it never
 * stops or starts anything.
 */
#include "ocsctl/ocsctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#define DEFAULT_INI OCS_SYSCONFDIR "/ocsmanager.ini"

enum given {
	OPTION_TAKE = 1 << 0,
	OPTION_SCHEME = 1 << 1,
	OPTION_USER = 1 << 2,
	OPTION_PASSWORD_FILE = 1 << 3,
	OPTION_URL = 1 << 4,
	OPTION_MECHANISM = 1 << 5,
	OPTION_COUNT = 1 << 6,
	OPTION_RETRY = 1 << 7,
	OPTION_PURGE = 1 << 8,
	OPTION_PASSWORD_FD = 1 << 9,
};

static const struct command {
	const char *name;
	int (*run)(struct ocsctl *ctl);
	unsigned options; /* that mean something here */
	int min_operands, max_operands;
	const char *usage, *help, *more;
	const char *needs[6]; /* sections of the ini, NULL-terminated */
} commands[] = {
        {"status",
         ocsctl_status,
         0,
         0,
         0,
         "",
         "whether the daemon runs and delivers, its counters, limits",
         "Exit status 1 if the daemon does not run or says that it cannot deliver.",
         {"main", "server:main", "operations", "mqueue", "rabbitmq"}},
        {"queues",
         ocsctl_queues,
         0,
         0,
         0,
         "",
         "every queue: what waits in the kernel and in its spill list",
         "KERNEL is entries waiting and room; `-` means that the kernel gave no queue, so that "
         "the\n"
         "spill list alone serves it. OWNER is the process of the MAPI server.",
         {"main"}},
        {"sessions",
         ocsctl_sessions,
         0,
         0,
         0,
         "",
         "every client session and its push address",
         NULL,
         {"main"}},
        {"peek",
         ocsctl_peek,
         OPTION_TAKE,
         1,
         1,
         "QUEUE [--take]",
         "what waits in a queue",
         "A kernel queue cannot be read without taking out what is read, so its entries are only\n"
         "counted. With --take they are taken out and shown, which is refused while the owner\n"
         "lives, because its client would miss them.",
         {"main"}},
        {"purge",
         ocsctl_purge,
         0,
         1,
         1,
         "QUEUE",
         "throws away what waits in a queue",
         "Empties the kernel queue and the spill list. Clients miss what was in them.",
         {"main"}},
        {"dead",
         ocsctl_dead,
         OPTION_COUNT | OPTION_RETRY | OPTION_PURGE,
         0,
         0,
         "[OPTIONS]",
         "messages from RabbitMQ that could not be processed",
         "Lists the dead-letter queue, the oldest first, and leaves everything where it is.\n"
         "  --count N      that many instead of 20\n"
         "  --retry N|all  puts message N of the list, or all, into the ingest queue again.\n"
         "                 What a broker user sent then counts as sent by the one in the ini.\n"
         "  --purge N|all  throws message N of the list, or all, away",
         {"main", "rabbitmq"}},
        {"passwd",
         ocsctl_passwd,
         OPTION_SCHEME,
         1,
         1,
         "[--scheme S] USER",
         "makes the hash of an account's password",
         "S is SCRAM-SHA-256 (default; serves SCRAM-SHA-256 and PLAIN logins), SSHA (serves the\n"
         "login of old clients and PLAIN) or CRYPT (yescrypt; serves PLAIN only).\n"
         "The password is asked for twice, or is the first line of standard input where that is "
         "no\n"
         "terminal. With `auth = file` the account file is changed, with `auth = single` the "
         "lines\n"
         "for the ini are printed. The daemon takes it over at its next SIGHUP.\n"
         "A password that no client could prepare for a login (SASLprep, RFC 4013) is refused.",
         {"main", "auth:file"}},
        {"notify",
         ocsctl_notify,
         OPTION_USER | OPTION_PASSWORD_FILE | OPTION_PASSWORD_FD | OPTION_URL | OPTION_MECHANISM,
         1,
         1 << 20,
         "[OPTIONS] FILE...",
         "logs in to the web service and posts notifications",
         "FILE (- is standard input) holds one <notification>, or an <ocsmanager> document with "
         "any\n"
         "number of them. Exit status 1 if any of them was refused.\n"
         "  --url URL             of the web service (default: from the ini)\n"
         "  --user NAME           account (default: username of [auth:single])\n"
         "  --password-file FILE  its first line is the password; others must not be able to read\n"
         "                        it. Default: the file that $OCSCTL_PASSWORD_FILE names; without\n"
         "                        that the terminal is asked.\n"
         "  --password-fd N       the same, read from the open file N of the caller\n"
         "  --mechanism M         SCRAM-SHA-256, SSHA or PLAIN (default: what the hash of\n"
         "                        [auth:single] serves, else SCRAM-SHA-256)",
         {"main", "server:main", "auth:single"}},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
	fputs("usage: ocsctl [-c FILE] [--json] COMMAND ...\n\n", stdout);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-8s %-20s %s\n", commands[i].name, commands[i].usage, commands[i].help);
	printf("\n"
	       "  -c, --config FILE  the daemon's ini (default %s)\n"
	       "      --json         results as JSON on standard output\n"
	       "  -h, --help         this page; after a command: more about it\n"
	       "  -V, --version\n\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	       DEFAULT_INI);
}

static void print_command_help(const struct command *command)
{
	printf("usage: ocsctl [-c FILE] [--json] %s%s%s\n\n%s.\n", command->name,
	       command->usage[0] != '\0' ? " " : "", command->usage, command->help);
	if (command->more != NULL)
		printf("\n%s\n", command->more);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	fprintf(stderr, "ocsctl: unknown command '%s'; commands are", name);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stderr, "%s %s", i > 0 ? "," : "", commands[i].name);
	fputs("\n", stderr);
	return OCSCTL_USAGE;
}

static int ocsctl_run(struct ocsctl *ctl, unsigned given, bool help)
{
	const struct command *command;

	if (help && ctl->n_operands == 0) {
		print_help();
		return OCSCTL_OK;
	}
	if (ctl->n_operands == 0)
		return ocsctl_usage("no command");
	command = find_command(ctl->operands[0]);
	if (command == NULL)
		return unknown_command(ctl->operands[0]);
	if (help) {
		print_command_help(command);
		return OCSCTL_OK;
	}
	if ((given & ~command->options) != 0)
		return ocsctl_usage("%s does not take that option: ocsctl %s %s", command->name,
		                    command->name, command->usage);
	ctl->needs = command->needs;
	ctl->n_operands--;
	ctl->operands++;
	if (ctl->n_operands < command->min_operands || ctl->n_operands > command->max_operands)
		return ocsctl_usage("usage: ocsctl %s %s", command->name, command->usage);
	return command->run(ctl);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'V'},
	        {"take", no_argument, NULL, 't'},
	        {"scheme", required_argument, NULL, 's'},
	        {"user", required_argument, NULL, 'u'},
	        {"password-file", required_argument, NULL, 'p'},
	        {"password-fd", required_argument, NULL, 'f'},
	        {"url", required_argument, NULL, 'U'},
	        {"mechanism", required_argument, NULL, 'm'},
	        {"count", required_argument, NULL, 'n'},
	        {"retry", required_argument, NULL, 'r'},
	        {"purge", required_argument, NULL, 'x'},
	        {NULL, 0, NULL, 0},
	};
	struct ocsctl *ctl = talloc_zero(NULL, struct ocsctl);
	unsigned given = 0;
	bool help = false;
	int option, status;

	if (ctl == NULL)
		return OCSCTL_FAILED;
	ctl->ini = DEFAULT_INI;
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			ctl->ini = optarg;
			break;
		case 'j':
			ctl->json = true;
			break;
		case 'h':
			help = true;
			break;
		case 'V':
			puts("ocsctl " OCS_VERSION);
			talloc_free(ctl);
			return OCSCTL_OK;
		case 't':
			ctl->take = true;
			given |= OPTION_TAKE;
			break;
		case 's':
			ctl->scheme = optarg;
			given |= OPTION_SCHEME;
			break;
		case 'u':
			ctl->user = optarg;
			given |= OPTION_USER;
			break;
		case 'p':
			ctl->password_file = optarg;
			given |= OPTION_PASSWORD_FILE;
			break;
		case 'f':
			ctl->password_fd = optarg;
			given |= OPTION_PASSWORD_FD;
			break;
		case 'U':
			ctl->url = optarg;
			given |= OPTION_URL;
			break;
		case 'm':
			ctl->mechanism = optarg;
			given |= OPTION_MECHANISM;
			break;
		case 'n':
			ctl->count = optarg;
			given |= OPTION_COUNT;
			break;
		case 'r':
			ctl->retry = optarg;
			given |= OPTION_RETRY;
			break;
		case 'x':
			ctl->purge = optarg;
			given |= OPTION_PURGE;
			break;
		default:
			talloc_free(ctl);
			fputs("ocsctl: `ocsctl --help` lists commands and options\n", stderr);
			return OCSCTL_USAGE;
		}
	}
	ctl->n_operands = argc - optind;
	ctl->operands = argv + optind;
	status = ocsctl_run(ctl, given, help);
	talloc_free(ctl);
	if (fflush(stdout) != 0 && status == OCSCTL_OK) {
		ocsctl_error("cannot write the result: %s", strerror(errno));
		status = OCSCTL_FAILED;
	}
	return status;
}

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
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "users/users.h"

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
	OPTION_YES = 1 << 10,
	OPTION_EMPTY = 1 << 11,
	OPTION_DRY_RUN = 1 << 12,
	OPTION_LEAVE_OUT = 1 << 13,
	OPTION_LIMIT = 1 << 14,
	OPTION_AFTER = 1 << 15,
	OPTION_DELETED = 1 << 16,
	OPTION_CLEAR = 1 << 17,
	OPTION_CA = 1 << 18,
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
        {"whois",
         ocsctl_whois,
         0,
         1,
         1,
         "ID",
         "what a FID or MID names, or named, and its URI",
         "ID is 16 hexadecimal digits, as everything here prints it, `0x` and hexadecimal digits, "
         "or\n"
         "a decimal number. What was deleted is known as that. A password in the URI is shown as\n"
         "***. Exit status 1 if the identifier is not known.",
         {"main"}},
        {"search",
         ocsctl_search,
         OPTION_USER | OPTION_LIMIT | OPTION_AFTER | OPTION_DELETED,
         1,
         1,
         "PATTERN [OPTIONS]",
         "folders and messages whose URI matches",
         "In PATTERN `*` is any run of characters: 'sogo://jdoe:*', '*17.eml', '*INBOX*report*'.\n"
         "URIs are as whois shows them; case counts.\n"
         "  --user NAME     what this groupware user sees only\n"
         "  --deleted       what is known as deleted too\n"
         "  --limit N       that many instead of 100\n"
         "  --after CURSOR  goes on where an earlier search stopped, which said CURSOR\n"
         "Fast for what has three characters in a row of a user, folder or message id, or its "
         "first\n"
         "or last two; else all names are gone through.",
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
        {"users",
         ocsctl_users,
         0,
         0,
         0,
         "",
         "the groupware users who have folders, sessions or something waiting",
         "FOLDERS is how many of theirs have an identifier.",
         {"main", "users"}},
        {"user",
         ocsctl_user,
         0,
         1,
         1,
         "NAME",
         "one of them: whose folders they see, sessions, what waits",
         "BACKEND USER `*` is any. KNOWN BY is the line of the user map or the database that says "
         "so, or\n"
         "the index, which has folders of them. Exit status 1 if the user is known nowhere.",
         {"main", "users"}},
        {"folders",
         ocsctl_folders,
         0,
         1,
         1,
         "USER",
         "their folders: FID, names, URI",
         "A password in a URI is shown as ***.",
         {"main", "users"}},
        {"index",
         ocsctl_index,
         OPTION_YES | OPTION_EMPTY | OPTION_DRY_RUN | OPTION_LEAVE_OUT | OPTION_USER,
         1,
         2,
         "check|export|import|restore|adopt|rebuild ...",
         "checks, copies and mends the index of identifiers",
         "check                looks whether all of it fits together, also while the daemon runs; "
         "says\n"
         "                     what is wrong with which record. Exit status 1 if anything is\n"
         "export [FILE|-]      writes it as text, as it is at one moment, also while the daemon "
         "runs\n"
         "import FILE          takes in such a text, or a user's indexing.tdb of OpenChange: all "
         "of it,\n"
         "                     or nothing if one record contradicts what is there\n"
         "  --dry-run          says what it would do\n"
         "  --user NAME        whose indexing.tdb it is (default: as its folder is called)\n"
         "  --leave-out        without what no [backend:NAME] uri reads (calendars, for "
         "example)\n"
         "restore FILE|FOLDER  puts a backup of index.tdb, or of it and all that follow it "
         "(index.1.tdb\n"
         "                     ...) in a folder, in place. It is checked first; what was there "
         "is kept as\n"
         "                     NAME.before-TIME. Identifiers go on above all that were given.\n"
         "restore --empty      starts with an empty index: clients see all folders as new ones\n"
         "adopt [--yes]        goes on with a registry that another machine or folder used. "
         "Only if no\n"
         "                     daemon goes on with the original: asks first, but for --yes\n"
         "rebuild              makes anew what searches need, from the records; while the "
         "daemon runs too\n"
         "import, restore and adopt: with daemon and MAPI servers stopped, as root or as the "
         "daemon's user.",
         {"main", "users"}},
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
        {"reload",
         ocsctl_reload,
         0,
         0,
         0,
         "",
         "has the daemon read its ini, accounts and users again",
         "As SIGHUP does, and says what came of it: everything is taken over, or, where anything\n"
         "is wrong, nothing, with file and line of each mistake and exit status 1.",
         {"main"}},
        {"lockouts",
         ocsctl_lockouts,
         OPTION_CLEAR,
         0,
         1,
         "[--clear [WHAT]]",
         "who may not log in now, for too many failed logins",
         "COUNTED is what failed logins were counted by: account and address together (pair), the\n"
         "address, its prefix (/24, /48 of IPv6), or an account over all addresses. The last "
         "locks\n"
         "nobody out: as long as it stands, an address that the account never logged in from has "
         "a\n"
         "fifth of its attempts.\n"
         "  --clear         forgets all failed logins\n"
         "  --clear ACCOUNT forgets those of an account\n"
         "  --clear ADDRESS forgets those that refuse logins from an address, or ADDRESS/BITS\n"
         "Asks ocsmanager, and ocsmapihttp where it runs, as root or as their user.",
         {"main"}},
        {"notify",
         ocsctl_notify,
         OPTION_USER | OPTION_PASSWORD_FILE | OPTION_PASSWORD_FD | OPTION_URL | OPTION_MECHANISM |
                 OPTION_CA,
         1,
         1 << 20,
         "[OPTIONS] FILE...",
         "logs in to the web service and posts notifications",
         "FILE (- is standard input) holds one <notification>, or an <ocsmanager> document with "
         "any\n"
         "number of them. Exit status 1 if any of them was refused.\n"
         "  --url URL             of the web service (default: from the ini)\n"
         "  --ca FILE             certificates (PEM) that the one of an https URL must lead back\n"
         "                        to (default: what the system trusts; without --url the ini's\n"
         "                        tls_cert is expected as it is)\n"
         "  --user NAME           account (default: username of [auth:single])\n"
         "  --password-file FILE  its first line is the password; others must not be able to read\n"
         "                        it. Default: the file that $OCSCTL_PASSWORD_FILE names; without\n"
         "                        that the terminal is asked.\n"
         "  --password-fd N       the same, read from the open file N of the caller\n"
         "  --mechanism M         SCRAM-SHA-256, SSHA or PLAIN (default: what the hash of\n"
         "                        [auth:single] serves, with auth = ldap PLAIN, else\n"
         "                        SCRAM-SHA-256)",
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

/* What comes after the command or before it: which member of struct ocsctl it sets, to its argument
 * or to true. */
static const struct {
	const char *name;
	unsigned given; /* 0: with any command */
	bool has_argument;
	size_t member;
} words[] = {
        {"json", 0, false, offsetof(struct ocsctl, json)},
        {"take", OPTION_TAKE, false, offsetof(struct ocsctl, take)},
        {"scheme", OPTION_SCHEME, true, offsetof(struct ocsctl, scheme)},
        {"user", OPTION_USER, true, offsetof(struct ocsctl, user)},
        {"password-file", OPTION_PASSWORD_FILE, true, offsetof(struct ocsctl, password_file)},
        {"password-fd", OPTION_PASSWORD_FD, true, offsetof(struct ocsctl, password_fd)},
        {"url", OPTION_URL, true, offsetof(struct ocsctl, url)},
        {"ca", OPTION_CA, true, offsetof(struct ocsctl, ca)},
        {"mechanism", OPTION_MECHANISM, true, offsetof(struct ocsctl, mechanism)},
        {"count", OPTION_COUNT, true, offsetof(struct ocsctl, count)},
        {"retry", OPTION_RETRY, true, offsetof(struct ocsctl, retry)},
        {"purge", OPTION_PURGE, true, offsetof(struct ocsctl, purge)},
        {"yes", OPTION_YES, false, offsetof(struct ocsctl, yes)},
        {"empty", OPTION_EMPTY, false, offsetof(struct ocsctl, empty)},
        {"dry-run", OPTION_DRY_RUN, false, offsetof(struct ocsctl, dry_run)},
        {"leave-out", OPTION_LEAVE_OUT, false, offsetof(struct ocsctl, leave_out)},
        {"limit", OPTION_LIMIT, true, offsetof(struct ocsctl, limit)},
        {"after", OPTION_AFTER, true, offsetof(struct ocsctl, after)},
        {"deleted", OPTION_DELETED, false, offsetof(struct ocsctl, deleted)},
        {"clear", OPTION_CLEAR, false, offsetof(struct ocsctl, clear)},
};
#define WORDS      (sizeof(words) / sizeof(words[0]))
#define WORD_FIRST 256 /* what getopt_long() says for the first of them: no letter */

static void make_options(struct option options[WORDS + 4])
{
	static const struct option others[] = {{"config", required_argument, NULL, 'c'},
	                                       {"help", no_argument, NULL, 'h'},
	                                       {"version", no_argument, NULL, 'V'},
	                                       {NULL, 0, NULL, 0}};

	for (size_t i = 0; i < WORDS; i++)
		options[i] = (struct option){
		        words[i].name, words[i].has_argument ? required_argument : no_argument,
		        NULL, WORD_FIRST + (int)i};
	memcpy(options + WORDS, others, sizeof(others));
}

static void take_word(struct ocsctl *ctl, size_t n, const char *argument, unsigned *given)
{
	char *member = (char *)ctl + words[n].member;

	if (words[n].has_argument)
		*(const char **)(void *)member = argument;
	else
		*(bool *)(void *)member = true;
	*given |= words[n].given;
}

/* Of jansson: lists that lack something are worse than none. */
static void *alloc_or_end(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL) {
		ocsctl_error("out of memory");
		exit(OCSCTL_FAILED);
	}
	return memory;
}

int main(int argc, char **argv)
{
	struct option options[WORDS + 4];
	struct ocsctl *ctl = talloc_zero(NULL, struct ocsctl);
	unsigned given = 0;
	bool help = false;
	int option, status;

	if (ctl == NULL)
		return OCSCTL_FAILED;
	json_set_alloc_funcs(alloc_or_end, free);
	ocs_users_begin();
	ctl->ini = DEFAULT_INI;
	make_options(options);
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			ctl->ini = optarg;
			break;
		case 'h':
			help = true;
			break;
		case 'V':
			puts("ocsctl " OCS_VERSION);
			talloc_free(ctl);
			return OCSCTL_OK;
		case '?':
			talloc_free(ctl);
			fputs("ocsctl: `ocsctl --help` lists commands and options\n", stderr);
			return OCSCTL_USAGE;
		default:
			take_word(ctl, (size_t)(option - WORD_FIRST), optarg, &given);
		}
	}
	ctl->n_operands = argc - optind;
	ctl->operands = argv + optind;
	status = ocsctl_run(ctl, given, help);
	talloc_free(ctl);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == OCSCTL_OK) {
		ocsctl_error("cannot write the result: %s", strerror(errno));
		status = OCSCTL_FAILED;
	}
	return status;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsmanager: the daemon's command line, start order and signals. What it does is in daemon.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>

#include "base/background.h"
#include "base/file.h"
#include "ocsmanager/check.h"
#include "config/config.h"
#include "ocsmanager/daemon.h"
#include "config/descriptors.h"
#include "ocsmanager/folder.h"
#include "http/local_socket.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "http/room.h"
#include "ocsmanager/manager.h"
#include "base/privilege.h"
#include "base/plural.h"
#include "users/users.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define STOP_LIMIT 5 /* seconds a stop may take */

struct options {
	const char *ini;
	bool foreground, test;
};

static const char usage_text[] =
        "usage: ocsmanager [-c FILE] [-f] [-t]\n"
        "  -c, --config FILE  the configuration (" OCS_SYSCONFDIR "/ocsmanager.ini)\n"
        "  -f, --foreground   stay in the foreground and log to stderr\n"
        "  -t, --test         check the configuration, say what is wrong, and exit\n"
        "  -h, --help         show this and exit\n"
        "      --version      show the version and exit\n"
        "      --print-default-ini, --print-man-keys\n"
        "                     print the shipped ini, or the key list of its man page, and exit\n";

/* Goes on (-1) or is done with this exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	enum { VERSION = 256, PRINT_INI, PRINT_MAN };
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
	                                      {"foreground", no_argument, NULL, 'f'},
	                                      {"test", no_argument, NULL, 't'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {"version", no_argument, NULL, VERSION},
	                                      {"print-default-ini", no_argument, NULL, PRINT_INI},
	                                      {"print-man-keys", no_argument, NULL, PRINT_MAN},
	                                      {NULL, 0, NULL, 0}};
	int option;

	*options = (struct options){.ini = OCS_SYSCONFDIR "/ocsmanager.ini"};
	while ((option = getopt_long(argc, argv, "c:fth", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->ini = optarg;
			break;
		case 'f':
			options->foreground = true;
			break;
		case 't':
			options->test = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_FINE;
		case VERSION:
			puts("ocsmanager " OCS_VERSION);
			return EXIT_FINE;
		case PRINT_INI:
			ocs_config_print_ini(stdout);
			return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_FINE : EXIT_FAILED;
		case PRINT_MAN:
			ocs_config_print_man(stdout);
			return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_FINE : EXIT_FAILED;
		default:
			fputs(usage_text, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ocsmanager: unknown argument '%s'\n%s", argv[optind], usage_text);
		return EXIT_USAGE;
	}
	return -1;
}

static unsigned warnings;

/* Before the log is open, and for -t. */
static void report_to_stderr(int priority, const char *text, void *arg)
{
	(void)arg;
	warnings += priority > LOG_ERR;
	fprintf(stderr, "%s: %s\n", priority <= LOG_ERR ? "error" : "warning", text);
}

static int test_config(const struct ocs_config *config, const char *path)
{
	if (ocs_check(config, false, report_to_stderr, NULL) < 0)
		return EXIT_FAILED;
	if (warnings == 0)
		printf("%s: fine\n", path);
	else
		printf("%s: valid, with %u %s\n", path, warnings,
		       ocs_plural(warnings, "warning", "warnings"));
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_FINE : EXIT_FAILED;
}

/* File descriptors 0 to 2 exist, so that no queue or file can end up as one of them. */
static int hold_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 ? close(fd) : -1;
}

static void log_limits(const struct ocs_config *config)
{
	unsigned long descriptors = ocs_privilege_raise_descriptors();
	unsigned long charge =
	        (unsigned long)config->mqueue.max_messages * (config->mqueue.message_size + 96);
	struct ocs_descriptors share;
	struct ocs_error error;
	struct rlimit bytes;
	unsigned queues_max = 0;
	FILE *file = fopen("/proc/sys/fs/mqueue/queues_max", "re");

	if (file != NULL) {
		if (fscanf(file, "%u", &queues_max) != 1)
			queues_max = 0;
		fclose(file);
	}
	if (getrlimit(RLIMIT_MSGQUEUE, &bytes) < 0)
		bytes.rlim_cur = 0;
	if (bytes.rlim_cur == RLIM_INFINITY)
		ocs_log(LOG_INFO,
		        "%lu descriptors; %lu bytes a queue, any number for each user "
		        "(RLIMIT_MSGQUEUE); %u queues in all (fs.mqueue.queues_max)",
		        descriptors, charge, queues_max);
	else
		ocs_log(LOG_INFO,
		        "%lu descriptors; %lu bytes a queue, so %lu for each user (RLIMIT_MSGQUEUE "
		        "%lu); %u queues in all (fs.mqueue.queues_max)",
		        descriptors, charge, (unsigned long)bytes.rlim_cur / charge,
		        (unsigned long)bytes.rlim_cur, queues_max);
	if (ocs_descriptors_share(config, &share, &error) == 0 &&
	    (ocs_descriptors_are_few(config, &share) ||
	     share.connections < config->server.connection_limit))
		ocs_log(LOG_WARNING,
		        "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are not enough for "
		        "[mqueue] descriptors %u and [server:main] connection_limit %u: %u queues "
		        "are kept open, and %u connections are possible",
		        descriptors, config->mqueue.descriptors, config->server.connection_limit,
		        share.queues, share.connections);
}

static int become(const struct ocs_config *config, struct ocs_local_socket **local_r,
                  struct ocs_error *error)
{
	struct ocs_identity identity;
	bool fowner = false;

	if (ocs_privilege_lookup(config->main.user, config->main.group, &identity, error) < 0 ||
	    ocs_folder_prepare(config->main.registry, identity.uid, identity.gid, error) < 0 ||
	    ocs_local_socket_open(config->server.socket, config->server.socket_group, &identity,
	                          local_r, error) < 0 ||
	    ocs_privilege_drop(&identity, &fowner, error) < 0)
		return -1;
	if (geteuid() == 0)
		ocs_log(LOG_WARNING, "runs as root: set [main] user to a dedicated system user");
	else if (identity.user != NULL && !identity.drop)
		ocs_log(LOG_INFO, "not started as root: [main] user has no effect");
	if (!fowner)
		ocs_log(LOG_INFO,
		        "without CAP_FOWNER: queues of dead MAPI servers of other users are left "
		        "to those users");
	return 0;
}

static void reload(struct ocs_daemon *daemon)
{
	ocs_manager_reloading();
	ocs_daemon_reload(daemon);
	ocs_manager_ready(daemon);
}

static int serve(struct ocs_daemon *daemon, const sigset_t *signals)
{
	const struct timespec interval = ocs_manager_interval();

	for (;;) {
		siginfo_t info;
		int signal_number = sigtimedwait(signals, &info, &interval);

		switch (signal_number) {
		case SIGHUP:
			reload(daemon);
			break;
		case SIGTERM:
		case SIGINT:
			return signal_number;
		default: /* EAGAIN, EINTR */
			ocs_daemon_tick(daemon);
			ocs_manager_look(daemon);
			ocs_log_budget_tick();
		}
	}
}

/* What is acknowledged is on its way whatever happens here, so being killed loses nothing. */
static void give_up(int signal_number)
{
	static const char text[] = "ocsmanager: stopping took too long\n";

	(void)signal_number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILED);
	_exit(EXIT_FAILED);
}

/* Blocked before there is any other thread, so that all of them inherit it. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGXFSZ, SIG_IGN); /* EFBIG says it */
	signal(SIGALRM, give_up);
}

/* Into the lock file, for ocsctl: the ini does not tell where it says port 0. */
static void publish_addresses(struct ocs_daemon *daemon, struct ocs_folder_lock *lock)
{
	char *text = ocs_daemon_addresses(daemon, NULL);

	if (text == NULL || ocs_folder_publish(lock, text) < 0)
		ocs_log(LOG_WARNING, "cannot write the addresses to the lock file");
	talloc_free(text);
	ocs_daemon_watch_lock(daemon, lock);
}

/* What is waited for while the daemon starts, it does not wait for once it is told to end. */
static bool is_told_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

static int start(struct ocs_config *config, const char *private_folder,
                 struct ocs_local_socket *local, struct ocs_daemon **daemon_r,
                 struct ocs_error *error)
{
	ocs_folder_clear(config->main.registry);
	return ocs_daemon_start(config, private_folder, local, daemon_r, error);
}

/* Takes the config over. */
static int ocsmanager_run(struct ocs_config *config, struct ocs_error *error)
{
	void *memory = talloc_new(NULL);
	struct ocs_daemon *daemon = NULL;
	struct ocs_local_socket *local = NULL;
	const char *private_folder = NULL;
	struct ocs_folder_lock lock = {.folder = -1, .private_folder = -1, .file = -1};
	int result = -1;
	sigset_t signals;

	talloc_steal(memory, config);
	block_signals(&signals);
	ocs_file_interrupted = is_told_to_end;
	log_limits(config);
	if (ocs_check(config, true, ocs_log_report, NULL) < 0)
		ocs_error_set(error, "%s: the daemon cannot start with it", config->path);
	else if (become(config, &local, error) == 0 &&
	         ocs_folder_private(config->main.registry, memory, &private_folder, error) == 0 &&
	         ocs_folder_lock(config->main.registry, private_folder, &lock, error) == 0 &&
	         start(config, private_folder, local, &daemon, error) == 0) {
		publish_addresses(daemon, &lock);
		ocs_log_detach();
		ocs_background_ready();
		ocs_manager_ready(daemon);
		int signal_number = serve(daemon, &signals);
		ocs_manager_stopping();
		ocs_log(LOG_NOTICE, "stopping (%s)",
		        signal_number == SIGINT ? "SIGINT" : "SIGTERM");
		alarm(STOP_LIMIT);
		ocs_daemon_stop(daemon);
		alarm(0);
		ocs_log_budget_flush();
		result = 0;
	}
	ocs_local_socket_close(local);
	ocs_folder_unlock(&lock);
	talloc_free(memory);
	return result;
}

int main(int argc, char **argv)
{
	struct options options;
	struct ocs_config *config = NULL;
	struct ocs_error error = {.text = ""};
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	ocs_users_begin();
	if (hold_standard_streams() < 0) {
		perror("ocsmanager: /dev/null");
		return EXIT_FAILED;
	}
	ocs_http_room_spares(2);
	umask(027);
	signal(SIGPIPE, SIG_IGN);
	if (ocs_config_load(options.ini, NULL, report_to_stderr, NULL, &config) < 0)
		return EXIT_FAILED;
	if (options.test) {
		status = test_config(config, options.ini);
		talloc_free(config);
		return status;
	}
	if (!options.foreground && ocs_background_enter(&error) < 0) {
		fprintf(stderr, "error: %s\n", error.text);
		return EXIT_FAILED;
	}
	ocs_log_open("ocsmanager", options.foreground, (int)config->main.log_level);
	ocs_log(LOG_INFO, "ocsmanager " OCS_VERSION ", %s", config->path);
	if (ocsmanager_run(config, &error) < 0) {
		/* That it was told to end is no failure. */
		status = is_told_to_end() ? EXIT_FINE : EXIT_FAILED;
		ocs_log(status == EXIT_FINE ? LOG_NOTICE : LOG_ERR, "%s%s",
		        status == EXIT_FINE ? "told to end while it started: " : "", error.text);
	} else {
		ocs_log(LOG_NOTICE, "stopped");
		status = EXIT_FINE;
	}
	ocs_log_close();
	return status;
}

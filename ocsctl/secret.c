/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Passwords: from the terminal without echo, from a line of standard input or of another open file,
 * or from a file that others cannot read. Never from the command line, which every user of the host
 * can see.
 */
#include "ocsctl/ocsctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/private_file.h"
#include "base/usage.h"

static volatile sig_atomic_t caught;

static void secret_on_signal(int number)
{
	caught = number;
}

/* A byte order mark, the line, CR LF, one byte that shows that it is longer. */
#define LINE_MAX_ (OCSCTL_PASSWORD_MAX + 6)

/* The password in the first line of what was read: what is wrong with it, or NULL. Editors leave a
 * byte order mark or a CR, which nobody means. */
static const char *take_line(const char *data, size_t len, char out[OCSCTL_PASSWORD_MAX + 1])
{
	const char *end;

	if (len == 0)
		return "is empty";
	if (len >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0))
		return "is UTF-16, must be UTF-8";
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		len -= 3;
	}
	end = memchr(data, '\n', len);
	if (end != NULL)
		len = (size_t)(end - data);
	if (len > 0 && data[len - 1] == '\r')
		len--;
	if (len == 0)
		return "its first line is empty";
	if (memchr(data, '\0', len) != NULL)
		return "its first line has a NUL byte";
	if (len > OCSCTL_PASSWORD_MAX)
		return "its first line is longer than 512 bytes";
	memcpy(out, data, len);
	out[len] = '\0';
	return NULL;
}

_Static_assert(OCSCTL_PASSWORD_MAX == 512, "see the text above");

/* One line, no byte behind it. What is wrong, or NULL. */
static const char *read_line(int fd, char out[OCSCTL_PASSWORD_MAX + 1])
{
	char data[LINE_MAX_];
	const char *fault;
	size_t len = 0;

	while (len < sizeof(data)) {
		ssize_t got = read(fd, data + len, 1);

		if (got < 0) {
			explicit_bzero(data, sizeof(data));
			return strerror(errno);
		}
		if (got == 0)
			break;
		if (data[len++] == '\n')
			break;
	}
	fault = take_line(data, len, out);
	explicit_bzero(data, sizeof(data));
	return fault;
}

/* An interrupt must find the terminal echoing again, so it is held back until that is done. */
static int ask(int tty, const char *prompt, char out[OCSCTL_PASSWORD_MAX + 1])
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	struct sigaction action = {.sa_handler = secret_on_signal}, before[COUNT];
	struct termios shown, hidden;
	int ret;

	if (tcgetattr(tty, &shown) < 0)
		return -1;
	caught = 0;
	for (int i = 0; i < COUNT; i++)
		(void)sigaction(numbers[i], &action, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	ret = tcsetattr(tty, TCSAFLUSH, &hidden);
	if (ret == 0) {
		dprintf(tty, "%s: ", prompt);
		ret = caught != 0 || read_line(tty, out) != NULL ? -1 : 0;
		dprintf(tty, "\n");
	}
	(void)tcsetattr(tty, TCSAFLUSH, &shown);
	for (int i = 0; i < COUNT; i++)
		(void)sigaction(numbers[i], &before[i], NULL);
	if (caught != 0)
		(void)raise(caught);
	return ret;
}

static int ask_terminal(int tty, const char *prompt, bool confirm,
                        char out[OCSCTL_PASSWORD_MAX + 1])
{
	char again[OCSCTL_PASSWORD_MAX + 1];
	bool same;

	if (ask(tty, prompt, out) < 0) {
		ocsctl_error("no password was read");
		return -1;
	}
	if (!confirm)
		return 0;
	if (ask(tty, "the same again", again) < 0) {
		ocsctl_error("no password was read");
		return -1;
	}
	same = strcmp(out, again) == 0;
	explicit_bzero(again, sizeof(again));
	if (!same) {
		ocsctl_error("the two passwords differ: nothing was changed");
		return -1;
	}
	return 0;
}

int ocsctl_read_password(const char *prompt, bool confirm, bool from_stdin,
                         char out[OCSCTL_PASSWORD_MAX + 1])
{
	const char *fault;
	int tty, ret;

	if (from_stdin && !isatty(STDIN_FILENO)) {
		fault = read_line(STDIN_FILENO, out);
		if (fault != NULL) {
			ocsctl_error("no password on standard input: %s", fault);
			return -1;
		}
		return 0;
	}
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		ocsctl_error("there is no terminal to ask for the password%s",
		             from_stdin ? ""
		                        : ": give --password-file FILE or --password-fd "
		                          "N, or set OCSCTL_PASSWORD_FILE");
		return -1;
	}
	ret = ask_terminal(tty, prompt, confirm, out);
	(void)close(tty);
	return ret;
}

int ocsctl_read_password_file(const char *path, char out[OCSCTL_PASSWORD_MAX + 1])
{
	struct ocs_error error;
	const char *fault;
	char *data;
	size_t len;
	int ret;

	ret = ocs_privfile_read(path, true, 4096, &data, &len, &error);
	if (ret == OCS_PRIVFILE_MISSING)
		ocs_error_set(&error, "%s: there is no such file", path);
	if (ret != OCS_PRIVFILE_OK) {
		ocsctl_error("%s", error.text);
		return -1;
	}
	fault = take_line(data, len, out);
	if (fault != NULL)
		ocsctl_error("%s: %s", path, fault);
	ocs_privfile_wipe(data, len);
	return fault == NULL ? 0 : -1;
}

int ocsctl_read_password_fd(const char *text, char out[OCSCTL_PASSWORD_MAX + 1])
{
	const char *fault;
	uint64_t fd;

	if (!ocs_usage_number(text, 10, 0, INT_MAX, &fd)) {
		ocsctl_error("--password-fd: '%s' is not the number of an open file", text);
		return -1;
	}
	fault = read_line((int)fd, out);
	if (fault != NULL)
		ocsctl_error("--password-fd %s: %s", text, fault);
	return fault == NULL ? 0 : -1;
}

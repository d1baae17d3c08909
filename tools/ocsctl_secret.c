/*
 * Passwords: from the terminal without echo, from a line of standard input or of another open file,
 * or from a file that others cannot read. Never from the command line, which every user of the host
 * can see.
 */
#include "tools/ocsctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "auth/privfile.h"

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* One line without its end. -1: read error, end of file before any byte, too long, a signal. */
static int read_line(int fd, char out[OCSCTL_PASSWORD_MAX + 1])
{
	size_t len = 0;

	for (;;) {
		char c;
		ssize_t got = read(fd, &c, 1);

		if (got < 0 || (got == 0 && len == 0))
			return -1;
		if (got == 0 || c == '\n')
			break;
		if (len == OCSCTL_PASSWORD_MAX || c == '\0') {
			errno = EMSGSIZE;
			return -1;
		}
		out[len++] = c;
	}
	out[len] = '\0';
	return 0;
}

/* An interrupt must find the terminal echoing again, so it is held back until that is done. */
static int ask(int tty, const char *prompt, char out[OCSCTL_PASSWORD_MAX + 1])
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	struct sigaction action = {.sa_handler = on_signal}, before[COUNT];
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
		ret = caught != 0 ? -1 : read_line(tty, out);
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
	int tty, ret;

	if (from_stdin && !isatty(STDIN_FILENO)) {
		if (read_line(STDIN_FILENO, out) < 0) {
			ocsctl_error("no password of 1 to %d bytes on standard input",
			             OCSCTL_PASSWORD_MAX);
			return -1;
		}
	} else {
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
		if (ret < 0)
			return -1;
	}
	if (out[0] == '\0') {
		ocsctl_error("an empty password is refused");
		return -1;
	}
	return 0;
}

int ocsctl_read_password_file(const char *path, char out[OCSCTL_PASSWORD_MAX + 1])
{
	struct ocs_error error;
	char *data;
	size_t len, line;
	int ret;

	ret = ocs_privfile_read(path, true, 4096, &data, &len, &error);
	if (ret == OCS_PRIVFILE_MISSING)
		ocs_error_set(&error, "%s: there is no such file", path);
	if (ret != OCS_PRIVFILE_OK) {
		ocsctl_error("%s", error.text);
		return -1;
	}
	line = strcspn(data, "\r\n");
	if (line == 0 || line > OCSCTL_PASSWORD_MAX) {
		ocsctl_error("%s: its first line is no password of 1 to %d bytes", path,
		             OCSCTL_PASSWORD_MAX);
		ret = -1;
	} else {
		memcpy(out, data, line);
		out[line] = '\0';
		ret = 0;
	}
	ocs_privfile_wipe(data, len);
	return ret;
}

int ocsctl_read_password_fd(const char *text, char out[OCSCTL_PASSWORD_MAX + 1])
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (end == text || *end != '\0' || fd < 0 || fd > INT_MAX) {
		ocsctl_error("--password-fd: '%s' is not the number of an open file", text);
		return -1;
	}
	errno = 0;
	if (read_line((int)fd, out) < 0) {
		ocsctl_error("--password-fd %ld: %s", fd,
		             errno == EMSGSIZE || errno == 0
		                     ? "its first line is no password of 1 to 512 bytes"
		                     : strerror(errno));
		return -1;
	}
	out[strcspn(out, "\r")] = '\0';
	if (out[0] == '\0') {
		ocsctl_error("an empty password is refused");
		return -1;
	}
	return 0;
}

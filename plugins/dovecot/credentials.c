/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads the credentials: see credentials.h. Touches the named file only. */
#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "safe-memset.h"
#include "strfuncs.h"

#include "compat.h"
#include "credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX     4096
#define USERNAME_MAX 128
#define PASSWORD_MAX 1024

static int read_file(const char *path, char *text, const char **error_r)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t used = 0, ret = -1;

	if (fd == -1) {
		*error_r = t_strdup_printf(
		        "cannot read %s as uid %s: %m (see 'Credentials' in the manual)", path,
		        dec2str(geteuid()));
		return -1;
	}
	if (fstat(fd, &st) < 0)
		*error_r = t_strdup_printf("fstat(%s): %m", path);
	else if (!S_ISREG(st.st_mode))
		*error_r = t_strdup_printf("%s: %s", path,
		                           S_ISDIR(st.st_mode) ? strerror(EISDIR)
		                                               : "not a regular file");
	else if ((st.st_mode & 037) != 0)
		*error_r = t_strdup_printf("%s: mode %04o is too open, must be 0600 or 0640", path,
		                           (unsigned int)st.st_mode & 07777);
	else if (st.st_size >= FILE_MAX)
		*error_r = t_strdup_printf("%s: larger than %d bytes", path, FILE_MAX - 1);
	else {
		while (used < FILE_MAX - 1 &&
		       (ret = read(fd, text + used, FILE_MAX - 1 - used)) > 0)
			used += ret;
		if (ret < 0)
			*error_r = t_strdup_printf("read(%s): %m", path);
		text[used] = '\0';
		if (ret == 0 && used == 0) {
			*error_r = t_strdup_printf("%s: is empty", path);
			ret = -1;
		} else if (ret == 0 && strlen(text) != (size_t)used) {
			*error_r = t_strdup_printf("%s: has a NUL byte: is it UTF-16?", path);
			ret = -1;
		}
	}
	i_close_fd(&fd);
	return ret < 0 ? -1 : 0;
}

static bool username_valid(const char *name)
{
	size_t length = strlen(name);

	return length >= 1 && length <= USERNAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@-") ==
	               length;
}

/* "password64=": any password, and a text without % */
static char *decode_password(const char *value)
{
	buffer_t *text = t_base64_decode_str(value);
	char *password = NULL;

	if (text->used > 0 && memchr(text->data, '\0', text->used) == NULL)
		password = i_strndup(text->data, text->used);
	safe_memset(buffer_get_modifiable_data(text, NULL), 0, text->used);
	return password == NULL ? i_strdup("") : password;
}

static int parse(char *text, struct ocs_credentials *cred, const char **error_r)
{
	/* some editors begin a file with a byte order mark */
	char *line, *rest = text + (ocs_compat_begins(text, "\xef\xbb\xbf") ? 3 : 0);

	if (ocs_compat_expands_percent && strchr(text, '%') != NULL) {
		*error_r = "credentials: there is a %, which Dovecot takes for a variable: use "
		           "password64=";
		return -1;
	}
	while ((line = strsep(&rest, "\r\n")) != NULL) {
		char **field;
		const char *value;
		bool base64 = FALSE;

		if (*line == '\0' || *line == '#')
			continue;
		if (ocs_compat_begins(line, "username=")) {
			field = &cred->username;
			value = line + strlen("username=");
		} else if (ocs_compat_begins(line, "password=")) {
			field = &cred->password;
			value = line + strlen("password=");
		} else if (ocs_compat_begins(line, "password64=")) {
			field = &cred->password;
			value = line + strlen("password64=");
			base64 = TRUE;
		} else {
			*error_r = "credentials: a line is not one of username=, password=, "
			           "password64=";
			return -1;
		}
		if (*field != NULL) {
			*error_r = "credentials: username= or password= twice";
			return -1;
		}
		*field = base64 ? decode_password(value) : i_strdup(value);
	}
	if (cred->username == NULL || !username_valid(cred->username))
		*error_r =
		        "credentials: username= is missing, too long or has characters other than "
		        "A-Z a-z 0-9 _ . @ -";
	else if (cred->password == NULL || *cred->password == '\0' ||
	         strlen(cred->password) > PASSWORD_MAX)
		*error_r = "credentials: password= is missing, empty or too long";
	else
		return 0;
	return -1;
}

int ocs_credentials_read(const char *setting, struct ocs_credentials *cred_r, const char **error_r)
{
	char text[FILE_MAX];
	int ret = -1;

	i_zero(cred_r);
	if (*setting == '/') {
		ret = read_file(setting, text, error_r);
	} else if (strlen(setting) >= sizeof(text)) {
		*error_r = "credentials: too long";
	} else {
		(void)i_strocpy(text, setting, sizeof(text));
		ret = 0;
	}
	if (ret == 0)
		ret = parse(text, cred_r, error_r);
	safe_memset(text, 0, sizeof(text));
	if (ret < 0)
		ocs_credentials_free(cred_r);
	return ret;
}

void ocs_credentials_free(struct ocs_credentials *cred)
{
	if (cred->password != NULL)
		safe_memset(cred->password, 0, strlen(cred->password));
	i_free(cred->password);
	i_free(cred->username);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/usermap.c mapistore/usermap_text.c mapistore/usermap_look.c */
/* Fuzz target: the user map. It is read from a file, here one in memory. */
#include <stdio.h>
#include <sys/mman.h>
#include <talloc.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "mapistore/usermap.h"

/* The lines have tabs. */
const char *const fuzz_texts[] = {
        "alias\tjohn\tjdoe\ndovecot\tjdoe\tINBOX\tjohn\t0x1230000000000001\n",
        "dovecot\tJdoe@example.org\tINBOX\t=\t-\n*\t*\t*\t@x\t-\nalias\ta\tb\nalias\tb\tc\n",
        "# comment\ndovecot jdoe * jdoe\ndovecot shared INBOX/Work a 0x1230000000000001\n",
        "\xef\xbb\xbf* * Public/%20x @public\r\nd jd* INBOX x\n",
        NULL,
};

static unsigned reports;

static void report(int priority, const char *text, void *arg)
{
	(void)priority;
	(void)arg;
	FUZZ_CHECK(text[0] != '\0');
	reports++;
}

static void each(void *arg, const char *user, uint64_t fid)
{
	(void)fid;
	++*(size_t *)arg;
	FUZZ_CHECK(user[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("usermap", MFD_CLOEXEC);
	struct ocs_usermap *map = NULL;
	const struct ocs_name_rule rule = {size % 2 != 0, "example.org"};
	struct ocs_error error;
	char name[OCS_NAME_MAX + 1];
	size_t count = 0;
	char path[32];

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	FUZZ_CHECK(snprintf(path, sizeof(path), "/proc/self/fd/%d", fd) > 0);
	reports = 0;
	if (ocs_usermap_load(path, &rule, NULL, report, NULL, &map, &error) != 0) {
		FUZZ_CHECK(map == NULL && reports > 0);
	} else {
		FUZZ_CHECK(ocs_usermap_match(map, "dovecot", "jdoe", "INBOX", each, &count) ==
		           count);
		ocs_usermap_doubt(map, report, NULL);
		ocs_usermap_user(map, &rule, "John@example.org", name);
		FUZZ_CHECK(ocs_name_fault(name) == NULL);
		talloc_free(map);
	}
	close(fd);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What tests of many modules share: see rig.h. */
#include "tests/unit/rig.h"

#include <ftw.h>

char rig_folder[RIG_FOLDER_SIZE];
struct ocs_error rig_error;

void rig_make_folder(void)
{
	const char *top = getenv("TMPDIR");
	int len = snprintf(rig_folder, sizeof(rig_folder), "%s/unit.XXXXXX",
	                   top != NULL ? top : "/tmp");

	if (len >= (int)sizeof(rig_folder) || mkdtemp(rig_folder) == NULL) {
		perror(rig_folder);
		exit(1);
	}
}

static int rig_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path); /* what goes by itself meanwhile is no reason to leave the rest */
	return 0;
}

void rig_remove_folder(void)
{
	for (int i = 0; i < 3 && access(rig_folder, F_OK) == 0; i++)
		nftw(rig_folder, rig_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *rig_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig_folder, name);
	return path;
}

uint8_t *rig_read_file(const char *path, size_t *len_r)
{
	struct stat st;
	uint8_t *data;
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	ck_assert_int_eq(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*len_r = (size_t)st.st_size;
	return data;
}

void rig_flip(const char *path, const void *bytes, size_t n)
{
	size_t len, found = 0;
	uint8_t *data = rig_read_file(path, &len), *p = data;
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	while ((p = memmem(p, len - (size_t)(p - data), bytes, n)) != NULL) {
		uint8_t other = *p ^ 0x40;

		ck_assert_int_eq(pwrite(fd, &other, 1, p - data), 1);
		p++;
		found++;
	}
	close(fd);
	free(data);
	ck_assert_uint_gt(found, 0);
}

void rig_child_fork(struct rig_child *child, int (*fn)(int to_parent))
{
	int go[2], from[2];
	char byte;

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	child->pid = fork();
	ck_assert_int_ge(child->pid, 0);
	if (child->pid == 0) {
		close(go[1]);
		close(from[0]);
		alarm(120);
		if (read(go[0], &byte, 1) != 1)
			_exit(99);
		_exit(fn(from[1]));
	}
	close(go[0]);
	close(from[1]);
	child->go = go[1];
	child->from = from[0];
}

void rig_child_go(struct rig_child *child)
{
	ck_assert_int_eq(write(child->go, "g", 1), 1);
}

int rig_child_wait(struct rig_child *child)
{
	int status;

	close(child->go);
	close(child->from);
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool rig_wait_for(bool (*condition)(void *arg), void *arg)
{
	struct timespec step = {.tv_nsec = 5000000};

	for (int i = 0; i < 150 * 200; i++) {
		if (condition(arg))
			return true;
		nanosleep(&step, NULL);
	}
	return condition(arg);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the mark share: see mark_rig.h. */
#include "tests/unit/mapistore/mark_rig.h"

#include <dirent.h>

struct ocs_index *mark_index;
int64_t mark_now; /* milliseconds since 1970 */
char mark_here[128], mark_there[128], mark_saved[128];
struct mark_given mark_given[MARK_MANY];
size_t mark_n_given;

static int64_t clock_of_test(void)
{
	return mark_now;
}

void mark_set_machine(const char *text)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s", rig_path("machine-id"));
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ocs_index_machine_id = path;
}

void mark_set_boot(const char *id)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s", rig_path("boot-id"));
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "%s-89ab-4cde-8f01-23456789abcd\n", id);
	ck_assert_int_eq(fclose(file), 0);
	ocs_index_boot_id = path;
}

int mark_open(const char *folder, uint16_t replica_id)
{
	ocs_index_close(mark_index);
	mark_index = NULL;
	return ocs_index_open(folder, replica_id, true, &mark_index, &rig_error);
}

void mark_setup(void)
{
	rig_make_folder();
	snprintf(mark_here, sizeof(mark_here), "%s", rig_path("a"));
	snprintf(mark_there, sizeof(mark_there), "%s", rig_path("b"));
	snprintf(mark_saved, sizeof(mark_saved), "%s", rig_path("saved"));
	ck_assert_int_eq(mkdir(mark_here, 0700), 0);
	mark_now = 1800000000000;
	ocs_index_clock = clock_of_test;
	mark_set_machine("0123456789abcdef0123456789abcdef\n");
	mark_n_given = 0;
	ck_assert_ok(mark_open(mark_here, 1));
}

void mark_teardown(void)
{
	ocs_index_close(mark_index);
	rig_remove_folder();
}

void mark_stop(void)
{
	ocs_index_close(mark_index);
	mark_index = NULL;
}

const char *mark_in(const char *folder, const char *name)
{
	static char path[2][400];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 2], sizeof(path[0]), "%s/%s", folder, name);
	return path[turn % 2];
}

/* Into the file that is there, or a new one. */
void mark_copy_file(const char *from, const char *to)
{
	size_t len;
	uint8_t *data = rig_read_file(from, &len);
	int fd = open(to, O_WRONLY | O_CREAT, 0660);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	close(fd);
	free(data);
}

void mark_each_file(const char *from, const char *to)
{
	DIR *folder = opendir(from);
	struct dirent *entry;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (to != NULL)
			mark_copy_file(mark_in(from, entry->d_name), mark_in(to, entry->d_name));
		else
			ck_assert_int_eq(unlink(mark_in(from, entry->d_name)), 0);
	}
	closedir(folder);
}

void mark_copy_folder(const char *from, const char *to)
{
	ck_assert(mkdir(to, 0700) == 0 || errno == EEXIST);
	mark_each_file(from, to);
}

void mark_note(uint64_t id, uint64_t n)
{
	ck_assert_uint_lt(mark_n_given, MARK_MANY);
	mark_given[mark_n_given++] = (struct mark_given){__builtin_bswap64(id & ~0xffffULL), n};
}

/* In a transaction of its own. */
int mark_take(struct ocs_index *index, unsigned n, uint64_t *first)
{
	int ret = ocs_index_begin(index, &rig_error);

	if (ret == OCS_STORE_OK)
		ret = ocs_index_reserve(index, n, first, &rig_error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, &rig_error);
	ocs_index_cancel(index);
	return ret;
}

/* One after the other, a hundred a transaction. */
int mark_take_singly(struct ocs_index *index, unsigned n, uint64_t *out)
{
	int ret = ocs_index_begin(index, &rig_error);

	for (unsigned i = 0; i < n && ret == OCS_STORE_OK; i++) {
		ret = ocs_index_reserve(index, 1, &out[i], &rig_error);
		if (ret == OCS_STORE_OK && i % 100 == 99)
			ret = ocs_index_commit(index, &rig_error);
		if (ret == OCS_STORE_OK && i % 100 == 99)
			ret = ocs_index_begin(index, &rig_error);
	}
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, &rig_error);
	ocs_index_cancel(index);
	return ret;
}

void mark_give(unsigned n)
{
	static uint64_t ids[MARK_COUNT];

	ck_assert_uint_le(n, MARK_COUNT);
	ck_assert_ok(mark_take_singly(mark_index, n, ids));
	for (unsigned i = 0; i < n; i++)
		mark_note(ids[i], 1);
}

void mark_give_ranges(unsigned n)
{
	uint64_t id;

	ck_assert_ok(mark_take(mark_index, n, &id));
	mark_note(id, n);
}

static int by_counter(const void *a, const void *b)
{
	uint64_t x = ((const struct mark_given *)a)->counter,
	         y = ((const struct mark_given *)b)->counter;

	return x < y ? -1 : x > y;
}

void ck_mark_distinct(void)
{
	uint64_t twice = 0, all = 0, end = 0;

	qsort(mark_given, mark_n_given, sizeof(mark_given[0]), by_counter);
	for (size_t i = 0; i < mark_n_given; i++) {
		uint64_t last = mark_given[i].counter + mark_given[i].n;

		if (mark_given[i].counter < end)
			twice += (last < end ? last : end) - mark_given[i].counter;
		all += mark_given[i].n;
		end = last > end ? last : end;
	}
	ck_assert_msg(twice == 0, "%llu of %llu identifiers were given twice",
	              (unsigned long long)twice, (unsigned long long)all);
}

static void collect(int priority, const char *text, void *arg)
{
	struct mark_said *mark_said = arg;

	mark_said->priority = priority;
	strncat(mark_said->text, text, sizeof(mark_said->text) - strlen(mark_said->text) - 1);
}

const struct mark_said *mark_said(void)
{
	static struct mark_said all;

	all = (struct mark_said){.priority = -1};
	ocs_index_notes(mark_index, collect, &all);
	return &all;
}

struct ocs_index_mark mark_read(void)
{
	struct ocs_index_mark mark;

	ck_assert_ok(ocs_index_mark_read(mark_in(mark_here, "id_mark.1"), 1, &mark, &rig_error));
	return mark;
}

void mark_write(struct ocs_index_mark *mark)
{
	int fd = open(mark_in(mark_here, "id_mark.1"), O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_ok(ocs_index_mark_write(fd, "mark", mark, false, &rig_error));
	/* Both slots. */
	ck_assert_ok(ocs_index_mark_write(fd, "mark", mark, false, &rig_error));
	close(fd);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The locks of a store's file, waited for within a time. Touches the locks alone, and reads what
 * the file says of a recovery.
 *
 * Who may write the file may lock it, and a stopped process keeps its locks for ever; libtdb waits
 * for them as long. So what it is going to lock is locked before, by the same calls, without
 * waiting, again and again until the time is over: locks of files belong to the process, and libtdb
 * finds that it has them. It releases them as its own.
 *
 * What it locks is agreed between all who use the file, so it stays what it is: byte 0 to open the
 * file and to end a commit, byte 8 for a transaction, byte 168 + 4 x n for the hash chain n, all
 * from 168 on for all records.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

#define OPEN_AT        0
#define TRANSACTION_AT 8
#define RECORDS_AT     OCS_STORE_HEADER_ALL
#define TO_THE_END     0

/* What the version is in the other byte order. */
#define SWAPPED_VERSION __builtin_bswap32(OCS_STORE_VERSION)

/* Where the header says that the recovery area is, and the magic of one that is in use. */
#define RECOVERY_AT       44
#define RECOVERY_MAGIC_AT 20
#define RECOVERY_MAGIC    0xf53bc0e7U
#define RECOVERY_HEAD     24
#define RECOVERY_SIZE_AT  12
#define ELEMENT_HEAD      8
#define ELEMENT_MIN       1024 /* libtdb saves whole pages, but for the last in the file */

#define STEP_NS     20000
#define STEP_MAX_NS 2000000

unsigned ocs_store_wait_ms = 10000;

/* The process that keeps us from it, 0 if it cannot be said. */
static pid_t holder_of(int fd, short type, off_t start, off_t len)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

pid_t ocs_store_lock_holder(const struct ocs_store *store)
{
	return holder_of(tdb_fd(store->tdb), F_WRLCK, 0, TO_THE_END);
}

static int set_lock(int fd, short type, off_t start, off_t len)
{
	const struct flock lock = {
	        .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, F_SETLK, &lock);
}

/* Waits a little longer each time. false: the time is over, or who runs us wants to end. */
static bool wait_a_little(uint64_t end, long *step_ns)
{
	struct timespec step = {.tv_nsec = *step_ns};

	if (ocs_clock_ns() >= end || (ocs_file_interrupted != NULL && ocs_file_interrupted()))
		return false;
	nanosleep(&step, NULL);
	*step_ns = *step_ns * 2 < STEP_MAX_NS ? *step_ns * 2 : STEP_MAX_NS;
	return true;
}

static uint64_t end_of_wait(void)
{
	return ocs_clock_ns() + ocs_store_wait_ms * 1000000ULL;
}

static int busy(int fd, const char *path, short type, off_t start, off_t len,
                struct ocs_error *error)
{
	pid_t holder = holder_of(fd, type, start, len);

	if (holder > 0)
		ocs_error_set(error, "%s: locked by process %d", path, (int)holder);
	else
		ocs_error_set(error, "%s: locked by another process", path);
	return OCS_STORE_BUSY;
}

static int take(int fd, const char *path, short type, off_t start, off_t len, uint64_t end,
                struct ocs_error *error)
{
	long step = STEP_NS;

	while (set_lock(fd, type, start, len) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return ocs_error_set(error, "%s: cannot lock: %s", path, strerror(errno));
		if (!wait_a_little(end, &step))
			return busy(fd, path, type, start, len, error);
	}
	return OCS_STORE_OK;
}

static void give(int fd, off_t start, off_t len)
{
	(void)set_lock(fd, F_UNLCK, start, len);
}

/* ---- a recovery, which libtdb does with the first lock that it takes ---- */

/* Whether a process was killed in a commit, or somebody has written so. */
static bool needs_recovery(int fd)
{
	uint32_t at, magic;

	return ocs_file_read(fd, (uint8_t *)&at, sizeof(at), RECOVERY_AT) == sizeof(at) &&
	       at != 0 &&
	       ocs_file_read(fd, (uint8_t *)&magic, sizeof(magic),
	                     (uint64_t)at + RECOVERY_MAGIC_AT) == sizeof(magic) &&
	       magic == RECOVERY_MAGIC;
}

bool ocs_store_needs_recovery(const struct ocs_store *store)
{
	return needs_recovery(tdb_fd(store->tdb));
}

/* What libtdb will write back: parts of the file, each with its place and length, in the order of
 * their places, and four bytes. It believes the lengths: one that leads behind the record makes it
 * write what is beside the record in its memory into the file, where others read it. */
static bool is_recovery_sound(int fd)
{
	uint32_t head, size, part[2];
	uint64_t at, end, place = 0;
	bool last = false;
	struct stat st;

	if (fstat(fd, &st) != 0 ||
	    ocs_file_read(fd, (uint8_t *)&head, sizeof(head), RECOVERY_AT) != sizeof(head) ||
	    ocs_file_read(fd, (uint8_t *)&size, sizeof(size), (uint64_t)head + RECOVERY_SIZE_AT) !=
	            sizeof(size))
		return false;
	at = (uint64_t)head + RECOVERY_HEAD;
	end = at + size;
	if (end > (uint64_t)st.st_size)
		return false;
	for (; at + ELEMENT_HEAD < end; at += ELEMENT_HEAD + part[1]) {
		if (last || ocs_file_read(fd, (uint8_t *)part, sizeof(part), at) != sizeof(part) ||
		    part[0] < place || part[1] == 0 || part[1] > end - at - ELEMENT_HEAD ||
		    (uint64_t)part[0] + part[1] > (uint64_t)st.st_size)
			return false;
		place = (uint64_t)part[0] + part[1];
		/* Not one for each byte of a large file. */
		last = part[1] < ELEMENT_MIN;
	}
	return true;
}

/* No commit is under way: the caller has locked all records, or the opening. libtdb takes a file of
 * the other byte order for what it is, and would find there what is not found here. */
static int check_recovery(int fd, const char *path, struct ocs_error *error)
{
	uint32_t version;
	bool swapped, sound;

	errno = 0;
	swapped = ocs_file_read(fd, (uint8_t *)&version, sizeof(version), OCS_VERSION_OFFSET) ==
	                  sizeof(version) &&
	          version == SWAPPED_VERSION;
	sound = !needs_recovery(fd) || is_recovery_sound(fd);
	/* What could not be read is not what somebody wrote. */
	if (errno != 0)
		return ocs_error_set(error, "%s: cannot read: %s", path, strerror(errno));
	if (swapped)
		ocs_error_set(error, "%s: not a database file of this machine", path);
	else if (!sound)
		ocs_error_set(error, "%s: damaged (what it is to be recovered from)", path);
	else
		return OCS_STORE_OK;
	return OCS_STORE_CORRUPT;
}

int ocs_store_lock_open(int fd, const char *path, struct ocs_error *error)
{
	int ret = take(fd, path, F_WRLCK, OPEN_AT, 1, end_of_wait(), error);

	return ret == OCS_STORE_OK ? check_recovery(fd, path, error) : ret;
}

/* It wants all of the file then. Commits hold the area in use for a moment, with all locked: whose
 * lock is waited for here. */
static int recover(struct ocs_store *store, uint64_t end, struct ocs_error *error)
{
	int fd = tdb_fd(store->tdb), ret;

	if (!needs_recovery(fd))
		return OCS_STORE_OK;
	ret = take(fd, store->path, F_WRLCK, RECORDS_AT, TO_THE_END, end, error);
	if (ret == OCS_STORE_OK)
		ret = take(fd, store->path, F_WRLCK, OPEN_AT, 1, end, error);
	if (ret == OCS_STORE_OK)
		ret = check_recovery(fd, store->path, error);
	if (ret == OCS_STORE_CORRUPT)
		atomic_store(&store->damaged, true);
	/* Any lock that it takes by itself does it; this one it gives back with the others. */
	if (ret == OCS_STORE_OK && tdb_lockall_read_nonblock(store->tdb) == 0)
		tdb_unlockall_read(store->tdb);
	give(fd, OPEN_AT, 1);
	give(fd, RECORDS_AT, TO_THE_END);
	return ret;
}

/* ---- in an open file ---- */

int ocs_store_lock_begin(struct ocs_store *store, unsigned wait_ms, struct ocs_error *error)
{
	uint64_t end = ocs_clock_ns() + wait_ms * 1000000ULL;
	int fd = tdb_fd(store->tdb), ret = recover(store, end, error);

	if (ret == OCS_STORE_OK)
		ret = take(fd, store->path, F_WRLCK, TRANSACTION_AT, 1, end, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = take(fd, store->path, F_RDLCK, RECORDS_AT, TO_THE_END, end, error);
	if (ret != OCS_STORE_OK)
		give(fd, TRANSACTION_AT, 1);
	return ret;
}

int ocs_store_lock_commit(struct ocs_store *store, struct ocs_error *error)
{
	uint64_t end = end_of_wait();
	int fd = tdb_fd(store->tdb);
	int ret = take(fd, store->path, F_WRLCK, RECORDS_AT, TO_THE_END, end, error);

	return ret == OCS_STORE_OK ? take(fd, store->path, F_WRLCK, OPEN_AT, 1, end, error) : ret;
}

void ocs_store_lock_end(struct ocs_store *store)
{
	/* A commit that changes nothing does not know that it has it. */
	give(tdb_fd(store->tdb), OPEN_AT, 1);
}

void ocs_store_lock_lost(struct ocs_store *store)
{
	give(tdb_fd(store->tdb), OPEN_AT, TO_THE_END);
}

/* By libtdb's own call, so that looking a key up locks nothing more. NULL: all records. */
static int lock_nonblock(struct ocs_store *store, const TDB_DATA *key)
{
	return key != NULL ? tdb_chainlock_read_nonblock(store->tdb, *key)
	                   : tdb_lockall_read_nonblock(store->tdb);
}

static int lock_to_read(struct ocs_store *store, const TDB_DATA *key, struct ocs_error *error)
{
	uint64_t end = end_of_wait();
	int ret = recover(store, end, error);
	long step = STEP_NS;

	/* In a file that was cut short it fails without a word in errno. */
	while (ret == OCS_STORE_OK && (errno = 0, lock_nonblock(store, key)) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return ocs_error_set(error, "%s: cannot lock: %s", store->path,
			                     tdb_errorstr(store->tdb));
		if (!wait_a_little(end, &step))
			ret = busy(tdb_fd(store->tdb), store->path, F_RDLCK, RECORDS_AT, TO_THE_END,
			           error);
	}
	return ret;
}

int ocs_store_lock_key(struct ocs_store *store, TDB_DATA key, struct ocs_error *error)
{
	return lock_to_read(store, &key, error);
}

int ocs_store_lock_records(struct ocs_store *store, struct ocs_error *error)
{
	return lock_to_read(store, NULL, error);
}

int ocs_store_lock_chain(struct ocs_store *store, unsigned n, struct ocs_error *error)
{
	uint64_t end = end_of_wait();
	int ret = recover(store, end, error);

	if (ret != OCS_STORE_OK)
		return ret;
	return take(tdb_fd(store->tdb), store->path, F_RDLCK, RECORDS_AT + 4 * (off_t)n, 1, end,
	            error);
}

void ocs_store_unlock_chain(struct ocs_store *store, unsigned n)
{
	give(tdb_fd(store->tdb), RECORDS_AT + 4 * (off_t)n, 1);
}

int ocs_store_lock_all(struct tdb_context *tdb, const char *path, struct ocs_error *error)
{
	int fd = tdb_fd(tdb),
	    ret = take(fd, path, F_RDLCK, RECORDS_AT, TO_THE_END, end_of_wait(), error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = check_recovery(fd, path, error);
	if (ret == OCS_STORE_OK && tdb_lockall_read_nonblock(tdb) == 0)
		return OCS_STORE_OK;
	give(fd, RECORDS_AT, TO_THE_END);
	if (ret != OCS_STORE_OK)
		return ret;
	return ocs_error_set(error, "%s: cannot lock: %s", path, tdb_errorstr(tdb));
}

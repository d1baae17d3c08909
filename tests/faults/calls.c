/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Calls that fail when a test wants: see calls.h. */
#include "tests/faults/calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <mqueue.h>
#include <poll.h>
#include <pwd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CLOCK_STEP 3600 /* seconds */

#define CALLS_NAME(name, error)  #name,
#define CALLS_ERROR(name, error) error,
static const char *const kind_names[] = {CALLS_KINDS(CALLS_NAME)};
static const int errors[] = {CALLS_KINDS(CALLS_ERROR)};

static struct calls own = {.kind = -1};
struct calls *calls = &own;
static bool traced;

/* ---- whose calls count ---- */

/* Where the code of the program and of these libraries is. */
struct range {
	uintptr_t start, end;
	bool memory_only, is_program;
};
static struct range ranges[32];
static size_t n_ranges;

static void add_code(const struct dl_phdr_info *info, bool memory_only)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 &&
		    n_ranges < sizeof(ranges) / sizeof(ranges[0]))
			ranges[n_ranges++] =
			        (struct range){start, start + part->p_memsz, memory_only,
			                       info->dlpi_name[0] == '\0'};
	}
}

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	static const char *const workers[] = {"/libtalloc.so", "/libtdb.so", "/librabbitmq.so",
	                                      "/libmicrohttpd.so"};

	(void)size;
	(void)arg;
	if (info->dlpi_name[0] == '\0')
		add_code(info, false);
	for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++)
		if (strstr(info->dlpi_name, workers[i]) != NULL)
			add_code(info, false);
	if (strstr(info->dlpi_name, "/libc.so") != NULL)
		add_code(info, true);
	return 0;
}

static const struct range *range_of(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	for (size_t i = 0; i < n_ranges; i++)
		if (at >= ranges[i].start && at < ranges[i].end)
			return &ranges[i];
	return NULL;
}

static bool counts(enum calls_kind kind, const void *caller)
{
	const struct range *range = range_of(caller);

	if (range == NULL)
		return false;
	return kind == CALLS_OWN_MEMORY ? range->is_program
	                                : kind == CALLS_MEMORY || !range->memory_only;
}

/* ---- which one fails ---- */

static void trace(enum calls_kind kind)
{
	void *frames[24];
	int n = backtrace(frames, 24);

	dprintf(2, "%s fails:\n", kind_names[kind]);
	backtrace_symbols_fd(frames, n, 2);
}

static bool fails(enum calls_kind kind, const void *caller)
{
	int left;

	if (atomic_load(&calls->kind) < 0 || !counts(kind, caller))
		return false;
	atomic_fetch_add(&calls->seen[kind], 1);
	if (atomic_load(&calls->kind) != (int)kind)
		return false;
	left = atomic_fetch_sub(&calls->left, 1);
	if (left != 0 && (left > 0 || !atomic_load(&calls->lasts)))
		return false;
	if (atomic_fetch_add(&calls->failed, 1) == 0 && traced)
		trace(kind);
	if (errors[kind] != 0)
		errno = errors[kind];
	return true;
}

static bool memory_fails(const void *caller)
{
	return fails(CALLS_OWN_MEMORY, caller) || fails(CALLS_MEMORY, caller);
}

static void *real(_Atomic(void *) *known, const char *name)
{
	void *found = atomic_load(known);

	if (found == NULL) {
		found = dlsym(RTLD_NEXT, name);
		atomic_store(known, found);
	}
	return found;
}

/* ---- how a test says so ---- */

void calls_fail(enum calls_kind kind, int n, bool lasts)
{
	atomic_store(&calls->kind, -1);
	atomic_store(&calls->left, n);
	atomic_store(&calls->lasts, lasts);
	atomic_store(&calls->failed, 0);
	atomic_store(&calls->kind, kind);
}

bool calls_have_failed(void)
{
	atomic_store(&calls->kind, -1);
	return atomic_load(&calls->failed) > 0;
}

const char *calls_name(enum calls_kind kind)
{
	return kind_names[kind];
}

__attribute__((constructor)) static void calls_begin(void)
{
	const char *path = getenv("OCS_FAULT_CALLS"), *program = getenv("OCS_FAULT_PROGRAM");
	int fd = -1;
	void *frames[2];
	void *shared = MAP_FAILED;

	if (program != NULL && strcmp(program, program_invocation_short_name) != 0)
		return;

	if (path != NULL)
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		shared = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (path != NULL && shared == MAP_FAILED) {
		perror(path);
		_exit(3);
	}
	traced = getenv("OCS_FAULT_TRACE") != NULL;
	/* Which take memory the first time, and the C library crashes without. */
	(void)backtrace(frames, 2);
	(void)getgrgid(0);
	(void)getpwuid(0);
	dl_iterate_phdr(add_object, NULL);
	if (path == NULL)
		return;
	calls = shared;
	for (size_t i = 0; i < CALLS_N; i++)
		snprintf(calls->names[i], sizeof(calls->names[i]), "%s", kind_names[i]);
}

/* ---- memory: without dlsym(), which takes some ---- */

#define EXPORTED(result, name, parameters)                                                         \
	__attribute__((visibility("default"))) result calls_##name parameters __asm__(#name);      \
	result calls_##name parameters
#define CALLER __builtin_return_address(0)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
/* A sanitizer's. */
__attribute__((weak)) void *__interceptor_malloc(size_t size);
__attribute__((weak)) void *__interceptor_calloc(size_t n, size_t size);
__attribute__((weak)) void *__interceptor_realloc(void *old, size_t size);

/* LeakSanitizer knows the dynamic linker by who called malloc(), which is us here. By its file:
 * names of its functions are there only where debugging symbols are installed. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
	return "leak:/ld-linux\n";
}

EXPORTED(void *, malloc, (size_t size))
{
	if (memory_fails(CALLER))
		return NULL;
	return __interceptor_malloc != NULL ? __interceptor_malloc(size) : __libc_malloc(size);
}

EXPORTED(void *, calloc, (size_t n, size_t size))
{
	if (memory_fails(CALLER))
		return NULL;
	return __interceptor_calloc != NULL ? __interceptor_calloc(n, size)
	                                    : __libc_calloc(n, size);
}

EXPORTED(void *, realloc, (void *old, size_t size))
{
	if (memory_fails(CALLER))
		return NULL;
	return __interceptor_realloc != NULL ? __interceptor_realloc(old, size)
	                                     : __libc_realloc(old, size);
}

/* ---- the rest ---- */

#define REAL(result, name, parameters)                                                             \
	static _Atomic(void *) known;                                                              \
	result(*next) parameters = (result(*) parameters)real(&known, #name)
#define CALL(kind, result, failed, name, parameters, arguments)                                    \
	EXPORTED(result, name, parameters)                                                         \
	{                                                                                          \
		REAL(result, name, parameters);                                                    \
		return fails(CALLS_##kind, CALLER) ? failed : next arguments;                      \
	}
/* By two names: which one it has depends on how its caller was compiled. */
#define CALL64(kind, result, failed, name, parameters, arguments)                                  \
	CALL(kind, result, failed, name, parameters, arguments)                                    \
	CALL(kind, result, failed, name##64, parameters, arguments)

/* With a mode, if flags say that there is one. */
#define OPENING(kind, result, name, parameters, last, flags, with, without)                        \
	EXPORTED(result, name, parameters)                                                         \
	{                                                                                          \
		REAL(result, name, parameters);                                                    \
		va_list more;                                                                      \
                                                                                                   \
		if (fails(CALLS_##kind, CALLER))                                                   \
			return (result)-1;                                                         \
		if ((flags & (O_CREAT | O_DIRECTORY)) == 0)                                        \
			return next without;                                                       \
		va_start(more, last);                                                              \
		result ret = next with;                                                            \
		va_end(more);                                                                      \
		return ret;                                                                        \
	}
#define MODE va_arg(more, mode_t)
OPENING(OPEN, int, open, (const char *path, int flags, ...), flags, flags, (path, flags, MODE),
        (path, flags))
OPENING(OPEN, int, open64, (const char *path, int flags, ...), flags, flags, (path, flags, MODE),
        (path, flags))
OPENING(OPEN, int, openat, (int at, const char *path, int flags, ...), flags, flags,
        (at, path, flags, MODE), (at, path, flags))
OPENING(OPEN, int, openat64, (int at, const char *path, int flags, ...), flags, flags,
        (at, path, flags, MODE), (at, path, flags))
CALL(OPEN, int, -1, __open_2, (const char *path, int flags), (path, flags))
CALL(OPEN, int, -1, __open64_2, (const char *path, int flags), (path, flags))
CALL(OPEN, int, -1, __openat_2, (int at, const char *path, int flags), (at, path, flags))

EXPORTED(mqd_t, mq_open, (const char *name, int flags, ...))
{
	REAL(mqd_t, mq_open, (const char *name, int flags, ...));
	va_list more;

	if (fails(CALLS_MQ_OPEN, CALLER))
		return (mqd_t)-1;
	if ((flags & O_CREAT) == 0)
		return next(name, flags);
	va_start(more, flags);
	mode_t mode = va_arg(more, mode_t);
	mqd_t ret = next(name, flags, mode, va_arg(more, struct mq_attr *));
	va_end(more);
	return ret;
}
CALL(MQ_OPEN, mqd_t, (mqd_t)-1, __mq_open_2, (const char *name, int flags), (name, flags))
CALL(MQ_SEND, int, -1, mq_send, (mqd_t mq, const char *data, size_t len, unsigned priority),
     (mq, data, len, priority))
CALL(MQ_RECEIVE, ssize_t, -1, mq_receive, (mqd_t mq, char *data, size_t len, unsigned *priority),
     (mq, data, len, priority))

CALL64(OPEN, FILE *, NULL, fopen, (const char *path, const char *mode), (path, mode))
CALL(OPEN, DIR *, NULL, opendir, (const char *path), (path))
CALL(OPEN, DIR *, NULL, fdopendir, (int fd), (fd))
CALL64(OPEN, int, -1, mkostemp, (char *path, int flags), (path, flags))
CALL(OPEN, int, -1, pipe2, (int fds[2], int flags), (fds, flags))
CALL(OPEN, int, -1, eventfd, (unsigned value, int flags), (value, flags))
CALL(OPEN, int, -1, timerfd_create, (int clock, int flags), (clock, flags))
CALL(OPEN, int, -1, inotify_init1, (int flags), (flags))
CALL(OPEN, int, -1, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
CALL(OPEN, int, -1, epoll_create1, (int flags), (flags))
/* Only adding can fail, for want of memory or watches; libmicrohttpd ends the process where another
 * operation does. */
EXPORTED(int, epoll_ctl, (int fd, int operation, int of, struct epoll_event *event))
{
	REAL(int, epoll_ctl, (int fd, int operation, int of, struct epoll_event *event));

	if (operation == EPOLL_CTL_ADD && fails(CALLS_OPEN, CALLER))
		return -1;
	return next(fd, operation, of, event);
}
CALL(OPEN, int, -1, dup, (int fd), (fd))

/* Counters that wake a thread never fail, and libmicrohttpd would wait for ever. */
static bool is_file(int fd)
{
	struct stat st;

	return syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);
}

EXPORTED(ssize_t, read, (int fd, void *data, size_t len))
{
	REAL(ssize_t, read, (int fd, void *data, size_t len));

	return is_file(fd) && fails(CALLS_READ, CALLER) ? -1 : next(fd, data, len);
}
EXPORTED(ssize_t, __read_chk, (int fd, void *data, size_t len, size_t size))
{
	REAL(ssize_t, __read_chk, (int fd, void *data, size_t len, size_t size));

	return is_file(fd) && fails(CALLS_READ, CALLER) ? -1 : next(fd, data, len, size);
}
CALL64(READ, ssize_t, -1, pread, (int fd, void *data, size_t len, off_t at), (fd, data, len, at))

/* Half of it; a few bytes are written whole or not at all. */
#define WHOLE 16
#define WRITING(name, parameters, len, least, whole, part)                                         \
	EXPORTED(ssize_t, name, parameters)                                                        \
	{                                                                                          \
		REAL(ssize_t, name, parameters);                                                   \
                                                                                                   \
		if (atomic_load(&calls->kind) < 0 || !is_file(fd))                                 \
			return next whole;                                                         \
		if (fails(CALLS_WRITE, CALLER))                                                    \
			return -1;                                                                 \
		if (len > least && fails(CALLS_SHORT, CALLER))                                     \
			return next part;                                                          \
		return next whole;                                                                 \
	}
WRITING(write, (int fd, const void *data, size_t len), len, WHOLE, (fd, data, len),
        (fd, data, len / 2))
WRITING(pwrite, (int fd, const void *data, size_t len, off_t at), len, WHOLE, (fd, data, len, at),
        (fd, data, len / 2, at))
WRITING(pwrite64, (int fd, const void *data, size_t len, off_t at), len, WHOLE, (fd, data, len, at),
        (fd, data, len / 2, at))
WRITING(writev, (int fd, const struct iovec *parts, int n), n, 1, (fd, parts, n),
        (fd, parts, n / 2))

CALL(SYNC, int, -1, fsync, (int fd), (fd))
CALL(SYNC, int, -1, fdatasync, (int fd), (fd))
CALL(SYNC, int, -1, msync, (void *at, size_t len, int flags), (at, len, flags))
CALL64(TRUNCATE, int, -1, ftruncate, (int fd, off_t len), (fd, len))
CALL64(TRUNCATE, int, -1, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
CALL64(TRUNCATE, int, ENOSPC, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len))

CALL(NAME, int, -1, rename, (const char *from, const char *to), (from, to))
CALL(NAME, int, -1, renameat2,
     (int from_at, const char *from, int to_at, const char *to, unsigned flags),
     (from_at, from, to_at, to, flags))
CALL(NAME, int, -1, link, (const char *from, const char *to), (from, to))
CALL(NAME, int, -1, symlink, (const char *to, const char *path), (to, path))
CALL(NAME, int, -1, unlink, (const char *path), (path))
CALL(NAME, int, -1, unlinkat, (int at, const char *path, int flags), (at, path, flags))
CALL(NAME, int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(NAME, int, -1, rmdir, (const char *path), (path))

CALL64(STAT, int, -1, stat, (const char *path, struct stat *st), (path, st))
CALL64(STAT, int, -1, lstat, (const char *path, struct stat *st), (path, st))
CALL64(STAT, int, -1, fstat, (int fd, struct stat *st), (fd, st))
CALL64(STAT, int, -1, fstatat, (int at, const char *path, struct stat *st, int flags),
       (at, path, st, flags))
CALL(OWNER, int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
CALL(OWNER, int, -1, fchownat, (int at, const char *path, uid_t uid, gid_t gid, int flags),
     (at, path, uid, gid, flags))
CALL(OWNER, int, -1, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
CALL(OWNER, int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(OWNER, int, -1, chmod, (const char *path, mode_t mode), (path, mode))

#define LOCKING(name)                                                                              \
	EXPORTED(int, name, (int fd, int command, ...))                                            \
	{                                                                                          \
		REAL(int, name, (int fd, int command, ...));                                       \
		va_list more;                                                                      \
                                                                                                   \
		if ((command == F_SETLK || command == F_SETLKW) && fails(CALLS_LOCK, CALLER))      \
			return -1;                                                                 \
		va_start(more, command);                                                           \
		int ret = next(fd, command, va_arg(more, void *));                                 \
		va_end(more);                                                                      \
		return ret;                                                                        \
	}
LOCKING(fcntl)
LOCKING(fcntl64)
CALL(LOCK, int, -1, flock, (int fd, int operation), (fd, operation))
CALL64(MAP, void *, MAP_FAILED, mmap,
       (void *at, size_t len, int protection, int flags, int fd, off_t offset),
       (at, len, protection, flags, fd, offset))

CALL(SOCKET, int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(SOCKET, int, -1, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
CALL(SOCKET, int, -1, bind, (int fd, const struct sockaddr *address, socklen_t len),
     (fd, address, len))
CALL(SOCKET, int, -1, listen, (int fd, int backlog), (fd, backlog))
CALL(SOCKET, int, -1, connect, (int fd, const struct sockaddr *address, socklen_t len),
     (fd, address, len))
CALL(ACCEPT, int, -1, accept, (int fd, struct sockaddr *address, socklen_t *len),
     (fd, address, len))
CALL(ACCEPT, int, -1, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags),
     (fd, address, len, flags))
CALL(SEND, ssize_t, -1, send, (int fd, const void *data, size_t len, int flags),
     (fd, data, len, flags))
CALL(SEND, ssize_t, -1, sendto,
     (int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t size),
     (fd, data, len, flags, to, size))
CALL(SEND, ssize_t, -1, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))
CALL(RECEIVE, ssize_t, -1, recv, (int fd, void *data, size_t len, int flags),
     (fd, data, len, flags))
CALL(RECEIVE, ssize_t, -1, __recv_chk, (int fd, void *data, size_t len, size_t size, int flags),
     (fd, data, len, size, flags))
CALL(RECEIVE, ssize_t, -1, recvfrom,
     (int fd, void *data, size_t len, int flags, struct sockaddr *from, socklen_t *size),
     (fd, data, len, flags, from, size))
CALL(RECEIVE, ssize_t, -1, recvmsg, (int fd, struct msghdr *message, int flags),
     (fd, message, flags))
CALL(WAIT, int, -1, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
CALL(WAIT, int, -1, epoll_wait, (int fd, struct epoll_event *events, int n, int ms),
     (fd, events, n, ms))
CALL(THREAD, int, EAGAIN, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),
     (thread, attributes, run, arg))
CALL(RANDOM, ssize_t, -1, getrandom, (void *data, size_t len, unsigned flags), (data, len, flags))

/* ---- the clock that people set: from then on it is ahead, and behind again in the end ---- */

EXPORTED(int, clock_gettime, (clockid_t clock, struct timespec *now))
{
	REAL(int, clock_gettime, (clockid_t clock, struct timespec * now));
	int ret = next(clock, now);

	if (clock == CLOCK_REALTIME && fails(CALLS_CLOCK, CALLER))
		now->tv_sec += CLOCK_STEP;
	return ret;
}

EXPORTED(time_t, time, (time_t * now))
{
	REAL(time_t, time, (time_t * now));
	time_t ret = next(NULL);

	if (fails(CALLS_CLOCK, CALLER))
		ret += CLOCK_STEP;
	if (now != NULL)
		*now = ret;
	return ret;
}

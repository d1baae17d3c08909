/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Calls that fail when a test wants. A program linked with calls.o (and -rdynamic) has these calls
 * in place of the C library's; they are passed on, and the nth one of a kind fails instead. Only
 * those count that come from the program itself, or from the libraries that do its work for it:
 * libtalloc, libtdb, librabbitmq, libmicrohttpd, and of memory what the C library takes for them.
 *
 * Who tests the daemon does it from outside, with calls.so preloaded: the structure below is the
 * file that the environment variable OCS_FAULT_CALLS names, of sizeof(struct calls), mapped, in the
 * program that OCS_FAULT_PROGRAM names; tests/harness/faults.py is the other end.
 */
#ifndef OCS_FAULTS_CALLS_H
#define OCS_FAULTS_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Kind, what its calls fail with. */
#define CALLS_KINDS(kind)                                                                          \
	kind(MEMORY, ENOMEM)             /* malloc, calloc, realloc */                             \
	        kind(OWN_MEMORY, ENOMEM) /* the same, of the program itself: uthash's tables */    \
	        kind(MQ_OPEN, EMFILE) kind(MQ_SEND, EBADF) kind(MQ_RECEIVE, EBADF) kind(           \
	                OPEN,                                                                      \
	                EMFILE) /* open, opendir, fopen, mkostemp, pipe2, eventfd, inotify ... */  \
	        kind(READ, EIO) /* read, pread */                                                  \
	        kind(WRITE, ENOSPC)                      /* write, pwrite */                       \
	        kind(SHORT, 0)                           /* the same, of which half is written */  \
	        kind(SYNC, EIO)                          /* fsync, fdatasync, msync */             \
	        kind(TRUNCATE, ENOSPC)                   /* ftruncate, posix_fallocate */          \
	        kind(NAME, ENOSPC)                       /* rename, link, unlink, mkdir ... */     \
	        kind(STAT, EIO)                          /* stat, fstat, lstat, fstatat */         \
	        kind(OWNER, EPERM)                       /* fchown, fchmod ... */                  \
	        kind(LOCK, ENOLCK)                       /* flock, fcntl */                        \
	        kind(MAP, ENOMEM)                        /* mmap */                                \
	        kind(SOCKET, ENOBUFS)                    /* socket, bind, listen, connect */       \
	        kind(ACCEPT, ENFILE) kind(SEND, ENOBUFS) /* send, sendto, sendmsg */               \
	        kind(RECEIVE, ECONNRESET) kind(WAIT, EINTR) /* poll, epoll_wait */                 \
	        kind(THREAD, EAGAIN)                        /* pthread_create */                   \
	        kind(RANDOM, EINTR)                         /* getrandom */                        \
	        kind(CLOCK, 0) /* clock_gettime, time: an hour ahead from then on */

#define CALLS_ENUM(name, error) CALLS_##name,
enum calls_kind { CALLS_KINDS(CALLS_ENUM) CALLS_N };

/* All of four bytes, but the names: the kinds in their order, "" behind the last. */
#define CALLS_MAX 32
struct calls {
	atomic_int kind;            /* which is to fail; -1: none */
	atomic_int left;            /* calls of it until one fails; below 0: that is over */
	atomic_int lasts;           /* all after it fail too */
	atomic_int failed;          /* how many did */
	atomic_int seen[CALLS_MAX]; /* how many there were, while one was to fail */
	char names[CALLS_MAX][16];  /* written by the program */
};

/* Of this process. */
extern struct calls *calls;

/* After n more calls of the kind one fails, or, if it lasts, all. */
void calls_fail(enum calls_kind kind, int n, bool lasts);

/* None fails any more; whether one did. */
bool calls_have_failed(void);

const char *calls_name(enum calls_kind kind);

#endif

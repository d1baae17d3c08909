/*
 * The daemon's log: the one place that logs. To stderr with a time (foreground), else to syslog(3).
 *
 * Any thread. One call is one line: control characters and bytes that are not ASCII text or UTF-8
 * come out as \xHH, so that a name from outside cannot forge a line. Callers never pass a password
 * or token.
 */
#ifndef OCS_OCSMANAGER_LOG_H
#define OCS_OCSMANAGER_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/* foreground: stderr, else syslog, and until ocs_log_detach() stderr as well. level: the least
 * important priority that is still logged. Before this is called, warnings and errors go to stderr.
 * Once, while there is one thread. */
void ocs_log_open(const char *program, bool foreground, int level);
void ocs_log_detach(void);
void ocs_log_set_level(int level); /* any time, any thread */
void ocs_log_close(void);

/* Whether a line of that priority would be logged: for lines that cost something to make. */
bool ocs_log_wanted(int priority);

/* priority: LOG_ERR to LOG_DEBUG. */
void ocs_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The form that modules below the daemon are given (ocs_log_fn of notify/dispatch.h). */
void ocs_log_text(int priority, const char *text);

/* For warnings that traffic can cause: one place logs at most ten lines in ten seconds, then says
 * how many it left out with its next line. */
struct ocs_log_site {
	atomic_uint_fast64_t window; /* in units of ten seconds */
	atomic_uint_fast32_t count, left_out;
};
void ocs_log_at_site(struct ocs_log_site *site, int priority, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
#define ocs_log_limited(priority, ...)                                                             \
	do {                                                                                       \
		static struct ocs_log_site ocs_log_site_;                                          \
		ocs_log_at_site(&ocs_log_site_, priority, __VA_ARGS__);                            \
	} while (0)

#endif

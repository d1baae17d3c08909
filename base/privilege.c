/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Dropping root with libcap-ng. It may touch the credentials, limits and flags of the process.
 */
#include "base/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static bool in_group(gid_t gid)
{
	gid_t groups[1024];
	int n = getgroups((int)(sizeof(groups) / sizeof(groups[0])), groups);

	if (gid == getegid())
		return true;
	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

int ocs_privilege_lookup(const char *user, const char *group, struct ocs_identity *identity,
                         struct ocs_error *error)
{
	bool root = geteuid() == 0;

	*identity = (struct ocs_identity){.uid = geteuid(), .gid = getegid(), .user = user};
	if (user != NULL) {
		const struct passwd *entry = getpwnam(user);

		if (entry == NULL)
			return ocs_error_set(error, "[main] user: unknown user '%s'", user);
		if (root && entry->pw_uid == 0)
			return ocs_error_set(error, "[main] user: %s is root; name another user",
			                     user);
		if (root) {
			identity->uid = entry->pw_uid;
			identity->gid = entry->pw_gid;
			identity->drop = true;
		}
	}
	if (group != NULL) {
		const struct group *entry = getgrnam(group);

		if (entry == NULL)
			return ocs_error_set(error, "[main] group: unknown group '%s'", group);
		identity->gid = entry->gr_gid;
		if (!root && !in_group(identity->gid))
			return ocs_error_set(error, "[main] group: this process is not in '%s'",
			                     group);
	}
	return 0;
}

int ocs_privilege_drop(const struct ocs_identity *identity, bool *fowner_r, struct ocs_error *error)
{
	*fowner_r = false;
	if (capng_get_caps_process() != 0)
		return ocs_error_set(error, "the capabilities of this process cannot be read");
	bool fowner = capng_have_capability(CAPNG_PERMITTED, CAP_FOWNER) == 1;

	if (!identity->drop) {
		*fowner_r = fowner;
	} else {
		capng_clear(CAPNG_SELECT_BOTH);
		if (fowner &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_FOWNER) != 0)
			return ocs_error_set(error, "CAP_FOWNER cannot be kept");
		if (initgroups(identity->user, identity->gid) < 0)
			return ocs_error_set(error, "groups of %s: %s", identity->user,
			                     strerror(errno));
		int result = capng_change_id((int)identity->uid, (int)identity->gid, CAPNG_NO_FLAG);
		if (result != 0)
			return ocs_error_set(error,
			                     "cannot become %s (step %d of libcap-ng failed)",
			                     identity->user, -result);
		/* What a mistake in the order above would leave open is not worth trusting. */
		if (setuid(0) == 0 || geteuid() != identity->uid || getegid() != identity->gid)
			return ocs_error_set(error, "root was not dropped");
		*fowner_r = fowner;
		/* The kernel cleared this at the change of uid: memory that root filled is for no
		 * debugger of the user. Said again so that it does not rest on a sysctl. */
		if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
			return ocs_error_set(error, "PR_SET_DUMPABLE: %s", strerror(errno));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return ocs_error_set(error, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	return 0;
}

unsigned long ocs_privilege_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

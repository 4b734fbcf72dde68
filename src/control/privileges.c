/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what the program may still do once its input is open: nothing that an ordinary user may not. Bytes from
 * strangers are decoded only after that (capabilities(7), prctl(2)).
 */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int privileges_become(const char *user, struct error *error)
{
	const struct passwd *entry;
	int result;

	if (user == NULL)
		return 0;
	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL)
		return error_set(error, "capture.user: no user '%.64s'%s%s (create it, or name another)", user,
				 errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	if (geteuid() == entry->pw_uid && getuid() == entry->pw_uid && entry->pw_uid != 0)
		return 0;
	if (geteuid() != 0)
		return error_set(error, "capture.user: only root can become '%.64s' (start as root, or leave it out)",
				 user);
	capng_clear(CAPNG_SELECT_BOTH);
	result = capng_change_id((int)entry->pw_uid, (int)entry->pw_gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (result != 0)
		return error_set(error, "capture.user: cannot become '%.64s': step %d of libcap-ng failed: %s", user,
				 -result, strerror(errno));
	return 0;
}

int privileges_give_up(struct error *error)
{
	bool may_clear_bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(may_clear_bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0)
		return error_set(error, "capabilities cannot be given up: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_set(error, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides what is said on standard error and in which form (systemd.exec(5), JOURNAL_STREAM; sd-daemon(3)). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tcpwitness/base/log.h"
#include "tcpwitness/control/config.h"

/* The variable names the stream's device and inode: it is inherited, while standard error may have been redirected. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char expected[64];
	struct stat status;

	if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
		return false;
	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(stream, expected) == 0;
}

void config_set_up_log(const struct config *config)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

	log_set_level(levels[config->verbosity + 1]);
	log_set_journal(stderr_is_journal());
}

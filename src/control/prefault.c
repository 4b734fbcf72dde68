/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every layer allocates at start what it will ever use, in pages that the system gives when they are first touched. So
 * what is mapped once all layers stand is what is needed, and the kernel's list of it is the whole truth.
 */
#include "prefault.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 512 };

/*
 * A line of proc_pid_maps(5): two addresses, access, offset, device, inode, and the path of a file. The stack is left
 * out: what it may grow by is not mapped.
 */
static bool is_wanted(const char *line, void **begin, void **end)
{
	char access[5];
	int path = 0;

	if (sscanf(line, "%p-%p %4s %*s %*s %*s %n", begin, end, access, &path) < 3 || path == 0)
		return false;
	return strncmp(access, "rw-p", 4) == 0 && line[path] != '/' && strncmp(line + path, "[stack", 6) != 0;
}

static int populate(void *begin, size_t bytes, struct error *error)
{
	while (madvise(begin, bytes, MADV_POPULATE_WRITE) != 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		if (errno == EINVAL)
			return error_set(error, "prefault: this kernel cannot (needs Linux 5.14; leave it out)");
		return error_set(error, "prefault: %zu bytes: %s (lower --memory)", bytes, strerror(errno));
	}
	return 0;
}

int prefault_all(struct error *error)
{
	char line[LINE_BYTES];
	FILE *maps = fopen("/proc/self/maps", "re");
	int result = 0;

	if (maps == NULL)
		return error_set(error, "prefault: /proc/self/maps: %s (leave it out)", strerror(errno));
	while (result == 0 && fgets(line, sizeof(line), maps) != NULL) {
		void *begin;
		void *end;
		if (is_wanted(line, &begin, &end))
			result = populate(begin, (size_t)((char *)end - (char *)begin), error);
	}
	fclose(maps);
	return result;
}

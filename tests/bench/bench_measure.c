/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs one command on one core and writes what it used as JSON. A program of its own because a process's peak memory
 * includes that of the one it was forked from: this one is small. Memory of its own, without the pages of files that it
 * maps, has no peak in the kernel's books; it is looked up a hundred times a second, from another core where there is
 * one.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec look_every = { .tv_nsec = 10000000 };

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double wall_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Kilobytes of memory of its own that the process has now, or 0 when it is gone. */
static uint64_t anonymous_kb(pid_t pid)
{
	char path[64];
	char line[256];
	uint64_t kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtoull(line + 8, NULL, 10);
	}
	fclose(file);
	return kb;
}

/* The core is the command's; this program goes to the others. */
static void leave_core(size_t core)
{
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return;
	CPU_CLR(core, &cores);
	if (CPU_COUNT(&cores) > 0)
		(void)sched_setaffinity(0, sizeof(cores), &cores);
}

static pid_t start(size_t core, char **command, const sigset_t *signals_before)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	cpu_set_t only;
	CPU_ZERO(&only);
	CPU_SET(core, &only);
	if (sched_setaffinity(0, sizeof(only), &only) < 0) {
		fprintf(stderr, "bench_measure: core %zu: %s\n", core, strerror(errno));
		_exit(126);
	}
	sigprocmask(SIG_SETMASK, signals_before, NULL);
	execvp(command[0], command);
	fprintf(stderr, "bench_measure: %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

static int write_result(const char *path, double wall, const struct rusage *usage, uint64_t anonymous)
{
	FILE *file = fopen(path, "we");

	if (file == NULL) {
		fprintf(stderr, "bench_measure: %s: %s\n", path, strerror(errno));
		return -1;
	}
	fprintf(file,
		"{\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f,\"system_seconds\":%.6f,\"peak_bytes\":%" PRIu64
		",\"anonymous_bytes\":%" PRIu64 "}\n",
		wall, seconds_of(usage->ru_utime) + seconds_of(usage->ru_stime), seconds_of(usage->ru_stime),
		(uint64_t)usage->ru_maxrss * 1024, anonymous * 1024);
	return fclose(file);
}

int main(int argc, char **argv)
{
	sigset_t child_ended;
	sigset_t before;
	struct rusage usage;
	uint64_t most_kb = 0;
	int status;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_measure CORE RESULT COMMAND...\n");
		return 125;
	}
	size_t core = strtoul(argv[1], NULL, 10);
	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_ended, &before);
	double begin = wall_seconds();
	pid_t pid = start(core, argv + 3, &before);
	if (pid < 0) {
		fprintf(stderr, "bench_measure: cannot fork: %s\n", strerror(errno));
		return 125;
	}
	leave_core(core);
	while (wait4(pid, &status, WNOHANG, &usage) == 0) {
		uint64_t now_kb = anonymous_kb(pid);
		most_kb = now_kb > most_kb ? now_kb : most_kb;
		sigtimedwait(&child_ended, NULL, &look_every);
	}
	if (write_result(argv[2], wall_seconds() - begin, &usage, most_kb) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

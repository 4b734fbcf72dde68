/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends the frames of a capture, or a flood of SYNs, to an interface at a rate, or as fast as it can; says on stdout,
 * as JSON, how many and how long it took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "live_frames.h"
#include "live_tx_ring.h"

enum { BATCH_FRAMES = 64 };

static const uint64_t second_ns = 1000000000;
/* What is due sooner is waited for without sleeping: a sleep takes longer than it is told to. */
static const uint64_t least_sleep_ns = 200000;

struct job {
	const char *interface;
	struct frame_source *source;
	double rate; /* packets a second; 0 = as fast as it can */
	double seconds;
	int priority; /* before everything else (SCHED_RR) while it sends; 0 = like any other */
	uint64_t n_sent;
	uint64_t n_bytes;
	uint64_t began_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

/* How many are to be sent now, BATCH_FRAMES at most; waits until there is one. 0 = the time is over. */
static unsigned wait_for_batch(const struct job *job)
{
	uint64_t most_ns = (uint64_t)(job->seconds * (double)second_ns);

	for (;;) {
		uint64_t passed_ns = now_ns() - job->began_ns;
		if (passed_ns >= most_ns)
			return 0;
		if (job->rate == 0)
			return BATCH_FRAMES;
		double due = job->rate * (double)passed_ns / (double)second_ns - (double)job->n_sent;
		if (due >= 1)
			return due < BATCH_FRAMES ? (unsigned)due : BATCH_FRAMES;
		uint64_t wait_ns = (uint64_t)((1 - due) / job->rate * (double)second_ns);
		struct timespec wait = { .tv_nsec = (long)(wait_ns < second_ns ? wait_ns : second_ns - 1) };
		if (wait_ns >= least_sleep_ns)
			(void)nanosleep(&wait, NULL);
	}
}

static int send_all(struct job *job, struct tx_ring *ring)
{
	unsigned n;

	job->began_ns = now_ns();
	while ((n = wait_for_batch(job)) != 0) {
		for (unsigned i = 0; i < n; i++) {
			uint8_t *frame = tx_ring_next(ring);
			if (frame == NULL)
				return -1;
			uint32_t n_bytes = frame_source_next(job->source, frame);
			tx_ring_put(ring, n_bytes);
			job->n_bytes += n_bytes;
		}
		if (tx_ring_send(ring) < 0)
			return -1;
		job->n_sent += n;
	}
	return 0;
}

/*
 * 0 = like any other. When the kernel makes or takes away a ring it may wait for a thread of its own that does not get
 * the core meanwhile: then this process is like any other.
 */
static int set_priority(int priority)
{
	const struct sched_param param = { .sched_priority = priority };
	int policy = (priority > 0 ? SCHED_RR : SCHED_OTHER) | SCHED_RESET_ON_FORK;

	if (sched_setscheduler(0, policy, &param) == 0)
		return 0;
	fprintf(stderr, "bench_sender: priority %d: %s\n", priority, strerror(errno));
	return -1;
}

static int run(struct job *job)
{
	struct tx_ring *ring = tx_ring_open(job->interface);

	if (ring == NULL)
		return -1;
	if (job->priority > 0 && set_priority(job->priority) < 0) {
		tx_ring_close(ring);
		return -1;
	}
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	int status = send_all(job, ring);
	uint64_t n_refused = tx_ring_finish(ring);
	double seconds = (double)(now_ns() - job->began_ns) / (double)second_ns;
	if (job->priority > 0 && set_priority(0) < 0)
		status = -1;
	tx_ring_close(ring);
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"seconds\": %.6f}\n",
	       job->n_sent - n_refused, n_refused, job->n_bytes, seconds);
	return status;
}

static int fail(const char *reason)
{
	fprintf(stderr,
		"bench_sender: %s\n"
		"usage: bench_sender (--capture FILE | --flood ADDRESS:PORT) [--rate PACKETS_A_SECOND] [--seconds S]\n"
		"                    [--seed N] [--realtime PRIORITY] INTERFACE\n",
		reason);
	return 2;
}

/* "192.0.2.1:80". Null with the reason on standard error. */
static struct frame_source *open_flood(const char *text, uint64_t seed)
{
	char address_text[INET_ADDRSTRLEN] = "";
	const char *colon = strchr(text, ':');
	struct in_addr address;

	if (colon != NULL && (size_t)(colon - text) < sizeof(address_text))
		memcpy(address_text, text, (size_t)(colon - text));
	if (colon == NULL || inet_pton(AF_INET, address_text, &address) != 1) {
		fail("--flood takes an IPv4 address and a port");
		return NULL;
	}
	return frame_source_flood(ntohl(address.s_addr), (uint16_t)strtoul(colon + 1, NULL, 10), seed);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "capture", required_argument, NULL, 'c' },
		{ "flood", required_argument, NULL, 'f' },
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'e' },
		{ "realtime", required_argument, NULL, 'p' },
		{ 0 },
	};
	struct job job = { .seconds = 1 };
	const char *capture = NULL;
	const char *flood = NULL;
	uint64_t seed = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			capture = optarg;
			break;
		case 'f':
			flood = optarg;
			break;
		case 'r':
			job.rate = strtod(optarg, NULL);
			break;
		case 's':
			job.seconds = strtod(optarg, NULL);
			break;
		case 'e':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			job.priority = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return fail("unknown option");
		}
	}
	if (argc - optind != 1 || (capture == NULL) == (flood == NULL))
		return fail("one interface, and one of --capture and --flood");
	job.interface = argv[optind];
	job.source = capture != NULL ? frame_source_capture(capture) : open_flood(flood, seed);
	if (job.source == NULL)
		return 1;
	int status = run(&job);
	frame_source_close(job.source);
	return status < 0 ? 1 : 0;
}

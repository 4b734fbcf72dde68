/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long the capture thread is busy with one thing: while it is, packets wait. Reads a capture as the pipeline does
 * (bursts, ticks, expiry) and times each step in the processor time of the thread, so that a busy machine does not
 * count. Times are figures for people: nothing passes or fails.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/detect/ruleset.h"
#include "tcpwitness/pipeline/tracker.h"
#include "prefault.h"

enum {
	BURST_FRAMES = 32,
	LONGEST = 10,
};

/* Live, a silence is cut into steps: struct capture_live_config.batch_ms and timeout_ms, as in control/config.c. */
#define LEAST_SILENT_NS (20 * NS_PER_MS)
#define MOST_SILENT_NS  (250 * NS_PER_MS)

/* As by default, but for stats. */
static const sensor_event_mask unwanted = 1U << EVENT_TCP_STATE;

enum step { STEP_READ, STEP_DECODE, STEP_EXPIRE, STEP_TICK, STEP_TRACK, STEP_END, N_STEPS };

static const char *const step_names[N_STEPS] = {
	"reading a burst",   "decoding a burst and fetching",   "expiry", "judging a tick",
	"tracking a packet", "writing what is left at the end",
};

struct longest {
	uint64_t ns;
	uint64_t frame; /* 0: none */
	enum step step;
};

struct pauses {
	struct capture *capture;
	struct decoder *decoder;
	struct detect_engine *engine;
	struct tracker *tracker;
	struct sensor_event event; /* written to, and forgotten */
	uint64_t events;
	uint64_t frames;
	uint64_t now_ns;   /* packet time */
	uint64_t clock_ns; /* processor time at the end of the step before */
	uint64_t total_ns[N_STEPS];
	uint64_t longest_ns[N_STEPS];
	struct longest longest[LONGEST]; /* descending */
	struct longest packet;           /* all that one packet caused */
	uint64_t silent_ns;              /* the longest of all that was done at once in a silence */
	uint64_t over_10ms;
};

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct pauses *pauses = context;

	if ((unwanted >> type & 1) != 0)
		return NULL;
	memset(&pauses->event, 0, offsetof(struct sensor_event, flow) + sizeof(pauses->event.flow));
	pauses->event.type = type;
	return &pauses->event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct pauses *pauses = context;

	(void)event;
	pauses->events++;
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The step ends here, and the next one begins. Returns what it took. */
static uint64_t step_ends(struct pauses *pauses, enum step step)
{
	uint64_t end_ns = thread_ns();
	uint64_t ns = end_ns - pauses->clock_ns;
	unsigned place = LONGEST;

	pauses->clock_ns = end_ns;
	pauses->total_ns[step] += ns;
	if (ns > pauses->longest_ns[step])
		pauses->longest_ns[step] = ns;
	pauses->over_10ms += ns > 10000000 && step != STEP_END;
	while (place > 0 && pauses->longest[place - 1].ns < ns) {
		if (place < LONGEST)
			pauses->longest[place] = pauses->longest[place - 1];
		place--;
	}
	if (place < LONGEST)
		pauses->longest[place] = (struct longest){ ns, pauses->frames, step };
	return ns;
}

static uint64_t tick_until(struct pauses *pauses, uint64_t time_ns, uint64_t number)
{
	const struct tracker_stats *stats = tracker_get_stats(pauses->tracker);
	uint64_t tick_ns;
	uint64_t ns = 0;

	while ((tick_ns = detect_engine_due(pauses->engine, time_ns)) != 0) {
		tracker_advance(pauses->tracker, tick_ns, number);
		ns += step_ends(pauses, STEP_EXPIRE);
		const struct detect_visibility visibility = { .segments = stats->segments,
							      .connections = stats->connections };
		detect_engine_tick(pauses->engine, tick_ns, time_ns, number, &visibility);
		ns += step_ends(pauses, STEP_TICK);
	}
	tracker_advance(pauses->tracker, time_ns, number);
	return ns + step_ends(pauses, STEP_EXPIRE);
}

/* As capture_expect has it. */
static uint64_t silent_step_ns(const struct pauses *pauses)
{
	uint64_t wait_ns = ns_since(tracker_due_ns(pauses->tracker), pauses->now_ns);

	if (wait_ns > MOST_SILENT_NS)
		return MOST_SILENT_NS;
	return wait_ns < LEAST_SILENT_NS ? LEAST_SILENT_NS : wait_ns;
}

/* As on an interface, where time goes on in a silence: it is not one long step. */
static void pass_silence(struct pauses *pauses, uint64_t until_ns)
{
	uint64_t step_ns;

	while (pauses->now_ns != 0 && pauses->now_ns + (step_ns = silent_step_ns(pauses)) < until_ns) {
		pauses->now_ns += step_ns;
		uint64_t ns = tick_until(pauses, pauses->now_ns, 0);
		if (ns > pauses->silent_ns)
			pauses->silent_ns = ns;
	}
}

static void handle(struct pauses *pauses, const struct frame *frame, const struct tracked_packet *tracked)
{
	pauses->frames++;
	pass_silence(pauses, frame->time_ns);
	if (frame->time_ns > pauses->now_ns)
		pauses->now_ns = frame->time_ns;
	uint64_t ns = tick_until(pauses, pauses->now_ns, frame->number);
	if (tracked->packet != NULL)
		tracker_track(pauses->tracker, tracked);
	ns += step_ends(pauses, STEP_TRACK);
	if (ns > pauses->packet.ns)
		pauses->packet = (struct longest){ ns, pauses->frames, STEP_TRACK };
}

static void handle_burst(struct pauses *pauses, const struct frame *frames, size_t n)
{
	struct tracked_packet tracked[BURST_FRAMES] = { 0 };
	struct tracker_errand errands[BURST_FRAMES];
	struct packet packets[BURST_FRAMES];
	unsigned n_errands = 0;

	for (size_t i = 0; i < n; i++) {
		enum decode_result result = decoder_decode(pauses->decoder, &frames[i], &packets[i]);
		if (result != DECODE_TCP && result != DECODE_ICMP_QUOTE)
			continue;
		tracker_prepare(pauses->tracker, &packets[i], result == DECODE_ICMP_QUOTE, &tracked[i]);
		errands[n_errands++] = (struct tracker_errand){ .tracker = pauses->tracker, .tracked = &tracked[i] };
	}
	tracker_fetch(errands, n_errands);
	step_ends(pauses, STEP_DECODE);
	for (size_t i = 0; i < n; i++)
		handle(pauses, &frames[i], &tracked[i]);
}

static void read_all(struct pauses *pauses)
{
	struct frame frames[BURST_FRAMES];
	struct error error = { .text = "" };
	size_t n;

	pauses->clock_ns = thread_ns();
	while (capture_next_burst(pauses->capture, frames, BURST_FRAMES, &n, &error) == CAPTURE_FRAME) {
		step_ends(pauses, STEP_READ);
		handle_burst(pauses, frames, n);
	}
	tracker_finish(pauses->tracker);
	step_ends(pauses, STEP_END);
}

static void print(const struct pauses *pauses)
{
	const struct flow_table_stats *table = tracker_get_table_stats(pauses->tracker);
	const struct detect_stats *detect = detect_engine_get_stats(pauses->engine);

	printf("%" PRIu64 " frames, %" PRIu64 " connections, %" PRIu64 " evicted, longest chain %" PRIu64 ", %" PRIu64
	       " alarms, %" PRIu64 " events\n",
	       pauses->frames, tracker_get_stats(pauses->tracker)->connections, tracker_evicted(pauses->tracker),
	       table->longest_chain, detect->alarms_raised, pauses->events);
	printf("%-34s %12s %14s\n", "step", "in all s", "longest ms");
	for (int step = 0; step < N_STEPS; step++)
		printf("%-34s %12.3f %14.3f\n", step_names[step], (double)pauses->total_ns[step] / 1e9,
		       (double)pauses->longest_ns[step] / 1e6);
	printf("all that one packet caused: %.3f ms, packet %" PRIu64
	       "; all at once in a silence: %.3f ms; steps longer "
	       "than 10 ms: %" PRIu64 "\n",
	       (double)pauses->packet.ns / 1e6, pauses->packet.frame, (double)pauses->silent_ns / 1e6,
	       pauses->over_10ms);
	for (int i = 0; i < LONGEST && pauses->longest[i].ns != 0; i++)
		printf("%10.3f ms  packet %-10" PRIu64 " %s\n", (double)pauses->longest[i].ns / 1e6,
		       pauses->longest[i].frame, step_names[pauses->longest[i].step]);
}

/* The shares are about those of control/memory_plan.c. */
static int start(struct pauses *pauses, const struct ruleset *ruleset, const char *path, size_t memory_bytes,
		 struct error *error)
{
	const struct event_writer writer = {
		.context = pauses, .begin = begin_event, .end = end_event, .unwanted = unwanted
	};
	static const char *const names[] = { "capture" };
	struct decoder_config decoder;
	struct tracker_config tracker;
	struct detect_config detect = { .memory_bytes = memory_bytes / 8 };

	decoder_config_defaults(&decoder);
	tracker_config_defaults(&tracker);
	tracker.syn_store.memory_bytes = memory_bytes / 9;
	tracker.tombstones.memory_bytes = memory_bytes / 18;
	tracker.table.memory_bytes = memory_bytes / 3 * 2;
	if (siphash_key_random(&tracker.key.secret) != 0 || siphash_key_random(&detect.secret) != 0)
		return error_set(error, "no random numbers");
	pauses->capture = capture_open_files(&path, 1, NULL, error);
	if (pauses->capture != NULL)
		pauses->decoder = decoder_create(&decoder, error);
	if (pauses->decoder != NULL)
		pauses->engine = detect_engine_create(ruleset, &detect, &writer, error);
	if (pauses->engine != NULL)
		pauses->tracker =
			tracker_create(&tracker, detect_engine_source(pauses->engine, 0), &writer, names, error);
	return pauses->tracker != NULL ? 0 : -1;
}

int main(int argc, char **argv)
{
	static struct pauses pauses;
	struct error error = { .text = "" };

	if (argc < 2 || argc > 4 || (argc == 4 && strcmp(argv[3], "prefault") != 0)) {
		fprintf(stderr, "usage: bench_pauses CAPTURE [MEMORY_MB [prefault]]\n");
		return 2;
	}
	size_t memory_bytes = (argc >= 3 ? strtoull(argv[2], NULL, 10) : 256) << 20;
	struct ruleset *ruleset = ruleset_create_default(&error);
	int result = ruleset != NULL ? start(&pauses, ruleset, argv[1], memory_bytes, &error) : -1;
	/* A page that is missed is the kernel's pause, and of a huge one a long one. */
	if (result == 0 && argc == 4)
		result = prefault_all(&error);
	if (result == 0) {
		read_all(&pauses);
		print(&pauses);
	} else {
		fprintf(stderr, "bench_pauses: %s\n", error.text);
	}
	tracker_destroy(pauses.tracker);
	detect_engine_destroy(pauses.engine);
	decoder_destroy(pauses.decoder);
	capture_close(pauses.capture);
	ruleset_destroy(ruleset);
	return result == 0 ? 0 : 1;
}

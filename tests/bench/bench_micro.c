/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each part of the sensor takes, on its own, for the packets of one capture: nanoseconds a call, and how often the
 * reference goes into that, which reads the same headers and hashes the same ends as barely as can be. All parts take
 * turns, round after round, and the medians are printed as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "floor_frame.h"
#include "micro_input.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/flow/flow_table.h"
#include "tcpwitness/pipeline/tracker.h"
#include "tcpwitness/sinks/event_json.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "unheard_events.h"

enum { ROUNDS = 9, MOST_FRAMES = 200000 };

/* What a part needs besides its input; made once, before the clock runs. */
struct micro {
	struct micro_input input;
	struct decoder *decoder;
	struct flow_table *table;
	struct recent_segments *recent;
	struct tcp_conn *conns;
	struct ruleset *ruleset;
	struct event_json *encoder;
	struct floor_key floor_key;
	uint64_t sink; /* what was computed goes here, or the compiler leaves it out */
	double seconds;
};

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Each takes the time of its calls alone into micro->seconds and returns how many there were. Making ready what a pass
 * uses up is outside.
 */
typedef size_t part_fn(struct micro *micro);

static size_t run_reference(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	struct floor_headers headers;
	struct floor_segment segment;

	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++) {
		const struct floor_frame frame = {
			.data = input->frames[i].data,
			.stored_bytes = input->frames[i].captured_bytes,
			.wire_bytes = input->frames[i].wire_bytes,
			.time_ns = input->frames[i].time_ns,
		};
		if (!floor_read_headers(&frame, &headers))
			continue;
		floor_fill_segment(&micro->floor_key, &frame, &headers, &segment);
		micro->sink += segment.hash + headers.digest;
	}
	micro->seconds = cpu_seconds() - begin;
	return input->n_frames;
}

static size_t run_decode(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	struct packet packet;

	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++) {
		micro->sink += decoder_decode(micro->decoder, &input->frames[i], &packet);
		micro->sink += packet.seq;
	}
	micro->seconds = cpu_seconds() - begin;
	return input->n_frames;
}

static size_t run_hash(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	struct flow_key key;

	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++) {
		micro->sink += flow_key_from_packet(&input->key_config, &input->packets[i], &key);
		micro->sink += flow_key_hash(&input->key_config, &key);
	}
	micro->seconds = cpu_seconds() - begin;
	return input->n_frames;
}

static size_t run_find(struct micro *micro)
{
	const struct micro_input *input = &micro->input;

	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++) {
		micro->sink += flow_table_find(micro->table, &input->keys[i], input->hashes[i]) != NULL;
		flow_table_close(micro->table);
	}
	micro->seconds = cpu_seconds() - begin;
	return input->n_frames;
}

/* Every connection begins with its first packet here, so that each pass does the same. */
static size_t run_machine(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	struct tcp_context context = { .recent = micro->recent };
	struct tcp_verdict verdict;
	uint64_t n_begun = 0;

	tcp_conn_config_defaults(&context.config);
	recent_segments_clear(micro->recent);
	uint8_t *client_index = calloc(input->n_connections, 1);
	if (client_index == NULL)
		return 0;
	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++) {
		uint32_t number = input->connections[i];
		struct tcp_conn *conn = &micro->conns[number];
		unsigned sender = input->sender_is_next[i];
		if (number == n_begun) {
			enum conn_side side = tcp_conn_init(conn, &context, 2 * number, &input->packets[i], &verdict);
			client_index[number] = (uint8_t)(side == SIDE_CLIENT ? sender : 1 - sender);
			n_begun++;
		} else {
			enum conn_side side = sender == client_index[number] ? SIDE_CLIENT : SIDE_SERVER;
			tcp_conn_advance(conn, &context, side, &input->packets[i], &verdict);
		}
		micro->sink += verdict.n_transitions;
	}
	micro->seconds = cpu_seconds() - begin;
	free(client_index);
	return input->n_frames;
}

/* Table, both ends' states and signals together; nobody listens to these. */
static size_t run_tracker(struct micro *micro)
{
	static const char *const names[] = { "bench.pcap" };
	const struct micro_input *input = &micro->input;
	struct tracker_config config;

	tracker_config_defaults(&config);
	const struct event_writer no_events = unheard_events(0);
	struct tracker *tracker = tracker_create(&config, NULL, &no_events, names, NULL);
	if (tracker == NULL)
		return 0;
	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_frames; i++)
		tracker_packet(tracker, &input->packets[i], false);
	micro->seconds = cpu_seconds() - begin;
	tracker_destroy(tracker);
	return input->n_frames;
}

/* All detectors, with the judgements that fall due on the way. */
static size_t run_detectors(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	const struct detect_config config = { .memory_bytes = 64 << 20, .secret = siphash_key_from_seed(1) };
	const struct detect_visibility visibility = { .segments = input->n_frames };
	const struct event_writer no_events = unheard_events(0);
	struct detect_engine *engine = detect_engine_create(micro->ruleset, &config, &no_events, NULL);

	if (engine == NULL)
		return 0;
	struct detect_source *source = detect_engine_source(engine, 0);
	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_signals; i++) {
		const struct flow_signal *signal = &input->signals[i];
		detect_engine_advance(engine, signal->now_ns, signal->packet_number, &visibility);
		micro->sink += detect_source_signal(source, signal);
	}
	micro->seconds = cpu_seconds() - begin;
	detect_engine_destroy(engine);
	return input->n_signals;
}

static size_t run_encoder(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	size_t length = 0;

	double begin = cpu_seconds();
	for (size_t i = 0; i < input->n_events; i++) {
		if (event_json_encode(micro->encoder, &input->events[i], &length) != NULL)
			micro->sink += length;
	}
	micro->seconds = cpu_seconds() - begin;
	return input->n_events;
}

struct part {
	const char *name;
	const char *call; /* what one call is for */
	part_fn *run;
};

static const struct part parts[] = {
	{ "reference", "frame", run_reference },  { "decode", "frame", run_decode },
	{ "key and hash", "packet", run_hash },   { "table: find, open, close", "packet", run_find },
	{ "machine", "packet", run_machine },     { "tracker", "packet", run_tracker },
	{ "detectors", "signal", run_detectors }, { "JSON encoder", "flow record", run_encoder },
};

enum { N_PARTS = sizeof(parts) / sizeof(parts[0]) };

/* The table holds every connection of the capture. */
static int fill_table(struct micro *micro)
{
	const struct micro_input *input = &micro->input;
	struct flow_table_config config;

	flow_table_config_defaults(&config);
	config.memory_bytes = input->n_connections * 4096 + (1 << 20);
	micro->table = flow_table_create(&config, NULL, NULL, NULL);
	if (micro->table == NULL)
		return -1;
	for (size_t i = 0; i < input->n_frames; i++) {
		if (flow_table_find(micro->table, &input->keys[i], input->hashes[i]) == NULL)
			flow_table_insert(micro->table, &input->keys[i], input->hashes[i], FLOW_CLASS_HALF_OPEN_NEW, 0);
		flow_table_close(micro->table);
	}
	return 0;
}

static int make_ready(struct micro *micro)
{
	struct decoder_config decoder_config;

	decoder_config_defaults(&decoder_config);
	micro->floor_key = (struct floor_key){ { UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9),
						 UINT64_C(0x94d049bb133111eb), UINT64_C(0xd6e8feb86659fd93) } };
	micro->decoder = decoder_create(&decoder_config, NULL);
	micro->conns = calloc(micro->input.n_connections, sizeof(*micro->conns));
	micro->ruleset = ruleset_create_default(NULL);
	micro->encoder = event_json_create();
	micro->recent = recent_segments_create(RECENT_DEFAULT_BYTES, NULL);
	if (micro->decoder == NULL || micro->conns == NULL || micro->ruleset == NULL || micro->encoder == NULL ||
	    micro->recent == NULL || fill_table(micro) < 0) {
		fprintf(stderr, "bench_micro: not enough memory\n");
		return -1;
	}
	return 0;
}

static void clean_up(struct micro *micro)
{
	event_json_destroy(micro->encoder);
	ruleset_destroy(micro->ruleset);
	recent_segments_destroy(micro->recent);
	free(micro->conns);
	flow_table_destroy(micro->table);
	decoder_destroy(micro->decoder);
	micro_input_free(&micro->input);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare_doubles);
	return values[ROUNDS / 2];
}

/* False when a part could not do its work. */
static bool measure(struct micro *micro)
{
	double ns[N_PARTS][ROUNDS];
	double ratio[N_PARTS][ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N_PARTS; i++) {
			size_t n_calls = parts[i].run(micro);
			if (n_calls == 0)
				return false;
			ns[i][round] = micro->seconds * 1e9 / (double)n_calls;
			ratio[i][round] = ns[i][round] / ns[0][round];
		}
	}
	printf("[");
	for (int i = 0; i < N_PARTS; i++)
		printf("%s{\"part\":\"%s\",\"call\":\"%s\",\"ns\":%.2f,\"ratio_to_reference\":%.2f}",
		       i == 0 ? "" : ",\n", parts[i].name, parts[i].call, median(ns[i]), median(ratio[i]));
	printf("]\n");
	return true;
}

int main(int argc, char **argv)
{
	static struct micro micro;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_micro FILE\n");
		return 2;
	}
	bool fine = micro_input_load(&micro.input, argv[1], MOST_FRAMES) == 0 && make_ready(&micro) == 0;
	if (fine && !measure(&micro)) {
		fprintf(stderr, "bench_micro: not enough memory\n");
		fine = false;
	}
	clean_up(&micro);
	return fine ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "micro_input.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/flow/flow_table.h"
#include "tcpwitness/pipeline/tracker.h"

static int out_of_memory(void)
{
	fprintf(stderr, "bench_micro: not enough memory\n");
	return -1;
}

/* The frames' bytes one behind the other, as a reader that maps the file has them. */
static int read_frames(struct micro_input *input, const char *path, size_t most_frames)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *handle = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);
	struct pcap_pkthdr *header;
	const uint8_t *data;
	size_t used = 0;
	size_t room = most_frames * 128;

	if (handle == NULL) {
		fprintf(stderr, "bench_micro: %s\n", reason);
		return -1;
	}
	input->frames = calloc(most_frames, sizeof(*input->frames));
	input->bytes = malloc(room);
	if (input->frames == NULL || input->bytes == NULL) {
		pcap_close(handle);
		return out_of_memory();
	}
	while (input->n_frames < most_frames && pcap_next_ex(handle, &header, &data) == 1 &&
	       header->caplen <= room - used) {
		memcpy(input->bytes + used, data, header->caplen);
		struct frame *frame = &input->frames[input->n_frames++];
		*frame = (struct frame){
			.data = input->bytes + used,
			.captured_bytes = header->caplen,
			.wire_bytes = header->len,
			.time_ns = (uint64_t)header->ts.tv_sec * UINT64_C(1000000000) + (uint64_t)header->ts.tv_usec,
			.number = input->n_frames,
			.link_type = (uint16_t)pcap_datalink(handle),
		};
		used += header->caplen;
	}
	pcap_close(handle);
	return 0;
}

static int decode_all(struct micro_input *input)
{
	struct decoder_config config;
	decoder_config_defaults(&config);
	struct decoder *decoder = decoder_create(&config, NULL);
	size_t n_kept = 0;

	if (decoder == NULL)
		return out_of_memory();
	for (size_t i = 0; i < input->n_frames; i++) {
		if (decoder_decode(decoder, &input->frames[i], &input->packets[n_kept]) == DECODE_TCP)
			input->frames[n_kept++] = input->frames[i];
	}
	input->n_frames = n_kept;
	decoder_destroy(decoder);
	return 0;
}

/* Gives each connection a number, in the order of their first packets. */
static int number_connections(struct micro_input *input)
{
	struct flow_table_config config;
	flow_table_config_defaults(&config);
	config.memory_bytes = input->n_frames * 2048 + (1 << 20);
	struct flow_table *table = flow_table_create(&config, NULL, NULL, NULL);

	if (table == NULL)
		return out_of_memory();
	for (size_t i = 0; i < input->n_frames; i++) {
		input->sender_is_next[i] =
			(uint8_t)flow_key_from_packet(&input->key_config, &input->packets[i], &input->keys[i]);
		input->hashes[i] = flow_key_hash(&input->key_config, &input->keys[i]);
		struct flow *flow = flow_table_find(table, &input->keys[i], input->hashes[i]);
		if (flow == NULL) {
			flow = flow_table_insert(table, &input->keys[i], input->hashes[i], FLOW_CLASS_HALF_OPEN_NEW, 0);
			if (flow == NULL)
				break;
			flow->id = input->n_connections++;
		}
		input->connections[i] = (uint32_t)flow->id;
		flow_table_close(table);
	}
	flow_table_destroy(table);
	return 0;
}

/*
 * What the tracker says of a connection that lives and closes. Made here, so that the detectors are measured and not
 * the tracker.
 */
static void add_signals(struct micro_input *input, const struct packet *first, uint64_t id)
{
	static const enum flow_signal_kind kinds[] = { SIGNAL_ATTEMPT, SIGNAL_ANSWERED, SIGNAL_COMPLETED,
						       SIGNAL_CLIENT_SPOKE, SIGNAL_CLOSED };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		input->signals[input->n_signals++] = (struct flow_signal){
			.kind = kinds[i],
			.answered = i > 1,
			.ended = kinds[i] == SIGNAL_COMPLETED,
			.completed = i > 1,
			.spoke = true,
			.timestamps = true,
			.ttl = first->ttl,
			.window = first->window,
			.isn = first->seq,
			.client = first->src,
			.server = first->dst,
			.client_port = first->src_port,
			.server_port = first->dst_port,
			.flow_id = id + 1,
			.now_ns = first->time_ns,
			.packet_number = first->number,
			.since_ns = first->time_ns,
		};
	}
}

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct micro_input *input = context;

	if (type != EVENT_FLOW || input->n_events == MICRO_MAX_EVENTS)
		return NULL;
	struct sensor_event *event = &input->events[input->n_events];
	memset(event, 0, sizeof(*event));
	event->type = type;
	return event;
}

static void end_event(void *context, struct sensor_event *event)
{
	(void)event;
	((struct micro_input *)context)->n_events++;
}

/* Flow records, as the tracker writes them of this capture. */
static int record_events(struct micro_input *input)
{
	static const char *const names[] = { "bench.pcap" };
	const struct event_writer writer = { .context = input, .begin = begin_event, .end = end_event };
	struct tracker_config config;

	tracker_config_defaults(&config);
	struct tracker *tracker = tracker_create(&config, NULL, &writer, names, NULL);
	if (tracker == NULL)
		return out_of_memory();
	for (size_t i = 0; i < input->n_frames; i++)
		tracker_packet(tracker, &input->packets[i], false);
	tracker_finish(tracker);
	tracker_destroy(tracker);
	return 0;
}

static int make_room(struct micro_input *input)
{
	size_t n = input->n_frames;

	input->packets = calloc(n + 1, sizeof(*input->packets));
	input->keys = calloc(n + 1, sizeof(*input->keys));
	input->hashes = calloc(n + 1, sizeof(*input->hashes));
	input->connections = calloc(n + 1, sizeof(*input->connections));
	input->sender_is_next = calloc(n + 1, 1);
	input->events = calloc(MICRO_MAX_EVENTS, sizeof(*input->events));
	return input->packets != NULL && input->keys != NULL && input->hashes != NULL && input->connections != NULL &&
			       input->sender_is_next != NULL && input->events != NULL
		       ? 0
		       : out_of_memory();
}

int micro_input_load(struct micro_input *input, const char *path, size_t most_frames)
{
	enum { SIGNALS_EACH = 5 };

	*input = (struct micro_input){ .key_config.secret = siphash_key_from_seed(1) };
	if (read_frames(input, path, most_frames) < 0 || make_room(input) < 0 || decode_all(input) < 0 ||
	    number_connections(input) < 0 || record_events(input) < 0)
		return -1;
	if (input->n_frames == 0 || input->n_events == 0) {
		fprintf(stderr, "bench_micro: %s: no connection in it\n", path);
		return -1;
	}
	input->signals = calloc(input->n_connections * SIGNALS_EACH, sizeof(*input->signals));
	if (input->signals == NULL)
		return out_of_memory();
	uint64_t next = 0;
	for (size_t i = 0; i < input->n_frames; i++) {
		if (input->connections[i] == next)
			add_signals(input, &input->packets[i], next++);
	}
	return 0;
}

void micro_input_free(struct micro_input *input)
{
	free(input->frames);
	free(input->packets);
	free(input->keys);
	free(input->hashes);
	free(input->connections);
	free(input->sender_is_next);
	free(input->signals);
	free(input->events);
	free(input->bytes);
}

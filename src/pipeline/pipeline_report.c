/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters of a run, by name: as stats events, as the summary event, and as text for people. One list
 * of rows serves all, so a counter cannot be in one and be forgotten in another.
 */
#include "pipeline_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tcpwitness/base/units.h"

struct counters {
	struct event_counter *rows;
	uint16_t n;
};

static void add(struct counters *counters, const char *name, uint64_t value)
{
	if (counters->n < EVENT_MAX_COUNTERS)
		counters->rows[counters->n++] = (struct event_counter){ .name = name, .value = value };
}

#define FLOW_CLASS_ROWS(prefix)                                                                               \
	[FLOW_CLASS_UNANSWERED_NEW] = prefix "unanswered_new", [FLOW_CLASS_UNANSWERED] = prefix "unanswered", \
	[FLOW_CLASS_HALF_OPEN_NEW] = prefix "half_open_new", [FLOW_CLASS_HALF_OPEN] = prefix "half_open",     \
	[FLOW_CLASS_MIDSTREAM] = prefix "midstream", [FLOW_CLASS_ESTABLISHED] = prefix "established",         \
	[FLOW_CLASS_HALF_CLOSED] = prefix "half_closed", [FLOW_CLASS_CLOSING] = prefix "closing",             \
	[FLOW_CLASS_TIME_WAIT] = prefix "time_wait", [FLOW_CLASS_CLOSED] = prefix "closed"

static void add_flow_classes(struct counters *counters, const char *const names[FLOW_CLASS_COUNT],
			     const uint64_t values[FLOW_CLASS_COUNT])
{
	for (unsigned class = FLOW_CLASS_FREE + 1; class < FLOW_CLASS_COUNT; class ++)
		add(counters, names[class], values[class]);
}

static void add_capture(struct counters *counters, const struct pipeline *pipeline)
{
	const struct capture_stats *capture = &pipeline->capture_stats;

	add(counters, "capture.frames", pipeline->counts.frames);
	add(counters, "capture.bytes", pipeline->counts.bytes);
	add(counters, "capture.kernel_received", capture->kernel_received);
	add(counters, "capture.kernel_dropped", capture->kernel_dropped);
	add(counters, "capture.interface_dropped", capture->interface_dropped);
	add(counters, "capture.time_backwards", pipeline->counts.time_backwards);
}

void pipeline_name_refusals(struct pipeline *pipeline)
{
	for (unsigned i = 0; i < DECODE_RESULT_COUNT; i++)
		snprintf(pipeline->refused_names[i], sizeof(pipeline->refused_names[i]), "decode_refused.%s",
			 decode_result_name((enum decode_result)i));
}

/* Only reasons that occurred: there are dozens of them. */
static void add_refused(struct counters *counters, const struct pipeline *pipeline)
{
	const struct decoder_stats *decoder = pipeline->decoder_stats;

	for (unsigned i = DECODE_FRAGMENT_HELD + 1; i < DECODE_RESULT_COUNT; i++) {
		if (decoder->results[i] != 0)
			add(counters, pipeline->refused_names[i], decoder->results[i]);
	}
}

static void add_decode(struct counters *counters, const struct decoder_stats *decoder)
{
	add(counters, "decode.tcp", decoder->results[DECODE_TCP]);
	add(counters, "decode.icmp_quote", decoder->results[DECODE_ICMP_QUOTE]);
	add(counters, "decode.not_tcp", decoder->results[DECODE_NOT_TCP]);
	add(counters, "decode.fragment_held", decoder->results[DECODE_FRAGMENT_HELD]);
	add(counters, "decode.fragments_reassembled", decoder->fragments_reassembled);
	add(counters, "decode.fragments_timed_out", decoder->fragments_timed_out);
	add(counters, "decode.checksum_bad", decoder->checksum_bad);
	add(counters, "decode.checksum_offloaded", decoder->checksum_offloaded);
	add(counters, "decode.checksum_unchecked", decoder->checksum_unchecked);
}

/*
 * What answers nothing that was seen: the other half of an attack with forged addresses, or of traffic that passes by.
 */
static void add_backscatter(struct counters *counters, const char *synack_name, const char *rst_name,
			    const struct tracker_stats *tracker)
{
	add(counters, synack_name, tracker->anomalies[ANOMALY_SYNACK_UNSOLICITED]);
	add(counters, rst_name, tracker->lone_resets);
}

static void add_tcp(struct counters *counters, const struct tracker_stats *tracker)
{
	add(counters, "tcp.segments", tracker->segments);
	add(counters, "tcp.payload_bytes", tracker->payload_bytes);
	add(counters, "tcp.duplicates", tracker->duplicates);
	add(counters, "tcp.late_segments", tracker->late_segments);
	add(counters, "tcp.out_of_state", tracker->out_of_state);
	add_backscatter(counters, "tcp.backscatter.synack", "tcp.backscatter.rst", tracker);
	add(counters, "tcp.bad_checksum", tracker->bad_checksum);
	add(counters, "tcp.untracked", tracker->untracked);
	add(counters, "tcp.icmp_matched", tracker->icmp_matched);
	add(counters, "tcp.icmp_unmatched", tracker->icmp_unmatched);
}

/* Attempts count under their class, wherever they are kept. */
static void add_attempts(uint64_t classes[FLOW_CLASS_COUNT], const uint64_t table[FLOW_CLASS_COUNT],
			 const uint64_t attempts[SYN_CLASS_COUNT])
{
	memcpy(classes, table, FLOW_CLASS_COUNT * sizeof(classes[0]));
	classes[FLOW_CLASS_UNANSWERED_NEW] += attempts[SYN_UNANSWERED_NEW];
	classes[FLOW_CLASS_UNANSWERED] += attempts[SYN_UNANSWERED];
	classes[FLOW_CLASS_HALF_OPEN_NEW] += attempts[SYN_HALF_OPEN_NEW];
	classes[FLOW_CLASS_HALF_OPEN] += attempts[SYN_HALF_OPEN];
}

static void add_syn_store(struct counters *counters, const struct syn_store_stats *store)
{
	add(counters, "syn_store.created", store->created);
	add(counters, "syn_store.promoted", store->promoted);
	add(counters, "syn_store.refused", store->refused);
	add(counters, "syn_store.entries_in_use", store->entries_in_use);
	add(counters, "syn_store.capacity", store->capacity);
	add(counters, "syn_store.memory_bytes", store->memory_bytes);
}

static void add_tombstones(struct counters *counters, const struct tombstones_stats *tombstones)
{
	add(counters, "tombstones.created", tombstones->created);
	add(counters, "tombstones.evicted", tombstones->evicted);
	add(counters, "tombstones.capacity", tombstones->capacity);
	add(counters, "tombstones.memory_bytes", tombstones->memory_bytes);
}

static void add_flow(struct counters *counters, const struct pipeline *pipeline)
{
	static const char *const in_use[FLOW_CLASS_COUNT] = { FLOW_CLASS_ROWS("flow.in_use.") };
	static const char *const expired[FLOW_CLASS_COUNT] = { FLOW_CLASS_ROWS("flow.expired.") };
	static const char *const evicted[FLOW_CLASS_COUNT] = { FLOW_CLASS_ROWS("flow.evicted.") };
	const struct flow_table_stats *table = &pipeline->stats.table;
	const struct syn_store_stats *store = &pipeline->stats.syn_store;
	uint64_t classes[FLOW_CLASS_COUNT];

	add(counters, "flow.created", table->created + store->created - store->promoted);
	add(counters, "flow.records", pipeline->stats.tracker.flow_records);
	add(counters, "flow.records_left_out", pipeline->stats.tracker.flow_records_left_out);
	add(counters, "flow.refused", table->refused);
	add(counters, "flow.capacity", table->capacity);
	add(counters, "flow.memory_bytes", table->memory_bytes);
	add_attempts(classes, table->in_use, store->in_use);
	add_flow_classes(counters, in_use, classes);
	add_attempts(classes, table->expired, store->expired);
	add_flow_classes(counters, expired, classes);
	add_attempts(classes, table->evicted, store->evicted);
	add_flow_classes(counters, evicted, classes);
	add_syn_store(counters, store);
	add_tombstones(counters, &pipeline->stats.tombstones);
}

static void add_detect(struct counters *counters, const struct detect_stats *detect)
{
	add(counters, "detect.alarms_raised", detect->alarms_raised);
	add(counters, "detect.alarms_updated", detect->alarms_updated);
	add(counters, "detect.alarms_cleared", detect->alarms_cleared);
	add(counters, "detect.alarms_open", detect->alarms_open);
	add(counters, "detect.alarms_silenced", detect->alarms_silenced);
	add(counters, "detect.alarms_suppressed", detect->alarms_suppressed);
	add(counters, "detect.targets_evicted", detect->targets_evicted);
	add(counters, "detect.memory_bytes", detect->memory_bytes);
}

static struct sensor_event *begin(struct pipeline *pipeline, enum sensor_event_type type)
{
	struct sensor_event *event = pipeline->writer.begin(pipeline->writer.context, type);

	if (event != NULL)
		event->time_ns = pipeline->now_ns;
	return event;
}

void pipeline_write_stats(struct pipeline *pipeline)
{
	struct sensor_event *event = begin(pipeline, EVENT_STATS);

	if (event == NULL)
		return;
	shards_get_stats(pipeline->shards, &pipeline->stats);
	pipeline_ask_capture(pipeline);
	struct counters counters = { .rows = event->stats.counters };
	add_capture(&counters, pipeline);
	add_decode(&counters, pipeline->decoder_stats);
	add_refused(&counters, pipeline);
	add_tcp(&counters, &pipeline->stats.tracker);
	add_flow(&counters, pipeline);
	add_detect(&counters, detect_engine_get_stats(pipeline->engine));
	add(&counters, "events.dropped", event_queue_dropped(pipeline->queue));
	event->stats.uptime_s = ns_since(pipeline->now_ns, pipeline->first_ns) / NS_PER_SEC;
	event->stats.n_counters = counters.n;
	pipeline->writer.end(pipeline->writer.context, event);
}

void pipeline_write_summary(struct pipeline *pipeline)
{
	static const char *const evicted[FLOW_CLASS_COUNT] = { FLOW_CLASS_ROWS("evicted.") };
	struct sensor_event *event = begin(pipeline, EVENT_SUMMARY);

	if (event == NULL)
		return;
	const struct tracker_stats *tracker = &pipeline->stats.tracker;
	const struct flow_table_stats *table = &pipeline->stats.table;
	const struct detect_stats *detect = detect_engine_get_stats(pipeline->engine);
	struct counters counters = { .rows = event->summary.counters };
	add(&counters, "packets", pipeline->counts.frames);
	add(&counters, "bytes", pipeline->counts.bytes);
	add(&counters, "tcp_segments", tracker->segments);
	add(&counters, "connections", tracker->connections);
	add(&counters, "flow_records", tracker->flow_records);
	if (tracker->flow_records_left_out > 0)
		add(&counters, "flow_records_left_out", tracker->flow_records_left_out);
	add(&counters, "late_segments", tracker->late_segments);
	add(&counters, "out_of_state", tracker->out_of_state);
	add_backscatter(&counters, "backscatter.synack", "backscatter.rst", tracker);
	add(&counters, "bad_checksum", tracker->bad_checksum);
	add(&counters, "untracked", tracker->untracked);
	add(&counters, "kernel_dropped", pipeline->capture_stats.kernel_dropped);
	add(&counters, "alerts.raised", detect->alarms_raised);
	add(&counters, "alerts.open", detect->alarms_open);
	add_refused(&counters, pipeline);
	uint64_t classes[FLOW_CLASS_COUNT];
	add_attempts(classes, table->evicted, pipeline->stats.syn_store.evicted);
	add_flow_classes(&counters, evicted, classes);
	event->summary.truncated = pipeline->capture_stats.truncated;
	event->summary.n_counters = counters.n;
	pipeline->writer.end(pipeline->writer.context, event);
}

/* --- for people --- */

struct text {
	char *at;
	size_t left;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if (n < 0)
		return;
	size_t written = (size_t)n < text->left ? (size_t)n : (text->left > 0 ? text->left - 1 : 0);
	text->at += written;
	text->left -= written;
}

static void put_outcomes(struct text *text, const struct tracker_stats *tracker)
{
	const char *separator = "outcomes     ";

	for (unsigned i = 0; i < CONN_OUTCOME_COUNT; i++) {
		if (tracker->outcomes[i] == 0)
			continue;
		put(text, "%s%" PRIu64 " %s", separator, tracker->outcomes[i], conn_outcome_name((enum conn_outcome)i));
		separator = ", ";
	}
	if (*separator == ',')
		put(text, "\n");
}

static void put_losses(struct text *text, const struct pipeline *pipeline)
{
	const struct tracker_stats *tracker = &pipeline->stats.tracker;
	uint64_t evicted = pipeline->stats.evicted;
	uint64_t refused = decoder_stats_refused(pipeline->decoder_stats);

	if (capture_is_live(pipeline->capture))
		put(text, "dropped      %" PRIu64 " by the kernel, %" PRIu64 " by the interface, %" PRIu64 " events\n",
		    pipeline->capture_stats.kernel_dropped, pipeline->capture_stats.interface_dropped,
		    event_queue_dropped(pipeline->queue));
	if (refused > 0)
		put(text, "not decoded  %" PRIu64 " frames (reasons in the summary event)\n", refused);
	if (evicted + tracker->untracked > 0)
		put(text,
		    "table full   %" PRIu64 " flows evicted, %" PRIu64 " segments not tracked (more with --memory)\n",
		    evicted, tracker->untracked);
	if (pipeline->capture_stats.truncated)
		put(text, "truncated    the input ends inside a record\n");
}

void pipeline_summary_text(const struct pipeline *pipeline, double wall_seconds, char *text, size_t text_bytes)
{
	const struct tracker_stats *tracker = &pipeline->stats.tracker;
	const struct detect_stats *detect = detect_engine_get_stats(pipeline->engine);
	struct text to = { .at = text, .left = text_bytes };
	double rate = wall_seconds > 0 ? (double)pipeline->counts.frames / wall_seconds : 0;

	put(&to, "packets      %" PRIu64 " (%" PRIu64 " bytes, %" PRIu64 " TCP segments) over %.3f s of packet time\n",
	    pipeline->counts.frames, pipeline->counts.bytes, tracker->segments,
	    ns_to_seconds(ns_since(pipeline->now_ns, pipeline->first_ns)));
	put(&to, "connections  %" PRIu64 "\n", tracker->connections);
	put_outcomes(&to, tracker);
	put(&to, "alarms       %" PRIu64 " raised, %" PRIu64 " still open\n", detect->alarms_raised,
	    detect->alarms_open);
	if (event_writer_may_want(&pipeline->writer, EVENT_FLOW) && tracker->flow_records_left_out > 0)
		put(&to, "left out     %" PRIu64 " records of attempts during alarms (flow.attempt_sample)\n",
		    tracker->flow_records_left_out);
	put_losses(&to, pipeline);
	put(&to, "took         %.3f s, %.0f packets/s\n", wall_seconds, rate);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what can be configured, with which names, ranges and defaults (tcpwitness(1)). Defaults of what a
 * layer obeys are the layer's own: such rows have no default here, and show what the layer filled in.
 */
#include "option_table.h"

#include <string.h>

#include "suggestion.h"

#define FIELD(member) .offset = offsetof(struct config, member), .bytes = sizeof(((struct config *)0)->member)
#define LIST(member)  FIELD(member), .count_offset = offsetof(struct config, n_##member)
#define TIMEOUT(name, flow_class, meaning)                                                                       \
	{                                                                                                        \
		.key = "flow.timeout." name, .type = OPTION_DURATION, .range = TIMEOUT_RANGE, .text = (meaning), \
		FIELD(pipeline.tracker.table.timeout_ns[flow_class])                                             \
	}
#define TIMEOUT_RANGE         \
	{                     \
		0.001, 604800 \
	}

#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)

/* clang-format off */
const struct config_option config_options[] = {
	/* On the command line, in the order of --help. */
	{ .name = "read", .letter = 'r', .argument = "FILE", .type = OPTION_LIST, LIST(read_paths),
	  .text = "read a capture: pcap, pcapng, .gz, .zst; - = stdin" },
	{ .name = "interface", .letter = 'i', .argument = "IFACE", .type = OPTION_STRING, FIELD(live.interface),
	  .text = "watch an interface until SIGINT or SIGTERM" },
	{ .name = "config", .letter = 'c', .argument = "FILE", .type = OPTION_STRING, FIELD(config_path),
	  .text = "configuration in YAML; built-in defaults without" },
	{ .name = "rules", .argument = "PATH", .key = "rules", .type = OPTION_LIST, LIST(rules_paths),
	  .text = "rules: a file, or a folder of *.yaml; repeatable" },
	{ .name = "events", .argument = "LIST", .key = "events", .type = OPTION_EVENTS, FIELD(events),
	  .text = "of alert,flow,anomaly,tcp_state,stats,summary" },
	{ .name = "output", .letter = 'o', .argument = "SINK", .key = "output", .type = OPTION_LIST, LIST(outputs),
	  .text = "- (default), file:PATH or unix:PATH; repeatable" },
	{ .name = "threads", .argument = "N", .key = "threads", .type = OPTION_COUNT, .range = { 1, 64 },
	  .default_text = "1", FIELD(pipeline.n_threads),
	  .text = "that follow connections" },
	{ .name = "memory", .argument = "SIZE", .key = "memory", .type = OPTION_SIZE, .range = { MIB, 1024 * GIB },
	  .default_text = "256M", FIELD(memory_bytes),
	  .text = "hard budget of the whole program" },
	{ .name = "set", .argument = "KEY=VALUE", .type = OPTION_SET,
	  .text = "set any configuration key; repeatable" },
	{ .name = "quiet", .letter = 'q', .type = OPTION_QUIET,
	  .text = "only errors on stderr: no summary, no progress" },
	{ .name = "verbose", .letter = 'v', .type = OPTION_VERBOSE,
	  .text = "say more on stderr; twice: for finding faults" },
	{ .name = "version", .letter = 'V', .type = OPTION_VERSION, .text = "print the version" },
	{ .name = "help", .letter = 'h', .type = OPTION_HELP, .text = "print this text" },

	/* Keys only. */
	{ .key = "capture.snaplen", .type = OPTION_SIZE, .range = { 64, 256 * KIB },
	  .default_text = "256K", FIELD(live.snaplen_bytes),
	  .text = "bytes kept of each frame; below a frame's size, TCP checksums cannot be verified" },
	{ .key = "capture.buffer", .type = OPTION_SIZE, .range = { 0, 2 * GIB - MIB },
	  .default_text = "64M", FIELD(live.buffer_bytes),
	  .text = "the kernel's ring, which takes up bursts; 0 = as libpcap likes" },
	{ .key = "capture.promiscuous", .type = OPTION_FLAG,
	  .default_text = "true", FIELD(live.promiscuous),
	  .text = "see frames that are addressed to others, as on a mirror port" },
	{ .key = "capture.user", .type = OPTION_STRING, FIELD(user),
	  .text = "user to become once the interface is open, when started as root" },
	{ .key = "prefault", .type = OPTION_FLAG, .default_text = "false", FIELD(prefault),
	  .text = "take all memory from the system at start, not as it is needed" },
	{ .key = "stats.interval", .type = OPTION_DURATION, .range = { 0, 86400 },
	  .default_text = "10s", FIELD(pipeline.stats_interval_ns),
	  .text = "packet time between stats events; 0 = none" },
	{ .key = "queue.events", .type = OPTION_COUNT, .range = { 16, 1048576 },
	  .default_text = "8192", FIELD(queue_events),
	  .text = "events that may wait for the sinks; live, those beyond are dropped and counted" },
	{ .key = "hash.seed", .type = OPTION_SEED, FIELD(seed),
	  .text = "secret of the hash tables: random (as without it), or a number, for tests" },
	{ .key = "checksum.mode", .type = OPTION_CHECKSUM, FIELD(pipeline.decoder.checksum),
	  .text = "auto (learns which senders leave checksums to their interface), on or off" },
	{ .key = "checksum.track_bad", .type = OPTION_FLAG, FIELD(pipeline.tracker.track_bad_checksums),
	  .text = "let segments with a bad checksum move states" },
	{ .key = "decode.vxlan_port", .type = OPTION_COUNT, .range = { 0, 65535 }, FIELD(pipeline.decoder.vxlan_port),
	  .text = "UDP port of VXLAN; 0 = not decoded" },
	{ .key = "decode.geneve_port", .type = OPTION_COUNT, .range = { 0, 65535 }, FIELD(pipeline.decoder.geneve_port),
	  .text = "UDP port of Geneve; 0 = not decoded" },
	{ .key = "decode.gtpu_port", .type = OPTION_COUNT, .range = { 0, 65535 }, FIELD(pipeline.decoder.gtpu_port),
	  .text = "UDP port of GTP-U; 0 = not decoded" },
	{ .key = "decode.max_depth", .type = OPTION_COUNT, .range = { 1, 16 }, FIELD(pipeline.decoder.max_depth),
	  .text = "IP headers and tunnels in one frame" },
	{ .key = "decode.max_fragments", .type = OPTION_COUNT, .range = { 1, 65536 },
	  FIELD(max_fragments),
	  .text = "fragmented datagrams that are put together at once" },
	{ .key = "decode.fragment_timeout", .type = OPTION_DURATION, .range = { 0.001, 3600 },
	  FIELD(pipeline.decoder.fragment_timeout_ns),
	  .text = "after this an incomplete datagram is forgotten" },
	{ .key = "flow.key_vlan", .type = OPTION_FLAG, FIELD(pipeline.tracker.key.use_vlan),
	  .text = "the same addresses and ports on different VLANs are different connections" },
	{ .key = "flow.key_tunnel", .type = OPTION_FLAG, FIELD(pipeline.tracker.key.use_tunnel),
	  .text = "the same addresses and ports in different tunnels are different connections" },
	{ .key = "flow.interim", .type = OPTION_DURATION, .range = { 0, 604800 }, FIELD(pipeline.tracker.interim_ns),
	  .text = "a connection that lives on gets a record each time; 0 = only one at its end" },
	{ .key = "flow.attempt_sample", .type = OPTION_COUNT, .range = { 1, 1000000 },
	  FIELD(pipeline.tracker.attempt_sample),
	  .text = "attempts on a target under an open alarm: one record in so many is written; 1 = all" },
	{ .key = "flow.tombstone", .type = OPTION_DURATION, .range = { 1, 86400 },
	  FIELD(pipeline.tracker.tombstones.closed_ns),
	  .text = "late segments do not become connections for this long after a connection is gone" },
	{ .key = "flow.tombstone_after_rst", .type = OPTION_DURATION, .range = { 1, 86400 },
	  FIELD(pipeline.tracker.tombstones.reset_ns),
	  .text = "and for this long when a RST ended it" },
	TIMEOUT("established", FLOW_CLASS_ESTABLISHED, "silence after which an established connection is given up"),
	TIMEOUT("unanswered_new", FLOW_CLASS_UNANSWERED_NEW, "a SYN without answer counts as unanswered after this"),
	TIMEOUT("unanswered", FLOW_CLASS_UNANSWERED, "and is forgotten after this much more"),
	TIMEOUT("half_open_new", FLOW_CLASS_HALF_OPEN_NEW, "a SYN-ACK without its ACK counts as half open after this"),
	TIMEOUT("half_open", FLOW_CLASS_HALF_OPEN, "and is forgotten after this much more"),
	TIMEOUT("midstream", FLOW_CLASS_MIDSTREAM, "silence after which a connection without handshake is given up"),
	TIMEOUT("half_closed", FLOW_CLASS_HALF_CLOSED, "silence while one end has sent its FIN and the other has not"),
	TIMEOUT("closing", FLOW_CLASS_CLOSING, "silence while the last FIN or its ACK is missing"),
	TIMEOUT("time_wait", FLOW_CLASS_TIME_WAIT, "2MSL; Linux has 60s, RFC 9293 4m"),
	TIMEOUT("closed", FLOW_CLASS_CLOSED, "late segments still belong to a closed connection for this long"),
	{ .key = "tcp.reorder_tolerance", .type = OPTION_DURATION, .range = { 0, 60 },
	  FIELD(pipeline.tracker.conn.reorder_tolerance_ns),
	  .text = "a gap filled within this is reordering, where segments and round trip tell no more" },
	{ .key = "tcp.duplicate_window", .type = OPTION_DURATION, .range = { 0, 10 },
	  FIELD(pipeline.tracker.conn.duplicate_window_ns),
	  .text = "an identical packet within this was captured twice; 0 = never" },
	{ .key = "tcp.max_window", .type = OPTION_SIZE, .range = { 0, GIB },
	  .default_text = "0", FIELD(pipeline.tracker.conn.max_window_bytes),
	  .text = "a receive window above this is an anomaly; 0 = none is" },
	{ .key = "tcp.rst_strict", .type = OPTION_FLAG, FIELD(pipeline.tracker.conn.rst_strict),
	  .text = "as in RFC 5961: only a RST with the exact sequence number resets" },
	{ .key = "detect.memory_share", .type = OPTION_RATIO, .range = { 0.01, 0.9 },
	  .default_text = "0.125", FIELD(detect_share),
	  .text = "part of the memory budget that detectors get; flows get the rest" },
	{ .name = NULL },
};
/* clang-format on */

static bool is_last(const struct config_option *option)
{
	return option->name == NULL && option->key == NULL;
}

const struct config_option *option_find_key(const char *key)
{
	for (const struct config_option *option = config_options; !is_last(option); option++) {
		if (option->key != NULL && strcmp(option->key, key) == 0)
			return option;
	}
	return NULL;
}

bool option_is_group(const char *group)
{
	size_t length = strlen(group);

	for (const struct config_option *option = config_options; !is_last(option); option++) {
		if (option->key != NULL && strncmp(option->key, group, length) == 0 && option->key[length] == '.')
			return true;
	}
	return false;
}

/* Offers the key, its groups ("flow.timeeout" is near "flow.timeout") and its last part ("snaplen" is enough). */
static void offer_key(struct suggestion *suggestion, const char *key)
{
	const char *last_dot = strrchr(key, '.');

	suggestion_offer(suggestion, key);
	for (const char *dot = strchr(key, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		suggestion_offer_part(suggestion, key, (size_t)(dot - key), key);
	if (last_dot != NULL)
		suggestion_offer_part(suggestion, last_dot + 1, strlen(last_dot + 1), key);
}

const char *option_suggest_key(const char *key, char *text, size_t text_bytes)
{
	struct suggestion suggestion;

	suggestion_init(&suggestion, key);
	for (const struct config_option *option = config_options; !is_last(option); option++) {
		if (option->key != NULL)
			offer_key(&suggestion, option->key);
	}
	return suggestion_text(&suggestion, text, text_bytes);
}

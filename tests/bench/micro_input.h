/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/frame.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/detect/flow_signal.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/flow/flow_key.h"

enum { MICRO_MAX_EVENTS = 1024 };

/* What the parts work on, all of one capture: each is made by the part before it, once. */
struct micro_input {
	size_t n_frames;
	struct frame *frames;   /* of which all are TCP */
	struct packet *packets; /* by frame */
	struct flow_key *keys;
	uint64_t *hashes;
	uint32_t *connections;   /* which one each packet belongs to, from 0 */
	uint8_t *sender_is_next; /* the packet's sender sent the second key end */
	size_t n_connections;
	size_t n_signals;
	struct flow_signal *signals; /* of all connections, in the order of time */
	size_t n_events;
	struct sensor_event *events; /* flow records */
	struct flow_key_config key_config;
	uint8_t *bytes; /* behind frames */
};

/* Reads at most most_frames of a capture. Returns 0, or -1 with a message on stderr. */
int micro_input_load(struct micro_input *input, const char *path, size_t most_frames);
void micro_input_free(struct micro_input *input);

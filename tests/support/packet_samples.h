/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "packet_builder.h"

/*
 * One sound frame for each way that leads to TCP. Tests that must hold for every kind of frame walk this table, and the
 * seeds of the decoder's fuzzer are made from it.
 */
struct packet_sample {
	const char *name;
	void (*build)(struct packet_builder *pb); /* resets it first; pb_frame() remains to be called */
	unsigned n_tunnels;
	bool is_icmp_quote;
};

extern const struct packet_sample packet_samples[];
extern const unsigned n_packet_samples;

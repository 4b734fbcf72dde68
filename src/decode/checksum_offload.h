/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "checksum.h"

enum { OFFLOAD_SETS = 512, OFFLOAD_WAYS = 2 };

/* What one sending address' checksums were like. version 0 in addr: an empty place. */
struct offload_host {
	struct ip_addr addr;
	uint8_t n_right;       /* right ones so far, saturated */
	uint8_t n_wrong;       /* wrong ones in a row, saturated */
	uint8_t n_right_since; /* right ones since the last sign of offload, saturated */
	bool offloads;
};

/* All that one segment needs, in one line of the processor's cache. */
struct offload_set {
	_Alignas(64) struct offload_host hosts[OFFLOAD_WAYS];
	uint8_t recent_way;
};

_Static_assert(sizeof(struct offload_set) == 64, "a set is one line");

/*
 * Which hosts leave checksums to their interface. Small and of fixed size: a host that falls out is
 * learned again. All zero is the empty table. The same segments in the same order give the same answers.
 */
struct checksum_offload {
	struct offload_set sets[OFFLOAD_SETS];
	bool any_right;  /* some host's checksum was right */
	uint8_t n_wrong; /* wrong ones of all hosts while none was right, saturated */
};

/* Learns from one segment of src and returns true when its wrong checksum is explained by offload. */
bool checksum_offload_explains(struct checksum_offload *offload, const struct ip_addr *src, enum tcp_checksum checksum);

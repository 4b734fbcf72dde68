/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * One frame as captured. data is borrowed from the capture source and valid until its
 * next capture_next. number counts from 1 over all sources of a run, in reading order.
 */
struct frame {
	const uint8_t *data;
	uint32_t captured_bytes; /* at data */
	uint32_t wire_bytes;     /* length on the wire; at least captured_bytes */
	uint64_t time_ns;        /* since the epoch, UTC */
	uint64_t number;
	uint16_t link_type; /* LINKTYPE_/DLT_ value, as pcap_datalink() gives it */
	uint16_t source;    /* index of the file or interface, from 0 */
};

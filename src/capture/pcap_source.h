/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

/* What files and interfaces have in common once libpcap has them open. */

/*
 * Compiles the filter for the handle's link type and sets it; null or empty = everything. name is for the message.
 * Returns 0, or -1 with *error filled.
 */
int pcap_source_set_filter(pcap_t *handle, const char *bpf_filter, const char *name, struct error *error);

/* The handle's link type, or -1 with *error filled when it has no place in a frame. */
int pcap_source_link_type(pcap_t *handle, const char *name, struct error *error);

/* How many nanoseconds one unit of a header's tv_usec is: it depends on what the source offered. */
uint32_t pcap_source_tick_ns(pcap_t *handle);

/*
 * Fills a frame's data, lengths and time. Headers come from files that may be forged: a length on the wire below
 * the captured one is raised to it, and a time before 1970 or after TIME_MAX_NS becomes that limit.
 */
void pcap_source_fill_frame(const struct pcap_pkthdr *header, const uint8_t *data, uint32_t tick_ns,
			    struct frame *frame);

/* In the year 2262. Below it, any timeout can be added to a frame's time without overflow. */
#define TIME_MAX_NS ((uint64_t)INT64_MAX)

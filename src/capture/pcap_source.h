/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

/* What files and interfaces have in common once libpcap has them open. */

/*
 * Compiles the filter, which is not empty, for the handle's link type. name is for the message. Returns 0, or -1 with
 * *error filled. *program is the caller's to free (pcap_freecode).
 */
int pcap_source_compile(pcap_t *handle, const char *bpf_filter, const char *name, struct bpf_program *program,
			struct error *error);

/* Compiles the filter and sets it; null or empty = everything. Returns 0, or -1 with *error filled. */
int pcap_source_set_filter(pcap_t *handle, const char *bpf_filter, const char *name, struct error *error);

/*
 * A capture without frames of the link type that a file states (LINKTYPE_). Only libpcap's reader of files knows which
 * link type of this machine (DLT_) that is, and only for a file does it compile filters without the kernel's
 * extensions. Null when memory is short.
 */
pcap_t *pcap_source_open_empty(uint16_t file_link_type);

/*
 * What libpcap makes of the n_bytes that a pcap file begins with. Null with the reason (PCAP_ERRBUF_SIZE) filled. Times
 * are in nanoseconds.
 */
pcap_t *pcap_source_open_header(const void *bytes, size_t n_bytes, char *reason);

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

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A file through capture.h, packet for packet beside libpcap's own reader: what libpcap reads, the readers of this
 * project read the same. Include cmocka.h before.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"

enum { BURST_MAX = 7 };

/* What both made of a file. */
struct comparison {
	bool refused;         /* by both */
	bool libpcap_gave_up; /* before the file's end */
	bool truncated;       /* by our account */
	uint64_t n_frames;    /* ours */
};

/* Frames of the capture one by one, from bursts of n_max. */
struct frame_feed {
	struct capture *capture;
	struct frame frames[BURST_MAX];
	size_t n_max;
	size_t n_frames;
	size_t n_used;
	struct error error;
	uint64_t n_fed;
};

/* The next frame, or null at the end. */
static inline const struct frame *feed_next(struct frame_feed *feed)
{
	if (feed->n_used == feed->n_frames) {
		feed->n_used = 0;
		if (capture_next_burst(feed->capture, feed->frames, feed->n_max, &feed->n_frames, &feed->error) !=
		    CAPTURE_FRAME) {
			assert_int_equal(feed->n_frames, 0);
			return NULL;
		}
		assert_in_range(feed->n_frames, 1, feed->n_max);
	}
	feed->n_fed++;
	assert_int_equal(feed->frames[feed->n_used].number, feed->n_fed);
	return &feed->frames[feed->n_used++];
}

/*
 * pcap's times from 2038 on are negative to libpcap, in one of the byte orders. A simple packet block of pcapng has no
 * time: libpcap says 0, this project that of the frame before.
 */
static inline void assert_same_time(const struct frame *frame, const struct pcap_pkthdr *header, uint64_t last_ns)
{
	if (header->ts.tv_sec < 0 || header->ts.tv_usec < 0)
		return;
	uint64_t time_ns = (uint64_t)header->ts.tv_sec * NS_PER_SEC + (uint64_t)header->ts.tv_usec;
	if (time_ns == 0 && frame->time_ns == last_ns)
		return;
	assert_int_equal(frame->time_ns, time_ns);
}

static inline void assert_same_frame(const struct frame *frame, const struct pcap_pkthdr *header, const uint8_t *data,
				     int link_type)
{
	assert_int_equal(frame->captured_bytes, header->caplen);
	assert_int_equal(frame->wire_bytes, header->len > header->caplen ? header->len : header->caplen);
	assert_int_equal(frame->link_type, link_type);
	assert_memory_equal(frame->data, data, header->caplen);
}

/* libpcap's handle with the filter set, or null with its reason. */
static inline pcap_t *open_libpcap(const char *path, const char *filter, char reason[static PCAP_ERRBUF_SIZE])
{
	pcap_t *handle = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);
	struct bpf_program program;

	if (handle == NULL || filter == NULL)
		return handle;
	if (pcap_compile(handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		snprintf(reason, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(handle));
		pcap_close(handle);
		return NULL;
	}
	assert_int_equal(pcap_setfilter(handle, &program), 0);
	pcap_freecode(&program);
	return handle;
}

/* Frames after libpcap has given up are counted only. */
static inline struct comparison compare_frames(pcap_t *handle, struct frame_feed *feed)
{
	struct comparison comparison = { 0 };
	struct capture_stats stats;
	struct pcap_pkthdr *header;
	const uint8_t *data;
	uint64_t last_ns = 0;
	int status;

	while ((status = pcap_next_ex(handle, &header, &data)) == 1) {
		const struct frame *frame = feed_next(feed);
		assert_non_null(frame);
		assert_same_time(frame, header, last_ns);
		assert_same_frame(frame, header, data, pcap_datalink(handle));
		last_ns = frame->time_ns;
	}
	while (feed_next(feed) != NULL)
		continue;
	capture_get_stats(feed->capture, &stats);
	assert_int_equal(stats.truncated, feed->error.text[0] != '\0');
	assert_int_equal(stats.frames, feed->n_fed);
	comparison.libpcap_gave_up = status != PCAP_ERROR_BREAK;
	comparison.truncated = stats.truncated;
	comparison.n_frames = feed->n_fed;
	return comparison;
}

/* n_max: of a burst, up to BURST_MAX. */
static inline struct comparison compare_with_libpcap(const char *path, const char *filter, size_t n_max)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct frame_feed feed = { .n_max = n_max };
	struct comparison comparison = { .refused = true };
	pcap_t *handle = open_libpcap(path, filter, reason);

	feed.capture = capture_open_files(&path, 1, filter, &feed.error);
	if ((handle == NULL) != (feed.capture == NULL))
		fail_msg("%s: libpcap says '%s', this project '%s'", path, handle == NULL ? reason : "",
			 feed.capture == NULL ? feed.error.text : "");
	if (handle != NULL) {
		feed.error.text[0] = '\0';
		comparison = compare_frames(handle, &feed);
		pcap_close(handle);
	}
	capture_close(feed.capture);
	return comparison;
}

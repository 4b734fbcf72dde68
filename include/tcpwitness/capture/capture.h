/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

/*
 * Where frames come from: capture files (merged in the order of their time) or one live
 * interface. The only module that knows libpcap.
 */
struct capture;

enum { CAPTURE_MAX_RINGS = 16 };

struct capture_live_config {
	const char *interface;  /* borrowed */
	const char *bpf_filter; /* borrowed; null or empty = everything */
	uint32_t snaplen_bytes; /* 1 .. 262144 */
	uint32_t buffer_bytes;  /* of each kernel ring; 0 = libpcap's default */
	uint32_t timeout_ms;    /* longest wait of capture_next for a frame, 1 .. 1000 */
	uint32_t batch_ms;      /* longest wait of a frame in the kernel for others, 1 .. timeout_ms */
	bool promiscuous;
	unsigned n_rings; /* 0 = 1; at most CAPTURE_MAX_RINGS; see capture_ring */
};

struct capture_stats {
	uint64_t frames;            /* handed out by capture_next */
	uint64_t bytes;             /* on the wire, of those */
	uint64_t kernel_received;   /* live only: seen by the kernel's filter */
	uint64_t kernel_dropped;    /* live only: no room in the kernel's ring */
	uint64_t interface_dropped; /* live only: dropped by the interface or its driver; told by the first ring */
	uint64_t time_backwards;    /* frames whose time was before their predecessor's */
	uint64_t input_bytes_read;  /* files: bytes consumed of the files as stored */
	uint64_t input_bytes_total; /* files: their size as stored; 0 when one is a pipe */
	bool truncated;             /* a file ended inside a record, or its tail was damaged */
};

enum capture_result {
	CAPTURE_FRAME = 0,  /* *frame is filled */
	CAPTURE_IDLE = 1,   /* live: the timeout passed without a frame, or the time that capture_expect was told */
	CAPTURE_END = 2,    /* all files are read */
	CAPTURE_BROKEN = 3, /* capture_break was called */
	CAPTURE_FAILED = 4, /* live: the interface failed or vanished; *error says how */
};

/*
 * Opens n_paths captures: pcap (micro- and nanosecond, both byte orders) or pcapng, plain or compressed
 * with gzip or zstd (found out by content, not by name); "-" is standard input; pipes are legal.
 * Files are handed out merged by time: the earliest next frame first, ties in the order of paths; a file
 * whose own frames go backwards keeps its own order. bpf_filter (null or empty = everything) is
 * compiled for each file's own link type. Returns the capture, owned by the caller, or null with
 * *error filled: a missing file, an empty one, not a capture, a bad filter.
 * A file with a valid header and no frames is legal.
 */
struct capture *capture_open_files(const char *const *paths, size_t n_paths, const char *bpf_filter,
				   struct error *error);

/*
 * Opens one interface. Needs CAP_NET_RAW (and CAP_NET_ADMIN for promiscuous mode on some kernels);
 * after it returns no privilege is needed any more. Null with *error filled on failure.
 */
struct capture *capture_open_live(const struct capture_live_config *config, struct error *error);

/* Closes everything, all rings; null is legal. Not while another thread is in capture_next. */
void capture_close(struct capture *capture);

/*
 * An interface may be read through several rings of the kernel, among which the kernel deals out the frames: all of a
 * connection, and the ICMP errors about it, come to the same one (what may not is said in ring_choice.h). Each is a
 * capture to all functions here but capture_close, and may have a capture thread of its own; all belong to the one that
 * was opened, which is the first of them. A break of that one is for all. Frames are numbered from 1, in each ring in
 * steps of the number of rings: so a number is that of one frame. Fragments of IPv4 were put together by the kernel.
 */
size_t capture_n_rings(const struct capture *capture);
struct capture *capture_ring(struct capture *capture, size_t ring);

/*
 * Capture thread; of files any, one at a time. The next frame; *frame and its data are valid until the next call.
 * A damaged tail of a file ends that file, sets stats.truncated, and the others go on; *error then
 * holds the reason for the first such file once CAPTURE_END is returned (else its text is empty).
 */
enum capture_result capture_next(struct capture *capture, struct frame *frame, struct error *error);

/*
 * The same for up to n_max frames (at least 1) at once, so that the caller can look ahead: all of them and their data
 * are valid until the next call of either. With CAPTURE_FRAME there is at least one, else none. It does
 * not wait for a second: as many come as are in memory anyway.
 */
enum capture_result capture_next_burst(struct capture *capture, struct frame *frames, size_t n_max, size_t *n_frames,
				       struct error *error);

/*
 * Capture thread, live: what the caller has to do in a silence at that packet time; UINT64_MAX = nothing. The next wait
 * for a frame ends once nothing that passed before it can come any more, and no sooner than after batch_ms: who has
 * much to do does it bit by bit, and looks for frames between. Files, which nobody waits for: nothing happens.
 */
void capture_expect(struct capture *capture, uint64_t due_ns);

/* Capture thread, live: packet time before which all has been handed out, when the last result is CAPTURE_IDLE. */
uint64_t capture_silent_until_ns(const struct capture *capture);

/*
 * Any thread, and signal handlers: capture_next returns CAPTURE_BROKEN soon. An interface first gives what it captured
 * before, for which it takes at most twice its batch_ms, and at most half a second.
 */
void capture_break(struct capture *capture);

/*
 * Capture thread (files: any thread may call it, for the progress bar, and gets values that are a little old).
 * Live: asks the kernel for its drop counts, a few times a second at most and again at the end, kept monotonic over
 * libpcap's own wrap-around.
 */
void capture_get_stats(struct capture *capture, struct capture_stats *stats);

/* Number of sources (files, or 1), and the name of one: the interface, or the file's path. Any thread. */
size_t capture_n_sources(const struct capture *capture);
const char *capture_source_name(const struct capture *capture, size_t source);

/* True for a live interface. Any thread. */
bool capture_is_live(const struct capture *capture);

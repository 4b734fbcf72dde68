/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

#include "byte_window.h"

/* The packets of a pcap file whose header libpcap has read. */
struct pcap_reader;

enum { PCAP_READER_HEADER_BYTES = 24 };

enum pcap_reader_result {
	PCAP_READER_FRAME = 0,   /* *frame is filled, except for number and source */
	PCAP_READER_END = 1,     /* the file's regular end */
	PCAP_READER_DAMAGED = 2, /* it ends here, although it should go on */
};

/* A file's header, and what libpcap makes of it. Both are borrowed for a call. */
struct pcap_file_start {
	const uint8_t *bytes; /* PCAP_READER_HEADER_BYTES of them */
	pcap_t *handle;
};

/* False when only libpcap can read the records: of rare link types it changes bytes or takes huge packets. */
bool pcap_reader_serves(const struct pcap_file_start *start);

/*
 * source gives the file from its beginning. name is for messages. Null with *error filled when memory is short or the
 * filter (null or empty = everything) does not fit the link type.
 */
struct pcap_reader *pcap_reader_open(struct byte_source source, const struct pcap_file_start *start,
				     const char *bpf_filter, const char *name, struct error *error);
void pcap_reader_close(struct pcap_reader *reader);

/*
 * The next frame; those handed out before are given up. After PCAP_READER_DAMAGED *reason says why, without the file's
 * name. Not to be called again after another result than PCAP_READER_FRAME.
 */
enum pcap_reader_result pcap_reader_next(struct pcap_reader *reader, struct frame *frame, struct error *reason);

/* Up to n_max further frames that are in memory; the earlier ones stay valid. With 0, pcap_reader_next knows more. */
size_t pcap_reader_more(struct pcap_reader *reader, struct frame *frames, size_t n_max);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a pcap file, beside libpcap's reader: never a crash, the same frames, and an end where libpcap finds
 * one. The reader takes no files but those whose header libpcap has taken.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pcap/pcap.h>

#include "../../src/capture/pcap_reader.h"
#include "../../src/capture/pcap_source.h"

#include "memory_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both a filter that link types read differently, and one that some do not know. */
static const char *const filters[] = { NULL, "tcp", "ether[0] & 1 = 0" };

enum { BURST_MAX = 5 };

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_pcap: broken: %s\n", what);
	abort();
}

/* One line for a terminal and a log. */
static void require_clean(const struct error *reason)
{
	require(reason->text[0] != '\0', "a reason is named");
	for (const unsigned char *c = (const unsigned char *)reason->text; *c != '\0'; c++)
		require(*c >= 0x20 && *c != 0x7f, "a reason is one line");
}

/* libpcap takes times for signed in this machine's byte order, and the format has them unsigned. */
static bool is_negative(const struct pcap_pkthdr *header)
{
	return header->ts.tv_sec < 0 || header->ts.tv_usec < 0;
}

static void require_same(const struct frame *frame, const struct pcap_pkthdr *header, const uint8_t *data,
			 pcap_t *handle)
{
	struct frame expected;

	pcap_source_fill_frame(header, data, 1, &expected);
	require(is_negative(header) || frame->time_ns == expected.time_ns, "the time is libpcap's");
	require(frame->time_ns <= TIME_MAX_NS, "a time has its limit");
	require(frame->captured_bytes == expected.captured_bytes, "the captured length is libpcap's");
	require(frame->wire_bytes == expected.wire_bytes, "the length on the wire is libpcap's");
	require(frame->link_type == pcap_datalink(handle), "the link type is libpcap's");
	require(memcmp(frame->data, data, header->caplen) == 0, "the bytes are libpcap's");
}

/* Reads to the end in bursts, whose frames are valid together. */
static void compare(struct pcap_reader *reader, pcap_t *handle)
{
	struct frame frames[BURST_MAX];
	struct error reason = { .text = "" };
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	enum pcap_reader_result result;

	while ((result = pcap_reader_next(reader, &frames[0], &reason)) == PCAP_READER_FRAME) {
		size_t n_frames = 1 + pcap_reader_more(reader, frames + 1, BURST_MAX - 1);
		for (size_t i = 0; i < n_frames; i++) {
			require(pcap_next_ex(handle, &header, &bytes) == 1, "libpcap has a frame, too");
			require_same(&frames[i], header, bytes, handle);
		}
	}
	int status = pcap_next_ex(handle, &header, &bytes);
	require(status != 1, "libpcap has no frame more");
	require((status == PCAP_ERROR_BREAK) == (result == PCAP_READER_END), "the end is regular when libpcap's is");
	if (result == PCAP_READER_DAMAGED)
		require_clean(&reason);
}

/* libpcap's handle for the whole file, with the filter set. Null when the filter does not fit. */
static pcap_t *open_libpcap(const uint8_t *data, size_t size, const char *filter)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *handle = pcap_source_open_header(data, size, text);
	struct bpf_program program;

	require(handle != NULL, "what libpcap opened can be opened again");
	if (filter == NULL)
		return handle;
	if (pcap_compile(handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		pcap_close(handle);
		return NULL;
	}
	require(pcap_setfilter(handle, &program) == 0, "the filter can be set");
	pcap_freecode(&program);
	return handle;
}

static void read_filtered(const struct pcap_file_start *start, const uint8_t *data, size_t size, const char *filter)
{
	struct memory_source memory;
	struct error error = { .text = "" };
	struct pcap_reader *reader = pcap_reader_open(memory_source(&memory, data, size), start, filter, "it", &error);
	pcap_t *handle = open_libpcap(data, size, filter);

	/* A link type that no frame can name is refused by ours only. */
	require(handle != NULL || reader == NULL, "a filter that libpcap refuses is refused");
	if (reader == NULL)
		require_clean(&error);
	if (reader != NULL && handle != NULL)
		compare(reader, handle);
	if (handle != NULL)
		pcap_close(handle);
	pcap_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PCAP_ERRBUF_SIZE];
	struct pcap_file_start start = { .bytes = data };

	/* The other format that libpcap would take. */
	if (size < PCAP_READER_HEADER_BYTES || memcmp(data, "\n\r\r\n", 4) == 0)
		return 0;
	start.handle = pcap_source_open_header(data, PCAP_READER_HEADER_BYTES, text);
	if (start.handle == NULL)
		return 0;
	if (pcap_reader_serves(&start)) {
		for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
			read_filtered(&start, data, size, filters[i]);
	}
	pcap_close(start.handle);
	return 0;
}

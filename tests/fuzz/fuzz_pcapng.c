/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a pcapng file, beside libpcap's reader: never a crash, never a frame beyond its block, and whatever
 * frames libpcap takes from the file, ours takes the same.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pcap/pcap.h>

#include "../../src/capture/pcap_source.h"
#include "../../src/capture/pcapng_reader.h"

#include "memory_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both a filter that link types read differently, and one that some do not know. */
static const char *const filters[] = { NULL, "tcp", "ether[0] & 1 = 0" };

enum { BURST_MAX = 5 };

static const uint8_t magic[] = { 0x0a, 0x0d, 0x0d, 0x0a };

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_pcapng: broken: %s\n", what);
	abort();
}

static FILE *open_bytes(uint8_t *data, size_t size)
{
	FILE *file = fmemopen(data, size, "rb");

	require(file != NULL, "memory");
	return file;
}

/* One line for a terminal and a log. */
static void require_clean(const struct error *reason)
{
	require(reason->text[0] != '\0', "a reason is named");
	for (const unsigned char *c = (const unsigned char *)reason->text; *c != '\0'; c++)
		require(*c >= 0x20 && *c != 0x7f, "a reason is one line");
}

static void require_sound(const struct frame *frame, const uint8_t *data, size_t size)
{
	require(frame->wire_bytes >= frame->captured_bytes, "captured is at most what was sent");
	require(frame->time_ns <= TIME_MAX_NS, "a time has its limit");
	require(memmem(data, size, frame->data, frame->captured_bytes) != NULL, "a frame is in the file");
}

/* Reads to the end in bursts, whose frames are valid together. Frames are whole pieces of the file. */
static void drain(struct pcapng_reader *reader, const uint8_t *data, size_t size)
{
	struct frame frames[BURST_MAX];
	struct error reason = { .text = "" };
	enum pcapng_result result;

	while ((result = pcapng_reader_next(reader, &frames[0], &reason)) == PCAPNG_FRAME) {
		size_t n_frames = 1 + pcapng_reader_more(reader, frames + 1, BURST_MAX - 1);
		for (size_t i = 0; i < n_frames; i++)
			require_sound(&frames[i], data, size);
	}
	if (result != PCAPNG_END)
		require_clean(&reason);
}

static struct pcapng_reader *open_reader(struct memory_source *memory, const uint8_t *data, size_t size,
					 const char *filter, struct error *reason)
{
	struct pcapng_reader *reader = pcapng_reader_open(memory_source(memory, data, size), reason);

	if (reader == NULL) {
		require_clean(reason);
		return NULL;
	}
	if (pcapng_reader_set_filter(reader, filter, "it", reason) < 0) {
		require_clean(reason);
		pcapng_reader_close(reader);
		return NULL;
	}
	return reader;
}

/*
 * Times are not compared: libpcap has none for simple packets, and its arithmetic overflows for some resolutions. Nor
 * are bytes from the other byte order, in which libpcap changes the headers of some link types.
 */
static void require_same(const struct frame *frame, const struct pcap_pkthdr *header, const uint8_t *data,
			 pcap_t *handle)
{
	struct frame expected;

	pcap_source_fill_frame(header, data, 1, &expected);
	require(frame->captured_bytes == expected.captured_bytes, "the captured length is libpcap's");
	require(frame->wire_bytes == expected.wire_bytes, "the length on the wire is libpcap's");
	require(frame->link_type == pcap_datalink(handle), "the link type is libpcap's");
	require(pcap_is_swapped(handle) || memcmp(frame->data, data, header->caplen) == 0, "the bytes are libpcap's");
}

/*
 * libpcap is lax about the headers of sections: it believes the first one's length as it is, and others it skips unseen
 * or takes for the same byte order.
 */
static bool is_comparable(const uint8_t *data, size_t size)
{
	struct memory_source memory;
	struct error reason = { .text = "" };
	struct pcapng_reader *reader = open_reader(&memory, data, size, NULL, &reason);

	pcapng_reader_close(reader);
	return strstr(reason.text, "the block at byte 0 has") == NULL &&
	       memmem(data + sizeof(magic), size - sizeof(magic), magic, sizeof(magic)) == NULL;
}

static void compare(uint8_t *data, size_t size)
{
	char text[PCAP_ERRBUF_SIZE];
	FILE *file = open_bytes(data, size);
	pcap_t *handle = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, text);
	struct memory_source memory;
	struct error reason = { .text = "" };
	struct pcapng_reader *reader = open_reader(&memory, data, size, NULL, &reason);
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	struct frame frame;

	require(handle == NULL || reader != NULL, "what libpcap opens can be opened");
	if (handle == NULL)
		fclose(file);
	while (handle != NULL && pcap_next_ex(handle, &header, &bytes) == 1) {
		require(pcapng_reader_next(reader, &frame, &reason) == PCAPNG_FRAME, "libpcap's frame is found");
		require_same(&frame, header, bytes, handle);
	}
	if (handle != NULL)
		pcap_close(handle);
	pcapng_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
		return 0;
	copy = malloc(size); /* which fmemopen wants, although it does not write */
	require(copy != NULL, "memory");
	memcpy(copy, data, size);
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct memory_source memory;
		struct error reason = { .text = "" };
		struct pcapng_reader *reader = open_reader(&memory, copy, size, filters[i], &reason);
		if (reader != NULL)
			drain(reader, copy, size);
		pcapng_reader_close(reader);
	}
	if (is_comparable(copy, size))
		compare(copy, size);
	free(copy);
	return 0;
}

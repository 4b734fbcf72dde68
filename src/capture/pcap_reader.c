/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of pcap files (draft-ietf-opsawg-pcap). libpcap reads the file's header, so that versions, link types and
 * snapshot lengths mean what they mean to it; the records are read here, because that costs a third of what its copy
 * of each one through stdio does. Decides which lengths of records are believed.
 */
#include "pcap_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "pcap_source.h"

enum {
	RECORD_HEADER_BYTES = 16,
	/* With the number of an interface, a protocol and a packet type behind the fields of the others. */
	EXTENDED_RECORD_HEADER_BYTES = 24,
	/* What libpcap lets a record of most link types have. It bounds what a forged length costs. */
	CAPTURED_MAX_BYTES = 262144,
	/*
	 * Any usual packet fits, and system calls vanish beside the copying. A larger one gains nothing, costs memory
	 * for each of many files, and from about 1 MiB on its bytes leave the second-level cache before they are used.
	 */
	WINDOW_BYTES = 128 * 1024,
};

#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define MAGIC_EXTENDED    0xa1b2cd34U

/* In which order a record states its two lengths. */
enum length_order {
	CAPTURED_FIRST,
	WIRE_FIRST,   /* before version 2.3 */
	LARGER_FIRST, /* version 2.3 changed it, and some wrote that number and the old order */
};

struct pcap_reader {
	struct byte_window window;
	uint64_t next_at; /* where the next record begins in the unpacked file */
	uint32_t header_bytes;
	uint32_t snaplen_bytes;
	uint32_t tick_ns;
	bool is_swapped; /* written in the other byte order */
	enum length_order length_order;
	uint16_t link_type;
	bool is_filtered;
	struct bpf_program filter;
};

struct record {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t stored_bytes; /* behind the record's header */
	uint32_t wire_bytes;
};

static inline uint32_t load32(const uint8_t *at, bool is_swapped)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return is_swapped ? __builtin_bswap32(value) : value;
}

/* The longest packet that libpcap takes for the file's link type, or 0 when memory is short. */
static uint32_t captured_max_bytes(const struct pcap_file_start *start)
{
	enum { LINK_TYPE_AT = 20 };
	uint32_t file_link_type = load32(start->bytes + LINK_TYPE_AT, pcap_is_swapped(start->handle));
	pcap_t *empty = pcap_source_open_empty((uint16_t)file_link_type);
	uint32_t max_bytes = 0;

	/* It stands in for a snapshot length that the header leaves at 0. */
	if (empty != NULL) {
		max_bytes = (uint32_t)pcap_snapshot(empty);
		pcap_close(empty);
	}
	return max_bytes;
}

bool pcap_reader_serves(const struct pcap_file_start *start)
{
	switch (pcap_datalink(start->handle)) {
	case DLT_USB_LINUX_MMAPPED: /* lengths are corrected */
		return false;
	case DLT_LINUX_SLL: /* fields in the order of the machine that captured are turned round */
	case DLT_LINUX_SLL2:
	case DLT_NFLOG:
	case DLT_PFLOG:
	case DLT_USB_LINUX:
		return !pcap_is_swapped(start->handle);
	default:
		return captured_max_bytes(start) == CAPTURED_MAX_BYTES;
	}
}

/* The oldest files, and those that one system wrote as version 543.0, state the length on the wire first. */
static enum length_order length_order_of(pcap_t *handle)
{
	enum { MAJOR = 2, CHANGED_IN_MINOR = 3 };

	if (pcap_major_version(handle) != MAJOR || pcap_minor_version(handle) < CHANGED_IN_MINOR)
		return WIRE_FIRST;
	return pcap_minor_version(handle) == CHANGED_IN_MINOR ? LARGER_FIRST : CAPTURED_FIRST;
}

static int no_memory(const char *name, struct error *error)
{
	return error_set(error, "%s: not enough memory to read it", name);
}

/* Returns 0, or -1 with *error filled. */
static int set_up(struct pcap_reader *reader, const struct pcap_file_start *start, const char *bpf_filter,
		  const char *name, struct error *error)
{
	int link_type = pcap_source_link_type(start->handle, name, error);

	if (link_type < 0)
		return -1;
	reader->link_type = (uint16_t)link_type;
	reader->is_swapped = pcap_is_swapped(start->handle);
	uint32_t magic = load32(start->bytes, reader->is_swapped);
	reader->tick_ns = magic == MAGIC_NANOSECONDS ? 1 : (uint32_t)NS_PER_US;
	reader->header_bytes = magic == MAGIC_EXTENDED ? EXTENDED_RECORD_HEADER_BYTES : RECORD_HEADER_BYTES;
	reader->snaplen_bytes = (uint32_t)pcap_snapshot(start->handle);
	reader->length_order = length_order_of(start->handle);
	if (bpf_filter == NULL || bpf_filter[0] == '\0')
		return 0;
	if (pcap_source_compile(start->handle, bpf_filter, name, &reader->filter, error) < 0)
		return -1;
	reader->is_filtered = true;
	return 0;
}

struct pcap_reader *pcap_reader_open(struct byte_source source, const struct pcap_file_start *start,
				     const char *bpf_filter, const char *name, struct error *error)
{
	struct pcap_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL) {
		no_memory(name, error);
		return NULL;
	}
	if (byte_window_init(&reader->window, source, WINDOW_BYTES) < 0 ||
	    !byte_window_fill(&reader->window, PCAP_READER_HEADER_BYTES)) {
		no_memory(name, error);
		goto fail;
	}
	byte_window_take(&reader->window, PCAP_READER_HEADER_BYTES);
	reader->next_at = PCAP_READER_HEADER_BYTES;
	if (set_up(reader, start, bpf_filter, name, error) < 0)
		goto fail;
	return reader;
fail:
	pcap_reader_close(reader);
	return NULL;
}

void pcap_reader_close(struct pcap_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->is_filtered)
		pcap_freecode(&reader->filter);
	byte_window_fini(&reader->window);
	free(reader);
}

enum { FRACTION_AT = 4, FIRST_LENGTH_AT = 8, SECOND_LENGTH_AT = 12 };

/* Of a file in our byte order that states the captured length first. */
static inline struct record load_plain_record(const uint8_t *at)
{
	return (struct record){
		.seconds = load32(at, false),
		.fraction = load32(at + FRACTION_AT, false),
		.stored_bytes = load32(at + FIRST_LENGTH_AT, false),
		.wire_bytes = load32(at + SECOND_LENGTH_AT, false),
	};
}

static inline struct record load_record(const struct pcap_reader *reader, const uint8_t *at)
{
	uint32_t first_bytes = load32(at + FIRST_LENGTH_AT, reader->is_swapped);
	uint32_t second_bytes = load32(at + SECOND_LENGTH_AT, reader->is_swapped);
	bool is_wire_first = reader->length_order == WIRE_FIRST ||
			     (reader->length_order == LARGER_FIRST && first_bytes > second_bytes);

	return (struct record){
		.seconds = load32(at, reader->is_swapped),
		.fraction = load32(at + FRACTION_AT, reader->is_swapped),
		.stored_bytes = is_wire_first ? second_bytes : first_bytes,
		.wire_bytes = is_wire_first ? first_bytes : second_bytes,
	};
}

/* Why n_bytes could not be had. */
static enum pcap_reader_result cut_off(const struct pcap_reader *reader, size_t n_bytes, struct error *reason)
{
	const struct byte_window *window = &reader->window;

	if (window->error != 0)
		error_set(reason, "it cannot be read further: %s", strerror(window->error));
	else if (byte_window_at_hand(window) == 0)
		return PCAP_READER_END;
	else
		error_set(reason, "the record at byte %" PRIu64 " is truncated: %zu bytes of %zu are there",
			  reader->next_at, byte_window_at_hand(window), n_bytes);
	return PCAP_READER_DAMAGED;
}

/* Reads until the next record stands whole at the window's beginning. */
static enum pcap_reader_result read_record(struct pcap_reader *reader, struct record *record, struct error *reason)
{
	size_t n_bytes = reader->header_bytes;

	if (!byte_window_fill(&reader->window, n_bytes))
		return cut_off(reader, n_bytes, reason);
	*record = load_record(reader, byte_window_data(&reader->window));
	if (record->stored_bytes > CAPTURED_MAX_BYTES) {
		error_set(reason, "the record at byte %" PRIu64 " has an impossible length of %" PRIu32 " bytes",
			  reader->next_at, record->stored_bytes);
		return PCAP_READER_DAMAGED;
	}
	n_bytes += record->stored_bytes;
	if (!byte_window_fill(&reader->window, n_bytes))
		return cut_off(reader, n_bytes, reason);
	return PCAP_READER_FRAME;
}

/* Whether the next record stands whole in the window. */
static inline bool find_record(const struct pcap_reader *reader, struct record *record)
{
	size_t n_bytes = byte_window_at_hand(&reader->window);

	if (n_bytes < reader->header_bytes)
		return false;
	*record = load_record(reader, byte_window_data(&reader->window));
	return record->stored_bytes <= CAPTURED_MAX_BYTES && record->stored_bytes <= n_bytes - reader->header_bytes;
}

static inline void fill_frame(const struct pcap_reader *reader, const struct record *record, const uint8_t *data,
			      struct frame *frame)
{
	/* Writers do not always keep to the snapshot length that they state; libpcap holds them to it. */
	const uint32_t captured_bytes =
		record->stored_bytes < reader->snaplen_bytes ? record->stored_bytes : reader->snaplen_bytes;

	frame->data = data;
	frame->captured_bytes = captured_bytes;
	frame->wire_bytes = record->wire_bytes > captured_bytes ? record->wire_bytes : captured_bytes;
	/* Both are unsigned: seconds last until 2106, and the sum is below TIME_MAX_NS. */
	frame->time_ns = record->seconds * NS_PER_SEC + (uint64_t)record->fraction * reader->tick_ns;
	frame->link_type = reader->link_type;
}

/* Takes the record at the window's beginning. False when the filter holds it back. */
static inline bool take_record(struct pcap_reader *reader, const struct record *record, struct frame *frame)
{
	const uint8_t *data = byte_window_data(&reader->window) + reader->header_bytes;

	byte_window_take(&reader->window, reader->header_bytes + record->stored_bytes);
	reader->next_at += reader->header_bytes + record->stored_bytes;
	fill_frame(reader, record, data, frame);
	if (!reader->is_filtered)
		return true;
	const struct pcap_pkthdr header = { .caplen = frame->captured_bytes, .len = record->wire_bytes };
	return pcap_offline_filter(&reader->filter, &header, data) != 0;
}

enum pcap_reader_result pcap_reader_next(struct pcap_reader *reader, struct frame *frame, struct error *reason)
{
	struct record record = { 0 };

	do {
		enum pcap_reader_result result = read_record(reader, &record, reason);
		if (result != PCAP_READER_FRAME)
			return result;
	} while (!take_record(reader, &record, frame));
	return PCAP_READER_FRAME;
}

static inline bool is_plain(const struct pcap_reader *reader)
{
	return !reader->is_swapped && reader->length_order == CAPTURED_FIRST && !reader->is_filtered;
}

/* Records as nearly all files have them, see is_plain: nothing of them is turned round, and none is held back. */
static size_t take_plain_records(struct pcap_reader *reader, struct frame *frames, size_t n_max)
{
	const size_t header_bytes = reader->header_bytes;
	const uint8_t *begin = byte_window_data(&reader->window);
	const uint8_t *end = begin + byte_window_at_hand(&reader->window);
	const uint8_t *at = begin;
	size_t n_frames = 0;

	for (; n_frames < n_max && (size_t)(end - at) >= header_bytes; n_frames++) {
		const struct record record = load_plain_record(at);
		const uint8_t *data = at + header_bytes;
		if (record.stored_bytes > CAPTURED_MAX_BYTES || record.stored_bytes > (size_t)(end - data))
			break;
		at = data + record.stored_bytes;
		fill_frame(reader, &record, data, &frames[n_frames]);
	}
	byte_window_take(&reader->window, (size_t)(at - begin));
	reader->next_at += (size_t)(at - begin);
	return n_frames;
}

size_t pcap_reader_more(struct pcap_reader *reader, struct frame *frames, size_t n_max)
{
	struct record record;
	size_t n_frames = 0;

	if (is_plain(reader))
		return take_plain_records(reader, frames, n_max);
	while (n_frames < n_max && find_record(reader, &record))
		n_frames += take_record(reader, &record, &frames[n_frames]);
	return n_frames;
}

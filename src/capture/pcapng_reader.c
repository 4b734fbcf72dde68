/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of pcapng files (draft-ietf-opsawg-pcapng): sections, the interfaces that each of them describes, and the
 * three kinds of packet blocks; all other blocks are skipped. libpcap does not serve here, because it refuses files
 * whose interfaces differ in link type or snapshot length. Decides what is believed of a packet's lengths and time.
 */
#include "pcapng_reader.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "link_filters.h"
#include "pcap_source.h"
#include "pcapng_block.h"
#include "pcapng_clock.h"

enum {
	INTERFACES_MAX = 65536, /* of a section: as many as the obsolete packet block can tell apart */
	FIRST_INTERFACES = 4,
	OPTION_HEADER_BYTES = 4,
};

struct interface {
	uint16_t file_link_type; /* LINKTYPE_, as in the file */
	uint16_t link_type;      /* as frames have it */
	uint32_t snaplen_bytes;  /* 0 = unlimited */
	struct pcapng_clock clock;
	struct bpf_program filter; /* without instructions until the interface's first frame */
};

struct pcapng_reader {
	struct pcapng_blocks blocks;
	struct interface *interfaces; /* of the section; n_interfaces of them */
	size_t n_interfaces;
	size_t n_interfaces_room;
	struct link_filters filters;
	uint64_t last_time_ns; /* of the last packet that had a time */
};

/* What the three kinds of packet blocks say, each in its own layout. */
struct packet_fields {
	uint32_t interface;
	uint32_t captured_bytes;
	uint32_t wire_bytes;
	uint32_t data_at; /* offset in the block's body */
	bool is_timed;
	uint64_t ticks;
};

static int too_short(const struct pcapng_block *block, struct error *reason)
{
	return error_set(reason, "the block at byte %" PRIu64 " is too short for what it must hold", block->at);
}

/* Section 4.1. Returns 0, or -1 with *reason filled. */
static int begin_section(struct pcapng_reader *reader, const struct pcapng_block *block, struct error *reason)
{
	enum { MAJOR_AT = 4, MINOR_AT = 6, SECTION_BYTES = 16 };

	if (block->body_bytes < SECTION_BYTES)
		return too_short(block, reason);
	uint16_t major = pcapng_load16(&reader->blocks, block->body + MAJOR_AT);
	uint16_t minor = pcapng_load16(&reader->blocks, block->body + MINOR_AT);
	/*
	 * 1.2 is 1.0 by another name. Section 3.4 has readers skip a section of another version. None is known, and
	 * an end that is reported is better than frames that are left out in silence.
	 */
	if (major != 1 || (minor != 0 && minor != 2))
		return error_set(reason, "the section at byte %" PRIu64 " is of version %u.%u, only 1.0 is read",
				 block->at, major, minor);
	reader->n_interfaces = 0;
	return 0;
}

/* Sections 3.5 and 4.2: the options that times depend on. Returns 0, or -1 with *reason filled. */
static int read_clock(const struct pcapng_blocks *blocks, const struct pcapng_block *block, uint32_t options_at,
		      struct pcapng_clock *clock, struct error *reason)
{
	enum { OPT_ENDOFOPT = 0, IF_TSRESOL = 9, IF_TSOFFSET = 14 };
	uint32_t at = options_at;

	*clock = PCAPNG_CLOCK_DEFAULT;
	/* The end-of-options mark is not always there. Bodies and offsets are multiples of 4. */
	while (at < block->body_bytes) {
		uint16_t code = pcapng_load16(blocks, block->body + at);
		uint16_t value_bytes = pcapng_load16(blocks, block->body + at + 2);
		const uint8_t *value = block->body + at + OPTION_HEADER_BYTES;
		if (code == OPT_ENDOFOPT)
			break;
		at += OPTION_HEADER_BYTES + (value_bytes + 3U) / 4 * 4;
		if (at > block->body_bytes || (code == IF_TSRESOL && value_bytes != 1) ||
		    (code == IF_TSOFFSET && value_bytes != sizeof(clock->offset_s)))
			return error_set(reason,
					 "the interface at byte %" PRIu64 " has an option %u of impossible length",
					 block->at, code);
		if (code == IF_TSRESOL)
			pcapng_clock_set_resolution(clock, value[0]);
		else if (code == IF_TSOFFSET)
			clock->offset_s = (int64_t)pcapng_load64(blocks, value);
	}
	return 0;
}

/* The link type of frames whose file states file_link_type. Returns 0, or -1 with *reason filled. */
static int translate_link_type(uint16_t file_link_type, uint16_t *link_type, struct error *reason)
{
	pcap_t *handle = pcap_source_open_empty(file_link_type);

	if (handle == NULL)
		return error_set(reason, "not enough memory for an interface");
	/* Both numberings end far below 65535, and libpcap passes on what it does not know. */
	*link_type = (uint16_t)pcap_datalink(handle);
	pcap_close(handle);
	return 0;
}

static int make_room(struct pcapng_reader *reader, const struct pcapng_block *block, struct error *reason)
{
	size_t n_room = reader->n_interfaces_room > 0 ? 2 * reader->n_interfaces_room : FIRST_INTERFACES;

	if (reader->n_interfaces < reader->n_interfaces_room)
		return 0;
	if (n_room > INTERFACES_MAX)
		return error_set(reason, "the interface at byte %" PRIu64 " is one above %d in a section", block->at,
				 INTERFACES_MAX);
	struct interface *interfaces = realloc(reader->interfaces, n_room * sizeof(*interfaces));
	if (interfaces == NULL)
		return error_set(reason, "not enough memory for %zu interfaces", n_room);
	reader->interfaces = interfaces;
	reader->n_interfaces_room = n_room;
	return 0;
}

/* Section 4.2. Returns 0, or -1 with *reason filled. */
static int add_interface(struct pcapng_reader *reader, const struct pcapng_block *block, struct error *reason)
{
	enum { LINK_TYPE_AT = 0, SNAPLEN_AT = 4, OPTIONS_AT = 8 };
	struct interface interface = { 0 };

	if (block->body_bytes < OPTIONS_AT)
		return too_short(block, reason);
	interface.file_link_type = pcapng_load16(&reader->blocks, block->body + LINK_TYPE_AT);
	interface.snaplen_bytes = pcapng_load32(&reader->blocks, block->body + SNAPLEN_AT);
	if (read_clock(&reader->blocks, block, OPTIONS_AT, &interface.clock, reason) < 0 ||
	    translate_link_type(interface.file_link_type, &interface.link_type, reason) < 0 ||
	    make_room(reader, block, reason) < 0)
		return -1;
	reader->interfaces[reader->n_interfaces++] = interface;
	return 0;
}

/*
 * Section 4.3, and appendix A for the obsolete block, which differs in the width of the interface's number: the other
 * half was a count of dropped packets. Returns 0, or -1 with *reason filled.
 */
static int read_timed_packet(const struct pcapng_blocks *blocks, const struct pcapng_block *block,
			     struct packet_fields *fields, struct error *reason)
{
	enum { TICKS_HIGH_AT = 4, TICKS_LOW_AT = 8, CAPTURED_AT = 12, WIRE_AT = 16, DATA_AT = 20 };

	if (block->body_bytes < DATA_AT)
		return too_short(block, reason);
	fields->interface = block->type == PCAPNG_OBSOLETE_PACKET ? pcapng_load16(blocks, block->body)
								  : pcapng_load32(blocks, block->body);
	fields->is_timed = true;
	/* The halves stand in this order in both byte orders. */
	fields->ticks = (uint64_t)pcapng_load32(blocks, block->body + TICKS_HIGH_AT) << 32 |
			pcapng_load32(blocks, block->body + TICKS_LOW_AT);
	fields->captured_bytes = pcapng_load32(blocks, block->body + CAPTURED_AT);
	fields->wire_bytes = pcapng_load32(blocks, block->body + WIRE_AT);
	fields->data_at = DATA_AT;
	return 0;
}

/* Section 4.4: of the first interface, and captured as far as that one's snapshot length goes. */
static int read_simple_packet(const struct pcapng_reader *reader, const struct pcapng_block *block,
			      struct packet_fields *fields, struct error *reason)
{
	enum { WIRE_AT = 0, DATA_AT = 4 };
	uint32_t snaplen_bytes = reader->n_interfaces > 0 ? reader->interfaces[0].snaplen_bytes : 0;

	if (block->body_bytes < DATA_AT)
		return too_short(block, reason);
	fields->interface = 0;
	fields->is_timed = false;
	fields->ticks = 0;
	fields->wire_bytes = pcapng_load32(&reader->blocks, block->body + WIRE_AT);
	fields->captured_bytes = fields->wire_bytes;
	if (snaplen_bytes > 0 && fields->captured_bytes > snaplen_bytes)
		fields->captured_bytes = snaplen_bytes;
	fields->data_at = DATA_AT;
	return 0;
}

/* Returns 0, or -1 with *reason filled. */
static int read_packet(const struct pcapng_reader *reader, const struct pcapng_block *block,
		       struct packet_fields *fields, struct error *reason)
{
	int status = block->type == PCAPNG_SIMPLE_PACKET ? read_simple_packet(reader, block, fields, reason)
							 : read_timed_packet(&reader->blocks, block, fields, reason);

	if (status < 0)
		return -1;
	if (fields->interface >= reader->n_interfaces)
		return error_set(reason,
				 "the packet at byte %" PRIu64 " is of interface %" PRIu32
				 ", which is not described before it",
				 block->at, fields->interface);
	/* Beyond the snapshot length is no damage: writers do not always keep to what they state. */
	if (fields->captured_bytes > block->body_bytes - fields->data_at)
		return error_set(reason,
				 "the packet at byte %" PRIu64 " has %" PRIu32
				 " bytes, more than its block has room for",
				 block->at, fields->captured_bytes);
	return 0;
}

/* Sets *passes. Returns 0, or -1 with *reason filled when the filter has no meaning for the interface. */
static int run_filter(struct pcapng_reader *reader, uint32_t at, const struct pcap_pkthdr *header, const uint8_t *data,
		      bool *passes, struct error *reason)
{
	struct interface *interface = &reader->interfaces[at];

	*passes = true;
	if (reader->filters.expression == NULL)
		return 0;
	if (interface->filter.bf_insns == NULL) {
		char name[32];
		snprintf(name, sizeof(name), "its interface %" PRIu32, at);
		if (link_filters_get(&reader->filters, interface->file_link_type, name, &interface->filter, reason) < 0)
			return -1;
	}
	*passes = pcap_offline_filter(&interface->filter, header, data) != 0;
	return 0;
}

/* Fills *frame; *passes says whether the filter lets it through. */
static enum pcapng_result take_packet(struct pcapng_reader *reader, const struct pcapng_block *block,
				      struct frame *frame, bool *passes, struct error *reason)
{
	struct packet_fields fields = { .captured_bytes = 0 };

	if (read_packet(reader, block, &fields, reason) < 0)
		return PCAPNG_DAMAGED;
	const struct interface *interface = &reader->interfaces[fields.interface];
	const uint8_t *data = block->body + fields.data_at;
	struct pcap_pkthdr header = { .caplen = fields.captured_bytes, .len = fields.wire_bytes };
	if (fields.is_timed)
		header.ts = pcapng_clock_time(&interface->clock, fields.ticks);
	pcap_source_fill_frame(&header, data, 1, frame);
	frame->link_type = interface->link_type;
	if (fields.is_timed)
		reader->last_time_ns = frame->time_ns;
	else
		frame->time_ns = reader->last_time_ns;
	return run_filter(reader, fields.interface, &header, data, passes, reason) < 0 ? PCAPNG_UNFITTING
										       : PCAPNG_FRAME;
}

static bool is_packet(uint32_t type)
{
	return type == PCAPNG_ENHANCED_PACKET || type == PCAPNG_SIMPLE_PACKET || type == PCAPNG_OBSOLETE_PACKET;
}

/* Takes in a block that is no packet. Returns 0, or -1 with *reason filled. */
static int take_description(struct pcapng_reader *reader, const struct pcapng_block *block, struct error *reason)
{
	if (block->type == PCAPNG_INTERFACE)
		return add_interface(reader, block, reason);
	if (block->type == PCAPNG_SECTION)
		return begin_section(reader, block, reason);
	return 0;
}

/* Returns 0, or -1 with *reason filled. */
static int read_first_interface(struct pcapng_reader *reader, struct error *reason)
{
	struct pcapng_block block;
	struct packet_fields fields = { .captured_bytes = 0 };

	while (reader->n_interfaces == 0) {
		enum pcapng_block_result result = pcapng_blocks_read(&reader->blocks, &block, reason);
		if (result == PCAPNG_BLOCK_END)
			return error_set(reason, "no interface is described in it");
		if (result == PCAPNG_BLOCK_DAMAGED || take_description(reader, &block, reason) < 0)
			return -1;
		/* It fails, and says why: no interface is known yet. */
		if (is_packet(block.type) && read_packet(reader, &block, &fields, reason) < 0)
			return -1;
		pcapng_blocks_take(&reader->blocks, &block);
	}
	return 0;
}

struct pcapng_reader *pcapng_reader_open(struct byte_source source, struct error *reason)
{
	struct pcapng_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL) {
		error_set(reason, "not enough memory to read it");
		return NULL;
	}
	if (pcapng_blocks_init(&reader->blocks, source) < 0) {
		error_set(reason, "not enough memory to read it");
		goto fail;
	}
	if (read_first_interface(reader, reason) < 0)
		goto fail;
	return reader;
fail:
	pcapng_reader_close(reader);
	return NULL;
}

void pcapng_reader_close(struct pcapng_reader *reader)
{
	if (reader == NULL)
		return;
	link_filters_fini(&reader->filters);
	pcapng_blocks_fini(&reader->blocks);
	free(reader->interfaces);
	free(reader);
}

int pcapng_reader_set_filter(struct pcapng_reader *reader, const char *bpf_filter, const char *name,
			     struct error *error)
{
	return link_filters_init(&reader->filters, bpf_filter, reader->interfaces[0].file_link_type, name, error);
}

enum pcapng_result pcapng_reader_next(struct pcapng_reader *reader, struct frame *frame, struct error *reason)
{
	struct pcapng_block block;
	enum pcapng_block_result status;

	while ((status = pcapng_blocks_read(&reader->blocks, &block, reason)) == PCAPNG_BLOCK_READ) {
		bool passes;
		pcapng_blocks_take(&reader->blocks, &block);
		if (!is_packet(block.type)) {
			if (take_description(reader, &block, reason) < 0)
				return PCAPNG_DAMAGED;
			continue;
		}
		enum pcapng_result result = take_packet(reader, &block, frame, &passes, reason);
		if (result != PCAPNG_FRAME || passes)
			return result;
	}
	return status == PCAPNG_BLOCK_END ? PCAPNG_END : PCAPNG_DAMAGED;
}

size_t pcapng_reader_more(struct pcapng_reader *reader, struct frame *frames, size_t n_max)
{
	struct pcapng_block block;
	size_t n_frames = 0;

	while (n_frames < n_max && pcapng_blocks_find(&reader->blocks, &block) && is_packet(block.type)) {
		struct error told_by_next;
		bool passes;
		if (take_packet(reader, &block, &frames[n_frames], &passes, &told_by_next) != PCAPNG_FRAME)
			break;
		pcapng_blocks_take(&reader->blocks, &block);
		n_frames += passes;
	}
	return n_frames;
}

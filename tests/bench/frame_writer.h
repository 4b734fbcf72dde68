/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum segment_flags {
	FLAG_FIN = 0x01,
	FLAG_SYN = 0x02,
	FLAG_RST = 0x04,
	FLAG_PSH = 0x08,
	FLAG_ACK = 0x10,
};

/* One side of a connection. addr is in network order; an IPv4 address stands in the first four bytes. */
struct side {
	uint8_t addr[16];
	uint16_t port;
};

/* One TCP segment, as it will stand on the wire. */
struct segment {
	uint64_t time_ns;
	struct side from;
	struct side to;
	bool ipv6;
	bool to_server; /* picks the MAC addresses */
	uint8_t flags;
	uint8_t ttl;
	uint16_t ip_id; /* IPv4 identification */
	uint16_t window;
	uint32_t seq;
	uint32_t ack;
	bool timestamps; /* with the options: all of a modern SYN's on a SYN, else timestamps alone */
	uint32_t ts_value;
	uint32_t ts_echo;
	uint32_t payload_bytes; /* that many zero bytes */
};

/* Writes Ethernet frames into a pcap file, up to a number of packets, through one large buffer. */
struct frame_writer;

/*
 * snaplen: how many bytes of each frame are stored; 0 = all. Null with a message on stderr when the file cannot be
 * written.
 */
struct frame_writer *frame_writer_open(const char *path, uint64_t n_packets, uint32_t snaplen);

/* Writes one segment. False when the number of packets is reached, before or by it. */
bool frame_writer_put(struct frame_writer *writer, const struct segment *segment);

/* The same for a frame that was made elsewhere, of at most 64 KiB. */
bool frame_writer_put_frame(struct frame_writer *writer, uint64_t time_ns, const uint8_t *bytes, uint32_t wire_bytes);

/* How many may still be written. */
uint64_t frame_writer_left(const struct frame_writer *writer);

/* Returns 0, or -1 with a message on stderr when not all could be written. */
int frame_writer_close(struct frame_writer *writer);

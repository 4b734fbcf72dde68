/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/decode/decoder.h"
#include "cursor.h"

enum {
	/* Bytes kept of one datagram: a jumbo frame. Of a longer one the rest is as if cut by the capture. */
	FRAG_STORED_BYTES = 9216,
	/* Fragments of one datagram: 65535 bytes in packets of 1500, with room for repeats of other sizes. */
	FRAG_MAX_PIECES = 64,
};

/* What makes fragments parts of one datagram (RFC 791 3.2, RFC 8200 4.5). Compared as bytes: set all to zero first. */
struct frag_key {
	uint32_t id;
	uint32_t path; /* decode_path(): equal ids behind different VLANs or tunnels are different datagrams */
	struct ip_addr src;
	struct ip_addr dst;
	uint8_t protocol; /* IPv4 only: in IPv6 it is no part of the key */
	uint8_t zero[1];  /* no padding: keys are hashed and compared as bytes */
};
_Static_assert(sizeof(struct frag_key) == 44, "struct frag_key is hashed as bytes and must have no padding");

struct fragment {
	struct frag_key key;
	uint32_t offset_bytes; /* of payload in the datagram */
	bool is_last;
	uint8_t protocol;      /* of the payload; for IPv6 the next header */
	struct cursor payload; /* limited to the fragment */
};

/* A datagram put together. payload is borrowed until the next frag_table_add. */
struct frag_datagram {
	struct cursor payload;
	uint8_t protocol;            /* as the first fragment says */
	const uint8_t *fragment_end; /* one past the first fragment's bytes */
};

/* Datagrams being put together. Allocates nothing after create. */
struct frag_table;

/*
 * Counts into *stats, borrowed, what happens to a datagram rather than to a frame. Returns null when
 * memory is short.
 */
struct frag_table *frag_table_create(uint32_t n_datagrams, uint64_t timeout_ns, struct decoder_stats *stats);
void frag_table_destroy(struct frag_table *table);

/*
 * Adds one fragment. Returns DECODE_TCP when it completed its datagram, with *datagram filled; DECODE_FRAGMENT_HELD;
 * or the reason why it was refused and, but for DECODE_FRAGMENT_TABLE_FULL, its datagram forgotten.
 */
enum decode_result frag_table_add(struct frag_table *table, const struct fragment *fragment, uint64_t now_ns,
				  struct frag_datagram *datagram);

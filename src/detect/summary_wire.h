/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "merged_summary.h"
#include "summary.h"

/*
 * A summary as bytes, for another process or sensor. All numbers are little-endian, without padding:
 *
 *   magic "TWSU", format u16, parts u16 (a bit each), length u32 of all, version u64
 *   key: ip and client as version u8 and 16 bytes each, port u16, kind u8, prefix bits u8
 *   since u64, latest u64, recent: span u64, attempts u32, signs u32
 *   counters: how many u16, then u64 each; handshakes: how many u16, then u32 each
 *   parts that are present, in the order of their bits, each with the length u32 of what follows
 *
 * Whoever changes a counter, a part or their order raises SUMMARY_WIRE_FORMAT; a reader takes its own format only.
 */
enum { SUMMARY_WIRE_FORMAT = 1 };

/* Why bytes are no summary. */
enum summary_wire_result {
	SUMMARY_WIRE_OK = 0,
	SUMMARY_WIRE_TOO_SHORT,    /* than they say, or than anything */
	SUMMARY_WIRE_BAD_MAGIC,    /* no summary at all */
	SUMMARY_WIRE_BAD_FORMAT,   /* of another release */
	SUMMARY_WIRE_BAD_LENGTH,   /* lengths do not fit together */
	SUMMARY_WIRE_BAD_KEY,      /* that no sensor makes */
	SUMMARY_WIRE_BAD_COUNTERS, /* another number of them */
	SUMMARY_WIRE_BAD_PART,     /* unknown, or not of this kind of key */
	SUMMARY_WIRE_BAD_VALUE,    /* that no counting makes */
	SUMMARY_WIRE_RESULTS,      /* not a result */
};

/* "too_short", ...; static storage. */
const char *summary_wire_result_name(enum summary_wire_result result);

/* Room for any summary. */
size_t summary_wire_max_bytes(void);

/*
 * Writes the summary. version: of the sender's, later ones are greater. Returns the bytes written, 0 when there is no
 * room.
 */
size_t summary_wire_write(const struct summary_key *key, uint64_t version, const struct summary *summary,
			  uint8_t *bytes, size_t room);

/* What was read; *parts holds what the summary points to. */
struct summary_wire {
	struct summary_key key;
	uint64_t version;
	size_t n_bytes; /* that were read; more may follow */
	struct merged_summary parts;
};

/* Any bytes may be given. *wire is valid with SUMMARY_WIRE_OK only. */
enum summary_wire_result summary_wire_read(const uint8_t *bytes, size_t n_bytes, struct summary_wire *wire);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

/* All addresses that begin with the same bits; one address is the longest prefix of its version. */
struct ip_prefix {
	struct ip_addr ip; /* the bits behind the prefix are zero; version 0 = no address */
	uint8_t bits;      /* 0 .. 32, 0 .. 128 */
};

/* The longest prefix of the address's version: 32, 128, or 0 without an address. */
uint8_t ip_prefix_max_bits(const struct ip_addr *addr);

/* The prefix of addr with so many bits; no more than there are. */
struct ip_prefix ip_prefix_of(const struct ip_addr *addr, uint8_t bits);

/* True when every address of inner is one of outer. Nothing holds, or is held by, what has no address. */
bool ip_prefix_holds(const struct ip_prefix *outer, const struct ip_prefix *inner);

/* Order by version, address, length: what holds something comes before it. < 0, 0, > 0. */
int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b);

enum ip_prefix_text {
	IP_PREFIX_OK = 0,
	IP_PREFIX_NO_ADDRESS, /* it does not begin with one */
	IP_PREFIX_NO_LENGTH,  /* what stands behind the slash is no number, or too great */
	IP_PREFIX_HOST_BITS,  /* bits behind the prefix are set: 10.1.0.0/8; *prefix is what holds it */
};

/* Reads "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". *prefix is filled with OK and HOST_BITS. */
enum ip_prefix_text ip_prefix_parse(const char *text, struct ip_prefix *prefix);

/* "192.0.2.0/24"; of a single address without the length. Returns text. */
const char *ip_prefix_format(const struct ip_prefix *prefix, char text[static IP_ADDR_TEXT_BYTES]);

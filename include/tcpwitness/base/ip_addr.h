/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * An IPv4 or IPv6 address. bytes are in network order; an IPv4 address stands in the
 * first four and the other twelve are zero, so whole objects can be compared and hashed.
 */
struct ip_addr {
	uint8_t bytes[16];
	uint8_t version; /* 4 or 6; 0 = no address */
};

/* Room for any address or prefix as text, with the final zero. */
#define IP_ADDR_TEXT_BYTES 50

/* Order by version, then by value: < 0, 0 or > 0 as memcmp. */
static inline int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_addr_compare(a, b) == 0;
}

/*
 * Writes the usual text form (RFC 5952 for IPv6) and returns text. An address with
 * version 0 gives an empty string. Any thread.
 */
const char *ip_addr_format(const struct ip_addr *addr, char text[static IP_ADDR_TEXT_BYTES]);

/* The same without the final zero. Returns where the text ends. */
char *ip_addr_write(const struct ip_addr *addr, char text[static IP_ADDR_TEXT_BYTES]);

/* Reads either text form. Returns true and fills *addr, or false and leaves it alone. */
bool ip_addr_parse(const char *text, struct ip_addr *addr);

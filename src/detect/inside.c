/* SPDX-License-Identifier: BSD-2-Clause */
#include "inside.h"

static bool ipv4_is_inside(const uint8_t *bytes)
{
	return bytes[0] == 10 || bytes[0] == 127 || (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) ||
	       (bytes[0] == 192 && bytes[1] == 168) || (bytes[0] == 169 && bytes[1] == 254) ||
	       (bytes[0] == 100 && (bytes[1] & 0xc0) == 64);
}

static bool ipv6_is_inside(const uint8_t *bytes)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	return (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) ||
	       memcmp(bytes, loopback, sizeof(loopback)) == 0;
}

bool ip_addr_is_inside(const struct ip_addr *address)
{
	if (address->version == 4)
		return ipv4_is_inside(address->bytes);
	return address->version == 6 && ipv6_is_inside(address->bytes);
}

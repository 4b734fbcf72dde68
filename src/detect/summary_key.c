/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is summarised together.
 */
#include "summary_table.h"

#include <string.h>

enum { PREFIX_BITS_IPV4 = 24, PREFIX_BITS_IPV6 = 64 };

struct summary_key summary_key_service(const struct ip_addr *ip, uint16_t port)
{
	return (struct summary_key){ .kind = SUMMARY_SERVICE, .ip = *ip, .port = port };
}

struct summary_key summary_key_host(const struct ip_addr *ip)
{
	return (struct summary_key){ .kind = SUMMARY_HOST, .ip = *ip };
}

struct summary_key summary_key_prefix(const struct ip_addr *ip)
{
	struct summary_key key = { .kind = SUMMARY_PREFIX, .ip = *ip };

	key.prefix_bits = ip->version == 4 ? PREFIX_BITS_IPV4 : PREFIX_BITS_IPV6;
	memset(key.ip.bytes + key.prefix_bits / 8, 0, sizeof(key.ip.bytes) - key.prefix_bits / 8);
	return key;
}

/* The lengths are known, so that comparing is no call. */
bool summary_prefix_has(const struct summary_key *prefix, const struct ip_addr *address)
{
	const uint8_t *bytes = prefix->ip.bytes;

	if (address->version != prefix->ip.version)
		return false;
	return address->version == 4 ? memcmp(address->bytes, bytes, PREFIX_BITS_IPV4 / 8) == 0
				     : memcmp(address->bytes, bytes, PREFIX_BITS_IPV6 / 8) == 0;
}

struct summary_key summary_key_source(const struct ip_addr *ip)
{
	return (struct summary_key){ .kind = SUMMARY_SOURCE, .ip = *ip };
}

struct summary_key summary_key_pair(const struct ip_addr *client, const struct ip_addr *server, uint16_t server_port)
{
	return (struct summary_key){ .kind = SUMMARY_PAIR, .ip = *server, .client = *client, .port = server_port };
}

struct summary_key summary_key_sensor(void)
{
	return (struct summary_key){ .kind = SUMMARY_SENSOR };
}

bool summary_kind_has_slots(enum summary_kind kind)
{
	return kind != SUMMARY_SOURCE && kind != SUMMARY_PAIR;
}

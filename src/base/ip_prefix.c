/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/base/ip_prefix.h"

#include <stdio.h>
#include <string.h>

uint8_t ip_prefix_max_bits(const struct ip_addr *addr)
{
	if (addr->version == 0)
		return 0;
	return addr->version == 6 ? 128 : 32;
}

struct ip_prefix ip_prefix_of(const struct ip_addr *addr, uint8_t bits)
{
	struct ip_prefix prefix = { .ip = *addr, .bits = bits };

	if (prefix.bits > ip_prefix_max_bits(addr))
		prefix.bits = ip_prefix_max_bits(addr);
	for (unsigned i = 0; i < sizeof(prefix.ip.bytes); i++) {
		unsigned n_kept = prefix.bits > 8 * i ? prefix.bits - 8 * i : 0;

		if (n_kept < 8)
			prefix.ip.bytes[i] &= (uint8_t)(0xff00 >> n_kept);
	}
	return prefix;
}

bool ip_prefix_holds(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	struct ip_prefix cut;

	if (outer->ip.version == 0 || outer->ip.version != inner->ip.version || outer->bits > inner->bits)
		return false;
	cut = ip_prefix_of(&inner->ip, outer->bits);
	return ip_addr_equal(&cut.ip, &outer->ip);
}

int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b)
{
	int order = ip_addr_compare(&a->ip, &b->ip);

	return order != 0 ? order : (int)a->bits - (int)b->bits;
}

/* "24": one to three digits and nothing else. */
static bool parse_bits(const char *text, uint8_t max_bits, uint8_t *bits)
{
	size_t length = strspn(text, "0123456789");
	unsigned value = 0;

	if (length == 0 || length > 3 || text[length] != '\0')
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (unsigned)(*text - '0');
	*bits = (uint8_t)value;
	return value <= max_bits;
}

enum ip_prefix_text ip_prefix_parse(const char *text, struct ip_prefix *prefix)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char addr_text[IP_ADDR_TEXT_BYTES];
	struct ip_addr addr;
	uint8_t bits;

	if (length >= sizeof(addr_text))
		return IP_PREFIX_NO_ADDRESS;
	memcpy(addr_text, text, length);
	addr_text[length] = '\0';
	if (!ip_addr_parse(addr_text, &addr))
		return IP_PREFIX_NO_ADDRESS;
	bits = ip_prefix_max_bits(&addr);
	if (slash != NULL && !parse_bits(slash + 1, bits, &bits))
		return IP_PREFIX_NO_LENGTH;
	*prefix = ip_prefix_of(&addr, bits);
	return ip_addr_equal(&prefix->ip, &addr) ? IP_PREFIX_OK : IP_PREFIX_HOST_BITS;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char text[static IP_ADDR_TEXT_BYTES])
{
	ip_addr_format(&prefix->ip, text);
	if (prefix->bits < ip_prefix_max_bits(&prefix->ip)) {
		size_t length = strlen(text);

		snprintf(text + length, IP_ADDR_TEXT_BYTES - length, "/%u", prefix->bits);
	}
	return text;
}

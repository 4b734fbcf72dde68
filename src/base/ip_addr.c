/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/base/ip_addr.h"

#include <arpa/inet.h>

const char *ip_addr_format(const struct ip_addr *addr, char text[static IP_ADDR_TEXT_BYTES])
{
	int family = addr->version == 6 ? AF_INET6 : AF_INET;

	text[0] = '\0';
	if (addr->version != 0)
		inet_ntop(family, addr->bytes, text, IP_ADDR_TEXT_BYTES);
	return text;
}

bool ip_addr_parse(const char *text, struct ip_addr *addr)
{
	struct ip_addr parsed = { .version = 4 };

	if (inet_pton(AF_INET, text, parsed.bytes) != 1) {
		parsed = (struct ip_addr){ .version = 6 };
		if (inet_pton(AF_INET6, text, parsed.bytes) != 1)
			return false;
	}
	*addr = parsed;
	return true;
}

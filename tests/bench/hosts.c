/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients are 10.0.0.0/16 and servers 198.18.0.0/16 (RFC 2544), or subnets 1 and 2 of 2001:db8::/32. */
#include "hosts.h"

#include <string.h>

#include "random.h"

enum { CLIENT_PORT_FIRST = 1024, CLIENT_PORTS = 65536 - CLIENT_PORT_FIRST, STRIDE = 7919 };

static void set_addr(struct side *side, bool ipv6, enum host_role role, uint32_t number)
{
	static const uint8_t ipv6_prefix[4] = { 0x20, 0x01, 0x0d, 0xb8 };
	static const uint8_t ipv4_prefix[2][2] = { { 10, 0 }, { 198, 18 } };
	uint8_t *last_two = side->addr + (ipv6 ? 14 : 2);

	memset(side->addr, 0, sizeof(side->addr));
	if (ipv6) {
		memcpy(side->addr, ipv6_prefix, sizeof(ipv6_prefix));
		side->addr[5] = (uint8_t)(1 + role);
	} else {
		memcpy(side->addr, ipv4_prefix[role], 2);
	}
	/* No host is number 0: that would be a network's address. */
	last_two[0] = (uint8_t)((number + 1) >> 8);
	last_two[1] = (uint8_t)(number + 1);
}

bool hosts_assign(const struct hosts *hosts, uint64_t number, struct side *client, struct side *server)
{
	static const uint16_t ports[] = { 443, 443, 443, 443, 80, 80, 22, 25, 5432, 8080 };
	struct random random = { .state = hosts->seed ^ (number << 20) };
	/* Neighbours in time are no neighbours in address. */
	uint32_t host = (uint32_t)(number * STRIDE % hosts->n_clients);
	bool ipv6 = random_permille(&random, 200);

	set_addr(client, ipv6, HOST_CLIENT, host);
	client->port = (uint16_t)(CLIENT_PORT_FIRST + (number / hosts->n_clients + 40503ULL * host) % CLIENT_PORTS);
	set_addr(server, ipv6, HOST_SERVER, random_below(&random, hosts->n_servers));
	server->port = ports[random_below(&random, sizeof(ports) / sizeof(ports[0]))];
	return ipv6;
}

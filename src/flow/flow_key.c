/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which packets belong to one connection: the two ends of RFC 9293 3.3.1 in an order that does not depend on who
 * sends, and the domain. The domain is hashed with the secret, so that nobody can choose VLANs or tunnel networks that
 * make two connections one.
 */
#include "tcpwitness/flow/flow_key.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "tcpwitness/base/word.h"

/* Both lists with their counts, and the network: the longest that domain_of() hashes. */
enum { DOMAIN_MAX_BYTES = 1 + 2 * PACKET_MAX_VLANS + 1 + PACKET_MAX_TUNNELS + 4 };

/* VLAN id 0 marks priority and names no VLAN (IEEE 802.1Q 9.6): one direction may carry it and the other not. */
static size_t put_vlans(uint8_t *bytes, const struct packet *packet)
{
	size_t n = 1;

	assert(packet->n_vlans <= PACKET_MAX_VLANS);
	bytes[0] = 0;
	for (unsigned i = 0; i < packet->n_vlans; i++) {
		if (packet->vlans[i] == 0)
			continue;
		bytes[0]++;
		bytes[n++] = (uint8_t)(packet->vlans[i] >> 8);
		bytes[n++] = (uint8_t)packet->vlans[i];
	}
	return n;
}

static bool in_a_vlan(const struct packet *packet)
{
	for (unsigned i = 0; i < packet->n_vlans; i++) {
		if (packet->vlans[i] != 0)
			return true;
	}
	return false;
}

static size_t put_tunnels(uint8_t *bytes, const struct packet *packet)
{
	size_t n = 0;

	assert(packet->n_tunnels <= PACKET_MAX_TUNNELS);
	bytes[n++] = packet->n_tunnels;
	for (unsigned i = 0; i < packet->n_tunnels; i++)
		bytes[n++] = packet->tunnels[i];
	for (int shift = 24; shift >= 0; shift -= 8)
		bytes[n++] = (uint8_t)(packet->tunnel_network >> shift);
	return n;
}

/*
 * A list that is not used counts as empty, so that a packet without VLANs is in domain 0 whatever its tunnels. Not
 * inline, or its caller makes room on the stack for packets that have neither.
 */
__attribute__((noinline)) static uint64_t domain_of(const struct flow_key_config *config, const struct packet *packet)
{
	bool with_vlans = config->use_vlan && in_a_vlan(packet);
	bool with_tunnels = config->use_tunnel && packet->n_tunnels > 0;
	uint8_t bytes[DOMAIN_MAX_BYTES];
	size_t n = 0;
	uint64_t domain;

	if (!with_vlans && !with_tunnels)
		return 0;
	if (with_vlans)
		n += put_vlans(bytes + n, packet);
	else
		bytes[n++] = 0;
	if (with_tunnels)
		n += put_tunnels(bytes + n, packet);
	else
		bytes[n++] = 0;
	domain = siphash13(&config->secret, bytes, n);
	return domain != 0 ? domain : 1; /* 0 means none */
}

/* As memcmp of the addresses, then by port: is the sender behind the receiver? */
static inline bool is_sender_second(const struct packet *packet)
{
	uint64_t src = be64toh(word_load64(packet->src.bytes));
	uint64_t dst = be64toh(word_load64(packet->dst.bytes));

	if (src == dst) {
		src = be64toh(word_load64(packet->src.bytes + sizeof(src)));
		dst = be64toh(word_load64(packet->dst.bytes + sizeof(dst)));
	}
	return src != dst ? src > dst : packet->src_port > packet->dst_port;
}

/* The same for IPv4, with the port at once. */
static inline bool is_ipv4_sender_second(const struct packet *packet)
{
	uint64_t src = (uint64_t)be32toh(word_load32(packet->src.bytes)) << 16 | packet->src_port;
	uint64_t dst = (uint64_t)be32toh(word_load32(packet->dst.bytes)) << 16 | packet->dst_port;

	return src > dst;
}

/* From words of four bytes, as addresses were just written: wider ones would have to wait for that (no forwarding). */
static inline void put_ipv4(struct flow_key *key, unsigned sender, const struct packet *packet)
{
	memset(key->addr, 0, sizeof(key->addr));
	memcpy(key->addr[sender], packet->src.bytes, 4);
	memcpy(key->addr[1 - sender], packet->dst.bytes, 4);
}

unsigned flow_key_from_packet(const struct flow_key_config *config, const struct packet *packet, struct flow_key *key)
{
	unsigned sender;

	if (packet->src.version == 4) {
		sender = is_ipv4_sender_second(packet);
		put_ipv4(key, sender, packet);
	} else {
		sender = is_sender_second(packet);
		memcpy(key->addr[sender], packet->src.bytes, sizeof(key->addr[0]));
		memcpy(key->addr[1 - sender], packet->dst.bytes, sizeof(key->addr[0]));
	}
	key->port[sender] = packet->src_port;
	key->port[1 - sender] = packet->dst_port;
	key->ip_version = packet->src.version;
	key->domain = (packet->n_vlans | packet->n_tunnels) == 0 ? 0 : domain_of(config, packet);
	return sender;
}

/*
 * The bytes that differ between keys and no others: both addresses, the domain where there is one, both ports. Their
 * number tells the versions apart, and keys with a domain from those without: no two keys have the same bytes.
 */
uint64_t flow_key_hash(const struct flow_key_config *config, const struct flow_key *key)
{
	enum { PORTS_BYTES = 4, DOMAIN_BYTES = 8, IPV4_BYTES = 4, IPV6_BYTES = 16 };
	struct siphash_state state = siphash13_begin(&config->secret);
	const uint64_t ports = key->port[0] | (uint64_t)key->port[1] << 16;
	size_t n_bytes = PORTS_BYTES;

	if (key->ip_version == 6) {
		siphash13_add(&state, word_load64(key->addr[0]));
		siphash13_add(&state, word_load64(key->addr[0] + 8));
		siphash13_add(&state, word_load64(key->addr[1]));
		siphash13_add(&state, word_load64(key->addr[1] + 8));
		n_bytes += (size_t)2 * IPV6_BYTES;
	} else {
		siphash13_add(&state, word_load32(key->addr[0]) | (uint64_t)word_load32(key->addr[1]) << 32);
		n_bytes += (size_t)2 * IPV4_BYTES;
	}
	if (key->domain != 0) {
		siphash13_add(&state, key->domain);
		n_bytes += DOMAIN_BYTES;
	}
	return siphash13_end(&state, ports, n_bytes);
}

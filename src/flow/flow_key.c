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

/*
 * Of both ends, in the order of the key and as it is hashed: the first in the lower half. By half of its bits a word is
 * rotated or not at all, without a branch: nothing foretells who sends.
 */
static inline uint32_t ordered_ports(const struct packet *packet, unsigned sender)
{
	return word_rotate32(packet->src_port | (uint32_t)packet->dst_port << 16, 16 * sender);
}

static inline uint64_t ordered_ipv4_addrs(const struct packet *packet, unsigned sender)
{
	const uint64_t src = word_load32(packet->src.bytes);
	const uint64_t dst = word_load32(packet->dst.bytes);

	return word_rotate64(src | dst << 32, 32 * sender);
}

static inline void put_ipv4_addrs(struct flow_key *key, uint64_t addrs)
{
	const uint32_t first = (uint32_t)addrs;
	const uint32_t second = (uint32_t)(addrs >> 32);

	memset(key->addr, 0, sizeof(key->addr));
	memcpy(key->addr[0], &first, sizeof(first));
	memcpy(key->addr[1], &second, sizeof(second));
}

static inline void put_ports(struct flow_key *key, uint32_t ports)
{
	key->port[0] = (uint16_t)ports;
	key->port[1] = (uint16_t)(ports >> 16);
}

unsigned flow_key_from_packet(const struct flow_key_config *config, const struct packet *packet, struct flow_key *key)
{
	unsigned sender;

	if (packet->src.version == 4) {
		sender = is_ipv4_sender_second(packet);
		put_ipv4_addrs(key, ordered_ipv4_addrs(packet, sender));
	} else {
		sender = is_sender_second(packet);
		memcpy(key->addr[sender], packet->src.bytes, sizeof(key->addr[0]));
		memcpy(key->addr[1 - sender], packet->dst.bytes, sizeof(key->addr[0]));
	}
	put_ports(key, ordered_ports(packet, sender));
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

/* Both for IPv4 in no domain, at once: nothing that is hashed is read again. */
static inline unsigned name_plain_ipv4(const struct flow_key_config *config, const struct packet *packet,
				       struct flow_key *key, uint64_t *hash)
{
	struct siphash_state state = siphash13_begin(&config->secret);
	const unsigned sender = is_ipv4_sender_second(packet);
	const uint64_t addrs = ordered_ipv4_addrs(packet, sender);
	const uint32_t ports = ordered_ports(packet, sender);

	put_ipv4_addrs(key, addrs);
	put_ports(key, ports);
	key->ip_version = 4;
	key->domain = 0;
	siphash13_add(&state, addrs);
	*hash = siphash13_end(&state, ports, sizeof(addrs) + sizeof(ports));
	return sender;
}

unsigned flow_key_with_hash(const struct flow_key_config *config, const struct packet *packet, struct flow_key *key,
			    uint64_t *hash)
{
	unsigned sender;

	if (packet->src.version == 4 && (packet->n_vlans | packet->n_tunnels) == 0)
		return name_plain_ipv4(config, packet, key, hash);
	sender = flow_key_from_packet(config, packet, key);
	*hash = flow_key_hash(config, key);
	return sender;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/siphash.h"
#include "tcpwitness/decode/packet.h"

/*
 * Identity of a connection: both ends in canonical order (the lower address and port first), so that
 * both directions give the same key, and the domain they were seen in. No padding: compared and hashed as bytes.
 */
struct flow_key {
	uint8_t addr[2][16]; /* network order, IPv4 in the first four bytes */
	uint16_t port[2];
	uint32_t ip_version; /* 4 or 6 */
	uint64_t domain;     /* VLANs and tunnels, hashed with the secret; 0 = none or not used */
};

_Static_assert(sizeof(struct flow_key) == 48, "struct flow_key is hashed as bytes and must have no padding");

struct flow_key_config {
	struct siphash_key secret;
	bool use_vlan;   /* different VLAN paths are different connections */
	bool use_tunnel; /* different tunnel kinds and networks are different connections */
};

/*
 * The key of a packet. Returns the index (0 or 1) in the key of the end that sent the packet; a packet whose ends are
 * the same (land) gives 0.
 */
unsigned flow_key_from_packet(const struct flow_key_config *config, const struct packet *packet, struct flow_key *key);

/* Keyed hash of the whole key. */
uint64_t flow_key_hash(const struct flow_key_config *config, const struct flow_key *key);

/* Both of them at once. */
unsigned flow_key_with_hash(const struct flow_key_config *config, const struct packet *packet, struct flow_key *key,
			    uint64_t *hash);

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which table knows what: by hashes under the secret, or an attacker could fill one part alone.
 */
#include "summary_set.h"

static uint64_t hash_of(const struct summary_set *set, enum summary_kind kind, uint64_t address, uint16_t port)
{
	const uint64_t words[] = { address, (uint64_t)kind << 16 | port };

	return siphash13(&set->secret, words, sizeof(words));
}

static unsigned part_by(const struct summary_set *set, enum summary_kind kind, uint64_t address, uint16_t port)
{
	return (unsigned)(hash_of(set, kind, address, port) % set->n_parts);
}

/* Never that of its host: a flood on one service would keep one part busy while the others wait. */
static unsigned service_part(const struct summary_set *set, unsigned host, uint64_t address, uint16_t port)
{
	uint64_t step = set->n_parts > 1 ? 1 + hash_of(set, SUMMARY_SERVICE, address, port) % (set->n_parts - 1) : 0;

	return (unsigned)((host + step) % set->n_parts);
}

/* Those of sources follow the cells of the filter, which decides whether they have a record. */
static unsigned source_part(const struct summary_set *set, uint64_t client)
{
	return source_filter_part(set->n_filter_cells, (unsigned)set->n_parts, client);
}

/* Two addresses as one: turned, so that a pair and its reverse differ. */
static uint64_t both(uint64_t client, uint64_t server)
{
	return (client << 1 | client >> 63) ^ server;
}

static unsigned part_of_key(const struct summary_set *set, const struct summary_key *key)
{
	uint64_t address;

	switch ((enum summary_kind)key->kind) {
	case SUMMARY_SOURCE:
		return source_part(set, summary_address_hash(&key->ip));
	case SUMMARY_PAIR:
		return part_by(set, SUMMARY_PAIR,
			       both(summary_address_hash(&key->client), summary_address_hash(&key->ip)), key->port);
	case SUMMARY_SERVICE:
		address = summary_address_hash(&key->ip);
		return service_part(set, part_by(set, SUMMARY_HOST, address, 0), address, key->port);
	case SUMMARY_HOST:
	case SUMMARY_PREFIX:
		return part_by(set, (enum summary_kind)key->kind, summary_address_hash(&key->ip), 0);
	case SUMMARY_SENSOR:
	case SUMMARY_KINDS:
		break;
	}
	return 0;
}

struct summary_table *summary_set_table(const struct summary_set *set, size_t layer, const struct summary_key *key)
{
	if (layer > 0)
		return set->tables[set->n_parts + layer - 1];
	return set->tables[set->n_parts == 1 ? 0 : part_of_key(set, key)];
}

struct summary_service_shares summary_set_service_shares(const struct summary_set *set, const struct ip_addr *server,
							 uint64_t hash, uint16_t port)
{
	const struct summary_key prefix = summary_key_prefix(server);
	unsigned host = part_by(set, SUMMARY_HOST, hash, 0);

	return (struct summary_service_shares){
		.service = (uint8_t)service_part(set, host, hash, port),
		.host = (uint8_t)host,
		.prefix = (uint8_t)part_by(set, SUMMARY_PREFIX, summary_address_hash(&prefix.ip), 0),
	};
}

struct summary_shares summary_set_shares(const struct summary_set *set, const struct flow_signal *signal,
					 const struct summary_ends *ends, const struct summary_service_shares *service)
{
	unsigned kinds = summary_table_kinds(signal);
	struct summary_shares shares;

	for (int kind = 0; kind < SUMMARY_KINDS; kind++)
		shares.part[kind] = SUMMARY_PARTS;
	if (kinds >> SUMMARY_SERVICE & 1)
		shares.part[SUMMARY_SERVICE] = service->service;
	if (kinds >> SUMMARY_HOST & 1)
		shares.part[SUMMARY_HOST] = service->host;
	if (kinds >> SUMMARY_PREFIX & 1)
		shares.part[SUMMARY_PREFIX] = service->prefix;
	if (kinds >> SUMMARY_SOURCE & 1)
		shares.part[SUMMARY_SOURCE] = (uint8_t)source_part(set, ends->client);
	if (kinds >> SUMMARY_PAIR & 1)
		shares.part[SUMMARY_PAIR] =
			(uint8_t)part_by(set, SUMMARY_PAIR, both(ends->client, ends->server), signal->server_port);
	if (kinds >> SUMMARY_SENSOR & 1)
		shares.part[SUMMARY_SENSOR] = 0;
	return shares;
}

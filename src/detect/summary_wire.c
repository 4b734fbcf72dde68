/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Summaries as bytes and back. The same functions go over a summary's members for writing and for reading, so that
 * the two cannot differ; a reader then looks whether the values are such as counting makes.
 */
#include "summary_wire.h"

#include <stdbool.h>
#include <string.h>

static const uint8_t magic[4] = { 'T', 'W', 'S', 'U' };

enum wire_part {
	PART_SLOTS = 0,
	PART_AGES,
	PART_HELD,
	PART_PORTS,
	PART_CROWDS, /* the first of SUMMARY_CROWDS */
	PARTS = PART_CROWDS + SUMMARY_CROWDS,
};

enum { OFFSET_LENGTH = 8, PORT_WORDS = (sizeof(struct port_use) - 2 * sizeof(uint64_t)) / sizeof(uint32_t) };

/* Where the walk over the members is: in bytes that are written, or that are read. */
struct cursor {
	uint8_t *out;
	const uint8_t *in;
	size_t at;
	size_t end;
	bool overrun;
};

static void walk_number(struct cursor *cursor, void *value, size_t n_bytes)
{
	uint64_t number = 0;

	if (cursor->overrun || cursor->end - cursor->at < n_bytes) {
		cursor->overrun = true;
		return;
	}
	if (cursor->out != NULL) {
		switch (n_bytes) {
		case 1:
			number = *(const uint8_t *)value;
			break;
		case 2:
			number = *(const uint16_t *)value;
			break;
		case 4:
			number = *(const uint32_t *)value;
			break;
		default:
			number = *(const uint64_t *)value;
			break;
		}
		for (size_t i = 0; i < n_bytes; i++)
			cursor->out[cursor->at + i] = (uint8_t)(number >> (8 * i));
	} else {
		for (size_t i = 0; i < n_bytes; i++)
			number |= (uint64_t)cursor->in[cursor->at + i] << (8 * i);
		switch (n_bytes) {
		case 1:
			*(uint8_t *)value = (uint8_t)number;
			break;
		case 2:
			*(uint16_t *)value = (uint16_t)number;
			break;
		case 4:
			*(uint32_t *)value = (uint32_t)number;
			break;
		default:
			*(uint64_t *)value = number;
			break;
		}
	}
	cursor->at += n_bytes;
}

static void walk_u8(struct cursor *cursor, uint8_t *value)
{
	walk_number(cursor, value, sizeof(*value));
}

static void walk_u16(struct cursor *cursor, uint16_t *value)
{
	walk_number(cursor, value, sizeof(*value));
}

static void walk_u32(struct cursor *cursor, uint32_t *value)
{
	walk_number(cursor, value, sizeof(*value));
}

static void walk_u64(struct cursor *cursor, uint64_t *value)
{
	walk_number(cursor, value, sizeof(*value));
}

static void walk_bytes(struct cursor *cursor, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		walk_u8(cursor, &bytes[i]);
}

static void walk_u32s(struct cursor *cursor, uint32_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		walk_u32(cursor, &values[i]);
}

/* --- members --- */

static void walk_address(struct cursor *cursor, struct ip_addr *address)
{
	walk_u8(cursor, &address->version);
	walk_bytes(cursor, address->bytes, sizeof(address->bytes));
}

static void walk_key(struct cursor *cursor, struct summary_key *key)
{
	uint16_t port = key->port;

	walk_address(cursor, &key->ip);
	walk_address(cursor, &key->client);
	walk_u16(cursor, &port);
	key->port = port;
	walk_u8(cursor, &key->kind);
	walk_u8(cursor, &key->prefix_bits);
}

/* Returns whether the reader counts as the writer does. */
static bool walk_totals(struct cursor *cursor, struct summary *summary)
{
	uint16_t n_counters = SUMMARY_COUNTERS;
	uint16_t n_handshakes = SUMMARY_RTT_BUCKETS;

	walk_u64(cursor, &summary->since_ns);
	walk_u64(cursor, &summary->latest_ns);
	walk_u64(cursor, &summary->recent.span);
	walk_u32(cursor, &summary->recent.attempts);
	walk_u32(cursor, &summary->recent.signs);
	walk_u16(cursor, &n_counters);
	if (n_counters != SUMMARY_COUNTERS)
		return false;
	for (int k = 0; k < SUMMARY_COUNTERS; k++)
		walk_u64(cursor, &summary->totals[k]);
	walk_u16(cursor, &n_handshakes);
	if (n_handshakes != SUMMARY_RTT_BUCKETS)
		return false;
	walk_u32s(cursor, summary->handshakes, SUMMARY_RTT_BUCKETS);
	return true;
}

static void walk_slots(struct cursor *cursor, struct summary_slot *slots)
{
	for (int i = 0; i < SUMMARY_SLOTS; i++) {
		walk_u64(cursor, &slots[i].number);
		walk_u32s(cursor, slots[i].counts, SUMMARY_COHORT_COUNTERS);
	}
}

static void walk_ages(struct cursor *cursor, struct summary_ages *ages)
{
	for (int i = 0; i < SUMMARY_AGES; i++) {
		struct summary_age *age = &ages->buckets[i];
		walk_u64(cursor, &age->number);
		for (int gauge = 0; gauge < SUMMARY_GAUGES; gauge++) {
			uint32_t count = (uint32_t)age->counts[gauge];
			walk_u32(cursor, &count);
			age->counts[gauge] = (int32_t)count;
		}
	}
}

static void walk_held(struct cursor *cursor, struct summary_held *held)
{
	walk_u64(cursor, &held->first);
	walk_u32s(cursor, held->ends, SUMMARY_HELD_SLOTS);
}

static void walk_ports(struct cursor *cursor, struct port_use *ports)
{
	uint32_t words[PORT_WORDS];

	walk_u64(cursor, &ports->since_ns);
	walk_u64(cursor, &ports->followed_ns);
	memcpy(words, (const char *)ports + 2 * sizeof(uint64_t), sizeof(words));
	walk_u32s(cursor, words, PORT_WORDS);
	memcpy((char *)ports + 2 * sizeof(uint64_t), words, sizeof(words));
}

static void walk_sampled(struct cursor *cursor, uint64_t *priority, struct summary_sampled *sampled)
{
	walk_u64(cursor, priority);
	walk_u64(cursor, &sampled->flow_id);
	walk_address(cursor, &sampled->client);
	walk_address(cursor, &sampled->server);
	walk_u16(cursor, &sampled->client_port);
	walk_u16(cursor, &sampled->server_port);
	walk_u16(cursor, &sampled->window);
	walk_u8(cursor, &sampled->ttl);
	walk_u32(cursor, &sampled->syn_layout);
	walk_u32(cursor, &sampled->isn);
}

/* By rank; whoever is read has the place of his rank. Behind them all is zero. */
static void walk_sample(struct cursor *cursor, struct summary_crowd *crowd)
{
	for (unsigned rank = 0; rank < SUMMARY_SAMPLE; rank++) {
		uint64_t no_priority = 0;
		struct summary_sampled nobody = { .flow_id = 0 };
		if (cursor->out == NULL)
			crowd->places[rank] = (uint8_t)rank;
		bool is_behind = cursor->out != NULL && rank >= crowd->n_sampled;
		walk_sampled(cursor, is_behind ? &no_priority : &crowd->priorities[rank],
			     is_behind ? &nobody : summary_crowd_at_place(crowd, crowd->places[rank]));
		if (cursor->out == NULL && crowd->priorities[rank] != 0)
			crowd->n_sampled = rank + 1;
	}
}

static void walk_sketches(struct cursor *cursor, struct summary_sketches *sketches)
{
	walk_u32s(cursor, sketches->fingerprints, SUMMARY_FINGERPRINTS);
	walk_bytes(cursor, sketches->sources.registers, HYPERLOGLOG_REGISTERS);
	walk_bytes(cursor, sketches->servers.registers, HYPERLOGLOG_SMALL_REGISTERS);
	walk_bytes(cursor, sketches->ports.registers, HYPERLOGLOG_SMALL_REGISTERS);
	walk_bytes(cursor, sketches->endpoints.registers, HYPERLOGLOG_SMALL_REGISTERS);
}

/* Bytes always tell of sketches, and what is read keeps them. */
static void walk_crowd(struct cursor *cursor, struct summary_crowd *crowd)
{
	walk_u64(cursor, &crowd->span);
	walk_u64(cursor, &crowd->connections);
	if (cursor->out != NULL) {
		struct summary_sketches sketches;
		summary_crowd_sketch(crowd, &sketches);
		walk_sketches(cursor, &sketches);
	} else {
		walk_sketches(cursor, crowd->sketches);
		crowd->is_sketched = true;
	}
	walk_sample(cursor, crowd);
}

static void walk_crowds(struct cursor *cursor, struct summary_crowds *crowds)
{
	walk_crowd(cursor, &crowds->spans[0]);
	walk_crowd(cursor, &crowds->spans[1]);
}

static void walk_part(struct cursor *cursor, struct merged_summary *parts, unsigned part)
{
	switch (part) {
	case PART_SLOTS:
		walk_slots(cursor, parts->slots);
		break;
	case PART_AGES:
		walk_ages(cursor, &parts->ages);
		break;
	case PART_HELD:
		walk_held(cursor, &parts->held);
		break;
	case PART_PORTS:
		walk_ports(cursor, &parts->ports);
		break;
	default:
		walk_crowds(cursor, merged_summary_begin_crowds(parts, (enum summary_crowd_kind)(part - PART_CROWDS)));
		break;
	}
}

/* --- writing --- */

size_t summary_wire_max_bytes(void)
{
	return sizeof(struct summary_wire) + 4096;
}

static uint16_t parts_of(const struct summary *summary)
{
	unsigned parts = 0;

	parts |= (unsigned)(summary->slots != NULL) << PART_SLOTS;
	parts |= (unsigned)(summary->ages != NULL) << PART_AGES;
	parts |= (unsigned)(summary->held != NULL) << PART_HELD;
	parts |= (unsigned)(summary->ports != NULL) << PART_PORTS;
	for (unsigned kind = 0; kind < SUMMARY_CROWDS; kind++)
		parts |= (unsigned)(summary->crowds[kind] != NULL) << (PART_CROWDS + kind);
	return (uint16_t)parts;
}

/* The walk needs members that may be written to, though it only reads them here. */
static void write_part(struct cursor *cursor, const struct summary *summary, unsigned part)
{
	switch (part) {
	case PART_SLOTS:
		walk_slots(cursor, summary->slots);
		break;
	case PART_AGES:
		walk_ages(cursor, summary->ages);
		break;
	case PART_HELD:
		walk_held(cursor, summary->held);
		break;
	case PART_PORTS:
		walk_ports(cursor, summary->ports);
		break;
	default:
		walk_crowds(cursor, summary->crowds[part - PART_CROWDS]);
		break;
	}
}

/* Writes the length of what has been written since then to the place at. */
static void write_length(const struct cursor *cursor, size_t at, size_t since)
{
	struct cursor length = { .out = cursor->out, .at = at, .end = cursor->end };
	uint32_t n_bytes = (uint32_t)(cursor->at - since);

	walk_u32(&length, &n_bytes);
}

size_t summary_wire_write(const struct summary_key *key, uint64_t version, const struct summary *summary,
			  uint8_t *bytes, size_t room)
{
	struct cursor cursor = { .out = bytes, .end = room };
	struct summary totals = *summary;
	struct summary_key copy = *key;
	uint8_t begin[sizeof(magic)];
	uint16_t format = SUMMARY_WIRE_FORMAT;
	uint16_t parts = parts_of(summary);
	uint32_t length = 0;

	memcpy(begin, magic, sizeof(begin));
	walk_bytes(&cursor, begin, sizeof(begin));
	walk_u16(&cursor, &format);
	walk_u16(&cursor, &parts);
	walk_u32(&cursor, &length);
	walk_u64(&cursor, &version);
	walk_key(&cursor, &copy);
	walk_totals(&cursor, &totals);
	for (unsigned part = 0; part < PARTS; part++) {
		if (((parts >> part) & 1) == 0)
			continue;
		size_t at = cursor.at;
		walk_u32(&cursor, &length);
		write_part(&cursor, summary, part);
		if (!cursor.overrun)
			write_length(&cursor, at, at + sizeof(length));
	}
	if (cursor.overrun)
		return 0;
	write_length(&cursor, OFFSET_LENGTH, 0);
	return cursor.at;
}

/* --- reading --- */

static bool is_address(const struct ip_addr *address, bool may_be_none)
{
	static const uint8_t zeros[16];

	if (address->version == 0)
		return may_be_none && memcmp(address->bytes, zeros, 16) == 0;
	if (address->version == 4)
		return memcmp(address->bytes + 4, zeros, 12) == 0;
	return address->version == 6;
}

static bool is_key(const struct summary_key *key)
{
	static const struct ip_addr nobody;
	struct summary_key made;

	if (!is_address(&key->ip, key->kind == SUMMARY_SENSOR) || !is_address(&key->client, true))
		return false;
	switch (key->kind) {
	case SUMMARY_SERVICE:
		made = summary_key_service(&key->ip, key->port);
		break;
	case SUMMARY_HOST:
		made = summary_key_host(&key->ip);
		break;
	case SUMMARY_PREFIX:
		made = summary_key_prefix(&key->ip);
		break;
	case SUMMARY_SOURCE:
		made = summary_key_source(&key->ip);
		break;
	case SUMMARY_PAIR:
		made = *key;
		made.prefix_bits = 0;
		if (ip_addr_equal(&key->client, &nobody))
			return false;
		break;
	case SUMMARY_SENSOR:
		made = summary_key_sensor();
		break;
	default:
		return false;
	}
	return memcmp(&made, key, sizeof(made)) == 0;
}

static bool has_part(enum summary_kind kind, unsigned part)
{
	switch (part) {
	case PART_SLOTS:
		return kind != SUMMARY_SOURCE && kind != SUMMARY_PAIR;
	case PART_AGES:
		return kind == SUMMARY_SERVICE || kind == SUMMARY_SOURCE;
	case PART_HELD:
		return kind == SUMMARY_SERVICE;
	case PART_PORTS:
		return kind == SUMMARY_PAIR;
	default:
		return kind != SUMMARY_PAIR;
	}
}

static bool are_slots(const struct summary_slot *slots)
{
	for (uint64_t i = 0; i < SUMMARY_SLOTS; i++)
		if (slots[i].number != 0 && slots[i].number % SUMMARY_SLOTS != i)
			return false;
	return true;
}

static bool are_ages(const struct summary_ages *ages)
{
	for (uint64_t i = 0; i < SUMMARY_AGES; i++)
		if (ages->buckets[i].number != 0 && ages->buckets[i].number % SUMMARY_AGES != i)
			return false;
	return true;
}

static bool are_ports(const struct port_use *ports)
{
	for (uint32_t i = 0; i < PORT_USE_SLOTS; i++)
		if (ports->slots[i].number != 0 && ports->slots[i].number % PORT_USE_SLOTS != i)
			return false;
	return true;
}

/* A longer run of zeros than the hash has bits left. */
static bool are_registers(const uint8_t *registers, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++)
		if (registers[i] > 64 - bits + 1)
			return false;
	return true;
}

static bool are_sketches(const struct summary_sketches *sketches)
{
	return are_registers(sketches->sources.registers, HYPERLOGLOG_REGISTERS, HYPERLOGLOG_BITS) &&
	       are_registers(sketches->servers.registers, HYPERLOGLOG_SMALL_REGISTERS, HYPERLOGLOG_SMALL_BITS) &&
	       are_registers(sketches->ports.registers, HYPERLOGLOG_SMALL_REGISTERS, HYPERLOGLOG_SMALL_BITS) &&
	       are_registers(sketches->endpoints.registers, HYPERLOGLOG_SMALL_REGISTERS, HYPERLOGLOG_SMALL_BITS);
}

static bool is_nobody(const struct summary_sampled *sampled)
{
	static const struct ip_addr none;

	return sampled->flow_id == 0 && ip_addr_equal(&sampled->client, &none) &&
	       ip_addr_equal(&sampled->server, &none) && sampled->client_port == 0 && sampled->server_port == 0 &&
	       sampled->window == 0 && sampled->ttl == 0 && sampled->syn_layout == 0 && sampled->isn == 0;
}

/* As it was read: each in the place of his rank. */
static bool is_sample(const struct summary_crowd *crowd)
{
	uint64_t before = 0;

	for (unsigned i = 0; i < SUMMARY_SAMPLE; i++) {
		const struct summary_sampled *sampled = summary_crowd_at_place(crowd, i);
		if (!is_address(&sampled->client, true) || !is_address(&sampled->server, true))
			return false;
		if (i < crowd->n_sampled ? crowd->priorities[i] <= before : !is_nobody(sampled))
			return false;
		before = crowd->priorities[i];
	}
	return true;
}

static bool are_crowds(const struct summary_crowds *crowds)
{
	for (uint64_t i = 0; i < 2; i++) {
		const struct summary_crowd *crowd = &crowds->spans[i];
		if ((crowd->span != 0 && (crowd->span & 1) != i) || !is_sample(crowd) || !are_sketches(crowd->sketches))
			return false;
	}
	return true;
}

static bool is_part(const struct merged_summary *parts, unsigned part)
{
	switch (part) {
	case PART_SLOTS:
		return are_slots(parts->slots);
	case PART_AGES:
		return are_ages(&parts->ages);
	case PART_HELD:
		return true;
	case PART_PORTS:
		return are_ports(&parts->ports);
	default:
		return are_crowds(&parts->crowds[part - PART_CROWDS]);
	}
}

static void point_to(struct merged_summary *parts, unsigned part)
{
	struct summary *summary = &parts->summary;

	switch (part) {
	case PART_SLOTS:
		summary->slots = parts->slots;
		break;
	case PART_AGES:
		summary->ages = &parts->ages;
		break;
	case PART_HELD:
		summary->held = &parts->held;
		break;
	case PART_PORTS:
		summary->ports = &parts->ports;
		break;
	default:
		summary->crowds[part - PART_CROWDS] = &parts->crowds[part - PART_CROWDS];
		break;
	}
}

static enum summary_wire_result read_parts(struct cursor *cursor, struct summary_wire *wire, uint16_t parts)
{
	if (parts >> PARTS != 0)
		return SUMMARY_WIRE_BAD_PART;
	for (unsigned part = 0; part < PARTS; part++) {
		uint32_t length = 0;
		if (((parts >> part) & 1) == 0)
			continue;
		if (!has_part((enum summary_kind)wire->key.kind, part))
			return SUMMARY_WIRE_BAD_PART;
		walk_u32(cursor, &length);
		size_t began = cursor->at;
		walk_part(cursor, &wire->parts, part);
		if (cursor->overrun || cursor->at - began != length)
			return SUMMARY_WIRE_BAD_LENGTH;
		if (!is_part(&wire->parts, part))
			return SUMMARY_WIRE_BAD_VALUE;
		point_to(&wire->parts, part);
	}
	return cursor->at == cursor->end ? SUMMARY_WIRE_OK : SUMMARY_WIRE_BAD_LENGTH;
}

enum summary_wire_result summary_wire_read(const uint8_t *bytes, size_t n_bytes, struct summary_wire *wire)
{
	struct cursor cursor = { .in = bytes, .end = n_bytes };
	uint8_t begin[sizeof(magic)] = { 0 };
	uint16_t format = 0;
	uint16_t parts = 0;
	uint32_t length = 0;

	memset(wire, 0, sizeof(*wire));
	walk_bytes(&cursor, begin, sizeof(begin));
	if (cursor.overrun)
		return SUMMARY_WIRE_TOO_SHORT;
	if (memcmp(begin, magic, sizeof(magic)) != 0)
		return SUMMARY_WIRE_BAD_MAGIC;
	walk_u16(&cursor, &format);
	if (!cursor.overrun && format != SUMMARY_WIRE_FORMAT)
		return SUMMARY_WIRE_BAD_FORMAT;
	walk_u16(&cursor, &parts);
	walk_u32(&cursor, &length);
	if (cursor.overrun || length > n_bytes)
		return SUMMARY_WIRE_TOO_SHORT;
	if (length < cursor.at)
		return SUMMARY_WIRE_BAD_LENGTH;
	cursor.end = length;
	walk_u64(&cursor, &wire->version);
	walk_key(&cursor, &wire->key);
	if (cursor.overrun)
		return SUMMARY_WIRE_BAD_LENGTH;
	if (!is_key(&wire->key))
		return SUMMARY_WIRE_BAD_KEY;
	if (!walk_totals(&cursor, &wire->parts.summary))
		return cursor.overrun ? SUMMARY_WIRE_BAD_LENGTH : SUMMARY_WIRE_BAD_COUNTERS;
	if (cursor.overrun)
		return SUMMARY_WIRE_BAD_LENGTH;
	wire->n_bytes = length;
	return read_parts(&cursor, wire, parts);
}

const char *summary_wire_result_name(enum summary_wire_result result)
{
	static const char *const names[SUMMARY_WIRE_RESULTS] = {
		[SUMMARY_WIRE_OK] = "ok",
		[SUMMARY_WIRE_TOO_SHORT] = "too_short",
		[SUMMARY_WIRE_BAD_MAGIC] = "bad_magic",
		[SUMMARY_WIRE_BAD_FORMAT] = "bad_format",
		[SUMMARY_WIRE_BAD_LENGTH] = "bad_length",
		[SUMMARY_WIRE_BAD_KEY] = "bad_key",
		[SUMMARY_WIRE_BAD_COUNTERS] = "bad_counters",
		[SUMMARY_WIRE_BAD_PART] = "bad_part",
		[SUMMARY_WIRE_BAD_VALUE] = "bad_value",
	};

	return result < SUMMARY_WIRE_RESULTS ? names[result] : "unknown";
}

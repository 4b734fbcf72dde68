/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts IP datagrams together from fragments (RFC 791 3.2, RFC 8200 4.5) in a table of fixed size. Receivers differ in
 * how they treat overlaps, which is what evasion lives on; this table takes no side: a datagram whose fragments
 * contradict one another, or rewrite the TCP header (RFC 1858, RFC 5722), is dropped, as current kernels do.
 */
#include "decode_ip_frag.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/siphash.h"
#include "tcpwitness/base/units.h"

enum {
	IP_DATAGRAM_MAX_BYTES = 65535,
	FRAGMENT_UNIT_BYTES = 8, /* every fragment but the last is a multiple of it */
	TCP_HEADER_MIN_BYTES = 20,
	TCP_HEADER_MAX_BYTES = 60,
	TCP_DATA_OFFSET_AT = 12, /* in the TCP header */
	PROTOCOL_TCP = 6,
};

static const uint32_t NO_ENTRY = UINT32_MAX;

/* One fragment in its datagram: begin <= captured_end <= end. */
struct piece {
	uint16_t begin;
	uint16_t end;
	uint16_t captured_end; /* bytes before it are in struct entry.bytes */
};

struct entry {
	struct frag_key key;
	uint64_t started_ns;
	uint32_t next_in_bucket;
	uint32_t older; /* in order of arrival of the first fragment seen */
	uint32_t newer;
	uint32_t bucket;
	uint32_t total_bytes; /* known with the last fragment, else 0 */
	uint8_t n_pieces;
	uint8_t protocol; /* from the fragment at offset 0 */
	struct piece pieces[FRAG_MAX_PIECES];
	uint8_t bytes[FRAG_STORED_BYTES];
};

_Static_assert(sizeof(struct entry) <= DECODER_FRAGMENT_BYTES, "whoever plans memory relies on it");

struct frag_table {
	struct siphash_key hash_key;
	uint64_t timeout_ns;
	struct decoder_stats *stats;
	uint32_t n_entries;
	uint32_t bucket_mask;
	uint32_t oldest;
	uint32_t newest;
	uint32_t free_list; /* through next_in_bucket */
	uint32_t *buckets;
	struct entry *entries;
};

struct frag_table *frag_table_create(uint32_t n_datagrams, uint64_t timeout_ns, struct decoder_stats *stats)
{
	struct frag_table *table = calloc(1, sizeof(*table));
	uint32_t n_buckets = 1;

	if (table == NULL)
		return NULL;
	while (n_buckets < n_datagrams)
		n_buckets *= 2;
	/* The key only guards against crafted collisions: no outcome depends on the order within a bucket. */
	if (siphash_key_random(&table->hash_key) != 0)
		table->hash_key = siphash_key_from_seed((uint64_t)(uintptr_t)table);
	table->timeout_ns = timeout_ns;
	table->stats = stats;
	table->n_entries = n_datagrams;
	table->bucket_mask = n_buckets - 1;
	table->oldest = NO_ENTRY;
	table->newest = NO_ENTRY;
	table->buckets = malloc(n_buckets * sizeof(*table->buckets));
	table->entries = calloc(n_datagrams, sizeof(*table->entries));
	if (table->buckets == NULL || table->entries == NULL) {
		frag_table_destroy(table);
		return NULL;
	}
	memset(table->buckets, 0xff, n_buckets * sizeof(*table->buckets));
	for (uint32_t i = 0; i < n_datagrams; i++)
		table->entries[i].next_in_bucket = i + 1 < n_datagrams ? i + 1 : NO_ENTRY;
	table->free_list = 0;
	return table;
}

void frag_table_destroy(struct frag_table *table)
{
	if (table == NULL)
		return;
	free(table->buckets);
	free(table->entries);
	free(table);
}

static void unlink_from_bucket(struct frag_table *table, uint32_t index)
{
	uint32_t *link = &table->buckets[table->entries[index].bucket];

	while (*link != index)
		link = &table->entries[*link].next_in_bucket;
	*link = table->entries[index].next_in_bucket;
}

static void unlink_from_ages(struct frag_table *table, const struct entry *entry)
{
	if (entry->older != NO_ENTRY)
		table->entries[entry->older].newer = entry->newer;
	else
		table->oldest = entry->newer;
	if (entry->newer != NO_ENTRY)
		table->entries[entry->newer].older = entry->older;
	else
		table->newest = entry->older;
}

static void forget(struct frag_table *table, struct entry *entry)
{
	uint32_t index = (uint32_t)(entry - table->entries);

	unlink_from_bucket(table, index);
	unlink_from_ages(table, entry);
	entry->next_in_bucket = table->free_list;
	table->free_list = index;
}

/* The header of TCP at the start of the datagram is not whole in its first fragment. */
static bool splits_tcp_header(const struct entry *entry)
{
	const struct piece *first = &entry->pieces[0];

	if (entry->n_pieces == 0 || first->begin != 0 || entry->protocol != PROTOCOL_TCP)
		return false;
	if (first->end < TCP_HEADER_MIN_BYTES)
		return true;
	return first->captured_end > TCP_DATA_OFFSET_AT && first->end < (entry->bytes[TCP_DATA_OFFSET_AT] >> 4) * 4;
}

static void give_up(struct frag_table *table, struct entry *entry)
{
	table->stats->fragments_timed_out++;
	if (splits_tcp_header(entry))
		table->stats->results[DECODE_FRAGMENT_HEADER_SPLIT]++;
	forget(table, entry);
}

static void give_up_expired(struct frag_table *table, uint64_t now_ns)
{
	while (table->oldest != NO_ENTRY) {
		struct entry *entry = &table->entries[table->oldest];

		if (ns_since(now_ns, entry->started_ns) <= table->timeout_ns)
			break;
		give_up(table, entry);
	}
}

static struct entry *find_or_add(struct frag_table *table, const struct frag_key *key, uint64_t now_ns)
{
	uint32_t bucket = (uint32_t)siphash13(&table->hash_key, key, sizeof(*key)) & table->bucket_mask;
	uint32_t index;
	struct entry *entry;

	for (index = table->buckets[bucket]; index != NO_ENTRY; index = table->entries[index].next_in_bucket) {
		if (memcmp(&table->entries[index].key, key, sizeof(*key)) == 0)
			return &table->entries[index];
	}
	if (table->free_list == NO_ENTRY)
		give_up(table, &table->entries[table->oldest]);
	index = table->free_list;
	entry = &table->entries[index];
	table->free_list = entry->next_in_bucket;
	memcpy(&entry->key, key, sizeof(*key));
	entry->started_ns = now_ns;
	entry->total_bytes = 0;
	entry->n_pieces = 0;
	entry->protocol = 0;
	entry->bucket = bucket;
	entry->next_in_bucket = table->buckets[bucket];
	table->buckets[bucket] = index;
	entry->older = table->newest;
	entry->newer = NO_ENTRY;
	if (table->newest != NO_ENTRY)
		table->entries[table->newest].newer = index;
	else
		table->oldest = index;
	table->newest = index;
	return entry;
}

static uint16_t min16(uint16_t a, uint16_t b)
{
	return a < b ? a : b;
}

static uint16_t max16(uint16_t a, uint16_t b)
{
	return a > b ? a : b;
}

enum agreement {
	AGREES,     /* no byte in common, or an overlap without harm */
	IS_REPEAT,  /* adds nothing */
	CONTRADICTS /* other content, or an overlap that no honest sender makes */
};

static enum agreement compare_pieces(const struct entry *entry, const struct piece *old, const struct piece *new,
				     const uint8_t *new_bytes)
{
	uint16_t begin = max16(old->begin, new->begin);
	uint16_t end = min16(old->end, new->end);
	uint16_t known_end = min16(old->captured_end, new->captured_end);

	if (begin >= end)
		return AGREES;
	if (known_end > begin &&
	    memcmp(entry->bytes + begin, new_bytes + (begin - new->begin), (size_t)(known_end - begin)) != 0)
		return CONTRADICTS;
	if (old->begin == new->begin && old->end == new->end)
		return IS_REPEAT;
	/* RFC 5722 forbids overlaps in IPv6. In IPv4 a repeat may be cut differently, but not inside a TCP header. */
	if (entry->key.src.version == 6 || begin < TCP_HEADER_MAX_BYTES || known_end < end)
		return CONTRADICTS;
	return AGREES;
}

static enum agreement compare_with_datagram(const struct entry *entry, const struct piece *new,
					    const uint8_t *new_bytes)
{
	enum agreement result = AGREES;

	for (uint8_t i = 0; i < entry->n_pieces; i++) {
		enum agreement one = compare_pieces(entry, &entry->pieces[i], new, new_bytes);

		if (one == CONTRADICTS)
			return CONTRADICTS;
		if (one == IS_REPEAT)
			result = IS_REPEAT;
	}
	return result;
}

static void insert_piece(struct entry *entry, const struct piece *new)
{
	uint8_t at = entry->n_pieces;

	while (at > 0 && entry->pieces[at - 1].begin > new->begin) {
		entry->pieces[at] = entry->pieces[at - 1];
		at--;
	}
	entry->pieces[at] = *new;
	entry->n_pieces++;
}

/* True when no hole is left; then *captured_bytes says how many can be read without one. */
static bool is_complete(const struct entry *entry, uint32_t *captured_bytes)
{
	uint32_t end = 0;
	uint32_t captured_end = 0;

	if (entry->total_bytes == 0)
		return false;
	for (uint8_t i = 0; i < entry->n_pieces; i++) {
		const struct piece *piece = &entry->pieces[i];

		if (piece->begin > end)
			return false;
		if (piece->end > end)
			end = piece->end;
		if (piece->begin <= captured_end && piece->captured_end > captured_end)
			captured_end = piece->captured_end;
	}
	*captured_bytes = captured_end;
	return end == entry->total_bytes;
}

/* RFC 791 3.2 and RFC 8200 4.5: what a fragment's own numbers must fulfil. */
static bool is_possible(const struct fragment *fragment)
{
	uint32_t n_bytes = fragment->payload.wire_bytes;

	if (n_bytes == 0 || n_bytes > IP_DATAGRAM_MAX_BYTES || fragment->offset_bytes + n_bytes > IP_DATAGRAM_MAX_BYTES)
		return false;
	return fragment->is_last || n_bytes % FRAGMENT_UNIT_BYTES == 0;
}

/* The end of the datagram may not move, and nothing may lie behind it. */
static bool end_fits(const struct entry *entry, const struct piece *new, bool is_last)
{
	if (entry->total_bytes != 0 && (new->end > entry->total_bytes || (is_last && new->end != entry->total_bytes)))
		return false;
	if (is_last) {
		for (uint8_t i = 0; i < entry->n_pieces; i++) {
			if (entry->pieces[i].end > new->end)
				return false;
		}
	}
	return true;
}

static struct piece make_piece(const struct fragment *fragment)
{
	uint32_t begin = fragment->offset_bytes;
	uint32_t captured_end = begin + fragment->payload.captured_bytes;

	if (captured_end > FRAG_STORED_BYTES)
		captured_end = begin > FRAG_STORED_BYTES ? begin : FRAG_STORED_BYTES;
	return (struct piece){ .begin = (uint16_t)begin,
			       .end = (uint16_t)(begin + fragment->payload.wire_bytes),
			       .captured_end = (uint16_t)captured_end };
}

enum decode_result frag_table_add(struct frag_table *table, const struct fragment *fragment, uint64_t now_ns,
				  struct frag_datagram *datagram)
{
	struct entry *entry;
	struct piece piece;
	enum agreement agreement;
	uint32_t captured_bytes;

	give_up_expired(table, now_ns);
	if (!is_possible(fragment))
		return DECODE_BAD_FRAGMENT;
	entry = find_or_add(table, &fragment->key, now_ns);
	piece = make_piece(fragment);
	if (!end_fits(entry, &piece, fragment->is_last)) {
		forget(table, entry);
		return DECODE_BAD_FRAGMENT;
	}
	agreement = compare_with_datagram(entry, &piece, fragment->payload.data);
	if (agreement == CONTRADICTS) {
		forget(table, entry);
		return DECODE_FRAGMENT_OVERLAP;
	}
	if (fragment->is_last)
		entry->total_bytes = piece.end;
	if (agreement == AGREES) {
		if (entry->n_pieces == FRAG_MAX_PIECES)
			return DECODE_FRAGMENT_TABLE_FULL;
		if (piece.captured_end > piece.begin)
			memcpy(entry->bytes + piece.begin, fragment->payload.data,
			       (size_t)(piece.captured_end - piece.begin));
		insert_piece(entry, &piece);
		if (piece.begin == 0)
			entry->protocol = fragment->protocol;
	}
	if (!is_complete(entry, &captured_bytes))
		return DECODE_FRAGMENT_HELD;
	*datagram = (struct frag_datagram){
		.payload = { .data = entry->bytes, .captured_bytes = captured_bytes, .wire_bytes = entry->total_bytes },
		.protocol = entry->protocol,
		.fragment_end = entry->bytes + min16(entry->pieces[0].end, FRAG_STORED_BYTES)
	};
	table->stats->fragments_reassembled++;
	forget(table, entry);
	return DECODE_TCP;
}

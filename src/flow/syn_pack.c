/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packing SYNs. Kept is what the state machine, a flow's counters and a flow's record look at; the unit test of the
 * tracker holds a flow made from the store against one that lived in the table all the time, byte for byte. SACK
 * blocks mean nothing on a SYN (RFC 2018 section 3) and are not kept.
 */
#include "syn_pack.h"

#include <string.h>

#include "tcpwitness/tcp/tcp_seq.h"

enum {
	ORDINARY_OPTIONS = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP,
	MAX_ENTRY_IP_BYTES = UINT8_MAX,
	MAX_DUPLICATES = UINT8_MAX,
	MAX_PLAIN_WSCALE = 14, /* RFC 7323 2.3 */
};

/* What fits into the bits of an entry. */
#define MAX_ID       ((UINT64_C(1) << 52) - 1)
#define MAX_SOURCE   ((1u << 12) - 1)
#define MAX_VLAN     ((1u << 12) - 1)
#define MAX_WSCALE   15u
#define MAX_AFTER_NS ((UINT64_C(1) << 48) - 1)

/* A SYN and nothing that answers or ends (RFC 9293 3.10.7). */
static bool is_plain_syn(uint16_t flags)
{
	return (flags & (SEG_SYN | SEG_ACK | SEG_RST | SEG_FIN)) == SEG_SYN;
}

bool syn_fits(const struct packet *packet)
{
	return is_plain_syn(packet->flags) && packet->number <= MAX_ID && packet->source <= MAX_SOURCE &&
	       packet->payload_bytes <= UINT16_MAX && packet->checksum != CHECKSUM_BAD &&
	       packet->icmp_error == ICMP_ERROR_NONE;
}

/* Of its options only those that nearly every SYN carries. */
static bool has_ordinary_options(const struct tcp_options *options)
{
	return (options->present & ~ORDINARY_OPTIONS) == 0 && options->wscale <= MAX_WSCALE;
}

static bool needs_rare(const struct packet *packet, uint64_t now_ns)
{
	const struct tcp_options *options = &packet->options;

	return packet->n_vlans > 1 || (packet->n_vlans == 1 && packet->vlans[0] > MAX_VLAN) || packet->n_tunnels > 0 ||
	       packet->tunnel_network != 0 || !has_ordinary_options(options) || options->ts_ecr != 0 ||
	       options->fastopen_cookie_bytes != 0 || options->mptcp_subtype != 0 ||
	       !anomaly_set_empty(&packet->anomalies) || packet->time_ns != now_ns;
}

unsigned syn_parts_needed(const struct packet *packet, uint64_t previous_id, uint64_t now_ns)
{
	if (needs_rare(packet, now_ns))
		return 2;
	return packet->src.version == 6 || packet->flags != SEG_SYN || packet->ip_bytes > MAX_ENTRY_IP_BYTES ||
	       packet->payload_bytes != 0 || previous_id != 0;
}

/* Those that nearly every SYN carries have a bit in the entry: the three lowest, and behind them one from above. */
enum {
	LOW_OPTIONS = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED,
	HIGH_OPTION_SHIFT = 1,
};

_Static_assert(LOW_OPTIONS == 7 && TCPOPT_TIMESTAMP == (LOW_OPTIONS + 1) << HIGH_OPTION_SHIFT,
	       "options take four bits");

static unsigned pack_options(uint16_t present)
{
	return (present & LOW_OPTIONS) | (unsigned)(present & TCPOPT_TIMESTAMP) >> HIGH_OPTION_SHIFT;
}

static uint16_t unpack_options(unsigned bits)
{
	return (uint16_t)((bits & LOW_OPTIONS) | (bits << HIGH_OPTION_SHIFT & TCPOPT_TIMESTAMP));
}

void syn_pack(const struct packet *packet, unsigned client_index, unsigned n_parts, uint32_t more,
	      struct syn_entry *entry)
{
	const struct tcp_options *options = &packet->options;

	*entry = (struct syn_entry){
		.first_ns = packet->time_ns,
		.id = packet->number & MAX_ID,
		.source = packet->source & MAX_SOURCE,
		.iss = packet->seq,
		.ts_val = options->ts_val,
		.layout = options->layout,
		.hash_or_part = n_parts > 0 ? more : packet->payload_hash,
		.port = { packet->src_port, packet->dst_port },
		.window = packet->window,
		.mss = options->mss,
		.ip_id = packet->ip_id,
		.ttl = packet->ttl,
		.ip_bytes = (uint8_t)packet->ip_bytes,
		.state = ENTRY_LIVE,
		.has_parts = n_parts > 0,
		.has_rare = n_parts > 1,
		.is_ipv6 = packet->src.version == 6,
		.client_index = client_index & 1,
		.wscale = options->wscale & MAX_WSCALE,
		.options = pack_options(options->present) & 0xf,
		.has_vlan = packet->n_vlans == 1,
		.options_complete = packet->options_complete,
		.vlan = packet->vlans[0] & MAX_VLAN,
		.in_queue = true,
	};

	memcpy(entry->addr[0], packet->src.bytes, sizeof(entry->addr[0]));
	memcpy(entry->addr[1], packet->dst.bytes, sizeof(entry->addr[1]));
}

static void pack_more(struct syn_more *more, const struct packet *packet, uint64_t previous_id)
{
	more->hash = packet->payload_hash;
	more->last_ts_val = packet->options.ts_val;
	more->n_syns = 1;
	memcpy(more->addr_rest[0], packet->src.bytes + 4, sizeof(more->addr_rest[0]));
	memcpy(more->addr_rest[1], packet->dst.bytes + 4, sizeof(more->addr_rest[1]));
	more->previous_id = previous_id;
	more->flags = packet->flags;
	more->ip_bytes = packet->ip_bytes;
	more->payload_bytes = (uint16_t)packet->payload_bytes;
}

static void pack_rare(struct syn_rare *rare, const struct packet *packet, uint64_t now_ns)
{
	const struct tcp_options *options = &packet->options;

	rare->begun_ns = now_ns;
	rare->anomalies = packet->anomalies;
	memcpy(rare->vlans, packet->vlans, sizeof(rare->vlans));
	memcpy(rare->tunnels, packet->tunnels, sizeof(rare->tunnels));
	rare->tunnel_network = packet->tunnel_network;
	rare->ts_ecr = options->ts_ecr;
	rare->present = options->present;
	rare->n_vlans = packet->n_vlans;
	rare->n_tunnels = packet->n_tunnels;
	rare->wscale = options->wscale;
	rare->fastopen_cookie_bytes = options->fastopen_cookie_bytes;
	rare->mptcp_subtype = options->mptcp_subtype;
}

void syn_pack_parts(const struct syn_parts *parts, const struct packet *packet, uint64_t previous_id, uint64_t now_ns)
{
	pack_more(parts->more, packet, previous_id);
	if (parts->rare != NULL)
		pack_rare(parts->rare, packet, now_ns);
}

void syn_extend(const struct syn_entry *entry, struct syn_more *more)
{
	const struct syn_parts none = { NULL, NULL, NULL, NULL };
	struct packet packet;

	syn_unpack(entry, &none, &packet);
	pack_more(more, &packet, 0);
}

static void unpack_entry(const struct syn_entry *entry, struct packet *packet)
{
	struct tcp_options *options = &packet->options;

	packet->time_ns = entry->first_ns;
	packet->number = entry->id;
	packet->source = entry->source;
	packet->seq = entry->iss;
	options->ts_val = entry->ts_val;
	options->layout = entry->layout;
	packet->src.version = entry->is_ipv6 ? 6 : 4;
	packet->dst.version = packet->src.version;
	memcpy(packet->src.bytes, entry->addr[0], sizeof(entry->addr[0]));
	memcpy(packet->dst.bytes, entry->addr[1], sizeof(entry->addr[1]));
	packet->src_port = entry->port[0];
	packet->dst_port = entry->port[1];
	packet->flags = SEG_SYN;
	packet->window = entry->window;
	options->mss = entry->mss;
	packet->ip_id = entry->ip_id;
	packet->ttl = entry->ttl;
	packet->ip_bytes = entry->ip_bytes;
	options->wscale = entry->wscale;
	options->present = unpack_options(entry->options);
	packet->n_vlans = entry->has_vlan;
	packet->vlans[0] = entry->vlan;
	packet->payload_hash = entry->hash_or_part;
	packet->options_complete = entry->options_complete;
}

static void unpack_more(const struct syn_more *more, struct packet *packet)
{
	memcpy(packet->src.bytes + 4, more->addr_rest[0], sizeof(more->addr_rest[0]));
	memcpy(packet->dst.bytes + 4, more->addr_rest[1], sizeof(more->addr_rest[1]));
	packet->flags = more->flags;
	packet->ip_bytes = more->ip_bytes;
	packet->payload_bytes = more->payload_bytes;
	packet->payload_hash = more->hash;
}

static void unpack_rare(const struct syn_rare *rare, struct packet *packet)
{
	struct tcp_options *options = &packet->options;

	packet->anomalies = rare->anomalies;
	memcpy(packet->vlans, rare->vlans, sizeof(rare->vlans));
	memcpy(packet->tunnels, rare->tunnels, sizeof(rare->tunnels));
	packet->tunnel_network = rare->tunnel_network;
	options->ts_ecr = rare->ts_ecr;
	options->present = rare->present;
	packet->n_vlans = rare->n_vlans;
	packet->n_tunnels = rare->n_tunnels;
	options->wscale = rare->wscale;
	options->fastopen_cookie_bytes = rare->fastopen_cookie_bytes;
	options->mptcp_subtype = rare->mptcp_subtype;
}

void syn_unpack(const struct syn_entry *entry, const struct syn_parts *parts, struct packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	unpack_entry(entry, packet);
	if (parts->answer != NULL)
		packet->payload_hash = parts->answer->syn_hash;
	if (parts->more != NULL)
		unpack_more(parts->more, packet);
	if (parts->rare != NULL)
		unpack_rare(parts->rare, packet);
}

static struct syn_again *repeat_at(const struct syn_parts *parts, unsigned n)
{
	return n == 0 ? &parts->more->repeat : &parts->repeats->repeat[n - 1];
}

void syn_pack_repeat(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet)
{
	struct syn_again *repeat = repeat_at(parts, parts->more->n_syns - 1u);
	uint64_t after_ns = packet->time_ns - entry->first_ns;

	*repeat = (struct syn_again){ .hash = packet->payload_hash,
				      .after_low_ns = (uint32_t)after_ns,
				      .after_high_ns = (uint16_t)(after_ns >> 32),
				      .ip_id = packet->ip_id };
	parts->more->last_ts_val = packet->options.ts_val;
	parts->more->n_syns++;
}

static uint64_t time_after(const struct syn_entry *entry, uint16_t after_high_ns, uint32_t after_low_ns)
{
	return entry->first_ns + ((uint64_t)after_high_ns << 32 | after_low_ns);
}

static uint64_t time_of(const struct syn_entry *entry, const struct syn_again *repeat)
{
	return time_after(entry, repeat->after_high_ns, repeat->after_low_ns);
}

void syn_unpack_repeats(const struct syn_entry *entry, const struct syn_parts *parts, struct syn_attempt *attempt)
{
	const struct syn_more *more = parts->more;

	attempt->last_ts_val = more != NULL ? more->last_ts_val : entry->ts_val;
	attempt->n_duplicates = more != NULL ? more->n_duplicates : 0;
	attempt->n_repeats = more != NULL ? more->n_syns - 1u : 0;
	for (unsigned i = 0; i < attempt->n_repeats; i++) {
		const struct syn_again *repeat = repeat_at(parts, i);
		attempt->repeats[i] = (struct syn_repeat){ .time_ns = time_of(entry, repeat),
							   .hash = repeat->hash,
							   .ip_id = repeat->ip_id };
	}
}

static struct ip_addr addr_of(const struct syn_entry *entry, const struct syn_parts *parts, unsigned end)
{
	struct ip_addr addr = { .version = entry->is_ipv6 ? 6 : 4 };

	memcpy(addr.bytes, entry->addr[end], sizeof(entry->addr[end]));
	if (entry->is_ipv6)
		memcpy(addr.bytes + 4, parts->more->addr_rest[end], sizeof(parts->more->addr_rest[end]));
	return addr;
}

void syn_get_gist(const struct syn_entry *entry, const struct syn_parts *parts, struct syn_gist *gist)
{
	*gist = (struct syn_gist){
		.id = entry->id,
		.time_ns = entry->first_ns,
		.client = addr_of(entry, parts, 0),
		.server = addr_of(entry, parts, 1),
		.client_port = entry->port[0],
		.server_port = entry->port[1],
		.iss = entry->iss,
		.layout = entry->layout,
		.window = entry->window,
		.ttl = entry->ttl,
		.options = unpack_options(entry->options),
		.repeated = parts->more != NULL && parts->more->n_syns > 1,
		.answered = entry->is_answered,
	};
}

void syn_untagged_key(const struct syn_entry *entry, const struct syn_parts *parts, struct flow_key *key)
{
	*key = (struct flow_key){ .ip_version = entry->is_ipv6 ? 6 : 4 };
	for (unsigned end = 0; end < 2; end++) {
		const struct ip_addr addr = addr_of(entry, parts, end);
		unsigned index = end == 0 ? entry->client_index : 1u - entry->client_index;
		memcpy(key->addr[index], addr.bytes, sizeof(key->addr[index]));
		key->port[index] = entry->port[end];
	}
}

static bool rests_are(const struct syn_more *more, const uint8_t client[16], const uint8_t server[16])
{
	return memcmp(more->addr_rest[0], client + 4, sizeof(more->addr_rest[0])) == 0 &&
	       memcmp(more->addr_rest[1], server + 4, sizeof(more->addr_rest[1])) == 0;
}

bool syn_ends_are(const struct syn_entry *entry, const struct syn_more *more, const struct flow_key *key)
{
	const unsigned client = entry->client_index;
	const unsigned server = 1 - client;

	if (entry->port[0] != key->port[client] || entry->port[1] != key->port[server] ||
	    memcmp(entry->addr[0], key->addr[client], sizeof(entry->addr[0])) != 0 ||
	    memcmp(entry->addr[1], key->addr[server], sizeof(entry->addr[1])) != 0)
		return false;
	if (!entry->is_ipv6)
		return key->ip_version == 4;
	return key->ip_version == 6 && rests_are(more, key->addr[client], key->addr[server]);
}

bool syn_is_tagged(const struct syn_entry *entry)
{
	return entry->has_vlan || entry->has_rare;
}

bool syn_is_plain_answer(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet)
{
	const struct syn_more *more = parts->more;
	bool once = more == NULL || (more->n_syns == 1 && more->n_duplicates == 0 && more->payload_bytes == 0);

	return once && parts->rare == NULL && parts->answer == NULL &&
	       (packet->flags & ~SEG_ECE) == (SEG_SYN | SEG_ACK) && packet->ack == entry->iss + 1 &&
	       packet->payload_bytes == 0 && has_ordinary_options(&packet->options) &&
	       packet->checksum != CHECKSUM_BAD && packet->icmp_error == ICMP_ERROR_NONE &&
	       anomaly_set_empty(&packet->anomalies) && packet->number <= MAX_ID &&
	       packet->time_ns >= entry->first_ns && packet->time_ns - entry->first_ns <= MAX_AFTER_NS;
}

void syn_pack_answer(const struct syn_entry *entry, bool is_late, struct syn_answer *answer,
		     const struct packet *packet)
{
	const struct tcp_options *options = &packet->options;
	uint64_t after_ns = packet->time_ns - entry->first_ns;

	*answer = (struct syn_answer){
		.number = packet->number & MAX_ID,
		.wscale = options->wscale & MAX_WSCALE,
		.options = pack_options(options->present) & 0xf,
		.options_complete = packet->options_complete,
		.is_late = is_late,
		.syn_hash = entry->has_parts ? 0 : entry->hash_or_part,
		.hash = packet->payload_hash,
		.after_low_ns = (uint32_t)after_ns,
		.iss = packet->seq,
		.ts_val = options->ts_val,
		.ts_ecr = options->ts_ecr,
		.layout = options->layout,
		.after_high_ns = (uint16_t)(after_ns >> 32),
		.ip_id = packet->ip_id,
		.window = packet->window,
		.mss = options->mss,
		.ip_bytes = packet->ip_bytes,
		.flags = packet->flags,
		.ttl = packet->ttl,
	};
}

uint64_t syn_answer_time_ns(const struct syn_entry *entry, const struct syn_answer *answer)
{
	return time_after(entry, answer->after_high_ns, answer->after_low_ns);
}

void syn_unpack_answer(const struct syn_entry *entry, const struct syn_parts *parts, struct packet *packet)
{
	const struct syn_answer *answer = parts->answer;

	memset(packet, 0, sizeof(*packet));
	packet->time_ns = syn_answer_time_ns(entry, answer);
	packet->number = answer->number;
	packet->ip_bytes = answer->ip_bytes;
	packet->src = addr_of(entry, parts, 1);
	packet->dst = addr_of(entry, parts, 0);
	packet->src_port = entry->port[1];
	packet->dst_port = entry->port[0];
	packet->ttl = answer->ttl;
	packet->ip_id = answer->ip_id;
	packet->seq = answer->iss;
	packet->ack = entry->iss + 1;
	packet->flags = answer->flags;
	packet->window = answer->window;
	packet->payload_hash = answer->hash;
	packet->options.present = unpack_options(answer->options);
	packet->options.mss = answer->mss;
	packet->options.wscale = answer->wscale;
	packet->options.ts_val = answer->ts_val;
	packet->options.ts_ecr = answer->ts_ecr;
	packet->options.layout = answer->layout;
	packet->options_complete = answer->options_complete;
}

/* One SYN, read to its end, without ECN, VLANs, or a connection before it; and an answer in time that is as plain. */
static bool is_in_good_order(const struct syn_entry *entry, const struct syn_parts *parts)
{
	const struct syn_more *more = parts->more;
	const struct syn_answer *answer = parts->answer;
	bool is_alone = more == NULL || (more->flags == SEG_SYN && more->previous_id == 0);

	return answer != NULL && is_alone && !entry->has_vlan && entry->options_complete && entry->window != 0 &&
	       entry->wscale <= MAX_PLAIN_WSCALE && answer->flags == (SEG_SYN | SEG_ACK) && answer->options_complete &&
	       answer->window != 0 && answer->wscale <= MAX_PLAIN_WSCALE && !answer->is_late && !answer->is_overdue;
}

bool syn_get_opening(const struct syn_entry *entry, const struct syn_parts *parts, struct plain_opening *opening)
{
	const struct syn_more *more = parts->more;
	const struct syn_answer *answer = parts->answer;

	if (!is_in_good_order(entry, parts))
		return false;
	opening->attempt = entry;
	opening->syn = (struct plain_syn){
		.time_ns = entry->first_ns,
		.number = entry->id,
		.seq = entry->iss,
		.ts_val = entry->ts_val,
		.payload_hash = more != NULL ? more->hash : answer->syn_hash,
		.options = unpack_options(entry->options),
		.mss = entry->mss,
		.window = entry->window,
		.ip_id = entry->ip_id,
		.ip_bytes = more != NULL ? more->ip_bytes : entry->ip_bytes,
		.wscale = entry->wscale,
		.ttl = entry->ttl,
	};
	opening->synack = (struct plain_syn){
		.time_ns = syn_answer_time_ns(entry, answer),
		.number = answer->number,
		.seq = answer->iss,
		.ts_val = answer->ts_val,
		.payload_hash = answer->hash,
		.options = unpack_options(answer->options),
		.mss = answer->mss,
		.window = answer->window,
		.ip_id = answer->ip_id,
		.ip_bytes = answer->ip_bytes,
		.wscale = answer->wscale,
		.ttl = answer->ttl,
	};
	opening->layout = entry->layout;
	opening->source = entry->source;
	opening->client_index = entry->client_index;
	opening->is_ipv6 = entry->is_ipv6;
	opening->alerted = entry->alerted;
	return true;
}

static bool same_options(const struct tcp_options *a, const struct tcp_options *b)
{
	return a->present == b->present && a->mss == b->mss && a->wscale == b->wscale && a->ts_ecr == b->ts_ecr &&
	       a->fastopen_cookie_bytes == b->fastopen_cookie_bytes && a->mptcp_subtype == b->mptcp_subtype &&
	       a->layout == b->layout;
}

/* Time and timestamp go on from the last SYN, and there is room to note it. */
static bool goes_on(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet)
{
	const struct syn_more *more = parts->more;
	uint64_t last_ns = entry->first_ns;

	if (more != NULL && more->n_syns > 1)
		last_ns = time_of(entry, repeat_at(parts, more->n_syns - 2u));
	if (packet->time_ns < last_ns || packet->time_ns - entry->first_ns > MAX_AFTER_NS)
		return false;
	if (!seq_geq(packet->options.ts_val, more != NULL ? more->last_ts_val : entry->ts_val))
		return false;
	return more == NULL || (more->n_syns <= SYN_MAX_REPEATS && more->n_duplicates < MAX_DUPLICATES);
}

bool syn_is_repeat(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet)
{
	struct packet first;

	if (entry->is_answered || !syn_fits(packet) || packet->seq != entry->iss || packet->src_port != entry->port[0])
		return false;
	syn_unpack(entry, parts, &first);
	return memcmp(packet->src.bytes, first.src.bytes, sizeof(first.src.bytes)) == 0 &&
	       packet->flags == first.flags && packet->window == first.window && packet->ttl == first.ttl &&
	       packet->ip_bytes == first.ip_bytes && packet->payload_bytes == first.payload_bytes &&
	       same_options(&packet->options, &first.options) && packet->options_complete == first.options_complete &&
	       memcmp(&packet->anomalies, &first.anomalies, sizeof(first.anomalies)) == 0 &&
	       goes_on(entry, parts, packet);
}

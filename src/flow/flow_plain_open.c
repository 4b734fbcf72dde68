/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each condition names the rule that has nothing to say when it holds; of the SYN and the SYN-ACK, syn_pack.c has asked
 * most. All members that are not named in what is written here are as they are in a connection that has just begun.
 */
#include "flow_plain_open.h"

#include "common_history.h"

#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_limits.h"
#include "tcpwitness/tcp/tcp_seq.h"
#include "tcpwitness/tcp/tcp_stamp.h"

/* What they agreed on (RFC 7323 2.2 and 3.2): each option needs both. */
static bool is_agreed(const struct plain_opening *opening, uint16_t option)
{
	return (opening->syn.options & opening->synack.options & option) != 0;
}

static uint8_t client_scale(const struct plain_opening *opening)
{
	return is_agreed(opening, TCPOPT_WSCALE) ? opening->syn.wscale : 0;
}

/* --- which segments --- */

/* tcp_opening.c, is_plain_third; tracker.c: one distance only. */
static bool has_plain_header(const struct plain_opening *opening, const struct packet *packet)
{
	uint16_t options = is_agreed(opening, TCPOPT_TIMESTAMP) ? TCPOPT_TIMESTAMP : 0;

	return (packet->flags & (uint16_t)~SEG_PSH) == SEG_ACK && packet->payload_bytes == 0 &&
	       packet->seq == opening->syn.seq + 1 && packet->ack == opening->synack.seq + 1 &&
	       packet->options.present == options && packet->options_complete &&
	       anomaly_set_empty(&packet->anomalies) && packet->checksum != CHECKSUM_BAD &&
	       packet->ttl == opening->syn.ttl;
}

/* tracker_gauges.c: it is not narrow. */
static bool has_plain_window(const struct plain_opening *opening, const struct packet *packet)
{
	return (uint32_t)packet->window << client_scale(opening) >= FLOW_WIDE_WINDOW_BYTES;
}

/* tcp_loss.c, note_ip_id: of an end that sends timestamps they go on, or there are none. */
static bool has_plain_ip_id(const struct plain_opening *opening, const struct packet *packet)
{
	int16_t step = (int16_t)(packet->ip_id - opening->syn.ip_id);

	if ((opening->syn.options & TCPOPT_TIMESTAMP) == 0)
		return true;
	if (packet->ip_id == 0)
		return opening->syn.ip_id == 0;
	return step > 0 || step < -TCP_MOST_IDS_MISSED;
}

static bool fits(uint64_t value, unsigned bits)
{
	return value < (UINT64_C(1) << bits) - 1;
}

/* What fits is so young that stamps stay where they began (tcp_stamp.h). */
_Static_assert((UINT64_C(1) << REST_SYNACK_AFTER_BITS) + (UINT64_C(1) << REST_RTT_BITS) * NS_PER_US < STAMP_EXACT_NS,
	       "an opening written at rest does not move stamps");

/* Time is known, no record is due, and all fits. */
static bool has_plain_time(const struct plain_opening *opening, const struct packet *packet, uint64_t interim_ns)
{
	uint64_t begin_ns = opening->syn.time_ns;
	uint64_t synack_ns = opening->synack.time_ns;
	uint64_t now_ns = packet->time_ns;

	return begin_ns != 0 && (interim_ns == 0 || now_ns - begin_ns < interim_ns) &&
	       fits(synack_ns - begin_ns, REST_SYNACK_AFTER_BITS) &&
	       fits((now_ns - synack_ns) / NS_PER_US, REST_RTT_BITS) && fits(opening->syn.number, REST_ID_BITS) &&
	       fits(opening->synack.number - opening->syn.number, REST_CAUSED_BITS) &&
	       fits(packet->number - opening->synack.number, REST_CAUSED_BITS);
}

static uint32_t owner_of(const struct plain_opening *opening, enum conn_side side)
{
	return tcp_conn_owner(opening->syn.number) | (uint32_t)side;
}

/* tcp_copy.c: it passed already. */
static bool may_be_copy(const struct plain_opening *opening, const struct packet *packet,
			struct recent_segments *recent)
{
	uint32_t owner = owner_of(opening, SIDE_CLIENT);

	if (packet->payload_hash == 0)
		return false;
	return packet->payload_hash == opening->syn.payload_hash ||
	       recent_segments_find(recent_segments_set(recent, owner, packet->seq), owner, packet) != NULL;
}

/* --- what SYN and SYN-ACK look like --- */

static bool offers(const struct plain_syn *syn, uint16_t option)
{
	return (syn->options & option) != 0;
}

/* tcp_opening.c, opened_by. */
static uint8_t offers_of(const struct plain_syn *syn)
{
	static const struct tcp_end scales = { .wscale_ok = true };
	static const struct tcp_end sacks = { .sack_ok = true };
	static const struct tcp_end dates = { .timestamps = true, .ts_known = true };
	static const struct tcp_end declines = { .timestamps_declined = true };

	return rest_offers_of((offers(syn, TCPOPT_WSCALE) ? scales.truths : 0) |
			      (offers(syn, TCPOPT_SACK_PERMITTED) ? sacks.truths : 0) |
			      (offers(syn, TCPOPT_TIMESTAMP) ? dates.truths : declines.truths));
}

static struct syn_shape shape_of(const struct plain_opening *opening)
{
	const struct plain_syn *syn = &opening->syn;
	const struct plain_syn *synack = &opening->synack;

	return (struct syn_shape){
		.layout = opening->layout,
		.mss = { offers(syn, TCPOPT_MSS) ? syn->mss : 0, offers(synack, TCPOPT_MSS) ? synack->mss : 0 },
		.window = syn->window,
		.source = opening->source,
		.offers = { offers_of(syn), offers_of(synack) },
		.wscales = (uint8_t)((syn->wscale & 15u) | (synack->wscale & 15u) << 4),
		.is_used = 1,
	};
}

static bool has_number(const struct plain_opening *opening, struct syn_shapes *shapes, uint16_t *number)
{
	const struct syn_shape shape = shape_of(opening);

	return syn_shapes_note(shapes, &shape, number);
}

bool plain_open_judge(const struct plain_opening *opening, const struct packet *packet, const struct plain_rules *rules,
		      struct syn_shapes *shapes, uint16_t *shape)
{
	return !rules->states_are_told && rules->max_window_bytes == 0 && has_plain_header(opening, packet) &&
	       has_plain_window(opening, packet) && has_plain_ip_id(opening, packet) &&
	       has_plain_time(opening, packet, rules->interim_ns) && !may_be_copy(opening, packet, rules->recent) &&
	       has_number(opening, shapes, shape);
}

/* --- what they leave behind --- */

size_t plain_open_bytes(const struct plain_opening *opening)
{
	return sizeof(struct rest_head) + (opening->is_ipv6 ? REST_BOTH_ADDRS_BYTES : 0) + sizeof(struct rest_opening);
}

/* tcp_opening.c: note_syn of the SYN, then the third segment. */
static struct rest_end client_of(const struct plain_opening *opening, const struct packet *packet)
{
	const struct plain_syn *syn = &opening->syn;
	struct rest_end client = {
		.snd_nxt = packet->seq,
		.snd_una = packet->seq,
		.ts_val = offers(syn, TCPOPT_TIMESTAMP) ? syn->ts_val : 0,
		.packets = 2,
		.bytes = (uint32_t)syn->ip_bytes + packet->ip_bytes,
		.last_window = packet->window,
		.front_ip_id = packet->ip_id,
	};

	if (is_agreed(opening, TCPOPT_TIMESTAMP))
		client.ts_val = seq_max(packet->options.ts_val, client.ts_val);
	return client;
}

/* Of front_ip_id see server_waits of struct rest_head. */
static struct rest_end server_of(const struct plain_opening *opening)
{
	const struct plain_syn *synack = &opening->synack;

	return (struct rest_end){
		.snd_nxt = synack->seq + 1,
		.snd_una = synack->seq + 1,
		.ts_val = offers(synack, TCPOPT_TIMESTAMP) ? synack->ts_val : 0,
		.packets = 1,
		.bytes = synack->ip_bytes,
		.last_window = synack->window,
		.front_ip_id = offers(synack, TCPOPT_TIMESTAMP) ? synack->ip_id : 0,
	};
}

/* tcp_loss.c: the next number after that of the SYN is a counter's. */
static bool counts_ip_ids(const struct plain_opening *opening, const struct packet *packet)
{
	return offers(&opening->syn, TCPOPT_TIMESTAMP) && packet->ip_id != 0 &&
	       (uint16_t)(packet->ip_id - opening->syn.ip_id) == 1;
}

static void write_head(const struct plain_opening *opening, const struct flow_key *key, const struct packet *packet,
		       struct rest_head *head)
{
	bool scaled = is_agreed(opening, TCPOPT_WSCALE);

	*head = (struct rest_head){
		.lag_ns = (packet->time_ns - opening->synack.time_ns) & ((UINT64_C(1) << 40) - 1),
		.last_side = SIDE_CLIENT,
		.is_ipv6 = opening->is_ipv6,
		.client_index = (opening->client_index & 1) != 0,
		.alerted = opening->alerted,
		.flow_class = FLOW_CLASS_ESTABLISHED,
		.is_plain = 1,
		.has_timestamps = is_agreed(opening, TCPOPT_TIMESTAMP),
		.ids_are_followed = ((unsigned)offers(&opening->syn, TCPOPT_TIMESTAMP) |
				     (unsigned)offers(&opening->synack, TCPOPT_TIMESTAMP) << 1) &
				    3u,
		.ids_count_up = counts_ip_ids(opening, packet),
		.history = COMMON_HISTORY_OPENED,
		.wscale_client = (scaled ? opening->syn.wscale : 0) & 15u,
		.wscale_server = (scaled ? opening->synack.wscale : 0) & 15u,
		.server_waits = 1,
		.close = REST_OPEN,
		.end = { client_of(opening, packet), server_of(opening) },
		.flags = { (uint8_t)(SEG_SYN | packet->flags), SEG_SYN | SEG_ACK },
		.port = { key->port[0], key->port[1] },
		.ttl = { packet->ttl, opening->synack.ttl },
	};

	memcpy(head->addr[0], key->addr[0], sizeof(head->addr[0]));
	memcpy(head->addr[1], key->addr[1], sizeof(head->addr[1]));
}

/* The SYN-ACK brought the client to ESTABLISHED, and the third segment shows that, and brought the server there. */
static void write_opening(const struct plain_opening *opening, const struct packet *packet, uint16_t shape,
			  struct rest_opening *rest)
{
	const struct plain_syn *syn = &opening->syn;
	const struct plain_syn *synack = &opening->synack;
	uint64_t rtt_client_us = (packet->time_ns - synack->time_ns) / NS_PER_US;

	*rest = (struct rest_opening){
		.first_ns = syn->time_ns & ((UINT64_C(1) << REST_FIRST_NS_BITS) - 1),
		.id = syn->number & ((UINT64_C(1) << REST_ID_BITS) - 1),
		.shape = shape,
		.synack_after_ns = (synack->time_ns - syn->time_ns) & ((UINT64_C(1) << REST_SYNACK_AFTER_BITS) - 1),
		.rtt_client_us = rtt_client_us & ((UINT64_C(1) << REST_RTT_BITS) - 1),
		.client_caused_by = (synack->number - syn->number) & ((1u << REST_CAUSED_BITS) - 1),
		.client_state_packet = (packet->number - synack->number) & ((1u << REST_CAUSED_BITS) - 1),
		.iss = { syn->seq, synack->seq },
		.first_syn_ts_val = { syn->ts_val, synack->ts_val },
	};
}

static void remember_syn(const struct plain_opening *opening, enum conn_side side, struct recent_segments *recent)
{
	const struct plain_syn *syn = side == SIDE_CLIENT ? &opening->syn : &opening->synack;
	const struct recent_segment segment = {
		.time_ns = syn->time_ns,
		.owner = owner_of(opening, side),
		.seq = syn->seq,
		.payload_hash = syn->payload_hash,
		.ip_id = syn->ip_id,
	};

	recent_segments_put(recent, &segment);
}

static void remember(const struct plain_opening *opening, const struct packet *packet, struct recent_segments *recent)
{
	uint32_t owner = owner_of(opening, SIDE_CLIENT);

	remember_syn(opening, SIDE_CLIENT, recent);
	remember_syn(opening, SIDE_SERVER, recent);
	recent_segments_add(recent_segments_set(recent, owner, packet->seq), owner, packet);
}

void plain_open_apply(const struct plain_opening *opening, const struct flow_key *key, const struct packet *packet,
		      const struct plain_rules *rules, uint16_t shape, struct rest_head *rest)
{
	write_head(opening, key, packet, rest);
	if (opening->is_ipv6)
		rest_put_addrs((uint8_t *)(rest + 1), key);
	write_opening(opening, packet, shape, rest_opening_of(rest));
	remember(opening, packet, rules->recent);
	if (rules->connection_opens != NULL && rules->connection_opens(rules->context, opening))
		rest->alerted = 1;
}

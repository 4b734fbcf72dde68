/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the packets of a burst will look at, fetched before the first of them is tracked. What is looked at is a flow as
 * a rule. With a SYN it is an attempt instead, or nothing at all; and so it may be with whatever has no flow. Each of
 * the functions that tracker_fetch calls is one step: it looks at what the one before has fetched.
 */
#include "tracker_internal.h"

static bool is_opening(const struct packet *packet)
{
	return (packet->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN;
}

static inline void fetch_detection(struct tracker_errand *errand, enum detect_fetch step)
{
	detect_source_fetch(errand->tracker->detection, &errand->trail.expected, errand->tracked->packet->time_ns,
			    step);
}

/* All but the SYN-ACK are sent to the server. */
static void expect_news(struct tracker_errand *errand, enum detect_news news)
{
	const struct packet *packet = errand->tracked->packet;
	bool is_to_client = news == DETECT_NEWS_ANSWERED;

	errand->trail.is_news = errand->tracker->detection != NULL;
	if (!errand->trail.is_news)
		return;
	errand->trail.expected.news = news;
	errand->trail.expected.client = is_to_client ? &packet->dst : &packet->src;
	errand->trail.expected.server = is_to_client ? &packet->src : &packet->dst;
	errand->trail.expected.server_port = is_to_client ? packet->src_port : packet->dst_port;
	fetch_detection(errand, DETECT_FETCH_PLACES);
}

static inline void fetch_chains(struct tracker_errand *errand)
{
	const struct tracker *tracker = errand->tracker;
	const struct tracked_packet *tracked = errand->tracked;

	errand->trail.is_news = false;
	errand->trail.is_of_handshake = (tracked->packet->flags & SEG_SYN) != 0;
	flow_table_fetch_chain(tracker->table, tracked->hash, &errand->trail.flow);
	if (!errand->trail.is_of_handshake)
		return;
	errand->trail.attempt = syn_store_fetch_chain(tracker->syn_store, tracked->hash);
	if (is_opening(tracked->packet))
		tombstones_fetch(tracker->tombstones, tracked->hash, 0);
	expect_news(errand, is_opening(tracked->packet) ? DETECT_NEWS_SYN : DETECT_NEWS_ANSWERED);
}

static inline void fetch_firsts(struct tracker_errand *errand)
{
	const struct tracker *tracker = errand->tracker;
	const struct tracked_packet *tracked = errand->tracked;

	flow_table_fetch_link(tracker->table, &errand->trail.flow);
	if (errand->trail.is_of_handshake) {
		errand->trail.attempt = syn_store_fetch_next(tracker->syn_store, errand->trail.attempt);
		if (is_opening(tracked->packet))
			tombstones_fetch(tracker->tombstones, tracked->hash, 1);
	} else if (errand->trail.flow.link == NULL) {
		errand->trail.attempt = syn_store_fetch_chain(tracker->syn_store, tracked->hash);
		expect_news(errand, DETECT_NEWS_COMPLETED);
	}
	if (errand->trail.is_news)
		fetch_detection(errand, DETECT_FETCH_RECORDS);
}

static inline void fetch_flow(struct tracker_errand *errand)
{
	const struct tracker *tracker = errand->tracker;

	flow_table_fetch_flow(tracker->table, errand->tracked->hash, &errand->trail.flow);
	if (errand->trail.is_news)
		fetch_detection(errand, DETECT_FETCH_PARTS);
	if (errand->trail.is_of_handshake || errand->trail.flow.link == NULL)
		errand->trail.attempt = syn_store_fetch_next(tracker->syn_store, errand->trail.attempt);
	else if (errand->trail.flow.rest == NULL)
		syn_store_fetch_chain(tracker->syn_store, errand->tracked->hash);
}

/* The third segment takes an attempt out of its store, and both SYNs are copied to where all segments are. */
static void fetch_recent_of_attempt(const struct tracker *tracker, const struct tracked_packet *tracked)
{
	const struct packet *packet = tracked->packet;
	const struct syn_entry *attempt = syn_store_find(tracker->syn_store, &tracked->key, tracked->hash);

	if (attempt == NULL)
		return;
	uint32_t owner = tcp_conn_owner(syn_store_id(attempt));
	recent_segments_fetch(tracker->tcp.recent, owner | SIDE_CLIENT, packet->seq - 1);
	recent_segments_fetch(tracker->tcp.recent, owner | SIDE_CLIENT, packet->seq);
	recent_segments_fetch(tracker->tcp.recent, owner | SIDE_SERVER, packet->ack - 1);
}

/* Behind the flow: the last segments of its sender, and whom its client's first words are told to. */
static inline void fetch_behind_flow(struct tracker_errand *errand)
{
	const struct tracker *tracker = errand->tracker;
	const struct tracked_packet *tracked = errand->tracked;
	const struct flow_glimpse flow = flow_table_peek(&errand->trail.flow);
	bool is_client = tracked->sender_index == flow.client_index;
	uint32_t side = is_client ? SIDE_CLIENT : SIDE_SERVER;

	recent_segments_fetch(tracker->tcp.recent, tcp_conn_owner(flow.id) | side, tracked->packet->seq);
	if (!is_client || flow.client_has_spoken || tracked->packet->payload_bytes == 0 || errand->trail.is_news)
		return;
	expect_news(errand, DETECT_NEWS_SPOKEN);
	fetch_detection(errand, DETECT_FETCH_RECORDS);
}

static inline void fetch_recent(struct tracker_errand *errand)
{
	const struct tracker *tracker = errand->tracker;
	const struct tracked_packet *tracked = errand->tracked;

	if (errand->trail.is_news)
		fetch_detection(errand, DETECT_FETCH_PARTS_OF_HOST);
	if (errand->trail.flow.rest != NULL)
		fetch_behind_flow(errand);
	else if (errand->trail.is_of_handshake)
		syn_store_fetch_next(tracker->syn_store, errand->trail.attempt);
	else if ((tracked->packet->flags & SEG_ACK) != 0)
		fetch_recent_of_attempt(tracker, tracked);
}

static inline void fetch_for_first_words(struct tracker_errand *errand)
{
	if (errand->trail.is_news && errand->trail.expected.news == DETECT_NEWS_SPOKEN)
		fetch_detection(errand, DETECT_FETCH_PARTS);
}

void tracker_fetch(struct tracker_errand *errands, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fetch_chains(&errands[i]);
	for (unsigned i = 0; i < n; i++)
		fetch_firsts(&errands[i]);
	for (unsigned i = 0; i < n; i++)
		fetch_flow(&errands[i]);
	for (unsigned i = 0; i < n; i++)
		fetch_recent(&errands[i]);
	for (unsigned i = 0; i < n; i++)
		fetch_for_first_words(&errands[i]);
}

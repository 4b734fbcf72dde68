/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A decoded segment on its way: time first (what is due expires before the segment counts), then its flow,
 * the machine, the counters, the events and signals that follow, and the flow's place in the table.
 */
#include "tracker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

void tracker_config_defaults(struct tracker_config *config)
{
	*config = (struct tracker_config){
		.key = { .use_vlan = true, .use_tunnel = true },
		.recent_bytes = RECENT_DEFAULT_BYTES,
		.interim_ns = 3600 * NS_PER_SEC,
		.attempt_sample = 64,
		.takes_short_way = true,
	};
	flow_table_config_defaults(&config->table);
	syn_store_config_defaults(&config->syn_store);
	tombstones_config_defaults(&config->tombstones);
	tcp_conn_config_defaults(&config->conn);
}

/* --- the end of a flow --- */

void tracker_end_record(struct tracker *tracker, struct flow *flow, uint64_t time_ns, enum flow_end_reason reason)
{
	tracker_signal_end(tracker, flow, reason == FLOW_END_REUSED);
	tracker_write_flow(tracker, flow, time_ns, reason);
}

static void end_flow(struct tracker *tracker, struct flow *flow, uint64_t time_ns, enum flow_end_reason reason)
{
	tracker_end_record(tracker, flow, time_ns, reason);
	flow_table_remove(tracker->table, flow);
}

/* Both ends are done with it, or only repeat themselves: what comes behind its end is late. */
static bool is_over(enum flow_class class)
{
	return class == FLOW_CLASS_CLOSING || class == FLOW_CLASS_TIME_WAIT || class == FLOW_CLASS_CLOSED;
}

/* The table takes the place away by itself afterwards. */
static void on_evict(void *context, struct flow *flow)
{
	struct tracker *tracker = context;
	enum flow_class class = (enum flow_class)flow->flow_class;

	if (class != FLOW_CLASS_UNANSWERED_NEW && class != FLOW_CLASS_UNANSWERED)
		tombstones_add(tracker->tombstones, flow, is_over(class), tracker->now_ns);
	tracker_end_record(tracker, flow, tracker->now_ns, FLOW_END_EVICTED);
}

void tracker_time_out(struct tracker *tracker, struct flow *flow, uint64_t due_ns)
{
	const struct packet nothing = { .time_ns = due_ns, .number = tracker->packet_number };
	bool over = flow->flow_class == FLOW_CLASS_TIME_WAIT || flow->flow_class == FLOW_CLASS_CLOSED;
	struct tcp_verdict verdict;

	tcp_conn_expire(&flow->conn, due_ns, &verdict);
	tracker_fold_anomalies(tracker, flow, &nothing, &verdict.anomalies);
	tracker_write_transitions(tracker, flow, due_ns, tracker->packet_number, &verdict);
	tracker_end_record(tracker, flow, due_ns, over ? FLOW_END_CLOSED : FLOW_END_TIMEOUT);
}

static void expire(struct tracker *tracker, struct flow *flow)
{
	uint64_t due_ns = flow_table_due_ns(tracker->table, flow);

	/* Not when the packet happened to come that lets it go off: that may be one of another tracker. */
	tracker->due_ns = due_ns;
	if (flow->flow_class == FLOW_CLASS_UNANSWERED_NEW) {
		tracker_signal_overdue(tracker, flow, SIGNAL_UNANSWERED);
		flow_table_move_on(tracker->table, flow, FLOW_CLASS_UNANSWERED);
		flow_table_close(tracker->table);
	} else if (flow->flow_class == FLOW_CLASS_HALF_OPEN_NEW) {
		tracker_signal_overdue(tracker, flow, SIGNAL_STILL_HALF_OPEN);
		flow_table_move_on(tracker->table, flow, FLOW_CLASS_HALF_OPEN);
		flow_table_close(tracker->table);
	} else {
		if (is_over((enum flow_class)flow->flow_class))
			tombstones_add(tracker->tombstones, flow, true, due_ns);
		tracker_time_out(tracker, flow, due_ns);
		flow_table_remove(tracker->table, flow);
	}
	tracker->due_ns = 0;
}

bool tracker_timer_is_before(const struct tracker_timer *a, const struct tracker_timer *b)
{
	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns;
	if (a->flow_class != b->flow_class)
		return a->flow_class < b->flow_class;
	return a->flow_id < b->flow_id;
}

uint64_t tracker_due_ns(const struct tracker *tracker)
{
	uint64_t flow_ns = flow_table_next_due_ns(tracker->table);
	uint64_t attempt_ns = tracker_attempt_due_ns(tracker);

	return flow_ns < attempt_ns ? flow_ns : attempt_ns;
}

void tracker_pass_time(struct tracker *tracker, uint64_t now_ns, uint64_t packet_number)
{
	if (now_ns > tracker->now_ns)
		tracker->now_ns = now_ns;
	tracker->packet_number = packet_number;
	flow_table_pass_time(tracker->table, tracker->now_ns);
}

bool tracker_first_timer(struct tracker *tracker, struct tracker_timer *timer)
{
	bool is_flow_due = flow_table_next_due_ns(tracker->table) <= tracker->now_ns;
	struct flow *flow = is_flow_due ? flow_table_next_expired(tracker->table, tracker->now_ns) : NULL;

	if (flow != NULL) {
		*timer = (struct tracker_timer){
			.due_ns = flow_table_due_ns(tracker->table, flow),
			.flow_id = flow->id,
			.flow_class = flow->flow_class,
		};
	}
	struct syn_entry *attempt = tracker_attempt_due_before(tracker, flow, timer);
	if (flow == NULL && attempt == NULL)
		return false;
	tracker->next.flow = flow;
	tracker->next.attempt = attempt;
	tracker->next.timer = *timer;
	return true;
}

void tracker_fire(struct tracker *tracker)
{
	if (tracker->next.attempt != NULL)
		tracker_expire_attempt(tracker, tracker->next.attempt, &tracker->next.timer);
	else
		expire(tracker, tracker->next.flow);
}

void tracker_advance(struct tracker *tracker, uint64_t now_ns, uint64_t packet_number)
{
	struct tracker_timer timer;

	tracker_pass_time(tracker, now_ns, packet_number);
	while (tracker_first_timer(tracker, &timer))
		tracker_fire(tracker);
}

/* --- a segment and its flow --- */

/*
 * Of one end only something is heard, and no SYN: a flood of FINs or SYN-ACKs out of nowhere must not push out those
 * who try to connect.
 */
static bool is_lone(const struct tcp_conn *conn)
{
	return conn->origin != CONN_ORIGIN_SYN && !(conn->end[SIDE_CLIENT].heard && conn->end[SIDE_SERVER].heard);
}

/* The timer and the rank that follow from the phase. The first second of an attempt has a class of its own. */
static enum flow_class class_of(const struct flow *flow)
{
	enum conn_phase phase = tcp_conn_phase(&flow->conn);

	if (is_lone(&flow->conn) && (phase == CONN_PHASE_HALF_OPEN || phase == CONN_PHASE_HALF_CLOSED))
		return FLOW_CLASS_MIDSTREAM;
	switch (phase) {
	case CONN_PHASE_UNANSWERED:
		return flow->flow_class == FLOW_CLASS_UNANSWERED ? FLOW_CLASS_UNANSWERED : FLOW_CLASS_UNANSWERED_NEW;
	case CONN_PHASE_HALF_OPEN:
		return flow->flow_class == FLOW_CLASS_HALF_OPEN ? FLOW_CLASS_HALF_OPEN : FLOW_CLASS_HALF_OPEN_NEW;
	case CONN_PHASE_MIDSTREAM:
		return FLOW_CLASS_MIDSTREAM;
	case CONN_PHASE_ESTABLISHED:
		return FLOW_CLASS_ESTABLISHED;
	case CONN_PHASE_HALF_CLOSED:
		return FLOW_CLASS_HALF_CLOSED;
	case CONN_PHASE_CLOSING:
		return FLOW_CLASS_CLOSING;
	case CONN_PHASE_TIME_WAIT:
		return FLOW_CLASS_TIME_WAIT;
	case CONN_PHASE_CLOSED:
	case CONN_PHASE_COUNT:
		break;
	}
	return FLOW_CLASS_CLOSED;
}

/*
 * Which segments restart a timer. Repeats of a SYN do not (they cannot hold an entry for ever), SYN-ACKs do once the
 * answer is overdue; 2MSL restarts with a repeated FIN (RFC 9293 3.10.7.8); a closed flow only waits for stragglers.
 */
static bool restarts_timer(enum flow_class class, const struct tcp_verdict *verdict)
{
	switch (class) {
	case FLOW_CLASS_UNANSWERED_NEW:
	case FLOW_CLASS_UNANSWERED:
	case FLOW_CLASS_HALF_OPEN_NEW:
	case FLOW_CLASS_CLOSED:
	case FLOW_CLASS_FREE:
	case FLOW_CLASS_COUNT:
		return false;
	case FLOW_CLASS_HALF_OPEN:
		return anomaly_set_has(&verdict->anomalies, ANOMALY_SYNACK_RETRANSMIT);
	case FLOW_CLASS_TIME_WAIT:
		return anomaly_set_has(&verdict->anomalies, ANOMALY_FIN_RETRANSMIT);
	case FLOW_CLASS_MIDSTREAM:
	case FLOW_CLASS_ESTABLISHED:
	case FLOW_CLASS_HALF_CLOSED:
	case FLOW_CLASS_CLOSING:
		break;
	}
	return true;
}

static void place(struct tracker *tracker, struct flow *flow, const struct tcp_verdict *verdict)
{
	enum flow_class class = class_of(flow);

	if (class != (enum flow_class)flow->flow_class || restarts_timer(class, verdict))
		flow_table_touch(tracker->table, flow, class, tracker->now_ns);
}

void tracker_count(struct flow *flow, enum conn_side side, const struct packet *packet)
{
	struct flow_direction *direction = &flow->direction[side];

	if (direction->packets == 0 || packet->ttl < direction->ttl_min)
		direction->ttl_min = packet->ttl;
	if (packet->ttl > direction->ttl_max)
		direction->ttl_max = packet->ttl;
	direction->packets++;
	direction->bytes += packet->ip_bytes;
	direction->flags |= packet->flags;
	if (packet->time_ns > flow->last_ns)
		flow->last_ns = packet->time_ns;
}

/* A connection that lives for days is not to be silent for days (and a sensor may be killed before its end). */
static void write_interim(struct tracker *tracker, struct flow *flow, const struct packet *packet)
{
	uint64_t interval_ns = tracker->config.interim_ns;

	if (interval_ns == 0 || ns_since(packet->time_ns, flow->recorded_ns) < interval_ns)
		return;
	flow->recorded_ns = packet->time_ns;
	flow->n_interim++;
	tracker_write_flow(tracker, flow, packet->time_ns, FLOW_END_INTERIM);
}

/*
 * How many of one end's segments in a row show that the other one cannot be heard; and of a connection that was picked
 * up while one end had a whole window to send.
 */
enum { ONE_WAY_PACKETS = 4, ONE_WAY_MIDSTREAM_PACKETS = 32 };

static void count_views(struct tracker *tracker, const struct flow *flow, enum conn_side side,
			const struct tcp_verdict *verdict)
{
	uint64_t sent = flow->direction[side].packets;
	bool other_heard = flow->direction[conn_side_other(side)].packets > 0;
	bool began = flow->conn.origin <= CONN_ORIGIN_SYNACK;
	uint64_t enough = began ? ONE_WAY_PACKETS : ONE_WAY_MIDSTREAM_PACKETS;

	tracker->stats.with_payload += verdict->new_payload && other_heard;
	tracker->stats.unseen += verdict->n_unseen;
	tracker->stats.came_late += verdict->came_late;
	tracker->stats.one_way += sent == enough && !other_heard && flow->conn.established_once;
	tracker->stats.two_way += sent == 1 && other_heard;
}

void tracker_observe(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet,
		     const struct tcp_verdict *verdict)
{
	tracker_count(flow, side, packet);
	conn_history_segment(&flow->history, side, packet, verdict);
	tracker_fold_anomalies(tracker, flow, packet, &verdict->anomalies);
	tracker_write_transitions(tracker, flow, packet->time_ns, packet->number, verdict);
	tracker_signal_segment(tracker, flow, side, verdict);
	count_views(tracker, flow, side, verdict);
	write_interim(tracker, flow, packet);
}

static void conclude(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet,
		     const struct tcp_verdict *verdict)
{
	tracker_observe(tracker, flow, side, packet, verdict);
	place(tracker, flow, verdict);
}

/* A lone reset, or flags that no receiver accepts, begin nothing (RFC 9293 3.10.7.1). */
static bool begins_flow(const struct packet *packet)
{
	if (packet->flags & SEG_RST)
		return false;
	if (packet->flags & SEG_SYN)
		return (packet->flags & SEG_FIN) == 0;
	return (packet->flags & SEG_ACK) != 0;
}

void tracker_init_flow(struct flow *flow, const struct packet *packet)
{
	flow->id = packet->number;
	flow->first_ns = packet->time_ns;
	flow->recorded_ns = packet->time_ns;
	flow->last_ns = packet->time_ns;
	flow->source = packet->source;
	flow->n_vlans = packet->n_vlans;
	flow->n_tunnels = packet->n_tunnels;
	memcpy(flow->vlans, packet->vlans, sizeof(flow->vlans));
	memcpy(flow->tunnels, packet->tunnels, sizeof(flow->tunnels));
	conn_history_init(&flow->history);
}

static struct flow *insert(struct tracker *tracker, const struct flow_key *key, uint64_t hash,
			   const struct packet *packet)
{
	struct flow *flow = flow_table_insert(tracker->table, key, hash, FLOW_CLASS_UNANSWERED_NEW, tracker->now_ns);

	if (flow == NULL) {
		tracker->stats.untracked++;
		return NULL;
	}
	tracker->stats.connections++;
	tracker_init_flow(flow, packet);
	return flow;
}

/* Not inline: most connections begin in the store of attempts, and need no room on the stack. */
__attribute__((noinline)) static void begin_in_table(struct tracker *tracker, const struct flow_key *key, uint64_t hash,
						     unsigned sender_index, const struct packet *packet,
						     uint64_t previous_id)
{
	struct tcp_verdict verdict;

	bool is_stray = previous_id == 0 && (packet->flags & (SEG_SYN | SEG_ACK)) != SEG_SYN;
	struct flow *flow = insert(tracker, key, hash, packet);
	if (flow == NULL) {
		if (is_stray)
			tracker_signal_stray(tracker, NULL, packet);
		return;
	}
	flow->previous_id = previous_id;
	uint32_t owner = tcp_conn_owner(flow->id);
	enum conn_side side = tcp_conn_init(&flow->conn, &tracker->tcp, owner, packet, &verdict);
	flow->client_index = (uint8_t)(side == SIDE_CLIENT ? sender_index : 1 - sender_index);
	if (is_stray)
		tracker_begin_stray(tracker, flow, side, packet);
	conclude(tracker, flow, side, packet, &verdict);
}

static void begin_flow(struct tracker *tracker, const struct flow_key *key, uint64_t hash, unsigned sender_index,
		       const struct packet *packet, uint64_t previous_id)
{
	if (!tracker_begin_attempt(tracker, key, hash, sender_index, packet, previous_id))
		begin_in_table(tracker, key, hash, sender_index, packet, previous_id);
}

/*
 * The SYN that the old flow held opened this connection; the segment at hand is its first answer. The SYN's own
 * packet was counted in the old record, so the new one begins with its time and number.
 */
static void begin_flow_from_held_syn(struct tracker *tracker, const struct flow *old, unsigned sender_index,
				     const struct packet *packet)
{
	const struct packet_syn syn = old->conn.next_syn;
	const struct flow_key key = old->key;
	uint64_t hash = old->hash;
	uint64_t old_id = old->id;
	enum conn_side opener = (enum conn_side)old->conn.next_syn_side;
	unsigned opener_index = opener == SIDE_CLIENT ? old->client_index : 1u - old->client_index;
	struct tcp_verdict verdict;

	end_flow(tracker, flow_table_find(tracker->table, &key, hash), packet->time_ns, FLOW_END_REUSED);
	struct flow *flow = insert(tracker, &key, hash, packet);
	if (flow == NULL)
		return;
	flow->id = syn.number;
	flow->previous_id = old_id;
	flow->first_ns = syn.time_ns;
	flow->client_index = (uint8_t)opener_index;
	tcp_conn_init_from_syn(&flow->conn, &tracker->tcp, tcp_conn_owner(flow->id), &syn, &verdict);
	conn_history_held_syn(&flow->history, &syn);
	tracker_write_transitions(tracker, flow, syn.time_ns, syn.number, &verdict);
	tracker_signal_segment(tracker, flow, SIDE_CLIENT, &verdict);
	enum conn_side side = sender_index == flow->client_index ? SIDE_CLIENT : SIDE_SERVER;
	tcp_conn_advance(&flow->conn, &tracker->tcp, side, packet, &verdict);
	conclude(tracker, flow, side, packet, &verdict);
}

static void known_flow(struct tracker *tracker, struct flow *flow, unsigned sender_index, const struct packet *packet)
{
	enum conn_side side = sender_index == flow->client_index ? SIDE_CLIENT : SIDE_SERVER;
	bool is_stray = tracker_is_stray(flow);
	struct tcp_verdict verdict;

	tcp_conn_advance(&flow->conn, &tracker->tcp, side, packet, &verdict);
	switch ((enum conn_verdict_kind)verdict.kind) {
	case CONN_DUPLICATE:
		tracker->stats.duplicates++;
		tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
		return;
	case CONN_NEW_INCARNATION: {
		const struct flow_key key = flow->key;
		uint64_t hash = flow->hash;
		uint64_t old_id = flow->id;
		tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
		end_flow(tracker, flow, packet->time_ns, FLOW_END_REUSED);
		begin_flow(tracker, &key, hash, sender_index, packet, old_id);
		return;
	}
	case CONN_NEW_INCARNATION_HELD_SYN:
		tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
		begin_flow_from_held_syn(tracker, flow, sender_index, packet);
		return;
	case CONN_ACCEPT:
	case CONN_TRACK_ONLY:
		break;
	}
	if (is_stray)
		tracker_follow_stray(tracker, flow, side, packet, &verdict);
	conclude(tracker, flow, side, packet, &verdict);
}

/* It is counted and shown, and moves nothing: no receiver would take it (RFC 9293 3.1). */
static void bad_checksum(struct tracker *tracker, struct flow *flow, unsigned sender_index, const struct packet *packet)
{
	struct tcp_verdict verdict = { .kind = CONN_TRACK_ONLY, .anomalies = packet->anomalies };

	tracker->stats.bad_checksum++;
	if (flow == NULL) {
		tracker_orphan_anomalies(tracker, packet);
		return;
	}
	enum conn_side side = sender_index == flow->client_index ? SIDE_CLIENT : SIDE_SERVER;
	tracker_count(flow, side, packet);
	conn_history_segment(&flow->history, side, packet, &verdict);
	tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
}

static void icmp_error(struct tracker *tracker, struct flow *flow, unsigned sender_index, const struct packet *packet)
{
	struct tcp_verdict verdict;

	if (flow == NULL) {
		tracker->stats.icmp_unmatched++;
		return;
	}
	tracker->stats.icmp_matched++;
	enum conn_side side = sender_index == flow->client_index ? SIDE_CLIENT : SIDE_SERVER;
	tcp_conn_icmp(&flow->conn, side, packet, &verdict);
	tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
	tracker_write_transitions(tracker, flow, packet->time_ns, packet->number, &verdict);
	tracker_signal_segment(tracker, flow, side, &verdict);
	place(tracker, flow, &verdict);
}

static void segment(struct tracker *tracker, struct flow *flow, const struct flow_key *key, uint64_t hash,
		    unsigned sender_index, const struct packet *packet)
{
	uint64_t previous_id;

	if (flow != NULL) {
		known_flow(tracker, flow, sender_index, packet);
	} else if (tombstones_is_late(tracker->tombstones, hash, sender_index, packet, tracker->now_ns, &previous_id)) {
		tracker->stats.late_segments++;
		tracker_orphan_segment(tracker, packet, ANOMALY_NO_SESSION_SEGMENT);
	} else if (begins_flow(packet)) {
		begin_flow(tracker, key, hash, sender_index, packet, previous_id);
	} else {
		tracker->stats.out_of_state++;
		tracker->stats.lone_resets += (packet->flags & SEG_RST) != 0;
		if (previous_id == 0)
			tracker_signal_stray(tracker, NULL, packet);
		tracker_orphan_anomalies(tracker, packet);
	}
}

static void track(struct tracker *tracker, const struct tracked_packet *tracked)
{
	const struct packet *packet = tracked->packet;
	bool ignored = packet->checksum == CHECKSUM_BAD && !tracker->config.track_bad_checksums;

	if (!tracked->is_icmp_quote) {
		tracker->stats.segments++;
		tracker->stats.payload_bytes += packet->payload_bytes;
	}
	bool may_be_plain = !tracked->is_icmp_quote && !ignored && tracker->config.takes_short_way;
	struct flow *flow;
	if (!may_be_plain) {
		flow = flow_table_find(tracker->table, &tracked->key, tracked->hash);
	} else if (flow_table_plain_segment(tracker->table, &tracked->key, tracked->hash, tracked->sender_index, packet,
					    &tracker->plain, &flow)) {
		tracker->stats.short_way++;
		tracker->stats.with_payload += packet->payload_bytes > 0;
		return;
	}
	if (flow == NULL) {
		struct syn_entry *attempt = syn_store_find(tracker->syn_store, &tracked->key, tracked->hash);
		if (attempt != NULL && !tracked->is_icmp_quote && !ignored &&
		    tracker_follow_attempt(tracker, attempt, tracked))
			return;
		if (attempt != NULL)
			flow = tracker_promote_attempt(tracker, attempt);
	}
	if (tracked->is_icmp_quote)
		icmp_error(tracker, flow, tracked->sender_index, packet);
	else if (ignored)
		bad_checksum(tracker, flow, tracked->sender_index, packet);
	else
		segment(tracker, flow, &tracked->key, tracked->hash, tracked->sender_index, packet);
}

void tracker_prepare(const struct tracker *tracker, const struct packet *packet, bool is_icmp_quote,
		     struct tracked_packet *tracked)
{
	tracked->packet = packet;
	tracked->now_ns = packet->time_ns;
	tracked->is_icmp_quote = is_icmp_quote;
	tracked->sender_index =
		(uint8_t)flow_key_with_hash(&tracker->config.key, packet, &tracked->key, &tracked->hash);
}

void tracker_follow(struct tracker *tracker, const struct tracked_packet *tracked)
{
	tracker_pass_time(tracker, tracked->now_ns, tracked->packet->number);
	track(tracker, tracked);
	flow_table_close(tracker->table);
}

void tracker_track(struct tracker *tracker, const struct tracked_packet *tracked)
{
	tracker_advance(tracker, tracked->now_ns, tracked->packet->number);
	tracker_follow(tracker, tracked);
}

void tracker_packet(struct tracker *tracker, const struct packet *packet, bool is_icmp_quote)
{
	struct tracked_packet tracked;

	tracker_prepare(tracker, packet, is_icmp_quote, &tracked);
	tracker_track(tracker, &tracked);
}

/* --- life cycle --- */

struct tracker *tracker_create(const struct tracker_config *config, struct detect_source *detection,
			       const struct event_writer *writer, const char *const *source_names, struct error *error)
{
	struct tracker *tracker = calloc(1, sizeof(*tracker));

	if (tracker == NULL) {
		error_set(error, "out of memory: no room for the tracker");
		return NULL;
	}
	tracker->config = *config;
	tracker->detection = detection;
	tracker_set_writer(tracker, writer, tracker->own_orphan_counts);
	tracker->source_names = source_names;
	tracker->tcp = (struct tcp_context){ config->conn, recent_segments_create(config->recent_bytes, error) };
	tracker->plain = (struct plain_rules){
		.recent = tracker->tcp.recent,
		.connection_opens = detection != NULL ? tracker_connection_opens : NULL,
		.client_speaks = detection != NULL ? tracker_client_speaks : NULL,
		.flow_closes = tracker_flow_closes,
		.context = tracker,
		.sketch = &tracker->scratch,
		.states_are_told = event_writer_may_want(writer, EVENT_TCP_STATE),
		.interim_ns = config->interim_ns,
		.max_window_bytes = config->conn.max_window_bytes,
	};
	tracker->config.table.key = &tracker->config.key;
	if (tracker->tcp.recent != NULL)
		tracker->table = flow_table_create(&tracker->config.table, on_evict, tracker, error);
	tracker->syn_store = tracker->table != NULL ? tracker_create_syn_store(tracker, error) : NULL;
	tracker->tombstones = tracker->syn_store != NULL ? tombstones_create(&config->tombstones, error) : NULL;
	if (tracker->tombstones == NULL) {
		tracker_destroy(tracker);
		return NULL;
	}
	return tracker;
}

void tracker_destroy(struct tracker *tracker)
{
	if (tracker == NULL)
		return;
	tombstones_destroy(tracker->tombstones);
	syn_store_destroy(tracker->syn_store);
	flow_table_destroy(tracker->table);
	recent_segments_destroy(tracker->scratch_tcp.recent);
	recent_segments_destroy(tracker->tcp.recent);
	free(tracker);
}

void tracker_set_writer(struct tracker *tracker, const struct event_writer *writer, uint64_t *orphan_counts)
{
	tracker->writer = *writer;
	tracker->orphan_counts = orphan_counts;
}

/* Its record is counted, and nobody wants it. */
static void count_left(void *context, const struct flow *flow)
{
	struct tracker *tracker = context;

	tracker_write_flow(tracker, flow, tracker->now_ns, FLOW_END_SHUTDOWN);
}

/* Of flows that are left, only their number is told: as of attempts (tracker_attempts.c). */
static void finish_quietly(struct tracker *tracker)
{
	uint64_t outcomes[CONN_OUTCOME_COUNT] = { 0 };

	flow_table_count_out(tracker->table, outcomes, count_left, tracker);
	for (unsigned i = 0; i < CONN_OUTCOME_COUNT; i++)
		tracker_count_records(tracker, (enum conn_outcome)i, outcomes[i]);
}

static struct flow *first_flow_left(struct tracker *tracker)
{
	if (event_writer_may_want(&tracker->writer, EVENT_FLOW))
		return flow_table_first(tracker->table);
	finish_quietly(tracker);
	return NULL;
}

bool tracker_first_left(struct tracker *tracker, uint64_t *flow_id)
{
	struct flow *flow = first_flow_left(tracker);
	struct syn_entry *attempt = tracker_attempt_left_before(tracker, flow);

	if (flow == NULL && attempt == NULL)
		return false;
	tracker->next.flow = flow;
	tracker->next.attempt = attempt;
	*flow_id = attempt != NULL ? syn_store_id(attempt) : flow->id;
	return true;
}

void tracker_record_left(struct tracker *tracker)
{
	struct flow *flow = tracker->next.flow;

	if (tracker->next.attempt != NULL) {
		tracker_finish_attempt(tracker, tracker->next.attempt);
		return;
	}
	tracker_write_flow(tracker, flow, tracker->now_ns, FLOW_END_SHUTDOWN);
	flow_table_remove(tracker->table, flow);
}

void tracker_finish(struct tracker *tracker)
{
	uint64_t flow_id;

	while (tracker_first_left(tracker, &flow_id))
		tracker_record_left(tracker);
}

const struct tracker_stats *tracker_get_stats(const struct tracker *tracker)
{
	return &tracker->stats;
}

const struct flow_table_stats *tracker_get_table_stats(const struct tracker *tracker)
{
	return flow_table_get_stats(tracker->table);
}

const struct syn_store_stats *tracker_get_syn_stats(const struct tracker *tracker)
{
	return syn_store_get_stats(tracker->syn_store);
}

uint64_t tracker_evicted(const struct tracker *tracker)
{
	const struct syn_store_stats *store = syn_store_get_stats(tracker->syn_store);

	return flow_table_get_stats(tracker->table)->evicted_total + store->evicted[SYN_UNANSWERED_NEW] +
	       store->evicted[SYN_UNANSWERED];
}

const struct tombstones_stats *tracker_get_tombstone_stats(const struct tracker *tracker)
{
	return tombstones_get_stats(tracker->tombstones);
}

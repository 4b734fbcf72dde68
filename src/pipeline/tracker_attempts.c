/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attempts of which only SYNs were seen, or one SYN and a plain SYN-ACK, live in the SYN store, packed. Whenever
 * something happens to one, the flow that it stands for is made anew in tracker->scratch, by giving its segments to the
 * state machine again; then the same functions serve it as serve every flow. So a store that is full, or none, changes
 * how much is remembered and nothing else. What comes most often needs no flow: the first SYN, the SYN-ACK that answers
 * it, and the third segment, as long as nothing is odd about them.
 */
#include "tracker_internal.h"

#include <string.h>

#include "tcpwitness/base/units.h"

/* --- from the store to a flow --- */

static void add_anomalies(struct flow *flow, const struct anomaly_set *anomalies, uint32_t times)
{
	if (anomaly_set_empty(anomalies) || times == 0)
		return;
	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		if (anomaly_set_has(anomalies, (enum anomaly)i))
			anomaly_counts_add_times(&flow->anomalies, (enum anomaly)i, times);
	}
}

/* A segment that was counted when it came. */
static void replay(struct flow *flow, enum conn_side side, const struct packet *packet,
		   const struct tcp_verdict *verdict)
{
	tracker_count(flow, side, packet);
	conn_history_segment(&flow->history, side, packet, verdict);
	add_anomalies(flow, &verdict->anomalies, 1);
}

static void replay_repeats(const struct tracker *tracker, struct flow *flow, const struct syn_attempt *attempt)
{
	struct packet packet = attempt->first;
	struct tcp_verdict verdict;

	for (unsigned i = 0; i < attempt->n_repeats; i++) {
		packet.time_ns = attempt->repeats[i].time_ns;
		packet.payload_hash = attempt->repeats[i].hash;
		packet.ip_id = attempt->repeats[i].ip_id;
		if (i + 1 == attempt->n_repeats)
			packet.options.ts_val = attempt->last_ts_val;
		tcp_conn_advance(&flow->conn, &tracker->scratch_tcp, SIDE_CLIENT, &packet, &verdict);
		replay(flow, SIDE_CLIENT, &packet, &verdict);
	}
}

static void replay_answer(const struct tracker *tracker, struct flow *flow, const struct packet *answer)
{
	struct tcp_verdict verdict;

	tcp_conn_advance(&flow->conn, &tracker->scratch_tcp, SIDE_SERVER, answer, &verdict);
	replay(flow, SIDE_SERVER, answer, &verdict);
	tracker_half_open_begins(flow, answer->time_ns);
}

static const enum flow_class flow_class_of[SYN_CLASS_COUNT] = {
	[SYN_UNANSWERED_NEW] = FLOW_CLASS_UNANSWERED_NEW,
	[SYN_UNANSWERED] = FLOW_CLASS_UNANSWERED,
	[SYN_HALF_OPEN_NEW] = FLOW_CLASS_HALF_OPEN_NEW,
	[SYN_HALF_OPEN] = FLOW_CLASS_HALF_OPEN,
};

/* Makes *flow what it would be, had the attempt been a flow all the time. Nothing is written or signalled. */
static void make_flow(const struct tracker *tracker, const struct syn_entry *entry, struct flow *flow)
{
	struct syn_attempt attempt;
	struct tcp_verdict verdict;

	syn_store_unpack(tracker->syn_store, entry, &attempt);
	memset(flow, 0, sizeof(*flow));
	flow->client_index = (uint8_t)flow_key_from_packet(&tracker->config.key, &attempt.first, &flow->key);
	flow->hash = flow_key_hash(&tracker->config.key, &flow->key);
	flow->flow_class = (uint8_t)flow_class_of[attempt.class];
	flow->touched_ns = attempt.touched_ns;
	tracker_init_flow(flow, &attempt.first);
	flow->previous_id = attempt.previous_id;
	flow->alerted = attempt.alerted;
	flow->signals = tracker_signals_of_attempt(&attempt);
	recent_segments_clear(tracker->scratch_tcp.recent);
	uint32_t owner = tcp_conn_owner(flow->id);
	tcp_conn_init(&flow->conn, &tracker->scratch_tcp, owner, &attempt.first, &verdict);
	replay(flow, SIDE_CLIENT, &attempt.first, &verdict);
	replay_repeats(tracker, flow, &attempt);
	struct anomaly_set of_duplicate = attempt.first.anomalies;
	anomaly_set_add(&of_duplicate, ANOMALY_CAPTURE_DUPLICATE);
	add_anomalies(flow, &of_duplicate, attempt.n_duplicates);
	if (attempt.class >= SYN_HALF_OPEN_NEW)
		replay_answer(tracker, flow, &attempt.answer);
}

struct flow *tracker_promote_attempt(struct tracker *tracker, struct syn_entry *attempt)
{
	struct flow *image = &tracker->scratch;

	make_flow(tracker, attempt, image);
	syn_store_promote(tracker->syn_store, attempt, image->hash);
	struct flow *flow =
		flow_table_adopt(tracker->table, image, (enum flow_class)image->flow_class, image->touched_ns);
	if (flow == NULL)
		tracker_end_record(tracker, image, tracker->now_ns, FLOW_END_EVICTED);
	else
		recent_segments_copy(tracker->tcp.recent, tracker->scratch_tcp.recent);
	return flow;
}

/* --- signals without a flow --- */

/*
 * What the flow of an attempt would tell the detectors, from its first SYN: in a flood there are only attempts, and
 * most of what happens to one is told to nobody else. A unit test compares with what flows tell.
 */
static struct flow_signal signal_of(const struct tracker *tracker, enum flow_signal_kind kind,
				    const struct syn_entry *attempt)
{
	struct syn_gist syn;

	syn_store_get_gist(tracker->syn_store, attempt, &syn);
	return (struct flow_signal){
		.kind = kind,
		.answered = syn.answered,
		.spoke = true,
		.timestamps = (syn.options & TCPOPT_TIMESTAMP) != 0,
		.retried = syn.repeated,
		.ttl = syn.ttl,
		.window = syn.window,
		.syn_layout = syn.layout,
		.isn = syn.iss,
		.client = syn.client,
		.server = syn.server,
		.client_port = syn.client_port,
		.server_port = syn.server_port,
		.flow_id = syn.id,
		.now_ns = tracker->due_ns != 0 ? tracker->due_ns : tracker->now_ns,
		.packet_number = tracker->packet_number,
		.since_ns = syn.time_ns,
	};
}

static void give(const struct tracker *tracker, struct syn_entry *attempt, const struct flow_signal *signal)
{
	if (detect_source_signal(tracker->detection, signal))
		syn_store_set_alerted(attempt);
}

static void give_signal(const struct tracker *tracker, enum flow_signal_kind kind, struct syn_entry *attempt)
{
	if (tracker->detection == NULL)
		return;
	const struct flow_signal signal = signal_of(tracker, kind, attempt);
	give(tracker, attempt, &signal);
}

/* Nothing of it is written, so that it needs no flow: no record, no states, and a SYN like this is no anomaly. */
static bool begins_quietly(const struct tracker *tracker, const struct packet *packet)
{
	return !event_writer_may_want(&tracker->writer, EVENT_TCP_STATE) && packet->flags == SEG_SYN &&
	       packet->payload_bytes == 0 && (packet->options.present & TCPOPT_FASTOPEN) == 0 &&
	       anomaly_set_empty(&packet->anomalies);
}

/* One more signal may come at its end that says that an alarm is open; then tracker_write_flow leaves it out. */
static bool is_left_out(const struct tracker *tracker, const struct syn_entry *attempt)
{
	return syn_store_is_alerted(attempt) && tracker_is_left_out(tracker, syn_store_id(attempt));
}

static bool ends_quietly(const struct tracker *tracker, const struct syn_entry *attempt)
{
	return !event_writer_may_want(&tracker->writer, EVENT_TCP_STATE) &&
	       (!event_writer_may_want(&tracker->writer, EVENT_FLOW) || is_left_out(tracker, attempt));
}

static void count_quiet_end(struct tracker *tracker, const struct syn_entry *attempt, enum conn_outcome outcome)
{
	tracker_count_records(tracker, outcome, 1);
	tracker->stats.flow_records_left_out += is_left_out(tracker, attempt);
}

static void end_quietly(struct tracker *tracker, struct syn_entry *attempt, enum conn_outcome outcome)
{
	give_signal(tracker, SIGNAL_CLOSED, attempt);
	count_quiet_end(tracker, attempt, outcome);
}

/* --- beginning and repeats --- */

static void keep_alerted(const struct tracker *tracker, struct syn_entry *attempt)
{
	if (tracker->scratch.alerted)
		syn_store_set_alerted(attempt);
}

/* Whatever the first SYN brings about, with the flow that it would be. Not inline: in a flood nothing needs that. */
__attribute__((noinline)) static void begin_aloud(struct tracker *tracker, const struct flow_key *key, uint64_t hash,
						  unsigned client_index, const struct packet *packet,
						  uint64_t previous_id)
{
	struct flow *flow = &tracker->scratch;
	struct tcp_verdict verdict;

	memset(flow, 0, sizeof(*flow));
	flow->key = *key;
	flow->hash = hash;
	flow->client_index = (uint8_t)client_index;
	tracker_init_flow(flow, packet);
	flow->previous_id = previous_id;
	recent_segments_clear(tracker->scratch_tcp.recent);
	tcp_conn_init(&flow->conn, &tracker->scratch_tcp, tcp_conn_owner(flow->id), packet, &verdict);
	tracker_observe(tracker, flow, SIDE_CLIENT, packet, &verdict);
}

bool tracker_begin_attempt(struct tracker *tracker, const struct flow_key *key, uint64_t hash, unsigned sender_index,
			   const struct packet *packet, uint64_t previous_id)
{
	if ((packet->flags & (SEG_SYN | SEG_ACK | SEG_RST | SEG_FIN)) != SEG_SYN)
		return false;
	struct syn_entry *attempt =
		syn_store_insert(tracker->syn_store, packet, sender_index, hash, previous_id, tracker->now_ns);
	if (attempt == NULL)
		return false;
	tracker->stats.connections++;
	if (begins_quietly(tracker, packet)) {
		give_signal(tracker, SIGNAL_ATTEMPT, attempt);
		return true;
	}
	begin_aloud(tracker, key, hash, sender_index, packet, previous_id);
	keep_alerted(tracker, attempt);
	return true;
}

/* An interim record is one more thing that only a flow remembers. */
static bool is_interim_due(const struct tracker *tracker, uint64_t recorded_ns, const struct packet *packet)
{
	return tracker->config.interim_ns != 0 && ns_since(packet->time_ns, recorded_ns) >= tracker->config.interim_ns;
}

/* Not inline, as begin_aloud. */
__attribute__((noinline)) static bool repeat_attempt(struct tracker *tracker, struct syn_entry *attempt,
						     const struct packet *packet)
{
	struct flow *flow = &tracker->scratch;
	struct tcp_verdict verdict;

	if (!syn_store_holds(tracker->syn_store, attempt, packet) || !syn_store_reserve(tracker->syn_store, attempt))
		return false;
	make_flow(tracker, attempt, flow);
	if (is_interim_due(tracker, flow->recorded_ns, packet))
		return false;
	tcp_conn_advance(&flow->conn, &tracker->scratch_tcp, SIDE_CLIENT, packet, &verdict);
	if (verdict.kind == CONN_DUPLICATE) {
		tracker->stats.duplicates++;
		tracker_fold_anomalies(tracker, flow, packet, &verdict.anomalies);
		syn_store_duplicate(tracker->syn_store, attempt);
		return true;
	}
	if (verdict.kind != CONN_ACCEPT || tcp_conn_phase(&flow->conn) != CONN_PHASE_UNANSWERED)
		return false;
	tracker_observe(tracker, flow, SIDE_CLIENT, packet, &verdict);
	syn_store_repeat(tracker->syn_store, attempt, packet);
	keep_alerted(tracker, attempt);
	return true;
}

/*
 * The server's first SYN-ACK, and nothing odd about it: unless states are told, all that comes of it is that the
 * detectors are told, so that it needs no flow either.
 */
static bool answer_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracked_packet *tracked)
{
	const struct packet *packet = tracked->packet;
	uint64_t max_window_bytes = tracker->config.conn.max_window_bytes;
	struct syn_gist syn;

	if (event_writer_may_want(&tracker->writer, EVENT_TCP_STATE) || packet->time_ns != tracker->now_ns ||
	    (max_window_bytes != 0 && packet->window > max_window_bytes))
		return false;
	syn_store_get_gist(tracker->syn_store, attempt, &syn);
	if (is_interim_due(tracker, syn.time_ns, packet))
		return false;
	if (!syn_store_answer(tracker->syn_store, attempt, packet))
		return false;
	tracker->stats.two_way++;
	if (tracker->detection == NULL)
		return true;
	struct flow_signal signal = signal_of(tracker, SIGNAL_ANSWERED, attempt);
	signal.bare_synack = tracker_is_bare(syn.options, packet->options.present, packet->options.mss);
	give(tracker, attempt, &signal);
	return true;
}

/* The same as signal_opening of tracker_signals.c gives, when a server has the third segment that sent one SYN-ACK. */
bool tracker_connection_opens(void *context, const struct plain_opening *opening)
{
	const struct tracker *tracker = context;
	struct flow_signal signal = signal_of(tracker, SIGNAL_COMPLETED, opening->attempt);

	signal.ended = true;
	return detect_source_signal(tracker->detection, &signal);
}

/* The third segment of an attempt in good order: it becomes a flow at rest, without one that is open in between. */
static bool open_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracked_packet *tracked)
{
	struct plain_opening opening;

	if (!tracker->config.takes_short_way || !syn_store_get_opening(tracker->syn_store, attempt, &opening) ||
	    !flow_table_plain_opening(tracker->table, &tracked->key, tracked->hash, &opening, tracked->packet,
				      &tracker->plain))
		return false;
	syn_store_promote(tracker->syn_store, attempt, tracked->hash);
	tracker->stats.short_way++;
	return true;
}

bool tracker_follow_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracked_packet *tracked)
{
	if ((tracked->packet->flags & SEG_ACK) == 0)
		return repeat_attempt(tracker, attempt, tracked->packet);
	if (tracked->sender_index == syn_store_client_index(attempt))
		return open_attempt(tracker, attempt, tracked);
	return answer_attempt(tracker, attempt, tracked);
}

/* --- the end --- */

static void on_evict(void *context, struct syn_entry *attempt)
{
	struct tracker *tracker = context;

	if (ends_quietly(tracker, attempt)) {
		end_quietly(tracker, attempt, CONN_OUTCOME_IN_PROGRESS);
		return;
	}
	make_flow(tracker, attempt, &tracker->scratch);
	tracker_end_record(tracker, &tracker->scratch, tracker->now_ns, FLOW_END_EVICTED);
}

struct syn_store *tracker_create_syn_store(struct tracker *tracker, struct error *error)
{
	struct syn_store_config config = tracker->config.syn_store;

	/* One set is enough: an attempt's segments are one SYN, and its repeats or the SYN-ACK. */
	tracker->scratch_tcp = (struct tcp_context){ tracker->config.conn, recent_segments_create(0, error) };
	if (tracker->scratch_tcp.recent == NULL)
		return NULL;
	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++)
		config.timeout_ns[i] = tracker->config.table.timeout_ns[flow_class_of[i]];
	return syn_store_create(&config, &tracker->config.key, on_evict, tracker, error);
}

static void time_out(struct tracker *tracker, struct syn_entry *attempt, const struct tracker_timer *timer)
{
	if (timer->flow_class == FLOW_CLASS_UNANSWERED && ends_quietly(tracker, attempt)) {
		end_quietly(tracker, attempt, CONN_OUTCOME_NEVER_ANSWERED);
	} else {
		make_flow(tracker, attempt, &tracker->scratch);
		tracker_time_out(tracker, &tracker->scratch, timer->due_ns);
	}
	syn_store_expire(tracker->syn_store, attempt);
}

static void become_overdue(struct tracker *tracker, struct syn_entry *attempt, const struct tracker_timer *timer)
{
	bool is_answered = timer->flow_class == FLOW_CLASS_HALF_OPEN_NEW;

	give_signal(tracker, is_answered ? SIGNAL_STILL_HALF_OPEN : SIGNAL_UNANSWERED, attempt);
	syn_store_move_on(tracker->syn_store, attempt);
}

uint64_t tracker_attempt_due_ns(const struct tracker *tracker)
{
	return syn_store_due_ns(tracker->syn_store);
}

struct syn_entry *tracker_attempt_due_before(struct tracker *tracker, const struct flow *flow,
					     struct tracker_timer *timer)
{
	uint64_t due_ns;
	enum syn_class class;
	struct syn_entry *attempt = syn_store_first_due(tracker->syn_store, &due_ns, &class);

	if (attempt == NULL || due_ns > tracker->now_ns)
		return NULL;
	const struct tracker_timer own = {
		.due_ns = due_ns,
		.flow_id = syn_store_id(attempt),
		.flow_class = (uint8_t)flow_class_of[class],
	};
	/* The flow's was filled in by the caller. */
	if (flow != NULL && !tracker_timer_is_before(&own, timer))
		return NULL;
	*timer = own;
	return attempt;
}

void tracker_expire_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracker_timer *timer)
{
	tracker->due_ns = timer->due_ns;
	if (timer->flow_class == FLOW_CLASS_UNANSWERED || timer->flow_class == FLOW_CLASS_HALF_OPEN)
		time_out(tracker, attempt, timer);
	else
		become_overdue(tracker, attempt, timer);
	tracker->due_ns = 0;
}

static void count_left_out(void *context, const struct syn_entry *attempt)
{
	struct tracker *tracker = context;

	tracker->stats.flow_records_left_out += is_left_out(tracker, attempt);
}

/* Of attempts that are left, only their number is told: one after the other, in order, that would take much longer. */
static void finish_quietly(struct tracker *tracker)
{
	const uint64_t *in_use = syn_store_get_stats(tracker->syn_store)->in_use;

	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++)
		tracker_count_records(tracker, CONN_OUTCOME_IN_PROGRESS, in_use[i]);
	/* Only a detector marks attempts. */
	if (tracker->detection != NULL)
		syn_store_each(tracker->syn_store, count_left_out, tracker);
	syn_store_clear(tracker->syn_store);
}

struct syn_entry *tracker_attempt_left_before(struct tracker *tracker, const struct flow *flow)
{
	if (!event_writer_may_want(&tracker->writer, EVENT_TCP_STATE) &&
	    !event_writer_may_want(&tracker->writer, EVENT_FLOW)) {
		finish_quietly(tracker);
		return NULL;
	}
	struct syn_entry *attempt = syn_store_oldest(tracker->syn_store);

	return attempt != NULL && flow != NULL && flow->id < syn_store_id(attempt) ? NULL : attempt;
}

void tracker_finish_attempt(struct tracker *tracker, struct syn_entry *attempt)
{
	if (ends_quietly(tracker, attempt)) {
		count_quiet_end(tracker, attempt, CONN_OUTCOME_IN_PROGRESS);
	} else {
		make_flow(tracker, attempt, &tracker->scratch);
		tracker_write_flow(tracker, &tracker->scratch, tracker->now_ns, FLOW_END_SHUTDOWN);
	}
	syn_store_remove(tracker->syn_store, attempt);
}

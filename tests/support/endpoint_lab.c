/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_lab.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tcp_endpoint.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/pipeline/tracker.h"

enum {
	MAX_FLIGHTS = 64,
	MAX_PACKETS = 600,
	N_STEPS_TO_REST = 400,
	STATES_BEFORE_END = ENDPOINT_MAX_PAST - 16,
	TRACKER_MEMORY_BYTES = 64 << 10,
	N_HOSTS = 2,
};

/* What becomes of the next segment that a host sends. */
enum fault {
	LOSE_BEFORE_TAP = 1 << 0,
	LOSE_BEHIND_TAP = 1 << 1,
	REPEAT_BEFORE_TAP = 1 << 2,
	REPEAT_BEHIND_TAP = 1 << 3,
	HOLD_BEFORE_TAP = 1 << 4,
	HOLD_BEHIND_TAP = 1 << 5,
	MISS_AT_TAP = 1 << 6,
};

#define HOLD_NS   (15 * NS_PER_MS)
#define REPEAT_NS (5 * NS_PER_MS)

struct flight {
	uint64_t at_ns;
	uint64_t order; /* among those of one instant */
	uint8_t from;   /* host */
	bool at_tap;    /* the next place it comes to; else the other host */
	bool seen;
	uint8_t faults;
	uint16_t ip_id;
	struct endpoint_segment segment;
};

/* What the tracker says of one host's end. */
struct claim {
	bool made;
	uint64_t flow_id;
	uint8_t state;
	uint8_t certainty;
};

struct host {
	struct tcp_endpoint endpoint;
	uint64_t way_ns[2]; /* from the host to the tap, from the tap to the other host */
	uint8_t faults;
	uint16_t next_ip_id;
	unsigned past_shown; /* state in which it sent the latest of its segments that the tap has seen */
	bool left_unseen[ENDPOINT_MAX_PAST]; /* past[i] was entered for a segment that the tap did not see */
	struct claim claim;
};

struct lab {
	struct host hosts[N_HOSTS];
	struct flight flights[MAX_FLIGHTS];
	unsigned n_flights;
	uint64_t now_ns;
	uint64_t order;
	uint64_t n_packets;
	uint64_t n_recorded; /* packets in flow records */
	struct tracker *tracker;
	struct sensor_event event;
	unsigned allowed;
	lab_tap_fn *tap; /* may be null */
	void *tap_context;
	FILE *trace;
	struct lab_score *score;
	char problem[256];
};

/* --- what is said --- */

static const char *flags_text(uint16_t flags)
{
	static char text[8];
	unsigned n = 0;

	for (unsigned i = 0; i < 5; i++) {
		if (flags >> i & 1)
			text[n++] = "FSRPA"[i];
	}
	text[n] = '\0';
	return text;
}

__attribute__((format(printf, 2, 3))) static void trace(const struct lab *lab, const char *format, ...)
{
	va_list arguments;

	if (lab->trace == NULL)
		return;
	fprintf(lab->trace, "%10.6f ", (double)lab->now_ns / 1e9);
	va_start(arguments, format);
	vfprintf(lab->trace, format, arguments);
	va_end(arguments);
	fputc('\n', lab->trace);
}

__attribute__((format(printf, 2, 3))) static void complain(struct lab *lab, const char *format, ...)
{
	va_list arguments;

	if (lab->problem[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(lab->problem, sizeof(lab->problem), format, arguments);
	va_end(arguments);
}

static char host_name(unsigned host)
{
	return (char)('A' + host);
}

/* --- the tracker's word --- */

static unsigned host_of(const struct sensor_event *event, enum conn_side side)
{
	const struct ip_addr *addr = side == SIDE_CLIENT ? &event->ends.client : &event->ends.server;

	return addr->bytes[3] - 1u;
}

static void note_transition(struct lab *lab, const struct sensor_event *event)
{
	const struct tcp_transition *t = &event->tcp_state.transition;
	unsigned host = host_of(event, (enum conn_side)t->side);
	struct claim *claim = &lab->hosts[host].claim;

	trace(lab, "    %c: %s -> %s %s%s, caused by %llu", host_name(host), tcp_state_name((enum tcp_state)t->from),
	      tcp_state_name((enum tcp_state)t->to), tcp_certainty_name((enum tcp_certainty)t->certainty),
	      t->inferred ? " inferred" : "", (unsigned long long)t->caused_by);
	if (t->certainty == TCP_CONTRADICTED && claim->made && claim->flow_id == event->flow_id &&
	    claim->certainty == TCP_PROVED)
		complain(lab, "packet %llu: %c's %s was proved and is taken back", (unsigned long long)lab->n_packets,
			 host_name(host), tcp_state_name((enum tcp_state)claim->state));
	*claim = (struct claim){ true, event->flow_id, t->to, t->certainty };
}

static void note_record(struct lab *lab, const struct sensor_event *event)
{
	const struct event_flow *flow = &event->flow;

	if (flow->reason == FLOW_END_INTERIM)
		return;
	trace(lab, "    record of flow %llu: %s, %s", (unsigned long long)event->flow_id,
	      conn_outcome_name((enum conn_outcome)flow->outcome),
	      flow_end_reason_name((enum flow_end_reason)flow->reason));
	lab->n_recorded += flow->end[SIDE_CLIENT].packets + flow->end[SIDE_SERVER].packets;
	for (unsigned i = 0; i < N_HOSTS; i++) {
		if (lab->hosts[i].claim.flow_id == event->flow_id)
			lab->hosts[i].claim.made = false;
	}
}

static struct sensor_event *event_begin(void *context, enum sensor_event_type type)
{
	struct lab *lab = context;

	memset(&lab->event, 0, sizeof(lab->event));
	lab->event.type = type;
	return &lab->event;
}

static void event_end(void *context, struct sensor_event *event)
{
	struct lab *lab = context;

	if (event->type == EVENT_TCP_STATE)
		note_transition(lab, event);
	else if (event->type == EVENT_FLOW)
		note_record(lab, event);
}

/* --- held to what the endpoints know --- */

/* No segment tells whether a host without a connection listens. */
static uint8_t known(uint8_t state)
{
	return state == TCPS_LISTEN ? TCPS_CLOSED : state;
}

static bool was_in(const struct host *host, uint8_t state)
{
	for (unsigned i = host->past_shown; i < host->endpoint.n_past; i++) {
		if (host->endpoint.past[i].state == state)
			return true;
	}
	return false;
}

/*
 * It left the state because a segment came that the tap had seen. Then the tracker knew, when that segment passed, that
 * the state may be over. (A RST that the host sent itself may not have come to the tap yet.)
 */
static bool left_for_seen_segment(const struct host *host, uint8_t state)
{
	const struct tcp_endpoint *ep = &host->endpoint;

	for (unsigned i = ep->n_past - 1; i > host->past_shown; i--) {
		if (ep->past[i].state == state)
			return false;
		if (ep->past[i - 1].state == state)
			return ep->past[i].by_segment && !ep->past[i].sent_reset && !host->left_unseen[i];
	}
	return false;
}

static void look(struct lab *lab)
{
	for (unsigned i = 0; i < N_HOSTS; i++) {
		const struct host *host = &lab->hosts[i];
		const struct claim *claim = &host->claim;
		uint8_t state = known(claim->state);
		uint8_t truth = (uint8_t)endpoint_state(&host->endpoint);

		if (!claim->made)
			continue;
		lab->score->looks++;
		lab->score->right += state == truth;
		lab->score->proved += claim->certainty == TCP_PROVED;
		if (claim->certainty != TCP_PROVED)
			continue;
		if (!was_in(host, state))
			complain(
				lab,
				"packet %llu: %c is %s proved, but was not since it sent what was seen last, and is %s",
				(unsigned long long)lab->n_packets, host_name(i), tcp_state_name((enum tcp_state)state),
				tcp_state_name((enum tcp_state)truth));
		else if (left_for_seen_segment(host, state))
			complain(lab,
				 "packet %llu: %c is %s proved, but left it for a segment that was seen, and is %s",
				 (unsigned long long)lab->n_packets, host_name(i),
				 tcp_state_name((enum tcp_state)state), tcp_state_name((enum tcp_state)truth));
	}
}

/* --- the path --- */

static void fly(struct lab *lab, struct flight flight)
{
	if (lab->n_flights == MAX_FLIGHTS)
		return; /* lost: the path is full. Before the tap or behind it, as it comes */
	flight.order = lab->order++;
	lab->flights[lab->n_flights++] = flight;
}

/* Takes what the endpoint sent in its last call onto the path. */
static void send_out(struct lab *lab, unsigned from)
{
	struct host *host = &lab->hosts[from];
	struct tcp_endpoint *ep = &host->endpoint;

	for (unsigned i = 0; i < ep->n_out; i++) {
		uint8_t faults = host->faults;
		struct flight flight = {
			.at_ns = lab->now_ns + host->way_ns[0],
			.from = (uint8_t)from,
			.at_tap = true,
			.faults = faults,
			.ip_id = ++host->next_ip_id,
			.segment = ep->out[i],
		};

		host->faults = 0;
		trace(lab, "%c sends %s seq %u ack %u len %u in %s%s", host_name(from), flags_text(ep->out[i].flags),
		      ep->out[i].seq, ep->out[i].ack, ep->out[i].payload_bytes, tcp_state_name(endpoint_state(ep)),
		      (faults & LOSE_BEFORE_TAP) ? ", lost before the tap" : "");
		if (faults & LOSE_BEFORE_TAP)
			continue;
		if (faults & HOLD_BEFORE_TAP)
			flight.at_ns += HOLD_NS;
		fly(lab, flight);
		if (faults & REPEAT_BEFORE_TAP) {
			flight.at_ns += REPEAT_NS;
			flight.faults = 0;
			fly(lab, flight);
		}
	}
	ep->n_out = 0;
}

static struct packet packet_of(struct lab *lab, const struct flight *flight)
{
	const struct endpoint_segment *segment = &flight->segment;
	unsigned from = flight->from;
	struct packet packet = {
		.time_ns = lab->now_ns,
		.number = ++lab->n_packets,
		.ip_bytes = (uint16_t)(40 + segment->payload_bytes),
		.wire_bytes = 54 + segment->payload_bytes,
		.src = { .version = 4, .bytes = { 10, 0, 0, (uint8_t)(1 + from) } },
		.dst = { .version = 4, .bytes = { 10, 0, 0, (uint8_t)(2 - from) } },
		.src_port = from == 0 ? 40000 : 80,
		.dst_port = from == 0 ? 80 : 40000,
		.ttl = 64,
		.ip_id = flight->ip_id,
		.seq = segment->seq,
		.ack = segment->ack,
		.flags = segment->flags,
		.window = 65535,
		.payload_bytes = segment->payload_bytes,
		.payload_captured_bytes = segment->payload_bytes,
		.payload_hash = (segment->seq * 31u + segment->ack * 17u + segment->flags + segment->ts_val) | 1u,
		.options_complete = true,
		.checksum = CHECKSUM_GOOD,
	};

	if (segment->timestamps) {
		packet.options.present |= TCPOPT_TIMESTAMP;
		packet.options.ts_val = segment->ts_val;
		packet.options.ts_ecr = segment->ts_ecr;
	}
	if (segment->flags & SEG_SYN) {
		packet.options.present |= TCPOPT_MSS;
		packet.options.mss = 1000;
	}
	return packet;
}

static void pass_tap(struct lab *lab, struct flight flight)
{
	struct host *sender = &lab->hosts[flight.from];

	if ((flight.faults & MISS_AT_TAP) == 0) {
		struct packet packet = packet_of(lab, &flight);

		flight.seen = true;
		trace(lab, "%llu: %c %s seq %u ack %u len %u%s", (unsigned long long)lab->n_packets,
		      host_name(flight.from), flags_text(packet.flags), packet.seq, packet.ack, packet.payload_bytes,
		      (flight.faults & LOSE_BEHIND_TAP) ? ", lost behind the tap" : "");
		if (flight.segment.past > sender->past_shown && !flight.segment.shows_nothing)
			sender->past_shown = flight.segment.past;
		if (lab->tap != NULL)
			lab->tap(lab->tap_context, &packet);
		tracker_packet(lab->tracker, &packet, false);
		look(lab);
	}
	if (flight.faults & LOSE_BEHIND_TAP)
		return;
	flight.at_tap = false;
	flight.at_ns += sender->way_ns[1] + ((flight.faults & HOLD_BEHIND_TAP) ? HOLD_NS : 0);
	fly(lab, flight);
	if (flight.faults & REPEAT_BEHIND_TAP) {
		/* The tap knows nothing of this copy. */
		flight.at_ns += REPEAT_NS;
		flight.seen = false;
		fly(lab, flight);
	}
}

/* After the endpoint was called: what it became, and what it sent. */
static void conclude(struct lab *lab, unsigned host, unsigned n_past_before, bool unseen)
{
	const struct tcp_endpoint *ep = &lab->hosts[host].endpoint;

	for (unsigned i = n_past_before; i < ep->n_past; i++) {
		lab->hosts[host].left_unseen[i] = unseen;
		trace(lab, "%c is %s", host_name(host), tcp_state_name((enum tcp_state)ep->past[i].state));
	}
	send_out(lab, host);
	if (ep->n_past != n_past_before)
		look(lab);
}

static void arrive(struct lab *lab, const struct flight *flight)
{
	unsigned to = 1u - flight->from;
	struct tcp_endpoint *ep = &lab->hosts[to].endpoint;
	unsigned n_past = ep->n_past;

	endpoint_receive(ep, lab->now_ns, &flight->segment);
	conclude(lab, to, n_past, !flight->seen);
}

/* --- time --- */

static bool is_before(const struct flight *a, const struct flight *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

/* The next thing that happens of itself, if it does by limit_ns. False: nothing did. */
static bool step(struct lab *lab, uint64_t limit_ns)
{
	unsigned first = 0;
	unsigned host = endpoint_due_ns(&lab->hosts[0].endpoint) <= endpoint_due_ns(&lab->hosts[1].endpoint) ? 0 : 1;
	uint64_t due_ns = endpoint_due_ns(&lab->hosts[host].endpoint);

	for (unsigned i = 1; i < lab->n_flights; i++) {
		if (is_before(&lab->flights[i], &lab->flights[first]))
			first = i;
	}
	bool flight_first = lab->n_flights > 0 && lab->flights[first].at_ns <= due_ns;
	uint64_t at_ns = flight_first ? lab->flights[first].at_ns : due_ns;
	if (at_ns > limit_ns || at_ns == UINT64_MAX)
		return false;
	lab->now_ns = at_ns;
	if (!flight_first) {
		unsigned n_past = lab->hosts[host].endpoint.n_past;
		endpoint_timer(&lab->hosts[host].endpoint, at_ns);
		conclude(lab, host, n_past, false);
		return true;
	}
	struct flight flight = lab->flights[first];
	lab->flights[first] = lab->flights[--lab->n_flights];
	if (flight.at_tap)
		pass_tap(lab, flight);
	else
		arrive(lab, &flight);
	return true;
}

/* --- what the bytes say --- */

static bool may_connect(const struct lab *lab, unsigned host)
{
	enum tcp_state other = endpoint_state(&lab->hosts[1 - host].endpoint);

	if (host == 1 && (lab->allowed & LAB_BOTH_CONNECT) == 0)
		return false;
	if (lab->allowed & (LAB_REUSE_AT_ONCE | LAB_BOTH_CONNECT))
		return true;
	if (lab->n_flights > 0)
		return false;
	return other == TCPS_CLOSED || other == TCPS_TIME_WAIT || (lab->allowed & LAB_REUSE) != 0;
}

static void application(struct lab *lab, unsigned host, unsigned what)
{
	struct tcp_endpoint *ep = &lab->hosts[host].endpoint;
	unsigned n_past = ep->n_past;

	switch (what & 15) {
	case 0:
	case 1:
	case 2:
		endpoint_write(ep, lab->now_ns, 100);
		break;
	case 3:
		endpoint_write(ep, lab->now_ns, 2500);
		break;
	case 4:
	case 5:
		endpoint_shutdown(ep, lab->now_ns);
		break;
	case 6:
	case 7:
	case 8:
		endpoint_close(ep, lab->now_ns);
		break;
	case 9:
		endpoint_abort(ep, lab->now_ns);
		break;
	case 10:
		endpoint_probe(ep, lab->now_ns);
		break;
	case 11:
		if (lab->allowed & LAB_CRASHES)
			endpoint_crash(ep, lab->now_ns);
		break;
	default:
		if (may_connect(lab, host))
			endpoint_connect(ep, lab->now_ns);
		break;
	}
	conclude(lab, host, n_past, false);
}

/* A host's application, the path, or the clock. Most often the clock: the rest needs time to have an effect. */
static void act(struct lab *lab, uint8_t byte)
{
	static const uint8_t faults[] = {
		LOSE_BEFORE_TAP, LOSE_BEHIND_TAP, REPEAT_BEFORE_TAP, REPEAT_BEHIND_TAP,
		HOLD_BEFORE_TAP, HOLD_BEHIND_TAP, MISS_AT_TAP,       LOSE_BEFORE_TAP | LOSE_BEHIND_TAP,
	};
	static const uint64_t waits_ns[] = { NS_PER_MS, 45 * NS_PER_MS, 2 * NS_PER_SEC, 130 * NS_PER_SEC };
	unsigned host = byte & 1;

	if (byte < 64) {
		application(lab, host, byte >> 1);
	} else if (byte < 96) {
		uint8_t fault = faults[byte >> 1 & 7];
		if (fault != MISS_AT_TAP || (lab->allowed & LAB_TAP_MISSES))
			lab->hosts[host].faults |= fault;
	} else if (byte < 104) {
		uint64_t until_ns = lab->now_ns + waits_ns[byte & 3];
		while (lab->problem[0] == '\0' && lab->n_packets < MAX_PACKETS && step(lab, until_ns))
			;
		lab->now_ns = until_ns;
	} else {
		step(lab, UINT64_MAX);
	}
}

/* A host that is about to forget more states than are remembered has seen enough. */
static bool goes_on(const struct lab *lab)
{
	return lab->problem[0] == '\0' && lab->n_packets < MAX_PACKETS &&
	       lab->hosts[0].endpoint.n_past < STATES_BEFORE_END && lab->hosts[1].endpoint.n_past < STATES_BEFORE_END;
}

static void host_init(struct host *host, uint8_t options, uint8_t way, bool listens)
{
	const struct endpoint_config config = {
		.listens = listens,
		.timestamps = (options & 1) != 0,
		.delays_acks = (options & 2) != 0,
		.time_wait_resets = (options & 4) != 0,
		.fin_with_data = (options & 8) != 0,
		.synack_establishes = (options & 16) != 0,
		.random_iss = (options & 32) != 0,
	};

	/* Numbers that wrap soon are no worse than others. */
	endpoint_init(&host->endpoint, &config, (options & 64) ? UINT32_MAX - 50 : 1000000);
	host->way_ns[0] = (1 + (way & 15)) * NS_PER_MS;
	host->way_ns[1] = (1 + (way >> 4)) * NS_PER_MS;
	host->next_ip_id = 1;
}

static void check_conservation(struct lab *lab)
{
	const struct tracker_stats *stats = tracker_get_stats(lab->tracker);
	uint64_t accounted =
		lab->n_recorded + stats->duplicates + stats->late_segments + stats->out_of_state + stats->untracked;

	if (stats->segments != lab->n_packets)
		complain(lab, "%llu packets, but %llu segments counted", (unsigned long long)lab->n_packets,
			 (unsigned long long)stats->segments);
	if (accounted != lab->n_packets)
		complain(lab, "%llu packets, but %llu in records, duplicates, late and out of state",
			 (unsigned long long)lab->n_packets, (unsigned long long)accounted);
}

static void run(struct lab *lab, const uint8_t *data, size_t size)
{
	enum { N_OPTIONS = 5 };
	struct event_writer writer = { .context = lab, .begin = event_begin, .end = event_end };
	static const char *const source_names[] = { "tap" };
	struct tracker_config config;
	struct error error;

	if (size < N_OPTIONS)
		return;
	lab->now_ns = 1000 * NS_PER_SEC;
	host_init(&lab->hosts[0], data[0], data[1], (data[4] & 1) != 0);
	host_init(&lab->hosts[1], data[2], data[3], (data[4] & 6) != 0);
	tracker_config_defaults(&config);
	config.table.memory_bytes = TRACKER_MEMORY_BYTES;
	config.key.secret = siphash_key_from_seed(1);
	lab->tracker = tracker_create(&config, NULL, &writer, source_names, &error);
	assert(lab->tracker != NULL);

	for (size_t i = N_OPTIONS; i < size && goes_on(lab); i++)
		act(lab, data[i]);
	lab->hosts[0].faults = lab->hosts[1].faults = 0;
	for (unsigned i = 0; i < N_STEPS_TO_REST && goes_on(lab); i++) {
		if (!step(lab, UINT64_MAX))
			break;
	}
	tracker_finish(lab->tracker);
	check_conservation(lab);
	lab->score->packets += lab->n_packets;
	tracker_destroy(lab->tracker);
}

const char *lab_run(const uint8_t *data, size_t size, unsigned allowed, FILE *trace_file, struct lab_score *score)
{
	static struct lab lab;

	lab = (struct lab){ .allowed = allowed, .trace = trace_file, .score = score };
	run(&lab, data, size);
	return lab.problem[0] == '\0' ? NULL : lab.problem;
}

void lab_play(const uint8_t *data, size_t size, unsigned allowed, lab_tap_fn *tap, void *context)
{
	static struct lab lab;
	struct lab_score score = { 0 };

	lab = (struct lab){ .allowed = allowed, .tap = tap, .tap_context = context, .score = &score };
	run(&lab, data, size);
}

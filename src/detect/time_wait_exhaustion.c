/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that run out of ports towards one service (detection science, section 4): who closes first keeps the port
 * for 2MSL, and a client that opens faster than range / 2MSL ends without one. The failing connect() sends nothing,
 * so the alarm must come before: from the ports in use and from when they come free. A use that will settle below the
 * range is no alarm, however high, until it is dangerously close.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcpwitness/base/units.h"

#include "bounded_table.h"
#include "detect_internal.h"
#include "evidence.h"
#include "port_ring.h"

/* The pair is looked at from this occupancy on. */
#define WATCH_OCCUPANCY 0.1

/* The forecast is honest up to here; beyond, too much can change. */
#define HORIZON_S 300.0

/* So full, the next connect() may fail, whatever comes free. */
#define EXHAUSTED_OCCUPANCY 0.99

/* Silence means failing connects only where hardly a port is left. */
#define SILENT_OCCUPANCY 0.9

struct time_wait_params {
	uint64_t port_range;
	bool learn_range;
	uint64_t two_msl_ns;
	double warn_at;
	double warn_always_at;
	double critical_at;
	uint64_t warn_ahead_ns;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "port_range", RULE_PARAM_COUNT, offsetof(struct time_wait_params, port_range), 16, 65535, 28232,
	  "source ports that a client can use towards one service" },
	{ "learn_range", RULE_PARAM_FLAG, offsetof(struct time_wait_params, learn_range), 0, 1, 1,
	  "correct port_range where a client's ports show that its range is another" },
	{ "two_msl", RULE_PARAM_DURATION, offsetof(struct time_wait_params, two_msl_ns), 6, 600, 60,
	  "how long TIME_WAIT lasts, for the forecast; as the tracker's own setting" },
	{ "warn_at", RULE_PARAM_RATIO, offsetof(struct time_wait_params, warn_at), 0.1, 1, 0.5,
	  "occupancy from which on an expected exhaustion is an alarm" },
	{ "warn_ahead", RULE_PARAM_DURATION, offsetof(struct time_wait_params, warn_ahead_ns), 1, 300, 300,
	  "an exhaustion later than this is not yet an alarm" },
	{ "warn_always_at", RULE_PARAM_RATIO, offsetof(struct time_wait_params, warn_always_at), 0.1, 1, 0.8,
	  "occupancy that is an alarm whatever the forecast says" },
	{ "critical_at", RULE_PARAM_RATIO, offsetof(struct time_wait_params, critical_at), 0.1, 1, 0.95,
	  "occupancy from which on the alarm has the highest severity" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct time_wait_params, clear_below), 0, 1, 0.4,
	  "occupancy below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct time_wait_params, clear_after_ns), 1, 3600, 60,
	  "how long the occupancy must stay there" },
};

struct pair_key {
	struct ip_addr client;
	struct ip_addr server;
	uint16_t port;
};
_Static_assert(sizeof(struct pair_key) == 36, "keys are hashed as bytes and must have no padding");

struct pair {
	struct bounded_entry entry;
	struct pair_key key;
	bool is_watched;
	bool suppressed;
	uint64_t created_ns;
	uint64_t reviewed_slot;
	struct pair *next_watched;
	struct pair *previous_watched;
	struct alarm *alarm;
	struct {
		uint64_t attempts;
		uint64_t answered;
		uint64_t completed;
	} counts, counts_before;
	struct port_ring use;
};

struct time_wait {
	const struct time_wait_params *params;
	uint8_t severity;
	struct bounded_table *pairs;
	struct pair *first_watched;
	struct pair *last_watched;
};

static void watch(struct time_wait *detector, struct pair *pair)
{
	pair->is_watched = true;
	pair->next_watched = NULL;
	pair->previous_watched = detector->last_watched;
	if (detector->last_watched != NULL)
		detector->last_watched->next_watched = pair;
	else
		detector->first_watched = pair;
	detector->last_watched = pair;
}

static void unwatch(struct time_wait *detector, struct pair *pair)
{
	if (pair->next_watched != NULL)
		pair->next_watched->previous_watched = pair->previous_watched;
	else
		detector->last_watched = pair->previous_watched;
	if (pair->previous_watched != NULL)
		pair->previous_watched->next_watched = pair->next_watched;
	else
		detector->first_watched = pair->next_watched;
	pair->is_watched = false;
}

static void forget_pair(void *context, void *entry)
{
	struct time_wait *detector = context;
	struct pair *pair = entry;

	if (pair->is_watched)
		unwatch(detector, pair);
}

static void *create(const struct rule *rule, size_t memory_bytes, struct error *error)
{
	struct time_wait *detector = memory_bytes > sizeof(*detector) ? calloc(1, sizeof(*detector)) : NULL;

	if (detector != NULL)
		detector->pairs = bounded_table_create(sizeof(struct pair), sizeof(struct pair_key),
						       memory_bytes - sizeof(*detector), forget_pair, detector);
	if (detector == NULL || detector->pairs == NULL) {
		free(detector);
		error_set(error, "no memory for time_wait_exhaustion (%zu bytes)", memory_bytes);
		return NULL;
	}
	detector->params = rule->params;
	detector->severity = rule->severity;
	return detector;
}

static void destroy(void *state)
{
	struct time_wait *detector = state;

	bounded_table_destroy(detector->pairs);
	free(detector);
}

static struct pair *find_pair(struct time_wait *detector, struct detect_context *context,
			      const struct flow_signal *signal)
{
	const struct pair_key key = { .client = signal->client, .server = signal->server, .port = signal->server_port };
	uint64_t hash = siphash13(context->secret, &key, sizeof(key));
	struct pair *pair = bounded_table_find(detector->pairs, hash, &key);

	if (pair != NULL || signal->kind != SIGNAL_COMPLETED)
		return pair;
	bool is_full = bounded_table_count(detector->pairs) == bounded_table_capacity(detector->pairs);
	pair = bounded_table_insert(detector->pairs, hash, &key);
	if (pair == NULL)
		return NULL;
	context->stats->targets_evicted += is_full;
	pair->created_ns = signal->since_ns;
	pair->counts.attempts = 1;
	pair->counts.answered = signal->answered;
	port_ring_init(&pair->use, detector->params->two_msl_ns, signal->now_ns);
	return pair;
}

static uint32_t capacity_of(const struct time_wait *detector, const struct pair *pair)
{
	uint32_t range = (uint32_t)detector->params->port_range;

	return detector->params->learn_range ? port_ring_capacity(&pair->use, range) : range;
}

static enum bounded_keep worth(const struct pair *pair)
{
	if (pair->alarm != NULL)
		return KEEP_PINNED;
	if (pair->is_watched)
		return KEEP_LAST;
	return pair->use.waiting > 0 ? KEEP_LONGER : KEEP_LEAST;
}

/*
 * A port counts as taken when its handshake completes: what only asks may be a flood with the addresses of others,
 * which takes no port of theirs.
 */
static void count_signal(struct pair *pair, const struct flow_signal *signal)
{
	switch (signal->kind) {
	case SIGNAL_ATTEMPT:
		pair->counts.attempts++;
		break;
	case SIGNAL_ANSWERED:
		pair->counts.answered++;
		break;
	case SIGNAL_COMPLETED:
		pair->counts.completed++;
		port_ring_open(&pair->use, signal->client_port);
		break;
	case SIGNAL_TIME_WAIT:
		port_ring_time_wait(&pair->use);
		break;
	case SIGNAL_TIME_WAIT_OVER:
		port_ring_time_wait_over(&pair->use, signal->reused);
		break;
	case SIGNAL_CLOSED:
		if (signal->completed)
			port_ring_closed(&pair->use);
		break;
	case SIGNAL_SYN_REPEATED:
	case SIGNAL_SYNACK_REPEATED:
	case SIGNAL_REFUSED:
	case SIGNAL_UNREACHABLE:
	case SIGNAL_UNANSWERED:
	case SIGNAL_STILL_HALF_OPEN:
	case SIGNAL_HALF_OPEN_ENDED:
	case SIGNAL_SERVER_TIME_WAIT:
	case SIGNAL_SERVER_TIME_WAIT_OVER:
	case SIGNAL_CLIENT_RESET:
	case SIGNAL_CLIENT_SPOKE:
	case SIGNAL_SYNACK_AFTER_ACK:
	case SIGNAL_DATA_IGNORED:
	case SIGNAL_STALLED:
	case SIGNAL_STALLED_OVER:
	case SIGNAL_HELD:
	case SIGNAL_HELD_OVER:
	case SIGNAL_RST_SUSPECT:
	case SIGNAL_STRAY:
	case SIGNAL_JOINED:
	case SIGNAL_STRAY_CLAIMED:
	case SIGNAL_KIND_COUNT:
		break;
	}
}

static void signal_pair(void *state, struct detect_context *context, const struct flow_signal *signal)
{
	struct time_wait *detector = state;
	struct pair *pair = find_pair(detector, context, signal);

	/* A connection older than the record was counted in one that is forgotten: all or nothing of it counts. */
	if (pair == NULL || signal->since_ns < pair->created_ns)
		return;
	port_ring_advance(&pair->use, signal->now_ns);
	count_signal(pair, signal);
	if (!pair->is_watched &&
	    port_ring_occupancy(&pair->use, (uint32_t)detector->params->port_range) >= WATCH_OCCUPANCY)
		watch(detector, pair);
	bounded_table_touch(detector->pairs, pair, worth(pair));
}

/* What is judged of one pair at one time. */
struct verdict {
	uint32_t capacity;
	double occupancy;
	double seconds_left; /* negative = none to be expected */
	bool is_silent;
	bool is_alarming;
	bool is_hot;
	double threshold;
	uint8_t severity;
};

static struct verdict judge(const struct time_wait *detector, const struct pair *pair)
{
	const struct time_wait_params *p = detector->params;
	struct verdict verdict = { .capacity = capacity_of(detector, pair), .severity = detector->severity };

	verdict.occupancy = port_ring_occupancy(&pair->use, verdict.capacity);
	verdict.seconds_left = port_ring_forecast(&pair->use, verdict.capacity, HORIZON_S);
	verdict.is_silent = verdict.occupancy >= SILENT_OCCUPANCY && port_ring_is_silent(&pair->use);
	if (verdict.is_silent || verdict.occupancy >= EXHAUSTED_OCCUPANCY)
		verdict.seconds_left = 0;

	bool is_foreseen = verdict.seconds_left >= 0 && verdict.seconds_left <= ns_to_seconds(p->warn_ahead_ns);
	bool reuses = port_ring_reuses(&pair->use);
	verdict.threshold = is_foreseen ? p->warn_at : p->warn_always_at;
	verdict.is_alarming = verdict.occupancy >= verdict.threshold && !reuses;
	verdict.is_hot = verdict.occupancy >= p->clear_below && !reuses;
	if (verdict.severity > 1 && (verdict.occupancy >= p->critical_at || verdict.is_silent))
		verdict.severity = 1;
	return verdict;
}

static void explain(struct event_alert *alert, const struct pair *pair, const struct verdict *verdict)
{
	char client[IP_ADDR_TEXT_BYTES];
	char service[EVIDENCE_NAME_BYTES];
	char left[80] = "it may fail at any moment";

	ip_addr_format(&pair->key.client, client);
	evidence_name(&alert->target, service);
	if (verdict->is_silent)
		snprintf(left, sizeof(left), "it has all but stopped opening, so connects are likely failing now");
	else if (verdict->seconds_left > 0)
		snprintf(left, sizeof(left), "at %.0f new/s none is left in about %.0f s", port_ring_rate(&pair->use),
			 verdict->seconds_left);
	else if (verdict->seconds_left < 0)
		snprintf(left, sizeof(left), "at %.0f new/s it is not expected to run out", port_ring_rate(&pair->use));
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s holds %u of about %u ports to %s (%u in TIME_WAIT): %s. Reuse connections, widen its port range, "
		 "or enable tcp_tw_reuse.",
		 client, pair->use.active + pair->use.waiting, verdict->capacity, service, pair->use.waiting, left);
}

static void explain_end(struct event_alert *alert, const struct pair *pair, const struct verdict *verdict)
{
	char client[IP_ADDR_TEXT_BYTES];
	char service[EVIDENCE_NAME_BYTES];

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s has ports to %s again: %u of about %u are in use, %.0f %% were at most.",
		 ip_addr_format(&pair->key.client, client), evidence_name(&alert->target, service),
		 pair->use.active + pair->use.waiting, verdict->capacity, 100 * alert->peak);
}

static void fill_forecast(struct event_alert *alert, const struct verdict *verdict, uint64_t now_ns)
{
	alert->has_forecast = true;
	alert->forecast.occupancy = verdict->occupancy;
	alert->forecast.capacity = verdict->capacity;
	alert->forecast.seconds_left = verdict->seconds_left;
	if (verdict->seconds_left >= 0)
		alert->forecast.exhaustion_at_ns = now_ns + (uint64_t)(verdict->seconds_left * (double)NS_PER_SEC);
}

static double confidence(const struct detect_context *context, const struct verdict *verdict)
{
	double sure = fmin(0.6 + 0.4 * verdict->occupancy, 1);

	if (verdict->seconds_left < 0)
		sure *= 0.8;
	/* What was not captured may have freed ports, or taken some. */
	return context->visibility->kernel_dropped > 0 ? 0.9 * sure : sure;
}

static struct alarm_reading reading(const struct verdict *verdict)
{
	return (struct alarm_reading){
		.level = verdict->occupancy,
		.severity = verdict->severity,
		.stage = verdict->is_silent,
		.is_hot = verdict->is_hot,
	};
}

static void write_event(struct detect_context *context, struct pair *pair, const struct verdict *verdict,
			enum alert_phase phase)
{
	const struct alarm_reading now = reading(verdict);
	struct sensor_event *event = detect_event_begin(context, pair->alarm, phase, &now);

	if (event == NULL)
		return;
	struct event_alert *alert = &event->alert;
	alert->counts.syn = pair->counts.attempts - pair->counts_before.attempts;
	alert->counts.synack = pair->counts.answered - pair->counts_before.answered;
	alert->counts.completed = pair->counts.completed - pair->counts_before.completed;
	alert->sources_distinct = 1;
	alert->n_top_sources = 1;
	alert->top_sources[0].ip = pair->key.client;
	alert->top_sources[0].share = 1;
	/* Connections that close in an orderly way were opened by who they say. */
	alert->spoofed_likelihood = 0;
	alert->visibility.one_way = pair->counts.attempts > 0 && pair->counts.answered == 0;
	alert->confidence = confidence(context, verdict);
	fill_forecast(alert, verdict, context->now_ns);
	if (phase == ALERT_CLEARED)
		explain_end(alert, pair, verdict);
	else
		explain(alert, pair, verdict);
	detect_event_end(context, event);
}

static void raise(struct time_wait *detector, struct detect_context *context, struct pair *pair,
		  const struct verdict *verdict)
{
	const struct alert_target target = {
		.ip = pair->key.server,
		.has_port = true,
		.port = pair->key.port,
		.client = pair->key.client,
	};

	pair->alarm = detect_raise(context, &target, context->now_ns, verdict->threshold, &pair->suppressed);
	if (pair->alarm == NULL)
		return;
	bounded_table_touch(detector->pairs, pair, worth(pair));
	write_event(context, pair, verdict, ALERT_RAISED);
}

static void review_open(struct time_wait *detector, struct detect_context *context, struct pair *pair,
			const struct verdict *verdict)
{
	const struct alarm_reading now = reading(verdict);

	switch (alarm_review(pair->alarm, &now, detector->params->clear_after_ns, context->now_ns)) {
	case ALARM_NOTHING_DUE:
		break;
	case ALARM_UPDATE_DUE:
		write_event(context, pair, verdict, ALERT_UPDATE);
		break;
	case ALARM_CLEAR_DUE:
		write_event(context, pair, verdict, ALERT_CLEARED);
		pair->alarm = NULL;
		pair->counts_before.attempts = pair->counts.attempts;
		pair->counts_before.answered = pair->counts.answered;
		pair->counts_before.completed = pair->counts.completed;
		bounded_table_touch(detector->pairs, pair, worth(pair));
		break;
	}
}

static void review_pair(struct time_wait *detector, struct detect_context *context, struct pair *pair)
{
	port_ring_advance(&pair->use, context->now_ns);
	/* Once a slot: the forecast knows nothing new in between. */
	if (pair->use.slot == pair->reviewed_slot)
		return;
	pair->reviewed_slot = pair->use.slot;

	struct verdict verdict = judge(detector, pair);
	if (pair->alarm != NULL) {
		review_open(detector, context, pair, &verdict);
	} else if (verdict.is_alarming) {
		raise(detector, context, pair, &verdict);
	} else if (verdict.occupancy < WATCH_OCCUPANCY / 2) {
		pair->suppressed = false;
		unwatch(detector, pair);
		bounded_table_touch(detector->pairs, pair, worth(pair));
	}
}

static void tick(void *state, struct detect_context *context, uint64_t now_ns)
{
	struct time_wait *detector = state;
	struct pair *next;

	(void)now_ns;
	for (struct pair *pair = detector->first_watched; pair != NULL; pair = next) {
		next = pair->next_watched;
		review_pair(detector, context, pair);
	}
}

const struct detector detector_time_wait_exhaustion = {
	.name = "time_wait_exhaustion",
	.text = "a client that is running out of ports towards one service because they stay in TIME_WAIT",
	.default_signature_id = 1000003,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Client ports running out in TIME_WAIT",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct time_wait_params),
	.create = create,
	.destroy = destroy,
	.signal = signal_pair,
	.tick = tick,
};

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A summary made by hand, for tests of what detectors find in it: signals about one key are counted into it, and every
 * tick of 100 ms in between the detector is asked. An alarm is open from its first alarming finding until it was not
 * hot for as long as the finding says.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "judgement.h"
#include "summary.h"

#define HAND_START_NS (UINT64_C(1795132800) * NS_PER_SEC)
#define HAND_TICK_NS  (100 * NS_PER_MS)

struct hand {
	const struct detector *detector;
	void *params;
	void *state;
	struct summary_key key;
	struct summary summary;
	struct summary sensor;
	struct detect_visibility visibility;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_slot sensor_slots[SUMMARY_SLOTS];
	struct summary_crowds crowds[SUMMARY_CROWDS];
	struct summary_crowd_room rooms[SUMMARY_CROWDS][2];
	uint64_t began_ns;
	uint64_t tick_ns;
	uint64_t flows;
	struct alarm alarm;
	struct finding finding; /* the last one */
	struct finding raised;  /* with the first alarm */
	uint64_t raised_ns;     /* 0 = never */
	uint64_t cleared_ns;    /* the last time; 0 = never, or open again */
	uint64_t hot_ns;
	unsigned n_raised;
	struct event_alert alert; /* of the last explanation */
};

static inline struct ip_addr hand_ip(const char *text)
{
	struct ip_addr ip = { 0 };

	if (!ip_addr_parse(text, &ip))
		abort();
	return ip;
}

static inline struct ip_addr hand_ip4(uint32_t value)
{
	return (struct ip_addr){
		.version = 4,
		.bytes = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value },
	};
}

static inline void hand_defaults(const struct detector *detector, void *params)
{
	for (size_t i = 0; i < detector->n_params; i++) {
		const struct rule_param *row = &detector->params[i];
		void *field = (char *)params + row->offset;
		switch (row->type) {
		case RULE_PARAM_COUNT:
			*(uint64_t *)field = (uint64_t)row->default_value;
			break;
		case RULE_PARAM_RATE:
		case RULE_PARAM_RATIO:
			*(double *)field = row->default_value;
			break;
		case RULE_PARAM_DURATION:
			*(uint64_t *)field = (uint64_t)(row->default_value * (double)NS_PER_SEC);
			break;
		case RULE_PARAM_FLAG:
			*(bool *)field = row->default_value != 0;
			break;
		}
	}
}

static inline struct hand *hand_create(const struct detector *detector, enum summary_kind kind, const char *ip)
{
	struct hand *hand = calloc(1, sizeof(*hand));

	if (hand == NULL)
		abort();
	hand->detector = detector;
	hand->params = calloc(1, detector->params_bytes);
	hand->state = calloc(1, detector->target_bytes);
	hand_defaults(detector, hand->params);
	hand->key = (struct summary_key){ .kind = (uint8_t)kind, .ip = hand_ip(ip) };
	if (kind == SUMMARY_PREFIX)
		hand->key.prefix_bits = 24;
	hand->summary.slots = hand->slots;
	hand->sensor.slots = hand->sensor_slots;
	for (int i = 0; i < SUMMARY_CROWDS; i++) {
		hand->summary.crowds[i] = &hand->crowds[i];
		summary_crowd_give_room(&hand->crowds[i].spans[0], &hand->rooms[i][0]);
		summary_crowd_give_room(&hand->crowds[i].spans[1], &hand->rooms[i][1]);
	}
	hand->began_ns = HAND_START_NS;
	hand->tick_ns = HAND_START_NS;
	return hand;
}

static inline void hand_destroy(struct hand *hand)
{
	free(hand->params);
	free(hand->state);
	free(hand);
}

static inline void hand_explain(struct hand *hand, const struct detect_scene *scene, enum alert_phase phase)
{
	memset(&hand->alert, 0, sizeof(hand->alert));
	hand->alert.mitre_technique = hand->detector->default_mitre_technique;
	hand->alert.mitre_tactic = hand->detector->default_mitre_tactic;
	hand->alert.target.ip = hand->key.ip;
	hand->alert.target.port = hand->key.port;
	hand->alert.target.has_port = hand->key.kind == SUMMARY_SERVICE;
	hand->alert.peak = hand->alarm.peak;
	hand->detector->explain(hand->params, scene, hand->state, &hand->finding, phase, &hand->alert);
	if (getenv("HAND_PRINT") != NULL)
		printf("%8.1f s %s: %s\n", ns_to_seconds(scene->now_ns - HAND_START_NS),
		       hand->finding.class_name != NULL ? hand->finding.class_name : "", hand->alert.explanation);
}

static inline void hand_look(struct hand *hand, uint64_t now_ns)
{
	struct detect_scene scene = {
		.now_ns = now_ns,
		.began_ns = hand->began_ns,
		.key = &hand->key,
		.summary = &hand->summary,
		.sensor = &hand->sensor,
		.visibility = &hand->visibility,
		.alarm = hand->alarm.is_open ? &hand->alarm : NULL,
		.present_class = hand->alarm.is_open ? hand->detector : NULL,
	};

	memset(&hand->finding, 0, sizeof(hand->finding));
	hand->detector->find(hand->params, &scene, hand->state, &hand->finding);
	if (hand->finding.level > hand->alarm.peak)
		hand->alarm.peak = hand->finding.level;
	if (hand->finding.is_hot)
		hand->hot_ns = now_ns;
	if (hand->finding.is_alarming && !hand->alarm.is_open) {
		hand->alarm.is_open = true;
		hand->alarm.started_ns = hand->finding.began_ns;
		hand->hot_ns = now_ns;
		hand->cleared_ns = 0;
		if (hand->n_raised++ == 0) {
			hand->raised_ns = now_ns;
			hand->raised = hand->finding;
		}
		hand_explain(hand, &scene, ALERT_RAISED);
	} else if (hand->alarm.is_open && ns_since(now_ns, hand->hot_ns) >= hand->finding.clear_after_ns) {
		hand_explain(hand, &scene, ALERT_CLEARED);
		hand->alarm = (struct alarm){ 0 };
		hand->cleared_ns = now_ns;
	}
}

/* Asks the detector at every tick until then; seconds are since the start. */
static inline void hand_advance(struct hand *hand, double seconds)
{
	uint64_t until_ns = HAND_START_NS + (uint64_t)(seconds * (double)NS_PER_SEC + 0.5);

	for (; hand->tick_ns + HAND_TICK_NS <= until_ns; hand_look(hand, hand->tick_ns))
		hand->tick_ns += HAND_TICK_NS;
}

static inline double hand_raised_at(const struct hand *hand)
{
	return hand->raised_ns == 0 ? -1 : ns_to_seconds(hand->raised_ns - HAND_START_NS);
}

static inline double hand_cleared_at(const struct hand *hand)
{
	return hand->cleared_ns == 0 ? -1 : ns_to_seconds(hand->cleared_ns - HAND_START_NS);
}

/* --- signals --- */

static inline struct flow_signal hand_signal(struct hand *hand, enum flow_signal_kind kind, double seconds,
					     struct ip_addr client, uint16_t client_port, struct ip_addr server,
					     uint16_t server_port)
{
	uint64_t now_ns = HAND_START_NS + (uint64_t)(seconds * (double)NS_PER_SEC + 0.5);

	return (struct flow_signal){
		.kind = kind,
		.client = client,
		.client_port = client_port,
		.server = server,
		.server_port = server_port,
		.ttl = 64,
		.window = 1024,
		.flow_id = ++hand->flows,
		.now_ns = now_ns,
		.since_ns = now_ns,
	};
}

static inline void hand_crowd(struct hand *hand, enum summary_crowd_kind kind, const struct flow_signal *signal)
{
	struct summary_hashes hashes =
		summary_hashes_of(signal, summary_address_hash(&signal->client), summary_address_hash(&signal->server));
	struct summary_crowd *crowd = summary_crowd_at(&hand->crowds[kind], signal->now_ns);

	if (crowd != NULL)
		summary_crowd_add(crowd, (enum summary_kind)hand->key.kind, signal, &hashes);
}

static inline void hand_count(struct hand *hand, enum summary_counter counter, const struct flow_signal *signal)
{
	if (hand->summary.since_ns == 0)
		hand->summary.since_ns = signal->since_ns;
	if (counter < SUMMARY_COHORT_COUNTERS) {
		summary_count(&hand->summary, counter, signal->since_ns);
		summary_count(&hand->sensor, counter, signal->since_ns);
	} else {
		hand->summary.totals[counter]++;
		hand->sensor.totals[counter]++;
	}
}

enum hand_outcome { HAND_SILENT, HAND_SILENT_RETRIED, HAND_REFUSED, HAND_COMPLETED, HAND_HALF_OPEN_SCAN };

/* The SYN at that time; what becomes of it is told by hand_settle, later. */
static inline struct flow_signal hand_attempt(struct hand *hand, double seconds, struct ip_addr client,
					      struct ip_addr server, uint16_t port)
{
	struct flow_signal signal = hand_signal(hand, SIGNAL_ATTEMPT, seconds, client,
						(uint16_t)(40000 + hand->flows % 20000), server, port);

	hand_advance(hand, seconds);
	hand_count(hand, SUMMARY_ATTEMPTS, &signal);
	hand_crowd(hand, CROWD_TRYING, &signal);
	return signal;
}

/* seconds: when the outcome is known. */
static inline void hand_settle(struct hand *hand, const struct flow_signal *attempt, double seconds,
			       enum hand_outcome outcome)
{
	struct flow_signal signal = *attempt;

	hand_advance(hand, seconds);
	signal.now_ns = HAND_START_NS + (uint64_t)(seconds * (double)NS_PER_SEC + 0.5);
	switch (outcome) {
	case HAND_SILENT_RETRIED:
		hand_count(hand, SUMMARY_RETRIED, &signal);
		__attribute__((fallthrough));
	case HAND_SILENT:
		hand_count(hand, SUMMARY_UNANSWERED, &signal);
		hand_crowd(hand, CROWD_FAILING, &signal);
		break;
	case HAND_REFUSED:
		hand_count(hand, SUMMARY_REFUSED, &signal);
		hand_crowd(hand, CROWD_FAILING, &signal);
		break;
	case HAND_COMPLETED:
		hand_count(hand, SUMMARY_ANSWERED, &signal);
		hand_count(hand, SUMMARY_COMPLETED, &signal);
		hand_crowd(hand, CROWD_ANSWERED, &signal);
		break;
	case HAND_HALF_OPEN_SCAN:
		hand_count(hand, SUMMARY_ANSWERED, &signal);
		hand_count(hand, SUMMARY_CLIENT_RESET, &signal);
		hand_crowd(hand, CROWD_ANSWERED, &signal);
		hand_crowd(hand, CROWD_FAILING, &signal);
		break;
	}
}

/* A segment that belongs to no connection. */
static inline void hand_stray(struct hand *hand, enum flow_stray kind, double seconds, struct ip_addr sender,
			      uint16_t sender_port, struct ip_addr receiver, uint16_t receiver_port)
{
	struct flow_signal signal =
		hand_signal(hand, SIGNAL_STRAY, seconds, sender, sender_port, receiver, receiver_port);

	hand_advance(hand, seconds);
	hand_count(hand, (enum summary_counter)(SUMMARY_STRAYS + kind), &signal);
	hand_crowd(hand, CROWD_STRAY, &signal);
}

static inline void hand_claim(struct hand *hand, double seconds, struct ip_addr sender, uint16_t sender_port,
			      struct ip_addr receiver, uint16_t receiver_port)
{
	struct flow_signal signal =
		hand_signal(hand, SIGNAL_STRAY_CLAIMED, seconds, sender, sender_port, receiver, receiver_port);

	hand_advance(hand, seconds);
	hand_count(hand, SUMMARY_STRAYS_CLAIMED, &signal);
}

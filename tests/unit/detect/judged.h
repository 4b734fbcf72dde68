/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One key as one detector sees it: the test changes the counts, time passes in ticks of 100 ms, and the detector says
 * what it finds.
 */
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "judgement.h"
#include "summary.h"

#define JUDGED_BEGIN_NS (UINT64_C(1795132800) * NS_PER_SEC)
#define JUDGED_TICK_NS  (100 * NS_PER_MS)

struct judged {
	const struct detector *detector;
	void *params;
	void *state;
	struct summary_key key;
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages;
	struct sensor_view view;
	struct detect_visibility counts;
	struct detect_scene scene;
	struct finding finding; /* the last one */
	uint64_t now_ns;
	uint64_t raised_ns; /* first alarming finding; 0 = none */
	uint64_t hot_ns;    /* last hot one */
};

static inline void judged_defaults(const struct detector *detector, char *params)
{
	for (size_t i = 0; i < detector->n_params; i++) {
		const struct rule_param *row = &detector->params[i];
		const double value = row->default_value;
		if (row->type == RULE_PARAM_COUNT)
			*(uint64_t *)(void *)(params + row->offset) = (uint64_t)value;
		else if (row->type == RULE_PARAM_DURATION)
			*(uint64_t *)(void *)(params + row->offset) = (uint64_t)(value * (double)NS_PER_SEC);
		else if (row->type == RULE_PARAM_FLAG)
			*(bool *)(void *)(params + row->offset) = value != 0;
		else
			*(double *)(void *)(params + row->offset) = value;
	}
}

static inline struct judged *judged_begin(const struct detector *detector, enum summary_kind kind)
{
	struct judged *j = calloc(1, sizeof(*j));

	if (j == NULL)
		abort();
	j->detector = detector;
	j->params = calloc(1, detector->params_bytes);
	j->state = calloc(1, detector->target_bytes + 8);
	if (j->params == NULL || j->state == NULL)
		abort();
	judged_defaults(detector, j->params);
	j->now_ns = JUDGED_BEGIN_NS;
	j->key.kind = (uint8_t)kind;
	j->summary.since_ns = j->now_ns;
	summary_begin_slots(&j->summary, j->slots);
	summary_begin_ages(&j->summary, &j->ages);
	j->scene = (struct detect_scene){
		.began_ns = j->now_ns,
		.key = &j->key,
		.summary = &j->summary,
		.sensor = &j->summary,
		.visibility = &j->counts,
		.view = &j->view,
	};
	return j;
}

static inline void judged_end(struct judged *j)
{
	free(j->params);
	free(j->state);
	free(j);
}

static inline void judged_tick(struct judged *j)
{
	j->now_ns += JUDGED_TICK_NS;
	j->scene.now_ns = j->now_ns;
	sensor_view_update(&j->view, &j->counts, j->now_ns);
	memset(&j->finding, 0, sizeof(j->finding));
	j->detector->find(j->params, &j->scene, j->state, &j->finding);
	if (j->finding.is_alarming && j->raised_ns == 0)
		j->raised_ns = j->now_ns;
	if (j->finding.is_hot)
		j->hot_ns = j->now_ns;
}

static inline void judged_pass(struct judged *j, double seconds)
{
	for (uint64_t end_ns = j->now_ns + (uint64_t)(seconds * 1e9); j->now_ns < end_ns;)
		judged_tick(j);
}

/* n of a gauge begin now, and n that began at since_ns are over. */
static inline void judged_gauge(struct judged *j, enum summary_counter counter, enum summary_gauge gauge, unsigned n)
{
	j->summary.totals[counter] += n;
	summary_count_age(&j->summary, gauge, (int)n, j->now_ns);
}

static inline void judged_gauge_over(struct judged *j, enum summary_counter over, enum summary_gauge gauge, unsigned n,
				     uint64_t since_ns)
{
	j->summary.totals[over] += n;
	summary_count_age(&j->summary, gauge, -(int)n, since_ns);
}

/* What the detector says now of an alarm on 203.0.113.5:443. */
static inline const char *judged_text(struct judged *j, enum alert_phase phase)
{
	static struct event_alert alert;

	memset(&alert, 0, sizeof(alert));
	alert.target.ip = (struct ip_addr){ .version = 4, .bytes = { 203, 0, 113, 5 } };
	alert.target.port = 443;
	alert.target.has_port = true;
	alert.duration_s = 12;
	alert.peak = j->finding.level;
	alert.sources_distinct = 1;
	j->detector->explain(j->params, &j->scene, j->state, &j->finding, phase, &alert);
	return alert.explanation;
}

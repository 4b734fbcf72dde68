/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sensor judges itself (detection science, D17): what it does not see, everything else that it says depends on.
 * One alarm, whose class is the worst of what is wrong.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "fate.h"
#include "judgement.h"

struct sensor_health_params {
	double lost_share;
	double one_way_share;
	double duplicate_share;
	double truncated_share;
	uint64_t clock_steps;
	uint64_t evicted;
	uint64_t least;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "lost_share", RULE_PARAM_RATIO, offsetof(struct sensor_health_params, lost_share), 0, 1, 0.001,
	  "share of the segments of a minute that are dropped, or acknowledged and never seen" },
	{ "one_way_share", RULE_PARAM_RATIO, offsetof(struct sensor_health_params, one_way_share), 0, 1, 0.1,
	  "share of the connections of a minute of which only one direction is seen" },
	{ "duplicate_share", RULE_PARAM_RATIO, offsetof(struct sensor_health_params, duplicate_share), 0, 1, 0.1,
	  "share of the segments of a minute that are captured twice" },
	{ "truncated_share", RULE_PARAM_RATIO, offsetof(struct sensor_health_params, truncated_share), 0, 1, 0.05,
	  "share of the segments of a minute whose headers are cut by the capture" },
	{ "clock_steps", RULE_PARAM_COUNT, offsetof(struct sensor_health_params, clock_steps), 1, 1e9, 1,
	  "steps backward of the clock within a minute" },
	{ "evicted", RULE_PARAM_COUNT, offsetof(struct sensor_health_params, evicted), 1, 1e9, 100,
	  "open connections within a minute that are forgotten or not followed for lack of memory" },
	{ "least", RULE_PARAM_COUNT, offsetof(struct sensor_health_params, least), 1, 1e9, 30,
	  "segments or connections that a share must be made of" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct sensor_health_params, clear_after_ns), 1, 3600, 30,
	  "how long all must be well before the alarm is over" },
};

enum problem { LOST = 0, ONE_WAY, PRESSURE, DUPLICATES, TRUNCATED, CLOCK, PROBLEMS };

static const char *const class_names[PROBLEMS + 1] = {
	[LOST] = "segments_lost",
	[ONE_WAY] = "one_way_view",
	[PRESSURE] = "table_pressure",
	[DUPLICATES] = "captured_twice",
	[TRUNCATED] = "headers_cut",
	[CLOCK] = "clock_steps_back",
	[PROBLEMS] = NULL,
};

static const char *const remedies[PROBLEMS] = {
	[LOST] = "give the capture more buffer and CPU, or mirror less",
	[ONE_WAY] = "mirror both directions to this sensor",
	[PRESSURE] = "raise --memory",
	[DUPLICATES] = "mirror each port once, or in one direction only",
	[TRUNCATED] = "capture at least 128 bytes of each packet",
	[CLOCK] = "let the clock be slewed (NTP), or merge captures by time",
};

struct check {
	double level;
	double threshold;
	bool is_enough; /* that it can be judged by */
	uint8_t severity;
};

/* From ten times the threshold on it is no longer mild. */
static uint8_t severity_of(double level, double threshold)
{
	return level >= 10 * threshold ? 2 : 3;
}

static void check_all(const struct sensor_health_params *p, const struct sensor_view *view,
		      struct check checks[static PROBLEMS])
{
	const struct detect_visibility *recent = &view->recent;
	uint64_t lost = recent->kernel_dropped + recent->interface_dropped + sensor_view_unseen(recent);
	uint64_t flows = recent->open_evicted + recent->flows_refused;

	checks[LOST] = (struct check){ sensor_view_lost_share(view), p->lost_share, lost >= p->least,
				       severity_of(sensor_view_lost_share(view), p->lost_share) };
	checks[ONE_WAY] =
		(struct check){ sensor_view_one_way_share(view), p->one_way_share,
				recent->one_way_connections >= p->least, sensor_view_is_one_way(view) ? 2 : 3 };
	checks[PRESSURE] = (struct check){ (double)flows, (double)p->evicted, true, 2 };
	checks[DUPLICATES] = (struct check){ sensor_view_duplicate_share(view), p->duplicate_share,
					     recent->duplicates >= p->least, 3 };
	checks[TRUNCATED] = (struct check){ sensor_view_truncated_share(view), p->truncated_share,
					    recent->truncated_packets >= p->least, 3 };
	checks[CLOCK] = (struct check){ (double)recent->backward_steps, (double)p->clock_steps, true, 3 };
}

static bool is_wrong(const struct check *check)
{
	return check->is_enough && check->level >= check->threshold;
}

/* A share wavers about its threshold: it is well again when it is clearly below. */
static bool is_still_wrong(const struct check *check)
{
	return check->level >= check->threshold / 2;
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct sensor_health_params *p = rule_params;
	struct check checks[PROBLEMS];

	(void)memory;
	finding->severity = 3;
	finding->clear_after_ns = p->clear_after_ns;
	if (scene->view == NULL)
		return;
	check_all(p, scene->view, checks);
	for (unsigned i = 0; i < PROBLEMS; i++) {
		finding->is_hot |= is_wrong(&checks[i]) || (scene->alarm != NULL && is_still_wrong(&checks[i]));
		if (!is_wrong(&checks[i]) || (finding->is_alarming && checks[i].severity >= finding->severity))
			continue;
		finding->is_alarming = true;
		finding->level = checks[i].level;
		finding->threshold = checks[i].threshold;
		finding->severity = checks[i].severity;
		finding->class_name = class_names[i];
	}
	finding->score = finding->is_alarming ? 1 : 0;
	finding->severity = fate_worst(scene, finding->severity);
	finding->confidence = 0.95;
}

static void describe(const struct sensor_view *view, enum problem problem, char *text, size_t size)
{
	const struct detect_visibility *recent = &view->recent;

	switch (problem) {
	case LOST:
		snprintf(text, size, "%.2g %% of the segments do not get here (%llu dropped, %llu never seen)",
			 100 * sensor_view_lost_share(view),
			 (unsigned long long)recent->kernel_dropped + recent->interface_dropped,
			 (unsigned long long)sensor_view_unseen(recent));
		break;
	case ONE_WAY:
		snprintf(text, size, "of %.0f %% of the connections only one direction is seen",
			 100 * sensor_view_one_way_share(view));
		break;
	case PRESSURE:
		snprintf(text, size, "%llu connections were not followed for lack of memory",
			 (unsigned long long)recent->open_evicted + recent->flows_refused);
		break;
	case DUPLICATES:
		snprintf(text, size, "%.0f %% of the segments are captured twice",
			 100 * sensor_view_duplicate_share(view));
		break;
	case TRUNCATED:
		snprintf(text, size, "the headers of %.0f %% of the segments are cut",
			 100 * sensor_view_truncated_share(view));
		break;
	case CLOCK:
		snprintf(text, size, "the clock of the capture stepped back (%llu x)",
			 (unsigned long long)recent->backward_steps);
		break;
	case PROBLEMS:
		break;
	}
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	struct check checks[PROBLEMS] = { 0 };
	char what[256] = "";
	const char *advice = "";
	size_t used = 0;

	(void)memory;
	if (phase == ALERT_CLEARED || scene->view == NULL) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The sensor sees well again, after %.0f s. What other alarms said meanwhile is to be taken "
			 "with "
			 "care.",
			 alert->duration_s);
		return;
	}
	check_all(rule_params, scene->view, checks);
	for (unsigned i = 0; i < PROBLEMS; i++) {
		char text[120];
		if (finding->class_name == class_names[i])
			advice = remedies[i];
		if (!is_wrong(&checks[i]))
			continue;
		describe(scene->view, (enum problem)i, text, sizeof(text));
		int n = snprintf(what + used, sizeof(what) - used, "%s%s", used > 0 ? "; " : "", text);
		used = used + (size_t)n < sizeof(what) ? used + (size_t)n : sizeof(what) - 1;
	}
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "The sensor sees badly in the last minute: %s. Other alarms may be missing or wrong; %s.", what,
		 advice);
}

const struct detector detector_sensor_health = {
	.name = "sensor_health",
	.text = "a sensor that does not see all it should",
	.default_signature_id = 1000018,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Sensor does not see all it should",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct sensor_health_params),
	.class_names = class_names,
	.kinds = 1u << SUMMARY_SENSOR,
	.group = INCIDENT_OWN,
	.crowd = CROWD_TRYING,
	.find = find,
	.explain = explain,
};

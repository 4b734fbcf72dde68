/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of an alarm's event that are the same for all detectors: its life, and what the rule demands.
 */
#include "alarm_event.h"

#include <string.h>

#include "tcpwitness/base/units.h"

static void mark_unknown(struct event_alert *alert)
{
	alert->completion = -1;
	alert->completion_baseline = -1;
	alert->sources_baseline = -1;
	alert->spoofed_likelihood = -1;
	alert->fingerprint.entropy_bits = -1;
	alert->visibility.lost_share = -1;
	alert->visibility.one_way_share = -1;
}

void alarm_event_life(struct event_alert *alert, const struct alarm *alarm, enum alert_phase phase, uint64_t now_ns)
{
	mark_unknown(alert);
	if (alarm->written.detector != NULL)
		alert->detector = alarm->written.detector;
	alert->class_name = alarm->written.class_name;
	alert->severity = alarm->written.severity;
	alert->alert_id = alarm->alert_id;
	alert->phase = phase;
	alert->n_reopened = alarm->n_reopened;
	alert->target = alarm->target;
	alert->started_ns = alarm->started_ns;
	alert->updated_ns = now_ns;
	alert->ended_ns = alarm->ended_ns;
	alert->duration_s = ns_to_seconds(alarm_duration_ns(alarm));
	alert->rate = alarm->written.level;
	alert->threshold = alarm->threshold;
	alert->peak = alarm->peak;
	if (phase == ALERT_CLEARED)
		alert->clear_reason = alarm_clear_reason(alarm, now_ns);
}

static struct alert_parameter parameter(const struct rule_param *param, const void *params)
{
	const void *field = (const char *)params + param->offset;
	struct alert_parameter parameter = { .name = param->name };
	uint64_t count;
	bool flag;

	switch (param->type) {
	case RULE_PARAM_COUNT:
		memcpy(&count, field, sizeof(count));
		parameter.value = (double)count;
		break;
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		memcpy(&parameter.value, field, sizeof(parameter.value));
		break;
	case RULE_PARAM_DURATION:
		memcpy(&count, field, sizeof(count));
		parameter.value = ns_to_seconds(count);
		parameter.kind = ALERT_PARAMETER_SECONDS;
		break;
	case RULE_PARAM_FLAG:
		memcpy(&flag, field, sizeof(flag));
		parameter.value = flag;
		parameter.kind = ALERT_PARAMETER_FLAG;
		break;
	}
	return parameter;
}

void alarm_event_parameters(struct event_alert *alert, const struct detector *detector, const void *params)
{
	size_t n = detector->n_params < ALERT_MAX_PARAMETERS ? detector->n_params : ALERT_MAX_PARAMETERS;

	for (size_t i = 0; i < n; i++)
		alert->parameters[i] = parameter(&detector->params[i], params);
	alert->n_parameters = (uint8_t)n;
}

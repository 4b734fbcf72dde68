/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owner of everything in this layer: shares the memory out, gives every signal to the target records and the
 * detectors, lets time pass in ticks, and writes the parts of alarm events that are the same for all detectors.
 */
#include "tcpwitness/detect/detect_engine.h"

#include <stdlib.h>

#include "tcpwitness/base/units.h"

#include "alarm_event.h"
#include "alarm_filter.h"
#include "detect_internal.h"

#define TICK_NS (100 * NS_PER_MS)

#define MIN_MEMORY_BYTES ((size_t)256 * 1024)

/* Open alarms per detector, if the memory allows. */
enum { MAX_OPEN_ALARMS = 256 };

/* Each open alarm pins its target and its target's host; so many times more targets than that there must be. */
enum { TARGETS_PER_ALARM = 8 };

struct detector_run {
	void *state;
	struct detect_context context;
};

struct detect_engine {
	struct siphash_key secret;
	struct event_writer writer;
	struct detect_visibility visibility;
	struct detect_stats stats;
	struct target_table *targets;
	uint64_t next_tick_ns;
	size_t n_runs;
	struct detector_run runs[];
};

static size_t count_enabled(const struct ruleset *ruleset)
{
	size_t n = 0;

	for (size_t i = 0; i < ruleset->n_rules; i++)
		n += ruleset->rules[i].enabled;
	return n;
}

/*
 * What each detector gets: an eighth of the memory is for alarms, three for tables of the detectors' own, half for
 * targets.
 */
static int start_detector(struct detect_engine *engine, const struct ruleset *ruleset, size_t index,
			  size_t eighth_bytes, struct error *error)
{
	struct detector_run *run = &engine->runs[engine->n_runs++];
	size_t n_enabled = count_enabled(ruleset);
	size_t max_open = target_table_capacity(engine->targets) / TARGETS_PER_ALARM;

	if (max_open > MAX_OPEN_ALARMS)
		max_open = MAX_OPEN_ALARMS;
	if (max_open == 0)
		max_open = 1;
	run->context = (struct detect_context){
		.detector = detectors[index],
		.rule = &ruleset->rules[index],
		.targets = engine->targets,
		.alarms = alarm_set_create(eighth_bytes / n_enabled, max_open),
		.stats = &engine->stats,
		.writer = &engine->writer,
		.visibility = &engine->visibility,
		.secret = &engine->secret,
	};
	if (run->context.alarms == NULL)
		return error_set(error, "no memory for the alarms of %s", detectors[index]->name);
	run->state = detectors[index]->create(&ruleset->rules[index], 3 * eighth_bytes / n_enabled, error);
	return run->state == NULL ? -1 : 0;
}

struct detect_engine *detect_engine_create(const struct ruleset *ruleset, const struct detect_config *config,
					   const struct event_writer *writer, struct error *error)
{
	struct detect_engine *engine;
	size_t own_bytes = sizeof(*engine) + ruleset->n_rules * sizeof(engine->runs[0]);

	if (config->memory_bytes < MIN_MEMORY_BYTES) {
		error_set(error, "detection: %zu bytes of memory are too little; give it at least %zu",
			  config->memory_bytes, MIN_MEMORY_BYTES);
		return NULL;
	}
	engine = calloc(1, own_bytes);
	if (engine == NULL) {
		error_set(error, "detection: no memory");
		return NULL;
	}
	engine->secret = config->secret;
	engine->writer = *writer;
	engine->stats.memory_bytes = config->memory_bytes;

	size_t eighth_bytes = (config->memory_bytes - own_bytes) / 8;
	engine->targets = target_table_create(4 * eighth_bytes, &config->secret, error);
	if (engine->targets == NULL)
		goto fail;
	for (size_t i = 0; i < ruleset->n_rules; i++)
		if (ruleset->rules[i].enabled && start_detector(engine, ruleset, i, eighth_bytes, error) != 0)
			goto fail;
	return engine;

fail:
	detect_engine_destroy(engine);
	return NULL;
}

void detect_engine_destroy(struct detect_engine *engine)
{
	if (engine == NULL)
		return;
	for (size_t i = 0; i < engine->n_runs; i++) {
		struct detector_run *run = &engine->runs[i];
		if (run->state != NULL)
			run->context.detector->destroy(run->state);
		alarm_set_destroy(run->context.alarms);
	}
	target_table_destroy(engine->targets);
	free(engine);
}

static struct detect_context *context_now(struct detector_run *run, uint64_t now_ns, uint64_t packet_number)
{
	run->context.now_ns = now_ns;
	run->context.packet_number = packet_number;
	return &run->context;
}

static bool is_alarmed(const struct detect_engine *engine, const struct flow_signal *signal)
{
	struct target_key key = { .ip = signal->server, .is_service = 1, .port = signal->server_port };
	const struct target *service = target_table_find(engine->targets, &key);

	if (service != NULL && service->n_alarms > 0)
		return true;
	key.is_service = 0;
	key.port = 0;
	const struct target *host = target_table_find(engine->targets, &key);
	return host != NULL && host->n_alarms > 0;
}

bool detect_engine_signal(struct detect_engine *engine, const struct flow_signal *signal)
{
	uint64_t evicted_before = target_table_evicted(engine->targets);

	target_table_signal(engine->targets, signal);
	engine->stats.targets_evicted += target_table_evicted(engine->targets) - evicted_before;
	for (size_t i = 0; i < engine->n_runs; i++) {
		struct detector_run *run = &engine->runs[i];
		if (run->context.detector->signal != NULL)
			run->context.detector->signal(run->state,
						      context_now(run, signal->now_ns, signal->packet_number), signal);
	}
	return engine->stats.alarms_open > 0 && is_alarmed(engine, signal);
}

void detect_engine_advance(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number,
			   const struct detect_visibility *visibility)
{
	if (now_ns < engine->next_tick_ns)
		return;
	/*
	 * After silence there is one tick, not one for each that fell into it: nothing happened that they could have
	 * judged.
	 */
	engine->next_tick_ns = (now_ns / TICK_NS + 1) * TICK_NS;
	engine->visibility = *visibility;
	for (size_t i = 0; i < engine->n_runs; i++) {
		struct detector_run *run = &engine->runs[i];
		if (run->context.detector->tick != NULL)
			run->context.detector->tick(run->state, context_now(run, now_ns, packet_number), now_ns);
	}
	target_table_cool(engine->targets, now_ns);
}

const struct detect_stats *detect_engine_get_stats(const struct detect_engine *engine)
{
	return &engine->stats;
}

struct alarm *detect_raise(struct detect_context *context, const struct alert_target *target, uint64_t started_ns,
			   double threshold, bool *suppressed)
{
	struct alarm *alarm = alarm_open(context->alarms, context->detector->name, target, started_ns, context->now_ns);

	if (alarm == NULL) {
		context->stats->alarms_suppressed += !*suppressed;
		*suppressed = true;
		return NULL;
	}
	*suppressed = false;
	alarm->threshold = threshold;
	return alarm;
}

static void count_event(struct detect_stats *stats, enum alert_phase phase)
{
	switch (phase) {
	case ALERT_RAISED:
		stats->alarms_raised++;
		stats->alarms_open++;
		break;
	case ALERT_UPDATE:
		stats->alarms_updated++;
		break;
	case ALERT_CLEARED:
		stats->alarms_cleared++;
		stats->alarms_open--;
		break;
	}
}

static const char *text_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void fill_common(struct sensor_event *event, const struct detect_context *context, const struct alarm *alarm,
			enum alert_phase phase)
{
	const struct rule *rule = context->rule;
	struct event_alert *alert = &event->alert;

	event->time_ns = context->now_ns;
	event->packet_number = context->packet_number;
	event->ends.server = alarm->target.ip;
	event->ends.server_port = alarm->target.port;
	event->ends.has_ports = alarm->target.has_port;
	event->ends.client = alarm->target.client;

	alarm_event_life(alert, alarm, phase, context->now_ns);
	alert->signature_id = rule->signature_id;
	alert->rev = rule->rev;
	alert->signature = rule->signature;
	alert->category = rule->category;
	alert->mitre_technique = text_or_null(rule->mitre_technique);
	alert->mitre_tactic = text_or_null(rule->mitre_tactic);
	alert->detector = context->detector->name;
	alarm_event_parameters(alert, context->detector, rule->params);
	alarm_filter_fill(alert);
	alert->visibility.kernel_dropped = context->visibility->kernel_dropped;
	alert->visibility.flows_evicted = context->visibility->flows_evicted;
	alert->visibility.flows_refused = context->visibility->flows_refused;
}

struct sensor_event *detect_event_begin(struct detect_context *context, struct alarm *alarm, enum alert_phase phase,
					const struct alarm_reading *reading)
{
	struct sensor_event *event;

	alarm_written(alarm, reading, context->now_ns);
	if (phase == ALERT_CLEARED)
		alarm_close(context->alarms, alarm, context->now_ns);
	count_event(context->stats, phase);

	event = context->writer->begin(context->writer->context, EVENT_ALERT);
	if (event == NULL)
		return NULL;
	fill_common(event, context, alarm, phase);
	return event;
}

void detect_event_end(struct detect_context *context, struct sensor_event *event)
{
	context->writer->end(context->writer->context, event);
}

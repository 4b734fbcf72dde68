/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owner of everything in this layer: shares the memory out, gives every signal to the summaries of its source, lets
 * time pass in ticks, and has each hot key judged when it is due.
 */
#include "tcpwitness/detect/detect_engine.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "attention.h"
#include "detect_internal.h"
#include "incident.h"
#include "merged_summary.h"
#include "signal_logs.h"
#include "summary_set.h"
#include "watch.h"

#define TICK_NS DETECT_TICK_NS

/* In a silence so many ticks are judged as in traffic, and after it one more. */
#define SILENCE_NS (120 * NS_PER_SEC)

/*
 * So many hot keys are judged at each tick, whatever happens to them. Of more than that, those to which little happens
 * and where nothing is suspicious are judged so often: there may be tens of thousands, and each judgement reads all
 * that is known of its key, while a few packets concern it. Whoever gets SUMMARY_URGENT is judged at the next tick, so
 * judging costs so much per attempt and per failure at most. Where something is suspicious, a key is judged at each
 * tick too, but when that is so of thousands at once: then so many take their turn at a tick, or there would be pauses.
 */
enum { ALWAYS_JUDGED = 64, TURNS_AT_A_TICK = 256 };
#define CALM_NS NS_PER_SEC

#define MIN_MEMORY_BYTES ((size_t)256 * 1024)

/* With several sources, what part of the memory their logs have. */
enum { LOGS_SHARE = 16 };

struct detect_source {
	struct detect_engine *engine;
	struct summary_table *table; /* the part with the same number, or what another sensor told */
	unsigned number;
};

struct detect_engine {
	struct event_writer writer;
	struct detect_visibility visibility;
	struct sensor_view view;
	struct detect_stats stats;
	uint64_t began_ns;     /* the first packet; 0 = none yet */
	uint64_t heard_ns;     /* the latest packet */
	uint64_t next_tick_ns; /* 0 = not begun */
	bool is_crowded;       /* more keys are hot than are judged at each tick */
	uint64_t n_rounds;     /* ticks until a restless key has its turn again */

	size_t n_runs;
	struct detector_run runs[MAX_DETECTORS];
	struct summary_set set;
	struct detect_source sources[SUMMARY_SET_TABLES];
	struct signal_logs logs; /* where there are several sources */
	struct source_filter *filters[SUMMARY_PARTS];
	struct source_filter *failing_filters[SUMMARY_PARTS];
	unsigned n_alarmed;       /* services and hosts that an alarm is open about */
	uint64_t alarmed_version; /* of which these are: counts their changes, from 1 */
	struct watch_set watches;
	struct attention attention;
	struct incident_book book;
	/* Of the key that is judged, its host, and the sensor: with other sensors. */
	struct merged_summary *merged;
	struct summary_whole_crowd *views; /* SUMMARY_CROWDS */
};

enum merged_place { MERGED_KEY = 0, MERGED_HOST, MERGED_SENSOR, MERGED_PLACES };

static void list_runs(struct detect_engine *engine, const struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_rules; i++) {
		const struct detector *detector = detectors[i];
		if (!ruleset->rules[i].enabled || engine->n_runs == MAX_DETECTORS)
			continue;
		struct detector_run *run = &engine->runs[engine->n_runs];
		run->detector = detector;
		run->rule = &ruleset->rules[i];
		run->slot = (uint8_t)(detector->group < INCIDENT_OWN ? detector->group : INCIDENT_OWN + engine->n_runs);
		engine->n_runs++;
	}
}

static int start_tables(struct detect_engine *engine, size_t memory_bytes, struct error *error)
{
	struct summary_set *set = &engine->set;
	const struct summary_table_config config = {
		.memory_bytes = memory_bytes / set->n_tables,
		.secret = set->secret,
		.n_tables = (unsigned)summary_set_layers(set),
		.n_parts = (unsigned)set->n_parts,
		.n_filter_cells = set->n_filter_cells,
	};

	for (size_t i = 0; i < set->n_tables; i++) {
		struct detect_source *source = &engine->sources[i];
		set->tables[i] = summary_table_create(&config, error);
		if (set->tables[i] == NULL)
			return -1;
		source->engine = engine;
		source->table = set->tables[i];
		source->number = (unsigned)i;
		if (i >= set->n_parts)
			continue;
		engine->filters[i] = summary_table_filter(set->tables[i]);
		engine->failing_filters[i] = summary_table_failing_filter(set->tables[i]);
	}
	return 0;
}

/* How finely sources are told apart does not depend on how many tables there are, as far as the sensor's own go. */
static int start_sources(struct detect_engine *engine, size_t memory_bytes, struct error *error)
{
	size_t logs_bytes = memory_bytes / LOGS_SHARE;

	engine->set.n_filter_cells = summary_table_filter_cells(memory_bytes / summary_set_layers(&engine->set));
	if (engine->set.n_parts == 1)
		return start_tables(engine, memory_bytes, error);
	if (signal_logs_init(&engine->logs, &engine->set, logs_bytes) != 0)
		return error_set(error, "no memory for what sources tell (%zu bytes)", logs_bytes);
	return start_tables(engine, memory_bytes - logs_bytes, error);
}

/* Of the memory, a quarter is for judging: half of that for watches, and an eighth each for alarms, new keys, rest. */
static int start_judging(struct detect_engine *engine, size_t memory_bytes)
{
	size_t sixteenth_bytes = memory_bytes / 16;

	engine->views = calloc(SUMMARY_CROWDS, sizeof(*engine->views));
	if (engine->views == NULL)
		return -1;
	if (summary_set_layers(&engine->set) > 1) {
		engine->merged = calloc(MERGED_PLACES, sizeof(*engine->merged));
		if (engine->merged == NULL)
			return -1;
	}
	if (watch_set_init(&engine->watches, engine->runs, engine->n_runs, 9 * sixteenth_bytes, &engine->set.secret) !=
	    0)
		return -1;
	if (attention_init(&engine->attention, &engine->watches, &engine->set, engine->merged, sixteenth_bytes) != 0)
		return -1;
	if (incident_book_init(&engine->book, &engine->watches, 6 * sixteenth_bytes, &engine->writer, &engine->stats) !=
	    0)
		return -1;
	engine->book.views = engine->views;
	return 0;
}

static int start(struct detect_engine *engine, const struct ruleset *ruleset, size_t memory_bytes, struct error *error)
{
	size_t fixed_bytes = SUMMARY_CROWDS * sizeof(*engine->views) +
			     (summary_set_layers(&engine->set) > 1 ? MERGED_PLACES * sizeof(*engine->merged) : 0);

	memory_bytes -= fixed_bytes < memory_bytes / 4 ? fixed_bytes : memory_bytes / 4;
	list_runs(engine, ruleset);
	if (start_sources(engine, memory_bytes / 4 * 3, error) != 0)
		return -1;
	if (start_judging(engine, memory_bytes / 4) != 0)
		return error_set(error, "no memory for judging (%zu bytes)", memory_bytes / 4);
	return 0;
}

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

struct detect_engine *detect_engine_create(const struct ruleset *ruleset, const struct detect_config *config,
					   const struct event_writer *writer, struct error *error)
{
	struct detect_engine *engine;

	if (config->memory_bytes < MIN_MEMORY_BYTES) {
		error_set(error, "detection: %zu bytes of memory are too little; give it at least %zu",
			  config->memory_bytes, MIN_MEMORY_BYTES);
		return NULL;
	}
	engine = calloc(1, sizeof(*engine));
	if (engine == NULL) {
		error_set(error, "detection: no memory");
		return NULL;
	}
	engine->writer = *writer;
	engine->alarmed_version = 1;
	engine->stats.memory_bytes = config->memory_bytes;
	engine->set.secret = config->secret;
	engine->set.n_parts = at_most(config->n_sources == 0 ? 1 : config->n_sources, SUMMARY_PARTS);
	engine->set.n_tables =
		engine->set.n_parts + at_most(config->n_remotes, SUMMARY_SET_TABLES - engine->set.n_parts);
	if (start(engine, ruleset, config->memory_bytes - sizeof(*engine), error) != 0) {
		detect_engine_destroy(engine);
		return NULL;
	}
	return engine;
}

void detect_engine_destroy(struct detect_engine *engine)
{
	if (engine == NULL)
		return;
	incident_book_fini(&engine->book);
	attention_fini(&engine->attention);
	watch_set_fini(&engine->watches);
	for (size_t i = 0; i < engine->set.n_tables; i++)
		summary_table_destroy(engine->set.tables[i]);
	signal_logs_fini(&engine->logs);
	free(engine->merged);
	free(engine->views);
	free(engine);
}

/* --- signals --- */

struct detect_source *detect_engine_source(struct detect_engine *engine, unsigned number)
{
	return number < engine->set.n_tables && engine->n_runs > 0 ? &engine->sources[number] : NULL;
}

/* Tables change while sources tell; watches do not. */
static bool is_alarmed(struct detect_engine *engine, const struct flow_signal *signal)
{
	const struct summary_key service_key = summary_key_service(&signal->server, signal->server_port);
	const struct watch *service = watch_find(&engine->watches, &service_key);
	if (service != NULL && service->is_alarmed)
		return true;
	const struct summary_key host_key = summary_key_host(&signal->server);
	const struct watch *host = watch_find(&engine->watches, &host_key);
	return host != NULL && host->is_alarmed;
}

/* Apart, so that a source alone does without. */
__attribute__((noinline)) static bool log_signal(struct detect_source *source, const struct flow_signal *signal)
{
	struct detect_engine *engine = source->engine;
	struct alarm_note *note = signal_logs_add(&engine->logs, source->number, signal);

	if (engine->n_alarmed == 0)
		return false;
	if (note->version != engine->alarmed_version)
		*note = (struct alarm_note){ engine->alarmed_version, is_alarmed(engine, signal) };
	return note->is_open;
}

bool detect_source_signal(struct detect_source *source, const struct flow_signal *signal)
{
	if (source == NULL)
		return false;
	return source->engine->set.n_parts == 1 ? summary_table_signal(source->table, signal)
						: log_signal(source, signal);
}

/* Where there are several, what a source is told is counted later. */
void detect_source_fetch(const struct detect_source *source, struct detect_expected *expected, uint64_t now_ns,
			 enum detect_fetch step)
{
	if (source != NULL && source->engine->set.n_parts == 1)
		summary_table_fetch(source->table, expected, now_ns, step);
}

void detect_source_settle(struct detect_source *source)
{
	/* What another sensor told is counted already. */
	if (source != NULL && source->number < source->engine->set.n_parts && source->engine->set.n_parts > 1)
		signal_logs_settle(&source->engine->logs, source->number);
}

void detect_engine_count_until(struct detect_engine *engine, uint64_t until_ns)
{
	engine->logs.until_ns = until_ns;
}

static void settle_all(struct detect_engine *engine)
{
	if (engine->set.n_parts > 1)
		signal_logs_settle_rest(&engine->logs);
}

void detect_engine_count(struct detect_engine *engine)
{
	settle_all(engine);
}

struct summary_table *detect_source_table(struct detect_source *source)
{
	return source->table;
}

/* --- ticks --- */

static bool is_anything_hot(const struct detect_engine *engine)
{
	struct summary_record *const *candidates;

	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		if (engine->watches.kinds[kind].n_hot > 0)
			return true;
	for (size_t i = 0; i < engine->set.n_tables; i++)
		if (summary_table_candidates(engine->set.tables[i], &candidates) > 0)
			return true;
	return engine->stats.alarms_open > 0;
}

uint64_t detect_engine_due(struct detect_engine *engine, uint64_t now_ns)
{
	if (engine->n_runs == 0)
		return 0;
	if (engine->next_tick_ns == 0) {
		engine->began_ns = now_ns;
		engine->next_tick_ns = (now_ns / TICK_NS + 1) * TICK_NS;
	}
	if (now_ns < engine->next_tick_ns) {
		engine->heard_ns = now_ns;
		return 0;
	}
	settle_all(engine);
	/* Where nothing is going on, and after a long silence, the last boundary has all that the others had. */
	if (engine->next_tick_ns > engine->heard_ns + SILENCE_NS || !is_anything_hot(engine))
		engine->next_tick_ns = now_ns / TICK_NS * TICK_NS;
	return engine->next_tick_ns;
}

static const struct summary *summary_of(struct detect_engine *engine, enum merged_place place,
					const struct summary_key *key)
{
	return merged_summary_of(engine->merged == NULL ? NULL : &engine->merged[place], &engine->set, key);
}

static const struct summary *find_host(void *tables, const struct summary_key *service)
{
	const struct summary_key host = summary_key_host(&service->ip);

	return summary_of(tables, MERGED_HOST, &host);
}

static void tell_alarmed(struct detect_engine *engine, struct watch *watch)
{
	bool is_alarmed = watch->incidents != NULL;

	if (is_alarmed == watch->is_alarmed)
		return;
	watch->is_alarmed = is_alarmed;
	if (watch->key.kind == SUMMARY_SERVICE || watch->key.kind == SUMMARY_HOST)
		engine->n_alarmed += is_alarmed ? 1u : -1u;
	engine->alarmed_version++;
	for (size_t i = 0; i < summary_set_layers(&engine->set); i++)
		summary_table_set_alarmed(summary_set_table(&engine->set, i, &watch->key), &watch->key, is_alarmed);
}

/* Everything that has happened to the key until the tick is judged. */
static void begin_anew(struct detect_engine *engine, struct watch *watch)
{
	if (watch->record != NULL) {
		watch->record->urge = 0;
		return;
	}
	for (size_t i = 0; i < summary_set_layers(&engine->set); i++)
		summary_table_judged(summary_set_table(&engine->set, i, &watch->key), &watch->key);
}

static void judge(struct detect_engine *engine, struct watch *watch, const struct summary *sensor, uint64_t tick_ns,
		  struct incident_time time)
{
	const struct summary_key *key = &watch->key;
	const struct summary *summary =
		watch->record != NULL ? &watch->record->summary : summary_of(engine, MERGED_KEY, key);
	struct detect_scene scene = {
		.now_ns = tick_ns,
		.began_ns = engine->began_ns,
		.key = key,
		.summary = summary,
		.sensor = sensor,
		.visibility = &engine->visibility,
		.view = &engine->view,
	};

	if (summary == NULL) {
		/* There was no room to keep anything of it. */
		attention_end(&engine->attention, watch, tick_ns);
		return;
	}
	if (key->kind == SUMMARY_SERVICE) {
		scene.find_host = find_host;
		scene.tables = engine;
	}
	if (key->kind == SUMMARY_SERVICE || key->kind == SUMMARY_HOST)
		scene.is_alarm_above = incident_is_above(&engine->book, key);
	if (key->kind == SUMMARY_HOST || key->kind == SUMMARY_PREFIX)
		scene.n_alarms_below = incident_count_below(&engine->book, key);
	watch_view_crowds(&engine->watches, watch, summary, tick_ns, engine->views, scene.crowd);
	incident_judge(&engine->book, watch, &scene, time);
	tell_alarmed(engine, watch);
	attention_renew(&engine->attention, watch, summary, tick_ns);
}

/* --- who is due --- */

static uint64_t urge_of(struct detect_engine *engine, const struct summary_record *record)
{
	size_t n_layers = summary_set_layers(&engine->set);
	uint64_t urge = 0;

	if (n_layers == 1)
		return record->urge;
	for (size_t i = 0; i < n_layers; i++) {
		struct summary_table *table = summary_set_table(&engine->set, i, &record->key);
		const struct summary_record *known = summary_table_find(table, &record->key);
		urge += known != NULL ? known->urge : 0;
	}
	return urge;
}

/* False: nobody knows who is urgent. */
static bool hurry_urgent(struct detect_engine *engine)
{
	struct summary_record *const *urgent;
	bool is_known = true;
	size_t n;

	for (size_t i = 0; i < engine->set.n_tables; i++) {
		is_known &= summary_table_urgent(engine->set.tables[i], &urgent, &n);
		for (size_t k = 0; k < n; k++) {
			if (urgent[k] == NULL || urge_of(engine, urgent[k]) < SUMMARY_URGENT)
				continue;
			const struct watch *watch = watch_find(&engine->watches, &urgent[k]->key);
			if (watch != NULL && watch->is_hot)
				watch_hurry(&engine->watches, watch);
		}
	}
	return is_known;
}

static void find_due(struct detect_engine *engine)
{
	size_t n_hot = 0;
	size_t n_restless = 0;

	for (int kind = 0; kind < SUMMARY_SENSOR; kind++) {
		n_hot += engine->watches.kinds[kind].n_hot;
		n_restless += engine->watches.kinds[kind].n_restless;
	}
	engine->n_rounds = (n_restless + TURNS_AT_A_TICK - 1) / TURNS_AT_A_TICK;
	engine->is_crowded = n_hot > ALWAYS_JUDGED;
	if (engine->is_crowded && !hurry_urgent(engine))
		engine->is_crowded = false;
}

/* Who is due as often as that anyhow needs no turn. */
static bool has_turn(const struct detect_engine *engine, size_t place, uint64_t tick_ns)
{
	return engine->n_rounds < CALM_NS / TICK_NS && (place + tick_ns / TICK_NS) % engine->n_rounds == 0;
}

static bool is_due(const struct detect_engine *engine, const struct watch_kind *kind, size_t place, uint64_t tick_ns)
{
	const struct hot_key *hot = &kind->hot[place];

	return hot->watch != NULL && (!engine->is_crowded || hot->due_ns <= tick_ns || hot->is_hurried ||
				      (hot->is_restless && has_turn(engine, place, tick_ns)));
}

/* Of those from place on; n_places = none. */
static size_t next_due(const struct detect_engine *engine, const struct watch_kind *kind, size_t place,
		       uint64_t tick_ns)
{
	while (place < kind->n_places && !is_due(engine, kind, place, tick_ns))
		place++;
	return place;
}

/* Places of those that are due: the one that is judged now, and those behind it; n_places and more = none. */
struct due {
	size_t places[WATCH_AHEAD + 2];
};

enum { DUE_LAST = WATCH_AHEAD + 1 };

static void find_next(const struct detect_engine *engine, const struct watch_kind *kind, struct due *due,
		      uint64_t tick_ns)
{
	memmove(due->places, due->places + 1, DUE_LAST * sizeof(due->places[0]));
	due->places[DUE_LAST] = next_due(engine, kind, due->places[DUE_LAST - 1] + 1, tick_ns);
}

static struct due find_first(const struct detect_engine *engine, const struct watch_kind *kind, uint64_t tick_ns)
{
	struct due due;

	due.places[0] = next_due(engine, kind, 0, tick_ns);
	for (int i = 1; i <= DUE_LAST; i++)
		due.places[i] = next_due(engine, kind, due.places[i - 1] + 1, tick_ns);
	return due;
}

/*
 * While one is judged, the memory of the next ones comes: what is known of hot keys together is more than caches hold.
 */
static void expect_due(const struct detect_engine *engine, enum summary_kind kind, const struct due *due,
		       uint64_t tick_ns)
{
	const struct watch_kind *of = &engine->watches.kinds[kind];

	for (unsigned n_before = 0; n_before <= WATCH_AHEAD; n_before++)
		if (due->places[n_before + 1] < of->n_places)
			watch_expect(of->hot[due->places[n_before + 1]].watch, kind, n_before, tick_ns);
}

static void judge_due(struct detect_engine *engine, enum summary_kind which, const struct summary *sensor,
		      uint64_t tick_ns, struct incident_time time)
{
	struct watch_kind *kind = &engine->watches.kinds[which];

	for (struct due due = find_first(engine, kind, tick_ns); due.places[0] < kind->n_places;
	     find_next(engine, kind, &due, tick_ns)) {
		struct hot_key *hot = &kind->hot[due.places[0]];
		struct watch *watch = hot->watch;
		expect_due(engine, which, &due, tick_ns);
		engine->book.expected = due.places[1] < kind->n_places ? kind->hot[due.places[1]].watch : NULL;
		/* Whoever is judged in between is due as before: lessons are a second apart. */
		if (hot->due_ns <= tick_ns)
			hot->due_ns = tick_ns + CALM_NS;
		judge(engine, watch, sensor, tick_ns, time);
		begin_anew(engine, watch);
		watch_note_judged(&engine->watches, watch);
	}
}

static void judge_all(struct detect_engine *engine, uint64_t tick_ns, struct incident_time time)
{
	const struct summary_key sensor_key = summary_key_sensor();
	const struct summary *sensor = summary_of(engine, MERGED_SENSOR, &sensor_key);

	attention_adopt(&engine->attention, tick_ns);
	find_due(engine);
	if (engine->book.is_ending)
		engine->is_crowded = false;
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		judge_due(engine, (enum summary_kind)kind, sensor, tick_ns, time);
	for (size_t i = 0; i < engine->set.n_tables; i++)
		summary_table_sift_urgent(engine->set.tables[i]);
	engine->book.expected = NULL;
	judge(engine, watch_first(&engine->watches, SUMMARY_SENSOR), sensor, tick_ns, time);
}

static void count_evicted(struct detect_engine *engine)
{
	uint64_t evicted = engine->attention.n_refused;

	for (size_t i = 0; i < engine->set.n_tables; i++)
		evicted += summary_table_evicted(engine->set.tables[i]);
	engine->stats.targets_evicted = evicted;
}

void detect_engine_tick(struct detect_engine *engine, uint64_t tick_ns, uint64_t now_ns, uint64_t packet_number,
			const struct detect_visibility *visibility)
{
	const struct incident_time time = { now_ns, packet_number };

	settle_all(engine);
	engine->next_tick_ns = (tick_ns / TICK_NS + 1) * TICK_NS;
	engine->visibility = *visibility;
	sensor_view_update(&engine->view, visibility, tick_ns);
	source_filter_judge(engine->filters, engine->set.n_parts, tick_ns);
	source_filter_judge(engine->failing_filters, engine->set.n_parts, tick_ns);
	judge_all(engine, tick_ns, time);
	count_evicted(engine);
}

void detect_engine_advance(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number,
			   const struct detect_visibility *visibility)
{
	uint64_t tick_ns;

	while ((tick_ns = detect_engine_due(engine, now_ns)) != 0)
		detect_engine_tick(engine, tick_ns, now_ns, packet_number, visibility);
}

void detect_engine_end(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number)
{
	settle_all(engine);
	engine->book.is_ending = true;
	judge_all(engine, now_ns, (struct incident_time){ now_ns, packet_number });
}

const struct detect_stats *detect_engine_get_stats(const struct detect_engine *engine)
{
	return &engine->stats;
}

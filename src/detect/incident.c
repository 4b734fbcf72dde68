/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detectors find; here it is decided what an operator hears of it. An incident begins when a detector of the group
 * finds enough for an alarm, has the class that fits best, changes it only for one that has fitted clearly better for
 * a while (longer each time, so that it cannot go back and forth), and ends when nothing of the group is found.
 */
#include "incident.h"

#include <math.h>
#include <string.h>

#include "tcpwitness/base/units.h"

/* Another class must fit so much better, for so long; twice as long after each change. */
#define LEAD_SCORE 0.1
#define LEAD_NS    (2 * NS_PER_SEC)
enum { MAX_LEAD_DOUBLINGS = 6 };

/* How long nothing must be found, where the detector does not say. */
#define CLEAR_AFTER_NS (30 * NS_PER_SEC)

/* A packet that crosses boundaries so old ended a silence. */
#define SILENCE_NS NS_PER_SEC

/* Trouble is forgotten when nothing was suspicious for so long. */
#define CALM_NS (10 * NS_PER_SEC)

static const char *slot_name(const struct incident_book *book, unsigned slot)
{
	if (slot == INCIDENT_SERVICE)
		return "service";
	if (slot == INCIDENT_SOURCE)
		return "source";
	for (size_t i = 0; i < book->watches->n_runs; i++)
		if (book->watches->runs[i].slot == slot)
			return book->watches->runs[i].detector->name;
	return "";
}

static bool judges(const struct detector_run *run, unsigned kind)
{
	return run->detector->find != NULL && ((run->detector->kinds >> kind) & 1) != 0;
}

static uint32_t slots_in_use(const struct watch_set *watches)
{
	uint32_t slots = 0;

	for (size_t i = 0; i < watches->n_runs; i++)
		if (watches->runs[i].detector->find != NULL)
			slots |= UINT32_C(1) << watches->runs[i].slot;
	return slots;
}

int incident_book_init(struct incident_book *book, struct watch_set *watches, size_t memory_bytes,
		       const struct event_writer *writer, struct detect_stats *stats)
{
	uint32_t slots = slots_in_use(watches);
	size_t n_slots = (size_t)__builtin_popcount(slots);

	*book = (struct incident_book){ .watches = watches, .writer = writer, .stats = stats };
	for (size_t i = 0; i < watches->n_runs; i++) {
		book->runs_of_slot[watches->runs[i].slot] |= UINT32_C(1) << i;
		if (watches->runs[i].rule->exceptions != NULL || watches->runs[i].rule->is_off_elsewhere)
			book->runs_with_exceptions |= UINT32_C(1) << i;
		for (unsigned kind = 0; kind < SUMMARY_KINDS; kind++)
			if (judges(&watches->runs[i], kind))
				book->runs_of_kind[kind] |= UINT32_C(1) << i;
	}
	if (n_slots == 0)
		return 0;
	for (unsigned slot = 0; slot < MAX_SLOTS; slot++) {
		if (((slots >> slot) & 1) == 0)
			continue;
		book->sets[slot] = alarm_set_create(memory_bytes / 2 / n_slots, ALARM_MAX_OPEN);
		if (book->sets[slot] == NULL)
			return -1;
	}
	size_t most_bytes = n_slots * ALARM_MAX_OPEN * (sizeof(struct incident) + sizeof(uint32_t));
	return block_pool_init(&book->pool, sizeof(struct incident),
			       memory_bytes / 2 < most_bytes ? memory_bytes / 2 : most_bytes);
}

void incident_book_fini(struct incident_book *book)
{
	for (unsigned slot = 0; slot < MAX_SLOTS; slot++)
		alarm_set_destroy(book->sets[slot]);
	block_pool_fini(&book->pool);
}

/* --- what stands beside each other --- */

/* Informational ones say nothing about others. */
static bool is_of_worth(const struct incident *incident)
{
	return incident->slot == INCIDENT_SERVICE && incident->severity < INCIDENT_INFORMATIONAL;
}

static bool is_in_prefix(const struct ip_addr *ip, const struct summary_key *prefix)
{
	const struct summary_key key = summary_key_prefix(ip);

	return ip_addr_equal(&key.ip, &prefix->ip);
}

uint32_t incident_count_below(const struct incident_book *book, const struct summary_key *key)
{
	uint32_t n = 0;

	for (const struct incident *incident = book->first; incident != NULL; incident = incident->next) {
		const struct summary_key *of = &incident->watch->key;
		if (!is_of_worth(incident) || of->kind >= key->kind)
			continue;
		if (key->kind == SUMMARY_HOST ? ip_addr_equal(&of->ip, &key->ip) : is_in_prefix(&of->ip, key))
			n++;
	}
	return n;
}

bool incident_is_above(const struct incident_book *book, const struct summary_key *key)
{
	for (const struct incident *incident = book->first; incident != NULL; incident = incident->next) {
		const struct summary_key *of = &incident->watch->key;
		if (!is_of_worth(incident) || of->kind <= key->kind || of->kind > SUMMARY_PREFIX)
			continue;
		if (of->kind == SUMMARY_HOST ? ip_addr_equal(&of->ip, &key->ip) : is_in_prefix(&key->ip, of))
			return true;
	}
	return false;
}

/* --- the life of one incident --- */

static struct incident *incident_of(const struct watch *watch, unsigned slot)
{
	struct incident *incident = watch->incidents;

	while (incident != NULL && incident->slot != slot)
		incident = incident->next_of_watch;
	return incident;
}

static void enlist(struct incident_book *book, struct incident *incident)
{
	incident->previous = book->last;
	if (book->last != NULL)
		book->last->next = incident;
	else
		book->first = incident;
	book->last = incident;
	incident->next_of_watch = incident->watch->incidents;
	incident->watch->incidents = incident;
	book->n_shared += incident_is_shared(&incident->watch->key, incident->slot);
}

static void unlist(struct incident_book *book, struct incident *incident)
{
	struct incident **link = &incident->watch->incidents;

	if (incident->next != NULL)
		incident->next->previous = incident->previous;
	else
		book->last = incident->previous;
	if (incident->previous != NULL)
		incident->previous->next = incident->next;
	else
		book->first = incident->next;
	while (*link != incident)
		link = &(*link)->next_of_watch;
	*link = incident->next_of_watch;
	book->n_shared -= incident_is_shared(&incident->watch->key, incident->slot);
}

static size_t index_of(const struct incident_book *book, const struct detector_run *run)
{
	return (size_t)(run - book->watches->runs);
}

static const struct finding *finding_of(const struct incident_book *book, const struct detector_run *run)
{
	return &book->findings[index_of(book, run)];
}

static uint8_t severity_of(const struct watch *watch, const struct detector_run *run, const struct finding *finding)
{
	const struct rule_subject subject = watch_subject(&watch->key);
	uint8_t proposed = finding->severity != 0 ? finding->severity : run->detector->default_severity;

	return rule_severity_for(run->rule, &subject, finding->class_name != NULL ? finding->class_name : "", proposed);
}

/* Everything that is told of the key; when it stands still, all is silent. */
static uint64_t arrivals(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;
	uint64_t n = totals[SUMMARY_ATTEMPTS] + totals[SUMMARY_SYNS_REPEATED] + totals[SUMMARY_COMPLETED] +
		     totals[SUMMARY_SPOKEN];

	for (int stray = 0; stray < STRAY_COUNT; stray++)
		n += totals[SUMMARY_STRAYS + stray];
	return n;
}

/* Informational: worth knowing, and no trouble. */
static bool is_harmless(const struct incident_book *book, const struct watch *watch, const struct detector_run *run)
{
	return severity_of(watch, run, finding_of(book, run)) >= INCIDENT_INFORMATIONAL;
}

static bool fits_better(const struct incident_book *book, const struct watch *watch, const struct detector_run *run,
			const struct detector_run *than, bool is_alarming)
{
	bool was_harmless = is_alarming && is_harmless(book, watch, than);

	if (is_alarming && is_harmless(book, watch, run) != was_harmless)
		return was_harmless;
	return finding_of(book, run)->score > finding_of(book, than)->score;
}

/* Bits: those of the slot that judge such a key. */
static uint32_t runs_in(const struct incident_book *book, const struct watch *watch, unsigned slot)
{
	return book->runs_of_slot[slot] & book->runs_of_kind[watch->key.kind];
}

/*
 * The best of the group that matches, of those that may speak if it is to be alarming; null = none. Trouble goes before
 * what is harmless: a flood in the middle of a crowd is a flood. Of equals the first in the order of detectors[].
 */
static const struct detector_run *best_of(const struct incident_book *book, const struct watch *watch, unsigned slot,
					  const struct detector_run *except, bool is_alarming)
{
	const struct detector_run *best = NULL;

	for (uint32_t left = runs_in(book, watch, slot); left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct detector_run *run = &book->watches->runs[i];
		const struct finding *finding = &book->findings[i];
		if (run == except)
			continue;
		if (is_alarming ? !finding->is_alarming || ((watch->silenced >> i) & 1) != 0 : finding->score <= 0)
			continue;
		if (best == NULL || fits_better(book, watch, run, best, is_alarming))
			best = run;
	}
	return best;
}

static void write_event(struct incident_book *book, struct incident *incident, const struct detect_scene *scene,
			enum alert_phase phase, const struct incident *folded_into, struct incident_time time)
{
	const struct detector_run *run = incident->present;
	struct watch *watch = incident->watch;
	struct incident_event about = {
		.incident = incident,
		.scene = scene,
		.finding = finding_of(book, run),
		.runner_up = best_of(book, watch, incident->slot, run, false),
		.phase = phase,
		.folded_into = folded_into,
		.is_ending = book->is_ending,
		.time = time,
	};
	/* The trouble is not over only because the run is, or because it is told elsewhere. */
	enum alert_phase explained = book->is_ending || folded_into != NULL ? ALERT_UPDATE : phase;
	struct sensor_event *event = book->writer->begin(book->writer->context, EVENT_ALERT);

	if (event == NULL)
		return;
	if (about.runner_up != NULL)
		about.runner_up_score = finding_of(book, about.runner_up)->score;
	incident_event_fill(event, &about);
	if (run->detector->explain != NULL)
		run->detector->explain(watch_params(watch, run), scene, watch_state(watch, run), about.finding,
				       explained, &event->alert);
	if (folded_into != NULL)
		incident_event_tell_folded(&event->alert, folded_into);
	incident_event_doubt(event, &about);
	book->writer->end(book->writer->context, event);
}

/*
 * Where the present class finds nothing any more, it has no opinion about its finer name either: the last one holds.
 */
static struct alarm_reading reading_of(const struct incident_book *book, const struct incident *incident,
				       const struct detect_scene *scene, bool is_hot)
{
	const struct finding *finding = finding_of(book, incident->present);
	const struct alarm_reading *written = &incident->alarm->written;
	const char *detector = incident->present->detector->name;
	bool is_there = finding->is_alarming || finding->is_hot || written->detector != detector;

	return (struct alarm_reading){
		.level = finding->level,
		.extent = finding->extent,
		.detector = detector,
		.class_name = is_there ? finding->class_name : written->class_name,
		.arrivals = arrivals(scene->summary),
		.seen_ns = finding->seen_ns,
		.severity = incident->severity,
		.stage = finding->stage,
		.is_hot = is_hot,
	};
}

static void raise(struct incident_book *book, struct watch *watch, const struct detect_scene *scene,
		  const struct detector_run *run, struct incident_time time)
{
	const struct finding *finding = finding_of(book, run);
	const struct alert_target target = incident_target(&watch->key);
	uint32_t slot_bit = UINT32_C(1) << run->slot;
	uint64_t began_ns = finding->began_ns != 0 ? finding->began_ns : scene->now_ns;
	struct incident *incident = block_pool_take(&book->pool);
	struct alarm *alarm = NULL;

	if (incident != NULL)
		alarm = alarm_open(book->sets[run->slot], slot_name(book, run->slot), &target, began_ns, scene->now_ns);
	if (alarm == NULL) {
		book->stats->alarms_suppressed += (watch->suppressed & slot_bit) == 0;
		watch->suppressed |= slot_bit;
		if (incident != NULL)
			block_pool_give_back(&book->pool, incident);
		return;
	}
	watch->suppressed &= ~slot_bit;
	watch->folded_into = 0;
	incident->watch = watch;
	incident->alarm = alarm;
	incident->slot = run->slot;
	incident->present = run;
	incident->was = UINT32_C(1) << index_of(book, run);
	incident->severity = severity_of(watch, run, finding);
	incident->clear_after_ns = finding->clear_after_ns != 0 ? finding->clear_after_ns : CLEAR_AFTER_NS;
	alarm->threshold = finding->threshold;
	/* Came back as something else, it counts something else. */
	if (alarm->written.detector != run->detector->name)
		alarm->peak = 0;
	evidence_begin(&incident->past, scene, began_ns,
		       watch->trouble != NULL ? watch->trouble->totals_before : scene->summary->totals);
	enlist(book, incident);
	const struct alarm_reading reading = reading_of(book, incident, scene, true);
	alarm_written(alarm, &reading, scene->now_ns);
	book->stats->alarms_raised++;
	book->stats->alarms_open++;
	write_event(book, incident, scene, ALERT_RAISED, NULL, time);
}

/* Fewer do not tell who is behind an alarm. */
enum { MIN_BEHIND = 8 };

static bool are_behind(const struct summary_crowd *crowd)
{
	return crowd != NULL && crowd->connections >= MIN_BEHIND;
}

/*
 * The connections behind what is found: since the trouble began, or of late; as long as too few of them are known,
 * those who try, among whom they must be. Null = nobody knows.
 */
static const struct summary_crowd *crowd_of(const struct detector_run *run, const struct detect_scene *scene)
{
	const struct detector *detector = run->detector;
	enum summary_crowd_kind kind =
		(enum summary_crowd_kind)(detector->behind != 0 ? detector->behind : detector->crowd);
	const struct summary_crowd *now = summary_crowd_now(scene->summary, kind, scene->now_ns);
	const struct summary_crowd *before = summary_crowd_before(scene->summary, kind, scene->now_ns);

	if (are_behind(scene->crowd[kind]))
		return scene->crowd[kind];
	if (are_behind(now))
		return now;
	if (are_behind(before))
		return before;
	return summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
}

/* What is allowed, or not wanted now, is so by whichever measure of it: else it comes back under another name. */
static bool is_silenced_by(const struct detector_run *run, const struct detector_run *by,
			   const struct rule_subject *subject, const struct ip_addr *sources, size_t n, uint64_t now_ns)
{
	enum rule_silence silence;

	if (by != run && (run->detector->trouble == TROUBLE_OWN || by->detector->trouble != run->detector->trouble))
		return false;
	silence = rule_silence_of_sources(by->rule, subject, sources, n, now_ns);
	return silence != RULE_SPEAKS && (by == run || silence != RULE_DISABLED_HERE);
}

/* Of a target, those who take part count as well: a load test of one's own may be allowed by its sources. */
static bool may_speak(const struct incident_book *book, const struct watch *watch, const struct detector_run *run,
		      const struct detect_scene *scene, uint64_t now_ns)
{
	if (book->runs_with_exceptions == 0)
		return true;

	const struct rule_subject subject = watch_subject(&watch->key);
	const struct summary_crowd *crowd = crowd_of(run, scene);
	struct ip_addr sources[SUMMARY_SAMPLE];
	size_t n = 0;

	if (crowd != NULL && subject.source.version == 0)
		for (; n < crowd->n_sampled; n++)
			sources[n] = summary_crowd_sampled(crowd, (unsigned)n)->client;
	for (uint32_t left = book->runs_with_exceptions; left != 0; left &= left - 1)
		if (is_silenced_by(run, &book->watches->runs[__builtin_ctz(left)], &subject, sources, n, now_ns))
			return false;
	return true;
}

/* Marks what is found by those of the slot whose rules keep them silent here and now; counted once as long as it is. */
static void silence_slot(struct incident_book *book, struct watch *watch, const struct detect_scene *scene,
			 unsigned slot, uint64_t now_ns)
{
	for (uint32_t left = runs_in(book, watch, slot); left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct detector_run *run = &book->watches->runs[i];
		uint32_t run_bit = UINT32_C(1) << i;

		if (!book->findings[i].is_alarming || may_speak(book, watch, run, scene, now_ns)) {
			watch->silenced &= ~run_bit;
			continue;
		}
		/* What is open already is not kept from being raised. */
		book->stats->alarms_silenced += (watch->silenced & run_bit) == 0 && incident_of(watch, slot) == NULL;
		watch->silenced |= run_bit;
	}
}

/*
 * Another class may take over: when it fits clearly better, or is trouble where the present one is harmless; and what
 * is harmless does not hide trouble that is still there.
 */
static bool is_contender(const struct incident_book *book, const struct incident *incident,
			 const struct detector_run *run)
{
	const struct finding *present = finding_of(book, incident->present);
	bool is_there = present->is_alarming || present->is_hot;
	bool was_harmless = is_harmless(book, incident->watch, incident->present);

	if (is_harmless(book, incident->watch, run) != was_harmless)
		return was_harmless || !is_there;
	return finding_of(book, run)->score >= (is_there ? present->score : 0) + LEAD_SCORE;
}

/* It does so after a while, or at once when it cannot wait. */
static void choose_class(const struct incident_book *book, struct incident *incident, const struct detector_run *best,
			 uint64_t now_ns)
{
	if (best == NULL || best == incident->present || !is_contender(book, incident, best)) {
		incident->contender = NULL;
		return;
	}
	if (incident->contender != best) {
		incident->contender = best;
		incident->contender_ns = now_ns;
	}
	uint32_t best_bit = UINT32_C(1) << index_of(book, best);
	uint64_t lead_ns =
		LEAD_NS << (incident->n_changes < MAX_LEAD_DOUBLINGS ? incident->n_changes : MAX_LEAD_DOUBLINGS);
	bool is_at_once = finding_of(book, best)->is_immediate && (incident->was & best_bit) == 0;
	is_at_once |=
		!is_harmless(book, incident->watch, best) && is_harmless(book, incident->watch, incident->present);
	if (!is_at_once && ns_since(now_ns, incident->contender_ns) < lead_ns)
		return;
	incident->present = best;
	incident->contender = NULL;
	incident->n_changes++;
	incident->was |= best_bit;
	/* What is counted is another figure now. */
	incident->alarm->threshold = finding_of(book, best)->threshold;
	incident->alarm->peak = finding_of(book, best)->level;
}

/* folded_into: where it is told from now on; null = nowhere, it is over. */
static void clear(struct incident_book *book, struct incident *incident, const struct detect_scene *scene,
		  const struct alarm_reading *reading, const struct incident *folded_into, struct incident_time time)
{
	alarm_written(incident->alarm, reading, scene->now_ns);
	alarm_close(book->sets[incident->slot], incident->alarm, scene->now_ns);
	book->stats->alarms_cleared++;
	book->stats->alarms_open--;
	write_event(book, incident, scene, ALERT_CLEARED, folded_into, time);
	unlist(book, incident);
	block_pool_give_back(&book->pool, incident);
}

static void review(struct incident_book *book, struct incident *incident, const struct detect_scene *scene,
		   const struct detector_run *best, bool is_hot, struct incident_time time)
{
	evidence_watch(&incident->past, scene);
	choose_class(book, incident, best, scene->now_ns);
	const struct finding *finding = finding_of(book, incident->present);

	if (finding->clear_after_ns != 0)
		incident->clear_after_ns = finding->clear_after_ns;
	if (finding->is_alarming || finding->is_hot)
		incident->severity = severity_of(incident->watch, incident->present, finding);
	const struct alarm_reading reading = reading_of(book, incident, scene, is_hot);
	if (book->is_ending) {
		clear(book, incident, scene, &reading, NULL, time);
		return;
	}
	switch (alarm_review(incident->alarm, &reading, incident->clear_after_ns, scene->now_ns)) {
	case ALARM_NOTHING_DUE:
		break;
	case ALARM_UPDATE_DUE:
		/* Of a silence that is over, only what is true at its end is news. */
		if (ns_since(time.now_ns, scene->now_ns) >= SILENCE_NS)
			break;
		alarm_written(incident->alarm, &reading, scene->now_ns);
		book->stats->alarms_updated++;
		write_event(book, incident, scene, ALERT_UPDATE, NULL, time);
		break;
	case ALARM_CLEAR_DUE:
		clear(book, incident, scene, &reading, NULL, time);
		break;
	}
}

/*
 * Tells what was found of a source in an open alarm about those whom it asked, if there is one; true = it is told
 * there. An alarm that was raised beside that one has a reason of its own, so each is folded once at most.
 */
static bool fold(struct incident_book *book, struct watch *watch, struct incident *incident,
		 const struct detect_scene *scene, const struct detector_run *best, struct incident_time time)
{
	struct incident *into;

	if (best == NULL || watch->key.kind != SUMMARY_SOURCE || best->slot != INCIDENT_SOURCE || book->is_ending)
		return false;
	into = incident_fold_for(book, finding_of(book, best), severity_of(watch, best, finding_of(book, best)));
	if (into == NULL ||
	    (incident != NULL && (incident->present != best || incident->alarm->raised_ns > into->alarm->raised_ns)))
		return false;
	into->n_folded += watch->folded_into != into->alarm->alert_id;
	watch->folded_into = into->alarm->alert_id;
	watch->suppressed &= ~(UINT32_C(1) << best->slot);
	if (incident != NULL) {
		const struct alarm_reading reading = reading_of(book, incident, scene, true);
		clear(book, incident, scene, &reading, into, time);
	}
	return true;
}

static void judge_slot(struct incident_book *book, struct watch *watch, struct detect_scene *scene, unsigned slot,
		       bool is_found, struct incident_time time)
{
	struct incident *incident = incident_of(watch, slot);
	bool is_hot = false;

	if (incident == NULL && !is_found) {
		/* As a rule; what follows comes to the same. */
		watch->silenced &= ~book->runs_of_slot[slot];
		watch->suppressed &= ~(UINT32_C(1) << slot);
		return;
	}
	silence_slot(book, watch, scene, slot, scene->now_ns);
	const struct detector_run *best = best_of(book, watch, slot, NULL, true);
	for (uint32_t left = runs_in(book, watch, slot); left != 0; left &= left - 1) {
		const struct finding *finding = &book->findings[__builtin_ctz(left)];
		is_hot |= finding->is_hot || finding->is_alarming;
	}
	if (fold(book, watch, incident, scene, best, time))
		return;
	if (incident != NULL)
		review(book, incident, scene, best, is_hot, time);
	else if (best == NULL)
		watch->suppressed &= ~(UINT32_C(1) << slot);
	else if (!book->is_ending)
		raise(book, watch, scene, best, time);
}

/*
 * Asks all detectors; returns the slots in which something is not to be learned from, and when that began, and gives
 * those in which something is enough for an alarm.
 */
static uint32_t find_all(struct incident_book *book, struct watch *watch, struct detect_scene *scene,
			 uint32_t *alarming, uint64_t *began_ns)
{
	uint32_t suspicious = 0;

	if (watch->folded_into != 0 && incident_fold_now(book, watch) == NULL)
		watch->folded_into = 0;
	scene->is_folded = watch->folded_into != 0;
	for (uint32_t left = book->runs_of_kind[watch->key.kind]; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct detector_run *run = &book->watches->runs[i];
		struct finding *finding = &book->findings[i];
		const struct incident *incident = incident_of(watch, run->slot);
		scene->alarm = incident != NULL ? incident->alarm : NULL;
		scene->present_class = incident != NULL ? incident->present->detector : NULL;
		scene->is_suspicious = ((watch->suspicious >> run->slot) & 1) != 0;
		if (book->expected != NULL)
			watch_expect_state(book->expected, (enum summary_kind)watch->key.kind, run);
		memset(finding, 0, sizeof(*finding));
		run->detector->find(watch_params(watch, run), scene, watch_state(watch, run), finding);
		if (!finding->is_suspicious && !finding->is_alarming)
			continue;
		suspicious |= UINT32_C(1) << run->slot;
		if (finding->is_alarming)
			*alarming |= UINT32_C(1) << run->slot;
		if (finding->began_ns != 0 && finding->began_ns < *began_ns)
			*began_ns = finding->began_ns;
	}
	return suspicious;
}

/*
 * A key has a crowd from when it deserves attention, which may be behind most of a burst: the few who came later stand
 * for nobody, and whoever is named may get blocked.
 */
static void forget_late_crowd(struct detect_scene *scene, const struct trouble *trouble)
{
	const struct summary_crowd *trying = scene->crowd[CROWD_TRYING];
	uint64_t attempts = scene->summary->totals[SUMMARY_ATTEMPTS] - trouble->totals_before[SUMMARY_ATTEMPTS];

	if (trying != NULL && trying->connections < attempts / 4)
		scene->crowd[CROWD_TRYING] = NULL;
}

/* An alarm that is raised at once says who takes part, too. */
static void note_trouble(struct incident_book *book, struct watch *watch, struct detect_scene *scene, uint64_t began_ns)
{
	bool is_new = watch->trouble == NULL;
	struct trouble *trouble = watch_begin_trouble(book->watches, watch, scene->summary, began_ns, scene->now_ns);

	if (trouble == NULL)
		return;
	trouble->suspicious_ns = scene->now_ns;
	if (is_new && book->views != NULL)
		watch_view_crowds(book->watches, watch, scene->summary, scene->now_ns, book->views, scene->crowd);
	forget_late_crowd(scene, trouble);
}

/* alarming: the slots in which something is enough for an alarm. */
static void judge_slots(struct incident_book *book, struct watch *watch, struct detect_scene *scene, uint32_t alarming,
			struct incident_time time)
{
	uint32_t judged = 0;

	for (uint32_t left = book->runs_of_kind[watch->key.kind]; left != 0; left &= left - 1) {
		const struct detector_run *run = &book->watches->runs[__builtin_ctz(left)];
		uint32_t slot_bit = UINT32_C(1) << run->slot;
		if ((judged & slot_bit) != 0)
			continue;
		judged |= slot_bit;
		judge_slot(book, watch, scene, run->slot, (alarming & slot_bit) != 0, time);
	}
}

void incident_judge(struct incident_book *book, struct watch *watch, struct detect_scene *scene,
		    struct incident_time time)
{
	uint64_t began_ns = scene->now_ns;
	uint32_t alarming = 0;

	watch->suspicious = find_all(book, watch, scene, &alarming, &began_ns);
	if (watch->suspicious != 0)
		note_trouble(book, watch, scene, began_ns);
	if (alarming == 0 && watch->incidents == NULL) {
		/* As a rule; what judge_slots does comes to the same. */
		watch->silenced = 0;
		watch->suppressed = 0;
	} else {
		judge_slots(book, watch, scene, alarming, time);
	}
	if (watch->trouble != NULL && watch->incidents == NULL &&
	    ns_since(scene->now_ns, watch->trouble->suspicious_ns) >= CALM_NS)
		watch_end_trouble(book->watches, watch);
}

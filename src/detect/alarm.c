/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an alarm may speak (design 1.6, detection science section 6): updates are rare and say something new, clearing
 * takes patience, and trouble that comes back soon is the same incident. Pulses are one incident: after the first
 * pause, which nobody can tell from the end, the alarm waits longer than the pauses last.
 */
#include "alarm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/siphash.h"
#include "tcpwitness/base/units.h"

#define SAME_INCIDENT_NS (300 * NS_PER_SEC)
#define FIRST_MINUTE_NS  (60 * NS_PER_SEC)
#define UPDATE_EARLY_NS  (10 * NS_PER_SEC)
#define UPDATE_LATE_NS   (60 * NS_PER_SEC)
#define UPDATE_GROWTH    2.0
#define UPDATE_CHANGE    0.2

/*
 * While an incident unfolds its class and severity become known one after the other, each told at once; later,
 * and back to what it was, two changes in a row are not told one by one.
 */
#define CHANGE_AGAIN_NS (10 * NS_PER_SEC)
enum { QUICK_CHANGES = 3 };

/* What came back after a pause is over when it has been away so much longer, within these bounds. */
#define PAUSE_FACTOR         1.25
#define PATIENCE_REOPENED_NS (30 * NS_PER_SEC)
#define PATIENCE_MOST_NS     SAME_INCIDENT_NS

/* Nothing has arrived for this share of the patience. */
#define SILENT_SHARE 0.5

/* New alarms: a bucket that holds ALARM_BURST of them and gets one more in each such time. */
#define NEW_ALARM_NS NS_PER_SEC

struct alarm_set {
	size_t n_alarms;
	size_t max_open;
	size_t n_open;
	uint64_t bucket_full_ns; /* when the bucket will be full again */
	struct alarm alarms[];
};

struct alarm_set *alarm_set_create(size_t memory_bytes, size_t max_open)
{
	size_t n = memory_bytes > sizeof(struct alarm_set)
			   ? (memory_bytes - sizeof(struct alarm_set)) / sizeof(struct alarm)
			   : 0;
	if (n > 2 * max_open)
		n = 2 * max_open;
	if (n < 2)
		return NULL;

	struct alarm_set *set = calloc(1, sizeof(*set) + n * sizeof(struct alarm));
	if (set == NULL)
		return NULL;
	set->n_alarms = n;
	set->max_open = n / 2;
	return set;
}

void alarm_set_destroy(struct alarm_set *set)
{
	free(set);
}

size_t alarm_set_open(const struct alarm_set *set)
{
	return set->n_open;
}

static bool same_target(const struct alert_target *a, const struct alert_target *b)
{
	return ip_addr_equal(&a->ip, &b->ip) && a->prefix_bits == b->prefix_bits && a->has_port == b->has_port &&
	       a->port == b->port && a->is_source == b->is_source && ip_addr_equal(&a->client, &b->client);
}

/* Not from the sensor's secret: the same capture gives the same ids on every machine. */
static uint64_t alert_id(const char *group, const struct alert_target *target, uint64_t started_ns)
{
	static const struct siphash_key key = { UINT64_C(0x7463707769746e65), UINT64_C(0x616c6572745f6964) };
	unsigned char bytes[96] = { 0 };
	size_t name_length = strnlen(group, 32);

	memcpy(bytes, group, name_length);
	memcpy(bytes + 32, &target->ip, sizeof(target->ip));
	memcpy(bytes + 52, &target->client, sizeof(target->client));
	bytes[72] = target->prefix_bits;
	bytes[73] = target->has_port;
	bytes[74] = (unsigned char)(target->port >> 8);
	bytes[75] = (unsigned char)target->port;
	bytes[76] = target->is_source;
	for (size_t i = 0; i < 8; i++)
		bytes[80 + i] = (unsigned char)(started_ns >> (8 * i));
	return siphash13(&key, bytes, sizeof(bytes));
}

/* A place for a new alarm: never used, or else the one that ended first. */
static struct alarm *free_place(struct alarm_set *set)
{
	struct alarm *best = NULL;

	for (size_t i = 0; i < set->n_alarms; i++) {
		struct alarm *alarm = &set->alarms[i];
		if (!alarm->is_used)
			return alarm;
		if (!alarm->is_open && (best == NULL || alarm->ended_ns < best->ended_ns))
			best = alarm;
	}
	return best;
}

/* When it was over: at the first tick at which it could be cleared, which after a silence may come late. */
static uint64_t over_ns(const struct alarm *alarm)
{
	uint64_t patient_ns = alarm->hot_ns + alarm->patience_ns;

	return alarm->patience_ns > 0 && patient_ns < alarm->ended_ns ? patient_ns : alarm->ended_ns;
}

static struct alarm *remembered(struct alarm_set *set, const struct alert_target *target, uint64_t now_ns)
{
	for (size_t i = 0; i < set->n_alarms; i++) {
		struct alarm *alarm = &set->alarms[i];
		if (alarm->is_used && !alarm->is_open && same_target(&alarm->target, target) &&
		    ns_since(now_ns, over_ns(alarm)) <= SAME_INCIDENT_NS)
			return alarm;
	}
	return NULL;
}

/* Takes a new alarm from the bucket, if there is one. */
static bool take_new(struct alarm_set *set, uint64_t now_ns)
{
	uint64_t full_ns = set->bucket_full_ns > now_ns ? set->bucket_full_ns : now_ns;

	if (full_ns - now_ns > (ALARM_BURST - 1) * NEW_ALARM_NS)
		return false;
	set->bucket_full_ns = full_ns + NEW_ALARM_NS;
	return true;
}

static struct alarm *reopen(struct alarm *alarm, uint64_t now_ns)
{
	uint64_t pause_ns = ns_since(now_ns, alarm->hot_ns);

	if (pause_ns > alarm->pause_ns)
		alarm->pause_ns = pause_ns;
	alarm->n_reopened++;
	return alarm;
}

struct alarm *alarm_open(struct alarm_set *set, const char *group, const struct alert_target *target,
			 uint64_t started_ns, uint64_t now_ns)
{
	struct alarm *alarm;

	if (set->n_open == set->max_open)
		return NULL;
	alarm = remembered(set, target, now_ns);
	if (alarm != NULL) {
		reopen(alarm, now_ns);
	} else {
		if (!take_new(set, now_ns))
			return NULL;
		alarm = free_place(set);
		*alarm = (struct alarm){
			.is_used = true,
			.target = *target,
			.alert_id = alert_id(group, target, started_ns),
			.started_ns = started_ns,
		};
	}
	alarm->is_open = true;
	alarm->raised_ns = now_ns;
	alarm->written_ns = now_ns;
	alarm->changed_ns = 0;
	alarm->hot_ns = now_ns;
	alarm->seen_ns = alarm->started_ns;
	alarm->arrived_ns = now_ns;
	alarm->ended_ns = 0;
	alarm->patience_ns = 0;
	alarm->worst_severity = 0;
	set->n_open++;
	return alarm;
}

static bool is_figure_moved(const struct alarm *alarm, const struct alarm_reading *reading)
{
	const struct alarm_reading *written = &alarm->written;
	/* Below the threshold changes are noise. */
	double scale = fmax(written->level, alarm->threshold);

	return fabs(reading->level - written->level) > UPDATE_CHANGE * scale ||
	       reading->extent > UPDATE_GROWTH * written->extent;
}

/* Names are static: the same class has the same pointer. */
static bool is_change(const struct alarm_reading *before, const struct alarm_reading *now)
{
	return now->severity != before->severity || now->detector != before->detector ||
	       now->class_name != before->class_name;
}

static bool may_change(const struct alarm *alarm, const struct alarm_reading *reading, uint64_t now_ns)
{
	bool is_new = alarm->n_changes == 0 || is_change(&alarm->was, reading);

	return reading->severity < alarm->worst_severity || (is_new && alarm->n_changes < QUICK_CHANGES) ||
	       ns_since(now_ns, alarm->changed_ns) >= CHANGE_AGAIN_NS;
}

static uint64_t patience_ns(const struct alarm *alarm, uint64_t clear_after_ns)
{
	uint64_t learned_ns = (uint64_t)(PAUSE_FACTOR * (double)alarm->pause_ns);

	if (alarm->n_reopened == 0)
		return clear_after_ns;
	if (learned_ns < PATIENCE_REOPENED_NS)
		learned_ns = PATIENCE_REOPENED_NS;
	if (learned_ns > PATIENCE_MOST_NS)
		learned_ns = PATIENCE_MOST_NS;
	return learned_ns > clear_after_ns ? learned_ns : clear_after_ns;
}

static void take_reading(struct alarm *alarm, const struct alarm_reading *reading, uint64_t now_ns)
{
	alarm->peak = fmax(alarm->peak, reading->level);
	if (reading->is_hot) {
		uint64_t seen_ns = reading->seen_ns != 0 ? reading->seen_ns : now_ns;
		alarm->hot_ns = now_ns;
		if (seen_ns > alarm->seen_ns)
			alarm->seen_ns = seen_ns;
	}
	if (reading->arrivals == 0 || reading->arrivals != alarm->arrivals)
		alarm->arrived_ns = now_ns;
	alarm->arrivals = reading->arrivals;
}

enum alarm_due alarm_review(struct alarm *alarm, const struct alarm_reading *reading, uint64_t clear_after_ns,
			    uint64_t now_ns)
{
	uint64_t written_ago_ns = ns_since(now_ns, alarm->written_ns);
	bool is_young = ns_since(now_ns, alarm->raised_ns) < FIRST_MINUTE_NS;

	take_reading(alarm, reading, now_ns);
	alarm->patience_ns = patience_ns(alarm, clear_after_ns);
	if (ns_since(now_ns, alarm->hot_ns) >= alarm->patience_ns)
		return ALARM_CLEAR_DUE;
	if (is_change(&alarm->written, reading) && may_change(alarm, reading, now_ns))
		return ALARM_UPDATE_DUE;
	if (reading->stage != alarm->written.stage && written_ago_ns >= UPDATE_EARLY_NS)
		return ALARM_UPDATE_DUE;
	if (written_ago_ns < (is_young ? UPDATE_EARLY_NS : UPDATE_LATE_NS))
		return ALARM_NOTHING_DUE;
	return is_figure_moved(alarm, reading) ? ALARM_UPDATE_DUE : ALARM_NOTHING_DUE;
}

void alarm_written(struct alarm *alarm, const struct alarm_reading *reading, uint64_t now_ns)
{
	bool is_first = alarm->worst_severity == 0;

	if (!is_first && is_change(&alarm->written, reading)) {
		alarm->changed_ns = now_ns;
		alarm->n_changes++;
		alarm->was = alarm->written;
	}
	if (is_first || reading->severity < alarm->worst_severity)
		alarm->worst_severity = reading->severity;
	take_reading(alarm, reading, now_ns);
	alarm->written = *reading;
	alarm->written_ns = now_ns;
}

const char *alarm_clear_reason(const struct alarm *alarm, uint64_t now_ns)
{
	uint64_t silent_ns = ns_since(now_ns, alarm->arrived_ns);

	return (double)silent_ns >= SILENT_SHARE * (double)alarm->patience_ns ? "silent" : "recovered";
}

uint64_t alarm_duration_ns(const struct alarm *alarm)
{
	return ns_since(alarm->seen_ns, alarm->started_ns);
}

void alarm_close(struct alarm_set *set, struct alarm *alarm, uint64_t now_ns)
{
	alarm->is_open = false;
	alarm->ended_ns = now_ns;
	set->n_open--;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/siphash.h"
#include "tcpwitness/detect/detector.h"
#include "tcpwitness/detect/ruleset.h"

#include "block_pool.h"
#include "bounded_table.h"
#include "summary.h"
#include "summary_table.h"

/*
 * The keys that are judged, and what the detectors keep of each. A key that deserves attention is hot: it is judged
 * when it is due, at a tick, in the order in which keys became hot. Afterwards what detectors learned of it is kept as
 * long as there is room.
 */

/* One enabled detector. */
struct detector_run {
	const struct detector *detector;
	const struct rule *rule;
	uint8_t slot;                       /* of incidents: detectors of one group share it */
	size_t state_offset[SUMMARY_KINDS]; /* in struct watch, for the kinds that it judges */
	size_t params_offset[SUMMARY_KINDS];
	size_t glance_bytes; /* from the parameters on: what nearly every judgement reads */
};

/* One slot for each group, and one for each detector whose alarms are its own. */
enum { MAX_DETECTORS = 24, MAX_SLOTS = INCIDENT_OWN + MAX_DETECTORS };
_Static_assert(MAX_SLOTS <= 32, "slots are bits of a word");

struct incident;

/* What is remembered of trouble with a key while it lasts. */
struct trouble {
	uint64_t totals_before[SUMMARY_COUNTERS]; /* when it began */
	uint64_t suspicious_ns;                   /* last time at which a detector found something suspicious */
	uint64_t closed_span;                     /* crowds up to this span have been taken in */
	struct summary_crowd *crowds[SUMMARY_CROWDS];
};

struct watch {
	struct bounded_entry entry;
	struct summary_key key;
	bool is_hot;
	uint32_t hot_place;            /* if it is: among the hot keys of its kind */
	bool is_alarmed;               /* the tables know that an alarm about it is open */
	uint8_t attention;             /* enum summary_attention */
	uint32_t suspicious;           /* slots: at the last tick something was not to be learned from */
	uint32_t suppressed;           /* slots: an alarm was due and could not be raised */
	uint64_t folded_into;          /* SOURCE: id of the alarm in which it is told; 0 = none */
	uint32_t silenced;             /* runs: their rules keep them from raising an alarm */
	uint64_t deserved_ns;          /* last time at which it deserved attention */
	uint64_t crowded_ns;           /* last time at which it deserved to know who takes part */
	uint64_t crowds_ns;            /* since when that is known */
	uint32_t given_up_at;          /* attempts in a span at which it gave that up for others; 0 = it has not */
	struct incident *incidents;    /* open ones about it */
	struct trouble *trouble;       /* null = none */
	struct summary_record *record; /* that all is in; null where other sensors may know of it too */
};

/*
 * Side by side: at each tick all are asked whether they are due, and when there is no room for more, which of them may
 * go. That reads none of their watches.
 */
struct hot_key {
	struct watch *watch; /* null = it is hot no longer */
	uint64_t due_ns;     /* when it is to be judged next, or before if it is hurried or restless */
	uint32_t weight;     /* how much happened to it, when it was judged last */
	bool is_hurried;     /* it is to be judged at the next tick */
	bool is_restless;    /* something is suspicious, or it is troubled: by turns, if there are many */
	bool is_troubled;    /* an incident about it is open, or trouble lasts: it may not go */
};

struct watch_kind {
	struct bounded_table *entries;
	struct hot_key *hot; /* in the order in which they became hot, with gaps */
	size_t n_places;     /* of hot, gaps included */
	size_t n_hot;
	size_t n_restless;
	size_t max_hot;
};

struct watch_set {
	struct siphash_key secret;
	struct detector_run *runs;
	size_t n_runs;
	struct watch_kind kinds[SUMMARY_SENSOR];
	struct watch *sensor;
	struct block_pool troubles;
	struct block_pool crowds; /* struct summary_whole_crowd, of troubles */
};

/* runs: borrowed; their offsets are filled. -1 when memory is short. */
int watch_set_init(struct watch_set *set, struct detector_run *runs, size_t n_runs, size_t memory_bytes,
		   const struct siphash_key *secret);
void watch_set_fini(struct watch_set *set);

struct watch *watch_find(struct watch_set *set, const struct summary_key *key);

/* The key is hot from now on. Null when there is no room. It must not be hot. */
struct watch *watch_begin(struct watch_set *set, const struct summary_key *key, uint64_t now_ns);

/* No more of the kind can be hot. Not of the sensor. */
bool watch_is_full(const struct watch_set *set, enum summary_kind kind);

void watch_weigh(struct watch_set *set, const struct watch *watch, uint32_t weight);
void watch_end(struct watch_set *set, struct watch *watch);

/* The first hot one of the kind, and the one behind a hot one; null = none. */
struct watch *watch_first(const struct watch_set *set, enum summary_kind kind);
struct watch *watch_next(const struct watch_set *set, const struct watch *watch);

/*
 * A hot one will be judged soon, at now_ns, behind n_before others: what a judgement reads, which was not needed since
 * the one before, is fetched into the processor's cache. What that is, is found step by step, so it is to be said when
 * WATCH_AHEAD are before it, and again each time one of them was judged.
 */
enum { WATCH_AHEAD = 2 };
void watch_expect(const struct watch *watch, enum summary_kind kind, unsigned n_before, uint64_t now_ns);

/*
 * What one of its detectors keeps of it, which is said while the one before it is judged: all at once is more than a
 * processor fetches at a time.
 */
void watch_expect_state(const struct watch *watch, enum summary_kind kind, const struct detector_run *run);

/* A hot one, but the sensor's, is to be judged at the next tick. */
void watch_hurry(struct watch_set *set, const struct watch *watch);

/* Of a hot one, but the sensor's, after it was judged. */
void watch_note_judged(struct watch_set *set, const struct watch *watch);

void *watch_state(struct watch *watch, const struct detector_run *run);
const void *watch_params(const struct watch *watch, const struct detector_run *run);

/* Whom decisions about the key are about. */
struct rule_subject watch_subject(const struct summary_key *key);

/* Trouble begins, unless it has; began_ns: by what was found. Null when there is no room. */
struct trouble *watch_begin_trouble(struct watch_set *set, struct watch *watch, const struct summary *summary,
				    uint64_t began_ns, uint64_t now_ns);
void watch_end_trouble(struct watch_set *set, struct watch *watch);

/*
 * Fills views with the crowds since the trouble began, up to now, and crowd with pointers to those that hold
 * somebody; null where nobody is known.
 */
void watch_view_crowds(struct watch_set *set, struct watch *watch, const struct summary *summary, uint64_t now_ns,
		       struct summary_whole_crowd views[static SUMMARY_CROWDS],
		       const struct summary_crowd *crowd[static SUMMARY_CROWDS]);

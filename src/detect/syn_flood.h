/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/base/units.h"

#include "baseline.h"
#include "fate.h"
#include "listener.h"
#include "pending_profile.h"
#include "recent.h"
#include "evidence.h"

/*
 * Shared by syn_flood.c, which judges, syn_flood_refused.c, which judges what is refused, and syn_flood_text.c, which
 * explains.
 */

/* Rates are means over so many cohorts: 2 s. Whether it goes on is judged by 3 s. */
enum { RATE_SLOTS = 8, HOT_SLOTS = 12, SAMPLE_SLOTS = 4 };

/* A refusal comes within a round trip between sensor and server. */
#define REFUSED_NS (250 * NS_PER_MS)

/* What is usually silent, or refused, is known after so long, and half forgotten after so long. */
#define SHARE_READY_NS    (5 * NS_PER_SEC)
#define SHARE_HALF_LIFE_S 300.0

/* Sources that send one SYN each, and no options: what looks made up. */
#define ONCE_SPOOFED 0.8
#define RAW_SPOOFED  0.5
#define ALIKE        0.6

struct syn_flood_params {
	double floor;
	double count;
	double quick_floor;
	double quick_count;
	double fast_count;
	double refused_floor;
	double refused_count;
	double reset_floor;
	double factor;
	double crowd_factor;
	double few_factor;
	uint64_t few_sources;
	double unproven_factor;
	bool whole_host;
	uint64_t host_sources;
	uint64_t clear_after_ns;
};

/* How a flood was found, and by what kind of failure. */
enum syn_flood_by { BY_NOTHING = 0, BY_PENDING, BY_SILENCE, BY_REFUSAL, BY_AGAIN };

/* Whose attempts are reset by the client: of one source or tool that means it, of health checkers, of anybody. */
enum syn_flood_resets { RESETS_OF_MANY = 0, RESETS_OF_CHECKS, RESETS_MEANT };

/* Silent attempts that are usual, and of how many; old ones fade with a half-life of five minutes. */
struct silent_share {
	double silent;
	double attempts;
	uint64_t learned_ns; /* time over which it was learned */
};

struct syn_flood_state {
	struct listener listener;
	struct pending_profile profile;
	struct baseline attempts; /* per second, as those that follow */
	struct baseline completed;
	struct baseline silent;
	struct silent_share early_share; /* judged after 1 s */
	struct silent_share late_share;  /* after 3 s */
	struct silent_share refusals;    /* refused attempts in place of silent ones */
	uint64_t began_ns;               /* of what may be trouble; 0 = nothing is wrong */
	uint64_t early_began_ns;         /* since when each sum is above zero; 0 = it is not */
	uint64_t late_began_ns;
	uint64_t refused_began_ns;
	const char *class_name;  /* static */
	uint64_t class_since_ns; /* when it fitted last */
	uint64_t judged_early;   /* slots before this one are judged */
	uint64_t judged_late;
	uint64_t judged_refused;
	double early; /* what is beyond the floors, summed up (CUSUM) */
	double late;
	double refused;
	double rate;          /* of the attempts that fail beyond what is usual, per second */
	double usual_rate;    /* of those that fail, too: as usual */
	double allowed_rate;  /* of silent ones that would be usual */
	double attempts_rate; /* per second */
	double completed_share;
	double unanswered_share;
	double reset_share;    /* of the failing */
	double retrying_share; /* of the incomplete */
	double threshold;      /* per second */
	double completed_rate;
	double retrying_rate;
	double sources;
	double once;
	double alike;
	double raw;
	double top_share; /* of one source */
	struct ip_addr top_ip;
	double port_share; /* of one port */
	double repeats;    /* HOST: how often the main source asked each of many ports; 0 = there is none */
	uint8_t by;        /* enum syn_flood_by */
	uint8_t resets;    /* enum syn_flood_resets */
	bool is_accepted;  /* refusals that were there when the run began are what is usual */
	bool repeats_its_syns;
	bool is_again_begun;  /* SYNs came again at all; until then only when again was looked at is known */
	struct recent again;  /* SYNs of ports that were asked for before, in 2 s */
	struct recent asking; /* attempts that were repeated at all */
	double again_rate;    /* of these, per second, when no stacks would send so many; else 0 */
	bool is_made_up;      /* those that fail do not look like those who usually try */
};

void syn_flood_explain(const void *params, const struct detect_scene *scene, const void *state,
		       const struct finding *finding, enum alert_phase phase, struct event_alert *alert);

/* --- used by both that judge --- */

/* A one-sided CUSUM: what is beyond floor per second, summed up; count is an alarm. */
struct syn_flood_limits {
	double floor;
	double count;
};

double syn_flood_add_slot(double sum, double beyond, double seconds, const struct syn_flood_limits *limits);

/* Keeps since when the sum is above zero. */
void syn_flood_note_beginning(uint64_t *began_ns, uint64_t slot, double sum);

/* The first slot to judge, and what a gap since the last look takes from the sum. */
uint64_t syn_flood_first_to_judge(uint64_t judged, uint64_t last, double *sum, double floor);

/* What was seen of attempts over seconds: so many of them failed. */
void syn_flood_learn_share(struct silent_share *share, double seconds, double attempts, double failing);

/* Whether any handshake of the target has completed. */
bool syn_flood_has_worked(const struct detect_scene *scene);

/* One source asks many ports again and again. */
bool syn_flood_is_hammered(const struct syn_flood_state *state, double rate, bool is_refused);

/* --- syn_flood_refused.c --- */

/* The cohorts that have become old enough since the last look. */
void syn_flood_judge_refusals(const struct syn_flood_params *p, struct syn_flood_state *state,
			      const struct detect_scene *scene);

bool syn_flood_is_refused(const struct syn_flood_params *p, const struct syn_flood_state *state,
			  const struct detect_scene *scene);

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "baseline.h"
#include "fate.h"
#include "listener.h"
#include "pending_profile.h"
#include "recent.h"
#include "evidence.h"

/* Shared by syn_flood.c, which judges, and syn_flood_text.c, which explains. */
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
	struct recent again;  /* SYNs of ports that were asked for before, in 2 s */
	struct recent asking; /* attempts that were repeated at all */
	double again_rate;    /* of these, per second, when no stacks would send so many; else 0 */
	bool is_made_up;      /* those that fail do not look like those who usually try */
};

void syn_flood_explain(const void *params, const struct detect_scene *scene, const void *state,
		       const struct finding *finding, enum alert_phase phase, struct event_alert *alert);

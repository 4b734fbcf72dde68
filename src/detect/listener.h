/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "judgement.h"
#include "summary.h"

/*
 * What a service does with SYNs that never complete, as far as it shows outside (detection science, L4 to L6): whether
 * it answers with SYN cookies, how many half-open connections it holds, and how many it can hold at most.
 */
enum { LISTENER_RECORDED = 16 };

struct listener {
	uint64_t half_open_now;
	uint64_t half_open_peak;
	uint64_t backlog;                     /* half-open connections that it holds when it is full; 0 = unknown */
	uint64_t judged;                      /* slots before this one are judged */
	uint64_t doubted;                     /* a slot whose SYN-ACKs were not repeated at first; 0 = none */
	uint64_t onset;                       /* the first slot in which it may have been full; 0 = none */
	uint64_t onset_held;                  /* half-open connections just before */
	uint32_t recorded[LISTENER_RECORDED]; /* half-open connections at the end of slots, by number */
	uint64_t full_ns;                     /* when it was last seen full, by cookies or by silence; 0 = never */
	uint8_t cookies;                      /* enum alert_cookies: now, or when it was last seen in trouble */
	bool is_full;                         /* now */
	bool is_silent;                       /* it is full, and leaves what comes beyond unanswered */
	bool is_late;                         /* its first repetition comes later than after 1 s */
	const char *why;                      /* static: why cookies is so; null = nothing to say */
};

/* Looks again. *listener is zeroed before the first time. Once a tick. */
void listener_judge(struct listener *listener, const struct detect_scene *scene);

/* A new trouble: its peak is another one. */
void listener_begin(struct listener *listener);

/*
 * Half-open connections that the server provably holds, and has held for longer than any real client lets it wait.
 */
double listener_old_held(const struct detect_scene *scene);

void listener_fill(const struct listener *listener, struct event_alert *alert);

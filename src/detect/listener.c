/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server with state repeats a SYN-ACK after 1 s, one with SYN cookies never does; its queue is full when cookies or
 * silence begin, and what it holds then is what it can hold: see listener.h.
 */
#include "listener.h"

#include <math.h>

#include "fate.h"
#include "minmax.h"

/* Attempts that tell: of a server that was seen to repeat SYN-ACKs, and of one that was not. */
enum { TELLING_KNOWN = 8, TELLING_UNKNOWN = 20 };

/*
 * What the sensor misses looks as if it had not been repeated, by chance for all of a few: if it missed everything,
 * so many times more would have to tell.
 */
#define TELLING_MORE 10.0

/* They are collected from so many slots at most, the latest first. */
enum { TELLING_SLOTS = 12 };

/* Shares of those left waiting whose SYN-ACK is not repeated. */
#define COOKIES_FROM 0.7
#define STATE_BELOW  0.3

/* A SYN-ACK without the options that the client offered: so many, and such a share, of a server that did otherwise. */
enum { BARE_SLOTS = 4, BARE_MIN = 8 };
#define BARE_SHARE       0.3
#define BARE_SHARE_USUAL 0.05

/* A queue that is full and drops: share of the silent attempts that nobody answered. */
#define SILENT_FROM 0.3

/* Where less is held, nothing is full. */
enum { MIN_BACKLOG = 8 };

/* Attempts of one slot that show the first cookies, as long as those that follow confirm it within so many slots. */
enum { ONSET_MIN = 3, ONSET_SLOTS = 12 };
#define ONSET_AGAIN_NS (10 * NS_PER_SEC)

/* How long a server counts as full after it last showed it. */
#define FULL_FOR_NS (NS_PER_SEC / 2)

static double lost_share(const struct detect_scene *scene)
{
	return greater(sensor_view_lost_share(scene->view), 0);
}

static double telling(const struct detect_scene *scene)
{
	bool is_known = scene->summary->totals[SUMMARY_SYNACK_REPEATERS] >= MIN_BACKLOG;

	return (is_known ? TELLING_KNOWN : TELLING_UNKNOWN) * (1 + TELLING_MORE * lost_share(scene));
}

/* Handshakes whose end the sensor missed, the ACK and what followed it, seem to wait, and are not asked again. */
static double unseen_handshakes(const struct detect_scene *scene, const struct fate *fate)
{
	return lost_share(scene) * lost_share(scene) * fate->answered;
}

/* The latest slots with enough attempts that are left waiting; false: there are not enough. */
static bool latest_waiting(const struct detect_scene *scene, uint64_t last, struct fate *fate)
{
	double enough = telling(scene);
	double unseen = 0;
	struct fate slot;

	*fate = (struct fate){ 0 };
	/* No slots have more than there are. */
	if ((double)summary_half_open(scene->summary) < enough)
		return false;
	for (uint64_t i = 0; i < TELLING_SLOTS && i < last && fate->waiting - unseen < enough; i++) {
		fate_sum(scene->summary, last - i, last - i, &slot);
		/* Whoever asked again may have been answered only then. */
		fate->waiting += greater(slot.waiting - slot.retrying, 0);
		fate->ignored += greater(slot.ignored - slot.retrying, 0);
		unseen += unseen_handshakes(scene, &slot);
	}
	fate->waiting = greater(fate->waiting - unseen, 0);
	fate->ignored = greater(fate->ignored - unseen, 0);
	return fate->waiting >= enough;
}

static void judge_repetitions(struct listener *listener, const struct detect_scene *scene, uint64_t last)
{
	struct fate fate;

	if (!latest_waiting(scene, last, &fate))
		return;
	double ignored = fate_share(fate.ignored, fate.waiting);
	if (ignored >= COOKIES_FROM) {
		listener->cookies = ALERT_COOKIES_YES;
		listener->why = "its SYN-ACKs are not repeated, however long the clients leave them unanswered";
		fate_sum(scene->summary, last > 0 ? last - 1 : 0, last, &fate);
		if (fate.ignored - fate.retrying >= 1)
			listener->full_ns = scene->now_ns;
	} else if (ignored <= STATE_BELOW && listener->cookies != ALERT_COOKIES_YES) {
		listener->cookies = ALERT_COOKIES_NO;
		listener->why = "it repeats its SYN-ACKs, so it keeps state for each of them";
	}
}

/* What seemed to be cookies after 1 s was repeated after 3 s: the same cohort tells. */
static void judge_lateness(struct listener *listener, const struct detect_scene *scene, uint64_t last)
{
	struct fate fate;

	if (listener->doubted == 0 && listener->cookies == ALERT_COOKIES_YES && !listener->is_late) {
		fate_sum(scene->summary, last, last, &fate);
		if (fate.waiting >= MIN_BACKLOG && fate_share(fate.ignored, fate.waiting) >= COOKIES_FROM)
			listener->doubted = last;
	}
	if (listener->doubted == 0 || listener->doubted > fate_last_slot(scene->now_ns, FATE_LATE_NS))
		return;
	fate_sum(scene->summary, listener->doubted, listener->doubted, &fate);
	listener->is_late = fate.waiting >= MIN_BACKLOG && fate_share(fate.ignored, fate.waiting) <= STATE_BELOW;
	if (listener->is_late)
		listener->cookies = ALERT_COOKIES_UNKNOWN;
	listener->doubted = 0;
}

static void judge_options(struct listener *listener, const struct detect_scene *scene)
{
	const uint64_t *totals = scene->summary->totals;
	uint64_t now = scene->now_ns / SUMMARY_SLOT_NS;
	struct fate fate;

	if (totals[SUMMARY_BARE_SYNACKS] < BARE_MIN)
		return;
	fate_sum(scene->summary, now >= BARE_SLOTS ? now - BARE_SLOTS : 0, now, &fate);
	double answered_before = (double)totals[SUMMARY_ANSWERED] - fate.answered;
	double bare_before = (double)totals[SUMMARY_BARE_SYNACKS] - fate.bare;
	if (fate.bare < BARE_MIN || fate.bare < BARE_SHARE * fate.answered || answered_before < TELLING_KNOWN ||
	    bare_before > BARE_SHARE_USUAL * answered_before)
		return;
	listener->cookies = ALERT_COOKIES_YES;
	listener->why = "its SYN-ACKs have lost the options that it offered before";
	listener->full_ns = scene->now_ns;
}

/* Answers that got lost before they were seen, chance included: no silence. */
static double unseen_answers(const struct detect_scene *scene, const struct fate *fate)
{
	double lost = lost_share(scene) * fate->attempts;

	return lost + 3 * sqrt(lost);
}

static void judge_silence(struct listener *listener, const struct detect_scene *scene, uint64_t last, double held)
{
	struct fate fate;

	listener->is_silent = false;
	if (held < MIN_BACKLOG)
		return;
	fate_sum(scene->summary, last >= 3 ? last - 3 : 0, last, &fate);
	double unanswered =
		fate.attempts - fate.answered - fate.refused - fate.unreachable - unseen_answers(scene, &fate);
	listener->is_silent = fate.silent >= TELLING_KNOWN && unanswered >= SILENT_FROM * fate.silent &&
			      unanswered >= TELLING_KNOWN / 2.0;
	if (!listener->is_silent)
		return;
	listener->full_ns = scene->now_ns;
	listener->cookies = ALERT_COOKIES_NO;
	listener->why = "it leaves SYNs unanswered while its queue is full";
}

/* What it held at the end of slot, which is far enough back that a repetition would have shown. */
static double held_at(const struct summary *summary, uint64_t slot)
{
	uint64_t since[SUMMARY_COHORT_COUNTERS];

	if (summary->held == NULL)
		return 0;
	summary_sum(summary, slot + 1, UINT64_MAX, since);
	uint64_t held = summary_held_at(summary->held, slot);
	uint64_t younger = since[SUMMARY_SYNACK_REPEATERS];
	return held > younger ? (double)(held - younger) : 0;
}

/*
 * What it held when it became full is what it can hold; handshakes that were going on then are in it too, and had not
 * been told from cookies yet.
 */
static void judge_onset(struct listener *listener, const struct detect_scene *scene, uint64_t last)
{
	bool was_full = listener->full_ns != 0 && ns_since(scene->now_ns, listener->full_ns) < ONSET_AGAIN_NS;
	struct fate fate;

	if (listener->onset != 0 && last > listener->onset + ONSET_SLOTS)
		listener->onset = 0;
	if (summary_half_open(scene->summary) < ONSET_MIN)
		return;
	fate_sum(scene->summary, last, last, &fate);
	double ignored = greater(fate.ignored - fate.retrying, 0);
	if (listener->onset == 0 && !was_full && ignored >= ONSET_MIN && ignored >= SILENT_FROM * fate.waiting) {
		listener->onset = last;
		/* In the slot before there may have been some too, unnoticed. */
		listener->onset_held = listener->recorded[(last - 2) % LISTENER_RECORDED];
	}
}

static void judge_backlog(struct listener *listener, double held)
{
	if (!listener->is_full)
		return;
	if (held >= MIN_BACKLOG && held > (double)listener->backlog)
		listener->backlog = (uint64_t)held;
	if (listener->onset != 0 && listener->cookies == ALERT_COOKIES_YES && listener->onset_held > listener->backlog)
		listener->backlog = listener->onset_held;
}

/* Of those that are kept provably, as many as are kept beyond the slot that is so many before the present one. */
static double kept_behind(const struct detect_scene *scene, uint64_t n_before)
{
	uint64_t slot = scene->now_ns / SUMMARY_SLOT_NS;

	if (scene->summary->held == NULL || slot < n_before)
		return 0;
	return (double)summary_held_at(scene->summary->held, slot - n_before);
}

/* Its queue as it is now: what is kept, and what is too young to tell, which only cookies would not keep. */
static void judge_now(struct listener *listener, const struct detect_scene *scene, uint64_t last, double held)
{
	bool has_cookies = listener->cookies == ALERT_COOKIES_YES;
	struct fate young = { 0 };

	if (scene->summary->held != NULL || summary_half_open(scene->summary) > 0)
		fate_sum(scene->summary, last + 1, scene->now_ns / SUMMARY_SLOT_NS, &young);
	/* What is given up since then is replaced by those who are too young; in this slot, nobody knows when. */
	double now = lesser(greater(kept_behind(scene, 1) - young.repeaters, 0), held) + young.waiting;
	double least = lesser(greater(kept_behind(scene, 0) - young.repeaters, 0), held) + young.waiting;
	if (!has_cookies || !listener->is_full)
		listener->recorded[(scene->now_ns - 1) / SUMMARY_SLOT_NS % LISTENER_RECORDED] = (uint32_t)least;
	if (listener->is_full && !has_cookies && least > (double)listener->backlog)
		listener->backlog = (uint64_t)least;
	/* Whoever answers with cookies when he is full holds no more. */
	if (listener->is_full || (has_cookies && listener->backlog != 0 && now > (double)listener->backlog))
		now = (double)listener->backlog;
	listener->half_open_now = (uint64_t)now;
	/* What seemed to be held before cookies had shown was not. */
	if (listener->is_full && listener->half_open_peak > listener->backlog)
		listener->half_open_peak = listener->backlog;
	if (listener->half_open_now > listener->half_open_peak)
		listener->half_open_peak = listener->half_open_now;
}

void listener_judge(struct listener *listener, const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, listener->is_late ? FATE_LATE_NS : FATE_EARLY_NS);
	double held = held_at(scene->summary, last);

	judge_options(listener, scene);
	if (last >= listener->judged) {
		listener->judged = last + 1;
		judge_onset(listener, scene, last);
		judge_repetitions(listener, scene, last);
		judge_lateness(listener, scene, last);
		judge_silence(listener, scene, last, held);
		listener->is_full = listener->full_ns != 0 && ns_since(scene->now_ns, listener->full_ns) < FULL_FOR_NS;
		judge_backlog(listener, held);
	}
	judge_now(listener, scene, last, held);
}

void listener_begin(struct listener *listener)
{
	listener->half_open_peak = listener->half_open_now;
}

double listener_old_held(const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;
	uint64_t now = scene->now_ns / SUMMARY_SLOT_NS;
	struct fate young;

	if (summary->held == NULL || now == 0)
		return 0;
	fate_sum(summary, fate_last_slot(scene->now_ns, FATE_LATE_NS) + 1, now, &young);
	double held = (double)summary_held_at(summary->held, now - 1);
	return held > young.repeaters ? held - young.repeaters : 0;
}

void listener_fill(const struct listener *listener, struct event_alert *alert)
{
	alert->has_listener = true;
	alert->listener.half_open_now = listener->half_open_now;
	alert->listener.half_open_peak = listener->half_open_peak;
	alert->listener.backlog = listener->backlog;
	alert->listener.cookies = listener->cookies;
	alert->listener.why = listener->why;
}

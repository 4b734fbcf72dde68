/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signal counts where: summary.h says what the counters mean.
 */
#include "summary_count.h"

#include "tcpwitness/tcp/tcp_conn.h"

/* Within it the tracker has not yet said that an attempt came to nothing; so each joins those that fail once. */
#define DEADLINE_NS NS_PER_SEC

static bool is_early(const struct flow_signal *signal)
{
	return ns_since(signal->now_ns, signal->since_ns) < DEADLINE_NS;
}

/* The end of which a key of this kind counts what it waits for. */
static uint8_t waiting_side(enum summary_kind kind)
{
	return kind == SUMMARY_SOURCE ? SIDE_CLIENT : SIDE_SERVER;
}

bool summary_is_counted(enum summary_kind kind, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_CLOSED:
		return signal->completed;
	case SIGNAL_STALLED:
	case SIGNAL_STALLED_OVER:
		return signal->side == SIDE_CLIENT;
	case SIGNAL_HELD:
	case SIGNAL_HELD_OVER:
		return signal->side == waiting_side(kind);
	default:
		return true;
	}
}

/* Each attempt counts one, and each sign of trouble two. What only goes on, or is over, can wait. */
enum { URGE_OF_ATTEMPT = 1, URGE_OF_TROUBLE = 2 };

#define COHORT(counter)   .n_cohorts = 1, .cohorts = { counter }
#define EVENT(counter)    .n_events = 1, .events = { counter }
#define SIGN_OF_TROUBLE   .recent = { .signs = 1 }, .urge = URGE_OF_TROUBLE
#define JOINS(crowd_kind) .crowd = 1 + (crowd_kind), .crowd_of_source = 1 + (crowd_kind)

/* What every signal of a kind counts. What else some of them do is in add_opening and add_course. */
static const struct summary_tally tallies[SIGNAL_KIND_COUNT] = {
	[SIGNAL_ATTEMPT] = { COHORT(SUMMARY_ATTEMPTS), .recent = { .attempts = 1 }, .urge = URGE_OF_ATTEMPT,
			     JOINS(CROWD_TRYING) },
	[SIGNAL_SYN_REPEATED] = { EVENT(SUMMARY_SYNS_REPEATED), .urge = URGE_OF_TROUBLE },
	[SIGNAL_ANSWERED] = { COHORT(SUMMARY_ANSWERED), .crowd_of_source = 1 + CROWD_ANSWERED },
	[SIGNAL_SYNACK_REPEATED] = { EVENT(SUMMARY_SYNACKS_REPEATED), .urge = URGE_OF_TROUBLE, .moves_held = true },
	[SIGNAL_COMPLETED] = { COHORT(SUMMARY_COMPLETED), .gauge = GAUGE_UNSPOKEN, .gauge_change = 1,
			       .urge_of_pair = URGE_OF_ATTEMPT },
	[SIGNAL_REFUSED] = { COHORT(SUMMARY_REFUSED), SIGN_OF_TROUBLE },
	[SIGNAL_UNREACHABLE] = { COHORT(SUMMARY_UNREACHABLE), SIGN_OF_TROUBLE },
	[SIGNAL_UNANSWERED] = { COHORT(SUMMARY_UNANSWERED), SIGN_OF_TROUBLE, JOINS(CROWD_FAILING) },
	[SIGNAL_STILL_HALF_OPEN] = { COHORT(SUMMARY_STILL_HALF_OPEN), SIGN_OF_TROUBLE, JOINS(CROWD_FAILING) },
	[SIGNAL_HALF_OPEN_ENDED] = { COHORT(SUMMARY_HALF_OPEN_ENDED) },
	[SIGNAL_TIME_WAIT] = { EVENT(SUMMARY_TIME_WAIT) },
	[SIGNAL_TIME_WAIT_OVER] = { EVENT(SUMMARY_TIME_WAIT_OVER) },
	[SIGNAL_SERVER_TIME_WAIT] = { EVENT(SUMMARY_SERVER_TIME_WAIT) },
	[SIGNAL_SERVER_TIME_WAIT_OVER] = { EVENT(SUMMARY_SERVER_TIME_WAIT_OVER) },
	[SIGNAL_CLIENT_RESET] = { COHORT(SUMMARY_CLIENT_RESET), SIGN_OF_TROUBLE },
	[SIGNAL_CLIENT_SPOKE] = { EVENT(SUMMARY_SPOKEN), .gauge = GAUGE_UNSPOKEN, .gauge_change = -1 },
	[SIGNAL_SYNACK_AFTER_ACK] = { EVENT(SUMMARY_SYNACKS_AFTER_ACK), SIGN_OF_TROUBLE },
	[SIGNAL_DATA_IGNORED] = { EVENT(SUMMARY_DATA_IGNORED), SIGN_OF_TROUBLE },
	[SIGNAL_STALLED] = { .urge = URGE_OF_TROUBLE },
	[SIGNAL_HELD] = { .urge = URGE_OF_TROUBLE },
	[SIGNAL_RST_SUSPECT] = { SIGN_OF_TROUBLE },
	[SIGNAL_STRAY] = { SIGN_OF_TROUBLE, JOINS(CROWD_STRAY) },
	[SIGNAL_JOINED] = { EVENT(SUMMARY_JOINED) },
	[SIGNAL_STRAY_CLAIMED] = { EVENT(SUMMARY_STRAYS_CLAIMED) },
};

static void add_cohort(struct summary_tally *tally, bool is_so, enum summary_counter counter)
{
	if (is_so)
		tally->cohorts[tally->n_cohorts++] = (uint8_t)counter;
}

static void add_event(struct summary_tally *tally, bool is_so, enum summary_counter counter)
{
	if (is_so)
		tally->events[tally->n_events++] = (uint8_t)counter;
}

static void add_failing(struct summary_tally *tally, const struct flow_signal *signal)
{
	if (!is_early(signal))
		return;
	tally->crowd = 1 + CROWD_FAILING;
	tally->crowd_of_source = 1 + CROWD_FAILING;
}

/* What the server was thought to keep. */
static void add_held_end(struct summary_tally *tally, const struct flow_signal *signal)
{
	add_cohort(tally, signal->held_before_ns != 0, SUMMARY_REPEATERS_ENDED);
	tally->moves_held = signal->held_before_ns != 0;
}

static void add_completed(struct summary_tally *tally, const struct flow_signal *signal)
{
	add_cohort(tally, signal->retried, SUMMARY_RETRIED_SETTLED);
	/* Pairs know of no attempts, so of none that is half open. */
	tally->n_cohorts_of_pair = tally->n_cohorts;
	if (signal->ended) {
		add_cohort(tally, true, SUMMARY_HALF_OPEN_ENDED);
		add_held_end(tally, signal);
	}
	tally->rtt_bucket = (uint8_t)(1 + summary_rtt_bucket(ns_since(signal->now_ns, signal->since_ns)));
	/* Only the client is seen here; it would not go on without an answer. */
	if (!signal->answered)
		tally->crowd_of_source = 1 + CROWD_ANSWERED;
}

/* What becomes of an attempt. */
static void add_opening(struct summary_tally *tally, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_SYN_REPEATED:
		add_cohort(tally, signal->is_first, SUMMARY_RETRIED);
		break;
	case SIGNAL_ANSWERED:
		add_cohort(tally, signal->bare_synack, SUMMARY_BARE_SYNACKS);
		break;
	case SIGNAL_SYNACK_REPEATED:
		add_cohort(tally, signal->held_until_ns != 0 && signal->held_before_ns == 0, SUMMARY_SYNACK_REPEATERS);
		break;
	case SIGNAL_COMPLETED:
		add_completed(tally, signal);
		break;
	case SIGNAL_REFUSED:
	case SIGNAL_UNREACHABLE:
		add_cohort(tally, signal->retried, SUMMARY_RETRIED_SETTLED);
		add_failing(tally, signal);
		break;
	case SIGNAL_CLIENT_RESET:
		add_failing(tally, signal);
		break;
	case SIGNAL_HALF_OPEN_ENDED:
		add_held_end(tally, signal);
		break;
	default:
		break;
	}
}

static void add_closed(struct summary_tally *tally, const struct flow_signal *signal)
{
	bool is_unspoken = signal->completed && !signal->spoke;

	add_event(tally, signal->completed, SUMMARY_CLOSED);
	add_event(tally, is_unspoken, SUMMARY_CLOSED_UNSPOKEN);
	tally->gauge = GAUGE_UNSPOKEN;
	tally->gauge_change = is_unspoken ? -1 : 0;
}

/* Counters of what began and is over stand side by side. */
static void add_gauge(struct summary_tally *tally, enum summary_counter begun, enum summary_gauge gauge, bool is_over)
{
	add_event(tally, true, (enum summary_counter)(begun + (is_over ? 1 : 0)));
	tally->gauge = (uint8_t)gauge;
	tally->gauge_change = is_over ? -1 : 1;
}

static void add_held(struct summary_tally *tally, const struct flow_signal *signal)
{
	bool is_over = signal->kind == SIGNAL_HELD_OVER;

	if (signal->state == TCPS_CLOSE_WAIT)
		add_gauge(tally, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, is_over);
	else if (signal->state == TCPS_FIN_WAIT_2)
		add_gauge(tally, SUMMARY_FIN_WAIT_2, GAUGE_FIN_WAIT_2, is_over);
	else if (signal->state == TCPS_LAST_ACK)
		add_gauge(tally, SUMMARY_LAST_ACK, GAUGE_LAST_ACK, is_over);
}

static void add_rst_suspect(struct summary_tally *tally, const struct flow_signal *signal)
{
	bool is_contradicted = (signal->suspicion & RST_SUSPECT_CONTRADICTED) != 0;

	add_event(tally, signal->is_first, SUMMARY_RST_SUSPECTS);
	add_event(tally, is_contradicted, SUMMARY_RST_CONTRADICTED);
	add_event(tally, is_contradicted && (signal->suspicion & (RST_SUSPECT_TTL | RST_SUSPECT_IP_ID)) != 0,
		  SUMMARY_RST_FORGED);
	add_event(tally, (signal->suspicion & RST_SUSPECT_PROBE) != 0, SUMMARY_RST_PROBES);
}

static void note_not_counted(struct summary_tally *tally, const struct flow_signal *signal)
{
	tally->is_not_of_targets = !summary_is_counted(SUMMARY_SERVICE, signal);
	tally->is_not_of_source = !summary_is_counted(SUMMARY_SOURCE, signal);
}

/* What becomes of a connection, and what belongs to none. */
static void add_course(struct summary_tally *tally, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_TIME_WAIT_OVER:
		add_event(tally, signal->reused, SUMMARY_TIME_WAIT_REUSED);
		break;
	case SIGNAL_CLOSED:
		add_closed(tally, signal);
		note_not_counted(tally, signal);
		break;
	case SIGNAL_SYNACK_AFTER_ACK:
		add_event(tally, signal->is_first, SUMMARY_ACKS_DROPPED);
		break;
	case SIGNAL_STALLED:
	case SIGNAL_STALLED_OVER:
		if (signal->side == SIDE_CLIENT)
			add_gauge(tally, SUMMARY_STALLED, GAUGE_STALLED, signal->kind == SIGNAL_STALLED_OVER);
		note_not_counted(tally, signal);
		break;
	case SIGNAL_HELD:
	case SIGNAL_HELD_OVER:
		add_held(tally, signal);
		note_not_counted(tally, signal);
		break;
	case SIGNAL_RST_SUSPECT:
		add_rst_suspect(tally, signal);
		break;
	case SIGNAL_STRAY:
		add_event(tally, signal->stray < STRAY_COUNT, (enum summary_counter)(SUMMARY_STRAYS + signal->stray));
		break;
	default:
		break;
	}
}

void summary_tally_signal(struct summary_tally *tally, const struct flow_signal *signal)
{
	*tally = tallies[signal->kind];
	tally->slot = signal->since_ns / SUMMARY_SLOT_NS;
	tally->recent.span = signal->now_ns / SUMMARY_SPAN_NS;
	add_opening(tally, signal);
	add_course(tally, signal);
	tally->has_more =
		tally->n_events > 0 || tally->gauge_change != 0 || tally->rtt_bucket != 0 || tally->moves_held;
}

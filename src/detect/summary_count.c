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

enum summary_crowd_kind summary_crowd_of(enum summary_kind kind, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_ATTEMPT:
		return CROWD_TRYING;
	case SIGNAL_ANSWERED:
		return kind == SUMMARY_SOURCE ? CROWD_ANSWERED : SUMMARY_CROWDS;
	case SIGNAL_COMPLETED:
		/* Only the client is seen here; it would not go on without an answer. */
		return kind == SUMMARY_SOURCE && !signal->answered ? CROWD_ANSWERED : SUMMARY_CROWDS;
	case SIGNAL_UNANSWERED:
	case SIGNAL_STILL_HALF_OPEN:
		return CROWD_FAILING;
	case SIGNAL_REFUSED:
	case SIGNAL_UNREACHABLE:
	case SIGNAL_CLIENT_RESET:
		return is_early(signal) ? CROWD_FAILING : SUMMARY_CROWDS;
	case SIGNAL_STRAY:
		return CROWD_STRAY;
	default:
		return SUMMARY_CROWDS;
	}
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

static void count_sign(struct summary *summary, const struct flow_signal *signal)
{
	summary_count_recent(summary, 0, 1, signal->now_ns);
}

static void count_failure(struct summary *summary, enum summary_counter counter, const struct flow_signal *signal)
{
	summary_count(summary, counter, signal->since_ns);
	count_sign(summary, signal);
}

static void settle_retried(struct summary *summary, const struct flow_signal *signal)
{
	if (signal->retried)
		summary_count(summary, SUMMARY_RETRIED_SETTLED, signal->since_ns);
}

static void count_synack_repeated(struct summary *summary, const struct flow_signal *signal)
{
	summary->totals[SUMMARY_SYNACKS_REPEATED]++;
	if (signal->held_until_ns != 0 && signal->held_before_ns == 0)
		summary_count(summary, SUMMARY_SYNACK_REPEATERS, signal->since_ns);
	if (summary->held != NULL)
		summary_held_move(summary->held, signal->held_before_ns, signal->held_until_ns, signal->now_ns);
}

static void count_half_open_ended(struct summary *summary, const struct flow_signal *signal)
{
	summary_count(summary, SUMMARY_HALF_OPEN_ENDED, signal->since_ns);
	if (signal->held_before_ns != 0)
		summary_count(summary, SUMMARY_REPEATERS_ENDED, signal->since_ns);
	if (summary->held != NULL && signal->held_before_ns != 0)
		summary_held_move(summary->held, signal->held_before_ns, signal->held_until_ns, signal->now_ns);
}

static void count_completed(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal)
{
	summary_count(summary, SUMMARY_COMPLETED, signal->since_ns);
	settle_retried(summary, signal);
	/* How long they take is a matter of who is asked. */
	if (kind != SUMMARY_SOURCE && kind != SUMMARY_PAIR)
		summary_count_handshake(summary, ns_since(signal->now_ns, signal->since_ns));
	summary_count_age(summary, GAUGE_UNSPOKEN, 1, signal->since_ns);
}

static void count_closed(struct summary *summary, const struct flow_signal *signal)
{
	if (!signal->completed)
		return;
	summary->totals[SUMMARY_CLOSED]++;
	if (signal->spoke)
		return;
	summary->totals[SUMMARY_CLOSED_UNSPOKEN]++;
	summary_count_age(summary, GAUGE_UNSPOKEN, -1, signal->since_ns);
}

/* Counters of what began and is over stand side by side. */
static void count_gauge(struct summary *summary, enum summary_counter begun, enum summary_gauge gauge, bool is_over,
			const struct flow_signal *signal)
{
	summary->totals[begun + (is_over ? 1 : 0)]++;
	summary_count_age(summary, gauge, is_over ? -1 : 1, signal->since_ns);
}

static void count_held(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal)
{
	bool is_over = signal->kind == SIGNAL_HELD_OVER;

	if (signal->side != waiting_side(kind))
		return;
	if (signal->state == TCPS_CLOSE_WAIT)
		count_gauge(summary, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, is_over, signal);
	else if (signal->state == TCPS_FIN_WAIT_2)
		count_gauge(summary, SUMMARY_FIN_WAIT_2, GAUGE_FIN_WAIT_2, is_over, signal);
	else if (signal->state == TCPS_LAST_ACK)
		count_gauge(summary, SUMMARY_LAST_ACK, GAUGE_LAST_ACK, is_over, signal);
}

static void count_rst_suspect(struct summary *summary, const struct flow_signal *signal)
{
	summary->totals[SUMMARY_RST_SUSPECTS] += signal->is_first;
	summary->totals[SUMMARY_RST_CONTRADICTED] += (signal->suspicion & RST_SUSPECT_CONTRADICTED) != 0;
	summary->totals[SUMMARY_RST_FORGED] += (signal->suspicion & RST_SUSPECT_CONTRADICTED) != 0 &&
					       (signal->suspicion & (RST_SUSPECT_TTL | RST_SUSPECT_IP_ID)) != 0;
	summary->totals[SUMMARY_RST_PROBES] += (signal->suspicion & RST_SUSPECT_PROBE) != 0;
	count_sign(summary, signal);
}

/* What becomes of an attempt. False: the signal is about something else. */
static bool count_attempt(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_ATTEMPT:
		summary_count(summary, SUMMARY_ATTEMPTS, signal->since_ns);
		summary_count_recent(summary, 1, 0, signal->now_ns);
		return true;
	case SIGNAL_SYN_REPEATED:
		summary->totals[SUMMARY_SYNS_REPEATED]++;
		if (signal->is_first)
			summary_count(summary, SUMMARY_RETRIED, signal->since_ns);
		return true;
	case SIGNAL_ANSWERED:
		summary_count(summary, SUMMARY_ANSWERED, signal->since_ns);
		if (signal->bare_synack)
			summary_count(summary, SUMMARY_BARE_SYNACKS, signal->since_ns);
		return true;
	case SIGNAL_SYNACK_REPEATED:
		count_synack_repeated(summary, signal);
		return true;
	case SIGNAL_COMPLETED:
		count_completed(summary, kind, signal);
		return true;
	case SIGNAL_REFUSED:
		count_failure(summary, SUMMARY_REFUSED, signal);
		settle_retried(summary, signal);
		return true;
	case SIGNAL_UNREACHABLE:
		count_failure(summary, SUMMARY_UNREACHABLE, signal);
		settle_retried(summary, signal);
		return true;
	case SIGNAL_UNANSWERED:
		count_failure(summary, SUMMARY_UNANSWERED, signal);
		return true;
	case SIGNAL_STILL_HALF_OPEN:
		count_failure(summary, SUMMARY_STILL_HALF_OPEN, signal);
		return true;
	case SIGNAL_HALF_OPEN_ENDED:
		count_half_open_ended(summary, signal);
		return true;
	case SIGNAL_CLIENT_RESET:
		count_failure(summary, SUMMARY_CLIENT_RESET, signal);
		return true;
	default:
		return false;
	}
}

static void count_connection(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_TIME_WAIT:
		summary->totals[SUMMARY_TIME_WAIT]++;
		break;
	case SIGNAL_TIME_WAIT_OVER:
		summary->totals[SUMMARY_TIME_WAIT_OVER]++;
		summary->totals[SUMMARY_TIME_WAIT_REUSED] += signal->reused;
		break;
	case SIGNAL_CLOSED:
		count_closed(summary, signal);
		break;
	case SIGNAL_SERVER_TIME_WAIT:
		summary->totals[SUMMARY_SERVER_TIME_WAIT]++;
		break;
	case SIGNAL_SERVER_TIME_WAIT_OVER:
		summary->totals[SUMMARY_SERVER_TIME_WAIT_OVER]++;
		break;
	case SIGNAL_CLIENT_SPOKE:
		summary->totals[SUMMARY_SPOKEN]++;
		summary_count_age(summary, GAUGE_UNSPOKEN, -1, signal->since_ns);
		break;
	case SIGNAL_SYNACK_AFTER_ACK:
		summary->totals[SUMMARY_SYNACKS_AFTER_ACK]++;
		summary->totals[SUMMARY_ACKS_DROPPED] += signal->is_first;
		count_sign(summary, signal);
		break;
	case SIGNAL_DATA_IGNORED:
		summary->totals[SUMMARY_DATA_IGNORED]++;
		count_sign(summary, signal);
		break;
	case SIGNAL_STALLED:
	case SIGNAL_STALLED_OVER:
		if (signal->side == SIDE_CLIENT)
			count_gauge(summary, SUMMARY_STALLED, GAUGE_STALLED, signal->kind == SIGNAL_STALLED_OVER,
				    signal);
		break;
	case SIGNAL_HELD:
	case SIGNAL_HELD_OVER:
		count_held(summary, kind, signal);
		break;
	case SIGNAL_RST_SUSPECT:
		count_rst_suspect(summary, signal);
		break;
	case SIGNAL_STRAY:
		if (signal->stray < STRAY_COUNT)
			summary->totals[SUMMARY_STRAYS + signal->stray]++;
		count_sign(summary, signal);
		break;
	case SIGNAL_JOINED:
		summary->totals[SUMMARY_JOINED]++;
		break;
	case SIGNAL_STRAY_CLAIMED:
		summary->totals[SUMMARY_STRAYS_CLAIMED]++;
		break;
	default:
		break;
	}
}

void summary_count_signal(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal)
{
	if (signal->now_ns > summary->latest_ns)
		summary->latest_ns = signal->now_ns;
	if (!count_attempt(summary, kind, signal))
		count_connection(summary, kind, signal);
}
